"""Cash without pennies: the drawer differs from the postings by the roundings, to the cent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.office.rounding import rounded_due, rounded_receipts, rounding_of
from gateway.office.tenders import tenders_of
from tests.office.rows import posting

# A utility gives change in nickels since November 2025 (Fort Walton Beach,
# beachcomberdestin.com/?p=2315): what six receipts look like where exact change is posted.
EXACT_CENTS = (7684, 5827, 6003, 4109, 3331, 4598)


def tenders(*rows):
    return tenders_of(rows)


def test_six_receipts_posted_exact_and_paid_in_nickels_are_three_cents_over():
    rows = [
        posting(f"R{number}", number, cents, change=10_000 - cents)
        for number, cents in enumerate(EXACT_CENTS)
    ]

    assert [1, -2, 2, 1, -1, 2] == [
        receipt.rounding_cents for receipt in rounded_receipts(tenders(*rows), "nickel")
    ]
    assert (3, 0) == (rounding_of(tenders(*rows), "nickel"), rounding_of(tenders(*rows), "none"))


@pytest.mark.parametrize(
    ("exact", "due"),
    [
        (0, 0), (1, 0), (2, 0), (3, 5), (4, 5), (5, 5), (6, 5), (7, 5), (8, 10), (9, 10), (10, 10),
        (-1, 0), (-2, 0), (-3, -5), (-4, -5), (-5, -5), (2002, 2000), (2003, 2005),
    ],
)  # fmt: skip
def test_the_cash_due_is_rounded_to_the_nearest_nickel_for_both_sides(exact, due):
    assert due == rounded_due(exact)


def test_only_cash_is_rounded_and_a_receipts_cash_as_a_whole():
    mixed = tenders(
        posting("R1", 1, 2002), posting("R1", 1, 1001, line=2, tender_id="T2"),
        posting("R1", 1, 777, tender="check", line=3, tender_id="T3"),
        posting("R2", 2, 4203, tender="card"),
    )  # fmt: skip

    assert [("R1", 3003, 3005)] == [receipt[1:] for receipt in rounded_receipts(mixed, "nickel")]


def test_a_receipt_posted_in_nickels_brings_no_rounding():
    assert [] == rounded_receipts(tenders(posting("R1", 1, 7685, change=2315)), "nickel")


def test_two_cents_that_are_given_away_need_no_negative_allocation():
    assert -2 == rounding_of(tenders(posting("R1", 1, 2002)), "nickel")


def test_a_receipt_taken_back_takes_its_rounding_back():
    taken = posting("R1", 1, 7684, status="posted")
    back = posting("V1", 5, 7684, status="reversed", void_of="R1")
    in_place = posting("R2", 6, 7684, status="void")

    assert 0 == rounding_of(tenders(taken, back), "nickel")
    assert [] == rounded_receipts(tenders(in_place), "nickel")


def test_the_same_number_of_two_sources_is_two_receipts():
    both = tenders(posting("R1", 1, 4), posting("R1", 2, 4, source_system="permits"))

    assert 2 == rounding_of(both, "nickel")


@given(st.lists(st.integers(1, 10**6), max_size=30))
def test_what_lies_in_the_drawer_is_posted_plus_rounding_and_divides_into_nickels(amounts):
    legs = tenders(*(posting(f"R{n}", n, cents) for n, cents in enumerate(amounts)))
    held = sum(amounts) + rounding_of(legs, "nickel")

    assert 0 == held % 5
    assert abs(held - sum(amounts)) <= 2 * len(amounts)
