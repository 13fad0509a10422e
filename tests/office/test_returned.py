"""Returned items (R20), each case by its name: what comes back, what it does to the books, and that
it is no event of a drawer. Cents; the day is 2026-11-20, a Friday.

The first case follows the help pages of two cashiering systems on checks without funds: the receipt
of an earlier day is reversed, in a batch of its own, so that the day's deposit still balances.
"""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.facts.settlements import BankLine, ReturnedItem
from gateway.office.returned import (
    AGAIN,
    AMOUNT,
    BANK_MATTER,
    CONFIRMS,
    CREDIT,
    NO_RECEIPT,
    NOT_RETURNED,
    PROPOSED,
    REDEPOSIT,
    SEVERAL,
    ReturnEvent,
    ReturnRule,
    cash_only,
    fund_effect,
    is_returned,
    item_return,
    line_return,
    months_before,
    posted_return,
    redeposit,
    returned_entries,
)
from gateway.office.tenders import tenders_of
from tests.office.rows import DAY, posting

OLD = "2026-11-16"
RULE = ReturnRule(fee_cents=3_000)


def check(receipt="R0", cents=5_000, date=OLD, **other):
    """The leg of a check that was taken on an earlier day."""
    return tenders_of([posting(receipt, 600, cents, "check", business_date=date, **other)])[0]


def split_check(receipt, *parts, change=0, date=OLD):
    """The leg of a check that pays several (account, fund, cents)."""
    total = sum(cents for _, _, cents in parts) + change
    rows = [
        posting(receipt, 600, cents, "check", line=number, account_no=account, fund=fund,
                tender_amount_cents=total, change_cents=change, business_date=date)
        for number, (account, fund, cents) in enumerate(parts, 1)
    ]  # fmt: skip
    return tenders_of(rows)[0]


def reversal(receipt="N1", of="R0", cents=5_000, date=DAY, **other):
    """The leg by which the cashiering system takes a receipt back."""
    row = posting(
        receipt, 600, cents, "check", status="reversed", void_of=of, business_date=date, **other
    )
    return tenders_of([row])[0]


def item(cents=5_000, reason="R01", ref="", trace="1", **other):
    return ReturnedItem(trace, cents, reason, "42", "", ref, "6789", "PPD", **other)


def bank_line(cents=-5_000, date=DAY, record=8):
    return BankLine("097", date, cents, "555", "RETURNED ITEM", "", "", record, is_return=True)


def entries(events, receipts, rule=RULE):
    return returned_entries(events, receipts, rule)


def whys(events, receipts):
    return [each.why for each in entries(events, receipts)]


# --- no event of a drawer -------------------------------------------------------------------------


def test_a_returned_check_of_an_earlier_day_is_no_drawer_event():
    """A check of 50.00 of Monday comes back on Friday, on which one of 100.00 is taken: the drawer
    holds 100.00, and the fund loses 50.00 apart from it.
    """
    back = reversal()
    found = entries([posted_return(back)], [check()])

    assert is_returned(back, OLD)
    assert {"503-water": -5_000} == fund_effect(found)


@pytest.mark.parametrize("tender", ["check", "money_order"])
def test_what_went_to_the_bank_with_an_earlier_day_comes_from_the_bank(tender):
    row = posting("N1", 600, 1, tender, status="void", void_of="R0")

    assert is_returned(tenders_of([row])[0], OLD)


def test_a_check_that_is_taken_back_on_its_own_day_is_in_the_drawer():
    assert not is_returned(reversal(), DAY)


@pytest.mark.parametrize("tender", ["cash", "card"])
def test_cash_and_cards_of_an_earlier_day_are_no_returned_items(tender):
    row = posting("N1", 600, 1, tender, status="reversed", void_of="R0")

    assert not is_returned(tenders_of([row])[0], OLD)


# --- what it does to the books --------------------------------------------------------------------


def test_a_returned_item_reverses_its_receipts_own_split_to_the_cent():
    paid = split_check("R0", ("A1", "501-electric", 3_333), ("A2", "503-water", 1_667))
    found = entries([posted_return(reversal())], [paid])[0]

    assert (("501-electric", -3_333), ("503-water", -1_667)) == found.funds
    assert (("A1", 3_333), ("A2", 1_667)) == found.receivables


