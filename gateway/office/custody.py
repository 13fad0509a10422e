"""Which drawer session a posted tender belongs to: whose drawer held the money. Pure.

By the cashiering system's session where that names one drawer session, else by the cashier who
posted it, else by time. Custody decides the drawer; the business date decides the deposit, and is
not asked here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from gateway.office.drawer import DrawerSession
from gateway.office.tenders import ELSEWHERE, PAPER, Receipt, Tender

# Of the tenders of one session_id so many percent lie in one drawer session by their time: then the
# id means that session. An export that gives all sessions one id means nothing by it.
SESSION_ID_PERCENT_MIN = 80


@dataclass
class Custody:
    """The tenders of each session, in the order of the sessions, and those of no session.

    `moved`: receipts that are with another session than their time alone would say.
    """

    held: list[list[Tender]]
    loose: list[Tender] = field(default_factory=list)
    moved: set[Receipt] = field(default_factory=set)


def custody_of(
    sessions: Sequence[DrawerSession],
    tenders: Iterable[Tender],
    date_of: Callable[[int], str],
) -> Custody:
    """`sessions` of one window in their order, tenders of that window; `date_of`: the office's
    calendar date of a time in Unix milliseconds.
    """
    every = list(tenders)
    found = Custody([[] for _ in sessions])
    spans = [
        _Span(each.started_ms, each.closed_ms, date_of(each.started_ms), date_of(each.ended_ms))
        for each in sessions
    ]
    # in the order of the records; a board without the time yet may say an earlier one
    starts = list(accumulate((span.started_ms for span in spans), max))
    by_time = [_by_time(spans, starts, tender, date_of) for tender in every]
    named = _session_ids(every, by_time)
    told_apart = set(named.values())
    for tender, at in zip(every, by_time, strict=True):
        index = named.get((tender.source_system, tender.session_id))
        if index is None or (at not in told_apart and _is_theirs(sessions, tender, at)):
            index = _by_cashier(sessions, tender, at, date_of)
        if index is None:
            found.loose.append(tender)
            continue
        found.held[index].append(tender)
        if index != at:
            found.moved.add(tender.receipt)
    found.held = [_own_paper(held, every) for held in found.held]
    return found


def _own_paper(held: Sequence[Tender], every: Iterable[Tender]) -> list[Tender]:
    """What takes back a check that another drawer holds changes nothing in this one: no check of
    it lies here. (Cash is handed back out of the drawer at hand, whoever took it.)
    """
    if not any(_takes_paper_back(tender) for tender in held):
        return list(held)
    here = {tender.receipt for tender in held if not tender.is_void}
    others = {tender.receipt for tender in every if not tender.is_void} - here
    return [
        tender._replace(outside=ELSEWHERE)
        if _takes_paper_back(tender) and tender.target in others
        else tender
        for tender in held
    ]


def _takes_paper_back(tender: Tender) -> bool:
    is_paper = tender.is_void and tender.tender_type in PAPER
    return is_paper and tender.net_cents < 0 and not tender.outside


class _Span(NamedTuple):
    """When a session ran, and on which dates of the office's calendar."""

    started_ms: int
    closed_ms: int | None
    first_date: str
    last_date: str


def _by_time(
    spans: Sequence[_Span], starts: Sequence[int], tender: Tender, date_of: Callable[[int], str]
) -> int | None:
    """The session that ran then. What was posted before the first session of a day, or after a
    session had ended, belongs to the nearest one of that day, or of its business date.
    """
    at_ms = tender.posted_ms
    running = bisect_right(starts, at_ms) - 1
    if running >= 0:
        closed_ms = spans[running].closed_ms
        if closed_ms is None or at_ms < closed_ms:
            return running
    today = date_of(at_ms)
    if running >= 0 and spans[running].last_date == today:
        return running
    if running + 1 < len(spans) and spans[running + 1].first_date == today:
        return running + 1
    if running >= 0 and spans[running].first_date == tender.business_date:
        return running
    return None


def _is_theirs(sessions: Sequence[DrawerSession], tender: Tender, at: int | None) -> bool:
    """Whether the session that ran is that of the cashier who posted it."""
    number = cashier_number(tender)
    return (
        at is not None
        and number is not None
        and number in (sessions[at].cashier, sessions[at].holder_at(tender.posted_ms))
    )


def _session_ids(
    tenders: Sequence[Tender], by_time: Sequence[int | None]
) -> dict[tuple[str, str], int]:
    """{(source_system, session_id): session} of the ids that mean one drawer session. `by_time`:
    of each tender, the session that its time alone says.
    """
    seen = Counter(
        (tender.source_system, tender.session_id, tender.cashier_id, at)
        for tender, at in zip(tenders, by_time, strict=True)
    )
    votes: dict[tuple[str, str], Counter[int]] = {}
    cashiers: dict[tuple[str, str], set[str]] = {}
    for (source, session_id, cashier, at), count in seen.items():
        if session_id and at is not None:
            votes.setdefault((source, session_id), Counter())[at] += count
            cashiers.setdefault((source, session_id), set()).add(cashier)
    found = {}
    for key, counter in votes.items():
        (index, most), *_ = counter.most_common(1)
        if len(cashiers[key]) == 1 and most * 100 >= counter.total() * SESSION_ID_PERCENT_MIN:
            found[key] = index
    return found


def _by_cashier(
    sessions: Sequence[DrawerSession],
    tender: Tender,
    at: int | None,
    date_of: Callable[[int], str],
) -> int | None:
    """The session of the cashier who posted it, where exactly one of that day is theirs; else the
    one that ran.
    """
    number = cashier_number(tender)
    if number is None or _is_theirs(sessions, tender, at):
        return at
    if at is not None and sessions[at].cashier is None:
        return at
    today = date_of(tender.posted_ms)
    theirs = [
        n
        for n, session in enumerate(sessions)
        if session.cashier == number
        and today in (date_of(session.started_ms), date_of(session.ended_ms))
    ]
    return theirs[0] if len(theirs) == 1 else at


def cashier_number(tender: Tender) -> int | None:
    """The number that the cashier keys on the pad; None for a name, which no pad can say."""
    return _number(tender.cashier_id)


@lru_cache(maxsize=1_024)
def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
