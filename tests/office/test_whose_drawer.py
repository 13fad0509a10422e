"""Whose drawer holds the money: custody, counts, and what no count may hide. Each case stands for
a complaint about other systems, or for what an earlier version of these books said.
"""

import datetime
import itertools
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.office.custody import custody_of
from gateway.office.reconcile import reconcile
from gateway.office.sessions import drawer_sessions
from gateway.office.tenders import tenders_of
from tests.office.judging import kinds_of, told
from tests.office.rows import DAY, DAY_MS, Tape, posting

ZONE = zoneinfo.ZoneInfo("America/Chicago")
DAYS_AGO = "2026-11-16", DAY_MS - 4 * 86_400_000  # business date and time of a receipt


def date_of(at_ms):
    return datetime.datetime.fromtimestamp(at_ms / 1000, ZONE).date().isoformat()


def proofs_of(tape, rows, earlier=None):
    """The proofs of all sessions of a tape, and the tenders of none."""
    sessions = drawer_sessions(tape.rows, date_of=date_of)
    custody = custody_of(sessions, tenders_of(rows, earlier), date_of)
    proofs = [
        reconcile(session, held, DAY, frozenset(custody.moved))
        for session, held in zip(sessions, custody.held, strict=True)
    ]
    return proofs, custody.loose


def only(tape, rows, earlier=None):
    (proof,), loose = proofs_of(tape, rows, earlier)
    assert loose == []
    return proof


def cash(proof):
    line = proof.line("cash")
    return line.over_short_cents, line.status


def kinds(proof):
    return [remark.kind for remark in proof.remarks]


def texts(proof, kind):
    return [remark.text for remark in proof.remarks if remark.kind == kind]


def two_cashiers(seven_cents, eight_cents):
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    tape.count(720, "close", seven_cents).mark(725, "sign_on", 8)
    return tape.count(726, "opening_float", 20000).count(1000, "close", eight_cents)


# --- custody --------------------------------------------------------------------------------------


@pytest.mark.parametrize("session_id", ["", "S7"])
def test_a_receipt_that_arrives_after_the_next_cashier_signed_on_is_of_its_own_session(session_id):
    early = (("R1", 600, 1000), ("R2", 610, 1000), ("R3", 620, 1000), ("R4", 630, 1000))
    rows = [
        *(posting(*sale, session_id=session_id) for sale in early),
        posting("R5", 730, 5000, session_id=session_id),
        posting("R6", 800, 2000, session_id=session_id and "S8", cashier_id="8"),
    ]  # fmt: skip
    (seven, eight), loose = proofs_of(two_cashiers(29000, 22000), rows)

    assert (loose, cash(seven), cash(eight)) == ([], (0, "balanced"), (0, "balanced"))
    assert ["R5"] == [t.receipt_no for t in seven.tenders if t.posted_ms > seven.session.closed_ms]


def test_an_export_that_gives_every_session_one_id_means_nothing_by_it():
    rows = [
        *(posting(f"R{n}", 500 + n, 100) for n in range(20)),
        posting("R90", 800, 700), posting("R91", 801, 800),
    ]  # fmt: skip
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    tape.count(720, "close", 22000).mark(725, "sign_on", 7)
    tape.count(726, "opening_float", 20000).count(1000, "close", 21500)
    (first, second), _ = proofs_of(tape, rows)

    assert (cash(first), cash(second)) == ((0, "balanced"), (0, "balanced"))


def test_receipts_of_a_cashier_who_did_not_sign_on_are_a_finding():
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    rows = [posting("R1", 600, 5000), posting("R2", 610, 6000, cashier_id="9")]
    proof = only(tape.count(1002, "close", 31000), rows)

    assert cash(proof) == (0, "balanced")
    assert ["1 receipt by cashier 9 while cashier 7 had the drawer, 60.00: R2"] == told(
        proof, "other_cashier"
    )


def test_a_session_over_midnight_is_read_whole():
    tape = Tape().mark(1080, "sign_on", 7).count(1081, "opening_float", 20000)
    tape.count(1450, "close", 28000)  # ten minutes after midnight
    rows = [posting("R1", 1200, 5000), posting("R2", 1445, 3000)]
    proof = only(tape, rows)

    assert cash(proof) == (0, "balanced")


