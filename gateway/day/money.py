"""What the card processor and the bank say of a business day, out of the ledger: card payments
against settlements (R19), returned items (R20), the deposit against the bank's credits (R18).

What was never imported is None, which is said as "not imported" and never as fine.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.facts.settlements import (
    BANK,
    RETURNED_ITEMS,
    SETTLEMENT,
    BankLine,
    ReturnedItem,
    SettlementLine,
)
from gateway.money import format_cents
from gateway.office import rule_facts as facts
from gateway.office.bank_credits import CreditFinding, SentDeposit, credit_findings
from gateway.office.cards import (
    FINAL,
    NOT_SETTLED,
    BatchTotal,
    CardFinding,
    Carry,
    batch_totals,
    card_payments,
)
from gateway.office.final import OpenPoint
from gateway.office.reconcile import Reconciliation, TenderLine
from gateway.office.returned import (
    DAYS_BACK,
    RETURN,
    ReturnEntry,
    ReturnEvent,
    ReturnRule,
    cash_only,
    item_return,
    line_return,
    months_before,
    posted_return,
    returned_entries,
)
from gateway.office.rule_finding import Under
from gateway.office.rules import Finding, findings
from gateway.office.settlement import DAYS_AFTER, settle
from gateway.office.tenders import RETURNED, tenders_of, void_targets
from gateway.store.engine import Db
from gateway.store.money import money_lines, refused_on, reported_until
from gateway.store.money_postings import (
    card_postings,
    card_postings_with,
    returnable,
    rows_of_receipts,
    taken_back,
)
from gateway.store.postings import posted_dates, receipts_posted

RULES = ("R18", "R19", "R20")
# How far around a day payments and lines are looked at: a line 5 days before to 14 after its
# payment, and whatever else could claim one of these.
PAYMENTS_AROUND, LINES_BEFORE, LINES_AFTER = 20, 25, 34
BANK_BEFORE, BANK_AFTER = 10, 10
NEIGHBOURS_AFTER = 4  # calendar days: deposits that may share a credit with this one
_DEPOSITS_MAX = 16


@dataclass(frozen=True)
class CardSide:
    """Card payments of the day against what was settled. `until`: the newest settled day that was
    imported; `findings`: those of this day; `by_payment`: of all payments around it.
    """

    until: str
    findings: tuple[CardFinding, ...]
    by_payment: dict[tuple[str, ...], CardFinding]
    batches: tuple[BatchTotal, ...]
    age_days: int  # calendar days from the business date to the newest of what is on record

    def blocks(self, found: CardFinding) -> bool:
        """A payment that no settlement has blocks no longer than one is looked for: from then on it
        is told with its age.
        """
        is_too_old = found.kind == NOT_SETTLED and self.age_days > DAYS_AFTER
        return found.blocks and not is_too_old

    def decided(self, proof: Reconciliation) -> Reconciliation:
        """The card tender as the settlement says it, where it has a line of this session; what was
        declared stands beside it.
        """
        tenders = [t for t in (*proof.tenders, *proof.held_over) if t.tender_type == "card"]
        found = {each.key: each for each in self.by_payment.values()}
        ours = []
        for tender in tenders:
            key = ("payment", tender.source_system, tender.receipt_no, tender.tender_id)
            full = (*key, tender.scope) if tender.scope else key
            if full in found:
                ours.append(found[full])
        if not any(each.line for each in ours):
            return proof
        differences = tuple(
            each.difference_cents for each in ours if self.blocks(each) and each.difference_cents
        )
        lines = [
            _settled(line, differences) if line.tender_type == "card" else line
            for line in proof.lines
        ]
        return replace(proof, lines=lines)


def _settled(line: TenderLine, differences: tuple[int, ...]) -> TenderLine:
    expected = line.expected_cents or 0
    total = sum(differences)
    return replace(
        line, counted_cents=expected + total, over_short_cents=total, parts_cents=differences,
        declared_cents=line.counted_cents,
    )  # fmt: skip


@dataclass(frozen=True)
class ReturnSide:
    """Returned items that were told of on the day, and who pays in cash only."""

    entries: tuple[ReturnEntry, ...]
    cash_only: dict[str, tuple[str, ...]]
    history: tuple[ReturnEntry, ...]


@dataclass(frozen=True)
class BankSide:
    """The day's deposit and the bank's lines of the day; `until`: the newest day it reported."""

    until: str
    findings: tuple[CreditFinding, ...]


@dataclass(frozen=True)
class Money:
    """Everything of a day that others say of its money. None: never imported."""

    cards: CardSide | None = None
    returned: ReturnSide | None = None
    returns_imported: bool = False
    bank: BankSide | None = None
    refused: tuple[dict[str, Any], ...] = ()
    rules: tuple[Finding, ...] = ()
    open_points: tuple[OpenPoint, ...] = ()


# --- cards ----------------------------------------------------------------------------------------


def card_side(
    db: Db, business_date: str, under: Under, carries: Sequence[Carry] = (), today: str = ""
) -> CardSide | None:
    """The day's card payments and lines. `carries`: what somebody carried with a reason; `today`:
    what an age is counted to, where the newest settlement is older.
    """
    until = reported_until(db, SETTLEMENT)
    if until is None:
        return None
    around = [_days(business_date, each) for each in (-PAYMENTS_AROUND, PAYMENTS_AROUND)]
    payments = card_payments(card_postings(db, around[0], around[1]))
    given = money_lines(
        db, SETTLEMENT, _days(business_date, -LINES_BEFORE), _days(business_date, LINES_AFTER)
    )
    lines = [each.value for each in given if isinstance(each.value, SettlementLine)]
    taken = {line.auth_code for line in lines if line.amount_cents < 0 and line.auth_code}
    known = {payment.key for payment in payments}
    earlier = [each for each in card_payments(card_postings_with(db, taken))
               if each.key not in known]  # fmt: skip
    result = settle(payments, lines, carries, earlier)
    days = _days_of_batches(result.findings)
    return CardSide(
        until,
        tuple(f for f in result.findings if _day_of(f, days, under) == business_date),
        {f.payment.key: f for f in result.findings if f.payment},
        tuple(
            each for each in batch_totals(lines)
            if (days.get((each.processor, each.settlement_batch))
                or _page(each.settled_date, under)) == business_date
        ),
        (_date(max(until, today, business_date)) - _date(business_date)).days,
    )  # fmt: skip


def _days_of_batches(found: Sequence[CardFinding]) -> dict[tuple[str, str], str]:
    """{batch: the newest business date of its payments that is not after it was settled}."""
    days: dict[tuple[str, str], str] = {}
    for each in found:
        if each.payment and each.line and each.payment.business_date <= each.line.settled_date:
            key = each.line.processor, each.line.settlement_batch
            days[key] = max(days.get(key, ""), each.payment.business_date)
    return days


def _day_of(found: CardFinding, days: dict[tuple[str, str], str], under: Under) -> str:
    """On whose page a finding is: its payment's, its batch's, or the day on which it settled."""
    if found.payment is not None:
        return found.payment.business_date
    assert found.line is not None  # a finding has one of them
    key = found.line.processor, found.line.settlement_batch
    return days.get(key) or _page(found.line.settled_date, under)


# --- returned items -------------------------------------------------------------------------------


def return_side(
    db: Db, business_date: str, under: Under, redeposits: Sequence[ReturnEvent] = ()
) -> ReturnSide:
    """The returned items of the day. `redeposits`: what somebody said was presented again."""
    rule = under.policy.R20
    since = months_before(business_date, rule.months)
    last = business_date
    while _page(_days(last, 1), under) == business_date:  # a weekend's before a Monday
        last = _days(last, 1)
    first_of_page = business_date
    while _page(_days(first_of_page, -1), under) == business_date:
        first_of_page = _days(first_of_page, -1)
    events = [*_posted_returns(db, since, last), *_told_returns(db, since, last), *redeposits]
    if not events:
        return ReturnSide((), {}, ())
    named = {event.receipt for event in events if event.receipt}
    amounts = {event.amount_cents for event in events}
    rows = rows_of_receipts(db, named)
    rows += returnable(db, amounts, _days(since, -DAYS_BACK), business_date)
    every = rows_of_receipts(db, {(row.source_system, row.receipt_no) for row in rows})
    limits = ReturnRule(rule.fee_cents, rule.returns, rule.months)
    entries = returned_entries(events, tenders_of(every), limits)
    own = [each for each in entries if first_of_page <= each.event.date <= last]
    return ReturnSide(tuple(own), cash_only(entries, last, limits), tuple(entries))


def _posted_returns(db: Db, since: str, last: str) -> list[ReturnEvent]:
    rows = taken_back(db, since, last)
    origins = rows_of_receipts(db, {(row.source_system, row.void_of) for row in rows})
    found = tenders_of([*rows, *origins], receipts_posted(db, void_targets(rows)))
    return [posted_return(each) for each in found
            if each.outside == RETURNED and since <= each.business_date <= last]  # fmt: skip


def _told_returns(db: Db, since: str, last: str) -> list[ReturnEvent]:
    """Of the bank's return files and its statements."""
    found = [
        replace(item_return(each.value, each.date), key=("nacha", str(each.line_id)))
        for each in money_lines(db, RETURNED_ITEMS, since, last)
        if isinstance(each.value, ReturnedItem)
    ]
    return found + [
        replace(line_return(each.value), key=("bank", str(each.line_id)))
        for each in money_lines(db, BANK, since, last)
        if isinstance(each.value, BankLine) and each.value.is_return
    ]


