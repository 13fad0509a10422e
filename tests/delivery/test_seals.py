"""Which sealed messages are genuine: never another answer than that of topics, seal and the key
files.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.seals import KeysOf, Retired, Seals
from gateway.devices.keys import DeviceKey, KeyStore, approve_key, create_key, destroy_keys
from protocol import cbor, packing, seal, topics, unpacking
from protocol.compat import ProtocolError

SITE = "city"
TOPIC = "till/1/city/w1/ev"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def key(folder: Path) -> DeviceKey:
    return create_key(folder, "w1")


@pytest.fixture
def seals(folder: Path, key: DeviceKey) -> Seals:
    """One that has met w1 already."""
    made = Seals(KeyStore(folder), SITE)
    assert ("w1", "ev", b"w1.1", b"hello") == made.open(TOPIC, sealed(key, b"hello"))
    return made


def sealed(key: DeviceKey, payload: bytes, topic: str = TOPIC) -> bytes:
    return bytes(seal.seal(key.secret, key.kid, topic, payload))


def said(take: Callable[[str, bytes], Any], topic: str, message: bytes) -> Any:
    """What was opened, or the refusal."""
    try:
        return take(topic, message)
    except ProtocolError as error:
        return f"{type(error).__name__} {error}"


def by_the_judges(keys: KeyStore) -> Callable[[str, bytes], Any]:
    def take(topic: str, message: bytes) -> Any:
        site, device, leaf = topics.parse_topic(topic)
        if site != SITE or leaf not in ("ev", "state"):
            raise ProtocolError(f"topic: {topic!r} is not ev or state of site {SITE}")
        return (device, leaf, *seal.open_seal(message, topic, KeysOf(keys, device)))

    return take


def changed(rng: random.Random, message: bytes, other: bytes) -> bytes:
    out = bytearray(message)
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.choice((rng.randrange(len(out) + 1), rng.randrange(16), max(len(out) - 34, 0)))
        way = rng.randrange(6)
        if way == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            out[at:at] = rng.choice((b"\x58", b"\x00", b"\x59\x00", rng.randbytes(1)))
        elif way == 2:
            del out[at : at + rng.choice((1, 1, 2, 32))]
        elif way == 3:
            del out[max(at, 1) :]
        elif way == 4:
            out[at:] = other[rng.randrange(len(other)) :]
        elif at < len(out):
            out[at] = (out[at] + rng.choice((-1, 1))) & 0xFF
    return bytes(out)


def resealed(key: DeviceKey, payload_head: bytes, payload: bytes, tag_head: bytes) -> bytes:
    """A message with these heads and the tag that would be right for its payload's bytes."""
    tag = seal.hmac_sha256(
        key.secret,
        b"\x84\x64MAC0\x43\xa1\x01\x05" + cbor.head(2, len(TOPIC)) + TOPIC.encode()
        + payload_head + payload,
    )  # fmt: skip
    kid = cbor.head(2, len(key.kid)) + key.kid
    return b"\x84\x43\xa1\x01\x05\xa1\x04" + kid + payload_head + payload + tag_head + tag


def test_mutants_are_judged_as_the_judges_judge_them(
    folder: Path, key: DeviceKey, seals: Seals
) -> None:
    judge = by_the_judges(KeyStore(folder))
    rng = random.Random(1)
    other = create_key(folder, "w2")
    good = [sealed(key, rng.randbytes(size)) for size in (0, 1, 23, 24, 80, 255, 256, 700, 919)]
    for number in range(8000):
        message = (
            changed(rng, rng.choice(good), rng.choice(good)) if number % 9 else good[number % 8]
        )
        topic = rng.choice((TOPIC, TOPIC, TOPIC, "till/1/city/w1/state", "till/1/city/w2/ev"))
        if number % 50 == 0:
            message = sealed(other, b"x")

        assert said(judge, topic, message) == said(seals.open, topic, message), message.hex()


def test_mutants_of_packed_messages_are_judged_as_the_judges_judge_them(
    folder: Path, key: DeviceKey, seals: Seals
) -> None:
    """Opening judges the seal alone: what is packed wrongly is for whoever reads it."""
    keys = KeysOf(KeyStore(folder), "w1")

    def judge(topic: str, message: bytes) -> Any:
        return ("w1", "ev", *unpacking.open_only(message, topic, keys))

    rng = random.Random(2)
    good = [
        packing.seal_packed(key.secret, 1, TOPIC, b"\x02" + rng.randbytes(size))
        for size in (0, 1, 22, 23, 24, 90, 254, 255, 700, 1014, 1015)
    ]
    for number in range(4000):
        message = (
            changed(rng, rng.choice(good), rng.choice(good)) if number % 9 else good[number % 11]
        )

        assert said(judge, TOPIC, message) == said(seals.open, TOPIC, message), message.hex()


