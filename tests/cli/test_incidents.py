"""What a person sees of incidents and refused messages, and how a locked device is released."""

import json
from pathlib import Path

import pytest

from protocol import records
from tests.cli.bench import init, till
from tests.delivery.bench import Device, Office, a_tally


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site whose w1 was locked by a second board, and which a stranger wrote to."""
    assert 0 == init(tmp_path, "--site", "city").returncode
    office = Office(tmp_path / "data")
    device = Device(office.keys.current("w1"))
    device.say(3)
    clone = [records.encode_record(a_tally(77))]
    office.take(
        device.ev(1, 2), device.ev(2, 2, clone), ("till/1/city/w1/ev", b"\x1b[31mforged", False)
    )
    office.ledger.close()
    return tmp_path / "till.toml"


def test_incidents_are_listed_with_time_kind_device_and_next_step(site: Path) -> None:
    shown = till("incidents", "--config", site)
    rows = json.loads(till("incidents", "--config", site, "--json").stdout)

    assert (
        " equivocation w1: epoch 7 seq 2: two different records with one identity" in shown.stdout
    )
    assert "release" in shown.stdout
    assert ["equivocation"] == [row["kind"] for row in rows]


def test_quarantine_is_listed_and_the_bytes_of_one_are_saved(site: Path, tmp_path: Path) -> None:
    shown = till("quarantine", "--config", site)
    saved = till("quarantine", "--config", site, "--save", "1", "--to", tmp_path / "refused.bin")

    assert 0 == shown.returncode == saved.returncode
    assert "2 in quarantine, 0 past the cap" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert b"\x1b[31mforged" == (tmp_path / "refused.bin").read_bytes()


def test_saving_over_a_file_or_what_is_not_there_is_refused(site: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")

    assert (
        78
        == till(
            "quarantine", "--config", site, "--save", "1", "--to", tmp_path / "there"
        ).returncode
    )
    assert (
        2
        == till("quarantine", "--config", site, "--save", "99", "--to", tmp_path / "new").returncode
    )
    assert 2 == till("quarantine", "--config", site, "--save", "1").returncode
    assert "mine" == (tmp_path / "there").read_text()


def test_a_locked_device_is_released_once_by_name(site: Path) -> None:
    done = till("device", "release", "w1", "--who", "pat", "--config", site)
    again = till("device", "release", "w1", "--who", "pat", "--config", site)
    rows = json.loads(till("incidents", "--config", site, "--json").stdout)

    assert 0 == done.returncode
    assert 78 == again.returncode
    assert "not locked" in again.stderr
    assert ["equivocation", "released"] == [row["kind"] for row in rows]
    assert rows[1]["text"].endswith("by pat")