# --- the bank's credits ---------------------------------------------------------------------------


def bank_side(
    db: Db,
    business_date: str,
    under: Under,
    deposit_on: Callable[[str], int | None],
    batches: Sequence[BatchTotal] = (),
) -> BankSide | None:
    """The deposit of the day and the lines that the bank booked on it. `deposit_on`: what a
    business date brought, None while that is not known.

    No deposit has an account yet, so the credits of all accounts are looked at.
    """
    until = reported_until(db, BANK)
    if until is None:
        return None
    first, last = _days(business_date, -BANK_BEFORE), _days(business_date, BANK_AFTER)
    given = money_lines(db, BANK, first, last)
    lines = [replace(each.value, account="", record_no=each.line_id)
             for each in given if isinstance(each.value, BankLine)]  # fmt: skip
    sent = []
    for date in posted_dates(db, _days(business_date, NEIGHBOURS_AFTER), _DEPOSITS_MAX):
        cents = deposit_on(date) if first <= date else None
        if cents is not None:
            sent.append(SentDeposit(date, "", date, cents))
    sent += [SentDeposit(f"{each.processor} {each.settlement_batch}", "", each.settled_date,
                         each.net_cents, (each.settlement_batch,)) for each in batches]  # fmt: skip
    most = under.policy.R18.credit_business_days
    found = credit_findings(sent, lines, until, under.calendar.is_business_day, most)
    return BankSide(until, tuple(
        each for each in found
        if any(deposit.date == business_date for deposit in each.deposits)
        or (not each.deposits
            and any(_page(line.date, under) == business_date for line in each.lines))
    ))  # fmt: skip


