"""A ledger of an earlier schema becomes one of today's: numbered scripts, each in one transaction,
so that a migration that is cut off has not happened.
"""

import sqlite3
from collections.abc import Callable

from gateway.errors import DataError
from gateway.facts.chain import EntryError, first_form, read_entry
from gateway.facts.replay import Replay, Unfit
from gateway.store.engine import Pending, SqliteDb, value
from gateway.store.entries import COVERED, chained, close_entry, newest
from gateway.store.schema_version import ONE_LOG, migrations, version_of
from gateway.store.segments import add_segments, segment_row

SEGMENTS_AT_ONCE = 10_000


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
    db.pending = Pending(*newest(db), touched=dict.fromkeys(COVERED, 0))
    ids = {
        (device, epoch): cursor_id
        for cursor_id, device, epoch in db.execute("SELECT id, device, epoch FROM cursor")
    }
    found = []
    for n, content, _ in chained(db):
        try:
            made = list(replay.take(n, read_entry(content)))
        except EntryError as error:
            raise _contradiction(db, f"message {n}: {error}") from error
        for item in made:
            if isinstance(item, Unfit) or item[0] not in ids:
                raise _contradiction(db, f"message {n}: {item}")
            found.append(segment_row(ids[item[0]], n, item[1]))
        if len(found) >= SEGMENTS_AT_ONCE:
            add_segments(db, found)
            found.clear()
    add_segments(db, found)
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
    close_entry(db)
    db.pending = None


def _contradiction(db: SqliteDb, text: str) -> DataError:
    path = value(db, "SELECT file FROM pragma_database_list WHERE name = 'main'")
    return DataError(
        f"ledger {path}: it does not fit together, so it is not migrated ({text}); keep the file,"
        " put a backup back with till restore"
    )


_STEPS: dict[int, Callable[[SqliteDb], None]] = {ONE_LOG: _one_log}
