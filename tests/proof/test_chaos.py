"""The proxy of ./run proof soak does to a connection what it says, and nothing else."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.proof import chaos
from tests.proof.chaos import CALM, HOST, PARTITIONS, ChaosProxy, Weather

SENT = bytes(range(256)) * 16
PATIENCE = 10


class Far:
    """Echoes what it hears; `heard` is one bytearray a connection, `chunks` how many reads that
    took.
    """

    def __init__(self) -> None:
        self.heard: list[bytearray] = []
        self.chunks = 0

    async def start(self) -> int:
        self.server = await asyncio.start_server(self._serve, HOST, 0)
        return int(self.server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = bytearray()
        self.heard.append(heard)
        try:
            while data := await reader.read(65536):
                heard += data
                self.chunks += 1
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()


def through(
    weather: Weather, act: Callable[[ChaosProxy, Far], Awaitable[None]], seed: str = "1"
) -> ChaosProxy:
    proxies = []

    async def whole() -> None:
        far = Far()
        proxy = ChaosProxy(await far.start(), seed, weather)
        proxies.append(proxy)
        await proxy.start()
        try:
            async with asyncio.timeout(PATIENCE):
                await act(proxy, far)
        finally:
            await proxy.close()
            far.server.close()

    asyncio.run(whole())
    return proxies[0]


async def exchange(proxy: ChaosProxy, data: bytes = SENT) -> bytes:
    """What comes back for `data`, until all is there or the connection is gone."""
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    back = b""
    try:
        writer.write(data)
        while len(back) < len(data) and (more := await reader.read(65536)):
            back += more
    except ConnectionError:
        pass
    finally:
        writer.close()
    return back


def only(kind: str, bytes_between: int = 1000) -> Weather:
    return Weather(bytes_between, (kind,), (0, 0), 0)


def test_calm_weather_changes_nothing() -> None:
    async def act(proxy: ChaosProxy, _far: Far) -> None:
        assert SENT == await exchange(proxy)

    proxy = through(CALM, act)

    assert {"connections": 1, "bytes": 2 * len(SENT)} == dict(proxy.counts)


@pytest.mark.parametrize("kind", ["tiny", "slow", "stall"])
def test_a_slow_line_delivers_all_of_it_late(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos, "SLOW_BYTES_PER_S", 20_000)
    monkeypatch.setattr(chaos, "STALL_MS", (50, 100))
    took = []

    async def act(proxy: ChaosProxy, far: Far) -> None:
        began = time.monotonic()
        assert SENT == await exchange(proxy)
        took.append((time.monotonic() - began, far.chunks))

    proxy = through(only(kind), act)
    seconds, chunks = took[0]

    assert proxy.counts[kind] >= 1
    assert chunks > 100 if kind == "tiny" else seconds > 1 / 25


def test_a_reset_comes_in_the_middle() -> None:
    async def act(proxy: ChaosProxy, far: Far) -> None:
        assert len(await exchange(proxy)) < len(SENT)
        assert SENT.startswith(bytes(far.heard[0]))

    proxy = through(only("reset"), act)

    assert 1 == proxy.counts["reset"]


def test_a_half_open_connection_swallows_one_direction_until_it_is_reset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chaos, "DYING_MS", (100, 100))

    async def act(proxy: ChaosProxy, far: Far) -> None:
        back = await exchange(proxy)
        assert len(back) < len(SENT)
        assert SENT.startswith(back)
        assert SENT.startswith(bytes(far.heard[0]))

    proxy = through(only("half_open"), act)

    assert proxy.counts["half_open"] >= 1


def test_a_changed_byte_arrives_and_the_connection_dies_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chaos, "DYING_MS", (100, 100))
    received: list[bytes] = []

    async def act(proxy: ChaosProxy, far: Far) -> None:
        await exchange(proxy, SENT + bytes(4096))
        received.append(bytes(far.heard[0]))

    proxy = through(only("corrupt"), act, "3")
    changed = sum(a != b for a, b in zip(received[0], SENT, strict=False))

    assert proxy.counts["corrupt"] >= changed >= 1


def test_a_doubled_connection_says_its_beginning_twice() -> None:
    async def act(proxy: ChaosProxy, far: Far) -> None:
        assert b"CONNECT" == await exchange(proxy, b"CONNECT")
        while len(far.heard) < 2 or not far.heard[1]:
            await asyncio.sleep(0)
        assert [b"CONNECT", b"CONNECT"] == [bytes(each) for each in far.heard]

    proxy = through(Weather(0, (), (0, 0), 1000), act)

    assert (1, 1) == (proxy.counts["connections"], proxy.counts["doubled"])


@pytest.mark.parametrize("kind", PARTITIONS)
def test_a_partition_stops_its_direction_and_heals(kind: str) -> None:
    async def act(proxy: ChaosProxy, far: Far) -> None:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        writer.write(b"before")
        assert b"before" == await reader.readexactly(6)
        proxy.partition(kind)
        writer.write(b"during")
        if kind == "cut":
            assert b"" == await _rest(reader)
            assert b"" == await exchange(proxy, b"refused")
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.readexactly(6), 1 / 20)
            assert (b"beforeduring" if kind == "down" else b"before") == bytes(far.heard[0])
        proxy.heal()
        assert b"behind" == await exchange(proxy, b"behind")
        if kind != "cut":
            assert b"during" == await reader.readexactly(6)

    proxy = through(CALM, act)

    assert 1 == proxy.counts[f"partition_{kind}"]


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def test_a_seed_draws_the_same_faults_again() -> None:
    async def act(proxy: ChaosProxy, _far: Far) -> None:
        for _ in range(5):
            await exchange(proxy)

    weather = Weather(1500, ("tiny", "reset"), (0, 0), 0)
    first, again, other = (
        through(weather, act, "7"),
        through(weather, act, "7"),
        through(weather, act, "8"),
    )

    assert first.counts["connections"] == again.counts["connections"] == 5
    assert first.counts["reset"] == again.counts["reset"]
    assert first.counts != other.counts