def card_batches_around(db: Db, business_date: str) -> list[BatchTotal]:
    """What the processor should have credited in the days around."""
    given = money_lines(
        db, SETTLEMENT, _days(business_date, -BANK_BEFORE), _days(business_date, NEIGHBOURS_AFTER)
    )
    return batch_totals(each.value for each in given if isinstance(each.value, SettlementLine))


# --- together -------------------------------------------------------------------------------------


def money_of(
    db: Db,
    business_date: str,
    bounds: tuple[int, int],
    under: Under,
    cards: CardSide | None,
    deposit_on: Callable[[str], int | None],
) -> Money:
    """Everything that others say of a day. `bounds`: its first millisecond and that of the next."""
    returned = return_side(db, business_date, under)
    bank = bank_side(db, business_date, under, deposit_on, card_batches_around(db, business_date))
    refused = tuple(refused_on(db, business_date, *bounds))
    day = _facts(business_date, bounds[0], cards, returned, bank)
    rules = tuple(findings(day, under, RULES))
    points = _open_points(cards, returned, bank, refused, under)
    is_told = reported_until(db, RETURNED_ITEMS) is not None
    return Money(cards, returned, is_told, bank, refused, rules, tuple(points))


def _open_points(
    cards: CardSide | None, returned: ReturnSide, bank: BankSide | None,
    refused: Sequence[dict[str, Any]], under: Under,
) -> list[OpenPoint]:  # fmt: skip
    def blocks(rule: str) -> bool:
        return under.policy.severity(rule) == "block"

    points = []
    if refused:
        places = [f"{each['file']}:{each['line']}" if each["line"] else each["file"]
                  for each in refused]  # fmt: skip
        text = f"refused of the processor or the bank: {', '.join(places[:3])}; import them again"
        points.append(OpenPoint("money_refused", "", text))
    open_cards = [each for each in cards.findings if cards.blocks(each)] if cards else []
    if open_cards and blocks("R19"):
        kinds = sorted({each.kind for each in open_cards})
        text = ", ".join(
            f"{sum(each.kind == kind for each in open_cards)} {kind.replace('_', ' ')}"
            for kind in kinds
        )
        points.append(OpenPoint("cards", "", f"card payments: {text}; settle or carry each"))
    open_returns = [each for each in returned.entries if each.is_open]
    if open_returns and blocks("R20"):
        text = f"returned items without a sure receipt: {len(open_returns)}"
        points.append(OpenPoint("returned", "", text))
    alerts = [each for each in bank.findings if each.is_alert] if bank else []
    if alerts and blocks("R18"):
        cents = sum(each.difference_cents for each in alerts)
        text = f"the bank's credits differ from the deposits: {format_cents(cents)}"
        points.append(OpenPoint("credits", "", text))
    return points


