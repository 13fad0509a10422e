"""Days that touch each other: sessions over midnight, money held from one day to the next, what
the bank brings back.
"""

import pytest

from gateway.day.prove import default_business_date
from tests.day.bench import EVENING_MS, ZONE, OfficeDay, posted_csv
from tests.office.rows import Tape, posting

NEXT = "2026-11-21"
MONDAY = "2026-11-23"


def cash(day, window="w1"):
    return [
        (p.reconciliation.line("cash").over_short_cents, p.reconciliation.line("cash").status)
        for p in day.proofs
        if p.reconciliation.session.device == window
    ]


def test_a_session_over_midnight_is_proved_once_on_the_day_of_its_opening(tmp_path):
    tape = Tape().mark(1080, "sign_on", 7).count(1081, "opening_float", 20000).opening(1300)
    office = OfficeDay(tmp_path, tape.count(1450, "close", 28000))
    office.post([posting("R1", 1200, 5000), posting("R2", 1445, 3000)])

    assert [(0, "balanced")] == cash(office.day())
    assert ([], 8000) == (office.day(NEXT).proofs, office.day().deposit.deposit_cents)


def test_money_held_over_the_weekend_is_in_this_drawer_and_in_mondays_deposit(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).check(990, 3000).count(1000, "close", 27000)
    office = OfficeDay(tmp_path, tape)
    office.post(
        [
            posting("R1", 600, 5000),
            posting("R2", 970, 2000, business_date=MONDAY),
            posting("C1", 975, 3000, "check", business_date=MONDAY),
        ]
    )
    friday, monday = office.day(), office.day(MONDAY)

    assert [(0, "balanced")] == cash(friday)
    assert (5000, 5000, 0) == (
        friday.deposit.deposit_cents,
        friday.deposit.held_over_cents,
        friday.deposit.held_in_cents,
    )
    assert ([], 5000, 5000) == (
        monday.proofs,
        monday.deposit.held_in_cents,
        monday.deposit.deposit_cents,
    )
    assert {"503-water": 5000} == monday.deposit.funds_cents


def test_a_check_that_comes_back_after_days_is_a_returned_item(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).check(990, 10000).count(1000, "close", 20000)
    office = OfficeDay(tmp_path, tape)
    office.post([posting("C1", 600 - 4 * 1440, 5000, "check", business_date="2026-11-16")], "a.csv")
    back = posting("X1", 700, 5000, "check", status="reversed", void_of="C1", fund="501-electric")
    office.post([posting("C9", 610, 10000, "check"), back])
    day = office.day()
    line = day.proofs[0].reconciliation.line("check")

    assert (10000, 0) == (line.expected_cents, line.over_short_cents)
    assert (10000, {"501-electric": -5000}) == (
        day.deposit.deposit_cents,
        day.deposit.returned_cents,
    )
    assert day.is_balanced


def test_a_void_of_what_nobody_ever_posted_changes_no_drawer(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).count(1000, "close", 20000)
    office = OfficeDay(tmp_path, tape)
    office.post([posting("V1", 700, 5000, status="void", void_of="R77")])

    assert [(0, "balanced")] == cash(office.day())
    assert "void_of_nothing" in [each.kind for each in office.day().findings]


def test_a_drawer_left_open_yesterday_does_not_swallow_today(tmp_path):
    tape = Tape().mark(480 - 1440, "sign_on", 7).count(481 - 1440, "opening_float", 20000)
    tape.mark(480, "sign_on", 8).count(481, "opening_float", 20000).count(1000, "close", 25000)
    office = OfficeDay(tmp_path, tape)
    office.post([posting("R1", 600, 5000, cashier_id="8")])
    (proved,) = office.day().proofs

    assert (8, 1) == (proved.reconciliation.session.cashier, proved.reconciliation.session.number)
    assert [(0, "balanced")] == cash(office.day())


def test_the_float_that_the_last_session_had_is_compared_with_this_opening(tmp_path):
    tape = Tape().count(500 - 1440, "opening_float", 20000).count(1100 - 1440, "close", 20000)
    office = OfficeDay(
        tmp_path, tape.count(481, "opening_float", 18000).count(1000, "close", 18000)
    )

    (proved,) = office.day().proofs
    kinds = [remark.kind for remark in proved.reconciliation.remarks]
    assert kinds == ["overnight_difference"]


def test_one_missing_declaration_hides_no_other_tender(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).count(1000, "close", 25000)
    office = OfficeDay(tmp_path, tape)
    office.post([posting("R1", 600, 5000), posting("M1", 610, 4000, "money_order")])
    deposit = office.day().deposit

    assert (5000, None) == (
        deposit.by_tender_cents["cash"],
        deposit.by_tender_cents["money_order"],
    )
    assert (None, False) == (deposit.deposit_cents, office.day().is_balanced)


def test_cards_are_not_in_the_deposit_of_the_bank(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).mark(900, "card_total", 4000)
    office = OfficeDay(tmp_path, tape.count(1000, "close", 25000))
    office.post([posting("R1", 600, 5000), posting("K1", 610, 4000, "card")])
    deposit = office.day().deposit

    assert (5000, 4000) == (deposit.deposit_cents, deposit.by_tender_cents["card"])


def kinds(day):
    return [point.kind for point in day.open_points]


