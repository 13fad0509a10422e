"""Mutants of packed `ev` payloads: good ones that were changed, cut or spliced, and some that were
packed of records with a value at its limit or over it.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from protocol import cbor, packing
from protocol import records as wire
from protocol.compat import ProtocolError
from tests.proof.mutants import NOW_MS

BASES = 120  # messages of one draw, whose mutants are asked for
U32, U48 = 0xFFFFFFFF, 0xFFFFFFFFFFFF
SENT_MS = 10_000_000
Fields = dict[int, Any]
Message = tuple[list[int], list[Fields]]  # [epoch, boot, sent_uptime_ms, first_seq], records
SMALL = (0, 1, 2, 5, 23, 24, 63, 64, 127, 128, 129, 255, 256, 1023, 1024, 8191, 65_535, 65_536)
WORDS = ("coins", "USD", "", "+", "1234", "20261120-0930", "+-", "cois", "w3", "EUR", "a" * 16)
ODD_TEXTS = ("\N{EURO SIGN}", "\x7f", "\0")


def odd_integers(limit: int) -> list[int]:
    return [-limit - 1, -limit, -1, 0, 1, limit - 1, limit, limit + 1, 2 * limit + 1, 1 << 62]


class PackedMutants:
    """Draws mutants; the same `rng` draws the same ones."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._bases = [self._message() for _ in range(BASES)]
        self._packed = [packed(message) for message in self._bases]

    def bases(self) -> list[bytes]:
        """The good ones."""
        return self._packed

    def message(self) -> bytes:
        rng = self._rng
        at = int(rng.random() * BASES)
        way = rng.random()
        if way < 0.1:
            return self._packed[at]
        if way < 0.7:
            return self._changed(self._packed[at])
        return packed(self._odd(self._bases[at]))

    # --- good messages ---

    def _message(self) -> Message:
        rng = self._rng
        boot = rng.choice((1, 7, 127, 128, 300))
        sent = SENT_MS + rng.randrange(1 << rng.choice((4, 20, 30)))
        seq = rng.choice((1, 99, 4711, U32 - 40))
        count = rng.choice((1, 1, 1, 2, 3, 3, 9))
        uptime, away = sent - rng.choice((0, 200, 5000, 60_000, SENT_MS)), NOW_MS - sent
        said: list[Fields] = []
        for _ in range(count):
            uptime += rng.choice((0, 1, 60, 64, 900, 9000))
            away += rng.choice((0, 0, 0, 0, 1, -300))
            said.append(self._record(boot, uptime, away, said[-1] if said else {}))
        return [rng.choice((1, 0x5EC0_11D5, U32)), boot, sent, seq], said

    def _record(self, boot: int, uptime: int, away: int, before: Fields) -> Fields:
        rng = self._rng
        kind = before.get(0, 0) if rng.random() < 0.6 else 0
        kind = kind or rng.choice((1, 2, 2, 2, 3, 4, 5, 5, 6, 7, 8))
        must, may = wire.fields_of(wire.limit_of("kind")[kind - 1])
        names = [*must, *(name for name in may if name and rng.random() < 0.4)]
        found: Fields = {0: kind, 1: boot, 2: uptime, 3: uptime + away}
        if rng.random() < 0.03:
            del found[3]
        for name in names:
            number = wire.number_of(name)
            if wire.spec_of(number)[1] == "texts" and rng.random() < 0.9:
                continue
            usual = before.get(number, packing.start(0, 0).get(number))
            keep = usual is not None and rng.random() < 0.6
            found[number] = usual if keep else self._value(number)
        if kind == 2 and rng.random() < 0.8:
            found[packing.TOTAL] = sum(first * second for first, second in found[packing.ROWS])
        return found

    def _value(self, number: int) -> Any:
        rng = self._rng
        _, type_name, limit = wire.spec_of(number)
        if type_name == "choice":
            return rng.randint(1, len(limit))
        if type_name in ("uint", "int"):
            value = rng.choice((*SMALL, rng.getrandbits(20), rng.getrandbits(40)))
            sign = -1 if type_name == "int" and rng.random() < 0.4 else 1
            return sign * min(value, limit)
        if type_name == "text":
            return rng.choice(WORDS)[:limit]
        if type_name == "bytes":
            size = rng.choice((0, 1, 23, 24, 200)) if number == 53 else limit
            return rng.randbytes(size)
        if type_name == "texts":
            return ["a=b"] * rng.randint(0, 2)
        return self._pairs(min(limit, 7))

    def _pairs(self, most: int) -> list[list[int]]:
        rng = self._rng
        first = [each for each in reversed(packing.DENOMINATIONS) if rng.random() < 0.3][:most]
        if rng.random() < 0.2:
            first = [rng.choice((3, 7, 20, 128, 70_000)) for _ in range(rng.randint(0, 3))]
        return [[each, rng.choice(SMALL)] for each in first]

    # --- what is wrong with others ---

    def _odd(self, message: Message) -> Message:
        """The same with a value of a record or of the header at or over a limit."""
        rng = self._rng
        header, said = list(message[0]), [dict(each) for each in message[1]]
        if rng.random() < 0.15:
            place = rng.randrange(4)
            header[place] = rng.choice(
                (0, 1, U32 - len(said), U32 - len(said) + 1, U32 - len(said) + 2, U32, U48)
                if place == 0
                else (0, U32 - len(said) + 1, U32 - len(said) + 2, U32, U32 + 1, U48, U48 + 1)
            )
            header[0] &= U32
        elif rng.random() < 0.1:  # as much as a message may hold, and more
            said = [dict(said[-1]) for _ in range(rng.choice((7, 10, 14, 20, 30, 41, 42, 65)))]
        else:
            one = rng.choice(said)
            number = rng.choice(list(one))
            if number > 2 and rng.random() < 0.1:
                del one[number]
            elif number:
                one[number] = rng.choice(self._odd_values(number))
        return header, said

    def _odd_values(self, number: int) -> Sequence[Any]:
        _, type_name, limit = wire.spec_of(number)
        if type_name == "choice":
            return (-1, 0, 1, len(limit), len(limit) + 1, 200)
        if number == packing.UTC:
            received = (NOW_MS + step for step in (-6000, 4999, 5000, 5001))
            return [*odd_integers(limit), *odd_integers(U32), *received]
        if type_name in ("uint", "int"):
            return odd_integers(limit)
        if type_name == "text":
            sizes = (0, 1, limit - 1, limit, limit + 1)
            return [*("x" * size for size in sizes), *ODD_TEXTS]
        if type_name == "bytes":
            return [bytes(size) for size in (0, limit - 1, limit, limit + 1)]
        if type_name == "texts":
            return [["x" * size] * count for size in (0, 48, 49) for count in (1, limit, limit + 1)]
        parts = [[1, U32], [1, U32 + 1], [U32 + 1, 1], [U32, U32], [5, 1 << 40]]
        lists = [[[3, 1]] * count for count in (0, 1, limit, limit + 1)]
        whole = [[each, 1] for each in reversed(packing.DENOMINATIONS)]
        return [*lists, *([part] for part in parts), whole]

    def _changed(self, good: bytes) -> bytes:
        rng = self._rng
        out = bytearray(good)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            at = int(rng.random() * (len(out) + 1))
            if rng.random() < 0.6:  # what comes before is only copied
                at = min(len(out), 13 + int(rng.random() * max(len(out) - 13, 1)))
            way = int(rng.random() * 8)
            if way <= 1 and at < len(out):
                out[at] ^= 1 << int(rng.random() * 8)
            elif way == 2 and at < len(out):
                out[at] = rng.choice((0, 1, 127, 128, 255, int(rng.random() * 256)))
            elif way == 3:
                out[at:at] = rng.choice((b"\0", b"\x80", b"\xff", b"\x80\x80", rng.randbytes(3)))
            elif way == 4:
                del out[at : at + rng.choice((1, 1, 2, 8))]
            elif way == 5:
                del out[at:]
            elif way == 6 and at < len(out):
                out[at] = out[at] + rng.choice((-1, 1)) & 0xFF
            else:
                other = rng.choice(self._packed)
                out[at:] = other[int(rng.random() * len(other)) :]
        return bytes(out)


def packed(message: Message) -> bytes:
    (epoch, boot, sent, first_seq), said = message
    bodies = [body for each in said if (body := encoded(each))]
    return packing.pack(epoch, boot, sent, first_seq, bodies, b"12345678")


def encoded(fields: Mapping[int, Any]) -> bytes:
    """The record as CBOR, whether it is one or not; empty for what no CBOR of ours can say."""
    try:
        return cbor.encode(dict(fields))
    except ProtocolError:
        return b""