def _facts(
    business_date: str, at_ms: int, cards: CardSide | None, returned: ReturnSide,
    bank: BankSide | None,
) -> facts.DayFacts:  # fmt: skip
    """What R18 to R20 look at. R18 counts its days up to the newest that the bank reported."""
    return facts.DayFacts(
        business_date=bank.until if bank else business_date,
        now_ms=at_ms,
        bags=[
            _bag(deposit, found, at_ms)
            for found in (bank.findings if bank else ())
            for deposit in found.deposits if deposit.date == business_date
        ],
        cards=[_card(each, at_ms) for each in (cards.findings if cards else ())],
        returned=[
            _returned(each, returned, at_ms) for each in returned.entries
            if each.has_effect and each.event.kind == RETURN
        ],
    )  # fmt: skip


def _bag(deposit: SentDeposit, found: CreditFinding, at_ms: int) -> facts.Bag:
    """A deposit stands for its bag. Nobody keyed when it was sealed: that half of R18 is not looked
    at here, so both times are the day's.
    """
    is_single = len(found.deposits) == 1
    credited = sum(line.amount_cents for line in found.lines) if is_single else deposit.amount_cents
    return facts.Bag(
        number=deposit.deposit_id, ref=deposit.deposit_id, at_ms=at_ms, cents=deposit.amount_cents,
        sealed_ms=at_ms, picked_up_ms=at_ms, deposited_date=deposit.date,
        credited_date=max((line.date for line in found.lines), default=None),
        credited_cents=credited if found.lines else None,
    )  # fmt: skip


def _card(found: CardFinding, at_ms: int) -> facts.CardPayment:
    payment, line = found.payment, found.line
    is_fine = found.kind in FINAL
    posted = payment.amount_cents if payment and payment.is_effective else None
    settled = line.amount_cents if line else None
    return facts.CardPayment(
        ref=" ".join(found.key), receipt=payment.receipt_no if payment else "",
        at_ms=payment.posted_ms if payment else at_ms,
        posted_cents=settled if is_fine else posted, settled_cents=settled,
        times_settled=2 if found.kind == "settled_twice" else 1,
        carried_reason=found.carry.reason if found.carry else "",
    )  # fmt: skip


def _returned(entry: ReturnEntry, side: ReturnSide, at_ms: int) -> facts.Returned:
    assert entry.original is not None  # it has an effect
    accounts = {account for account, _ in entry.original.accounts}
    count = sum(
        each.counts and each.original is not None
        and not accounts.isdisjoint(account for account, _ in each.original.accounts)
        for each in side.history
    )  # fmt: skip
    posted = tuple((fund, -cents) for fund, cents in entry.event.posted_funds)
    return facts.Returned(
        ref=" ".join(entry.event.key), at_ms=at_ms, receipt=entry.original.receipt_no,
        receipt_funds=entry.original.funds, reversed_funds=posted or entry.original.funds,
        receivable_reopened=bool(entry.receivables), fee_cents=entry.fee_cents if entry.counts
        else 0, returns_in_period=count,
        is_cash_only=not accounts.isdisjoint(side.cash_only),
    )  # fmt: skip


def _page(date: str, under: Under) -> str:
    """On whose page a date is: on a closed day that of the next business day."""
    return under.calendar.business_day_from(_date(date)).isoformat()


def _date(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def _days(date: str, days: int) -> str:
    return (_date(date) + datetime.timedelta(days=days)).isoformat()
