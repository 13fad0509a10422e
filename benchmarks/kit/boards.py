"""Boards that say what real ones say, fast enough for a ledger of years.

A record is encoded once a day and kind by protocol/records.py; after that only its times, numbers
and digest are put into the bytes. The twelve records of a drop at a window are the pattern: mark,
drawer opened, eight count batches as a driver states them (87 bytes), drawer closed, mark. A day
begins and ends with the counts that make it a drawer session.
"""

import hashlib
import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from gateway.devices.keys import DeviceKey
from protocol import cbor, messages, packing, records, topics

SITE = "bench"
EPOCH = 7
WIRES = (1, 2)  # versions of an `ev` message; boards send 2 as soon as the gateway takes it
RECORDS_PER_MESSAGE = 12  # what firmware/uplink.py packs at most
_MADE_MS = 200  # from the machine's report to the message that carries it
_HEAD_BYTES = 3  # of a record in a message, as firmware/uplink.py counts it

# Values that stand in a template where a record's own go: their encodings are found again.
_UPTIME, _UTC, _PIECES, _TOTAL = 0x5A5A5A5A, 0x5B5B5B5B5B5B, 0x5C5C, 0x5D5D5D5D
_BATCH, _DIGEST = "#######", b"^" * 8
_HOLES = re.compile(
    rb"(\x1a\x5a{4}|\x1b\x00\x00\x5b{6}|\x67#{7}|\x19\x5c{2}|\x1a\x5d{4}|\x48\^{8})", re.DOTALL
)
_HOLE_OF = {b"\x1a\x5a": "I", b"\x1b\x00": "Q", b"\x67#": "7s", b"\x19\x5c": "H",
            b"\x1a\x5d": "I", b"\x48^": "8s"}  # fmt: skip

_BILLS = {"instrument": "bills", "rows": [(10000, 4), (2000, 31), (500, 12), (100, _PIECES)]}
_COINS = {"instrument": "coins", "rows": [(100, 620), (25, 400), (10, 310), (1, _PIECES)]}
_CYCLE = ("drop", "opened", "bills", "coins", "bills", "coins", "bills", "coins", "bills",
          "coins", "closed", "done")  # fmt: skip
_FIRST = ("sign_on", "opening_float", "bills", "coins", "done")
_LAST = ("close", "bills", "coins", "done")


class _Template(NamedTuple):
    """A record with holes. `fixed`: what the rows are worth without the patched pieces, minor
    units, and the denomination of those; None for a record without rows.
    """

    pack: Callable[..., bytes]
    parts: tuple[bytes, ...]
    fixed: tuple[int, int] | None


