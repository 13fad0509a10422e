"""What docs/protocol.md asks of a broker: our access list on a real mosquitto, and what its
configuration demands.

The clients give their names as user names here; with certificates mosquitto takes them from there
(TLS-4), and the access list is the same.
"""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.broker import mosquitto as broker_config
from gateway.broker import pki
from gateway.broker.process import MosquittoBroker
from tests.protocol.must import proves

SITE = "city"
PATIENCE_S = 20
GATEWAY = pki.GATEWAY_NAME
MARKER = "till/1/city/{}/state"


class Guarded(MosquittoBroker):
    """mosquitto with the access list of a site with two workers; w3 was revoked."""

    def config(self) -> str:
        (self._folder / "acl").write_text(broker_config.acl(SITE, ["w3"], workers=2))
        return super().config() + f"acl_file {self._folder / 'acl'}\n"


class Client:
    """One user on the broker, who hears all that it lets him hear of what he asks for."""

    def __init__(self, broker: MosquittoBroker, user: str, topics: list[str]) -> None:
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        ready = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"{user}-{id(self)}", protocol=mqtt.MQTTv311
        )
        self._client.username_pw_set(user, "")
        wanted = [(topic, 1) for topic in topics or ["none"]]
        self._client.on_connect = lambda client, *_: client.subscribe(wanted)
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.on_message = lambda _client, _data, m: self.heard.put((m.topic, m.payload))
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert ready.wait(PATIENCE_S)

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(PATIENCE_S)

    def topics_until(self, last: bytes) -> set[str]:
        """The topics of what came before the payload `last`."""
        found = set()
        while True:
            topic, payload = self.heard.get(timeout=PATIENCE_S)
            if payload == last:
                return found
            found.add(topic)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MosquittoBroker]:
    if not MosquittoBroker.is_installed():
        pytest.skip("mosquitto is not on PATH")
    with Guarded(tmp_path_factory.mktemp("mosquitto")) as made:
        yield made


def let_through(broker: MosquittoBroker, writer: str, reader: str, topics: list[str]) -> set[str]:
    """Which of these topics go from one user to another. The last message, on a way that is open,
    ends the waiting.
    """
    writing = Client(broker, writer, [])
    closing = Client(broker, GATEWAY, [])
    reading = Client(broker, reader, [*topics, "till/#"])
    opener, open_way = (
        (writing, MARKER.format(writer))
        if reader in pki.WORKER_NAMES
        else (closing, f"till/1/city/{reader}/ack")
    )
    try:
        for topic in (
            topics
        ):  # a connection for each: mosquitto 2.0.11 closes one on which it denied a message
            trying = Client(broker, writer, [])
            trying.publish(topic, b"?")
            trying.close()
        if opener is writing and writer in ("w3", *pki.WORKER_NAMES):
            opener, open_way = Client(broker, "w9", []), MARKER.format("w9")
        opener.publish(open_way, b"end")
        return reading.topics_until(b"end")
    finally:
        for client in (writing, closing, reading, opener):
            client.close()


def of(device: str, *leaves: str) -> list[str]:
    return [f"till/1/city/{device}/{leaf}" for leaf in leaves]


W1 = of("w1", "ev", "state")
DOWN = of("w1", "ack", "cmd")
SECOND = pki.WORKER_NAMES[1]
CASES = [
    proves("ACL-1", "w1", GATEWAY, W1, W1),
    proves("ACL-2", "w2", GATEWAY, W1 + of("w2", "ev"), of("w2", "ev")),
    proves("ACL-3", "w2", "w1", DOWN + of("w1", "ev"), []),
    proves("ACL-3", "w2", "w2", of("w2", "ack", "cmd"), []),
    proves("ACL-4", GATEWAY, "w1", DOWN, DOWN),
    proves("ACL-5", GATEWAY, "w2", DOWN, []),
    proves("ACL-5", "w1", "w2", W1, []),
    proves("ACL-6", "w1", GATEWAY, W1, W1),
    proves("ACL-6", GATEWAY, "w1", DOWN, DOWN),
    proves("ACL-7", "w3", GATEWAY, of("w3", "ev", "state"), []),
    # the second worker is the gateway too, and the third is nobody
    proves("ACL-6", "w1", SECOND, W1, W1),
    proves("ACL-6", SECOND, "w1", DOWN, DOWN),
    proves("ACL-6", SECOND, GATEWAY, of(GATEWAY, "state") + W1, of(GATEWAY, "state")),
    proves("ACL-5", "gateway-3", "w1", DOWN, []),
]


@pytest.mark.parametrize(("writer", "reader", "topics", "expected"), CASES)
def test_who_may_say_what_to_whom(
    broker, writer: str, reader: str, topics: list[str], expected: list[str]
) -> None:
    assert set(expected) == let_through(broker, writer, reader, topics)


@pytest.mark.must("ACL-7")
def test_a_revoked_device_hears_nothing(broker) -> None:
    shut_out = Client(broker, "w3", ["till/#", *of("w3", "ack", "cmd")])
    gateway = Client(broker, GATEWAY, of("w3", "ev"))
    for leaf in ("ack", "cmd"):
        gateway.publish(f"till/1/city/w3/{leaf}", b"?")
    open_reader = Client(broker, "w9", of("w9", "ack"))
    gateway.publish("till/1/city/w9/ack", b"end")
    open_reader.topics_until(b"end")  # the broker has dealt with all that was sent before
    for client in (shut_out, gateway, open_reader):
        client.close()

    assert shut_out.heard.empty()


@pytest.mark.parametrize(
    "lines",
    [
        proves("TLS-3", ["require_certificate true", "allow_anonymous false"]),
        proves("TLS-4", ["use_identity_as_username true", "use_username_as_clientid true"]),
        proves("BROKER-15", ["max_queued_messages 0"]),
        proves("BROKER-16", ["max_packet_size 4096"]),
    ],
)
def test_the_configuration_of_a_site_with_certificates(tmp_path: Path, lines: list[str]) -> None:
    broker = SimpleNamespace(port=8883, host="10.0.0.1", server_name="")
    site: Any = SimpleNamespace(config=SimpleNamespace(broker=broker, site=SITE))
    written = broker_config.configuration(site, tmp_path).splitlines()

    assert set(lines) <= set(written)
    assert [] == [line for line in written if line.startswith("message_size_limit")]
