"""The gateway's side of MQTT 3.1.1: any split of the bytes gives the same packets, and what no
broker may send is refused at once.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery import mqtt
from gateway.delivery.mqtt import PACKET_BYTES_MAX, Decoder, MqttBroken
from tests.delivery.fake_broker import CONNACK, PINGRESP, length, publish, suback

STREAM = b"".join(
    (
        CONNACK,
        publish("till/1/city/w1/ev", b"x" * 120, 1),
        suback(),
        publish("till/1/city/w1/ev", b"", 65_535, 0x39),
        publish("till/1/city/w2/state", b"y" * 300, 2),
        publish("", b"z" * 17_000, 3),
        publish("t", b"at most once", first=0x31),
        b"\x40\x02\x00\x07",
        publish(b"\xff\xfe", b"no UTF-8", 4),
        PINGRESP,
    )
)
MESSAGES = [
    ("till/1/city/w1/ev", b"x" * 120, False, b"\x00\x01"),
    ("till/1/city/w1/ev", b"", True, b"\xff\xff"),
    ("till/1/city/w2/state", b"y" * 300, False, b"\x00\x02"),
    ("", b"z" * 17_000, False, b"\x00\x03"),
    ("t", b"at most once", True, b""),
    ("", b"no UTF-8", False, b"\x00\x04"),
]
CONTROLS = [
    (mqtt.CONNACK, b"\x00\x00"),
    (mqtt.SUBACK, b"\x00\x01\x01\x01"),
    (mqtt.PUBACK, b"\x00\x07"),
    (mqtt.PINGRESP, b""),
]


def packets_of(pieces: list[bytes], messages_max: int = 1024, bytes_max: int = 2**20):
    """All messages and all other packets, in the order in which they were taken."""
    decoder = Decoder()
    messages, controls = [], []
    for piece in pieces:
        decoder.feed(piece)
        while True:
            taken, others = decoder.take(messages_max, bytes_max)
            assert len(taken) <= messages_max
            messages += taken
            controls += others
            if not taken and not others:
                break
    return messages, controls, decoder.buffered


def test_every_split_in_two_gives_the_same_packets() -> None:
    for at in range(len(STREAM)):
        assert (MESSAGES, CONTROLS, 0) == packets_of([STREAM[:at], STREAM[at:]]), at


def test_byte_by_byte_gives_the_same_packets() -> None:
    small = STREAM.replace(publish("", b"z" * 17_000, 3), b"")
    pieces = [small[at : at + 1] for at in range(len(small))]

    assert (MESSAGES[:3] + MESSAGES[4:], CONTROLS, 0) == packets_of(pieces)


@pytest.mark.parametrize("limits", [(1, 2**20), (2, 2**20), (1024, 1), (3, 400)])
def test_a_limit_leaves_the_rest_for_the_next_call(limits: tuple[int, int]) -> None:
    assert (MESSAGES, CONTROLS, 0) == packets_of([STREAM], *limits)


message = st.tuples(
    st.text(max_size=20), st.binary(max_size=400), st.booleans(), st.integers(0, 65_535)
)


@given(st.lists(message, max_size=12), st.lists(st.integers(0, 5000), max_size=6), st.integers(1))
def test_messages_come_out_as_they_went_in(sent, cuts: list[int], messages_max: int) -> None:
    stream = b"".join(
        publish(topic, payload, number, 0x31 if retained else 0x30)
        for topic, payload, retained, number in sent
    )
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in zip(places, places[1:], strict=False)]

    messages, controls, left = packets_of(pieces, messages_max)
    expected = [
        (topic, payload, retained, number.to_bytes(2, "big") if number else b"")
        for topic, payload, retained, number in sent
    ]
    assert (expected, [], 0) == (messages, controls, left)


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_whatever_comes_is_packets_or_an_error(pieces: list[bytes]) -> None:
    try:
        messages, controls, left = packets_of(pieces)
    except MqttBroken:
        return

    assert left <= sum(map(len, pieces))
    assert all(kind in (2, 4, 9, 13) for kind, _ in controls)


HOSTILE = {
    "length of five bytes": (b"\x32\xff\xff\xff\xff\x01", "over four bytes"),
    "length without an end": (b"\x32\x80\x80\x80\x80", "over four bytes"),
    "packet over the limit": (b"\x32" + length(PACKET_BYTES_MAX + 1), "with flags 2 and 65537"),
    "packet of 256 MiB": (b"\x32\xff\xff\xff\x7f", "268435455 bytes"),
    "QoS 3": (b"\x36\x05\x00\x01t\x00\x01", "QoS 3"),
    "QoS 2": (b"\x34\x05\x00\x01t\x00\x01", "QoS 2"),
    "topic longer than the packet": (b"\x32\x06\x00\x10t\x00\x01x", "too short for its topic"),
    "no room for the packet id": (b"\x32\x04\x00\x01t\x00", "too short for its topic"),
    "message without a topic": (b"\x30\x01\x00", "packet type 3"),
    "message of no bytes": (b"\x32\x00", "packet type 3"),
    "CONNACK with flags": (b"\x21\x02\x00\x00", "packet type 2 with flags 1"),
    "CONNACK that is too long": (b"\x20\x03\x00\x00\x00", "packet type 2"),
    "PUBACK of one byte": (b"\x40\x01\x00", "packet type 4"),
    "PINGRESP with a body": (b"\xd0\x01\x00", "packet type 13"),
    "SUBACK without a code": (b"\x90\x02\x00\x01", "packet type 9"),
    "type 0": (b"\x00\x00", "packet type 0"),
    "CONNECT": (b"\x10\x00", "packet type 1"),
    "SUBSCRIBE": (b"\x82\x00", "packet type 8"),
    "PUBREC": (b"\x50\x02\x00\x01", "packet type 5"),
    "DISCONNECT": (b"\xe0\x00", "packet type 14"),
    "AUTH of MQTT 5": (b"\xf0\x00", "packet type 15"),
    "an answer of HTTP": (b"HTTP/1.1 400 Bad Request\r\n", "packet type 4 with flags 8"),
    "an alert of TLS": (b"\x15\x03\x01\x00\x02\x02\x46", "packet type 1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_broker_may_send_is_an_error(name: str) -> None:
    data, words = HOSTILE[name]
    decoder = Decoder()
    decoder.feed(data)

    with pytest.raises(MqttBroken, match=words):
        decoder.take(10, 1000)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_came_before_an_error_is_given_out_first(name: str) -> None:
    data, words = HOSTILE[name]
    decoder = Decoder()
    decoder.feed(publish("t", b"good", 9) + data)

    assert [("t", b"good", False, b"\x00\x09")] == decoder.take(10, 1000)[0]
    with pytest.raises(MqttBroken, match=words):
        decoder.take(10, 1000)


def test_a_packet_over_the_limit_is_refused_before_it_has_come() -> None:
    decoder = Decoder()
    decoder.feed(b"\x32" + length(PACKET_BYTES_MAX + 1) + b"\x00\x01t")
    with pytest.raises(MqttBroken, match="65537"):
        decoder.take(10, 1000)

    largest = publish("t", b"x" * (PACKET_BYTES_MAX - 5), 1)
    assert 1 == len(packets_of([largest])[0])


def test_what_is_sent_is_what_the_standard_says() -> None:
    """MQTT 3.1.1: figures 3.1 to 3.9 give the bytes of each packet."""
    hello = b"\x00\x04MQTT\x04"

    assert b"\x10\x0e" + hello + b"\x00\x00\x1e\x00\x02me" == mqtt.connect("me", 30, None, None)
    assert b"\x10\x18" + hello + b"\xc0\x00\x1e\x00\x02me\x00\x03you\x00\x03key" == mqtt.connect(
        "me", 30, "you", "key"
    )
    assert b"\x82\x0a\x00\x07\x00\x01a\x01\x00\x01b\x01" == mqtt.subscribe(7, ["a", "b"])
    assert b"\x30\x04\x00\x01ab" == mqtt.publish("a", b"b")
    assert b"\x33\x06\x00\x01a\x01\x02b" == mqtt.publish("a", b"b", 0x102, retain=True)
    assert b"\x40\x02\x00\x01\x40\x02\xff\xff" == mqtt.pubacks([b"\x00\x01", b"\xff\xff"])
    assert b"" == mqtt.pubacks([])
    for size in (0, 127, 128, 16_383, 16_384, 60_000):
        [message] = packets_of([mqtt.publish("t", b"x" * size, 1)])[0]
        assert b"x" * size == message[1]
