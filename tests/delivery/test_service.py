"""What docs/protocol.md asks of a gateway towards its broker, in the order of what it sends; no
network here.
"""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.delivery.service import (
    BATCH_MESSAGES_MAX,
    INBOX_MESSAGES_MAX,
    Service,
    ServiceSettings,
    _Arrived,
)
from gateway.errors import TryAgain
from protocol.topics import topic
from tests.delivery.bench import SITE, Device, Office


class Client:
    """paho's client as the service uses it: notes what is sent, and what the ledger held at that
    moment.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self.sent: list[tuple[str, Any, int]] = []  # (what, which, high_water then)
        self.retained: list[bool] = []
        self.subscribed: list[tuple[str, int]] = []

    def ack(self, mid: int, qos: int) -> None:
        self.sent.append(("puback", mid, self._office.ledger.high_water("w1", 7)))

    def publish(self, name: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        self.sent.append((name, payload, self._office.ledger.high_water("w1", 7)))
        self.retained.append(retain)

    def subscribe(self, topics: list[tuple[str, int]]) -> None:
        self.subscribed += topics


class Desk:
    """A service whose messages a test hands over."""

    def __init__(self, folder: Path) -> None:
        self.office = Office(folder)
        self.client = Client(self.office)
        self.service = Service(ServiceSettings(SITE), self.office.ingest)
        self.real_client: Any = self.service._client
        self.service._client = self.client  # type: ignore[assignment]

    def arrive(self, message: tuple[str, bytes, bool], mid: int, qos: int = 1) -> None:
        name, payload, retained = message
        arrived = SimpleNamespace(topic=name, payload=payload, retain=retained, mid=mid, qos=qos)
        self.service._on_message(None, None, arrived)  # type: ignore[arg-type]

    def work(self) -> list[_Arrived]:
        taken = self.service._inbox.take(0)
        self.service._work(taken, threading.Event())
        return taken


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
    desk.service._on_connect(desk.client, None, None, SimpleNamespace(is_failure=False), None)  # type: ignore[arg-type]

    assert [
        (topic(SITE, "x", leaf).replace("/x/", "/+/"), 1) for leaf in ("ev", "state")
    ] == desk.client.subscribed


@pytest.mark.must("TOPIC-15")
def test_no_answer_is_retained(desk: Desk, device: Device) -> None:
    desk.arrive(device.ev(1, 9), 1)
    desk.work()

    assert [False] == desk.client.retained


@pytest.mark.must("ACK-20", "ACK-21")
def test_puback_and_answer_go_out_after_the_commit(desk: Desk, device: Device) -> None:
    desk.arrive(device.ev(1, 4), 11)
    desk.arrive(device.ev(5, 9), 12)
    before = list(desk.client.sent)
    desk.work()

    what = [(name if name == "puback" else "ack", then) for name, _, then in desk.client.sent]
    assert ([], [("puback", 9), ("puback", 9), ("ack", 9)]) == (before, what)


@pytest.mark.must("ACK-22")
def test_no_puback_while_the_storage_fails(
    desk: Desk, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    tried: list[int] = []

    def failing(batch: Any) -> Any:
        tried.append(len(batch))
        if len(tried) == 3:
            stop.set()
        raise TryAgain("disk full")

    monkeypatch.setattr(desk.office.ingest, "commit", failing)
    monkeypatch.setattr(stop, "wait", lambda _: None)
    desk.arrive(device.ev(1, 4), 11)
    desk.service._work(desk.service._inbox.take(0), stop)

    assert ([1, 1, 1], []) == (tried, desk.client.sent)


@pytest.mark.must("ACK-27")
def test_what_is_refused_is_taken_off_the_broker(desk: Desk) -> None:
    desk.arrive(("till/1/city/w1/ev", b"junk", False), 5)
    desk.work()

    assert [("puback", 5, 0)] == desk.client.sent
    assert 1 == len(desk.office.ledger.quarantine())


@pytest.mark.must("LIM-2", "LIM-3")
def test_the_inbox_is_bounded_and_what_it_drops_stays_unacknowledged(desk: Desk) -> None:
    for mid in range(1, INBOX_MESSAGES_MAX + 6):
        desk.arrive(("nowhere", b"", False), mid)
    while desk.work():
        pass

    pubacks = [mid for name, mid, _ in desk.client.sent if name == "puback"]
    assert (4_096, list(range(1, 4_097))) == (INBOX_MESSAGES_MAX, pubacks)


@pytest.mark.must("LIM-4")
def test_a_commit_is_of_a_bounded_batch(desk: Desk) -> None:
    for mid in range(600):
        desk.arrive(("nowhere", b"", False), mid)

    assert 256 == BATCH_MESSAGES_MAX
    assert [256, 256, 88] == [len(desk.work()) for _ in range(3)]


@pytest.mark.must("BROKER-13")
def test_the_gateways_session_outlives_its_connection(desk: Desk) -> None:
    assert (False, True) == (desk.real_client._clean_session, desk.real_client._manual_ack)


@pytest.mark.must("BROKER-14")
def test_there_is_one_gateway_a_site(desk: Desk) -> None:
    assert b"till-gateway-city" == desk.real_client._client_id
