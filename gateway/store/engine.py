"""What the two database engines behind the ledger have in common: a connection, its errors, rows by
name. SQLite's half is here, the PostgreSQL server's in server.py.

Everybody above store/ holds a `Db` and hands it to functions of store/; nobody else executes SQL.
Both engines get the same texts: `?` where a value goes and neither % nor ? anywhere else, ids given
by us, nothing that only one of them understands. What they do differently are methods of `Db`.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

FIRST, LAST = -(1 << 63), (1 << 63) - 1  # before and after every id and every entry
PAGE_ROWS = 256  # of a table that is read from end to end


@dataclass(slots=True)
class Pending:
    """What an open write transaction appends: see store/entries.py."""

    n: int  # of the newest entry before it
    head: bytes
    segment_id: int = 0  # the highest one
    with_entry: list[tuple[str, list[Any]]] = field(default_factory=list)  # INSERTs, their rows
    prefix: str = ""  # of the topics of its messages
    frames: bytearray = field(default_factory=bytearray)
    touched: dict[str, int] = field(default_factory=dict)  # {table: highest id before}
    ids: dict[str, int] = field(default_factory=dict)  # {table: highest id now}


class Answer(Protocol):
    """Rows of a query as tuples, or how many rows a statement changed."""

    @property
    def description(self) -> Any: ...
    @property
    def rowcount(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def fetchall(self) -> list[Any]: ...
    def fetchone(self) -> Any: ...
    def close(self) -> Any: ...


class Db(Protocol):
    """One connection to a ledger. `pending` is None outside a write transaction."""

    pending: Pending | None

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, of whichever kind."""

    def execute(self, query: str, values: Sequence[Any] = ..., /) -> Answer:
        """One statement."""

    def executemany(self, query: str, values: Iterable[Sequence[Any]], /) -> object:
        """One INSERT or UPDATE for each of the values. Of an UPDATE no two change the same row."""

    def begin(self, question: str) -> Any:
        """Open a write transaction: from here to its end no other one of this ledger runs. The
        first row of the answer to a question that is asked inside of it, None for no row.
        """

    def begin_snapshot(self) -> None:
        """Open a transaction that reads one state of the ledger while others write."""

    def hurry(self, wait_ms: int) -> None:
        """From now on wait no longer for another writer."""

    def commit(self) -> None:
        """When this returns, the transaction is on disk."""

    def rollback(self) -> None:
        """Nothing of the transaction has happened."""

    def changes_elsewhere(self) -> int:
        """See below."""

    @property
    def total_changes(self) -> int:
        """See changes_here."""

    def damages(self, limit: int) -> list[str]:
        """See below."""

    def schema_version(self) -> int:
        """The version that the ledger names; 0 for none."""

    def tables(self) -> Mapping[str, frozenset[str]]:
        """{table: its columns}, as far as they are a ledger's."""

    def described(self) -> str:
        """The engine, its version, and what makes a commit durable, for a person."""

    def close(self) -> None:
        """Give the connection back."""


class SqliteDb(sqlite3.Connection):
    """A ledger in a file."""

    pending: Pending | None = None

    def begin(self, question: str) -> Any:
        self.execute("BEGIN IMMEDIATE")
        return self.execute(question).fetchone()

    def begin_snapshot(self) -> None:
        self.execute("BEGIN")

    def hurry(self, wait_ms: int) -> None:
        self.execute(f"PRAGMA busy_timeout = {wait_ms}")

    def changes_elsewhere(self) -> int:
        return int(value(self, "PRAGMA data_version"))

    def schema_version(self) -> int:
        return int(value(self, "PRAGMA user_version"))

    def tables(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for table, column in self.execute(
            "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c"
            " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
        ):
            found.setdefault(table, set()).add(column)
        return {table: frozenset(columns) for table, columns in found.items()}

    def damages(self, limit: int) -> list[str]:
        try:
            found = self.execute(f"PRAGMA quick_check({limit})")
            return [text for (text,) in found if text != "ok"]
        except sqlite3.DatabaseError as error:
            if not is_damaged(error):
                raise
            return [str(error)]  # so damaged that the check cannot go on

    def described(self) -> str:
        mode = value(self, "PRAGMA journal_mode")
        return f"SQLite {sqlite3.sqlite_version}, {mode}, synchronous full"


# --- errors ---------------------------------------------------------------------------------------

# Those of Python's database API, of which the standard library has SQLite's. What the driver of
# PostgreSQL raises is turned into subclasses of them (`ServerError`), so that nobody above needs
# that driver to catch anything.
StorageError = sqlite3.Error
ConstraintBroken = sqlite3.IntegrityError  # the data's fault: trying again would not help
StorageBusy = sqlite3.OperationalError  # locked, the disk is full, or the server is away


class ServerError(sqlite3.Error):
    """An error of the PostgreSQL server; `sqlstate` as its manual lists them, "" for none.
    `refused_login`: it wanted a password, or took ours not.
    """

    sqlstate = ""
    refused_login = False


class ServerBusy(ServerError, sqlite3.OperationalError):
    """The server or the way to it failed; it may work later."""


class ServerConstraint(ServerError, sqlite3.IntegrityError):
    """A rule of the schema was broken."""


_PRIMARY_CODE = 0xFF  # of an extended SQLite result code
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NOT_OURS_TO_WRITE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
_OTHER_SCHEMA = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_MISMATCH)
# Classes of SQLSTATE (PostgreSQL manual, appendix A) or whole ones.
_DAMAGED_STATES = ("XX001", "XX002")  # data_corrupted, index_corrupted
_FORBIDDEN_STATES = ("28", "42501", "25006")  # login, privilege, a standby that only reads
_OTHER_SCHEMA_STATES = ("42", "22", "26", "0A")


