"""Raw MQTT 3.1.1 for the ends of a benchmark that must cost nothing: packets, a session that waits
at the broker, and publishers in processes of their own.
"""

import multiprocessing
import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import contextmanager
from typing import NamedTuple

KEEPALIVE_S = 600  # nobody here pings, and iotcore refuses 0
IDS = 65_535  # packet ids
PATIENCE_S = 120


class Secure(NamedTuple):
    """The files of a client that speaks TLS: names of a Service's settings."""

    ca_file: str
    cert_file: str
    key_file: str

    def context(self) -> ssl.SSLContext:
        """As a client of this broker uses it."""
        made = ssl.create_default_context(cafile=self.ca_file)
        made.load_cert_chain(self.cert_file, self.key_file)
        return made


class Address(NamedTuple):
    """Where a broker listens, who we are to it, and how that is proven."""

    host: str
    port: int
    client_id: str
    secure: Secure | None = None


def packet(first_byte: int, rest: bytes) -> bytes:
    """An MQTT packet."""
    length, size = b"", len(rest)
    while True:
        size, digit = size >> 7, size & 127
        length += bytes((digit | 128 if size else digit,))
        if not size:
            return bytes((first_byte,)) + length + rest


def text(value: str) -> bytes:
    """A string as MQTT writes it."""
    return len(value.encode()).to_bytes(2, "big") + value.encode()


def publish(topic: bytes, payload: bytes, number: int) -> bytes:
    """A PUBLISH with QoS 1; `topic` as `text` gives it, `number` from 0."""
    return packet(0x32, topic + (number % IDS + 1).to_bytes(2, "big") + payload)


def publishes(messages: Iterable[tuple[str, bytes]]) -> bytes:
    """PUBLISH packets of (topic, payload), one after the other."""
    topics: dict[str, bytes] = {}
    out = bytearray()
    for number, (topic, payload) in enumerate(messages):
        if topic not in topics:
            topics[topic] = text(topic)
        out += publish(topics[topic], payload, number)
    return bytes(out)


def connected(address: Address, clean: bool = True) -> socket.socket:
    """A connection that the broker accepted."""
    line = socket.create_connection((address.host, address.port), timeout=PATIENCE_S)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if address.secure is not None:
        line = address.secure.context().wrap_socket(line, server_hostname=address.host)
    flags = b"\x02" if clean else b"\x00"
    head = text("MQTT") + b"\x04" + flags + KEEPALIVE_S.to_bytes(2, "big")
    line.sendall(packet(0x10, head + text(address.client_id)))
    answer = read(line, 4)
    if answer[0] != 0x20 or answer[3]:
        raise SystemExit(f"broker {address.host}:{address.port} refused {address}: {answer!r}")
    return line


def read(line: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    found = b""
    while len(found) < size:
        data = line.recv(size - len(found))
        if not data:
            raise SystemExit("the broker closed the connection")
        found += data
    return found


def subscribe(line: socket.socket, filters: Iterable[str]) -> None:
    """With QoS 1; returns when the broker granted it."""
    wanted = [text(name) + b"\x01" for name in filters]
    line.sendall(packet(0x82, b"\x00\x01" + b"".join(wanted)))
    answer = read(line, 4 + len(wanted))
    if answer[0] != 0x90 or any(granted > 1 for granted in answer[4:]):
        raise SystemExit(f"the broker refused the subscription: {answer!r}")


def leave_session(address: Address, filters: Iterable[str]) -> None:
    """A session of this client waits at the broker from now on, and nobody is connected."""
    with connected(address, clean=False) as line:
        subscribe(line, filters)
        line.sendall(b"\xe0\x00")


class Load(NamedTuple):
    """What one publisher sends: packets of QoS 1, `count` of them."""

    address: Address
    packets: bytes
    count: int


@contextmanager
def publisher(loads: list[Load]):
    """A process that sends each load through a connection of its own, as fast as the broker takes
    it, and ends when the last PUBACK came. It starts sending when its `start` is called.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_publish, args=(loads, there), daemon=True)
    process.start()
    there.close()
    try:
        assert here.poll(PATIENCE_S) and here.recv() == "connected", "the publisher connects"
        yield lambda: here.send("start"), process
    finally:
        process.kill()
        process.join()


def _publish(loads: list[Load], pipe) -> None:
    lines = [connected(load.address) for load in loads]
    pipe.send("connected")
    pipe.recv()
    threads = [
        threading.Thread(target=_send, args=(line, load.packets, load.count))
        for line, load in zip(lines, loads, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _send(line: socket.socket, packets: bytes, count: int) -> None:
    sender = threading.Thread(target=line.sendall, args=(packets,))
    sender.start()
    left = count * 4
    while left > 0:
        data = line.recv(65_536)
        if not data:
            raise SystemExit("the broker closed the publisher's connection")
        left -= len(data)
    sender.join()