def test_the_split_of_the_reversal_is_told_when_it_is_another():
    paid = split_check("R0", ("A1", "501-electric", 3_333), ("A2", "503-water", 1_667))
    found = entries([posted_return(reversal(fund="503-water"))], [paid])[0]

    assert (("501-electric", -3_333), ("503-water", -1_667)) == found.funds
    assert (True, True) == (found.other_split, found.is_open)


def test_change_that_was_handed_back_on_a_check_is_owed_too():
    """A check of 100.00 for a bill of 80.00, 20.00 back in cash: 100.00 bounce."""
    paid = split_check("R0", ("A1", "503-water", 8_000), change=2_000)
    found = entries([item_return(item(10_000, ref="A1"), DAY)], [paid])[0]

    assert (-8_000, 8_000, 2_000) == (
        fund_effect([found])["503-water"], found.receivables[0][1], found.change_cents,
    )  # fmt: skip


def test_the_cashiering_system_may_say_it_less_the_change():
    paid = split_check("R0", ("A1", "503-water", 8_000), change=2_000)

    assert [""] == whys([posted_return(reversal(cents=8_000))], [paid])


def test_of_a_receipt_with_cash_and_a_check_only_the_check_comes_back():
    legs = tenders_of([
        posting("R0", 600, 2_000, "cash", business_date=OLD, tender_id="T1", fund="501-electric"),
        posting("R0", 600, 5_000, "check", line=2, business_date=OLD, tender_id="T2"),
    ])  # fmt: skip

    assert {"503-water": -5_000} == fund_effect(entries([posted_return(reversal())], legs))


def test_two_checks_of_one_amount_in_a_receipt_come_back_one_after_the_other():
    legs = tenders_of([
        posting("R0", 600, 5_000, "check", business_date=OLD, tender_id="T1", fund="501-electric"),
        posting("R0", 600, 5_000, "check", line=2, business_date=OLD, tender_id="T2"),
    ])  # fmt: skip
    events = [posted_return(reversal("N1")), posted_return(reversal("N2"))]

    assert {"501-electric": -5_000, "503-water": -5_000} == fund_effect(entries(events, legs))


def test_the_fee_is_added_once_and_to_the_receipts_account():
    found = entries([posted_return(reversal())], [check()])[0]

    assert (3_000, "A-R0") == (found.fee_cents, found.fee_account)


def test_a_policy_without_a_fee_adds_none():
    found = entries([posted_return(reversal())], [check()], ReturnRule())[0]

    assert (0, "") == (found.fee_cents, found.fee_account)


@pytest.mark.parametrize("reason", ["R06", "R24"])
def test_a_return_that_is_nobodys_unpaid_bill_has_no_fee_and_does_not_count(reason):
    found = entries([item_return(item(reason=reason, ref="A-R0"), DAY)], [check()])[0]

    assert ("", 0, False) == (found.why, found.fee_cents, found.counts)


def test_a_fee_that_was_added_before_the_reason_was_known_is_told():
    events = [posted_return(reversal()), item_return(item(reason="R24", ref="A-R0"), DAY)]

    assert [False, True] == [each.is_open for each in entries(events, [check()])]


def test_another_amount_than_the_receipts_is_not_guessed_at():
    found = entries([posted_return(reversal(cents=4_000))], [check()])[0]

    assert (AMOUNT, (), True) == (found.why, found.funds, found.is_open)


def test_a_return_of_a_receipt_that_nobody_posted_has_no_effect():
    assert [NO_RECEIPT] == whys([posted_return(reversal(of="R77"))], [check()])


def test_a_check_that_was_void_before_it_went_to_the_bank_cannot_come_back():
    gone = check(status="void")

    assert [NO_RECEIPT] == whys([posted_return(reversal())], [gone])


# --- redeposit ------------------------------------------------------------------------------------


