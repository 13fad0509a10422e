"""What a machine that adds up held before the first report of a day: it may be yesterday's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gateway.facts.records import SeenRecord
from gateway.office.drawer import Rows
from protocol.records import FLAG_ACCUMULATE, FLAG_REPRINT, FLAG_SUB_BATCH

DAY_MS = 86_400_000
LOOKED_BACK_DAYS = (1, 4, 31)  # a night, a long weekend, a month; a sum from before is unknown

Records = Callable[[int, int], Iterable[SeenRecord]]  # of the device, from and until, milliseconds


def running_before(
    records: Iterable[SeenRecord], before: Records, since_ms: int, epochs: Sequence[int]
) -> dict[str, Rows]:
    """{instrument: what it printed last before since_ms} of those that print running sums in
    `records`; nothing else of the ledger is read where none does.
    """
    wanted = {
        each.fields["instrument"] for each in records
        if each.kind == "tally" and each.fields.get("flags", 0) & FLAG_ACCUMULATE
    }  # fmt: skip
    rank = {epoch: index for index, epoch in enumerate(epochs)}
    found: dict[str, Rows] = {}
    until_ms = since_ms
    for days in LOOKED_BACK_DAYS:
        if not wanted - found.keys():
            break
        from_ms = since_ms - days * DAY_MS
        said = sorted(
            before(from_ms, until_ms),
            key=lambda each: (rank.get(each.epoch, len(rank)), each.seq),
        )
        latest = {each.fields["instrument"]: _rows(each) for each in said if _is_report(each)}
        found = {**{name: latest[name] for name in wanted & latest.keys()}, **found}
        until_ms = from_ms
    return found


def _is_report(record: SeenRecord) -> bool:
    """Whether it says what a machine's sum is: with rows, and no repetition of another report."""
    out = record.kind == "tally" and record.fields.get("flags", 0) & (FLAG_REPRINT | FLAG_SUB_BATCH)
    return record.kind == "tally" and not out and bool(record.fields["rows"])


def _rows(record: SeenRecord) -> Rows:
    return tuple((row[0], row[1]) for row in record.fields["rows"])
