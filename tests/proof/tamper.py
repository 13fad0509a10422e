"""./run proof tamper: an insider edits one row of a ledger, and the verification finds it.

    --tampers N   how many (default 2000)
    --rows N      records in the ledger (default 10000)
    --seed S      draws the edits
    --chain N     instead: messages whose chain is verified and whose Merkle root is made, and how
                  long that takes
    --rebuilt     instead: each edit with every head after it computed anew, against one printed
                  checkpoint
    --json        machine-readable

Only rows that state facts are edited: messages, records, gaps and high_water. The verification of a
tampered ledger covers only the messages around the edit, and all streams and witnesses; every
hundredth time it is the whole one. With --rebuilt the insider holds the database and makes the
chain fit again; in the control the chain alone then finds no edit. The auditor's computation goes
on from the last saved state before the edit; every thousandth time it is the whole `till audit`.
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

from gateway.store.messages import chain_break, chained

from gateway.audit.offline import Audit, audit, check_heads
from gateway.audit.signed_note import SignerKey, TreeHead, VerifierKey, open_note
from gateway.audit.tree_head import Scan
from gateway.facts.chain import GENESIS, next_head
from gateway.store.ledger import Ledger
from gateway.store.verify import findings
from tests.delivery.bench import NOW_MS, Device, Office

WHOLE_EVERY = 100
WINDOW = 2  # messages before and after an edit
BATCH_MAX = 12
GAP_ONE_IN = 40
STEP = 16  # messages between two saved states
AUDIT_EVERY = 1000
# this ledger has no triggers, and its list does not hold the printed checkpoint
UNRELATED = ("schema", "list")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof tamper", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--tampers", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chain", type=int, default=0)
    parser.add_argument("--rebuilt", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if options.chain:
            result = chain(Path(folder), options.chain)
        else:
            result = (rebuilt if options.rebuilt else prove)(Path(folder), options)
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        print(" ".join(f"{name} {value}" for name, value in result.items() if name != "missed"))
        for missed in result.get("missed", [])[:10]:
            print("  not found:", missed)
    if result.get("missed"):
        variant = " --rebuilt" if options.rebuilt else ""
        print(
            f"again: ./run proof tamper{variant} --tampers {options.tampers} --rows {options.rows}"
            f" --seed {options.seed}"
        )
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
        window = (
            (1, messages + 1) if number % WHOLE_EVERY == 0 else (max(1, n - WINDOW), n + WINDOW)
        )
        if next(findings(db, *window), None) is None:
            missed.append(f"{kind} at message {n}")
        db.execute("ROLLBACK")
    seconds = time.perf_counter() - started
    return {
        "rows": db.execute("SELECT count(*) FROM record").fetchone()[0], "messages": messages,
        "tampers": options.tampers, "found": options.tampers - len(missed), "failed": len(missed),
        "seconds": round(seconds, 1), "kinds": dict(sorted(kinds.items())), "missed": missed,
    }  # fmt: skip


def built(folder: Path, rows: int, seed: int) -> sqlite3.Connection:
    """A ledger of three windows with gaps in it, in memory, without the triggers that an insider
    would drop first.
    """
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
    for (trigger,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall():
        db.execute(f"DROP TRIGGER {trigger}")
    return db


def witness(office: Office, devices: list[Device]) -> None:
    """Each board states the head of its last acknowledgement."""
    n, head = office.ledger.head()
    for device in devices:
        office.take(device.state(acked=len(device.said), ledger_n=n, ledger_head=head))


def tamper(db: sqlite3.Connection, rng: random.Random, messages: int) -> tuple[str, int]:
    """Edit one row; (what was done, the message that it concerns)."""
    n = rng.randrange(1, messages + 1)
    table = rng.choice(("message", "message", "record", "record", "record", "gap", "cursor"))
    rows = {
        "message": "SELECT * FROM message WHERE n = ?",
        "record": "SELECT * FROM record WHERE entry_n = ?",
    }.get(table, f"SELECT * FROM {table}")
    found = db.execute(rows, (n,) if "?" in rows else ())
    columns = [each[0] for each in found.description]
    some = found.fetchall()
    if not some:  # a message that only shows a gap has no records
        return tamper(db, rng, messages)
    row = dict(zip(columns, rng.choice(some), strict=True))
    at = row.get("n", row.get("entry_n", n))
    key = {
        "message": ("n",),
        "record": ("device", "epoch", "seq"),
        "gap": ("device", "epoch", "from_seq"),
        "cursor": ("id",),
    }
    where = " AND ".join(f"{name} = ?" for name in key[table])
    values = [row[name] for name in key[table]]
    if table != "cursor" and rng.random() < 0.2:
        db.execute(f"DELETE FROM {table} WHERE {where}", values)
        return f"{table} deleted", at
    fields = ["high_water", "device", "epoch"] if table == "cursor" else columns
    name = rng.choice(fields)
    db.execute(
        f"UPDATE OR IGNORE {table} SET {name} = ? WHERE {where}",
        (other(row[name], name, rng), *values),
    )
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


Row = tuple[int, str, int, bytes, bytes]  # of `chained`: n, topic, received_ms, sealed, head


def rebuilt(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Edit, make every head fit again, audit against one tree head; `control` is what the chain
    alone found.
    """
    db = built(folder, options.rows, options.seed)
    rows: list[Row] = list(chained(db))
    key = SignerKey.new("till/city")
    whole = Scan().walk(rows, ())
    note = key.sign(str(TreeHead("till/city", whole.tree.size, whole.tree.root())))
    printed = [("printed", TreeHead.parse(open_note(note, key.verifier)))]
    assert not [
        item
        for item in audit(db, [key.verifier], [("printed", [note])]).findings
        if item.kind not in UNRELATED
    ]
    states = saved_states(rows)
    rng = random.Random(options.seed)
    kinds: Counter[str] = Counter()
    missed, control = [], 0
    started = time.perf_counter()
    for number in range(1, options.tampers + 1):
        kind, n, tail, state = insider(rows, states, rng)
        kinds[kind] += 1
        scan = Scan(state.tree.copy(), state.head).walk(tail, (len(rows),))
        control += bool(scan.broken_at)
        report = Audit()
        check_heads(scan, printed, report)
        found = {item.kind for item in report.findings}
        if number % AUDIT_EVERY == 0:
            found &= audited(db, state.tree.size, tail, [key.verifier], note)
        if not found & {"rewritten", "rolled_back"}:
            missed.append(f"{kind} at message {n}")
    seconds = time.perf_counter() - started
    return {
        "messages": len(rows), "tampers": options.tampers, "found": options.tampers - len(missed),
        "control": control, "failed": len(missed) + control, "seconds": round(seconds, 1),
        "kinds": dict(sorted(kinds.items())), "missed": missed,
    }  # fmt: skip


