"""Rules about the deposit, the bank and the books: R16 to R22 and R25. With them the deadline of a
deposit and its countdown.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.business_day import local_date
from gateway.money import format_cents, format_signed
from gateway.office.calendar import Calendar
from gateway.office.rule_facts import Bag, CardPayment, DayFacts, Deposit
from gateway.office.rule_finding import Fact, Found, Under
from gateway.policy_tables import Deadline

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_DAY = datetime.timedelta(days=1)


def r16(day: DayFacts, _: Under) -> Iterator[Found]:
    """The deposit is intact: cash and checks on the slip are those of the receipts, over and short
    apart.
    """
    for slip in day.slips:
        for tender, cents in (("cash", slip.cash_cents), ("checks", slip.checks_cents)):
            on_slip, receipts, over_short = cents
            if on_slip != receipts + over_short:
                text = (
                    f"{tender} on the slip {format_cents(on_slip)}; receipts"
                    f" {format_cents(receipts)} with over/short {format_signed(over_short)} give"
                    f" {format_cents(receipts + over_short)}"
                )
                facts = (Fact("record", slip.ref),)
                yield Found(f"slip_{tender}_differ", slip.at_ms, "", text, facts)


# --- R17: the deadline ----------------------------------------------------------------------------


class Countdown(NamedTuple):
    """How long a deposit may still wait."""

    due_ms: int  # from here on it is late
    left_ms: int  # negative: late
    percent_used: int  # of the time from the first receipt; more than 100 where it is late
    state: str  # in_time | alert | late


def due_ms(deposit: Deposit, deadline: Deadline, calendar: Calendar) -> int:
    """When a deposit is late, Unix milliseconds UTC. It counts from when its first receipt was
    taken, not from the business date that the cut-off gives it: so do the laws.
    """
    received = datetime.date.fromisoformat(local_date(deposit.first_receipt_ms, calendar.zone))
    if deadline.small_cents and deposit.cents <= deadline.small_cents:
        return _small_due_ms(received, deadline, calendar)
    if deadline.hours:
        return deposit.first_receipt_ms + deadline.hours * _HOUR_MS
    date = calendar.next_business_day(received, deadline.business_days)
    return calendar.end_ms(date, deadline.until)


def _small_due_ms(received: datetime.date, deadline: Deadline, calendar: Calendar) -> int:
    """When a small amount is late. A week that ends on a closed day ends on the business day before
    it, unless the week has none. With month_end it is late when the month's last business day ends.
    """
    if deadline.small_business_days:
        date = calendar.next_business_day(received, deadline.small_business_days)
    else:
        date = received + deadline.small_days * _DAY
        while date > received and not calendar.is_business_day(date):
            date -= _DAY
    due = calendar.end_ms(calendar.business_day_from(date), deadline.until)
    last = calendar.last_of_month(received) if deadline.month_end else None
    return due if last is None or last < received else min(due, calendar.end_ms(last))


def countdown(deposit: Deposit, now_ms: int, under: Under) -> Countdown:
    """Where a deposit that waits stands now, or stood when it went."""
    due = due_ms(deposit, under.policy.deposit_deadline, under.calendar)
    at_ms = now_ms if deposit.deposited_ms is None else deposit.deposited_ms
    whole = max(1, due - deposit.first_receipt_ms)
    percent = max(0, at_ms - deposit.first_receipt_ms) * 100 // whole
    if at_ms >= due:
        state = "late"
    elif deposit.deposited_ms is None and percent >= under.policy.R17.alert_percent:
        state = "alert"
    else:
        state = "in_time"
    return Countdown(due, due - at_ms, percent, state)


def r17(day: DayFacts, under: Under) -> Iterator[Found]:
    """The deposit goes to the bank in time; an alert before."""
    profile = under.policy.R17.profile
    for deposit in day.deposits:
        now = countdown(deposit, day.now_ms, under)
        at_ms = day.now_ms if deposit.deposited_ms is None else deposit.deposited_ms
        due = f"{local_date(now.due_ms - 1, under.calendar.zone)} {under.clock(now.due_ms - 1)}"
        facts = (Fact("deposit", deposit.ref),)
        if now.state == "late":
            was = "waits" if deposit.deposited_ms is None else "was made"
            text = (
                f"deposit of {format_cents(deposit.cents)} {was} {_span(-now.left_ms)} after its"
                f" deadline {due} ({profile})"
            )
            yield Found("deposit_late", at_ms, "", text, facts)
        elif now.state == "alert":
            text = (
                f"deposit of {format_cents(deposit.cents)}: {now.percent_used} % of its time is"
                f" gone, alert from {under.policy.R17.alert_percent} %; {_span(now.left_ms)} left"
                f" until {due} ({profile})"
            )
            yield Found("deposit_due", at_ms, "", text, facts)


def _span(ms: int) -> str:
    """3 h 05 min, in whole minutes."""
    hours, minutes = divmod(ms // _MINUTE_MS, 60)
    return f"{hours} h {minutes:02d} min"


# --- R18 to R20 -----------------------------------------------------------------------------------


def r18(day: DayFacts, under: Under) -> Iterator[Found]:
    """Bags: unique number, sealed, picked up, credited in time."""
    numbers = Counter([*day.earlier_bags, *(bag.number for bag in day.bags)])
    told = set()
    for bag in day.bags:
        facts = (Fact("bag", bag.number), Fact("record", bag.ref))
        if numbers[bag.number] > 1 and bag.number not in told:
            told.add(bag.number)
            text = f"bag {bag.number} is used {numbers[bag.number]} times"
            yield Found("bag_number_again", bag.at_ms, "", text, facts)
        for kind, text in _wrong_with_bag(bag, day, under):
            yield Found(kind, bag.at_ms, "", text, facts)


def _wrong_with_bag(bag: Bag, day: DayFacts, under: Under) -> Iterator[tuple[str, str]]:
    has_left = bag.picked_up_ms is not None or bag.credited_date is not None
    left_ms = bag.picked_up_ms
    is_late = bag.sealed_ms is None or (left_ms is not None and bag.sealed_ms > left_ms)
    if has_left and is_late:
        yield "bag_not_sealed", f"bag {bag.number} left the office and was not sealed before"
    most = under.policy.R18.credit_business_days
    sent = datetime.date.fromisoformat(bag.deposited_date)
    if bag.credited_date is None:
        until = datetime.date.fromisoformat(day.business_date)
        waited = under.calendar.business_days_between(sent, until)
        where = "not picked up" if bag.picked_up_ms is None else "no credit by the bank"
        if waited > most:
            text = (
                f"bag {bag.number}, {format_cents(bag.cents)}: {where} {waited} business days"
                f" after {bag.deposited_date}, limit {most}"
            )
            yield "bag_not_credited", text
    elif bag.credited_cents is not None and bag.credited_cents != bag.cents:
        credited = f"{format_cents(bag.credited_cents)} credited on {bag.credited_date}"
        text = f"bag {bag.number}: {format_cents(bag.cents)} sent, {credited}"
        yield "bag_credit_differs", text


def r19(day: DayFacts, _: Under) -> Iterator[Found]:
    """Card payments: posted against settled. What a person carried with a reason blocks nothing."""
    for card in day.cards:
        kind, text = _wrong_with_card(card)
        if kind and not card.carried_reason.strip():
            receipt = (Fact("receipt", card.receipt),) if card.receipt else ()
            facts = (Fact("record", card.ref), *receipt)
            yield Found(kind, card.at_ms, "", text, facts)


def _wrong_with_card(card: CardPayment) -> tuple[str, str]:
    if card.times_settled > 1:
        what = card.receipt or "a payment"
        return "card_settled_again", f"{what} is settled {card.times_settled} times"
    if card.posted_cents is None and card.settled_cents is not None:
        return "card_not_posted", f"{format_cents(card.settled_cents)} approved and not posted"
    if card.settled_cents is None and card.posted_cents is not None:
        return "card_not_settled", (
            f"receipt {card.receipt}: {format_cents(card.posted_cents)} posted and not settled"
        )
    if card.posted_cents != card.settled_cents:
        return "card_amount", (
            f"receipt {card.receipt}: {format_cents(card.posted_cents or 0)} posted,"
            f" {format_cents(card.settled_cents or 0)} settled"
        )
    return "", ""


def r20(day: DayFacts, under: Under) -> Iterator[Found]:
    """A returned item reverses its receipt's own funds, adds the fee, counts to cash only."""
    rule = under.policy.R20
    for item in day.returned:
        facts = (Fact("record", item.ref), Fact("receipt", item.receipt))
        if _by_fund(item.receipt_funds) != _by_fund(item.reversed_funds):
            text = f"receipt {item.receipt}: other funds are reversed than it was posted to"
            yield Found("return_other_funds", item.at_ms, "", text, facts)
        if not item.receivable_reopened:
            text = f"receipt {item.receipt}: its receivable was not opened again"
            yield Found("return_not_reopened", item.at_ms, "", text, facts)
        if item.fee_cents != rule.fee_cents:
            text = (
                f"receipt {item.receipt}: fee {format_cents(item.fee_cents)}, the policy says"
                f" {format_cents(rule.fee_cents)}"
            )
            yield Found("return_fee", item.at_ms, "", text, facts)
        if item.returns_in_period >= rule.returns and not item.is_cash_only:
            text = (
                f"receipt {item.receipt}: its payer had {item.returns_in_period} returned items in"
                f" {rule.months} months, from {rule.returns} on cash only"
            )
            yield Found("return_cash_only", item.at_ms, "", text, facts)


