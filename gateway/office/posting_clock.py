"""How far the posting system's clock is ahead of the windows': cash receipts against drawer
openings, of one session, or of a whole day where a session has too few of them. Pure.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low
from typing import NamedTuple

from gateway.office.drawer import DrawerSession
from gateway.office.tenders import Tender

# So many receipts at least, of so many percent, and no nearer to
# no offset at all than half of them.
OFFSET_MATCHES_MIN = 6
OFFSET_PERCENT_MIN = 60
OFFSET_MIN_MS = 45_000
OFFSET_MAX_MS = 900_000
_OFFSET_WIDTH_MS = 20_000  # so far apart two receipts of one offset may be


class Offset(NamedTuple):
    """By so much the clock is ahead, as `matched` of `receipts` say; 0 where they do not say it
    clearly.
    """

    ms: int
    matched: int
    receipts: int
    of_the_day: bool = False  # other sessions of the day show it, not the session's own


class Evidence(NamedTuple):
    """Times of the cash receipts of a session and of its drawer openings, in Unix milliseconds."""

    receipts: list[int]
    opened: list[int]  # ascending


def evidence_of(session: DrawerSession, tenders: Iterable[Tender]) -> Evidence:
    """Of a session; what was taken back was not handed over then."""
    times = [t.posted_ms for t in tenders if t.tender_type == "cash" and not t.is_void]
    return Evidence(times, sorted(opening.opened_ms for opening in session.openings))


def offset_by(evidence: Sequence[Evidence]) -> Offset:
    """What receipts and openings of these sessions show together: each receipt is compared with
    the openings of its own drawer.
    """
    receipts = sum(len(each.receipts) for each in evidence)
    opened = sum(len(each.opened) for each in evidence)
    if min(receipts, opened) < OFFSET_MATCHES_MIN:
        return Offset(0, 0, receipts)
    at_nought = _matching(evidence, 0)
    if at_nought * 100 > receipts * OFFSET_PERCENT_MIN:
        return Offset(0, at_nought, receipts)
    apart = [distances for each in evidence for distances in _apart(each)]
    votes = Counter(step for each in apart for step in {ms // _OFFSET_WIDTH_MS for ms in each})
    if not votes:
        return Offset(0, 0, receipts)
    step = max(votes, key=lambda at: (votes[at] + votes[at + 1], -abs(at)))
    middle_ms = (step + 1) * _OFFSET_WIDTH_MS
    around = [ms for each in apart for ms in each if abs(ms - middle_ms) <= _OFFSET_WIDTH_MS]
    offset_ms = int(median_low(around))
    matched = _matching(evidence, offset_ms)
    is_clear = (
        matched >= OFFSET_MATCHES_MIN
        and matched * 100 >= receipts * OFFSET_PERCENT_MIN
        and at_nought * 2 <= matched
        and abs(offset_ms) >= OFFSET_MIN_MS
    )
    return Offset(offset_ms if is_clear else 0, matched, receipts)


def clock_of(
    session: DrawerSession, tenders: Sequence[Tender], of_the_day: Mapping[str, Offset]
) -> Offset:
    """What the session itself shows; where it shows nothing, what the day shows for the system
    that posted most of its receipts, unless its own receipts speak against it.
    """
    evidence = evidence_of(session, tenders)
    own = offset_by([evidence])
    if own.ms or not of_the_day or not tenders:
        return own
    ((source, _),) = Counter(tender.source_system for tender in tenders).most_common(1)
    shown = of_the_day.get(source, own)
    if not shown.ms or _matching([evidence], 0) > _matching([evidence], shown.ms):
        return own
    return shown._replace(of_the_day=True)


def office_clock(
    sessions: Iterable[tuple[DrawerSession, Sequence[Tender]]],
) -> dict[str, Offset]:
    """{source_system: by how much its clock is ahead} of those whose receipts of a day show it."""
    found: dict[str, list[Evidence]] = {}
    for session, tenders in sessions:
        by_source: dict[str, list[Tender]] = {}
        for tender in tenders:
            by_source.setdefault(tender.source_system, []).append(tender)
        for source, theirs in by_source.items():
            found.setdefault(source, []).append(evidence_of(session, theirs))
    offsets = {source: offset_by(evidence) for source, evidence in found.items()}
    return {source: offset for source, offset in offsets.items() if offset.ms}


def _apart(evidence: Evidence) -> list[list[int]]:
    """Of each receipt, how far it is from each opening in reach."""
    opened = evidence.opened
    return [
        [
            at_ms - opened_ms
            for opened_ms in opened[
                bisect_left(opened, at_ms - OFFSET_MAX_MS) : bisect_right(
                    opened, at_ms + OFFSET_MAX_MS
                )
            ]
        ]
        for at_ms in evidence.receipts
    ]


def _matching(evidence: Iterable[Evidence], offset_ms: int) -> int:
    """How many receipts have an opening that far away."""
    return sum(
        _is_open_near(each.opened, at_ms - offset_ms)
        for each in evidence
        for at_ms in each.receipts
    )


def _is_open_near(opened: Sequence[int], at_ms: int) -> bool:
    place = bisect_left(opened, at_ms - _OFFSET_WIDTH_MS)
    return place < len(opened) and opened[place] <= at_ms + _OFFSET_WIDTH_MS
