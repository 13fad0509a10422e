"""The gateway's half of version 2: `open_message` opens a sealed message of either version,
`unpack` gives the payload of version 1 that a packed one stands for. No device carries this file.

protocol/packing.py says how a message is packed. Here a field whose bit is not set costs nothing:
its bytes of the record before are used again.
"""

from protocol import cbor, messages, seal, topics
from protocol.compat import ProtocolError, const, remember
from protocol.packing import (
    DENOMINATIONS,
    EPOCH_BYTES,
    FIELDS_OF,
    FIXED,
    ROWS,
    SHORT_BYTES,
    SHORT_NUMBER,
    TOTAL,
    UPTIME,
    UTC,
    VERSION,
    WHOLE_BYTES,
    start,
)
from protocol.records import spec_of

_BOOT = const(1)
_BYTES = const(2)  # CBOR's major types
_TEXT = const(3)
_ARRAY = const(4)
_KEY_NUMBER_MAX = const(999999999)
_BITS_MAX = const(70)  # of a number in groups of seven: 64 and what rounds them up
_REMEMBERED = const(1024)  # numbers below this are pieces, choices and small sums
_FIRST = EPOCH_BYTES + messages.FINGERPRINT_BYTES + 1  # where the first number is


def open_message(sealed: bytes, name: str, key_of) -> tuple:
    """(kid, payload of version 1) of a message of either version. Raises SealError for a seal that
    cannot be trusted, ProtocolError for what `unpack` refuses.
    """
    kid, payload = open_only(sealed, name, key_of)
    return kid, unpack(payload) if is_packed(sealed) else payload


def open_only(sealed: bytes, name: str, key_of) -> tuple:
    """The same with a payload that is still packed if the message `is_packed`."""
    if not is_packed(sealed):
        return seal.open_seal(sealed, name, key_of)
    kid, packed, tag = _parts(sealed, name)
    key = key_of(kid)
    if key is None:
        raise seal.SealError("seal: unknown kid %r" % kid)
    if not seal.same(tag, seal.short_tag(key, name, packed)):
        raise seal.SealError("seal: wrong tag for kid %r on %s" % (kid, name))
    return kid, packed


def is_packed(sealed: bytes) -> bool:
    """Whether a sealed message is of version 2."""
    return sealed[:1] == bytes((VERSION,))


def payload_of(sealed: bytes, name: str) -> bytes:
    """The payload of version 1 of a message whose seal was checked when it came in."""
    if not is_packed(sealed):
        parts = cbor.decode(sealed)
        if not isinstance(parts, list) or len(parts) != 4 or not isinstance(parts[2], bytes):
            raise seal.SealError("seal: not an array of four with a payload")
        return parts[2]
    return unpack(_parts(sealed, name)[1])


def unpack(payload: bytes) -> bytes:
    """The payload of version 1 that a payload stands for; one of version 1 comes back as it is.

    Raises ProtocolError for a packing that is cut short, holds a number, size or bit out of its
    range, or stands for more than a message may hold. What the records say is not judged here.
    """
    if payload[:1] != bytes((VERSION,)):
        return payload
    if len(payload) > seal.PAYLOAD_BYTES_MAX:
        raise ProtocolError("ev: packed payload of %d bytes" % len(payload))
    boot, at = _number(payload, _FIRST)
    sent_uptime_ms, at = _number(payload, at)
    first_seq, at = _number(payload, at)
    usual, usual_bytes = _usual()
    last = dict(usual)
    said = dict(usual_bytes)
    last[UPTIME] = sent_uptime_ms
    last[_BOOT] = boot
    said[_BOOT] = _field(_BOOT, boot)
    records = []
    room = messages.EVENT_BYTES_MAX
    while at < len(payload):
        kind = payload[at] & 15
        if kind:
            raw, at = _record(payload, at, kind, last, said)
        elif payload[at]:
            raise ProtocolError("ev: no record begins with %d" % payload[at])
        else:
            size, at = _number(payload, at + 1)
            raw, at = _taken(payload, at, size)
        room -= len(raw) + 3
        if room < 0:
            raise ProtocolError("ev: unpacks to over %d bytes" % messages.EVENT_BYTES_MAX)
        records.append(raw)
    epoch = int.from_bytes(payload[1 : 1 + EPOCH_BYTES], "big")
    before = payload[1 + EPOCH_BYTES : _FIRST]
    return messages.encode_events(epoch, boot, sent_uptime_ms, first_seq, records, before)


@remember
def _usual() -> tuple:
    """What the first record of every message is compared with, and the bytes of that."""
    last = {
        number: value.encode() if isinstance(value, str) else value
        for number, value in start(0, 0).items()
    }
    return last, {number: _field(number, value) for number, value in last.items()}


# ---- one record ----


