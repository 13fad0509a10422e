"""Who listens at the broker in a test: hears all that a board says, and acknowledges none of it."""

from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt

from gateway.broker.process import Broker
from protocol import messages, seal, unpacking
from protocol.topics import kid, topic
from tests.firmware.bench import DEVICE, SITE


class Listener:
    """`states`: every heartbeat; `sent`: the seqs of all records that came; `versions`: of their
    messages. With `reads` 2 it says that it reads version 2, and still acknowledges nothing.
    """

    def __init__(
        self,
        broker: Broker,
        key: bytes,
        reads: int = 0,
        set_up: Callable[[mqtt.Client], Any] = lambda client: None,
    ) -> None:
        self.states: list[dict[str, Any]] = []
        self.sent: set[int] = set()
        self.versions: set[int] = set()
        self._key = key
        self._reads = reads
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        set_up(self._client)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe([(topic(SITE, DEVICE, leaf), 1) for leaf in ("ev", "state")])

    def _on_message(self, client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        _, payload = unpacking.open_message(message.payload, message.topic, lambda _: self._key)
        if message.topic.endswith("/state"):
            said = messages.decode_state(payload)
            self.states.append(said)
        else:
            said = messages.decode_events(payload)
            self.sent.update(range(said["first_seq"], said["first_seq"] + len(said["records"])))
            self.versions.add(2 if message.payload[0] == 2 else 1)
        if self._reads and said.get("status") != "lost":
            self._answer(client, said)

    def _answer(self, client: mqtt.Client, said: dict[str, Any]) -> None:
        name = topic(SITE, DEVICE, "ack")
        ack = {
            "epoch": said["epoch"], "high_water": 0, "want_from": 0, "want_to": self._reads,
            "ledger_n": 0, "ledger_head": bytes(32), "utc_ms": 1_790_000_000_000,
            "echo_boot": said["boot"], "fingerprint": bytes(8),
            "echo_uptime_ms": said.get("uptime_ms", said.get("sent_uptime_ms")),
        }  # fmt: skip
        client.publish(
            name, seal.seal(self._key, kid(DEVICE, 1), name, messages.encode_ack(ack)), 0
        )

    def heap_low(self) -> int:
        """The least that a heartbeat ever told as free, bytes."""
        return min(
            state["heap_low"]
            for state in list(self.states)
            if state["status"] != "lost" and state["heap_low"]
        )

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
