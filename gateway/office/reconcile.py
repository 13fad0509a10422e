"""One drawer session against what was posted at its window. Pure; docs/reconciliation.md tells it
with figures.

expected cash = opening float as counted + cash tendered - change - drops
over_short = counted - expected; + is over

Every tender stands alone and so does every interval between two counts of the whole drawer: nothing
is netted. Postings fall into an interval by `posted_at` against the start of the counts; drops by
their place in the order of the records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.facts.postings import TENDERS, Posting
from gateway.money import format_cents
from gateway.office.drawer import WHOLE_DRAWER, CountGroup, DrawerSession, Remark
from gateway.office.tenders import Tender, fund_totals, tenders_of

BALANCED, OVER, SHORT, PROOF_MISSING = "balanced", "over", "short", "proof missing"


@dataclass(frozen=True)
class TenderLine:
    """The reconciliation line of one tender. None: nobody declared it, which is a missing proof and
    not a shortage.
    """

    tender_type: str
    posted_cents: int
    expected_cents: int | None
    counted_cents: int | None
    over_short_cents: int | None

    @property
    def status(self) -> str:
        """balanced | over | short | proof missing"""
        return status_of(self.over_short_cents)


@dataclass(frozen=True)
class Interval:
    """From one count of the whole drawer to the next."""

    number: int
    from_kind: str
    to_kind: str
    from_ms: int
    to_ms: int
    start_cents: int  # counted at its start
    tendered_cents: int
    change_cents: int
    drops_cents: int
    expected_cents: int
    counted_cents: int
    tenders: tuple[Tender, ...]  # of every type, by posted_at

    @property
    def over_short_cents(self) -> int:
        """Positive: over. Negative: short."""
        return self.counted_cents - self.expected_cents


@dataclass
class Reconciliation:
    """The proof of one drawer session."""

    session: DrawerSession
    opening_cents: int | None
    issued_cents: int | None  # the float that the cashier says was issued
    drops_cents: int
    lines: list[TenderLine]
    intervals: list[Interval]
    tenders: list[Tender]  # in the sums
    other_day: list[Tender]  # posted while the session ran, for another business day: in no sum
    unknown: list[Tender]  # nobody knows whether the posting system took them: in no sum
    remarks: list[Remark] = field(default_factory=list)

    def line(self, tender_type: str) -> TenderLine:
        """The line of one tender."""
        return next(line for line in self.lines if line.tender_type == tender_type)

    @property
    def funds_cents(self) -> dict[str, int]:
        """{fund: sum of its allocations}, by name."""
        return fund_totals(self.tenders)

    @property
    def status(self) -> str:
        """The worst of its lines; `balanced` only when every line is."""
        found = {line.status for line in self.lines}
        return next((name for name in (PROOF_MISSING, SHORT, OVER) if name in found), BALANCED)


def over_short_cents(counted_cents: int, expected_cents: int) -> int:
    """Positive: over. Negative: short."""
    return counted_cents - expected_cents


def expected_cash_cents(
    opening_cents: int, tendered_cents: int, change_cents: int, drops_cents: int
) -> int:
    """What should lie in the drawer. Net of change: leaving it out shows overs that are none."""
    return opening_cents + tendered_cents - change_cents - drops_cents


def status_of(cents: int | None) -> str:
    """balanced | over | short | proof missing (None)"""
    if cents is None:
        return PROOF_MISSING
    return BALANCED if cents == 0 else OVER if cents > 0 else SHORT


def reconcile(
    session: DrawerSession,
    postings: Iterable[Posting],
    business_date: str,
    from_ms: int | None = None,
    until_ms: int | None = None,
) -> Reconciliation:
    """The proof of a session.

    `postings`: rows of its window; those of another business date are listed and counted nowhere.
    from_ms, until_ms: where the window has several sessions on the day, the part of the day that is
    this one's (from_ms <= posted_ms < until_ms).
    """
    mine = [
        tender
        for tender in tenders_of(postings)
        if (from_ms is None or tender.posted_ms >= from_ms)
        and (until_ms is None or tender.posted_ms < until_ms)
    ]
    unknown = [tender for tender in mine if tender.status == "unknown"]
    known = [tender for tender in mine if tender.status != "unknown"]
    tenders = [tender for tender in known if tender.business_date == business_date]
    other_day = [
        tender
        for tender in known
        if tender.business_date != business_date and _while_open(session, tender)
    ]
    boundaries = _boundaries(session)
    intervals = _intervals(session, boundaries, tenders)
    opening, close = session.opening, session.close
    drops_cents = sum(_drop_cents(group) for group in _drops(session, boundaries))
    proof = Reconciliation(
        session=session,
        opening_cents=_opening_cents(opening),
        issued_cents=opening.declared_cents if opening else None,
        drops_cents=drops_cents,
        lines=_lines(session, boundaries, tenders, drops_cents),
        intervals=intervals,
        tenders=tenders,
        other_day=other_day,
        unknown=unknown,
    )
    proof.remarks = sorted(
        [*session.remarks, *_remarks(proof, opening, close)], key=lambda remark: remark.at_ms
    )
    return proof


def _while_open(session: DrawerSession, tender: Tender) -> bool:
    closed_ms = session.closed_ms
    return session.started_ms <= tender.posted_ms and (
        closed_ms is None or tender.posted_ms < closed_ms
    )


def _opening_cents(opening: CountGroup | None) -> int | None:
    """As counted; the issued amount where no machine counted it (the session lists that)."""
    if opening is None:
        return None
    return opening.declared_cents if opening.counted_cents is None else opening.counted_cents


def _drop_cents(group: CountGroup) -> int:
    """As counted; as declared where no machine counted it: the cash has left the drawer all the
    same.
    """
    return (group.declared_cents or 0) if group.counted_cents is None else group.counted_cents


def _drops(
    session: DrawerSession, boundaries: Sequence[tuple[CountGroup, int]]
) -> list[CountGroup]:
    """Drops between the first and the last count of the whole drawer; all of them where there are
    not two.
    """
    if len(boundaries) < 2:
        return session.counts("drop")
    between = session.groups[
        session.groups.index(boundaries[0][0]) : session.groups.index(boundaries[-1][0])
    ]
    return [group for group in between if group.kind == "drop" and not group.replaced]


def _boundaries(session: DrawerSession) -> list[tuple[CountGroup, int]]:
    """(group, cents in the whole drawer) of the counts that bound the intervals; the first one is
    the opening float.
    """
    boundaries: list[tuple[CountGroup, int]] = []
    for group in session.counts(*WHOLE_DRAWER):
        cents = _opening_cents(group) if group.kind == "opening_float" else group.counted_cents
        if cents is not None and (boundaries or group.kind == "opening_float"):
            boundaries.append((group, cents))
    return boundaries


def _intervals(
    session: DrawerSession, boundaries: Sequence[tuple[CountGroup, int]], tenders: Sequence[Tender]
) -> list[Interval]:
    """The first interval takes what was posted before the opening count too, the last one what
    arrived after the close.
    """
    intervals = []
    last = len(boundaries) - 1
    for number in range(1, last + 1):
        (start, start_cents), (end, end_cents) = boundaries[number - 1], boundaries[number]
        inside = tuple(
            tender
            for tender in tenders
            if (number == 1 or tender.posted_ms >= start.started_ms)
            and (number == last or tender.posted_ms < end.started_ms)
        )
        cash = [tender for tender in inside if tender.tender_type == "cash"]
        tendered_cents, change_cents = (
            sum(t.tendered_cents for t in cash),
            sum(t.change_cents for t in cash),
        )
        drops_cents = sum(
            _drop_cents(group) for group in _drops(session, boundaries[number - 1 : number + 1])
        )
        expected_cents = expected_cash_cents(start_cents, tendered_cents, change_cents, drops_cents)
        intervals.append(
            Interval(
                number, start.kind, end.kind, start.started_ms, end.started_ms, start_cents,
                tendered_cents, change_cents,
                drops_cents, expected_cents, end_cents, inside,
            )
        )  # fmt: skip
    return intervals


def _lines(
    session: DrawerSession,
    boundaries: Sequence[tuple[CountGroup, int]],
    tenders: Sequence[Tender],
    drops_cents: int,
) -> list[TenderLine]:
    posted = {
        name: sum(tender.net_cents for tender in tenders if tender.tender_type == name)
        for name in TENDERS
    }
    expected_cash = None
    if boundaries:
        expected_cash = expected_cash_cents(boundaries[0][1], posted["cash"], 0, drops_cents)
    is_closed = len(boundaries) > 1 and boundaries[-1][0].kind == "close"
    counted_cash = boundaries[-1][1] if is_closed else None
    lines = [_line("cash", posted["cash"], expected_cash, counted_cash)]
    checks = session.checks_cents()
    declared = {"check": None if checks is None else sum(checks), "card": session.card_cents}
    for name in TENDERS[1:]:
        counted = declared.get(name)
        if counted is None and posted[name] == 0:
            counted = 0  # nothing posted and nothing declared: there is nothing to prove
        lines.append(_line(name, posted[name], posted[name], counted))
    return lines


def _line(
    name: str, posted_cents: int, expected_cents: int | None, counted_cents: int | None
) -> TenderLine:
    if expected_cents is None or counted_cents is None:
        return TenderLine(name, posted_cents, expected_cents, counted_cents, None)
    return TenderLine(
        name,
        posted_cents,
        expected_cents,
        counted_cents,
        over_short_cents(counted_cents, expected_cents),
    )


def _remarks(
    proof: Reconciliation, opening: CountGroup | None, close: CountGroup | None
) -> list[Remark]:
    remarks = []
    issued, counted = proof.issued_cents, opening.counted_cents if opening else None
    if opening and issued is not None and counted is not None and counted != issued:
        text = (
            f"opening float issued {format_cents(issued)}, counted {format_cents(counted)}; the"
            " counted one is used"
        )
        remarks.append(Remark("opening_float_differs", opening.started_ms, text))
    for tender in proof.tenders:
        remarks += _tender_remarks(tender, opening, close)
    for tender in proof.unknown:
        text = f"{_named(tender)}: nobody knows whether it was posted"
        remarks.append(Remark("unknown_posting", tender.posted_ms, text))
    for tender in proof.other_day:
        text = (
            f"receipt {tender.receipt_no} was taken in this session and belongs to"
            f" {tender.business_date}"
        )
        remarks.append(Remark("other_business_day", tender.posted_ms, text))
    return remarks


def _tender_remarks(
    tender: Tender, opening: CountGroup | None, close: CountGroup | None
) -> list[Remark]:
    """When it was posted, and whether its rows say one thing."""
    found = []
    if close and tender.posted_ms >= close.started_ms:
        found.append(("arrived_after_close", "was posted after the closing count began"))
    elif opening and tender.posted_ms < opening.started_ms:
        found.append(("before_opening", "was posted before the opening float was counted"))
    remarks = [Remark(kind, tender.posted_ms, f"{_named(tender)} {text}") for kind, text in found]
    if not tender.rows_agree:
        text = f"{_named(tender)}: its rows do not repeat one tender"
        remarks.append(Remark("tender_rows_differ", tender.posted_ms, text))
    if tender.allocated_cents != tender.net_cents:
        text = (
            f"{_named(tender)}: allocations sum {format_cents(tender.allocated_cents)}, tender less"
            f" change is {format_cents(tender.net_cents)}"
        )
        remarks.append(Remark("allocations_differ", tender.posted_ms, text))
    return remarks


def _named(tender: Tender) -> str:
    return f"receipt {tender.receipt_no} ({tender.tender_type} {format_cents(tender.face_cents)})"