def test_a_redeposit_takes_the_reversal_back_and_the_fee_stays():
    events = [posted_return(reversal()), redeposit(("cis", "R0"), "2026-11-23", 5_000)]
    found = entries(events, [check()])

    assert ({}, 3_000) == (fund_effect(found), sum(each.fee_cents for each in found))
    assert [5_000, -5_000] == [each.receivables[0][1] for each in found]


def test_a_redeposit_that_comes_back_again_reverses_again_with_one_fee_and_one_count():
    events = [
        item_return(item(ref="A-R0"), DAY),
        redeposit(("cis", "R0"), "2026-11-23", 5_000),
        item_return(item(ref="A-R0", trace="2"), "2026-11-25"),
    ]
    found = entries(events, [check()])

    assert {"503-water": -5_000} == fund_effect(found)
    assert ([3_000, 0, 0], [True, False, False]) == (
        [each.fee_cents for each in found], [each.counts for each in found],
    )  # fmt: skip


def test_a_redeposit_on_the_day_of_the_return_comes_after_it():
    events = [redeposit(("cis", "R0"), DAY, 5_000), posted_return(reversal())]

    assert {} == fund_effect(entries(events, [check()]))


def test_a_redeposit_of_what_never_came_back_is_told():
    assert [NOT_RETURNED] == whys([redeposit(("cis", "R0"), DAY, 5_000)], [check()])


# --- several tell of one return -------------------------------------------------------------------


def test_three_sources_tell_of_one_return_and_it_counts_once():
    events = [posted_return(reversal()), item_return(item(), DAY), line_return(bank_line())]
    found = entries(events, [check(), check("R7", 900)])

    assert {"": 1, CONFIRMS: 2} == Counter(each.why for each in found)
    assert ({"503-water": -5_000}, 3_000) == (
        fund_effect(found), sum(each.fee_cents for each in found),
    )  # fmt: skip


def test_a_bank_that_tells_first_is_confirmed_later():
    """By amount alone two checks fit; the reversal of the next day names one of them."""
    events = [
        line_return(bank_line(date="2026-11-19")), posted_return(reversal()),
    ]  # fmt: skip
    found = entries(events, [check(), check("R7")])

    assert [CONFIRMS, ""] == [each.why for each in found]


def test_the_same_source_twice_is_told_and_counts_once():
    events = [posted_return(reversal("N1")), posted_return(reversal("N2"))]

    assert ["", AGAIN] == whys(events, [check()])


def test_nobody_is_charged_on_an_amount_alone():
    found = entries([item_return(item(), DAY)], [check()])[0]

    assert (PROPOSED, "R0", (), 0) == (
        found.why, found.original.receipt_no, found.funds, found.fee_cents,
    )  # fmt: skip


def test_of_several_receipts_that_fit_none_is_taken():
    found = entries([item_return(item(), DAY)], [check(), check("R7")])[0]

    assert (SEVERAL, 2) == (found.why, found.alike)


def test_an_account_tells_two_checks_of_one_amount_apart():
    found = entries([item_return(item(ref="a-r7"), DAY)], [check(), check("R7")])[0]

    assert ("", "R7", "account") == (found.why, found.original.receipt_no, found.basis)


def test_a_receipt_of_last_year_is_not_what_came_back():
    old = check(date="2025-11-01")

    assert [NO_RECEIPT] == whys([item_return(item(ref="A-R0"), DAY)], [old])


def test_a_payment_by_the_office_that_came_back_is_no_customers_item():
    assert [CREDIT] == whys([item_return(item(is_credit=True), DAY)], [check()])


@pytest.mark.parametrize("reason", ["R61", "R77"])
def test_a_return_that_the_banks_dispute_is_theirs(reason):
    assert [BANK_MATTER] == whys([item_return(item(reason=reason, ref="A-R0"), DAY)], [check()])


# --- cash only ------------------------------------------------------------------------------------


def bounced(*dates, account="A1"):
    legs = [check(f"R{n}", 100 + n, "2025-10-01", account_no=account) for n, _ in enumerate(dates)]
    events = [
        posted_return(reversal(f"N{n}", f"R{n}", 100 + n, date)) for n, date in enumerate(dates)
    ]
    return entries(events, legs)


