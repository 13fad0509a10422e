"""What docs/protocol.md asks of a gateway towards a device, statement by statement: from sealed
bytes to sealed answers.
"""

import pytest

from gateway.delivery.outcomes import Accepted, Rejected
from gateway.devices.keys import DeviceKey, KeyStore
from gateway.errors import TryAgain
from protocol import messages, seal
from tests.delivery.bench import NOW_MS, Device, Message, Office, ack_of
from tests.store.bench import kept


def refusal(office: Office, message: Message) -> str:
    outcome = office.ingest.accept(*message)
    assert isinstance(outcome, Rejected), outcome
    return outcome.reason


# --- topics and seal ------------------------------------------------------------------------------


@pytest.mark.must("TOPIC-12")
def test_a_message_of_another_site_is_refused_with_a_good_seal(
    office: Office, device: Device
) -> None:
    topic = "till/1/other/w1/ev"
    payload = messages.encode_events(7, 1, 1, 1, device.said[:1])

    reason = refusal(
        office, (topic, seal.seal(device.key.secret, device.key.kid, topic, payload), False)
    )

    assert "is not ev or state of site city" in reason


@pytest.mark.must("TOPIC-13")
@pytest.mark.parametrize("leaf", ["ack", "cmd"])
def test_a_gateway_takes_ev_and_state_alone(office: Office, device: Device, leaf: str) -> None:
    payload = messages.encode_events(7, 1, 1, 1, device.said[:1])

    assert "is not ev or state" in refusal(
        office, (device.topic(leaf), device.sealed(leaf, payload), False)
    )


@pytest.mark.must("TOPIC-14", "QUAR-4")
def test_a_retained_ev_is_only_counted(office: Office, device: Device) -> None:
    topic, sealed, _ = device.ev(1, 1)

    acks = office.take((topic, sealed, True))

    assert ([], [], []) == (acks, office.seqs(), office.ledger.quarantine())
    assert {("", "ignored"): 1} == office.ledger.counters()


@pytest.mark.must("SEAL-7", "LIM-6")
def test_a_kid_has_one_way_to_be_written(office: Office, device: Device) -> None:
    path = office.folder / "keys" / "w1.key"
    path.write_text(
        path.read_text() + f"12 {'cd' * 32}\n999999999 {'ef' * 32}\n9999999999 {'ab' * 32}\n"
    )
    office.keys = KeyStore(office.folder / "keys")

    assert bytes.fromhex("cd" * 32) == office.keys.key_of(b"w1.12")
    assert bytes.fromhex("ef" * 32) == office.keys.key_of(b"w1.999999999")
    for kid in (
        b"w1.012",
        b"w1.0x0c",
        b"w1.+12",
        b"w1. 12",
        b"w1.12 ",
        b"w1.1_2",
        b"w1.\xd9\xa1\xd9\xa2",
        b"w1-12",
        b"w1.9999999999",
    ):
        assert office.keys.key_of(kid) is None, kid


@pytest.mark.must("SEAL-15")
@pytest.mark.parametrize("leaf", ["ev", "state"])
def test_no_payload_is_decoded_before_its_tag_is_right(
    office: Office, device: Device, leaf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bytes] = []
    monkeypatch.setattr(messages, "decode_events", decoded.append)
    monkeypatch.setattr(messages, "decode_state", decoded.append)
    forged = seal.seal(
        bytes(32), device.key.kid, device.topic(leaf), b"\xff junk that no decoder takes"
    )

    assert "wrong tag" in refusal(office, (device.topic(leaf), forged, False))
    assert [] == decoded


@pytest.mark.must("SEAL-18", "IDENT-1")
def test_a_key_holder_cannot_speak_for_another_device(office: Office, device: Device) -> None:
    """Its tag would be right: topic, kid and key fit together. Only the name in the kid does not
    fit the topic's.
    """
    office.device("w2")
    topic = "till/1/city/w2/ev"
    payload = messages.encode_events(7, 1, 1, 1, device.said[:1])
    own_key = seal.seal(device.key.secret, b"w1.1", topic, payload)

    assert "does not belong to device w2" in refusal(office, (topic, own_key, False))
    assert [] == office.take((topic, own_key, False))
    assert [] == office.seqs("w2")