def test_a_day_whose_file_was_refused_is_the_day_that_is_shown(tmp_path):
    tape = Tape().count(481 - 1440, "opening_float", 20000).count(1002 - 1440, "close", 25000)
    office = OfficeDay(
        tmp_path, tape.count(481, "opening_float", 20000).count(1002, "close", 31000)
    )
    office.post([posting("R1", 600 - 1440, 5000, business_date="2026-11-19")], "thursday.csv")
    friday = posted_csv([posting("R2", 600, 11000)]).replace("tender_cents=11000", "tender_cents=1")
    assert "unposted" == office.post(friday, "friday.csv").state
    shown = default_business_date(office.office.ledger, ZONE, EVENING_MS - 12 * 3_600_000)

    assert "2026-11-20" == shown
    assert ["nothing_posted"] == [k for k in kinds(office.day(shown)) if k != "differs"][:1]


def test_a_refused_row_is_named_before_any_other_cause(tmp_path):
    tape = Tape().count(481, "opening_float", 20000).opening(600).opening(601)
    office = OfficeDay(tmp_path, tape.count(1002, "close", 27000))
    rows = [posting("R1", 600, 5000), posting("R2", 601, 2000, fund="x" * 41)]
    assert 1 == office.post(rows).refused
    day = office.day()
    (variance,) = day.proofs[0].variances

    assert ["refused", "differs"] == kinds(day)
    assert "refused" == variance.causes[0].kind
    assert {"possible"} == {cause.strength for cause in variance.causes}


def test_a_window_whose_file_did_not_come_is_told_so(tmp_path):
    """Each window has an export of its own: that of w2 was forgotten."""
    counted = [
        Tape(name).count(481, "opening_float", 20000).opening(600).count(1002, "close", 25000)
        for name in ("w1", "w2")
    ]
    office = OfficeDay(tmp_path, *counted)
    office.post([posting("R1", 600, 5000)])
    first, second = office.day().proofs

    assert [] == first.variances
    assert [["nothing_posted"]] == [[c.kind for c in v.causes] for v in second.variances]
    assert "this window" in second.variances[0].causes[0].title


@pytest.mark.parametrize("status", ["unknown", "posted"])
def test_a_final_day_has_no_open_point(tmp_path, status):
    office = OfficeDay(
        tmp_path, Tape().count(481, "opening_float", 20000).count(1002, "close", 25000)
    )
    office.post([posting("R1", 600, 5000), posting("R2", 700, 300, "check", status=status)])

    expected = {"unknown": ["unknown_posting"], "posted": ["proof_missing"]}[status]
    assert expected == kinds(office.day())


def test_cash_without_pennies_is_no_over(tmp_path):
    """Six exact amounts, paid in nickels: the drawer has three cents more than was posted."""
    amounts = (5004, 5257, 5263, 5319, 5241, 5468)
    tape = Tape().count(481, "opening_float", 20000).count(720, "checkpoint", 35525)
    office = OfficeDay(tmp_path, tape.count(1002, "close", 51555))
    office.post([posting(f"R{n}", 500 + 80 * n, cents) for n, cents in enumerate(amounts)])
    nickels, pennies = office.day(cash="nickel"), office.day()

    assert [(0, "balanced")] == cash(nickels)
    assert (3, 31555) == (nickels.deposit.rounding_cents, nickels.deposit.deposit_cents)
    assert [1, 2] == [
        interval.rounding_cents for interval in nickels.proofs[0].reconciliation.intervals
    ]
    assert [(3, "over")] == cash(pennies)


@pytest.fixture
def two_days(tmp_path, monkeypatch):
    """Makes two days of one drawer with one receipt each; `second`: session_id of the later day."""
    monkeypatch.setattr("tests.day.bench.EVENING_MS", EVENING_MS + 24 * 3_600_000)
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    tape.count(1000, "close", 25000).mark(1920, "sign_on", 8).count(1921, "opening_float", 20000)
    office = OfficeDay(tmp_path, tape.count(2440, "close", 23000))
    later = {"business_date": NEXT, "cashier_id": "8"}
    return lambda second="s2": (
        office,
        [posting("R1", 600, 5000), posting("R2", 2040, 3000, session_id=second, **later)],
    )


def test_a_receipt_of_yesterdays_session_that_is_posted_today_lies_in_yesterdays_drawer(two_days):
    office, rows = two_days()
    late = {"session_id": "s1", "business_date": NEXT}
    rows += [posting(f"E{n}", 610 + n, 0, allocation_cents=0) for n in range(4)]
    office.post([*rows, posting("R3", 2000, 700, **late)])
    first, second = office.day(), office.day(NEXT)

    assert ["R3"] == [t.receipt_no for t in first.proofs[0].reconciliation.after_close]
    assert [(0, "balanced")] == cash(first)
    assert ["R2"] == [t.receipt_no for t in second.proofs[0].reconciliation.tenders]
    assert [(0, "balanced")] == cash(second)


def test_one_session_id_for_all_days_means_no_session(two_days):
    office, rows = two_days(second="s1")
    office.post(rows)

    assert [(0, "balanced")] == cash(office.day())
    assert [(0, "balanced")] == cash(office.day(NEXT))


def test_a_receipt_of_yesterday_is_taken_back_once_also_when_each_day_has_a_void_of_it(two_days):
    office, rows = two_days()
    void = {"status": "reversed", "void_of": "R1", "void_by": "9"}
    today = {"session_id": "s2", "business_date": NEXT, "cashier_id": "8"}
    office.post(
        [*rows, posting("V1", 990, 5000, **void), posting("V2", 2100, 5000, **void, **today)]
    )
    second = office.day(NEXT).proofs[0].reconciliation

    assert [(0, "balanced")] == cash(office.day(NEXT))
    assert ["voided before"] == [tender.outside for tender in second.outside]
