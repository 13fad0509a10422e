"""What is let in, what is refused and why, and what the device is told."""

import pytest

from gateway.delivery.outcomes import Rejected
from gateway.devices.keys import DeviceKey, create_key
from gateway.errors import ConfigError, PermissionDenied, TryAgain
from protocol import messages, records, seal
from tests.delivery.bench import NOW_MS, Device, Office, a_tally


def test_a_message_is_acknowledged_with_the_mark_the_head_and_the_echo(office: Office) -> None:
    device = office.device()
    device.say(3)

    [(topic, sealed)] = office.take(device.ev(1, 3))

    n, head = office.ledger.head()
    expected = {
        "epoch": 7, "high_water": 3, "want_from": 0, "want_to": 2, "ledger_n": n,
        "ledger_head": head, "utc_ms": NOW_MS, "echo_boot": 1, "echo_uptime_ms": 1_000_000,
        "fingerprint": messages.fingerprint_of(device.said[-1]),
    }  # fmt: skip
    assert expected == device.open_ack(topic, sealed)
    assert [1, 2, 3] == office.seqs()


def test_redelivered_message_adds_nothing_and_is_acknowledged_again(office: Office) -> None:
    device = office.device()
    device.say(3)
    message = device.ev(1, 3)
    office.take(message)
    before = office.ledger.head()

    [(topic, sealed)] = office.take(message, message)

    assert before == office.ledger.head()
    assert [1, 2, 3] == office.seqs()
    assert 3 == device.open_ack(topic, sealed)["high_water"]
    assert 6 == office.ledger.stats()[0].duplicates


def test_a_gap_is_not_taken_and_asked_for(office: Office) -> None:
    device = office.device()
    device.say(6)
    office.take(device.ev(1, 2))

    [(topic, sealed)] = office.take(device.ev(5, 6))

    ack = device.open_ack(topic, sealed)
    assert (2, 3, 4) == (ack["high_water"], ack["want_from"], ack["want_to"])
    assert [1, 2] == office.seqs()


def test_reordered_messages_of_one_batch_are_all_taken(office: Office) -> None:
    device = office.device()
    device.say(6)

    [(topic, sealed)] = office.take(device.ev(5, 6), device.ev(3, 4), device.ev(1, 2))

    ack = device.open_ack(topic, sealed)
    assert (6, 0) == (ack["high_water"], ack["want_from"])
    assert [1, 2, 3, 4, 5, 6] == office.seqs()
    assert [] == office.ledger.verify()


def test_every_device_gets_one_answer_under_its_own_key(office: Office) -> None:
    one, two = office.device("w1"), office.device("w2")
    one.say(2)
    two.say(1)

    acks = office.take(one.ev(1, 1), two.ev(1, 1), one.ev(2, 2))

    assert [2, 1] == [one.open_ack(*acks[0])["high_water"], two.open_ack(*acks[1])["high_water"]]
    assert 2 == len(acks)


def forged_seal(device: Device) -> tuple[str, bytes, bool]:
    topic, sealed, retained = device.ev(1, 1)
    return topic, sealed[:-1] + bytes((sealed[-1] ^ 1,)), retained


def unknown_key(device: Device) -> tuple[str, bytes, bool]:
    stranger = Device(DeviceKey("w1", 9, bytes(32)))
    stranger.said = device.said
    return stranger.ev(1, 1)


def other_site(device: Device) -> tuple[str, bytes, bool]:
    return "till/1/elsewhere/w1/ev", device.ev(1, 1)[1], False


def other_leaf(device: Device) -> tuple[str, bytes, bool]:
    return device.topic("cmd"), device.ev(1, 1)[1], False


def foreign_topic(device: Device) -> tuple[str, bytes, bool]:
    return "till/1/city", device.ev(1, 1)[1], False


def on_another_device(device: Device) -> tuple[str, bytes, bool]:
    return "till/1/city/w2/ev", device.ev(1, 1)[1], False


