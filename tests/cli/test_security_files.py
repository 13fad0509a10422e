"""Files: who can read them, whoever's umask it is, and links that somebody laid where we write."""

import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gateway.devices.keys import KeyStore, create_key
from gateway.errors import ConfigError, PermissionDenied, TryAgain
from gateway.fleet.stage import stage
from gateway.store.ledger import Ledger
from tests.cli.bench import init, till
from tests.cli.serving import serving
from tests.delivery.bench import Office

SITE = {
    "site": "city", "device": "w1", "broker_host": "127.0.0.1", "broker_port": 1883,
    "key_hex": "00" * 32, "key_number": 1, "currency": "USD",
}  # fmt: skip


PUBLIC = (".vkey", ".crt", ".crl")  # keys and certificates to verify with


@pytest.fixture(autouse=True)
def careless():
    """A umask that lets everybody do everything: what is private here was made so."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Files and folders below that others or the group can read or write; what is public by nature
    may be read.
    """
    found = []
    for path in folder.rglob("*"):
        if path.stat().st_mode & (0o022 if path.suffix in PUBLIC else 0o077):
            found.append(str(path.relative_to(folder)))
    return found


# --- who can read them ----------------------------------------------------------------------------


def test_keys_ledger_and_its_logs_are_their_owners_alone(tmp_path):
    site, copies = tmp_path / "site", tmp_path / "copies"
    copies.mkdir()
    assert init(site, "--windows", 2).returncode == 0
    with serving(site, umask=0):
        while_served = open_to_others(site / "data")
        names = {path.name for path in (site / "data").iterdir()}
        assert till("backup", copies / "ledger.db", "--config", site / "till.toml").returncode == 0
    assert (
        till(
            "restore", copies / "ledger.db", "--replace", "--config", site / "till.toml"
        ).returncode
        == 0
    )

    assert {"ledger.db", "ledger.db-wal", "keys"} <= names
    assert while_served == open_to_others(site / "data") == open_to_others(copies) == []
    assert stat.S_IMODE((site / "data").stat().st_mode) == 0o700


def test_a_restored_ledger_is_never_readable_by_others_not_for_a_moment(tmp_path, monkeypatch):
    with Ledger.open(tmp_path / "ledger.db"):
        pass
    modes = []
    from gateway.store import backup

    def copyfile(source, target):
        modes.append(stat.S_IMODE(Path(target).stat().st_mode) if Path(target).exists() else None)
        Path(target).write_bytes(Path(source).read_bytes())

    monkeypatch.setattr(backup.shutil, "copyfile", copyfile)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    backup.restore(tmp_path / "ledger.db", tmp_path / "again.db")

    assert modes[-1] == 0o600
    assert stat.S_IMODE((tmp_path / "again.db").stat().st_mode) == 0o600


def test_a_staged_tree_has_its_key_in_one_file_that_its_owner_alone_can_read(tmp_path):
    tree = stage("unix", None, tmp_path / "tree", {**SITE, "key_hex": "5a" * 32}).folder
    with_key = [
        path for path in tree.rglob("*") if path.is_file() and b"5a5a5a" in path.read_bytes()
    ]

    assert with_key == [tree / "site.json"]
    assert stat.S_IMODE(with_key[0].stat().st_mode) == 0o600


def test_check_tells_of_a_folder_that_others_can_write_and_a_ledger_that_everybody_can_read(
    tmp_path,
):
    assert init(tmp_path, "--windows", 1).returncode == 0
    with Ledger.open(tmp_path / "data" / "ledger.db"):
        pass
    (tmp_path / "data").chmod(0o770)
    (tmp_path / "data" / "ledger.db").chmod(0o644)
    said = till("check", "--config", tmp_path / "till.toml").stdout

    assert f"✗ data folder: folder {tmp_path}/data: others can write there; chmod 700 it" in said
    assert f"✗ ledger: ledger {tmp_path}/data/ledger.db: open to everybody; chmod 600 it" in said


def test_keys_in_a_folder_that_others_can_write_are_not_used(tmp_path):
    office = Office(tmp_path)
    device = office.device()
    device.say(1)
    (tmp_path / "keys").chmod(0o777)

    assert office.take(device.ev(1, 1)) == []
    with pytest.raises(PermissionDenied, match="others can write there; chmod 700 it"):
        KeyStore(tmp_path / "keys").current("w1")


def test_a_new_configuration_is_its_owners_to_change_and_check_tells_of_another(tmp_path):
    assert init(tmp_path, "--windows", 1).returncode == 0
    made = stat.S_IMODE((tmp_path / "till.toml").stat().st_mode)
    (tmp_path / "till.toml").chmod(0o666)
    said = till("check", "--config", tmp_path / "till.toml").stdout

    assert made == 0o644
    assert f"✗ data folder: {tmp_path}/till.toml: others can write it; chmod go-w it" in said


def test_with_tls_every_private_key_is_its_owners_alone_and_nothing_can_be_changed_by_others(
    tmp_path,
):
    assert init(tmp_path, "--windows", 2, "--broker", "127.0.0.1:8883").returncode == 0
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    private = [
        path for path in files if b"PRIVATE KEY" in path.read_bytes() or path.suffix == ".key"
    ]
    folders = [path for path in (tmp_path / "data").rglob("*") if path.is_dir()]

    assert len(private) >= 8, "CA, broker, gateway, tree heads, and two of each window"
    assert [path.name for path in private if path.stat().st_mode & 0o077] == []
    assert [path.name for path in [*files, *folders] if path.stat().st_mode & 0o022] == []


# --- links that somebody laid ---------------------------------------------------------------------


def test_a_key_is_not_written_through_a_link(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "w1.key").symlink_to(elsewhere)

    with suppress(ConfigError):
        create_key(tmp_path / "keys", "w1")

    assert not elsewhere.exists()


def test_a_ledger_a_backup_and_a_staged_key_are_not_written_through_a_link(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    ledger = Ledger.open(tmp_path / "ledger.db")
    (tmp_path / "tree").mkdir()
    for name in (
        f"copy.db.new-{os.getpid()}",
        f"second.db.new-{os.getpid()}",
        f"third.db.restored-{os.getpid()}",
    ):
        (tmp_path / name).symlink_to(elsewhere)
    from gateway.store.backup import back_up, restore

    with ledger, pytest.raises(TryAgain):
        back_up(ledger, tmp_path / "copy.db")
    back_up(Ledger.open(tmp_path / "ledger.db"), tmp_path / "good.db")
    with pytest.raises(FileExistsError):
        Ledger.open(tmp_path / "second.db")
    with pytest.raises(FileExistsError):
        restore(tmp_path / "good.db", tmp_path / "third.db")
    assert not elsewhere.exists()
