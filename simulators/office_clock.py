"""The office's clock in a demo: real time plus jumps, shared by the gateway and by every board.

A day has eight hours and a demo has seconds, so the clock jumps to the next thing that happens. It
never jumps over something that has not happened yet. A window that waits for 10:15 stops the clock
at 10:15, and a window in the middle of a count stops it where its next act begins. Within these
bounds windows work at the same time.

The gateway reads the offset (signed 64-bit little-endian milliseconds) from a file; boards get each
jump on their line channel.
"""

import asyncio
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path

STEP_MS = 10  # real milliseconds between two steps of a paced clock


class OfficeClock:
    """A clock that starts at `start_ms` (Unix milliseconds UTC) and may run at most `speed` times
    as fast as the real one.

    A single jump is never longer than `speed` allows for a moment, because a message on its way is
    stamped late by the length of the jump. `on_jump(ms)` is called at every jump, to move the
    boards' clocks too. `real_ms()` is the real one, Unix milliseconds.
    """

    def __init__(
        self,
        path: Path,
        start_ms: int,
        windows: Iterable[str],
        speed: int,
        on_jump: Callable[[int], None],
        real_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._real_ms = real_ms
        self._path = path
        self._speed = speed
        self._on_jump = on_jump
        self._offset_ms = start_ms - real_ms()
        self._stepped_ms = real_ms()
        self._limits: dict[str, int] = dict.fromkeys(
            windows, start_ms
        )  # nobody starts before all are there
        self._waiting: dict[str, tuple[int, asyncio.Event]] = {}
        self._write()

    def now_ms(self) -> int:
        """The office's time, Unix milliseconds UTC."""
        return self._real_ms() + self._offset_ms

    def hold(self, window: str, until_ms: int) -> None:
        """The window is busy: the clock does not pass `until_ms` before it says something else."""
        self._limits[window] = until_ms
        self._waiting.pop(window, None)
        self._step()

    def release(self, window: str) -> None:
        """The window has nothing more to do today."""
        self._limits.pop(window, None)
        self._step()

    async def wait_until(self, window: str, at_ms: int) -> None:
        """Return when the office's time is `at_ms`."""
        arrived = asyncio.Event()
        self._limits[window] = at_ms
        self._waiting[window] = (at_ms, arrived)
        self._step()
        while not arrived.is_set():
            try:
                await asyncio.wait_for(arrived.wait(), STEP_MS / 1000)
            except TimeoutError:
                self._step()

    def _step(self) -> None:
        """Jump as far as possible without passing a window's next act, and wake whoever has reached
        his time.
        """
        if self._limits:
            jump = min(self._limits.values()) - self.now_ms()
            real_ms = self._real_ms()
            jump = min(jump, (self._speed - 1) * min(real_ms - self._stepped_ms, 2 * STEP_MS))
            self._stepped_ms = real_ms
            if jump > 0:
                self._offset_ms += jump
                self._write()
                self._on_jump(jump)
        now = self.now_ms()
        for at_ms, arrived in self._waiting.values():
            if at_ms <= now:
                arrived.set()

    def _write(self) -> None:
        """Replace the eight bytes in one write: a reader sees the old or the new offset."""
        with self._path.open("r+b" if self._path.exists() else "wb", buffering=0) as file:
            file.write(struct.pack("<q", self._offset_ms))
