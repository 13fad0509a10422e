"""Topics, Seal and Encoding of docs/protocol.md, one by one: what is inside is taken, what is
outside is refused.
"""

import binascii
import sys

from must import refused, run
from protocol import cbor, messages, seal, topics
from seeded import Seeded

KEY = bytes(range(32))
EV = "till/1/hall/w1/ev"
SEALED = seal.seal(KEY, b"w1.1", EV, b"payload")
KEYS = {b"w1.1": KEY}


def unhex(text):
    return binascii.unhexlify(text)


def codec(taken, hostile, reason):
    """Every hex string of `taken` is a value and its only encoding; every one of `hostile` is
    refused for `reason`.
    """
    for text in taken:
        raw = unhex(text)
        assert cbor.encode(cbor.decode(raw)) == raw, text
    for text in hostile:
        refused(reason, cbor.decode, unhex(text))


def depth():
    codec(("8181818100", "a100a100a100a10000", "81a10081a10000"), (), "")
    for text in ("818181818100", "a100a100a100a100a10000", "81a10081a1008100"):
        refused("nested deeper than 4", cbor.decode, unhex(text))


def bytes_max():
    assert len(cbor.decode(b"\x59\x03\xfd" + bytes(1021))) == 1021
    refused("1025 bytes, limit 1024", cbor.decode, b"\x59\x03\xfe" + bytes(1022))


def no_room_for_a_lie():
    """A length of 2^64-1 or 2^32 items is refused at once: nobody asks for so much memory first."""
    for text, reason in (
        ("5bffffffffffffffff", "is cut short"), ("7b7fffffffffffffff", "is cut short"),
        ("9b0000000100000000", "limit 64"), ("baffffffff", "limit 64"), ("5903ff", "is cut short"),
    ):  # fmt: skip
        refused(reason, cbor.decode, unhex(text))


def cut_short():
    for value in (300, b"abc", "text", [1, [2, b"x"]], {1: {2: "x"}}, -70000, [2**40]):
        raw = cbor.encode(value)
        for size in range(len(raw)):
            refused("cut short", cbor.decode, raw[:size])


def integers():
    for value in (0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1):
        assert cbor.decode(cbor.encode(value)) == value
        assert cbor.decode(cbor.encode(-1 - value)) == -1 - value


def keys_in_any_order():
    keys = [70000, 3, 0, 24, 300, 23]
    value = {}
    for key in keys:
        value[key] = key
    raw = cbor.encode(value)
    assert raw == unhex("a600000303171718181818" + "19012c19012c" + "1a000111701a00011170"), (
        binascii.hexlify(raw)
    )


def encoder_limits():
    refused("nested deeper", cbor.encode, [[[[[1]]]]])
    refused("nested deeper", cbor.encode, {1: {1: {1: {1: {1: 1}}}}})
    refused("65 items", cbor.encode, [0] * 65)
    refused("65 items", cbor.encode, dict.fromkeys(range(65), 0))
    refused("1025 bytes", cbor.encode, bytes(1022))
    assert len(cbor.encode(bytes(1021))) == 1024 and cbor.encode([[[[1]]]]) == unhex("8181818101")


def any_value(source, level):
    kind = source.below(6 if level < cbor.DEPTH_MAX else 4)
    if kind == 0:
        return source.number(2**64 - 1)
    if kind == 1:
        return -1 - source.number(2**64 - 1)
    if kind == 2:
        return source.data(30)
    if kind == 3:
        return source.text(20)
    if kind == 4:
        return [any_value(source, level + 1) for _ in range(source.below(5))]
    value = {}
    for _ in range(source.below(5)):
        key = source.number(2**64 - 1)
        value[key] = any_value(source, level + 1)
    return value


def round_trips():
    for seed in range(300):
        value = any_value(Seeded(seed), 1)
        assert cbor.decode(cbor.encode(value)) == value, seed


def canonical_or_refused():
    taken = 0
    for seed in range(900):
        source = Seeded(seed)
        raw = bytearray(cbor.encode(any_value(source, 1)))
        for _ in range(1 + source.below(2)):
            raw[source.below(len(raw))] = source.below(256)
        try:
            value = cbor.decode(raw)
        except cbor.CborError:
            continue
        taken += 1
        assert cbor.encode(value) == bytes(raw), seed
    assert 0 < taken < 900


def no_place(*values):
    for value in values:
        refused("", cbor.encode, value)


