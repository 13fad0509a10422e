"""`till audit verify`: what it takes as the printed tree head, what it says, its exit codes."""

import json
from pathlib import Path

import pytest

from gateway.audit.offline import audit
from gateway.config import Config
from gateway.day.prove import prove_day
from gateway.reports.day_csv import to_csv
from gateway.reports.day_html import to_html
from gateway.reports.day_report import day_report, to_json
from gateway.store.backup import back_up
from gateway.store.read_only import opened_read_only
from tests.audit.bench import DAY, EDITS, Site
from tests.cli.bench import till
from tests.delivery.bench import SITE


def test_every_form_of_the_report_serves_as_the_printed_checkpoint(
    site: Site, tmp_path: Path
) -> None:
    config = Config(site=SITE, zone="America/Chicago", windows=("w1",))
    report = day_report(prove_day(site.ledger, config, DAY), config)
    forms = {
        "page.html": to_html(report),
        "day.json": to_json(report),
        "day.csv": to_csv(report),
        "note.txt": site.notes[0],
    }
    for name, text in forms.items():
        (tmp_path / name).write_text(text, newline="")
    site.ledger.close()
    paths = [tmp_path / name for name in forms]

    done = till("audit", "verify", "--ledger", tmp_path / "ledger.db", *paths)
    told = json.loads(
        till("audit", "verify", "--json", "--ledger", tmp_path / "ledger.db", *paths).stdout
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert [
        f"✓ {path}: signed, and its entries are the ones here" for path in paths
    ] == done.stdout.splitlines()[1:5]
    assert "name the one that you kept with --vkey" in done.stdout
    assert ([str(path) for path in paths], [], True) == (
        told["good"],
        told["findings"],
        told["key_beside_ledger"],
    )


def test_a_finding_is_told_with_its_next_step_and_exit_code_1(site: Site, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text(site.notes[0])
    site.rebuild(*EDITS["topic"])
    site.ledger.close()

    done = till(
        "audit",
        "verify",
        "--ledger",
        tmp_path / "ledger.db",
        "--vkey",
        tmp_path / "checkpoint.vkey",
        tmp_path / "note.txt",
    )

    assert (1, "") == (done.returncode, done.stderr)
    assert (
        f"✗ {tmp_path / 'note.txt'}: the first 10 entries are not those that were signed"
        in done.stdout
    )
    assert "next: the signed entries are no longer these" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--ledger", "nowhere.db"], 78), (["nowhere.txt"], 2), (["--vkey", "nowhere.vkey"], 2),
        (["--vkey", "posted.csv"], 65), (["ledger.db"], 65),
    ],
)  # fmt: skip
def test_a_wrong_file_is_said(site: Site, arguments: list[str], code: int) -> None:
    site.ledger.close()
    paths = [
        argument if argument.startswith("-") else str(site.folder / argument)
        for argument in arguments
    ]
    ledger = [] if "--ledger" in paths else ["--ledger", str(site.folder / "ledger.db")]

    done = till("audit", "verify", *ledger, *paths)

    assert (code, "", 1) == (
        done.returncode,
        done.stdout,
        len(done.stderr.splitlines()),
    ), done.stderr


def test_a_backup_is_audited_like_the_ledger(site: Site, tmp_path: Path) -> None:
    back_up(site.ledger, tmp_path / "copy.db", drill=False)

    with opened_read_only(tmp_path / "copy.db") as db:
        assert [] == audit(db, [site.key], [("note", site.notes)]).findings
