"""./run proof tamper: an insider edits one row of a ledger, and the verification finds it.

    --tampers N   how many (default 2000)
    --rows N      records in a ledger, at most without --rebuilt (default 60; with it 10000)
    --seed S      draws ledgers and edits
    --chain N     instead: entries whose chain is verified and whose Merkle root is made, and how
                  long that takes
    --server      the ledgers are on a PostgreSQL server, and the insider is its superuser
    --rebuilt     instead: each edit with every head after it computed anew, against one printed
                  checkpoint
    --json        machine-readable

The edit strikes any row that states a fact: entries, segments, cursors, gaps, and the tables that
entries vouch for. A column is changed, the row is deleted, one is added, two are swapped. Each time
the whole `verify` runs, and every tenth time `till audit`. So that this takes minutes, the ledgers
are small, and every hundred edits strike another one; one in 16 is migrated from before the log.
With --rebuilt the insider holds the database and makes the chain fit again; in the control the
chain alone then finds no edit. The auditor's computation goes on from the last saved state before
the edit; every thousandth time it is the whole `till audit`.
"""

import argparse
import json
import logging
import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from gateway.audit.offline import Audit, audit, check_heads
from gateway.audit.signed_note import SignerKey, TreeHead, VerifierKey, open_note
from gateway.audit.tree_head import Scan
from gateway.facts.chain import (
    GENESIS,
    Message,
    Rows,
    content_of,
    frame,
    next_head,
    read_entry,
)
from gateway.store.engine import Db, SqliteDb
from gateway.store.entries import chain_break, chained
from gateway.store.ledger import Ledger
from gateway.store.verify import verify
from tests.delivery.bench import NOW_MS
from tests.proof import tamper_server
from tests.proof.tamper_ledgers import Insider, built, migrated, other, tamper
from tests.store import server as postgres
from tests.store.bench import framed

ROWS, ROWS_REBUILT = 60, 10_000
LEDGER_EVERY = 100  # edits of one ledger
MIGRATED_ONE_IN = 16
AUDITED_EVERY = 10
STEP = 16  # entries between two saved states
AUDIT_EVERY = 1000
# these ledgers have no triggers, and their list does not hold the printed checkpoint or is not
# signed with this key
UNRELATED = ("schema", "list", "other_key")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof tamper", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--tampers", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chain", type=int, default=0)
    parser.add_argument("--rebuilt", action="store_true")
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if options.chain:
            result = chain(Path(folder), options.chain)
        elif options.rebuilt:
            result = rebuilt(Path(folder), options)
        else:
            server = stack.enter_context(postgres.running()) if options.server else None
            result = prove(Path(folder), options, server)
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        print(" ".join(f"{name} {value}" for name, value in result.items() if name != "missed"))
        for missed in result.get("missed", [])[:10]:
            print("  not found:", missed)
    if result.get("missed"):
        variant = " --rebuilt" * options.rebuilt + " --server" * options.server
        print(
            f"again: ./run proof tamper{variant} --tampers {options.tampers} --rows {options.rows}"
            f" --seed {options.seed}"
        )
    return int(bool(result["failed"]))


class Ground:
    """Memory that holds the ledger which is edited; `take` the next one."""

    def take(self, sound: SqliteDb) -> None:
        self._sound = sound

    @contextmanager
    def victim(self) -> Iterator[tuple[Insider, Db]]:
        """Who edits a copy of it, and as what it is read."""
        with closing(sqlite3.connect(":memory:", isolation_level=None, factory=SqliteDb)) as db:
            self._sound.backup(db)
            yield Insider(db), db

    def close(self) -> None:
        """Nothing to give back."""


def prove(
    folder: Path, options: argparse.Namespace, server: postgres.Server | None = None
) -> dict[str, Any]:
    """Build, tamper, verify; {ledgers, entries, tampers, found, failed, by kind ...}."""
    ground = tamper_server.Ground(server) if server else Ground()
    with closing(ground):
        return proved(folder, options, ground)