@pytest.mark.parametrize(
    ("payload_head", "size", "tag_head"),
    [
        (b"\x43", 3, b"\x58\x20"), (b"\x58\x03", 3, b"\x58\x20"), (b"\x59\x00\x03", 3, b"\x58\x20"),
        (b"\x58\x18", 24, b"\x58\x20"), (b"\x59\x00\x18", 24, b"\x58\x20"),
        (b"\x58\xff", 255, b"\x58\x20"), (b"\x59\x01\x00", 256, b"\x58\x20"),
        (b"\x63", 3, b"\x58\x20"), (b"\x42", 3, b"\x58\x20"), (b"\x43", 3, b"\x78\x20"),
        (b"\x43", 3, b"\x59\x00\x20"), (b"\x43", 3, b"\x58\x1f"),
        (b"\x59\x03\xcf", 975, b"\x58\x20"), (b"\x59\x03\xd0", 976, b"\x58\x20"),
    ],
)  # fmt: skip
def test_a_right_tag_in_a_wrong_form_is_judged_as_the_judges_judge_it(
    folder: Path, key: DeviceKey, seals: Seals, payload_head: bytes, size: int, tag_head: bytes
) -> None:
    message = resealed(key, payload_head, b"p" * size, tag_head)

    assert said(by_the_judges(KeyStore(folder)), TOPIC, message) == said(seals.open, TOPIC, message)


@pytest.mark.parametrize(
    "topic",
    [
        "till/1/city/w1/ack", "till/1/hall/w1/ev", "till/1/city/w1", "till/1/city/W1/ev", "",
        "till/2/city/w1/ev", "till/1/city/w1/ev/", "till/1/city/w3/ev", "till/1/city/w1/state",
    ],
)  # fmt: skip
def test_a_message_of_another_topic_is_refused_with_the_same_words(
    folder: Path, key: DeviceKey, seals: Seals, topic: str
) -> None:
    message = sealed(key, b"hello")
    refused = said(by_the_judges(KeyStore(folder)), topic, message)

    assert isinstance(refused, str)
    assert refused == said(seals.open, topic, message)
    if "/ev" not in topic:
        assert refused == said(seals.open, topic, message)


def test_a_topic_says_who_speaks(seals: Seals) -> None:
    assert ("w1", "ev") == seals.addressed(TOPIC)
    assert ("w9", "state") == seals.addressed("till/1/city/w9/state")
    with pytest.raises(ProtocolError, match="is not ev or state of site city"):
        seals.addressed("till/1/hall/w1/ev")


def test_a_removed_key_shuts_the_device_out_with_the_next_batch(
    folder: Path, key: DeviceKey, seals: Seals
) -> None:
    destroy_keys(folder, "w1")
    message = sealed(key, b"hello")

    assert b"hello" == seals.open(TOPIC, message)[3]  # the batch that was under way
    seals.refresh()
    with pytest.raises(seal.SealError, match="unknown kid b'w1.1'"):
        seals.open(TOPIC, message)


def test_a_key_file_that_is_written_in_place_counts_from_the_next_batch(
    folder: Path, key: DeviceKey, seals: Seals
) -> None:
    """No name in the folder changes, and the size does not either."""
    path = folder / "w1.key"
    before = path.stat()
    new = DeviceKey("w1", 1, bytes(range(32)))
    with path.open("r+b") as file:
        file.write(f"1 {new.secret.hex()}\n".encode())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))

    seals.refresh()
    with pytest.raises(seal.SealError, match="wrong tag"):
        seals.open(TOPIC, sealed(key, b"hello"))
    assert b"hi" == seals.open(TOPIC, sealed(new, b"hi"))[3]


def test_a_key_file_that_others_can_read_opens_nothing_from_the_next_batch(
    folder: Path, key: DeviceKey, seals: Seals
) -> None:
    (folder / "w1.key").chmod(0o644)

    seals.refresh()
    with pytest.raises(seal.SealError, match="unknown kid"):
        seals.open(TOPIC, sealed(key, b"hello"))


def test_both_keys_open_while_a_rotation_is_under_way_and_then_the_old_one_is_retired(
    folder: Path, key: DeviceKey, seals: Seals
) -> None:
    keys = KeyStore(folder)
    new = DeviceKey("w1", 2, bytes(32))
    keys.write("w1", [key, new])
    seals.refresh()
    for each in (key, new, key, new):
        assert each.kid == seals.open(TOPIC, sealed(each, b"hello"))[2]

    keys.write("w1", [new])
    seals.refresh()
    assert new.kid == seals.open(TOPIC, sealed(new, b"hello"))[2]
    with pytest.raises(Retired, match=r"unknown kid b'w1.1': retired") as told:
        seals.open(TOPIC, sealed(key, b"hello"))
    assert "w1.1" == told.value.kid


def test_a_device_that_waits_for_its_approval_is_refused_by_name(folder: Path) -> None:
    key = create_key(folder, "w1", pending=True)
    seals = Seals(KeyStore(folder), SITE)
    with pytest.raises(seal.SealError, match="w1 is enrolled and not approved yet"):
        seals.open(TOPIC, sealed(key, b"hello"))

    approve_key(folder, "w1")
    assert b"hello" == seals.open(TOPIC, sealed(key, b"hello"))[3]


def test_the_key_file_is_looked_at_once_a_batch(
    key: DeviceKey, seals: Seals, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda path: looked.append(str(path)) or stat(path))  # type: ignore[func-returns-value]

    for _ in range(3):
        seals.refresh()
        for _ in range(100):
            seals.open(TOPIC, sealed(key, b"hello"))

    assert 3 == len([path for path in looked if path.endswith("w1.key")])


def test_forged_topics_take_no_memory(key: DeviceKey, seals: Seals) -> None:
    for number in range(1000):
        said(seals.open, f"till/1/city/x{number}/ev", sealed(key, b"hello"))

    assert 1 == len(seals._kept)
