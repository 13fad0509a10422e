"""Values of packed records, for the functions of `packed_code.py`: from the bytes of a number, a
list or a distance to what it is worth, and to its bytes in a record.

All raise Declined for what only the decoders may judge, and IndexError where the message ends.
"""

from functools import cache, lru_cache
from struct import Struct

from protocol import cbor
from protocol.packing import DENOMINATIONS

UINT32_MAX = 0xFFFFFFFF
UINT48_MAX = 0xFFFFFFFFFFFF
SMALL = 128  # values of one packed byte
AWAY_BYTES = 6  # of the distance between uptime and UTC, in our time
AWAY: dict[bytes, int] = {}  # such distances by their bytes
_AWAY_MAX = 4096
_COLUMNS_KEPT = 256
_ITEMS_KEPT = 1024
_ITEMS = [bytes(cbor.head(0, number)) for number in range(_ITEMS_KEPT)]
_SHORT = Struct(">BH").pack
_LONG = Struct(">BI").pack
_TWO = 128 | 128 << 7  # the bits 7 of so many bytes
_THREE = _TWO | 128 << 14


class Declined(Exception):
    """Bytes that only the decoders may judge."""


def number(data: bytes, at: int) -> tuple[int, int]:
    """(number, offset after it), fast for up to four bytes."""
    found = data[at]
    if found < 128:
        return found, at + 1
    byte = data[at + 1]
    if byte < 128:
        if byte:
            return found + (byte << 7) - 128, at + 2
        raise Declined
    third = data[at + 2]
    if third < 128:
        if third:
            return found + (byte << 7) + (third << 14) - _TWO, at + 3
        raise Declined
    fourth = data[at + 3]
    if 0 < fourth < 128:
        return found + (byte << 7) + (third << 14) + (fourth << 21) - _THREE, at + 4
    return long_number(data, at + 1)


def long_number(data: bytes, at: int) -> tuple[int, int]:
    """(number, offset after it) of one whose first byte, that before `at`, is not its last. Raises
    Declined for one of over 56 bits or not in its shortest form.
    """
    number = data[at - 1] - 128
    shift = 7
    while shift < 56:
        byte = data[at]
        at += 1
        if byte < 128:
            if byte:
                return number + (byte << shift), at
            raise Declined
        number += byte - 128 << shift
        shift += 7
    raise Declined


def read_away(data: bytes, at: int) -> tuple[int, int]:
    """(first distance of UTC to uptime in a message, offset after it). Raises Declined."""
    begin = at
    code = data[at]
    at += 1
    if code > 127:
        code, at = long_number(data, at)
    if not code:
        raise Declined
    away = code >> 1 if code & 1 else -(code >> 1)
    if at - begin == AWAY_BYTES:
        if len(AWAY) >= _AWAY_MAX:
            AWAY.clear()
        AWAY[data[begin:at]] = away
    return away, at


def item(number: int) -> bytes:
    """The bytes of an unsigned integer."""
    if number < _ITEMS_KEPT:
        return _ITEMS[number]
    if number < 0x10000:
        return _SHORT(0x19, number)
    return _LONG(0x1A, number) if number <= UINT32_MAX else b"\x1b" + number.to_bytes(8, "big")


def pairs(data: bytes, at: int, code: int, limit: int) -> tuple[bytes, int, int]:
    """(bytes of the list, sum of its products, offset after it)."""
    total = 0
    if code & 1:
        count = code >> 1
        if count > limit:
            raise Declined
        parts = [cbor.head(4, count)]
        for _ in range(count):
            first, at = _part(data, at)
            second, at = _part(data, at)
            total += first * second
            parts += (b"\x82", item(first), item(second))
        return b"".join(parts), total, at
    begin, columns = _columns(code)
    parts = [begin]
    append, items = parts.append, _ITEMS
    for denomination, small in columns:
        pieces = data[at]
        if pieces < SMALL:
            at += 1
            append(small[pieces])
        else:
            byte = data[at + 1]
            if 0 < byte < 128:
                pieces += (byte << 7) - 128
                at += 2
            else:
                pieces, at = _part(data, at)
            append(small[-1] + (items[pieces] if pieces < _ITEMS_KEPT else item(pieces)))
        total += denomination * pieces
    return b"".join(parts), total, at


def _part(data: bytes, at: int) -> tuple[int, int]:
    number = data[at]
    at += 1
    if number > 127:
        number, at = long_number(data, at)
        if number > UINT32_MAX:
            raise Declined
    return number, at


@lru_cache(maxsize=_COLUMNS_KEPT)
def _columns(code: int) -> tuple[bytes, tuple[tuple[int, list[bytes]], ...]]:
    """(head of the list, (denomination, its pairs of few pieces), highest first) of a packed list
    of common denominations.
    """
    code >>= 1
    if code >> len(DENOMINATIONS):
        raise Declined
    places = [place for place in range(len(DENOMINATIONS) - 1, -1, -1) if code >> place & 1]
    return bytes(cbor.head(4, len(places))), tuple(
        (DENOMINATIONS[place], _small_pairs(DENOMINATIONS[place])) for place in places
    )


@cache
def _small_pairs(denomination: int) -> list[bytes]:
    """The pairs of so few pieces, and at the end what every pair begins with."""
    begin = b"\x82" + cbor.head(0, denomination)
    return [*(begin + cbor.head(0, pieces) for pieces in range(SMALL)), begin]
