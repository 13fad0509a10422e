"""Proved sessions before the rules of the office: what comes from records and postings."""

from gateway.office.day_facts import session_facts
from gateway.office.reconcile import reconcile
from gateway.office.rule_finding import under
from gateway.office.rules import findings
from gateway.office.sessions import drawer_sessions
from gateway.office.tenders import tenders_of
from tests.office.judging import CONFIG, broken, facts_of
from tests.office.rows import DAY, Tape, posting


def proved(tape, *postings):
    (session,) = drawer_sessions(tape.rows)
    return reconcile(session, tenders_of(postings), DAY)


def found(*proofs):
    """{rule: [kinds]} of all rules."""
    kinds = {}
    for finding in findings(facts_of(*proofs), under(CONFIG)):
        kinds.setdefault(finding.rule, []).append(finding.kind)
    return kinds


def morning(closed_cents=28_000):
    """A float of 200.00, a sale of 100.00 less 20.00 change, a close."""
    tape = Tape().mark(540, "sign_on", 7).count(541, "opening_float", 20_000, value=20_000)
    return tape.opening(600).count(700, "close", closed_cents)


SALE = posting("R1", 600, 8_000, change=2_000)


def test_a_sound_session_breaks_no_rule():
    assert {} == found(proved(morning(), SALE))


def test_a_short_close_wants_a_supervisor_for_interval_and_session():
    assert {"R08": ["interval_supervisor", "session_supervisor"]} == found(
        proved(morning(27_500), SALE)
    )


def test_a_float_that_differs_is_booked_by_a_line_of_its_own():
    tape = Tape().mark(540, "sign_on", 7).count(541, "opening_float", 18_000, value=20_000)
    proof = proved(tape.count(700, "close", 18_000))

    assert -2_000 == session_facts(proof).booked_float_cents
    assert {} == found(proof)


def test_a_check_that_was_taken_back_is_declared_all_the_same():
    check = posting("R2", 610, 5_000, tender="check")
    back = posting("R3", 620, 5_000, tender="check", status="reversed", void_of="R2")

    assert {} == found(proved(morning().check(690, 5_000), SALE, check))
    assert ["not_declared"] == found(proved(morning(), SALE, posting("R2", 610, 5, "card")))["R06"]
    assert [2 * 5_000] == [
        line.posted_cents
        for line in session_facts(proved(morning(), SALE, check, back)).lines
        if line.tender_type == "check"
    ]


def test_recounts_that_are_more_than_the_blind_ones_are_counted():
    tape = morning(27_000)
    for minute in (701, 702, 703):
        tape.count(minute, "recount", 27_000 + minute)

    assert ["too_many_counts"] == found(proved(tape, SALE))["R04"]


def test_a_missing_receipt_number_is_found():
    assert ["numbers_missing"] == found(proved(morning(), SALE, posting("R3", 610, 0)))["R14"]


def test_a_drop_that_no_machine_counted_is_found():
    tape = Tape().mark(540, "sign_on", 7).count(541, "opening_float", 20_000, value=20_000)
    tape.opening(600).mark(650, "drop", 5_000).mark(650, "done").count(700, "close", 23_000)

    assert {"R13": ["drop_not_counted"]} == found(proved(tape, SALE))


def test_the_cashier_who_posted_is_the_one_who_signed_on():
    assert ["other_cashier"] == found(proved(morning(), posting("R1", 600, 8_000, cashier_id="9")))[
        "R01"
    ]


def test_the_report_tells_openings_and_receipts_against_the_calendar():
    tape = morning().opening(620, dwell_ms=121_000)
    late = posting("R2", 961, 0)

    assert [
        ("open_too_long", "the drawer stood open for 121 s, limit 120 s"),
        (
            "after_cut_off",
            "1 receipt taken past the cut-off 16:00 or on a closed day: R2 of 16:01:00 is dated"
            " 2026-11-20 and belongs to 2026-11-23",
        ),
    ] == [
        (each.kind, each.text)
        for each in broken(proved(tape, SALE, late))
        if each.rule in ("R11", "R15")
    ]
