"""Rules about a drawer and its counts: R01 to R08, R11 to R13, R23 and R24."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from gateway.money import format_cents, format_signed
from gateway.office.openings import lonely_openings
from gateway.office.rule_facts import (
    DayFacts,
    Interval,
    PastDifference,
    Receipt,
    Session,
    Suspect,
)
from gateway.office.rule_finding import Fact, Found, Under, cashier_key
from gateway.policy_tables import Steps

SHOWN_MAX = 5  # receipts, openings and the like that a text names; the finding cites all


def r01(day: DayFacts, under: Under) -> Iterator[Found]:
    """One custodian for each open drawer; a hand-over needs both counts."""
    for session in day.sessions:
        yield from _other_cashiers(session)
        for hand in session.hand_overs:
            missing = [
                word
                for word, ref in (("gave", hand.closing_ref), ("took", hand.opening_ref))
                if not ref
            ]
            if missing:
                text = (
                    f"hand-over at {under.clock(hand.at_ms)} from cashier {hand.from_cashier} to"
                    f" {hand.to_cashier or 'nobody'}: no count by who"
                    f" {' and by who '.join(missing)} the drawer"
                )
                facts = (Fact("record", hand.ref),)
                yield Found("hand_over_uncounted", hand.at_ms, session.name, text, facts)
    yield from _two_custodians(day, under)


def _other_cashiers(session: Session) -> Iterator[Found]:
    """One for each cashier who posted while another had the drawer. Nobody is another than an
    unknown one.
    """
    took = [
        (session.opened_ms, session.cashier),
        *((hand.at_ms, hand.to_cashier) for hand in session.hand_overs),
    ]
    keys = {name: cashier_key(name) for name in {receipt.cashier for receipt in session.receipts}}
    if len(took) == 1 and set(keys.values()) <= {"", cashier_key(session.cashier)}:
        return
    others: dict[tuple[str, str], list[Receipt]] = {}
    for receipt in session.receipts:
        key = keys[receipt.cashier]
        holder = next(
            (name for at_ms, name in reversed(took) if at_ms <= receipt.at_ms), took[0][1]
        )
        if key and cashier_key(holder) and key != cashier_key(holder):
            others.setdefault((key, holder), []).append(receipt)
    for (_, holder), receipts in sorted(others.items()):
        numbers = list(dict.fromkeys(receipt.number for receipt in receipts))
        cents = sum(receipt.net_cents for receipt in receipts)
        text = (
            f"{counted_words(len(numbers), 'receipt')} by cashier {receipts[0].cashier} while"
            f" cashier {holder} had the drawer, {format_cents(cents)}: {named(numbers)}"
        )
        facts = tuple(Fact("receipt", number) for number in numbers)
        yield Found("other_cashier", receipts[0].at_ms, session.name, text, facts)


def _two_custodians(day: DayFacts, under: Under) -> Iterator[Found]:
    ordered = sorted(day.sessions, key=lambda session: (session.device, session.opened_ms))
    for earlier, later in zip(ordered, ordered[1:], strict=False):
        is_open = earlier.closed_ms is None or earlier.closed_ms > later.opened_ms
        is_said = any(hand.at_ms <= later.opened_ms for hand in earlier.hand_overs)
        if earlier.device == later.device and is_open and not is_said:
            text = (
                f"session {later.name} began at {under.clock(later.opened_ms)} while"
                f" {earlier.name} was open"
            )
            facts = (Fact("session", earlier.name), Fact("session", later.name))
            yield Found("two_custodians", later.opened_ms, later.name, text, facts)


def r02(day: DayFacts, _: Under) -> Iterator[Found]:
    """The opening float is counted, before the first receipt, and its difference is booked. A
    drawer in which nothing at all was counted is no matter of the float.
    """
    for session in day.sessions:
        if not session.counts:
            continue
        counts = [count for count in session.counts if count.kind == "opening_float"]
        counted = [count for count in counts if count.counted_cents is not None]
        if not counted:
            facts = (Fact("session", session.name),)
            text = "the opening float was not counted"
            if counts:
                text += " by a machine"
            yield Found("float_uncounted", session.opened_ms, session.name, text, facts)
            continue
        last = counted[-1]
        facts = (Fact("count", last.ref),)
        if not last.by_denomination:
            text = "the opening float was keyed as one amount, not counted by denomination"
            yield Found("float_by_hand", last.at_ms, session.name, text, facts)
        first_ms = counted[0].at_ms
        early = list(
            dict.fromkeys(each.number for each in session.receipts if each.at_ms < first_ms)
        )
        if early:
            were = "was" if len(early) == 1 else "were"
            text = (
                f"{counted_words(len(early), 'receipt')} {were} posted before the opening float was"
                f" counted: {named(early)}"
            )
            more = (*facts, *(Fact("receipt", number) for number in early))
            yield Found("float_counted_late", last.at_ms, session.name, text, more)
        difference = (last.counted_cents or 0) - (session.issued_cents or 0)
        is_booked = session.booked_float_cents == difference
        if session.issued_cents is not None and difference and not is_booked:
            text = (
                f"opening float issued {format_cents(session.issued_cents)}, counted"
                f" {format_cents(last.counted_cents or 0)}: {format_signed(difference)} is not"
                " booked"
            )
            yield Found("float_differs", last.at_ms, session.name, text, facts)


def r03(day: DayFacts, _: Under) -> Iterator[Found]:
    """Expected cash is net of change, and every receipt of the drawer is in it once."""
    for session in day.sessions:
        for interval in session.intervals:
            right = _expected_cents(interval)
            if interval.expected_cents != right:
                text = (
                    f"interval {interval.number}: expected {format_cents(interval.expected_cents)},"
                    f" its parts give {format_cents(right)}"
                )
                facts = (Fact("count", interval.end_ref),)
                yield Found("expected_wrong", interval.end_ms, session.name, text, facts)
        cash = [r for r in session.receipts if r.tender_type == "cash" and r.in_expected]
        posted = sum(receipt.net_cents for receipt in cash)
        taken = sum(each.tendered_cents - each.change_cents for each in session.intervals)
        if session.intervals and session.closed_ms is not None and posted != taken:
            text = (
                f"receipts bring {format_cents(posted)} in cash, the intervals take"
                f" {format_cents(taken)}"
            )
            facts = (Fact("session", session.name),)
            at_ms = session.intervals[-1].end_ms
            yield Found("receipts_not_in_intervals", at_ms, session.name, text, facts)


def _expected_cents(interval: Interval) -> int:
    return (
        interval.start_cents
        + interval.tendered_cents
        - interval.change_cents
        + interval.paid_in_cents
        - interval.paid_out_cents
        - interval.drops_cents
        + interval.rounding_cents
    )


def r04(day: DayFacts, under: Under) -> Iterator[Found]:
    """A blind close."""
    most = under.policy.R04.counts
    for session in day.sessions:
        closes = [
            count
            for count in session.counts
            if count.kind == "close" and count.counted_cents is not None
        ]
        facts = tuple(Fact("count", count.ref) for count in closes)
        if len(closes) > most:
            text = f"{len(closes)} closing counts, at most {most} are blind"
            yield Found("too_many_counts", closes[most].at_ms, session.name, text, facts)
        shown = session.expected_shown_ms
        blind = [count for count in closes if shown is None or count.at_ms <= shown]
        if shown is not None and len(blind) < min(most, len(closes)):
            text = f"the expected amount was shown at {under.clock(shown)}, before a closing count"
            yield Found("expected_shown_early", shown, session.name, text, facts)


def r05(day: DayFacts, _: Under) -> Iterator[Found]:
    """A counted value never changes."""
    for session in day.sessions:
        for count in session.counts:
            if count.counted_cents != count.recorded_cents:
                text = (
                    f"a {count.kind.replace('_', ' ')} count is {_amount(count.counted_cents)} in"
                    f" the books and {_amount(count.recorded_cents)} on record"
                )
                facts = (Fact("count", count.ref),)
                yield Found("count_changed", count.at_ms, session.name, text, facts)


def _amount(cents: int | None) -> str:
    return "nothing" if cents is None else format_cents(cents)


def r06(day: DayFacts, _: Under) -> Iterator[Found]:
    """Every tender of a closed session is declared."""
    for session in day.sessions:
        for line in session.lines:
            if session.closed_ms is not None and line.posted_cents and line.declared_cents is None:
                text = (
                    f"{line.tender_type.replace('_', ' ')}: {format_cents(line.posted_cents)} was"
                    " posted and nothing declared"
                )
                facts = (Fact("session", session.name),)
                yield Found("not_declared", session.closed_ms, session.name, text, facts)


def r07(day: DayFacts, _: Under) -> Iterator[Found]:
    """Nothing is netted: what is called balanced has no difference anywhere."""
    differing = []
    for session in day.sessions:
        parts = [
            f"{line.tender_type} {format_signed(line.over_short_cents)}"
            for line in session.lines
            if line.over_short_cents
        ]
        parts += [
            f"interval {each.number} {format_signed(each.over_short_cents)}"
            for each in session.intervals
            if each.over_short_cents
        ]
        if parts:
            differing.append(session.name)
        if parts and session.called_balanced:
            text = f"called balanced with {', '.join(parts)}"
            at_ms = session.closed_ms or session.opened_ms
            yield Found("netted", at_ms, session.name, text, (Fact("session", session.name),))
    if differing and day.called_balanced:
        text = f"the day is called balanced with differences in {named(differing)}"
        facts = tuple(Fact("session", name) for name in differing)
        yield Found("day_netted", day.now_ms, "", text, facts)


# --- differences ----------------------------------------------------------------------------------


def step_of(cents: int, steps: Steps) -> tuple[str, int]:
    """(what a difference wants, from which limit on): ("", 0) for nothing."""
    limits = (
        ("incident", steps.incident_cents), ("report", steps.report_cents),
        ("supervisor", steps.supervisor_cents), ("reason", steps.reason_cents),
    )  # fmt: skip
    return next(((name, limit) for name, limit in limits if abs(cents) >= limit), ("", 0))


def r08(day: DayFacts, under: Under) -> Iterator[Found]:
    """What differences want: of an interval, of a session's tender, of a cashier in a period."""
    rule = under.policy.R08
    for session in day.sessions:
        for interval in session.intervals:
            wants, limit = step_of(interval.over_short_cents, rule.interval)
            if wants:
                text = (
                    f"interval {interval.number}: {format_signed(interval.over_short_cents)}, from"
                    f" {format_cents(limit)} on it wants {_WANTS[wants]}"
                )
                facts = (Fact("count", interval.end_ref),)
                yield Found(f"interval_{wants}", interval.end_ms, session.name, text, facts)
        for line in session.lines:
            wants, limit = step_of(line.over_short_cents or 0, rule.session)
            if wants:
                text = (
                    f"{line.tender_type.replace('_', ' ')}:"
                    f" {format_signed(line.over_short_cents or 0)}, from {format_cents(limit)} on"
                    f" it wants {_WANTS[wants]}"
                )
                facts = (Fact("session", session.name),)
                at_ms = session.closed_ms or session.opened_ms
                yield Found(f"session_{wants}", at_ms, session.name, text, facts)
    yield from _reviews(day, under)


