"""Causes: the right one with its evidence, and no receipt named on amounts alone."""

from gateway.explain.causes import Unsettled
from gateway.explain.rank import explain
from gateway.office.reconcile import reconcile
from gateway.office.sessions import drawer_sessions
from gateway.office.tenders import tenders_of
from tests.office.rows import DAY, Tape, posting

SALES = [(10, 4321), (25, 8765), (40, 2599), (55, 12049)]


def variances(rows, counted_cents, *, openings=None, checks=(), card=None):
    tape = Tape().count(0, "opening_float", 20000)
    for minute in [row_minute for row_minute, _ in SALES] if openings is None else openings:
        tape.opening(minute)
    if checks:
        tape.check(80, *checks)
    if card is not None:
        tape.mark(81, "card_total", card)
    (session,) = drawer_sessions(tape.count(90, "close", counted_cents).rows)
    return explain(reconcile(session, tenders_of(rows), DAY))


def sales(*without, tender="cash"):
    return [
        posting(f"R{n}", minute, cents, tender)
        for n, (minute, cents) in enumerate(SALES)
        if n not in without
    ]


TOTAL = 20000 + sum(cents for _, cents in SALES)


def first(found):
    assert len(found) == 1
    cause = found[0].causes[0]
    return cause.kind, cause.strength, cause.receipt_no


def test_a_balanced_session_has_nothing_to_explain():
    assert variances(sales(), TOTAL) == []


def test_an_odd_difference_without_evidence_is_unexplained():
    (variance,) = variances(sales(), TOTAL - 1733)

    assert (variance.over_short_cents, variance.causes) == (-1733, ())


def test_an_opening_without_a_receipt_is_never_decisive_alone():
    assert first(variances(sales(2), TOTAL)) == ("not_posted", "possible", "")


def test_several_openings_without_receipts_are_only_possible():
    assert first(variances(sales(1, 2), TOTAL)) == ("not_posted", "possible", "")


def test_a_twin_without_an_opening_of_its_own_is_named():
    twin = posting("R9", 70, 2599, account_no="A-R2")

    assert first(variances([*sales(), twin], TOTAL)) == ("posted_twice", "strong", "R9")


def test_a_twin_with_an_opening_is_not_named():
    twin = posting("R9", 70, 2599, account_no="A-R2")

    assert first(variances([*sales(), twin], TOTAL, openings=[10, 25, 40, 55, 70])) == (
        "posted_twice",
        "possible",
        "",
    )


def test_equal_amounts_on_different_accounts_are_no_twins():
    (variance,) = variances([*sales(), posting("R9", 70, 2599)], TOTAL)

    assert variance.causes == ()


def test_a_reversal_without_an_opening_is_named():
    reversal = posting("V1", 70, 2599, status="reversed", void_of="R2")

    assert first(variances([*sales(), reversal], TOTAL)) == ("void_cash_kept", "strong", "V1")


def test_a_receipt_shown_as_void_is_not_named():
    rows = [*sales(2), posting("R2", 40, 2599, status="void")]

    assert first(variances(rows, TOTAL))[1:] == ("possible", "")


def test_a_note_is_possible_and_names_no_receipt():
    assert first(variances(sales(), TOTAL - 2000)) == ("wrong_change", "possible", "")
    assert first(variances(sales(), TOTAL + 1500)) == ("wrong_change", "possible", "")


def test_a_posting_that_nobody_confirmed_is_named():
    rows = [*sales(2), posting("R2", 40, 2599, status="unknown")]

    assert first(variances(rows, TOTAL)) == ("not_posted", "strong", "R2")


def test_a_receipt_posted_after_the_count_is_tried():
    rows = [*sales(2), posting("R2", 100, 2599)]

    assert first(variances(rows, TOTAL)) == ("late_posting", "possible", "")


def test_no_receipt_is_named_while_the_tape_is_unfinished():
    tape = Tape().count(0, "opening_float", 20000).mark(80, "checks_tape")
    tape.add("tape", 81, line_no=1, amount_minor=7700, symbol="+")
    (session,) = drawer_sessions(tape.count(90, "close", 20000).rows)
    checks = [posting("C1", 20, 7700, "check"), posting("C2", 30, 4311, "check")]

    found = explain(reconcile(session, tenders_of(checks), DAY))
    assert first(found) == ("tape_unfinished", "possible", "")


def test_a_money_order_on_the_check_tape_is_no_check_that_was_not_posted():
    rows = [*sales(), posting("C1", 20, 10000, "check"), posting("M1", 30, 5000, "money_order")]
    found = {v.tender_type: v.causes for v in variances(rows, TOTAL, checks=(10000, 5000))}

    assert [cause.kind for cause in found["check"]] == ["money_order_on_tape"]


