"""Returned items (rule R20): a payment that the bank gives back unpaid. Pure.

    paid -> returned -> redeposited -> returned -> ...

A returned item is no event of a drawer. It reverses its receipt's own split over funds, to the
cent; opens the receivables again; adds the fee; and counts to cash only. A redeposit takes reversal
and receivables back, and the fee stays. Several tell of the same return: the bank's file of
returns, its statement, and the cashiering system. The first of them has the effect, the others
confirm it.
"""

from __future__ import annotations

import calendar
import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.facts.settlements import BankLine, ReturnedItem
from gateway.office.tenders import Tender

RETURNABLE = ("check", "ach", "money_order")  # tenders that a bank brings back
RETURN, REDEPOSIT = "returned", "redeposited"

# What is wrong with an event, or why it has no effect. "" has one.
CONFIRMS = "confirms"  # somebody else told of the same return
PROPOSED = "proposed"  # one receipt fits by amount alone: nobody is charged on that
NO_RECEIPT, SEVERAL = "no_receipt", "several_receipts"  # no receipt fits, or more than one
AMOUNT = "amount_differs"  # not what the receipt was paid with: nothing is guessed
AGAIN = "returned_again"  # the same source says it twice, without a redeposit between
NOT_RETURNED = "not_returned"  # a redeposit of what never came back
CREDIT = "credit_returned"  # a payment *by* the office came back: no receipt of a customer's
BANK_MATTER = "bank_matter"  # a return that the banks dispute: R61 to R77

# Reasons that are nobody's unpaid bill: no fee, no count to cash only. Source: the titles of the
# NACHA return codes (requested by our bank, wrong edit, date, amount or company, entry twice, ...).
NOT_THE_PAYERS = frozenset(
    ("R06", "R11", "R17", "R18", "R19", "R21", "R22", "R24", "R25", "R26", "R27", "R28")
)
DISPUTED = range(61, 78)
DAYS_BACK = 190  # a check is stale after six months, so an older receipt is not what came back

Receipt = tuple[str, str]  # (source_system, receipt_no)
_Leg = tuple[str, ...]  # a receipt with its scope, and the tender in it


@dataclass(frozen=True)
class ReturnRule:
    """R20 of the policy. `fee_cents` 0: none; `returns` items in `months` months: cash only."""

    fee_cents: int = 0
    returns: int = 3
    months: int = 12


@dataclass(frozen=True)
class ReturnEvent:
    """One payment came back, or was presented again, as one source tells it."""

    source: str  # posted | nacha | bank | office
    key: tuple[str, ...]
    kind: str  # RETURN | REDEPOSIT
    date: str
    amount_cents: int  # above zero
    receipt: Receipt | None = None  # None: the source does not name it
    customer_ref: str = ""  # an account, where the source names one
    reason_code: str = ""
    posted_funds: tuple[tuple[str, int], ...] = ()  # what the cashiering system reversed, signed
    is_credit: bool = False
    scope: str = ""  # of the receipt, see facts/postings.py


@dataclass(frozen=True)
class ReturnEntry:
    """What one event does to the books. Amounts are signed: minus leaves a fund, plus is owed.

    `funds` and `receivables` are empty where there is no effect, and `why` says why not.
    """

    event: ReturnEvent
    why: str
    original: Tender | None = None
    basis: str = ""  # named | account | amount: how the receipt was found
    alike: int = 0  # receipts that fit, where that is not exactly one
    funds: tuple[tuple[str, int], ...] = ()
    receivables: tuple[tuple[str, int], ...] = ()
    change_cents: int = 0  # cash that was handed back on it: owed too, and in no fund
    fee_cents: int = 0
    fee_account: str = ""
    counts: bool = False  # to cash only
    other_split: bool = False  # the cashiering system reversed other funds than the receipt's own
    not_the_payers: bool = False  # its reason is nobody's unpaid bill, and a fee was added before

    @property
    def has_effect(self) -> bool:
        """Whether money moved in the books."""
        return self.why == ""

    @property
    def is_open(self) -> bool:
        """Whether a person has to look at it."""
        return self.why not in ("", CONFIRMS) or self.other_split or self.not_the_payers


# --- who tells of a return ------------------------------------------------------------------------


def is_returned(tender: Tender, original_date: str) -> bool:
    """Whether a leg that takes back a receipt of `original_date` is a returned item and no event of
    a drawer: the money went to the bank with an earlier business day.
    """
    return (
        tender.status in ("void", "reversed")
        and tender.tender_type in RETURNABLE
        and original_date < tender.business_date
    )


def posted_return(tender: Tender) -> ReturnEvent:
    """What the cashiering system posted: a leg for which `is_returned` says so."""
    return ReturnEvent(
        source="posted",
        key=("posted", tender.source_system, tender.receipt_no, tender.tender_id),
        kind=RETURN,
        date=tender.business_date,
        amount_cents=abs(tender.tendered_cents),
        receipt=(tender.source_system, tender.void_of),
        posted_funds=tender.funds,
        scope=tender.scope,
    )


