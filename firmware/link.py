"""The link: one TCP or TLS connection to the broker, which carries the uplink's messages. A thin
shell around firmware/mqtt.py.

The socket never waits: each turn reads and writes what is possible at once, then sleeps. So the
instruments are read even while a broker is dead, slow or far away. asyncio's streams do the same
with three more tasks and 4 KB more of a board's heap.

A TLS handshake goes on step by step inside those reads and writes. A step with a signature stops
the loop: on a board for up to about two seconds (estimated). A UART's receive buffer must be large
enough for that time (firmware/ports/mcu.py).
"""

import asyncio
import os
import select
import socket
import time

from firmware import mqtt
from firmware.drivers.base import ticks_add, ticks_diff
from protocol.compat import const

_KEEPALIVE_S = const(20)
_PUMP_MS = const(10)
_CONNECT_MS = const(8000)
_DRAIN_MS = const(5000)
_HANDSHAKE_MS = const(30000)
_READ_BYTES = const(512)
_BACKOFF_MS_MAX = const(30000)


class Link:
    """Keeps one connection, with back-off, until the program ends."""

    def __init__(self, uplink, site: dict, backoff_ms: int, uptime_ms, progress, note):
        self._uplink = uplink
        self._site = site
        self._backoff_ms = backoff_ms  # the first; it doubles with every failure
        self._uptime_ms = uptime_ms
        self._progress = progress
        self._note = note
        self._buf = bytearray(_READ_BYTES)
        self._packet_id = 0
        self._tls = tls_context() if site.get("tls") else None

    async def run(self) -> None:
        """Connect, serve, and after any failure wait a little longer than the last time."""
        uplink = self._uplink
        pause_ms = self._backoff_ms
        up = True
        while True:
            sock = None
            try:
                sock = socket.socket()
                await self._serve(sock)
            except (
                OSError,
                ValueError,
                mqtt.MqttError,
            ) as error:  # ValueError: a certificate that is not the broker's
                if up or uplink.online:  # once for each outage, not at each try
                    self._note("link lost: %r" % error)
                up = False
            finally:
                if sock:
                    sock.close()
            if uplink.online:
                pause_ms = self._backoff_ms
                uplink.online = False
            # up to a quarter more, so that windows that lost one broker do not all come back in the
            # same instant
            ms = pause_ms + pause_ms * os.urandom(1)[0] // 1024
            while ms > 0:
                self._progress()
                await asyncio.sleep_ms(min(ms, 500))
                ms -= 500
            pause_ms = min(pause_ms * 2, _BACKOFF_MS_MAX)

    async def _serve(self, sock) -> None:
        """One connection, from its start until it or the broker is gone. Then it raises OSError or
        MqttError.
        """
        site = self._site
        await self._connect(sock)
        if not self._tls:
            return await self._converse(sock, _DRAIN_MS)
        name = site.get("server_name") or site["broker_host"]
        secure = self._tls.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
        try:
            await self._converse(secure, _HANDSHAKE_MS)
        finally:
            secure.close()

    async def _converse(self, sock, first_ms: int) -> None:
        uplink = self._uplink
        site = self._site
        decoder = mqtt.Decoder()
        subscribing = False
        client_id = "till-%s-%s" % (site["site"], site["device"])
        number = uplink.key_number
        hello = mqtt.connect(
            client_id, _KEEPALIVE_S, uplink.state_topic, uplink.will(self._uptime_ms())
        )
        await self._send(sock, hello, first_ms)
        heard_ms = time.ticks_ms()
        ping_due = ticks_add(heard_ms, _KEEPALIVE_S * 500)
        while True:
            now = time.ticks_ms()
            self._progress()
            size = sock.readinto(self._buf)
            if size:
                heard_ms = now
                for name, payload in decoder.feed(bytes(memoryview(self._buf)[:size])):
                    uplink.message(name, payload, now, self._uptime_ms())
            elif size == 0:
                raise OSError("closed by the broker")
            if decoder.connected and not subscribing:
                subscribing = True
                await self._send(
                    sock, mqtt.subscribe(self._next_id(), (uplink.ack_topic, uplink.command_topic))
                )
            if decoder.subscribed and not uplink.online:
                uplink.connected(now)
            if ticks_diff(now, heard_ms) > _KEEPALIVE_S * 1500:
                raise OSError("broker silent")
            if ticks_diff(now, ping_due) >= 0:
                ping_due = ticks_add(now, _KEEPALIVE_S * 500)
                await self._send(sock, mqtt.PING)
            if decoder.reply:
                await self._send(sock, decoder.take_reply())
            if uplink.key_number != number:
                # The last will that the broker holds is sealed with a key that is about to end.
                # DISCONNECT takes it back, and the next connection brings another one. Before any
                # word under the new key: that word makes the gateway forget the old one.
                return await self._send(sock, b"\xe0\x00")
            message = uplink.poll(now, self._uptime_ms())
            if message is not None:
                name, payload, retain = message
                # no name of ours holds a message while the packet waits, or when it is gone: 1 KB
                message = mqtt.publish(name, payload, self._next_id(), retain)
                name = payload = None
                await self._send(sock, message)
                message = b"."
            await asyncio.sleep_ms(0 if message else _PUMP_MS)

    async def _connect(self, sock) -> None:
        address = socket.getaddrinfo(
            self._site["broker_host"], self._site["broker_port"], 0, socket.SOCK_STREAM
        )[0][-1]
        sock.setblocking(False)
        try:
            sock.connect(address)
        except OSError:
            pass  # under way; if it failed instead, the first write says so
        poller = select.poll()
        poller.register(sock, select.POLLOUT)
        await self._until(poller.poll, 0, _CONNECT_MS, "broker does not answer")

    async def _send(self, sock, packet: bytes, ms: int = _DRAIN_MS) -> None:
        """Send a whole packet, piece by piece if the broker is slow. If there is a TLS handshake to
        do, it comes first.
        """
        packet = packet[sock.write(packet) or 0 :]
        while packet:
            written = await self._until(sock.write, packet, ms, "broker stalls")
            packet = packet[written:]

    async def _until(self, attempt, argument, ms: int, why: str):
        """The first answer of `attempt(argument)` that is not nothing; OSError when that takes
        longer than the limit.
        """
        began = time.ticks_ms()
        while True:
            result = attempt(argument)
            if result:
                return result
            if ticks_diff(time.ticks_ms(), began) > ms:
                raise OSError(why)
            self._progress()
            await asyncio.sleep_ms(_PUMP_MS)

    def _next_id(self) -> int:
        self._packet_id = self._packet_id % 65535 + 1
        return self._packet_id


def tls_context():
    """What all connections use: the site's CA, the only one that is trusted, and this device's
    certificate and key, as DER.
    """
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    # the stubs call it read-only
    context.verify_mode = tls.CERT_REQUIRED  # pyright: ignore[reportAttributeAccessIssue]
    context.load_verify_locations(_content("ca.der"))
    context.load_cert_chain(_content("device.der"), _content("device_key.der"))
    return context


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
