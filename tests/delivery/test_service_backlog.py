"""Ten thousand messages wait at a real broker, by TLS too, and a gateway comes back: all of them
are durable in one run, whatever fails in the middle.
"""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.broker import pki
from gateway.broker.process import HOST, Broker, EmbeddedBroker, MosquittoBroker
from gateway.delivery.service import Service, ServiceSettings
from gateway.errors import TryAgain
from gateway.store.ledger import Ledger
from tests.delivery.bench import SITE, Device, Office
from tests.delivery.fake_broker import publish
from tests.devices.bench import ConfiguredBroker, a_site, context_of

MESSAGES = 10_000
MIDDLE = 3_000
PATIENCE_S = 120


class Street:
    """A broker, a device's way to it, and what a gateway needs to know of it."""

    def __init__(self, broker: Broker, secure: ssl.SSLContext | None = None, **files: str) -> None:
        self.broker = broker
        self.settings = ServiceSettings(SITE, HOST, broker.port, **files)
        self._secure = secure

    def publish(self, device: Device, first: int, last: int) -> None:
        """One message a record; returns when the broker has confirmed all of them."""
        packets = b"".join(
            publish(*device.ev(seq, seq)[:2], seq % 65_535 + 1) for seq in range(first, last + 1)
        )
        plain = socket.create_connection((HOST, self.broker.port), PATIENCE_S)
        link = self._secure.wrap_socket(plain, server_hostname=HOST) if self._secure else plain
        with link:
            link.sendall(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02w1")
            assert b"\x20\x02\x00\x00" == link.recv(4)
            sender = threading.Thread(target=link.sendall, args=(packets,))
            sender.start()
            left = 4 * (last - first + 1)
            while left:
                left -= len(link.recv(65_536)) or left + 1
            sender.join()


@pytest.fixture(params=["iotcore", "mosquitto", "mosquitto with TLS"])
def street(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Street]:
    if request.param == "iotcore":
        with EmbeddedBroker() as broker:
            yield Street(broker)
        return
    if not MosquittoBroker.is_installed():
        pytest.skip("mosquitto is not on PATH")
    if request.param == "mosquitto":
        with MosquittoBroker(tmp_path / "mosquitto") as broker:
            yield Street(broker)
        return
    site = a_site(tmp_path / "site", 1)
    with ConfiguredBroker(site) as broker:
        files = pki.client_files(site.ca, site.keys, pki.GATEWAY_NAME)
        yield Street(broker, context_of(site, "w1"), **files)


class Storage:
    """Counts what is durable, and fails between MIDDLE and the moment when it is told to stop."""

    def __init__(self, office: Office) -> None:
        self.fails = False
        self.in_the_middle = threading.Event()
        self.done = threading.Event()
        self.batches = 0
        self._office = office
        self._commit = office.ingest.commit
        self.at_middle: Any = lambda: None
        office.ingest.commit = self.commit  # type: ignore[method-assign]

    def commit(self, batch: Any) -> Any:
        if self.fails:
            raise TryAgain("disk full")
        answers = self._commit(batch)
        self.batches += 1
        high_water = self._office.ledger.high_water("w1", 7)
        if high_water >= MIDDLE and not self.in_the_middle.is_set():
            self.at_middle()
            self.in_the_middle.set()
        if high_water == MESSAGES:
            self.done.set()
        return answers


@contextmanager
def served(office: Office, street: Street) -> Iterator[Service]:
    service = Service(street.settings, office.ingest)
    stop = threading.Event()
    thread = threading.Thread(target=service.run, args=(stop,))
    thread.start()
    try:
        assert service.connected.wait(PATIENCE_S)
        yield service
    finally:
        stop.set()
        service.wake()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture
def waiting(office: Office, street: Street) -> Device:
    """w1, whose MESSAGES the broker holds for a gateway that was there once."""
    device = office.device()
    with served(office, street):
        pass
    device.say(MESSAGES)
    street.publish(device, 1, MESSAGES)
    return device


def lost(caplog: pytest.LogCaptureFixture) -> int:
    return sum(line.startswith("broker_lost") for line in caplog.messages)


def test_all_that_waits_is_durable_in_one_run(
    office: Office, street: Street, waiting: Device, caplog: pytest.LogCaptureFixture
) -> None:
    storage = Storage(office)
    with served(office, street):
        assert storage.done.wait(PATIENCE_S), office.ledger.high_water("w1", 7)

    assert list(range(1, MESSAGES + 1)) == office.seqs()
    assert (0, 0) == (office.ledger.stats()[0].duplicates, lost(caplog))
    # under TLS too, where mosquitto sends each message as a record of its own
    assert storage.batches < MESSAGES / 10


def test_a_storage_that_fails_in_the_middle_costs_nothing(
    office: Office, street: Street, waiting: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.delivery.service.KEEPALIVE_S", 1)
    monkeypatch.setattr("gateway.delivery.batch.RETRY_MS", (20, 200))
    storage = Storage(office)
    storage.at_middle = lambda: setattr(storage, "fails", True)
    with served(office, street):
        assert storage.in_the_middle.wait(PATIENCE_S)
        # three keep-alive times, after which a broker cuts who said nothing
        assert not storage.done.wait(3)
        with Ledger.open(office.folder / "ledger.db") as reader:
            durable = reader.high_water("w1", 7)
        storage.fails = False
        assert storage.done.wait(PATIENCE_S)

    assert MIDDLE <= durable < MESSAGES
    assert list(range(1, MESSAGES + 1)) == office.seqs()


@pytest.mark.must("BROKER-18")
def test_a_broker_that_is_killed_in_the_middle_costs_nothing(
    office: Office, street: Street, waiting: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it held is gone with it; the board states again what was not acknowledged."""
    monkeypatch.setattr("gateway.delivery.link.RECONNECT_S", (0.05, 0.2))
    storage = Storage(office)
    storage.at_middle = street.broker.kill
    with served(office, street) as service:
        assert storage.in_the_middle.wait(PATIENCE_S)
        street.broker.start()
        while not service.connected.wait(0.1) or service._link.number < 2:
            assert not storage.done.is_set()
        with Ledger.open(office.folder / "ledger.db") as reader:
            durable = reader.high_water("w1", 7)
        street.publish(waiting, durable + 1, MESSAGES)
        assert storage.done.wait(PATIENCE_S)

    assert list(range(1, MESSAGES + 1)) == office.seqs()
    assert [] == office.ledger.verify()
