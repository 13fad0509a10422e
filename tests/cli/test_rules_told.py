"""What the rules find decides the exit code of `till reconcile`, and its first lines say why."""

import json

from gateway.config import load
from gateway.store.ledger import Ledger
from tests.cli.bench import clock_at, init, till
from tests.day.bench import EVENING_MS, OfficeDay, posted_csv
from tests.office.rows import DAY, Tape, posting


def site_with(folder, rows):
    """A site whose one drawer was counted; what was posted is imported by the command."""
    assert init(folder, "--windows", 1).returncode == 0
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000).opening(600)
    made = OfficeDay(folder / "made", tape.count(900, "close", 25000))
    made.office.ledger.close()
    ledger = load(folder / "till.toml").ledger
    ledger.parent.mkdir(exist_ok=True)
    with Ledger(ledger):
        pass
    (made.folder / "ledger.db").replace(ledger)
    (folder / "posted.csv").write_text(posted_csv(rows))
    return clock_at(folder / "clock", EVENING_MS)


def test_a_missing_number_is_exit_code_1_and_one_line(tmp_path):
    clock = site_with(tmp_path, [posting("R-1", 600, 5000), posting("R-3", 601, 0)])
    assert 0 == till("import", "posted.csv", cwd=tmp_path, clock=clock).returncode
    done = till("reconcile", "--date", DAY, cwd=tmp_path, clock=clock)

    assert 1 == done.returncode, done.stderr
    assert done.stdout.splitlines()[1].startswith(
        "This day is not final: R14 cis: 1 receipt number missing: R-2"
    )


def test_a_flag_alone_leaves_the_day_final(tmp_path):
    void = {"status": "void", "void_by": ""}
    clock = site_with(tmp_path, [posting("R-1", 600, 5000), posting("R-2", 601, 900, **void)])
    assert 0 == till("import", "posted.csv", cwd=tmp_path, clock=clock).returncode
    done = till("reconcile", "--date", DAY, "--json", cwd=tmp_path, clock=clock)
    report = json.loads(done.stdout)

    assert (0, True) == (done.returncode, report["final"]), done.stderr
    assert [("R10", "flag")] == [
        (each["rule"], each["severity"]) for each in report["sessions"][0]["findings"]
    ]


def test_the_alert_of_the_deadline_comes_when_its_time_is_nearly_gone(tmp_path):
    clock = site_with(tmp_path, [posting("R-1", 600, 5000)])
    till("import", "posted.csv", cwd=tmp_path, clock=clock)
    clock_at(clock, EVENING_MS - 10 * 3_600_000)  # eight in the evening
    before = till("report", "--date", DAY, "--json", cwd=tmp_path, clock=clock)
    clock_at(clock, EVENING_MS + 3 * 3_600_000)  # nine in the morning; due at ten
    after = till("report", "--date", DAY, "--json", cwd=tmp_path, clock=clock)

    assert ([], ["deposit_due"]) == tuple(
        [each["kind"] for each in json.loads(done.stdout)["findings"]] for done in (before, after)
    )
    assert "min left until 2026-11-21 09:59:59 (24h)" in after.stdout
