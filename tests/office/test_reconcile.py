"""Session against postings: nothing netted, every cent once, intervals that add up to the
session.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.office.deposit import deposit_of
from gateway.office.reconcile import reconcile
from gateway.office.sessions import drawer_sessions
from gateway.office.tenders import tenders_of
from tests.office.rows import DAY, Tape, posting


def proof_of(tape, postings, **more):
    (session,) = drawer_sessions(tape.rows)
    return reconcile(session, tenders_of(postings), DAY, **more)


def counted(close, *, opening=20000, checks=(), card=None):
    tape = Tape().count(1, "opening_float", opening)
    if checks:
        tape.check(80, *checks)
    if card is not None:
        tape.mark(81, "card_total", card)
    return tape.count(90, "close", close)


def test_expected_cash_is_net_of_change():
    proof = proof_of(counted(25800), [posting("R1", 10, 5800, change=4200)])
    line = proof.line("cash")

    assert (line.posted_cents, line.expected_cents, line.counted_cents, line.over_short_cents) == (
        5800,
        25800,
        25800,
        0,
    )
    assert proof.status == "balanced"


def test_tenders_are_never_netted():
    postings = [
        posting("R1", 10, 5000),
        posting("R2", 11, 2000, "check"),
        posting("R3", 12, 3000, "card"),
    ]
    proof = proof_of(counted(25500, checks=(1500,), card=3000), postings)

    assert [
        (line.tender_type, line.over_short_cents) for line in proof.lines if line.posted_cents
    ] == [("cash", 500), ("check", -500), ("card", 0)]


def test_an_undeclared_tender_is_a_missing_proof_not_a_shortage():
    proof = proof_of(counted(20000), [posting("R1", 10, 2000, "check")])

    assert (proof.line("check").over_short_cents, proof.line("check").status) == (
        None,
        "proof missing",
    )
    assert (proof.status, deposit_of([proof]).deposit_cents) == ("proof missing", None)


def test_one_tender_that_pays_several_accounts_counts_once():
    rows = [
        posting("R1", 10, 3000, change=0, line=1, tender_amount_cents=6000, change_cents=1000),
        posting(
            "R1", 10, 2000, line=2, tender_amount_cents=6000, change_cents=1000, fund="501-electric"
        ),
    ]
    proof = proof_of(counted(25000), rows)

    assert (proof.line("cash").over_short_cents, proof.remarks) == (0, [])
    assert proof.funds_cents == {"501-electric": 2000, "503-water": 3000}


def test_drops_leave_the_drawer_and_stay_in_the_deposit():
    tape = (
        Tape().count(1, "opening_float", 20000).count(50, "drop", 40000).count(90, "close", 30000)
    )
    proof = proof_of(tape, [posting("R1", 10, 50000)])
    deposit = deposit_of([proof])

    assert proof.line("cash").over_short_cents == 0
    assert deposit.deposit_cents == 50000


def test_each_interval_has_its_own_difference():
    tape = (
        Tape()
        .count(1, "opening_float", 20000)
        .count(50, "checkpoint", 24000)
        .count(90, "close", 31000)
    )
    proof = proof_of(tape, [posting("R1", 10, 5000), posting("R2", 60, 6000)])

    assert [interval.over_short_cents for interval in proof.intervals] == [-1000, 1000]
    assert proof.line("cash").over_short_cents == 0


def test_a_posting_at_the_moment_of_a_count_belongs_to_what_follows():
    tape = (
        Tape()
        .count(1, "opening_float", 20000)
        .count(50, "checkpoint", 20000)
        .count(90, "close", 25000)
    )
    proof = proof_of(tape, [posting("R1", 50, 5000)])

    assert [len(interval.tenders) for interval in proof.intervals] == [0, 1]


@pytest.mark.parametrize(
    ("rows", "net_cents"),
    [
        ([posting("R1", 10, 5000, status="void")], 0),
        ([posting("R1", 10, 5000), posting("R2", 20, 5000, status="reversed", void_of="R1")], 0),
        ([posting("R1", 10, 5000), posting("R2", 20, -5000, status="void", void_of="R1")], 0),
        (
            [
                posting("R1", 10, 5000, status="void"),
                posting("R2", 20, 5000, status="void", void_of="R1"),
            ],
            0,
        ),
        ([posting("R2", 20, 5000, status="reversed", void_of="of-last-week")], -5000),
        ([posting("R1", 10, 5000, status="unknown")], 0),
    ],
)
def test_voids_and_reversals_take_back_once(rows, net_cents):
    proof = proof_of(counted(20000 + net_cents), rows)

    assert (proof.line("cash").posted_cents, proof.line("cash").over_short_cents) == (net_cents, 0)
    assert sum(proof.funds_cents.values()) == net_cents


def test_late_early_unknown_and_other_day_postings_are_listed():
    rows = [
        posting("R1", 0, 100), posting("R2", 95, 200), posting("R3", 40, 300, status="unknown"),
        posting("R4", 41, 400, business_date="2026-11-21"),
        posting("R5", 42, 500, allocation_cents=450),
    ]  # fmt: skip
    proof = proof_of(counted(20800), rows)

    assert [remark.kind for remark in proof.remarks] == [
        "unknown_posting", "other_business_day", "allocations_differ",
        "arrived_after_close",
    ]  # fmt: skip
    line = proof.line("cash")
    assert (line.posted_cents, line.held_over_cents, line.over_short_cents) == (600, 400, -200)


def test_the_counted_opening_is_used_and_its_difference_shown():
    tape = Tape().count(1, "opening_float", 19500, value=20000).count(90, "close", 24500)
    proof = proof_of(tape, [posting("R1", 10, 5000)])

    assert proof.line("cash").over_short_cents == 0
    assert [remark.kind for remark in proof.remarks] == ["opening_float_differs"]


AMOUNTS = st.integers(1, 100_000)
SALES = st.lists(
    st.tuples(st.floats(2, 89, allow_nan=False), AMOUNTS, st.integers(0, 2000)), max_size=25
)


@settings(max_examples=60, deadline=None)
@given(
    SALES,
    st.integers(-5000, 5000),
    st.lists(AMOUNTS, max_size=3),
    st.randoms(use_true_random=False),
)
def test_sums_are_conserved_and_blind_to_order_and_repetition(sales, error_cents, drops, chance):
    rows = [
        posting(f"R{n}", minute, cents, change=change)
        for n, (minute, cents, change) in enumerate(sales)
    ]
    cash = 200_000 + sum(cents for _, cents, _ in sales) - sum(drops) + error_cents
    tape = Tape().count(1, "opening_float", 200_000)
    for number, cents in enumerate(drops):
        tape.count(20 + 20 * number, "drop", cents)
        tape.count(25 + 20 * number, "checkpoint", 150_000 + number)
    tape.count(90, "close", max(cash, 0))
    proof = proof_of(tape, rows)
    again = rows + chance.choices(rows, k=5) if rows else []
    chance.shuffle(again)

    assert proof.lines == proof_of(tape, again).lines
    assert proof.line("cash").over_short_cents == sum(
        interval.over_short_cents for interval in proof.intervals
    )
    assert (
        sum(proof.funds_cents.values())
        == proof.line("cash").posted_cents
        == sum(t.net_cents for t in tenders_of(rows))
    )
    assert cash < 0 or proof.line("cash").over_short_cents == error_cents
    assert deposit_of([proof, proof]).funds_agree


def test_random_days_with_no_error_balance():
    for seed in range(20):
        chance = random.Random(seed)
        sales = [
            posting(f"R{n}", chance.uniform(2, 89), chance.randint(1, 50_000)) for n in range(50)
        ]
        proof = proof_of(counted(20000 + sum(row.allocation_cents for row in sales)), sales)

        assert proof.status == "balanced"