def under_another_kid(device: Device) -> tuple[str, bytes, bool]:
    """A board that holds w1's key and claims to be w2."""
    topic = "till/1/city/w2/ev"
    payload = messages.encode_events(7, 1, 1, 1, device.said)
    return topic, seal.seal(device.key.secret, b"w1.1", topic, payload), False


def event_on_state(device: Device) -> tuple[str, bytes, bool]:
    return (
        device.topic("state"),
        device.sealed("state", messages.encode_events(7, 1, 1, 1, device.said)),
        False,
    )


def oversized(device: Device) -> tuple[str, bytes, bool]:
    return device.topic("ev"), bytes(1025), False


def empty(device: Device) -> tuple[str, bytes, bool]:
    return device.topic("ev"), b"", False


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        (forged_seal, "wrong tag"),
        (unknown_key, "unknown kid"),
        (other_site, "not ev or state of site city"),
        (other_leaf, "not ev or state"),
        (foreign_topic, "is not till/1/"),
        (on_another_device, "kid b'w1.1' does not belong to device w2"),
        (under_another_kid, "kid b'w1.1' does not belong to device w2"),
        (event_on_state, "state: not an array of 12"),
        (oversized, "message of 1025 bytes, limit 1024"),
        (empty, "not a COSE_Mac0"),
    ],
)
def test_hostile_message_is_quarantined_with_its_reason_and_never_answered(
    office: Office, attack, reason: str
) -> None:
    device = office.device()
    office.device("w2")
    device.say(1)
    message = attack(device)

    acks = office.take(message)

    assert [] == acks
    assert [] == list(office.ledger.records())
    [row] = office.ledger.quarantine()
    assert reason in row["reason"]
    assert (message[0], message[1]) == (row["source"], row["bytes"])


def test_a_retained_event_is_counted_and_nothing_else(office: Office) -> None:
    device = office.device()
    device.say(1)
    topic, sealed, _ = device.ev(1, 1)

    acks = office.take((topic, sealed, True))

    assert ([], [], []) == (acks, list(office.ledger.records()), office.ledger.quarantine())
    assert 1 == office.ledger.counters()[("", "ignored")]


def test_a_withdrawn_key_opens_nothing_any_more(office: Office) -> None:
    device = office.device()
    device.say(2)
    office.take(device.ev(1, 1))
    (office.folder / "keys" / "w1.key").unlink()

    outcome = office.ingest.accept(*device.ev(2, 2))

    assert isinstance(outcome, Rejected)
    assert "unknown kid" in outcome.reason


def test_undecodable_record_uses_its_seq_and_keeps_its_bytes(office: Office) -> None:
    device = office.device()
    device.say(1)
    bodies = [device.said[0], b"\xa1\x00\x18\x63", records.encode_record(a_tally(3))]

    [(topic, sealed)] = office.take(device.ev(1, 3, bodies))

    assert 3 == device.open_ack(topic, sealed)["high_water"]
    assert [("tally", 1), ("undecodable", 2), ("tally", 3)] == [
        (r.kind, r.seq) for r in office.ledger.records()
    ]
    assert [b"\xa1\x00\x18\x63"] == [row["bytes"] for row in office.ledger.quarantine()]
    assert ["undecodable"] == office.incident_kinds()
    assert [] == office.ledger.verify()


def test_heartbeat_is_answered_and_asks_again_for_what_a_restored_ledger_lost(
    office: Office,
) -> None:
    device = office.device()
    device.say(9)
    office.take(device.ev(1, 2))

    [(topic, sealed)] = office.take(device.state(acked=8, ledger_n=5, ledger_head=b"h" * 32))

    ack = device.open_ack(topic, sealed)
    assert (2, 3, 8) == (ack["high_water"], ack["want_from"], ack["want_to"])
    assert ["ledger_behind"] == office.incident_kinds()


