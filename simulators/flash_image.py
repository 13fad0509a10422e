"""A second reader of the journal's flash image. It was written from the layout, not from the
firmware, so it can check the firmware in the demo.

A sector of 4096 bytes is [header 32 bytes][entry]...; the header is magic "TJ02", epoch,
generation, next seq, acked, boot, command, CRC-32; an entry is type u8, body length u16, number
u32, body, CRC-32; everything big endian. Type 0x52 is a record and its number the seq.
"""

import struct
import zlib
from pathlib import Path

SECTOR_BYTES = 4096
HEADER = struct.Struct(">4sIIIIII")
ENTRY = struct.Struct(">BHI")
RECORD = 0x52


def records_on_flash(image: Path) -> dict[tuple[int, int], bytes]:
    """{(epoch, seq): the record's bytes} of every record whose CRC is right in the image."""
    found: dict[tuple[int, int], bytes] = {}
    data = image.read_bytes()
    for start in range(0, len(data), SECTOR_BYTES):
        sector = data[start : start + SECTOR_BYTES]
        magic, epoch = HEADER.unpack_from(sector)[:2]
        if (
            magic != b"TJ02"
            or zlib.crc32(sector[: HEADER.size]) != struct.unpack_from(">I", sector, HEADER.size)[0]
        ):
            continue
        offset = HEADER.size + 4
        while offset + ENTRY.size + 4 <= SECTOR_BYTES:
            kind, size, number = ENTRY.unpack_from(sector, offset)
            end = offset + ENTRY.size + size
            if (
                end + 4 > SECTOR_BYTES
                or zlib.crc32(sector[offset:end]) != struct.unpack_from(">I", sector, end)[0]
            ):
                break
            if kind == RECORD:
                found[epoch, number] = sector[offset + ENTRY.size : end]
            offset = end + 4
    return found
