"""The frames of EBDS and their parity: the bytes on the wire, not their meaning."""

from firmware.drivers.base import cut_text, format_minor, ticks_diff
from protocol.compat import const

_STX = const(0x02)
_ETX = const(0x03)
_LEN_MIN = const(8)
_LEN_MAX = const(48)
_VALUE_MAX = const(100000000)
_GAP_MS = const(100)  # a frame takes 30 ms at 9600 baud: a pause so long ends it

# D1 with the cassette's bit turned round, D2 eight bits above it: (bit, condition, what a person
# should know)
TROUBLES = const((
    (0x0004, "jam", "a note is stuck: clear the path"),
    (0x0008, "full", "stacker full: empty the cassette"),
    (0x0010, "stopped", "cassette is out: put it back"),
    (0x0020, "stopped", "paused: take back the second note"),
    (0x0040, "stopped", "calibrating"),
    (0x0400, "fault", "the acceptor says it failed: call service"),
    (0x4000, "stopped", "note path is open: close it"),
))  # fmt: skip


def parity_of(byte: int) -> int:
    """The byte with bit 7 set so that the number of its ones is even."""
    folded = byte ^ byte >> 4
    folded ^= folded >> 2
    return byte | ((folded ^ folded >> 1) & 1) << 7


def frame_of(data: bytes, is_soft: bool) -> bytes:
    """CTL and data -> the bytes to send, with their parity when it is ours to compute."""
    frame = bytearray((_STX, len(data) + 4)) + data + bytes((_ETX, 0))
    for byte in frame[1:-2]:
        frame[-1] ^= byte
    return bytes([parity_of(byte) for byte in frame]) if is_soft else bytes(frame)


def enable_bits(denominations: list) -> int:
    """Bit n for the value n + 1 that is accepted."""
    mask = 0
    for number, value in enumerate(denominations[:7]):
        mask |= (1 if value else 0) << number
    return mask


def note_of(frame: bytes) -> tuple:
    """(value in minor units, currency, series) of an extended note reply; value 0 for no note, -1
    for one that cannot be read.

    ISO code at 11, three digits at 14, sign and two digits of a power of ten at 17, series at 22;
    all NUL for no note.
    """
    if not any(frame[10:28]):
        return 0, "", ""
    currency = cut_text("".join([chr(byte) for byte in frame[11:14]]), 3)
    series = cut_text(chr(frame[22]), 1)
    value = -1
    digits = bytes(frame[14:17]) + bytes(frame[18:20])
    if min(digits) >= 48 and max(digits) <= 57:
        base = int(digits[:3]) * 100
        scale = 10 ** min(9, int(digits[3:]))
        if frame[17] == 43 and base * scale < _VALUE_MAX:
            value = base * scale
        elif frame[17] == 45 and base % scale == 0:
            value = base // scale
    return value, currency, series


def value_of(frame: bytes, known: list, ours: str) -> tuple:
    """(value in minor units, currency, series) of the note in a reply: a plain one has the number
    of one of the `known`.
    """
    if frame[2] >> 4 == 7:
        return note_of(frame)
    number = frame[5] >> 3 & 7
    return (known[number - 1] if 0 < number <= len(known) else 0), ours, ""


def why_not(value: int, told: int, foreign: str, is_known: bool) -> str:
    """Why a note in the box is not counted; "" when it is."""
    if foreign:
        return "a note in %s is not ours: not counted; take it out" % foreign
    if not is_known:
        return "a note of value %s is unknown: not counted; look in the box" % format_minor(
            max(0, value)
        )
    if told != value:
        return "escrow said %s, stacked %s: not counted; look in the box" % (
            format_minor(told),
            format_minor(value),
        )
    return ""


class Frames:
    """`feed` gives the sound frames, parity stripped. Of a wrong frame only the first byte is
    dropped, and the rest is read again.
    """

    def __init__(self, is_soft: bool) -> None:
        self._is_soft = is_soft
        self._buf = bytearray(_LEN_MAX)
        self._size = 0
        self._last_ms = 0
        self._noise = self._checksum = self._parity = 0

    @property
    def busy(self) -> bool:
        return self._size > 0

    def faults(self) -> tuple:
        return (
            ("noise_bytes", self._noise),
            ("bad_checksum", self._checksum),
            ("bad_parity", self._parity),
        )

    def poll(self, now_ms: int) -> None:
        """A frame that stops in the middle is dropped."""
        if self._size and ticks_diff(now_ms, self._last_ms) > _GAP_MS:
            self._noise += self._size
            self._size = 0

    def feed(self, data: bytes, now_ms: int) -> list:
        self.poll(now_ms)
        self._last_ms = now_ms
        frames = []
        for byte in data:
            self._buf[self._size] = byte
            self._size += 1
            while self._size:
                found = self._whole()
                if found is None:
                    break
                if found:
                    frames.append(found)
                    self._drop(len(found))
                else:
                    self._noise += 1
                    self._drop(1)
        return frames

    def _drop(self, count: int) -> None:
        left = self._size - count
        for index in range(left):
            self._buf[index] = self._buf[index + count]
        self._size = left

    def _whole(self):
        """The frame at the start of the buffer; None while it may still come, b"" when no frame
        begins here.
        """
        buf = self._buf
        stx = parity_of(_STX) if self._is_soft else _STX
        if buf[0] != stx:
            return b""
        if self._size < 2:
            return None
        length = buf[1] & 0x7F
        if not _LEN_MIN <= length <= _LEN_MAX:
            return b""
        if self._size < length:
            return None
        check = 0
        for index in range(length):
            byte = buf[index]
            if byte != (parity_of(byte & 0x7F) if self._is_soft else byte & 0x7F):
                self._parity += 1
                return b""
            if 0 < index < length - 2:
                check ^= byte
        if buf[length - 2] & 0x7F != _ETX or check & 0x7F != buf[length - 1] & 0x7F:
            self._checksum += 1
            return b""
        return bytes([byte & 0x7F for byte in buf[:length]])
