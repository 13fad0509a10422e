"""The journal: records on raw flash, in a ring of sectors, from append until the gateway's
acknowledgement.

A sector is [header][entry][entry]...[blank]. A header opens a sector and names the epoch, a
generation that only rises, the next seq, what was acknowledged, the boot number and the last
accepted command. An entry is [type u8][length u16][number u32][body] [CRC-32], big endian, within
one sector. All that `Journal` needs after a power cut is in the newest sector's header and the
entries after it.

Flash is programmed in whole pages of 256 bytes with 0xFF where nothing is to change: rp2.Flash
accepts nothing smaller, and a NOR page may be programmed several times as long as bits only fall. A
torn tail is known by its wrong CRC, and nothing is appended to it. A bit that a power cut left half
programmed may read as 0 or 1. So every start programs again what it believes (the newest header,
the last entry), and erases the sector that may hold a half-written header. If it goes on inside a
page, it fills the rest of that page with zeros.

The block device is MicroPython's extended block protocol (readblocks, writeblocks with an offset,
ioctl 6 = erase a block), which rp2.Flash, esp32.Partition and the file of the unix port all speak.
Source: MicroPython library reference, vfs, "Block devices".
"""

import binascii
import os
import struct
from array import array

from protocol.compat import const

SECTOR_BYTES = const(4096)
_PAGE_BYTES = const(256)
_BODY_BYTES_MAX = const(1024)

_MAGIC = const(0x544A3032)  # "TJ02"
# magic, epoch, generation, next seq, acked, boot, command; then the CRC of these
_HEADER = const(">IIIIIII")
_HEADER_BYTES = const(32)
_ENTRY = const(
    ">BHI"
)  # type, body length, number (seq of a record; boot; acked; counter of a command)
_ENTRY_BYTES = const(7)
_CRC_BYTES = const(4)
_RECORD = const(0x52)
_BOOT = const(0x42)
_ACK = const(0x41)
_COMMAND = const(0x43)
_BLANK = const(0xFF)
_FILLED = const(0x00)  # where an entry would begin: the next one begins with the next page
_ERASE = const(6)
_BLOCK_COUNT = const(4)
# an ack mark costs a page: one per this many records; losing one only causes resends
_ACK_MARK_RECORDS = const(64)


class JournalError(Exception):
    """Flash that does not hold what was written to it."""


class JournalFull(JournalError):
    """Every sector holds records that the gateway has not acknowledged: nothing may be overwritten,
    so nothing is accepted.
    """


