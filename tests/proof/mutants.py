"""Mutants of records and of `ev` payloads, drawn from the wire dictionary.

A record is built of its fields' bytes, so that a mutant can have a value at its limit or one over
it, an integer in a longer form, a field twice, in the wrong place or of another kind. Others are
good bytes, changed, cut or spliced.
"""

import random
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

from gateway.facts.patterns import all_shapes
from protocol import cbor
from protocol import records as wire

NOW_MS = 1_790_000_000_000
KEYS = {number: cbor.head(0, number) for number in wire.fields()}
OFTEN = 20  # what is just over a limit, so that it is not lost among the rest
POOL = 64  # good values of each field, to choose from
MUTANTS_OF_ONE = 12  # mutants of the same fields
LISTED = 4  # most lists have no more items, so that records stay short
Field = tuple[int, bytes]
T = TypeVar("T")


def forms(number: int, major: int = 0) -> list[bytes]:
    """An integer in its shortest form and in the longer ones."""
    found = [cbor.head(major, number)]
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            found.append(bytes((major << 5 | info,)) + number.to_bytes(size, "big"))
    return found


def edges(limit: int, major: int = 0) -> list[bytes]:
    """Integers round every border, in every form."""
    borders = (0, 1, 23, 24, 255, 256, 65535, 65536, 0xFFFFFFFF, 1 << 32, 1 << 40, 1 << 48, limit)
    numbers = {border + step for border in borders for step in (-1, 0, 1) if border + step >= 0}
    return [form for number in sorted(numbers) for form in forms(number, major)]


def strings(major: int, limit: int, content: bytes) -> list[bytes]:
    """Strings of lengths round the limit and other borders, and with a wrong length."""
    sizes = {0, 1, 7, 8, 9, 23, 24, 25, limit - 1, limit, limit + 1, 255, 256}
    found = [
        form + content * size for size in sizes for form in forms(size, major) if size <= limit + 1
    ]
    return found + [cbor.head(major, size + step) + content * size
                    for size in (1, 5, limit) for step in (-1, 1)]  # fmt: skip


def lists(limit: int, item: bytes) -> list[bytes]:
    sizes = (0, 1, 2, 8, 9, limit - 1, limit, limit + 1, 23, 24, 25)
    found = [form + item * size for size in sizes for form in forms(size, 4)]
    over = cbor.head(4, limit + 1) + item * (limit + 1)
    return found + [cbor.head(4, 2) + item, cbor.head(4, 2) + item * 3] + [over] * OFTEN


def odd_values(number: int) -> list[bytes]:
    """Values of a field: some are good, most are not."""
    _, type_name, limit = wire.spec_of(number)
    every = [b"\x00", b"\x20", b"\x40", b"\x60", b"\x80", b"\xa0", b"\xf4", b"\xf9\0\0", b"\xc0\0"]
    if type_name == "choice":
        return every + edges(len(limit))
    if type_name in ("uint", "int"):
        return every + edges(limit) + edges(limit - 1, 1)
    if type_name in ("text", "bytes"):
        other = strings(2 if type_name == "text" else 3, limit, b"a")
        texts = [b for c in (b"a", b"\x7f", b"\x80", b"\xff", "\N{EURO SIGN}".encode())
                 for b in strings(3 if type_name == "text" else 2, limit, c)]  # fmt: skip
        return every + other + texts
    if type_name == "pairs":
        part = [form for form in edges(0xFFFFFFFF) if len(form) > 3]
        pairs = [
            b"\x82\x01\x02",
            b"\x81\x01",
            b"\x83\x01\x02\x03",
            b"\x82\x20\x01",
            b"\x82\x01\x40",
        ]
        pairs += [b"\x82" + form + b"\x01" for form in part] + [b"\x82\x01" + f for f in part]
        pairs += [b"\x82" + cbor.head(0, 1 << 32) + b"\x01"] * OFTEN
        return every + lists(limit, b"\x82\x01\x02") + [b"\x81" + pair for pair in pairs]
    return every + lists(limit, b"\x61a") + [b"\x81" + one for one in strings(3, 48, b"a")]


