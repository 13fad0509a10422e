"""A TCP proxy on 127.0.0.1 that breaks connections as a network does, and counts each fault.

Every direction of every connection draws its own faults from the seed, the connection's number and
the direction: which fault, and after how many bytes. Only the times at which bytes arrive depend on
the machine: the same seed gives the same weather, not the same run.

    tiny        the next bytes arrive one to three at a time
    slow        the next bytes come at SLOW_BYTES_PER_S
    stall       nothing comes for a while, then all of it
    reset       RST to both ends, in the middle of a packet
    half_open   this direction swallows all, the other one goes on; later a reset
    corrupt     one byte arrives changed; TCP's checksum and TLS are there to catch that, so the
                connection is reset soon after
    doubled     the first bytes of a new connection arrive on a second connection too

A partition concerns all connections at once: `cut` (reset, and refused until it heals), `silence`
(open, and nothing passes), `up` and `down` (nothing passes in that direction alone).
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from dataclasses import dataclass

HOST = "127.0.0.1"
FAULTS = ("tiny", "slow", "stall", "reset", "half_open", "corrupt")
PARTITIONS = ("cut", "silence", "up", "down")
READ_BYTES = 4_096
TINY_BYTES = 600
SLOW_BYTES = 2_000
SLOW_BYTES_PER_S = 4_000
STALL_MS = (100, 1_500)
DYING_MS = (300, 3_000)  # how long a half-open connection, or one with a changed byte, lives on
DOUBLED_MS = 300


@dataclass(frozen=True)
class Weather:
    """How bad the network is. `bytes_between`: on average, in each direction of each connection; 0
    for no faults.
    """

    bytes_between: int = 8_000
    faults: tuple[str, ...] = FAULTS
    latency_ms: tuple[int, int] = (0, 20)
    doubled_permille: int = 50

    def gap(self, rng: random.Random) -> int:
        """Bytes until the next fault."""
        return 1 + int(rng.expovariate(1 / self.bytes_between)) if self.bytes_between else 1 << 62


CALM = Weather(bytes_between=0, latency_ms=(0, 0), doubled_permille=0)


class Link:
    """One connection of a client, and the proxy's own connection to the target."""

    def __init__(self, writers: list[asyncio.StreamWriter]) -> None:
        self.writers = writers

    def reset(self) -> None:
        """RST to both ends; safe to call again."""
        for writer in self.writers:
            _reset(writer)


class ChaosProxy:
    """Use: `port = await proxy.start()`; clients connect there. `counts` says what was done to
    them.

    counts: connections, bytes, one per fault and `doubled`, partition_<kind>.
    """

    def __init__(self, target_port: int, seed: str, weather: Weather = Weather()) -> None:
        self.weather = weather
        self.counts: Counter[str] = Counter()
        self.port = 0
        self._target_port = target_port
        self._seed = seed
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passes = {"up": asyncio.Event(), "down": asyncio.Event()}
        self._refuses = False
        self.heal()

    async def start(self) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def close(self) -> None:
        """Reset every connection and stop listening."""
        self._server.close()
        self.reset_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def partition(self, kind: str) -> None:
        """One of PARTITIONS, until `heal`."""
        self.counts[f"partition_{kind}"] += 1
        for direction, passes in self._passes.items():
            if kind in ("silence", direction):
                passes.clear()
        if kind == "cut":
            self._refuses = True
            self.reset_all()

    def heal(self) -> None:
        """End of a partition: bytes that waited in open connections arrive now."""
        self._refuses = False
        for passes in self._passes.values():
            passes.set()

    def reset_all(self) -> None:
        """Every connection ends with a RST."""
        for link in list(self._links):
            link.reset()

    # ---- one connection

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            _reset(writer)
            return
        self.counts["connections"] += 1
        number = self.counts["connections"]
        rng = random.Random(f"{self._seed} {number}")
        try:
            target_reader, target_writer = await asyncio.open_connection(HOST, self._target_port)
        except OSError:
            _reset(writer)
            return
        if self._refuses:  # since this moment
            _reset(writer)
            _reset(target_writer)
            return
        link = Link([writer, target_writer])
        self._links.add(link)
        up = asyncio.create_task(
            self._pump(link, f"{self._seed} {number} up", "up", reader, target_writer, rng)
        )
        down = asyncio.create_task(
            self._pump(link, f"{self._seed} {number} down", "down", target_reader, writer, None)
        )
        self._tasks |= {up, down}
        await asyncio.wait([up, down])
        self._tasks -= {up, down}
        link.reset()
        self._links.discard(link)

    async def _pump(
        self,
        link: Link,
        seed: str,
        direction: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        doubling: random.Random | None,
    ) -> None:
        flow = _Flow(self, link, random.Random(seed), direction, writer)
        try:
            while data := await reader.read(READ_BYTES):
                if (
                    doubling is not None
                    and doubling.randrange(1000) < self.weather.doubled_permille
                ):
                    task = asyncio.create_task(self._double(data))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                doubling = None
                await flow.carry(data)
            writer.write_eof()
        except OSError:
            link.reset()

    async def _double(self, first: bytes) -> None:
        """Send the same beginning on a second connection, like a client that gave up the first."""
        self.counts["doubled"] += 1
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, self._target_port)
            writer.write(first)
            await asyncio.sleep(DOUBLED_MS / 1000)
            _reset(writer)