def test_a_head_that_differs_from_the_witness_is_an_incident(office: Office) -> None:
    device = office.device()
    device.say(1)
    office.take(device.ev(1, 1))

    office.take(device.state(acked=1, ledger_n=1, ledger_head=b"h" * 32))

    assert ["ledger_differs"] == office.incident_kinds()
    assert ["device w1 was acked with another head at entry 1"] == [
        finding.text for finding in office.ledger.verify()
    ]


@pytest.mark.parametrize("how", [{"status": "lost"}, {"retained": True}])
def test_last_will_and_retained_state_are_noted_and_conclude_nothing(office: Office, how) -> None:
    device = office.device()
    device.say(9)

    acks = office.take(device.state(lowest_kept=5, **how))

    assert ([], [], []) == (acks, office.ledger.gaps(), office.ledger.cursors())
    assert 0 == office.ledger.heartbeats()[0]["seen_ms"]


def test_full_disk_acknowledges_nothing_and_recovers(office: Office) -> None:
    device = office.device()
    device.say(300)
    office.take(device.ev(1, 1))
    seen: list[int] = []
    office.ingest.observers.append(lambda record: seen.append(record.seq))
    office.ledger.db.execute("VACUUM")  # no page is free inside the file either
    [pages] = office.ledger.db.execute("PRAGMA page_count").fetchone()
    office.ledger.db.execute(f"PRAGMA max_page_count = {pages}")
    batch = [office.ingest.accept(*device.ev(first, first + 9)) for first in range(2, 292, 10)]

    with pytest.raises(TryAgain):
        office.ingest.commit(batch)
    with pytest.raises(TryAgain):
        office.ingest.commit(batch)
    durable = office.seqs()
    office.ledger.db.execute("PRAGMA max_page_count = 1000000")
    [(topic, sealed)] = office.ingest.commit(batch)

    assert [1] == durable
    assert 291 == device.open_ack(topic, sealed)["high_water"]
    assert list(range(2, 292)) == seen
    assert ["storage_failed"] == office.incident_kinds()


def test_a_broken_view_does_not_stop_the_money(office: Office) -> None:
    device = office.device()
    device.say(1)

    def broken(_: object) -> None:
        raise RuntimeError("view")

    office.ingest.observers.append(broken)

    assert 1 == len(office.take(device.ev(1, 1)))


def test_key_files_are_private_and_out_of_repr(office: Office) -> None:
    device = office.device()

    assert 0o600 == (office.folder / "keys" / "w1.key").stat().st_mode & 0o777
    assert device.key.secret.hex() not in repr(device.key)
    assert device.key.secret == office.keys.current("w1").secret == office.keys.key_of(b"w1.1")


@pytest.mark.parametrize(
    "kid", [b"w1.2", b"w1.01", b"../w1.1", b"w1", b"", b"\xff.1", b"w1.\xb2", b"w2.1"]
)
def test_a_kid_that_nobody_has_opens_nothing(office: Office, kid: bytes) -> None:
    office.device()

    assert office.keys.key_of(kid) is None


def test_a_key_that_others_can_read_is_not_used(office: Office) -> None:
    office.device()
    (office.folder / "keys" / "w1.key").chmod(0o644)

    assert office.keys.key_of(b"w1.1") is None
    with pytest.raises(PermissionDenied, match="chmod 600"):
        office.keys.current("w1")


def test_a_key_in_use_is_never_overwritten(office: Office) -> None:
    office.device()

    with pytest.raises(ConfigError, match="exists"):
        create_key(office.folder / "keys", "w1")


def test_both_keys_of_a_rotation_open_messages_and_the_last_is_current(office: Office) -> None:
    device = office.device()
    path = office.folder / "keys" / "w1.key"
    path.write_text(path.read_text() + f"2 {'ab' * 32}\n")

    assert (device.key.secret, bytes.fromhex("ab" * 32)) == (
        office.keys.key_of(b"w1.1"),
        office.keys.key_of(b"w1.2"),
    )
    assert 2 == office.keys.current("w1").number