def item_return(item: ReturnedItem, date: str) -> ReturnEvent:
    """What the bank's file of returns says; `date` is the day of the file."""
    return ReturnEvent(
        source="nacha",
        key=("nacha", item.trace, item.original_trace),
        kind=RETURN,
        date=date,
        amount_cents=item.amount_cents,
        customer_ref=item.customer_ref,
        reason_code=item.reason_code,
        is_credit=item.is_credit,
    )


def line_return(line: BankLine) -> ReturnEvent:
    """What the bank's statement says: a debit with `is_return`."""
    return ReturnEvent(
        source="bank",
        key=("bank", line.account, line.date, str(line.record_no)),
        kind=RETURN,
        date=line.date,
        amount_cents=-line.amount_cents,
    )


def redeposit(receipt: Receipt, date: str, amount_cents: int) -> ReturnEvent:
    """Somebody presents the payment again."""
    return ReturnEvent("office", ("office", *receipt, date), REDEPOSIT, date, amount_cents, receipt)


# --- what it does to the books --------------------------------------------------------------------


def returned_entries(
    events: Iterable[ReturnEvent], receipts: Iterable[Tender], rule: ReturnRule
) -> list[ReturnEntry]:
    """One entry for each event, by date. An event given twice counts once, and neither the order of
    the events nor that of the receipts matters.

    `receipts`: the legs that may have come back, of earlier days. Their effect as posted decides:
    a leg that was void before it went to the bank cannot come back.
    """
    legs: dict[_Leg, Tender] = {}
    for leg in receipts:
        if leg.tender_type in RETURNABLE and leg.net_cents > 0:
            legs[_key(leg)] = leg
    known = [legs[key] for key in sorted(legs)]
    # of one day: a return before its redeposit, and who names a receipt before who does not, so
    # that the others confirm it
    in_order = sorted(
        set(events),
        key=lambda event: (
            event.date, event.kind == REDEPOSIT, event.receipt is None, event.source, event.key,
            event.amount_cents, event.receipt or (), event.customer_ref, event.reason_code,
            event.posted_funds, event.is_credit,
        ),
    )  # fmt: skip
    books = _Books(known, rule)
    return [books.confirmed(entry) for entry in [books.take(event) for event in in_order]]


class _Books:
    """The state of each receipt while events are taken in their order."""

    def __init__(self, legs: Sequence[Tender], rule: ReturnRule):
        self.rule = rule
        self.by_receipt: Mapping[Receipt, list[Tender]] = defaultdict(list)
        self.by_amount: Mapping[int, list[Tender]] = defaultdict(list)
        for leg in legs:
            self.by_receipt[leg.source_system, leg.receipt_no].append(leg)
            self.by_amount[leg.tendered_cents].append(leg)
        self.returned: dict[_Leg, set[str]] = {}  # now out, and which sources told of it
        self.told: dict[_Leg, set[str]] = defaultdict(set)  # the same, redeposited ones too
        self.charged: set[_Leg] = set()

    def take(self, event: ReturnEvent) -> ReturnEntry:
        if event.is_credit:
            return ReturnEntry(event, CREDIT)
        if event.reason_code[1:].isdigit() and int(event.reason_code[1:]) in DISPUTED:
            return ReturnEntry(event, BANK_MATTER)
        original, basis, alike = self._original(event)
        if original is None:
            return ReturnEntry(event, SEVERAL if alike else NO_RECEIPT, alike=alike)
        if event.amount_cents not in _amounts(original, event):
            return ReturnEntry(event, AMOUNT, original, basis)
        leg = _key(original)
        if event.kind == REDEPOSIT:
            if leg not in self.returned:
                return ReturnEntry(event, NOT_RETURNED, original, basis)
            del self.returned[leg]
            return _entry(event, original, basis, sign=1)
        if leg not in self.returned and basis == "amount":
            return ReturnEntry(event, PROPOSED, original, basis)
        self.told[leg].add(event.source)
        is_theirs = event.reason_code not in NOT_THE_PAYERS
        if leg in self.returned:
            why = AGAIN if event.source in self.returned[leg] else CONFIRMS
            self.returned[leg].add(event.source)
            return ReturnEntry(
                event, why, original, basis, other_split=_differs(event, original),
                not_the_payers=not is_theirs and leg in self.charged,
            )  # fmt: skip
        self.returned[leg] = {event.source}
        is_charged = is_theirs and leg not in self.charged
        if is_charged:
            self.charged.add(leg)
        fee = self.rule.fee_cents if is_charged else 0
        return _entry(event, original, basis, sign=-1, fee=fee, counts=is_charged)

    def confirmed(self, entry: ReturnEntry) -> ReturnEntry:
        """What could not be told when it came confirms what another source told of later."""
        if entry.why not in (PROPOSED, SEVERAL):
            return entry
        event = entry.event
        told = [
            leg
            for leg in self._fitting(event)
            if self.told.get(_key(leg)) and event.source not in self.told[_key(leg)]
        ]
        if len(told) != 1:
            return entry
        self.told[_key(told[0])].add(event.source)
        return ReturnEntry(event, CONFIRMS, told[0], "amount")

    def _fitting(self, event: ReturnEvent) -> list[Tender]:
        """The legs that an event which names no receipt can mean."""
        days = [_date(event.date) - datetime.timedelta(days=back) for back in (DAYS_BACK, 1)]
        fitting = [
            leg
            for leg in self.by_amount.get(event.amount_cents, ())
            if days[0] <= _date(leg.business_date) <= days[1]
        ]
        ref = _plain(event.customer_ref)
        own = [leg for leg in fitting if ref in {_plain(name) for name, _ in leg.accounts}]
        return own if ref and own else fitting

    def _original(self, event: ReturnEvent) -> tuple[Tender | None, str, int]:
        """(the leg that came back, how it was found, how many fit)."""
        if event.receipt is not None:
            every = self.by_receipt.get(event.receipt, [])
            legs = [leg for leg in every if leg.scope == event.scope] or every
            exact = [leg for leg in legs if event.amount_cents in _amounts(leg, event)]
            is_out = event.kind == REDEPOSIT
            fresh = [leg for leg in exact if (_key(leg) in self.returned) == is_out]
            found = fresh or exact or legs  # two checks of one amount in a receipt: one after other
            return (found[0], "named", 1) if found else (None, "", 0)
        fitting = self._fitting(event)
        ref = _plain(event.customer_ref)
        is_own = ref and all(ref in {_plain(name) for name, _ in leg.accounts} for leg in fitting)
        basis = "account" if is_own else "amount"
        # of several, the one that another source told of and this one did not
        told = [
            leg
            for leg in fitting
            if event.source not in self.returned.get(_key(leg), {event.source})
        ]
        if len(fitting) != 1 and len(told) == 1:
            return told[0], basis, 1
        return (fitting[0], basis, 1) if len(fitting) == 1 else (None, "", len(fitting))


