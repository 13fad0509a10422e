"""The database engine behind the ledger, named once: its connection, its errors, rows by name.

Everybody above store/ holds a `Db` and hands it to functions of store/; nobody else executes SQL.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Pending:
    """What an open write transaction appends: see store/entries.py."""

    n: int  # of the newest entry before it
    head: bytes
    prefix: str = ""  # of the topics of its messages
    frames: bytearray = field(default_factory=bytearray)
    touched: dict[str, int] = field(default_factory=dict)  # {table: highest id before}


class Db(sqlite3.Connection):
    """One connection to a ledger. `pending` is None outside a write transaction."""

    pending: Pending | None = None


StorageError = sqlite3.Error
ConstraintBroken = sqlite3.IntegrityError  # the data's fault: trying again would not help
StorageBusy = sqlite3.OperationalError  # locked, or the disk is full

_PRIMARY_CODE = 0xFF  # of an extended SQLite result code
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NOT_OURS_TO_WRITE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
_OTHER_SCHEMA = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_MISMATCH)


def is_damaged(error: StorageError) -> bool:
    """Whether the file itself is broken, so that trying again would not help."""
    return _code(error) in _DAMAGED


def is_other_schema(error: StorageError) -> bool:
    """Whether a statement of this program does not fit the tables of the file: the disk has no part
    in it, and trying again would not help.
    """
    return _code(error) in _OTHER_SCHEMA


def is_forbidden(error: StorageError) -> bool:
    """Whether the file or its folder is not ours to write."""
    return _code(error) in _NOT_OURS_TO_WRITE


def _code(error: StorageError) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY_CODE


def changes_elsewhere(db: Db) -> int:
    """A number that differs from the last one when another connection has committed meanwhile."""
    return int(value(db, "PRAGMA data_version"))


def changes_here(db: Db) -> int:
    """A number that differs from the last one when this connection has changed a row meanwhile."""
    return db.total_changes


def rows(db: Db, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """The rows of a query, each as {column: value}."""
    answer = db.execute(query, values)
    names = [name for name, *_ in answer.description]
    return [dict(zip(names, row, strict=True)) for row in answer]


def value(db: Db, query: str, values: Sequence[Any] = (), default: Any = None) -> Any:
    """The one column of the first row; `default` when there is none."""
    for (found,) in db.execute(query, values):
        return found
    return default


def damages(db: Db, limit: int) -> list[str]:
    """What SQLite's own check finds wrong with the file's pages, up to `limit`."""
    try:
        return [text for (text,) in db.execute(f"PRAGMA quick_check({limit})") if text != "ok"]
    except sqlite3.DatabaseError as error:
        if not is_damaged(error):
            raise
        return [str(error)]  # so damaged that the check cannot go on


@contextmanager
def snapshot(db: Db) -> Iterator[Db]:
    """One view of the ledger while others write."""
    db.execute("BEGIN")
    try:
        yield db
    finally:
        db.execute("ROLLBACK")
