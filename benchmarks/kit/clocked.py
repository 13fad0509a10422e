"""Boards that speak on a schedule and note when each message was answered."""

import multiprocessing
import select
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from benchmarks.kit.boards import EPOCH, SITE, Board, Day, office_says
from benchmarks.kit.line import (
    PATIENCE_S,
    Address,
    connected,
    publish,
    subscribe,
    text,
)
from gateway.clock import Clock
from gateway.devices.keys import DeviceKey
from protocol import messages, seal

STALL_S = 10  # after the last message: an answer that did not come until then will not
_OPEN_MS = 6 * 3_600_000


class Said(NamedTuple):
    """One message of a board with one record, whose seq is `seq`."""

    device: str
    topic: str
    sealed: bytes
    seq: int


class Trip(NamedTuple):
    """Milliseconds of each message that arrived, and how many did not."""

    ms: list[float]
    missing: int

    @classmethod
    def of(cls, published_s: list[float], arrived_s: list[float]) -> "Trip":
        """From the times of publishing, and those of arrival in the same order; 0: never."""
        pairs = list(zip(published_s, arrived_s, strict=False))
        ms = [(there - here) * 1000 for here, there in pairs if there]
        return cls(ms, len(published_s) - len(ms))


def said_by(keys: list[DeviceKey], count: int) -> list[Said]:
    """`count` messages, the boards in turn."""
    boards = [Board(key) for key in keys]
    names = {board.topic: board.key.device for board in boards}
    day = Day(1, Clock().utc_ms() - _OPEN_MS - 600_000, _OPEN_MS, -(-count // len(boards)))
    seqs = dict.fromkeys(names.values(), 0)
    found = []
    for message in office_says(boards, day, 1):
        device = names[message.topic]
        seqs[device] += 1
        found.append(Said(device, message.topic, message.sealed, seqs[device]))
    return found[:count]


@contextmanager
def speaking(addresses: dict[str, Address], said: list[Said], rate: int, keys: list[DeviceKey]):
    """A process that holds the boards' connections; called, it speaks at `rate` messages a second
    and gives (times of publishing, times of the answers in the same order, 0 for none), of the
    monotonic clock. `keys`: of the boards that get answers; none: nobody waits for any.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(addresses, said, rate, keys, there), daemon=True)
    process.start()
    there.close()
    try:
        assert here.poll(PATIENCE_S) and here.recv() == "connected", "the boards connect"

        def speak() -> tuple[list[float], list[float]]:
            here.send("start")
            return here.recv()

        yield speak
    finally:
        process.kill()
        process.join()


def _run(
    addresses: dict[str, Address], said: list[Said], rate: int, keys: list[DeviceKey], pipe
) -> None:
    by_address: dict[Address, _Line] = {}
    for device, address in addresses.items():
        by_address.setdefault(address, _Line(address)).devices.append(device)
    lines = {device: by_address[address] for device, address in addresses.items()}
    for line in by_address.values():
        line.open([f"till/1/{SITE}/{device}/ack" for device in line.devices] if keys else [])
    pipe.send("connected")
    pipe.recv()
    every = list(by_address.values())
    published_s = _speak(every, lines, said, rate)
    pipe.send((published_s, Answers(every, keys).times_of(said) if keys else []))


class _Line:
    """One connection: `heard` is (time, topic, payload) of what came."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._buffer = b""
        self.devices: list[str] = []
        self.heard: list[tuple[float, str, bytes]] = []

    def open(self, filters: list[str]) -> None:
        self.socket = connected(self._address)
        if filters:
            subscribe(self.socket, filters)
        self.socket.setblocking(False)

    def fileno(self) -> int:
        return self.socket.fileno()

    def say(self, data: bytes) -> None:
        self.socket.setblocking(True)
        self.socket.sendall(data)
        self.socket.setblocking(False)

    def hear(self) -> None:
        """Take what is there; the time is that of the first byte read."""
        now = time.monotonic()
        try:
            data = self.socket.recv(65_536)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        if not data:
            raise SystemExit("the broker closed a board's connection")
        self._buffer += data
        for first, body in self._packets():
            if first & 0xF0 == 0x30:
                size = 2 + int.from_bytes(body[:2], "big")
                at = size + 2 if first & 0x06 else size
                if first & 0x06:
                    self.say(b"\x40\x02" + body[size:at])
                self.heard.append((now, body[2:size].decode(), body[at:]))

    def _packets(self) -> Iterator[tuple[int, bytes]]:
        while True:
            size = shift = 0
            for at in range(1, len(self._buffer)):
                size |= (self._buffer[at] & 127) << shift
                shift += 7
                if not self._buffer[at] & 128:
                    break
            else:
                return
            if len(self._buffer) < at + 1 + size:
                return
            yield self._buffer[0], self._buffer[at + 1 : at + 1 + size]
            self._buffer = self._buffer[at + 1 + size :]


def _speak(
    lines: list[_Line], line_of: dict[str, _Line], said: list[Said], rate: int
) -> list[float]:
    """When each message was published."""
    published = []
    start_s = time.monotonic()
    for number, message in enumerate(said):
        due_s = start_s + number / rate
        while (left_s := due_s - time.monotonic()) > 0:
            _hear(lines, left_s)
        data = publish(text(message.topic), message.sealed, number)
        published.append(time.monotonic())
        line_of[message.device].say(data)
    return published


def _hear(lines: list[_Line], timeout_s: float) -> bool:
    ready = select.select(lines, (), (), timeout_s)[0]
    for line in ready:
        line.hear()
    return bool(ready)


class Answers:
    """The acknowledgements of the boards, each opened under its seal."""

    def __init__(self, lines: list[_Line], keys: list[DeviceKey]) -> None:
        self._lines = lines
        self._key_of = {f"till/1/{SITE}/{key.device}/ack": key for key in keys}
        self._marks: dict[str, list[tuple[int, float]]] = {key.device: [] for key in keys}

    def times_of(self, said: list[Said]) -> list[float]:
        """When each message was acknowledged: by the first answer whose high-water mark is not
        below it. Waits for what is missing, as long as anything comes.
        """
        last = {message.device: message.seq for message in said}
        quiet_since_s = time.monotonic()
        while not self._reached(last) and time.monotonic() - quiet_since_s < STALL_S:
            if _hear(self._lines, 0.1):
                quiet_since_s = time.monotonic()
        found = []
        for message in said:
            marks = self._marks[message.device]
            while marks and marks[0][0] < message.seq:
                marks.pop(0)
            found.append(marks[0][1] if marks else 0.0)
        return found

    def _reached(self, last: dict[str, int]) -> bool:
        for line in self._lines:
            for at_s, topic, sealed in line.heard:
                key = self._key_of[topic]
                _, payload = seal.open_seal(sealed, topic, {key.kid: key.secret}.get)
                ack = messages.decode_ack(payload)
                assert ack["epoch"] == EPOCH, "an answer is of this life of the board"
                self._marks[key.device].append((ack["high_water"], at_s))
            line.heard.clear()
        return all(
            self._marks[device] and self._marks[device][-1][0] >= seq
            for device, seq in last.items()
        )
