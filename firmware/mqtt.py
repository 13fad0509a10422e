"""MQTT 3.1.1, sans-IO: the packets that a counter controller needs, and no more.

QoS 1 out, QoS 0 and 1 in, last will, clean session. There is no retry here: the uplink repeats
records until the gateway's own sealed acknowledgement comes. A PUBACK is not one. Why not a
library: ARCHITECTURE.md, decision "MQTT on the device". Source: OASIS MQTT 3.1.1, sections 2 and 3.
"""

from protocol.compat import const

_PACKET_BYTES_MAX = const(
    1400
)  # a sealed message of 1 KiB with its topic; no correct broker sends more
_CONNACK = const(2)
_PUBLISH = const(3)
_PUBACK = const(4)
_SUBACK = const(9)
_PINGRESP = const(13)
PING = b"\xc0\x00"


class MqttError(Exception):
    """A broker that refuses us or breaks the protocol: close the connection and try again later."""


def connect(client_id: str, keepalive_s: int, topic: str, payload: bytes) -> bytes:
    """CONNECT with a clean session and a retained last will at QoS 1, with this topic and
    payload.
    """
    flags = 0x02 | 0x04 | 0x08 | 0x20  # clean session, will, will QoS 1, will retain
    body = b"\x00\x04MQTT\x04" + bytes((flags,)) + _u16(keepalive_s)
    body += _text(client_id.encode()) + _text(topic.encode()) + _text(payload)
    return _header(0x10, len(body)) + body


def subscribe(packet_id: int, topics) -> bytes:
    """SUBSCRIBE to these topics at QoS 1."""
    body = _u16(packet_id) + b"".join([_text(topic.encode()) + b"\x01" for topic in topics])
    return _header(0x82, len(body)) + body


def publish(topic: str, payload: bytes, packet_id: int, retain: bool = False) -> bytes:
    """PUBLISH at QoS 1."""
    head = _text(topic.encode()) + _u16(packet_id)
    return b"".join((_header(0x33 if retain else 0x32, len(head) + len(payload)), head, payload))


def _header(kind: int, size: int) -> bytes:
    """The fixed header of a packet with `size` other bytes."""
    head = bytearray((kind,))
    while True:
        head.append(size & 0x7F | (0x80 if size > 0x7F else 0))
        size >>= 7
        if not size:
            return bytes(head)


def _text(raw: bytes) -> bytes:
    return _u16(len(raw)) + raw


def _u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


class Decoder:
    """Bytes from the broker in, (topic, payload) of its messages out; the answers to send gather in
    `reply`.
    """

    def __init__(self):
        self._buf = b""
        self.reply = bytearray()
        self.connected = False
        self.subscribed = False
        self.pubacks = 0

    def feed(self, data: bytes) -> list:
        """The messages in `data`, as a list of (topic: str, payload: bytes); the stream
        may be split anywhere.

        Raises MqttError when the broker refuses the connection or the subscription, or sends what
        is not MQTT.
        """
        self._buf += data
        messages = []
        while True:
            packet = self._next_packet()
            if packet is None:
                return messages
            first, body = packet
            kind = first >> 4
            if kind == _PUBLISH:
                messages.append(self._message(first, body))
            elif kind == _CONNACK:
                if len(body) != 2 or body[1] != 0:
                    raise MqttError(
                        "mqtt: broker refuses the connection, code %d"
                        % (body[1] if len(body) == 2 else -1)
                    )
                self.connected = True
            elif kind == _SUBACK:
                if len(body) < 3 or max(body[2:]) > 1:
                    raise MqttError("mqtt: broker refuses the subscription; check its access list")
                self.subscribed = True
            elif kind == _PUBACK:
                self.pubacks += 1
            elif kind != _PINGRESP:
                raise MqttError("mqtt: unexpected packet type %d" % kind)

    def take_reply(self) -> bytes:
        """What must be sent now (PUBACKs); empties it."""
        reply = bytes(self.reply)
        self.reply = bytearray()
        return reply

    def _next_packet(self):
        buffer = self._buf
        size = shift = 0
        at = 1
        while True:
            if at >= len(buffer):
                return None
            size |= (buffer[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not buffer[at - 1] & 0x80:
                break
            if at > 4:
                raise MqttError("mqtt: packet length over four bytes")
        if size > _PACKET_BYTES_MAX:
            raise MqttError("mqtt: packet of %d bytes, limit %d" % (size, _PACKET_BYTES_MAX))
        if len(buffer) < at + size:
            return None
        self._buf = buffer[at + size :]
        return buffer[0], buffer[at : at + size]

    def _message(self, kind: int, body: bytes) -> tuple:
        if len(body) < 2:
            raise MqttError("mqtt: PUBLISH is cut short")
        at = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:at]
        qos = kind >> 1 & 3
        if qos:
            if qos != 1 or len(body) < at + 2:
                raise MqttError("mqtt: PUBLISH of QoS %d" % qos)
            self.reply.extend(b"\x40\x02" + body[at : at + 2])
            at += 2
        try:
            return topic.decode(), body[at:]
        except UnicodeError:
            return "", body[at:]