class Day:
    """One business day of an office, the same for all of its windows: `begin_ms` is Unix
    milliseconds UTC, `records` how many each window states, evenly over `open_ms`.
    """

    def __init__(self, number: int, begin_ms: int, open_ms: int, count: int) -> None:
        self.boot = number
        self.begin_ms = begin_ms
        self.records = count
        self._step_ms = max(1, open_ms // max(1, count))
        names = set(_CYCLE + _FIRST + _LAST)
        self._templates = {name: _template(name, number) for name in sorted(names)}
        self._kinds = [self._templates[_name(slot, count)] for slot in range(count)]

    def record(self, slot: int, seq: int) -> bytes:
        """The record that a window states at this place of the day, as its seq-th."""
        pack, parts, fixed = self._kinds[slot]
        uptime_ms = self.uptime_ms(slot)
        if fixed is None:
            return pack(parts[0], uptime_ms, parts[1], self.begin_ms + uptime_ms, parts[2])
        pieces = 256 + seq * 7 % 9000
        return pack(
            parts[0], uptime_ms, parts[1], self.begin_ms + uptime_ms, parts[2],
            b"%07d" % (seq % 10_000_000), parts[3], pieces, parts[4],
            fixed[0] + pieces * fixed[1], parts[5],
            (seq * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big"), parts[6],
        )  # fmt: skip

    def uptime_ms(self, slot: int) -> int:
        """When that is, milliseconds since the board's start of this morning."""
        return 100_000 + slot * self._step_ms  # never in less than 32 bits


class Message(NamedTuple):
    """A sealed `ev` message, how many records it has, and when it arrives, Unix milliseconds."""

    topic: str
    sealed: bytes
    records: int
    arrives_ms: int


class Board:
    """The board of one window: its stream goes on from day to day."""

    def __init__(self, key: DeviceKey, wire: int = WIRES[-1]) -> None:
        self.key = key
        self.topic = str(topics.topic(SITE, key.device, "ev"))
        self.seq = 0
        self._before = bytes(messages.FINGERPRINT_BYTES)
        self._sealed = self._packed if wire == 2 else self._plain
        self._seal = sealer(key, self.topic)

    def say(self, day: Day, per_message: int = RECORDS_PER_MESSAGE) -> Iterator[Message]:
        """All of the day, in messages of at most so many records, or what fits into one."""
        slot = 0
        while slot < day.records:
            raws = self._fitting(day, slot, per_message)
            first, slot = self.seq + 1, slot + len(raws)
            sent_ms = day.uptime_ms(slot - 1) + _MADE_MS
            sealed = self._sealed(day.boot, sent_ms, first, raws)
            self.seq += len(raws)
            self._before = hashlib.sha256(raws[-1]).digest()[: messages.FINGERPRINT_BYTES]
            yield Message(self.topic, sealed, len(raws), day.begin_ms + sent_ms)

    def _packed(self, boot: int, sent_ms: int, first: int, raws: list[bytes]) -> bytes:
        packed = packing.pack(EPOCH, boot, sent_ms, first, raws, self._before)
        return bytes(packing.seal_packed(self.key.secret, self.key.number, self.topic, packed))

    def _plain(self, boot: int, sent_ms: int, first: int, raws: list[bytes]) -> bytes:
        parts = [part for raw in raws for part in (_SIZED[len(raw)], raw)]
        return self._seal(b"".join((
            b"\x86", cbor.head(0, EPOCH), cbor.head(0, boot), b"\x1a", sent_ms.to_bytes(4, "big"),
            cbor.head(0, first), cbor.head(4, len(raws)), *parts, b"\x48", self._before,
        )))  # fmt: skip

    def _fitting(self, day: Day, slot: int, per_message: int) -> list[bytes]:
        """The records from this place of the day on that go into one message."""
        found, size = [], 0
        for at in range(slot, min(slot + per_message, day.records)):
            raw = day.record(at, self.seq + 1 + at - slot)
            size += len(raw) + _HEAD_BYTES
            if size > messages.EVENT_BYTES_MAX:
                break
            found.append(raw)
        return found


def office_says(boards: list[Board], day: Day, per_message: int) -> Iterator[Message]:
    """All of a day from all windows, in turn: as messages arrive while an office works."""
    streams = [board.say(day, per_message) for board in boards]
    while streams:
        for stream in list(streams):
            message = next(stream, None)
            if message is None:
                streams.remove(stream)
            else:
                yield message


_SIZED = {size: cbor.head(2, size) for size in range(records.RECORD_BYTES_MAX + 1)}


def sealer(key: DeviceKey, topic: str) -> Callable[[bytes], bytes]:
    """protocol/seal.py: seal for one key and topic, with the states of HMAC kept."""
    aad = topic.encode()
    padded = key.secret.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
    inner.update(b"\x84\x64MAC0\x43\xa1\x01\x05" + cbor.head(2, len(aad)) + aad)
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))
    head = b"\x84\x43\xa1\x01\x05\xa1\x04" + cbor.head(2, len(key.kid)) + key.kid

    def seal(payload: bytes) -> bytes:
        content = cbor.head(2, len(payload)) + payload
        first, second = inner.copy(), outer.copy()
        first.update(content)
        second.update(first.digest())
        return b"".join((head, content, b"\x58\x20", second.digest()))

    return seal


def _name(slot: int, count: int) -> str:
    if count < len(_FIRST) + len(_LAST):
        return _CYCLE[slot % len(_CYCLE)]
    if slot < len(_FIRST):
        return _FIRST[slot]
    if slot >= count - len(_LAST):
        return _LAST[slot - count]
    return _CYCLE[(slot - len(_FIRST)) % len(_CYCLE)]


def _template(name: str, boot: int) -> _Template:
    common = {"boot": boot, "uptime_ms": _UPTIME, "utc_ms": _UTC}
    fixed = None
    if name in ("bills", "coins"):
        what = _BILLS if name == "bills" else _COINS
        *others, (denomination, _) = what["rows"]
        fixed = (sum(value * pieces for value, pieces in others), denomination)
        fields = {
            **common, **what, "kind": "tally", "batch_id": _BATCH, "currency": "USD",
            "total_minor": _TOTAL, "flags": 0, "digest": _DIGEST, "evidence": "manual",
        }  # fmt: skip
    elif name in ("opened", "closed"):
        more = {"cause": "commanded"} if name == "opened" else {"dwell_ms": 41_000}
        fields = {**common, "kind": "drawer", "state": name, "instrument": "drawer", **more}
    else:
        value = {"sign_on": 4711, "opening_float": 20_000}.get(name)
        fields = {**common, "kind": "mark", "mark": name}
        if value is not None:
            fields["value"] = value
    pieces = _HOLES.split(records.encode_record(fields))
    parts = [pieces[0]]
    form = [f"{len(pieces[0])}s"]
    for hole, after in zip(pieces[1::2], pieces[2::2], strict=True):
        parts[-1] += hole[:1]
        form[-1] = f"{len(parts[-1])}s"
        form += [_HOLE_OF[hole[:2]], f"{len(after)}s"]
        parts.append(after)
    return _Template(struct.Struct(">" + "".join(form)).pack, tuple(parts), fixed)
