"""What waits in suspense at the end of a business day, out of the ledger."""

from __future__ import annotations

from collections.abc import Collection

from gateway.office.suspense import InSuspense, open_items
from gateway.store.engine import Db
from gateway.store.suspense import is_taken_back, suspense_rows


def in_suspense(
    db: Db, business_date: str, suspense_accounts: Collection[str] = ()
) -> list[InSuspense]:
    """The oldest first."""
    return [
        each
        for each in open_items(suspense_rows(db, business_date, suspense_accounts), business_date)
        if not is_taken_back(db, each.source_system, each.scope, each.receipt_no, business_date)
    ]
