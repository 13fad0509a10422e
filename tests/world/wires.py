"""The lines of the boards, and the broker between them and the gateway: what may be lost, doubled,
changed or late.
"""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.world import oracle
from tests.world.parts import Board, Timeline

KEPT_S = 20  # when a broker says that a device is lost


class Wires(Timeline):
    """`drop`, `double` and `flip` are percents; a message is under way for 1 to `delay` ms."""

    drop = double = flip = 0
    delay = 5

    def __init__(self, rng: random.Random, trace: bool) -> None:
        super().__init__(trace)
        self.rng = rng
        self.counts: Counter[str] = Counter()
        self.healed = False  # nothing is broken any more
        self.boards: list[Board] = []
        self.sealed: set[tuple[str, bytes]] = set()  # (topic, message) that a board said
        self.heard: list[tuple[str, bytes]] = []  # what an attacker on the line has recorded
        self.queue: list[tuple[str, bytes, bool]] = []  # of the broker, for the gateway's session
        self.retained: dict[str, bytes] = {}
        self.broker_up = True

    def do(self, board: Board, name: str, *args: Any) -> Any:
        """Call the device's core."""
        raise NotImplementedError

    def wake(self) -> None:
        """The gateway has something in its queue."""
        raise NotImplementedError

    # ---- the lines

    def line(
        self, board: Board, act: Callable[..., None], topic: str, sealed: bytes, *more: Any
    ) -> None:
        """One message on a board's line, which may lose, double, change or delay it."""
        rng = self.rng
        if len(self.heard) < 200:
            self.heard.append((topic, sealed))
        if not self.healed:
            if rng.randrange(100) < self.drop:
                self.counts["dropped"] += 1
                return
            if sealed and self.flip and rng.randrange(100) < self.flip:
                self.counts["flipped"] += 1
                broken = bytearray(sealed)
                broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
                sealed = bytes(broken)
        still = max(0, board.stalled_ms - self.now)
        for _ in range(2 if not self.healed and rng.randrange(100) < self.double else 1):
            self.at(
                still + rng.randrange(1, self.delay + 1),
                self.arrive,
                board,
                board.generation,
                act,
                topic,
                sealed,
                *more,
            )

    def arrive(
        self, board: Board, generation: int, act: Callable[..., None], *message: Any
    ) -> None:
        if generation == board.generation and board.is_connected:
            act(*message)

    def connect(self, board: Board) -> None:
        if board.is_connected or not board.is_powered or board.is_gone:
            return
        if not self.broker_up or self.now < board.cut_off_ms:
            board.backoff_ms = min(board.backoff_ms * 2, 30_000)
            self.at(board.backoff_ms, self.connect, board)
            return
        board.backoff_ms = 500
        board.is_connected = True
        board.generation += 1
        board.will = self.do(board, "will", board.uptime(self.now))
        self.sealed.add((board.core.uplink.state_topic, board.will))
        self.do(board, "connect", True, self.now & 0x3FFFFFFF)

    def disconnect(self, board: Board) -> None:
        if not board.is_connected:
            return
        board.is_connected = False
        board.generation += 1
        if board.is_powered:
            self.do(board, "connect", False, 0)
            self.at(500, self.connect, board)
        # when the line closes, or when nothing came for so long
        found_out_ms = self.rng.choice((10, KEPT_S * 1500))
        self.at(found_out_ms, self.publish, board.core.uplink.state_topic, board.will, True)

    def deliver(self, board: Board, topic: str, sealed: bytes) -> None:
        """A message from the broker reaches a board."""
        if not board.is_powered:
            return
        before = board.core.journal.acked
        taken, acked, _ = self.do(
            board, "message", topic, sealed, self.now & 0x3FFFFFFF, board.uptime(self.now)
        )
        epoch = board.core.journal.epoch
        board.marks[epoch] = max(board.marks.get(epoch, 0), acked)
        if acked > before:
            oracle.believed(self, board, acked)
        if taken:
            self.counts["answers taken"] += 1

    # ---- the broker

    def publish(self, topic: str, sealed: bytes, retain: bool) -> None:
        if not self.broker_up:
            return
        if retain:
            self.retained[topic] = sealed
        self.queue.append((topic, sealed, False))
        self.wake()

    def answer(self, topic: str, sealed: bytes) -> None:
        """The gateway (or somebody who passes for it) publishes to a device's topic: every board of
        that name hears it.
        """
        if not self.broker_up:
            return
        for board in self.boards:
            if topic.split("/")[3] == board.name and board.is_connected:
                self.line(
                    board,
                    lambda topic, sealed, board=board: self.deliver(board, topic, sealed),
                    topic,
                    sealed,
                )

    def lose_connections(self) -> None:
        for board in self.boards:
            self.disconnect(board)
