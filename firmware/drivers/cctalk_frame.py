"""ccTalk frames: how a question is written, and how its answer is found among echo, noise and
leftovers. Bounded; never raises.

Source: ccTalk Generic Specification v4.7, part 1 (frames and checksums) and part 3 appendix 9
(CRC-CCITT, initial value 0).
    sum form  [to][length][from][header][data][sum]                all bytes add up to 0 modulo 256
    CRC form  [to][length][low of CRC][header][data][high of CRC]  over to, length, header and data
"""

from protocol.compat import const

HOST = const(1)  # our own address, as the specification has it
GAP_MS = const(50)  # silence inside a frame after which it is given up
_SIZE_MAX = const(64)  # no answer that we ask for is longer; noise after it is dropped


def crc_of(data) -> int:
    """CRC-CCITT 0x1021, initial value 0, highest bit first."""
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = ((value << 1) ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
    return value


def encode(to: int, header: int, data: bytes, has_crc: bool, sender: int = HOST) -> bytes:
    """One whole frame."""
    if has_crc:
        crc = crc_of(bytes((to, len(data), header)) + data)
        return bytes((to, len(data), crc & 255, header)) + data + bytes((crc >> 8,))
    body = bytes((to, len(data), sender, header)) + data
    return body + bytes((-sum(body) & 255,))


def is_right(frame, has_crc: bool) -> bool:
    """Whether the check of a frame of the right length holds."""
    if has_crc:
        return crc_of(bytes(frame[:2]) + bytes(frame[3:-1])) == frame[2] | frame[-1] << 8
    return sum(frame) & 255 == 0


class Receiver:
    """Finds one answer. `ask` says what to wait for; `push` gives (header, data) of the answer,
    once.

    noise, bad: bytes thrown away, and frames whose check was wrong.
    """

    def __init__(self):
        self._buf = bytearray(_SIZE_MAX)
        self.size = 0
        self._echo = b""
        self._to = self._from = self._shortest = self._longest = 0
        self._has_crc = False
        self.noise = self.bad = 0

    def ask(
        self, frame: bytes, echo: bool, to: int, sender: int, has_crc: bool, sizes: tuple
    ) -> None:
        """From now on wait for a frame of `sender` to `to` with `sizes` (shortest, longest) data
        bytes, after our own echo.
        """
        self.noise += self.size
        self.size = 0
        self._echo = frame if echo else b""
        self._to, self._from, self._has_crc = to, sender, has_crc
        self._shortest, self._longest = sizes

    def push(self, byte: int):
        """(header, data) when this byte ends the answer, else None."""
        if self.size >= _SIZE_MAX:
            self._drop(1)
        self._buf[self.size] = byte
        self.size += 1
        return self._find()

    def gap(self):
        """The line is silent: a frame that is not whole now never becomes whole. An answer after a
        false beginning still counts.
        """
        self._echo = b""
        found = None
        while self.size and found is None:
            self.noise += 1
            self._drop(1)
            found = self._find()
        return found

    def _find(self):
        while self.size:
            echo = self._echo
            have = min(self.size, len(echo))
            if have and bytes(memoryview(self._buf)[:have]) == echo[:have]:
                if have < len(echo):
                    return None
                self._echo = b""
                self._drop(have)
                continue
            wanted = self._wanted()
            if wanted > self.size:
                return None
            if wanted:
                if is_right(memoryview(self._buf)[:wanted], self._has_crc):
                    answer = self._buf[3], bytes(memoryview(self._buf)[4 : wanted - 1])
                    self._echo = b""
                    self._drop(wanted)
                    return answer
                self.bad += 1
            self.noise += 1
            self._drop(1)
        return None

    def _wanted(self) -> int:
        """The length of the first frame, if it is known yet; 0 when no answer begins like this."""
        buf, size = self._buf, self.size
        if buf[0] != self._to or (size > 2 and not self._has_crc and buf[2] != self._from):
            return 0
        if size < 2:
            return 2
        count = buf[1]
        if count and not self._shortest <= count <= self._longest:
            return 0
        if size < 4:
            return 5 + count
        header = buf[3]
        if self._to == HOST and (
            header not in (0, 5, 6) or (not header and count < self._shortest) or (header and count)
        ):
            return 0
        return 5 + count

    def _drop(self, count: int) -> None:
        kept = self.size - count
        self._buf[:kept] = self._buf[count : self.size]
        self.size = kept