def test_a_drawer_that_nobody_closed_is_not_the_next_days():
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    tape.mark(480 + 1440, "sign_on", 8).count(481 + 1440, "opening_float", 20000)
    first, second = drawer_sessions(tape.rows, date_of=date_of)

    assert [(7, 1), (8, 1)] == [(s.cashier, len(s.groups)) for s in (first, second)]
    assert "never_closed" in [remark.kind for remark in first.remarks]


def test_a_receipt_after_the_closing_count_is_apart_and_in_no_expected_sum():
    tape = Tape().count(481, "opening_float", 20000).count(1000, "close", 22500)
    rows = [
        posting("R1", 600, 2500, status="unknown"),
        posting("R2", 1030, 3300),
    ]
    proof = only(tape, rows)

    assert cash(proof) == (2500, "over")  # and not 8.00 short
    assert ["R2"] == [tender.receipt_no for tender in proof.after_close]


def test_a_receipt_after_the_close_counts_for_the_next_count_of_that_drawer():
    tape = Tape().count(481, "opening_float", 20000).count(1000, "close", 25000)
    tape.count(1040, "close", 28300)
    proof = only(tape, [posting("R1", 600, 5000), posting("R2", 1030, 3300)])

    assert cash(proof) == (0, "balanced")
    assert [0] == [interval.over_short_cents for interval in proof.later_intervals]


def test_a_receipt_of_the_next_business_day_lies_in_this_drawer():
    tape = Tape().count(481, "opening_float", 20000).check(990, 3000)
    rows = [
        posting("R1", 600, 5000),
        posting("R2", 970, 2000, business_date="2026-11-23"),
        posting("C1", 975, 3000, "check", business_date="2026-11-23"),
    ]
    proof = only(tape.count(1000, "close", 27000), rows)

    assert (cash(proof), proof.status) == ((0, "balanced"), "balanced")
    assert [("R2", 2000), ("C1", 3000)] == [(t.receipt_no, t.net_cents) for t in proof.held_over]
    assert (5000, 2000) == (
        proof.line("cash").posted_cents,
        proof.line("cash").held_over_cents,
    )


# --- intervals ------------------------------------------------------------------------------------


def over_the_checkpoint(before_cents, close_cents, *rows):
    tape = Tape().count(481, "opening_float", 20000).count(720, "checkpoint", before_cents)
    return only(tape.count(1000, "close", close_cents), rows)


def test_ten_short_and_ten_over_are_not_balanced():
    proof = over_the_checkpoint(24000, 30000, posting("R1", 600, 5000), posting("R2", 800, 5000))

    assert [-1000, 1000] == [interval.over_short_cents for interval in proof.intervals]
    assert (cash(proof), proof.status) == ((0, "over and short"), "over and short")


def test_a_sale_during_a_checkpoint_is_counted_on_its_side_of_it():
    sale = posting("R1", 720 + 5 / 60, 5000)
    proof = over_the_checkpoint(25000, 25000, sale)

    assert [0, 0] == [interval.over_short_cents for interval in proof.intervals]
    assert (cash(proof), kinds(proof)) == ((0, "balanced"), ["moved_over_count"])


def test_two_sales_that_would_fit_move_nothing():
    sales = [posting("R1", 720.1, 5000), posting("R2", 720.2, 5000)]
    proof = over_the_checkpoint(25000, 30000, *sales)

    assert [5000, -5000] == [interval.over_short_cents for interval in proof.intervals]
    assert proof.status == "over and short"


def test_a_sale_far_from_the_count_is_not_moved():
    proof = over_the_checkpoint(25000, 25000, posting("R1", 760, 5000))

    assert proof.status == "over and short"


def test_a_receipt_just_before_the_close_does_not_hide_that_its_cash_is_gone():
    tape = Tape().count(481, "opening_float", 20000).count(1000, "close", 25000)
    proof = only(tape, [posting("R1", 600, 5000), posting("R2", 999.5, 6000)])

    assert cash(proof) == (-6000, "short")


