"""The synthetic day: its three traces agree but for the injected error, and the drawer is never in
an impossible state.
"""

import datetime
import itertools
from collections import Counter, defaultdict

import pytest

from simulators.office.counting import MARK_NAMES, RECOUNT
from simulators.office.day import generate
from simulators.office.mix import EVERYTHING, PLAIN, Mix
from simulators.office.shift import ERROR_KINDS
from simulators.office.truth import AFTER_CLOSE, DRAWER, RETURNED

SEEDS = range(120)
DAY = datetime.date(2026, 11, 20)  # a Friday
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
    return [generate(seed, mix=PLAIN) for seed in SEEDS]


@pytest.fixture(scope="module")
def full_days():
    """Days with some of everything, and errors of any amount."""
    return [
        generate(seed, 1 + seed % 8, 24, DAY, seed % 2 == 0, EVERYTHING, None) for seed in range(40)
    ]


@pytest.fixture(scope="module")
def balanced_days():
    return [generate(seed, error=False, mix=PLAIN) for seed in range(60)]


def windows_of(days):
    return [(day, truth) for day in days for truth in day.truth.sessions]


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


def test_counts_of_the_plan_are_what_lies_in_the_drawer(balanced_days):
    for day, truth in windows_of(balanced_days):
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
    days = [*days[:20], generate(5, windows=1, payments_per_window=250, mix=PLAIN)]
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


def effects_on(day, truth):
    """{(tender, interval): cents} that the day's error has on a session."""
    return {
        (tender, interval): cents
        for error in day.truth.errors
        for tender, interval, cents in error.effects
        if (error.window, error.session, day.truth.business_date)
        == (truth.window, truth.number, truth.business_date)
    }


def test_an_error_shows_in_its_session_tender_and_interval_only(days, full_days):
    for day, truth in windows_of([*days, *full_days]):
        effects = effects_on(day, truth)
        lines = {name: line.over_short_cents for name, line in truth.tenders.items()}
        wanted = dict.fromkeys(lines, 0)
        for (tender, _), cents in effects.items():
            wanted[tender] += cents

        assert wanted == lines
        assert [effects.get(("cash", i.number), 0) for i in truth.intervals] == [
            interval.over_short_cents for interval in truth.intervals
        ]


def test_the_error_of_a_plain_day_is_20_dollars(days):
    for day in days:
        (error,) = day.truth.errors

        assert 2_000 == abs(error.amount_cents)


def test_the_error_lies_inside_its_interval(days):
    for day in days:
        (error,) = day.truth.errors
        if error.interval:
            interval = day.truth.windows[error.window].intervals[error.interval - 1]

            assert interval.from_ms < error.at_ms <= interval.to_ms


def test_every_kind_of_error_and_every_window_occurs(days):
    errors = [day.truth.errors[0] for day in days]

    assert set(ERROR_KINDS) == {error.kind for error in errors}
    assert {"w1", "w2", "w3"} == {error.window for error in errors}
    assert {0, 1, 2} == {error.interval for error in errors}


@pytest.mark.parametrize(
    ("kind", "effects", "receipts"),
    [
        ("not_posted", {"cash": 2_000}, 0),
        ("wrong_change", {"cash": -2_000}, 1),
        ("posted_twice", {"cash": -2_000}, 2),
        ("wrong_tender", {"cash": -2_000, "check": 2_000}, 1),
        ("missing_check", {"check": -2_000}, 1),
        ("drop_differs", {"cash": -2_000}, 0),
    ],
)
def test_a_kind_of_error_can_be_chosen(kind, effects, receipts):
    for seed in range(20):
        (error,) = generate(seed, windows=2, error=kind, mix=PLAIN).truth.errors

        found = {tender: cents for tender, _, cents in error.effects}
        assert (kind, effects, receipts) == (error.kind, found, len(error.receipts))


def test_a_miscount_in_mid_shift_comes_back_with_the_next_count():
    found = [generate(seed, error="miscount", mix=PLAIN).truth.errors[0] for seed in range(20)]

    assert {(("cash", 2, -2_000),), (("cash", 1, -2_000), ("cash", 2, 2_000))} == {
        error.effects for error in found
    }


def test_cash_taken_and_not_posted_leaves_an_opening_without_a_receipt():
    for seed in range(20):
        day = generate(seed, error="not_posted", mix=PLAIN)
        (error,) = day.truth.errors
        near = [
            action["action"]
            for action in day.actions_of(error.window)
            if abs(action["at_ms"] - error.at_ms) <= 2_000 and action["action"] != "mark"
        ]

        assert ["open_drawer"] == near


def test_a_payment_posted_twice_has_its_twin_on_the_same_account():
    for seed in range(20):
        day = generate(seed, error="posted_twice", mix=PLAIN)
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
    day = generate(3, windows=2, payments_per_window=250, mix=PLAIN)

    assert max(row.posted_at for row in day.posted) < "2026-03-02T16:00:00"


