"""The things of a world: its time, the piles of money, the boards."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.clock import Clock
from gateway.delivery.seals import KeysOf, Seals
from protocol import seal
from tests.world.core import Core


class WorldClock(Clock):
    """The gateway's clock: virtual time plus an error that somebody set."""

    def __init__(self) -> None:
        self.base_ms = 1_790_000_000_000
        self.now_ms = 0
        self.off_ms = 0

    def utc_ms(self) -> int:
        return self.base_ms + self.now_ms + self.off_ms


class OldSeals(Seals):
    """How the gateway's program of before version 2 of `ev` opens messages."""

    def open(self, topic: str, sealed: bytes) -> tuple[str, str, bytes, bytes]:
        device, leaf = self.addressed(topic)
        kid, payload = seal.open_seal(sealed, topic, KeysOf(self._keys, device))
        return device, leaf, kid, payload


class Timeline:
    """Virtual milliseconds, and what happens at which."""

    def __init__(self, trace: bool) -> None:
        self.trace: list[str] | None = [] if trace else None
        self.clock = WorldClock()
        self.events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self.order = 0
        self.now = 0

    def at(self, in_ms: int, act: Callable[..., None], *args: Any) -> None:
        self.order += 1
        heapq.heappush(self.events, (self.now + in_ms, self.order, act, args))

    def note(self, text: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.now:>8} {text}")

    def play(self, until_ms: int, is_over: Callable[[], bool] = lambda: False) -> bool:
        while self.events and self.events[0][0] <= until_ms:
            self.now, _, act, args = heapq.heappop(self.events)
            self.clock.now_ms = self.now
            act(*args)
            if is_over():
                return True
        self.now = max(self.now, until_ms)
        self.clock.now_ms = self.now
        return is_over()


@dataclass
class Pile:
    """Money on the table: `tries` has the batch numbers under which it was counted, `taken` is the
    one that was confirmed.
    """

    owner: int  # which board counted it
    cents: int
    pieces: int
    tries: list[str] = field(default_factory=list)
    taken: str = ""
    epoch: int = 0
    seq: int = 0


@dataclass
class Board:
    """A physical board; a clone has the name of another one."""

    name: str
    core: Core
    number: int
    is_clone: bool = False
    is_powered: bool = False
    is_connected: bool = False
    is_gone: bool = False  # removed from the window for good
    cut_off_ms: int = 0  # its network is away until then
    stalled_ms: int = 0  # nothing moves on its line until then
    will: bytes = b""  # its last will, given to the broker when it connected
    refused: int = 0  # counts that it refused with a beep since this start
    booted_ms: int = 0
    skew: int = 1000  # thousandths: its crystal compared with ours
    generation: int = 0  # of its connection: messages on their way on an older one are lost
    backoff_ms: int = 500
    boots: dict[int, tuple[int, int]] = field(
        default_factory=dict
    )  # epoch: (last boot number, room at that start)
    marks: dict[int, int] = field(
        default_factory=dict
    )  # epoch: the highest high_water that it ever believed
    obeyed: set[tuple[int, int]] = field(
        default_factory=set
    )  # (epoch, counter) of the commands it has done
    learnt: tuple[int, int] = (0, 0)  # (epoch, seq) up to which `World.said` knows its journal
    piles: list[Pile] = field(default_factory=list)

    def uptime(self, now_ms: int) -> int:
        return (now_ms - self.booted_ms) * self.skew // 1000
