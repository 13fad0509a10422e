"""Dates and times as vendors write them -> a moment and a business date. Pure.

The formats are those of strptime, read strictly: `%Y%m%d` wants eight digits, where strptime takes
seven and guesses. A two-digit year is one of 2000 to 2099.
"""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Callable
from functools import lru_cache

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MS = datetime.timedelta(milliseconds=1)

# Names as Ruby on Rails has them, which exports of Square show. Source: ActiveSupport::TimeZone.
RAILS_ZONES = {
    "Eastern Time (US & Canada)": "America/New_York",
    "Indiana (East)": "America/Indiana/Indianapolis",
    "Central Time (US & Canada)": "America/Chicago",
    "Mountain Time (US & Canada)": "America/Denver",
    "Arizona": "America/Phoenix",
    "Pacific Time (US & Canada)": "America/Los_Angeles",
    "Alaska": "America/Juneau",
    "Hawaii": "Pacific/Honolulu",
    "Atlantic Time (Canada)": "America/Halifax",
    "Newfoundland": "America/St_Johns",
    "Saskatchewan": "America/Regina",
    "Puerto Rico": "America/Puerto_Rico",
    "UTC": "Etc/UTC",
}

# directive -> (pattern beside a sign, pattern beside another directive)
_DIRECTIVES = {
    "Y": (r"\d{4}", r"\d{4}"),
    "y": (r"\d{2}", r"\d{2}"),
    "m": (r"\d{1,2}", r"\d{2}"),
    "d": (r"\d{1,2}", r"\d{2}"),
    "H": (r"\d{1,2}", r"\d{2}"),
    "I": (r"\d{1,2}", r"\d{2}"),
    "M": (r"\d{2}", r"\d{2}"),
    "S": (r"\d{2}", r"\d{2}"),
    "f": (r"\d{1,6}", r"\d{1,6}"),
    "p": (r"[AaPp]\.?[Mm]\.?", r"[AaPp][Mm]"),
    "b": (r"[A-Za-z]{3}", r"[A-Za-z]{3}"),
    "B": (r"[A-Za-z]{3,9}", r"[A-Za-z]{3,9}"),
    "z": (r"Z|[+-]\d{2}:?\d{2}", r"Z|[+-]\d{2}:?\d{2}"),
}

Read = Callable[[str], datetime.datetime | None]


class TimeFormatError(ValueError):
    """Why a format cannot be one."""


class TimeError(ValueError):
    """Why a text is no moment of this map; it does not show the text."""


@lru_cache(256)
def time_reader(written: str) -> Read:
    """A function from a text to its datetime, or to None when the text is not written so; aware
    only where the format has %z. A missing time is midnight. Raises TimeFormatError.
    """
    names, pattern = _pattern_of(written)
    if "d" not in names and not set(names) <= set("HIMSfp"):
        raise TimeFormatError(f"format {written!r}: no day, %d, in it")
    dated = {"Y", "y"} & set(names) and {"m", "b", "B"} & set(names)
    if "d" in names and not dated:
        raise TimeFormatError(f"format {written!r}: no year or no month in it")
    if ("I" in names) != ("p" in names):
        raise TimeFormatError(f"format {written!r}: %I and %p go together")
    compiled = re.compile(pattern, re.ASCII)

    def read(text: str) -> datetime.datetime | None:
        match = compiled.fullmatch(text)
        return None if match is None else _moment(dict(zip(names, match.groups(), strict=True)))

    return read


def _pattern_of(written: str) -> tuple[list[str], str]:
    names: list[str] = []
    pattern = ""
    parts = re.split(r"%(.)", written)
    if len(parts) == 1:
        raise TimeFormatError(f"format {written!r}: no directive such as %Y in it")
    for index, part in enumerate(parts):
        if index % 2 == 0:
            pattern += re.escape(part)
            continue
        if part not in _DIRECTIVES:
            known = ", ".join("%" + each for each in _DIRECTIVES)
            raise TimeFormatError(f"format {written!r}: %{part} is not one of {known}")
        if part in names:
            raise TimeFormatError(f"format {written!r}: %{part} twice")
        before = parts[index - 1] or index == 1
        after = parts[index + 1] or index == len(parts) - 2
        names.append(part)
        is_free = before and after and (parts[index - 1] or parts[index + 1])
        pattern += f"({_DIRECTIVES[part][0 if is_free else 1]})"
    return names, pattern


