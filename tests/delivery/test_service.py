"""What docs/protocol.md asks of a gateway towards its broker, in the order of what it sends; no
network here.
"""

from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.batch import RETRY_MS, Batch
from gateway.delivery.connection import Connection
from gateway.delivery.service import (
    BATCH_BYTES_MAX,
    BATCH_MESSAGES_MAX,
    WAITING_MESSAGES_MAX,
    Service,
    ServiceSettings,
)
from gateway.errors import LedgerBroken, TryAgain
from protocol.topics import topic
from tests.delivery.bench import SITE, Device, Office
from tests.delivery.fake_broker import CONNACK, publish, suback


class Line:
    """The service's link without a socket: a real connection whose bytes a test hands over. Notes
    what is sent, and what the ledger held at that moment.
    """

    def __init__(self, office: Office, service: Service) -> None:
        self._office = office
        self._service = service
        self.hello = service._link._hello
        self.sent: list[tuple[int, bytes, int]] = []  # (first byte, body, high_water then)
        self.number = 0
        self.connect()

    def connect(self) -> None:
        self.number += 1
        self.connection = Connection(self.hello, 0)
        self.is_in = False
        self.connection.feed(CONNACK, 0)
        self.take(0, 0)

    def let_in(self) -> None:
        self.connection.feed(suback(), 0)
        self.take(0, 0)

    def take(self, messages_max: int, bytes_max: int) -> list[Any]:
        taken = self.connection.take(messages_max or 1, bytes_max or 100)
        if self.connection.is_in and not self.is_in:
            self.is_in = True
            self._service._on_in()
        self.flush()
        return taken

    def flush(self) -> None:
        data = self.connection.pop_output(0)
        while data:
            size, at = data[1], 2
            if size > 0x7F:
                size, at = (size & 0x7F) | data[2] << 7, 3
            held = self._office.ledger.high_water("w1", 7)
            self.sent.append((data[0], data[at : at + size], held))
            data = data[at + size :]

    @property
    def answers(self) -> list[tuple[str, int]]:
        """("puback 11" or "answer", high_water then) of each that was sent."""
        told = []
        for first, body, held in self.sent:
            if first == 0x40:
                told.append((f"puback {int.from_bytes(body, 'big')}", held))
            elif first & 0xF0 == 0x30 and b"gateway" not in body:
                told.append(("answer", held))
        return told


class Desk:
    """A service whose messages a test hands over."""

    def __init__(self, folder: Path) -> None:
        self.office = Office(folder)
        self.service = Service(ServiceSettings(SITE), self.office.ingest)
        self.line = Line(self.office, self.service)
        self.service._link = self.line  # type: ignore[assignment]
        self.service.settled.set()
        self.line.let_in()

    def arrive(self, message: tuple[str, bytes, bool], mid: int = 0) -> None:
        name, payload, retained = message
        self.line.connection.feed(publish(name, payload, mid, 0x31 if retained else 0x30), 0)

    def work(self) -> None:
        self.service._take_and_work()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def device(desk: Desk) -> Device:
    made = desk.office.device()
    made.say(9)
    return made


@pytest.mark.must("TOPIC-11")
def test_a_gateway_subscribes_to_its_own_site(desk: Desk) -> None:
    [asked] = [body for first, body, _ in desk.line.sent if first == 0x82]
    wanted = [topic(SITE, "x", leaf).replace("/x/", "/+/") for leaf in ("ev", "state")]

    assert (
        b"\x00\x01" + b"".join(bytes((0, len(each))) + each.encode() + b"\x01" for each in wanted)
        == asked
    )


@pytest.mark.must("TOPIC-15")
def test_no_answer_is_retained(desk: Desk, device: Device) -> None:
    desk.arrive(device.ev(1, 9), 1)
    desk.work()

    assert [0x40, 0x30] == [first for first, _, _ in desk.line.sent[-2:]]


@pytest.mark.must("ACK-20", "ACK-21")
def test_puback_and_answer_go_out_after_the_commit(desk: Desk, device: Device) -> None:
    desk.arrive(device.ev(1, 4), 11)
    desk.arrive(device.ev(5, 9), 12)
    before = desk.line.answers
    desk.work()

    assert [] == before
    assert [("puback 11", 9), ("puback 12", 9), ("answer", 9)] == desk.line.answers


