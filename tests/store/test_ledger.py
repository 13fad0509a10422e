"""The ledger as a file: whole or refused, appended to and never edited, and an edit shows."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.delivery.recording import QUARANTINE_ROWS
from gateway.errors import ConfigError, DataError, PermissionDenied
from gateway.facts.chain import GENESIS, content_of, frame, next_head, occurred_ms
from gateway.store.entries import touch
from gateway.store.ledger import Ledger
from gateway.store.schema_version import migrations
from protocol import records
from protocol.messages import fingerprint_of
from tests.cli.bench import environment, without_privilege
from tests.delivery.bench import NOW_MS, Office, a_tally
from tests.store.bench import insider


def test_head_is_the_hash_over_all_sealed_bytes(office: Office) -> None:
    device = office.device()
    device.say(3)
    batches = [device.ev(1, 1)], [device.ev(2, 2), device.ev(3, 3)]
    expected = GENESIS
    for batch in batches:
        office.take(*batch)
        frames = b"".join(frame(NOW_MS, "w1", "ev", sealed) for _, sealed, _ in batch)
        expected = next_head(expected, content_of("till/1/city/", frames, []))

    assert (2, expected) == office.ledger.head()
    assert [] == office.ledger.verify()


@pytest.mark.parametrize("table", ["entry", "segment", "gap", "quarantine", "incident"])
def test_append_only_tables_refuse_update_and_delete(office: Office, table: str) -> None:
    device = office.device()
    device.say(9)
    office.take(device.ev(1, 1), ("till/1/city/w1/ev", b"junk", False), device.state(lowest_kept=5))
    column = {
        "entry": "content",
        "segment": "last_seq",
        "gap": "cause",
        "quarantine": "bytes",
        "incident": "text",
    }[table]

    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            office.ledger.db.execute(statement)


def test_a_cursor_never_goes_back(office: Office) -> None:
    device = office.device()
    device.say(2)
    office.take(device.ev(1, 2))

    with pytest.raises(sqlite3.IntegrityError, match="never goes back"):
        office.ledger.db.execute("UPDATE cursor SET high_water = 1")


TAMPERS = [
    "UPDATE segment SET at = at + 1 WHERE first_seq = 1",
    "UPDATE segment SET from_ms = from_ms + 1 WHERE first_seq = 4",
    "UPDATE segment SET size = size - 1 WHERE first_seq = 4",
    "UPDATE segment SET cursor_id = 2 WHERE first_seq = 4",
    "UPDATE segment SET last_seq = 2 WHERE first_seq = 1",
    "UPDATE segment SET n = 1 WHERE first_seq = 4",
    "DELETE FROM segment WHERE first_seq = 1",
    "DELETE FROM segment WHERE first_seq = 10",
    "UPDATE entry SET content = spoiled(content) WHERE n = 1",
    "UPDATE entry SET content = zeroblob(0) WHERE n = 2",
    "UPDATE entry SET head = zeroblob(32) WHERE n = 2",
    "UPDATE entry SET content = said_by(content, 'till/1/town/') WHERE n = 1",
    "UPDATE entry SET content = as_state(content) WHERE n = 1",
    "UPDATE entry SET content = later(content, 60000) WHERE n = 1",
    "DELETE FROM entry WHERE n = 1",
    "DELETE FROM entry WHERE n = (SELECT max(n) FROM entry)",
    "INSERT INTO entry SELECT 0, content, head FROM entry WHERE n = 1",
    "INSERT INTO entry SELECT -1, content, head FROM entry WHERE n = 1",
    "INSERT INTO entry SELECT 9223372036854775807, content, head FROM entry WHERE n = 1",
    "UPDATE cursor SET high_water = 99",
    "UPDATE gap SET to_seq = to_seq + 1",
    "UPDATE gap SET device = 'w2'",
    "DELETE FROM gap",
    (
        "INSERT INTO segment SELECT 40, cursor_id, 40, 40, n, at, size, from_ms, until_ms"
        " FROM segment WHERE first_seq = 1"
    ),
]


@pytest.mark.parametrize("tamper", TAMPERS)
def test_verify_finds_an_edit(office: Office, tamper: str) -> None:
    device = office.device()
    device.say(20)
    office.take(device.ev(1, 3))
    office.take(device.ev(3, 6))
    office.take(device.state(lowest_kept=10))
    office.take(device.ev(10, 20))
    assert [] == office.ledger.verify()
    office.ledger.close()
    copy = office.folder / "copy.db"
    shutil.copy(office.folder / "ledger.db", copy)
    with insider(copy) as db:
        db.execute(tamper)

    findings = Ledger.open(copy).verify()

    assert findings != []


def test_cutting_the_end_off_shows_against_what_a_device_witnessed(office: Office) -> None:
    device = office.device()
    device.say(4)
    office.take(device.ev(1, 2))
    office.take(device.ev(3, 4))
    n, head = office.ledger.head()
    office.take(device.state(acked=4, ledger_n=n, ledger_head=head))
    mark = fingerprint_of(device.said[1])
    with insider(office.folder / "ledger.db") as db:
        db.execute("DELETE FROM segment WHERE n = 2")
        db.execute("DELETE FROM entry WHERE n = 2")
        db.execute("UPDATE cursor SET high_water = 2, records = 2, fingerprint = ?", (mark,))

    text = "device w1 was acked with entry 2, which is not here: the end was cut off"
    assert [("witness", text)] == [
        (finding.kind, finding.text) for finding in office.ledger.verify()
    ]


def test_what_the_device_no_longer_has_becomes_an_exact_gap(office: Office) -> None:
    device = office.device()
    device.say(20)
    office.take(device.ev(1, 2))

    [(topic, sealed)] = office.take(device.state(lowest_kept=10, acked=6))
    office.take(device.ev(10, 20))

    assert [(3, 6), (7, 9)] == [(row["from_seq"], row["to_seq"]) for row in office.ledger.gaps()]
    assert "restored" in office.ledger.gaps()[0]["cause"]
    assert 9 == device.open_ack(topic, sealed)["high_water"]
    assert 20 == office.ledger.high_water("w1", 7)
    assert (2, 7) == (office.ledger.stats()[0].gaps, office.ledger.stats()[0].missing)


def test_a_record_that_comes_after_its_gap_is_kept(office: Office) -> None:
    device = office.device()
    device.say(5)
    office.take(device.state(lowest_kept=4))

    office.take(device.ev(2, 3))

    assert [2, 3] == office.seqs()
    assert ["gap", "late_record"] == office.incident_kinds()
    assert [] == office.ledger.verify()


def test_two_different_records_with_one_identity_lock_the_stream_until_released(
    office: Office,
) -> None:
    device = office.device()
    device.say(3)
    office.take(device.ev(1, 2))
    clone = [records.encode_record(a_tally(77))]

    office.take(device.ev(2, 2, clone))
    [(topic, sealed)] = office.take(device.ev(3, 3))

    assert [1, 2] == office.seqs()
    assert 2 == device.open_ack(topic, sealed)["high_water"]
    assert ["equivocation"] == office.incident_kinds()
    assert 1 == len(office.ledger.quarantine())

    assert office.ledger.release("w1", 7, "the supervisor", NOW_MS)
    office.take(device.ev(3, 3))
    assert [1, 2, 3] == office.seqs()


def test_a_new_epoch_closes_the_old_one_with_its_tail_unknown(office: Office) -> None:
    device = office.device()
    device.say(2)
    office.take(device.ev(1, 1))
    late = device.ev(2, 2)
    device.epoch = 8

    office.take(device.ev(1, 1))
    office.take(late)

    assert [(7, 2, 0), (8, 1, 1)] == [
        (row["epoch"], row["high_water"], row["current"]) for row in office.ledger.cursors()
    ]
    assert ["tail_unknown", "closed_epoch"] == office.incident_kinds()


def test_of_two_lives_that_come_together_the_later_one_is_the_newer(office: Office) -> None:
    """The gateway was away while a board was wiped; its ledger knows neither life."""
    device = office.device()
    device.say(1)
    old = device.state()
    device.epoch = 8

    office.take(old, device.ev(1, 1), device.state())

    assert [(7, 0), (8, 1)] == [(row["epoch"], row["current"]) for row in office.ledger.cursors()]
    [told] = office.ledger.incidents()
    assert told["text"].startswith("epoch 7 ended without its tail")


def test_a_new_epoch_starts_at_one_or_is_asked_for(office: Office) -> None:
    device = office.device()
    device.say(5)

    [(topic, sealed)] = office.take(device.ev(4, 5))

    ack = device.open_ack(topic, sealed)
    assert (0, 1, 3) == (ack["high_water"], ack["want_from"], ack["want_to"])


def test_quarantine_has_a_cap_and_a_counter(office: Office) -> None:
    rows = [(n, 0, "flood", "", b"") for n in range(1, QUARANTINE_ROWS + 1)]
    with office.ledger.transaction() as db:
        touch(db, "quarantine")
        db.executemany("INSERT INTO quarantine VALUES (?, ?, ?, ?, ?)", rows)

    office.take(("till/1/city/w1/ev", b"junk", False))

    assert QUARANTINE_ROWS == len(office.ledger.quarantine())
    assert (1, 1) == (
        office.ledger.counters()[("", "not_kept")],
        office.ledger.counters()[("", "rejected")],
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"utc_ms": NOW_MS - 7}, NOW_MS - 7),
        ({"utc_ms": NOW_MS + 5_000}, NOW_MS + 5_000),
        ({"utc_ms": NOW_MS + 5_001}, NOW_MS - 400),
        ({}, NOW_MS - 400),
        ({"boot": 2}, NOW_MS),
        ({"uptime_ms": 2_000}, NOW_MS),
    ],
)
def test_occurred_is_the_best_time_that_is_known(fields: dict[str, int], expected: int) -> None:
    assert expected == occurred_ms({"boot": 1, "uptime_ms": 600, **fields}, 1, 1_000, NOW_MS)


def test_records_can_be_asked_for_by_time_device_and_message(office: Office) -> None:
    one, two = office.device("w1"), office.device("w2")
    one.say(3)
    two.say(1)
    office.take(one.ev(1, 3))
    office.take(two.ev(1, 1))
    times = [record.occurred_ms for record in office.ledger.records(device="w1")]

    assert [2] == [
        r.seq for r in office.ledger.records(since_ms=times[1], until_ms=times[2], device="w1")
    ]
    assert ["w2"] == [r.device for r in office.ledger.records(after_n=1)]


def test_reopened_ledger_goes_on_where_it_was(office: Office) -> None:
    device = office.device()
    device.say(2)
    office.take(device.ev(1, 1))
    office.ledger.close()

    again = Office(office.folder)
    again.take(device.ev(2, 2))

    assert [1, 2] == again.seqs()
    assert [] == again.ledger.verify()
    assert len(migrations()) == again.ledger.db.execute("PRAGMA user_version").fetchone()[0]


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(8192))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE other (x)")
    other.close()


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def only_the_log_left(path: Path) -> None:
    path.rename(path.with_name(path.name + "-wal"))


def from_the_future(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 9999")
    other.close()


@pytest.mark.parametrize(
    "damage",
    [garbage, empty, foreign, cut_short, only_the_log_left, from_the_future],
)
def test_a_damaged_or_foreign_file_is_refused_and_left_as_it_is(office: Office, damage) -> None:
    office.ledger.close()
    path = office.folder / "ledger.db"
    damage(path)
    before = path.read_bytes() if path.exists() else None

    with pytest.raises(DataError, match="ledger"):
        Ledger.open(path)

    assert before == (path.read_bytes() if path.exists() else None)


def test_a_missing_folder_is_said_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(PermissionDenied, match="create it"):
        Ledger.open(tmp_path / "nowhere" / "ledger.db")


def test_a_command_that_only_reads_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not there"):
        Ledger.open(tmp_path / "ledger.db", create=False)

    assert [] == list(tmp_path.iterdir())


def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    code = (
        "from pathlib import Path; from gateway.store.ledger import Ledger;"
        f" Ledger.open(Path({str(tmp_path / 'ledger.db')!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        preexec_fn=without_privilege,
        capture_output=True,
        text=True,
        timeout=180,
    )
    tmp_path.chmod(0o700)

    assert "PermissionDenied: ledger" in done.stderr
    assert [] == list(tmp_path.iterdir())
