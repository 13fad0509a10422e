"""Table `segment`: where the records of each stream are in the log, by seq and by time.

Records live in the sealed messages of the entries, once; here they are found and read.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from gateway.facts.chain import Message, frames_in
from gateway.facts.events import Events, bodies_in, events_in, seen_records
from gateway.facts.records import SeenRecord
from gateway.facts.segments import SPAN_MS, Segment
from gateway.store.engine import FIRST, LAST, Db, paged, value
from gateway.store.entries import CONTENT_ROWS, add_with_entry, pending_of
from gateway.store.streams import StreamRow, all_streams

_PREFIX = "till/1/site/"  # the site stands at the entry's beginning, and nobody asks here
LATEST_ROWS = 16  # nearly always the first segment is the one that is looked for
_BYTES = "substr(content, at + 1, size)"
READ_AHEAD_SEGMENTS = 32
READ_AHEAD_RECORDS = 1_000
# (cursor_id, first_seq, last_seq, n, at, size, from_ms, until_ms)
SegmentRow = tuple[int, int, int, int, int, int, int, int]


def add_segments(db: Db, new: Iterable[SegmentRow]) -> None:
    """Append segments of entries that are there."""
    db.executemany(*_insert(db, new))


def add_segments_with_entry(db: Db, new: Iterable[SegmentRow]) -> None:
    """Append segments of the entry that this transaction makes."""
    add_with_entry(db, *_insert(db, new))


def _insert(db: Db, new: Iterable[SegmentRow]) -> tuple[str, list[Any]]:
    """The statement and its rows, each with an id."""
    query = (
        "INSERT INTO segment (id, cursor_id, first_seq, last_seq, n, at, size, from_ms, until_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    pending = pending_of(db)
    made = [(row_id, *row) for row_id, row in enumerate(new, pending.segment_id + 1)]
    pending.segment_id += len(made)
    return query, made


def segment_row(cursor_id: int, n: int, segment: Segment) -> SegmentRow:
    """A segment of a stream in entry n, as `add_segments` takes it."""
    first, last, at, size, from_ms, until_ms = segment
    return cursor_id, first, last, n, at, size, from_ms, until_ms


def all_segments(db: Db) -> Iterator[SegmentRow]:
    """Every row, in the order of recording."""
    query = (
        "SELECT id, cursor_id, first_seq, last_seq, n, at, size, from_ms, until_ms FROM segment"
        " WHERE id >= ? ORDER BY id LIMIT ?"
    )
    for _, *segment in paged(db, query):
        cursor_id, first, last, n, at, size, from_ms, until_ms = segment
        yield cursor_id, first, last, n, at, size, from_ms, until_ms


class Bodies(NamedTuple):
    """The records' own bytes of a stream from first_seq on; None where none is recorded."""

    first_seq: int
    records: list[bytes | None]

    @property
    def last_seq(self) -> int:
        """Seq of the last one; below first_seq when there is none."""
        return self.first_seq + len(self.records) - 1

    def between(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """(seq, bytes) of those that are recorded, from seq `first` to `last`."""
        start = max(first, self.first_seq)
        for seq, raw in enumerate(self.records[start - self.first_seq :], start):
            if seq > last:
                return
            if raw is not None:
                yield seq, raw


def bodies_from(db: Db, cursor_id: int, seq: int) -> Bodies:
    """What is recorded of a stream from `seq` on, as much as is read at once: whoever asks for
    records that came again asks for the next ones soon.
    """
    found = Bodies(seq, [])
    segments = db.execute(
        f"SELECT first_seq, last_seq, at, {_BYTES} FROM segment JOIN entry ON entry.n = segment.n"
        " WHERE cursor_id = ? AND last_seq >= ? AND first_seq >="
        " coalesce((SELECT max(first_seq) FROM segment WHERE cursor_id = ? AND first_seq <= ?), 0)"
        " ORDER BY first_seq LIMIT ?",
        (cursor_id, seq, cursor_id, seq, READ_AHEAD_SEGMENTS),
    )
    for first, last, at, frames in segments:
        found.records.extend([None] * (last - found.last_seq))
        for message in _messages(bytes(frames), at):
            start, bodies = bodies_in(message.sealed, message.topic, message.received_ms, seq)
            begin, end = max(first, start, seq), min(last + 1, start + len(bodies))
            if begin < end:
                found.records[begin - seq : end - seq] = bodies[begin - start : end - start]
        if len(found.records) >= READ_AHEAD_RECORDS:
            break
    segments.close()
    return found


def records(
    db: Db,
    since_ms: int | None = None,
    until_ms: int | None = None,
    device: str | None = None,
    after_n: int = 0,
) -> Iterator[SeenRecord]:
    """Records with since_ms <= occurred_ms < until_ms, of one device or all, from entries after
    `after_n`, in the order they were recorded: within one stream that is the order of seq.
    """
    for name, epoch, first, last, n, at, frames in _found(db, since_ms, until_ms, device, after_n):
        for record in _records(name, epoch, first, last, n, at, frames):
            if (since_ms is None or record.occurred_ms >= since_ms) and (
                until_ms is None or record.occurred_ms < until_ms
            ):
                yield record


def _found(
    db: Db, since_ms: int | None, until_ms: int | None, device: str | None, after_n: int
) -> Iterator[tuple[str, int, int, int, int, int, bytes]]:
    """device, epoch, first_seq, last_seq, n, at and frames of each segment that may hold them."""
    if since_ms is None:  # the whole log, or its end: read as it stands, without sorting
        until_ms = LAST if until_ms is None else until_ms
        found = paged(
            db,
            f"SELECT segment.id, device, epoch, first_seq, last_seq, segment.n, at, {_BYTES}"
            " FROM segment JOIN cursor ON cursor.id = cursor_id JOIN entry ON entry.n = segment.n"
            " WHERE segment.id >= ? AND segment.n > ? AND from_ms < ? AND (device = ? OR ? = '')"
            " ORDER BY segment.id LIMIT ?",
            FIRST,
            (after_n, until_ms, device or "", device or ""),
            CONTENT_ROWS,
        )
        for _, name, epoch, first, last, n, at, frames in found:
            yield name, epoch, first, last, n, at, bytes(frames)
        return
    query, values = by_time(since_ms, LAST if until_ms is None else until_ms, device)
    for name, epoch, first, last, n, at, size in sorted(db.execute(query, values), key=_place):
        if n > after_n:
            frames = value(
                db,
                "SELECT substr(content, CAST(? AS INTEGER), CAST(? AS INTEGER)) FROM entry"
                " WHERE n = ?",
                (at + 1, size, n),
            )
            yield name, epoch, first, last, n, at, bytes(frames)


def _place(row: tuple[str, int, int, int, int, int, int]) -> tuple[int, int, int]:
    """The order of recording: entry, place in it, seq."""
    _, _, first_seq, _, n, at, _ = row
    return n, at, first_seq


def by_time(since_ms: int, until_ms: int, device: str | None) -> tuple[str, tuple[Any, ...]]:
    """The statement that finds the segments of a span of time, and its values. It goes from stream
    to stream, and in each through the index by time.
    """
    return (
        "SELECT device, epoch, first_seq, last_seq, n, at, size FROM cursor CROSS JOIN segment"
        " WHERE segment.cursor_id = cursor.id AND (device = ? OR ? = '') AND from_ms >= ?"
        " AND from_ms < ? AND until_ms >= ?",
        (device or "", device or "", since_ms - SPAN_MS, until_ms, since_ms),
    )


def is_recorded_between(db: Db, device: str, since_ms: int, until_ms: int) -> bool:
    """Whether the index has anything of a device in a span of time; True also for a segment that
    only reaches over it.
    """
    query, values = by_time(since_ms, until_ms, device)
    return db.execute(query, values).fetchone() is not None


def _records(
    device: str, epoch: int, first: int, last: int, n: int, at: int, frames: bytes
) -> Iterator[SeenRecord]:
    for received_ms, events in _events(frames, at):
        if events.epoch == epoch:
            seqs = range(max(first, events.first_seq), min(last, events.last_seq) + 1)
            yield from seen_records(device, events, seqs, received_ms, n)
            first = max(first, seqs.stop)  # the next message may state some of them again


def _events(frames: bytes, at: int) -> Iterator[tuple[int, Events]]:
    for message in _messages(frames, at):
        received_ms = message.received_ms
        yield received_ms, events_in(message.sealed, message.topic, received_ms)


def _messages(frames: bytes, at: int) -> Iterator[Message]:
    return (message for message in frames_in(frames, at, _PREFIX) if message.leaf == "ev")


def last_counted_ms(db: Db, until_ms: int) -> int | None:
    """When a cashier last keyed a mark or a machine last counted money, before `until_ms`; None for
    never. A tally without rows is a driver's bookmark: no money.
    """
    found = [_last_counted_of(db, stream, until_ms) for stream in all_streams(db)]
    return max((at_ms for at_ms in found if at_ms is not None), default=None)


def _latest_first(
    db: Db, cursor_id: int, until_ms: int
) -> Iterator[tuple[int, int, int, int, int, bytes]]:
    """first_seq, last_seq, n, at, from_ms and frames of a stream's segments, the latest first."""
    seen = 0
    while True:
        page = db.execute(
            f"SELECT first_seq, last_seq, segment.n, at, from_ms, {_BYTES} FROM segment JOIN entry"
            " ON entry.n = segment.n WHERE cursor_id = ? AND from_ms < ?"
            " ORDER BY from_ms DESC, segment.id DESC LIMIT ? OFFSET ?",
            (cursor_id, until_ms, LATEST_ROWS, seen),
        ).fetchall()
        yield from page
        seen += len(page)
        if len(page) < LATEST_ROWS:
            return


def _last_counted_of(db: Db, stream: StreamRow, until_ms: int) -> int | None:
    latest: int | None = None
    for first, last, n, at, from_ms, frames in _latest_first(db, stream.id, until_ms):
        if latest is not None and from_ms + SPAN_MS < latest:
            break
        for record in _records(stream.device, stream.epoch, first, last, n, at, bytes(frames)):
            counted = record.kind == "mark" or (record.kind == "tally" and record.fields["rows"])
            if counted and record.occurred_ms < until_ms:
                latest = max(latest or record.occurred_ms, record.occurred_ms)
    return latest
