"""The stretches between two counts of the whole drawer, what was posted in each, and what each is
over or short. Pure.

A count ends one interval and starts the next; nothing is netted over a count. `posted_at` against
the start of the counts says in which interval a receipt is. A receipt near a count, whose amount is
exactly what both sides of the count lack, goes to the other side, and that is said: two clocks and
two hands do not agree to the second.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.office.drawer import WHOLE_DRAWER, CountGroup, DrawerSession, Remark
from gateway.office.rounding import rounding_of
from gateway.office.tenders import Receipt, Tender

# As near to the start of a count a receipt may be and yet belong to the other side: the sale was
# rung up while the drawer was being counted.
NEAR_COUNT_MS = 120_000


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
    rounding_cents: int  # what cash in nickels brought more than was posted
    expected_cents: int
    counted_cents: int
    tenders: tuple[Tender, ...]  # of every type, by posted_at

    @property
    def over_short_cents(self) -> int:
        """Positive: over. Negative: short."""
        return self.counted_cents - self.expected_cents


@dataclass(frozen=True)
class Placed:
    """The intervals up to the closing count that stands, those after it, what was posted after the
    last count, and what was moved over a count.
    """

    intervals: list[Interval]
    later: list[Interval]
    uncounted: list[Tender]
    remarks: list[Remark]


def expected_cash_cents(
    opening_cents: int, tendered_cents: int, change_cents: int, drops_cents: int
) -> int:
    """What should lie in the drawer. Net of change: leaving it out shows overs that are none."""
    return opening_cents + tendered_cents - change_cents - drops_cents


def opening_cents(opening: CountGroup | None) -> int | None:
    """As counted; the issued amount where no machine counted it (the session lists that)."""
    if opening is None:
        return None
    return opening.declared_cents if opening.counted_cents is None else opening.counted_cents


def float_of(session: DrawerSession) -> int | None:
    """What a session began with, as issued; as counted where no amount was keyed."""
    opening = session.opening
    if opening is None:
        return None
    return opening.counted_cents if opening.declared_cents is None else opening.declared_cents


def boundaries_of(session: DrawerSession) -> list[tuple[CountGroup, int]]:
    """(count, cents in the whole drawer) of the counts that bound the intervals; the first one is
    the opening float.
    """
    found: list[tuple[CountGroup, int]] = []
    for group in session.counts(*WHOLE_DRAWER):
        is_opening = group.kind == "opening_float"
        cents = opening_cents(group) if is_opening else group.counted_cents
        if cents is not None and (found or is_opening):
            found.append((group, cents))
    return found


def place(
    session: DrawerSession,
    tenders: Sequence[Tender],
    offset_ms: int = 0,
    claimed: frozenset[Receipt] = frozenset(),
    cash: str = "none",
) -> Placed:
    """`offset_ms`: how far the posting system's clock is ahead. `claimed`: receipts that are of
    this session by more than their time. `cash`: how it is rounded, see office/rounding.py.
    """
    bounds = boundaries_of(session)
    if len(bounds) < 2:
        closed_ms = session.closed_ms  # there is a closing count, and nothing that it began with
        late = [t for t in tenders if closed_ms is None or t.posted_ms - offset_ms >= closed_ms]
        return Placed([], [], late, [])
    stands = next((n for n, (group, _) in enumerate(bounds) if group is session.close), None)
    shares = _shares(bounds, tenders, offset_ms)
    moved = _moves(session, bounds, shares, offset_ms, claimed, cash)
    made = [_interval(session, bounds, n, shares[n - 1], cash) for n in range(1, len(bounds))]
    cut = len(made) if stands is None else stands
    return Placed(made[:cut], made[cut:], shares[-1], moved)


def _shares(
    bounds: Sequence[tuple[CountGroup, int]], tenders: Sequence[Tender], offset_ms: int
) -> list[list[Tender]]:
    """The tenders of each interval, and last those after the last count. What was posted before
    the opening count is in the first interval.
    """
    shares: list[list[Tender]] = [[] for _ in bounds]
    starts = sorted(group.started_ms for group, _ in bounds[1:])
    for tender in tenders:
        shares[bisect_right(starts, tender.posted_ms - offset_ms)].append(tender)
    return shares


def _interval(
    session: DrawerSession,
    bounds: Sequence[tuple[CountGroup, int]],
    number: int,
    inside: Sequence[Tender],
    cash: str,
) -> Interval:
    (start, start_cents), (end, end_cents) = bounds[number - 1], bounds[number]
    tendered = sum([tender.tendered_cents for tender in inside if tender.tender_type == "cash"])
    change = sum([tender.change_cents for tender in inside])
    drops = sum(drop_cents(group) for group in drops_between(session, start, end))
    rounding = rounding_of(inside, cash)
    expected = expected_cash_cents(start_cents, tendered, change, drops) + rounding
    return Interval(
        number, start.kind, end.kind, start.started_ms, end.started_ms, start_cents, tendered,
        change, drops, rounding, expected, end_cents, tuple(inside),
    )  # fmt: skip


def drop_cents(group: CountGroup) -> int:
    """As counted; as declared where no machine counted it: the cash has left the drawer all the
    same.
    """
    return (group.declared_cents or 0) if group.counted_cents is None else group.counted_cents


def drops_between(session: DrawerSession, start: CountGroup, end: CountGroup) -> list[CountGroup]:
    """The drops between two counts, by their place in the order of the records."""
    first, last = session.groups.index(start), session.groups.index(end)
    return [g for g in session.groups[first:last] if g.kind == "drop" and not g.replaced]


# --- over a count ---------------------------------------------------------------------------------


class _By(NamedTuple):
    """What a receipt is looked at by: see `place`."""

    offset_ms: int
    claimed: frozenset[Receipt]
    cash: str


class _Move(NamedTuple):
    """A receipt that goes over the count that ends interval `end`."""

    tender: Tender
    end: int
    source: int  # in which share it is
    target: int


def _moves(
    session: DrawerSession,
    bounds: Sequence[tuple[CountGroup, int]],
    shares: list[list[Tender]],
    offset_ms: int,
    claimed: frozenset[Receipt],
    cash: str,
) -> list[Remark]:
    """Move receipts over the count that they are next to, where exactly one of them explains what
    both sides lack; in `shares`, and what is to be said of it. Several counts in a row may each
    have one: all of them move or none, and nothing is left over. Behind the last count no money
    shows that a receipt belongs there: what is short stays short.
    """
    lacks = [
        _interval(session, bounds, n, shares[n - 1], cash).over_short_cents
        for n in range(1, len(bounds))
    ]
    said: list[Remark] = []
    by = _By(offset_ms, claimed, cash)
    for n in range(1, len(bounds)):
        for move in _run_of_moves(bounds, shares, lacks, n, by):
            shares[move.source].remove(move.tender)
            shares[move.target].append(move.tender)
            shares[move.target].sort(key=lambda each: each.posted_ms)
            for at in (move.source, move.target):
                if at < len(lacks):
                    made = _interval(session, bounds, at + 1, shares[at], cash)
                    lacks[at] = made.over_short_cents
            said.append(_moved(move, bounds[move.end][0]))
    return said


def _run_of_moves(
    bounds: Sequence[tuple[CountGroup, int]],
    shares: Sequence[Sequence[Tender]],
    lacks: Sequence[int],
    first: int,
    by: _By,
) -> list[_Move]:
    """From this count on, one receipt over each, until no side lacks anything; none where that
    does not come out.
    """
    found: list[_Move] = []
    over = lacks[first - 1]
    for n in range(first, len(bounds)):
        is_last = n == len(bounds) - 1
        if not over or (is_last and over < 0):
            return []
        # over before the count: a receipt after it was in the drawer already; short: not yet
        source, target = (n, n - 1) if over > 0 else (n - 1, n)
        taken = {id(move.tender) for move in found}
        fitting = [
            tender
            for tender in shares[source]
            if id(tender) not in taken and _fits(tender, bounds[n][0], abs(over), is_last, by)
        ]
        if len(fitting) != 1:
            return []
        found.append(_Move(fitting[0], n, source, target))
        over = 0 if is_last else lacks[n] + over
        if not over:
            return found
    return []


def _fits(
    tender: Tender,
    count: CountGroup,
    cents: int,
    is_last: bool,
    by: _By,
) -> bool:
    near = abs(tender.posted_ms - by.offset_ms - count.started_ms) <= NEAR_COUNT_MS
    return (
        tender.tender_type == "cash"
        and tender.net_cents + rounding_of((tender,), by.cash) == cents
        and (near or (is_last and tender.receipt in by.claimed))
    )


def _moved(move: _Move, count: CountGroup) -> Remark:
    side = "before" if move.target < move.source else "after"
    name = count.kind.replace("_", " ")
    text = (
        f"receipt {move.tender.receipt_no} was posted close to the {name} and is counted {side} it:"
        " its amount is exactly what both sides differ by"
    )
    return Remark("moved_over_count", move.tender.posted_ms, text)
