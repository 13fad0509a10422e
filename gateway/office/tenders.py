"""Posting rows -> tender legs with their effect on the drawer: what was tendered, and what a void
or a reversal takes back.

A leg is in the drawer, or it says why it is not (`outside`). What takes back a check of an earlier
day is a returned item: the bank brought it, no cashier did, and no drawer is short by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.facts.postings import KINDS, LOAN, PAYMENT, SUSPENSE, Posting

# Why a leg is in no drawer.
RETURNED, NEVER_POSTED, VOID_AGAIN = "returned item", "void of nothing", "voided before"
ELSEWHERE = "of another drawer"  # takes back what another drawer held
VOID_OF_VOID = "void of a void"  # nobody can tell what it means: it has no effect, and is told
RETURNABLE = ("check", "ach", "money_order")  # what a bank brings back
PAPER = ("check", "money_order")  # the very piece lies in one drawer, and in no other

# A receipt that is taken back so soon was taken at this window on the same day, whatever its
# business date is: the cut-off lay between.
SAME_DAY_MS = 12 * 3_600_000

Receipt = tuple[str, str, str]  # (source_system, scope, receipt_no)


class Tender(NamedTuple):
    """One tender leg with its effect: signs are those of the money, a reversal's amounts are
    negative, a void's are zero.
    """

    receipt_no: str
    source_system: str
    scope: str  # where its number is unique, see facts/postings.py
    tender_id: str
    tender_type: str
    posted_ms: int
    business_date: str
    window_id: str
    session_id: str
    cashier_id: str
    status: str
    tendered_cents: int
    change_cents: int
    face_cents: int  # tendered - change as it was written, before a void took it away
    void_of: str
    void_by: str
    funds: tuple[tuple[str, int], ...]  # (fund, allocation_cents), signed as above
    accounts: tuple[tuple[str, int], ...]  # (account_no, allocation as written)
    rows_agree: bool = True  # its rows repeat the same tender
    outside: str = ""  # why it is in no drawer; empty: it is in one
    kind: str = PAYMENT

    @property
    def net_cents(self) -> int:
        """What it brought in: tendered - change."""
        return self.tendered_cents - self.change_cents

    @property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """(tender type, cents) of what lies in the drawer by it. Change is cash, whatever was
        tendered: a check of 100.00 for a bill of 80.00 brings a check and takes 20.00 in cash.
        """
        if self.tender_type == "cash" or not self.change_cents:
            return ((self.tender_type, self.net_cents),)
        return ((self.tender_type, self.tendered_cents), ("cash", -self.change_cents))

    @property
    def allocated_cents(self) -> int:
        """What its allocations sum to; equal to net_cents in a sound export."""
        return sum(cents for _, cents in self.funds)

    @property
    def receipt(self) -> Receipt:
        """Which receipt it is of."""
        return self.source_system, self.scope, self.receipt_no

    @property
    def target(self) -> Receipt:
        """The receipt that it takes back, if it does."""
        return self.source_system, self.scope, self.void_of

    @property
    def is_loan(self) -> bool:
        """Whether it is money of the safe: it lies in the drawer, and belongs to no fund."""
        return self.kind == LOAN

    @property
    def is_void(self) -> bool:
        """Whether it takes something back, or was taken back itself."""
        return self.status in ("void", "reversed")


def fund_totals(tenders: Iterable[Tender]) -> dict[str, int]:
    """{fund: sum of its allocations}, by name; without the safe's own money."""
    totals: dict[str, int] = {}
    for tender in tenders:
        if tender.is_loan:
            continue
        for fund, cents in tender.funds:
            totals[fund] = totals.get(fund, 0) + cents
    return dict(sorted(totals.items()))


def totals_by_type(tenders: Iterable[Tender]) -> Counter[str]:
    """{tender type: what lies in the drawer by them}."""
    totals: Counter[str] = Counter()
    for tender in tenders:
        for name, cents in tender.parts:
            totals[name] += cents
    return totals


def void_targets(postings: Iterable[Posting]) -> set[Receipt]:
    """The receipts that rows take back and that are not among them: who asks the ledger for these
    can tell a returned check from a void of nothing.
    """
    rows = list(postings)
    return {_target(row) for row in rows if _takes_back(row)} - {_receipt(row) for row in rows}


def tenders_of(
    postings: Iterable[Posting],
    earlier: Mapping[Receipt, str] | None = None,
    suspense_accounts: Collection[str] = (),
) -> list[Tender]:
    """The tender legs in posting rows, each once, by time; rows that are given twice count once.

    `earlier`: {receipt: business date} of those among `void_targets` that were posted before;
    None: nobody looked, and what is not among the rows counts as posted. `suspense_accounts`:
    account numbers that mean no account; what is allocated to one is in suspense, whatever fund
    the row names.
    """
    rows = {row.identity: row for row in postings}
    legs: dict[tuple[Receipt, str], list[Posting]] = {}
    for key in sorted(rows):
        row = rows[key]
        legs.setdefault((_receipt(row), row.tender_id), []).append(row)
    books = _Books(
        {_receipt(row) for row in rows.values() if row.status == "posted"},
        {_receipt(row): (row.business_date, row.posted_ms) for row in rows.values()},
        {_receipt(row) for row in rows.values() if _takes_back(row)},
        _taken_back_whole(rows.values()),
        {_receipt(row) for row in rows.values() if row.tender_amount_cents < row.change_cents},
        earlier,
        suspense_accounts,
    )
    found = sorted((_tender(leg, books) for leg in legs.values()), key=_in_order)
    return list(_once(found))


