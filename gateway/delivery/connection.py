"""What is said on one connection to the broker, from CONNECT to its end. Sans-IO: no socket, and
the time is handed in.

  asking --CONNACK--> let in --SUBACK--> in
     |                   |                |
     +-------------------+----------------+--> an error: close it; another one begins anew

"In" has two clocks. We say something at least every half keep-alive time, so that the broker keeps
us. And a broker that says nothing for half a keep-alive time is asked by PINGREQ: no answer within
a whole one, and it is gone, whatever the system says of the connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.delivery import mqtt
from gateway.delivery.mqtt import Decoder, Message, MqttBroken
from gateway.errors import Unavailable

OPEN_MS = 10_000  # from CONNECT to the confirmed subscription
# MQTT 3.1.1, section 3.2.2.3
_REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it refuses the client id",
    3: "it is not ready",
    4: "it wants a user name and password",
    5: "not authorised",
}


class NotLetIn(Unavailable):
    """The broker refused the connection."""


class NotSubscribed(Unavailable):
    """The broker refused a subscription, or granted less than QoS 1."""


class Silent(Unavailable):
    """The broker does not answer."""


@dataclass(frozen=True)
class Hello:
    """Who we are and what we want to hear at first. `is_clean`: the broker forgets us with the
    connection.
    """

    client_id: str
    topics: Sequence[str]
    keepalive_s: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    is_clean: bool = False


class Connection:
    """One connection. `pop_output` is what is to be sent, `feed` takes what came. Times are of any
    clock that only runs forward, in milliseconds.
    """

    def __init__(self, hello: Hello, now_ms: int) -> None:
        self._hello = hello
        self._keepalive_ms = hello.keepalive_s * 1000
        self._decoder = Decoder()
        self._output: list[bytes] = []
        self._packet_id = 0
        self.is_let_in = False  # what is published and answered from now on is taken
        self.is_in = False  # subscribed
        self._sent_ms = self._heard_ms = now_ms
        # since when an answer is due; None: nothing was asked. Not while we do not read ourselves
        self._asked_ms: int | None = now_ms
        self._output.append(
            mqtt.connect(
                hello.client_id, hello.keepalive_s, hello.username, hello.password, hello.is_clean
            )
        )
        self._subscribing: dict[bytes, int] = {}  # {packet id: how many topics}, not answered yet
        self._unsubscribing: set[bytes] = set()

    @property
    def buffered(self) -> int:
        """Bytes that came and were not taken."""
        return self._decoder.buffered

    def feed(self, data: bytes, now_ms: int) -> None:
        """The next bytes of the broker."""
        self._decoder.feed(data)
        self._heard_ms = now_ms
        if self.is_in and self._asked_ms is not None:
            self._asked_ms = now_ms  # it lives: its PINGRESP waits behind messages

    def take(self, messages_max: int, bytes_max: int) -> list[Message]:
        """Messages that came, in their order; see Decoder.take. Empty: there are no more.

        Raises NotLetIn, NotSubscribed and MqttBroken; then the connection is to be closed.
        """
        while True:
            messages, controls = self._decoder.take(messages_max, bytes_max)
            for kind, content in controls:
                self._obey(kind, content)
            if messages and not self.is_let_in:
                raise MqttBroken("a message before CONNACK")
            if messages or not controls:
                return messages

    def tick(self, now_ms: int, is_reading: bool) -> None:
        """Say what the time asks for. `is_reading`: what the broker sends is read at present; while
        it is not, no answer can be missed.

        Raises Silent when an answer is overdue.
        """
        if not is_reading:
            self._heard_ms = now_ms
            if self._asked_ms is not None:
                self._asked_ms = now_ms
        patience_ms = self._keepalive_ms if self.is_in else OPEN_MS
        if self._asked_ms is not None and now_ms - self._asked_ms >= patience_ms:
            raise Silent(f"no answer within {patience_ms // 1000} s")
        half_ms = self._keepalive_ms // 2
        is_quiet = self._asked_ms is None and now_ms - self._heard_ms >= half_ms
        if self.is_let_in and (is_quiet or now_ms - self._sent_ms >= half_ms):
            self._output.append(mqtt.PINGREQ)
            self._sent_ms = now_ms
            if self._asked_ms is None:
                self._asked_ms = now_ms

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """A message of QoS 0."""
        self._output.append(mqtt.publish(topic, payload, retain=retain))

    def publish_confirmed(self, topic: str, payload: bytes) -> None:
        """A message of QoS 1. It is not sent again when no PUBACK comes."""
        self._output.append(mqtt.publish(topic, payload, self._next_id()))

    def subscribe(self, topics: Sequence[str]) -> bytes:
        """Ask for these topics with QoS 1. A packet id: see `is_answered`."""
        packet_id = self._next_id()
        self._output.append(mqtt.subscribe(packet_id, topics))
        key = packet_id.to_bytes(2, "big")
        self._subscribing[key] = len(topics)
        return key

    def unsubscribe(self, topics: Sequence[str]) -> bytes:
        """Hear these topics no more. What is on its way may still come, once it is answered too."""
        packet_id = self._next_id()
        self._output.append(mqtt.unsubscribe(packet_id, topics))
        key = packet_id.to_bytes(2, "big")
        self._unsubscribing.add(key)
        return key

    def is_answered(self, packet_id: bytes) -> bool:
        """Whether the broker has confirmed what `subscribe` or `unsubscribe` asked."""
        return packet_id not in self._subscribing and packet_id not in self._unsubscribing

    def answer(self, packet_ids: Sequence[bytes]) -> None:
        """A PUBACK for each of these messages."""
        self._output.append(mqtt.pubacks(packet_ids))

    def leave(self) -> None:
        """DISCONNECT."""
        self._output.append(mqtt.DISCONNECT)

    def pop_output(self, now_ms: int) -> bytes:
        """What is to be sent now; empties it."""
        data = b"".join(self._output)
        self._output.clear()
        if data:
            self._sent_ms = now_ms
        return data

    def _next_id(self) -> int:
        self._packet_id = self._packet_id % 65_535 + 1
        return self._packet_id

    def _obey(self, kind: int, content: bytes) -> None:
        if kind == mqtt.CONNACK:
            if self.is_let_in:
                raise MqttBroken("a second CONNACK")
            if content[1]:
                why = _REFUSALS.get(content[1], f"return code {content[1]}")
                raise NotLetIn(f"it does not let us in: {why}")
            self.is_let_in = True
            self.subscribe(self._hello.topics)
        elif kind == mqtt.SUBACK:
            self._granted(content[:2], list(content[2:]))
        elif kind == mqtt.UNSUBACK:
            if content not in self._unsubscribing:
                raise MqttBroken("UNSUBACK that nobody asked for")
            self._unsubscribing.remove(content)
        elif kind == mqtt.PINGRESP and self.is_in:
            self._asked_ms = None

    def _granted(self, packet_id: bytes, granted: list[int]) -> None:
        wanted = self._subscribing.pop(packet_id, 0)
        if not wanted or len(granted) != wanted:
            raise MqttBroken(f"SUBACK of {len(granted)} for {wanted} topics")
        if granted != [1] * wanted:
            raise NotSubscribed(f"it grants {granted} and not QoS 1")
        if not self.is_in:
            self.is_in = True
            self._asked_ms = None