def _record(data: bytes, at: int, kind: int, last: dict, said: dict) -> tuple:
    """(wire bytes of a record, offset after it). `last` has what it is compared with, `said` the
    bytes of that; afterwards both are of this record.
    """
    size, fields = _fields_of(kind)
    raw, at = _taken(data, at, size)
    bits = int.from_bytes(raw, "little") >> 4
    if bits >> len(fields):
        raise ProtocolError("ev: a bit of no field is set")
    code, at = _number(data, at)
    uptime = last[UPTIME] = last[UPTIME] + _difference(code)
    parts = [b"", b"\x00" + _int(kind)]
    rows = ()
    for number, type_name in fields:
        changed = bits & 1
        bits >>= 1
        if number in FIXED:
            if changed:
                size = SHORT_BYTES if number == SHORT_NUMBER else WHOLE_BYTES
                raw, at = _taken(data, at, size)
                parts.append(_field(number, raw))
            continue
        if number == TOTAL:
            last[number] = sum([pair[0] * pair[1] for pair in rows])
        if changed:
            last[number], at = _value(data, at, type_name, last.get(number))
        value = last.get(number)
        if number == UTC:
            said[number] = b"" if value is None else _field(number, value + uptime)
        elif changed or number == TOTAL:
            said[number] = b"" if value is None else _field(number, value)
        parts.append(said.get(number, b""))
        if number == _BOOT:
            parts.append(_field(UPTIME, uptime))
        elif number == ROWS:
            rows = value or ()
    parts = [part for part in parts if part]
    parts.insert(0, bytes((0xA0 | len(parts),)))
    return b"".join(parts), at


@remember
def _fields_of(kind: int) -> tuple:
    """(how many bytes the bits of a kind take, its fields as (number, type))."""
    kinds = FIELDS_OF.split(b"\0")
    if kind > len(kinds):
        raise ProtocolError("ev: no kind %d" % kind)
    fields = kinds[kind - 1]
    return (len(fields) + 11) >> 3, tuple([(each, spec_of(each)[1]) for each in fields])


def _value(data: bytes, at: int, type_name: str, guess) -> tuple:
    """(value of a field, offset after it); None for a field that this record does not have."""
    code, at = _number(data, at)
    if not code:
        return None, at
    if type_name == "text":
        code -= 1
        left, right = code & 15, code >> 4 & 15
        known = guess or b""
        if left + right > len(known):
            raise ProtocolError("ev: a text shares more than the one before has")
        middle, at = _taken(data, at, code >> 8)
        return known[:left] + middle + known[len(known) - right :], at
    if type_name == "bytes":
        return _taken(data, at, code - 1)
    if type_name == "texts":
        texts = []
        for _ in range(code - 1):
            size, at = _number(data, at)
            raw, at = _taken(data, at, size)
            texts.append(raw)
        return texts, at
    if type_name == "pairs":
        return _pairs(data, at, code)
    return (guess or 0) + _difference(code - 1), at


def _pairs(data: bytes, at: int, code: int) -> tuple:
    pairs = []
    if code & 1:
        for _ in range(code >> 1):
            first, at = _number(data, at)
            second, at = _number(data, at)
            pairs.append((first, second))
        return pairs, at
    code >>= 1
    if code >> len(DENOMINATIONS):
        raise ProtocolError("ev: a bit of no denomination is set")
    for place in range(len(DENOMINATIONS) - 1, -1, -1):
        if code >> place & 1:
            second, at = _number(data, at)
            pairs.append((DENOMINATIONS[place], second))
    return pairs, at


# ---- bytes in ----


def _number(data: bytes, at: int) -> tuple:
    """(number, offset after it)."""
    found = shift = 0
    while at < len(data) and shift < _BITS_MAX:
        byte = data[at]
        at += 1
        found |= (byte & 127) << shift
        if byte < 128:
            if shift and not byte:
                break
            return found, at
        shift += 7
    raise ProtocolError("ev: a number is cut short, too long or not in its shortest form")


def _difference(code: int) -> int:
    return -(code + 1 >> 1) if code & 1 else code >> 1


def _taken(data: bytes, at: int, size: int) -> tuple:
    """(bytes, offset after them)."""
    if at + size > len(data):
        raise ProtocolError("ev: %d bytes are cut short" % size)
    return data[at : at + size], at + size


# ---- CBOR out ----


def _field(number: int, value) -> bytes:
    """A field of a record: its number and its value."""
    if isinstance(value, int):
        return _int(number) + _int(value)
    if isinstance(value, bytes):
        is_text = number not in FIXED and spec_of(number)[1] == "text"
        return _int(number) + cbor.head(_TEXT if is_text else _BYTES, len(value)) + value
    parts = [_int(number), cbor.head(_ARRAY, len(value))]
    for each in value:
        if isinstance(each, bytes):
            parts.append(cbor.head(_TEXT, len(each)) + each)
        else:
            parts.append(b"\x82" + _int(each[0]) + _int(each[1]))
    return b"".join(parts)


def _int(number: int) -> bytes:
    if 0 <= number < _REMEMBERED:
        return _small(number)
    return cbor.head(0, number) if number > 0 else cbor.head(1, -1 - number)


@remember
def _small(number: int) -> bytes:
    return cbor.head(0, number)


# ---- the sealed message ----


def _parts(sealed: bytes, name: str) -> tuple:
    """(kid, packed payload, tag) of a sealed message of version 2."""
    _, device, leaf = topics.parse_topic(name)
    if leaf != "ev":
        raise seal.SealError("seal: %s has no version 2" % leaf)
    if len(sealed) > seal.MESSAGE_BYTES_MAX:
        raise seal.SealError(
            "seal: message of %d bytes, limit %d" % (len(sealed), seal.MESSAGE_BYTES_MAX)
        )
    number = at = 0
    try:
        number, at = _number(sealed, 1)
    except ProtocolError:
        pass
    end = len(sealed) - seal.SHORT_TAG_BYTES
    if not 0 < number <= _KEY_NUMBER_MAX or at > end:
        raise seal.SealError("seal: version 2 without a key number, a payload and a tag")
    return topics.kid(device, number), sealed[:1] + sealed[at:end], sealed[end:]
