"""A serial line in virtual time: bytes need their time, and the seed decides which are lost,
changed, invented, echoed or repeated.

Knobs, in permille: `drop` and `flip` strike a byte; `noise` puts bytes in front of a burst;
`drop_reply` loses and
`repeat_reply` doubles a whole burst of the machine; `wrong_baud` turns a burst into garbage. `echo`
is a property of the wiring: with it the host hears its own bytes.
"""

import random
from collections import Counter, deque

from simulators.instruments.faults import PERMILLE

KNOBS = ("drop", "flip", "noise", "drop_reply", "repeat_reply", "wrong_baud")
NOISE_BYTES_MAX = 6
BITS_A_BYTE = 10
RUBBISH = (0x00, 0x80, 0xE0, 0xF8, 0xFE, 0xFF)  # what a UART at the wrong speed mostly sees


class LossyLine:
    """Two directions: `to_machine` and `to_host` are called with bytes, `machine_hears` and
    `host_hears` give what arrived.

    struck: how often each knob struck. quiet(): the faults end; in the calm that follows both sides
    must agree again.
    """

    def __init__(
        self, seed: int = 0, baud: int = 9600, echo: bool = False, **permille: int
    ) -> None:
        for knob in permille:
            if knob not in KNOBS:
                raise ValueError(f"line: unknown knob {knob!r}, want one of {', '.join(KNOBS)}")
        self.random = random.Random(seed)
        self.permille = permille
        self.echo = echo
        self.struck: Counter[str] = Counter()
        self.dropped_bursts: list[bytes] = []
        self._us_per_byte = BITS_A_BYTE * 1_000_000 // baud
        self._host: deque[tuple[int, int]] = deque()  # (arrives at microsecond, byte)
        self._machine: deque[tuple[int, int]] = deque()
        self._free_us = {"host": 0, "machine": 0}

    def quiet(self) -> None:
        """No fault from here on."""
        self.permille = {}

    def next_ms(self) -> int | None:
        """When the next byte arrives anywhere; None while the line is empty."""
        waiting = [queue[0][0] for queue in (self._host, self._machine) if queue]
        return -(-min(waiting) // 1000) if waiting else None

    def to_machine(self, data: bytes, now_ms: int) -> None:
        """The host sends."""
        if data:
            if self.echo:
                self._send("host", self._spoil(data), now_ms)
            self._send("machine", self._spoil(data), now_ms)

    def to_host(self, data: bytes, now_ms: int) -> None:
        """The machine sends."""
        if not data:
            return
        if self._strikes("drop_reply"):
            self.dropped_bursts.append(data)
            return
        self._send("host", self._spoil(data), now_ms)
        if self._strikes("repeat_reply"):
            self._send("host", data, now_ms)

    def machine_hears(self, now_ms: int) -> bytes:
        """The bytes that have reached the machine by now."""
        return self._take(self._machine, now_ms)

    def host_hears(self, now_ms: int) -> bytes:
        """The bytes that have reached the host by now."""
        return self._take(self._host, now_ms)

    def lose(self) -> None:
        """Everything on its way is lost: one end has no power."""
        self._host.clear()
        self._machine.clear()

    def _strikes(self, knob: str) -> bool:
        rate = self.permille.get(knob, 0)
        if not rate or self.random.randrange(PERMILLE) >= rate:
            return False
        self.struck[knob] += 1
        return True

    def _spoil(self, data: bytes) -> bytes:
        if not self.permille:
            return data
        if self._strikes("wrong_baud"):
            return bytes(self.random.choice(RUBBISH) for _ in data)
        spoiled = bytearray()
        if self._strikes("noise"):
            spoiled += self.random.randbytes(self.random.randrange(1, NOISE_BYTES_MAX + 1))
        for byte in data:
            if self._strikes("drop"):
                continue
            spoiled.append(
                byte ^ (1 << self.random.randrange(8)) if self._strikes("flip") else byte
            )
        return bytes(spoiled)

    def _send(self, end: str, data: bytes, now_ms: int) -> None:
        at = max(self._free_us[end], now_ms * 1000)
        queue = self._host if end == "host" else self._machine
        for byte in data:
            at += self._us_per_byte
            queue.append((at, byte))
        self._free_us[end] = at

    @staticmethod
    def _take(queue: deque[tuple[int, int]], now_ms: int) -> bytes:
        taken = bytearray()
        while queue and queue[0][0] <= now_ms * 1000:
            taken.append(queue.popleft()[1])
        return bytes(taken)
