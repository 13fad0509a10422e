"""A copy of the ledger and the way back: verified, never over another file, and the devices fill in
what came after.
"""

import json
from pathlib import Path

import pytest

from gateway.errors import ConfigError, DataError, TryAgain
from gateway.store.backup import back_up, inspect, restore
from gateway.store.ledger import Ledger
from tests.cli.bench import init, till
from tests.delivery.bench import Office
from tests.store.bench import insider


def test_a_backup_of_a_ledger_in_use_holds_what_was_committed(office: Office) -> None:
    device = office.device()
    device.say(5)
    office.take(device.ev(1, 5))

    made = back_up(office.ledger, office.folder / "copy.db")

    assert (made.n, made.head) == office.ledger.head()
    assert ["copy.db"] == [path.name for path in office.folder.glob("copy*")]
    assert (office.folder / "copy.db").stat().st_mode & 0o077 == 0


def test_what_came_after_the_backup_is_asked_for_again(office: Office) -> None:
    device = office.device()
    device.say(3)
    office.take(device.ev(1, 3))
    back_up(office.ledger, office.folder / "copy.db")
    device.say(4)
    office.take(device.ev(4, 7))
    n, head = office.ledger.head()
    office.ledger.close()

    restore(office.folder / "copy.db", office.folder / "ledger.db", replace=True)
    (office.folder / "again").mkdir()
    after = Office(office.folder)
    answers = after.take(device.state(acked=7, ledger_n=n, ledger_head=head))
    ack = device.open_ack(*answers[0])
    after.take(device.ev(4, 7))

    assert (4, 7) == (ack["want_from"], ack["want_to"])
    assert list(range(1, 8)) == after.seqs()
    assert "ledger_behind" in after.incident_kinds()
    assert ["witness"] == [found.kind for found in after.ledger.verify()], "it saw the lost end"
    n, head = after.ledger.head()
    after.take(device.state(acked=7, ledger_n=n, ledger_head=head))
    assert [] == after.ledger.verify()


def test_a_backup_is_never_written_over(office: Office) -> None:
    (office.folder / "copy.db").write_bytes(b"precious")

    with pytest.raises(ConfigError, match="never written over"):
        back_up(office.ledger, office.folder / "copy.db")

    assert b"precious" == (office.folder / "copy.db").read_bytes()


def test_an_edited_backup_is_refused(office: Office) -> None:
    device = office.device()
    device.say(3)
    office.take(device.ev(1, 3))
    back_up(office.ledger, office.folder / "copy.db")
    with insider(office.folder / "copy.db") as db:
        db.execute("UPDATE segment SET from_ms = from_ms - 1")

    with pytest.raises(DataError, match="use an older backup"):
        restore(office.folder / "copy.db", office.folder / "elsewhere.db")

    assert not (office.folder / "elsewhere.db").exists()


def test_a_ledger_that_is_there_moves_aside_only_when_asked_and_when_nobody_holds_it(
    office: Office,
) -> None:
    back_up(office.ledger, office.folder / "copy.db")

    with pytest.raises(ConfigError, match="say --replace"):
        restore(office.folder / "copy.db", office.folder / "ledger.db")
    office.ledger.db.execute("BEGIN IMMEDIATE")
    with pytest.raises(TryAgain, match="stop the gateway"):
        restore(office.folder / "copy.db", office.folder / "ledger.db", replace=True)
    office.ledger.db.execute("ROLLBACK")
    office.ledger.close()
    restore(office.folder / "copy.db", office.folder / "ledger.db", replace=True)

    assert [] == Ledger.open(office.folder / "ledger.db").verify()
    assert 1 == len(list(office.folder.glob("replaced-*-ledger.db")))
    assert 0 == inspect(office.folder / "copy.db").n


def test_the_commands_say_what_was_copied(tmp_path: Path) -> None:
    assert init(tmp_path / "site", "--windows", 1).returncode == 0
    config = tmp_path / "site" / "till.toml"
    made = till("backup", tmp_path / "copy.db", "--config", config, "--json")
    again = till("backup", tmp_path / "copy.db", "--config", config)
    refused = till("restore", tmp_path / "copy.db", "--config", config)
    restored = till("restore", tmp_path / "copy.db", "--replace", "--config", config, "--json")

    assert (0, 78, 78, 0) == (
        made.returncode,
        again.returncode,
        refused.returncode,
        restored.returncode,
    ), refused.stderr
    assert json.loads(made.stdout)["head"] == json.loads(restored.stdout)["head"]
