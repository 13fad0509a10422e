"""A ledger on a PostgreSQL server: what is committed stays, sites do not see each other, and a
server or a role that cannot hold that is refused.
"""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import LedgerServer, problems_of
from gateway.delivery.ingest import Ingest
from gateway.errors import (
    ConfigError,
    DataError,
    LedgerBroken,
    PermissionDenied,
    TryAgain,
    Unavailable,
)
from gateway.store.engine import ServerBusy, ServerConstraint, StorageError
from gateway.store.ledger import Ledger
from gateway.store.schema_version import SCHEMA, migrations, schema_in_memory, server_scripts
from tests.cli.bench import environment
from tests.delivery.bench import SITE, Device, Office, ack_of
from tests.store.server import ROLE, SUPERUSER, Server, running

BATCHES = 400


@pytest.fixture
def address(server: Server) -> LedgerServer:
    return LedgerServer(server.database(), SITE)


@pytest.fixture
def office(tmp_path: Path, address: LedgerServer) -> Iterator[Office]:
    made = Office(tmp_path, address)
    yield made
    made.ledger.close()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """One that a test may kill."""
    with running() as made:
        yield made


def administer(server: Server, address: LedgerServer, *statements: str) -> None:
    """As the database's superuser."""
    with server.superuser(address.url.rpartition("/")[2]) as db:
        db.execute("SET search_path = till")
        for statement in statements:
            db.execute(statement)


# --- the schema -----------------------------------------------------------------------------------


def test_both_engines_have_the_same_tables(office: Office) -> None:
    tables = dict(office.ledger.db.tables())

    assert {"version"} == tables.pop("schema_version")
    assert tables.pop("worker") and tables.pop("lease"), "several workers want a server"
    assert {table: {"site"} for table in tables} == {
        table: columns & {"site"} for table, columns in tables.items()
    }
    newest, _ = migrations()[-1]
    assert {table: columns - {"site"} for table, columns in tables.items()} == dict(
        schema_in_memory(newest).tables()
    )
    assert newest == office.ledger.db.schema_version()
    assert [f"{number:04}.sql" for number, _ in server_scripts()] == sorted(
        path.name for path in (SCHEMA / "postgres").iterdir()
    )


@pytest.mark.parametrize("table", ["entry", "segment", "cursor", "posting", "checkpoint"])
def test_no_table_is_emptied(office: Office, table: str) -> None:
    with pytest.raises(ServerConstraint, match="append-only|never deleted"):
        office.ledger.db.execute(f"TRUNCATE {table} CASCADE")


def test_a_text_that_the_server_cannot_hold_holds_up_nobody(office: Office) -> None:
    device = office.device()
    device.say(1)

    office.take(("till/1/city/w\0/ev", b"junk", False), device.ev(1, 1))

    assert [1] == office.seqs()
    assert ["till/1/city/w\ufffd/ev"] == [row["source"] for row in office.ledger.quarantine()]
    assert [] == office.ledger.verify()


# --- sites ----------------------------------------------------------------------------------------


def test_two_sites_of_a_database_do_not_see_each_other(
    office: Office, address: LedgerServer
) -> None:
    device = office.device()
    device.say(3)
    office.take(device.ev(1, 3), ("x", b"junk", False))
    other = LedgerServer(address.url, "north")

    with Ledger.open(other) as north:
        assert (0, bytes(32)) == north.head()
        assert ([], [], []) == (north.verify(), list(north.records()), north.quarantine())
        north.incident("told", "", "north's own", 1)

        assert 1 == north.head()[0]
        assert ["told"] == [row["kind"] for row in north.incidents()]
        with pytest.raises(StorageError, match="row-level security"):
            north.db.execute(
                "INSERT INTO upkeep (site, name, value) VALUES (?, ?, ?)", (SITE, "x", 1)
            )
    assert ([], 1) == (office.incident_kinds(), office.ledger.head()[0])
    assert [] == office.ledger.verify()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE entry NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE entry DISABLE ROW LEVEL SECURITY",
        "DROP POLICY own_site ON entry",
        "ALTER TABLE counter SET UNLOGGED",
    ],
)
def test_a_table_without_its_wall_is_refused(
    server: Server, office: Office, address: LedgerServer, change: str
) -> None:
    administer(server, address, change)

    with pytest.raises(DataError, match="table (entry|counter): row security is off, or"):
        Ledger.open(address)


@pytest.mark.parametrize("right", ["SUPERUSER", "BYPASSRLS"])
def test_a_role_that_row_security_does_not_bind_is_refused(
    server: Server, address: LedgerServer, right: str
) -> None:
    administer(server, address, f"CREATE ROLE free LOGIN {right}")
    try:
        with pytest.raises(ConfigError, match="role free is not bound by row security"):
            Ledger.open(LedgerServer(address.url.replace(f"{ROLE}@", "free@"), SITE))
    finally:
        administer(server, address, "DROP ROLE free")


# --- the server -----------------------------------------------------------------------------------


