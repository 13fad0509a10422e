"""The journal of a day: it balances in each fund, the bank gets what was counted, and the funds get
what was paid, to the cent.
"""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chart_file import DEPOSITED, NOT_DEPOSITED, read_chart
from gateway.errors import ConfigError, DataError
from gateway.facts.postings import TENDERS
from gateway.office.deposit import Deposit
from gateway.office.journal import JournalLine, journal_of, unbalanced

EXAMPLE = Path(__file__).parents[2] / "examples" / "chart.toml"
CHART = EXAMPLE.read_text()


@pytest.fixture(scope="module")
def chart():
    return read_chart(EXAMPLE)


def deposit(funds, tenders, over_short=None, rounding=0, returned=None):
    over_short = over_short or {}
    brought = {name: tenders.get(name, 0) + over_short.get(name, 0) for name in TENDERS}
    brought["cash"] += rounding
    return Deposit(
        funds_cents=funds,
        tenders_cents={name: tenders.get(name, 0) for name in TENDERS},
        over_short_cents={name: over_short.get(name, 0) for name in TENDERS},
        by_tender_cents=brought,
        held_over_cents=0,
        held_in_cents=0,
        returned_cents=returned or {},
        after_close_cents=0,
        rounding_cents=rounding,
        loans_cents=0,
    )


def balances(lines):
    """{(fund, account): debits less credits}"""
    totals = Counter()
    for line in lines:
        totals[line.fund, line.account] += line.debit_cents - line.credit_cents
    return {key: cents for key, cents in totals.items() if cents}


def test_each_fund_balances_and_holds_what_it_was_paid_as_due_from_the_pool(chart):
    lines = journal_of(
        deposit({"501": 6000, "503": 4000}, {"cash": 7000, "card": 3000}), chart, 0, ""
    )

    assert balances(lines) == {
        ("999", "1010"): 7000, ("999", "1150"): 3000, ("999", "2070"): -10000,
        ("501", "1310"): 6000, ("501", "1210"): -6000,
        ("503", "1310"): 4000, ("503", "1210"): -4000,
    }  # fmt: skip
    assert JournalLine("501", "1210", 0, 6000, "receipts") in lines


def test_a_short_drawer_is_booked_by_itself_and_no_fund_is_altered(chart):
    lines = journal_of(
        deposit({"501": 6000}, {"cash": 6000}, over_short={"cash": -250}), chart, 0, ""
    )
    found = balances(lines)

    assert (-6000, 250, 5750) == (
        found["501", "1210"],
        found["100", "4810"],
        found["999", "1010"],
    )


def test_a_returned_check_leaves_the_bank_and_opens_its_own_funds_receivable(chart):
    lines = journal_of(
        deposit({"501": 6000}, {"cash": 6000}, returned={"503": -2500, "501": -500}), chart, 0, ""
    )
    found = balances(lines)

    assert (2500, 500, 3000) == (
        found["503", "1215"],
        found["501", "1215"],
        found["999", "1010"],
    )


def test_a_float_that_was_counted_short_and_cash_in_nickels_have_lines_of_their_own(chart):
    lines = journal_of(deposit({"501": 6002}, {"cash": 6002}, rounding=-2), chart, -2000, "4815")
    found = balances(lines)

    assert (-2000, 2000, 2, 6000) == (
        found["999", "1005"],
        found["100", "4810"],
        found["100", "4815"],
        found["999", "1010"],
    )


CENTS = st.integers(-(10**9), 10**9)


@given(
    funds=st.dictionaries(st.sampled_from(["100", "501", "503", "999"]), CENTS, min_size=1),
    split=st.dictionaries(st.sampled_from(TENDERS), CENTS),
    over_short=st.dictionaries(st.sampled_from(DEPOSITED), CENTS),
    returned=st.dictionaries(st.sampled_from(["100", "501", "999"]), st.integers(-(10**6), 0)),
    rounding=st.integers(-50, 50),
    floats=st.integers(-(10**6), 10**6),
)
def test_every_journal_balances_in_each_fund_and_the_bank_has_the_deposit(
    chart, funds, split, over_short, returned, rounding, floats
):
    tenders = {**split, "cash": split.get("cash", 0) + sum(funds.values()) - sum(split.values())}
    day = deposit(funds, tenders, over_short, rounding, returned)
    lines = journal_of(day, chart, floats, "4815")
    found = balances(lines)

    assert unbalanced(lines) == {}
    assert all(min(line[2:4]) == 0 < max(line[2:4]) for line in lines)
    assert found.get(("999", "1010"), 0) == day.deposit_cents + sum(returned.values())


def test_a_day_that_cannot_be_booked_says_why(chart):
    undeclared = deposit({"501": 1}, {"cash": 1})
    undeclared.by_tender_cents["check"] = None

    with pytest.raises(DataError, match="nobody declared check; declare it, then close"):
        journal_of(undeclared, chart, 0, "")
    with pytest.raises(DataError, match=r"the funds sum 0\.02, the tenders 0\.01"):
        journal_of(deposit({"501": 2}, {"cash": 1}), chart, 0, "")


def test_a_fund_without_accounts_is_named(tmp_path):
    path = tmp_path / "chart.toml"
    path.write_text(CHART.replace("[fund.default]", '[fund."100"]'))

    with pytest.raises(DataError, match=r"no accounts for fund 501; add \[fund\.\"501\"\]"):
        journal_of(deposit({"501": 1}, {"cash": 1}), read_chart(path), 0, "")


def test_the_chart_and_the_postings_know_the_same_tenders():
    assert sorted(TENDERS) == sorted((*DEPOSITED, *NOT_DEPOSITED))


def test_a_site_without_a_chart_is_told_where_an_example_is(tmp_path):
    with pytest.raises(ConfigError, match=r"no such file; examples/chart\.toml is one to begin"):
        read_chart(tmp_path / "chart.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"money_order", ', "", "no account takes money_order"),
        ('credit = "1290"\n', "", "'tender.credit' is missing"),
        ("card = ", "cards = ", "unknown key 'tender.cards'; did you mean 'card'?"),
        ('account = "4810"', "account = 4810", "over_short.account: not a string"),
        ('pool = "999"', "", "'pool' is missing"),
    ],
)
def test_a_wrong_chart_is_told_with_its_place(tmp_path, old, new, said):
    path = tmp_path / "chart.toml"
    path.write_text(CHART.replace(old, new))

    with pytest.raises(ConfigError, match=r"chart\.toml:\d+:\d+") as caught:
        read_chart(path)
    assert said in str(caught.value)