_WANTS = {
    "reason": "a reason",
    "supervisor": "a supervisor",
    "report": "a report",
    "incident": "an incident",
}


def _reviews(day: DayFacts, under: Under) -> Iterator[Found]:
    """Cashiers of the day who reach the limits of the period. Sums go without their sign: an over
    does not cancel a short.
    """
    period = under.policy.R08.period
    reason_cents = under.policy.R08.session.reason_cents
    first = datetime.date.fromisoformat(day.business_date) - datetime.timedelta(period.days - 1)
    by_cashier: dict[str, list[PastDifference]] = {}
    for each in day.differences:
        is_inside = first.isoformat() <= each.business_date <= day.business_date
        if is_inside and each.cashier and abs(each.cents) >= reason_cents:
            by_cashier.setdefault(cashier_key(each.cashier), []).append(each)
    for found in by_cashier.values():
        total = sum(abs(each.cents) for each in found)
        is_many, is_much = len(found) >= period.differences, total >= period.cumulative_cents
        if (is_many or is_much) and any(e.business_date == day.business_date for e in found):
            limits = f"{period.differences} or {format_cents(period.cumulative_cents)}"
            text = (
                f"cashier {found[0].cashier}: {len(found)} differences of together"
                f" {format_cents(total)} in {period.days} days, from {limits} on they want a review"
            )
            facts = tuple(Fact("session", f"{e.business_date} {e.session}") for e in found)
            yield Found("review", day.now_ms, found[-1].session, text, facts)