def test_a_server_that_forgets_in_a_power_cut_is_refused(own_server: Server) -> None:
    address = LedgerServer(own_server.database(), SITE)
    Ledger.open(address).close()
    own_server.stop()
    own_server.start("full_page_writes=off")

    with pytest.raises(ConfigError, match="full_page_writes = off.*set it to on"):
        Ledger.open(address)


def test_a_session_commits_to_disk_whatever_the_database_says(
    server: Server, address: LedgerServer
) -> None:
    name = address.url.rpartition("/")[2]
    administer(server, address, f"ALTER DATABASE {name} SET synchronous_commit = off")

    with Ledger.open(address) as ledger:
        assert "synchronous_commit on" in ledger.db.described()


def test_what_is_wrong_with_the_way_to_the_server_is_said(
    server: Server, address: LedgerServer
) -> None:
    nowhere = LedgerServer(address.url.replace(str(server.port), "1"), SITE)
    with pytest.raises(Unavailable, match="start the server, or correct"):
        Ledger.open(nowhere)
    with pytest.raises(Unavailable, match='database "none" does not exist'):
        Ledger.open(LedgerServer(server.url(ROLE, "none"), SITE))
    with pytest.raises(ConfigError, match="has no ledger yet"):
        Ledger.open(address, create=False)
    with pytest.raises(PermissionDenied, match="give the role the database"):
        Ledger.open(LedgerServer(server.url(ROLE, "postgres"), SITE))


def test_a_password_is_asked_for_and_never_in_the_address(own_server: Server, tmp_path) -> None:
    url = own_server.database()
    with own_server.superuser() as db:
        db.execute(f"ALTER ROLE {ROLE} PASSWORD 'of the office'")
    (own_server.folder / "data" / "pg_hba.conf").write_text(
        f"host all {SUPERUSER} 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    )
    own_server.stop()
    own_server.start()
    with pytest.raises(PermissionDenied, match="~/.pgpass"):
        Ledger.open(LedgerServer(f"{url}?passfile={tmp_path}/none", SITE))
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"127.0.0.1:*:*:{ROLE}:of the office\n")
    passwords.chmod(0o600)
    Ledger.open(LedgerServer(f"{url}?passfile={passwords}", SITE)).close()
    text = 'site = "city"\nzone = "UTC"\nwindows = ["w1"]\n[ledger]\nurl = "{}"\n'
    for secret in ("postgresql://till:secret@host/till", "postgresql://host/till?password=secret"):
        [(key, said)] = problems_of(text.format(secret))
        assert "ledger.url" == key
        assert "put that into ~/.pgpass" in said


def test_without_its_driver_the_next_step_is_said(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from gateway.config import LedgerServer\n"
        "from gateway.errors import ConfigError\n"
        "from gateway.store.ledger import Ledger\n"
        "try: Ledger.open(LedgerServer('postgresql://h/d', 'city'))\n"
        "except ConfigError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=environment(), cwd=Path(__file__).parents[2],
    )  # fmt: skip

    assert "pip install 'tillstream[postgres]'" in done.stdout


# --- trouble --------------------------------------------------------------------------------------


def test_a_server_that_goes_away_holds_the_answers_back_and_is_found_again(
    own_server: Server, tmp_path: Path
) -> None:
    office = Office(tmp_path, LedgerServer(own_server.database(), SITE))
    device = office.device()
    device.say(9)
    assert 3 == ack_of(office, device, device.ev(1, 3))["high_water"]
    own_server.kill()

    for _ in range(2):
        with pytest.raises(TryAgain, match="look at the server, counts are held"):
            office.take(device.ev(4, 6))
    own_server.start()

    assert 6 == ack_of(office, device, device.ev(4, 6))["high_water"]
    assert ["storage_failed"] == office.incident_kinds()
    own_server.stop()
    own_server.start()
    assert 9 == ack_of(office, device, device.ev(7, 9))["high_water"], "a restart is not noticed"
    assert [] == office.ledger.verify()
    office.ledger.close()


def test_a_connection_that_is_cut_in_a_transaction_commits_nothing(
    server: Server, office: Office
) -> None:
    with pytest.raises(StorageError), office.ledger.transaction() as db:
        with server.superuser() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [ROLE]
            )
        with pytest.raises(ServerBusy):
            db.execute("SELECT 1")
        db.execute("SELECT 1")

    assert (0, bytes(32)) == office.ledger.head()
    office.ledger.incident("told", "", "it goes on", 1)
    assert [] == office.ledger.verify()


def test_a_swallowed_error_is_no_commit(office: Office) -> None:
    with pytest.raises(StorageError), office.ledger.transaction() as db:
        with pytest.raises(StorageError):
            db.execute("INSERT INTO upkeep (name, value) VALUES (?, ?)", (None, 1))
        db.executemany("INSERT INTO upkeep (name, value) VALUES (?, ?)", [("a", 1)])

    assert [] == office.ledger.db.execute("SELECT name FROM upkeep").fetchall()