class _Flow:
    """One direction of one connection."""

    def __init__(
        self,
        proxy: ChaosProxy,
        link: Link,
        rng: random.Random,
        direction: str,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._link = link
        self._rng = rng
        self._passes = proxy._passes[direction]
        self._writer = writer
        self._left = proxy.weather.gap(rng)
        self._manner = ""  # tiny or slow, for so many bytes
        self._manner_left = 0
        self._swallows = False

    async def carry(self, data: bytes) -> None:
        """Pass data on, or what the faults leave of it. Raises OSError after it has reset the
        connection.
        """
        proxy, rng = self._proxy, self._rng
        proxy.counts["bytes"] += len(data)
        low, high = proxy.weather.latency_ms
        if high:
            await asyncio.sleep(rng.uniform(low, high) / 1000)
        while data:
            if self._left <= 0:
                data = await self._strike(data)
            size = min(
                len(data), self._left, rng.randint(1, 3) if self._manner == "tiny" else READ_BYTES
            )
            await self._passes.wait()
            if not self._swallows:
                self._writer.write(data[:size])
                await self._writer.drain()
            await self._pace(size)
            data = data[size:]
            self._left -= size

    async def _pace(self, size: int) -> None:
        if not self._manner:
            return
        await asyncio.sleep(size / SLOW_BYTES_PER_S if self._manner == "slow" else 0)
        self._manner_left -= size
        if self._manner_left <= 0:
            self._manner = ""

    async def _strike(self, data: bytes) -> bytes:
        """The next fault; what is left of the data to carry."""
        proxy, rng = self._proxy, self._rng
        self._left = proxy.weather.gap(rng)
        if not proxy.weather.bytes_between:
            return data
        kind = rng.choice(proxy.weather.faults)
        proxy.counts[kind] += 1
        if kind == "reset":
            self._link.reset()
            raise ConnectionResetError(kind)
        if kind in ("half_open", "corrupt"):
            asyncio.get_running_loop().call_later(rng.uniform(*DYING_MS) / 1000, self._link.reset)
        if kind == "half_open":
            self._swallows = True
        elif kind == "corrupt":
            return bytes([data[0] ^ rng.randint(1, 255)]) + data[1:]
        elif kind == "stall":
            await asyncio.sleep(rng.uniform(*STALL_MS) / 1000)
        else:
            self._manner, self._manner_left = kind, TINY_BYTES if kind == "tiny" else SLOW_BYTES
        return data


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if not writer.transport.is_closing() and sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
