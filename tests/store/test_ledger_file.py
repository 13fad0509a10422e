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
from gateway.store.ledger import Ledger
from gateway.store.ledger_file import APPLICATION_ID
from gateway.store.schema_version import migrations
from tests.cli.bench import init, till
from tests.delivery.bench import Office
from tests.store.fixtures.make_ledger import report_of

FIXTURES = Path(__file__).parent / "fixtures"
KEPT = ["ledger-schema3"]
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

    assert (NOW, []) == (version, found)
    after = tables_of(path)
    assert all(rows for rows in before.values()), "the fixture has a row in every table"
    assert {table: len(rows) for table, rows in before.items()} == {
        table: len(after[table]) for table in before
    }
    kept = json.loads((FIXTURES / f"{name}.json").read_text())
    assert figures(kept) == figures(json.loads(report_of(FIXTURES / f"{name}.db")))
    assert 2000 == kept["sessions"][0]["tenders"][0]["over_short_cents"]


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
    assert set(before) < set(after) == set(tables_of(kept))
    assert before["record"] == [row for row in after["record"] if row[0] != "w3"]
    if version == 2:
        assert before["posting"] == after["posting"] == tables_of(kept)["posting"]


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
        db.execute("ALTER TABLE record RENAME COLUMN body TO content")
        db.execute("PRAGMA user_version = 9999")

    with pytest.raises(LedgerBroken, match="its schema is version 9999.*start that program"):
        office.take(device.ev(2, 2))

    assert ["ledger_broken"] == [kind for kind, _ in told]
    assert "disk" not in told[0][1]