def saved_states(rows: list[Row]) -> list[Scan]:
    """Tree and chain head before message 1, 1 + STEP, 1 + 2 STEP ..."""
    scan, states = Scan(), []
    for at in range(0, len(rows), STEP):
        states.append(Scan(scan.tree.copy(), scan.head))
        scan.walk(rows[at : at + STEP], ())
    return states


def insider(
    rows: list[Row], states: list[Scan], rng: random.Random
) -> tuple[str, int, list[Row], Scan]:
    """(what was done, the message, all rows after the saved state with numbers and heads that fit
    again, that state)
    """
    at = rng.randrange(len(rows))
    state = states[at // STEP]
    tail, at = rows[state.tree.size :], at % STEP
    kind = rng.choice(("received_ms", "topic", "sealed", "deleted", "inserted", "swapped", "cut"))
    n, topic, received_ms, sealed, head = tail[at]
    if kind == "deleted":
        del tail[at]
    elif kind == "inserted":
        tail.insert(at, (n, topic, other(received_ms, kind, rng), sealed, head))
    elif kind == "cut":
        del tail[at:]
    elif kind == "swapped":
        with_ = at - 1 if at else min(1, len(tail) - 1)
        tail[at], tail[with_] = tail[with_], tail[at]
        if with_ == at:  # the only one after the state: nothing to swap it with
            return insider(rows, states, rng)
    elif kind == "received_ms":
        tail[at] = (n, topic, other(received_ms, kind, rng), sealed, head)
    elif kind == "topic":
        tail[at] = (n, other(topic, kind, rng), received_ms, sealed, head)
    else:
        tail[at] = (n, topic, received_ms, other(sealed, kind, rng), head)
    chained, head = [], state.head
    for number, (_, topic, received_ms, sealed, _) in enumerate(tail, state.tree.size + 1):
        head = next_head(head, topic, received_ms, sealed)
        chained.append((number, topic, received_ms, sealed, head))
    return kind, n, chained, state


def audited(
    db: sqlite3.Connection, kept: int, tail: list[Row], keys: list[VerifierKey], note: str
) -> set[str]:
    """Kinds of findings of the whole audit, with the rebuilt messages in the database."""
    db.execute("BEGIN")
    try:
        db.execute("DELETE FROM message WHERE n > ?", (kept,))
        values = (
            (n, topic.split("/")[3], topic, received_ms, sealed, head)
            for n, topic, received_ms, sealed, head in tail
        )
        db.executemany("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)", values)
        scan = Scan().walk(chained(db), ())
        assert scan.broken_at == 0, "the insider made the chain fit"
        return {item.kind for item in audit(db, keys, [("printed", [note])]).findings}
    finally:
        db.execute("ROLLBACK")


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
            db.execute(
                "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)",
                (n, f"w{n % 8}", topic, NOW_MS + n, body, head),
            )
        db.execute("COMMIT")
        started = time.perf_counter()
        broken = chain_break(db)
        seconds = time.perf_counter() - started
        started = time.perf_counter()
        scan = Scan().walk(chained(db), (messages,))
        root_seconds = time.perf_counter() - started
    db.close()
    return {
        "messages": messages, "seconds": round(seconds, 2), "broken_at": broken,
        "checkpoint_seconds": round(root_seconds, 2),
        "failed": int(broken != 0 or scan.broken_at != 0),
    }  # fmt: skip
