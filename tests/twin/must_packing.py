"""Version 2 of `ev` in docs/protocol.md: how a device packs and when it does, what a receiver
refuses.
"""

from firmware.journal import Journal
from firmware.uplink import Uplink
from must import ACK, CMD, EV, IDENTITY, KEY, LIMITS, STATE, Ram, an_ack, opened, refused, run
from protocol import messages, packing, records, seal, unpacking
from protocol.topics import kid, topic

KEYS = {b"w1.1": KEY}


def mark(seq, uptime_ms=1000):
    return records.encode_record(
        {"kind": "mark", "boot": 1, "uptime_ms": uptime_ms + seq, "mark": "drop", "value": seq}
    )


def packed(*said, first_seq=1):
    return packing.pack(9, 1, 5000, first_seq, said, bytes(8))


HEAD = packed()


def the_same_records():
    said = [mark(1), mark(2), b"what no dictionary knows", mark(3)]
    event = messages.decode_events(unpacking.unpack(packed(*said, first_seq=7)))
    assert event["records"] == said and event["first_seq"] == 7
    assert (event["epoch"], event["boot"], event["sent_uptime_ms"]) == (9, 1, 5000)


def begins_with_its_version():
    assert HEAD[0] == 2 and packing.seal_packed(KEY, 1, EV, HEAD)[0] == 2
    plain = messages.encode_events(9, 1, 5000, 1, [mark(1)])
    assert plain[0] != 2 and unpacking.unpack(plain) is plain


def whole_or_refused():
    whole = packed(mark(1), mark(2))
    ends = (len(packed(mark(1))), len(whole))
    for size in range(1, len(whole)):
        if size not in ends and size != len(HEAD):
            refused("cut short", unpacking.unpack, whole[:size])


def no_more_than_a_message():
    refused("over 880", unpacking.unpack, HEAD + b"\x05\x00" * 200)
    refused("over 880", unpacking.unpack, HEAD + b"\x00\xee\x06" + bytes(878))
    assert len(unpacking.unpack(HEAD + b"\x00\xed\x06" + bytes(877))) > 880
    refused("packed payload of 921 bytes", unpacking.unpack, HEAD + bytes(921 - len(HEAD)))


def shortest_numbers():
    refused("shortest form", unpacking.unpack, HEAD[:13] + b"\x81\x00" + HEAD[14:])
    refused("too long", unpacking.unpack, HEAD[:13] + b"\x80" * 10 + b"\x01" + HEAD[14:])


def no_bit_of_nothing():
    refused("a bit of no field", unpacking.unpack, HEAD + b"\x03\x40\x00")
    refused("a bit of no denomination", unpacking.unpack, HEAD + b"\x02\x02\x00\x80\x80\x01")
    refused("no kind 9", unpacking.unpack, HEAD + b"\x09\x00\x00")


def as_its_own_bytes():
    for raw in (b"", b"\xa0", b"\xa2\x00\x05\x02\x01\xff", b"\xa1\x00\x05", bytes(300), b"\x05",
                b"\xa3\x00\x18\x63\x01\x01\x02\x01", b"\xa4\x00\x05\x01\x01\x02\x01\x18\x3d\x00",
                b"\xa4\x00\x02\x01\x01\x02\x01\x11\x41\x00"):  # fmt: skip
        plain = messages.encode_events(9, 1, 5000, 1, [raw, mark(1)], bytes(8))
        assert unpacking.unpack(packed(raw, mark(1))) == plain, raw
        assert raw in packed(raw)


def the_short_tag():
    sealed = packing.seal_packed(KEY, 1, EV, packed(mark(1)))
    structure = seal.cbor.encode(["MAC0", b"\xa1\x01\x04", EV.encode(), packed(mark(1))])
    assert sealed[-8:] == seal.hmac_sha256(KEY, structure)[:8]
    long = seal.seal(KEY, b"w1.1", EV, packed(mark(1)))
    assert sealed[-8:] not in long


def not_on_another_topic():
    sealed = packing.seal_packed(KEY, 1, EV, packed(mark(1)))
    refused("wrong tag", unpacking.open_message, sealed, topic("hall", "w1", "ev"), KEYS.get)
    refused("unknown kid", unpacking.open_message, sealed, topic("city", "w2", "ev"), KEYS.get)


def of_events_alone():
    for name in (STATE, ACK, CMD):
        sealed = packing.seal_packed(KEY, 1, name, packed(mark(1)))
        refused("has no version 2", unpacking.open_message, sealed, name, KEYS.get)