def test_the_posting_systems_clock_three_minutes_ahead_is_told_and_taken_away():
    tape = Tape().count(481, "opening_float", 20000)
    minutes = [500 + 21 * n for n in range(10)]
    for minute in minutes:
        tape.opening(minute)
    tape.count(690, "checkpoint", 30000)
    tape.opening(691).count(1000, "close", 31000)
    rows = [posting(f"R{n}", minute + 3, 1000) for n, minute in enumerate([*minutes, 691])]
    rows[9] = posting("R9", 689 + 3, 1000)  # posted after the count by its own clock
    proof = only(tape, rows)

    assert proof.clock_offset_ms == 180_000
    assert [0, 0] == [interval.over_short_cents for interval in proof.intervals]
    assert "clock is about 3:00 minutes ahead of" in texts(proof, "clock_offset")[0]


def test_clocks_that_agree_are_not_told():
    tape = Tape().count(481, "opening_float", 20000)
    minutes = [500 + 7 * n for n in range(20)]
    for minute in minutes:
        tape.opening(minute)
    rows = [posting(f"R{n}", minute + 0.1, 1000) for n, minute in enumerate(minutes)]
    proof = only(tape.count(1000, "close", 40000), rows)

    assert (0, []) == (proof.clock_offset_ms, texts(proof, "clock_offset"))


# --- counts ---------------------------------------------------------------------------------------


def test_a_float_that_is_short_is_a_line_of_its_own():
    tape = Tape().count(481, "opening_float", 18000, value=20000).count(1000, "close", 23000)
    proof = only(tape, [posting("R1", 600, 5000)])

    assert (-2000, (0, "balanced")) == (proof.opening_over_short_cents, cash(proof))
    assert kinds(proof) == ["opening_float_differs"]


def test_an_opening_that_differs_from_the_float_of_the_session_before_is_told():
    tape = Tape().count(481, "opening_float", 18000).count(1000, "close", 18000)
    (session,) = drawer_sessions(tape.rows)
    proof = reconcile(session, [], DAY, float_before_cents=20000)

    assert kinds(proof) == ["overnight_difference"]
    assert cash(proof) == (0, "balanced")


def test_recounts_until_it_balances_are_all_listed_and_too_many():
    """By the office's rule R04: the policy says how many are too many."""
    tape = Tape().count(481, "opening_float", 20000).count(1000, "close", 24000)
    for number, cents in enumerate((24100, 24900, 24500, 25000)):
        tape.count(1003 + 3 * number, "recount", cents)
    proof = only(tape, [posting("R1", 600, 5000)])

    assert cash(proof) == (0, "balanced")
    assert texts(proof, "counted_again") == [
        "close counted 5 times: 240.00, 241.00, 249.00, 245.00, 250.00; the last one is used"
    ]
    assert ["5 closing counts, at most 3 are blind"] == told(proof, "too_many_counts")
    assert [24000, 24100, 24900, 24500, 25000] == [
        group.counted_cents for group in proof.session.groups if group.kind == "close"
    ]


def test_a_second_close_by_mistake_does_not_replace_the_first():
    tape = Tape().count(481, "opening_float", 20000).count(1000, "close", 25000)
    proof = only(tape.count(1010, "close", 24970), [posting("R1", 600, 5000)])

    assert cash(proof) == (0, "balanced")
    assert [-30] == [interval.over_short_cents for interval in proof.later_intervals]
    assert "closed_again" in kinds(proof)


def test_a_closing_count_by_hand_is_a_count():
    tape = Tape().count(481, "opening_float", 20000).mark(1000, "close", 25000).mark(1001, "done")
    proof = only(tape, [posting("R1", 600, 5000)])

    assert cash(proof) == (0, "balanced")
    assert proof.session.close.source == "by hand"
    assert kinds(proof) == ["close_by_hand"]


def test_what_the_machine_counted_and_what_was_keyed_differ():
    tape = Tape().count(481, "opening_float", 20000).count(1000, "close", 25000, value=24500)
    proof = only(tape, [posting("R1", 600, 5000)])

    assert cash(proof) == (0, "balanced")
    assert texts(proof, "keyed_differs") == ["close keyed 245.00, counted 250.00"]


# --- tapes and declared totals --------------------------------------------------------------------


