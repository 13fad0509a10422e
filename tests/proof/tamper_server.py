"""./run proof tamper --server: the insider is the superuser of a PostgreSQL server.

Each ledger is a database of its own. He edits it past triggers, row security and references;
`verify` reads it as the gateway's own role does (`till audit` reads files alone: backups, which are
not made of a ledger that does not verify). Afterwards the rows are put back.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from gateway.config import LedgerServer
from gateway.store.engine import Db, SqliteDb, StorageError
from gateway.store.ledger import Ledger
from gateway.store.move import copy_ledger
from gateway.store.server import SCHEMA, ServerDb
from tests.delivery.bench import SITE
from tests.proof.tamper_ledgers import FACTS, Insider
from tests.store.server import SUPERUSER, Server

_PAST_ALL_RULES = "SET session_replication_role = replica; SET synchronous_commit = off"
_KEEP = "CREATE SCHEMA kept; " + "; ".join(
    f"CREATE TABLE kept.{table} AS SELECT * FROM {SCHEMA}.{table}" for table in FACTS
)
_PUT_BACK = "BEGIN; " + "".join(
    f"DELETE FROM {SCHEMA}.{table}; INSERT INTO {SCHEMA}.{table} SELECT * FROM kept.{table}; "
    for table in FACTS
) + "COMMIT"  # fmt: skip


class ServerInsider(Insider):
    """A row of PostgreSQL's is where its page has it."""

    place = "ctid::text"
    at = "ctid = ?::tid"

    def tried(self, query: str, *values: Any) -> int:
        try:
            return self.db.execute(query, values).rowcount
        except StorageError:  # also a number that its column cannot hold
            return 0


class Ground:
    """A server that holds the ledger which is edited; `take` the next one."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._opened = ExitStack()

    def take(self, sound: SqliteDb) -> None:
        """Copy a ledger onto the server."""
        self._opened.close()
        address = LedgerServer(self._server.database(), SITE)
        self._ledger = self._opened.enter_context(Ledger.open(address))
        copy_ledger(sound, self._ledger.db, str(address))
        database = address.url.rpartition("/")[2]
        self._superuser = ServerDb(LedgerServer(self._server.url(SUPERUSER, database), SITE))
        self._opened.callback(self._superuser.close)
        self._superuser.script(_PAST_ALL_RULES)
        self._superuser.script(_KEEP)

    @contextmanager
    def victim(self) -> Iterator[tuple[Insider, Db]]:
        """Who edits it, and as what it is read."""
        yield ServerInsider(self._superuser), self._ledger.db
        self._superuser.script(_PUT_BACK)

    def close(self) -> None:
        """Give the connections back."""
        self._opened.close()
