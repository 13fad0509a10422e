"""A ledger of an earlier schema opens, migrates and says what it said; one of another schema is
refused with both versions and the next step, never with advice about the disk.
"""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import DataError, LedgerBroken
from gateway.store.entries import ADDED_LATER, head_of
from gateway.store.ledger import Ledger
from gateway.store.ledger_file import APPLICATION_ID
from gateway.store.schema_version import migrations
from tests.cli.bench import init, till
from tests.delivery.bench import Office
from tests.store.fixtures.make_ledger import report_of

FIXTURES = Path(__file__).parent / "fixtures"
KEPT = ["ledger-schema3", "ledger-schema4", "ledger-schema5", "ledger-schema6"]
STATES = {"upkeep"}  # when the program last looked after the file
NOW = len(migrations())


def figures(report):
    """The report without its words, which may become better ones."""
    if isinstance(report, dict):
        words = ("text", "title", "evidence", "check")
        return {key: figures(item) for key, item in report.items() if key not in words}
    return [figures(item) for item in report] if isinstance(report, list) else report


def tables_of(path):
    with closing(sqlite3.connect(path)) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return {
            name: db.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
            for (name,) in names.fetchall()
        }


def older(path, target, version):
    """A ledger of that earlier version with the rows that it could hold of the one at `path`."""
    with closing(sqlite3.connect(target, isolation_level=None)) as db:
        for _, script in migrations()[:version]:
            db.executescript(script)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {version}")
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        db.execute("ATTACH ? AS newer", (str(path),))
        for (table,) in tables:
            columns = ", ".join(row[1] for row in db.execute(f"PRAGMA table_info({table})"))
            db.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table}")


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_ledger_opens_verifies_and_reports_what_it_did(name, tmp_path):
    path = tmp_path / "ledger.db"
    shutil.copy(FIXTURES / f"{name}.db", path)
    before = tables_of(path)
    with Ledger.open(path, create=False) as ledger:
        found = ledger.verify()
        version = ledger.db.execute("PRAGMA user_version").fetchone()[0]
        stated = [(each.device, each.epoch, each.seq) for each in ledger.records()]

    assert (NOW, []) == (version, found)
    after = tables_of(path)
    assert all(before[table] for table in before if table not in STATES), "a row in every table"
    assert {table: len(before[table]) for table in before.keys() & after.keys()} == {
        table: len(after[table]) for table in before.keys() & after.keys()
    }
    assert set(before) - set(after) <= {"message", "record"}
    if "record" in before:
        assert sorted(stated) == [row[:3] for row in sorted(before["record"])]
    kept, report = json.loads((FIXTURES / f"{name}.json").read_text()), json.loads(report_of(path))
    end = kept.pop("ledger")
    assert end["n"] <= report.pop("ledger")["n"], "a migration may add an entry, and changes none"
    with Ledger.open(path, create=False) as ledger:
        assert bytes.fromhex(end["head"]) == head_of(ledger.db, end["n"])
    assert figures(kept) == figures(report)
    assert 2000 == abs(kept["sessions"][0]["tenders"][0]["over_short_cents"])


@pytest.mark.parametrize("version", [1, 2])
def test_a_ledger_of_an_earlier_version_migrates_and_takes_what_comes_next(version, tmp_path):
    kept = FIXTURES / "ledger-schema3.db"
    older(kept, tmp_path / "ledger.db", version)
    before = tables_of(tmp_path / "ledger.db")
    office = Office(tmp_path)
    device = office.device("w3")
    device.say(1)
    office.take(device.ev(1, 1))
    office.take(device.state(command=4))

    assert [] == office.ledger.verify()
    assert NOW == office.ledger.db.execute("PRAGMA user_version").fetchone()[0]
    after = tables_of(tmp_path / "ledger.db")
    assert sorted(row[:3] for row in before["record"]) == sorted(
        (each.device, each.epoch, each.seq)
        for each in office.ledger.records()
        if each.device != "w3"
    )
    assert set(tables_of(kept)) - {"message", "record"} <= set(after)
    if version == 2:
        then = [row[: len(row) - len(ADDED_LATER["posting"])] for row in after["posting"]]
        assert before["posting"] == then == tables_of(kept)["posting"]
        assert {ADDED_LATER["posting"]} == {row[len(then[0]) :] for row in after["posting"]}


