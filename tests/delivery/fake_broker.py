"""A broker that a test plays itself, packet by packet, over a real socket."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.delivery.hearing import BEAT_MS, Hearing
from gateway.delivery.service import Service, ServiceSettings
from tests.delivery.bench import SITE, Office

HOST = "127.0.0.1"
PATIENCE_S = 20
CONNACK = b"\x20\x02\x00\x00"
PINGRESP = b"\xd0\x00"
PRESENCE = f"till/1/{SITE}/gateway/state"


def suback(packet_id: bytes = b"\x00\x01", codes: bytes = b"\x01\x01") -> bytes:
    return b"\x90" + bytes((2 + len(codes),)) + packet_id + codes


def publish(topic: str | bytes, payload: bytes, packet_id: int = 0, first: int = 0x30) -> bytes:
    name = topic.encode() if isinstance(topic, str) else topic
    body = len(name).to_bytes(2, "big") + name
    if packet_id:
        first |= 2
        body += packet_id.to_bytes(2, "big")
    body += payload
    return bytes((first,)) + length(len(body)) + body


def length(size: int) -> bytes:
    """A remaining length as MQTT writes it."""
    out = bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(out) + bytes((size,))


class Peer:
    """The broker's end of one connection."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self._data = b""

    def send(self, data: bytes) -> None:
        self.link.sendall(data)

    def next(self) -> tuple[int, bytes]:
        """(first byte, body) of the next packet; (0, b"") when the gateway closed."""
        while True:
            for at in range(1, min(len(self._data), 5)):
                if self._data[at] < 0x80:
                    size = sum((self._data[i] & 0x7F) << 7 * (i - 1) for i in range(1, at + 1))
                    if len(self._data) > at + size:
                        packet = self._data[: at + 1 + size]
                        self._data = self._data[at + 1 + size :]
                        return packet[0], packet[at + 1 :]
                    break
            try:
                more = self.link.recv(65536)
            except ConnectionError:
                more = b""
            if not more:
                return 0, b""
            self._data += more

    def until(self, kind: int) -> bytes:
        """The body of the next packet of this kind; others are passed over."""
        while True:
            first, body = self.next()
            assert first, f"closed before a packet of type {kind}"
            if first >> 4 == kind:
                return body

    def let_in(self) -> "Peer":
        """CONNECT and SUBSCRIBE, answered."""
        self.until(1)
        self.send(CONNACK)
        self.send(suback(self.until(8)[:2]))
        return self

    def until_closed(self) -> None:
        """Returns when the gateway has closed, well before it would ask whether we live."""
        while (packet := self.next())[0]:
            assert packet[0] >> 4 != 12, "it is still there"

    def beat(self) -> bytes:
        """The payload of the gateway's next beat."""
        while True:
            first, body = self.next()
            assert first, "closed before a beat"
            if first == 0x32:
                payload = body[2 + int.from_bytes(body[:2], "big") + 2 :]
                assert "beat" in json.loads(payload)
                return payload


class FakeBroker:
    """Listens; the test takes connections one by one. `room`: bytes that the system holds between
    the two, about; 0: what the system likes.
    """

    def __init__(self, room: int = 0) -> None:
        self._room = room
        self._listener = socket.create_server((HOST, 0))
        if room:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self._listener.settimeout(PATIENCE_S)
        self.port = self._listener.getsockname()[1]
        self._peers: list[Peer] = []

    def peer(self) -> Peer:
        link, _ = self._listener.accept()
        link.settimeout(PATIENCE_S)
        if self._room:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._room)
        self._peers.append(Peer(link))
        return self._peers[-1]

    def close(self) -> None:
        for peer in self._peers:
            peer.link.close()
        self._listener.close()


@contextmanager
def running(office: Office, port: int, beat_ms: int = BEAT_MS) -> Iterator[Service]:
    """A gateway in a thread."""
    service = Service(ServiceSettings(SITE, HOST, port), office.ingest)
    service._hearing = Hearing(beat_ms)
    stop = threading.Event()
    thread = threading.Thread(target=service.run, args=(stop,))
    thread.start()
    try:
        yield service
    finally:
        stop.set()
        service.wake()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
