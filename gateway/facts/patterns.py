"""Messages and records as regular expressions over bytes, generated from the wire dictionary.

A pattern takes only what `protocol.records.decode_record` and `protocol.messages.decode_events`
take. It may refuse more: text that is not ASCII, a record of 256 bytes or more, a UTC before
February 1970. Whatever a pattern refuses, the decoders judge.

A shape is the kind of a record and its field numbers in their order, without kind, boot and
uptime_ms. CBOR says how many fields and bytes follow before they come, so there are no two ways to
read the same bytes, and no way to read on at the wrong place.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations

from protocol import cbor
from protocol import records as wire

Shape = tuple[str, tuple[int, ...]]

_COMMON = ("kind", "boot", "uptime_ms")
_UTC = wire.number_of("utc_ms")
_ASCII = b"[\\x00-\\x7f]"
_ANY = b"."
_STRING_BYTES_MAX = 255  # a longer string is in a longer record
_PAIR_PART_MAX = 0xFFFFFFFF
_UINT32_MAX = 0xFFFFFFFF
_UINT48_MAX = 0xFFFFFFFFFFFF
# A UTC of 33 to 48 bits, its eight bytes; whatever is shorter is no UTC of our time.
_UTC_BYTES = b"\\x00\\x00(?!\\x00\\x00).{6}"


def shape_of(fields: Mapping[str, object]) -> Shape:
    """The shape of a record with these fields."""
    numbers = sorted(wire.number_of(name) for name in fields if name not in _COMMON)
    return str(fields["kind"]), tuple(numbers)


def has_pattern(shape: Shape) -> bool:
    """Whether there is a pattern for this shape. Lists of texts have none: it would be as large as
    all others, and they come once a start.
    """
    return not any(wire.spec_of(number)[1] == "texts" for number in shape[1])


def all_shapes() -> Iterator[Shape]:
    """Every shape that the dictionary has."""
    for kind, (must, may) in wire.kinds().items():
        optional = [_UTC, *(wire.number_of(name) for name in may if name)]
        for count in range(len(optional) + 1):
            for some in combinations(optional, count):
                yield kind, tuple(sorted((*some, *(wire.number_of(name) for name in must))))


def events_pattern(shapes: Collection[Shape]) -> bytes:
    """The payload of an `ev` message up to the end of its first record, or any later record of it.

    Its groups: the items of epoch, boot, sent_uptime_ms and first_seq and the head of the array of
    records, which have no match at a later record; the head of the byte string that is the record,
    the record, the item of its boot, the item of its uptime_ms, and the eight bytes of its utc_ms,
    if it has one. That the record is as long as the head says is for the caller to check.
    """
    ways = []
    heads = {_head_of(shape) for shape in shapes}
    for first in sorted({head[0] for head in heads}):
        kinds = [
            _bytes(head[2:]) + _rest({shape[1] for shape in shapes if _head_of(shape) == head})
            for head in sorted(heads)
            if head[0] == first
        ]
        ways.append(b"\\x%02x\\x00" % first + _one_of(kinds))
    boot, uptime_ms = (_value(wire.number_of(name)) for name in _COMMON[1:])
    return (
        b"(?:\\x86(%b)(%b)(%b)(%b)([\\x81-\\x97]|\\x98[\\x18-\\x40]))?"
        b"([\\x40-\\x57]|\\x58[\\x18-\\xff])"
        b"((?=.{3}\\x01(?P<boot>%b)\\x02(?P<uptime>%b)(?:\\x03\\x1b(?P<utc>%b))?)%b)"
    ) % (
        integer(1, _UINT32_MAX), integer(0, _UINT32_MAX), integer(0, _UINT48_MAX),
        integer(1, _UINT32_MAX), boot, uptime_ms, _UTC_BYTES, _one_of(ways) if ways else b"(?!)",
    )  # fmt: skip


def _head_of(shape: Shape) -> bytes:
    """The first bytes of every record of this shape: how many fields, and the kind."""
    kind, numbers = shape
    number = wire.limit_of("kind").index(kind) + 1
    return bytes(cbor.head(5, len(numbers) + len(_COMMON)) + bytes((0, number)))


def _rest(shapes: set[tuple[int, ...]]) -> bytes:
    """What comes after the kind, in shapes of one kind and one length. What the groups of
    `events_pattern` looked at already is only skipped.
    """
    timed = {shape[1:] for shape in shapes if shape[:1] == (_UTC,)}
    untimed = {shape for shape in shapes if shape[:1] != (_UTC,)}
    utc = b"\\x03\\x1b(?P=utc)"
    clocks = b"\\x01(?P=boot)\\x02(?P=uptime)"
    if not untimed:
        return clocks + utc + _fields(timed)
    if not timed:
        return clocks + _fields(untimed)
    return clocks + b"(?(utc)%b%b|%b)" % (utc, _fields(timed), _fields(untimed))


def _fields(shapes: set[tuple[int, ...]]) -> bytes:
    """The fields of any one of these shapes. Shapes that begin alike share their beginning."""
    if shapes == {()}:
        return b""
    ways = []
    for number in sorted({shape[0] for shape in shapes}):
        rest = {shape[1:] for shape in shapes if shape[0] == number}
        ways.append(_bytes(cbor.head(0, number)) + _value(number) + _fields(rest))
    return _one_of(ways)


def _value(number: int) -> bytes:
    """The item that is the value of this field."""
    _, type_name, limit = wire.spec_of(number)
    if type_name == "choice":
        return integer(1, len(limit))
    if type_name == "uint":
        return integer(0, limit)
    if type_name == "int":
        return _one_of([integer(0, limit), integer(0, limit - 1, major=1)])
    if type_name == "text":
        return _string(3, limit, _ASCII)
    if type_name == "bytes":
        return _string(2, limit, _ANY)
    if type_name == "pairs":
        return _list(limit, b"\\x82" + integer(0, _PAIR_PART_MAX) * 2)
    raise ValueError(f"field {number} has no pattern: {type_name}")


def integer(lowest: int, highest: int, major: int = 0) -> bytes:
    """An integer item with its argument from lowest to highest, in its shortest form alone."""
    ways = []
    if lowest < 24:
        last = min(highest, 23)
        ways.append(b"[\\x%02x-\\x%02x]" % (major << 5 | lowest, major << 5 | last))
    for info, size, first in ((24, 1, 24), (25, 2, 1 << 8), (26, 4, 1 << 16), (27, 8, 1 << 32)):
        low, high = max(lowest, first), min(highest, (1 << 8 * size) - 1)
        if low <= high:
            between = _between(low.to_bytes(size, "big"), high.to_bytes(size, "big"))
            ways.append(_bytes(bytes((major << 5 | info,))) + between)
    return _one_of(ways)


def _between(low: bytes, high: bytes) -> bytes:
    """Big-endian numbers from low to high, in as many bytes."""
    if not low:
        return b""
    rest = len(low) - 1
    lowest, highest = bytes(rest), b"\xff" * rest
    if low[0] == high[0] and (low[1:], high[1:]) != (lowest, highest):
        return _bytes(low[:1]) + _between(low[1:], high[1:])
    ways = []
    first, last = low[0], high[0]
    if low[1:] != lowest:
        ways.append(_bytes(low[:1]) + _between(low[1:], highest))
        first += 1
    if high[1:] != highest:
        ways.append(_bytes(high[:1]) + _between(lowest, high[1:]))
        last -= 1
    if first <= last:
        ways.insert(0, b"[\\x%02x-\\x%02x]" % (first, last) + _times(_ANY, rest))
    return _one_of(ways)


def _string(major: int, bytes_max: int, content: bytes) -> bytes:
    """A string of any length up to the limit; each length is a way of its own."""
    return _one_of(
        [
            _bytes(cbor.head(major, size)) + _times(content, size)
            for size in range(min(bytes_max, _STRING_BYTES_MAX) + 1)
        ]
    )


def _list(items_max: int, item: bytes) -> bytes:
    group = b"(?:" + item + b")"
    return _one_of(
        [_bytes(cbor.head(4, count)) + _times(group, count) for count in range(items_max + 1)]
    )


def _times(what: bytes, count: int) -> bytes:
    return b"" if count == 0 else what if count == 1 else what + b"{%d}" % count


def _one_of(ways: list[bytes]) -> bytes:
    return ways[0] if len(ways) == 1 else b"(?:" + b"|".join(ways) + b")"


def _bytes(literal: bytes) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in literal)
