"""The deposit slip: accounts, denominations, the list of checks, and whether two counts agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chart_file import DEPOSITED, NOT_DEPOSITED, BankAccount, Chart, FundAccounts, OverShort
from gateway.office.deposit import deposit_of
from gateway.office.reconcile import reconcile
from gateway.office.sessions import drawer_sessions
from gateway.office.slip import Bag, Pieces, slip_of
from gateway.office.tenders import tenders_of
from tests.office.rows import DAY, Tape, posting

CHART = Chart(
    pool="999",
    bank={
        "cash": BankAccount("1010", ("cash",)),
        "items": BankAccount("1011", ("check", "money_order", "other")),
    },
    tender=dict.fromkeys(NOT_DEPOSITED, "1150"),
    fund={"default": FundAccounts("1210", "1215", "1310", "2070")},
    over_short=OverShort("100", "4810"),
    float="1005",
)


def slip(close_cents, checks, postings, bags=()):
    tape = Tape().count(1, "opening_float", 20000)
    if checks:
        tape.check(80, *checks)
    tape.count(90, "close", close_cents)
    (session,) = drawer_sessions(tape.rows)
    proof = reconcile(session, tenders_of(postings), DAY)
    return slip_of(deposit_of([proof]), [proof], [], bags, CHART)


def bag(cash_cents, checks=(), pieces=()):
    return Bag("B1", 0, "s9", "bills", pieces, cash_cents, checks)


CASH = posting("R1", 10, 5000)


def test_cash_and_checks_go_to_the_accounts_that_take_them():
    found = slip(25000, (3000, 1200), [CASH, posting("C1", 11, 3000, "check")])

    assert [
        ("cash", "1010", {"cash": 5000}, 5000),
        ("items", "1011", {"check": 4200}, 4200),
    ] == [
        (each.name, each.account, each.tenders_cents, each.total_cents) for each in found.accounts
    ]
    assert (9200, set(DEPOSITED)) == (
        found.total_cents,
        {name for each in CHART.bank.values() for name in each.tenders},
    )


@pytest.mark.parametrize(
    ("bags", "state"),
    [((), "one count"), ((bag(5000),), "agrees"), ((bag(3000), bag(1900)), "differs")],
)
def test_one_count_never_agrees_with_itself(bags, state):
    assert state == slip(25000, (), [CASH], bags).ties[0].state


def test_a_batch_that_was_counted_twice_shows_against_the_bag():
    found = slip(30000, (), [CASH], (bag(5000),))

    assert ("differs", 10000, 5000) == (
        found.ties[0].state,
        found.ties[0].drawers_cents,
        found.ties[0].bags_cents,
    )


def test_checks_are_listed_with_the_receipts_that_they_can_only_be_of():
    found = slip(
        20000,
        (3000, 1200, 1200, 700),
        [
            posting("C1", 11, 3000, "check"),
            posting("C2", 12, 1200, "check"),
            posting("C3", 13, 1200, "check"),
            posting("C4", 14, 900, "check"),
        ],
    )

    assert [(3000, "C1"), (1200, "C2"), (1200, "C3"), (700, "")] == list(found.checks)


def test_a_check_that_is_held_over_is_not_on_the_slip():
    late = posting("C2", 70, 1200, "check", business_date="2026-11-23")

    assert [(3000, "C1")] == list(
        slip(20000, (3000, 1200), [posting("C1", 11, 3000, "check"), late]).checks
    )


def test_notes_are_packed_in_straps_and_coins_in_rolls():
    notes, coins = Pieces(2000, False, 230), Pieces(25, True, 95)

    assert [((2, 30), 460000), ((2, 15), 2375)] == [
        (each.packed, each.cents) for each in (notes, coins)
    ]
    assert (0, 7) == Pieces(3, True, 7).packed


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([1, 25, 100, 2000]), st.booleans(), st.integers(0, 500)))
    )
)
def test_the_pieces_of_all_bags_are_worth_what_the_bags_are(contents):
    bags = []
    for each in contents:
        pieces = tuple(Pieces(*piece) for piece in each)
        bags.append(bag(sum(piece.cents for piece in pieces), (), pieces))
    found = slip(25000, (), [CASH], tuple(bags))

    assert sum(bag.cash_cents for bag in bags) == sum(piece.cents for piece in found.pieces)
    assert len(found.pieces) == len({piece[:2] for piece in found.pieces})