def is_damaged(error: StorageError) -> bool:
    """Whether the stored pages themselves are broken, so that trying again would not help."""
    if isinstance(error, ServerError):
        return error.sqlstate in _DAMAGED_STATES
    return _code(error) in _DAMAGED


def is_other_schema(error: StorageError) -> bool:
    """Whether a statement of this program does not fit the tables that are there: the disk has no
    part in it, and trying again would not help.
    """
    if isinstance(error, ServerError):
        return not is_forbidden(error) and error.sqlstate.startswith(_OTHER_SCHEMA_STATES)
    return _code(error) in _OTHER_SCHEMA


def is_forbidden(error: StorageError) -> bool:
    """Whether the ledger is not ours to write."""
    if isinstance(error, ServerError):
        return error.sqlstate.startswith(_FORBIDDEN_STATES)
    return _code(error) in _NOT_OURS_TO_WRITE


def _code(error: StorageError) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY_CODE


# --- asking ---------------------------------------------------------------------------------------


def changes_elsewhere(db: Db) -> int:
    """Inside a write transaction: a number that differs from the last one when another connection
    has committed meanwhile.
    """
    return db.changes_elsewhere()


def changes_here(db: Db) -> int:
    """A number that differs from the last one when this connection has changed a row meanwhile."""
    return db.total_changes


def rows(db: Db, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """The rows of a query, each as {column: value}."""
    answer = db.execute(query, values)
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row, strict=True)) for row in answer]


def value(db: Db, query: str, values: Sequence[Any] = (), default: Any = None) -> Any:
    """The one column of the first row; `default` when there is none."""
    for (found,) in db.execute(query, values):
        return found
    return default


def damages(db: Db, limit: int) -> list[str]:
    """What the engine's own check finds wrong with the stored pages, up to `limit`."""
    return db.damages(limit)


def paged(
    db: Db,
    query: str,
    start: int = FIRST,
    values: Sequence[Any] = (),
    page_rows: int = PAGE_ROWS,
    step: int = 1,
) -> Iterator[Any]:
    """The rows of a query that may be long, a page at a time. It takes the key to begin with first
    and the limit last, is ordered by that key, and gives it as its first column. step -1: from the
    last key down.

    SELECT n, head FROM entry WHERE n >= ? AND n < ? ORDER BY n LIMIT ?
    """
    while True:
        page = db.execute(query, (start, *values, page_rows)).fetchall()
        yield from page
        if len(page) < page_rows or page[-1][0] in (FIRST, LAST):
            return
        start = page[-1][0] + step


def placeholders(count: int, columns: int) -> str:
    """(?, ?), (?, ?): so many rows of so many columns, for VALUES."""
    row = "(" + ", ".join("?" * columns) + ")"
    return ", ".join([row] * count)


@contextmanager
def snapshot(db: Db) -> Iterator[Db]:
    """One view of the ledger while others write. What a transaction left that could not be rolled
    back is none of it.
    """
    assert db.pending is None, "a view inside of a write transaction would end that"
    if db.in_transaction:
        db.rollback()
    db.begin_snapshot()
    try:
        yield db
    finally:
        db.rollback()
