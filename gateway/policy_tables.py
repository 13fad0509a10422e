"""The rules of the office as values: what policy.toml may say, table by table.

policy.toml in this package has every value and says what it means; a site's own file states what
differs. gateway/policy_file.py reads both. Amounts are integer cents, `_s` seconds.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any

from gateway.toml_problems import did_you_mean
from gateway.toml_tables import (
    Fault,
    TableError,
    boolean,
    calendar_date,
    integer,
    list_of,
    one_of,
    string,
    table,
    tables,
    time_of_day,
)

SEVERITIES = ("block", "flag", "note", "off")
INVARIANT = "invariant"

TITLES = {
    "R01": "one custodian for each open drawer; a hand-over needs both counts",
    "R02": "the opening float is counted against the issued one; its difference is booked",
    "R03": "expected cash is net of change",
    "R04": "a blind close: so many counts before the expected amount is shown",
    "R05": "a counted value never changes; a correction is a new count",
    "R06": "every tender is declared",
    "R07": "nothing is netted across tenders, drawers or counts",
    "R08": "what a difference wants: reason, supervisor, report, incident, review",
    "R09": "nobody approves the own close, voids after it, or reopens alone",
    "R10": "a void names supervisor and reason; a cash void wants a drawer opening",
    "R11": "drawer openings: without a sale, without a receipt, too long",
    "R12": "so much cash in a drawer: a drop is advised, then an alarm",
    "R13": "a drop is sealed and counted by machine; no batch without a record",
    "R14": "receipt numbers without gaps, voids included",
    "R15": "receipts from the cut-off on belong to the next business day",
    "R16": "the deposit is intact: cash and checks are those of the receipts, over and short apart",
    "R17": "the deposit's deadline",
    "R18": "bags: unique number, sealed, picked up, credited in time",
    "R19": "card payments: posted against settled",
    "R20": "a returned item reverses its receipt's own funds, adds the fee, counts to cash only",
    "R21": "over and short have one account for each fund; fund totals are never altered",
    "R22": "unidentified receipts do not stay in suspense",
    "R23": "surprise counts",
    "R24": "a suspect note is in no count and has a custody record of its own",
    "R25": "closing is atomic: session, general ledger and journal together",
    "R26": "a correction moves a receivable, no cash, and cites both receipts",
}

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ORDINALS = {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "last": -1}
_HOLIDAY = re.compile(
    rf"(?:({'|'.join(MONTHS)}) ([1-9]|[12]\d|3[01])"
    rf"|({'|'.join(_ORDINALS)}) ({'|'.join(WEEKDAYS)}) ({'|'.join(MONTHS)}))"
    r"(?: \+([1-9]))?",
    re.ASCII,
)

CENTS_MOST = 10**11

_source = string(1, 300)


@dataclass(frozen=True)
class Rule:
    """What every rule has."""

    severity: Annotated[str, one_of(*SEVERITIES)]
    source: Annotated[str, _source]


def _invariant(value: Any) -> str:
    if value != INVARIANT:
        raise ValueError("this rule is an invariant: the program keeps it, no file switches it off")
    return INVARIANT


@dataclass(frozen=True)
class Invariant:
    """A rule that the program itself keeps."""

    severity: Annotated[str, _invariant]
    source: Annotated[str, _source]


@dataclass(frozen=True)
class BlindCounts(Rule):
    """R04."""

    counts: Annotated[int, integer(1, 20)]


@dataclass(frozen=True)
class Steps:
    """From which difference on what is wanted."""

    reason_cents: Annotated[int, integer(1, CENTS_MOST)]
    supervisor_cents: Annotated[int, integer(1, CENTS_MOST)]
    report_cents: Annotated[int, integer(1, CENTS_MOST)]
    incident_cents: Annotated[int, integer(1, CENTS_MOST)]

    def __post_init__(self) -> None:
        steps = [getattr(self, each.name) for each in fields(self)]
        if steps != sorted(steps):
            raise ValueError(
                f"the steps go down: {', '.join(map(str, steps))}; reason, supervisor, report and"
                " incident must not fall"
            )


@dataclass(frozen=True)
class Period:
    """From which number or sum of differences of one cashier in so many days on a review is
    wanted.
    """

    days: Annotated[int, integer(1, 366)]
    differences: Annotated[int, integer(1, 1000)]
    cumulative_cents: Annotated[int, integer(1, CENTS_MOST)]


@dataclass(frozen=True)
class Differences(Rule):
    """R08."""

    interval: Annotated[Steps, table(Steps)]
    session: Annotated[Steps, table(Steps)]
    period: Annotated[Period, table(Period)]


@dataclass(frozen=True)
class Voids(Rule):
    """R10."""

    opening_within_s: Annotated[int, integer(1, 3_600)]


@dataclass(frozen=True)
class Openings(Rule):
    """R11."""

    no_sale_openings: Annotated[int, integer(0, 1000)]
    open_s: Annotated[int, integer(1, 86_400)]
    receipt_within_s: Annotated[int, integer(1, 3_600)]


@dataclass(frozen=True)
class DrawerLimit(Rule):
    """R12."""

    drop_advised_cents: Annotated[int, integer(1, CENTS_MOST)]
    alarm_cents: Annotated[int, integer(1, CENTS_MOST)]

    def __post_init__(self) -> None:
        if self.alarm_cents < self.drop_advised_cents:
            raise ValueError(
                f"alarm_cents {self.alarm_cents} is below drop_advised_cents"
                f" {self.drop_advised_cents}; the alarm comes after the advice"
            )


@dataclass(frozen=True)
class DepositDeadline(Rule):
    """R17."""

    profile: Annotated[str, string(1, 40)]
    alert_percent: Annotated[int, integer(1, 100)]


@dataclass(frozen=True)
class Bags(Rule):
    """R18."""

    credit_business_days: Annotated[int, integer(1, 60)]


@dataclass(frozen=True)
class Returns(Rule):
    """R20."""

    fee_cents: Annotated[int, integer(0, CENTS_MOST)]
    returns: Annotated[int, integer(1, 100)]
    months: Annotated[int, integer(1, 120)]


@dataclass(frozen=True)
class Suspense(Rule):
    """R22."""

    business_days: Annotated[int, integer(1, 250)]


@dataclass(frozen=True)
class SurpriseCounts(Rule):
    """R23."""

    per_month: Annotated[int, integer(1, 31)]


# --- deadlines, calendar, numbers, rounding -------------------------------------------------------


def _until(value: Any) -> datetime.time | None:
    return None if value == "" else time_of_day(value)


@dataclass(frozen=True)
class Deadline:
    """One profile of R17: `hours` after the first receipt, or `business_days` after its day. Up to
    `small_cents` on hand one of the small_ ones in its place.
    """

    source: Annotated[str, _source]
    hours: Annotated[int, integer(0, 744)] = 0
    business_days: Annotated[int, integer(0, 31)] = 0
    until: Annotated[datetime.time | None, _until] = None  # None: the end of the day
    small_cents: Annotated[int, integer(0, CENTS_MOST)] = 0
    small_business_days: Annotated[int, integer(0, 31)] = 0
    small_days: Annotated[int, integer(0, 31)] = 0
    month_end: Annotated[bool, boolean] = False

    def __post_init__(self) -> None:
        if (self.hours > 0) == (self.business_days > 0):
            raise ValueError("say either hours or business_days, and not both")
        small = [value for value in (self.small_business_days, self.small_days) if value]
        if len(small) != (1 if self.small_cents else 0):
            raise ValueError(
                "small_cents goes with one of small_business_days and small_days, and they with it"
            )
        if self.month_end and not self.small_cents:
            raise ValueError("month_end bounds what small_cents allows; say small_cents too")


def holiday_rule(value: Any) -> str:
    """ "jul 4", "3rd mon jan", "last mon may", "4th thu nov +1"; raises ValueError."""
    if not isinstance(value, str) or not _HOLIDAY.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a holiday such as 'jul 4', '3rd mon jan', 'last mon may' or"
            " '4th thu nov +1'; a single date belongs to closed"
        )
    month, day = _HOLIDAY.fullmatch(value).group(1, 2)  # type: ignore[union-attr]
    if month and int(day) > (29 if month == "feb" else 30 if month in _SHORT else 31):
        raise ValueError(f"{value!r}: {month} has no such day")
    return value


_SHORT = ("apr", "jun", "sep", "nov")


def holiday_in(rule: str, year: int) -> datetime.date | None:
    """The day of a holiday's rule in a year; None where the year has none (feb 29)."""
    found = _HOLIDAY.fullmatch(rule)
    if found is None:
        raise ValueError(f"{rule!r} is no rule of a holiday")
    month, day, ordinal, weekday, of_month, later = found.groups()
    if month:
        try:
            date = datetime.date(year, MONTHS.index(month) + 1, int(day))
        except ValueError:
            return None
    else:
        date = _nth(year, MONTHS.index(of_month) + 1, WEEKDAYS.index(weekday), _ORDINALS[ordinal])
    return date + datetime.timedelta(days=int(later or 0))