def _amounts(leg: Tender, event: ReturnEvent) -> tuple[int, ...]:
    """What a return of a leg can say: what was handed over; the cashiering system may say it less
    the change.
    """
    if event.source == "posted":
        return leg.tendered_cents, leg.net_cents
    return (leg.tendered_cents,)


def _plain(text: str) -> str:
    return text.strip().upper()


def _key(leg: Tender) -> _Leg:
    return *leg.receipt, leg.tender_id


def _date(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def _entry(
    event: ReturnEvent, original: Tender, basis: str, *, sign: int, fee: int = 0,
    counts: bool = False,
) -> ReturnEntry:  # fmt: skip
    """An event with its effect: -1 a return, +1 a redeposit."""
    return ReturnEntry(
        event=event,
        why="",
        original=original,
        basis=basis,
        funds=tuple((fund, sign * cents) for fund, cents in original.funds),
        receivables=tuple((account, -sign * cents) for account, cents in original.accounts),
        change_cents=-sign * original.change_cents,
        fee_cents=fee,
        fee_account=original.accounts[0][0] if fee and original.accounts else "",
        counts=counts,
        other_split=_differs(event, original),
    )


def _differs(event: ReturnEvent, original: Tender) -> bool:
    """Whether the cashiering system reversed other funds than those of the receipt."""
    if not event.posted_funds:
        return False
    return _by_fund(event.posted_funds) != {
        fund: -cents for fund, cents in _by_fund(original.funds).items()
    }


def _by_fund(funds: Iterable[tuple[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = defaultdict(int)
    for fund, cents in funds:
        totals[fund] += cents
    return {fund: cents for fund, cents in totals.items() if cents}


def fund_effect(entries: Iterable[ReturnEntry]) -> dict[str, int]:
    """{fund: what the returned items took from it}, by name: the section's totals. They are in no
    drawer's expected amount and on no deposit slip.
    """
    return dict(sorted(_by_fund(pair for entry in entries for pair in entry.funds).items()))


# --- cash only ------------------------------------------------------------------------------------


def cash_only(
    entries: Iterable[ReturnEntry], date: str, rule: ReturnRule
) -> dict[str, tuple[str, ...]]:
    """{account: dates of its returned items}, by account, of those that pay in cash only on that
    date. An item that came back twice counts once, on its first day; so does each of its accounts.
    """
    since = months_before(date, rule.months)
    found: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry.counts and entry.original is not None and since < entry.event.date <= date:
            for account in sorted({account for account, _ in entry.original.accounts}):
                found[account].append(entry.event.date)
    return {
        account: tuple(sorted(dates))
        for account, dates in sorted(found.items())
        if len(dates) >= rule.returns
    }


def months_before(date: str, months: int) -> str:
    """The same day of the month so many months earlier, or that month's last day."""
    day = _date(date)
    years, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = calendar.monthrange(years, month + 1)[1]
    return datetime.date(years, month + 1, min(day.day, last)).isoformat()
