"""Values from a seed, the same on both interpreters: neither their random modules nor their dict
order are.
"""

import binascii
import hashlib


class Seeded:
    """A linear congruential generator (the constants of ISO C's example rand, its upper bits)."""

    def __init__(self, seed: int):
        self.state = seed

    def below(self, limit: int) -> int:
        """0 to limit - 1, for limits up to 64 bits."""
        number = 0
        for _ in range(5):
            self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
            number = number << 15 | self.state >> 16
        return number % limit

    def one_of(self, choices):
        return choices[self.below(len(choices))]

    def number(self, limit: int) -> int:
        """0 to limit, small ones and the borders of the encodings often."""
        edges = (0, 1, 23, 24, 255, 256, 65535, 65536, 0xFFFFFFFF, 0x100000000, limit)
        number = self.one_of(edges) if self.below(2) else self.below(limit + 1)
        return number if number <= limit else limit

    def data(self, size_max: int) -> bytes:
        return bytes(self.below(256) for _ in range(self.below(size_max + 1)))

    def text(self, bytes_max: int) -> str:
        """A text of at most so many bytes; one character in eight takes 2 to 4."""
        out = ""
        while True:
            char = (
                chr(self.one_of((0xE9, 0x20AC, 0x1F4B5)))
                if self.below(8) == 0
                else chr(32 + self.below(95))
            )
            if len((out + char).encode()) > bytes_max or self.below(bytes_max + 1) == 0:
                return out
            out += char


def digest(parts) -> str:
    """The first 16 hex digits of SHA-256 over all the bytes."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return binascii.hexlify(total.digest())[:16].decode()
