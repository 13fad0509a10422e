"""What an `ev` message says: its records' own bytes and when they happened.

The decoders of protocol/ are the only judge of bytes. They are slow, so what has come often is told
by its shape first: a pattern generated from the wire dictionary (`patterns.py`), which takes
nothing that the decoder refuses. Whatever no pattern takes goes to the decoder.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from gateway.facts.chain import DEVICE_CLOCK_AHEAD_MS, occurred_ms
from gateway.facts.patterns import Shape, head_of, integer, record_pattern, shape_of
from gateway.facts.records import UNDECODABLE, SeenRecord
from protocol import cbor, messages
from protocol import records as wire
from protocol.compat import ProtocolError

_NOTHING: Mapping[int, str] = {}
_Take = Callable[[bytes], "re.Match[bytes] | None"]

# A pattern costs as much to make as the decoder needs for some dozen records: it is made for shapes
# that come so often. There are no more of them than the dictionary has, about 150.
_MAKE_AFTER = 32
_PAYLOAD_BYTES_MAX = 1024
_BEFORE_AT = -1 - messages.FINGERPRINT_BYTES
_BEFORE_HEAD = 0x40 | messages.FINGERPRINT_BYTES
# epoch, boot, sent_uptime_ms, first_seq and how many records
_HEADER = re.compile(
    b"\\x86(%b)(%b)(%b)(%b)(?:[\\x81-\\x97]|\\x98[\\x18-\\x40])"
    % (
        integer(1, 0xFFFFFFFF), integer(0, 0xFFFFFFFF),
        integer(0, 0xFFFFFFFFFFFF), integer(1, 0xFFFFFFFF),
    ),
    re.DOTALL,
)  # fmt: skip
# What the first byte adds to an item of so many bytes, read as one number.
_INITIAL = {1: 0, 2: 0x18 << 8, 3: 0x19 << 16, 5: 0x1A << 32, 9: 0x1B << 64}


class Events(NamedTuple):
    """One `ev` payload. Record i has seq first_seq + i; `unreadable`: why a record's bytes are no
    record, by i. from_ms, until_ms: the earliest and the latest of the records, Unix milliseconds.
    """

    epoch: int
    boot: int
    sent_uptime_ms: int
    first_seq: int
    before: bytes
    records: list[bytes]
    unreadable: Mapping[int, str]
    from_ms: int
    until_ms: int

    @property
    def last_seq(self) -> int:
        """Seq of the last record in the message."""
        return self.first_seq + len(self.records) - 1


class Reader:
    """Reads payloads, and makes patterns of the shapes that it met."""

    def __init__(self, make_after: int = _MAKE_AFTER) -> None:
        self._make_after = make_after
        self._met: dict[tuple[str, Shape], int] = {}
        self._made: dict[bytes, set[Shape]] = {}
        self._take: dict[bytes, _Take] = {}  # by the first three bytes

    def takes(self, raw: bytes) -> "re.Match[bytes] | None":
        """The match of a record that a pattern takes."""
        return self._take.get(raw[:3], _refuse)(raw)

    def read(self, payload: bytes, received_ms: int) -> Events:
        """What a payload says that arrived at `received_ms`. Raises ProtocolError for one that is
        no `ev`.
        """
        found = _HEADER.match(payload)
        if found is None or len(payload) > _PAYLOAD_BYTES_MAX:
            return self._strictly(payload, received_ms)
        epoch, boot, sent_uptime_ms, first_seq = map(_number, found.groups())
        last = payload[found.end() - 1]
        count = last & 0x1F if last & 0x80 else last
        records = _split(payload, found.end(), count)
        if records is None or first_seq + count > 0x100000000:
            return self._strictly(payload, received_ms)
        latest_ms = received_ms + DEVICE_CLOCK_AHEAD_MS
        unreadable: dict[int, str] = {}
        times: list[int] = []
        take = self._take
        for raw in records:
            match = take.get(raw[:3], _refuse)(raw)
            utc = match[3] if match else None
            at_ms = int.from_bytes(utc, "big") if utc else latest_ms + 1
            if at_ms > latest_ms:
                fields = _clock_of(match) if match else self._judged(raw, unreadable, len(times))
                at_ms = occurred_ms(fields, boot, sent_uptime_ms, received_ms)
            times.append(at_ms)
        return Events(
            epoch, boot, sent_uptime_ms, first_seq, payload[_BEFORE_AT + 1 :], records,
            unreadable or _NOTHING, min(times), max(times),
        )  # fmt: skip

    def _strictly(self, payload: bytes, received_ms: int) -> Events:
        event = messages.decode_events(payload)
        unreadable: dict[int, str] = {}
        boot, sent_uptime_ms = event["boot"], event["sent_uptime_ms"]
        times = [
            occurred_ms(self._judged(raw, unreadable, index), boot, sent_uptime_ms, received_ms)
            for index, raw in enumerate(event["records"])
        ]
        return Events(
            event["epoch"], boot, sent_uptime_ms, event["first_seq"], event["before"],
            event["records"], unreadable or _NOTHING, min(times), max(times),
        )  # fmt: skip

    def _judged(self, raw: bytes, unreadable: dict[int, str], index: int) -> dict[str, Any] | None:
        """The fields as the decoder has them, or None and its reason in `unreadable`."""
        try:
            fields = wire.decode_record(raw)
        except ProtocolError as error:
            unreadable[index] = str(error)
            return None
        self._meet(fields)
        return dict(fields)

    def _meet(self, fields: dict[str, Any]) -> None:
        """Count a good record that no pattern took, and make the pattern when its shape has come
        often.
        """
        shape = shape_of(fields)
        met = self._met.get((fields["kind"], shape), 0) + 1
        self._met[fields["kind"], shape] = met
        if met == self._make_after:
            head = head_of(fields["kind"], shape)
            made = self._made.setdefault(head, set())
            made.add(shape)
            self._take[head] = record_pattern(fields["kind"], made).fullmatch


def read_events(payload: bytes, received_ms: int) -> Events:
    """What a payload says that arrived at `received_ms`. Raises ProtocolError for one that is no
    `ev`.
    """
    return _READER.read(payload, received_ms)


def _refuse(_raw: bytes) -> None:
    return None


def _number(item: bytes) -> int:
    """The value of an unsigned integer item."""
    return int.from_bytes(item, "big") - _INITIAL[len(item)]


def _clock_of(match: "re.Match[bytes]") -> dict[str, Any]:
    """The fields of a record that say when it was, by the device's clocks."""
    clock = {"boot": _number(match[1]), "uptime_ms": _number(match[2])}
    return {**clock, "utc_ms": int.from_bytes(match[3], "big")} if match[3] else clock


