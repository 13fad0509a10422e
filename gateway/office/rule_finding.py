"""What a rule gives back, and what it judges by."""

from __future__ import annotations

from typing import NamedTuple

from gateway.business_day import local_time
from gateway.config import Config
from gateway.office.calendar import Calendar, calendar_of
from gateway.policy_file import closed_under
from gateway.policy_tables import Policy


class Fact(NamedTuple):
    """Something on record that a finding rests on."""

    kind: str  # record | receipt | count | session | bag | fund | drawer
    ref: str


class Found(NamedTuple):
    """A finding before the policy says how severe it is."""

    kind: str
    at_ms: int
    session: str
    text: str
    facts: tuple[Fact, ...]


class Under(NamedTuple):
    """What a day is judged by: the policy that it is, or was, closed under."""

    policy: Policy
    calendar: Calendar

    def clock(self, at_ms: int) -> str:
        """10:42:08, on the office's clock."""
        return local_time(at_ms, self.calendar.zone)


def under(config: Config) -> Under:
    """What a site's days are judged by now."""
    return Under(config.policy, calendar_of(config))


def under_kept(text: str) -> Under:
    """What a closed day is judged by, of the text that was kept with it. Raises DataError."""
    kept = closed_under(text)
    return Under(kept.policy, Calendar(kept.policy.calendar, kept.zone, kept.cut_off))


def cashier_key(name: str) -> str:
    """What two names of one cashier have in common: boards and cashiering systems write 7 and
    007.
    """
    return name.strip().casefold().lstrip("0")
