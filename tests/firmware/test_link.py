"""What docs/protocol.md asks of a device around its uplink: the connection to the broker, and what
the cashier hears.

The link runs against a broker of a few lines and a clock that jumps: hours of silence and back-off
take milliseconds.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware import link as shell
from firmware.controller import Controller
from firmware.journal import Journal, JournalError, JournalFull
from firmware.uplink import Uplink
from protocol import records
from tests.firmware.apps import app_with, tally, turn
from tests.firmware.bench import FileFlash

CONNACK = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x04\x00\x01\x01\x01"
CONNECT, PUBLISH, SUBSCRIBE, PING, DISCONNECT = 1, 3, 8, 12, 14


class Enough(BaseException):
    """The time that a test wants to see is over."""


def packets(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each MQTT packet."""
    while stream:
        size, at = 0, 1
        while True:
            size |= (stream[at] & 0x7F) << 7 * (at - 1)
            at += 1
            if stream[at - 1] < 0x80:
                break
        yield stream[0] >> 4, stream[at : at + size]
        stream = stream[at + size :]


class World:
    """A link, its uplink on a journal of `count` records, and a broker that answers by `answers`:
    {packet type: bytes}.
    """

    def __init__(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, answers: dict[int, bytes], count: int = 3
    ) -> None:
        self.now_ms = 1
        self.end_ms = 0
        self.answers = answers
        self.said: list[tuple[int, int, bytes]] = []  # (ms, type, body) of what the device sent
        self.began: list[int] = []  # when each connection was tried
        self.turns: list[int] = []
        self.on_sleep: Callable[[], Any] = lambda: None
        self.failing = False
        self.stalling = False
        self._inbound = b""
        any_journal: Any = Journal
        self.journal = any_journal(FileFlash(path, 6), lambda: 9)
        for seq in range(count):
            self.journal.append(b"record %d" % seq)
        identity = {"site": "city", "device": "w1", "key": b"k" * 32, "key_number": 1}
        limits = {"window_records": 16, "heartbeat_ms": 5000, "resend_ms": 800}
        self.uplink = Uplink(self.journal, identity, limits)
        site = {**identity, "broker_host": "b", "broker_port": 1}
        self.link = shell.Link(
            self.uplink,
            site,
            500,
            lambda: self.now_ms,
            lambda: self.turns.append(self.now_ms),
            lambda line: None,
        )
        monkeypatch.setattr(asyncio, "sleep_ms", self.sleep_ms, raising=False)
        monkeypatch.setattr(shell, "time", SimpleNamespace(ticks_ms=lambda: self.now_ms))
        addresses = [(0, 0, 0, "", ("127.0.0.1", 1))]
        sockets = SimpleNamespace(socket=self.made, getaddrinfo=lambda *_: addresses, SOCK_STREAM=1)
        monkeypatch.setattr(shell, "socket", sockets)
        poller = SimpleNamespace(register=lambda *_: None, poll=lambda _: not self.stalling)
        monkeypatch.setattr(shell, "select", SimpleNamespace(poll=lambda: poller, POLLOUT=4))

    def made(self) -> "World":
        self.began.append(self.now_ms)
        self._inbound = b""
        return self

    def setblocking(self, _: bool) -> None: ...

    def connect(self, address: tuple[str, int]) -> None: ...

    def close(self) -> None: ...

    def write(self, data: bytes) -> int:
        if self.failing:
            raise OSError("refused")
        for kind, body in packets(bytes(data)):
            self.said.append((self.now_ms, kind, body))
            self._inbound += self.answers.get(kind, b"")
        return len(data)

    def readinto(self, buf: bytearray) -> int | None:
        size = min(len(buf), len(self._inbound))
        buf[:size] = self._inbound[:size]
        self._inbound = self._inbound[size:]
        return size or None

    async def sleep_ms(self, ms: int) -> None:
        self.now_ms += max(ms, 1)
        self.on_sleep()
        if self.now_ms > self.end_ms:
            raise Enough

    def run(self, ms: int) -> "World":
        self.end_ms = self.now_ms + ms
        with suppress(Enough):
            asyncio.run(self.link.run())
        return self

    def times(self, kind: int) -> list[int]:
        return [ms for ms, each, _ in self.said if each == kind]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    return lambda *answers, **more: World(tmp_path / "flash.img", monkeypatch, *answers, **more)


TAKES = {CONNECT: CONNACK, SUBSCRIBE: SUBACK, PING: b"\xd0\x00"}


