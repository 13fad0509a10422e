"""Likely causes of an over or short: arithmetic and timed evidence, in words. Pure.

This is a rule list, not a probability: each rule says what it saw, and a receipt is named only when
the evidence is decisive: one candidate, something besides its amount that speaks for it, and no
second cause as strong. Otherwise a cause names a time or a count, or the answer is "unexplained". A
model that weighs all causes against each other belongs here later. Never a person; nothing here
edits a posting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.money import format_cents
from gateway.reconcile import Interval, Reconciliation, Tender
from gateway.sessions import DrawerOpening

RECEIPT_AFTER_OPENING_MS = 90_000  # rule R11: an opening wants a receipt within 90 s
OPENING_NEAR_VOID_MS = 120_000  # rule R10: a cash void wants an opening within 120 s
CAUSES_MAX = 3
NOTES_CENTS = (
    100,
    500,
    1000,
    2000,
    5000,
    10000,
)  # US notes in use, Federal Reserve; the $2 note is too rare to suspect
COUNT_LACKS = (  # findings by which a machine's own count is too low
    "instrument_discrepancy",
    "instrument_cleared_unreported",
    "instrument_missing_report",
    "machine_discrepancy",
    "quarantined_report",
)
STRONG, POSSIBLE = "strong", "possible"
_TITLES = {  # where the decisive title would name a receipt and may not
    "void_cash_kept": "A voided receipt's cash still in the drawer",
    "not_posted": "A payment taken and not posted",
    "posted_twice": "One payment posted twice",
    "wrong_tender": "A payment posted as another tender",
}
Clock = Callable[[int], str]  # Unix milliseconds -> how the office writes that time


@dataclass(frozen=True)
class Cause:
    """One candidate."""

    kind: str
    strength: str  # strong: decisive evidence; possible: fits, and so may other things
    title: str
    evidence: tuple[str, ...]
    check: str  # the one thing to look at that would settle it
    receipt_no: str = ""  # named only when strong


@dataclass(frozen=True)
class Variance:
    """A difference and what may be behind it. No causes: unexplained."""

    tender_type: str
    interval: int  # 0: of the whole session
    over_short_cents: int
    causes: tuple[Cause, ...]


def explain(proof: Reconciliation, clock: Clock = str) -> list[Variance]:
    """Every difference of a session with its candidate causes: cash by interval, the other tenders
    for the session.
    """
    variances = []
    for interval in proof.intervals:
        cents = interval.over_short_cents
        if cents:
            causes = _cash_causes(proof, interval, cents, clock)
            variances.append(Variance("cash", interval.number, cents, _limited(causes)))
    for line in proof.lines:
        cents = line.over_short_cents or 0
        if cents and line.tender_type != "cash":
            causes = (
                _check_causes(proof, cents)
                if line.tender_type == "check"
                else _other_causes(proof, line.tender_type, cents)
            )
            variances.append(Variance(line.tender_type, 0, cents, _limited(causes)))
    return variances


def _limited(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """The first CAUSES_MAX, strong ones first. Two strong ones cannot both be decisive: then none
    names a receipt.
    """
    found = sorted(causes, key=lambda cause: cause.strength != STRONG)
    if sum(cause.strength == STRONG for cause in found) > 1:
        found = [
            (
                replace(
                    cause,
                    strength=POSSIBLE,
                    receipt_no="",
                    title=_TITLES.get(cause.kind, cause.title),
                )
                if cause.strength == STRONG
                else cause
            )
            for cause in found
        ]
    return tuple(found[:CAUSES_MAX])


# --- cash, one interval ---------------------------------------------------------------------------


def _cash_causes(
    proof: Reconciliation, interval: Interval, cents: int, clock: Clock
) -> list[Cause]:
    causes: list[Cause] = []
    if cents > 0:
        causes += _void_kept(proof, interval, cents, clock)
        causes += _not_posted(proof, interval, cents, clock)
    else:
        causes += _posted_twice(proof, interval, cents, clock)
    causes += _wrong_tender(proof, interval, cents)
    causes += _unknown_posting(proof, interval, cents)
    causes += _cut_off(proof, interval, cents)
    causes += _left_out(proof, interval, cents, clock)
    causes += _wrong_change(interval, cents)
    return causes


def unreceipted_openings(proof: Reconciliation, interval: Interval) -> list[DrawerOpening]:
    """Openings of an interval that no receipt and no count explains.

    A receipt explains one opening, the nearest within 90 s: cash receipts choose first, then those
    of other tenders that go into the drawer. A card payment opens no drawer.
    """
    inside = [
        opening
        for opening in proof.session.openings
        if interval.from_ms <= opening.opened_ms < interval.to_ms
    ]
    counts = [group.started_ms for group in proof.session.groups]
    left = [opening for opening in inside if not any(_is_near(opening, at_ms) for at_ms in counts)]
    receipts = [
        tender
        for tender in (*proof.tenders, *proof.other_day, *proof.unknown)
        if tender.tender_type != "card"
    ]
    for is_cash in (True, False):
        times = [
            tender.posted_ms for tender in receipts if (tender.tender_type == "cash") is is_cash
        ]
        pairs = sorted(
            (abs(at_ms - opening.opened_ms), place, index)
            for index, opening in enumerate(left)
            for place, at_ms in enumerate(times)
            if _is_near(opening, at_ms)
        )
        taken_times: set[int] = set()
        explained: set[int] = set()
        for _, place, index in pairs:
            if place not in taken_times and index not in explained:
                taken_times.add(place)
                explained.add(index)
        left = [opening for index, opening in enumerate(left) if index not in explained]
    return left


def _is_near(opening: DrawerOpening, at_ms: int) -> bool:
    end_ms = opening.opened_ms + (opening.dwell_ms or 0) + RECEIPT_AFTER_OPENING_MS
    return opening.opened_ms - RECEIPT_AFTER_OPENING_MS <= at_ms <= end_ms


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
    return [
        Cause("not_posted", STRONG if len(openings) == 1 else POSSIBLE, title, (evidence,), check)
    ]


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


def _cut_off(proof: Reconciliation, interval: Interval, cents: int) -> list[Cause]:
    found = [t for t in proof.other_day if t.tender_type == "cash" and _inside(t, interval, proof)]
    if not found or sum(tender.net_cents for tender in found) != cents:
        return []
    receipts = ", ".join(tender.receipt_no for tender in found[:5])
    evidence = (
        f"{len(found)} cash receipts taken in this interval belong to {found[0].business_date}:"
        f" {receipts}"
    )
    check = "Count their cash with the day it belongs to, or post them to this day"
    return [
        Cause(
            "cut_off",
            STRONG,
            "Cash of receipts after the cut-off lay in the drawer at the count",
            (evidence,),
            check,
        )
    ]


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
    found = [
        finding
        for finding in proof.session.findings
        if finding.kind in COUNT_LACKS
        and finding.at_ms >= interval.to_ms
        and (until_ms is None or finding.at_ms < until_ms)
    ]
    if cents > 0 or not found:
        return []
    evidence = tuple(f"{clock(finding.at_ms)} {finding.text}" for finding in found[:3])
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


def unmatched_checks(proof: Reconciliation) -> tuple[list[int], list[int]]:
    """(amounts posted that no tape line has, amounts on the tape that no posting has), each lowest
    first.
    """
    posted = Counter(
        tender.net_cents
        for tender in proof.tenders
        if tender.tender_type == "check" and tender.net_cents > 0
    )
    tape = Counter(proof.session.checks_cents() or [])
    return sorted((posted - tape).elements()), sorted((tape - posted).elements())


def _check_causes(proof: Reconciliation, cents: int) -> list[Cause]:
    missing, extra = unmatched_checks(proof)
    if len(missing) == 1 and not extra and missing[0] == -cents:
        return [_missing_check(proof, missing[0])]
    if len(missing) == 1 and len(extra) == 1 and extra[0] - missing[0] == cents:
        return [_misread_check(proof, missing[0], extra[0])]
    if len(extra) == 1 and not missing and extra[0] == cents:
        amount = format_cents(extra[0])
        return [
            Cause(
                "not_posted", STRONG, f"A check of {amount} taken and not posted",
                (f"the tape has {amount}, no posting has",),
                f"Find the check of {amount} and its account",
            )
        ]  # fmt: skip
    if missing or extra:
        evidence = (
            f"posted and not on the tape: {_amounts(missing)}; on the tape and not posted:"
            f" {_amounts(extra)}"
        )
        return [
            Cause(
                "check_list_differs",
                POSSIBLE,
                "The check tape and the postings differ",
                (evidence,),
                "Run the tape again",
            )
        ]
    return []


def _missing_check(proof: Reconciliation, cents: int) -> Cause:
    amount = format_cents(cents)
    matches = [
        tender
        for tender in proof.tenders
        if tender.tender_type == "check" and tender.net_cents == cents
    ]
    evidence = f"every other posted check is on the tape, line by line; {amount} is not"
    check = f"Look for the check of {amount} in the batch"
    if len(matches) == 1:
        receipt = matches[0].receipt_no
        return Cause(
            "missing_check",
            STRONG,
            f"The check of receipt {receipt} is missing",
            (evidence,),
            check,
            receipt,
        )
    return Cause(
        "missing_check",
        POSSIBLE,
        f"One of {len(matches)} checks of {amount} is missing",
        (evidence,),
        check,
    )


def _misread_check(proof: Reconciliation, posted_cents: int, tape_cents: int) -> Cause:
    matches = [
        tender
        for tender in proof.tenders
        if tender.tender_type == "check" and tender.net_cents == posted_cents
    ]
    evidence = (
        f"posted {format_cents(posted_cents)}, the tape shows {format_cents(tape_cents)}; every"
        " other check agrees"
    )
    check = "Read the amount on the check itself"
    likeness = _digits_alike(posted_cents, tape_cents)
    if len(matches) == 1 and likeness:
        receipt = matches[0].receipt_no
        title = f"Receipt {receipt} and its check differ: {likeness}"
        return Cause("wrong_digit", STRONG, title, (evidence,), check, receipt)
    return Cause(
        "wrong_digit",
        POSSIBLE,
        "An amount keyed differently in posting and tape",
        (evidence,),
        check,
    )


def _digits_alike(left_cents: int, right_cents: int) -> str:
    """How two amounts resemble each other, as keying errors do; empty when they do not."""
    left, right = str(left_cents), str(right_cents)
    if len(left) == len(right):
        places = [index for index in range(len(left)) if left[index] != right[index]]
        if len(places) == 1:
            return "one digit"
        if len(places) == 2 and [left[index] for index in places] == [
            right[index] for index in reversed(places)
        ]:
            return "two digits swapped"
    short, long = sorted((left, right), key=len)
    if len(long) == len(short) + 1 and any(
        long[:index] + long[index + 1 :] == short for index in range(len(long))
    ):
        return "one digit too many or too few"
    return ""


def _other_causes(proof: Reconciliation, tender_type: str, cents: int) -> list[Cause]:
    """Only a total is known of these: amounts alone name nobody."""
    fitting = sum(
        1 for t in proof.tenders if t.tender_type == tender_type and t.net_cents == abs(cents)
    )
    if not fitting:
        return []
    amount = format_cents(abs(cents))
    what = "posted and not in the declared total" if cents < 0 else "in the declared total twice"
    evidence = (
        f"{fitting} posted {tender_type} payments have exactly this amount; the total alone does"
        " not tell which"
    )
    check = f"Compare the terminal's batch detail with the postings of {amount}"
    return [
        Cause(
            "one_payment",
            POSSIBLE,
            f"A {tender_type} payment of {amount} {what}",
            (evidence,),
            check,
        )
    ]


def _amounts(cents: Sequence[int]) -> str:
    shown = ", ".join(format_cents(value) for value in cents[:5])
    return (shown + (", ..." if len(cents) > 5 else "")) or "none"
