"""Windows without a drawer: a web page, a lockbox at the bank, a kiosk for cards. Pure.

What was posted there lies in no drawer of the office: it has no float, no count and no cashier, and
nothing of it can be over or short. Its money comes by the processor or goes to the bank by itself,
so it stands apart from the deposit, by tender and by fund. Only the business date is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.facts.postings import TENDERS
from gateway.money import format_cents
from gateway.office.drawer import Remark
from gateway.office.final import OpenPoint
from gateway.office.tenders import (
    NEVER_POSTED,
    RETURNED,
    VOID_AGAIN,
    VOID_OF_VOID,
    Tender,
    fund_totals,
    totals_by_type,
)

_NO_EFFECT = {
    VOID_AGAIN: "was taken back before",
    NEVER_POSTED: "was never posted",
    VOID_OF_VOID: "takes back another itself",
}


@dataclass(frozen=True)
class DrawerlessWindow:
    """What was posted at one of them for a business date. `unknown`: nobody knows whether the
    posting system took them, in no sum; `outside`: returned items, and voids without effect.
    """

    window: str
    tenders: list[Tender]
    unknown: list[Tender]
    outside: list[Tender]

    @property
    def tenders_cents(self) -> dict[str, int]:
        """{tender type: what was posted by it}, of those that have any."""
        posted = totals_by_type(self.tenders)
        return {name: posted[name] for name in TENDERS if name in posted}

    @property
    def funds_cents(self) -> dict[str, int]:
        """{fund: sum of its allocations}, by name."""
        return fund_totals(self.tenders)

    @property
    def returned_cents(self) -> dict[str, int]:
        """{fund: what returned items take from it}, in none of the sums above."""
        return fund_totals(each for each in self.outside if each.outside == RETURNED)

    @property
    def total_cents(self) -> int:
        """Sum over the tenders."""
        return sum(self.tenders_cents.values())

    @property
    def cash_cents(self) -> int:
        """Cash that is posted where nobody can count it."""
        return self.tenders_cents.get("cash", 0)

    @property
    def funds_agree(self) -> bool:
        """Whether the allocations sum to the tenders."""
        return self.total_cents == sum(self.funds_cents.values())

    @property
    def remarks(self) -> list[Remark]:
        """What a person should look at, by time."""
        found = [remark for each in self._all for remark in _remarks(each)]
        return sorted(found, key=lambda remark: remark.at_ms)

    @property
    def _all(self) -> list[Tender]:
        return self.tenders + self.unknown + self.outside


def drawerless_window(
    window: str, tenders: Iterable[Tender], business_date: str
) -> DrawerlessWindow:
    """`tenders`: those of the window; of another business date they are another day's."""
    mine = [tender for tender in tenders if tender.business_date == business_date]
    return DrawerlessWindow(
        window,
        [each for each in mine if each.status != "unknown" and not each.outside],
        [each for each in mine if each.status == "unknown"],
        [each for each in mine if each.outside],
    )


def drawerless_points(windows: Iterable[DrawerlessWindow]) -> Iterator[OpenPoint]:
    """Why they keep a day from being final."""
    for each in windows:
        if each.cash_cents:
            text = (
                f"{format_cents(each.cash_cents)} in cash posted at a window without a drawer:"
                " nobody counts it; correct the export, or name the window under windows of"
                " till.toml"
            )
            yield OpenPoint("cash_without_drawer", each.window, text)
        if each.unknown:
            cents = sum(tender.face_cents for tender in each.unknown)
            text = f"{len(each.unknown)} of unknown status, {format_cents(cents)}"
            yield OpenPoint("unknown_posting", each.window, text)
        if not each.funds_agree:
            yield OpenPoint("allocations_differ", each.window, "the allocations do not sum")


def _remarks(tender: Tender) -> Iterator[Remark]:
    named = f"receipt {tender.receipt_no} ({tender.tender_type} {format_cents(tender.face_cents)})"
    if any(name == "cash" and cents for name, cents in tender.parts):
        text = f"{named} says cash at a window without a drawer"
        yield Remark("cash_without_drawer", tender.posted_ms, text)
    if tender.status == "unknown":
        text = f"{named}: nobody knows whether it was posted"
        yield Remark("unknown_posting", tender.posted_ms, text)
    if tender.allocated_cents != tender.net_cents:
        text = (
            f"{named}: allocations sum {format_cents(tender.allocated_cents)}, tender less change"
            f" is {format_cents(tender.net_cents)}"
        )
        yield Remark("allocations_differ", tender.posted_ms, text)
    if tender.outside == RETURNED:
        text = f"{named} takes back {tender.void_of} of an earlier day: a returned item"
        yield Remark("returned_item", tender.posted_ms, text)
    elif tender.outside:
        reason = _NO_EFFECT[tender.outside]
        text = f"{named} takes back {tender.void_of}, which {reason}: it has no effect"
        yield Remark("void_without_effect", tender.posted_ms, text)
