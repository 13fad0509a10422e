"""The report stream's memory: a batch is stated once, and a number that was passed over is told."""

import pytest

from protocol.records import FLAG_REPRINT, FLAG_SUB_BATCH
from tests.drivers.bench import Line, jetscan, mach, of_kind, quarantine, tally


def test_a_reprint_is_heard_and_flagged_with_the_first_reports_identity():
    line = Line("jetscan")
    first = tally(line.send(jetscan(1, 14)))
    again = tally(line.send(jetscan(2, 14, time="11/20/2026 14:20:00")))

    assert first["flags"] == 0
    assert again["flags"] == FLAG_REPRINT
    assert (first["batch_id"], first["digest"]) == (again["batch_id"], again["digest"])


def test_the_same_batch_with_other_content_is_quarantined():
    line = Line("jetscan")
    line.send(jetscan(1, 14))

    assert (
        "stated before with other content"
        in quarantine(line.send(jetscan(2, 14, twenties=6)))["reason"]
    )
    assert "15" in tally(line.send(jetscan(3, 15)))["batch_id"]


def test_a_quarantined_report_that_is_printed_again_is_counted_once():
    line = Line("mach")
    line.send(mach(batch=7))
    quarantine(line.send(mach(batch=8)[:-20]))

    assert tally(line.send(mach(batch=8)))["flags"] == 0
    assert tally(line.send(mach(batch=8)))["flags"] == FLAG_REPRINT
    assert tally(line.send(mach(batch=9)))["flags"] == 0


def test_sub_batches_are_flagged_and_their_batch_is_not():
    line = Line("jetscan")
    reports = ((1, 3, 1, 2), (2, 3, 2, 2), (3, 3, 0, 6), (4, 4, 0, 1))
    flags = [tally(line.send(jetscan(*numbers)))["flags"] for numbers in reports]

    assert flags == [FLAG_SUB_BATCH, FLAG_SUB_BATCH, 0, 0]


def test_a_sub_batch_that_nobody_reported_is_told():
    line = Line("jetscan")
    line.send(jetscan(1, 3, 1, 2))
    missing = of_kind(line.send(jetscan(3, 3, 3, 2)), "instrument")

    assert [event["detail"] for event in missing] == ["batch 3: sub-batch 2 was not reported"]


@pytest.mark.parametrize(("report", "batch"), [(3, 4), (1, 3)])
def test_a_batch_that_was_not_reported_after_its_sub_batches_is_told(report, batch):
    """Once silent: the next number follows on, and what was counted behind the last sub-batch was
    in no tally.
    """
    line = Line("jetscan")
    line.send(jetscan(2, 3, 1, 2))
    missing = of_kind(line.send(jetscan(report, batch, 0, 6)), "instrument")

    assert "batch 3 was not reported, only sub-batches of it" in [
        event["detail"] for event in missing
    ]


def test_a_batch_smaller_than_its_sub_batches_is_quarantined():
    line = Line("jetscan")
    line.send(jetscan(1, 3, 1, 5))

    assert (
        "batch 3 holds 63.00, its sub-batches 103.00"
        in quarantine(line.send(jetscan(2, 3, 0, 3)))["reason"]
    )


def test_report_numbers_that_start_again_are_a_day_clear_and_a_new_epoch():
    line = Line("jetscan")
    before = tally(line.send(jetscan(7, 1)))
    clear, after = line.send(jetscan(1, 1, twenties=6, time="11/21/2026 08:01:00"))

    assert clear["condition"] == "day_clear"
    assert (before["batch_id"], after["batch_id"]) == ("7-1-0", "d2:1-1-0")
    assert after["flags"] == 0


def test_a_batch_lost_while_the_day_was_cleared_is_told_when_its_number_is_passed():
    line = Line("jetscan")
    line.send(jetscan(7, 3))
    conditions = [event["condition"] for event in of_kind(line.send(jetscan(1, 5)), "instrument")]

    assert conditions == ["day_clear", "missing_report"]


def test_the_same_money_after_a_day_clear_on_another_date_is_for_a_person():
    """Once flagged or counted by chance: report 1 may be a copy of the last batch, or the first
    batch of a new day.
    """
    line = Line("jetscan")
    line.send(jetscan(7, 1))
    events = line.send(jetscan(1, 1, time="11/21/2026 08:01:00"))

    assert "reprint or new day" in quarantine(of_kind(events, "quarantine"))["reason"]
    assert of_kind(events, "tally") == []


def test_a_spoiled_report_number_does_not_make_a_reprint_new():
    """Report number 9 read as 3: an epoch of its own, but the copy has the numbers and content of a
    batch in memory.
    """
    line = Line("jetscan")
    line.send(jetscan(8, 14))
    events = line.send(jetscan(3, 14))

    assert [event["flags"] for event in of_kind(events, "tally")] == [FLAG_REPRINT]


def test_mach_numbers_that_start_again_on_another_date_are_a_new_epoch():
    line = Line("mach")
    line.send(mach(batch=1))
    line.send(mach(batch=2))
    clear, after = line.send(
        mach(batch=1, rows=(("1.00", "3.00"),), total="3.00", time="08:00 09/22/2026")
    )

    assert (clear["condition"], after["batch_id"], after["flags"]) == ("day_clear", "d2:1-0-0", 0)


def test_mach_batch_one_with_equal_content_on_another_date_is_for_a_person():
    line = Line("mach")
    line.send(mach(batch=1))

    assert (
        "reprint or new day"
        in quarantine(line.send(mach(batch=1, time="08:00 09/22/2026")))["reason"]
    )


def test_an_older_batch_that_was_never_seen_is_for_a_person_and_the_next_is_counted():
    line = Line("mach")
    line.send(mach(batch=14))
    events = line.send(mach(batch=3))
    assert "batch 3 came after batch 14" in quarantine(of_kind(events, "quarantine"))["reason"]

    assert tally(line.send(mach(batch=4)))["batch_id"] == "d2:4-0-0"
    assert tally(of_kind(line.send(mach(batch=14)), "tally"))["flags"] == FLAG_REPRINT


def test_a_gap_in_batch_numbers_is_told():
    line = Line("mach")
    line.send(mach(batch=5))
    missing, event = line.send(mach(batch=8))

    assert (missing["condition"], missing["detail"]) == (
        "missing_report",
        "batches 6 to 7 were not reported",
    )
    assert event["batch_id"] == "8-0-0"


def test_batch_numbers_that_wrap_are_no_gap_and_no_restart():
    line = Line("mach")
    line.send(mach(batch=999))

    assert tally(line.send(mach(batch=1)))["batch_id"] == "d2:1-0-0"


def test_only_the_last_identities_are_remembered():
    line = Line("mach")
    for batch in range(1, 101):
        line.send(mach(batch=batch))

    assert len(line.stream._memory._entries) == 16
    assert tally(line.send(mach(batch=85)))["flags"] == FLAG_REPRINT
    assert "came after" in of_kind(line.send(mach(batch=84)), "quarantine")[0]["reason"]


def test_a_tape_with_sub_numbers_that_name_no_sub_batches_goes_on_after_a_restart():
    line = Line("mach")
    line.stream.resume("7-2-3")
    first, second = (
        line.send(mach(batch=batch).replace(b"SUB 00\r\nGRAND 00", b"SUB 02\r\nGRAND 03"))
        for batch in (8, 9)
    )

    assert [["tally"], ["tally"]] == [
        [event["kind"] for event in events] for events in (first, second)
    ]
