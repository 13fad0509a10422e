"""Likely causes of an over or short: arithmetic and timed evidence, in words. Pure.

This is a rule list, not a probability: each rule says what it saw, and a receipt is named only when
the evidence is decisive: one candidate, something besides its amount that speaks for it, and no
second cause as strong. Otherwise a cause names a time or a count, or the answer is "unexplained". A
model that weighs all causes against each other belongs here later. Never a person; nothing here
edits a posting.
"""

from __future__ import annotations

from gateway.explain.causes import POSSIBLE, STRONG, Cause, Clock
from gateway.explain.counting import counting_causes
from gateway.explain.on_record import on_record_causes
from gateway.explain.other_tenders import unmatched_checks
from gateway.money import format_cents
from gateway.office.drawer import LooseBatch, Remark
from gateway.office.intervals import Interval
from gateway.office.openings import RECEIPT_AFTER_OPENING_MS, unreceipted_openings
from gateway.office.reconcile import Reconciliation
from gateway.office.tenders import Tender

OPENING_NEAR_VOID_MS = 120_000  # rule R10: a cash void wants an opening within 120 s
NOTES_CENTS = (
    100,
    500,
    1000,
    2000,
    5000,
    10000,
)  # US notes in use, Federal Reserve; the $2 note is too rare to suspect
COUNT_LACKS = (  # remarks by which a machine's own count is too low
    "instrument_discrepancy",
    "instrument_cleared_unreported",
    "machine_discrepancy",
    "quarantined_report",
)


# --- cash, one interval ---------------------------------------------------------------------------


def cash_causes(proof: Reconciliation, interval: Interval, cents: int, clock: Clock) -> list[Cause]:
    # what is on record and not settled comes first
    causes = [*_unknown_posting(proof, interval, cents), *_late_posting(proof, interval, cents)]
    causes += [] if causes else on_record_causes(proof, interval, cents)
    if cents > 0:
        causes += _void_kept(proof, interval, cents, clock)
        causes += _not_posted(proof, interval, cents, clock)
    else:
        causes += _posted_twice(proof, interval, cents, clock)
    causes += _wrong_tender(proof, interval, cents)
    causes += _left_out(proof, interval, cents, clock)
    causes += counting_causes(proof.session, interval, cents, clock)
    causes += _wrong_change(interval, cents)
    return causes


def _not_posted(proof: Reconciliation, interval: Interval, cents: int, clock: Clock) -> list[Cause]:
    openings = unreceipted_openings(proof, interval)
    if not openings:
        return []
    times = ", ".join(clock(opening.opened_ms) for opening in openings[:5])
    if len(openings) == 1:
        title = f"A payment of {format_cents(cents)} taken and not posted, about {times}"
        evidence = (
            f"drawer opened at {times}, no receipt of its own within 90 seconds; no other opening"
            " of this interval lacks one"
        )
    else:
        title = f"A payment of {format_cents(cents)} taken and not posted"
        evidence = f"{len(openings)} drawer openings without a receipt within 90 seconds: {times}"
    check = (
        f"Look for an account whose balance due is {format_cents(cents)} and that was not paid on"
        " this day"
    )
    # an opening without a receipt is common, and never decisive by itself
    return [Cause("not_posted", POSSIBLE, title, (evidence,), check)]


