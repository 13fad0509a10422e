"""Frames of ITL SSP: 7F, address with sequence flag, length, data, CRC low, CRC high; each later 7F
doubled.

Source: SSP Protocol Manual GA138_2_2, transport layer and packet sequencing.
"""

from protocol.compat import const

_STX = const(0x7F)
_DATA_BYTES_MAX = const(255)


def crc16(data) -> int:
    """CRC-16 of SSP: polynomial 8005, seed FFFF, highest bit first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x8005 if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return crc


def frame(seq: int, data: bytes) -> bytes:
    """A frame: seq is address and flag; every 7F after the first is doubled, also in the CRC."""
    body = bytes((seq, len(data))) + data
    crc = crc16(body)
    return b"\x7f" + (body + bytes((crc & 0xFF, crc >> 8))).replace(b"\x7f", b"\x7f\x7f")


class Reader:
    """Bytes of one direction; `push` gives True when `seq` and `data` are those of a whole
    frame.
    """

    def __init__(self):
        self._buf = bytearray(_DATA_BYTES_MAX + 4)
        self._size = -1  # -1 outside a frame
        self._stx = False
        self.seq = 0
        self.data = b""
        self.error = ""  # "bad_checksum", "cut_frames" or "noise_bytes" after this byte

    @property
    def busy(self) -> bool:
        return self._stx or self._size >= 0

    def reset(self) -> None:
        """Silence: what began has ended."""
        self._size = -1
        self._stx = False

    def push(self, byte: int) -> bool:
        self.error = ""
        if byte == _STX and not self._stx:
            self._stx = True
            return False
        if self._stx:
            if byte == _STX and self._size < 0:
                return False  # a 7F of the noise in front of a frame
            self._stx = False
            if byte != _STX:
                if self._size >= 0:
                    self.error = "cut_frames"
                self._size = 0
        if self._size < 0:
            self.error = "noise_bytes"
            return False
        buf = self._buf
        buf[self._size] = byte
        self._size += 1
        if self._size < 2 or self._size < buf[1] + 4:
            return False
        end = buf[1] + 2
        self._size = -1
        if crc16(memoryview(buf)[:end]) != buf[end] | buf[end + 1] << 8:
            self.error = "bad_checksum"
            return False
        self.seq = buf[0]
        self.data = bytes(memoryview(buf)[2:end])
        return True