def _split(payload: bytes, at: int, count: int) -> list[bytes] | None:
    """The `count` byte strings from `at` on, when after them comes a fingerprint and nothing else;
    None for all other bytes, and for a string that is too long to be a record.
    """
    end = len(payload) + _BEFORE_AT
    records = []
    try:
        for _ in range(count):
            size = payload[at]
            at += 1
            if size == 0x58:
                size = payload[at]
                at += 1
                if size < 24:
                    return None
            elif 0x40 <= size < 0x58:
                size -= 0x40
            elif size == 0x59:
                size = int.from_bytes(payload[at : at + 2], "big")
                at += 2
                if not 256 <= size <= wire.RECORD_BYTES_MAX:
                    return None
            else:
                return None
            records.append(payload[at : at + size])
            at += size
    except IndexError:
        return None
    return records if at == end and payload[end] == _BEFORE_HEAD else None


def payload_of(sealed: bytes) -> bytes:
    """The payload of a sealed message that was judged when it arrived; its seal is not looked at.
    Raises ProtocolError for bytes that are no sealed message.
    """
    parts = cbor.decode(sealed)
    if not isinstance(parts, list) or len(parts) != 4 or not isinstance(parts[2], bytes):
        raise ProtocolError("seal: not an array of four")
    return parts[2]


def device_of(sealed: bytes) -> str:
    """The device that a sealed message names in its kid. Raises ProtocolError."""
    parts = cbor.decode(sealed)
    try:
        kid = parts[1][4]
        return str(kid.rpartition(b".")[0].decode("ascii"))
    except (TypeError, IndexError, KeyError, AttributeError, UnicodeError) as error:
        raise ProtocolError("seal: it names no device") from error


def seen_records(
    device: str, events: Events, seqs: Iterable[int], received_ms: int, entry_n: int
) -> Iterator[SeenRecord]:
    """The records with these seqs of a message that is in entry `entry_n`."""
    for seq in seqs:
        index = seq - events.first_seq
        raw = events.records[index]
        fields: dict[str, Any] = {"raw": raw}
        kind, at_ms = UNDECODABLE, received_ms
        if index not in events.unreadable:
            fields = wire.decode_record(raw)
            kind = fields["kind"]
            at_ms = occurred_ms(fields, events.boot, events.sent_uptime_ms, received_ms)
        yield SeenRecord(device, events.epoch, seq, kind, at_ms, received_ms, fields, entry_n)


_READER = Reader()
