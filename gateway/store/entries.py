"""Table `entry`: the log. Everything that a transaction appends is in one entry, and the hash
chain goes over all entries (facts/chain.py).

Messages of devices are in the entry as they came. Rows of the tables in COVERED stay where they
are, and the entry holds a hash over them: whoever changes, takes out or adds such a row breaks what
the chain says. What is in neither is either derived from the entries (segments, cursors, gaps) or
no fact but a state of now: heartbeat, counter, upkeep.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gateway.facts.chain import (
    GENESIS,
    Rows,
    content_of,
    first_received_ms,
    frame,
    frames_at,
    next_head,
    row_bytes,
)
from gateway.store.engine import FIRST, LAST, Db, Pending, paged, value

_BEGINNING = "substr(content, 1, 300)"  # as much of a content as tells its first arrival

CONTENT_ROWS = 16  # entries at a time, two times in memory: one has up to a megabyte
NEWEST = (
    "SELECT n, head, (SELECT coalesce(max(id), 0) FROM segment) FROM entry ORDER BY n DESC LIMIT 1"
)

# {table: its columns in the order of the hash}. Each has an id that only grows.
COVERED = {
    "checkpoint": ("id", "business_date", "n", "root", "made_ms", "note"),
    "command": (
        "id", "device", "epoch", "counter", "nonce", "verb", "argument", "asked_ms", "who",
    ),
    "decision": (
        "id", "at_ms", "who", "role", "kind", "business_date", "window_id", "epoch", "first_seq",
        "content", "reason",
    ),
    "device_event": (
        "id", "at_ms", "device", "event", "key_number", "certificate", "who", "text",
    ),
    "incident": ("id", "at_ms", "kind", "device", "text"),
    "money_file": (
        "id", "sha256", "name", "bytes", "imported_ms", "kind", "form", "state", "reason", "rows",
        "added", "known", "refused", "first_date", "last_date",
    ),
    "money_line": ("id", "file_id", "file_line", "kind", "date", "identity", "said"),
    "money_refusal": ("id", "file_id", "file_line", "reason", "about", "date"),
    "money_settled": ("id", "refusal_id", "file_id"),
    "posted_file": (
        "id", "sha256", "name", "bytes", "imported_ms", "state", "reason", "rows", "added", "known",
        "refused", "first_date", "last_date",
    ),
    "posting": (
        "id", "file_id", "file_line", "receipt_no", "line_no", "posted_ms", "business_date",
        "window_id", "session_id", "cashier_id", "tender_id", "tender_type", "tender_amount_cents",
        "change_cents", "account_no", "service", "fund", "allocation_cents", "status", "void_of",
        "void_by", "auth_code", "batch_id", "source_system", "source_ref", "content", "kind",
        "scope",
    ),
    "posting_quarantine": (
        "id", "file_id", "file_line", "reason", "source_system", "scope", "receipt_no", "line_no",
        "business_date", "window_id", "posted_ms", "tender_id", "tender_type",
        "tender_amount_cents", "change_cents", "allocation_cents", "amounts_known", "status",
        "code",
    ),
    "posting_settled": ("id", "quarantine_id", "file_id"),
    "quarantine": ("id", "received_ms", "source", "reason", "bytes"),
}  # fmt: skip
# {table: what its last columns hold in every row of before they were there}. The hash of a row
# leaves out those of them that still do, from the last one on: rows of before keep their hash, and
# no two rows have the same.
ADDED_LATER: dict[str, tuple[str | int, ...]] = {
    "posted_file": ("", ""),
    "posting": ("payment", ""),
    "posting_quarantine": ("", "", "", 0, "", "", 0, "", "", 0, 0, 0, 0, "", ""),
}


# --- writing --------------------------------------------------------------------------------------


@contextmanager
def transaction(db: Db) -> Iterator[Db]:
    """A write transaction: what it appends becomes one entry, committed at the end of the block;
    any exception rolls all of it back.
    """
    if db.in_transaction:  # an earlier ROLLBACK failed too: without this nothing ever begins again
        db.rollback()
    try:
        db.pending = _pending(db.begin(NEWEST))
        yield db
        close_entry(db)
        db.commit()
    except BaseException:
        if db.in_transaction:  # the engine rolls back by itself after some errors
            db.rollback()
        raise
    finally:
        db.pending = None


def _pending(newest: Any) -> Pending:
    if newest is None:
        return Pending(0, GENESIS)
    n, head, segment_id = newest
    return Pending(int(n), bytes(head), int(segment_id))


def pending_of(db: Db) -> Pending:
    """The open write transaction."""
    assert db.pending is not None, "appending wants a transaction of store/entries.py"
    return db.pending


def add_message(
    pending: Pending, topic: str, device: str, received_ms: int, leaf: str, sealed: bytes
) -> tuple[int, int]:
    """Append a message to the entry of this transaction; where its frame is in the content, and
    how many bytes it has.
    """
    made = frame(received_ms, device, leaf, sealed)
    return add_frames(pending, topic, made), len(made)


def add_frames(pending: Pending, topic: str, frames: bytes) -> int:
    """The same for frames that are made (facts/chain.py: frame), of messages of one site."""
    if not pending.prefix:
        pending.prefix = prefix_of(topic)
    at = frames_at(pending.prefix) + len(pending.frames)
    pending.frames += frames
    return at


def prefix_of(topic: str) -> str:
    """till/1/<site>/ of a topic."""
    return topic.rsplit("/", 2)[0] + "/"


def touch(db: Db, table: str) -> None:
    """Rows are about to be appended to a table of COVERED: the entry will hold a hash of them."""
    pending = pending_of(db)
    if table not in pending.touched:
        pending.touched[table] = pending.ids[table] = highest_id(db, table)


def append(db: Db, table: str, query: str, values: Sequence[Any]) -> int | None:
    """Append one row to a table of COVERED by an INSERT whose first value is the row's id. The id;
    None when the row was there already (ON CONFLICT DO NOTHING).
    """
    touch(db, table)
    ids = pending_of(db).ids
    if db.execute(query, (ids[table] + 1, *values)).rowcount != 1:
        return None
    ids[table] += 1
    return ids[table]


def append_many(db: Db, table: str, query: str, values: Iterable[Sequence[Any]]) -> None:
    """Append rows likewise."""
    touch(db, table)
    ids = pending_of(db).ids
    first = ids[table] + 1
    new = [(row_id, *row) for row_id, row in enumerate(values, first)]
    db.executemany(query, new)
    ids[table] += len(new)


def append_found(db: Db, table: str, query: str, values: Sequence[Any]) -> None:
    """Append the rows of an INSERT ... SELECT, which numbers them itself after its first value, the
    highest id so far.
    """
    touch(db, table)
    ids = pending_of(db).ids
    ids[table] += db.execute(query, (ids[table], *values)).rowcount


def add_with_entry(db: Db, query: str, new: list[Any]) -> None:
    """Run an INSERT of rows that refer to the entry of this transaction once the entry is there.
    While such a row waits for its entry, SQLite goes through all rows of its table when the entry
    comes, and a ledger of years has hundreds of thousands.
    """
    pending_of(db).with_entry.append((query, new))


def close_entry(db: Db, covered: Mapping[str, Sequence[str]] = COVERED) -> None:
    """Make the entry of this transaction; none when nothing was appended. `covered`: the columns of
    the tables as they are in mid migration.
    """
    pending = pending_of(db)
    rows = [
        made
        for table, after_id in sorted(pending.touched.items())
        if (made := rows_after(db, table, after_id, columns=covered[table])) is not None
    ]
    if not pending.frames and not rows:
        return
    content = content_of(pending.prefix, bytes(pending.frames), rows)
    pending.n += 1
    pending.head = next_head(pending.head, content)
    db.executemany(
        "INSERT INTO entry (n, content, head) VALUES (?, ?, ?)",
        [(pending.n, content, pending.head)],
    )
    for query, new in pending.with_entry:
        db.executemany(query, new)


def rows_after(
    db: Db,
    table: str,
    after_id: int,
    until_id: int = LAST,
    columns: Sequence[str] | None = None,
) -> Rows | None:
    """The rows of a table with after_id < id <= until_id, as an entry names them; None for none."""
    digest, count, last_id = hashlib.sha256(), 0, after_id
    columns = COVERED[table] if columns is None else columns
    query = (
        f"SELECT {', '.join(columns)} FROM {table} WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?"
    )
    added_later = ADDED_LATER.get(table, ()) if len(columns) == len(COVERED[table]) else ()
    for row in paged(db, query, after_id + 1, (until_id,)):
        digest.update(row_bytes(as_before(row, added_later)))
        count += 1
        last_id, *_ = row
    return Rows(table, after_id, last_id, count, digest.digest()) if count else None


def as_before(values: Sequence[Any], added_later: Sequence[Any]) -> Sequence[Any]:
    """The values of a row without the last ones that are still those they were added with."""
    same = 0
    for has, had in zip(reversed(values), reversed(added_later), strict=False):
        if has != had:
            break
        same += 1
    return values[: len(values) - same]


def rows_outside(db: Db, table: str, last_id: int) -> int:
    """How many rows of a table no entry can vouch for, when the last one does up to last_id."""
    assert table in COVERED
    found = value(db, f"SELECT count(*) FROM {table} WHERE id < 1 OR id > ?", (last_id,))
    return int(found)


# --- reading --------------------------------------------------------------------------------------


def newest(db: Db) -> tuple[int, bytes]:
    """(n, head) of the newest entry; (0, 32 zero bytes) of an empty ledger."""
    for n, head in db.execute("SELECT n, head FROM entry ORDER BY n DESC LIMIT 1"):
        return int(n), bytes(head)
    return 0, GENESIS


def head_of(db: Db, n: int) -> bytes | None:
    """The chain's head at entry n; None when there is no such entry."""
    found = value(db, "SELECT head FROM entry WHERE n = ?", (n,))
    return None if found is None else bytes(found)


