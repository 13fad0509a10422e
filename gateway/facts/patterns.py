"""The wire dictionary as regular expressions over bytes, generated from its tables.

A pattern takes only what `protocol.records.decode_record` takes. It may refuse more: text that is
not ASCII, a UTC before February 1970. Whatever a pattern refuses, the decoder judges.

A shape is the field numbers of a record in their order, without kind, boot and uptime_ms. Every
record with the same head (`head_of`) has as many fields as its map says, so one pattern has shapes
of one kind and one length, and no two ways to read the same bytes.
"""

import re
from collections.abc import Collection, Iterable

from protocol import cbor
from protocol import records as wire

Shape = tuple[int, ...]

_COMMON = ("kind", "boot", "uptime_ms")
_UTC = wire.number_of("utc_ms")
_ASCII = b"[\\x00-\\x7f]"
_ANY = b"."
_TEXTS_BYTES_MAX = 48  # of one text in a list, as docs/records.md has it
_PAIR_PART_MAX = 0xFFFFFFFF
# A UTC of 33 to 48 bits, its eight bytes; whatever is shorter is no UTC of our time.
_UTC_BYTES = b"\\x1b(\\x00\\x00(?!\\x00\\x00).{6})"


def shape_of(names: Iterable[str]) -> Shape:
    """The shape of a record with fields of these names."""
    return tuple(sorted(wire.number_of(name) for name in names if name not in _COMMON))


def head_of(kind: str, shape: Shape) -> bytes:
    """The first three bytes of every record of this kind with so many fields."""
    number = wire.limit_of("kind").index(kind) + 1
    return bytes(cbor.head(5, len(shape) + len(_COMMON)) + bytes((0, number)))


def record_pattern(kind: str, shapes: Collection[Shape]) -> re.Pattern[bytes]:
    """The pattern of records with one head (so `shapes` are of one length).

    Its groups: the item of boot, the item of uptime_ms, the eight bytes of utc_ms; the third is
    empty or None when there is no utc_ms. Raises ValueError for a shape that the kind has not.
    """
    must, may = (set(shape_of(name for name in names if name)) for names in wire.kinds()[kind])
    for shape in shapes:
        if not must <= set(shape) <= must | may | {_UTC} or list(shape) != sorted(set(shape)):
            raise ValueError(f"a record of kind {kind} has no shape {shape}")
    [head] = {head_of(kind, shape) for shape in shapes}
    boot, uptime_ms = (b"(" + _value(wire.number_of(name)) + b")" for name in _COMMON[1:])
    timed = {shape[1:] for shape in shapes if shape[:1] == (_UTC,)}
    untimed = {shape for shape in shapes if shape[:1] != (_UTC,)}
    utc = _bytes(cbor.head(0, _UTC)) + _UTC_BYTES
    if not untimed:
        rest = utc + _fields(timed)
    elif not timed:
        rest = b"()" + _fields(untimed)
    else:
        rest = b"(?:%b)?(?(3)%b|%b)" % (utc, _fields(timed), _fields(untimed))
    whole = b"%b\\x01%b\\x02%b%b" % (_bytes(head), boot, uptime_ms, rest)
    return re.compile(whole, re.DOTALL)


def _fields(shapes: set[Shape]) -> bytes:
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
    return _list(limit, _string(3, _TEXTS_BYTES_MAX, _ASCII))


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
        [_bytes(cbor.head(major, size)) + _times(content, size) for size in range(bytes_max + 1)]
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
