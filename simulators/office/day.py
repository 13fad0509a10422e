"""A whole office day from a seed: plan, posted.csv and truth of several windows.

day = generate(7)
day.plan            actions by time: {"at_ms", "window", "action", ...}
day.posted_csv(p)   what the cashiering system exports; day.earlier_text() what it had before
day.truth           what really happened
"""

import datetime
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simulators.office.mix import SOME_OF_EACH, Mix, happens, some_of
from simulators.office.posted import PostedRow, csv_text
from simulators.office.receipts import Book
from simulators.office.shift import ERROR_CENTS, ERROR_KINDS, PlannedError, Shift
from simulators.office.truth import AFTER_CLOSE, OfficeTruth, deposit_truth
from simulators.office.window import Features, OfficeWindow, business_day

MONDAY = datetime.date(2026, 3, 2)
# fewer may hold no cash payment; more do not fit in eight hours
PAYMENTS_MIN, PAYMENTS_MAX = (4, 250)
NEAR_MS = 300_000  # so near to a count two receipts of one amount could be taken for each other
# cash sales of a session that show how wrong the posting system's clock is: six that follow an
# opening, and some that do not
CLOCK_SALES_MIN = 9
TRIES_MAX = 40
WINDOW_SHARES = (
    "over_midnight", "next_day", "held_in", "late", "returned", "voided_twice",
)  # fmt: skip


@dataclass(frozen=True)
class OfficeDay:
    """One business day of the office. `posted`: the rows of its export; `earlier`: those that were
    exported before, which only receipts taken back and yesterday's drawers need.
    """

    seed: int
    business_date: datetime.date
    windows: tuple[str, ...]
    plan: list[dict[str, Any]]
    posted: list[PostedRow]
    earlier: list[PostedRow]
    truth: OfficeTruth

    def posted_text(self) -> str:
        """posted.csv, schema v1, as text."""
        return csv_text(self.posted)

    def earlier_text(self) -> str:
        """The same of the days before; empty when there is nothing."""
        return csv_text(self.earlier) if self.earlier else ""

    def posted_csv(self, path: Path | str) -> None:
        """Write posted.csv, schema v1."""
        Path(path).write_bytes(self.posted_text().encode())

    def actions_of(self, window: str) -> list[dict[str, Any]]:
        """The plan of one window, by time."""
        return [action for action in self.plan if action["window"] == window]


def generate(
    seed: int,
    windows: int = 3,
    payments_per_window: int = 36,
    business_date: datetime.date = MONDAY,
    error: bool | str | None = True,
    mix: Mix = SOME_OF_EACH,
    error_cents: int | None = ERROR_CENTS,
) -> OfficeDay:
    """A day; the same arguments give the same day to the byte.

    error: True for one error of a kind of the seed, one of ERROR_KINDS for that kind, False or None
    for a day that balances. error_cents: None for whatever amount comes. A day on which what is on
    record could mean two things is dealt again. Raises ValueError for a day that does not fit in
    an office.
    """
    if not PAYMENTS_MIN <= payments_per_window <= PAYMENTS_MAX or windows < 1:
        raise ValueError(
            f"{windows} windows, {payments_per_window} payments each: want 1 or more,"
            f" {PAYMENTS_MIN} to {PAYMENTS_MAX}"
        )
    if isinstance(error, str) and error not in ERROR_KINDS:
        raise ValueError(f"error {error!r} is not one of {', '.join(ERROR_KINDS)}")
    for attempt in range(TRIES_MAX):
        rng = random.Random(f"{seed}.{attempt}")
        kind = random.Random(seed).choice(ERROR_KINDS) if error is True else error
        dealt = _deal(rng, windows, payments_per_window, business_date, kind, mix, error_cents)
        shifts = [shift for window in dealt for shift in window.shifts]
        errors = tuple(shift.error for shift in shifts if shift.error)
        if bool(errors) == bool(kind) and all(map(_is_clear, dealt)):
            return _day(rng, seed, business_date, dealt, mix)
    raise AssertionError(f"seed {seed}: no clear day in {TRIES_MAX}")


