"""The PostgreSQL server's half of the engine: a connection that stands in the same functions of
store/ as a ledger file does.

It takes the same texts (engine.py) and differs in this:

- Its session names a site, and row security shows it the rows of that site alone.
- A write transaction takes the site's lock first and then reads the newest entry: one at a time in
  a site, as in a file. Hence one chain for several writers, and ids without gaps.
- `executemany` waits until something is asked, or for the commit, and then goes in one round trip;
  many rows are one statement over arrays.
- A connection that broke fails its transaction. The next one opens another, and looks whether that
  server holds what was committed last.
"""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper

from gateway.config import LedgerServer
from gateway.errors import LedgerBroken
from gateway.store.engine import (
    Answer,
    Pending,
    ServerBusy,
    ServerConstraint,
    ServerError,
    value,
)

CONNECT_TIMEOUT_S = 5
# How long a write waits for another one of the site, and how long the server keeps the lock of a
# writer that is silent: a process that hangs must not hold up the site for ever.
LOCK_TIMEOUT_MS = 5_000
SILENT_MS = 60_000
SCHEMA = "till"

_PLACEHOLDER = re.compile(r"\?")
_VALUES = re.compile(r"VALUES \(\?(?:, \?)*\)$")
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('till ' || current_setting('till.site'), 0))"
# {setting: its value} of every session. libpq's own defaults for cut lines are hours.
_SESSION = {
    "search_path": f"{SCHEMA}, pg_temp",
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(SILENT_MS),
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "client_min_messages": "warning",
    "row_security": "on",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "timezone": "UTC",
}
_LINE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
         "tcp_user_timeout": 15_000}  # fmt: skip