@pytest.mark.must("TOPIC-9")
def test_a_device_subscribes_to_its_own_answers(world) -> None:
    said = world(TAKES).run(3_000).said

    bodies = [body for _, kind, body in said if kind == SUBSCRIBE]
    assert [b"\x00\x12till/1/city/w1/ack\x01\x00\x12till/1/city/w1/cmd\x01"] == [
        body[2:] for body in bodies
    ]


@pytest.mark.must("ROT-15")
def test_a_new_key_is_first_used_with_a_last_will_of_its_own(world) -> None:
    made = world(TAKES)
    made.on_sleep = lambda: made.now_ms > 7_000 and made.uplink.use_key(b"n" * 32, 2)
    said = made.run(20_000).said

    under_new = [kind for _, kind, body in said if b"w1.2" in body]
    assert CONNECT == under_new[0]
    assert PUBLISH in under_new
    kinds = [kind for _, kind, _ in said if kind in (CONNECT, DISCONNECT)]
    assert [CONNECT, DISCONNECT, CONNECT] == kinds
    assert b"w1.1" not in b"".join(body for ms, _, body in said if ms > 7_100)


@pytest.mark.must("BROKER-2")
def test_a_devices_client_id(world) -> None:
    [(_, kind, body)] = world({}).run(1_000).said

    assert (CONNECT, b"\x00\x0ctill-city-w1") == (kind, body[10:24])


@pytest.mark.must("BROKER-8")
def test_packet_ids_go_round_without_zero(world) -> None:
    made = world(TAKES)
    ids = [made.link._next_id() for _ in range(70_000)]

    assert ids == [at % 65_535 + 1 for at in range(70_000)]


@pytest.mark.must("BROKER-9")
def test_a_sign_of_life_every_half_keep_alive(world) -> None:
    pings = world(TAKES).run(100_000).times(PING)

    pauses = [after - before for before, after in zip(pings, pings[1:], strict=False)]
    assert len(pings) >= 9
    assert all(10_000 <= pause <= 10_020 for pause in pauses), pauses


@pytest.mark.must("BROKER-10")
def test_a_silent_broker_is_given_up(world) -> None:
    began = world({CONNECT: CONNACK, SUBSCRIBE: SUBACK}).run(40_000).began

    assert 2 == len(began)
    assert 30_000 < began[1] - began[0] < 31_500


@pytest.mark.must("BROKER-11")
def test_failed_connections_are_tried_less_and_less(world) -> None:
    made = world(TAKES)
    made.failing = True
    began = made.run(400_000).began

    pauses = [after - before for before, after in zip(began, began[1:], strict=False)]
    expected = [500, 1_000, 2_000, 4_000, 8_000, 16_000] + [30_000] * 20
    assert len(pauses) > 10
    assert all(
        least <= pause <= least * 5 // 4 + 20
        for pause, least in zip(pauses, expected, strict=False)
    ), pauses


@pytest.mark.must("BROKER-12")
@pytest.mark.parametrize("how", ["dead", "deaf", "stalls"])
def test_the_loop_goes_on_whatever_the_broker_does(world, how: str) -> None:
    made = world({} if how == "deaf" else TAKES)
    made.failing, made.stalling = how == "dead", how == "stalls"
    turns = made.run(120_000).turns

    assert max(after - before for before, after in zip(turns, turns[1:], strict=False)) <= 501


@pytest.mark.must("WIN-10")
def test_nothing_is_published_before_the_subscription_is_granted(world) -> None:
    for answers in ({}, {CONNECT: CONNACK}):
        made = world(answers).run(29_000)
        assert [] == made.times(PUBLISH)
        assert {CONNECT, SUBSCRIBE, PING} >= {kind for _, kind, _ in made.said}

    assert [] != world(TAKES).run(1_000).times(PUBLISH)


@pytest.mark.must("WIN-11")
def test_a_puback_moves_nothing(world) -> None:
    made = world({**TAKES, PUBLISH: b"\x40\x02\x00\x01\x40\x02\x00\x02\x40\x02\x00\x03"}).run(
        20_000
    )
    events = [
        ms
        for ms, kind, body in made.said
        if kind == PUBLISH and body.startswith(b"\x00\x11till/1/city/w1/ev")
    ]

    assert (0, 3) == (made.journal.acked, made.journal.last_seq)
    assert len(events) >= 4


# --- records and what the cashier hears -----------------------------------------------------------


class FakeJournal:
    """A journal whose append does what a test says."""

    boot, epoch, last_seq = 4, 9, 0

    def __init__(self, append: Callable[[bytes], int]) -> None:
        self.append = append

    def room(self) -> int:
        return 1


