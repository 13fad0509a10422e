"""What an `ev` message says: its records' own bytes and when they happened.

The decoders of protocol/ are the only judge of bytes. They are slow, so records whose shapes come
often are told by a pattern, which is generated from the wire dictionary (`patterns.py`) and takes
nothing that the decoders refuse. Whatever the pattern does not take goes to the decoders.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from gateway.facts.chain import DEVICE_CLOCK_AHEAD_MS, occurred_ms
from gateway.facts.judged import fields_of
from gateway.facts.packed import PackedReader
from gateway.facts.patterns import Shape, events_pattern, has_pattern, shape_of
from gateway.facts.records import UNDECODABLE, SeenRecord
from protocol import cbor, messages, packing, seal, unpacking
from protocol import records as wire
from protocol.compat import ProtocolError

_NOTHING: Mapping[int, str] = {}
_int = int.from_bytes
_made = tuple.__new__  # Events(...) costs as much as half a record
# To make a pattern costs as much as to decode so many records. A process that reads fewer should
# not make one, and nobody who sends all shapes there are may make us busy with patterns.
_MAKE_AFTER = 512
_OFTEN = 32  # one shape is often when it is this part of them
_SHAPES_MAX = 48
_SEQ_MAX = 0xFFFFFFFF
_BEFORE_HEAD = 0x40 | messages.FINGERPRINT_BYTES
_BEFORE_BYTES = 1 + messages.FINGERPRINT_BYTES
_END_MAX = 1024 - _BEFORE_BYTES
_ONE = cbor.head(4, 1)
# How many bytes follow the head of a byte string, and how many items that of an array.
_SIZES = {cbor.head(2, size): size for size in range(256)}
_SHORT_BYTES = 0x58  # a byte string whose length is the next byte
_COUNTS = {cbor.head(4, count): count for count in range(cbor.ITEMS_MAX + 1)}
# What the first byte adds to an item of so many bytes, read as one number.
_INITIAL = {1: 0, 2: 0x18 << 8, 3: 0x19 << 16, 5: 0x1A << 32, 9: 0x1B << 64}

_PACKED = bytes((packing.VERSION,))
_PACKED_MIN = 3 + seal.SHORT_TAG_BYTES  # version, key number, something, tag
_BEFORE_KID = b"\x84\x43\xa1\x01\x05\xa1\x04"  # of a COSE_Mac0: [{alg: HMAC 256/256}, {4: kid
_BEFORE_TAG = b"\x58\x20"
_END_BYTES = len(_BEFORE_TAG) + seal.TAG_BYTES
_AFTER_KID_MIN = 8 + _END_BYTES
# The head of a payload, by the bytes of both: the only one that such a string can have.
_PAYLOAD_HEADS = {
    len(head) + size: head
    for size, head in ((size, cbor.head(2, size)) for size in range(seal.MESSAGE_BYTES_MAX))
}


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
    """Reads payloads, and makes its pattern of the shapes that it meets often."""

    def __init__(self, make_after: int = _MAKE_AFTER) -> None:
        self._make_after = make_after
        self._often = max(1, make_after // _OFTEN)
        self._misses = 0
        self._met: dict[Shape, int] = {}
        self._made: set[Shape] = set()
        self.packed = PackedReader()
        self.make(())

    def make(self, shapes: Collection[Shape]) -> None:
        """From now on the pattern takes records of these shapes."""
        self._made = set(shapes)
        self._pattern = re.compile(events_pattern(self._made), re.DOTALL)

    def takes(self, raw: bytes) -> bool:
        """Whether the pattern takes the bytes of a record."""
        return self._match(raw) is not None

    def read(self, payload: bytes, received_ms: int) -> Events:
        """What a payload says that arrived at `received_ms`. Raises ProtocolError for one that is
        no `ev`.
        """
        found = self._pattern.match(payload)
        end = len(payload) - _BEFORE_BYTES
        if found is None or end > _END_MAX or payload[end] != _BEFORE_HEAD:
            return self._strictly(payload, received_ms)
        epoch, boot, sent, first, many, head, raw, _, _, utc = found.groups()
        if many is None or not utc:  # it begins with a record; or a board does not know the time
            return self._strictly(payload, received_ms)
        records, at, right = [raw], found.end(), _SIZES[head] == len(raw)
        earliest = latest = utc
        if many != _ONE:
            for _, _, _, _, _, head, raw, _, _, utc in self._pattern.findall(payload, at, end):
                right = right and _SIZES[head] == len(raw)
                at += len(head) + len(raw)
                records.append(raw)
                # eight bytes each, or none: they compare as the numbers do
                if utc > latest:
                    latest = utc
                elif utc < earliest:
                    earliest = utc
            right = right and len(records) == _COUNTS[many]
        first_seq = _int(first) - _INITIAL[len(first)]
        until_ms = _int(latest)
        if (
            not right
            or at != end
            or not earliest
            or until_ms > received_ms + DEVICE_CLOCK_AHEAD_MS
            or first_seq + len(records) - 1 > _SEQ_MAX
        ):
            return self._strictly(payload, received_ms)
        return _made(
            Events, (
                _int(epoch) - _INITIAL[len(epoch)], _int(boot) - _INITIAL[len(boot)],
                _int(sent) - _INITIAL[len(sent)], first_seq, payload[end + 1 :], records, _NOTHING,
                until_ms if earliest is latest else _int(earliest), until_ms,
            ),
        )  # fmt: skip

    def read_packed(self, packed: bytes, received_ms: int) -> Events:
        """The same of a packed payload: what the payload of version 1 says that it stands for."""
        told = self.packed.read(packed, received_ms)
        if told is not None:
            epoch, boot, sent, first_seq, before, records, from_ms, until_ms = told
            return _made(
                Events,
                (epoch, boot, sent, first_seq, before, records, _NOTHING, from_ms, until_ms),
            )
        events = self.read(unpacking.unpack(packed), received_ms)
        self.packed.meet()
        return events

    def _strictly(self, payload: bytes, received_ms: int) -> Events:
        event = messages.decode_events(payload)
        unreadable: dict[int, str] = {}
        times = []
        for index, raw in enumerate(event["records"]):
            fields = None
            try:
                fields = self._fields(raw)
            except ProtocolError as error:
                unreadable[index] = str(error)
            times.append(occurred_ms(fields, event["boot"], event["sent_uptime_ms"], received_ms))
        return Events(
            event["epoch"], event["boot"], event["sent_uptime_ms"], event["first_seq"],
            event["before"], event["records"], unreadable or _NOTHING, min(times), max(times),
        )  # fmt: skip

    def _match(self, raw: bytes) -> "re.Match[bytes] | None":
        return self._pattern.fullmatch(cbor.head(2, len(raw)) + raw)

    def _fields(self, raw: bytes) -> dict[str, Any]:
        """The fields of a record that say when it was, and perhaps more. Raises ProtocolError."""
        match = self._match(raw)
        if match is not None:
            return _clock(*match.groups()[7:])
        fields = dict(wire.decode_record(raw))
        shape = shape_of(fields)
        if has_pattern(shape):
            self._meet(shape)
        return fields

    def _meet(self, shape: Shape) -> None:
        """Count a good record that the pattern did not take; make the pattern anew when that comes
        often.
        """
        self._met[shape] = self._met.get(shape, 0) + 1
        self._misses += 1
        if self._misses < self._make_after:
            return
        self._misses = 0
        made = set(self._made)
        for each in sorted(self._met, key=self._met.__getitem__, reverse=True):
            if self._met[each] >= self._often and len(made) < _SHAPES_MAX:
                made.add(each)
        if made != self._made:
            self.make(made)


def read_events(payload: bytes, received_ms: int) -> Events:
    """What a payload says that arrived at `received_ms`. Raises ProtocolError for one that is no
    `ev`.
    """
    return _READER.read(payload, received_ms)


def read_packed(packed: bytes, received_ms: int) -> Events:
    """The same of a packed payload, of version 2."""
    return _READER.read_packed(packed, received_ms)


def _number(item: bytes) -> int:
    """The value of an unsigned integer item."""
    return int.from_bytes(item, "big") - _INITIAL[len(item)]


def _clock(boot: bytes, uptime_ms: bytes, utc_ms: bytes | None) -> dict[str, Any]:
    """The fields of a record that say when it was."""
    fields = {"boot": _number(boot), "uptime_ms": _number(uptime_ms)}
    return {**fields, "utc_ms": int.from_bytes(utc_ms, "big")} if utc_ms else fields


def events_in(sealed: bytes, topic: str, received_ms: int) -> Events:
    """What a sealed `ev` message says that was judged when it arrived; its seal is not looked at.
    Raises ProtocolError for bytes that are none.
    """
    if sealed[:1] != _PACKED:
        return read_events(_split(sealed)[1], received_ms)
    if len(sealed) < _PACKED_MIN or not 0 < sealed[1] < 128:  # a key number of several bytes
        return read_events(payload_of(sealed, topic), received_ms)
    return read_packed(_PACKED + sealed[2 : -seal.SHORT_TAG_BYTES], received_ms)


def bodies_in(
    sealed: bytes, topic: str, received_ms: int, since_seq: int
) -> tuple[int, list[bytes]]:
    """(first_seq, the records' own bytes) of a sealed `ev` message that was judged when it arrived:
    they are cut out and nothing is judged again. No records when all are before `since_seq`. Raises
    ProtocolError where they cannot be cut out.
    """
    if sealed[:1] == _PACKED:
        events = events_in(sealed, topic, received_ms)
        return events.first_seq, events.records
    payload = _split(sealed)[1]
    records: list[bytes] = []
    at = 1
    try:
        for _ in range(3):  # epoch, boot, sent_uptime_ms
            _, at = _argument(payload, at)
        first_seq, at = _argument(payload, at)
        count, at = _argument(payload, at)
        for _ in range(count if first_seq + count > since_seq else 0):
            if payload[at] == _SHORT_BYTES:  # most records have 24 to 255 bytes
                end = at + 2 + payload[at + 1]
                records.append(payload[at + 2 : end])
            else:
                size, at = _argument(payload, at)
                end = at + size
                records.append(payload[at:end])
            at = end
    except IndexError as error:
        raise ProtocolError("ev: cut short") from error
    if at > len(payload):
        raise ProtocolError("ev: cut short")
    return first_seq, records


def _argument(data: bytes, at: int) -> tuple[int, int]:
    """What the head of a CBOR item says, of whatever type, and the offset after the head."""
    info = data[at] & 31
    if info < 24:
        return info, at + 1
    end = at + 1 + (1 << (info & 3))  # in 1, 2, 4 or 8 bytes
    return _int(data[at + 1 : end]), end


def payload_of(sealed: bytes, topic: str) -> bytes:
    """The payload of a sealed message that was judged when it arrived, as version 1 has it; its
    seal is not looked at. Raises ProtocolError for bytes that are no sealed message.
    """
    if sealed[:1] == _PACKED:
        return bytes(unpacking.payload_of(sealed, topic))
    return _split(sealed)[1]


def names_another(sealed: bytes, device: str) -> bool:
    """Whether a sealed message names another device than this one (of a packed one only the topic
    tells). Raises ProtocolError for bytes that are no sealed message.
    """
    return sealed[:1] != _PACKED and _split(sealed)[0].rpartition(b".")[0] != device.encode()


def _split(sealed: bytes) -> tuple[bytes, bytes]:
    """(kid, payload) of a sealed message. What is not of the usual shape goes to the decoder."""
    if sealed[:7] == _BEFORE_KID and len(sealed) > _AFTER_KID_MIN and 0x41 <= sealed[7] <= 0x57:
        at = 8 + sealed[7] - 0x40
        end = len(sealed) - _END_BYTES
        head = _PAYLOAD_HEADS.get(end - at)
        if head is not None and sealed.startswith(head, at) and sealed.startswith(_BEFORE_TAG, end):
            return sealed[8:at], sealed[at + len(head) : end]
    parts = cbor.decode(sealed)
    try:
        _, unprotected, payload, _ = parts
        kid = unprotected[4]
    except (TypeError, ValueError, KeyError) as error:
        raise ProtocolError("seal: not an array of four with a kid") from error
    if not isinstance(payload, bytes) or not isinstance(kid, bytes):
        raise ProtocolError("seal: kid or payload is no byte string")
    return kid, payload


def seen_records(
    device: str, events: Events, seqs: Iterable[int], received_ms: int, entry_n: int
) -> Iterator[SeenRecord]:
    """The records with these seqs of a message that is in entry `entry_n`."""
    epoch, boot, sent_ms, first_seq, _, raws, unreadable, _, _ = events
    fields: dict[str, Any]
    for seq in seqs:
        index = seq - first_seq
        kind, at_ms, fields = UNDECODABLE, received_ms, {"raw": raws[index]}
        if index not in unreadable:
            fields = fields_of(raws[index])
            kind, at_ms = fields["kind"], occurred_ms(fields, boot, sent_ms, received_ms)
        yield _made(SeenRecord, (device, epoch, seq, kind, at_ms, received_ms, fields, entry_n))


_READER = Reader()
