"""The MQTT codec: packets out byte by byte as the standard has them, packets in at every split."""

from firmware import mqtt


def show(raw):
    return "".join("%02x" % byte for byte in raw)


def main():
    print(show(mqtt.connect("c", 20, "t/s", b"lost")))
    print(show(mqtt.subscribe(1, ("t/a",))))
    print(show(mqtt.publish("t/e", b"x" * 200, 513))[:24])
    stream = b"\x20\x02\x00\x00" + b"\x90\x03\x00\x01\x01" + b"\x40\x02\x02\x01" + b"\xd0\x00"
    stream += b"\x32\x08\x00\x03t/a\x00\x07!" + b"\x30\x05\x00\x03t/a"
    for step in range(1, len(stream) + 1):
        decoder = mqtt.Decoder()
        messages = []
        for at in range(0, len(stream), step):
            messages.extend(decoder.feed(stream[at : at + step]))
        assert messages == [("t/a", b"!"), ("t/a", b"")], (step, messages)
        assert (decoder.connected, decoder.subscribed, decoder.pubacks) == (True, True, 1)
        assert decoder.take_reply() == b"\x40\x02\x00\x07" and decoder.take_reply() == b""
    for bad in (
        b"\x20\x02\x00\x05",
        b"\x90\x03\x00\x01\x80",
        b"\x30\xff\xff\xff\x7f",
        b"\x30\x01x",
        b"\x10\x00",
        b"\x34\x05\x00\x01ax\x01",
    ):
        try:
            mqtt.Decoder().feed(bad)
            print("taken", show(bad))
        except mqtt.MqttError as error:
            print(error)


main()