def test_a_tape_that_is_run_again_does_not_double_the_checks():
    tape = Tape().count(481, "opening_float", 20000).check(900, 3100, 4000).check(905, 4000, 3100)
    rows = [posting("C1", 600, 3100, "check"), posting("C2", 610, 4000, "check")]
    proof = only(tape.count(1000, "close", 20000), rows)

    assert (proof.line("check").over_short_cents, kinds(proof)) == (0, ["check_tape_again"])


def test_a_recount_of_the_tape_replaces_it():
    tape = Tape().count(481, "opening_float", 20000).check(900, 3100, 400).mark(904, "recount")
    rows = [posting("C1", 600, 3100, "check"), posting("C2", 610, 4000, "check")]
    proof = only(tape.check(905, 3100, 4000).count(1000, "close", 20000), rows)

    assert proof.line("check").over_short_cents == 0
    assert kinds(proof) == ["check_tape_again"]


def test_a_second_tape_of_other_checks_adds():
    tape = Tape().count(481, "opening_float", 20000).check(800, 3100).check(905, 4000)
    rows = [posting("C1", 600, 3100, "check"), posting("C2", 850, 4000, "check")]

    assert only(tape.count(1000, "close", 20000), rows).line("check").over_short_cents == 0


def test_lines_after_the_total_of_a_tape_are_told_and_in_no_sum():
    tape = Tape().count(481, "opening_float", 20000).check(900, 3100)
    tape.add("tape", 902, line_no=9, amount_minor=4000, symbol="+")
    proof = only(tape.count(1000, "close", 20000), [posting("C1", 600, 3100, "check")])

    assert proof.line("check").over_short_cents == 0
    assert texts(proof, "check_tape_late_lines") == [
        "check tape: lines after its total, in no sum: 40.00"
    ]


def test_two_card_batches_add_and_one_keyed_twice_counts_once():
    tape = Tape().count(481, "opening_float", 20000).mark(700, "card_total", 5000)
    tape.mark(701, "card_total", 5000).mark(900, "card_total", 3000)
    rows = [posting("K1", 600, 5000, "card"), posting("K2", 800, 3000, "card")]
    proof = only(tape.count(1000, "close", 20000), rows)

    assert proof.line("card").over_short_cents == 0
    assert kinds(proof) == ["card_total_again", "card_total_again"]


@pytest.mark.parametrize("tender", ["money_order", "other"])
def test_every_tender_can_be_declared_on_the_pad(tender):
    tape = Tape().count(481, "opening_float", 20000).mark(700, tender, 5000)
    proof = only(tape.count(1000, "close", 20000), [posting("M1", 600, 5000, tender)])

    assert proof.status == "balanced"


# --- voids and returned items ---------------------------------------------------------------------


def closed(cents, *checks):
    tape = Tape().count(481, "opening_float", 20000)
    if checks:
        tape.check(990, *checks)
    return tape.count(1000, "close", cents)


def void(receipt, minute, cents, of, tender="cash", **more):
    more = {"void_by": "4", **more}
    return posting(receipt, minute, cents, tender, status="reversed", void_of=of, **more)


def test_a_returned_check_of_an_earlier_day_is_no_drawer_event():
    rows = [
        posting("C9", 600, 10000, "check"),
        void("X1", 700, 5000, "C1", "check", void_by=""),
    ]
    proof = only(closed(20000, 10000), rows, {("cis", "", "C1"): DAYS_AGO})

    assert (proof.line("check").expected_cents, proof.status) == (10000, "balanced")
    assert [("X1", -5000)] == [(t.receipt_no, t.net_cents) for t in proof.returned]
    assert kinds(proof) == ["returned_item"]  # the bank asks no supervisor


def test_cash_handed_back_for_an_earlier_day_leaves_todays_drawer():
    proof = only(closed(15000), [void("X1", 700, 5000, "R1")], {("cis", "", "R1"): DAYS_AGO})

    assert cash(proof) == (0, "balanced")


def test_a_receipt_that_is_taken_back_twice_is_taken_back_once():
    rows = [posting("R1", 600, 5000), void("V1", 700, 5000, "R1"), void("V2", 710, 5000, "R1")]
    proof = only(closed(20000), rows)

    assert cash(proof) == (0, "balanced")
    assert told(proof, "void_again") == [
        "receipt V2 takes R1 back (cash 50.00): that was taken back before: it has no effect"
    ]


