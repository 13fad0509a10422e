"""Within one count: what is summed and what not, and what a machine's running sum grew by. Pure."""

from __future__ import annotations

from gateway.money import format_cents
from gateway.office.drawer import CountGroup, DrawerSession, Rows, Tally
from protocol.records import FLAG_REPRINT, FLAG_SUB_BATCH


def add_tally(group: CountGroup, tally: Tally) -> None:
    """Append the tally; mark what must not be summed twice."""
    for earlier in group.tallies:
        same = (
            tally.batch_id
            and tally.digest
            and (earlier.instrument, earlier.batch_id) == (tally.instrument, tally.batch_id)
        )
        if same and earlier.digest == tally.digest:
            tally.out = "reprint"
    if tally.flags & FLAG_REPRINT:
        tally.out = "reprint"
    group.tallies.append(tally)


def without(rows: Rows, earlier: Rows) -> Rows | None:
    """What a running sum grew by; None when it does not hold what it held before: somebody cleared
    it.
    """
    pieces = dict(rows)
    for denomination, count in earlier:
        pieces[denomination] = pieces.get(denomination, 0) - count
    if min(pieces.values(), default=0) < 0:
        return None
    return tuple((denomination, count) for denomination, count in pieces.items() if count)


def take_growth(tally: Tally, known: Rows) -> None:
    """Of a running sum the tally is what it grew by since `known` was printed; all of it where
    somebody cleared it.
    """
    grown = without(tally.rows, known)
    if grown is not None:
        tally.rows = grown
    tally.total_cents = sum(denomination * pieces for denomination, pieces in tally.rows)


def settle_sub_batches(group: CountGroup, session: DrawerSession) -> None:
    """Sub-batches that their batch's own report follows are out of the sum; those that it never
    followed stay in it.
    """
    open_subs: dict[str, list[Tally]] = {}
    for tally in group.tallies:
        if tally.out not in ("", "void"):
            continue
        if tally.flags & FLAG_SUB_BATCH:
            if tally.out:
                continue
            open_subs.setdefault(tally.instrument, []).append(tally)
            continue
        subs = open_subs.pop(tally.instrument, [])
        subs_cents = sum(sub.total_cents for sub in subs)
        for sub in subs:
            sub.out = tally.out or "sub-batch"
        if subs and subs_cents != tally.total_cents:
            text = (
                f"{tally.instrument} batch {tally.batch_id}: {format_cents(tally.total_cents)}, its"
                " sub-batches sum "
            )
            session.note("sub_batch_sum", tally.at_ms, text + format_cents(subs_cents))
    for instrument, subs in open_subs.items():
        text = (
            f"{instrument}: {len(subs)} sub-batches without the report of their batch; counted as"
            " they are"
        )
        session.note("sub_batch_alone", subs[-1].at_ms, text)
