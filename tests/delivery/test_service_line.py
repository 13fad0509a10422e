"""The gateway against a broker that a test plays packet by packet over a real socket: it is deaf,
refuses, does not read, says what is not MQTT, or is simply gone.
"""

import re
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.errors import TryAgain
from tests.delivery.bench import Device, Office
from tests.delivery.fake_broker import (
    CONNACK,
    PATIENCE_S,
    PINGRESP,
    PRESENCE,
    FakeBroker,
    Peer,
    publish,
    running,
    suback,
)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBroker]:
    """Nobody waits for long: pauses of milliseconds where the gateway has seconds."""
    monkeypatch.setattr("gateway.delivery.link.RECONNECT_S", (0.02, 0.2))
    made = FakeBroker(room=4_096)
    yield made
    made.close()


class Storage:
    """A ledger's commit that fails for as long as a test wants."""

    def __init__(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gateway.delivery.batch.RETRY_MS", (10, 10))
        self.fails = True
        self.failed = threading.Event()
        self._commit = office.ingest.commit
        monkeypatch.setattr(office.ingest, "commit", self._commit_or_fail)

    def _commit_or_fail(self, batch: Any) -> Any:
        if self.fails:
            self.failed.set()
            raise TryAgain("disk full")
        return self._commit(batch)


def puback(number: int) -> bytes:
    return number.to_bytes(2, "big")


def said(caplog: pytest.LogCaptureFixture, event: str) -> list[str]:
    return [line for line in caplog.messages if line.startswith(event)]


# --- never deaf -----------------------------------------------------------------------------------


@pytest.mark.must("BROKER-19")
def test_a_broker_that_stops_delivering_is_noticed_told_once_and_left(
    office: Office, broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers each PINGREQ and each PUBLISH, so the connection looks well."""
    with running(office, broker.port, 200):
        first = broker.peer().let_in()
        for number in range(1, 3):
            first.send(publish(PRESENCE, first.beat(), number))
            assert puback(number) == first.until(4)
        first.beat()  # and this one it keeps
        first.until_closed()
        second = broker.peer().let_in()
        second.beat()
        second.until_closed()
        third = broker.peer().let_in()
        third.send(publish(PRESENCE, third.beat(), 1))
        assert puback(1) == third.until(4)

    assert 1 == len(said(caplog, "gateway_deaf"))
    assert ["gateway_deaf"] == office.incident_kinds()


def test_a_broker_that_delivers_only_qos_0_is_left(
    office: Office, broker: FakeBroker, device: Device
) -> None:
    """A window of unacknowledged messages that is full stops QoS 1 alone."""
    with running(office, broker.port, 200):
        peer = broker.peer().let_in()
        peer.beat()
        peer.send(publish(*device.state()[:2]))
        peer.until(3)
        broker.peer().let_in().beat()

    assert ["gateway_deaf"] == office.incident_kinds()


def test_a_gateway_whose_storage_fails_does_not_take_the_broker_for_deaf(
    office: Office, broker: FakeBroker, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(office, monkeypatch)
    with running(office, broker.port, 200):
        peer = broker.peer().let_in()
        beat = peer.beat()
        peer.send(publish(*device.ev(1, 9)[:2], 1))
        assert storage.failed.wait(PATIENCE_S)
        assert not threading.Event().wait(1.2)  # more than three beats
        storage.fails = False
        assert puback(1) == peer.until(4)
        peer.send(publish(PRESENCE, beat, 2))
        assert puback(2) == peer.until(4)

    assert [] == [kind for kind in office.incident_kinds() if kind == "gateway_deaf"]


# --- refusals and nonsense ------------------------------------------------------------------------

REFUSALS: dict[str, tuple[Callable[[Peer], None], str]] = {
    "CONNACK": (lambda peer: peer.send(b"\x20\x02\x00\x05"), "broker_absent .*not authorised"),
    "SUBACK": (lambda peer: peer.send(CONNACK + suback(codes=b"\x80\x01")), "subscribe_refused"),
    "closed at once": (lambda peer: peer.link.close(), "broker_absent .*closed the connection"),
    "HTTP": (lambda peer: peer.send(b"HTTP/1.1 400 Bad\r\n"), "broker_absent .*packet type 4"),
    "long": (lambda peer: peer.send(b"\x30\xff\xff\xff\x7f"), "broker_absent .*268435455"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_told_once_and_tried_again(
    name: str, office: Office, broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    act, words = REFUSALS[name]
    with running(office, broker.port) as service:
        for _ in range(3):
            peer = broker.peer()
            peer.until(1)
            act(peer)
        assert not service.connected.is_set()
        broker.peer().let_in()
        assert service.connected.wait(PATIENCE_S)

    event, _, rest = words.partition(" ")
    [line] = said(caplog, event)
    assert re.search(rest, line), line


def test_a_broker_that_breaks_the_protocol_again_and_again_is_tried_less_and_less_often(
    office: Office, broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    with running(office, broker.port) as service:
        pauses = []
        for _ in range(6):
            broker.peer().let_in().send(b"\x32\xff\xff\xff\xff\x01")
            while len(said(caplog, "broker_lost")) <= len(pauses):
                assert not threading.Event().wait(0.005)
            pauses.append(service._link._pause_ms)
        good = broker.peer().let_in()
        assert service.connected.wait(PATIENCE_S)
        good.link.close()
        broker.peer().let_in()

        assert sorted(pauses) == pauses and 200 == pauses[-1]
        assert 20 == service._link._pause_ms
    assert "packet length over four bytes" in said(caplog, "broker_lost")[0]


# --- a dead or slow line --------------------------------------------------------------------------


def test_a_line_that_answers_no_ping_is_left(
    office: Office,
    broker: FakeBroker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("gateway.delivery.service.KEEPALIVE_S", 1)
    with running(office, broker.port):
        first = broker.peer().let_in()
        first.until(12)
        first.send(PINGRESP)
        first.until(12)
        broker.peer().let_in()

    assert 'broker_lost reason="no answer within 1 s"' in said(caplog, "broker_lost")[0]


def test_a_broker_that_does_not_read_our_answers_neither_hangs_the_loop_nor_fills_the_memory(
    office: Office, broker: FakeBroker, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.delivery.link.REACH_MS", 1_000)
    monkeypatch.setattr("gateway.delivery.link.UNSENT_BYTES_MAX", 4_096)
    with running(office, broker.port) as service:
        peer = broker.peer().let_in()
        assert service.connected.wait(PATIENCE_S)
        wire = service._link._wire
        assert wire is not None
        wire._there().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        flood = b"".join(publish(*device.ev(1, 9)[:2], number) for number in range(1, 200))
        with pytest.raises(ConnectionError):
            while True:
                peer.send(flood)
        broker.peer().let_in()  # it gave the other one up

    assert 0 < len(wire.unsent) < 100_000
    assert 9 == office.ledger.high_water("w1", 7)


def test_a_broker_that_dies_with_half_a_message_on_the_line_sends_it_again(
    office: Office, broker: FakeBroker, device: Device
) -> None:
    whole = publish(*device.ev(1, 9)[:2], 1)
    with running(office, broker.port):
        first = broker.peer().let_in()
        first.send(whole[:50])
        first.link.close()
        second = broker.peer().let_in()
        second.send(whole[50:60].replace(whole[50:60], whole[:60]))
        second.send(whole[60:])
        assert puback(1) == second.until(4)

    assert list(range(1, 10)) == office.seqs()


# --- while the storage fails ----------------------------------------------------------------------


@pytest.mark.must("BROKER-21")
def test_while_the_storage_fails_the_broker_hears_from_us_and_is_not_read(
    office: Office, broker: FakeBroker, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.delivery.service.KEEPALIVE_S", 1)
    storage = Storage(office, monkeypatch)
    device.say(3_000)
    messages = [publish(*device.ev(n, n)[:2], n) for n in range(1, 3_001)]
    rest = b"".join(messages[1:])
    with running(office, broker.port) as service:
        peer = broker.peer().let_in()
        peer.send(messages[0])
        assert storage.failed.wait(PATIENCE_S)
        peer.link.settimeout(0.2)
        taken = 0
        with pytest.raises(TimeoutError):
            while taken < len(rest):
                taken += peer.link.send(rest[taken:])
        peer.link.settimeout(PATIENCE_S)
        for _ in range(4):  # two keep-alive times
            peer.until(12)
        held = sum(batch.size for batch in service._waiting)
        storage.fails = False
        sender = threading.Thread(target=peer.send, args=(rest[taken:],))
        sender.start()
        assert [puback(n) for n in range(1, 3_001)] == [peer.until(4) for _ in range(3_000)]
        sender.join()

    assert (True, 1) == (taken < len(rest), held)
    assert list(range(1, 3_001)) == office.seqs()


def test_a_broker_that_cuts_us_while_the_storage_fails_is_found_again(
    office: Office, broker: FakeBroker, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(office, monkeypatch)
    message = publish(*device.ev(1, 9)[:2], 7)
    with running(office, broker.port) as service:
        first = broker.peer().let_in()
        first.send(message)
        assert storage.failed.wait(PATIENCE_S)
        first.link.close()
        second = broker.peer().let_in()
        second.send(publish(*device.ev(1, 9)[:2], 3))
        assert service.connected.wait(PATIENCE_S)
        storage.fails = False
        assert puback(3) == second.until(4)  # and none for 7, which is not this connection's

    assert list(range(1, 10)) == office.seqs()


def test_a_gateway_that_is_stopped_while_the_storage_fails_ends_and_acknowledges_nothing(
    office: Office, broker: FakeBroker, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(office, monkeypatch)
    with running(office, broker.port):
        peer = broker.peer().let_in()
        peer.send(publish(*device.ev(1, 9)[:2], 7))
        assert storage.failed.wait(PATIENCE_S)

    kinds = []
    while (packet := peer.next())[0]:
        kinds.append(packet[0] >> 4)
    assert 4 not in kinds and 14 == kinds[-1]
    assert [] == office.seqs()


# --- floods ---------------------------------------------------------------------------------------


def test_a_flood_of_qos_0_does_not_grow_the_memory(
    office: Office, broker: FakeBroker, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200,000 messages, 60 MB, while nothing can be committed; then the true ones are taken."""
    storage = Storage(office, monkeypatch)
    flood = publish(f"till/1/city/{device.key.device}/ev", bytes(280)) * 1_000
    with running(office, broker.port):
        peer = broker.peer().let_in()
        peer.link.settimeout(0.3)
        tracemalloc.start()
        with pytest.raises(TimeoutError):
            for _ in range(200):
                peer.send(flood)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert storage.failed.is_set()
    assert peak < 8_000_000, peak