def _nth(year: int, month: int, weekday: int, nth: int) -> datetime.date:
    first = datetime.date(year, month, 1)
    date = first + datetime.timedelta(days=(weekday - first.weekday()) % 7)
    if nth > 0:
        return date + datetime.timedelta(days=7 * (nth - 1))
    date += datetime.timedelta(days=28)
    return date if date.month == month else date - datetime.timedelta(days=7)


@dataclass(frozen=True)
class CalendarTable:
    """[calendar]: the days on which the office works."""

    weekend: Annotated[tuple[str, ...], list_of(one_of(*WEEKDAYS), 6)]
    observed: Annotated[str, one_of("nearest", "monday", "none")]
    holidays: Annotated[tuple[str, ...], list_of(holiday_rule, 60)]
    closed: Annotated[tuple[datetime.date, ...], list_of(calendar_date, 1000)]
    open: Annotated[tuple[datetime.date, ...], list_of(calendar_date, 1000)]
    source: Annotated[str, _source]

    def __post_init__(self) -> None:
        both = sorted(set(self.closed) & set(self.open))
        if both:
            raise ValueError(f"{both[0]} is both closed and open; keep one of them")


@dataclass(frozen=True)
class Numbering:
    """[receipts.NAME]: how the receipt numbers of one source system are formed."""

    prefix: Annotated[str, string(0, 40)] = "*"
    digits: Annotated[int, integer(0, 18)] = 0
    scope: Annotated[str, one_of("source", "window", "day", "window-day", "none")] = "source"
    first: Annotated[int, integer(0)] = 1


