"""A business day out of the ledger: which records and postings belong together, and the proof of
every drawer session.

This is the one step between the ledger and the pure functions (sessions, reconcile, explain).
Records: those of the calendar day in the office's zone; postings are those whose business date is
this day, and those of another date that were posted on it.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.business_day import day_bounds, local_date, local_time
from gateway.config import Site
from gateway.explain.causes import Variance
from gateway.explain.rank import explain
from gateway.office.deposit import Deposit, deposit_of
from gateway.office.drawer import DrawerSession
from gateway.office.reconcile import BALANCED, Reconciliation, reconcile
from gateway.office.sessions import drawer_sessions
from gateway.store.ledger import Ledger
from gateway.store.postings import (
    is_posted_on,
    posted_dates,
    postings_between,
    quarantined,
    windows_posted,
)
from gateway.store.segments import last_counted_ms
from gateway.store.tree_heads import tree_heads

POSTED_DATES_MAX = 31  # how far back a day of work is looked for among the postings


@dataclass(frozen=True)
class ProvedSession:
    """One session, its reconciliation and what may explain its differences."""

    reconciliation: Reconciliation
    variances: list[Variance]


@dataclass(frozen=True)
class Day:
    """Everything the report of a business day says."""

    business_date: str
    from_ms: int
    until_ms: int
    proofs: list[ProvedSession]
    deposit: Deposit
    idle_windows: list[str]  # declared, without a session and without postings
    quarantined: list[dict[str, str | int]]
    gaps: list[dict[str, Any]]
    incidents: list[dict[str, Any]]
    ledger_n: int
    ledger_head: bytes
    unassigned: list[str] = field(
        default_factory=list
    )  # windows with postings that the configuration does not name
    checkpoint: dict[str, Any] | None = (
        None  # n, root, made_ms and note of the day's signed tree head, once there is one
    )

    @property
    def is_balanced(self) -> bool:
        """True when every tender of every session is balanced and the totals tie."""
        return self.deposit.ties and all(
            proof.reconciliation.status == BALANCED for proof in self.proofs
        )


def default_business_date(ledger: Ledger, zone: zoneinfo.ZoneInfo, now_ms: int) -> str:
    """The day that a report is about when nobody names one: never a day that is still to come.

    Today, on the office's calendar, when anything was counted today or posted for today. Otherwise
    the last day on which the office worked: something was counted on it, or a payment of that very
    day was posted. (A receipt past the cut-off is posted for the next day: that alone makes no day
    of work.) Today again when there never was one.
    """
    today = local_date(now_ms, zone)
    posted = posted_dates(ledger.db, today, POSTED_DATES_MAX)
    if posted and posted[0] == today:
        return today
    worked = [date for date in posted if is_posted_on(ledger.db, date, *day_bounds(date, zone))]
    counted_ms = last_counted_ms(ledger.db, day_bounds(today, zone)[1])
    if counted_ms is not None:
        worked.append(local_date(counted_ms, zone))
    return max(worked, default=posted[0] if posted else today)


def prove_day(
    ledger: Ledger,
    windows: Iterable[str],
    business_date: str,
    zone: zoneinfo.ZoneInfo,
    currency: str = "USD",
) -> Day:
    """The proofs of all drawer sessions of a business day. Raises UsageError for a date that is
    none.
    """
    from_ms, until_ms = day_bounds(business_date, zone)
    declared = list(windows)
    posted = windows_posted(ledger.db, business_date)
    unassigned = [window for window in posted if window not in declared]
    proofs: list[ProvedSession] = []
    idle: list[str] = []
    for window in [*declared, *unassigned]:
        found = _prove_window(ledger, window, business_date, from_ms, until_ms, zone, currency)
        proofs += found
        if not found:
            idle.append(window)
    n, head = ledger.head()
    return Day(
        business_date=business_date,
        from_ms=from_ms,
        until_ms=until_ms,
        proofs=proofs,
        deposit=deposit_of([proof.reconciliation for proof in proofs]),
        idle_windows=idle,
        quarantined=quarantined(ledger.db, from_ms),
        gaps=ledger.gaps(from_ms),
        incidents=ledger.incidents(from_ms),
        ledger_n=n,
        ledger_head=head,
        unassigned=unassigned,
        checkpoint=_checkpoint(ledger, business_date),
    )


def _checkpoint(ledger: Ledger, business_date: str) -> dict[str, Any] | None:
    for row in tree_heads(ledger.db, business_date):
        return {
            "n": row["n"],
            "root": row["root"].hex(),
            "made_ms": row["made_ms"],
            "note": row["note"],
        }
    return None


def _prove_window(
    ledger: Ledger,
    window: str,
    business_date: str,
    from_ms: int,
    until_ms: int,
    zone: zoneinfo.ZoneInfo,
    currency: str,
) -> list[ProvedSession]:
    epochs = [cursor["epoch"] for cursor in ledger.cursors() if cursor["device"] == window]
    sessions = drawer_sessions(ledger.records(from_ms, until_ms, window), currency, epochs)
    postings = postings_between(ledger.db, window, business_date, from_ms, until_ms)
    if not sessions:
        if not any(posting.business_date == business_date for posting in postings):
            return []
        sessions = [DrawerSession(window, 1, from_ms)]
        sessions[0].note(
            "no_session", from_ms, f"payments were posted at {window} and nothing was counted there"
        )
    proofs = []
    for index, session in enumerate(sessions):
        starts = None if index == 0 else session.started_ms
        ends = sessions[index + 1].started_ms if index + 1 < len(sessions) else None
        reconciliation = reconcile(session, postings, business_date, starts, ends)
        proofs.append(
            ProvedSession(
                reconciliation, explain(reconciliation, lambda at_ms: local_time(at_ms, zone))
            )
        )
    return proofs


def open_session(site: Site, device: str, now_ms: int) -> str | None:
    """Why the board of a window must not be touched now; None when nothing speaks against it."""
    if isinstance(site.ledger, Path) and not site.ledger.exists():
        return None
    from_ms, until_ms = day_bounds(local_date(now_ms, site.zone), site.zone)
    with Ledger(site.ledger) as ledger:
        sessions = drawer_sessions(ledger.records(from_ms, until_ms, device), site.config.currency)
    if sessions and sessions[-1].groups and sessions[-1].close is None:
        return (
            f"its drawer session is open since {local_time(sessions[-1].started_ms, site.zone)};"
            " close it first"
        )
    return None