def proved(
    folder: Path, options: argparse.Namespace, ground: Ground | tamper_server.Ground
) -> dict[str, Any]:
    rng = random.Random(options.seed)
    rows = options.rows or ROWS
    kinds: Counter[str] = Counter()
    missed = []
    ledgers = entries = 0
    started = time.perf_counter()
    for number in range(options.tampers):
        if number % LEDGER_EVERY == 0:
            ledgers += 1
            place = folder / str(ledgers)
            sound = (
                built(place, rng.randrange(1, rows + 1), rng)
                if ledgers % MIGRATED_ONE_IN
                else migrated(place)
            )
            entries += sound.execute("SELECT count(*) FROM entry").fetchone()[0]
            ground.take(sound)
            with ground.victim() as (_, db):
                assert [] == list(verify(db)), "the ledger is sound before anybody edits it"
                assert not isinstance(db, SqliteDb) or not found_by_audit(db)
        with ground.victim() as (insider, db):
            kind = tamper(insider, rng)
            kinds[kind] += 1
            is_found = next(verify(db), None) is not None
            if is_found and number % AUDITED_EVERY == 0 and isinstance(db, SqliteDb):
                is_found = found_by_audit(db)
            if not is_found:
                missed.append(f"{kind} in ledger {ledgers}")
    seconds = time.perf_counter() - started
    return {
        "ledgers": ledgers, "entries": entries,
        "tampers": options.tampers, "found": options.tampers - len(missed), "failed": len(missed),
        "seconds": round(seconds, 1), "kinds": dict(sorted(kinds.items())), "missed": missed,
    }  # fmt: skip


def found_by_audit(db: SqliteDb) -> bool:
    """Whether `till audit` finds anything in the ledger alone, without a printed tree head."""
    return any(item.kind not in UNRELATED for item in audit(db, [], []).findings)


Row = tuple[int, bytes, bytes]  # of `chained`: n, content, head


