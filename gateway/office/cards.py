"""Card payments as they were posted, and what can become of them: values for rule R19. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.errors import UsageError
from gateway.facts.postings import Posting
from gateway.facts.settlements import SettlementLine, normal_auth_code
from gateway.office.tenders import Tender, tenders_of

# What became of a payment or of a line of a settlement.
MATCHED, BY_AMOUNT, NEXT_BATCH, VOIDED = "matched", "matched_by_amount", "next_batch", "voided"
NOT_POSTED, NOT_SETTLED = "approved_not_posted", "posted_not_settled"
AMOUNT, SETTLED_TWICE, POSTED_TWICE = "amount_differs", "settled_twice", "posted_twice"
CHARGEBACK, CHARGEBACK_REVERSED, ORPHAN = "chargeback", "chargeback_reversed", "orphan"
VOID_SETTLED = "void_settled"  # the receipt is void and the card was charged all the same
STATUS_UNKNOWN = "status_unknown"  # settled, and nobody knows whether it was posted
FINAL = frozenset((MATCHED, BY_AMOUNT, NEXT_BATCH, VOIDED))


@dataclass(frozen=True)
class CardPayment:
    """One card tender as it was posted. A refund, and a void of an earlier receipt, are below zero.

    `is_effective` is false of a receipt that is void itself: nothing should be settled for it.
    """

    source_system: str
    receipt_no: str
    tender_id: str
    auth_code: str
    amount_cents: int
    business_date: str
    status: str
    void_of: str = ""
    settlement_batch: str = ""
    is_effective: bool = True
    scope: str = ""  # where its receipt number is unique
    window_id: str = ""
    posted_ms: int = 0

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it this payment and no other."""
        key = self.source_system, self.receipt_no, self.tender_id
        return (*key, self.scope) if self.scope else key


@dataclass(frozen=True)
class Carry:
    """Somebody's decision to close the day with one finding open.

    `key` is that of the finding. Raises UsageError when nobody or no reason is named: a carry is
    for whoever reads it later.
    """

    key: tuple[str, ...]
    reason: str
    who: str
    at_ms: int

    def __post_init__(self) -> None:
        for what, text in (("reason", self.reason), ("name", self.who)):
            if not text.strip():
                raise UsageError(f"carry of {' '.join(self.key)}: no {what}; say why, and who says")


@dataclass(frozen=True)
class CardFinding:
    """What became of one payment, one line, or one of each."""

    kind: str
    payment: CardPayment | None
    line: SettlementLine | None
    carry: Carry | None = None
    origin: CardPayment | None = None  # of a refund or a chargeback: the payment it belongs to
    alike: int = 0  # how many would have fitted by amount, where that is not exactly one

    @property
    def key(self) -> tuple[str, ...]:
        """What a carry names: the payment, else the line."""
        if self.payment is not None:
            return "payment", *self.payment.key
        assert self.line is not None  # a finding has one of them
        return "line", *(str(part) for part in self.line.key)

    @property
    def blocks(self) -> bool:
        """Whether the day cannot be closed because of it."""
        return self.kind not in FINAL and self.carry is None

    @property
    def difference_cents(self) -> int:
        """Settled less posted, of this finding alone; a void receipt posted nothing."""
        settled = self.line.amount_cents if self.line else 0
        is_posted = self.payment is not None and self.payment.is_effective
        return settled - (self.payment.amount_cents if self.payment and is_posted else 0)


@dataclass(frozen=True)
class CardSettlement:
    """All findings of a day, by kind and key; fees apart, which pay for nothing that was posted."""

    findings: tuple[CardFinding, ...]
    fees: tuple[SettlementLine, ...]
    unused: tuple[Carry, ...]  # carries that name nothing that is open any more

    @property
    def blocking(self) -> tuple[CardFinding, ...]:
        """What has to be settled or carried before the day is closed."""
        return tuple(found for found in self.findings if found.blocks)

    def of(self, *kinds: str) -> tuple[CardFinding, ...]:
        """The findings of some kinds."""
        return tuple(found for found in self.findings if found.kind in kinds)


@dataclass(frozen=True)
class BatchTotal:
    """What one settlement batch brings to the bank."""

    processor: str
    settlement_batch: str
    settled_date: str  # the last of its lines
    gross_cents: int  # all but fees
    fees_cents: int  # below zero

    @property
    def net_cents(self) -> int:
        """What the bank is credited when the processor keeps its fees."""
        return self.gross_cents + self.fees_cents


# --- what comes in --------------------------------------------------------------------------------


def card_payments(postings: Iterable[Posting]) -> list[CardPayment]:
    """The card tenders in posting rows, each once."""
    rows = list(postings)
    first: dict[tuple[str, ...], Posting] = {}
    for row in rows:
        key = row.source_system, row.scope, row.receipt_no, row.tender_id
        if key not in first or row.line_no < first[key].line_no:
            first[key] = row
    return [
        payment_of(tender, first[(*tender.receipt, tender.tender_id)])
        for tender in tenders_of(rows)
        if tender.tender_type == "card"
    ]


def payment_of(tender: Tender, row: Posting) -> CardPayment:
    """The card payment of a tender; `row` is one of its rows and has what a tender has not."""
    is_effective = tender.tendered_cents != 0
    return CardPayment(
        source_system=tender.source_system,
        receipt_no=tender.receipt_no,
        tender_id=tender.tender_id,
        auth_code=normal_auth_code(row.auth_code),
        # the card is charged with what was tendered; what of it went back in cash is the drawer's
        amount_cents=tender.tendered_cents if is_effective else abs(row.tender_amount_cents),
        business_date=tender.business_date,
        status=tender.status,
        void_of=tender.void_of,
        settlement_batch=row.batch_id,
        is_effective=is_effective,
        scope=tender.scope,
        window_id=tender.window_id,
        posted_ms=tender.posted_ms,
    )


def batch_totals(lines: Iterable[SettlementLine]) -> list[BatchTotal]:
    """What each batch brings to the bank, by processor and batch. Lines given twice count
    once.
    """
    batches: dict[tuple[str, str], list[SettlementLine]] = defaultdict(list)
    for line in {line.key: line for line in lines}.values():
        batches[line.processor, line.settlement_batch].append(line)
    return [
        BatchTotal(
            *key,
            max(line.settled_date for line in batches[key]),
            sum(line.amount_cents for line in batches[key] if line.kind != "fee"),
            sum(line.amount_cents for line in batches[key] if line.kind == "fee"),
        )
        for key in sorted(batches)
    ]