def _posted_twice(
    proof: Reconciliation, interval: Interval, cents: int, clock: Clock
) -> list[Cause]:
    """Two cash receipts of the missing amount on one account: natural twins are rare, so a single
    pair is worth naming.
    """
    candidates = [
        tender
        for tender in interval.tenders
        if tender.tender_type == "cash" and tender.net_cents == -cents
    ]
    by_accounts: dict[tuple[tuple[str, int], ...], list[Tender]] = {}
    for tender in candidates:
        by_accounts.setdefault(tuple(sorted(tender.accounts)), []).append(tender)
    pairs = [tenders for tenders in by_accounts.values() if len(tenders) == 2]
    if len(pairs) != 1:
        return []
    first, second = pairs[0]
    seen = (
        f"receipts {first.receipt_no} ({clock(first.posted_ms)}) and {second.receipt_no}"
        f" ({clock(second.posted_ms)})"
    )
    evidence = [f"{seen}: same account, both {format_cents(-cents)} in cash"]
    lonely = [
        tender
        for tender in pairs[0]
        if not _opened_near(proof, tender.posted_ms, RECEIPT_AFTER_OPENING_MS)
    ]
    check = (
        f"Ask the cashiering system for {first.receipt_no} and {second.receipt_no}: one payment or"
        " two?"
    )
    if proof.session.openings and len(lonely) == 1:
        evidence.append(
            f"the drawer did not open within 90 seconds of receipt {lonely[0].receipt_no}"
        )
        title = f"Receipt {lonely[0].receipt_no} posted a second time"
        return [Cause("posted_twice", STRONG, title, tuple(evidence), check, lonely[0].receipt_no)]
    return [Cause("posted_twice", POSSIBLE, "One payment posted twice", tuple(evidence), check)]


def _void_kept(proof: Reconciliation, interval: Interval, cents: int, clock: Clock) -> list[Cause]:
    voids = [
        tender
        for tender in interval.tenders
        if tender.status in ("void", "reversed")
        and tender.tender_type == "cash"
        and tender.face_cents == cents
    ]
    if len(voids) != 1:
        return []
    void = voids[0]
    evidence = [
        f"receipt {void.receipt_no} of {format_cents(cents)} was taken back at"
        f" {clock(void.posted_ms)}"
    ]
    check = f"Was the cash of receipt {void.receipt_no} handed back?"
    # Only a reversal has a time of its own: a receipt that is itself shown as void carries the time
    # of the sale.
    if (
        void.void_of
        and proof.session.openings
        and not _opened_near(proof, void.posted_ms, OPENING_NEAR_VOID_MS)
    ):
        evidence.append("the drawer did not open within 120 seconds of it")
        title = f"Receipt {void.receipt_no} voided and its cash still in the drawer"
        return [Cause("void_cash_kept", STRONG, title, tuple(evidence), check, void.receipt_no)]
    return [
        Cause(
            "void_cash_kept",
            POSSIBLE,
            "A voided receipt's cash still in the drawer",
            tuple(evidence),
            check,
        )
    ]


def _opened_near(proof: Reconciliation, at_ms: int, within_ms: int) -> bool:
    return any(
        opening.opened_ms - within_ms
        <= at_ms
        <= opening.opened_ms + (opening.dwell_ms or 0) + within_ms
        for opening in proof.session.openings
    )


def _wrong_tender(proof: Reconciliation, interval: Interval, cents: int) -> list[Cause]:
    """The same amount over here and short there. Decisive for checks, whose tape shows what
    came.
    """
    for line in proof.lines:
        if line.tender_type == "cash" or line.over_short_cents != -cents:
            continue
        wrong = line.tender_type if cents > 0 else "cash"  # as what it was posted
        right = "cash" if cents > 0 else line.tender_type
        candidates = [
            tender
            for tender in interval.tenders
            if tender.tender_type == wrong and tender.net_cents == abs(cents)
        ]
        amount = format_cents(abs(cents))
        evidence = [
            f"cash and {line.tender_type} differ by the same {amount}, in opposite directions"
        ]
        check = f"Is there a {line.tender_type} of {amount} in the batch?"
        missing, extra = unmatched_checks(proof)
        on_tape = missing if cents > 0 else extra
        decisive = line.tender_type == "check" and on_tape == [abs(cents)] and len(candidates) == 1
        if decisive:
            receipt = candidates[0].receipt_no
            evidence.append(
                f"the check tape {'lacks' if cents > 0 else 'has'} {amount}; receipt {receipt}"
                " alone has this amount"
            )
            title = f"Receipt {receipt} posted as {wrong}, paid by {right}"
            return [Cause("wrong_tender", STRONG, title, tuple(evidence), check, receipt)]
        evidence.append(
            f"{len(candidates)} receipts of this interval were posted as {wrong} with this amount"
        )
        return [
            Cause(
                "wrong_tender",
                POSSIBLE,
                f"A payment of {amount} posted as {wrong}, paid by {right}",
                tuple(evidence),
                check,
            )
        ]
    return []


