"""Frames of JCM ID-003: FC, length of the whole, command, data, CRC low, CRC high.

Source: ID-003 communication specification rev. 05; six public examples of the status request FC 05
11 27 56.
"""

from protocol.compat import const

_SYNC = const(0xFC)
_FRAME_BYTES_MAX = const(96)  # the longest that is asked for, the currency assignment, has 37


def crc16(data) -> int:
    """CRC-16/KERMIT: polynomial 1021 reflected, seed 0; lowest byte first on the wire. CCNET has
    the same.
    """
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return crc


def frame(command: int, data: bytes = b"") -> bytes:
    """A frame: FC, length of the whole, command, data, CRC."""
    body = bytes((_SYNC, len(data) + 5, command)) + data
    crc = crc16(body)
    return body + bytes((crc & 0xFF, crc >> 8))


class Reader:
    """Bytes of one direction; `push` gives the frame's command and data once one is whole, else
    None.
    """

    def __init__(self):
        self._buf = bytearray(_FRAME_BYTES_MAX)
        self.size = 0
        self.wrong = 0  # bytes that belonged to no frame

    def push(self, byte: int):
        buf = self._buf
        buf[self.size] = byte
        self.size += 1
        while self.size:
            size = self.size
            body = None
            used = 1  # of a byte that begins no frame
            if buf[0] == _SYNC and (size < 2 or 5 <= buf[1] <= _FRAME_BYTES_MAX):
                need = buf[1]
                if size < 2 or size < need:
                    return None
                if crc16(memoryview(buf)[: need - 2]) == buf[need - 2] | buf[need - 1] << 8:
                    body = bytes(memoryview(buf)[2 : need - 2])
                    used = need
            self.size = size - used
            for at in range(self.size):
                buf[at] = buf[at + used]
            if body:
                return body
            self.wrong += 1
        return None
