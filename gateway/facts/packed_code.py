"""Packed records as Python source: one straight function for each way to pack a record that comes
often, generated from the tables of protocol/packing.py and protocol/records.py.

A way is a head: the bytes of a record with its kind and the bits of its fields. Each has two
functions. The first record of a message is compared with constants, so most of its bytes are
constants too; a later one is compared with what `known` has of those before it.

A function gives the bytes that `protocol.unpacking.unpack` gives, and only when
`protocol.records.decode_record` takes them: every value is held against its limit, and every field
that a kind must have is there. Otherwise it raises Declined, or IndexError where the message ends
inside a number. It declines more than they refuse: lists of texts, text that is not ASCII, a record
without a UTC or with one before February 1970. Bytes that end too early are found by the caller:
the offset after the record is then beyond the message.
"""

from collections.abc import Callable
from functools import cache
from struct import Struct
from typing import Any

from gateway.facts.packed_values import (
    AWAY,
    AWAY_BYTES,
    SMALL,
    UINT32_MAX,
    UINT48_MAX,
    Declined,
    item,
    long_number,
    pairs,
    read_away,
)
from protocol import cbor, packing
from protocol import records as wire
from protocol.packing import FIXED, ROWS, TOTAL, UPTIME, UTC

BOOT = wire.number_of("boot")

_KINDS = [tuple(numbers) for numbers in packing.FIELDS_OF.split(b"\0")]
# Where `known` has the bytes of a field; its value stands len(_NUMBERS) further on.
_NUMBERS = sorted({UPTIME, *(number for kind in _KINDS for number in kind)})
_SLOT = {number: slot for slot, number in enumerate(_NUMBERS)}

Way = Callable[..., tuple[bytes, int, int]]


def head_of(data: bytes, at: int) -> bytes:
    """The head of the packed record that begins at `at`; empty where there is none."""
    kind = data[at] & 15
    if not 0 < kind <= len(_KINDS):
        return b""
    return data[at : at + _head_bytes(kind)]


def has_way(head: bytes) -> bool:
    """Whether a record of this head can be written as a function."""
    kind, bits = _kind_and_bits(head)
    if len(head) != _head_bytes(kind) or bits >> len(_KINDS[kind - 1]):
        return False
    return not any(
        bits >> place & 1 and wire.spec_of(number)[1] == "texts"
        for place, number in enumerate(_KINDS[kind - 1])
    )


def make(head: bytes, is_first: bool) -> Way:
    """The function for records of this head, which `has_way`.

    The first of a message: f(data, at, end, boot, sent_uptime_ms, known), where `known` is empty
    and is filled when there are more records. A later one: f(data, at, known). Both give (bytes
    of the record, offset after it, its utc_ms).
    """
    source = _Source(*_kind_and_bits(head), is_first)
    text = source.text()
    names = {**_NAMES, **source.tables}
    exec(compile(text, f"<packed {head.hex()}>", "exec"), names)
    way: Way = names["way"]
    return way


def _head_bytes(kind: int) -> int:
    return (len(_KINDS[kind - 1]) + 11) >> 3


def _kind_and_bits(head: bytes) -> tuple[int, int]:
    number = int.from_bytes(head, "little")
    return number & 15, number >> 4


# --- the source -----------------------------------------------------------------------------------


