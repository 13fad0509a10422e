"""Each record is read once, however the messages that brought it overlap."""

from tests.delivery.bench import Office


def test_messages_of_one_batch_that_overlap_are_read_once(office: Office) -> None:
    device = office.device()
    device.say(7)
    office.take(device.ev(1, 4), device.ev(3, 6), device.ev(2, 7))

    assert [1, 2, 3, 4, 5, 6, 7] == office.seqs()
    since_ms = office.clock.now_ms - 3_600_000 * 24
    assert [1, 2, 3, 4, 5, 6, 7] == [each.seq for each in office.ledger.records(since_ms)]
    assert [] == office.ledger.verify()
