"""Candidate causes that lie in how the cash was counted: a stack that ran twice, a machine that
adds up and was cleared, pieces that it gave back. Pure.

Each fits to the cent or is not offered, and none is decisive: a bank's straps are alike, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gateway.explain.causes import POSSIBLE, Cause, Clock
from gateway.money import format_cents
from gateway.office.drawer import CountGroup, DrawerSession, Tally
from gateway.office.intervals import Interval, drops_between

PIECES_MAX = 5  # so many rejected pieces, and more would fit to any amount
VALUES_CENTS = (1, 5, 10, 25, 50, 100, 200, 500, 1000, 2000, 5000, 10000)  # US coins and notes
# docs/records.md; what is fit was accepted
QUALITIES = {2: "unfit", 3: "suspect", 4: "counterfeit", 5: "inked", 6: "unrecognized"}


def counting_causes(
    session: DrawerSession, interval: Interval, cents: int, clock: Clock
) -> list[Cause]:
    """What fits an over or short of an interval: a count at its end that is too high makes an over,
    one at its start a short, a drop an over.
    """
    start, end = (_bound(session, interval, is_end) for is_end in (False, True))
    if start is None or end is None:
        return []
    high = [end, *drops_between(session, start, end)] if cents > 0 else [start]
    low = start if cents > 0 else end
    found = [*_counted_twice(high, abs(cents), clock)]
    found += [*_cleared(low, abs(cents), clock), *_given_back(low, abs(cents), clock)]
    return found


def _bound(session: DrawerSession, interval: Interval, is_end: bool) -> CountGroup | None:
    """The count at one end of an interval."""
    kind, at_ms = (
        (interval.to_kind, interval.to_ms) if is_end else (interval.from_kind, interval.from_ms)
    )
    return next((g for g in session.counts(kind) if g.started_ms == at_ms), None)


def _counting(group: CountGroup) -> list[Tally]:
    return [tally for tally in group.tallies if not tally.out]


def _counted_twice(groups: Iterable[CountGroup], cents: int, clock: Clock) -> Iterator[Cause]:
    """A batch, or several, with the same pieces as another one of the same count."""
    for group in groups:
        seen: list[Tally] = []
        again: list[tuple[Tally, Tally]] = []
        for tally in _counting(group):
            twin = next((t for t in seen if sorted(t.rows) == sorted(tally.rows)), None)
            if twin is None:
                seen.append(tally)
            else:
                seen.remove(twin)
                again.append((twin, tally))
        for pairs in (*([pair] for pair in again), *([again] if len(again) > 1 else [])):
            if sum(second.total_cents for _, second in pairs) == cents:
                yield _twice(group, pairs, cents, clock)
                return


def _twice(
    group: CountGroup, pairs: Sequence[tuple[Tally, Tally]], cents: int, clock: Clock
) -> Cause:
    evidence = [
        f"{one.instrument} batch {one.batch_id} at {clock(one.at_ms)} and {other.instrument} batch"
        f" {other.batch_id} at {clock(other.at_ms)} have the same pieces,"
        f" {format_cents(other.total_cents)} each"
        for one, other in pairs
    ]
    name = group.kind.replace("_", " ")
    title = f"A stack of {format_cents(cents)} counted twice in the {name}"
    check = "Count the drawer again, each stack once"
    return Cause("counted_twice", POSSIBLE, title, tuple(evidence[:3]), check)


def _cleared(group: CountGroup, cents: int, clock: Clock) -> Iterator[Cause]:
    """The running sum of a machine held exactly so much before this count. If somebody cleared it
    in between, so much more was counted.
    """
    for tally in _counting(group):
        if tally.held_cents and tally.held_cents == cents:
            amount = format_cents(cents)
            title = f"{tally.instrument} was cleared before the {group.kind.replace('_', ' ')}"
            evidence = (
                f"batch {tally.batch_id} at {clock(tally.at_ms)}: its sum held {amount} before"
                " this count, and only what it grew by is counted"
            )
            check = f"Was {tally.instrument} set to 0 before this count? Count the drawer again"
            yield Cause("machine_cleared", POSSIBLE, title, (evidence,), check)
            return


def _given_back(group: CountGroup, cents: int, clock: Clock) -> Iterator[Cause]:
    """Pieces that a machine did not take, and that can make this amount."""
    said = [
        (tally, [(QUALITIES[q], n) for q, n in tally.rejects if q in QUALITIES and n])
        for tally in _counting(group)
    ]
    pieces = sum(n for _, rejects in said for _, n in rejects)
    if not 0 < pieces <= PIECES_MAX or not any(
        _makes(cents, count) for count in range(1, pieces + 1)
    ):
        return
    evidence = tuple(
        f"{tally.instrument} batch {tally.batch_id} at {clock(tally.at_ms)} gave back"
        f" {', '.join(f'{n} {quality}' for quality, n in rejects)}, in no total"
        for tally, rejects in said
        if rejects
    )
    what = "piece" if pieces == 1 else "pieces"
    title = f"{format_cents(cents)} in the {pieces} {what} that the machine gave back"
    check = (
        "Look for what the machine gave back; a suspect note goes into custody, not into a drawer"
    )
    yield Cause("given_back", POSSIBLE, title, evidence[:3], check)


def _makes(cents: int, pieces: int, values: Sequence[int] = VALUES_CENTS) -> bool:
    """Whether so many coins or notes can be this amount."""
    if pieces == 1:
        return cents in values
    return any(_makes(cents - value, pieces - 1, values) for value in values if value < cents)