def test_a_full_disk_holds_the_answers_back_and_room_brings_them(
    server: Server, office: Office, address: LedgerServer
) -> None:
    device = office.device()
    device.say(4)
    office.take(device.ev(1, 2))
    administer(
        server, address,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
        " 'could not extend file' USING ERRCODE = 'disk_full'; END $$",
        "CREATE TRIGGER full_disk BEFORE INSERT ON entry EXECUTE FUNCTION full_disk()",
    )  # fmt: skip
    with pytest.raises(TryAgain, match="could not extend file"):
        office.take(device.ev(3, 4))
    administer(server, address, "DROP TRIGGER full_disk ON entry")

    assert 4 == ack_of(office, device, device.ev(3, 4))["high_water"]
    assert [1, 2, 3, 4] == office.seqs()


def test_a_server_that_lacks_what_it_committed_ends_the_gateway(
    server: Server, office: Office, address: LedgerServer
) -> None:
    """A standby took over that the last commits had not reached."""
    device = office.device()
    device.say(4)
    office.take(device.ev(1, 2))
    office.take(device.ev(3, 4))
    administer(
        server, address, "SET session_replication_role = replica",
        "DELETE FROM segment WHERE n = 2", "DELETE FROM entry WHERE n = 2",
        "UPDATE cursor SET high_water = 2, records = 2",
    )  # fmt: skip
    device.say(1)

    with pytest.raises(LedgerBroken, match="lacks entry 2, which it committed: a standby"):
        office.take(device.ev(5, 5))


WRITER = """
import sys
from pathlib import Path
from gateway.config import LedgerServer
from tests.delivery.bench import SITE, Device, Office
from gateway.devices.keys import KeyStore
office = Office(Path(sys.argv[1]), LedgerServer(sys.argv[2], SITE))
device = Device(KeyStore(Path(sys.argv[1]) / "keys").current("w1"))
print("ready", flush=True)
for seq in range(1, int(sys.argv[3])):
    device.say(1)
    [(topic, sealed)] = office.take(device.ev(seq, seq))
    print(device.open_ack(topic, sealed)["high_water"], flush=True)
"""


@pytest.mark.parametrize("after", [20, 51])
def test_what_was_acknowledged_survives_a_killed_server(
    own_server: Server, tmp_path: Path, after: int
) -> None:
    """SIGKILL to the whole server in the middle of commits, then its recovery from the log."""
    address = LedgerServer(own_server.database(), SITE)
    office = Office(tmp_path, address)
    device = office.device()
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path, address.url, str(BATCHES)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert writer.stdout is not None
    acked = 0
    while acked < after and (line := writer.stdout.readline()):
        acked = int(line) if line.strip().isdigit() else acked
    own_server.kill()
    rest, said = writer.communicate(timeout=60)
    acked = max([acked, *map(int, re.findall(r"^\d+$", rest, re.MULTILINE))])
    own_server.start()

    assert "TryAgain" in said, said
    with Ledger.open(address) as ledger:
        assert [] == ledger.verify()
        assert acked <= ledger.high_water("w1", 7) <= acked + 1
        seqs = [record.seq for record in ledger.records()]
        assert list(range(1, ledger.high_water("w1", 7) + 1)) == seqs
    following = seqs[-1] + 1
    device.say(following)
    assert following == ack_of(office, device, device.ev(following, following))["high_water"]
    office.ledger.close()


# --- several writers ------------------------------------------------------------------------------


def test_two_writers_of_a_site_make_one_chain(
    office: Office, address: LedgerServer, tmp_path: Path
) -> None:
    devices = [office.device(f"w{number}") for number in (1, 2)]
    second = Ledger.open(address)
    gates = [office.ingest, Ingest(second, office.keys, office.clock, SITE)]
    troubles: list[BaseException] = []

    def write(gate: Ingest, device: Device) -> None:
        try:
            for seq in range(1, 41):
                gate.commit([gate.accept(*device.ev(seq, seq))])
        except BaseException as error:
            troubles.append(error)

    for device in devices:
        device.say(40)
    threads = [
        threading.Thread(target=write, args=pair) for pair in zip(gates, devices, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    second.close()

    assert [] == troubles
    assert 80 == office.ledger.head()[0]
    assert [] == office.ledger.verify()
    assert list(range(1, 41)) == office.seqs("w1") == office.seqs("w2")


def test_a_writer_sees_what_another_one_wrote(office: Office, address: LedgerServer) -> None:
    device = office.device()
    device.say(6)
    second = Ledger.open(address)
    gate = Ingest(second, office.keys, office.clock, SITE)
    office.take(device.ev(1, 2))
    gate.commit([gate.accept(*device.ev(3, 4))])

    assert 6 == ack_of(office, device, device.ev(5, 6))["high_water"]
    gate.commit([gate.accept(*device.ev(5, 6))])
    second.close()
    assert 2 == office.ledger.counters()[("w1", "duplicates")]