def _deal(
    rng: random.Random, windows: int, payments: int, date: datetime.date, kind: str | bool | None,
    mix: Mix, error_cents: int | None,
) -> list[OfficeWindow]:  # fmt: skip
    names = [f"w{number}" for number in range(1, windows + 1)]
    features = _features(rng, names, mix)
    wrong = rng.choice(names) if kind else ""
    is_off, has_minus = happens(rng, mix.clock_off), not happens(rng, mix.no_minus)
    offset_ms = rng.choice((-1, 1)) * rng.randrange(120, 540) * 1_000 if is_off else 0
    has_one_id = happens(rng, mix.one_session_id)
    dealt = []
    for number, name in enumerate(names, 1):
        given = features[name]
        if offset_ms and has_one_id and given.twice:  # nothing on record could tell the two
            given = replace(given, twice=False)
        two = given.hand_over or given.twice
        planned = None
        if kind and name == wrong:
            customers = payments // 2 if two else payments
            place = rng.randrange(customers)
            if kind == "miscount":
                place = rng.randrange(1, 3)
            planned = PlannedError(str(kind), place, error_cents)
        book = Book(rng, name, offset_ms, has_minus)
        window = OfficeWindow(rng, date, number, mix, given, book, has_one_id)
        window.run(payments, planned)
        dealt.append(window)
    return dealt


def _features(rng: random.Random, names: list[str], mix: Mix) -> dict[str, Features]:
    chosen = {share: some_of(rng, names, getattr(mix, share)) for share in WINDOW_SHARES}
    both = mix.hand_over + mix.twice
    found = {}
    two = some_of(rng, names, both)
    for name in names:
        is_twice = name in two and rng.randrange(both) >= mix.hand_over
        found[name] = Features(
            hand_over=name in two and not is_twice,
            twice=is_twice,
            **{share: name in having for share, having in chosen.items()},
        )
    return found


def _day(
    rng: random.Random, seed: int, date: datetime.date, dealt: list[OfficeWindow], mix: Mix
) -> OfficeDay:
    shifts = [shift for window in dealt for shift in window.shifts]
    sessions = tuple(shift.truth() for shift in shifts)
    legs = tuple(leg for window in dealt for leg in window.book.legs)
    rows = sorted((row for window in dealt for row in window.book.rows), key=_in_order)
    earlier = [row for row in rows if row.business_date < date.isoformat()]
    posted = [row for row in rows if row.business_date >= date.isoformat()]
    if happens(rng, mix.shuffled):
        rng.shuffle(posted)
    dates = [business_day(date, -1), date, business_day(date, 1)]
    truth = OfficeTruth(
        date.isoformat(), sessions, tuple(shift.error for shift in shifts if shift.error),
        {str(each): deposit_truth(str(each), legs, sessions) for each in dates}, legs,
    )  # fmt: skip
    plan = sorted(
        (action for shift in shifts for action in shift.plan.actions),
        key=lambda action: action["at_ms"],
    )
    return OfficeDay(
        seed, date, tuple(window.name for window in dealt), plan, posted, earlier, truth
    )


def _in_order(row: PostedRow) -> tuple[datetime.datetime, str, int]:
    return datetime.datetime.fromisoformat(row.posted_at), row.receipt_no, row.line_no


# --- days that say one thing ----------------------------------------------------------------------


def _is_clear(window: OfficeWindow) -> bool:
    return all(_is_session_clear(shift, window.book) for shift in window.shifts)


def _is_session_clear(shift: Shift, book: Book) -> bool:
    """Whether no two cash receipts around a count have one amount, none has that of an error, and
    no late receipt has that of what the drawer is over.
    """
    error = shift.error
    wrong = {abs(cents) for _, _, cents in (error.effects if error else ())}
    concerned = error.receipts if error else ()
    legs = [leg for leg in book.legs if leg.session == shift.seat.session]
    if any(leg.place == AFTER_CLOSE and leg.net_cents in wrong for leg in legs):
        return False
    sales = sum(leg.tender == "cash" and leg.net_cents > 0 for leg in legs)
    if book.offset_ms and sales < CLOCK_SALES_MIN:
        return False
    for count in shift.bounds[1:]:
        near = [
            leg.net_cents
            for leg in legs
            if leg.tender == "cash"
            and leg.net_cents > 0
            and leg.receipt_no not in concerned
            and abs(leg.at_ms - count.at_ms) <= NEAR_MS
        ]
        if len(set(near)) < len(near) or wrong & set(near):
            return False
    return True