def _by_fund(funds: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for fund, cents in funds:
        found[fund] = found.get(fund, 0) + cents
    return {fund: cents for fund, cents in found.items() if cents}


# --- R21, R22, R25: the books ---------------------------------------------------------------------


def r21(day: DayFacts, _: Under) -> Iterator[Found]:
    """Fund totals are those of the receipts; over and short have one account for each fund."""
    for line in day.funds:
        facts = (Fact("fund", line.fund),)
        if line.booked_cents != line.receipts_cents:
            text = (
                f"fund {line.fund}: receipts {format_cents(line.receipts_cents)}, booked"
                f" {format_cents(line.booked_cents)}"
            )
            yield Found("fund_altered", day.now_ms, "", text, facts)
        accounts = sorted(set(line.over_short_accounts))
        if len(accounts) > 1:
            text = f"fund {line.fund}: over and short in {', '.join(accounts)}; it has one account"
            yield Found("over_short_split", day.now_ms, "", text, facts)


def r22(day: DayFacts, under: Under) -> Iterator[Found]:
    """Unidentified receipts do not stay in suspense."""
    most = under.policy.R22.business_days
    today = datetime.date.fromisoformat(day.business_date)
    for item in day.suspense:
        since = datetime.date.fromisoformat(item.since)
        waited = under.calendar.business_days_between(since, today)
        if not item.cleared and waited > most:
            text = (
                f"receipt {item.receipt}: {format_cents(item.cents)} in suspense for {waited}"
                f" business days, limit {most}"
            )
            facts = (Fact("receipt", item.receipt),)
            yield Found("suspense_old", day.now_ms, "", text, facts)


def r25(day: DayFacts, _: Under) -> Iterator[Found]:
    """Session, general ledger and journal are closed together or not at all."""
    for closing in day.closings:
        parts = (
            ("session", closing.session_closed),
            ("general-ledger batch", closing.ledger_batch),
            ("journal", closing.journal),
        )
        done = [name for name, is_done in parts if is_done]
        if 0 < len(done) < len(parts):
            missing = [name for name, is_done in parts if not is_done]
            text = f"closed in part: {' and '.join(done)}, not {' and '.join(missing)}"
            facts = (Fact("session", closing.session),)
            yield Found("closed_in_part", closing.at_ms, closing.session, text, facts)


RULES = {
    "R16": r16, "R17": r17, "R18": r18, "R19": r19, "R20": r20, "R21": r21, "R22": r22, "R25": r25,
}  # fmt: skip
