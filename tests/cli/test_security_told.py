"""What we tell: no secret, no account number, no name, and nothing that the reader's terminal or
log would obey.
"""

import io
import logging
import os
import re
import sqlite3
from contextlib import closing

import pytest
from rich.console import Console

from gateway.cli.shared import tell
from gateway.delivery.service import ServiceSettings
from gateway.devices.keys import KeyStore, create_key
from gateway.errors import DataError
from gateway.facts.postings import COLUMNS
from gateway.incoming.posted_row import RowError, parse_row
from gateway.instruments.playback import as_text
from gateway.reports.day_html import to_html
from gateway.reports.day_terminal import print_day
from gateway.terminal import REPLACEMENT, printable
from protocol import cbor, seal
from tests.cli.bench import init, till
from tests.cli.serving import serving
from tests.delivery.bench import Office
from tests.incoming.bench import row, text_of
from tests.reports.bench import report  # noqa: F401  (a fixture)

ACCOUNT = "4400123-7"
NAME = "Maria Winter"
OBEYED = "\x1b]0;owned\x07\x1b[2J\n\r\u009b31m\u202e"


# --- people's data --------------------------------------------------------------------------------


@pytest.mark.parametrize("private", [ACCOUNT, NAME, "44001237"])
@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "receipt_no"])
def test_a_shifted_export_shows_no_account_number_and_no_name(column, private):
    try:
        parse_row(row(**{column: private}))
    except RowError as error:
        assert private not in str(error)


def test_an_import_writes_no_account_number_or_name_outside_the_posted_row(tmp_path):
    assert init(tmp_path, "--windows", 1).returncode == 0
    rows = [
        row("R1", account_no=ACCOUNT),
        row("R2", status=NAME, account_no=ACCOUNT),
        row("R3", tender_type=ACCOUNT),
        row("R4", service=NAME),
    ]
    (tmp_path / "posted.csv").write_text(text_of(rows))
    done = till("import", tmp_path / "posted.csv", "--config", tmp_path / "till.toml")
    with closing(sqlite3.connect(tmp_path / "data" / "ledger.db")) as db:
        kept = [line for line in db.iterdump() if ACCOUNT in line or NAME in line]

    assert done.returncode == 1
    assert "2 rows new, 0 known, 2 refused" in done.stdout
    assert ACCOUNT not in done.stdout + done.stderr
    assert NAME not in done.stdout + done.stderr
    assert [line.split("(")[0] for line in kept] == ['INSERT INTO "posting" VALUES'] * 2


def test_a_file_without_its_header_shows_nothing_of_its_first_row(tmp_path):
    assert init(tmp_path, "--windows", 1).returncode == 0
    (tmp_path / "posted.csv").write_text(f"{NAME},{ACCOUNT}\n")
    done = till("import", tmp_path / "posted.csv", "--config", tmp_path / "till.toml")

    assert done.returncode == DataError.exit_code
    assert "column 1 is something else" in done.stderr
    assert NAME not in done.stderr


# --- secrets --------------------------------------------------------------------------------------


def test_the_error_about_a_broken_key_file_does_not_hold_the_key(tmp_path):
    key = create_key(tmp_path, "w1")
    path = tmp_path / "w1.key"
    path.write_text(f"1 {key.secret.hex()}x\n")

    with pytest.raises(DataError) as caught:
        KeyStore(tmp_path).current("w1")

    assert key.secret.hex()[:16] not in str(caught.value)


def test_no_secret_is_in_the_repr_of_what_carries_one(tmp_path):
    key = create_key(tmp_path, "w1")
    settings = ServiceSettings("city", username="gateway", password="hunter2")

    assert key.secret.hex() not in repr(key)
    assert repr(key.secret) not in repr(key)
    assert "hunter2" not in repr(settings)


# --- what a terminal or a log would obey ----------------------------------------------------------


def test_nothing_that_a_terminal_obeys_passes():
    assert (
        printable(f"count 7{OBEYED} of 7")
        == "count 7" + re.sub(r"\]0;owned|\[2J|31m", r"\g<0>", _replaced()) + " of 7"
    )
    assert printable({"a": [OBEYED, 7, b"\x1b", None]})["a"][1:] == [7, b"\x1b", None]
    assert printable("two\nlines\x1b", keep="\n") == f"two\nlines{REPLACEMENT}"
    assert printable("Größe, 20 €") == "Größe, 20 €"