@dataclass(frozen=True)
class _Books:
    """What is known of receipts: those that stand, business date and time of those that these rows
    name, and the business dates of those of before.
    """

    standing: set[Receipt]
    named: Mapping[Receipt, tuple[str, int]]
    voids: set[Receipt]  # those that take others back
    targets: set[Receipt]  # those that are taken back whole
    handed_out: set[Receipt]  # those that gave money: refunds and the like
    earlier: Mapping[Receipt, str] | None
    suspense_accounts: Collection[str]

    def fund_of(self, row: Posting) -> str:
        """Where its allocation goes."""
        return SUSPENSE if row.account_no in self.suspense_accounts else row.fund_name


def _in_order(tender: Tender) -> tuple[int, Receipt, str]:
    return tender.posted_ms, tender.receipt, tender.tender_id


def _receipt(row: Posting) -> Receipt:
    return row.source_system, row.scope, row.receipt_no


def _target(row: Posting) -> Receipt:
    return row.source_system, row.scope, row.void_of


def _is_void(row: Posting) -> bool:
    return row.status in ("void", "reversed")


def _takes_back(row: Posting) -> bool:
    return _is_void(row) and row.void_of not in ("", row.receipt_no)


def _taken_back_whole(rows: Iterable[Posting]) -> set[Receipt]:
    """Receipts of which rows take back as much as they were."""
    said: Counter[Receipt] = Counter()
    back: Counter[Receipt] = Counter()
    for row in rows:
        if _takes_back(row):
            back[_target(row)] += abs(row.allocation_cents)
        else:
            said[_receipt(row)] += row.allocation_cents
    return {receipt for receipt, cents in back.items() if cents >= abs(said[receipt])}


def _tender(leg: Sequence[Posting], books: _Books) -> Tender:
    """One leg and its effect.

    void or reversed without void_of (or of itself): the receipt itself is taken back, effect 0.
    With void_of: it takes the named receipt back, effect minus; 0 when the export already shows the
    named receipt as void, or when it was never posted.
    """
    first = leg[0]
    sign, outside = _effect(first, books)
    status = first.status
    if status == "unknown" and _receipt(first) in books.targets:
        sign, status = 0, "void"  # posted or not, it is taken back
    # exports write what is taken back with a minus or without
    written = -1 if _is_void(first) and sum(row.allocation_cents for row in leg) < 0 else 1
    amount, change = written * first.tender_amount_cents, written * first.change_cents
    said = {(row.tender_amount_cents, row.change_cents, row.tender_type, row.status) for row in leg}
    return Tender(
        receipt_no=first.receipt_no,
        source_system=first.source_system,
        scope=first.scope,
        tender_id=first.tender_id,
        tender_type=first.tender_type,
        posted_ms=first.posted_ms,
        business_date=first.business_date,
        window_id=first.window_id,
        session_id=first.session_id,
        cashier_id=first.cashier_id,
        status=status,
        tendered_cents=sign * amount,
        change_cents=sign * change,
        face_cents=amount - change,
        void_of=first.void_of,
        void_by=first.void_by,
        funds=tuple((books.fund_of(row), sign * written * row.allocation_cents) for row in leg),
        accounts=tuple((row.account_no, written * row.allocation_cents) for row in leg),
        rows_agree=len(said) == 1,
        outside=outside,
        kind=first.kind,
    )


def _effect(row: Posting, books: _Books) -> tuple[int, str]:
    """(sign, why it is in no drawer)."""
    if not _is_void(row):
        return 1, ""
    if not _takes_back(row):
        return 0, ""
    target = _target(row)
    if target in books.named and target not in books.standing:
        return 0, VOID_OF_VOID if target in books.voids else ""
    date, posted_ms = books.named.get(target, ((books.earlier or {}).get(target), 0))
    if date is None:
        return (-1, "") if books.earlier is None else (0, NEVER_POSTED)
    is_earlier = date < row.business_date and row.posted_ms - posted_ms >= SAME_DAY_MS
    if target in books.handed_out or KINDS[row.kind] == "-":
        return 1, ""  # what was handed out comes back
    return -1, RETURNED if is_earlier and row.tender_type in RETURNABLE else ""


def _once(tenders: Sequence[Tender]) -> Iterable[Tender]:
    """What a receipt brought in, or gave out, is taken back once: a void after that has no effect.
    Of a receipt of before nobody here knows the amount: one receipt takes it back.
    """
    left: dict[Receipt, int] = {}
    for tender in tenders:
        if not tender.is_void:
            left[tender.receipt] = left.get(tender.receipt, 0) + tender.net_cents
    by: dict[Receipt, str] = {}
    for tender in tenders:
        target = tender.target
        if not tender.is_void or not tender.net_cents:
            yield tender
        elif _is_taken_back(tender, target, left, by):
            nothing = tuple((fund, 0) for fund, _ in tender.funds)
            yield tender._replace(
                tendered_cents=0, change_cents=0, funds=nothing, outside=VOID_AGAIN
            )
        else:
            if target in left:
                left[target] += tender.net_cents
            yield tender


def _is_taken_back(
    tender: Tender, target: Receipt, left: Mapping[Receipt, int], by: dict[Receipt, str]
) -> bool:
    if target in left:
        return left[target] * tender.net_cents >= 0
    return by.setdefault(target, tender.receipt_no) != tender.receipt_no