# --- damage that opening does not meet


def overwritten(path, table):
    """The first page of a table, as a failing disk would return it."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        [(page,)] = db.execute(query, (table,)).fetchall()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)


@pytest.mark.parametrize(
    ("table", "code", "said"),
    [
        ("entry", 65, "restore it from the backup"),  # there is not even a head to tell
        ("segment", 1, "the file is damaged"), ("heartbeat", 1, "the file is damaged"),
        ("counter", 1, "the file is damaged"), ("segment_by_time", 1, "the file is damaged"),
    ],
)  # fmt: skip
def test_a_page_that_was_overwritten_is_found_and_no_backup_is_made_of_it(
    table, code, said, tmp_path
) -> None:
    site = tmp_path / "site"
    assert 0 == init(site, "--windows", 1).returncode
    path = site / "data" / "ledger.db"
    shutil.copy(FIXTURES / "ledger-schema3.db", path)
    Ledger(path).close()
    overwritten(path, table)
    before = path.read_bytes()
    config = ("--config", site / "till.toml")

    found, refused = till("verify", *config), till("backup", tmp_path / "copy.db", *config)

    assert code == found.returncode
    assert said in found.stdout + found.stderr
    assert DataError.exit_code == refused.returncode
    assert "use an older backup" in refused.stderr
    assert not (tmp_path / "copy.db").exists()
    assert before == path.read_bytes()


def test_a_gateway_does_not_start_on_a_log_that_cannot_be_read(tmp_path) -> None:
    assert 0 == init(tmp_path, "--windows", 1).returncode
    path = tmp_path / "data" / "ledger.db"
    shutil.copy(FIXTURES / "ledger-schema3.db", path)
    Ledger(path).close()
    overwritten(path, "entry")

    done = till("serve", "--config", tmp_path / "till.toml")

    assert DataError.exit_code == done.returncode
    assert "restore it from the backup" in done.stderr


# --- other schemas


def newer(db):
    db.execute("PRAGMA user_version = 9999")


def without_a_table(db):
    db.execute("DROP TABLE posting")


def without_a_column(db):
    db.execute("ALTER TABLE heartbeat DROP COLUMN command")


def reset(db):
    db.execute("PRAGMA user_version = 0")


def older_than_it_says(db):
    db.execute("PRAGMA user_version = 2")


BROKEN = [
    (newer, "its schema is version 9999", "start that program"),
    (without_a_table, f"says version {NOW}", "lacks table posting"),
    (without_a_column, f"says version {NOW}", "lacks column heartbeat.command"),
    (reset, "says version 0", "till restore"),
    (older_than_it_says, "says version 2", "till restore"),
]


@pytest.mark.parametrize(("change", "has", "then"), BROKEN)
def test_another_schema_is_told_with_both_versions_and_the_next_step(
    change, has, then, tmp_path
) -> None:
    site = tmp_path / "site"
    assert 0 == init(site, "--windows", 1).returncode
    Ledger(site / "data" / "ledger.db").close()
    with closing(sqlite3.connect(site / "data" / "ledger.db")) as db, db:
        change(db)

    done = till("reconcile", "--config", site / "till.toml")

    assert DataError.exit_code == done.returncode
    assert has in done.stderr
    assert f"this program knows versions 1 to {NOW}" in done.stderr
    assert then in done.stderr
    assert "disk" not in done.stderr


def test_a_schema_that_changes_under_a_gateway_ends_it_and_is_told_once(tmp_path) -> None:
    """A newer program migrated the file, or a person dropped a table, while it was in use."""
    office = Office(tmp_path)
    told = []
    office.ingest.troubles.append(lambda kind, text, at_ms: told.append((kind, text)))
    device = office.device()
    device.say(2)
    office.take(device.ev(1, 1))
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db, db:
        db.execute("ALTER TABLE entry RENAME COLUMN content TO bytes")
        db.execute("PRAGMA user_version = 9999")

    with pytest.raises(LedgerBroken, match="its schema is version 9999.*start that program"):
        office.take(device.ev(2, 2))

    assert ["ledger_broken"] == [kind for kind, _ in told]
    assert "disk" not in told[0][1]