# --- the drawer while it is in use ----------------------------------------------------------------


def r11(day: DayFacts, under: Under) -> Iterator[Found]:
    """Drawer openings without a receipt, and a drawer that stays open."""
    rule = under.policy.R11
    for session in day.sessions:
        receipts = [(receipt.at_ms, receipt.tender_type) for receipt in session.receipts]
        times = [*(each.at_ms for each in session.counts), *(each.at_ms for each in session.drops)]
        lonely = lonely_openings(session.openings, times, receipts, rule.receipt_within_s * 1000)
        if len(lonely) > rule.no_sale_openings:
            text = (
                f"{len(lonely)} drawer openings without a receipt within {rule.receipt_within_s} s,"
                f" limit {rule.no_sale_openings}"
            )
            facts = tuple(Fact("record", opening.ref) for opening in lonely)
            at_ms = session.closed_ms or session.opened_ms
            yield Found("no_sale_openings", at_ms, session.name, text, facts)
        for opening in session.openings:
            if (opening.dwell_ms or 0) > rule.open_s * 1000:
                text = (
                    f"the drawer stood open for {(opening.dwell_ms or 0) // 1000} s, limit"
                    f" {rule.open_s} s"
                )
                facts = (Fact("record", opening.ref),)
                yield Found("open_too_long", opening.opened_ms, session.name, text, facts)


