"""Records of a window become drawer sessions: what each mark means, and what is counted once."""

import random

import pytest

from gateway.office.sessions import drawer_sessions
from protocol.records import FLAG_ACCUMULATE, FLAG_DISCREPANCY, FLAG_REPRINT, FLAG_SUB_BATCH
from tests.office.rows import Tape


def only(tape):
    (session,) = drawer_sessions(tape.rows)
    return session


def kinds(session):
    return [remark.kind for remark in session.remarks]


def usual_day():
    tape = Tape().mark(0, "sign_on", 7).count(1, "opening_float", 20000, value=20000).opening(10)
    tape.count(60, "drop", 50000).count(120, "checkpoint", 30000).check(200, 1200, 3400).mark(
        201, "card_total", 9900
    )
    return tape.count(210, "close", 30000, 5000)


def test_a_day_without_trouble():
    session = only(usual_day())

    assert (session.cashier, session.remarks) == (7, [])
    assert [(g.kind, g.counted_cents) for g in session.groups] == [
        ("opening_float", 20000), ("drop", 50000), ("checkpoint", 30000), ("close", 35000),
    ]  # fmt: skip
    assert (session.checks_cents(), session.declared_cents) == ([1200, 3400], {"card": 9900})
    assert [(opening.cause, opening.dwell_ms) for opening in session.openings] == [
        ("commanded", 5000)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_order_of_arrival_and_repeated_delivery_change_nothing(seed):
    rows = usual_day().rows
    chance = random.Random(seed)
    shuffled = rows + chance.choices(rows, k=20)
    chance.shuffle(shuffled)

    assert repr(drawer_sessions(rows)) == repr(drawer_sessions(shuffled))


def test_the_clock_decides_no_order():
    tape = (
        Tape()
        .mark(100, "opening_float", 100)
        .tally(50, 10000)
        .mark(20, "done")
        .count(10, "close", 12000)
    )

    assert only(tape).opening.counted_cents == 10000


def test_a_recount_replaces_the_group_before_it_and_both_stay_on_record():
    session = only(
        Tape()
        .count(1, "opening_float", 20000)
        .count(90, "close", 34000)
        .count(95, "recount", 35000)
    )

    assert session.close.counted_cents == 35000
    assert [group.counted_cents for group in session.groups] == [20000, 34000, 35000]
    assert [group.replaced for group in session.groups] == [False, True, False]


def test_an_empty_recount_replaces_nothing():
    session = only(
        Tape().count(1, "opening_float", 20000).count(90, "close", 34000).count(95, "recount")
    )

    assert session.close.counted_cents == 34000
    assert kinds(session) == ["recount_without_count"]


def test_void_takes_the_last_batch_that_is_left():
    tape = (
        Tape()
        .count(1, "opening_float", 20000)
        .mark(90, "close")
        .tally(91, 1000)
        .tally(92, 2000)
        .tally(93, 4000)
    )
    tape.mark(94, "void_last_batch").mark(95, "void_last_batch")

    assert only(tape).close.counted_cents == 1000


def test_reprints_are_heard_and_not_counted():
    tape = (
        Tape()
        .count(1, "opening_float", 20000)
        .mark(90, "close")
        .tally(91, 1000, batch="5", digest=b"a")
    )
    tape.tally(92, 1000, batch="5", digest=b"a").tally(93, 1000, batch="5", flags=FLAG_REPRINT)

    assert only(tape).close.counted_cents == 1000


def test_sub_batches_and_their_batch_are_summed_once():
    tape = Tape().count(1, "opening_float", 20000).mark(90, "close")
    tape.tally(91, 1000, "coins", FLAG_SUB_BATCH, "7-14-1").tally(
        92, 500, "coins", FLAG_SUB_BATCH, "8-14-2"
    )
    tape.tally(93, 1500, "coins", 0, "9-14-0").tally(94, 700, "coins", FLAG_SUB_BATCH, "10-15-1")
    session = only(tape)

    assert session.close.counted_cents == 2200
    assert kinds(session) == ["sub_batch_alone"]


def test_a_voided_batch_takes_its_sub_batches_along():
    tape = Tape().count(1, "opening_float", 20000).mark(90, "close").tally(90, 300)
    tape.tally(91, 1000, "coins", FLAG_SUB_BATCH, "7-14-1").tally(
        93, 1000, "coins", 0, "9-14-0"
    ).mark(94, "void_last_batch")

    assert only(tape).close.counted_cents == 300


def test_a_batch_that_differs_from_its_sub_batches_is_a_finding():
    tape = Tape().count(1, "opening_float", 20000).mark(90, "close")
    tape.tally(91, 1000, "coins", FLAG_SUB_BATCH, "7-14-1").tally(93, 1500, "coins", 0, "9-14-0")
    session = only(tape)

    assert (session.close.counted_cents, kinds(session)) == (1500, ["sub_batch_sum"])


def test_a_running_total_adds_what_it_grew_by():
    tape = Tape().count(1, "opening_float", 20000).mark(90, "close").tally(91, 1000)
    tape.tally(92, 2500, flags=FLAG_ACCUMULATE, rows=[(500, 3), (100, 10)])

    assert only(tape).close.counted_cents == 2500


def test_a_running_total_that_goes_on_over_two_counts_is_counted_once():
    tape = Tape().mark(1, "opening_float").tally(2, 1000, flags=FLAG_ACCUMULATE).mark(3, "done")
    session = only(
        tape.mark(90, "close")
        .tally(91, 1700, flags=FLAG_ACCUMULATE)
        .tally(92, 300, flags=FLAG_ACCUMULATE)
    )

    assert [group.counted_cents for group in session.groups] == [1000, 700 + 300]


def test_a_tally_outside_a_count_is_in_no_sum():
    session = only(
        Tape().count(1, "opening_float", 20000).tally(50, 7000).count(90, "close", 20000)
    )

    assert [(7000, "bills")] == [(each.cents, each.instrument) for each in session.loose]
    assert [group.counted_cents for group in session.groups] == [20000, 20000]


def test_foreign_money_wrong_sums_and_machine_doubts_are_remarks():
    tape = Tape().count(1, "opening_float", 20000).mark(90, "close").tally(91, 1000)
    tape.tally(92, 1000, currency="CAD").tally(93, 1000, rows=[(100, 9)]).tally(
        94, 500, flags=FLAG_DISCREPANCY
    )
    session = only(tape)

    assert session.close.counted_cents == 1500
    assert kinds(session) == ["foreign_currency", "tally_does_not_add_up", "machine_discrepancy"]


def test_minus_takes_a_check_back_and_the_total_is_compared():
    tape = Tape().count(1, "opening_float", 100).mark(80, "checks_tape")
    for symbol, cents in (
        ("+", 500),
        ("+", 700),
        ("-", 500),
        ("#", 12345),
        ("<>", 700),
        ("*", 800),
    ):
        tape.add("tape", 81, line_no=1, amount_minor=cents, symbol=symbol)
    tape.add("tape", 82, line_no=9, amount_minor=999, symbol="+")
    session = only(tape.count(90, "close", 100))

    assert session.checks_cents() == [700]
    assert sorted(kinds(session)) == ["check_tape_late_lines", "check_tape_total"]


def test_what_is_missing_in_a_session_is_listed():
    assert kinds(only(Tape().count(1, "opening_float", 100))) == ["never_closed"]
    assert kinds(only(Tape().count(1, "opening_float", 100).count(9, "close"))) == [
        "close_without_count"
    ]


def test_what_machines_and_the_line_say_is_listed():
    tape = Tape().count(1, "opening_float", 100)
    tape.add(
        "quarantine", 5, instrument="bills", reason="printed total 115.00, rows sum 110.00; recount"
    )
    tape.add("instrument", 6, instrument="coins", condition="jam").add(
        "instrument", 7, instrument="coins", condition="back"
    )
    tape.add("drawer", 8, state="open_too_long").add("boot", 9, reset_cause="watchdog").add(
        "undecodable", 10, raw=b""
    )
    session = only(tape.count(90, "close", 100))

    assert kinds(session) == [
        "quarantined_report",
        "instrument_jam",
        "drawer_open_too_long",
        "restarted",
        "unknown_record",
    ]


def test_missing_records_are_an_exact_range():
    tape = usual_day()
    rows = [row for row in tape.rows if row.seq not in (6, 7)]

    assert "records 6 to 7 of epoch 1 are missing" in [
        remark.text for remark in drawer_sessions(rows)[0].remarks
    ]


def test_sign_on_after_the_close_starts_the_next_session():
    tape = (
        usual_day()
        .mark(300, "sign_on", 8)
        .count(301, "opening_float", 20000)
        .count(400, "close", 21000)
    )
    first, second = drawer_sessions(tape.rows)

    assert (first.cashier, second.cashier) == (7, 8)
    assert (first.close.counted_cents, second.close.counted_cents) == (35000, 21000)


def test_a_hand_over_without_counts_is_listed():
    session = only(
        Tape()
        .mark(0, "sign_on", 7)
        .count(1, "opening_float", 100)
        .mark(50, "sign_on", 8)
        .count(90, "close", 100)
    )

    (hand,) = session.hand_overs
    assert (7, 7, 8) == (session.cashier, hand.from_cashier, hand.to_cashier)


def test_a_replaced_board_continues_the_session_in_the_order_of_its_epochs():
    before = Tape(epoch=900).mark(0, "sign_on", 7).count(1, "opening_float", 20000)
    after = Tape(epoch=5).count(90, "close", 30000)
    (session,) = drawer_sessions(after.rows + before.rows, epochs=[900, 5])

    assert [group.kind for group in session.groups] == ["opening_float", "close"]


def test_records_of_two_devices_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError):
        drawer_sessions(Tape("w1").mark(0, "done").rows + Tape("w2", 2).mark(0, "done").rows)
