"""One drawer session against what was posted in its custody. Pure; docs/reconciliation.md tells it
with figures.

expected cash = opening float as counted + cash tendered - change - drops + rounding of cash
over_short = counted - expected; + is over

Every tender stands alone and so does every interval between two counts of the whole drawer: nothing
is netted. A receipt that was posted after the closing count is in no expected sum, whatever it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.facts.postings import TENDERS
from gateway.money import format_cents
from gateway.office.drawer import CountGroup, DrawerSession, Remark
from gateway.office.intervals import (
    Interval,
    boundaries_of,
    drop_cents,
    expected_cash_cents,
    opening_cents,
    place,
)
from gateway.office.posting_clock import Offset, clock_of
from gateway.office.rounding import rounding_of
from gateway.office.suspended import suspended_remarks
from gateway.office.tenders import (
    ELSEWHERE,
    RETURNED,
    Receipt,
    Tender,
    fund_totals,
    totals_by_type,
)

BALANCED, OVER, SHORT, PROOF_MISSING = "balanced", "over", "short", "proof missing"
POSTED_ONLY = "posted only"  # nothing lies in a drawer that could be counted
NOT_IN_A_DRAWER = ("ach", "gift_card", "credit")
NO_CLOCK: Mapping[str, Offset] = {}  # nothing is known of any posting system's clock
BOTH = "over and short"  # over in one interval and short in another: nothing is netted


@dataclass(frozen=True)
class TenderLine:
    """The reconciliation line of one tender. None: nobody declared it, which is a missing proof and
    not a shortage.

    `posted_cents`: of this business date; `held_over_cents`: what was taken in this session and
    belongs to another one. Both are expected in the drawer. `parts_cents`: what each interval is
    over or short, where there are several.
    """

    tender_type: str
    posted_cents: int
    held_over_cents: int
    expected_cents: int | None
    counted_cents: int | None
    over_short_cents: int | None
    parts_cents: tuple[int, ...] = ()
    declared_cents: int | None = (
        None  # beside what decides: a card's, where its settlement is there
    )

    @property
    def status(self) -> str:
        """balanced | over | short | over and short | proof missing | posted only"""
        if self.tender_type in NOT_IN_A_DRAWER and self.counted_cents is None:
            return POSTED_ONLY
        return status_of(self.over_short_cents, self.parts_cents)


@dataclass
class Reconciliation:
    """The proof of one drawer session."""

    session: DrawerSession
    business_date: str
    opening_cents: int | None
    issued_cents: int | None  # the float that the cashier says was issued
    drops_cents: int
    lines: list[TenderLine]
    intervals: list[Interval]  # up to the closing count that stands
    later_intervals: list[Interval]  # of a drawer that was closed again
    tenders: list[Tender]  # expected in the drawer, of this business date
    held_over: list[Tender]  # expected in the drawer, of another business date
    after_close: list[Tender]  # posted after the closing count: in no expected sum
    outside: list[Tender]  # in no drawer: returned items, voids without effect
    unknown: list[Tender]  # nobody knows whether the posting system took them: in no sum
    rounding_cents: int = 0  # what cash in nickels brought more than was posted: no over
    clock_offset_ms: int = 0  # how far the posting system's clock is ahead of the window's
    remarks: list[Remark] = field(default_factory=list)

    def line(self, tender_type: str) -> TenderLine:
        """The line of one tender."""
        return next(line for line in self.lines if line.tender_type == tender_type)

    @property
    def in_drawer(self) -> list[Tender]:
        """What lies in the drawer, or came into it after its closing count."""
        return [*self.tenders, *self.held_over, *self.after_close]

    @property
    def every_tender(self) -> list[Tender]:
        """Each tender of its custody, whatever became of it."""
        inside = [*self.tenders, *self.held_over, *self.after_close, *self.unknown]
        return inside + self.outside

    @property
    def returned(self) -> list[Tender]:
        """Items that the bank brought back."""
        return [tender for tender in self.outside if tender.outside == RETURNED]

    @property
    def opening_over_short_cents(self) -> int | None:
        """Float as counted against float as issued: booked by itself, in no other difference."""
        if self.opening_cents is None or self.issued_cents is None:
            return None
        return self.opening_cents - self.issued_cents

    @property
    def funds_cents(self) -> dict[str, int]:
        """{fund: sum of its allocations}, by name."""
        return fund_totals(self.tenders)

    @property
    def status(self) -> str:
        """The worst of its lines; `balanced` only when every line is."""
        found = {line.status for line in self.lines}
        return next(
            (name for name in (PROOF_MISSING, BOTH, SHORT, OVER) if name in found), BALANCED
        )


def over_short_cents(counted_cents: int, expected_cents: int) -> int:
    """Positive: over. Negative: short."""
    return counted_cents - expected_cents


def status_of(cents: int | None, parts_cents: Sequence[int] = ()) -> str:
    """balanced | over | short | over and short | proof missing (None)"""
    if cents is None:
        return PROOF_MISSING
    signs = {part > 0 for part in parts_cents if part}
    if len(signs) > 1:
        return BOTH
    return BALANCED if cents == 0 else OVER if cents > 0 else SHORT


def reconcile(
    session: DrawerSession,
    tenders: Iterable[Tender],
    business_date: str,
    claimed: frozenset[Receipt] = frozenset(),
    float_before_cents: int | None = None,
    cash: str = "none",
    clock: Mapping[str, Offset] = NO_CLOCK,
) -> Reconciliation:
    """The proof of a session.

    `tenders`: those in its custody (gateway/office/custody.py), of any business date. `claimed`:
    receipts of them that are its by more than their time. `float_before_cents`: the float of the
    session before at this window. `cash`: how it is rounded, see gateway/office/rounding.py.
    `clock`: what the day shows of the posting systems' clocks, see gateway/office/posting_clock.py.
    """
    mine = list(tenders)
    unknown = [tender for tender in mine if tender.status == "unknown"]
    outside = [tender for tender in mine if tender.outside]
    inside = [tender for tender in mine if tender.status != "unknown" and not tender.outside]
    offset = clock_of(session, inside, clock)
    placed = place(session, inside, offset.ms, claimed, cash)
    closed = session.close is not None
    late = [t for interval in placed.later for t in interval.tenders]
    late += placed.uncounted if closed else []
    late_ids = {id(tender) for tender in late}
    expected = [tender for tender in inside if id(tender) not in late_ids]
    opening = session.opening
    drops_cents = sum(drop_cents(group) for group in _drops(session))
    rounding_cents = rounding_of(expected, cash)
    proof = Reconciliation(
        session=session,
        business_date=business_date,
        opening_cents=opening_cents(opening),
        issued_cents=opening.declared_cents if opening else None,
        drops_cents=drops_cents,
        lines=_lines(
            session, placed.intervals, expected, drops_cents - rounding_cents, business_date
        ),
        intervals=placed.intervals,
        later_intervals=placed.later,
        tenders=[tender for tender in expected if tender.business_date == business_date],
        held_over=[tender for tender in expected if tender.business_date != business_date],
        after_close=sorted(late, key=lambda tender: tender.posted_ms),
        outside=outside,
        unknown=unknown,
        rounding_cents=rounding_cents,
        clock_offset_ms=offset.ms,
    )
    found = [*session.remarks, *placed.remarks, *_remarks(proof, opening, float_before_cents)]
    if offset.ms:
        found.append(_clock_remark(session, offset))
    proof.remarks = sorted(found, key=lambda remark: remark.at_ms)
    return proof


def _drops(session: DrawerSession) -> list[CountGroup]:
    """Drops between the first and the standing last count of the whole drawer; all of them where
    there are not two.
    """
    bounds = [group for group, _ in boundaries_of(session)]
    drops = session.counts("drop")
    if len(bounds) < 2:
        return drops
    place_of = session.groups.index
    last = session.close if session.close in bounds else bounds[-1]
    assert last is not None
    return [drop for drop in drops if place_of(bounds[0]) < place_of(drop) < place_of(last)]


def _lines(
    session: DrawerSession,
    intervals: Sequence[Interval],
    tenders: Sequence[Tender],
    left_cents: int,
    business_date: str,
) -> list[TenderLine]:
    """`left_cents`: cash that left the drawer by drops, less what roundings brought."""
    posted = totals_by_type(each for each in tenders if each.business_date == business_date)
    held = totals_by_type(each for each in tenders if each.business_date != business_date)
    bounds = boundaries_of(session)
    expected_cash = None
    if bounds:
        taken = posted["cash"] + held["cash"]
        expected_cash = expected_cash_cents(bounds[0][1], taken, 0, left_cents)
    is_closed = bool(intervals) and intervals[-1].to_kind == "close"
    counted_cash = intervals[-1].counted_cents if is_closed else None
    parts = tuple(interval.over_short_cents for interval in intervals)
    lines = [
        _line("cash", posted["cash"], held["cash"], expected_cash, counted_cash, parts),
    ]
    checks = session.checks_cents()
    declared = {**session.declared_cents}
    if checks is not None:
        declared["check"] = sum(checks)
    if "check" in session.by_hand:
        declared["check"] = session.by_hand["check"].cents
    for name in TENDERS[1:]:
        counted, expected = declared.get(name), posted[name] + held[name]
        if counted is None and not expected:
            counted = 0  # nothing lies there and nothing was declared: there is nothing to prove
        lines.append(_line(name, posted[name], held[name], expected, counted))
    return lines


def _line(
    name: str,
    posted_cents: int,
    held_cents: int,
    expected_cents: int | None,
    counted_cents: int | None,
    parts: tuple[int, ...] = (),
) -> TenderLine:
    difference = 0 if name in NOT_IN_A_DRAWER else None
    if expected_cents is not None and counted_cents is not None:
        difference = over_short_cents(counted_cents, expected_cents)
    return TenderLine(
        name, posted_cents, held_cents, expected_cents, counted_cents, difference, parts
    )


# --- what a person should look at -----------------------------------------------------------------
# What a rule of the office finds is no remark: gateway/office/policy.py.


def _remarks(
    proof: Reconciliation, opening: CountGroup | None, float_before_cents: int | None
) -> list[Remark]:
    remarks = list(_opening_remarks(proof, opening, float_before_cents))
    everything = [*proof.tenders, *proof.held_over, *proof.after_close]
    for tender in everything:
        remarks += _tender_remarks(tender)
    for tender in proof.after_close:
        text = f"{_named(tender)} was posted after the closing count began: in no expected sum"
        remarks.append(Remark("arrived_after_close", tender.posted_ms, text))
    for tender in proof.unknown:
        text = f"{_named(tender)}: nobody knows whether it was posted"
        remarks.append(Remark("unknown_posting", tender.posted_ms, text))
    for tender in proof.held_over:
        text = (
            f"{_named(tender)} lies in this drawer and belongs to the deposit of"
            f" {tender.business_date}"
        )
        remarks.append(Remark("other_business_day", tender.posted_ms, text))
    for tender in proof.returned:
        text = (
            f"{_named(tender)} takes back {tender.void_of} of an earlier day: a returned item, in"
            " no drawer"
        )
        remarks.append(Remark("returned_item", tender.posted_ms, text))
    remarks += suspended_remarks(proof.session, everything, proof.clock_offset_ms)
    for tender in proof.outside:
        if tender.outside == ELSEWHERE:
            text = (
                f"{_named(tender)} takes back {tender.void_of}, which lies in another drawer: it is"
                " in no expected sum here, and goes to no bank"
            )
            remarks.append(Remark("void_of_other_drawer", tender.posted_ms, text))
    return remarks


def _opening_remarks(
    proof: Reconciliation, opening: CountGroup | None, float_before_cents: int | None
) -> Iterable[Remark]:
    if opening is None:
        return
    difference = proof.opening_over_short_cents
    if difference:
        text = (
            f"opening float issued {format_cents(proof.issued_cents or 0)}, counted"
            f" {format_cents(proof.opening_cents or 0)}; the counted one is used, the difference is"
            " a line of its own"
        )
        yield Remark("opening_float_differs", opening.started_ms, text)
    counted = proof.opening_cents
    known = proof.issued_cents is None and None not in (counted, float_before_cents)
    if known and counted != float_before_cents:
        text = (
            f"overnight difference: the float of the session before was"
            f" {format_cents(float_before_cents or 0)}, this opening counted"
            f" {format_cents(counted or 0)}"
        )
        yield Remark("overnight_difference", opening.started_ms, text)


def _tender_remarks(tender: Tender) -> list[Remark]:
    """Whether its rows say one thing."""
    remarks = []
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


def _clock_remark(session: DrawerSession, offset: Offset) -> Remark:
    way = "ahead of" if offset.ms > 0 else "behind"
    seconds = abs(offset.ms) // 1000
    whose = "of all drawers of the day " if offset.of_the_day else ""
    text = (
        f"the posting system's clock is about {seconds // 60}:{seconds % 60:02d} minutes {way} the"
        f" window's: {offset.matched} of {offset.receipts} cash receipts {whose}follow a drawer"
        " opening by that much; counts and receipts are compared with it taken away"
    )
    return Remark("clock_offset", session.started_ms, text)


def _named(tender: Tender) -> str:
    return f"receipt {tender.receipt_no} ({tender.tender_type} {format_cents(tender.face_cents)})"