@pytest.mark.must("SEAL-19")
def test_no_key_is_looked_up_for_a_foreign_kid(
    office: Office, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []
    monkeypatch.setattr(office.keys, "key_of", asked.append)

    refusal(office, ("till/1/city/w2/ev", device.ev(1, 1)[1], False))

    assert [] == asked


@pytest.mark.must("SEAL-24", "QUAR-2")
def test_what_is_refused_is_not_answered_and_adds_nothing(office: Office, device: Device) -> None:
    topic, sealed, _ = device.ev(1, 1)
    stranger = Device(DeviceKey("w1", 2, bytes(32)))

    acks = office.take(
        (topic, sealed[:-1] + bytes((sealed[-1] ^ 1,)), False), stranger.ev(1, 1, device.said[:1]),
        (topic, b"", False), (topic, device.sealed("ev", b"\x00"), False),
    )  # fmt: skip

    assert ([], [], []) == (acks, office.seqs(), kept(office.ledger.db))
    assert 4 == len(office.ledger.quarantine())


@pytest.mark.must("SEAL-25", "ACK-25")
def test_each_stream_is_answered_once_under_its_own_key(office: Office, device: Device) -> None:
    other = office.device("w2")
    other.say(2)

    answers = office.take(
        device.ev(1, 2), other.ev(1, 1), device.ev(3, 4), device.state(), other.ev(2, 2)
    )

    assert [4, 2] == [
        device.open_ack(*answers[0])["high_water"],
        other.open_ack(*answers[1])["high_water"],
    ]
    assert 2 == len(answers)
    with pytest.raises(seal.SealError):
        other.open_ack(*answers[0])


@pytest.mark.must("SEAL-26")
def test_no_refusal_names_a_key(
    office: Office, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    topic, sealed, _ = device.ev(1, 1)
    (office.folder / "keys" / "w2.key").write_text(f"nonsense {device.key.secret.hex()}\n")
    (office.folder / "keys" / "w2.key").chmod(0o600)

    office.take(
        (topic, sealed[:-1] + b"\0", False),
        (topic, sealed[:9], False),
        ("till/1/city/w2/ev", sealed, False),
    )
    office.keys.key_of(b"w2.1")

    said = (
        caplog.text
        + repr(office.ledger.quarantine())
        + repr(office.ledger.incidents())
        + repr(device.key)
    )
    assert device.key.secret.hex() not in said
    assert repr(device.key.secret) not in said


# --- identity and epochs --------------------------------------------------------------------------


@pytest.mark.must("IDENT-8")
def test_streams_of_two_devices_in_one_epoch_do_not_meet(office: Office, device: Device) -> None:
    other = office.device("w2", device.epoch)
    other.say(9)

    office.take(device.ev(1, 5), other.ev(1, 2))

    assert ([1, 2, 3, 4, 5], [1, 2]) == (office.seqs("w1"), office.seqs("w2"))
    assert [] == office.ledger.incidents()


@pytest.mark.must("IDENT-9", "IDENT-10", "IDENT-11", "IDENT-12", "IDENT-13")
def test_a_new_epoch_closes_the_older_one_for_good(office: Office, device: Device) -> None:
    office.take(device.ev(1, 3))
    late, later = device.ev(4, 4), device.ev(5, 5)
    device.epoch = 8
    office.take(device.ev(1, 1))
    kinds = office.incident_kinds()

    acks = [device.open_ack(*answer) for answer in office.take(late)]
    office.take(later)

    assert ["tail_unknown"] == kinds
    assert ["tail_unknown", "closed_epoch"] == office.incident_kinds()
    assert "count the drawer" in office.ledger.incidents()[0]["text"]
    assert [(7, 4)] == [(ack["epoch"], ack["high_water"]) for ack in acks]
    assert [(7, 5, 0), (8, 1, 1)] == [
        (row["epoch"], row["high_water"], row["current"]) for row in office.ledger.cursors()
    ]


@pytest.mark.must("IDENT-14")
def test_an_unknown_epoch_begins_with_seq_one(office: Office, device: Device) -> None:
    ack = ack_of(office, device, device.ev(2, 2))

    assert (0, 1, 1) == (ack["high_water"], ack["want_from"], ack["want_to"])
    assert [] == office.seqs()


# --- acknowledgement ------------------------------------------------------------------------------


@pytest.mark.must("ACK-6", "ACK-7", "ACK-8", "ACK-10")
def test_an_answer_says_what_the_ledger_holds_and_when(office: Office, device: Device) -> None:
    office.clock.now_ms = NOW_MS + 77

    ack = ack_of(office, device, device.ev(1, 3), device.ev(4, 9))

    assert (0, 2, NOW_MS + 77, 7) == (ack["want_from"], ack["want_to"], ack["utc_ms"], ack["epoch"])
    assert office.ledger.head() == (ack["ledger_n"], ack["ledger_head"])
    assert 1 == ack["ledger_n"], "an entry for each commit"


@pytest.mark.must("ACK-9")
def test_the_echo_is_that_of_the_newest_message_of_the_batch(
    office: Office, device: Device
) -> None:
    batch = []
    for boot, uptime_ms in ((2, 500), (1, 9_000), (2, 700), (2, 600)):
        device.boot, device.uptime_ms = boot, uptime_ms
        batch.append(device.ev(1, 1) if uptime_ms != 600 else device.state())

    ack = ack_of(office, device, *batch)

    assert (2, 700) == (ack["echo_boot"], ack["echo_uptime_ms"])


@pytest.mark.must("ACK-20", "ACK-22", "CHAIN-12")
def test_a_commit_that_fails_answers_nothing_and_leaves_nothing(
    office: Office, device: Device
) -> None:
    office.take(device.ev(1, 1))
    device.say(290)
    batch: list[Accepted | Rejected] = [
        office.ingest.accept(*device.ev(first, first + 9)) for first in range(2, 292, 10)
    ]
    office.ledger.db.execute("VACUUM")  # no page is free inside the file either
    [pages] = office.ledger.db.execute("PRAGMA page_count").fetchone()
    office.ledger.db.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(TryAgain):
        office.ingest.commit(batch)
    left = office.seqs(), office.ledger.head()[0], office.ledger.high_water("w1", 7)
    office.ledger.db.execute("PRAGMA max_page_count = 1000000")
    [answer] = office.ingest.commit(batch)

    assert ([1], 1, 1) == left
    assert (291, list(range(1, 292))) == (device.open_ack(*answer)["high_water"], office.seqs())


@pytest.mark.must("ACK-24")
def test_a_live_heartbeat_is_answered(office: Office, device: Device) -> None:
    office.take(device.ev(1, 4))

    assert 4 == ack_of(office, device, device.state())["high_water"]


@pytest.mark.must("ACK-26")
def test_nothing_is_answered_under_a_withdrawn_key(office: Office, device: Device) -> None:
    accepted = office.ingest.accept(*device.ev(1, 1))
    (office.folder / "keys" / "w1.key").unlink()

    assert [] == office.ingest.commit([accepted])


# --- heartbeats -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"status": "lost"}, marks=pytest.mark.must("HB-8")),
        pytest.param({"retained": True}, marks=pytest.mark.must("HB-9")),
    ],
    ids=["lost", "retained"],
)
@pytest.mark.must("HB-10")
def test_words_about_the_past_conclude_nothing(
    office: Office, device: Device, how: dict[str, object]
) -> None:
    office.take(device.ev(1, 2), device.state())
    seen_ms = office.ledger.heartbeats()[0]["seen_ms"]
    office.clock.now_ms += 60_000

    acks = office.take(
        device.state(lowest_kept=6, acked=9, ledger_n=9, ledger_head=b"h" * 32, **how)
    )
    device.epoch = 8
    acks += office.take(device.state(**how))

    assert ([], [], [], 1) == (
        acks,
        office.ledger.gaps(),
        office.ledger.incidents(),
        len(office.ledger.cursors()),
    )
    assert NOW_MS == seen_ms == office.ledger.heartbeats()[0]["seen_ms"]


@pytest.mark.must("HB-11")
def test_heartbeats_that_note_no_gap_are_not_in_the_chain(office: Office, device: Device) -> None:
    office.take(device.ev(1, 2))
    before = office.ledger.head()

    office.take(device.state(), device.state(acked=2), device.state(acked=9))

    assert before == office.ledger.head()


@pytest.mark.must("HB-12")
def test_a_heartbeat_is_read_after_the_events_that_came_with_it(
    office: Office, device: Device
) -> None:
    """The queue may have put it in front of the very records that would be called missing."""
    office.take(device.state(lowest_kept=6), device.ev(1, 9))

    assert ([], list(range(1, 10))) == (office.ledger.gaps(), office.seqs())
