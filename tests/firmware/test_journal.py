"""The journal under seeded histories of appends, acknowledgements, restarts and power cuts on a
model of NOR flash.

What was confirmed and not acknowledged is there after every start, in order and byte for byte; the
seq never repeats or skips.
"""

import random

import pytest

from firmware.journal import SECTOR_BYTES, Journal, JournalFull

PAGE_BYTES = 256
HISTORIES = 150


class PowerCut(Exception):
    pass


class Nor:
    """Bits only fall until a sector is erased. `cut_in` programs and erases from now the power
    fails, in the middle of one.
    """

    def __init__(self, sectors: int, dice: random.Random) -> None:
        self.sectors = [bytearray(b"\xff" * SECTOR_BYTES) for _ in range(sectors)]
        self.cut_in = 0
        self._dice = dice

    def ioctl(self, op: int, arg: int) -> int:
        if op == 4:
            return len(self.sectors)
        if op == 6:
            # a torn erase leaves some pages as they were and some blank, in no order
            pages = range(0, SECTOR_BYTES, PAGE_BYTES)
            torn = self._power_fails()
            for page in [page for page in pages if not torn or self._dice.random() < 0.5]:
                self.sectors[arg][page : page + PAGE_BYTES] = b"\xff" * PAGE_BYTES
            if torn:
                raise PowerCut
        return 0

    def readblocks(self, block: int, buf: bytearray, offset: int) -> None:
        buf[:] = self.sectors[block][offset : offset + len(buf)]

    def writeblocks(self, block: int, buf: bytes, offset: int) -> None:
        assert offset % PAGE_BYTES == 0 and len(buf) % PAGE_BYTES == 0
        torn = self._power_fails()
        for at, byte in enumerate(buf):
            # a torn program has pulled some of the bits down and not others
            pulled = byte | (self._dice.getrandbits(8) if torn else 0)
            self.sectors[block][offset + at] &= pulled
        if torn:
            raise PowerCut

    def _power_fails(self) -> bool:
        self.cut_in -= 1
        return self.cut_in == 0


class Shift:
    """One history. `kept` is the truth: {seq: body} of everything that was confirmed, `acked` what
    the gateway holds.
    """

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.nor = Nor(self.dice.choice((3, 4, 6)), self.dice)
        self.kept: dict[int, bytes] = {}
        self.acked = 0
        self.in_doubt: bytes | None = None  # its append was cut: it may be there or not
        self.refused = 0
        self.boot = 0
        self.journal = self.start()

    def start(self) -> Journal:
        """Power on until a start is not cut short, then hold the journal against the truth."""
        while True:
            try:
                journal = Journal(self.nor, lambda: 77)
                break
            except PowerCut:
                self.nor.cut_in = 0
        self.check(journal)
        return journal

    def check(self, journal: Journal) -> None:
        last = max(self.kept, default=0)
        if journal.last_seq == last + 1:
            assert journal.read(last + 1) == self.in_doubt, "a record that nobody wrote"
            self.kept[last + 1] = self.in_doubt
        else:
            assert last == journal.last_seq
        self.in_doubt = None
        assert journal.epoch == 77
        assert journal.acked <= self.acked
        assert {seq: self.kept[seq] for seq in self.kept if seq > self.acked} == {
            seq: journal.read(seq) for seq in self.kept if seq > self.acked
        }

    def step(self) -> None:
        choice = self.dice.random()
        if choice < 0.70:
            self.append()
        elif choice < 0.80:
            self.acked = self.dice.randrange(self.acked, self.journal.last_seq + 1)
            self.journal.mark_acked(self.acked, self.acked, bytes(32))
        elif choice < 0.95:
            self.journal.tidy()
        elif choice < 0.97:
            self.journal = self.start()
            # the first heartbeat is answered
            self.journal.mark_acked(self.acked, self.acked, bytes(32))
        else:
            self.nor.cut_in = self.dice.randrange(1, 12)

    def append(self) -> None:
        body = self.dice.randbytes(self.dice.choice((1, 30, 110, 300, 800)))
        self.in_doubt = body
        try:
            seq = self.journal.append(body)
        except JournalFull:
            self.refused += 1
            assert self.journal.last_seq > self.journal.acked, (
                "refused, and everything it holds is acknowledged"
            )
        else:
            assert seq == max(self.kept, default=0) + 1
            self.kept[seq] = body
        self.in_doubt = None


@pytest.mark.must("SEQ-2", "SEQ-8", "SEQ-11")
@pytest.mark.parametrize("block", range(10))
def test_no_confirmed_record_is_lost_in_any_history(block):
    cuts = refused = 0
    for seed in range(block * HISTORIES // 10, (block + 1) * HISTORIES // 10):
        shift = Shift(seed)
        for _ in range(250):
            try:
                shift.step()
            except PowerCut:
                cuts += 1
                shift.nor.cut_in = 0
                shift.journal = shift.start()
                if shift.dice.random() < 0.5:
                    shift.journal.mark_acked(shift.acked, shift.acked, bytes(32))
        shift.start()
        refused += shift.refused

    assert cuts > 20 and refused > 0


def test_a_sector_that_kept_nothing_is_free_again_when_the_ring_comes_round():
    nor = Nor(4, random.Random(1))
    journal = Journal(nor, lambda: 77)
    for _ in range(4):
        journal.append(b"x" * 900)
    nor.cut_in = 3  # erase, header, then the first entry of the new sector
    with pytest.raises(PowerCut):
        journal.append(b"y" * 900)
    journal = Journal(nor, lambda: 77)
    journal.mark_acked(4, 1, bytes(32))
    written = 0
    with pytest.raises(JournalFull):
        while True:
            journal.append(b"z" * 900)
            written += 1

    assert written == 16


def test_a_worn_place_in_the_flash_costs_a_sectors_tail_and_no_record():
    class Worn(Nor):
        def writeblocks(self, block: int, buf: bytes, offset: int) -> None:
            super().writeblocks(block, buf, offset)
            self.sectors[0][1000] = 0x55

    nor = Worn(4, random.Random(1))
    journal = Journal(nor, lambda: 77)
    bodies = [bytes([number]) * 300 for number in range(1, 9)]
    for body in bodies:
        journal.append(body)
    again = Journal(nor, lambda: 78)

    assert (again.epoch, again.last_seq) == (77, 8)
    assert bodies == [again.read(seq) for seq in range(1, 9)]
