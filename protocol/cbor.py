"""The strict CBOR subset of RFC 8949 that Tillstream speaks: integers, byte strings, text, arrays,
maps.

Refused on both sides: tags, floats, simple values, indefinite lengths, integers not in their
shortest form, map keys that are not ascending unsigned integers, text that is not UTF-8, depth over
4, containers over 64 items, more than 1 KiB, trailing bytes. General decoders accept most of these,
so hostile bytes never meet one.
"""

from protocol.compat import ProtocolError, const

_BYTES_MAX = const(1024)
DEPTH_MAX = const(4)
ITEMS_MAX = const(64)

_UINT = const(0)
_NINT = const(1)
_BYTES = const(2)
_TEXT = const(3)
_ARRAY = const(4)
_MAP = const(5)
# An unsigned integer below this is its own head, one byte. Half of all items are such integers, and
# a call for each would take longer than the rest: they are read and written where they stand.
_SMALL = const(24)


class CborError(ProtocolError):
    """Bytes that are not in the subset, or a value that the subset cannot encode."""


def encode(value) -> bytes:
    """The one encoding of a value: int, bytes, str, list or tuple, dict with unsigned integer keys.

    Raises CborError for any other type, and for depth, items or total bytes over the limits above.
    """
    out = bytearray()
    _write(out, value, 1)
    if len(out) > _BYTES_MAX:
        raise CborError("cbor: %d bytes, limit %d" % (len(out), _BYTES_MAX))
    return bytes(out)


def decode(data):
    """The value in `data` (bytes or memoryview): int, bytes, str, list, dict.

    Raises CborError for anything that `encode` would not have written, trailing bytes included.
    """
    if len(data) > _BYTES_MAX:
        raise CborError("cbor: %d bytes, limit %d" % (len(data), _BYTES_MAX))
    value, end = _read(bytes(data), 0, 1)
    if end != len(data):
        raise CborError("cbor: %d trailing bytes" % (len(data) - end))
    return value


def head(major: int, number: int) -> bytes:
    """The initial bytes of an item: major type 0-7 and its argument in the shortest form."""
    if number < 24:
        return bytes((major << 5 | number,))
    if number < 0x100:
        return bytes((major << 5 | 24, number))
    if number < 0x10000:
        return bytes((major << 5 | 25, number >> 8, number & 255))
    if number < 0x100000000:
        return bytes((major << 5 | 26,)) + number.to_bytes(4, "big")
    if number < 0x10000000000000000:
        return bytes((major << 5 | 27,)) + number.to_bytes(8, "big")
    raise CborError("cbor: %d does not fit in 64 bits" % number)


def _write(out: bytearray, value, depth: int) -> None:
    if isinstance(value, bool):  # before int: on CPython a bool is an int, on MicroPython it is not
        raise CborError("cbor: bool has no place in a record, use 0 or 1")
    if isinstance(value, int):
        if 0 <= value < _SMALL:
            out.append(value)
        else:
            out.extend(head(_UINT, value) if value >= 0 else head(_NINT, -1 - value))
    elif isinstance(value, (bytes, bytearray, memoryview)):
        out.extend(head(_BYTES, len(value)))
        out.extend(value)
    elif isinstance(value, str):
        try:
            raw = value.encode()
        except UnicodeError:
            raw = b""
        if not _is_utf8(value, len(raw)):
            raise CborError("cbor: text is not UTF-8")
        out.extend(head(_TEXT, len(raw)))
        out.extend(raw)
    elif isinstance(value, (list, tuple)):
        _check_container(len(value), depth)
        out.extend(head(_ARRAY, len(value)))
        for item in value:
            _write(out, item, depth + 1)
    elif isinstance(value, dict):
        _check_container(len(value), depth)
        out.extend(head(_MAP, len(value)))
        for key in value:
            if isinstance(key, bool) or not isinstance(key, int) or key < 0:
                raise CborError("cbor: map key %r is not an unsigned integer" % (key,))
        for key in sorted(value):
            if key < _SMALL:
                out.append(key)
            else:
                out.extend(head(_UINT, key))
            _write(out, value[key], depth + 1)
    else:
        raise CborError("cbor: %s has no place in a record" % type(value).__name__)


def _is_utf8(text: str, size: int) -> bool:
    """Whether `size` bytes are the UTF-8 of `text`.

    MicroPython's own check lets surrogates, overlong forms and code points over 0x10FFFF pass
    (measured with 1.28).
    """
    if len(text) == size:  # ASCII
        return True
    for char in text:
        point = ord(char)
        if 0xD800 <= point <= 0xDFFF or point > 0x10FFFF:
            return False
        size -= 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4
    return size == 0


def _check_container(items: int, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise CborError("cbor: nested deeper than %d" % DEPTH_MAX)
    if items > ITEMS_MAX:
        raise CborError("cbor: %d items in one container, limit %d" % (items, ITEMS_MAX))


def _read_head(data: bytes, at: int):
    """(major, argument, offset after the head); CborError if the argument is not in its shortest
    form.
    """
    if at >= len(data):
        raise CborError("cbor: cut short at byte %d" % at)
    initial = data[at]
    major = initial >> 5
    info = initial & 31
    at += 1
    if major > _MAP:
        raise CborError("cbor: major type %d (tag, float or simple) is not in the subset" % major)
    if info < 24:
        return major, info, at
    if info > 27:
        raise CborError("cbor: indefinite or reserved length at byte %d" % (at - 1))
    width = 1 << (info - 24)
    if at + width > len(data):
        raise CborError("cbor: cut short at byte %d" % len(data))
    number = int.from_bytes(data[at : at + width], "big")
    if number < (24, 0x100, 0x10000, 0x100000000)[info - 24]:
        raise CborError("cbor: %d is not in its shortest form" % number)
    return major, number, at + width


def _read(data: bytes, at: int, depth: int):
    major, number, at = _read_head(data, at)
    if major == _UINT:
        return number, at
    if major == _NINT:
        return -1 - number, at
    if major <= _TEXT:
        end = at + number
        if end > len(data):
            raise CborError("cbor: string of %d bytes is cut short" % number)
        raw = data[at:end]
        if major == _BYTES:
            return raw, end
        try:
            text = raw.decode()
        except UnicodeError:
            text = None
        if text is None or not _is_utf8(text, number):
            raise CborError("cbor: text is not UTF-8")
        return text, end
    _check_container(number, depth)
    if major == _ARRAY:
        items = []
        for _ in range(number):
            if at < len(data) and data[at] < _SMALL:
                item = data[at]
                at += 1
            else:
                item, at = _read(data, at, depth + 1)
            items.append(item)
        return items, at
    found = {}
    last = -1
    for _ in range(number):
        major, key, at = _read_head(data, at)
        if major != _UINT:
            raise CborError("cbor: map key of major type %d is not an unsigned integer" % major)
        if key <= last:
            raise CborError("cbor: map key %d after %d is not ascending" % (key, last))
        last = key
        found[key], at = _read(data, at, depth + 1)
    return found, at
