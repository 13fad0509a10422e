"""The journal: records on raw flash, in a ring of sectors, from append until the gateway's
acknowledgement. How a sector is laid out: firmware/sectors.py.

All that `Journal` needs after a power cut is in the newest sector's header and the entries after
it. A torn tail is known by its wrong CRC, and nothing is appended to it. A bit that a power cut
left half programmed may read as 0 or 1. So every start programs again what it believes (the newest
header, the last entry), and erases the sector that may hold a half-written header. If it goes on
inside a page, it fills the rest of that page with zeros.
"""

import os
from array import array

from firmware.sectors import (
    ACK,
    AROUND_BYTES,
    BODY_BYTES_MAX,
    BOOT,
    COMMAND,
    HEADER_BYTES,
    RECORD,
    SECTOR_BYTES,
    Sectors,
    entry_of,
)
from protocol.compat import const

# an ack mark costs a page: one per this many records; losing one only causes resends
_ACK_MARK_RECORDS = const(64)


class JournalError(Exception):
    """Flash that does not hold what was written to it."""


class JournalFull(JournalError):
    """Every sector holds records that are not acknowledged, so nothing is accepted."""


class Journal(Sectors):
    """A ring of records over a block device of at least three sectors.

    epoch       random 32-bit number of this life of the flash; a wiped journal starts a new one
    next_seq    seq that the next record gets, contiguous from 1
    acked       highest seq that the gateway has committed; records above it are never overwritten
    boot        number of this start, from 1
    command     highest counter of a command accepted in this epoch; 0 before the first
    sectors     of its flash
    """

    def __init__(self, device, random_u32=None):
        super().__init__(device)
        if self.sectors < 3:
            raise JournalError("journal: %d sectors, want at least 3" % self.sectors)
        # seq that each live sector opened with; 0 = not live
        self._first = array("I", bytes(4 * self.sectors))
        self._lowest = 0  # the lowest of these; 0 = not looked up yet
        self._erased = -1  # the sector that this boot erased and that is still blank
        self._cursor = (0, 0, 0)  # seq, sector and offset of the entry after the last one read
        self._marked = 0  # acked as last written to flash
        self.ledger_n = 0
        self.ledger_head = bytes(32)
        self._recover(random_u32)

    @property
    def last_seq(self) -> int:
        """Highest seq on flash; 0 before the first record."""
        return self.next_seq - 1

    @property
    def lowest_kept(self) -> int:
        """Lowest seq that can still be read; 0 when none is held."""
        if not self._lowest:
            self._lowest = self._first[self._after(self._sector)]
        return self._lowest if self._lowest < self.next_seq else 0

    def append(self, body: bytes) -> int:
        """The seq of a record that is now on flash, read back and checked.

        Raises JournalFull, with nothing written, when the space it needs holds unacknowledged
        records; JournalError when several sectors in a row did not keep what was programmed.
        """
        if not 0 < len(body) <= BODY_BYTES_MAX:
            raise ValueError("journal: body of %d bytes, limit %d" % (len(body), BODY_BYTES_MAX))
        seq = self.next_seq
        self._write_entry(RECORD, seq, body)
        self.next_seq = seq + 1
        return seq

    def read(self, seq: int):
        """The body of record `seq`, or None when it is not held (any more)."""
        lowest = self.lowest_kept
        if not lowest or not lowest <= seq < self.next_seq:
            return None
        at, sector, offset = self._cursor
        if not at or not self._holds(sector, seq):
            sector = self._sector_of(seq)
            at = 0
        if not 0 < at <= seq:
            offset = HEADER_BYTES
        while True:
            entry = self._read_entry(sector, offset)
            if entry is None:
                return None
            kind, number, body, offset = entry
            if kind == RECORD and number == seq:
                self._cursor = (seq + 1, sector, offset)
                return body

    def mark_acked(self, high_water: int, ledger_n: int, ledger_head: bytes) -> None:
        """The gateway holds everything up to `high_water`; remembered in RAM, written by `tidy`.

        It may be lower than before: a gateway that was restored from a backup wants the records
        kept again.
        """
        self.acked = min(high_water, self.last_seq)
        self.ledger_n = ledger_n
        self.ledger_head = ledger_head

    def note_command(self, counter: int) -> None:
        """Accept a command: when this returns, no command up to `counter` is ever accepted again,
        even after a power cut.

        Raises JournalFull or JournalError, and then nothing is accepted.
        """
        self._write_entry(COMMAND, counter, b"")
        self.command = counter

    def tidy(self) -> bool:
        """One slow flash step, if one is due: erase the next sector, or write `acked`. True when
        flash was touched.

        Call it while the instruments are idle: on rp2 an erase stops the UARTs for about 45 ms.
        """
        following = (self._sector + 1) % self.sectors
        if self._erased != following and self._may_reuse(following):
            self._erase(following)
            return True
        # a lower one at once: it says what must not be overwritten
        if not 0 <= self.acked - self._marked < _ACK_MARK_RECORDS:
            body = (self.ledger_n & 0xFFFFFFFF).to_bytes(4, "big") + self.ledger_head
            if self._offset + AROUND_BYTES + len(body) <= SECTOR_BYTES:
                self._write_entry(ACK, self.acked, body)
            self._marked = self.acked  # no room: the next sector's header carries it
            return True
        return False

    def room(self) -> int:
        """How many sectors may be written before the journal is full, the open one not counted."""
        free = 0
        while free < self.sectors - 1 and self._may_reuse((self._sector + 1 + free) % self.sectors):
            free += 1
        return free

    # ---- writing ----

    def _write_entry(self, kind: int, number: int, body: bytes) -> None:
        entry = entry_of(kind, number, body)
        for _ in range(3):
            if self._offset + len(entry) > SECTOR_BYTES:
                self._open_next()
                if self._offset == SECTOR_BYTES:
                    continue
            offset = self._offset
            self._offset = offset + len(entry)
            self._program(self._sector, offset, entry)
            if self._read_entry(self._sector, offset) is not None:
                return
            self._offset = SECTOR_BYTES  # this sector's tail is bad: never append after it
        raise JournalError(
            "journal: sector %d does not keep what is written; replace the board" % self._sector
        )

    def _open_next(self) -> None:
        following = (self._sector + 1) % self.sectors
        if not self._may_reuse(following):
            raise JournalFull(
                "journal: %d records wait for the gateway" % (self.last_seq - self.acked)
            )
        if self._erased != following:
            self._erase(following)
        self._erased = -1
        self._sector = following
        self._generation += 1
        self._offset = HEADER_BYTES
        head = self.epoch, self._generation, self.next_seq, self.acked, self.boot, self.command
        self._write_header(following, *head)
        if self._read_header(following) is None:
            # a record after a header that is not there would be lost with it
            self._offset = SECTOR_BYTES
        self._first[following] = self.next_seq
        self._marked = self.acked

    def _may_reuse(self, sector: int) -> bool:
        """Nothing in it would be lost: it is not live, or all its records are acknowledged."""
        if sector == self._sector:
            return False
        return self._first[sector] == 0 or self._first[self._after(sector)] - 1 <= self.acked

    def _after(self, sector: int) -> int:
        """The next live sector round the ring; for the open sector that is the oldest."""
        while True:
            sector = (sector + 1) % self.sectors
            if self._first[sector] or sector == self._sector:
                return sector

    def _erase(self, sector: int) -> None:
        self._first[sector] = self._lowest = 0
        if self._cursor[1] == sector:
            self._cursor = (0, 0, 0)
        self._clear(sector)
        self._erased = sector

    # ---- reading ----

    def _holds(self, sector: int, seq: int) -> bool:
        return self._first[sector] <= seq and (
            sector == self._sector or seq < self._first[self._after(sector)]
        )

    def _sector_of(self, seq: int) -> int:
        """The sector that holds `seq`: going back from the open one, the first that opened with
        `seq` or below. An older one that did so too holds no record.
        """
        sector = self._sector
        while not 0 < self._first[sector] <= seq:
            sector = (sector - 1) % self.sectors
        return sector

    # ---- after a start ----

    def _recover(self, random_u32) -> None:
        """Find the newest sector, walk its entries, and start a boot; or start a new epoch on flash
        that holds no journal.
        """
        newest = -1
        self._generation = 0
        best = None
        for sector in range(self.sectors):
            head = self._read_header(sector)
            if head is not None and head[1] > self._generation:
                newest, self._generation, best = sector, head[1], head
        if best is None:
            self._start_epoch(random_u32)
            return
        self._sector = newest
        self.epoch, _, self.next_seq, self.acked, self.boot, self.command = best
        for sector in range(self.sectors):
            head = self._read_header(sector)
            if head is None or head[0] != self.epoch:
                continue
            if 0 <= self._generation - head[1] < self.sectors:
                self._first[sector] = head[2]
        self._first[newest] = self.next_seq
        self._write_header(newest, *best)
        following = (newest + 1) % self.sectors
        if not self._first[following]:
            self._erase(following)
        end = self._walk(newest)
        self._marked = self.acked
        self.boot += 1
        try:
            self._write_entry(BOOT, self.boot, b"")
        except JournalFull:
            # No record of this boot can be written either before a header, which carries the boot
            # number, is. A torn entry never reads whole.
            self._fill(newest, end, end)

    def _walk(self, sector: int) -> int:
        """Take what the entries of the newest sector say; where the last one ends."""
        offset, last = HEADER_BYTES, None
        while True:
            entry = self._read_entry(sector, offset)
            if entry is None:
                break
            last = entry
            kind, number, body, offset = entry
            if kind == RECORD:
                self.next_seq = number + 1
            elif kind == BOOT:
                self.boot = number
            elif kind == COMMAND:
                self.command = number
            else:
                self.acked = number
                self.ledger_n = int.from_bytes(body[:4], "big")
                self.ledger_head = body[4:]
        self._offset = self._firm_up(sector, offset, last)
        return offset

    def _start_epoch(self, random_u32) -> None:
        self.epoch = (random_u32() if random_u32 else int.from_bytes(os.urandom(4), "big")) or 1
        self.next_seq = 1
        self.acked = 0
        self.boot = 1
        self.command = 0
        self._sector = self.sectors - 1
        self._offset = SECTOR_BYTES
        self._open_next()
        self._write_entry(BOOT, 1, b"")