def test_money_orders_come_when_asked_for():
    truth = generate(
        1, windows=1, payments_per_window=200, mix=Mix(money_order=1), error=False
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


# --- some of everything ---------------------------------------------------------------------------


def legs_of(days, place):
    return [leg for day in days for leg in day.truth.legs if leg.place == place]


def test_every_piece_of_cash_of_a_full_day_is_accounted_for(full_days):
    test_every_piece_of_cash_is_accounted_for(full_days)


def test_full_days_hold_everything_that_an_office_meets(full_days):
    rows = [row for day in full_days for row in day.posted]
    marks = Counter(
        MARK_NAMES[each["code"]]
        for day in full_days
        for each in day.plan
        if each["action"] == "mark"
    )
    sessions = [truth for _, truth in windows_of(full_days)]
    tender_types = defaultdict(set)
    accounts = defaultdict(set)
    for row in rows:
        tender_types[row.receipt_no].add(row.tender_type)
        accounts[row.receipt_no, row.tender_id].add(row.account_no)

    assert {"cash", "check", "card", "money_order", "other"} == {row.tender_type for row in rows}
    assert {"cash", "check"} in tender_types.values()
    assert max(map(len, accounts.values())) > 1
    assert {"posted", "void", "reversed"} == {row.status for row in rows}
    assert marks["money_order"] and marks["other"] and marks["recount"] and marks["checkpoint"]
    assert {0, 1, 2, 3} == {len(truth.intervals) - 1 for truth in sessions}
    assert {1, 2, 3} == {truth.number for truth in sessions}
    assert any(truth.issued_cents != truth.opening_float_cents for truth in sessions)
    assert legs_of(full_days, AFTER_CLOSE) and legs_of(full_days, RETURNED)
    deposits = [day.truth.deposits[day.truth.business_date] for day in full_days]
    assert any(each.held_over_cents for each in deposits)
    assert any(each.held_in_cents for each in deposits)


def test_a_session_over_midnight_ends_on_another_date(full_days):
    nights = [truth for _, truth in windows_of(full_days) if truth.cashier > 300]

    assert nights
    for truth in nights:
        hours = (truth.intervals[-1].to_ms - truth.intervals[0].from_ms) / 3_600_000
        assert 6 < hours < 7


def test_what_is_held_over_arrives_on_the_next_business_day(full_days):
    for day in full_days:
        before, today, after = (day.truth.deposits[date] for date in sorted(day.truth.deposits))

        assert (before.held_over_cents, today.held_over_cents) == (
            today.held_in_cents,
            after.held_in_cents,
        )


def test_a_late_receipt_comes_after_the_closing_count_and_no_drawer_has_it(full_days):
    for day in full_days:
        closes = {
            (truth.business_date, truth.window, truth.number): truth.intervals[-1].to_ms
            for truth in day.truth.sessions
        }
        for leg in legs_of([day], AFTER_CLOSE):
            assert leg.at_ms - closes[leg.session] >= 14 * 60_000


def test_in_a_drawer_after_the_close_returned_or_nowhere_is_every_receipt(full_days):
    for day in full_days:
        cents = defaultdict(int)
        for leg in day.truth.legs:
            cents[leg.place] += leg.net_cents
        exported = Counter()
        for row in (*day.earlier, *day.posted):
            sign = -1 if row.void_of else 1
            exported[row.receipt_no] += sign * abs(row.allocation_cents)
        nowhere = {leg.receipt_no for leg in day.truth.legs if leg.place == "nowhere"}

        assert sum(cents.values()) == sum(
            total for receipt_no, total in exported.items() if receipt_no not in nowhere
        )
        assert cents["nowhere"] == 0
        assert cents[DRAWER] > 0


def test_the_number_series_of_a_window_has_no_gap_on_a_full_day(full_days):
    for day in full_days:
        for window in day.windows:
            numbers = {
                int(row.receipt_no[3:])
                for row in (*day.earlier, *day.posted)
                if row.window_id == window
            }

            assert max(numbers) - min(numbers) + 1 == len(numbers)


def test_a_recount_follows_the_count_that_was_wrong(full_days):
    for day in full_days:
        for window in day.windows:
            codes = [e["code"] for e in day.actions_of(window) if e["action"] == "mark"]
            for before, code in itertools.pairwise(codes):
                assert code != RECOUNT or before in (DONE, CHECKS_TAPE)


def test_shares_of_nothing_leave_everything_out(days):
    for day in days:
        (before, _, after) = (day.truth.deposits[date] for date in sorted(day.truth.deposits))

        assert ([], {}, {}) == (day.earlier, before.funds_cents, after.funds_cents)
        assert [] == legs_of([day], AFTER_CLOSE) + legs_of([day], RETURNED)