class Mutants:
    """Draws mutants; the same `rng` draws the same ones."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._shapes = {kind: list(every) for kind, every in groupby(all_shapes(), itemgetter(0))}
        self._odd = {number: odd_values(number) for number in wire.fields()}
        self._good = {
            number: [self._drawn(number) for _ in range(POOL)] for number in wire.fields()
        }
        self._kinds = list(self._shapes)
        borders = (0, 0xFFFFFFFF, 1 << 32, 0xFFFFFFFFFFFF, 1 << 48)
        self._header_odd = [*edges(1 << 48), *(cbor.head(0, border) for border in borders * 40)]
        self._left, self._base, self._now = 0, list[Field](), b""
        self._whole = [b"\x00"] * 20  # records of before, to splice from
        self._ways: list[Callable[[list[Field]], bytes]] = [
            self._as_it_is, *[self._damaged] * 5, *[self._odd_value] * 4, self._moved,
            self._miscounted,
        ]  # fmt: skip

    def record(self) -> bytes:
        """The bytes of a record, of at most 1,000 bytes, most of them changed."""
        if not self._left:
            self._left = MUTANTS_OF_ONE
            self._base = self._good_fields()
            self._whole[int(self._rng.random() * len(self._whole))] = built(self._base)
            self._now = built(self._base)
        self._left -= 1
        return self._pick(self._ways)(self._base)[:1000]

    def message(self, records: list[bytes]) -> bytes:
        """An `ev` payload with some of these records, often with something wrong."""
        rng = self._rng
        some = records[: rng.choice((1, 1, 1, 2, 3, len(records)))]
        if rng.random() < 0.7:
            good = [built(self._good_fields()) for _ in some]
            some = good if rng.random() < 0.6 else [*good[1:], some[0]]
        if rng.random() < 0.1:  # as many as there may be
            some = [b"\xa4\x00\x05\x01\x01\x02\x05\x18\x28\x01"] * rng.choice((23, 24, 63, 64, 65))
        elif rng.random() < 0.1:  # marks, whose length takes one byte
            mark = b"\xa5\x00\x05\x01\x01\x02\x05\x03" + self.value(3) + b"\x18\x28\x01"
            some = [mark] * rng.choice((1, 2, 23, 24))
        seq = rng.choice((1, 5, 5, 5, 0xFFFFFFFF, 0x100000000 - len(some)))
        header = [cbor.head(0, each) for each in (rng.choice((1, 7, 0x12345678)), 3, 10**6, seq)]
        if rng.random() < 0.1:
            header[rng.randrange(4)] = self._pick(self._header_odd)
            some = [built(self._good_fields())]
        heads = [cbor.head(2, len(raw)) for raw in some]
        if rng.random() < 0.05:
            at = rng.randrange(len(heads))
            heads[at] = rng.choice(forms(max(len(some[at]) + rng.choice((-1, 0, 1)), 0), 2))
        if rng.random() < 0.06 and len(some) > 1:  # one too short, the next too long
            at = rng.randrange(len(some) - 1)
            heads[at : at + 2] = [
                cbor.head(2, max(len(raw) + step, 0))
                for raw, step in zip(some[at : at + 2], rng.choice(((1, -1), (-1, 1))), strict=True)
            ]
        count = len(some) + (rng.choice((-1, 1)) if rng.random() < 0.03 else 0)
        before = rng.choice((b"\x48",) * 30 + (b"\x47", b"\x49", b"\x68")) + rng.randbytes(8)
        between = [rng.randbytes(1) if rng.random() < 0.004 else b"" for _ in some]
        body = b"".join(map(b"".join, zip(heads, some, between, strict=True)))
        payload = (
            b"\x86" + b"".join(header) + rng.choice(forms(count, 4)[:1] * 30 + forms(count, 4))
        )
        payload += body + before
        if rng.random() < 0.03:
            payload = self.fitted(payload, rng.choice((1024, 1025)))
        return self._bytes_changed(payload) if rng.random() < 0.1 else payload

    def fitted(self, payload: bytes, size: int) -> bytes:
        """A payload of so many bytes: tape lines whose `left` fills it."""
        head, tail = b"\x86\x07\x03\x1a\0\x0f\x42\x40\x05", b"\x48" + bytes(8)
        one = b"\xa8\x00\x04\x01\x03\x02\x05\x03" + self.value(3) + b"\x18\x1e\x01\x18\x1f%b"
        one += b"\x18\x20\x01\x18\x21\x61+"
        lines, left = b"", size - len(head) - len(tail) - 2
        count = 0
        while left > 0 and count < 30:
            room = min(max(left - len(one) - 1, 0), 16) if left < 100 else 10
            raw = one.replace(b"%b", cbor.head(3, room) + b"x" * room)
            lines += cbor.head(2, len(raw)) + raw
            left -= len(raw) + 2
            count += 1
        return head + cbor.head(4, count) + lines + tail if left == 0 else payload

    def value(self, number: int) -> bytes:
        """A good value of a field, most often a small one."""
        return self._pick(self._good[number])

    def _pick(self, some: Sequence[T]) -> T:
        return some[int(self._rng.random() * len(some))]  # faster than rng.choice

    def _drawn(self, number: int) -> bytes:
        rng = self._rng
        if number == 3 and rng.random() < 0.9:
            return cbor.encode(NOW_MS + rng.randrange(-300, 300))
        _, type_name, limit = wire.spec_of(number)
        if type_name == "choice":
            return bytes((rng.randint(1, len(limit)),))
        if type_name in ("uint", "int"):
            number = rng.randint(0, min(limit, 1 << rng.choice((4, 8, 16, 32, 40, 48))))
            return cbor.encode(-number if type_name == "int" and rng.random() < 0.3 else number)
        if type_name in ("text", "bytes"):
            size = rng.randint(0, limit if rng.random() < 0.2 else min(limit, 12))
            raw = bytes(rng.randrange(128) for _ in range(size))
            return cbor.encode(raw.decode() if type_name == "text" else raw)
        count = rng.randint(0, limit if rng.random() < 0.1 else min(limit, LISTED))
        if type_name == "pairs":
            return cbor.encode(
                [[rng.getrandbits(rng.choice((4, 7, 14, 32))) for _ in "ab"] for _ in range(count)]
            )
        return cbor.encode(["name=driver:guess"[: rng.randint(0, 17)] for _ in range(count)])

    def _good_fields(self) -> list[Field]:
        kind, numbers = self._pick(self._shapes[self._pick(self._kinds)])
        if 3 not in numbers and self._rng.random() < 0.7:
            numbers = (3, *numbers)
        place = wire.limit_of("kind").index(kind) + 1
        return [(0, bytes((place,))), *((each, self.value(each)) for each in (1, 2, *numbers))]

    def _as_it_is(self, _fields: list[Field]) -> bytes:
        return self._now

    def _damaged(self, _fields: list[Field]) -> bytes:
        return self._bytes_changed(self._now)

    def _bytes_changed(self, raw: bytes) -> bytes:
        rng = self._rng
        out = bytearray(raw)
        for _ in range(self._pick((1, 1, 1, 2, 3))):
            at = int(rng.random() * (len(out) + 1))
            way = int(rng.random() * 7)
            if way == 0 and at < len(out):
                out[at] ^= 1 << int(rng.random() * 8)
            elif way == 1 and at < len(out):
                out[at] = int(rng.random() * 256)
            elif way == 2:
                out[at:at] = rng.randbytes(self._pick((1, 1, 2, 8)))
            elif way == 3:
                del out[at : at + self._pick((1, 1, 2, 8))]
            elif way == 4:
                del out[at:]
            elif way == 5 and at < len(out):
                out[at] = (out[at] + self._pick((-1, 1))) & 0xFF
            else:
                other = self._pick(self._whole)
                out[at:] = other[int(rng.random() * len(other)) :]
        return bytes(out)

    def _odd_value(self, base: list[Field]) -> bytes:
        fields = base.copy()
        for _ in range(self._pick((1, 1, 1, 2))):
            at = int(self._rng.random() * len(fields))
            number = fields[at][0]
            fields[at] = (number, self._pick(self._odd[number]))
        return built(fields)

    def _moved(self, base: list[Field]) -> bytes:
        """Fields that are swapped, there twice, taken away, or put in."""
        fields = base.copy()
        rng = self._rng
        at, other = rng.randrange(len(fields)), rng.randrange(len(fields))
        way = rng.randrange(6)
        if way == 0:
            fields[at], fields[other] = fields[other], fields[at]
        elif way == 1:
            fields.insert(other, fields[at])
        elif way == 2:
            fields.insert(at, fields[at])
        elif way == 3:
            del fields[at]
        else:
            number = rng.choice(list(self._odd))
            fields.append((number, self.value(number)))
            fields.sort(key=lambda field: field[0]) if way == 4 else rng.shuffle(fields)
        return built(fields)

    def _miscounted(self, fields: list[Field]) -> bytes:
        rng = self._rng
        raw = built(fields, rng.choice((-2, -1, 1, 2)))
        if rng.random() < 0.5:
            at = rng.randrange(len(fields))
            number, value = fields[at]
            key = rng.choice(forms(number)[1:] or [b"\x19\0\0"])
            parts = [cbor.head(0, each) + item for each, item in fields]
            parts[at] = key + value
            raw = rng.choice(forms(len(fields), 5)) + b"".join(parts)
        return raw


def built(fields: list[Field], more: int = 0) -> bytes:
    """The bytes of a map of these fields, in this order. `more`: how many more it says it has."""
    items = [part for number, value in fields for part in (KEYS[number], value)]
    return b"".join((cbor.head(5, max(len(fields) + more, 0)), *items))
