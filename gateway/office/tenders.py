"""Posting rows -> tender legs with their effect: what was tendered, and what a void or a reversal
takes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.facts.postings import Posting


@dataclass(frozen=True)
class Tender:
    """One tender leg with its effect: signs are those of the money, a reversal's amounts are
    negative, a void's are zero.
    """

    receipt_no: str
    source_system: str
    tender_id: str
    tender_type: str
    posted_ms: int
    business_date: str
    cashier_id: str
    status: str
    tendered_cents: int
    change_cents: int
    face_cents: int  # tendered - change as it was written, before a void took it away
    void_of: str
    funds: tuple[tuple[str, int], ...]  # (fund, allocation_cents), signed as above
    accounts: tuple[tuple[str, int], ...]  # (account_no, allocation as written)
    rows_agree: bool = True  # its rows repeat the same tender

    @property
    def net_cents(self) -> int:
        """What it brought in: tendered - change."""
        return self.tendered_cents - self.change_cents

    @property
    def allocated_cents(self) -> int:
        """What its allocations sum to; equal to net_cents in a sound export."""
        return sum(cents for _, cents in self.funds)


def fund_totals(tenders: Iterable[Tender]) -> dict[str, int]:
    """{fund: sum of its allocations}, by name."""
    totals: dict[str, int] = {}
    for tender in tenders:
        for fund, cents in tender.funds:
            totals[fund] = totals.get(fund, 0) + cents
    return dict(sorted(totals.items()))


def tenders_of(postings: Iterable[Posting]) -> list[Tender]:
    """The tender legs in posting rows, each once, by time; rows that are given twice count once."""
    rows = {(row.source_system, row.receipt_no, row.line_no): row for row in postings}
    legs: dict[tuple[str, str, str], list[Posting]] = {}
    for key in sorted(rows):
        row = rows[key]
        legs.setdefault((row.source_system, row.receipt_no, row.tender_id), []).append(row)
    standing = {
        (row.source_system, row.receipt_no)
        for row in rows.values()
        if row.status in ("posted", "unknown")
    }
    named = {(row.source_system, row.receipt_no) for row in rows.values()}
    tenders = [_tender(leg, standing, named) for leg in legs.values()]
    return sorted(
        tenders,
        key=lambda tender: (
            tender.posted_ms,
            tender.source_system,
            tender.receipt_no,
            tender.tender_id,
        ),
    )


def _tender(
    leg: Sequence[Posting], standing: set[tuple[str, str]], named: set[tuple[str, str]]
) -> Tender:
    """One leg and its effect.

    void or reversed without void_of (or of itself): the receipt itself is taken back, effect 0.
    With void_of: it takes the named receipt back, effect minus; 0 when the export already shows the
    named receipt as void.
    """
    first = leg[0]
    sign = 1
    if first.status in ("void", "reversed"):
        target = (first.source_system, first.void_of)
        is_reversal = first.void_of not in ("", first.receipt_no) and (
            target in standing or target not in named
        )
        sign = -1 if is_reversal else 0
    amount, change = abs(first.tender_amount_cents), abs(first.change_cents)
    return Tender(
        receipt_no=first.receipt_no,
        source_system=first.source_system,
        tender_id=first.tender_id,
        tender_type=first.tender_type,
        posted_ms=first.posted_ms,
        business_date=first.business_date,
        cashier_id=first.cashier_id,
        status=first.status,
        tendered_cents=sign * amount,
        change_cents=sign * change,
        face_cents=amount - change,
        void_of=first.void_of,
        funds=tuple((row.fund, sign * abs(row.allocation_cents)) for row in leg),
        accounts=tuple((row.account_no, abs(row.allocation_cents)) for row in leg),
        rows_agree=len(
            {
                (row.tender_amount_cents, row.change_cents, row.tender_type, row.status)
                for row in leg
            }
        )
        == 1,
    )