def highest_id(db: Db, table: str) -> int:
    """The highest id in a table of COVERED; 0 for an empty one."""
    assert table in COVERED
    return int(value(db, f"SELECT max(id) FROM {table}") or 0)


def content_at(db: Db, n: int) -> bytes | None:
    """The content of entry n; None when there is no such entry."""
    found = value(db, "SELECT content FROM entry WHERE n = ?", (n,))
    return None if found is None else bytes(found)


def chained(db: Db, first_n: int = FIRST, last_n: int = LAST) -> Iterator[tuple[int, bytes, bytes]]:
    """(n, content, head) of entries first_n to last_n, in order: what the chain covers and the
    head that is stored. All of them: also one before the first, which only an insider writes.
    """
    query = "SELECT n, content, head FROM entry WHERE n >= ? AND n <= ? ORDER BY n LIMIT ?"
    return paged(db, query, first_n, (last_n,), CONTENT_ROWS)


def chain_break(db: Db, first_n: int = 1) -> int:
    """The first entry from `first_n` on to whose head the chain does not lead, 0 for none: fast,
    says nothing of records.
    """
    head = head_of(db, first_n - 1) or GENESIS
    for expected_n, (n, content, stored) in enumerate(chained(db, first_n), first_n):
        head = next_head(head, content)
        if n != expected_n or head != stored:
            return int(n)
    return 0


def tail_from(db: Db, bytes_max: int) -> int:
    """The first n of the newest entries that have together so many bytes, or of all."""
    size, first = 0, 1
    query = "SELECT n, length(content) FROM entry WHERE n <= ? ORDER BY n DESC LIMIT ?"
    for n, length in paged(db, query, LAST, step=-1):
        size, first = size + length, n
        if size >= bytes_max:
            break
    return int(first)


def first_received_after(db: Db, n: int) -> int | None:
    """When the first message after entry n arrived; None when there is none."""
    query = f"SELECT n, {_BEGINNING} FROM entry WHERE n >= ? ORDER BY n LIMIT ?"
    return _first_received(paged(db, query, n + 1))


def newest_received_ms(db: Db) -> int:
    """When the newest entry with a message arrived; 0 for none."""
    query = f"SELECT n, {_BEGINNING} FROM entry WHERE n <= ? ORDER BY n DESC LIMIT ?"
    return _first_received(paged(db, query, LAST, step=-1)) or 0


def _first_received(found: Iterable[tuple[int, bytes]]) -> int | None:
    for _, beginning in found:
        received_ms = first_received_ms(bytes(beginning))
        if received_ms is not None:
            return received_ms
    return None
