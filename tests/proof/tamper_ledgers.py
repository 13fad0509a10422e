"""Small ledgers for ./run proof tamper, with rows in every table, and who edits them."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.audit.tree_head import make
from gateway.devices import commands
from gateway.facts.decisions import Decision, canonical
from gateway.facts.postings import COLUMNS
from gateway.incoming.kinds import kind_of
from gateway.incoming.money_file import import_money
from gateway.incoming.posted_file import import_posted
from gateway.store.decisions import add_decision
from gateway.store.device_events import add_device_events
from gateway.store.engine import ConstraintBroken, Db, SqliteDb
from gateway.store.entries import COVERED
from gateway.store.ledger import Ledger
from simulators.office.bank_files import Settled, settlement_csv
from tests.delivery.bench import SITE, Device, Message, Office

DAY = "2026-11-20"
RECORDS_MAX = 3  # of one message
MESSAGES_MAX = 6  # of one commit
GAP_ONE_IN = 9
OTHERS_ONE_IN = 4  # after so many commits something else is appended
WIPED_ONE_IN = 8  # a board speaks in a new epoch
MIGRATED = Path(__file__).parents[1] / "store" / "fixtures" / "ledger-schema3.db"


def built(folder: Path, rows: int, rng: random.Random) -> SqliteDb:
    """A ledger of three windows in memory, without the triggers that an insider would drop first:
    at least so many records, in batches of several boards, with gaps, new epochs, and something in
    every table that entries vouch for.
    """
    folder.mkdir()
    office = Office(folder)
    devices = [office.device(f"w{number}", epoch=10 + number) for number in (1, 2, 3)]
    for device in devices:
        device.say(1)
        office.take(device.ev(1, 1))
    others = _others(office)
    for act in others:
        _commit(office, devices, rng)
        act(rng)
    while sum(row["records"] for row in office.ledger.cursors()) < rows:
        _commit(office, devices, rng)
        if rng.randrange(OTHERS_ONE_IN) == 0:
            rng.choice(others)(rng)
        if rng.randrange(WIPED_ONE_IN) == 0:
            at = rng.randrange(len(devices))
            devices[at] = Device(devices[at].key, epoch=devices[at].epoch + 10)
            _commit(office, devices, rng)
    n, head = office.ledger.head()
    for device in devices:  # each states the head of its last acknowledgement
        office.take(device.state(acked=len(device.said), ledger_n=n, ledger_head=head))
    office.ledger.close()
    return in_memory(folder / "ledger.db")


def migrated(folder: Path) -> SqliteDb:
    """The same of a ledger of before the log, migrated."""
    folder.mkdir()
    shutil.copyfile(MIGRATED, folder / "ledger.db")
    Ledger.open(folder / "ledger.db").close()
    return in_memory(folder / "ledger.db")


def in_memory(path: Path) -> SqliteDb:
    """A copy of a ledger without its triggers."""
    db = sqlite3.connect(":memory:", isolation_level=None, factory=SqliteDb)
    with closing(sqlite3.connect(path)) as stored:
        stored.backup(db)
    for (trigger,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall():
        db.execute(f"DROP TRIGGER {trigger}")
    return db


def _commit(office: Office, devices: list[Device], rng: random.Random) -> None:
    """One batch: messages of several boards, some that state a little again, some heartbeats of
    boards that lost records.
    """
    batch: list[Message] = []
    for _ in range(rng.randrange(1, MESSAGES_MAX + 1)):
        device = rng.choice(devices)
        first = len(device.said) + 1
        device.say(rng.randrange(1, RECORDS_MAX + 1))
        if rng.randrange(GAP_ONE_IN):
            first = max(1, first - rng.choice((0, 0, 0, 2)))
            batch.append(device.ev(first, len(device.said)))
        else:
            office.take(*batch, device.state(lowest_kept=len(device.said) + 1))
            batch = []
    office.take(*batch)
    office.clock.now_ms += rng.randrange(1, 3_600_000)


def _others(office: Office) -> list[Callable[[random.Random], None]]:
    """What else is appended: one for each table of COVERED."""
    ledger, clock = office.ledger, office.clock

    def quarantine(rng: random.Random) -> None:
        for _ in range(rng.randrange(1, 4)):
            office.take((f"till/1/{SITE}/w1/ev", rng.randbytes(rng.randrange(1, 40)), False))

    def incident(rng: random.Random) -> None:
        for _ in range(rng.randrange(1, 3)):
            ledger.incident("key_file", "w1", f"note {rng.getrandbits(32)}", clock.now_ms)

    def command(_: random.Random) -> None:
        commands.ask(ledger, "w1", "identify", "kim", clock.now_ms)

    def device_event(rng: random.Random) -> None:
        new = [("w1", "approved", number, "ab" * 32, "") for number in range(rng.randrange(1, 4))]
        with ledger.transaction() as db:
            add_device_events(db, clock.now_ms, "kim", new)

    def posted(rng: random.Random) -> None:
        path = office.folder / "posted.csv"
        path.write_text(_posted(rng, rng.randrange(2, 6)), "utf-8")
        assert import_posted(ledger.db, path, clock.now_ms).added
        corrected = path.with_name("corrected.csv")
        corrected.write_text(path.read_text("utf-8").replace(",lost,", ",void,"), "utf-8")
        assert import_posted(ledger.db, corrected, clock.now_ms).added

    def money(rng: random.Random) -> None:
        path = office.folder / "settled.csv"
        text = settlement_csv([
            Settled(f"B{rng.getrandbits(40)}", number, "sale", f"OK{number}", 100 + number, DAY)
            for number in range(1, rng.randrange(4, 7))
        ])  # fmt: skip
        # two rows are refused at first, and settled by the corrected file
        for said in (text.replace(",sale,", ",sole,", 2), text):
            path.write_text(said, "utf-8")
            assert import_money(ledger.db, path, kind_of(path), clock.now_ms).added

    def checkpoint(_: random.Random) -> None:
        day = len(ledger.db.execute("SELECT 1 FROM checkpoint").fetchall())
        make(
            ledger, office.folder, SITE, f"2026-{1 + day // 28:02}-{1 + day % 28:02}", clock.now_ms
        )

    def decision(rng: random.Random) -> None:
        content = canonical({"tender": "card", "cents": rng.randrange(10_000)})
        for _ in range(rng.randrange(1, 3)):
            with ledger.transaction() as db:
                add_decision(
                    db,
                    Decision(
                        0, clock.now_ms, "kim", "supervisor", "declare", "2026-11-20", "w1", 11, 1,
                        content, "no slip",
                    ),
                )  # fmt: skip

    return [quarantine, incident, command, device_event, posted, money, checkpoint, decision]


def _posted(rng: random.Random, count: int) -> str:
    """A posted.csv of so many rows, and two that cannot be posted."""
    rows = [
        f"R{rng.getrandbits(40)},1,2026-11-20T09:15:00-06:00,2026-11-20,w1,s1,c1,t1,cash,1500,0,"
        "A-1,electric,501-electric,1500,posted,,,,,csv,1"
        for _ in range(count)
    ]
    bad = [row.replace(",posted,", ",lost,") for row in rows[:2]]
    every = [",".join(COLUMNS), *rows, *[row.replace("R", "X", 1) for row in bad]]
    cents = 1500 * (count + 2)
    control = f"#control,rows={count + 2},tender_cents={cents},change_cents=0"
    return "\n".join([*every, f"{control},allocation_cents={cents}", ""])


# ---- the insider

# {table: the columns that state facts}; of the others none is read as a fact (cursor: when it was
# seen, whether it is locked or the current one; the number of a segment, which only orders them)
FACTS = {
    "entry": ("n", "content", "head"),
    "segment": ("cursor_id", "first_seq", "last_seq", "n", "at", "size", "from_ms", "until_ms"),
    "cursor": ("id", "device", "epoch", "high_water", "records", "fingerprint"),
    "gap": ("device", "epoch", "from_seq", "to_seq", "cause", "noted_ms", "entry_n"),
    **COVERED,
}
# so much more often than another table: nearly everything is in there
TABLES = [*FACTS, "entry", "entry", "entry", "entry", "segment", "segment", "cursor"]


class Insider:
    """Who edits rows of a ledger where no trigger hinders; of SQLite's. `place` reads where a row
    is, `at` finds it there.
    """

    place = "rowid"
    at = "rowid = ?"

    def __init__(self, db: Db) -> None:
        self.db = db

    def tried(self, query: str, *values: Any) -> int:
        """How many rows a statement changed: 0 when a rule of the schema refuses it."""
        try:
            return self.db.execute(query, values).rowcount
        except ConstraintBroken:
            return 0

    def rows(self, table: str) -> list[Any]:
        """Where each row is, but for streams that have said nothing: they are no facts."""
        says = " WHERE records > 0 OR high_water > 0" if table == "cursor" else ""
        return [place for (place,) in self.db.execute(f"SELECT {self.place} FROM {table}{says}")]

    def row(self, table: str, place: Any) -> dict[str, Any]:
        """{column: value} of a row."""
        found = self.db.execute(f"SELECT * FROM {table} WHERE {self.at}", (place,))
        names = [column[0] for column in found.description]
        return dict(zip(names, found.fetchone(), strict=True))

    def add(self, table: str, row: dict[str, Any]) -> int:
        """Insert a row; how many that were."""
        marks = ", ".join("?" * len(row))
        return self.tried(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values())


def tamper(insider: Insider, rng: random.Random) -> str:
    """Edit one row, or swap two; what was done."""
    while True:
        table = rng.choice(TABLES)
        places = insider.rows(table)
        act = rng.choice((_change, _change, _change, _delete, _add, _swap))
        if places and (done := act(insider, rng, table, places)):
            return f"{table}{done}"


def _change(insider: Insider, rng: random.Random, table: str, places: list[Any]) -> str:
    name, place = rng.choice(FACTS[table]), rng.choice(places)
    new = other(insider.row(table, place)[name], rng)
    done = insider.tried(f"UPDATE {table} SET {name} = ? WHERE {insider.at}", new, place)
    return f".{name}" if done else ""


def _delete(insider: Insider, rng: random.Random, table: str, places: list[Any]) -> str:
    insider.db.execute(f"DELETE FROM {table} WHERE {insider.at}", (rng.choice(places),))
    return " deleted"


def _add(insider: Insider, rng: random.Random, table: str, places: list[Any]) -> str:
    """A copy of a row, with as many other values as it takes; also before the first one."""
    row = insider.row(table, rng.choice(places))
    key = _key(table)
    if key in row:
        [(last, first)] = insider.db.execute(f"SELECT max({key}), min({key}) FROM {table}")
        row[key] = rng.choice((last + 1, first - 1, -rng.randrange(1 << 40)))
    for name in [name for name in FACTS[table] if name != key]:
        if rng.random() < 0.5:
            row[name] = other(row[name], rng)
    is_silent = table == "cursor" and row["records"] == row["high_water"] == 0
    return " added" if not is_silent and insider.add(table, row) else ""


def _swap(insider: Insider, rng: random.Random, table: str, places: list[Any]) -> str:
    """Two rows change places: all that they say but their numbers."""
    if len(places) < 2:
        return ""
    key = _key(table)
    one, two = rng.sample(places, 2)
    first, second = insider.row(table, one), insider.row(table, two)
    if key not in first:  # a gap has no number: swapped they are the same
        return ""
    numbers = first.pop(key), second.pop(key)
    if first == second:
        return ""
    insider.db.execute(f"DELETE FROM {table} WHERE {insider.at}", (two,))
    marks = ", ".join(f"{name} = ?" for name in second)
    done = insider.tried(
        f"UPDATE {table} SET {marks} WHERE {insider.at}", *second.values(), one
    ) and insider.add(table, {key: numbers[1], **first})
    assert done, f"{table}: rows {numbers} can be swapped"
    return " swapped"


def _key(table: str) -> str:
    return "n" if table == "entry" else "id"


def other(value: Any, rng: random.Random) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bytes):
        if not value:
            return b"\0"
        at = rng.randrange(len(value))
        return value[:at] + bytes((value[at] ^ 1 << rng.randrange(8),)) + value[at + 1 :]
    if isinstance(value, int):
        return value + rng.choice((1, -1, 7, -(1 << 40), 1 << 40))
    swapped = {"w1": "w2", "w2": "w3", "w3": "w1", "posted": "void"}
    return swapped.get(value, f"{value}." if rng.randrange(2) or not value else value[:-1])
