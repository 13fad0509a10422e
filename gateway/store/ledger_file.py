"""The ledger's file: created once, migrated by numbered scripts that are kept for ever, refused
when it is not whole.

A ledger is never started over. A new one is built beside its name and linked into place when it is
complete, so a file that is empty, cut short or foreign is always somebody's accident and is refused
with the next step.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.errors import (
    ConfigError,
    DataError,
    GatewayError,
    PermissionDenied,
    TryAgain,
    Unavailable,
)
from gateway.files import publish
from gateway.store.engine import SqliteDb, is_damaged, is_forbidden, is_other_schema, value
from gateway.store.migration import migrate
from gateway.store.schema_version import is_known, schema_text

APPLICATION_ID = 0x54494C4C  # "TILL": tells our file from any other SQLite file
BUSY_TIMEOUT_MS = (
    5_000  # the office's own writes (postings) are short; longer than this is a stuck process
)
# A run of records stands inside an entry, which SQLite reads whole to find it. Full entries have a
# megabyte, and what is asked next is often in the same ones: here they stay in memory meanwhile.
CACHE_KIB = 8_000


def open_ledger(path: Path, create: bool = True) -> SqliteDb:
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


def was_cut_off(path: Path) -> bool:
    """Whether a log was left beside the ledger: the program that wrote it last was killed, or the
    power failed. (Or it runs: ask before the ledger is opened and while nobody else serves it.)
    """
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


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
        new_file(fresh).close()
        with suppress(FileExistsError):  # another process was faster: its ledger is as good
            publish(fresh, path)
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


def new_file(path: Path) -> SqliteDb:
    """An empty ledger in a file that is there and empty. Raises sqlite3.Error."""
    db = _connect(path)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    _make_durable(db)
    migrate(db)
    return db


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


def _open_checked(path: Path) -> SqliteDb:
    db = None
    try:
        db = _connect(path)
        if value(db, "PRAGMA application_id") != APPLICATION_ID:
            raise DataError(f"ledger {path}: a SQLite file of another program; name the right file")
        _make_durable(db)
        if not is_known(db):
            raise DataError(schema_text(db, path))
        migrate(db)
    except sqlite3.DatabaseError as error:
        trouble = _trouble(db, path, error)
        _close(db)
        raise trouble from error
    except DataError:
        _close(db)
        raise
    return db


@contextmanager
def damage_told(place: object) -> Iterator[None]:
    """Who reads a ledger meets damage that opening it does not: raises DataError for it."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if not is_damaged(error):
            raise
        raise DataError(_corrupt(place, error)) from error


def _corrupt(place: object, error: object) -> str:
    return f"ledger {place}: corrupt ({error}); restore it from the backup"


def _trouble(db: SqliteDb | None, path: Path, error: sqlite3.Error) -> GatewayError:
    """What SQLite's code means for whoever opens the ledger; its texts decide nothing."""
    if is_forbidden(error):
        return PermissionDenied(
            f"ledger {path}: {error}; give the gateway's user the folder {path.parent}"
        )
    if db is not None and is_other_schema(error):
        return DataError(schema_text(db, path, error))
    if isinstance(error, sqlite3.OperationalError) and not is_damaged(error):
        return TryAgain(
            f"ledger {path}: {error}; free the disk or end the other process and start again"
        )
    return DataError(_corrupt(path, error))


def _connect(path: Path) -> SqliteDb:
    # isolation_level None: transactions are ours alone. One thread at a time uses a connection; the
    # worker is not the opener.
    return sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_TIMEOUT_MS / 1000,
        factory=SqliteDb,
    )


def _make_durable(db: SqliteDb) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(
        "PRAGMA synchronous = FULL"
    )  # NORMAL lost acknowledged rows in 539 of 954 power-cut images
    db.execute("PRAGMA foreign_keys = ON")
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    db.execute(
        "PRAGMA recursive_triggers = ON"
    )  # so that INSERT OR REPLACE meets the append-only triggers


def _close(db: SqliteDb | None) -> None:
    if db is not None:
        db.close()
