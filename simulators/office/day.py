"""A whole office day from a seed: plan, posted.csv and truth of several windows.

day = generate(7)
day.plan            actions by time: {"at_ms", "window", "action", ...}
day.posted_csv(p)   what the cashiering system exports
day.truth           what really happened
"""

import datetime
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.office.posted import PostedRow, csv_text
from simulators.office.shift import ERROR_KINDS, PlannedError, Shift
from simulators.office.truth import OfficeTruth

MONDAY = datetime.date(2026, 3, 2)
# fewer may hold no cash payment; more do not fit in eight hours
PAYMENTS_MIN, PAYMENTS_MAX = (4, 250)


@dataclass(frozen=True)
class OfficeDay:
    """One business day of the office."""

    seed: int
    business_date: datetime.date
    windows: tuple[str, ...]
    plan: list[dict[str, Any]]
    posted: list[PostedRow]
    truth: OfficeTruth

    def posted_text(self) -> str:
        """posted.csv, schema v1, as text."""
        return csv_text(self.posted)

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
    money_order_percent: int = 0,
) -> OfficeDay:
    """A day; the same arguments give the same day to the byte.

    error: True for one $20.00 error in cash of a kind of the seed, one of ERROR_KINDS for that
    kind, False or None for a day that balances. money_order_percent: taken out of the checks; money
    orders are on no tape. Raises ValueError for a day that does not fit in an office.
    """
    if not PAYMENTS_MIN <= payments_per_window <= PAYMENTS_MAX or windows < 1:
        raise ValueError(
            f"{windows} windows, {payments_per_window} payments each: want 1 or more,"
            f" {PAYMENTS_MIN} to {PAYMENTS_MAX}"
        )
    if isinstance(error, str) and error not in ERROR_KINDS:
        raise ValueError(f"error {error!r} is not one of {', '.join(ERROR_KINDS)}")
    rng = random.Random(seed)
    kind = rng.choice(ERROR_KINDS)
    at = PlannedError(
        error if isinstance(error, str) else kind,
        f"w{rng.randrange(windows) + 1}",
        rng.randrange(payments_per_window),
    )
    shifts = []
    truths = {}
    for number in range(1, windows + 1):
        planned = at if error and at.window == f"w{number}" else None
        shift = Shift(rng, business_date, number, payments_per_window, money_order_percent, planned)
        truths[shift.window] = shift.run()
        shifts.append(shift)
    plan = sorted(
        (action for shift in shifts for action in shift.actions), key=lambda action: action["at_ms"]
    )
    posted = sorted((row for shift in shifts for row in shift.rows), key=lambda row: row.posted_at)
    errors = tuple(shift.error for shift in shifts if shift.error)
    return OfficeDay(
        seed,
        business_date,
        tuple(truths),
        plan,
        posted,
        OfficeTruth(truths, errors, _by_fund(posted)),
    )


def _by_fund(rows: list[PostedRow]) -> dict[str, int]:
    funds: dict[str, int] = {}
    for row in rows:
        funds[row.fund] = funds.get(row.fund, 0) + row.allocation_cents
    return dict(sorted(funds.items()))
