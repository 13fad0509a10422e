"""The ledger's file: created once, migrated by numbered scripts that are kept for ever, refused
when it is not whole.

A ledger is never started over. A new one is built beside its name and linked into place when it is
complete, so a file that is empty, cut short or foreign is always somebody's accident and is refused
with the next step.
"""

import functools
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from gateway.errors import (
    ConfigError,
    DataError,
    GatewayError,
    PermissionDenied,
    TryAgain,
    Unavailable,
)

APPLICATION_ID = 0x54494C4C  # "TILL": tells our file from any other SQLite file
SCHEMA = Path(__file__).parent / "schema"
BUSY_TIMEOUT_MS = (
    5_000  # the office's own writes (postings) are short; longer than this is a stuck process
)
_PRIMARY_CODE = 0xFF  # of an extended SQLite result code
_NOT_OURS_TO_WRITE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# a statement does not fit the file's tables: the disk has no part in it, and trying again is vain
_OTHER_SCHEMA = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_MISMATCH)


def open_ledger(path: Path, create: bool = True) -> sqlite3.Connection:
    """A connection to the ledger at `path`, migrated; with `create` the file is made when there
    never was one.

    Raises ConfigError when it is not there and may not be made, DataError for a file that is
    corrupt, foreign, of another schema or newer than this program, PermissionDenied for an
    unwritable folder or file, TryAgain when another process holds it.
    """
    try:
        if not path.exists():
            if not create:
                raise ConfigError(
                    f"ledger {path}: not there; name the data folder, or start the gateway once"
                )
            _create(path)
        _check_size(path)
        return _open_checked(path)
    except PermissionError as error:
        raise PermissionDenied(
            f"ledger {path}: {error.strerror}; give the gateway's user the folder {path.parent}"
        ) from error
    except FileNotFoundError as error:
        raise PermissionDenied(
            f"ledger {path}: folder {path.parent} does not exist; create it for its user"
        ) from error


def is_damage(error: sqlite3.Error) -> bool:
    """True when SQLite says that the file itself is broken."""
    return _code(error) in _DAMAGED


def is_other_schema(error: sqlite3.Error) -> bool:
    """True when a statement of this program does not fit the tables of the file."""
    return _code(error) in _OTHER_SCHEMA


def schema_text(db: sqlite3.Connection, path: Path, error: object = "") -> str:
    """What to say of a ledger whose tables are not those that this program knows: its version,
    ours, and the next step.
    """
    known = len(migrations())
    version = 0
    with suppress(sqlite3.Error):
        version = _version(db)
    said = f" ({error})" if error else ""
    if version > known:
        return (
            f"ledger {path}: its schema is version {version}, this program knows versions 1 to"
            f" {known}{said}: a newer program wrote it; start that program, or put a backup of"
            " before back with till restore"
        )
    lacks = ""
    with suppress(sqlite3.Error):
        lacks = ", ".join(_lacking(db, _tables_of(version)))
    lacks = f" and it lacks {lacks}" if lacks else ""
    return (
        f"ledger {path}: its schema says version {version}, this program knows versions 1 to"
        f" {known},{lacks or ' and it is not as that version has it'}{said}: another program or a"
        " person changed it; keep the file, put a backup back with till restore"
    )


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY_CODE


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


