"""From a counter's byte stream to whole frames with a right check, and from a frame to its fields.
Bounded, and never raises.

The compiled grammar says where a frame begins, how long it is, which bytes it must have and how it
is checked: see gateway/instruments/frame_grammar.py. After any garbage the reader finds the next
whole frame, even if it begins inside a false one.
"""

from firmware.drivers.base import cut_text

_DIGITS_MAX = 15  # of an ASCII number


class FrameReader:
    """Bytes in one at a time; `next` gives the frames that are whole. `noise`, `bad`: bytes and
    frames thrown away.
    """

    def __init__(self, grammar: dict):
        self._grammar = grammar
        self._buf = bytearray(grammar["size_max"])
        self.size = 0  # bytes that may be the beginning of a frame
        self.noise = 0
        self.bad = 0

    def push(self, byte: int):
        """The frame that this byte ended, or None; ask `next` for more until it has none."""
        self._buf[self.size] = byte
        self.size += 1
        return self.next()

    def next(self):
        """The first whole frame of what was heard, or None."""
        while self.size:
            wanted = self._wanted()
            if wanted > self.size:
                return None
            if wanted:
                if self._is_right(wanted):
                    frame = bytes(memoryview(self._buf)[:wanted])
                    self._drop(wanted)
                    return frame
                self.bad += 1
            self.shift()
        return None

    def shift(self) -> None:
        """No frame begins with the first byte: go on to the next byte that may begin one."""
        first = self._grammar["start"][0]
        at = 1
        while at < self.size and self._buf[at] != first:
            at += 1
        self.noise += at
        self._drop(at)

    def _drop(self, count: int) -> None:
        kept = self.size - count
        self._buf[:kept] = self._buf[count : self.size]
        self.size = kept

    def _wanted(self) -> int:
        """The length of the first frame, if it is known yet; 0 when this is no frame."""
        grammar = self._grammar
        start = grammar["start"]
        have = min(self.size, len(start))
        if bytes(memoryview(self._buf)[:have]) != start[:have]:
            return 0
        if grammar["size"]:
            return grammar["size"]
        at, count, order, more = grammar["length"]
        if self.size < at + count:
            return self.size + 1
        size = int.from_bytes(bytes(memoryview(self._buf)[at : at + count]), order) + more
        return size if grammar["size_min"] <= size <= grammar["size_max"] else 0

    def _is_right(self, size: int) -> bool:
        grammar = self._grammar
        end, end_at = grammar["end"]
        frame = memoryview(self._buf)[:size]
        if end and bytes(frame[place(end_at, size) :])[: len(end)] != end:
            return False
        kind, at, first, last, order = grammar["check"][:5]
        count = 2 if kind == "crc16" else 1
        at = place(at, size)
        given = int.from_bytes(bytes(frame[at : at + count]), order)
        return given == check_of(frame[place(first, size) : place(last, size)], grammar["check"])


def place(at: int, size: int) -> int:
    """An offset from the frame's beginning; negative ones count from its end."""
    return at + size if at < 0 else at


def check_of(data, check: tuple) -> int:
    """The check of these bytes. `check`: kind, three offsets and an order, then polynomial, first
    value, and whether it is reflected (its polynomial is then turned round already).
    """
    kind = check[0]
    polynomial, value, reflected = check[5:]
    if kind == "xor":
        for byte in data:
            value ^= byte
        return value
    if kind == "sum":
        for byte in data:
            value += byte
        return value & 0xFF
    bits = 16 if kind == "crc16" else 8
    top = 1 << (bits - 1)
    mask = (1 << bits) - 1
    for byte in data:
        value ^= byte if reflected else byte << (bits - 8)
        for _ in range(8):
            if reflected:
                value = (value >> 1) ^ polynomial if value & 1 else value >> 1
            else:
                value = ((value << 1) ^ polynomial if value & top else value << 1) & mask
    return value


def field_of(frame: bytes, kind: str, at: int, size: int):
    """The number of a field, or the text of a field of kind "text"; -1 if its digits are not
    digits or it is beyond the frame's end.
    """
    at = place(at, len(frame))
    raw = frame[at : at + size]
    if len(raw) < size:
        return -1
    if kind == "text":
        return cut_text("".join([chr(byte) for byte in raw.rstrip(b"\x00 ")]), 24)
    if kind == "ascii":
        digits = raw.lstrip(b" ")
        return int(digits) if 0 < len(digits) <= _DIGITS_MAX and digits.isdigit() else -1
    if kind == "bcd":
        value = 0
        for byte in raw:
            if byte > 0x99 or byte & 15 > 9:
                return -1
            value = value * 100 + (byte >> 4) * 10 + (byte & 15)
        return value
    return int.from_bytes(raw, "big" if kind == "big" else "little")
