"""Copies of a ledger on a server: backup and restore, the move between the engines, and what the
server's own tools restore.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.config import LedgerServer
from gateway.delivery.ingest import Ingest
from gateway.errors import ConfigError, DataError
from gateway.store.backup import back_up, move, restore
from gateway.store.engine import ServerConstraint
from gateway.store.ledger import Ledger
from tests.delivery.bench import SITE, Device, Office, ack_of
from tests.store.server import SUPERUSER, Server, running


@pytest.fixture
def office(tmp_path: Path, server: Server) -> Iterator[Office]:
    made = Office(tmp_path, LedgerServer(server.database(), SITE))
    yield made
    made.ledger.close()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """One that a test may kill."""
    with running() as made:
        yield made


def filled(office: Office) -> tuple[int, bytes]:
    device = office.device()
    device.say(30)
    office.take(device.ev(1, 5), device.ev(6, 9), ("x", b"junk", False))
    office.take(device.state(lowest_kept=12))
    office.take(device.ev(12, 30), device.state(lowest_kept=12))
    return office.ledger.head()


def test_a_backup_of_a_server_is_a_ledger_file_and_goes_back_into_an_empty_site(
    server: Server, office: Office, tmp_path: Path
) -> None:
    head = filled(office)

    made = back_up(office.ledger, tmp_path / "copy.db")

    assert head == (made.n, made.head)
    with Ledger.open(tmp_path / "copy.db", create=False) as copy:
        assert [] == copy.verify()
        assert office.ledger.counters() == copy.counters()
        assert office.ledger.heartbeats() == copy.heartbeats()
    empty = LedgerServer(server.database(), SITE)
    restore(tmp_path / "copy.db", empty)
    with Ledger.open(empty) as again:
        assert (head, []) == (again.head(), again.verify())
        assert office.ledger.gaps() == again.gaps()
    with pytest.raises(DataError, match="not empty.*name an empty one"):
        restore(tmp_path / "copy.db", empty)
    with pytest.raises(ConfigError, match="make a new database"):
        restore(tmp_path / "copy.db", empty, replace=True)


def test_a_ledger_moves_to_a_server_and_back(server: Server, tmp_path: Path) -> None:
    office = Office(tmp_path)
    head = filled(office)
    address = LedgerServer(server.database(), SITE)

    assert head == move(office.ledger, address)
    with Ledger.open(address) as there:
        office.ingest = Ingest(there, office.keys, office.clock, SITE)
        device = Device(office.keys.current("w1"))
        device.say(31)
        assert 31 == ack_of(office, device, device.ev(31, 31))["high_water"]
        after = there.head()
        assert after == move(there, tmp_path / "back.db")
        with pytest.raises(DataError, match="not empty"):
            move(office.ledger, address)
        assert after == there.head()
    with Ledger.open(tmp_path / "back.db", create=False) as back:
        assert (after, []) == (back.head(), back.verify())


def test_a_ledger_that_does_not_verify_is_not_moved(server: Server, tmp_path: Path) -> None:
    office = Office(tmp_path)
    filled(office)
    db = office.ledger.db
    db.execute("DROP TRIGGER gap_no_update")
    db.execute("UPDATE gap SET to_seq = to_seq + 1")
    address = LedgerServer(server.database(), SITE)

    with pytest.raises(DataError, match="the copy has 2 findings"):
        move(office.ledger, address)
    with Ledger.open(address) as there:
        assert (0, bytes(32)) == there.head()


def test_what_the_servers_own_tools_restore_verifies(own_server: Server, tmp_path: Path) -> None:
    """pg_dump and pg_restore of a database, pg_basebackup of the whole server."""
    office = Office(tmp_path, LedgerServer(own_server.database(), SITE))
    head = filled(office)
    name = office.ledger.path.url.rpartition("/")[2]
    own_server.run("pg_dump", "-Fc", "-f", own_server.folder / "dump",
                   own_server.url(SUPERUSER, name))  # fmt: skip
    again = own_server.database()
    own_server.run("pg_restore", "-d", own_server.url(SUPERUSER, again.rpartition("/")[2]),
                   own_server.folder / "dump")  # fmt: skip
    with Ledger.open(LedgerServer(again, SITE), create=False) as restored:
        assert (head, []) == (restored.head(), restored.verify())
    own_server.run("pg_basebackup", "-D", own_server.folder / "base", "-c", "fast", "-d",
                   own_server.url(SUPERUSER, "postgres"))  # fmt: skip
    office.ledger.close()
    own_server.stop()
    (own_server.folder / "data").rename(own_server.folder / "lost")
    (own_server.folder / "base").rename(own_server.folder / "data")
    own_server.start()

    with Ledger.open(office.ledger.path, create=False) as restored:
        assert (head, []) == (restored.head(), restored.verify())


def test_pg_restore_leaves_the_walls_standing(own_server: Server, tmp_path: Path) -> None:
    office = Office(tmp_path, LedgerServer(own_server.database(), SITE))
    filled(office)
    name = office.ledger.path.url.rpartition("/")[2]
    own_server.run("pg_dump", "-Fc", "-f", own_server.folder / "dump",
                   own_server.url(SUPERUSER, name))  # fmt: skip
    again = own_server.database()
    own_server.run("pg_restore", "-d", own_server.url(SUPERUSER, again.rpartition("/")[2]),
                   own_server.folder / "dump")  # fmt: skip

    with Ledger.open(LedgerServer(again, "north")) as north:
        assert (0, bytes(32)) == north.head()
        with pytest.raises(ServerConstraint, match="append-only"), north.transaction() as db:
            db.execute("TRUNCATE entry CASCADE")
    with psycopg.connect(again) as db, pytest.raises(psycopg.Error, match="till.site"):
        db.execute("SELECT n FROM till.entry")
    office.ledger.close()
