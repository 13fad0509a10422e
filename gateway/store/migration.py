"""A ledger of an earlier schema becomes one of today's: numbered scripts, each in one transaction,
so that a migration that is cut off has not happened.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

from gateway.errors import DataError
from gateway.facts.chain import EntryError, Message, first_form, read_entry
from gateway.facts.events import events_in, seen_records
from gateway.facts.records import UNDECODABLE
from gateway.facts.replay import Replay, Unfit
from gateway.store.engine import Pending, SqliteDb, value
from gateway.store.entries import ADDED_LATER, COVERED, chained, close_entry, newest
from gateway.store.schema_version import ONE_LOG, migrations, version_of
from gateway.store.segments import add_segments, segment_row

SEGMENTS_AT_ONCE = 10_000
_LATER = {
    "decision",
    "posting_settled",
    "money_file",
    "money_line",
    "money_refusal",
    "money_settled",
}
# What the log covers at ONE_LOG: without the tables and columns of later versions.
_COVERED_THEN = {
    table: columns[: len(columns) - len(ADDED_LATER.get(table, ()))]
    for table, columns in COVERED.items()
    if table not in _LATER
}


def migrate(db: SqliteDb) -> None:
    """Bring a ledger to the newest schema. Raises DataError for one whose tables contradict its
    messages: it stays as it is.
    """
    for number, script in migrations()[version_of(db) :]:
        try:
            db.create_function("till_first_form", 3, first_form, deterministic=True)
            db.executescript(f"BEGIN IMMEDIATE;\n{script}")
            if step := _STEPS.get(number):
                step(db)
            db.executescript(f"PRAGMA user_version = {number};\nCOMMIT;")
        except (sqlite3.Error, DataError):
            if db.in_transaction:
                db.execute("ROLLBACK")
            if version_of(db) >= number:
                continue  # another process migrated it while we waited for the lock
            raise


def _one_log(db: SqliteDb) -> None:
    """To schema 4: what follows from the entries is derived from them, and must be what the tables
    of before say. Then those tables go, and an entry vouches for the rows that none covers yet.
    """
    replay = Replay()
    db.pending = Pending(*newest(db), touched=dict.fromkeys(_COVERED_THEN, 0))
    ids = {
        (device, epoch): cursor_id
        for cursor_id, device, epoch in db.execute("SELECT id, device, epoch FROM cursor")
    }
    found = []
    for n, content, _ in chained(db):
        try:
            entry = read_entry(content)
            made = list(replay.take(n, entry))
        except EntryError as error:
            raise _contradiction(db, f"message {n}: {error}") from error
        seqs: list[int] = []
        for item in made:
            if isinstance(item, Unfit) or item[0] not in ids:
                raise _contradiction(db, f"message {n}: {item}")
            (_, segment) = item
            seqs += range(segment.first_seq, segment.last_seq + 1)
            found.append(segment_row(ids[item[0]], n, segment))
        _compare(db, n, entry.messages[0], seqs)
        if len(found) >= SEGMENTS_AT_ONCE:
            add_segments(db, found)
            found.clear()
    add_segments(db, found)
    told = sum(stream.records for stream in replay.streams.values())
    if (have := value(db, "SELECT count(*) FROM record")) != told:
        raise _contradiction(db, f"{have} records in the table, {told} in the messages")
    for device, epoch, high_water, records in db.execute(
        "SELECT device, epoch, high_water, (SELECT count(*) FROM record WHERE record.device ="
        " cursor.device AND record.epoch = cursor.epoch) FROM cursor"
    ).fetchall():
        stream = replay.streams.get((device, epoch))
        if (high_water, records) != ((stream.high_water, stream.records) if stream else (0, 0)):
            raise _contradiction(db, f"{device}: epoch {epoch} is not what its messages say")
        if stream:
            db.execute(
                "UPDATE cursor SET records = ?, fingerprint = ? WHERE device = ? AND epoch = ?",
                (records, stream.fingerprint, device, epoch),
            )
    db.execute("DROP TABLE record")
    db.execute("DROP TABLE message")
    close_entry(db, _COVERED_THEN)
    db.pending = None


def _compare(db: SqliteDb, n: int, message: Message, seqs: list[int]) -> None:
    """What the tables of before say of message n is what it says, by the seqs of it that were new.
    Nothing could show an edit of them later.
    """
    device = message.device
    told: list[tuple[Any, ...]] = []
    if seqs:
        events = events_in(message.sealed, message.topic, message.received_ms)
        for seen in seen_records(device, events, seqs, message.received_ms, n):
            raw, fields = events.records[seen.seq - events.first_seq], seen.fields
            times = seen.occurred_ms, fields.get("boot"), fields.get("uptime_ms")
            told.append((seen.device, seen.epoch, seen.seq, seen.kind, *times, raw))
    have = db.execute(
        "SELECT device, epoch, seq, kind, occurred_ms, boot, uptime_ms, body FROM record"
        " WHERE message_n = ? ORDER BY seq",
        (n,),
    ).fetchall()
    if len(have) != len(told) or not all(map(_is_same, have, told)):
        raise _contradiction(db, f"message {n}: its records are not those of the table")
    if value(db, "SELECT device FROM message WHERE n = ?", (n,)) != device:
        raise _contradiction(db, f"message {n}: it is of device {device}")


def _is_same(have: tuple[Any, ...], told: tuple[Any, ...]) -> bool:
    """Of a record that nobody could read then, and somebody can now, the bytes are compared."""
    if UNDECODABLE in have:
        return (have[:3], have[-1]) == (told[:3], told[-1])
    return have == told


def _contradiction(db: SqliteDb, text: str) -> DataError:
    path = value(db, "SELECT file FROM pragma_database_list WHERE name = 'main'")
    return DataError(
        f"ledger {path}: it does not fit together, so it is not migrated ({text}); keep the file,"
        " put a backup back with till restore"
    )


_STEPS: dict[int, Callable[[SqliteDb], None]] = {ONE_LOG: _one_log}