_BUSY_CLASSES = ("08", "40", "53", "55", "57", "58", "25P")  # of SQLSTATE: line, disk, ...


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest entry that a connection committed or saw."""

    n: int
    head: bytes


class ServerDb:
    """A ledger on a server. `address` says where, and which site."""

    def __init__(self, address: LedgerServer) -> None:
        self.pending: Pending | None = None
        self.address = address
        self._open = False  # a transaction is, whatever became of the connection
        self._waiting: list[tuple[str, list[Any]]] = []
        self._newest: Newest | None = None
        self._changes = self._commits = 0
        self._connection: psycopg.Connection[Any] | None = None
        self._session: dict[str, str] = {}  # what is set beyond _SESSION
        self._connected()

    # -- statements

    @property
    def in_transaction(self) -> bool:
        return self._open

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Answer:
        self._flush()
        return self._run(_text(query), values)

    def executemany(self, query: str, values: Iterable[Sequence[Any]], /) -> None:
        columns = [list(column) for column in zip(*values, strict=True)]
        if columns:
            self._waiting.append(_over_arrays(query, columns))
        if not self._open:
            self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if len(waiting) == 1:
            self._run(*waiting[0])
        elif waiting:
            self._together(waiting)

    def _run(self, text: str, values: Sequence[Any]) -> Answer:
        connection = self._connected()
        try:
            return self._sent(connection, text, values)
        except psycopg.DataError as error:
            if error.sqlstate is not None or not _has_nul(values):
                raise self._translated(error) from error
            # A text of the server cannot hold it, and a stranger's text must hold up nobody.
            return self._sent(connection, text, _without_nul(values))
        except psycopg.Error as error:
            raise self._translated(error) from error

    def _sent(
        self, connection: psycopg.Connection[Any], text: str, values: Sequence[Any]
    ) -> Answer:
        cursor = connection.cursor(binary=True)
        cursor.execute(cast(Any, text), values)
        return cast(Answer, cursor)

    def _together(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> str:
        """In one round trip; the server's word on the last of them."""
        connection = self._connected()
        try:
            with connection.pipeline():
                for text, values in statements:
                    last = connection.execute(cast(Any, text), values)
            return last.statusmessage or ""
        except psycopg.Error as error:
            raise self._translated(error) from error

    # -- transactions

    def begin(self, question: str) -> Any:
        """The question gives n and head of the newest entry first. Raises LedgerBroken when the
        server lacks what this connection committed.
        """
        texts = "; ".join(("BEGIN", _LOCK, question))
        try:
            cursor = self._begun(texts)
        except ServerBusy:
            if self._alive():
                raise
            cursor = self._begun(texts)  # the server was restarted since: nothing was under way
        while cursor.nextset():
            pass
        found = cursor.fetchone()
        newest = Newest(0, b"")
        if found is not None:
            n, head, *_ = found
            newest = Newest(int(n), bytes(head))
        if newest != self._newest:
            self._look_back(newest)
        return found

    def _begun(self, texts: str) -> Any:
        connection = self._connected()
        self._open = True
        try:
            return connection.execute(cast(Any, texts))
        except psycopg.Error as error:
            translated = self._translated(error)
            self.rollback()
            raise translated from error

    def _look_back(self, newest: Newest) -> None:
        """Another connection has written meanwhile, or this is another server."""
        last = self._newest
        self._changes += 1
        self._newest = newest
        if last is None or not last.n:
            return
        if value(self, "SELECT head FROM entry WHERE n = ?", (last.n,)) != last.head:
            self.rollback()
            raise LedgerBroken(
                f"ledger {self.address}: the server lacks entry {last.n}, which it committed: a"
                " standby took over that did not have it, or a backup was put back. Find out, and"
                " start again: the devices are asked for what they still hold"
            )

    def begin_snapshot(self) -> None:
        self._begun("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def commit(self) -> None:
        waiting, self._waiting = [*self._waiting, ("COMMIT", [])], []
        said = self._together(waiting)
        self._open = False
        self._commits += 1
        if said != "COMMIT":  # the server rolled back because a statement before had failed
            raise ServerError(f"the transaction was not committed: {said}")
        if self.pending is not None:
            self._newest = Newest(self.pending.n, self.pending.head if self.pending.n else b"")

    def rollback(self) -> None:
        """Never fails: a connection that cannot roll back is dropped, and the server does it."""
        self._open = False
        self._waiting.clear()
        if self._connection is not None and self._alive():
            try:
                self._connection.execute("ROLLBACK")
            except psycopg.Error:
                self.close()

    @property
    def total_changes(self) -> int:
        return self._commits

    def damages(self, limit: int) -> list[str]:
        """None: the server checks its pages itself when it reads them, with data_checksums on."""
        return []

    def changes_elsewhere(self) -> int:
        return self._changes

    # -- what the ledger is

    def schema_version(self) -> int:
        if not value(self, "SELECT to_regclass('schema_version') IS NOT NULL"):
            return 0
        return int(value(self, "SELECT version FROM schema_version", default=0))

    def tables(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for table, column in self.execute(
            "SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
            " WHERE relnamespace = to_regnamespace(?) AND relkind = 'r' AND attnum > 0"
            " AND NOT attisdropped",
            (SCHEMA,),
        ):
            found.setdefault(str(table), set()).add(str(column))
        return {table: frozenset(columns) for table, columns in found.items()}

    def script(self, text: str) -> None:
        """Several statements without values."""
        self._flush()
        try:
            self._connected().execute(cast(Any, text))
        except psycopg.Error as error:
            raise self._translated(error) from error

    def settings(self, *names: str) -> dict[str, str]:
        """{setting: its value} of the server as this session has it."""
        asked = ", ".join(f"current_setting('{name}')" for name in names)
        answer = self.execute(f"SELECT {asked}").fetchone()
        return dict(zip(names, map(str, answer), strict=True))

    def described(self) -> str:
        told = self.settings("server_version", "synchronous_commit", "fsync", "full_page_writes")
        checked = self.settings("data_checksums", "synchronous_standby_names")
        standby = checked["synchronous_standby_names"]
        shown = ", ".join(f"{name} {value}" for name, value in list(told.items())[1:])
        return (
            f"PostgreSQL {told['server_version']}, site {self.address.site}, {shown}, checksums"
            f" {checked['data_checksums']}, "
            + (f"waits for standby {standby}" if standby else "no standby is waited for")
        )

    # -- the connection

    def hurry(self, wait_ms: int) -> None:
        """From now on wait no longer for another writer of the site, and lose the site's lock after
        so long a silence.
        """
        self._session = {
            "lock_timeout": str(wait_ms),
            "idle_in_transaction_session_timeout": str(wait_ms),
        }
        self.close()  # the next connection has it

    def _alive(self) -> bool:
        return self._connection is not None and not self._connection.closed

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        if self._open:
            raise ServerBusy("the connection broke in mid transaction")
        try:
            self._connection = connect(self.address, self._session)
        except psycopg.Error as error:
            raise self._translated(error) from error
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _translated(self, error: psycopg.Error) -> ServerError:
        state = error.sqlstate or ""
        kind: type[ServerError] = ServerError
        if state.startswith("23"):
            kind = ServerConstraint
        elif state.startswith(_BUSY_CLASSES) or (
            not state and isinstance(error, psycopg.OperationalError)
        ):
            kind = ServerBusy
        made = kind(" ".join(str(error).split()))
        made.sqlstate = state
        if error.pgconn is not None and self._connection is None:
            made.refused_login = error.pgconn.needs_password or error.pgconn.used_password
        if self._connection is not None and (
            self._connection.pgconn.transaction_status == TransactionStatus.UNKNOWN
        ):
            self.close()
        return made


def connect(
    address: LedgerServer, more: Mapping[str, str] = MappingProxyType({})
) -> psycopg.Connection[Any]:
    """A connection whose session is set as the ledger wants it, and as `more` says. Raises
    psycopg.Error.
    """
    connection = psycopg.connect(address.url, autocommit=True, **_options(address.url))  # type: psycopg.Connection[Any]
    # One type for every integer, or each size of number would be a statement of its own.
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    settings = {**_SESSION, **more, "till.site": address.site}
    asked = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    values = [item for pair in settings.items() for item in pair]
    connection.execute(cast(Any, f"SELECT {asked}"), values)
    # remote_apply is more; everything below "on" may forget what it has said is committed
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') <> 'remote_apply'"
    )
    return connection


def _options(url: str) -> dict[str, Any]:
    """What the address leaves open. Of several hosts the one that can be written is taken."""
    said = psycopg.conninfo.conninfo_to_dict(url)
    ours = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "till",
            "target_session_attrs": "read-write", **_LINE}  # fmt: skip
    return {name: value for name, value in ours.items() if name not in said}


