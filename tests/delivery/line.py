"""A device's end of a line to a broker."""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.broker.process import Broker, EmbeddedBroker, MosquittoBroker
from tests.delivery.bench import Device

PATIENCE_S = 60  # far more than needed: a test that waits this long has failed


@pytest.fixture(params=[EmbeddedBroker, MosquittoBroker], ids=["iotcore", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    if request.param is MosquittoBroker and not MosquittoBroker.is_installed():
        pytest.skip("mosquitto is not on PATH")
    made = (
        EmbeddedBroker()
        if request.param is EmbeddedBroker
        else MosquittoBroker(tmp_path / "mosquitto")
    )
    with made:
        yield made


class Line:
    """A board on a real broker: publishes, and waits for the gateway's sealed answers."""

    def __init__(self, device: Device, broker: Broker) -> None:
        self.device = device
        self.acks: queue.Queue[dict[str, int]] = queue.Queue()
        self._ready = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=device.key.device, protocol=mqtt.MQTTv311
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(device.topic("ack"), 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_disconnect = lambda *_: self._ready.clear()
        self._client.on_message = lambda _client, _data, m: self.acks.put(
            device.open_ack(m.topic, m.payload)
        )
        self._client.connect_async(broker.host, broker.port, 10)
        self._client.loop_start()
        assert self._ready.wait(PATIENCE_S)

    def send(self, message: tuple[str, bytes, bool]) -> None:
        self._client.publish(message[0], message[1], qos=1).wait_for_publish(PATIENCE_S)

    def wait_online(self) -> None:
        assert self._ready.wait(PATIENCE_S)

    def deliver(self, first: int, last: int) -> dict[str, int]:
        """As a board does: send, wait for the answer, send again, until `last` is durable."""
        for _ in range(PATIENCE_S):
            self.send(self.device.ev(first, last))
            try:
                return self.wait_for(last, 1)
            except queue.Empty:
                continue
        raise AssertionError(f"seq {last} was never acknowledged")

    def wait_for(self, high_water: int, patience_s: int = PATIENCE_S) -> dict[str, int]:
        while True:
            ack = self.acks.get(timeout=patience_s)
            if ack["high_water"] >= high_water:
                return ack

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
