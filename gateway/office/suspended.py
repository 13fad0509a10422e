"""Receipts that were posted while nothing was expected to happen at the drawer. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.office.drawer import DrawerSession, Remark
from gateway.office.tenders import Tender


def suspended_remarks(
    session: DrawerSession, tenders: Sequence[Tender], offset_ms: int
) -> list[Remark]:
    """One for each receipt; they are in the sums all the same: the money is in the drawer.
    `offset_ms`: how far the posting system's clock is ahead.
    """
    return [
        Remark(
            "posted_while_suspended",
            tender.posted_ms,
            f"receipt {tender.receipt_no} was posted while the session was suspended",
        )
        for tender in tenders
        if session.is_suspended_at(tender.posted_ms - offset_ms)
    ]
