"""Frames of JCM ID-003: FC, length of the whole, command, data, CRC low, CRC high; what their
bytes mean in words and money.

Source: ID-003 communication specification rev. 05; six public examples of the status request FC 05
11 27 56.
"""

from protocol.compat import const

_SYNC = const(0xFC)
# code, condition and text of each state that wants a person
_TROUBLES = const(
    "43 full stacker full;44 stopped stacker open;45 jam jam in acceptor;46 jam jam in stacker;"
    "47 stopped pause: a second note in the mouth;49 fault failure"
)
_CODE_FIRST = const(0x61)  # of eight
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


def trouble_of(status: int) -> tuple:
    """(condition, text) of a status that wants a person; both "" for any other."""
    at = _TROUBLES.find("%02X " % status)
    if at < 0:
        return "", ""
    condition, _, text = _TROUBLES[at + 3 :].split(";")[0].partition(" ")
    return condition, text


def values_of(body: bytes, wanted: int, unit_minor: int) -> tuple:
    """(minor units of each denomination code, the first other country, or -1) of a currency
    assignment: code, country, value and power of ten of each. `wanted`: country, 0 for any.
    """
    values = [0] * 8
    strange = -1
    for at in range(1, len(body) - 3, 4):
        code, country, value, power = body[at : at + 4]
        if _CODE_FIRST <= code < _CODE_FIRST + 8 and power < 6:
            if wanted in (0, country):
                values[code - _CODE_FIRST] = value * 10**power * unit_minor
            elif value:
                strange = country if strange < 0 else strange
    return values, strange


def value_at(values: list, code: int) -> int:
    """Minor units of a denomination code, 0 when it has none."""
    at = code - _CODE_FIRST
    return values[at] if 0 <= at < len(values) else 0


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