def test_a_part_that_is_taken_back_leaves_the_rest():
    rows = [posting("R1", 600, 5000), void("V1", 700, 2000, "R1"), void("V2", 710, 3000, "R1")]
    proof = only(closed(20000), rows)

    assert (cash(proof), kinds(proof)) == ((0, "balanced"), [])
    assert "void_again" not in kinds_of(proof)


def test_a_void_of_what_was_never_posted_has_no_effect():
    proof = only(closed(20000), [void("V1", 700, 5000, "R1")], {})

    assert (cash(proof), kinds(proof)) == ((0, "balanced"), [])
    assert "void_of_nothing" in kinds_of(proof)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"tender_amount_cents": 6000, "allocation_cents": 6000}, "void_too_much"),
        ({"tender_type": "check"}, "void_other_tender"),
        ({"window_id": "w2"}, "void_elsewhere"),
        ({"void_by": ""}, "void_without_supervisor"),
        ({"posted_ms": posting("x", 1010, 1).posted_ms}, "void_after_close"),
    ],
)
def test_a_void_that_does_not_fit_its_receipt_is_a_finding(change, kind):
    proof = only(closed(20000), [posting("R1", 600, 5000), void("V1", 700, 5000, "R1", **change)])

    assert kind in kinds_of(proof)


def test_change_from_a_check_is_cash():
    rows = [posting("C1", 600, 8000, "check", change=2000), posting("R1", 610, 6000)]
    proof = only(closed(24000, 10000), rows)

    assert (24000, 10000) == (proof.line("cash").expected_cents, proof.line("check").expected_cents)
    assert ("balanced", {"503-water": 14000}) == (proof.status, proof.funds_cents)
    assert 2000 == proof.intervals[0].change_cents


def test_a_refund_is_cash_out_of_the_drawer():
    rows = [posting("R1", 600, 5000), posting("F1", 700, -3000)]

    assert cash(only(closed(22000), rows)) == (0, "balanced")


def test_a_credit_beside_what_it_pays_keeps_its_sign():
    rows = [
        posting("R1", 600, 10000, line=1, tender_amount_cents=8000),
        posting("R1", 600, -2000, line=2, tender_amount_cents=8000, fund="501-electric"),
    ]
    proof = only(closed(28000), rows)

    assert ((0, "balanced"), {"501-electric": -2000, "503-water": 10000}) == (
        cash(proof),
        proof.funds_cents,
    )


# --- laws -----------------------------------------------------------------------------------------

RECEIPTS = st.lists(
    st.tuples(
        st.integers(400, 1300), st.integers(1, 9_999), st.sampled_from("789"),
        st.sampled_from(["", "S1", "S2"]), st.sampled_from([DAY, "2026-11-23"]),
        st.sampled_from(["posted", "posted", "posted", "unknown", "void"]),
    ),
    max_size=20,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(RECEIPTS, st.randoms(use_true_random=False))
def test_every_receipt_is_in_one_place_in_any_order(receipts, chance):
    rows = [
        posting(
            f"R{n}", minute, cents, cashier_id=cashier, session_id=session, business_date=date,
            status=status,
        )
        for n, (minute, cents, cashier, session, date, status) in enumerate(receipts)
    ]  # fmt: skip
    tape = two_cashiers(50000, 60000)
    proofs, loose = proofs_of(tape, rows)
    chance.shuffle(rows)
    again, _ = proofs_of(tape, rows)

    places = [
        tender.receipt_no
        for proof in proofs
        for tender in itertools.chain(
            proof.tenders, proof.held_over, proof.after_close, proof.unknown, proof.outside
        )
    ]
    assert sorted([*places, *(tender.receipt_no for tender in loose)]) == sorted(
        row.receipt_no for row in rows
    )
    assert [proof.lines for proof in proofs] == [proof.lines for proof in again]
    for proof in proofs:
        line = proof.line("cash")
        assert line.over_short_cents == sum(line.parts_cents)
        assert (
            line.expected_cents
            == 20000 + sum(t.net_cents for t in (*proof.tenders, *proof.held_over))
            == proof.intervals[0].start_cents + line.posted_cents + line.held_over_cents
        )
