"""The synthetic day: its three traces agree but for the injected error, and the drawer is never in
an impossible state.
"""

import datetime
import itertools
from collections import Counter, defaultdict

import pytest

from simulators.office.day import generate
from simulators.office.shift import ERROR_KINDS

SEEDS = range(200)
NOTES = (10_000, 5_000, 2_000, 1_000, 500, 100)
CARD_TOTAL, SIGN_ON, OPENING_FLOAT, DROP, CHECKS_TAPE, CLOSE, CHECKPOINT, DONE = (
    0,
    1,
    2,
    3,
    4,
    5,
    8,
    9,
)


@pytest.fixture(scope="module")
def days():
    return [generate(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def balanced_days():
    return [generate(seed, error=False) for seed in range(60)]


def windows_of(days):
    return [(day, truth) for day in days for truth in day.truth.windows.values()]


def counted_groups(actions):
    """[(mark code, value, pieces)] of each count group in the plan, as whoever plays it would count
    it.
    """
    groups = []
    for action in actions:
        if action["action"] == "mark":
            if action["code"] in (OPENING_FLOAT, DROP, CLOSE, CHECKPOINT):
                groups.append((action["code"], action["value"], Counter()))
        elif action["action"] in ("count_bills", "count_coins"):
            for denomination, pieces in action["rows"]:
                groups[-1][2][denomination] += pieces
    return groups


def cents(pieces):
    return sum(denomination * count for denomination, count in pieces.items())


# --- the drawer -----------------------------------------------------------------------------------


def test_every_piece_of_cash_is_accounted_for(days):
    for _, truth in windows_of(days):
        left = Counter()
        for moved in (truth.opening, truth.taken, truth.from_safe):
            left.update(moved)
        for moved in (truth.given, truth.to_safe, truth.dropped):
            left.subtract(moved)

        assert truth.closing == {
            denomination: count for denomination, count in left.items() if count
        }
        assert all(count > 0 for count in truth.closing.values())
        assert cents(truth.from_safe) == cents(truth.to_safe)


def test_counts_of_the_plan_are_what_lies_in_the_drawer(days):
    for day, truth in windows_of(days):
        groups = counted_groups(day.actions_of(truth.window))
        drops = Counter()
        for code, value, pieces in groups:
            if code == DROP:
                assert value == cents(pieces)
                drops += pieces

        assert [OPENING_FLOAT, CHECKPOINT, CLOSE] == [code for code, _, _ in groups if code != DROP]
        assert truth.opening == groups[0][2]
        assert truth.closing == groups[-1][2]
        assert truth.dropped == drops
        assert truth.tenders["cash"].counted_cents == cents(groups[-1][2])


def test_counted_rows_are_highest_first_and_fit_the_hopper(days):
    days = [*days[:20], generate(5, windows=1, payments_per_window=250)]
    for action in itertools.chain.from_iterable(day.plan for day in days):
        if action["action"] in ("count_bills", "count_coins"):
            rows = action["rows"]

            assert sorted(rows, reverse=True) == rows
            assert len(dict(rows)) == len(rows) > 0
            assert all(count > 0 for _, count in rows)
            assert (action["action"] == "count_bills") == all(
                denomination in NOTES for denomination, _ in rows
            )
            assert action["action"] == "count_coins" or sum(count for _, count in rows) <= 200


# --- errors and balance ---------------------------------------------------------------------------


def test_a_day_without_error_balances_everywhere(balanced_days):
    for day, truth in windows_of(balanced_days):
        assert () == day.truth.errors
        assert {0} == {line.over_short_cents for line in truth.tenders.values()}
        assert [0, 0] == [interval.over_short_cents for interval in truth.intervals]


def test_the_error_shows_in_its_window_tender_and_interval_only(days):
    for day, truth in windows_of(days):
        (error,) = day.truth.errors
        here = error.amount_cents if error.window == truth.window else 0
        lines = {name: line.over_short_cents for name, line in truth.tenders.items()}

        assert {"cash": here, "check": 0, "card": 0, "money_order": 0} == lines
        assert {
            name: here if name == error.interval else 0
            for name in ("before_checkpoint", "after_checkpoint")
        } == {interval.name: interval.over_short_cents for interval in truth.intervals}
        assert 2_000 == abs(error.amount_cents)


def test_the_error_lies_inside_its_interval(days):
    for day in days:
        (error,) = day.truth.errors
        (interval,) = [
            each
            for each in day.truth.windows[error.window].intervals
            if each.name == error.interval
        ]

        assert interval.from_ms < error.at_ms < interval.to_ms


def test_every_kind_of_error_and_every_window_occurs(days):
    errors = [day.truth.errors[0] for day in days]

    assert set(ERROR_KINDS) == {error.kind for error in errors}
    assert {"w1", "w2", "w3"} == {error.window for error in errors}
    assert {"before_checkpoint", "after_checkpoint"} == {error.interval for error in errors}


@pytest.mark.parametrize(
    ("kind", "over_short", "receipts"),
    [("not_posted", 2_000, 0), ("wrong_change", -2_000, 1), ("posted_twice", -2_000, 2)],
)
def test_a_kind_of_error_can_be_chosen(kind, over_short, receipts):
    for seed in range(30):
        (error,) = generate(seed, windows=2, error=kind).truth.errors

        assert (kind, over_short, receipts) == (error.kind, error.amount_cents, len(error.receipts))


def test_cash_taken_and_not_posted_leaves_an_opening_without_a_receipt():
    for seed in range(20):
        day = generate(seed, error="not_posted")
        (error,) = day.truth.errors
        near = [
            action["action"]
            for action in day.actions_of(error.window)
            if abs(action["at_ms"] - error.at_ms) <= 2_000 and action["action"] != "mark"
        ]

        assert ["open_drawer"] == near


def test_a_payment_posted_twice_has_its_twin_on_the_same_account():
    for seed in range(20):
        day = generate(seed, error="posted_twice")
        first, second = (
            [row for row in day.posted if row.receipt_no == each]
            for each in day.truth.errors[0].receipts
        )

        assert [(row.account_no, row.allocation_cents) for row in first] == [
            (row.account_no, row.allocation_cents) for row in second
        ]
        assert 2_000 == sum(row.allocation_cents for row in first)


# --- the plan -------------------------------------------------------------------------------------


def test_actions_of_a_window_follow_each_other(days):
    for day in days:
        assert [each["at_ms"] for each in day.plan] == sorted(each["at_ms"] for each in day.plan)
        for window in day.windows:
            times = [each["at_ms"] + each.get("dwell_ms", 0) for each in day.actions_of(window)]
            starts = [each["at_ms"] for each in day.actions_of(window)]

            assert all(end < start for end, start in zip(times, starts[1:], strict=False))


def test_a_plan_can_be_played(days):
    for day, truth in windows_of(days):
        actions = day.actions_of(truth.window)
        marks = [each["code"] for each in actions if each["action"] == "mark"]
        checks = [each["amount_cents"] for each in actions if each["action"] == "tape_check"]

        assert len(actions) <= 150
        assert len(checks) <= 14
        assert list(truth.checks_cents) == checks
        assert [SIGN_ON, OPENING_FLOAT, DONE] == marks[:3]
        assert [CHECKS_TAPE, CARD_TOTAL, CLOSE, DONE] == marks[-4:]
        card = [
            each["value"]
            for each in actions
            if each["action"] == "mark" and each["code"] == CARD_TOTAL
        ]
        assert [truth.tenders["card"].counted_cents] == card


def test_postings_keep_away_from_the_counts_that_bound_intervals(days):
    for day, truth in windows_of(days[:60]):
        bounds = [interval.to_ms for interval in truth.intervals]
        for row in day.posted:
            if row.window_id == truth.window:
                at_ms = int(datetime.datetime.fromisoformat(row.posted_at).timestamp() * 1_000)

                assert min(abs(at_ms - bound) for bound in bounds) >= 15_000


def test_a_card_payment_leaves_the_drawer_shut(balanced_days):
    for day in balanced_days[:20]:
        for window in day.windows:
            actions = [
                each
                for each in day.actions_of(window)
                if each["action"] in ("payment", "open_drawer")
            ]
            for payment, following in itertools.pairwise(actions):
                if following["action"] == "open_drawer":
                    assert payment["action"] == "payment"
                    assert payment["tender"] in ("cash", "check")


def test_a_long_day_ends_before_the_cut_off():
    day = generate(3, windows=2, payments_per_window=250)

    assert max(row.posted_at for row in day.posted) < "2026-03-02T16:00:00"


def test_money_orders_come_when_asked_for():
    truth = generate(
        1, windows=1, payments_per_window=200, money_order_percent=1, error=False
    ).truth.windows["w1"]

    assert (
        truth.tenders["money_order"].counted_cents
        == truth.tenders["money_order"].posted_net_cents
        > 0
    )


@pytest.mark.parametrize(
    "wrong",
    [{"windows": 0}, {"payments_per_window": 3}, {"payments_per_window": 251}, {"error": "theft"}],
)
def test_a_day_that_fits_no_office_is_refused(wrong):
    with pytest.raises(ValueError):
        generate(1, **wrong)


def test_fund_totals_are_those_of_the_tenders(days):
    for day in days:
        posted = defaultdict(int)
        for truth in day.truth.windows.values():
            for name, line in truth.tenders.items():
                posted[name] += line.posted_net_cents

        assert sum(day.truth.deposit_by_fund.values()) == sum(posted.values())