def every_bit():
    sealed = packing.seal_packed(KEY, 1, EV, packed(mark(1)))
    assert unpacking.open_message(sealed, EV, lambda _: KEY)[0] == b"w1.1"
    for bit in range(8 * len(sealed)):
        broken = bytearray(sealed)
        broken[bit // 8] ^= 1 << bit % 8
        refused("", unpacking.open_message, bytes(broken), EV, KEYS.get)


def kid_of_the_topic():
    sealed = packing.seal_packed(KEY, 12, EV, packed(mark(1)))
    assert unpacking.open_message(sealed, EV, {b"w1.12": KEY}.get)[0] == b"w1.12"
    assert sealed[:2] == b"\x02\x0c"


# ---- a device ----


def world(count):
    """A journal of epoch 9 with `count` records, and its connected uplink, heartbeat sent."""
    journal = Journal(Ram(3), lambda: 9)
    for seq in range(1, count + 1):
        journal.append(mark(seq))
    uplink = Uplink(journal, IDENTITY, LIMITS)
    uplink.connected(0)
    assert uplink.poll(0, 0)[0] == STATE
    return journal, uplink


def told(uplink, version, high_water=0, echo_ms=0, **more):
    """An ack of a gateway that reads this version."""
    more.setdefault("echo_boot", 1)
    ack = an_ack(high_water, want_to=version, echo_uptime_ms=echo_ms, **more)
    return uplink.message(ACK, ack, 5, echo_ms + 5)


def version_sent(journal, uplink):
    """The version of the next `ev`, which must carry all that waits."""
    journal.append(mark(journal.last_seq + 1))
    name, sealed, retain = uplink.poll(5, 50)
    _, payload = unpacking.open_message(sealed, name, KEYS.get)
    event = messages.decode_events(payload)
    first = event["first_seq"]
    assert (name, retain) == (EV, False)
    assert event["records"] == [journal.read(first + n) for n in range(len(event["records"]))]
    assert first + len(event["records"]) - 1 == journal.last_seq
    return 2 if sealed[0] == 2 else 1


def first_version_one():
    journal, uplink = world(2)
    assert version_sent(journal, uplink) == 1
    assert told(uplink, 2)
    assert version_sent(journal, uplink) == 2
    uplink.online = False
    uplink.connected(5)
    assert uplink.poll(5, 5)[0] == STATE
    assert version_sent(journal, uplink) == 1


def two_when_told():
    for version, expected in ((0, 1), (1, 1), (2, 2), (3, 2), (2**32 - 1, 2)):
        journal, uplink = world(2)
        told(uplink, version)
        assert version_sent(journal, uplink) == expected


def one_when_no_longer_told():
    journal, uplink = world(2)
    told(uplink, 2, echo_ms=10)
    assert version_sent(journal, uplink) == 2
    told(uplink, 0, echo_ms=20)
    assert version_sent(journal, uplink) == 1
    told(uplink, 2, echo_ms=30)
    assert version_sent(journal, uplink) == 2


def an_old_ack_tells_nothing():
    journal, uplink = world(2)
    told(uplink, 0, echo_ms=20)
    for more in ({"echo_ms": 19}, {"echo_ms": 40, "echo_boot": 2}, {"epoch": 8, "echo_ms": 40}):
        told(uplink, 2, **more)
        assert version_sent(journal, uplink) == 1
    uplink.message(ACK, an_ack(0, want_to=2, want_from=1, echo_boot=1, echo_uptime_ms=40), 5, 45)
    assert not uplink._packs


def no_short_tag_for_a_device():
    journal, uplink = world(3)
    for name, payload in ((ACK, messages.encode_ack(messages.decode_ack(
            seal.open_seal(an_ack(3), ACK, KEYS.get)[1]))), (CMD, b"")):  # fmt: skip
        short = seal.cbor.encode(
            [b"\xa1\x01\x04", {4: kid("w1", 1)}, payload, seal.short_tag(KEY, name, payload)]
        )
        assert not uplink.message(name, short, 0, 0)
        packed_seal = packing.seal_packed(KEY, 1, name, b"\x02" + payload)
        assert not uplink.message(name, packed_seal, 0, 0)
    assert journal.acked == 0


def heartbeats_stay():
    journal, uplink = world(2)
    told(uplink, 2)
    message = uplink.poll(5000, 5000)
    assert message[0] == STATE and opened(message)["last_seq"] == 2
    assert seal.open_seal(uplink.will(7), STATE, KEYS.get)[0] == b"w1.1"


PACKING = (
    ("PACK-1", begins_with_its_version), ("PACK-2", the_same_records), ("PACK-4", whole_or_refused),
    ("PACK-5", no_more_than_a_message), ("PACK-6", shortest_numbers), ("PACK-7", no_bit_of_nothing),
    ("PACK-8", as_its_own_bytes), ("PACK-9", the_short_tag), ("PACK-10", not_on_another_topic),
    ("PACK-11", of_events_alone), ("PACK-12", every_bit), ("PACK-13", kid_of_the_topic),
    ("PACK-14", no_short_tag_for_a_device), ("PACK-15", heartbeats_stay),
    ("PACK-16", first_version_one), ("PACK-17", two_when_told),
    ("PACK-18", one_when_no_longer_told), ("PACK-19", an_old_ack_tells_nothing),
)  # fmt: skip


run(PACKING)
