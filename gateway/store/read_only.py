"""The ledger as an auditor reads it: no write, no lock, no file beside it. Also whether the file is
whole and has the tables of this program.
"""

import functools
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from gateway.errors import ConfigError, DataError, PermissionDenied, TryAgain
from gateway.store.engine import SqliteDb, value
from gateway.store.ledger_file import APPLICATION_ID
from gateway.store.schema_version import migrations, schema_in_memory

COPY_ATTEMPTS = 5
_SIDE_FILES = ("-wal", "-journal")


@contextmanager
def opened_read_only(path: Path) -> Iterator[SqliteDb]:
    """The ledger, read without a lock and without a file beside it: works on read-only media, and
    leaves no trace.

    A ledger in use has its newest part in another file: both are then copied to a temporary folder
    and read there. Raises ConfigError, PermissionDenied, DataError for what is no ledger, TryAgain
    when it was written to meanwhile.
    """
    try:
        before = _stamps(path)
        if before[0] is None:
            raise ConfigError(
                f"ledger {path}: not there; name the ledger or a copy of it with --ledger"
            )
        if not any(before[1:]):
            with closing(
                sqlite3.connect(
                    f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, factory=SqliteDb
                )
            ) as db:
                yield _checked(db, path)
            if _stamps(path) != before:
                raise TryAgain(
                    f"ledger {path}: a gateway wrote to it meanwhile; make a copy with till backup"
                    " and audit that"
                )
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "ledger.db"
            _copy(path, copy)
            with closing(
                sqlite3.connect(f"{copy.as_uri()}?mode=ro", uri=True, factory=SqliteDb)
            ) as db:
                yield _checked(db, path)
    except PermissionError as error:
        raise PermissionDenied(
            f"ledger {path}: {error.strerror}; give the auditor read access, or a copy"
        ) from error


def _stamps(path: Path) -> list[tuple[int, int] | None]:
    """(size, time of the last write) of the ledger and of each file beside it; None for one that is
    not there or empty.
    """
    found: list[tuple[int, int] | None] = []
    for name in (path.name, *(path.name + suffix for suffix in _SIDE_FILES)):
        try:
            status = path.with_name(name).stat()
        except (FileNotFoundError, NotADirectoryError):
            found.append(None)
            continue
        found.append(
            (status.st_size, status.st_mtime_ns) if status.st_size or name == path.name else None
        )
    return found


def _copy(path: Path, copy: Path) -> None:
    for _ in range(COPY_ATTEMPTS):
        before = _stamps(path)
        for suffix, there in zip(("", *_SIDE_FILES), before, strict=True):
            target = copy.with_name(copy.name + suffix)
            target.unlink(missing_ok=True)
            if there:
                shutil.copyfile(path.with_name(path.name + suffix), target)
        if _stamps(path) == before:
            return
    raise TryAgain(
        f"ledger {path}: a gateway writes to it; make a copy with till backup and audit that"
    )


def _checked(db: SqliteDb, path: Path) -> SqliteDb:
    try:
        if value(db, "PRAGMA application_id") != APPLICATION_ID:
            raise DataError(f"ledger {path}: a SQLite file of another program; name the right file")
        version = value(db, "PRAGMA user_version")
        if version != len(migrations()):
            raise DataError(
                f"ledger {path}: schema {version}, this program audits {len(migrations())}; use the"
                " program it is of"
            )
    except sqlite3.DatabaseError as error:
        raise DataError(
            f"ledger {path}: no ledger, or its first page is damaged ({error}); audit the newest"
            " backup"
        ) from error
    return db


def _schema(db: SqliteDb) -> dict[tuple[str, str], str]:
    rows = db.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    return {(kind, name): " ".join(str(sql).split()) for kind, name, sql in rows}


@functools.cache
def _expected_schema() -> Mapping[tuple[str, str], str]:
    with closing(empty_ledger()) as fresh:
        return _schema(fresh)


def schema_changes(db: SqliteDb) -> list[tuple[str, str, str]]:
    """(type, name, state) of each table, index and trigger that is not as this program makes it."""
    expected, found = _expected_schema(), _schema(db)
    changes = []
    for kind, name in sorted(expected.keys() | found.keys()):
        key = (kind, name)
        if expected.get(key) != found.get(key):
            missing = "missing" if key not in found else "changed"
            changes.append((kind, name, missing if key in expected else "not of this program"))
    return changes


def empty_ledger() -> SqliteDb:
    """A ledger in memory, of this program's schema; the caller closes it."""
    return schema_in_memory(len(migrations()))
