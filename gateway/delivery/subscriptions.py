"""What a worker has asked the broker for, against the devices that it should hear. Sans-IO."""

from collections.abc import Iterable, Iterator

from gateway.delivery.connection import Connection

# Of the topics in one SUBSCRIBE or UNSUBSCRIBE: the broker refuses packets of more than 4,096.
_TOPICS_BYTES = 3_000
_MORE_BYTES = 3  # with each topic: its length and its QoS
_LEAVES = ("ev", "state")


class Subscriptions:
    """The devices of one worker at the broker of one site. A new connection begins with none."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._number = 0  # of the connection of which the rest is told
        self._asked: dict[str, bytes] = {}  # {device: packet id of the subscription}
        self._ending: dict[str, bytes] = {}  # likewise, of the end of it

    def follow(
        self, connection: Connection | None, number: int, wanted: frozenset[str]
    ) -> frozenset[str]:
        """Ask for what is wanted and not subscribed, and end what is not wanted. The devices of
        which something may still come: every message of the others is among those that were taken.
        """
        if number != self._number or connection is None:
            self._number = number
            self._asked.clear()
            self._ending.clear()
        if connection is None:
            return frozenset()
        for device, packet_id in list(self._ending.items()):
            if connection.is_answered(packet_id):
                del self._ending[device]
        over = self._asked.keys() - wanted
        for part in self._parts(over):
            packet_id = connection.unsubscribe(self._topics(part))
            for device in part:
                del self._asked[device]
                self._ending[device] = packet_id
        for part in self._parts(wanted - self._asked.keys() - self._ending.keys()):
            packet_id = connection.subscribe(self._topics(part))
            self._asked.update(dict.fromkeys(part, packet_id))
        return frozenset(self._asked.keys() | self._ending.keys())

    def is_heard(self, connection: Connection | None, devices: Iterable[str]) -> bool:
        """Whether the broker has confirmed all of them."""
        return connection is not None and all(
            device in self._asked and connection.is_answered(self._asked[device])
            for device in devices
        )

    def _topics(self, devices: Iterable[str]) -> list[str]:
        return [f"till/1/{self._site}/{device}/{leaf}" for device in devices for leaf in _LEAVES]

    def _parts(self, devices: Iterable[str]) -> Iterator[list[str]]:
        """As many at a time as one packet holds."""
        part: list[str] = []
        size = 0
        for device in sorted(devices):
            more = sum(len(topic) + _MORE_BYTES for topic in self._topics((device,)))
            if part and size + more > _TOPICS_BYTES:
                yield part
                part, size = [], 0
            part.append(device)
            size += more
        if part:
            yield part
