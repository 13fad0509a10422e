"""The flash under the journal: how a sector is laid out, programmed and read.

A sector is [header][entry][entry]...[blank]. A header names the epoch, a generation that only
rises, the next seq, what was acknowledged, the boot number and the last accepted command. An entry
is [type u8][length u16][number u32][body] [CRC-32], big endian, within one sector.

Flash is programmed in whole pages of 256 bytes with 0xFF where nothing is to change: rp2.Flash
accepts nothing smaller, and a NOR page may be programmed several times as long as bits only fall.

The block device is MicroPython's extended block protocol (readblocks, writeblocks with an offset,
ioctl 6 = erase a block), which rp2.Flash, esp32.Partition and the file of the unix port all speak.
Source: MicroPython library reference, vfs, "Block devices".
"""

import binascii
import struct

from protocol.compat import const

SECTOR_BYTES = const(4096)
BODY_BYTES_MAX = const(1024)
HEADER_BYTES = const(32)
AROUND_BYTES = const(11)  # of an entry besides its body
# types of entries
RECORD = const(0x52)
BOOT = const(0x42)
ACK = const(0x41)
COMMAND = const(0x43)

_PAGE_BYTES = const(256)
_ENTRY_BYTES = const(7)  # before the body
_CRC_BYTES = const(4)  # behind it
_MAGIC = const(0x544A3032)  # "TJ02"
# magic, epoch, generation, next seq, acked, boot, command; then the CRC of these
_HEADER = const(">IIIIIII")
# type, body length, number (seq of a record; boot; acked; counter of a command)
_ENTRY = const(">BHI")
_BLANK = const(0xFF)
_FILLED = const(0x00)  # where an entry would begin: the next one begins with the next page
_ERASE = const(6)
_BLOCK_COUNT = const(4)


class Sectors:
    """The sectors of a block device. `sectors`: how many it has."""

    def __init__(self, device):
        self._device = device
        self.sectors = device.ioctl(_BLOCK_COUNT, 0)
        self._page = bytearray(_PAGE_BYTES)
        self._head = bytearray(HEADER_BYTES)

    def _clear(self, sector: int) -> None:
        """Erase it."""
        self._device.ioctl(_ERASE, sector)

    def _write_header(self, sector: int, *head) -> None:
        """Its epoch, generation, next seq, acked, boot and command."""
        self._program(sector, 0, _with_crc(struct.pack(_HEADER, _MAGIC, *head)))

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

    def _read_header(self, sector: int):
        """The same six numbers, or None where there is no header."""
        self._device.readblocks(sector, self._head, 0)
        head = struct.unpack_from(_HEADER, self._head)
        crc = int.from_bytes(self._head[HEADER_BYTES - _CRC_BYTES :], "big")
        if head[0] != _MAGIC or crc != binascii.crc32(self._head[: HEADER_BYTES - _CRC_BYTES]):
            return None
        return head[1:]

    def _read_entry(self, sector: int, offset: int):
        """(type, number, body, offset after it), or None for a blank or torn place."""
        head = bytearray(_ENTRY_BYTES)
        while True:
            if offset + AROUND_BYTES > SECTOR_BYTES:
                return None
            self._device.readblocks(sector, head, offset)
            kind, size, number = struct.unpack(_ENTRY, head)
            if kind != _FILLED:
                break
            offset = _page_after(offset)
        if kind not in (RECORD, BOOT, ACK, COMMAND) or size > BODY_BYTES_MAX:
            return None
        end = offset + AROUND_BYTES + size
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

    def _place(self, sector: int, offset: int) -> int:
        """Where the next entry would begin, at or after `offset`."""
        byte = bytearray(1)
        while offset < SECTOR_BYTES:
            self._device.readblocks(sector, byte, offset)
            if byte[0] != _FILLED:
                break
            offset = _page_after(offset)
        return offset

    def _fill(self, sector: int, offset: int, place: int) -> int:
        """Write zeros from `offset` to the end of the page that `place` is in; where that is."""
        end = min(_page_after(place), SECTOR_BYTES)
        self._program(sector, offset, bytes(end - offset))
        return end

    def _firm_up(self, sector: int, offset: int, last) -> int:
        """After a start: program again the last entry that was read, which ends at `offset`, so
        that it reads the same at every later start. Where the next entry may begin, SECTOR_BYTES
        when nowhere: the tail is torn.
        """
        place = self._place(sector, offset)
        blank = self._is_blank(sector, place)
        if last is not None:
            entry = entry_of(last[0], last[1], last[2])
            self._program(sector, offset - len(entry), entry)
        if blank:
            place = self._fill(sector, offset, place)
            if self._place(sector, offset) == place:
                return place
        return SECTOR_BYTES


def entry_of(kind: int, number: int, body: bytes) -> bytes:
    """An entry as it stands on flash."""
    return _with_crc(struct.pack(_ENTRY, kind, len(body), number) + body)


def _with_crc(data: bytes) -> bytes:
    return data + binascii.crc32(data).to_bytes(4, "big")


def _page_after(offset: int) -> int:
    return (offset | (_PAGE_BYTES - 1)) + 1