# --- texts ----------------------------------------------------------------------------------------


@functools.cache
def _text(query: str) -> str:
    return _PLACEHOLDER.sub("%s", query)


def _over_arrays(query: str, columns: Sequence[list[Any]]) -> tuple[str, list[Any]]:
    """The statement for all rows at once, and its values: an array a column."""
    if len(columns[0]) == 1:
        return _text(query), [column[0] for column in columns]
    kinds = tuple(_kind_of(column) for column in columns)
    return _array_text(query, kinds), [
        column for column, kind in zip(columns, kinds, strict=True) if kind
    ]


def _kind_of(column: Sequence[Any]) -> str:
    """The server's type of a column's values; "" when all are None."""
    for item in column:
        if item is not None:
            return _KINDS[type(item)]
    return ""


_KINDS: Mapping[type, str] = {int: "bigint", str: "text", bytes: "bytea"}


@functools.cache
def _array_text(query: str, kinds: tuple[str, ...]) -> str:
    """INSERT ... VALUES (?, ?) or UPDATE ... WHERE ... as one statement over arrays."""
    names = [f"given.c{place}" if kind else "NULL" for place, kind in enumerate(kinds)]
    columns = ", ".join(f"c{place}" for place, kind in enumerate(kinds) if kind)
    arrays = ", ".join(f"%b::{kind}[]" for kind in kinds if kind)
    given = f"FROM unnest({arrays}) AS given({columns})"
    if _VALUES.search(query):
        return f"{_VALUES.sub('', query)}SELECT {', '.join(names)} {given}"
    named = iter(names)
    changes, where, which = _PLACEHOLDER.sub(lambda _: next(named), query).rpartition(" WHERE ")
    return f"{changes} {given}{where}{which}"


def _has_nul(values: Iterable[Any]) -> bool:
    return any(
        "\0" in item if isinstance(item, str) else isinstance(item, list) and _has_nul(item)
        for item in values
    )


def _without_nul(values: Iterable[Any]) -> list[Any]:
    return [
        item.replace("\0", "\ufffd")
        if isinstance(item, str)
        else (_without_nul(item) if isinstance(item, list) else item)
        for item in values
    ]