@functools.cache
def _tables_of(version: int) -> Mapping[str, frozenset[str]]:
    """{table: its columns} of a ledger of this schema version."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        for _, script in migrations()[: max(version, 0)]:
            fresh.executescript(script)
        return _tables(fresh)


def _tables(db: sqlite3.Connection) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for table, column in db.execute(
        "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c"
        " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
    ):
        found.setdefault(table, set()).add(column)
    return {table: frozenset(columns) for table, columns in found.items()}


def _lacking(db: sqlite3.Connection, expected: Mapping[str, frozenset[str]]) -> list[str]:
    """The tables and columns that should be there and are not."""
    found = _tables(db)
    return [
        f"table {table}" if table not in found else f"column {table}.{column}"
        for table, columns in expected.items()
        for column in ([""] if table not in found else sorted(columns - found[table]))
    ]


def migrations() -> list[tuple[int, str]]:
    """(number, SQL) of every schema script, in order: NNNN.sql, from 1, no number missing."""
    found = sorted(
        (int(script.stem), script.read_text("utf-8"))
        for script in SCHEMA.glob("[0-9][0-9][0-9][0-9].sql")
    )
    assert [number for number, _ in found] == list(range(1, len(found) + 1)), (
        "schema scripts must be 0001.sql, 0002.sql, ..."
    )
    return found


def _create(path: Path) -> None:
    for leftover in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-journal")):
        if leftover.exists():
            raise DataError(
                f"ledger {path}: the file is gone but {leftover.name} is there; restore both from"
                " the backup"
            )
    if not os.access(path.parent, os.W_OK | os.X_OK) and path.parent.exists():
        raise PermissionError(13, "Permission denied")
    fresh = path.with_name(f"{path.name}.new-{os.getpid()}")
    try:
        fresh.touch(mode=0o600, exist_ok=False)
        db = _connect(fresh)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _make_durable(db)
        _migrate(db)
        db.close()
        with suppress(FileExistsError):  # another process was faster: its ledger is as good
            os.link(fresh, path)
        _sync_folder(path.parent)
    except sqlite3.Error as error:
        if is_other_schema(error):
            raise Unavailable(
                f"ledger {path}: cannot be created ({error}); SQLite {sqlite3.sqlite_version} does"
                " not know what it needs: use a Python with SQLite 3.37 or newer"
            ) from error
        raise TryAgain(
            f"ledger {path}: cannot be created ({error}); free space on the disk and start again"
        ) from error
    finally:
        for left in (
            fresh,
            fresh.with_name(fresh.name + "-wal"),
            fresh.with_name(fresh.name + "-shm"),
        ):
            left.unlink(missing_ok=True)


def _check_size(path: Path) -> None:
    """By stat and access alone: opening and closing the file ourselves would drop SQLite's POSIX
    locks in this process.
    """
    if path.stat().st_size == 0:
        raise DataError(
            f"ledger {path}: the file is empty; restore it from the backup (it is never started"
            " over)"
        )
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied")


def _open_checked(path: Path) -> sqlite3.Connection:
    db = None
    try:
        db = _connect(path)
        if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise DataError(f"ledger {path}: a SQLite file of another program; name the right file")
        _make_durable(db)
        findings = [row[0] for row in db.execute("PRAGMA quick_check(1)")]
        if findings != ["ok"]:
            raise DataError(f"ledger {path}: corrupt ({findings[0]}); restore it from the backup")
        version = _version(db)
        if not 1 <= version <= len(migrations()) or _lacking(db, _tables_of(version)):
            raise DataError(schema_text(db, path))
        _migrate(db)
    except sqlite3.DatabaseError as error:
        trouble = _trouble(db, path, error)
        _close(db)
        raise trouble from error
    except DataError:
        _close(db)
        raise
    return db


def _trouble(db: sqlite3.Connection | None, path: Path, error: sqlite3.Error) -> GatewayError:
    """What SQLite's code means for whoever opens the ledger; its texts decide nothing."""
    code = _code(error)
    if code in _NOT_OURS_TO_WRITE:
        return PermissionDenied(
            f"ledger {path}: {error}; give the gateway's user the folder {path.parent}"
        )
    if db is not None and is_other_schema(error):
        return DataError(schema_text(db, path, error))
    if isinstance(error, sqlite3.OperationalError) and not is_damage(error):
        return TryAgain(
            f"ledger {path}: {error}; free the disk or end the other process and start again"
        )
    return DataError(f"ledger {path}: corrupt ({error}); restore it from the backup")


def _connect(path: Path) -> sqlite3.Connection:
    # isolation_level None: transactions are ours alone. One thread at a time uses a connection; the
    # worker is not the opener.
    return sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000
    )


def _make_durable(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(
        "PRAGMA synchronous = FULL"
    )  # NORMAL lost acknowledged rows in 539 of 954 power-cut images
    db.execute("PRAGMA foreign_keys = ON")
    db.execute(
        "PRAGMA recursive_triggers = ON"
    )  # so that INSERT OR REPLACE meets the append-only triggers


def _migrate(db: sqlite3.Connection) -> None:
    for number, script in migrations()[_version(db) :]:
        try:
            db.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
            )
        except sqlite3.Error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if _version(db) >= number:
                continue  # another process migrated it while we waited for the lock
            raise


def _close(db: sqlite3.Connection | None) -> None:
    if db is not None:
        db.close()


def _sync_folder(folder: Path) -> None:
    """Make a new name in `folder` survive a power cut."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise Unavailable(f"folder {folder}: {error.strerror}; check the disk") from error
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
