"""What a finding is, is in its kind: an insider who writes our own words into the ledger turns no
finding into a milder one.
"""

import json
import sqlite3
from contextlib import closing

import pytest

from gateway.audit.offline import audit
from gateway.store.engine import SqliteDb
from tests.cli.bench import init, till
from tests.delivery.bench import Office

NAME = "w1 was acked with another head"  # a device's name that reads like a witness's finding


@pytest.fixture
def spoiled(tmp_path):
    """A site's folder whose ledger says of a stream under such a name that it has a record, which
    no message brought.
    """
    assert 0 == init(tmp_path / "site", "--windows", 1).returncode
    data = tmp_path / "site" / "data"
    office = Office(tmp_path)
    device = office.device()
    device.say(2)
    office.take(device.ev(1, 2))
    office.ledger.close()
    (tmp_path / "ledger.db").replace(data / "ledger.db")
    with closing(sqlite3.connect(data / "ledger.db")) as insider, insider:
        insider.execute(
            "INSERT INTO cursor (id, device, epoch, high_water, first_seen_ms, last_seen_ms,"
            " current, locked, records, fingerprint) SELECT 9, ?, epoch, 1, first_seen_ms,"
            " last_seen_ms, 1, 0, 1, fingerprint FROM cursor",
            (NAME,),
        )
        insider.execute(
            "INSERT INTO segment (id, cursor_id, first_seq, last_seq, n, at, size, from_ms,"
            " until_ms) SELECT 9, 9, 1, 1, n, at, size, from_ms, until_ms FROM segment"
        )
    return data


def test_the_audit_calls_a_forged_record_no_matter_for_a_witness(spoiled):
    with closing(sqlite3.connect(spoiled / "ledger.db", factory=SqliteDb)) as db:
        found = audit(db, [], []).findings

    assert any(NAME in f"{item.where} {item.text}" for item in found)
    assert {"ledger"} == {item.kind for item in found}


def test_till_verify_tells_the_kind(spoiled):
    told = till("verify", "--json", "--config", spoiled.parent / "till.toml")

    assert 1 == told.returncode
    assert {"record", "stream"} == {item["kind"] for item in json.loads(told.stdout)["findings"]}
