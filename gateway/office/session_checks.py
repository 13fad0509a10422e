"""What only the end of a session's records shows: which counts stand, how often somebody counted,
whether tapes are finished. Pure.
"""

from __future__ import annotations

from gateway.money import format_cents
from gateway.office.decided import check_decided
from gateway.office.drawer import (
    BY_HAND,
    COUNTS,
    CheckTape,
    CountGroup,
    DrawerSession,
    Rows,
    Tally,
)


def check_session(session: DrawerSession) -> None:
    """Note what a person should look at, and which counts and tapes are replaced."""
    _apply_recounts(session)
    _check_tapes(session)
    check_decided(session)
    if session.groups and session.close is None:
        session.note("never_closed", session.groups[-1].started_ms, "no closing count")
    for group in session.counts(*COUNTS):
        _check_count(session, group)
    again = session.counts("close")[1:]
    for group in again:
        text = "closed again; the first closing count stands until a supervisor says otherwise"
        session.note("closed_again", group.started_ms, text)
    session.remarks.sort(key=lambda remark: remark.at_ms)


def note_running_sum(
    session: DrawerSession, tally: Tally, printed: Rows, known: Rows | None
) -> None:
    """The first report of a count by a machine that adds up: what its sum held before is told, and
    is not of this count. `known`: what it printed last; None: nothing is on record.
    """
    total, held = (sum(value * pieces for value, pieces in rows) for rows in (printed, known or ()))
    said = f"{tally.instrument} adds up and printed {format_cents(total)}"
    if known is None:
        text = f"{said}; nothing of it before is on record, so all of it is counted"
        session.note("running_sum_unknown", tally.at_ms, text)
    elif held and tally.rows == printed:
        text = (
            f"{said} and lacks what it held before ({format_cents(held)}): it was cleared, and all"
            " of it is counted"
        )
        session.note("running_sum_cleared", tally.at_ms, text)
    elif held:
        tally.held_cents = held
        text = (
            f"{said}, {format_cents(held)} of it before this count:"
            f" {format_cents(tally.total_cents)} counted"
        )
        session.note("running_sum_held", tally.at_ms, text)


def _check_count(session: DrawerSession, group: CountGroup) -> None:
    """Whether somebody counted, how often, and whether machine and keyed amount agree. What is odd
    about a float or a drop, rules R02 and R13 find.
    """
    name, machine_cents = group.kind.replace("_", " "), group.machine_cents
    if group.counted_cents is None and group.kind in BY_HAND:
        text = f"{name} without a machine count"
        session.note(f"{group.kind}_without_count", group.started_ms, text)
    elif group.source == "by hand":
        who = f" by {group.by}" if group.by else ""
        cents = format_cents(group.counted_cents or 0)
        text = f"{name} of {cents} counted by hand{who}, by no machine"
        session.note(f"{group.kind}_by_hand", group.started_ms, text)
    elif group.declared_cents not in (None, machine_cents) and group.kind in BY_HAND:
        text = (
            f"{name} keyed {format_cents(group.declared_cents or 0)}, counted"
            f" {format_cents(machine_cents or 0)}"
        )
        session.note("keyed_differs", group.started_ms, text)
    attempts = session.attempts(group)
    counted = [each for each in attempts if each.counted_cents is not None]
    if len(counted) > 1:
        told = ", ".join(format_cents(each.counted_cents or 0) for each in counted)
        text = f"{name} counted {len(counted)} times: {told}; the last one is used"
        session.note("counted_again", group.started_ms, text)


def _check_tapes(session: DrawerSession) -> None:
    """A tape that says what the one before says is the same checks once more."""
    before: CheckTape | None = None
    for tape in session.tapes:
        if before and not before.replaced and tape.lines_cents and tape.repeats(before):
            before.replaced = True
            text = "the check tape repeats the one before, which is in no sum"
            session.note("check_tape_again", tape.started_ms, text)
        before = tape
        if tape.declared_cents is None:
            session.note("check_tape_no_total", tape.started_ms, "check tape without a total")
        if tape.late_cents:
            told = ", ".join(map(format_cents, tape.late_cents))
            text = f"check tape: lines after its total, in no sum: {told}"
            session.note("check_tape_late_lines", tape.started_ms, text)


def _apply_recounts(session: DrawerSession) -> None:
    """A recount with a count in it replaces the group before it; an empty one replaces nothing."""
    for group in session.groups:
        if not group.is_recount or group.replaced:
            continue
        if group.counted_cents is None:
            group.replaced = True
            session.note(
                "recount_without_count",
                group.started_ms,
                "recount without a machine count; the count before it stands",
            )
            continue
        for earlier in group.chain()[:-1]:
            earlier.replaced = True