class _Source:
    """The source of one function, and the tables that it uses, by name."""

    def __init__(self, kind: int, bits: int, is_first: bool) -> None:
        self.tables: dict[str, Any] = {}
        self._kind = kind
        self._is_first = is_first
        self._lines: list[str] = []
        self._keep: list[str] = []  # what a later record is compared with
        self._parts: list[str | bytes] = []  # of the record: expressions, and constants
        self._fields = 2  # kind and uptime_ms, and those that are always there
        self._maybe: list[str] = []  # names of those that may be empty
        self._must, _ = wire.fields_of(wire.limit_of("kind")[kind - 1])
        self._numbers = _KINDS[kind - 1]
        self._bits = bits

    def text(self) -> str:
        self._clock()
        for place, number in enumerate(self._numbers):
            if number not in (BOOT, UTC):
                self._field(number, bool(self._bits >> place & 1))
        where = "data, at, end, boot, sent, known" if self._is_first else "data, at, known"
        parts = ", ".join(map(_expression, self._merged()))
        result = f"    return join(({parts},)), at, utc"
        if self._is_first and self._keep:
            lines = ["    if at < end:", "        known.extend(START)"]
            keep = lines + [f"        {line}" for line in self._keep]
        else:
            keep = [f"    {line}" for line in self._keep]
        head = [f"def way({where}):", f"    at += {_head_bytes(self._kind)}"]
        return "\n".join([*head, *(f"    {line}" for line in self._lines), *keep, result, ""])

    def _merged(self) -> list[str | bytes]:
        """The parts, with how many fields there are before them, and constants side by side put
        together.
        """
        parts = list(self._parts)
        heads = [bytes((0xA0 | count, 0, self._kind)) for count in range(16)]
        count = self._fields + len(self._maybe)
        if self._maybe:
            self.tables["HEADS"] = heads
            gone = "".join(f" - (not {name})" for name in self._maybe)
            parts.insert(0, f"HEADS[{count}{gone}]")
        else:
            parts.insert(0, heads[count])
        merged: list[str | bytes] = []
        for part in parts:
            if isinstance(part, bytes) and merged and isinstance(merged[-1], bytes):
                merged[-1] += part
            else:
                merged.append(part)
        return merged

    def _write(self, text: str) -> None:
        self._lines += text.strip("\n").split("\n")

    def _number(self) -> None:
        """The next number; most have one byte or two."""
        self._write(_NUMBER)

    def _clock(self) -> None:
        """Everything up to utc_ms: uptime_ms is packed first, then boot and utc_ms if they changed;
        of a record they are written as boot, uptime_ms, utc_ms.
        """
        bits = dict(zip(self._numbers, range(len(self._numbers)), strict=True))
        changed = {number: bool(self._bits >> bits[number] & 1) for number in (BOOT, UTC)}
        before = "sent" if self._is_first else _value(UPTIME)
        self._number()
        self._write(f"uptime = {before} + (~(code >> 1) if code & 1 else code >> 1)")
        self._keep.append(f"{_value(UPTIME)} = uptime")
        if changed[BOOT]:
            self._number()
            self._integer(BOOT, "boot" if self._is_first else _value(BOOT), is_must=True)
            self._keep += [f"{_bytes(BOOT)} = f{BOOT}", f"{_value(BOOT)} = value{BOOT}"]
        elif self._is_first:
            self._write(f"f{BOOT} = {self._table(BOOT)}[boot] if boot < {SMALL}"
                        f" else {_key(BOOT)!r} + item(boot)")  # fmt: skip
            self._keep += [f"{_bytes(BOOT)} = f{BOOT}", f"{_value(BOOT)} = boot"]
        self._parts.append(f"f{BOOT}" if changed[BOOT] or self._is_first else _bytes(BOOT))
        self._fields += 2
        if changed[UTC]:
            if self._is_first:
                self._write(_AWAY)
            else:
                self._number()
                self._write("if not code:\n    raise Declined")
                self._write(f"away = ({_value(UTC)} or 0)"
                            " + (code >> 1 if code & 1 else -(code >> 1))")  # fmt: skip
            self._keep.append(f"{_value(UTC)} = away")
        elif self._is_first:
            self._write("raise Declined")
            self._write("away = 0")
        else:
            self._write(f"away = {_value(UTC)}\nif away is None:\n    raise Declined")
        self._write(_CLOCK)
        self._parts.append("clock")

    def _field(self, number: int, changed: bool) -> None:
        name, type_name, limit = wire.spec_of(number)
        is_must = name in self._must
        if number in FIXED:
            if changed:
                size = packing.SHORT_BYTES if number == packing.SHORT_NUMBER else (
                    packing.WHOLE_BYTES
                )  # fmt: skip
                self._write(f"f{number} = data[at : at + {size}]\nat += {size}")
                self._parts += [_key(number) + cbor.head(2, size), f"f{number}"]
                self._fields += 1
        elif number == TOTAL:
            self._total(number, limit, changed)
        elif changed:
            self._changed(number, type_name, limit, is_must)
        elif self._is_first:
            self._first_unchanged(number, is_must)
        else:
            self._unchanged(number, is_must)

    def _total(self, number: int, limit: int, changed: bool) -> None:
        """A total is the sum of its rows, whatever the record before had."""
        if changed:
            self._number()
            self._integer(number, "total", is_must=True)
        else:
            self._write(f"value{number} = total")
            self._limited(number, limit)
        self._parts.append(f"f{number}")
        self._fields += 1

    def _first_unchanged(self, number: int, is_must: bool) -> None:
        usual = _usual().get(number)
        if usual is not None:
            self._parts.append(_field(number, usual))
            self._fields += 1
        elif is_must:
            self._write("raise Declined")
        if number == ROWS:
            self._write("total = 0")

    def _unchanged(self, number: int, is_must: bool) -> None:
        self._write(f"f{number} = {_bytes(number)}")
        self._parts.append(f"f{number}")
        if is_must:
            self._write(f"if not f{number}:\n    raise Declined")
            self._fields += 1
        else:
            self._maybe.append(f"f{number}")
        if number == ROWS:
            self._write(f"total = {_value(number)}")

    def _changed(self, number: int, type_name: str, limit: Any, is_must: bool) -> None:
        usual = _usual().get(number)
        guess = repr(usual) if self._is_first else _value(number)
        self._number()
        if type_name in ("uint", "int", "choice"):
            self._integer(number, str(usual or 0) if self._is_first else f"({guess} or 0)", is_must)
        else:
            self._write("if not code:")
            self._write("    raise Declined" if is_must or self._is_first and usual is None
                        else f"    f{number} = b''\n    value{number} = None")  # fmt: skip
            self._write("else:")
            body = {"text": self._text, "bytes": self._raw, "pairs": self._pairs}[type_name]
            self._write("".join(f"    {line}\n" for line in body(number, limit, guess)))
        if is_must:
            self._fields += 1
        else:
            self._maybe.append(f"f{number}")
        self._parts.append(f"f{number}")
        self._keep += [f"{_bytes(number)} = f{number}", f"{_value(number)} = value{number}"]

    def _integer(self, number: int, guess: str, is_must: bool) -> None:
        """An integer whose code was read. Without a field the code is 0."""
        limit = wire.spec_of(number)[2]
        self._write("if not code:")
        if is_must:
            self._write("    raise Declined")
        else:
            self._write(f"    f{number} = b''\n    value{number} = None")
        self._write("else:")
        self._write(f"    value{number} = {guess} + (code >> 1 if code & 1 else -(code >> 1))")
        self._limited(number, limit, "    ")

    def _limited(self, number: int, limit: Any, indent: str = "") -> None:
        """The bytes of an integer that is held against its limit."""
        type_name = wire.spec_of(number)[1]
        lowest = 0
        if type_name == "choice":
            lowest, limit = 1, len(limit)
        value, found = f"value{number}", f"f{number}"
        lines = [
            f"if {lowest} <= {value} <= {min(limit, SMALL - 1)}:",
            f"    {found} = {self._table(number)}[{value}]",
        ]
        if limit >= SMALL:
            lines += [
                f"elif {SMALL} <= {value} <= {limit}:",
                f"    {found} = {_key(number)!r} + item({value})",
            ]
        if type_name == "int":
            lines += [
                f"elif {-limit} <= {value} < 0:",
                f"    {found} = {_key(number)!r} + head(1, -1 - {value})",
            ]
        lines += ["else:", "    raise Declined"]
        self._lines += [indent + line for line in lines]

    def _text(self, number: int, limit: int, guess: str) -> list[str]:
        self.tables[f"L{number}"] = [
            _key(number) + cbor.head(3, size) for size in range(limit + 1)
        ]  # fmt: skip
        value = f"value{number}"
        lines = ["code -= 1"]
        if guess == "None" or guess == "b''":
            lines += [
                "if code & 255:", "    raise Declined",
                f"{value} = data[at : at + (code >> 8)]", "at += code >> 8",
            ]  # fmt: skip
        else:
            lines += [
                f"text = {guess} or b''",
                "left = code & 15", "right = len(text) - (code >> 4 & 15)",
                "if left > right:", "    raise Declined",
                f"{value} = text[:left] + data[at : at + (code >> 8)] + text[right:]",
                "at += code >> 8",
            ]  # fmt: skip
        return lines + [
            f"if len({value}) > {limit} or not {value}.isascii():", "    raise Declined",
            f"f{number} = L{number}[len({value})] + {value}",
        ]  # fmt: skip

    def _raw(self, number: int, limit: int, _guess: str) -> list[str]:
        return [
            f"if code > {limit + 1}:", "    raise Declined",
            f"value{number} = data[at : at + code - 1]", "at += code - 1",
            f"f{number} = {_key(number)!r} + head(2, code - 1) + value{number}",
        ]  # fmt: skip

    def _pairs(self, number: int, limit: int, _guess: str) -> list[str]:
        lines = [
            f"found, value{number}, at = pairs(data, at, code, {limit})",
            f"f{number} = {_key(number)!r} + found",
        ]
        return [*lines, f"total = value{number}"] if number == ROWS else lines

    def _table(self, number: int) -> str:
        """The name of the table with this field's bytes for small"""
        self.tables[f"T{number}"] = _small_fields(number)
        return f"T{number}"