class Journal:
    """A ring of records over a block device of at least three sectors.

    epoch       random 32-bit number of this life of the flash; a wiped journal starts a new one
    next_seq    seq that the next record gets, contiguous from 1
    acked       highest seq that the gateway has committed; records above it are never overwritten
    boot        number of this start, from 1
    command     highest counter of a command accepted in this epoch; 0 before the first
    sectors     of its flash
    """

    def __init__(self, device, random_u32=None):
        self._device = device
        self.sectors = device.ioctl(_BLOCK_COUNT, 0)
        if self.sectors < 3:
            raise JournalError("journal: %d sectors, want at least 3" % self.sectors)
        self._page = bytearray(_PAGE_BYTES)
        self._head = bytearray(_HEADER_BYTES)
        self._first = array(
            "I", bytes(4 * self.sectors)
        )  # seq that each live sector opened with; 0 = not live
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
        if not 0 < len(body) <= _BODY_BYTES_MAX:
            raise ValueError("journal: body of %d bytes, limit %d" % (len(body), _BODY_BYTES_MAX))
        seq = self.next_seq
        self._write_entry(_RECORD, seq, body)
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
            offset = _HEADER_BYTES
        while True:
            entry = self._read_entry(sector, offset)
            if entry is None:
                return None
            kind, number, body, offset = entry
            if kind == _RECORD and number == seq:
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
        self._write_entry(_COMMAND, counter, b"")
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
        if (
            not 0 <= self.acked - self._marked < _ACK_MARK_RECORDS
        ):  # a lower one at once: it says what must not be overwritten
            body = (self.ledger_n & 0xFFFFFFFF).to_bytes(4, "big") + self.ledger_head
            if self._offset + _ENTRY_BYTES + len(body) + _CRC_BYTES <= SECTOR_BYTES:
                self._write_entry(_ACK, self.acked, body)
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
        entry = _with_crc(struct.pack(_ENTRY, kind, len(body), number) + body)
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
        self._offset = _HEADER_BYTES
        self._write_header(
            following,
            _MAGIC,
            self.epoch,
            self._generation,
            self.next_seq,
            self.acked,
            self.boot,
            self.command,
        )
        if self._read_header(following) is None:
            self._offset = (
                SECTOR_BYTES  # a record after a header that is not there would be lost with it
            )
        self._first[following] = self.next_seq
        self._marked = self.acked

    def _write_header(self, sector: int, *head) -> None:
        self._program(sector, 0, _with_crc(struct.pack(_HEADER, *head)))

    def _may_reuse(self, sector: int) -> bool:
        """Nothing in `sector` would be lost: it is not live, or all its records are
        acknowledged.
        """
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
        self._device.ioctl(_ERASE, sector)
        self._erased = sector

    def _program(self, sector: int, offset: int, data: bytes) -> None:
        at = 0
        while at < len(data):
            within = (offset + at) % _PAGE_BYTES
            size = min(_PAGE_BYTES - within, len(data) - at)
            for i in range(_PAGE_BYTES):
                self._page[i] = _BLANK
            self._page[within : within + size] = data[at : at + size]
            self._device.writeblocks(sector, self._page, offset + at - within)
            at += size

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

    def _read_entry(self, sector: int, offset: int):
        """(type, number, body, offset after it), or None for a blank or torn place."""
        head = bytearray(_ENTRY_BYTES)
        while True:
            if offset + _ENTRY_BYTES + _CRC_BYTES > SECTOR_BYTES:
                return None
            self._device.readblocks(sector, head, offset)
            kind, size, number = struct.unpack(_ENTRY, head)
            if kind != _FILLED:
                break
            offset = _page_after(offset)
        if kind not in (_RECORD, _BOOT, _ACK, _COMMAND) or size > _BODY_BYTES_MAX:
            return None
        end = offset + _ENTRY_BYTES + size + _CRC_BYTES
        if end > SECTOR_BYTES:
            return None
        rest = bytearray(size + _CRC_BYTES)
        self._device.readblocks(sector, rest, offset + _ENTRY_BYTES)
        body = bytes(rest[:size])
        if int.from_bytes(rest[size:], "big") != binascii.crc32(body, binascii.crc32(head)):
            return None
        return kind, number, body, end

    def _is_blank(self, sector: int, offset: int) -> bool:
        while offset < SECTOR_BYTES:
            size = min(_PAGE_BYTES, SECTOR_BYTES - offset)
            view = memoryview(self._page)[:size]
            self._device.readblocks(sector, view, offset)
            for byte in view:
                if byte != _BLANK:
                    return False
            offset += size
        return True

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
            if head is not None and head[2] > self._generation:
                newest, self._generation, best = sector, head[2], head
        if best is None:
            self._start_epoch(random_u32)
            return
        self._sector = newest
        _, self.epoch, _, self.next_seq, self.acked, self.boot, self.command = best
        for sector in range(self.sectors):
            head = self._read_header(sector)
            if (
                head is not None
                and head[1] == self.epoch
                and 0 <= self._generation - head[2] < self.sectors
            ):
                self._first[sector] = head[3]
        self._first[newest] = self.next_seq
        self._write_header(newest, *best)
        following = (newest + 1) % self.sectors
        if not self._first[following]:
            self._erase(following)
        end = self._walk(newest)
        self._marked = self.acked
        self.boot += 1
        try:
            self._write_entry(_BOOT, self.boot, b"")
        except JournalFull:
            # no record of this boot can be written either before a header, which carries the boot
            # number, is
            # a torn entry never reads whole
            self._program(newest, end, bytes(min(_page_after(end), SECTOR_BYTES) - end))

    def _walk(self, sector: int) -> int:
        """Read the entries of the newest sector, and make sure that they read the same at every
        later start.
        """
        offset = _HEADER_BYTES
        last = None
        while True:
            entry = self._read_entry(sector, offset)
            if entry is None:
                break
            last = entry
            kind, number, body, offset = entry
            if kind == _RECORD:
                self.next_seq = number + 1
            elif kind == _BOOT:
                self.boot = number
            elif kind == _COMMAND:
                self.command = number
            else:
                self.acked = number
                self.ledger_n = int.from_bytes(body[:4], "big")
                self.ledger_head = body[4:]
        place = self._place(sector, offset)
        blank = self._is_blank(sector, place)
        if last is not None:
            entry = _with_crc(struct.pack(_ENTRY, last[0], len(last[2]), last[1]) + last[2])
            self._program(sector, offset - len(entry), entry)
        self._offset = SECTOR_BYTES
        if blank:
            place = min(_page_after(place), SECTOR_BYTES)
            self._program(sector, offset, bytes(place - offset))
            if self._place(sector, offset) == place:
                self._offset = place
        return offset

    def _place(self, sector: int, offset: int) -> int:
        """Where the next entry would begin, at or after `offset`."""
        byte = bytearray(1)
        while offset < SECTOR_BYTES:
            self._device.readblocks(sector, byte, offset)
            if byte[0] != _FILLED:
                break
            offset = _page_after(offset)
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
        self._write_entry(_BOOT, 1, b"")

    def _read_header(self, sector: int):
        self._device.readblocks(sector, self._head, 0)
        head = struct.unpack_from(_HEADER, self._head)
        crc = int.from_bytes(self._head[_HEADER_BYTES - _CRC_BYTES :], "big")
        if head[0] != _MAGIC or crc != binascii.crc32(self._head[: _HEADER_BYTES - _CRC_BYTES]):
            return None
        return head


def _with_crc(data: bytes) -> bytes:
    return data + binascii.crc32(data).to_bytes(4, "big")


def _page_after(offset: int) -> int:
    return (offset | (_PAGE_BYTES - 1)) + 1
