"""Deposits against the bank's credits (R18), each case by its name. Cents; the deposit is of
Friday 2026-11-20, Thursday the 26th is a holiday.
"""

import datetime
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DataError
from gateway.facts.settlements import BankLine
from gateway.office.bank_credits import (
    COMBINED,
    CREDITED,
    DEBIT,
    MISSING,
    MORE,
    PART,
    RETURN,
    SPLIT,
    UNKNOWN_CREDIT,
    WAITING,
    SentDeposit,
    business_days_after,
    credit_findings,
)

FRIDAY, MONDAY, TUESDAY, WEDNESDAY = "2026-11-20", "2026-11-23", "2026-11-24", "2026-11-25"


def works(date):
    return date.weekday() < 5 and date != datetime.date(2026, 11, 26)


def sent(bag="BAG00123", cents=50_000, date=FRIDAY, account="097", **other):
    return SentDeposit(bag, account, date, cents, **other)


def line(cents=50_000, date=MONDAY, reference="", text="DEPOSIT", account="097", **other):
    return BankLine(
        account, date, cents, "301", text, reference, "", other.pop("record", 4), **other
    )


def find(deposits, lines, until=WEDNESDAY):
    return credit_findings(deposits, lines, until, works)


def kinds(deposits, lines, until=WEDNESDAY):
    return [each.kind for each in find(deposits, lines, until)]


# --- one to one -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "credit",
    [line(reference="BAG00123"), line(reference="bag-00123"), line(text="DEP BAG00123 BR 4")],
    ids=["reference", "spelt-otherwise", "in-the-text"],
)
def test_a_credit_that_names_the_bag_is_its_credit(credit):
    found = find([sent()], [credit, line(77, text="INTEREST")])

    assert [(CREDITED, "reference"), (UNKNOWN_CREDIT, "")] == [
        (each.kind, each.basis) for each in found
    ]


def test_a_credit_of_the_same_amount_is_told_as_by_amount():
    assert [(CREDITED, "amount", False)] == [
        (each.kind, each.basis, each.is_possible) for each in find([sent()], [line()])
    ]


def test_a_credit_of_less_is_part_and_says_how_much_is_missing():
    found = find([sent()], [line(49_000, reference="BAG00123")])[0]

    assert (PART, -1_000, True) == (found.kind, found.difference_cents, found.is_alert)


def test_a_correction_by_the_bank_belongs_to_its_deposit():
    lines = [line(reference="BAG00123"), line(-1_000, TUESDAY, "BAG00123", "DEPOSIT CORRECTION")]
    found = find([sent()], lines)

    assert [(PART, -1_000)] == [(each.kind, each.difference_cents) for each in found]


def test_a_deposit_that_was_credited_twice_is_more():
    found = find([sent()], [line(reference="BAG00123"), line(reference="BAG00123", record=5)])

    assert [(MORE, 50_000)] == [(each.kind, each.difference_cents) for each in found]


def test_a_credit_of_another_account_is_not_this_deposits():
    assert [WAITING, UNKNOWN_CREDIT] == kinds([sent()], [line(account="098")], MONDAY)


def test_a_credit_before_the_deposit_is_not_its_credit():
    assert [UNKNOWN_CREDIT, WAITING] == kinds([sent()], [line(date="2026-11-19")], MONDAY)


def test_a_short_number_in_a_text_names_no_deposit():
    found = find([sent("7")], [line(49_000, text="BRANCH 7")], MONDAY)

    assert [UNKNOWN_CREDIT, WAITING] == [each.kind for each in found]


# --- missing (R18) --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "kind", "waited"),
    [(FRIDAY, WAITING, 0), (MONDAY, WAITING, 1), (TUESDAY, WAITING, 2), (WEDNESDAY, MISSING, 3)],
)
def test_no_credit_in_two_business_days_is_an_alert(until, kind, waited):
    found = find([sent()], [], until)[0]

    assert (kind, waited, kind == MISSING) == (found.kind, found.waited_days, found.is_alert)


def test_a_holiday_and_a_weekend_are_not_waited_for():
    wednesday = [sent(date=WEDNESDAY)]

    assert [WAITING] == kinds(wednesday, [], "2026-11-30")
    assert [MISSING] == kinds(wednesday, [], "2026-12-01")
    assert 1 == business_days_after(WEDNESDAY, "2026-11-29", works)


def test_a_report_of_the_bank_that_is_late_is_no_alert():
    assert [WAITING] == kinds([sent()], [], until=MONDAY)


def test_of_two_deposits_alike_with_one_credit_nobody_knows_which_is_missing():
    found = find([sent("BAG1"), sent("BAG2")], [line()])

    assert [(CREDITED, True), (MISSING, False)] == [(each.kind, each.is_possible) for each in found]


def test_a_deposit_of_nothing_waits_for_nothing():
    assert [CREDITED] == kinds([sent(cents=0)], [])


# --- sums -----------------------------------------------------------------------------------------


def test_two_deposits_in_one_credit_are_told_as_possible():
    found = find([sent("BAG1", 30_000), sent("BAG2", 20_000)], [line(50_000)])

    assert [(COMBINED, 2, True, 0)] == [
        (each.kind, len(each.deposits), each.is_possible, each.difference_cents) for each in found
    ]


