"""Packed messages judged at once: from their bytes to the records' own bytes and times, without
the payload of version 1 between.

`protocol.unpacking.unpack` and the decoders are the only judge. A message is told here only when
every record in it is packed in a way that came often (`packed_code.py`); everything else is
declined, and the judges say what it is.
"""

from gateway.facts.chain import DEVICE_CLOCK_AHEAD_MS
from gateway.facts.packed_code import Way, has_way, head_of, make
from gateway.facts.packed_values import (
    UINT32_MAX,
    UINT48_MAX,
    Declined,
    long_number,
    number,
)
from protocol import messages, packing, seal
from protocol import records as wire

Told = tuple[int, int, int, int, bytes, list[bytes], int, int]

# To write a function costs about as much as to unpack so many messages: a way that comes as often
# gets one. Whoever sends ever other ways makes us write one in so many messages, and no more.
_MAKE_AFTER = 8
_WAYS_MAX = 128
_MET_MAX = 1024
_EPOCH_AT = 1
_BEFORE_AT = _EPOCH_AT + packing.EPOCH_BYTES
_BOOT_AT = _BEFORE_AT + messages.FINGERPRINT_BYTES
_int = int.from_bytes


class PackedReader:
    """Reads packed payloads, and makes the functions for the ways to pack that it meets often."""

    def __init__(self, make_after: int = _MAKE_AFTER) -> None:
        self._make_after = make_after
        self._met: dict[tuple[bytes, bool], int] = {}
        self._missed: tuple[bytes, bool] | None = None
        self._first: dict[bytes, Way] = {}
        self._later: dict[bytes, Way] = {}

    def ways(self) -> int:
        """How many ways have a function."""
        return len(self._first) + len(self._later)

    def read(self, data: bytes, received_ms: int) -> Told | None:
        """(epoch, boot, sent_uptime_ms, first_seq, before, records, from_ms, until_ms) of a packed
        payload that arrived at `received_ms`; None when the judges must say what it is.
        """
        self._missed = None
        try:
            return self._read(data, received_ms)
        except (Declined, IndexError):  # or it ends inside a number
            return None

    def meet(self) -> None:
        """Count what was declined last and was good all the same; take it from now on when that
        comes often.
        """
        missed = self._missed
        if missed is None:
            return
        if len(self._met) >= _MET_MAX:
            self._met.clear()
        self._met[missed] = self._met.get(missed, 0) + 1
        if self._met[missed] >= self._make_after:
            del self._met[missed]
            self.make(*missed)

    def make(self, head: bytes, is_first: bool) -> None:
        """From now on take records that are packed in this way, first in a message or later."""
        if self.ways() >= _WAYS_MAX:
            self._first.clear()
            self._later.clear()
        (self._first if is_first else self._later)[head] = make(head, is_first)

    def _read(self, data: bytes, received_ms: int) -> Told | None:
        end = len(data)
        boot = data[_BOOT_AT]
        at = _BOOT_AT + 1
        if boot > 127:
            boot, at = long_number(data, at)
        sent, at = number(data, at)
        first_seq, at = number(data, at)
        epoch = _int(data[_EPOCH_AT:_BEFORE_AT], "big")
        known: list[object] = []
        way = self._first.get(data[at : at + 2]) or self._first.get(data[at : at + 1])
        if way is None:
            self._miss(data, at, is_first=True)
            return None
        raw, at, utc = way(data, at, end, boot, sent, known)
        records = [raw]
        from_ms = until_ms = utc
        size = len(raw)
        room = messages.EVENT_BYTES_MAX - 3 - size
        while at < end:
            way = self._later.get(data[at : at + 2]) or self._later.get(data[at : at + 1])
            if way is None:
                self._miss(data, at, is_first=False)
                return None
            raw, at, utc = way(data, at, known)
            records.append(raw)
            if utc > until_ms:
                until_ms = utc
            elif utc < from_ms:
                from_ms = utc
            if len(raw) > size:
                size = len(raw)
            room -= len(raw) + 3
        if (
            at != end
            or data[0] != packing.VERSION
            or room < 0
            or size > wire.RECORD_BYTES_MAX
            or end > seal.PAYLOAD_BYTES_MAX
            or not epoch
            or boot > UINT32_MAX
            or sent > UINT48_MAX
            or not first_seq
            or first_seq + len(records) - 1 > UINT32_MAX
            or until_ms > received_ms + DEVICE_CLOCK_AHEAD_MS
        ):
            return None
        before = data[_BEFORE_AT:_BOOT_AT]
        return epoch, boot, sent, first_seq, before, records, from_ms, until_ms

    def _miss(self, data: bytes, at: int, is_first: bool) -> None:
        head = head_of(data, at)
        if head and has_way(head):
            self._missed = head, is_first
