"""The broker's side of docs/protocol.md on a device: packets out as OASIS MQTT 3.1.1 has them,
packets in at every split.
"""

from firmware import mqtt
from must import run

CONNACK = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x04\x00\x01\x01\x01"


def gives_up(data, words):
    try:
        mqtt.Decoder().feed(data)
    except mqtt.MqttError as error:
        assert words in str(error), str(error)
        return
    raise AssertionError("taken: %r" % data)


def clean_311():
    packet = mqtt.connect("till-city-w1", 20, "t/s", b"lost")
    assert packet[2:9] == b"\x00\x04MQTT\x04" and packet[9] & 0x02 and packet[9] & 0xC1 == 0, packet
    assert packet[10:12] == b"\x00\x14" and b"\x00\x0ctill-city-w1" in packet


def will_packet():
    packet = mqtt.connect("c", 20, "till/1/city/w1/state", b"sealed")
    assert packet[9] & 0x04 and packet[9] & 0x20 and packet[9] >> 3 & 3 == 1
    assert packet.endswith(b"\x00\x14till/1/city/w1/state\x00\x06sealed")


def quality():
    for retain in (False, True):
        packet = mqtt.publish("t/e", b"x", 513, retain)
        assert (
            packet[0] >> 4 == 3
            and packet[0] >> 1 & 3 == 1
            and packet[0] & 1 == retain
            and packet[7:9] == b"\x02\x01"
        )
    assert mqtt.subscribe(1, ("t/a",))[0] == 0x82 and mqtt.subscribe(1, ("t/a",)).endswith(
        b"\x00\x03t/a\x01"
    )


def refused_connection():
    for code in (1, 2, 3, 4, 5):
        gives_up(b"\x20\x02\x00" + bytes((code,)), "refuses the connection, code %d" % code)
    decoder = mqtt.Decoder()
    decoder.feed(CONNACK)
    assert decoder.connected and not decoder.subscribed


def refused_subscription():
    for codes in (b"\x80\x80", b"\x01\x80", b"\x80\x01", b"\x02\x02"):
        gives_up(b"\x90\x04\x00\x01" + codes, "refuses the subscription")
    decoder = mqtt.Decoder()
    decoder.feed(SUBACK)
    assert decoder.subscribed


def puback():
    decoder = mqtt.Decoder()
    assert decoder.feed(b"\x32\x08\x00\x03t/a\x12\x34!") == [("t/a", b"!")]
    assert decoder.take_reply() == b"\x40\x02\x12\x34" and decoder.take_reply() == b""
    assert decoder.feed(b"\x30\x06\x00\x03t/a!") == [("t/a", b"!")] and decoder.take_reply() == b""


def qos_2():
    gives_up(b"\x34\x08\x00\x03t/a\x12\x34!", "QoS 2")
    gives_up(b"\x36\x08\x00\x03t/a\x12\x34!", "QoS 3")


def any_split():
    stream = (
        CONNACK
        + SUBACK
        + b"\x40\x02\x00\x01"
        + b"\xd0\x00"
        + b"\x32\xc9\x01\x00\x03t/a\x00\x07"
        + b"!" * 194
    )
    for step in range(1, len(stream) + 1):
        decoder = mqtt.Decoder()
        found = []
        for at in range(0, len(stream), step):
            found.extend(decoder.feed(stream[at : at + step]))
        assert found == [("t/a", b"!" * 194)] and decoder.connected and decoder.subscribed, step


def long_packet():
    gives_up(b"\x30\xf9\x0a", "packet of 1401 bytes")
    gives_up(b"\x30\xff\xff\xff\x7f", "limit 1400")
    gives_up(b"\x30\xff\xff\xff\xff\x01", "length over four bytes")
    decoder = mqtt.Decoder()
    assert len(decoder.feed(b"\x30\xf8\x0a\x00\x03t/a" + bytes(1395))[0][1]) == 1395


run(
    (
        ("BROKER-1", clean_311), ("HB-4", will_packet), ("HB-7", will_packet), ("TOPIC-8", quality),
        ("BROKER-3", refused_connection), ("BROKER-4", refused_subscription), ("BROKER-5", puback),
        ("BROKER-6", qos_2), ("BROKER-7", any_split), ("LIM-1", long_packet),
    )
)  # fmt: skip