def _moment(found: dict[str, str]) -> datetime.datetime | None:
    year = int(found.get("Y") or 2000 + int(found.get("y", "0")))
    month_name = (found.get("b") or found.get("B") or "").lower()
    if month_name:
        names = MONTHS if "b" in found else _LONG
        if month_name not in names:
            return None
        month = names.index(month_name) + 1
    else:
        month = int(found.get("m", "1"))
    hour = int(found.get("H", "0"))
    if "I" in found:
        if not 1 <= int(found["I"]) <= 12:
            return None
        hour = int(found["I"]) % 12 + (12 if found["p"][0] in "pP" else 0)
    try:
        return datetime.datetime(
            year,
            month,
            int(found.get("d", "1")),
            hour,
            int(found.get("M", "0")),
            int(found.get("S", "0")),
            int(found.get("f", "0").ljust(6, "0")),
            tzinfo=_offset(found["z"]) if "z" in found else None,
        )
    except ValueError:
        return None


def _offset(text: str) -> datetime.timezone:
    if text == "Z":
        return datetime.UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return datetime.timezone(datetime.timedelta(minutes=-minutes if text[0] == "-" else minutes))


class Times:
    """Reads the moments of one map.

    `zone`: of texts without an offset, when no other is given with the text. `repeated`: what an
    hour that clocks run through twice means: refused, first or second. `time_of_day`: for texts
    that are dates alone, or None. `business_date`: the office's date of a moment in Unix
    milliseconds; None: the day of the calendar. `years`: the first and the last that can be right.
    `latest`: the last day that can be right, or None. `office`: the zone of business dates; None:
    that of the text.
    """

    def __init__(
        self,
        formats: tuple[str, ...],
        zone: zoneinfo.ZoneInfo | None,
        repeated: str = "refused",
        time_of_day: datetime.time | None = None,
        business_date: Callable[[int], str] | None = None,
        years: tuple[int, int] = (2000, 2050),
        latest: datetime.date | None = None,
        office: zoneinfo.ZoneInfo | None = None,
    ) -> None:
        self._readers = [time_reader(each) for each in formats]
        self._zone = zone
        self._repeated = repeated
        self._time_of_day = time_of_day
        self._business_date = business_date
        self._years = years
        self._latest = latest
        self._office = office
        self.posted = lru_cache(4_096)(self._posted)

    def _posted(self, text: str, zone_name: str = "") -> tuple[str, str]:
        """(moment as ISO 8601 with its offset, business date) of a text; `zone_name`: the zone
        that stood beside it. Raises TimeError.
        """
        moment = self.read(text)
        if self._time_of_day is not None:
            moment = moment.replace(hour=self._time_of_day.hour, minute=self._time_of_day.minute)
        zone = zoneinfo.ZoneInfo(zone_name) if zone_name else self._zone
        if moment.tzinfo is None:
            if zone is None:
                raise TimeError("no time zone is known for it")
            moment = self._placed(moment, zone)
        local = self._office or zone
        if local is None:
            return moment.isoformat(), moment.date().isoformat()
        if self._business_date is None:
            return moment.isoformat(), moment.astimezone(local).date().isoformat()
        at_ms = (moment - _EPOCH) // _MS
        return moment.isoformat(), self._business_date(at_ms)

    def read(self, text: str) -> datetime.datetime:
        """The moment of a text, as it is written. Raises TimeError."""
        found = {moment for read in self._readers if (moment := read(text)) is not None}
        if not found:
            raise TimeError("empty" if not text else "not a date in one of formats")
        if len(found) > 1:
            raise TimeError("reads as two dates; leave one of formats")
        moment = found.pop()
        first, last = self._years
        if not first <= moment.year <= last:
            raise TimeError(f"not in the years {first} to {last}; look at the date in the export")
        if self._latest is not None and moment.date() > self._latest:
            raise TimeError("a day that has not come yet; look at the date in the export")
        return moment

    def _placed(self, moment: datetime.datetime, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
        """The moment in its zone; an hour that does not exist, or exists twice, is told."""
        first, second = moment.replace(tzinfo=zone), moment.replace(tzinfo=zone, fold=1)
        if first.utcoffset() == second.utcoffset():
            return first
        if first.astimezone(datetime.UTC).astimezone(zone).replace(tzinfo=None) != moment:
            raise TimeError("an hour that the change to summer time leaves out")
        if self._repeated == "refused":
            raise TimeError(
                "an hour that comes twice when summer time ends; repeated_hour says which"
            )
        return first if self._repeated == "first" else second
