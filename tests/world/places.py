"""Where a world's ledger is: in a file, or a site's part of a PostgreSQL server. What a person or a
fault does to it as a whole, and how the oracle looks into it past everything that is shipped.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import psycopg

from gateway.config import LedgerServer
from gateway.store.engine import Db
from gateway.store.ledger import Ledger
from gateway.store.move import TABLES
from gateway.store.server import SCHEMA
from tests.store import server as postgres

PAGES_MAX = 1_073_741_823  # SQLite's own limit
STATEMENTS_MAX = 20  # about those of one commit of one message
KEPT = "kept"


class Witness(Protocol):
    """A connection of the oracle's: it sees what is committed, and nothing else."""

    def execute(self, query: str, values: Sequence[Any] = ..., /) -> Any: ...
    def close(self) -> None: ...


class Place(Protocol):
    """Where one history after the other has its ledger."""

    address: Path | LedgerServer

    def begin(self, folder: Path) -> None:
        """An empty ledger, for the history in this folder."""

    def witness(self) -> Witness:
        """A new connection."""

    def back_up(self, db: Db) -> None:
        """Copy the ledger as it is; nobody writes."""

    def put_back(self, is_empty: bool) -> None:
        """The newest copy replaces the ledger, which nobody has open; or an empty ledger does."""

    def fill_up(self, db: Db) -> bool:
        """From now on there is no room for more; False where this cannot be played."""

    def free(self, db: Db) -> None:
        """There is room again."""

    def stop(self, db: Db, steps: int) -> list[int]:
        """In the next transaction the process is killed after so many steps: the engine stops, or
        what `statements_fail` is told.
        """

    def go_on(self, db: Db) -> None:
        """That transaction came to its end before."""


class FilePlace:
    """A file in the history's folder, copied from a template."""

    def __init__(self, template: Path) -> None:
        self._template = template

    def begin(self, folder: Path) -> None:
        self.address = folder / "ledger.db"
        self._backup = folder / "backup.db"
        shutil.copyfile(self._template, self.address)

    def witness(self) -> Witness:
        return sqlite3.connect(self.address, isolation_level=None)

    def back_up(self, db: Db) -> None:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(self.address, self._backup)

    def put_back(self, is_empty: bool) -> None:
        for end in ("-wal", "-shm"):
            self.address.with_name(self.address.name + end).unlink(missing_ok=True)
        shutil.copyfile(self._template if is_empty else self._backup, self.address)

    def fill_up(self, db: Db) -> bool:
        [(pages,)] = db.execute("PRAGMA page_count")
        db.execute(f"PRAGMA max_page_count = {pages}")
        return True

    def free(self, db: Db) -> None:
        db.execute(f"PRAGMA max_page_count = {PAGES_MAX}")

    def stop(self, db: Any, steps: int) -> list[int]:
        left = iter(range(steps))
        db.set_progress_handler(lambda: next(left, None) is None, 1)
        return []

    def go_on(self, db: Any) -> None:
        db.set_progress_handler(None, 0)


class _ServerWitness:
    """Reads as the gateway's role does, bound to one site by row security."""

    def __init__(self, url: str, site: str) -> None:
        self._db = psycopg.connect(url, autocommit=True)
        self._db.execute("SELECT set_config('till.site', %s, false)", (site,))
        self._db.execute(f"SET search_path = {SCHEMA}")

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Any:
        return self._db.execute(query.replace("?", "%s"), values)  # type: ignore[arg-type]

    def close(self) -> None:
        self._db.close()


class ServerPlace:
    """A site of its own for each history, in one database."""

    def __init__(self, server: postgres.Server) -> None:
        self._url = server.database()
        database = self._url.rpartition("/")[2]
        self._superuser = psycopg.connect(server.url(postgres.SUPERUSER, database), autocommit=True)
        self._histories = 0
        Ledger.open(LedgerServer(self._url, "first")).close()  # makes the tables
        self._superuser.execute("SET session_replication_role = replica")
        self._columns = {table: self._columns_of(table) for table in TABLES}

    def _columns_of(self, table: str) -> str:
        found = self._superuser.execute(f"SELECT * FROM {SCHEMA}.{table} LIMIT 0")  # type: ignore[arg-type]
        return ", ".join(column[0] for column in found.description or () if column[0] != "site")

    def begin(self, folder: Path) -> None:
        self._histories += 1
        self.address = LedgerServer(self._url, f"history{self._histories}")

    def witness(self) -> Witness:
        return _ServerWitness(self._url, self.address.site)

    def back_up(self, db: Db) -> None:
        self._copy(self.address.site, KEPT)

    def put_back(self, is_empty: bool) -> None:
        self._copy("nowhere" if is_empty else KEPT, self.address.site)

    def _copy(self, source: str, target: str) -> None:
        """All rows of a site instead of another's."""
        with self._superuser.transaction():
            for table, columns in self._columns.items():
                self._superuser.execute(
                    f"DELETE FROM {SCHEMA}.{table} WHERE site = %s",  # type: ignore[arg-type]
                    (target,),
                )
                self._superuser.execute(
                    f"INSERT INTO {SCHEMA}.{table} ({columns}, site) SELECT {columns}, %s"  # type: ignore[arg-type]
                    f" FROM {SCHEMA}.{table} WHERE site = %s",
                    (target, source),
                )

    def fill_up(self, db: Db) -> bool:
        return False

    def free(self, db: Db) -> None:
        """There always is room."""

    def stop(self, db: Db, steps: int) -> list[int]:
        return [1 + steps % STATEMENTS_MAX, 1]

    def go_on(self, db: Db) -> None:
        """Nothing was set."""

    def close(self) -> None:
        """Give the connection back."""
        with suppress(psycopg.Error):
            self._superuser.close()


@contextmanager
def on_server() -> Iterator[ServerPlace]:
    """Place for histories on a server of their own."""
    with postgres.running() as server:
        place = ServerPlace(server)
        try:
            yield place
        finally:
            place.close()
