"""Which schema a ledger file has, against the numbered scripts that this program knows."""

import functools
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from gateway.store.engine import Db, SqliteDb, StorageError

SCHEMA = Path(__file__).parent / "schema"
FIRST_ON_SERVER = 4
ONE_LOG = 4  # the version that moved messages and records into the log: store/migration.py


@functools.cache
def server_scripts() -> tuple[tuple[int, str], ...]:
    """(number, SQL) of every schema script of a ledger on a PostgreSQL server, in order. Servers
    began with FIRST_ON_SERVER; each later one changes what is there, numbered as SQLite's.
    """
    return tuple(
        (number, (SCHEMA / "postgres" / f"{number:04}.sql").read_text("utf-8"))
        for number in range(FIRST_ON_SERVER, len(migrations()) + 1)
    )


@functools.cache
def migrations() -> tuple[tuple[int, str], ...]:
    """(number, SQL) of every schema script, in order: NNNN.sql, from 1, no number missing."""
    found = tuple(
        sorted(
            (int(script.stem), script.read_text("utf-8"))
            for script in SCHEMA.glob("[0-9][0-9][0-9][0-9].sql")
        )
    )
    assert [number for number, _ in found] == list(range(1, len(found) + 1)), (
        "schema scripts must be 0001.sql, 0002.sql, ..."
    )
    return found


def schema_text(db: Db, place: object, error: object = "") -> str:
    """What to say of a ledger whose tables are not those that this program knows: its version,
    ours, and the next step.
    """
    known = len(migrations())
    version = 0
    with suppress(StorageError):
        version = version_of(db)
    said = f" ({error})" if error else ""
    if version > known:
        return (
            f"ledger {place}: its schema is version {version}, this program knows versions 1 to"
            f" {known}{said}: a newer program wrote it; start that program, or put a backup of"
            " before back with till restore"
        )
    lacks = ""
    with suppress(StorageError):
        lacks = ", ".join(_lacking(db, _tables_of(version)))
    lacks = f" and it lacks {lacks}" if lacks else ""
    return (
        f"ledger {place}: its schema says version {version}, this program knows versions 1 to"
        f" {known},{lacks or ' and it is not as that version has it'}{said}: another program or a"
        " person changed it; keep the file, put a backup back with till restore"
    )


def version_of(db: Db) -> int:
    """The schema version that the ledger names."""
    return db.schema_version()


def is_known(db: Db) -> bool:
    """Whether the file names a version that this program knows, and has its tables and columns."""
    version = version_of(db)
    return 1 <= version <= len(migrations()) and not _lacking(db, _tables_of(version))


@functools.cache
def _tables_of(version: int) -> Mapping[str, frozenset[str]]:
    """{table: its columns} of a ledger of this schema version."""
    with closing(schema_in_memory(version)) as fresh:
        return fresh.tables()


def schema_in_memory(version: int) -> SqliteDb:
    """An empty ledger in memory, of this schema version; the caller closes it."""
    fresh = sqlite3.connect(":memory:", isolation_level=None, factory=SqliteDb)
    fresh.create_function("till_first_form", 3, lambda *_: b"")
    for number, script in migrations()[: max(version, 0)]:
        fresh.executescript(script)
        if number == ONE_LOG:  # what its Python half does to a ledger with rows in it
            fresh.executescript("DROP TABLE record; DROP TABLE message;")
    return fresh


def _lacking(db: Db, expected: Mapping[str, frozenset[str]]) -> list[str]:
    """The tables and columns that should be there and are not."""
    found = db.tables()
    return [
        f"table {table}" if table not in found else f"column {table}.{column}"
        for table, columns in expected.items()
        for column in ([""] if table not in found else sorted(columns - found[table]))
    ]
