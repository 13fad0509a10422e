"""Drawer openings that no receipt and no count explains (rule R11)."""

from __future__ import annotations

from gateway.office.drawer import DrawerOpening
from gateway.office.intervals import Interval
from gateway.office.reconcile import Reconciliation

RECEIPT_AFTER_OPENING_MS = 90_000  # rule R11: an opening wants a receipt within 90 s


def unreceipted_openings(proof: Reconciliation, interval: Interval) -> list[DrawerOpening]:
    """Openings of an interval that no receipt and no count explains.

    A receipt explains one opening, the nearest within 90 s: cash receipts choose first, then those
    of other tenders that go into the drawer. A card payment opens no drawer.
    """
    inside = [
        opening
        for opening in proof.session.openings
        if interval.from_ms <= opening.opened_ms < interval.to_ms
    ]
    counts = [group.started_ms for group in proof.session.groups]
    left = [opening for opening in inside if not any(_is_near(opening, at_ms) for at_ms in counts)]
    receipts = [
        tender
        for tender in (*proof.tenders, *proof.held_over, *proof.unknown)
        if tender.tender_type != "card"
    ]
    for is_cash in (True, False):
        times = [
            tender.posted_ms for tender in receipts if (tender.tender_type == "cash") is is_cash
        ]
        pairs = sorted(
            (abs(at_ms - opening.opened_ms), place, index)
            for index, opening in enumerate(left)
            for place, at_ms in enumerate(times)
            if _is_near(opening, at_ms)
        )
        taken_times: set[int] = set()
        explained: set[int] = set()
        for _, place, index in pairs:
            if place not in taken_times and index not in explained:
                taken_times.add(place)
                explained.add(index)
        left = [opening for index, opening in enumerate(left) if index not in explained]
    return left


def _is_near(opening: DrawerOpening, at_ms: int) -> bool:
    end_ms = opening.opened_ms + (opening.dwell_ms or 0) + RECEIPT_AFTER_OPENING_MS
    return opening.opened_ms - RECEIPT_AFTER_OPENING_MS <= at_ms <= end_ms