def test_two_deposits_that_the_bank_names_in_one_credit_are_sure():
    found = find([sent("BAG0001", 30_000), sent("BAG0002", 20_000)], [line(text="BAG0001 BAG0002")])

    assert [(COMBINED, "reference", False)] == [
        (each.kind, each.basis, each.is_possible) for each in found
    ]


def test_two_deposits_whose_amounts_the_bank_lists_are_sure():
    found = find([sent("BAG1", 30_000), sent("BAG2", 20_000)], [line(parts=(20_000, 30_000))])

    assert [(COMBINED, "parts", False)] == [
        (each.kind, each.basis, each.is_possible) for each in found
    ]


def test_a_sum_that_fits_in_two_ways_is_not_guessed_at():
    deposits = [sent(f"BAG{n}", cents) for n, cents in enumerate((30_000, 20_000, 10_000, 40_000))]
    found = find(deposits, [line(50_000)])

    assert {MISSING: 4, UNKNOWN_CREDIT: 1} == Counter(each.kind for each in found)
    assert [2] == [each.alike for each in found if each.kind == UNKNOWN_CREDIT]


def test_two_credits_whose_sums_want_the_same_deposit_are_not_guessed_at():
    deposits = [sent("BAG1", 30_000), sent("BAG2", 20_000), sent("BAG3", 25_000)]
    found = find(deposits, [line(50_000), line(45_000)])

    assert {MISSING: 3, UNKNOWN_CREDIT: 2} == Counter(each.kind for each in found)


def test_a_sum_of_more_deposits_than_are_tried_is_left_open():
    deposits = [sent(f"BAG{n}", 1_000 + n) for n in range(40)]

    assert UNKNOWN_CREDIT in kinds(deposits, [line(2_001)])


def test_cash_and_checks_of_one_deposit_that_are_credited_apart():
    found = find([sent(parts=(30_000, 20_000))], [line(20_000), line(30_000)])

    assert [(SPLIT, "parts", False)] == [
        (each.kind, each.basis, each.is_possible) for each in found
    ]


def test_one_deposit_in_two_credits_is_told_as_possible():
    found = find([sent()], [line(20_000), line(30_000)])

    assert [(SPLIT, True)] == [(each.kind, each.is_possible) for each in found]


# --- what is no deposit ---------------------------------------------------------------------------


def test_a_credit_that_nobody_sent_is_unknown_and_an_alert():
    found = find([], [line(1_234)])[0]

    assert (UNKNOWN_CREDIT, True, 1_234) == (found.kind, found.is_alert, found.difference_cents)


def test_a_returned_item_is_no_correction_of_its_deposit():
    lines = [line(reference="BAG00123"), line(-5_000, reference="BAG00123", is_return=True)]

    assert [CREDITED, RETURN] == kinds([sent()], lines)


def test_other_debits_are_listed():
    assert [DEBIT] == kinds([], [line(-900, text="ANALYSIS FEE")])


def test_a_card_batch_of_more_refunds_than_sales_is_a_debit_that_is_known():
    assert [CREDITED] == kinds([sent("B77", -700)], [line(-700)])


def test_two_deposits_of_one_id_that_differ_are_not_guessed_at():
    with pytest.raises(DataError, match="BAG00123"):
        find([sent(cents=1), sent(cents=2)], [])


# --- laws -----------------------------------------------------------------------------------------

CENTS = st.sampled_from((100, 200, 300, 500))
DATES = st.sampled_from((FRIDAY, MONDAY, TUESDAY))
deposits_given = st.lists(
    st.builds(
        sent, st.integers(1, 9).map(lambda n: f"BAG{n:05d}"), CENTS, DATES,
        st.sampled_from(("097", "098")), parts=st.sampled_from(((), (100, 200), (200, 300))),
    ),
    max_size=6, unique_by=lambda each: (each.account, each.deposit_id),
)  # fmt: skip
lines_given = st.lists(
    st.builds(
        line, st.sampled_from((100, 200, 300, 500, -100)), DATES,
        st.sampled_from(("", "", "BAG00001", "BAG00002")),
        st.sampled_from(("", "BAG00001 BAG00002")), st.sampled_from(("097", "098")),
        parts=st.sampled_from(((), (100, 200))), is_return=st.sampled_from((False, False, True)),
    ),
    max_size=6,
)  # fmt: skip


@given(deposits_given, lines_given)
def test_every_deposit_and_every_line_stands_in_exactly_one_finding(deposits, lines):
    found = find(deposits, lines)

    assert Counter(deposits) == Counter(each for one in found for each in one.deposits)
    assert Counter(lines) == Counter(each for one in found for each in one.lines)


@given(deposits_given, lines_given)
def test_nothing_is_netted(deposits, lines):
    """What is credited has no difference; all differences sum to the lines less the deposits."""
    found = find(deposits, lines)
    total = sum(each.amount_cents for each in lines) - sum(each.amount_cents for each in deposits)

    assert total == sum(each.difference_cents for each in found)
    assert {0} >= {
        each.difference_cents for each in found if each.kind in (CREDITED, COMBINED, SPLIT)
    }


@given(deposits_given, lines_given, st.randoms(use_true_random=False))
def test_the_order_changes_nothing(deposits, lines, dice):
    shuffled = list(deposits), list(lines)
    for each in shuffled:
        dice.shuffle(each)

    assert find(deposits, lines) == find(*shuffled)
