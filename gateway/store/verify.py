"""Does the ledger still say what the devices said? Recomputes everything that can be recomputed,
changes nothing.

The chain fixes the entries and their order. What follows from them is derived again and compared:
segments, streams, gaps, and the hash over the rows that each entry appended to other tables.
Cutting the newest entries off leaves a chain that fits: only the heads that devices (heartbeat) and
printed tree heads witnessed show that, so those of the devices are compared too.
"""

from collections.abc import Iterator
from itertools import zip_longest

from gateway.facts.chain import GENESIS, EntryError, Rows, next_head, read_entry
from gateway.facts.records import Finding
from gateway.facts.replay import Replay, Unfit
from gateway.store.engine import Db, StorageError, damages, snapshot
from gateway.store.entries import COVERED, chained, head_of, rows_after, rows_outside
from gateway.store.segments import SegmentRow, all_segments, segment_row
from gateway.store.streams import all_streams, gaps, witnesses

DAMAGES_MAX = 10  # of a file that has to be restored in any case


def verify(db: Db) -> Iterator[Finding]:
    """Findings, in the order of entries, then of streams; one consistent view even while the
    gateway writes.
    """
    with snapshot(db):
        broken = damages(db, DAMAGES_MAX)
        yield from (Finding("file", 0, "", f"the file is damaged: {text}") for text in broken)
        try:
            yield from findings(db)
        except (StorageError, ArithmeticError, TypeError, ValueError) as error:
            # The last ones: a value that the program never writes, such as a text that is none.
            yield Finding("file", 0, "", f"the file cannot be read to its end: {error}")


def findings(db: Db) -> Iterator[Finding]:
    """The same inside a transaction of the caller's, who looked at the file's pages."""
    replay = Replay()
    covered = dict.fromkeys(COVERED, 0)
    ids = {(stream.device, stream.epoch): stream.id for stream in all_streams(db)}
    yield from _segments(db, _entries(db, replay, covered, ids))
    for table, last_id in covered.items():
        if count := rows_outside(db, table, last_id):
            text = f"{table}: {count} rows that no entry vouches for"
            yield Finding("row", 0, "", text)
    yield from _streams(db, replay)
    yield from _gaps(db, replay)
    yield from _witnesses(db)


def _entries(
    db: Db, replay: Replay, covered: dict[str, int], ids: dict[tuple[str, int], int]
) -> Iterator[Finding | tuple[SegmentRow, str]]:
    """The chain, and what each entry says; its segments as they must stand in the table, each with
    the device's name.
    """
    head, expected_n = GENESIS, 0
    for n, content, stored in chained(db):
        expected_n += 1
        if n != expected_n:
            text = f"entry {n} follows {expected_n - 1}: entries are missing"
            yield Finding("chain", n, "", text)
            expected_n = n
        head = next_head(head, content)
        if head != stored:
            text = f"entry {n}: the chain does not lead to its head (this entry or one before was"
            yield Finding("chain", n, "", f"{text} edited)")
            head = stored
        try:
            entry = read_entry(content)
        except EntryError as error:
            yield Finding("chain", n, "", f"entry {n}: {error}")
            continue
        for item in replay.take(n, entry):
            if isinstance(item, Unfit):
                yield Finding(item.kind, n, item.device, f"entry {n}: {item}")
                continue
            key, segment = item
            yield segment_row(ids.get(key, 0), n, segment), key[0]
        for rows in entry.rows:
            yield from _rows(db, n, rows, covered)


def _rows(db: Db, n: int, rows: Rows, covered: dict[str, int]) -> Iterator[Finding]:
    """The rows of another table that entry n vouches for are those that were appended."""
    table = rows.table
    if table not in covered:
        yield Finding("row", n, "", f"entry {n}: names a table {table[:40]!r} that is none of ours")
        return
    named = f"entry {n}: {table} {rows.after_id + 1} to {rows.last_id}"
    if rows.after_id != covered[table]:
        yield Finding("row", n, "", f"{named}: does not follow {covered[table]}")
    if rows_after(db, table, rows.after_id, rows.last_id) != rows:
        yield Finding("row", n, "", f"{named}: these rows are not those that were appended")
    covered[table] = max(covered[table], rows.last_id)


def _segments(db: Db, derived: Iterator[Finding | tuple[SegmentRow, str]]) -> Iterator[Finding]:
    """The index holds what the entries say, in their order."""
    found: list[Finding] = []
    last_n = 0

    def expected() -> Iterator[tuple[SegmentRow, str]]:
        for item in derived:
            if isinstance(item, Finding):
                found.append(item)
            else:
                yield item

    for wanted, stored in zip_longest(expected(), all_segments(db)):
        while found:
            yield found.pop(0)
        if wanted is not None and wanted[0] == stored:
            last_n = stored[3]
            continue
        device = wanted[1] if wanted else ""
        n = wanted[0][3] if wanted else max(last_n, stored[3] if stored else 0)
        text = f"entry {n}: the index of records says {_named(stored)}, the entries say"
        yield Finding("record", n, device, f"{text} {_named(wanted[0] if wanted else None)}")
        for _ in expected():  # one that is out of step puts all after it out of step
            pass
        break
    yield from found


def _named(segment: SegmentRow | None) -> str:
    return "nothing" if segment is None else f"seq {segment[1]} to {segment[2]}"


def _streams(db: Db, replay: Replay) -> Iterator[Finding]:
    """Every stream is as far as its messages and gaps lead."""
    seen = set()
    for stream in all_streams(db):
        key = (stream.device, stream.epoch)
        seen.add(key)
        told = replay.streams.get(key)
        have = (stream.high_water, stream.records, stream.fingerprint)
        want = (told.high_water, told.records, told.fingerprint) if told else (0, 0, bytes(8))
        if have != want:
            text = f"epoch {stream.epoch}: high-water mark {have[0]} over {have[1]} records, its"
            text += f" messages and gaps end at {want[0]} with {want[1]} records"
            yield Finding("stream", 0, stream.device, text)
    for device, epoch in replay.streams.keys() - seen:
        yield Finding("stream", 0, device, f"epoch {epoch}: records without a cursor")


def _gaps(db: Db, replay: Replay) -> Iterator[Finding]:
    """Gap rows are what the heartbeats say: range, cause and time."""
    told = {
        (device, epoch, *gap): gap
        for (device, epoch), stream in replay.streams.items()
        for gap in stream.gaps
    }
    stored = {
        (row["device"], row["epoch"], row["from_seq"], row["to_seq"], row["cause"],
         row["noted_ms"], row["entry_n"])
        for row in gaps(db)
    }  # fmt: skip
    for device, epoch, from_seq, to_seq, _, _, n in sorted(told.keys() ^ stored):
        text = f"epoch {epoch}: gap {from_seq} to {to_seq} is not what entry {n} says"
        yield Finding("gap", n, device, text)


def _witnesses(db: Db) -> Iterator[Finding]:
    for row in witnesses(db):
        device, n = row["device"], row["ledger_n"]
        head = head_of(db, n)
        if head is None:
            text = f"device {device} was acked with entry {n}, which is not here: the end was"
            yield Finding("witness", n, device, f"{text} cut off")
        elif head != row["ledger_head"]:
            text = f"device {device} was acked with another head at entry {n}"
            yield Finding("witness", n, device, text)
