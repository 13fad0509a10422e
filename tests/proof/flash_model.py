"""A NOR flash whose power fails: programs only clear bits, a page is 256 bytes, an erase sets the
4096 bytes of a sector.

`Flash` speaks MicroPython's extended block protocol, as the journal expects it. A cut strikes one
program or one erase, in one of the ways of PROGRAM_TEARS or ERASE_TEARS. Half-changed bits are
*weak*: a read gives 0 or 1, as the mood of that power-on decides, until they are programmed or
erased again. Pages that nobody has read back since may be written in any order.
"""

import random
from collections.abc import Callable

SECTOR_BYTES = 4096
PAGE_BYTES = 256
PAGES = SECTOR_BYTES // PAGE_BYTES
BLANK_SECTOR = b"\xff" * SECTOR_BYTES

# What a cut program leaves of its page: nothing or all of it; the first bytes; any bits; any bits,
# with the others weak; all but one bit, which is weak; one weak bit and nothing else; and, of
# several pages on their way, any of them.
PROGRAM_TEARS = (
    "nothing",
    "whole",
    "prefix",
    "bits",
    "weak",
    "all but one bit",
    "one bit",
    "out of order",
)
# What a cut erase leaves: nothing or all of it; some pages; any bits of all pages; the same, and
# the others weak.
ERASE_TEARS = ("nothing", "whole", "pages", "bits", "weak")
# weak bits: either, all programmed, all blank, seldom programmed
MOODS = ("coin", "low", "high", "rare")


class PowerCut(Exception):
    """The power failed while flash was written."""


