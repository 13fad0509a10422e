"""A second copy of the ledger, and the way back. A copy that was not opened and verified is no
backup.

`back_up` copies while the gateway writes. `restore` puts a copy in the ledger's place and keeps
what stood there under another name. What the devices stated since then they still hold: their
heartbeats name a higher mark than the restored ledger has, the gateway asks for the rest, and what
no device holds any more becomes a gap row. The keys are no part of it: they are secrets.
"""

import hashlib
import os
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.config import LedgerServer
from gateway.errors import ConfigError, DataError, TryAgain
from gateway.files import publish, rename
from gateway.store.engine import Db, SqliteDb, StorageError
from gateway.store.ledger import Ledger
from gateway.store.ledger_file import damage_told, new_file
from gateway.store.move import copy_ledger
from gateway.store.streams import latest_seen_ms

FINDINGS_SHOWN = 3


@dataclass(frozen=True)
class Copy:
    """A verified copy of a ledger: `n` entries, the chain's `head`, the newest arrival in Unix
    milliseconds (0: none).
    """

    path: Path
    size: int  # bytes
    sha256: str
    n: int
    head: bytes
    newest_ms: int


def back_up(ledger: Ledger, target: Path, drill: bool = True) -> Copy:
    """Write a whole copy to `target`, which must not exist, and verify it; `drill` also restores it
    somewhere and compares.

    Raises ConfigError for a target that cannot be, DataError for a copy that is not sound, TryAgain
    when the disk is full.
    """
    if target.exists():
        raise ConfigError(
            f"backup {target}: exists; a backup is never written over, name another file"
        )
    if not target.parent.is_dir():
        raise ConfigError(
            f"backup {target}: folder {target.parent} does not exist; make it, on another disk than"
            " the ledger's"
        )
    fresh = target.with_name(f"{target.name}.new-{os.getpid()}")
    try:
        fresh.touch(mode=0o600, exist_ok=False)  # never through a link that somebody laid there
        _copy(ledger.db, fresh)
        made = inspect(fresh)
        publish(fresh, target)
    except (sqlite3.Error, OSError) as error:
        raise TryAgain(
            f"backup {target}: {error}; free space on its disk and run it again"
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
    if drill:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            again = Path(folder) / "ledger.db"
            _put(target, again)
            # the bytes that were verified: opening them and asking for the head is enough
            assert _sha256(again) == made.sha256, "what was restored is what was backed up"
            with Ledger.open(again, create=False) as restored:
                assert restored.head() == (made.n, made.head), "a restored ledger opens"
    return Copy(target, made.size, made.sha256, made.n, made.head, made.newest_ms)


def inspect(path: Path) -> Copy:
    """What a copy holds. Raises DataError when anything in it does not fit together."""
    if not path.is_file():
        raise ConfigError(f"backup {path}: not there; name the file")
    content = _sha256(path)
    with tempfile.TemporaryDirectory(
        dir=path.parent
    ) as folder:  # opening one makes files beside it
        opened = Path(folder) / "ledger.db"
        shutil.copyfile(path, opened)
        with Ledger.open(opened, create=False) as ledger, damage_told(path):
            found = ledger.verify()
            if found:
                shown = "; ".join(item.text for item in found[:FINDINGS_SHOWN])
                raise DataError(
                    f"backup {path}: {len(found)} findings: {shown}; use an older backup"
                )
            n, head = ledger.head()
            newest_ms = latest_seen_ms(ledger.db)
    return Copy(path, path.stat().st_size, content, n, head, newest_ms)


def restore(backup: Path, ledger: Path | LedgerServer, replace: bool = False) -> Copy:
    """Put a verified backup in the ledger's place. With `replace` a ledger that is there moves
    aside, whole, and is named; on a server the site must be empty.

    Raises ConfigError when there is one and `replace` is not said, TryAgain while a gateway holds
    it, DataError for a backup that is not sound.
    """
    found = inspect(backup)
    if isinstance(ledger, LedgerServer):
        _into_server(backup, ledger, replace)
        return found
    if ledger.exists():
        if not replace:
            raise ConfigError(
                f"ledger {ledger}: is there; stop the gateway and say --replace to move it aside"
            )
        _move_aside(ledger)
    _put(backup, ledger)
    return found


def _put(backup: Path, ledger: Path) -> None:
    fresh = ledger.with_name(f"{ledger.name}.restored-{os.getpid()}")
    try:
        fresh.touch(mode=0o600, exist_ok=False)
        shutil.copyfile(backup, fresh)
        publish(fresh, ledger)
    finally:
        fresh.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:  # in pieces: a ledger of years is no matter for the memory
        return hashlib.file_digest(file, "sha256").hexdigest()


def move(ledger: Ledger, target: Path | LedgerServer) -> tuple[int, bytes]:
    """Copy an open ledger to another engine, or to a file; (n, head) of the copy. The ledger stays
    as it is.

    Raises ConfigError for a file that is there, DataError for a site that is not empty or a copy
    that does not verify, TryAgain when either end fails: the target has nothing then.
    """
    if isinstance(target, Path):
        made = back_up(ledger, target)
        return made.n, made.head
    with Ledger.open(target) as there:
        try:
            return copy_ledger(ledger.db, there.db, str(target))
        except StorageError as error:
            raise TryAgain(f"ledger {target}: {error}; nothing was copied, try again") from error


def _into_server(backup: Path, place: LedgerServer, replace: bool) -> None:
    if replace:
        raise ConfigError(
            f"ledger {place}: a site on a server is not replaced; make a new database, name it in"
            " [ledger] url and restore there"
        )
    with tempfile.TemporaryDirectory(dir=backup.parent) as folder:
        copy = Path(folder) / "ledger.db"
        shutil.copyfile(backup, copy)  # an older backup is migrated there
        with Ledger.open(copy, create=False) as source:
            move(source, place)


def _copy(source: Db, target: Path) -> None:
    db = new_file(target)
    try:
        if isinstance(source, SqliteDb):
            source.backup(db)
        else:  # one form of backup, whichever engine has the ledger
            copy_ledger(source, db, str(target))
        db.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
    finally:
        db.close()


def _move_aside(ledger: Path) -> None:
    db = sqlite3.connect(ledger, isolation_level=None, timeout=0)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise TryAgain(f"ledger {ledger}: {error}; stop the gateway first") from error
    except sqlite3.DatabaseError:
        pass  # a corrupt ledger is why somebody restores: it moves aside as it is
    finally:
        db.close()
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for name in (ledger.name, f"{ledger.name}-wal", f"{ledger.name}-shm"):
        path = ledger.with_name(name)
        if path.exists():
            rename(path, ledger.with_name(f"replaced-{stamp}-{name}"))
