"""A ledger of schema 4 on a server becomes one of today's, for all sites of the database at once,
or stays as it was.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from gateway.config import LedgerServer
from gateway.errors import GatewayError
from gateway.store import server_ledger
from gateway.store.ledger import Ledger
from gateway.store.move import TABLES, copy_ledger
from gateway.store.opening import opened
from gateway.store.postings import hashed_postings
from gateway.store.schema_version import migrations, server_scripts
from tests.delivery.bench import SITE
from tests.store.server import Server

KEPT = Path(__file__).parent / "fixtures" / "ledger-schema4.db"
SITES = (SITE, "other")


@pytest.fixture
def addresses(server: Server) -> list[LedgerServer]:
    """A database of schema 4 with the kept ledger in it, twice: as that of two sites."""
    url = server.database()
    (_, script), *_ = server_scripts()
    with psycopg.connect(url, autocommit=True) as db, closing(sqlite3.connect(KEPT)) as kept:
        db.execute("CREATE SCHEMA till")
        db.execute("SET search_path = till")
        db.execute(script)
        for site in SITES:
            db.execute("SELECT set_config('till.site', %s, false)", (site,))
            of_then = {name for (name,) in kept.execute("SELECT name FROM sqlite_master")}
            for table in (table for table in TABLES if table in of_then):
                columns = [row[1] for row in kept.execute(f"PRAGMA table_info({table})")]
                names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
                with db.cursor() as cursor, db.transaction():
                    cursor.executemany(
                        f"INSERT INTO {table} ({names}) VALUES ({marks})",
                        kept.execute(f"SELECT {names} FROM {table}").fetchall(),
                    )
    return [LedgerServer(url, site) for site in SITES]


def version_of(address: LedgerServer) -> int:
    with psycopg.connect(address.url) as db:
        [version] = db.execute("SELECT version FROM till.schema_version").fetchone()
        return int(version)


def test_all_sites_are_brought_to_the_newest_schema_and_keep_every_hash(addresses) -> None:
    with closing(sqlite3.connect(KEPT)) as db:
        kept = db.execute("SELECT receipt_no, content FROM posting ORDER BY id").fetchall()
        head = db.execute("SELECT n, head FROM entry ORDER BY n DESC LIMIT 1").fetchone()

    for address in addresses:
        with Ledger(address) as ledger:
            assert [] == ledger.verify()
            told = list(hashed_postings(ledger.db))
            assert head == ledger.head()

        assert kept == [(posting.receipt_no, content) for posting, content, *_ in told]
        assert [content for _, content in kept] == [posting.content() for posting, *_ in told]
        assert {("payment", "")} == {(posting.kind, posting.scope) for posting, *_ in told}
    assert len(migrations()) == version_of(addresses[0])


def test_one_that_fails_half_way_has_not_happened(addresses, monkeypatch) -> None:
    *before, (number, script) = server_scripts()
    broken = (*before, (number, f"{script}; SELECT 1 / 0;"))
    with monkeypatch.context() as patch:
        patch.setattr(server_ledger, "server_scripts", lambda: broken)
        with pytest.raises(GatewayError):
            opened(addresses[0])

    assert 4 == version_of(addresses[0])
    with Ledger(addresses[0]) as ledger:
        assert [] == ledger.verify()


def test_a_ledger_of_before_moves_both_ways(addresses, server: Server, tmp_path: Path) -> None:
    shutil.copy(KEPT, tmp_path / "old.db")
    empty = LedgerServer(server.database(), SITE)
    with Ledger(tmp_path / "old.db") as old, Ledger(empty) as there:
        there_end = copy_ledger(old.db, there.db, "there")
    with Ledger(addresses[1]) as old, Ledger(tmp_path / "back.db") as back:
        back_end = copy_ledger(old.db, back.db, "back")

    assert there_end == back_end
    with Ledger(tmp_path / "back.db") as ledger:
        assert [] == ledger.verify()
