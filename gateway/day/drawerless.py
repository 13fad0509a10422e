"""The windows without a drawer on a business day, out of the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from gateway.office.drawerless import DrawerlessWindow, drawerless_window
from gateway.office.tenders import tenders_of, void_targets
from gateway.store.engine import Db
from gateway.store.postings import postings_between, receipts_posted


def drawerless_windows(
    db: Db,
    windows: Iterable[str],
    business_date: str,
    suspense_accounts: Collection[str] = (),
) -> list[DrawerlessWindow]:
    """Those of them at which anything was posted for the day, in their order."""
    found = []
    for window in windows:
        rows = postings_between(db, window, business_date, 0, 0)
        if rows:
            earlier = receipts_posted(db, void_targets(rows))
            tenders = tenders_of(rows, earlier, suspense_accounts)
            found.append(drawerless_window(window, tenders, business_date))
    return found
