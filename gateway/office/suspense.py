"""Suspense: money that came in and that nobody has assigned to an account or a fund. Pure.

It is in the fund `suspense` on the day it came, and waits there until the cashiering system says
whose it is: a new version of its row, a correction, or a void.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import NamedTuple

from gateway.facts.postings import LOAN, Posting


class InSuspense(NamedTuple):
    """A receipt of which something waits."""

    source_system: str
    receipt_no: str
    window_id: str
    since: str  # its business date
    cents: int  # what is left of it
    days: int  # how long, in days of the calendar
    scope: str = ""  # where its number is unique, see facts/postings.py


def open_items(rows: Iterable[Posting], business_date: str) -> list[InSuspense]:
    """Those that wait at the end of a business date, the oldest first. `rows`: those in suspense
    that stand, up to that date.

    What a correction takes out of suspense, or what takes the receipt back, names it in void_of.
    """
    left: dict[tuple[str, str, str], int] = {}
    first: dict[tuple[str, str, str], Posting] = {}
    for row in sorted(rows, key=lambda each: (each.business_date, each.posted_ms)):
        is_void = row.status in ("void", "reversed")
        if row.kind == LOAN or row.status == "unknown":
            continue  # money of the safe, or nobody knows whether it was posted: told elsewhere
        if is_void and row.void_of in ("", row.receipt_no):
            continue
        names = row.void_of if is_void or row.kind == "correction" else row.receipt_no
        key = (row.source_system, row.scope, names or row.receipt_no)
        cents = -abs(row.allocation_cents) if is_void else row.allocation_cents
        left[key] = left.get(key, 0) + cents
        if key[2] == row.receipt_no:
            first.setdefault(key, row)
    today = datetime.date.fromisoformat(business_date)
    found = []
    for key, cents in left.items():
        if cents and (said := first.get(key)) is not None:
            days = (today - datetime.date.fromisoformat(said.business_date)).days
            source, scope, receipt = key
            found.append(
                InSuspense(source, receipt, said.window_id, said.business_date, cents, days, scope)
            )
    return sorted(found, key=lambda each: (each.since, each.source_system, each.receipt_no))
