"""The gateway's storage fails: nothing is acknowledged that is not durable, a person is told once,
and it goes on by itself.
"""

import json
import os
import queue
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.audit.tree_head import make
from gateway.broker.process import free_port
from gateway.delivery.recording import QUARANTINE_ROWS, QUARANTINE_ROWS_SEALED
from gateway.delivery.service import trouble_line
from gateway.devices.keys import KeyStore
from gateway.errors import DataError, LedgerBroken, TryAgain
from gateway.store.entries import touch
from gateway.store.ledger import Ledger
from gateway.store.read_only import opened_read_only
from protocol import records
from tests.cli.bench import command, environment, init
from tests.delivery.bench import NOW_MS, SITE, Device, Office, a_tally
from tests.delivery.line import Line
from tests.fleet.bench import wait_until
from tests.store.bench import bodies, without_triggers

HERE = "127.0.0.1"
RECORDS = 30_000  # more than a small disk holds


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A window that stated one record, and who is told of trouble."""
    made = Office(tmp_path)
    made.window = made.device()
    made.window.say(300)
    made.take(made.window.ev(1, 1))
    made.told = []
    made.ingest.troubles.append(lambda *trouble: made.told.append(trouble))
    return made


@contextmanager
def read_only(office: Office) -> Iterator[None]:
    """What a disk that the kernel remounted read-only answers."""
    office.ledger.db.execute("PRAGMA query_only = ON")
    yield
    office.ledger.db.execute("PRAGMA query_only = OFF")


@contextmanager
def locked(office: Office) -> Iterator[None]:
    """Another process holds the ledger longer than we wait."""
    office.ledger.db.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(office.folder / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@contextmanager
def full(office: Office) -> Iterator[None]:
    office.ledger.db.execute("VACUUM")  # no page is free inside the file either
    [pages] = office.ledger.db.execute("PRAGMA page_count").fetchone()
    office.ledger.db.execute(f"PRAGMA max_page_count = {pages}")
    yield
    office.ledger.db.execute("PRAGMA max_page_count = 1000000")


@pytest.mark.parametrize("fault", [read_only, locked, full])
def test_no_answer_while_it_fails_told_once_and_everything_afterwards(
    office: Office, fault
) -> None:
    batch = [
        office.ingest.accept(*office.window.ev(first, first + 9)) for first in range(2, 202, 10)
    ]
    with fault(office):
        for _ in range(3):
            with pytest.raises(TryAgain, match="counts are held at the windows"):
                office.ingest.commit(batch)
        durable = office.seqs()
        office.clock.now_ms += 7

    [(topic, sealed)] = office.ingest.commit(batch)

    assert [1] == durable
    assert 201 == office.window.open_ack(topic, sealed)["high_water"]
    assert ["storage_failed", "storage_back"] == [kind for kind, _, _ in office.told]
    assert ["storage_failed"] == office.incident_kinds()
    assert [] == office.ledger.verify()


# --- damage: no answer, no new ledger, the end


def overwritten(office: Office) -> None:
    """Every page but the first, as a failing disk would return them."""
    db, path = office.ledger.db, office.folder / "ledger.db"
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    db.execute("PRAGMA shrink_memory")  # so that they are read again


def removed(office: Office) -> None:
    (office.folder / "ledger.db").unlink()


def replaced(office: Office) -> None:
    path = office.folder / "ledger.db"
    path.with_name("other").write_bytes(path.read_bytes())
    path.with_name("other").rename(path)


def log_removed(office: Office) -> None:
    (office.folder / "ledger.db-wal").unlink()


def misread(office: Office) -> None:
    office.ledger.high_waters = lambda *_: {}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (overwritten, "damaged"), (removed, "moved, replaced or removed"),
        (replaced, "moved, replaced or removed"), (log_removed, "moved, replaced or removed"),
        (misread, "reads back differently"),
    ],
)  # fmt: skip
def test_a_broken_ledger_gives_no_answer_and_is_told(
    office: Office, damage: Callable[[Office], None], said: str
) -> None:
    damage(office)

    with pytest.raises(LedgerBroken, match=said):
        office.take(office.window.ev(2, 9))

    assert ["ledger_broken"] == [kind for kind, _, _ in office.told]
    assert damage is overwritten or "ledger_broken" in office.incident_kinds()


def test_a_damaged_ledger_is_never_started_over(office: Office) -> None:
    overwritten(office)
    with pytest.raises(LedgerBroken):
        office.take(office.window.ev(2, 9))
    office.ledger.close()
    before = (office.folder / "ledger.db").read_bytes()

    with pytest.raises(DataError, match="restore it from the backup"):
        Ledger.open(office.folder / "ledger.db")

    assert before == (office.folder / "ledger.db").read_bytes()


def test_a_start_on_a_broken_chain_is_refused_and_an_incident(office: Office) -> None:
    office.take(office.window.ev(2, 2))
    office.ledger.check_start(NOW_MS)
    with without_triggers(office.ledger.db):
        office.ledger.db.execute("UPDATE entry SET content = later(content, 1) WHERE n = 1")

    for _ in range(2):
        with pytest.raises(LedgerBroken, match="head of entry 1"):
            office.ledger.check_start(NOW_MS)

    assert ["chain_broken"] == office.incident_kinds()


def test_only_the_newest_entries_are_looked_at_by_a_start(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seq in range(2, 6):
        office.take(office.window.ev(seq, seq))
    with without_triggers(office.ledger.db):
        office.ledger.db.execute("UPDATE entry SET content = later(content, 1) WHERE n = 2")
    query = "SELECT sum(length(content)) FROM entry WHERE n > 2"
    [after] = office.ledger.db.execute(query).fetchone()

    monkeypatch.setattr("gateway.store.ledger.TAIL_BYTES", after)
    office.ledger.check_start(NOW_MS)
    monkeypatch.setattr("gateway.store.ledger.TAIL_BYTES", after + 1)
    with pytest.raises(LedgerBroken):
        office.ledger.check_start(NOW_MS)


# --- the cap of the quarantine


def test_a_flood_by_strangers_leaves_room_for_what_key_holders_sent(office: Office) -> None:
    rows = [(n, 0, "flood", "", b"") for n in range(1, QUARANTINE_ROWS + 1)]
    with office.ledger.transaction() as db:
        touch(db, "quarantine")
        db.executemany("INSERT INTO quarantine VALUES (?, ?, ?, ?, ?)", rows)
    clone = [records.encode_record(a_tally(77))]

    office.take(("till/1/city/w1/ev", b"junk", False), office.window.ev(1, 1, clone))

    assert QUARANTINE_ROWS + 1 == len(office.ledger.quarantine())
    assert "two different records" in office.ledger.quarantine()[-1]["reason"]
    assert 1 == office.ledger.counters()[("", "not_kept")]
    assert QUARANTINE_ROWS < QUARANTINE_ROWS_SEALED


# --- the program, on a disk that is really full


class Serving:
    """`till serve --follow`: its lines so far, and a board that talks to it."""

    def __init__(self, folder: Path, port: int, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        for stream, lines in ((process.stdout, self.out), (process.stderr, self.err)):
            threading.Thread(
                target=lambda stream=stream, lines=lines: lines.extend(stream), daemon=True
            ).start()
        wait_until(
            lambda: any(line.startswith("ready") for line in self.out) or process.poll() is not None
        )
        assert process.poll() is None, self.err
        self.data = Path(f"/proc/{process.pid}/root") / (folder / "data").relative_to("/")
        self.device = Device(KeyStore(folder / "data" / "keys").current("w1"))
        self.device.say(RECORDS)
        broker = type("Where", (), {"host": HERE, "port": port})()
        self.line = Line(self.device, broker)

    def troubles(self) -> list[str]:
        return [
            json.loads(line)["trouble"]
            for line in list(self.out)
            if line.startswith('{"kind":"trouble"')
        ]

    def fill(self) -> int:
        """State records until the storage fails; the last seq."""
        for first in range(1, RECORDS, 20):
            self.line.send(self.device.ev(first, first + 19))
            if self.troubles():
                return first + 19
        wait_until(lambda: self.troubles() != [])
        return RECORDS


@contextmanager
def serving(folder: Path, prefix: list[str]) -> Iterator[Serving]:
    assert 0 == init(folder, "--site", SITE, "--windows", 1).returncode
    port = free_port()
    config = folder / "till.toml"
    config.write_text(config.read_text().replace("port = 1883", f"port = {port}"))
    arguments = [*prefix, *command("serve", "--follow", "--config", config)]
    with subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            made = Serving(folder, port, process)
            yield made
            made.line.close()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def small_disk(folder: Path) -> list[str]:
    """A tmpfs of 12 MB for the data folder with 1 MB left, in a name space of its own; skips where
    there is none.

    SQLite's log may grow to 4 MB before it is folded into the ledger: there must be room for that
    afterwards.
    """
    if (
        sys.platform != "linux"
        or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode
    ):
        pytest.skip("no name space for a small disk")
    data = folder / "data"
    script = (
        f"cp -a {data} {data}.keep && mount -t tmpfs -o size=12m tmpfs {data} && cp -a"
        f" {data}.keep/. {data}"
        f' && head -c 11000000 /dev/zero > {data}/ballast && exec "$@"'
    )
    return ["unshare", "-rm", "sh", "-c", script, "sh"]


def assert_it_recovers(served: Serving, last: int) -> None:
    # what was sent before waits in the gateway and at the broker
    served.line.deliver(last - 19, last)
    with opened_read_only(served.data / "ledger.db") as db:
        assert list(range(1, last + 1)) == list(bodies(db))
        assert [("storage_failed",)] == db.execute("SELECT kind FROM incident").fetchall()
    assert ["storage_failed", "storage_back"] == served.troubles()
    assert 1 == sum(line.startswith("storage_failed") for line in served.err)


def believed(served: Serving) -> int:
    """The highest mark that the board was answered so far."""
    highest = 0
    while True:
        try:
            highest = max(highest, served.line.acks.get(timeout=1)["high_water"])
        except queue.Empty:
            return highest


def durable(served: Serving) -> int:
    with opened_read_only(served.data / "ledger.db") as db:
        return int(db.execute("SELECT ifnull(max(high_water), 0) FROM cursor").fetchone()[0])


def test_a_full_disk_holds_the_answers_back_and_room_brings_them(tmp_path: Path) -> None:
    with serving(tmp_path, small_disk(tmp_path)) as served:
        last = served.fill()
        answered = believed(served)
        assert answered <= durable(served) < last
        (served.data / "ballast").unlink()

        assert_it_recovers(served, last)

    assert 0 == served.process.returncode


@pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="limits of another process are Linux's"
)
def test_a_file_that_may_not_grow_holds_the_answers_back(tmp_path: Path) -> None:
    with serving(tmp_path, []) as served:
        limit = (served.data / "ledger.db-wal").stat().st_size + 300_000
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        last = served.fill()
        answered = believed(served)
        assert answered <= durable(served) < last
        resource.prlimit(
            served.process.pid,
            resource.RLIMIT_FSIZE,
            (resource.RLIM_INFINITY, resource.RLIM_INFINITY),
        )

        assert_it_recovers(served, last)

    assert 0 == served.process.returncode


def test_serve_ends_with_the_next_step_when_its_ledger_is_taken_away(tmp_path: Path) -> None:
    with serving(tmp_path, []) as served:
        served.line.deliver(1, 20)
        os.rename(tmp_path / "data" / "ledger.db", tmp_path / "data" / "away.db")
        served.line.send(served.device.ev(21, 40))
        wait_until(lambda: served.process.poll() is not None)

    assert 65 == served.process.returncode
    assert ["ledger_broken"] == served.troubles()
    assert "put it back, start again" in "".join(served.err)
    with pytest.raises(queue.Empty):
        served.line.wait_for(21, 1)


def test_trouble_is_a_line_of_json() -> None:
    assert {
        "kind": "trouble",
        "trouble": "x",
        "text": 'a "quoted"\nline',
        "at_ms": 5,
    } == json.loads(trouble_line("x", 'a "quoted"\nline', 5))


def test_a_rollback_that_fails_too_is_made_up_for(office: Office) -> None:
    """SQLite stopped in the middle of a batch, and again in the ROLLBACK that follows: the next
    batch begins all the same.
    """
    stop_in_a_batch(office)
    office.take(office.window.ev(2, 3))

    assert [1, 2, 3] == office.seqs()


def test_what_could_not_be_rolled_back_is_not_verified_and_not_signed(
    office: Office, tmp_path: Path
) -> None:
    stop_in_a_batch(office)
    assert [] == office.ledger.verify()

    stop_in_a_batch(office)
    assert 1 == make(office.ledger, tmp_path, SITE, "2026-11-27", NOW_MS).n


def stop_in_a_batch(office: Office) -> None:
    """SQLite stops, and again in the ROLLBACK: the transaction is still open."""
    steps = iter(range(40))
    office.ledger.db.set_progress_handler(lambda: next(steps, None) is None, 1)
    with pytest.raises(TryAgain):
        office.take(office.window.ev(2, 3))
    office.ledger.db.set_progress_handler(None, 0)
    assert office.ledger.db.in_transaction