def test_three_returned_items_in_twelve_months_are_cash_only():
    dates = ("2025-11-21", "2026-05-01", "2026-11-20")

    assert {"A1": dates} == cash_only(bounced(*dates), DAY, RULE)
    assert {} == cash_only(bounced(*dates[1:]), DAY, RULE)


def test_an_item_of_twelve_months_ago_counts_no_more():
    assert {} == cash_only(bounced("2025-11-20", "2026-05-01", "2026-11-20"), DAY, RULE)


def test_an_item_of_tomorrow_does_not_count_yet():
    assert {} == cash_only(bounced("2026-05-01", "2026-11-20", "2026-11-21"), DAY, RULE)


def test_a_check_that_bounced_three_times_is_one_item():
    events = [item_return(item(ref="A-R0", trace="1"), "2026-11-17")]
    for trace, back, again in (("2", "2026-11-18", "2026-11-19"), ("3", "2026-11-19", DAY)):
        events += [redeposit(("cis", "R0"), back, 5_000)]
        events += [item_return(item(ref="A-R0", trace=trace), again)]

    assert {} == cash_only(entries(events, [check()]), DAY, RULE)


def test_a_check_for_two_accounts_counts_for_both():
    legs = [split_check(f"R{n}", ("A1", "f", 50 + n), ("A2", "f", 50)) for n in range(3)]
    events = [posted_return(reversal(f"N{n}", f"R{n}", 100 + n)) for n in range(3)]

    assert ["A1", "A2"] == list(cash_only(entries(events, legs), DAY, RULE))


def test_months_before_the_end_of_a_month_and_a_leap_day():
    assert ["2026-02-28", "2027-02-28", "2025-12-31"] == [
        months_before("2026-08-31", 6), months_before("2028-02-29", 12),
        months_before("2026-12-31", 12),
    ]  # fmt: skip


# --- laws -----------------------------------------------------------------------------------------

LEGS = [
    check("R1", 100), check("R2", 100), check("R3", 200, account_no="A-R1"),
    split_check("R4", ("A4", "501-electric", 33), ("A5", "503-water", 67), change=100),
]  # fmt: skip
events_given = st.lists(
    st.builds(
        lambda source, number, kind, day, cents, receipt, ref: ReturnEvent(
            source, (source, str(number)), kind, f"2026-11-{day}", cents,
            receipt and ("cis", receipt), ref,
        ),
        st.sampled_from(("posted", "nacha", "bank", "office")), st.integers(1, 9),
        st.sampled_from(("returned", "returned", REDEPOSIT)), st.integers(17, 20),
        st.sampled_from((100, 200)), st.sampled_from((None, "R1", "R2", "R3", "R4", "R9")),
        st.sampled_from(("", "A-R1", "A4")),
    ),
    max_size=8,
)  # fmt: skip


@given(events_given)
def test_every_event_has_one_entry_and_each_entry_moves_what_came_back(events):
    found = entries(events, LEGS)

    assert Counter(set(events)) == Counter(each.event for each in found)
    for each in found:
        sign = 1 if each.event.kind == REDEPOSIT else -1
        owed = sum(cents for _, cents in each.receivables)
        tendered = each.original.tendered_cents if each.has_effect else 0
        assert -sign * tendered == owed + each.change_cents
        assert -owed == sum(cents for _, cents in each.funds)


@given(events_given)
def test_a_receipt_is_out_once_or_not_at_all(events):
    """Whoever tells of it and however often: its funds lose its split once, or nothing."""
    lost = Counter()
    for each in entries(events, LEGS):
        if each.has_effect:
            lost[each.original.receipt_no] += sum(cents for _, cents in each.funds)

    nets = {leg.receipt_no: leg.net_cents for leg in LEGS}
    assert all(cents in (0, -nets[receipt]) for receipt, cents in lost.items())


@given(events_given, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_changes_anything(events, dice):
    shuffled, legs = [*events, *events], [*LEGS, *LEGS]
    dice.shuffle(shuffled)
    dice.shuffle(legs)

    assert entries(events, LEGS) == entries(shuffled, legs)