class Flash:
    """`sectors` of NOR.

    before  called before every program and erase with (sector, offset, page), page None for an
            erase; the flash is still as it was, so that a copy of it can be struck (`strike`) at
            that very place
    cut_in  programs and erases from now at which the power fails, 0 for never; `tear` says how,
            None lets the dice
    """

    def __init__(self, sectors: int, dice: random.Random) -> None:
        self.content = [bytearray(BLANK_SECTOR) for _ in range(sectors)]
        self.weak: dict[
            tuple[int, int], int
        ] = {}  # (sector, offset): mask of weak bits; in `content` these read 1
        self.mood = "coin"
        self.dice = dice
        self.worn: tuple[int, int, int] | None = (
            None  # (sector, offset, value): a byte that always reads so
        )
        self.before: Callable[[int, int, bytes | None], None] | None = None
        self.cut_in = 0
        self.tear: str | None = None
        self.erases = [0] * sectors
        self.struck = ("", "")  # the operation and the tear of the last cut
        # programs since the last read or erase: (sector, offset, bits that fell, weak bits that
        # were there before)
        self._on_way: list[tuple[int, int, int, dict[tuple[int, int], int]]] = []

    def copy(self, seed: int) -> "Flash":
        other = Flash(0, random.Random(seed))
        other.content = [bytearray(sector) for sector in self.content]
        other.weak = dict(self.weak)
        other.erases = list(self.erases)
        other._on_way = list(self._on_way)
        return other

    def power_on(self, mood: str | None = None) -> None:
        self.cut_in = 0
        self._on_way.clear()
        self.mood = mood or self.dice.choice(MOODS)

    # ---- the block protocol ----

    def ioctl(self, kind: int, sector: int) -> int:
        if kind == 4:
            return len(self.content)
        if kind == 6:
            if self._fails(sector, 0, None):
                self.strike(sector, 0, None, self.tear or self.dice.choice(ERASE_TEARS))
                raise PowerCut
            self._erase(sector)
        return 0

    def readblocks(self, sector: int, buf: bytearray | memoryview, offset: int) -> None:
        self._on_way.clear()
        buf[:] = self.content[sector][offset : offset + len(buf)]
        if self.weak:
            for (where, at), mask in self.weak.items():
                if where == sector and offset <= at < offset + len(buf):
                    buf[at - offset] &= ~(self._low_bits() & mask) & 0xFF
        if self.worn and self.worn[0] == sector and offset <= self.worn[1] < offset + len(buf):
            buf[self.worn[1] - offset] = self.worn[2]

    def writeblocks(self, sector: int, buf: bytes, offset: int) -> None:
        assert offset % PAGE_BYTES == 0 and len(buf) % PAGE_BYTES == 0, (
            "rp2.Flash takes whole pages"
        )
        for at in range(0, len(buf), PAGE_BYTES):
            page = bytes(buf[at : at + PAGE_BYTES])
            if self._fails(sector, offset + at, page):
                self.strike(sector, offset + at, page, self.tear or self.dice.choice(PROGRAM_TEARS))
                raise PowerCut
            self._program(sector, offset + at, page)

    # ---- what happens to the cells ----

    def _low_bits(self) -> int:
        if self.mood == "rare":
            return 1 << self.dice.randrange(8) if self.dice.random() < 0.2 else 0
        return {"coin": self.dice.getrandbits(8), "low": 0xFF, "high": 0}[self.mood]

    def _erase(self, sector: int) -> None:
        self._on_way.clear()
        self.content[sector][:] = BLANK_SECTOR
        self.erases[sector] += 1
        for place in [place for place in self.weak if place[0] == sector]:
            del self.weak[place]

    def _program(self, sector: int, offset: int, page: bytes) -> None:
        content = self.content[sector]
        before = int.from_bytes(content[offset : offset + PAGE_BYTES], "big")
        after = before & int.from_bytes(page, "big")
        content[offset : offset + PAGE_BYTES] = after.to_bytes(PAGE_BYTES, "big")
        weak = {
            place: mask
            for place, mask in self.weak.items()
            if place[0] == sector and 0 <= place[1] - offset < PAGE_BYTES
        }
        for place, mask in weak.items():
            self.weak[place] = mask & page[place[1] - offset]
            if not self.weak[place]:
                del self.weak[place]
        self._on_way.append((sector, offset, before & ~after, weak))

    # ---- what a cut does ----

    def _fails(self, sector: int, offset: int, page: bytes | None) -> bool:
        if self.before:
            self.before(sector, offset, page)
        self.cut_in -= 1
        return self.cut_in == 0

    def strike(self, sector: int, offset: int, page: bytes | None, tear: str) -> None:
        """The power goes in the middle of this program, or of this sector's erase."""
        self.struck = ("erase" if page is None else "program", tear)
        if page is None:
            self._tear_erase(sector, tear)
        else:
            self._tear_program(sector, offset, page, tear)

    @property
    def on_way(self) -> int:
        """How many programs nobody has read back yet."""
        return len(self._on_way)

    def _tear_program(self, sector: int, offset: int, page: bytes, tear: str) -> None:
        dice = self.dice
        falling = [
            (at, mask)
            for at in range(PAGE_BYTES)
            if (mask := self.content[sector][offset + at] & ~page[at] & 0xFF)
        ]
        if tear == "out of order":
            self._tear_order(sector, offset, page)
        elif tear == "whole":
            self._program(sector, offset, page)
        elif tear != "nothing" and falling:
            one = dice.randrange(len(falling))
            end = dice.randrange(len(falling) + 1)
            share = dice.choice((1, 2, 2, 2, 3))  # a quarter, a half or three quarters of the bits
            for number, (at, mask) in enumerate(falling):
                bit = mask & -mask
                some = _some_bits(dice, share)
                if tear == "prefix":
                    fallen, weak = (
                        (mask, 0) if number < end else (mask & some if number == end else 0, 0)
                    )
                elif tear == "bits":
                    fallen, weak = mask & some, 0
                elif tear == "weak":
                    fallen, weak = mask & some, mask & ~some & _some_bits(dice, 2)
                elif tear == "all but one bit":
                    fallen, weak = (mask & ~bit, bit) if number == one else (mask, 0)
                else:  # one bit
                    fallen, weak = 0, bit if number == one else 0
                self._fall(sector, offset + at, fallen, weak)

    def _fall(self, sector: int, at: int, fallen: int, weak: int) -> None:
        self.content[sector][at] &= ~fallen & 0xFF
        mask = (self.weak.get((sector, at), 0) | weak) & ~fallen
        if mask:
            self.weak[sector, at] = mask
        else:
            self.weak.pop((sector, at), None)

    def _tear_order(self, sector: int, offset: int, page: bytes) -> None:
        """Each page that nobody has read back yet, this one too, is there, is not there, or is torn
        for good.
        """
        self._program(sector, offset, page)
        for where, start, fell, weak in self._on_way:
            fate = self.dice.random()
            if fate < 0.6:
                back = fell if fate < 0.4 else fell & self.dice.getrandbits(8 * PAGE_BYTES)
                content = self.content[where]
                now = int.from_bytes(content[start : start + PAGE_BYTES], "big")
                content[start : start + PAGE_BYTES] = (now | back).to_bytes(PAGE_BYTES, "big")
                self.weak.update(weak)

    def _tear_erase(self, sector: int, tear: str) -> None:
        dice = self.dice
        if tear == "whole":
            self._erase(sector)
        elif tear == "pages":
            for start in [
                start for start in range(0, SECTOR_BYTES, PAGE_BYTES) if dice.random() < 0.5
            ]:
                self.content[sector][start : start + PAGE_BYTES] = b"\xff" * PAGE_BYTES
        elif tear != "nothing":
            content = self.content[sector]
            before = int.from_bytes(content, "big")
            some = dice.getrandbits(8 * SECTOR_BYTES)
            content[:] = (before | some).to_bytes(SECTOR_BYTES, "big")
            if (
                tear == "weak"
            ):  # all weak would be slow to read: so only the header, and some places
                for at in [*range(32), *dice.sample(range(32, SECTOR_BYTES), 64)]:
                    if mask := ~content[at] & dice.getrandbits(8):
                        content[at] |= mask
                        self.weak[sector, at] = mask


def _some_bits(dice: random.Random, quarters: int) -> int:
    """A byte in which each bit is set in `quarters` of four cases."""
    if quarters == 2:
        return dice.getrandbits(8)
    if quarters == 1:
        return dice.getrandbits(8) & dice.getrandbits(8)
    return dice.getrandbits(8) | dice.getrandbits(8)
