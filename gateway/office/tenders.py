"""Posting rows -> tender legs with their effect on the drawer: what was tendered, and what a void
or a reversal takes back.

A leg is in the drawer, or it says why it is not (`outside`). What takes back a check of an earlier
day is a returned item: the bank brought it, no cashier did, and no drawer is short by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from gateway.facts.postings import (
    KINDS,
    LOAN,
    PAYMENT,
    SUSPENSE,
    Posting,
    identity_of,
    of_posting,
)

# Why a leg is in no drawer.
RETURNED, NEVER_POSTED, VOID_AGAIN = "returned item", "void of nothing", "voided before"
ELSEWHERE = "of another drawer"  # takes back what another drawer held
VOID_OF_VOID = (
    "void of a void"  # nobody can tell what it means: it has no effect; rule R10 tells it
)
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
    kind: str = PAYMENT  # facts/postings.py: KINDS

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
    """{tender type: what lies in the drawer by them}: the sums of their `parts`."""
    totals: Counter[str] = Counter()
    for tender in tenders:
        totals[tender.tender_type] += tender.tendered_cents
        if tender.change_cents:
            totals["cash"] -= tender.change_cents
    return totals


def void_targets(postings: Iterable[Posting]) -> set[Receipt]:
    """The receipts that rows take back and that are not among them: who asks the ledger for these
    can tell a returned check from a void of nothing.
    """
    rows = list(postings)
    targets = {_target(row) for row in rows if _takes_back(row)}
    return targets.difference(map(_receipt_of_row, rows)) if targets else targets


def tenders_of(
    postings: Iterable[Posting],
    earlier: Mapping[Receipt, tuple[str, int]] | None = None,
    suspense_accounts: Collection[str] = (),
) -> list[Tender]:
    """The tender legs in posting rows, each once, by time; rows that are given twice count once.

    `earlier`: {receipt: (business date, posted_ms)} of those among `void_targets` that were posted;
    None: nobody looked, and what is not among the rows counts as posted. `suspense_accounts`:
    account numbers that mean no account; what is allocated to one is in suspense, whatever fund
    the row names.
    """
    rows = {identity_of(row): row for row in postings}
    legs: dict[tuple[str | int, ...], list[Posting]] = {}
    for key in sorted(rows):
        row = rows[key]
        legs.setdefault(_leg_of_row(row), []).append(row)
    targets = {_target(row) for row in rows.values() if _takes_back(row)}
    about = [row for row in rows.values() if _receipt_of_row(row) in targets] if targets else []
    books = _Books(
        {_receipt_of_row(row) for row in about if row.status == "posted"},
        {_receipt_of_row(row): (row.business_date, row.posted_ms) for row in about},
        {_receipt_of_row(row) for row in about if _takes_back(row)},
        _taken_back_whole(rows.values(), targets),
        {_receipt_of_row(row) for row in about if row.tender_amount_cents < row.change_cents},
        earlier,
        suspense_accounts,
    )
    return _once(sorted([_tender(leg, books) for leg in legs.values()], key=_in_order))


@dataclass(frozen=True)
class _Books:
    """What is known of receipts that are taken back: those that stand, business date and time of
    those that these rows name, and the same of those of before.
    """

    standing: set[Receipt]
    named: Mapping[Receipt, tuple[str, int]]
    voids: set[Receipt]  # those that take others back
    targets: set[Receipt]  # those that are taken back whole
    handed_out: set[Receipt]  # those that gave money: refunds and the like
    earlier: Mapping[Receipt, tuple[str, int]] | None
    suspense_accounts: Collection[str]

    def fund_of(self, row: Posting) -> str:
        """Where its allocation goes."""
        return SUSPENSE if row.account_no in self.suspense_accounts else row.fund_name


_in_order = attrgetter("posted_ms", "source_system", "scope", "receipt_no", "tender_id")
_receipt_of_row: Callable[[Posting], Receipt] = of_posting("source_system", "scope", "receipt_no")
_leg_of_row = of_posting("source_system", "scope", "receipt_no", "tender_id")


def _target(row: Posting) -> Receipt:
    return row.source_system, row.scope, row.void_of


def _is_void(row: Posting) -> bool:
    return row.status in ("void", "reversed")


def _takes_back(row: Posting) -> bool:
    return _is_void(row) and row.void_of not in ("", row.receipt_no)


def _taken_back_whole(rows: Iterable[Posting], targets: Collection[Receipt]) -> set[Receipt]:
    """Those of `targets` of which rows take back as much as they were."""
    said: Counter[Receipt] = Counter()
    back: Counter[Receipt] = Counter()
    for row in rows if targets else ():
        if _takes_back(row):
            back[_target(row)] += abs(row.allocation_cents)
        elif (receipt := _receipt_of_row(row)) in targets:
            said[receipt] += row.allocation_cents
    return {receipt for receipt, cents in back.items() if cents >= abs(said[receipt])}


def _tender(leg: Sequence[Posting], books: _Books) -> Tender:
    """One leg and its effect.

    void or reversed without void_of (or of itself): the receipt itself is taken back, effect 0.
    With void_of: it takes the named receipt back, effect minus; 0 when the export already shows the
    named receipt as void, or when it was never posted.
    """
    (
        receipt_no, _, posted_ms, business_date, window_id, session_id, cashier_id, tender_id,
        tender_type, amount, change, _, _, _, _, status, void_of, void_by, _, _, source, _, kind,
        scope,
    ) = leg[0]  # fmt: skip
    funds = [(books.fund_of(row), row.allocation_cents) for row in leg]
    accounts = [(row.account_no, row.allocation_cents) for row in leg]
    sign, outside = 1, ""
    if status == "unknown" and _receipt_of_row(leg[0]) in books.targets:
        sign, status = 0, "void"  # posted or not, it is taken back
    face = amount - change
    if _is_void(leg[0]):
        sign, outside = _effect(leg[0], books)
        if sum(cents for _, cents in funds) < 0:
            # exports write what is taken back with a minus or without
            amount, change, face = -amount, -change, -face
            funds = [(fund, -cents) for fund, cents in funds]
            accounts = [(account, -cents) for account, cents in accounts]
    if sign != 1:
        amount, change = sign * amount, sign * change
        funds = [(fund, sign * cents) for fund, cents in funds]
    return Tender(
        receipt_no, source, scope, tender_id, tender_type, posted_ms, business_date, window_id,
        session_id, cashier_id, status, amount, change, face, void_of, void_by, tuple(funds),
        tuple(accounts), len(leg) == 1 or len(set(map(_said_of_tender, leg))) == 1, outside,
        kind,
    )  # fmt: skip


_said_of_tender = of_posting("tender_amount_cents", "change_cents", "tender_type", "status")


def _effect(row: Posting, books: _Books) -> tuple[int, str]:
    """(sign, why it is in no drawer) of a row that takes something back."""
    if not _takes_back(row):
        return 0, ""
    target = _target(row)
    if target in books.named and target not in books.standing:
        return 0, VOID_OF_VOID if target in books.voids else ""
    known = books.named.get(target) or (books.earlier or {}).get(target)
    if known is None:
        return (-1, "") if books.earlier is None else (0, NEVER_POSTED)
    date, posted_ms = known
    is_earlier = date < row.business_date and row.posted_ms - posted_ms >= SAME_DAY_MS
    if target in books.handed_out or KINDS[row.kind] == "-":
        return 1, ""  # what was handed out comes back
    return -1, RETURNED if is_earlier and row.tender_type in RETURNABLE else ""


def _once(tenders: Sequence[Tender]) -> list[Tender]:
    """What a receipt brought in, or gave out, is taken back once: a void after that has no effect.
    Of a receipt of before nobody here knows the amount: one receipt takes it back.
    """
    targets = {tender.target for tender in tenders if tender.is_void and tender.net_cents}
    left: dict[Receipt, int] = {}
    for tender in tenders if targets else ():
        if not tender.is_void and tender.receipt in targets:
            left[tender.receipt] = left.get(tender.receipt, 0) + tender.net_cents
    by: dict[Receipt, str] = {}
    found = []
    for tender in tenders:
        if tender.is_void and tender.net_cents:
            target = tender.target
            if _is_taken_back(tender, target, left, by):
                nothing = tuple((fund, 0) for fund, _ in tender.funds)
                tender = tender._replace(
                    tendered_cents=0, change_cents=0, funds=nothing, outside=VOID_AGAIN
                )
            elif target in left:
                left[target] += tender.net_cents
        found.append(tender)
    return found


def _is_taken_back(
    tender: Tender, target: Receipt, left: Mapping[Receipt, int], by: dict[Receipt, str]
) -> bool:
    if target in left:
        return left[target] * tender.net_cents >= 0
    return by.setdefault(target, tender.receipt_no) != tender.receipt_no
