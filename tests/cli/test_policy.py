"""till policy: what is in force, and whether a changed file is good."""

import datetime
import json

import pytest

from gateway.business_day import local_ms
from gateway.policy_file import closed_under, fingerprint
from tests.cli.bench import clock_at, init, till
from tests.office.sound_day import ZONE

OURS = """[R12]
alarm_cents = 300000
[rounding]
cash = "nickel"
account = "100-4990"
[calendar]
closed = ["2026-12-24"]
"""


@pytest.fixture
def site(tmp_path):
    assert init(tmp_path, "--windows", 1).returncode == 0
    return tmp_path


@pytest.fixture
def clock(tmp_path):
    noon = local_ms(datetime.date(2026, 11, 20), datetime.time(12), ZONE)
    return clock_at(tmp_path / "clock", noon)


def test_what_is_in_force_is_shown_with_its_source_and_what_differs(site, clock):
    (site / "policy.toml").write_text(OURS)
    done = till("policy", cwd=site, clock=clock)
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line[:1].isalpha())

    assert (0, "") == (done.returncode, done.stderr)
    assert [f"R{n:02d}" for n in range(1, 27)] == [
        line.split()[0] for line in done.stdout.splitlines() if line.startswith("  R")
    ]
    assert "3,000.00" in done.stdout
    assert ["R01", "block", "yes", "assumed"] == [
        word
        for word in done.stdout.split("R02")[0].split()
        if word in ("R01", "block", "yes", "assumed")
    ]
    assert "policy.toml" == lines["file"].rpartition("/")[2]
    assert "24h: 24 h after the first receipt" == lines["deposit"]
    assert "to a nickel, account 100-4990" == lines["rounding"]
    assert lines["closed"].startswith(
        "sat, sun; next 2026-11-26 (4th thu nov), 2026-12-24 (closed), 2026-12-25 (dec 25),"
    )
    assert lines["differs"] == (
        "R12.alarm_cents: 250000 -> 300000; calendar.closed: none -> 2026-12-24;"
        " rounding.account: none -> 100-4990; rounding.cash: none -> nickel"
    )


def test_json_says_the_same_and_holds_the_text_that_is_kept(site, clock):
    (site / "policy.toml").write_text(OURS)
    report = json.loads(till("policy", "--json", cwd=site, clock=clock).stdout)
    rules = {each["rule"]: each for each in report["rules"]}

    assert (300_000, "this site", "flag") == (
        rules["R12"]["alarm_cents"], rules["R12"]["source"], rules["R12"]["severity"],
    )  # fmt: skip
    assert ("yes", "when deposit slips are recorded") == (
        rules["R14"]["looked_at"], rules["R16"]["looked_at"],
    )  # fmt: skip
    assert fingerprint(report["text"]) == report["sha256"]
    assert "nickel" == closed_under(report["text"]).policy.rounding.cash
    assert ["2026-11-26", "2026-12-24"] == [each["date"] for each in report["next_closed"][:2]]


def test_without_a_file_what_ships_is_in_force(site, clock):
    done = till("policy", cwd=site, clock=clock)

    assert "file      none: what ships is in force" in done.stdout
    assert "differs   in nothing" in done.stdout


def test_a_file_is_tried_without_a_site_and_changes_nothing(tmp_path):
    tried = tmp_path / "new.toml"
    tried.write_text(OURS)
    done = till("policy", "--check", tried, cwd=tmp_path)
    as_json = json.loads(till("policy", "--check", tried, "--json", cwd=tmp_path).stdout)

    assert (0, "") == (done.returncode, done.stderr)
    assert [
        "R12.alarm_cents: 250000 -> 300000", "calendar.closed: none -> 2026-12-24",
        "rounding.account: none -> 100-4990", "rounding.cash: none -> nickel",
        f"✓ {tried}: good; 4 values differ from what ships",
    ] == [line.strip() for line in done.stdout.splitlines()]  # fmt: skip
    assert {"key": "R12.alarm_cents", "shipped": 250_000, "here": 300_000} in as_json["differs"]
    assert [tried] == list(tmp_path.iterdir())


def test_a_wrong_file_is_refused_by_every_command_with_its_place(site):
    (site / "policy.toml").write_text('[R05]\nseverity = "off"\n')
    tried, served = till("policy", "--check", "policy.toml", cwd=site), till("check", cwd=site)

    assert (78, 78) == (tried.returncode, served.returncode)
    assert "policy.toml:2:12: R05.severity: this rule is an invariant" in tried.stderr
    assert "policy.toml:2:12: R05.severity: this rule is an invariant" in served.stderr


def test_a_file_that_is_not_there_is_named(tmp_path):
    done = till("policy", "--check", "nope.toml", cwd=tmp_path)

    assert (78, "till: nope.toml: no such file; name the policy.toml to try\n") == (
        done.returncode,
        done.stderr,
    )


def test_a_policy_that_others_can_write_is_told(site):
    (site / "policy.toml").write_text(OURS)
    (site / "policy.toml").chmod(0o666)

    assert "policy.toml: others can write it; chmod go-w it" in till("check", cwd=site).stdout