def r12(day: DayFacts, under: Under) -> Iterator[Found]:
    """How much cash lay in a drawer at most."""
    rule = under.policy.R12
    for session in day.sessions:
        peak_cents, at_ms, ref = _peak(session)
        for kind, limit in (("alarm", rule.alarm_cents), ("drop_advised", rule.drop_advised_cents)):
            if peak_cents >= limit:
                word = "alarm" if kind == "alarm" else "a drop is advised"
                text = (
                    f"{format_cents(peak_cents)} lay in the drawer at {under.clock(at_ms)}: {word}"
                    f" from {format_cents(limit)} on"
                )
                yield Found(kind, at_ms, session.name, text, (ref,))
                break


def _peak(session: Session) -> tuple[int, int, Fact]:
    """(most cash at a time, when, what brought it) by counts, cash receipts and drops. A receipt is
    in its interval: one that was rung up while the drawer was counted is in that count.
    """
    ends_ms = {interval.number: interval.end_ms for interval in session.intervals}
    steps: list[tuple[int, int, int, Fact]] = []  # at_ms, order, cents, what; order 0 sets
    for count in session.counts:
        if count.counted_cents is not None and count.stands:
            steps.append((count.at_ms, 0, count.counted_cents, Fact("count", count.ref)))
    for drop in session.drops:
        cents = drop.declared_cents if drop.counted_cents is None else drop.counted_cents
        steps.append((drop.at_ms, 1, -(cents or 0), Fact("record", drop.ref)))
    for receipt in session.receipts:
        if receipt.tender_type == "cash" and receipt.in_expected:
            fact = Fact("receipt", receipt.number)
            at_ms = receipt.at_ms
            if receipt.interval:
                first_ms = ends_ms.get(receipt.interval - 1, at_ms)
                at_ms = min(max(at_ms, first_ms), ends_ms[receipt.interval] - 1)
            steps.append((at_ms, 2, receipt.net_cents, fact))
    held, best = 0, (0, session.opened_ms, Fact("session", session.name))
    for at_ms, order, cents, what in sorted(steps):
        held = cents if order == 0 else held + cents
        if held > best[0]:
            best = (held, at_ms, what)
    return best


