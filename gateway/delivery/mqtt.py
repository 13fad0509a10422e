"""MQTT 3.1.1 for the gateway, sans-IO: packets to send as bytes, bytes that came as packets.

Only what the gateway's side of a broker needs. `Decoder` takes any split of the bytes and gives
messages in the order in which they came; the PUBACKs of a whole batch are one `pubacks()`. The
device has a codec of its own (firmware/mqtt.py): its heap counts every name. Why not a library:
ARCHITECTURE.md, decision "MQTT on the gateway". Source: OASIS MQTT 3.1.1, sections 2 and 3.
"""

from collections.abc import Iterable, Sequence

from gateway.errors import Unavailable

# A broker of ours lets 4,096 pass. Another one may let its will, or its configuration, be larger;
# what nobody of us can have sent ends the connection before it fills the memory.
PACKET_BYTES_MAX = 65_536
CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP = 2, 3, 4, 9, 11, 13
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
REFUSED = 0x80  # return code of a subscription that is not granted, and above
_LEVEL = b"\x00\x04MQTT\x04"  # protocol name and level of 3.1.1
# what a broker may send to us: shortest and longest body, and the flags that must not be set
_SIZES = {
    CONNACK: (2, 2),
    PUBLISH: (2, PACKET_BYTES_MAX),
    PUBACK: (2, 2),
    SUBACK: (3, 512),
    UNSUBACK: (2, 2),
    PINGRESP: (0, 0),
}
_WRONG_FLAGS = {
    CONNACK: 0xF, PUBLISH: 0, PUBACK: 0xF, SUBACK: 0xF, UNSUBACK: 0xF, PINGRESP: 0xF
}  # fmt: skip

Message = tuple[str, bytes, bool, bytes]  # topic, payload, retained, packet id; b"" at QoS 0
Control = tuple[int, bytes]  # kind of packet, its body


class MqttBroken(Unavailable):
    """The broker sent what is not MQTT 3.1.1, or not what was asked for: close the connection."""


def connect(
    client_id: str,
    keepalive_s: int,
    username: str | None,
    password: str | None,
    is_clean: bool = False,
) -> bytes:
    """CONNECT that keeps the session of an earlier connection; `is_clean`: that ends it."""
    fields = [client_id]
    flags = 0x02 if is_clean else 0
    if username is not None:
        flags |= 0x80
        fields.append(username)
        if password is not None:
            flags |= 0x40
            fields.append(password)
    body = _LEVEL + bytes((flags,)) + _u16(keepalive_s)
    return _packet(0x10, body + b"".join(_text(field.encode()) for field in fields))


def subscribe(packet_id: int, topics: Iterable[str]) -> bytes:
    """SUBSCRIBE to these topics with QoS 1."""
    return _packet(0x82, _u16(packet_id) + b"".join(_text(t.encode()) + b"\x01" for t in topics))


def unsubscribe(packet_id: int, topics: Iterable[str]) -> bytes:
    """UNSUBSCRIBE from these topics."""
    return _packet(0xA2, _u16(packet_id) + b"".join(_text(t.encode()) for t in topics))


def publish(topic: str, payload: bytes, packet_id: int = 0, retain: bool = False) -> bytes:
    """PUBLISH with QoS 1 under a packet id, with QoS 0 without one."""
    first = 0x30 | (2 if packet_id else 0) | (1 if retain else 0)
    return _packet(first, _text(topic.encode()) + (_u16(packet_id) if packet_id else b"") + payload)


def pubacks(packet_ids: Sequence[bytes]) -> bytes:
    """A PUBACK for each of these packet ids, two bytes each, in their order."""
    return b"\x40\x02" + b"\x40\x02".join(packet_ids) if packet_ids else b""


def _packet(first: int, body: bytes) -> bytes:
    head = bytearray((first,))
    size = len(body)
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + body


def _text(raw: bytes) -> bytes:
    return _u16(len(raw)) + raw


def _u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


