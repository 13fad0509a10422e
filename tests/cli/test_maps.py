"""till import --map, --dry-run and --learn, as people run them."""

import json

import pytest

from tests.cli.bench import clock_at, init, till
from tests.incoming.mapping import PLAIN, PLAIN_FILE, SAMPLES

NOON_MS = 1_795_300_000_000  # 21 November 2026


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    init(folder)
    (folder / "our.toml").write_text(PLAIN)
    (folder / "export.csv").write_text(PLAIN_FILE)
    return folder


@pytest.fixture
def run(site, tmp_path):
    clock = clock_at(tmp_path / "clock", NOON_MS)

    def run(*arguments):
        options = ("--config", site / "till.toml")
        return till("import", *arguments, *options, cwd=site, clock=clock)

    return run


def test_a_dry_run_shows_rows_sums_refusals_and_the_control_and_writes_nothing(run, site):
    done = run("--map", "our.toml", "--dry-run", "export.csv")

    assert 0 == done.returncode, done.stderr
    for part in (
        "export.csv: read as Test (test)",
        "lines: 4 with rows, 1 with a total; they give 4 rows of posted.csv",
        "line 2: receipt 1001/1 2026-11-20T10:00:00-06:00 day 2026-11-20 window w1 cash 50.00",
        "total of Amount on line 6: 254.76, rows 254.76: agrees",
        "nothing was written",
    ):
        assert part in done.stdout
    again = json.loads(run("--map", "our.toml", "--dry-run", "export.csv", "--json").stdout)
    assert [("card", 12049), ("cash", 5000), ("cash", 2000), ("check", 8427)] == [
        (each["tender"], each["cents"]) for each in again[0]["sums"]
    ]
    assert "4 rows new" in run("--map", "our.toml", "export.csv").stdout


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (("Cash,50.00", "Barter,50.00"), 1, "refused: export.csv:2: Paid by: no code of"),
        (("120.49", "120.94"), 65, "not whole: line 6: total of Amount"),
    ],
)
def test_a_dry_run_ends_as_the_import_would(run, site, change, code, told):
    (site / "export.csv").write_text(PLAIN_FILE.replace(*change))
    dry = run("--map", "our.toml", "--dry-run", "export.csv")

    assert code == dry.returncode
    assert told in dry.stdout
    assert code == run("--map", "our.toml", "export.csv").returncode


def test_a_dry_run_needs_no_site(tmp_path):
    done = till("import", "--map", "square", "--dry-run", SAMPLES / "square.csv", cwd=tmp_path)

    assert 0 == done.returncode, done.stderr
    assert "till.toml is not there" in done.stderr
    assert "the export has no total of its own" in done.stdout


def test_a_dry_run_names_windows_that_the_site_does_not_have(run):
    done = run("--map", "square", "--dry-run", SAMPLES / "square.csv")

    assert "windows that till.toml does not name: Window 1, Window 2" in done.stdout


def test_a_shipped_map_posts_its_vendors_export(run):
    done = run("--map", "navusoft-lockbox-3", SAMPLES / "navusoft-lockbox-3.csv")

    assert 0 == done.returncode, done.stderr
    assert "4 rows new, 0 known, 0 refused" in done.stdout


def test_learning_writes_a_map_that_the_import_takes(run, site):
    done = run("--learn", "export.csv")
    (site / "learned.toml").write_text(done.stdout)

    assert 0 == done.returncode, done.stderr
    assert "found: line 6 is a total: its rows sum to it" in done.stderr
    assert "4 rows new" in run("--map", "learned.toml", "export.csv").stdout


def test_learning_that_waits_for_a_person_says_so(run, site):
    (site / "export.csv").write_text(PLAIN_FILE.replace("11/20/2026", "11/05/2026"))
    done = run("--learn", "export.csv")

    assert 1 == done.returncode
    assert "ask:   [time] formats:" in done.stderr
    assert 'formats = ["%d/%m/%Y %H:%M"] ?' in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "no file"),
        (("--dry-run", "export.csv"), 2, "--dry-run wants --map"),
        (("--learn", "export.csv", "export.csv"), 2, "--learn stands alone"),
        (("--learn", "none.csv"), 2, "no such file"),
        (("--map", "sqare", "export.csv"), 78, "no map 'sqare'; did you mean 'square'"),
        (("--map", "none.toml", "export.csv"), 78, "none.toml: not readable"),
        (("--map", "square", "export.csv"), 65, "is not in the header"),
        (("--map", "our.toml", "none.csv"), 2, "no such file"),
        (("--map", "our.toml", "--dry-run", "none.csv"), 2, "no such file"),
    ],
)
def test_what_cannot_be_is_told(run, arguments, code, told):
    done = run(*arguments)

    assert code == done.returncode
    assert told in done.stderr
    assert "Traceback" not in done.stderr
