"""Decisions of people among the records of a drawer session: when each takes effect, and what it
does. Pure.

Records have an order of their own (epoch, seq); a decision has a time, and never one before the
records that were on the table when it was made. It stands before the first record of its session
that is later, and after those that are not; among decisions the order is that in which they were
made. A decision that the state machine does not take there is told, and changes
nothing.

suspend, resume    from then on nothing is expected to happen at the drawer; and again something
surprise           the whole drawer is counted now, by who decided it
end                no payment is taken any more
declare            the total of a tender, in place of what was keyed or run on the tape before
recount            the whole drawer was counted by hand, in place of the count before
stands             which closing count stands; the others are listed
reopen             the session can be counted and declared again; what was found before is kept
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from gateway.facts.decisions import Decision
from gateway.money import format_cents
from gateway.office.drawer import (
    SURPRISE,
    WHOLE_DRAWER,
    CountGroup,
    Declared,
    DrawerSession,
    HandOver,
)
from gateway.office.states import SETTLED

# What a person decides, and the steps after a count that the close will make of decisions.
COUNTING = (SURPRISE, "recount")
DECIDED = (
    *COUNTING, "suspend", "resume", "end", "declare", "stands", "reopen",
    "balance", "differ", "review", "approve", "reject", "finish", "deposit", "credit",
)  # fmt: skip
# Tenders that lie in the drawer and are no cash, or that the card terminal has: cash is counted.
DECLARABLE = ("check", "card", "money_order", "other")
# Counts of who gave and who took an open drawer are so near to the hand-over. Assumed.
HAND_OVER_MS = 1_800_000


class Waiting:
    """The decisions on a device's sessions, until their place among the records is reached."""

    def __init__(self, decisions: Iterable[Decision]) -> None:
        self._by_key: dict[tuple[int, int], list[Decision]] = {}
        for each in sorted(decisions, key=lambda decision: decision.id):
            self._by_key.setdefault((each.epoch, each.first_seq), []).append(each)
        self._due: list[tuple[int, Decision]] = []  # (takes effect, decision) on this session

    def found(self, epoch: int, seq: int) -> None:
        """The session that runs now holds this record: the decisions that name it are its."""
        if self._by_key:
            theirs = self._by_key.pop((epoch, seq), [])
            # a clock may have been set; a board's may be ahead of who decided after its records
            seen = (max(each.at_ms, each.told.get("after_ms", 0)) for each in theirs)
            times = accumulate(seen, max)
            self._due += zip(times, theirs, strict=True)

    def pop_before(self, at_ms: int | None) -> Iterator[Decision]:
        """Those on this session that took effect before a time, or all that are left."""
        while self._due and (at_ms is None or self._due[0][0] < at_ms):
            yield self._due.pop(0)[1]


def take_effect(session: DrawerSession, decision: Decision) -> CountGroup | None:
    """What a decision does that the state machine has taken; the count that it opens for the
    machines, if it does.
    """
    told = decision.told
    if decision.kind == SURPRISE:
        group = _counted(decision, CountGroup(SURPRISE, decision.at_ms, None))
        session.groups.append(group)
        return None if "cents" in told else group
    if decision.kind == "recount":
        before = _whole_drawer(session)
        _set_aside_reopened(session)
        if before is not None:
            again = CountGroup(before.kind, decision.at_ms, before.declared_cents, is_recount=True)
            again.replaces = before
            session.groups.append(_counted(decision, again))
    elif decision.kind == "declare":
        _declare(session, decision)
    elif decision.kind == "stands":
        if any(g.kind == "close" and g.ref == told["count"] for g in session.groups):
            set_aside(session, stands=told["count"])
        else:
            text = f"decided by {decision.who}: {told['count']} stands, which is no closing count"
            session.note("decision_refused", decision.at_ms, text)
    elif decision.kind == "reopen":
        session.reopenings.append(decision)
        session.to_be_counted = True
    return None


