"""The till command as people run it: exit codes, one clear message, never a traceback."""

import json

import pytest

from tests.cli.bench import init, till
from tests.incoming.bench import row, text_of


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    assert init(folder, "--windows", 2).returncode == 0
    posted = folder / "posted.csv"
    posted.write_text(text_of([row("R1"), row("R2", tender_type="card")]))
    assert till("import", posted, "--config", folder / "till.toml").returncode == 0
    return folder


def test_version_needs_no_configuration():
    assert till("--version").stdout.startswith("till ")


def test_no_or_an_unknown_command_is_a_usage_error():
    assert (
        till().returncode,
        till("recount").returncode,
        till("init", "--windows", "0").returncode,
    ) == (2, 2, 2)


def test_init_refuses_to_overwrite(site):
    done = init(site)

    assert (done.returncode, "exists" in done.stderr) == (78, True)


def test_a_missing_or_wrong_configuration_is_78(tmp_path):
    missing = till("verify", "--config", tmp_path / "none.toml")
    (tmp_path / "till.toml").write_text('site = "x"\nzone = "Mars"\nwindow = 1\n')
    wrong = till("verify", cwd=tmp_path)

    assert (missing.returncode, wrong.returncode) == (78, 78)
    assert "till init" in missing.stderr
    assert "till.toml:3:1: unknown key 'window'; did you mean 'windows'?" in wrong.stderr


def test_check_shows_and_checks(site):
    shown = till("check", "--show", "--config", site / "till.toml")
    checked = till("check", "--json", "--config", site / "till.toml")

    assert "report_cents = 2500" in shown.stdout
    assert {item["check"] for item in json.loads(checked.stdout)["checks"]} >= {
        "python",
        "keys",
        "ledger",
        "broker",
    }
    assert checked.returncode == (0 if json.loads(checked.stdout)["ok"] else 1)


def test_check_finds_a_missing_key(tmp_path):
    init(tmp_path, "--windows", 1)
    (tmp_path / "data" / "keys" / "w1.key").unlink()
    done = till("check", "--config", tmp_path / "till.toml")

    assert (done.returncode, "✗ keys: " in done.stdout) == (1, True)


def test_import_tells_what_became_of_each_file(site, tmp_path):
    conflict = tmp_path / "conflict.csv"
    conflict.write_text(text_of([row("R1", amount=7000, window_id="w2")]))
    cut = tmp_path / "cut.csv"
    cut.write_text(text_of([row("R9")], last=""))
    config = ("--config", site / "till.toml")

    assert "already posted" in till("import", site / "posted.csv", *config).stdout
    assert till("import", conflict, *config).returncode == 1
    assert till("import", cut, *config).returncode == 65
    assert till("import", tmp_path / "none.csv", *config).returncode == 2


def test_reconcile_and_report_agree_and_say_what_is_not_balanced(site):
    config = ("--config", site / "till.toml", "--date", "2026-11-20")
    proved = till("reconcile", "--json", *config)
    reported = till("report", "--json", *config)

    assert (proved.returncode, reported.returncode) == (1, 0)
    assert json.loads(proved.stdout) == json.loads(reported.stdout)
    assert json.loads(proved.stdout)["sessions"][0]["tenders"][0]["posted_cents"] == 5000
    assert "proof missing" in till("reconcile", *config).stdout


def test_report_writes_files_and_takes_one_form_only(site, tmp_path):
    config = ("--config", site / "till.toml", "--date", "2026-11-20")
    done = till("report", "--html", "--out", tmp_path / "day.html", *config)

    assert done.returncode == 0
    assert "<caption>By tender</caption>" in (tmp_path / "day.html").read_text()
    assert till("report", "--csv", *config).stdout.startswith("section,window,")
    assert till("report", "--csv", "--html", *config).returncode == 2
    assert till("report", *config, "--date", "yesterday").returncode == 2
    assert till("report", "--html", "--out", tmp_path / "no" / "day.html", *config).returncode == 75


def test_verify_and_device_list(site):
    config = ("--config", site / "till.toml")

    assert till("verify", *config).returncode == 0
    assert [
        row["device"] for row in json.loads(till("device", "list", "--json", *config).stdout)
    ] == ["w1", "w2"]


def test_a_broken_ledger_is_bad_data(tmp_path):
    init(tmp_path)
    (tmp_path / "data" / "ledger.db").write_bytes(b"not a database, by no means" * 100)
    done = till("verify", "--config", tmp_path / "till.toml")

    assert (done.returncode, "restore it from the backup" in done.stderr) == (65, True)


def test_init_for_an_installed_broker_and_staging_a_board(tmp_path):
    made = init(tmp_path / "site", "--windows", 1, "--broker", "127.0.0.1:18831")
    config = ("--config", tmp_path / "site" / "till.toml")

    assert made.returncode == 0
    assert "embedded = false" in till("check", "--show", *config).stdout
    assert init(tmp_path / "other", "--broker", "somewhere").returncode == 2
    assert till("stage", "w7", "--out", tmp_path / "board", *config).returncode == 2
    assert till("stage", "w1", "--out", tmp_path / "board", *config).returncode == 0
    assert (tmp_path / "board" / "main.py").exists()
