"""Waiting for a board without a fixed sleep."""

import select
import time
from collections.abc import Callable

WAIT_MS = 60_000  # for a busy machine; nothing waits so long when all is well


def wait_until(holds: Callable[[], bool]) -> None:
    """Return as soon as it holds; AssertionError after WAIT_MS."""
    deadline = time.monotonic_ns() // 1_000_000 + WAIT_MS
    while not holds():
        assert time.monotonic_ns() // 1_000_000 < deadline, "waited too long"
        select.select([], [], [], 10 / 1000)