def r13(day: DayFacts, _: Under) -> Iterator[Found]:
    """Drops are sealed, counted by machine and equal to what was declared; no loose batch."""
    for session in day.sessions:
        for drop in session.drops:
            facts = (Fact("record", drop.ref),)
            bag = f"drop {drop.bag_no}" if drop.bag_no else "a drop"
            if drop.bag_no == "":
                text = "a drop without a sealed bag's number"
                yield Found("drop_not_sealed", drop.at_ms, session.name, text, facts)
            if drop.counted_cents is None:
                text = f"{bag}: no machine counted it"
                yield Found("drop_not_counted", drop.at_ms, session.name, text, facts)
            elif drop.declared_cents is not None and drop.declared_cents != drop.counted_cents:
                text = (
                    f"{bag}: declared {format_cents(drop.declared_cents)}, counted"
                    f" {format_cents(drop.counted_cents)}"
                )
                yield Found("drop_differs", drop.at_ms, session.name, text, facts)
        for batch in session.loose_batches:
            if batch.cents is None:
                kind = "batch_unrecorded"
                text = batch.text or f"{batch.instrument}: a batch left no record"
            else:
                kind = "batch_outside_count"
                text = batch.text or (
                    f"{batch.instrument}: {format_cents(batch.cents)} counted outside a count"
                )
            facts = (Fact("record", batch.ref),)
            yield Found(kind, batch.at_ms, session.name, text, facts)


# --- surprise counts, suspect notes ---------------------------------------------------------------


def r23(day: DayFacts, under: Under) -> Iterator[Found]:
    """Surprise counts, told on a month's last business day and after it."""
    wanted = under.policy.R23.per_month
    today = datetime.date.fromisoformat(day.business_date)
    for each in day.drawer_months:
        last = under.calendar.last_of_month(datetime.date.fromisoformat(f"{each.month}-01"))
        is_over = last is not None and today >= last
        if is_over and each.sessions and each.surprise_counts < wanted:
            text = (
                f"{each.device}: {each.surprise_counts} surprise counts in {each.month}, wanted"
                f" {wanted}"
            )
            facts = (Fact("drawer", each.device),)
            yield Found("surprise_count_missing", day.now_ms, "", text, facts)


def r24(day: DayFacts, _: Under) -> Iterator[Found]:
    """A suspect note is in no count and has a custody record of its own."""
    for note in day.suspects:
        facts = (Fact("record", note.ref),)
        if note.in_count:
            text = f"{_suspect(note)} is in a count"
            yield Found("suspect_in_count", note.at_ms, "", text, facts)
        if not note.custody_ref:
            text = f"{_suspect(note)} has no custody record"
            yield Found("suspect_without_custody", note.at_ms, "", text, facts)


def _suspect(note: Suspect) -> str:
    return "a suspect note" + ("" if note.cents is None else f" of {format_cents(note.cents)}")


def counted_words(count: int, what: str) -> str:
    """1 receipt, 2 receipts"""
    return f"{count} {what}{'' if count == 1 else 's'}"


def named(names: list[str]) -> str:
    """R1, R2, R3, R4, R5 and 3 more"""
    shown = ", ".join(names[:SHOWN_MAX])
    more = len(names) - SHOWN_MAX
    return f"{shown} and {more} more" if more > 0 else shown


RULES = {
    "R01": r01, "R02": r02, "R03": r03, "R04": r04, "R05": r05, "R06": r06, "R07": r07, "R08": r08,
    "R11": r11, "R12": r12, "R13": r13, "R23": r23, "R24": r24,
}  # fmt: skip