def rebuilt(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Edit, make every head fit again, audit against one tree head; `control` is what the chain
    alone found.
    """
    rng = random.Random(options.seed)
    db = built(folder / "ledger", options.rows or ROWS_REBUILT, rng)
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
    kinds: Counter[str] = Counter()
    missed, control = [], 0
    started = time.perf_counter()
    for number in range(1, options.tampers + 1):
        kind, n, tail, state = edited_chain(rows, states, rng)
        kinds[kind] += 1
        scan = Scan(state.tree.copy(), state.head).walk(tail, (len(rows),))
        control += bool(scan.broken_at)
        report = Audit()
        check_heads(scan, printed, report)
        found = {item.kind for item in report.findings}
        if number % AUDIT_EVERY == 0:
            found &= audited(db, state.tree.size, tail, [key.verifier], note)
        if not found & {"rewritten", "rolled_back"}:
            missed.append(f"{kind} at entry {n}")
    seconds = time.perf_counter() - started
    return {
        "entries": len(rows), "tampers": options.tampers, "found": options.tampers - len(missed),
        "control": control, "failed": len(missed) + control, "seconds": round(seconds, 1),
        "kinds": dict(sorted(kinds.items())), "missed": missed,
    }  # fmt: skip


def saved_states(rows: list[Row]) -> list[Scan]:
    """Tree and chain head before entry 1, 1 + STEP, 1 + 2 STEP ..."""
    scan, states = Scan(), []
    for at in range(0, len(rows), STEP):
        states.append(Scan(scan.tree.copy(), scan.head))
        scan.walk(rows[at : at + STEP], ())
    return states


def edited_chain(
    rows: list[Row], states: list[Scan], rng: random.Random
) -> tuple[str, int, list[Row], Scan]:
    """(what was done, the entry, all rows after the saved state with numbers and heads that fit
    again, that state)
    """
    at = rng.randrange(len(rows))
    state = states[at // STEP]
    contents, at = [content for _, content, _ in rows[state.tree.size :]], at % STEP
    kind = rng.choice((*OF_ENTRIES, *OF_MESSAGES, *OF_MESSAGES, "prefix", "rows"))
    if kind == "deleted":
        del contents[at]
    elif kind == "inserted":
        contents.insert(at, contents[rng.randrange(len(contents))])
    elif kind == "cut":
        del contents[at:]
    elif kind == "swapped":
        with_ = at - 1 if at else min(1, len(contents) - 1)
        contents[at], contents[with_] = contents[with_], contents[at]
    else:
        contents[at] = edited(contents[at], kind, rng)
    tail, head = [], state.head
    for n, content in enumerate(contents, state.tree.size + 1):
        head = next_head(head, content)
        tail.append((n, content, head))
    signed = rows[state.tree.size :]
    if tail[: len(signed)] == signed:  # nothing of this kind to edit, or appended after all of it
        return edited_chain(rows, states, rng)
    return kind, state.tree.size + at + 1, tail, state


OF_ENTRIES = ("deleted", "inserted", "cut", "swapped")
OF_MESSAGES = (
    "received_ms", "leaf", "sealed", "message deleted", "message inserted", "messages swapped",
)  # fmt: skip


def edited(content: bytes, kind: str, rng: random.Random) -> bytes:
    """The content of an entry with one thing in it changed; the same when it has no such thing."""
    prefix, messages, rows = read_entry(content)
    if kind == "prefix":
        prefix = prefix.replace("city", "town")
    elif kind == "rows" and rows:
        at = rng.randrange(len(rows))
        rows[at] = _other_rows(rows[at], rng)
    elif messages and kind in OF_MESSAGES:
        at = rng.randrange(len(messages))
        one = messages[at]
        if kind == "message deleted":
            del messages[at]
        elif kind == "message inserted":
            messages.insert(rng.randrange(len(messages) + 1), one)
        elif kind == "messages swapped":
            messages[at], messages[0] = messages[0], one
        else:
            messages[at] = _other_message(one, kind, rng)
    frames = b"".join(framed(each) for each in messages)
    return content_of(prefix, frames, rows)


def _other_message(one: Message, kind: str, rng: random.Random) -> Message:
    if kind == "leaf":
        return one._replace(leaf="state" if one.leaf == "ev" else "ev")
    return one._replace(**{kind: other(getattr(one, kind), rng)})


def _other_rows(one: Rows, rng: random.Random) -> Rows:
    name = rng.choice(("after_id", "last_id", "rows", "digest"))
    value = getattr(one, name)
    return one._replace(**{name: value + 1 if isinstance(value, int) else other(value, rng)})


def audited(
    db: SqliteDb, kept: int, tail: list[Row], keys: list[VerifierKey], note: str
) -> set[str]:
    """Kinds of findings of the whole audit, with the rebuilt entries in the database."""
    db.execute("BEGIN")
    try:
        db.execute("DELETE FROM entry WHERE n > ?", (kept,))
        db.executemany("INSERT INTO entry (n, content, head) VALUES (?, ?, ?)", tail)
        scan = Scan().walk(chained(db), ())
        assert scan.broken_at == 0, "the insider made the chain fit"
        return {item.kind for item in audit(db, keys, [("printed", [note])]).findings}
    finally:
        db.execute("ROLLBACK")


def chain(folder: Path, entries: int) -> dict[str, Any]:
    """How long the chain of so many entries of one message each takes to verify."""
    Ledger.open(folder / "ledger.db").close()
    path = folder / "ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None, factory=SqliteDb)) as db:
        db.execute("BEGIN")
        head = GENESIS
        for n in range(1, entries + 1):
            sealed = n.to_bytes(8, "big") + bytes(220)
            content = content_of("till/1/city/", frame(NOW_MS + n, "w1", "ev", sealed), [])
            head = next_head(head, content)
            db.execute("INSERT INTO entry (n, content, head) VALUES (?, ?, ?)", (n, content, head))
        db.execute("COMMIT")
        started = time.perf_counter()
        broken = chain_break(db)
        seconds = time.perf_counter() - started
        started = time.perf_counter()
        scan = Scan().walk(chained(db), (entries,))
        root_seconds = time.perf_counter() - started
    return {
        "entries": entries, "seconds": round(seconds, 2), "broken_at": broken,
        "checkpoint_seconds": round(root_seconds, 2),
        "failed": int(broken != 0 or scan.broken_at != 0),
    }  # fmt: skip
