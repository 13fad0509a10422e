"""The link: one TCP connection to the broker, carrying what the uplink wants said. The thin shell around firmware/mqtt.py.

Everything is awaited in small steps, so that the instruments are read while a broker is dead, slow or far away.
"""

import asyncio
import os
import time

from firmware import mqtt
from firmware.drivers.base import ticks_add, ticks_diff
from protocol.compat import const

_KEEPALIVE_S = const(20)
_PUMP_MS = const(10)
_CONNECT_S = const(8)
_DRAIN_MS = const(5000)
_READ_BYTES = const(512)
_BACKOFF_MS_MAX = const(30000)


class Link:
    """Keeps one connection, with back-off, until the program ends."""

    def __init__(self, uplink, site: dict, backoff_ms: int, uptime_ms, progress, note):
        self._uplink = uplink
        self._site = site
        self._backoff_first_ms = backoff_ms
        self._backoff_ms = backoff_ms
        self._uptime_ms = uptime_ms
        self._progress = progress
        self._note = note
        self._heard_ms = 0
        self._closed = False
        self._decoder = None
        self._packet_id = 0
        self.connects = 0

    async def run(self) -> None:
        """Connect, serve, and after any failure wait a little longer than the last time."""
        up = True
        while True:
            try:
                await self._serve()
            except (OSError, asyncio.TimeoutError, mqtt.MqttError) as error:
                if up:
                    self._note("link lost: %r" % error)
                up = False
            if self._uplink.online:
                up = True
                self._backoff_ms = self._backoff_first_ms
            self._uplink.disconnected()
            # up to a quarter more, so that windows that lost one broker do not all come back in the same instant
            await self._rest(self._backoff_ms + self._backoff_ms * os.urandom(1)[0] // 1024)
            self._backoff_ms = min(self._backoff_ms * 2, _BACKOFF_MS_MAX)

    async def _rest(self, ms: int) -> None:
        while ms > 0:
            self._progress()
            await asyncio.sleep_ms(min(ms, 500))
            ms -= 500

    async def _serve(self) -> None:
        self._progress()
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(self._site["broker_host"], self._site["broker_port"]), _CONNECT_S
        )
        self._decoder = mqtt.Decoder()
        self._closed = False
        self._heard_ms = time.ticks_ms()
        reading = asyncio.create_task(self._read(reader))
        try:
            await self._send(writer, self._hello())
            await self._pump(writer)
        finally:
            reading.cancel()
            writer.close()

    def _hello(self) -> bytes:
        uplink = self._uplink
        client_id = "till-%s-%s" % (self._site["site"], self._site["device"])
        return mqtt.connect(client_id, _KEEPALIVE_S, uplink.state_topic, uplink.will(self._uptime_ms()))

    async def _pump(self, writer) -> None:
        """Send what there is to send, until the connection or the broker is gone."""
        uplink = self._uplink
        decoder = self._decoder
        subscribing = False
        ping_due = ticks_add(time.ticks_ms(), _KEEPALIVE_S * 500)
        while not self._closed:
            now = time.ticks_ms()
            self._progress()
            if decoder.connected and not subscribing:
                subscribing = True
                await self._send(writer, mqtt.subscribe(self._next_id(), uplink.ack_topic))
            if decoder.subscribed and not uplink.online:
                self.connects += 1
                uplink.connected(now)
            if ticks_diff(now, self._heard_ms) > _KEEPALIVE_S * 1500:
                raise OSError("broker silent")
            if ticks_diff(now, ping_due) >= 0:
                ping_due = ticks_add(now, _KEEPALIVE_S * 500)
                await self._send(writer, mqtt.PING)
            reply = decoder.take_reply()
            if reply:
                await self._send(writer, reply)
            message = uplink.poll(now, self._uptime_ms())
            if message is None:
                await asyncio.sleep_ms(_PUMP_MS)
                continue
            name, payload, retain = message
            await self._send(writer, mqtt.publish(name, payload, self._next_id(), retain))

    async def _send(self, writer, packet: bytes) -> None:
        writer.write(packet)
        await asyncio.wait_for_ms(writer.drain(), _DRAIN_MS)

    async def _read(self, reader) -> None:
        try:
            while True:
                data = await reader.read(_READ_BYTES)
                if not data:
                    break
                self._heard_ms = time.ticks_ms()
                for name, payload in self._decoder.feed(data):
                    self._uplink.message(name, payload, self._heard_ms, self._uptime_ms())
        except (OSError, mqtt.MqttError) as error:
            self._note("link: %r" % error)
        self._closed = True

    def _next_id(self) -> int:
        self._packet_id = self._packet_id % 65535 + 1
        return self._packet_id