class Decoder:
    """Bytes of one connection in, packets out. Holds what was fed and not yet taken: who feeds it
    looks at `buffered` first.
    """

    def __init__(self) -> None:
        self._data = b""
        self._at = 0

    @property
    def buffered(self) -> int:
        """Bytes that were fed and not taken."""
        return len(self._data) - self._at

    def feed(self, data: bytes) -> None:
        """The next bytes of the connection."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def take(self, messages_max: int, bytes_max: int) -> tuple[list[Message], list[Control]]:
        """The whole packets at the front: at most `messages_max` messages, and no further packet
        once `bytes_max` bytes are passed. Two empty lists: there is no whole packet.

        Raises MqttBroken when a packet that cannot be is the first one; what came before it is
        given out before. A topic that is no UTF-8 is given as "": a broker that lets it pass would
        send the message again on each connection that we closed for it.
        """
        messages: list[Message] = []
        controls: list[Control] = []
        last = self._at + bytes_max
        try:
            while self._at < last and len(messages) < messages_max:
                self._take_plain(messages, messages_max - len(messages), last)
                if (
                    self._at >= last
                    or len(messages) >= messages_max
                    or not self._take_any(messages, controls)
                ):
                    break
        except MqttBroken:
            if not messages and not controls:
                raise
        return messages, controls

    def _take_plain(self, messages: list[Message], room: int, last: int) -> None:
        """The messages at the front that are as about all of them are: QoS 1, whole, no longer than
        16 KiB. Stops in front of whatever else comes, and judges nothing.
        """
        data, at, end = self._data, self._at, len(self._data)
        append = messages.append
        while at < last and room and at + 4 < end:
            size = data[at + 1]
            body = at + 2
            if size > 0x7F:
                more = data[body]
                if more > 0x7F:
                    break
                size += (more - 1) << 7
                body += 1
            after = body + size
            if after > end or size < 4 or data[at] & 0xF6 != 0x32:
                break
            topic_end = body + 2 + (data[body] << 8 | data[body + 1])
            start = topic_end + 2
            if start > after:
                break
            try:
                topic = data[body + 2 : topic_end].decode()
            except UnicodeError:
                topic = ""
            append((topic, data[start:after], data[at] & 1 == 1, data[topic_end:start]))
            at = after
            room -= 1
        self._at = at

    def _take_any(self, messages: list[Message], controls: list[Control]) -> bool:
        """The packet at the front, whatever it is; False when it is not whole."""
        data, at = self._data, self._at
        if len(data) < at + 2:
            return False
        first, kind = data[at], data[at] >> 4
        body, size = _size_of(data, at + 1)
        if not body:
            return False
        if kind not in _SIZES:
            raise MqttBroken(f"packet type {kind}, which a broker does not send to us")
        shortest, longest = _SIZES[kind]
        if not shortest <= size <= longest or first & _WRONG_FLAGS[kind]:
            raise MqttBroken(f"packet type {kind} with flags {first & 0xF} and {size} bytes")
        content = data[body : body + size]
        if len(content) < size:
            return False
        if kind == PUBLISH:
            messages.append(_message(first, content))
        else:
            controls.append((kind, content))
        self._at = body + size
        return True


def _size_of(data: bytes, at: int) -> tuple[int, int]:
    """Where the body of a packet begins, and its length; (0, 0) when the length is cut short."""
    size = 0
    for place in range(at, min(at + 4, len(data))):
        size |= (data[place] & 0x7F) << 7 * (place - at)
        if data[place] < 0x80:
            return place + 1, size
    if len(data) >= at + 4:
        raise MqttBroken("packet length over four bytes")
    return 0, 0


def _message(first: int, content: bytes) -> Message:
    qos = first >> 1 & 3
    topic_end = 2 + int.from_bytes(content[:2], "big")
    start = topic_end + (2 if qos else 0)
    if qos > 1:
        raise MqttBroken(f"message of QoS {qos}, asked was at most 1")
    if start > len(content):
        raise MqttBroken(f"message of {len(content)} bytes is too short for its topic")
    try:
        topic = content[2:topic_end].decode()
    except UnicodeError:
        topic = ""
    return topic, content[start:], first & 1 == 1, content[topic_end:start]