_NUMBER = """
code = data[at]
if code < 128:
    at += 1
else:
    byte = data[at + 1]
    if 0 < byte < 128:
        code += (byte << 7) - 128
        at += 2
    else:
        code, at = long(data, at + 1)
"""
# A board's clock goes on as its UTC does, so what lies between the two hardly ever changes.
_AWAY = f"""
away = AWAY.get(data[at : at + {AWAY_BYTES}])
if away is not None:
    at += {AWAY_BYTES}
else:
    away, at = read_away(data, at)
"""
_CLOCK = f"""
utc = uptime + away
if not {UINT32_MAX} < utc <= {UINT48_MAX}:
    raise Declined
if 65535 < uptime <= {UINT32_MAX}:
    clock = clocks({UPTIME << 8 | 0x1A}, uptime, {UTC << 8 | 0x1B}, utc)
elif 0 <= uptime <= {UINT48_MAX}:
    clock = {bytes((UPTIME,))!r} + item(uptime) + utcs({UTC << 8 | 0x1B}, utc)
else:
    raise Declined
"""


def _expression(part: str | bytes) -> str:
    return part if isinstance(part, str) else repr(part)


def _bytes(number: int) -> str:
    return f"known[{_SLOT[number]}]"


def _value(number: int) -> str:
    return f"known[{_SLOT[number] + len(_NUMBERS)}]"


def _key(number: int) -> bytes:
    return bytes(cbor.head(0, number))


def _field(number: int, value: int | bytes) -> bytes:
    """A field with its value, as a constant."""
    if isinstance(value, int):
        return bytes(_key(number) + cbor.head(0, value))
    return bytes(_key(number) + cbor.head(3, len(value)) + value)


@cache
def _small_fields(number: int) -> list[bytes]:
    return [_field(number, value) for value in range(SMALL)]


@cache
def _usual() -> dict[int, int | bytes]:
    """What the first record of every message is compared with, but for what the message says."""
    return {
        number: value.encode() if isinstance(value, str) else value
        for number, value in packing.start(0, 0).items()
        if number not in (BOOT, UPTIME)
    }


START = [
    *(_field(number, _usual()[number]) if number in _usual() else b"" for number in _NUMBERS),
    *(_usual().get(number) for number in _NUMBERS),
]
_NAMES: dict[str, Any] = {
    "AWAY": AWAY, "Declined": Declined, "START": START,
    "clocks": Struct(">HIHQ").pack, "head": cbor.head, "item": item, "join": b"".join,
    "long": long_number, "pairs": pairs, "read_away": read_away,
    "utcs": Struct(">HQ").pack,
}  # fmt: skip