def _counted(decision: Decision, group: CountGroup) -> CountGroup:
    group.ref, group.by = f"decision/{decision.id}", decision.who
    group.hand_cents = decision.told.get("cents")
    return group


def _whole_drawer(session: DrawerSession) -> CountGroup | None:
    """The last closing count that nobody has set aside; in mid-shift the last count of the whole
    drawer.
    """
    standing = [g for g in session.groups if g.kind in WHOLE_DRAWER and not g.replaced]
    closing = [group for group in standing if group.kind == "close"]
    return next(reversed(closing or standing), None)


def _declare(session: DrawerSession, decision: Decision) -> None:
    told = decision.told
    tender, cents = told["tender"], told["cents"]
    before = session.by_hand.get(tender)
    was = before.cents if before else session.declared_cents.get(tender)
    if was is None and tender == "check" and (checks := session.checks_cents()) is not None:
        was = sum(checks)
    made = Declared(tender, decision.at_ms, cents, decision.who, decision.reason)
    session.by_hand[tender] = made
    session.declarations.append(made)
    if tender != "check":
        session.declared_cents[tender] = session.last_declared[tender] = cents
    name = tender.replace("_", " ")
    text = f"{name} declared {format_cents(cents)} by hand, by {decision.who}"
    text += "" if was is None else f"; before: {format_cents(was)}"
    session.note("declared_by_hand", decision.at_ms, text)


def set_aside(session: DrawerSession, stands: str = "") -> None:
    """The closing counts so far no longer stand, but for the one that is named, and what was
    counted in its place.
    """
    kept = next((g for g in session.groups if g.ref == stands), None) if stands else None
    root = None if kept is None else kept.chain()[0]
    for group in session.groups:
        if group.kind == "close" and group.chain()[0] is not root:
            group.replaced = True


def _set_aside_reopened(session: DrawerSession) -> None:
    """The first count after a reopening stands alone, whatever was declared in between."""
    if session.to_be_counted:
        set_aside(session)
        session.to_be_counted = False


def begin_count(session: DrawerSession, group: CountGroup) -> None:
    """What a count at the pad means after decisions. Before its step in the state machine."""
    name = group.kind.replace("_", " ")
    if session.state in SETTLED:
        group.replaced = True
        text = f"{name} after the session was closed or given for review: listed, in no sum"
        session.note("count_after_review", group.started_ms, text)
    elif group.kind == "close":
        _set_aside_reopened(session)
    if session.is_suspended_at(group.started_ms):
        text = f"{name} while the session was suspended"
        session.note("count_while_suspended", group.started_ms, text)
    if session.hand_overs and session.groups:
        given = session.hand_overs[-1]
        is_next = given.took is None and session.groups[-1].started_ms <= given.at_ms
        if is_next and _is_hand_over_count(group, group.started_ms - given.at_ms):
            given.took = group


def hand_over(session: DrawerSession, at_ms: int, ref: str, to: int) -> None:
    """Somebody else signed on in an open session."""
    holder = session.last_holder
    assert holder is not None
    last = session.groups[-1]
    gave = last if _is_hand_over_count(last, at_ms - last.started_ms) else None
    session.hand_overs.append(HandOver(at_ms, ref, holder, to, gave))


def _is_hand_over_count(group: CountGroup, apart_ms: int) -> bool:
    is_whole = group.kind in ("checkpoint", SURPRISE) and not group.replaced
    return is_whole and 0 <= apart_ms <= HAND_OVER_MS


def check_decided(session: DrawerSession) -> None:
    """Note what only the end shows: a drawer that was open while nothing was expected to happen."""
    opened = [each for each in session.openings if session.is_suspended_at(each.opened_ms)]
    if opened:
        count = f"{len(opened)} drawer opening{'s' * (len(opened) != 1)}"
        text = f"{count} while the session was suspended"
        session.note("opened_while_suspended", opened[0].opened_ms, text)
