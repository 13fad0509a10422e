"""./run proof tamper: an insider edits one row of a ledger, and the verification says so.

    --tampers N   how many (default 2000)     --rows N   records in the ledger (default 10000)     --seed S
    --chain N     instead: messages whose chain is verified, and how long that takes     --json   machine-readable

Edited are the rows that state facts: messages, records, gaps and the high-water marks. The verification of a tampered ledger is
limited to the messages around the edit, and to every stream and witness; every hundredth time it is the whole one.
"""

import argparse
import json
import random
import sqlite3
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from gateway.ledger import Ledger
from gateway.ledger_verify import chain_break, findings
from gateway.recording import GENESIS, next_head
from tests.ingest_support import NOW_MS, Device, Office

WHOLE_EVERY = 100
WINDOW = 2  # messages before and behind an edit
BATCH_MAX = 12
GAP_ONE_IN = 40


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run proof tamper", description=__doc__.partition("\n")[0])
    parser.add_argument("--tampers", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chain", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        result = chain(Path(folder), options.chain) if options.chain else prove(Path(folder), options)
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        print(" ".join(f"{name} {value}" for name, value in result.items() if name != "missed"))
        for missed in result.get("missed", [])[:10]:
            print("  not found:", missed)
    return int(bool(result["failed"]))


def prove(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Build, tamper, verify; {rows, messages, tampers, found, failed, by kind ...}."""
    db = built(folder, options.rows, options.seed)
    assert not list(findings(db)), "the ledger is sound before anybody edits it"
    rng = random.Random(options.seed)
    messages = db.execute("SELECT max(n) FROM message").fetchone()[0]
    kinds: Counter[str] = Counter()
    missed = []
    started = time.perf_counter()
    for number in range(1, options.tampers + 1):
        db.execute("BEGIN")
        kind, n = tamper(db, rng, messages)
        kinds[kind] += 1
        window = (1, messages + 1) if number % WHOLE_EVERY == 0 else (max(1, n - WINDOW), n + WINDOW)
        if next(findings(db, *window), None) is None:
            missed.append(f"{kind} at message {n}")
        db.execute("ROLLBACK")
    seconds = time.perf_counter() - started
    return {
        "rows": db.execute("SELECT count(*) FROM record").fetchone()[0], "messages": messages, "tampers": options.tampers,
        "found": options.tampers - len(missed), "failed": len(missed), "seconds": round(seconds, 1),
        "kinds": dict(sorted(kinds.items())), "missed": missed,
    }  # fmt: skip


def built(folder: Path, rows: int, seed: int) -> sqlite3.Connection:
    """A ledger of three windows with gaps in it, in memory, without the triggers that an insider would drop first."""
    rng = random.Random(seed)
    office = Office(folder)
    devices = [office.device(f"w{number}", epoch=10 + number) for number in (1, 2, 3)]
    reached = dict.fromkeys((device.key.device for device in devices), 0)
    arrived = 0
    while arrived < rows:
        device = rng.choice(devices)
        name = device.key.device
        count = rng.randrange(1, BATCH_MAX + 1)
        if rng.randrange(GAP_ONE_IN) == 0:
            device.say(count)
            office.take(device.state(lowest_kept=len(device.said) + 1))
        else:
            device.say(count)
            office.take(device.ev(reached[name] + 1, len(device.said)))
            arrived += count
        reached[name] = len(device.said)
        office.clock.now_ms += rng.randrange(1, 60_000)
    witness(office, devices)
    office.ledger.close()
    db = sqlite3.connect(":memory:", isolation_level=None)
    with sqlite3.connect(folder / "ledger.db") as stored:
        stored.backup(db)
    stored.close()
    for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {trigger}")
    return db


def witness(office: Office, devices: list[Device]) -> None:
    """Each board tells the head that it was acknowledged with."""
    n, head = office.ledger.head()
    for device in devices:
        office.take(device.state(acked=len(device.said), ledger_n=n, ledger_head=head))


def tamper(db: sqlite3.Connection, rng: random.Random, messages: int) -> tuple[str, int]:
    """Edit one row; (what was done, the message that it concerns)."""
    n = rng.randrange(1, messages + 1)
    table = rng.choice(("message", "message", "record", "record", "record", "gap", "cursor"))
    rows = {"message": "SELECT * FROM message WHERE n = ?", "record": "SELECT * FROM record WHERE message_n = ?"}.get(
        table, f"SELECT * FROM {table}"
    )
    found = db.execute(rows, (n,) if "?" in rows else ())
    columns = [each[0] for each in found.description]
    some = found.fetchall()
    if not some:  # a message that only tells of a gap has no records
        return tamper(db, rng, messages)
    row = dict(zip(columns, rng.choice(some), strict=True))
    at = row.get("n", row.get("message_n", n))
    key = {"message": ("n",), "record": ("device", "epoch", "seq"), "gap": ("device", "epoch", "from_seq"), "cursor": ("id",)}
    where = " AND ".join(f"{name} = ?" for name in key[table])
    values = [row[name] for name in key[table]]
    if table != "cursor" and rng.random() < 0.2:
        db.execute(f"DELETE FROM {table} WHERE {where}", values)
        return f"{table} deleted", at
    fields = ["high_water", "device", "epoch"] if table == "cursor" else columns
    name = rng.choice(fields)
    db.execute(f"UPDATE OR IGNORE {table} SET {name} = ? WHERE {where}", (other(row[name], name, rng), *values))
    if not db.execute("SELECT changes()").fetchone()[0]:
        return tamper(db, rng, messages)
    return f"{table}.{name}", at


def other(value: Any, name: str, rng: random.Random) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bytes):
        at = rng.randrange(len(value))
        return value[:at] + bytes((value[at] ^ 1 << rng.randrange(8),)) + value[at + 1 :]
    if isinstance(value, int):
        return value + rng.choice((1, -1, 7)) if value > 7 else value + 1
    if name in ("device", "topic"):
        return value.replace("w1", "w4").replace("w2", "w1").replace("w3", "w2").replace("w4", "w3")
    if name == "kind":
        return rng.choice([kind for kind in ("tally", "mark", "drawer") if kind != value])
    return 5 if value is None else f"{value}."


def chain(folder: Path, messages: int) -> dict[str, Any]:
    """How long the chain of so many messages takes to verify."""
    Ledger.open(folder / "ledger.db").close()
    with sqlite3.connect(folder / "ledger.db", isolation_level=None) as db:
        db.execute("BEGIN")
        head = GENESIS
        sealed = bytes(220)
        for n in range(1, messages + 1):
            topic, body = f"till/1/city/w{n % 8}/ev", n.to_bytes(8, "big") + sealed
            head = next_head(head, topic, NOW_MS + n, body)
            db.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)", (n, f"w{n % 8}", topic, NOW_MS + n, body, head))
        db.execute("COMMIT")
        started = time.perf_counter()
        broken = chain_break(db)
        seconds = time.perf_counter() - started
    db.close()
    return {"messages": messages, "seconds": round(seconds, 2), "broken_at": broken, "failed": int(broken != 0)}