ENCODING = (
    ("ENC-1", codec, ("00",),
     ("c100", "c249010000000000000000", "d818410a", "d81c80", "dbffffffffffffffff00"),
     "major type 6"),
    ("ENC-2", codec, ("00",), ("f93c00", "fa3f800000", "fb3ff0000000000000", "fb7ff8000000000000"),
     "major type 7"),
    ("ENC-3", codec, ("00",), ("f4", "f5", "f6", "f7", "ff", "f8ff", "81f5"), "major type 7"),
    ("ENC-4", codec, ("80", "a0", "40", "60"),
     ("9f00ff", "bf0000ff", "5f4100ff", "7f6161ff", "1f", "3f"), "indefinite or"),
    ("ENC-5", codec, ("17", "1818"), ("1c", "1d", "1e", "3c", "5d", "7e", "9c", "bd"),
     "reserved length"),
    ("ENC-6", codec, ("17", "1818", "18ff", "190100", "1a00010000", "1b0000000100000000"),
     ("1817", "1900ff", "1a0000ffff", "1b00000000ffffffff", "1800"), "not in its shortest form"),
    ("ENC-7", codec, ("37", "3818", "38ff", "390100", "3a00010000", "3b0000000100000000"),
     ("3817", "3900ff", "3a0000ffff", "3b00000000ffffffff", "3800"), "not in its shortest form"),
    ("ENC-8", codec, ("4141", "6141", "5818" + "00" * 24),
     ("580141", "780141", "59000141", "7a0000000141"), "shortest form"),
    ("ENC-9", codec, ("8100", "a10000", "9818" + "00" * 24),
     ("980100", "b8010000", "99000100", "ba000000010000"), "shortest form"),
    ("ENC-10", codec, ("a10100", "a1181800"), ("a1180100", "a119001800", "a11a0000ffff00"),
     "shortest form"),
    ("ENC-11", codec, ("a10000",), ("a12000", "a1616100", "a1416100", "a18000", "a1a000"),
     "is not an unsigned integer"),
    ("ENC-12", codec, ("a201000200",), ("a202000100", "a21818001700", "a3000002000100"),
     "is not ascending"),
    ("ENC-13", codec, ("a200000100",), ("a200000000", "a2181800181800", "a3000001000100"),
     "is not ascending"),
    ("ENC-14", codec, ("6161", "62c3a9", "63e282ac", "64f09f92b5"),
     ("6180", "61ff", "62e282", "64f09f92", "62c328"), ""),
    ("ENC-15", codec, ("612f", "6100"), ("62c0af", "62c080", "63e08080", "64f0808080", "63e09fbf"),
     "text is not UTF-8"),
    ("ENC-16", codec, ("63ed9fbf", "63ee8080"), ("63eda080", "63edbfbf", "66eda080edb080"),
     "text is not UTF-8"),
    ("ENC-17", codec, ("64f48fbfbf",), ("64f4908080", "64f5808080", "64f7bfbfbf"),
     "text is not UTF-8"),
    ("ENC-18", depth),
    ("ENC-19", codec, ("9840" + "00" * 64,), ("9841" + "00" * 65,),
     "65 items in one container, limit 64"),
    ("ENC-20", codec,
     ("b840" + "".join("%02x00" % k if k < 24 else "18%02x00" % k for k in range(64)),),
     ("b841" + "".join("%02x00" % k if k < 24 else "18%02x00" % k for k in range(65)),),
     "65 items in one container"),
    ("ENC-21", bytes_max),
    ("ENC-22", codec, ("00", "80"), ("0000", "80ff", "410000", "a000"), "1 trailing bytes"),
    ("ENC-23", cut_short),
    ("ENC-24", no_room_for_a_lie),
    ("ENC-25", integers),
    ("ENC-26", no_place, 2**64, -(2**64) - 1, 2**200),
    ("ENC-27", no_place, True, False, [True], {1: False}, {True: 1}),
    ("ENC-28", no_place, None, 1.5, {"a": 1}, {-1: 1}, {b"a": 1}, {1: 2, "a": 3}, {1, 2}, object()),
    ("ENC-29", keys_in_any_order),
    ("ENC-30", encoder_limits),
    ("ENC-31", round_trips),
    ("ENC-32", canonical_or_refused),
)  # fmt: skip


