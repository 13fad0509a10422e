"""A running gateway signs what is due by itself, and the auditor's command agrees."""

import signal
import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest

from gateway.audit.offline import audit
from gateway.audit.signed_note import SignerKey, find_notes
from gateway.broker.process import free_port
from gateway.clock import Clock
from gateway.store.engine import SqliteDb
from tests.cli.bench import command, environment, init, till
from tests.delivery.bench import SITE, Office
from tests.fleet.bench import wait_until

TWO_DAYS_MS = 172_800_000


def test_serve_makes_the_checkpoint_that_is_due_and_audit_verifies_it(tmp_path: Path) -> None:
    assert 0 == init(tmp_path, "--site", SITE, "--windows", 1).returncode
    config, data = tmp_path / "till.toml", tmp_path / "data"
    config.write_text(config.read_text().replace("port = 1883", f"port = {free_port()}"))
    office = Office(data)
    office.clock.now_ms = Clock().utc_ms() - TWO_DAYS_MS
    device = office.device("w9")
    device.say(3)
    office.take(device.ev(1, 3))
    office.ledger.close()
    lines: list[str] = []

    arguments = command("serve", "--config", config)
    with subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as serving:
        threading.Thread(target=lambda: lines.extend(serving.stderr or ()), daemon=True).start()
        try:
            wait_until(lambda: any(line.startswith("checkpoint_made") for line in lines))
        finally:
            serving.send_signal(signal.SIGTERM)
            serving.wait(60)
    done = till(
        "audit",
        "verify",
        "--config",
        config,
        "--vkey",
        data / "checkpoint.vkey",
        data / "checkpoint.txt",
    )
    printed = till("checkpoint", "--config", config)

    assert 0 == serving.returncode
    assert 0 == done.returncode, done.stdout
    assert f"✓ {data / 'checkpoint.txt'}: signed, and its entries are the ones here" in done.stdout
    assert find_notes((data / "checkpoint.txt").read_text()) == find_notes(printed.stdout)
    assert "PRIVATE" not in "".join(lines)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("content", "NULL"),
        ("content", "'noon'"),
        ("content", "7"),
        ("content", "CAST(x'ff' AS TEXT)"),
    ],
)
def test_a_table_made_anew_without_its_types_is_a_finding_and_no_traceback(
    tmp_path: Path, column: str, value: str
) -> None:
    office = Office(tmp_path)
    device = office.device()
    device.say(1)
    office.take(device.ev(1, 1))
    office.ledger.close()
    with sqlite3.connect(tmp_path / "ledger.db", factory=SqliteDb) as insider:
        insider.executescript(
            "CREATE TABLE other (n INTEGER PRIMARY KEY, content, head);"
            "INSERT INTO other SELECT * FROM entry; DROP TABLE entry; ALTER TABLE other"
            f" RENAME TO entry;UPDATE entry SET {column} = {value};"
        )

        found = audit(insider, [SignerKey.new("till/city").verifier], []).findings

    assert {"damaged", "schema"} == {item.kind for item in found}