def test_a_check_in_place_of_cash_has_two_causes_that_exclude_each_other():
    rows = [posting("R1", 40, 6000), posting("C1", 50, 7700, "check")]
    tape = Tape().count(0, "opening_float", 20000).opening(40).check(80, 7700, 6000)
    (session,) = drawer_sessions(tape.count(90, "close", 20000).rows)
    causes = [
        cause
        for variance in explain(reconcile(session, tenders_of(rows), DAY))
        for cause in variance.causes
    ]

    assert {"wrong_tender", "not_posted"} <= {cause.kind for cause in causes}
    assert {cause.strength for cause in causes} == {"possible"}
    assert {cause.receipt_no for cause in causes} == {""}


def test_cash_posted_as_a_check_shows_in_both_tenders():
    rows = [*sales(2), posting("R2", 40, 2599, "check"), posting("C1", 50, 7700, "check")]
    cash, check = variances(rows, TOTAL, checks=(7700,))

    assert (cash.causes[0].kind, cash.causes[0].receipt_no) == ("wrong_tender", "R2")
    assert (check.causes[0].kind, check.over_short_cents) == ("missing_check", -2599)


def test_a_missing_check_is_found_line_by_line():
    checks = [posting("C1", 20, 7700, "check"), posting("C2", 30, 4311, "check")]

    assert first(variances([*sales(), *checks], TOTAL, checks=(7700,))) == (
        "missing_check",
        "strong",
        "C2",
    )


def test_two_missing_checks_of_one_amount_name_nobody():
    checks = [posting("C1", 20, 7700, "check"), posting("C2", 30, 7700, "check")]

    assert first(variances([*sales(), *checks], TOTAL, checks=(7700,))) == (
        "missing_check",
        "possible",
        "",
    )


def test_swapped_digits_between_check_and_posting_are_named():
    checks = [posting("C1", 20, 8427, "check"), posting("C2", 30, 4311, "check")]

    assert first(variances([*sales(), *checks], TOTAL, checks=(4827, 4311))) == (
        "wrong_digit",
        "strong",
        "C1",
    )


def test_a_card_total_alone_names_nobody():
    cards = [posting("K1", 20, 8427, "card"), posting("K2", 30, 4311, "card")]

    assert first(variances([*sales(), *cards], TOTAL, card=8427)) == ("one_payment", "possible", "")


def test_two_strong_causes_name_no_receipt():
    rows = [
        *sales(2), posting("R2", 40, 2599, status="unknown"),
        posting("R5", 55, 2599, account_no="A-5"),
        posting("V5", 75, 2599, status="reversed", void_of="R5", void_by="4"),
    ]  # fmt: skip
    (variance,) = variances(rows, TOTAL)

    assert ["not_posted", "void_cash_kept"] == [cause.kind for cause in variance.causes][:2]
    assert {cause.receipt_no for cause in variance.causes} == {""}
    assert {cause.strength for cause in variance.causes} == {"possible"}


def test_a_machine_that_left_money_out_of_the_closing_count_is_the_possible_cause():
    tape = Tape().count(0, "opening_float", 20000)
    for minute, _ in SALES:
        tape.opening(minute)
    tape.mark(90, "close").tally(90, TOTAL - 1733)
    tape.add(
        "instrument",
        91,
        instrument="coins",
        condition="discrepancy",
        detail="counter from 48 to 54",
        pieces=1,
    )
    (session,) = drawer_sessions(tape.mark(92, "done").rows)

    (variance,) = explain(reconcile(session, tenders_of(sales()), DAY))
    (cause,) = variance.causes

    assert (cause.kind, cause.strength) == ("left_out_of_count", "possible")
    assert cause.evidence[0].endswith("coins: discrepancy (counter from 48 to 54; 1 piece)")


def test_nothing_is_a_cause_while_nothing_was_posted():
    (session,) = drawer_sessions(
        Tape().count(0, "opening_float", 20000).opening(40).count(90, "close", 25000).rows
    )
    proof = reconcile(session, [], DAY)

    assert first(explain(proof)) == ("not_posted", "possible", "")
    for missing in (Unsettled(nothing_posted=True), Unsettled(nothing_at_window=True)):
        assert first(explain(proof, unsettled=missing)) == ("nothing_posted", "possible", "")
    all_refused = Unsettled(nothing_posted=True, refused=("posted.csv:2: service: empty",))
    (variance,) = explain(proof, unsettled=all_refused)
    assert [("refused", all_refused.refused)] == [(c.kind, c.evidence) for c in variance.causes]


def test_a_refused_row_comes_first_and_leaves_nothing_strong():
    rows = [*sales(2), posting("R2", 40, 2599, status="unknown")]
    (session,) = drawer_sessions(
        Tape().count(0, "opening_float", 20000).count(90, "close", TOTAL).rows
    )
    refused = Unsettled(refused=("posted.csv:3: service: empty",))
    (variance,) = explain(reconcile(session, tenders_of(rows), DAY), unsettled=refused)

    assert ["refused", "not_posted"] == [cause.kind for cause in variance.causes]
    assert variance.causes[0].evidence == ("posted.csv:3: service: empty",)
    assert {"possible"} == {cause.strength for cause in variance.causes}
    assert {""} == {cause.receipt_no for cause in variance.causes}