@pytest.mark.must("SEQ-5")
@pytest.mark.parametrize("error", [JournalFull("full"), JournalError("worn")])
def test_ok_is_heard_after_the_append_and_never_without_it(error: JournalError) -> None:
    def refuse(body: bytes) -> int:
        raise error

    kept: list[bytes] = []
    done, failed = (
        Controller(FakeJournal(lambda body: kept.append(body) or 1), 8),
        Controller(FakeJournal(refuse), 8),
    )
    before = done.take([tally([(500, 1)])], 1, 0) + failed.take([tally([(500, 1)])], 1, 0)

    assert ([], 0) == (before, len(kept))
    assert ["ok"] == [beep for beep, _ in done.commit()]
    assert 1 == len(kept)
    assert "ok" not in [beep for beep, _ in failed.commit()]


@pytest.mark.must("SEQ-13")
def test_refusals_become_a_record_when_there_is_room(tmp_path: Path) -> None:
    any_journal: Any = Journal
    journal = any_journal(FileFlash(tmp_path / "flash.img", 3))
    controller = Controller(journal, 8)
    while "full" not in [beep for beep, _ in controller.commit()]:
        controller.take(
            [{"kind": "quarantine", "instrument": "bills", "reason": "r", "raw": bytes(500)}], 1, 0
        )
    told = controller.refusals()

    journal.mark_acked(journal.last_seq, 1, bytes(32))
    controller.take(controller.refusals(), 2, 0)
    controller.commit()

    assert [] == told
    last = records.decode_record(journal.read(journal.last_seq))
    assert ("journal", "full", "1 records were refused") == (
        last["instrument"],
        last["condition"],
        last["detail"],
    )
    assert [] == controller.refusals()


@pytest.mark.must("REC-21", "REC-22")
def test_a_record_carries_the_time_of_what_was_seen() -> None:
    kept: list[bytes] = []
    controller = Controller(FakeJournal(lambda body: kept.append(body) or 1), 8)
    controller.take([tally([(500, 1)])], 1_000, 0)
    controller.take([tally([(100, 1)])], 2_000, 1_700_000_000_000)
    controller.commit()

    first, second = [records.decode_record(body) for body in kept]
    assert (4, 1_000, None) == (first["boot"], first["uptime_ms"], first.get("utc_ms"))
    assert (4, 2_000, 1_700_000_000_000) == (second["boot"], second["uptime_ms"], second["utc_ms"])


@pytest.mark.must("REC-23")
def test_every_boot_begins_with_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = app_with(tmp_path / "flash.img", monkeypatch)
    made._take([tally([(500, 1)])])
    made._commit()

    kinds = [
        records.decode_record(made._journal.read(seq))["kind"]
        for seq in range(1, made._journal.last_seq + 1)
    ]
    assert ["boot", "tally"] == kinds


@pytest.mark.must("REC-25")
def test_no_start_makes_the_record_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = []
    for name in ("board.img", "copy.img"):
        made, _ = app_with(tmp_path / name, monkeypatch)
        made._commit()
        starts.append(made._journal.read(made._journal.last_seq))

    assert [4, 4] == [len(records.decode_record(each)["start_nonce"]) for each in starts]
    assert starts[0] != starts[1]


@pytest.mark.must("REC-24")
@pytest.mark.parametrize(
    "wrong",
    [{"batch_id": "7" * 41}, {"rows": [(1, 1)] * 33}, {"total_minor": 2**40}, {"currency": "EURO"}],
)
def test_what_is_no_record_is_an_error_and_not_shortened(wrong: dict[str, Any]) -> None:
    kept: list[bytes] = []
    controller = Controller(FakeJournal(lambda body: kept.append(body) or 1), 8)
    controller.take([{**tally([(500, 1)]), **wrong}], 1, 0)

    assert ["error"] == [beep for beep, _ in controller.commit()]
    assert [] == kept


@pytest.mark.must("LIM-5")
def test_what_comes_faster_than_flash_is_refused_audibly() -> None:
    controller = Controller(FakeJournal(lambda body: 1), 8)

    signals = controller.take([tally([(500, 1)]) for _ in range(11)], 1, 0)

    assert (["full"] * 3, 8) == ([beep for beep, _ in signals], controller.waiting)


@pytest.mark.must("STATE-11")
def test_a_full_journal_is_said_in_the_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = app_with(tmp_path / "flash.img", monkeypatch)
    monkeypatch.setattr(gc, "mem_free", lambda: 1, raising=False)
    task = made._keep()
    found = []
    for room in (1, 0, 2):
        monkeypatch.setattr(made._journal, "room", lambda room=room: room)
        turn(task)
        found.append(made._uplink.status)
    task.close()

    assert ["alive", "journal_full", "alive"] == found
