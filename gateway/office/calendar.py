"""Which days are business days of the office, and to which one a moment belongs (rule R15). Pure.

Weekend, holidays and single days are the policy's. Holidays are rules ("4th thu nov"), not dates,
so that no year is forgotten, and they stand in the policy, so that a day's own policy says for ever
which days counted. (The library `holidays` knows more of them; its list changes with its version.)
"""

from __future__ import annotations

import datetime
import functools
import zoneinfo
from dataclasses import dataclass, field

from gateway.business_day import local_ms
from gateway.config import Config
from gateway.errors import UsageError
from gateway.policy_tables import WEEKDAYS, CalendarTable, holiday_in

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MS = datetime.timedelta(milliseconds=1)
_DAY = datetime.timedelta(days=1)
_SATURDAY, _SUNDAY = 5, 6
DAYS_MAX = 2_000  # a file may close 1000 single days: no row of closed days is longer
_LAST = datetime.date(9999, 12, 1)  # Python's calendar ends soon after: what is dated so is garbage


@dataclass(frozen=True)
class Calendar:
    """The office's days."""

    table: CalendarTable
    zone: zoneinfo.ZoneInfo
    cut_off: datetime.time
    # business_day_from of dates that were asked for: a day has thousands of receipts
    _known: dict[datetime.date, datetime.date] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def why_closed(self, date: datetime.date) -> str:
        """Why a date is no business day: "weekend", the rule of a holiday, "closed"; "" for one
        that is.
        """
        if date in self.table.open:
            return ""
        if date in self.table.closed:
            return "closed"
        if WEEKDAYS[date.weekday()] in self.table.weekend:
            return "weekend"
        return _holidays(self.table, date.year).get(date, "")

    def is_business_day(self, date: datetime.date) -> bool:
        """Whether the office works on it."""
        return not self.why_closed(date)

    def business_day_from(self, date: datetime.date) -> datetime.date:
        """This date, or the first business day after it."""
        if date in self._known:
            return self._known[date]
        asked = date
        for _ in range(DAYS_MAX):
            if date >= _LAST or self.is_business_day(date):
                self._known[asked] = date
                return date
            date += _DAY
        raise UsageError(
            f"calendar: no business day in {DAYS_MAX} days before {date}; look at closed in"
            " policy.toml"
        )

    def next_business_day(self, date: datetime.date, days: int = 1) -> datetime.date:
        """The business day that is `days` business days after a date, which need not be one."""
        for _ in range(days):
            date = self.business_day_from(date + _DAY)
        return date

    def last_of_month(self, date: datetime.date) -> datetime.date | None:
        """The last business day of a date's month; None for a month without any."""
        first = date.replace(day=1)
        day = (first + 31 * _DAY).replace(day=1) - _DAY
        while day >= first and not self.is_business_day(day):
            day -= _DAY
        return day if day >= first else None

    def business_days_between(self, earlier: datetime.date, later: datetime.date) -> int:
        """How many business days come after `earlier` up to `later`, which counts; negative when
        they stand the other way round.
        """
        if later < earlier:
            return -self.business_days_between(later, earlier)
        days = range(1, (later - earlier).days + 1)
        return sum(self.is_business_day(earlier + each * _DAY) for each in days)

    def business_date_of(self, at_ms: int) -> str:
        """The business date, as postings have it, of a moment in Unix milliseconds UTC: from the
        cut-off on it is the next business day, and what falls on a closed day belongs to the first
        business day after it. Friday 16:30 belongs to Monday.
        """
        date = (_EPOCH + at_ms * _MS).astimezone(self.zone).date()
        if date < _LAST and at_ms >= self.end_ms(date, self.cut_off):
            date += _DAY
        return self.business_day_from(date).isoformat()

    def span_of(self, business_date: str) -> tuple[int, int]:
        """(first millisecond, first of the next one) of what belongs to a business date: from the
        cut-off of the business day before to its own. (0, 0) for a date that is no business day.
        """
        date = datetime.date.fromisoformat(business_date)
        before = date - _DAY
        if not self.is_business_day(date):
            return 0, 0
        while before.year > datetime.MINYEAR and not self.is_business_day(before):
            before -= _DAY
        return self.end_ms(before, self.cut_off), self.end_ms(date, self.cut_off)

    def end_ms(self, date: datetime.date, at: datetime.time | None = None) -> int:
        """Unix milliseconds UTC of a time on that date; of its end where `at` is None."""
        if at is None:
            return local_ms(date + _DAY, datetime.time(), self.zone)
        return local_ms(date, at, self.zone)


def calendar_of(config: Config) -> Calendar:
    """The calendar of a site."""
    return Calendar(config.policy.calendar, zoneinfo.ZoneInfo(config.zone), config.cut_off)


@functools.lru_cache(maxsize=64)
def _holidays(table: CalendarTable, year: int) -> dict[datetime.date, str]:
    """{date: its rule} of the holidays as they are kept in a year; New Year's Day may be kept on
    the last day of the year before.
    """
    found = {}
    for rule in table.holidays:
        for each in (year - 1, year, year + 1):
            date = holiday_in(rule, each) if datetime.MINYEAR < each < datetime.MAXYEAR else None
            if date is not None:
                kept = _observed(date, table)
                found.update({day: rule for day in (date, kept) if day.year == year})
    return found


def _observed(date: datetime.date, table: CalendarTable) -> datetime.date:
    """Where a holiday on a weekend is kept. Source: 5 U.S.C. 6103(b) and Executive Order 11582."""
    if table.observed == "none" or WEEKDAYS[date.weekday()] not in table.weekend:
        return date
    if date.weekday() == _SATURDAY:
        return date - _DAY if table.observed == "nearest" else date + 2 * _DAY
    return date + _DAY if date.weekday() == _SUNDAY else date