@dataclass(frozen=True)
class Rounding:
    """[rounding]: cash without pennies."""

    cash: Annotated[str, one_of("none", "nickel")]
    account: Annotated[str, string(0, 60)]
    source: Annotated[str, _source]

    def __post_init__(self) -> None:
        if self.cash != "none" and not self.account:
            raise ValueError(
                f'cash = "{self.cash}" without an account; name the account of the roundings'
            )


# --- the whole ------------------------------------------------------------------------------------

_rule: Callable[[Any], Any] = table(Rule)
_fixed: Callable[[Any], Any] = table(Invariant)


@dataclass(frozen=True)
class Policy:
    """Every rule of the office with its figures, as the file of the site has them."""

    R01: Annotated[Rule, _rule]
    R02: Annotated[Rule, _rule]
    R03: Annotated[Invariant, _fixed]
    R04: Annotated[BlindCounts, table(BlindCounts)]
    R05: Annotated[Invariant, _fixed]
    R06: Annotated[Rule, _rule]
    R07: Annotated[Invariant, _fixed]
    R08: Annotated[Differences, table(Differences)]
    R09: Annotated[Rule, _rule]
    R10: Annotated[Voids, table(Voids)]
    R11: Annotated[Openings, table(Openings)]
    R12: Annotated[DrawerLimit, table(DrawerLimit)]
    R13: Annotated[Rule, _rule]
    R14: Annotated[Rule, _rule]
    R15: Annotated[Rule, _rule]
    R16: Annotated[Rule, _rule]
    R17: Annotated[DepositDeadline, table(DepositDeadline)]
    R18: Annotated[Bags, table(Bags)]
    R19: Annotated[Rule, _rule]
    R20: Annotated[Returns, table(Returns)]
    R21: Annotated[Invariant, _fixed]
    R22: Annotated[Suspense, table(Suspense)]
    R23: Annotated[SurpriseCounts, table(SurpriseCounts)]
    R24: Annotated[Rule, _rule]
    R25: Annotated[Invariant, _fixed]
    R26: Annotated[Rule, _rule]
    deadline: Annotated[dict[str, Deadline], tables(Deadline)]
    calendar: Annotated[CalendarTable, table(CalendarTable)]
    receipts: Annotated[dict[str, Numbering], tables(Numbering)]
    rounding: Annotated[Rounding, table(Rounding)]

    def __post_init__(self) -> None:
        if self.R17.profile not in self.deadline:
            near = did_you_mean(self.R17.profile, self.deadline)
            text = f"not one of {', '.join(self.deadline)}{near}"
            raise TableError([Fault(("R17", "profile"), "value", text)])

    def severity(self, rule: str) -> str:
        """block, flag, note, off or invariant."""
        return str(getattr(self, rule).severity)

    @property
    def deposit_deadline(self) -> Deadline:
        """The profile that R17 names."""
        return self.deadline[self.R17.profile]