def _replaced() -> str:
    return "".join(char if char.isprintable() else REPLACEMENT for char in OBEYED)


def test_a_report_on_the_terminal_obeys_no_machine_and_no_file(report):  # noqa: F811
    report["sessions"][0]["exceptions"][0]["text"] = f"quarantine {OBEYED}"
    report["quarantined_rows"][0]["file"] = f"posted{OBEYED}.csv"
    out = io.StringIO()
    print_day(report, Console(file=out, width=100))

    assert "\x1b" not in out.getvalue()
    assert "\u009b" not in out.getvalue()
    assert f"posted{_replaced()}.csv:3" in out.getvalue()


def test_the_printed_page_lets_a_browser_load_and_run_nothing(report):  # noqa: F811
    head = to_html(report).partition("<title>")[0]
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', head)

    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "script" not in policy[1]


def test_the_monitor_obeys_no_machine():
    said = [
        as_text({"kind": "quarantine", "reason": f"cannot read {OBEYED}", "raw": OBEYED.encode()}),
        as_text(
            {
                "kind": "tally",
                "batch_id": OBEYED,
                "total_minor": 0,
                "currency": "USD",
                "rows": [(2000, 1)],
            }
        ),
        as_text({"kind": "instrument", "condition": "fault", "detail": OBEYED}),
        as_text({"kind": "drawer", "cause": OBEYED}),
    ]

    assert [text for text in said if not text.isprintable()] == []


def test_no_result_of_a_command_is_obeyed(capsys):
    tell(False, {}, f"w1 log (command 7): done\nlink lost {OBEYED}")
    said = capsys.readouterr().out

    assert said == f"w1 log (command 7): done\nlink lost {printable(OBEYED, keep=chr(10))}\n"
    assert "\x1b" not in said


def test_a_file_name_is_not_obeyed(tmp_path):
    assert init(tmp_path, "--windows", 1).returncode == 0
    path = tmp_path / "posted\x1b[2J.csv"
    path.write_text(text_of([row("R1"), row("R2", status="lost")]))
    posted = till("import", path, "--config", tmp_path / "till.toml")
    missing = till("import", tmp_path / "none\x1b[2J.csv", "--config", tmp_path / "till.toml")

    assert "1 rows new" in posted.stdout
    assert "\x1b" not in posted.stdout + posted.stderr + missing.stderr


HOSTILE_NAMES = ["\n2026 forged line", "\r", "\x1b[2J", "\x00", "x\u2028y", "w1\n"]


@pytest.mark.parametrize("text", HOSTILE_NAMES)
def test_a_refused_message_is_one_line_of_the_log(tmp_path, caplog, text):
    office = Office(tmp_path)
    device = office.device()
    device.say(1)
    topic, sealed, _ = device.ev(1, 1)
    kid = text.encode()[:40]
    with caplog.at_level(logging.INFO, "till"):
        office.take((f"till/1/city/{text}/ev", sealed, False))
        office.take((topic, bytes(seal.seal(device.key.secret, kid, topic, b"\x80")), False))
        office.take((topic, cbor.encode([b"\xa1\x01\x05", {4: kid}, b"", b"t" * 32]), False))
        office.take((topic, device.sealed("ev", cbor.encode([text])), False))
    lines = [record.getMessage() for record in caplog.records]

    assert len(lines) == 4
    assert [line for line in lines if not line.isprintable()] == []


def test_a_served_site_has_no_key_in_its_processes_or_its_log(tmp_path):
    assert init(tmp_path, "--windows", 2).returncode == 0
    keys = [
        line.split()[1]
        for path in (tmp_path / "data" / "keys").iterdir()
        for line in path.read_text().splitlines()
    ]

    with serving(tmp_path) as gateway:
        said = b"".join(gateway.command_lines() + gateway.environments())
    said += (gateway.stdout + gateway.stderr).encode()

    assert len(keys) == 2
    assert [key for key in keys if key.encode() in said or bytes.fromhex(key) in said] == []
    assert os.fsencode(tmp_path) in said, "it was this gateway"
