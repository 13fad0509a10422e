"""The office's clock: the bounds of a day, local dates and times. Which days are business days is
the policy's matter: gateway/office/calendar.py. Pure.
"""

from __future__ import annotations

import datetime
import zoneinfo

from gateway.errors import UsageError

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MS = datetime.timedelta(milliseconds=1)


def day_bounds(business_date: str, zone: zoneinfo.ZoneInfo) -> tuple[int, int]:
    """(first millisecond, first of the next day), Unix milliseconds UTC; a day of the office's zone
    may have 23 or 25 hours.
    """
    try:
        date = datetime.date.fromisoformat(business_date)
        following = date + datetime.timedelta(days=1)
    except (ValueError, OverflowError):
        raise UsageError(f"date {business_date!r}: not a date such as 2026-11-20") from None
    midnight = datetime.time()
    return local_ms(date, midnight, zone), local_ms(following, midnight, zone)


def ended_business_date(now_ms: int, zone: zoneinfo.ZoneInfo, cut_off: datetime.time) -> str:
    """The newest date whose cut-off has passed, whether the office works on it or not: a tree head
    is made for whatever was recorded.
    """
    local = (_EPOCH + now_ms * _MS).astimezone(zone)
    late = local.time().replace(tzinfo=None) >= cut_off
    return (local.date() - datetime.timedelta(days=0 if late else 1)).isoformat()


def local_date(at_ms: int, zone: zoneinfo.ZoneInfo) -> str:
    """2026-11-20, on the office's calendar."""
    return (_EPOCH + at_ms * _MS).astimezone(zone).date().isoformat()


def local_time(at_ms: int, zone: zoneinfo.ZoneInfo) -> str:
    """10:42:08, on the office's clock."""
    return (_EPOCH + at_ms * _MS).astimezone(zone).strftime("%H:%M:%S")


def local_ms(date: datetime.date, at: datetime.time, zone: zoneinfo.ZoneInfo) -> int:
    """Unix milliseconds UTC of a time on the office's clock."""
    return (datetime.datetime.combine(date, at, zone) - _EPOCH) // _MS