def _unknown_posting(proof: Reconciliation, interval: Interval, cents: int) -> list[Cause]:
    found = [
        t
        for t in proof.unknown
        if t.tender_type == "cash" and t.face_cents == cents and _inside(t, interval, proof)
    ]
    if len(found) != 1:
        return []
    receipt = found[0].receipt_no
    evidence = (
        f"receipt {receipt} of {format_cents(cents)} in cash has status unknown: the posting system"
        " never confirmed it"
    )
    title = f"Receipt {receipt} taken and not confirmed as posted"
    return [
        Cause(
            "not_posted",
            STRONG,
            title,
            (evidence,),
            f"Ask the cashiering system whether {receipt} is posted",
            receipt,
        )
    ]


def _late_posting(proof: Reconciliation, interval: Interval, cents: int) -> list[Cause]:
    """Cash receipts that were posted after the drawer was counted, and whose money may have been in
    it.
    """
    late = [tender for tender in proof.after_close if tender.tender_type == "cash"]
    is_last = interval.number == len(proof.intervals)
    fitting = [tender for tender in late if tender.net_cents == cents]
    if not fitting and sum(tender.net_cents for tender in late) == cents:
        fitting = late
    if not is_last or not fitting:
        return []
    receipts = ", ".join(tender.receipt_no for tender in fitting[:5])
    evidence = (
        f"{receipts}: posted after the closing count began, together or alone {format_cents(cents)}"
    )
    check = f"Was the cash of {receipts} in the drawer when it was counted?"
    title = "Cash of a receipt that was posted after the closing count"
    return [Cause("late_posting", POSSIBLE, title, (evidence,), check)]


def _inside(tender: Tender, interval: Interval, proof: Reconciliation) -> bool:
    after_start = interval.number == 1 or tender.posted_ms >= interval.from_ms
    return after_start and (
        interval.number == len(proof.intervals) or tender.posted_ms < interval.to_ms
    )


def _left_out(proof: Reconciliation, interval: Interval, cents: int, clock: Clock) -> list[Cause]:
    """A machine said itself, while the drawer was counted at the interval's end, that its count may
    lack money.
    """
    later = [each.to_ms for each in proof.intervals if each.to_ms > interval.to_ms]
    until_ms = min(later, default=None)
    said: list[Remark | LooseBatch] = [
        *(remark for remark in proof.session.remarks if remark.kind in COUNT_LACKS),
        *(batch for batch in proof.session.loose if batch.cents is None),
    ]
    found = [
        remark
        for remark in sorted(said, key=lambda each: each.at_ms)
        if remark.at_ms >= interval.to_ms and (until_ms is None or remark.at_ms < until_ms)
    ]
    if cents > 0 or not found:
        return []
    evidence = tuple(f"{clock(remark.at_ms)} {remark.text}" for remark in found[:3])
    title = f"{format_cents(-cents)} not in a machine's count"
    return [Cause("left_out_of_count", POSSIBLE, title, evidence, "Count the drawer again")]


def _wrong_change(interval: Interval, cents: int) -> list[Cause]:
    amount = format_cents(abs(cents))
    sales = sum(1 for tender in interval.tenders if tender.tender_type == "cash")
    if not sales:
        return []
    if abs(cents) in NOTES_CENTS:
        what = f"{amount} is one note"
    elif pair := _note_pair(abs(cents)):
        what = (
            f"{amount} is the difference between a {format_cents(pair[0])} and a"
            f" {format_cents(pair[1])} note"
        )
    else:
        return []
    title = f"Wrong change, or a note miscounted, of {amount}"
    check = "Count the notes of this value once more before the drawer is used"
    return [
        Cause(
            "wrong_change",
            POSSIBLE,
            title,
            (what, f"one of {sales} cash payments of this interval; none can be named"),
            check,
        )
    ]


def _note_pair(cents: int) -> tuple[int, int] | None:
    return next(
        ((high, low) for high in NOTES_CENTS for low in NOTES_CENTS if high - low == cents), None
    )


# --- checks and the rest --------------------------------------------------------------------------
