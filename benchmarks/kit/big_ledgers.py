"""Ledgers of years, built through Ingest as a gateway builds them, and each question that is asked
of them. Every function runs in a process of its own (`apart`), so that its memory is its own.
"""

import hashlib
import multiprocessing
import os
import shutil
import sqlite3
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.kit.boards import SITE, Board, Day, Message, office_says
from benchmarks.kit.receivers import peak_kib
from gateway import config
from gateway.broker.process import free_port
from gateway.business_day import day_bounds
from gateway.clock import Clock
from gateway.config import Site
from gateway.day.prove import prove_day
from gateway.delivery.ingest import Ingest
from gateway.devices.keys import KeyStore, create_key
from gateway.store.ledger import Ledger
from protocol import records as wire

ZONE = "America/Chicago"
LAST_DAY = date(2026, 11, 20)
DAYS_MAX = 300
DAY_RECORDS_MIN = 20  # of a window: fewer are no day of work, and a small ledger has fewer days
OPENS_MS, OPEN_MS = 8 * 3_600_000, 9 * 3_600_000
BATCH = 1_024
AGAIN = 10_000  # records that come again
COMMITS = 300  # of one message each


class Size(NamedTuple):
    """A ledger: about so many records, this many a message, of so many windows."""

    records: int
    per_message: int
    windows: int
    wire: int

    @property
    def days(self) -> int:
        """Business days."""
        return max(1, min(DAYS_MAX, self.records // (self.windows * DAY_RECORDS_MIN)))

    @property
    def of_window(self) -> int:
        """Records of a window and day."""
        return max(1, self.records // (self.windows * self.days))

    @property
    def total(self) -> int:
        """Records in all."""
        return self.of_window * self.days * self.windows


class SetClock(Clock):
    """Says what it was told."""

    now_ms = 0

    def utc_ms(self) -> int:
        return self.now_ms


class Spent(NamedTuple):
    """Seconds that something took, on the wall and of the processor: on a busy machine only the
    second tells what the work is.
    """

    s: float
    cpu_s: float


@contextmanager
def watched() -> Iterator[Callable[[], Spent]]:
    """What the block spent; ask when it is done."""
    start, start_cpu = time.perf_counter(), time.process_time()
    found: list[Spent] = []
    yield lambda: found[0]
    found.append(Spent(time.perf_counter() - start, time.process_time() - start_cpu))


def apart(task: Callable[..., Any], *values: Any) -> tuple[Any, Spent, float]:
    """(what it gives, what it spent, peak resident MiB) of a function in a new process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_apart, args=(task, values, there), daemon=True)
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise SystemExit(f"{task.__name__}: its process ended; why is above") from None
    finally:
        process.join()


def _apart(task: Callable[..., Any], values: tuple, pipe) -> None:
    with watched() as spent:
        found = task(*values)
    pipe.send((found, spent(), peak_kib() / 1024))


# --- building -------------------------------------------------------------------------------------


def new_site(folder: Path, windows: int) -> Site:
    """A site with keys and an empty ledger."""
    text = config.template(SITE, ZONE, windows)
    (folder / "till.toml").write_text(text.replace("port = 1883", f"port = {free_port()}"))
    site = config.load(folder / "till.toml")
    site.data.mkdir(mode=0o700)
    for window in site.config.windows:
        create_key(site.keys, window)
    Ledger(site.ledger).close()
    return site


def business_days(count: int) -> list[date]:
    """The last weekdays up to LAST_DAY, in order."""
    found, day = [], LAST_DAY
    while len(found) < count:
        if day.weekday() < 5:
            found.append(day)
        day -= timedelta(days=1)
    return found[::-1]


def said(site: Site, size: Size) -> Iterator[list[Message]]:
    """What the office says, day by day."""
    keys = KeyStore(site.keys)
    boards = [Board(keys.current(window), size.wire) for window in site.config.windows]
    for number, day in enumerate(business_days(size.days), 1):
        begin_ms = day_bounds(day.isoformat(), site.zone)[0] + OPENS_MS
        of_day = Day(number, begin_ms, OPEN_MS, size.of_window)
        yield list(office_says(boards, of_day, size.per_message))


def build(folder: Path, size: Size) -> dict[str, Any]:
    """Fill the ledger; what a record took in all of it, in its first and in its last tenth, and
    recent: the messages of the last days, with AGAIN records.
    """
    site, clock = config.load(folder / "till.toml"), SetClock()
    marks = [(0, Spent(0, 0))]
    recent: deque[list[Message]] = deque()
    with Ledger(site.ledger) as ledger:
        ingest = Ingest(ledger, KeyStore(site.keys), clock, SITE)
        for of_day in said(site, size):
            taken, before = marks[-1]
            for at in range(0, len(of_day), BATCH):
                with watched() as spent:
                    take(ingest, clock, of_day[at : at + BATCH])
                before = Spent(before.s + spent().s, before.cpu_s + spent().cpu_s)
            marks.append((taken + size.of_window * size.windows, before))
            recent.append(of_day)
            while (len(recent) - 1) * size.of_window * size.windows >= AGAIN:
                recent.popleft()
        rejected = sum(stats.rejected for stats in ledger.stats())
        records = sum(stats.records for stats in ledger.stats())
    assert (size.total, 0) == (records, rejected), "all of it was taken"
    tenth = max(1, len(marks) // 10)
    return {
        "all": _each(marks[0], marks[-1]), "first": _each(marks[0], marks[tenth]),
        "last": _each(marks[-1 - tenth], marks[-1]),
        "recent": [message for of_day in recent for message in of_day],
    }  # fmt: skip


def _each(start: tuple[int, Spent], end: tuple[int, Spent]) -> Spent:
    count = end[0] - start[0]
    return Spent((end[1].s - start[1].s) / count, (end[1].cpu_s - start[1].cpu_s) / count)


def take(ingest: Ingest, clock: SetClock, batch: list[Message]) -> list[tuple[str, bytes]]:
    """One transaction."""
    accepted = []
    for message in batch:
        clock.now_ms = message.arrives_ms
        accepted.append(ingest.accept(message.topic, message.sealed, False))
    return ingest.commit(accepted)


def build_plain(folder: Path, messages: list[Message]) -> Spent:
    """What a record takes at least: the same bytes into one table, as often durable."""
    db = sqlite3.connect(folder / "plain.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, topic TEXT, sealed BLOB)")
    with watched() as spent:
        for at in range(0, len(messages), BATCH):
            db.execute("BEGIN IMMEDIATE")
            db.executemany(
                "INSERT INTO message (topic, sealed) VALUES (?, ?)",
                [(message.topic, message.sealed) for message in messages[at : at + BATCH]],
            )
            db.execute("COMMIT")
    db.close()
    (folder / "plain.db").unlink()
    return _each((0, Spent(0, 0)), (sum(message.records for message in messages), spent()))


# --- asking ---------------------------------------------------------------------------------------


def come_again(folder: Path, recent: list[Message], warm: bool) -> Spent:
    """What a record takes when AGAIN records of the last days come again, at a gateway that was
    just started; or `warm`, that has met such messages before.
    """
    site, clock = config.load(folder / "till.toml"), SetClock()
    with Ledger(site.ledger) as ledger:
        before = ledger.head()[0], sum(stats.duplicates for stats in ledger.stats())
        ingest = Ingest(ledger, KeyStore(site.keys), clock, SITE)
        for message in recent if warm else ():
            clock.now_ms = message.arrives_ms  # a record of the future is judged another way
            ingest.accept(message.topic, message.sealed, False)
        with watched() as spent:
            for at in range(0, len(recent), BATCH):
                take(ingest, clock, recent[at : at + BATCH])
        after = ledger.head()[0], sum(stats.duplicates for stats in ledger.stats())
    count = sum(message.records for message in recent)
    assert (before[0], before[1] + count) == after, "every record came again and none was added"
    return _each((0, Spent(0, 0)), (count, spent()))


def commit_one_by_one(folder: Path, size: Size, number: int) -> list[Spent]:
    """Each of COMMITS commits of one new message, accept and commit, of the number-th window."""
    site, clock = config.load(folder / "till.toml"), SetClock()
    keys = KeyStore(site.keys)
    window = site.config.windows[number % size.windows]
    found = []
    with Ledger(site.ledger) as ledger:
        board = Board(keys.current(window), size.wire)
        [board.seq] = [row["high_water"] for row in ledger.cursors() if row["device"] == window]
        next_day = day_bounds(LAST_DAY.isoformat(), site.zone)[1] + OPENS_MS
        day = Day(DAYS_MAX + 1, next_day, OPEN_MS, COMMITS * size.per_message)
        ingest = Ingest(ledger, keys, clock, SITE)
        for message in islice(board.say(day, size.per_message), COMMITS):
            with watched() as spent:
                acks = take(ingest, clock, [message])
            found.append(spent())
            assert len(acks) == 1, "every message is answered"
    return found


def sync_one_by_one(folder: Path) -> list[Spent]:
    """Each of COMMITS durable writes of a page at the end of a file: what a commit cannot beat."""
    found = []
    with (folder / "synced").open("wb") as file:
        for _ in range(COMMITS):
            with watched() as spent:
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())
            found.append(spent())
    return found


def report(folder: Path) -> tuple[Spent, Spent]:
    """The last day's proof for all windows, and decoding its records once: what nobody can do
    without.
    """
    site = config.load(folder / "till.toml")
    begin_ms, end_ms = day_bounds(LAST_DAY.isoformat(), site.zone)
    with Ledger(site.ledger) as ledger:
        with watched() as proving:
            day = prove_day(ledger, site.config, LAST_DAY.isoformat())
        assert day.proofs, "there was work on the last day"
        raws = [wire.encode_record(record.fields | {"kind": record.kind})
                for record in ledger.records(begin_ms, end_ms)]  # fmt: skip
    with watched() as decoding:
        for raw in raws:
            wire.decode_record(raw)
    return proving(), decoding()


def verify(folder: Path) -> Spent:
    """Until the whole ledger is verified."""
    site = config.load(folder / "till.toml")
    with Ledger(site.ledger) as ledger, watched() as spent:
        found = ledger.verify()
    assert not found, found[:3]
    return spent()


def open_and_check(folder: Path) -> Spent:
    """To open the ledger and to check its end, as a start of the gateway does."""
    site = config.load(folder / "till.toml")
    with watched() as spent, Ledger(site.ledger) as ledger:
        ledger.check_start(Clock().utc_ms())
    return spent()


def till(folder: Path, *arguments: str) -> None:
    """The till command."""
    from gateway.cli import main

    sys.argv = ["till", *arguments, "--config", str(folder / "till.toml")]
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            main()
    except SystemExit as end:
        assert not end.code, f"till {' '.join(arguments)} ended with {end.code}"


def hash_file(path: Path) -> Spent:
    """SHA-256 over a file: what a check of all of it cannot beat."""
    with watched() as spent, path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    return spent()


def copy_file(path: Path) -> Spent:
    """A durable copy of a file: what a backup cannot beat."""
    target = path.with_name("copied")
    with watched() as spent:
        shutil.copyfile(path, target)
        with target.open("rb+") as file:
            os.fsync(file.fileno())
    target.unlink()
    return spent()


def forget(path: Path) -> None:
    """Let the kernel drop what it has of a file in memory: the next reader reads the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