@pytest.mark.must("ACK-22")
def test_no_puback_while_the_storage_fails_and_the_same_messages_again(
    desk: Desk, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, tried = desk.office.ingest.commit, []

    def failing(batch: Any) -> Any:
        tried.append(len(batch))
        if len(tried) < 4:
            raise TryAgain("disk full")
        return commit(batch)

    now_ms = [1_000]
    monkeypatch.setattr(desk.office.ingest, "commit", failing)
    monkeypatch.setattr("gateway.delivery.service.monotonic_ms", lambda: now_ms[0])
    desk.arrive(device.ev(1, 4), 11)
    desk.work()
    desk.arrive(device.ev(5, 9), 12)
    pauses, rooms = [], []
    while len(tried) < 4:
        pauses.append(desk.service._retry_ms - now_ms[0])
        rooms.append(desk.service._room)
        now_ms[0] = desk.service._retry_ms - 1
        desk.work()  # too early: nothing is tried
        now_ms[0] += 1
        assert [] == desk.line.answers
        desk.work()

    assert ([250, 500, 1_000], [0, 0, 0]) == (pauses, rooms)
    assert (1, 1, 1, 1) == tuple(tried[:4])
    assert [("puback 11", 4), ("answer", 4)] == desk.line.answers[:2]
    assert [("puback 12", 9), ("answer", 9)] == desk.line.answers[2:]


@pytest.mark.must("BROKER-20")
def test_a_puback_belongs_to_the_connection_that_brought_the_message(
    desk: Desk, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, fails = desk.office.ingest.commit, [True]

    def failing(batch: Any) -> Any:
        if fails:
            raise TryAgain("disk full")
        return commit(batch)

    monkeypatch.setattr(desk.office.ingest, "commit", failing)
    desk.arrive(device.ev(1, 4), 11)
    desk.work()
    desk.line.connect()
    desk.line.let_in()
    fails.clear()
    desk.service._retry_ms = 0
    desk.work()

    assert [("answer", 4)] == desk.line.answers
    desk.arrive(device.ev(1, 4), 1)  # the broker gives it again, under a number of its own
    desk.work()
    assert [("puback 1", 4), ("answer", 4)] == desk.line.answers[1:]


def test_messages_that_come_before_the_subscription_is_confirmed_are_answered(
    desk: Desk, device: Device
) -> None:
    """mosquitto sends what it holds right after CONNACK."""
    desk.line.connect()
    desk.arrive(device.ev(1, 4), 11)
    desk.work()

    assert not desk.line.is_in
    assert [("puback 11", 4), ("answer", 4)] == desk.line.answers


@pytest.mark.must("ACK-27")
def test_what_is_refused_is_taken_off_the_broker(desk: Desk) -> None:
    desk.arrive(("till/1/city/w1/ev", b"junk", False), 5)
    desk.work()

    assert [("puback 5", 0)] == desk.line.answers
    assert 1 == len(desk.office.ledger.quarantine())


@pytest.mark.must("LIM-2", "LIM-3")
def test_what_is_not_committed_is_bounded_and_nothing_of_it_is_dropped(desk: Desk) -> None:
    desk.service.settled.clear()  # another gateway may still be there: nothing is committed
    for mid in range(1, WAITING_MESSAGES_MAX + 6):
        desk.arrive(("nowhere", b"", False), mid)
    desk.work()
    held, room = sum(batch.size for batch in desk.service._waiting), desk.service._room
    desk.service.settled.set()
    desk.work()

    assert (4_096, 4_096, 0) == (WAITING_MESSAGES_MAX, held, room)
    assert [f"puback {mid}" for mid in range(1, 4_102)] == [what for what, _ in desk.line.answers]


@pytest.mark.must("LIM-4")
def test_a_commit_is_of_a_bounded_batch(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(desk.office.ingest, "commit", lambda batch: sizes.append(len(batch)) or [])
    for mid in range(1, 2_501):
        desk.arrive(("nowhere", b"", False), mid)
    desk.work()
    for _ in range(6):
        desk.arrive(("nowhere", bytes(60_000), False), 1)
    desk.work()

    assert (1_024, 262_144) == (BATCH_MESSAGES_MAX, BATCH_BYTES_MAX)
    assert [1_024, 1_024, 452, 5, 1] == sizes


@pytest.mark.must("BROKER-13")
def test_the_gateways_session_outlives_its_connection(desk: Desk) -> None:
    flags = Connection(desk.line.hello, 0).pop_output(0)[9]

    assert 0 == flags & 0x02  # clean session


@pytest.mark.must("BROKER-14")
def test_there_is_one_gateway_a_site(desk: Desk) -> None:
    assert "till-gateway-city" == desk.line.hello.client_id


# --- a batch --------------------------------------------------------------------------------------


def test_a_batch_that_is_split_keeps_what_is_durable(
    desk: Desk, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One message breaks a rule; the storage fails in the middle of the others."""
    commit, committed = desk.office.ingest.commit, []

    def failing(batch: Any) -> Any:
        first = batch[0].events.first_seq if hasattr(batch[0], "events") else "set aside"
        if len(batch) > 1 or first == 4:
            raise ValueError("a rule that we broke")
        if first == 7 and "paused" not in committed:
            committed.append("paused")
            raise TryAgain("disk full")
        committed.append(first)
        return commit(batch)

    monkeypatch.setattr(desk.office.ingest, "commit", failing)
    messages = [(*device.ev(first, first + 2), b"\x00\x01") for first in (1, 4, 7)]
    batch = Batch(1, messages, [b"\x00\x01"] * 3)
    done = [batch.work(desk.office.ingest) for _ in range(3)]

    assert [False, False, True] == done
    assert [1, "set aside", "paused", 7] == committed
    assert 3 == desk.office.ledger.high_water("w1", 7)
    assert ["gateway: it could not be recorded, see the log"] == [
        row["reason"] for row in desk.office.ledger.quarantine()
    ]


def test_the_pause_after_a_failure_grows_to_its_limit(desk: Desk, device: Device) -> None:
    def failing(_batch: Any) -> Any:
        raise TryAgain("disk full")

    desk.office.ingest.commit = failing  # type: ignore[method-assign]
    batch = Batch(1, [(*device.ev(1, 1), b"")], [])
    pauses = []
    for _ in range(8):
        assert not batch.work(desk.office.ingest)
        pauses.append(batch.pause_ms)

    assert [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000] == pauses
    assert (250, 15_000) == RETRY_MS


def test_a_broken_ledger_ends_the_gateway_and_acknowledges_nothing(
    desk: Desk, device: Device
) -> None:
    def failing(_batch: Any) -> Any:
        raise LedgerBroken("damaged")

    desk.office.ingest.commit = failing  # type: ignore[method-assign]
    desk.arrive(device.ev(1, 1), 3)
    with pytest.raises(LedgerBroken):
        desk.work()

    assert [] == desk.line.answers
