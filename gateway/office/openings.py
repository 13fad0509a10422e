"""Drawer openings that no receipt and no count explains (rule R11)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from gateway.office.drawer import DrawerOpening
from gateway.office.intervals import Interval
from gateway.office.reconcile import Reconciliation

RECEIPT_AFTER_OPENING_MS = 90_000  # rule R11 as it ships; the report judges by the site's policy


class Opened(Protocol):
    """A drawer was open from opened_ms for dwell_ms; None: nobody saw it close."""

    @property
    def opened_ms(self) -> int: ...
    @property
    def dwell_ms(self) -> int | None: ...


Opening = TypeVar("Opening", bound=Opened)


def unreceipted_openings(
    proof: Reconciliation, interval: Interval, within_ms: int = RECEIPT_AFTER_OPENING_MS
) -> list[DrawerOpening]:
    """Openings of an interval that no receipt and no count explains."""
    inside = [
        opening
        for opening in proof.session.openings
        if interval.from_ms <= opening.opened_ms < interval.to_ms
    ]
    receipts = [
        (tender.posted_ms, tender.tender_type)
        for tender in (*proof.tenders, *proof.held_over, *proof.unknown)
    ]
    counts = [group.started_ms for group in proof.session.groups]
    return lonely_openings(inside, counts, receipts, within_ms)


def lonely_openings(
    openings: Sequence[Opening],
    counts_ms: Iterable[int],
    receipts: Iterable[tuple[int, str]],
    within_ms: int,
) -> list[Opening]:
    """The openings that nothing explains. `receipts`: (posted_ms, tender type).

    A count explains the openings near it; a receipt explains one opening, the nearest in time: cash
    receipts choose first, then those of other tenders that go into the drawer. A card payment opens
    no drawer.
    """
    counts = sorted(counts_ms)
    posted = sorted((at_ms, tender) for at_ms, tender in receipts if tender != "card")
    left = [opening for opening in openings if not _near(opening, counts, within_ms)]
    for is_cash in (True, False):
        times = [at_ms for at_ms, tender in posted if (tender == "cash") is is_cash]
        pairs = sorted(
            (abs(times[place] - opening.opened_ms), place, index)
            for index, opening in enumerate(left)
            for place in _near(opening, times, within_ms)
        )
        taken_times: set[int] = set()
        explained: set[int] = set()
        for _, place, index in pairs:
            if place not in taken_times and index not in explained:
                taken_times.add(place)
                explained.add(index)
        left = [opening for index, opening in enumerate(left) if index not in explained]
    return left


def _near(opening: Opened, times: Sequence[int], within_ms: int) -> range:
    """The places of the times, which are in order, that are near an opening."""
    end_ms = opening.opened_ms + (opening.dwell_ms or 0) + within_ms
    return range(bisect_left(times, opening.opened_ms - within_ms), bisect_right(times, end_ms))


def is_near(opening: Opened, at_ms: int, within_ms: int) -> bool:
    """Whether something happened while a drawer was open, or so shortly before or after."""
    end_ms = opening.opened_ms + (opening.dwell_ms or 0) + within_ms
    return opening.opened_ms - within_ms <= at_ms <= end_ms
