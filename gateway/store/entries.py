"""Table `entry`: the log. Everything that a transaction appends is in one entry, and the hash
chain goes over all entries (facts/chain.py).

Messages of devices are in the entry as they came. Rows of the tables in COVERED stay where they
are, and the entry holds a hash over them: whoever changes, takes out or adds such a row breaks what
the chain says. What is in neither is either derived from the entries (segments, cursors, gaps) or
no fact but a state of now: heartbeat, counter, upkeep.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

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
from gateway.store.engine import Db, Pending, value

FIRST, LAST = -(1 << 63), (1 << 63) - 1  # before and after every number that SQLite has
BEGINNING_BYTES = 300  # of a content: as much as tells its first arrival

# {table: its columns in the order of the hash}. Each has an id that only grows.
COVERED = {
    "checkpoint": ("id", "business_date", "n", "root", "made_ms", "note"),
    "command": (
        "id", "device", "epoch", "counter", "nonce", "verb", "argument", "asked_ms", "who",
    ),
    "device_event": (
        "id", "at_ms", "device", "event", "key_number", "certificate", "who", "text",
    ),
    "incident": ("id", "at_ms", "kind", "device", "text"),
    "posted_file": (
        "id", "sha256", "name", "bytes", "imported_ms", "state", "reason", "rows", "added", "known",
        "refused",
    ),
    "posting": (
        "id", "file_id", "file_line", "receipt_no", "line_no", "posted_ms", "business_date",
        "window_id", "session_id", "cashier_id", "tender_id", "tender_type", "tender_amount_cents",
        "change_cents", "account_no", "service", "fund", "allocation_cents", "status", "void_of",
        "void_by", "auth_code", "batch_id", "source_system", "source_ref", "content",
    ),
    "posting_quarantine": ("id", "file_id", "file_line", "reason"),
    "quarantine": ("id", "received_ms", "source", "reason", "bytes"),
}  # fmt: skip


# --- writing --------------------------------------------------------------------------------------


@contextmanager
def transaction(db: Db) -> Iterator[Db]:
    """A write transaction: what it appends becomes one entry, committed at the end of the block;
    any exception rolls all of it back.
    """
    if db.in_transaction:  # an earlier ROLLBACK failed too: without this nothing ever begins again
        db.execute("ROLLBACK")
    db.execute("BEGIN IMMEDIATE")
    try:
        db.pending = Pending(*newest(db))
        yield db
        close_entry(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite rolls back by itself after some errors
            db.execute("ROLLBACK")
        raise
    finally:
        db.pending = None


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
    touched = pending_of(db).touched
    if table not in touched:
        touched[table] = highest_id(db, table)


def close_entry(db: Db) -> None:
    """Make the entry of this transaction; none when nothing was appended."""
    pending = pending_of(db)
    rows = [
        made
        for table, after_id in sorted(pending.touched.items())
        if (made := rows_after(db, table, after_id)) is not None
    ]
    if not pending.frames and not rows:
        return
    content = content_of(pending.prefix, bytes(pending.frames), rows)
    pending.n += 1
    pending.head = next_head(pending.head, content)
    db.execute(
        "INSERT INTO entry (n, content, head) VALUES (?, ?, ?)",
        (pending.n, content, pending.head),
    )


def rows_after(db: Db, table: str, after_id: int, until_id: int = LAST) -> Rows | None:
    """The rows of a table with after_id < id <= until_id, as an entry names them; None for none."""
    digest, count, last_id = hashlib.sha256(), 0, after_id
    columns = ", ".join(COVERED[table])
    for found in db.execute(
        f"SELECT {columns} FROM {table} WHERE id > ? AND id <= ? ORDER BY id", (after_id, until_id)
    ):
        digest.update(row_bytes(found))
        last_id, *_ = found
        count += 1
    return Rows(table, after_id, last_id, count, digest.digest()) if count else None


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
    return db.execute(
        "SELECT n, content, head FROM entry WHERE n BETWEEN ? AND ? ORDER BY n", (first_n, last_n)
    )


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
    for n, length in db.execute("SELECT n, length(content) FROM entry ORDER BY n DESC"):
        size, first = size + length, n
        if size >= bytes_max:
            break
    return int(first)


def first_received_after(db: Db, n: int) -> int | None:
    """When the first message after entry n arrived; None when there is none."""
    return _first_received(
        db, "SELECT substr(content, 1, ?) FROM entry WHERE n > ? ORDER BY n", (BEGINNING_BYTES, n)
    )


def newest_received_ms(db: Db) -> int:
    """When the newest entry with a message arrived; 0 for none."""
    query = "SELECT substr(content, 1, ?) FROM entry ORDER BY n DESC"
    return _first_received(db, query, (BEGINNING_BYTES,)) or 0


def _first_received(db: Db, query: str, values: tuple[int, ...]) -> int | None:
    for (beginning,) in db.execute(query, values):
        received_ms = first_received_ms(bytes(beginning))
        if received_ms is not None:
            return received_ms
    return None
