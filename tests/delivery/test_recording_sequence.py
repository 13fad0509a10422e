"""What docs/protocol.md asks of a gateway about the order of records, what is missing and what is
gone, statement by statement.
"""

import pytest

from gateway.store.segments import bodies_from
from tests.delivery.bench import Device, Office, ack_of
from tests.store.bench import bodies, kept


@pytest.mark.must("SEQ-18", "WANT-1", "WANT-2", "WANT-3")
@pytest.mark.parametrize(("have", "first"), [(0, 2), (2, 4), (2, 9), (5, 7)])
def test_a_hole_is_not_taken_and_asked_for(
    office: Office, device: Device, have: int, first: int
) -> None:
    if have:
        office.take(device.ev(1, have))

    ack = ack_of(office, device, device.ev(first, 9))

    assert (have, have + 1, first - 1) == (ack["high_water"], ack["want_from"], ack["want_to"])
    assert list(range(1, have + 1)) == office.seqs()


@pytest.mark.must("SEQ-19", "ACK-23", "CHAIN-6")
def test_a_redelivery_adds_nothing_and_is_acknowledged_again(
    office: Office, device: Device
) -> None:
    office.take(device.ev(1, 5))
    before = office.ledger.head()

    ack = ack_of(office, device, device.ev(1, 5), device.ev(2, 3), device.ev(5, 5))

    assert (5, before) == (ack["high_water"], office.ledger.head())
    assert [1, 2, 3, 4, 5] == office.seqs()


@pytest.mark.must("SEQ-20")
def test_the_new_records_of_a_message_that_overlaps_are_taken(
    office: Office, device: Device
) -> None:
    office.take(device.ev(1, 4))

    ack = ack_of(office, device, device.ev(3, 6))

    assert (6, [1, 2, 3, 4, 5, 6]) == (ack["high_water"], office.seqs())
    assert device.said[:6] == [record_body(office, seq) for seq in range(1, 7)]


def record_body(office: Office, seq: int) -> bytes:
    body = dict(bodies_from(office.ledger.db, 1, seq).between(seq, seq)).get(seq)
    assert bodies(office.ledger.db)[seq] == body
    return body


@pytest.mark.must("SEQ-21", "SEQ-22")
def test_order_is_that_of_seq_whatever_arrives_first(office: Office, device: Device) -> None:
    ack = ack_of(office, device, device.ev(7, 9), device.ev(4, 6), device.ev(1, 3))

    assert (9, 0, list(range(1, 10))) == (ack["high_water"], ack["want_from"], office.seqs())
    assert list(range(1, 10)) == [
        record.fields["total_minor"] for record in office.ledger.records()
    ]


@pytest.mark.must("WANT-7")
def test_what_a_device_believes_acknowledged_is_asked_for_again(
    office: Office, device: Device
) -> None:
    office.take(device.ev(1, 2))

    ack = ack_of(office, device, device.state(acked=7))

    assert (2, 3, 7) == (ack["high_water"], ack["want_from"], ack["want_to"])


@pytest.mark.must("WANT-8")
@pytest.mark.parametrize("lowest_kept", [1, 2, 3])
def test_no_gap_while_the_next_seq_is_kept(
    office: Office, device: Device, lowest_kept: int
) -> None:
    office.take(device.ev(1, 2))

    office.take(device.state(lowest_kept=lowest_kept))

    assert [] == office.ledger.gaps()


@pytest.mark.must("WANT-9", "WANT-13", "WANT-14", "WANT-15", "ACK-5")
def test_a_gap_is_exact_told_in_the_chain_and_passed(office: Office, device: Device) -> None:
    office.take(device.ev(1, 2))
    heartbeat = device.state(lowest_kept=6)

    ack = ack_of(office, device, heartbeat)
    office.take(device.ev(6, 9))

    assert [(3, 5)] == [(row["from_seq"], row["to_seq"]) for row in office.ledger.gaps()]
    assert (5, 9, [1, 2, 6, 7, 8, 9]) == (
        ack["high_water"],
        office.ledger.high_water("w1", 7),
        office.seqs(),
    )
    [incident] = office.ledger.incidents()
    assert ("gap", True) == (incident["kind"], "count the drawer" in incident["text"])
    assert [(2, heartbeat[1])] == [
        (each.n, each.sealed) for each in kept(office.ledger.db) if each.topic.endswith("/state")
    ]
    assert [] == office.ledger.verify()


@pytest.mark.must("WANT-10", "WANT-11")
@pytest.mark.parametrize("lowest_kept", [0, 10, 500])
def test_a_device_that_keeps_nothing_leaves_a_gap_up_to_its_last(
    office: Office, device: Device, lowest_kept: int
) -> None:
    office.take(device.ev(1, 2))

    office.take(device.state(lowest_kept=lowest_kept, last_seq=9))

    assert [(3, 9)] == [(row["from_seq"], row["to_seq"]) for row in office.ledger.gaps()]


@pytest.mark.must("WANT-12")
def test_a_gap_tells_a_restored_ledger_from_lost_records(office: Office, device: Device) -> None:
    office.take(device.ev(1, 2))

    office.take(device.state(lowest_kept=8, acked=5))

    parts = [
        (row["from_seq"], row["to_seq"], "restored" in row["cause"]) for row in office.ledger.gaps()
    ]
    assert [(3, 5, True), (6, 7, False)] == parts


@pytest.mark.must("WANT-16", "WANT-17")
def test_a_record_after_its_gap_is_kept_and_told(office: Office, device: Device) -> None:
    office.take(device.state(lowest_kept=6))

    office.take(device.ev(3, 4))

    assert [3, 4] == office.seqs()
    assert ["gap", "late_record"] == office.incident_kinds()


@pytest.mark.must("WANT-18")
def test_events_alone_never_make_a_gap(office: Office, device: Device) -> None:
    for first in (9, 5, 8, 3):
        office.take(device.ev(first, 9))

    assert ([], 0) == (office.ledger.gaps(), office.ledger.high_water("w1", 7))


def test_a_late_record_that_comes_again_adds_nothing(office: Office, device: Device) -> None:
    office.take(device.ev(1, 3))
    office.take(device.state(lowest_kept=7))
    office.take(device.ev(7, 8))
    office.take(device.ev(1, 2))  # what the ledger has is read, and remembered without 4 to 6
    office.take(device.ev(4, 6))
    office.take(device.ev(4, 6))

    assert [1, 2, 3, 7, 8, 4, 5, 6] == office.seqs()
    assert 5 == office.ledger.counters()[("w1", "duplicates")]
    assert [] == office.ledger.verify()