def shape(reason, **changed):
    """The good message opens; with one part changed it is refused for `reason`."""
    assert seal.open_seal(SEALED, EV, KEYS.get) == (b"w1.1", b"payload")
    parts = cbor.decode(SEALED)
    for name in changed:
        parts[("protected", "unprotected", "payload", "tag").index(name)] = changed[name]
    refused(reason, seal.open_seal, cbor.encode(parts), EV, KEYS.get)


def not_four():
    parts = cbor.decode(SEALED)
    for value in (parts[:3], parts + [0], [], {0: 1}, 7, b"x", [parts]):
        refused("not an array of four", seal.open_seal, cbor.encode(value), EV, KEYS.get)


def no_tag():
    for tag in (b"\xd1", b"\xd2", b"\xd8\x3d"):
        refused("major type 6", seal.open_seal, tag + SEALED, EV, KEYS.get)


def protected_only():
    for header in (
        b"\xa1\x01\x04",
        b"\xa1\x01\x06",
        b"\xa0",
        b"",
        b"\xa1\x01\x18\x05",
        b"\xa2\x01\x05\x02\x00",
        [1, 5],
    ):
        shape("protected header is not HMAC 256/256", protected=header)


def algorithm_unprotected():
    shape("protected header", protected=b"", unprotected={1: 5, 4: b"w1.1"})
    shape("protected header", protected=b"\xa0", unprotected={1: 5, 4: b"w1.1"})
    shape("unprotected header", unprotected={1: 5, 4: b"w1.1"})


def unprotected():
    for header in (
        {},
        {5: b"w1.1"},
        {4: b"w1.1", 5: b"iv"},
        {0: 0, 4: b"w1.1"},
        [4, b"w1.1"],
        b"w1.1",
    ):
        shape("unprotected header is not {4: kid}", unprotected=header)


def kid_is_bytes():
    for kid in ("w1.1", 1, [b"w1.1"], {4: b"w1.1"}):
        shape("unprotected header is not {4: kid}", unprotected={4: kid})


def key_bytes():
    for size in (0, 16, 31, 33, 64):
        refused("key of %d bytes" % size, seal.seal, bytes(size), b"w1.1", EV, b"")


def whole_tag():
    tag = cbor.decode(SEALED)[3]
    for part in (b"", tag[:8], tag[:16], tag[:31], tag + b"\0", "x" * 32):
        shape("payload or tag is not a byte string of the right size", tag=part)


def mac_structure():
    """Put together here by RFC 9052, 6.3, with the RFC's own words, and not by the code under
    test.
    """
    text = EV.encode()
    to_be_maced = (
        b"\x84"
        + b"\x64MAC0"
        + b"\x43\xa1\x01\x05"
        + bytes((0x40 | len(text),))
        + text
        + b"\x47payload"
    )
    assert len(text) < 24
    assert cbor.decode(SEALED)[3] == seal.hmac_sha256(KEY, to_be_maced)
    # RFC 4231, test case 2
    tag = seal.hmac_sha256(b"Jefe", b"what do ya want for nothing?")
    assert (
        binascii.hexlify(tag) == b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def for_its_topic():
    for name in (
        "till/1/hall/w2/ev",
        "till/1/hal/w1/ev",
        "till/1/hall/w1/ack",
        "till/1/hall/w1/e",
        EV + "v",
        "",
    ):
        refused("wrong tag", seal.open_seal, SEALED, name, KEYS.get)


def not_detached():
    shape("payload or tag is not a byte string", payload=[])
    shape("payload or tag is not a byte string", payload="payload")


def payload_bytes():
    assert len(seal.seal(KEY, b"w1.1", EV, bytes(920))) <= 1024
    refused("payload of 921 bytes", seal.seal, KEY, b"w1.1", EV, bytes(921))


def message_bytes():
    refused("message of 1025 bytes, limit 1024", seal.open_seal, bytes(1025), EV, KEYS.get)
    long_kid = b"k" * (1024 - len(seal.seal(KEY, b"", EV, bytes(920))) - 1)
    longest = seal.seal(KEY, long_kid, EV, bytes(920))
    assert len(longest) == 1024 and seal.open_seal(longest, EV, lambda _: KEY)[1] == bytes(920)


def every_bit():
    for bit in range(8 * len(SEALED)):
        broken = bytearray(SEALED)
        broken[bit // 8] ^= 1 << bit % 8
        refused("", seal.open_seal, bytes(broken), EV, KEYS.get)


def unknown_kid():
    refused("unknown kid", seal.open_seal, SEALED, EV, lambda kid: None)


class Counted:
    """A tag that counts how many of its bytes were looked at."""

    def __init__(self, raw):
        self.raw = raw
        self.seen = 0

    def __iter__(self):
        for byte in self.raw:
            self.seen += 1
            yield byte


def constant_time():
    if sys.implementation.name == "cpython":
        assert seal.same.__name__ == "compare_digest" and seal.same.__module__ in (
            "_operator",
            "_hashlib",
        )
        return
    for left in (b"\1" + bytes(31), bytes(31) + b"\1", bytes(32)):
        counted = Counted(left)
        assert seal.same(counted, bytes(32)) == (left == bytes(32)) and counted.seen == 32


def topic_levels():
    assert topics.parse_topic(EV) == ("hall", "w1", "ev")
    for name in (
        "till/1/hall/w1",
        EV + "/x",
        EV + "/",
        "/" + EV,
        "tell/1/hall/w1/ev",
        "till//hall/w1/ev",
        "",
        "ev",
    ):
        refused("is not till/1/<site>/<device>/<leaf>", topics.parse_topic, name)


def names(good, bad, reason):
    for name in good:
        assert topics.parse_topic("till/1/%s/%s/ev" % (name, name)) == (name, name, "ev")
        assert topics.topic(name, name, "ack") == "till/1/%s/%s/ack" % (name, name)
    for name in bad:
        refused(reason, topics.parse_topic, "till/1/%s/w1/ev" % name)
        refused(reason, topics.parse_topic, "till/1/hall/%s/ev" % name)
        refused(reason, topics.topic, "hall", name, "ev")
        refused(reason, topics.topic, name, "w1", "ev")


def leaves():
    for leaf in ("ev", "state", "ack", "cmd"):
        assert topics.parse_topic(topics.topic("hall", "w1", leaf)) == ("hall", "w1", leaf)
    for leaf in ("", "EV", "events", "log", "#", "+"):
        refused("", topics.parse_topic, "till/1/hall/w1/" + leaf)
        refused("leaf", topics.topic, "hall", "w1", leaf)


def version():
    for name in (
        "till/2/hall/w1/ev",
        "till/0/hall/w1/ev",
        "till/01/hall/w1/ev",
        "till/v1/hall/w1/ev",
    ):
        refused("is not till/1/", topics.parse_topic, name)


def lengths():
    """Nobody adds an element at the end: a reader of today would not know what it leaves out."""
    for decode, raw, size in (
        (messages.decode_events, messages.encode_events(1, 1, 1, 1, [b"x"]), 6),
        (messages.decode_ack, cbor.encode([1, 1, 0, 0, 1, bytes(32), 1, 1, 1, bytes(8)]), 10),
        (messages.decode_state, cbor.encode([1, 1, 1, 0, 1, 1, 1, 1, bytes(32), 1, 1, 0]), 12),
    ):
        decode(raw)
        parts = cbor.decode(raw)
        assert len(parts) == size
        for other in (parts[:-1], parts + [0], [], {0: 0}, 1):
            refused("not an array of %d" % size, decode, cbor.encode(other))


SEAL = (
    ("SEAL-1", not_four), ("SEAL-2", no_tag), ("SEAL-3", protected_only),
    ("SEAL-4", algorithm_unprotected), ("SEAL-5", unprotected), ("SEAL-6", kid_is_bytes),
    ("SEAL-8", key_bytes), ("SEAL-9", whole_tag), ("SEAL-10", mac_structure),
    ("SEAL-11", for_its_topic), ("SEAL-12", not_detached), ("SEAL-13", payload_bytes),
    ("SEAL-14", message_bytes), ("SEAL-16", every_bit), ("SEAL-17", unknown_kid),
    ("SEAL-23", constant_time),
)  # fmt: skip

TOPICS = (
    ("TOPIC-1", topic_levels),
    ("TOPIC-2", names, ("a", "a" * 24), ("", "a" * 25, "a" * 200), "is not of 1 to 24 characters"),
    ("TOPIC-3", names, ("az-09", "-", "0"), ("A", "a_b", "a b", "+", "#", "a.b", "\xe9", "$sys"),
     "may hold a-z, 0-9 and '-' only"),
    ("TOPIC-4", leaves),
    ("VER-1", version),
    ("VER-2", lengths),
)  # fmt: skip

run(ENCODING)
run(SEAL)
run(TOPICS)
