"""What tests of a ledger ask of its file: what the entries hold, and the hands of an insider."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from gateway.facts.chain import (
    GENESIS,
    Message,
    content_of,
    first_form,
    frame,
    next_head,
    read_entry,
)
from gateway.facts.events import payload_of
from gateway.store.entries import rows_after
from protocol import messages


class Kept(NamedTuple):
    """A message as the ledger keeps it, in entry n."""

    n: int
    topic: str
    device: str
    received_ms: int
    sealed: bytes


def kept(db: sqlite3.Connection) -> list[Kept]:
    """Every message of a ledger, in the order of the log."""
    return [
        Kept(n, message.topic, message.device, message.received_ms, message.sealed)
        for n, content in db.execute("SELECT n, content FROM entry ORDER BY n")
        for message in read_entry(content).messages
    ]


def bodies(db: sqlite3.Connection, device: str = "w1", epoch: int = 7) -> dict[int, bytes]:
    """{seq: the record's own bytes} of a stream, from its messages, in the order of seq."""
    found: dict[int, bytes] = {}
    for message in kept(db):
        if message.device == device and message.topic.endswith("/ev"):
            events = messages.decode_events(payload_of(message.sealed, message.topic))
            if events["epoch"] == epoch:
                for seq, body in enumerate(events["records"], events["first_seq"]):
                    found.setdefault(seq, body)
    return dict(sorted(found.items()))


# --- an insider -----------------------------------------------------------------------------------


@contextmanager
def without_triggers(db: sqlite3.Connection) -> Iterator[None]:
    """The triggers are gone for the moment, and so is what else could refuse an edit."""
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    db.executescript("BEGIN;" + "".join(f"DROP TRIGGER {name};" for name, _ in triggers) + "COMMIT")
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute("PRAGMA ignore_check_constraints = ON")
    give_functions(db)
    yield
    db.execute("PRAGMA ignore_check_constraints = OFF")
    db.executescript("BEGIN;" + "".join(f"{sql};" for _, sql in triggers) + "COMMIT")


@contextmanager
def insider(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody with the file in their hands: no trigger forbids anything, and afterwards all of
    them are in place again.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA busy_timeout = 5000")
        with without_triggers(db):
            yield db


def give_functions(db: sqlite3.Connection) -> None:
    """SQL functions that edit the content of an entry, well formed:

    later(content, ms)      its messages arrived so much later
    said_by(content, name)  its topics are those of another site; an old entry has that topic
    spoiled(content)        three bytes of its messages are others
    flipped(bytes)          bytes of the same length, each another one
    as_state(content)       its messages are ones of topic `state`
    as_first_form(content)  its one message as an entry of before had it
    """

    def function(name: str, arguments: int) -> Callable[[Callable[..., bytes]], None]:
        return lambda made: db.create_function(name, arguments, made, deterministic=True)

    @function("later", 2)
    def _(content: bytes, ms: int) -> bytes:
        return edited(content, lambda each: each._replace(received_ms=each.received_ms + ms))

    @function("said_by", 2)
    def _(content: bytes, prefix: str) -> bytes:
        return edited(content, lambda each: each, prefix)

    @function("spoiled", 1)
    def _(content: bytes) -> bytes:
        return edited(content, lambda each: each._replace(sealed=spoiled(each.sealed)))

    @function("flipped", 1)
    def _(some: bytes) -> bytes:
        return bytes(byte ^ 1 for byte in some)

    @function("as_state", 1)
    def _(content: bytes) -> bytes:
        return edited(content, lambda each: each._replace(leaf="state"))

    @function("as_first_form", 1)
    def _(content: bytes) -> bytes:
        entry = read_entry(content)
        [message] = entry.messages
        return first_form(message.topic, message.received_ms, message.sealed)


def spoiled(sealed: bytes) -> bytes:
    """The message with other bytes in its middle: its form stays."""
    return sealed[:60] + bytes(byte ^ 1 for byte in sealed[60:63]) + sealed[63:]


def framed(message: Message) -> bytes:
    """A message as it stands in an entry."""
    return frame(message.received_ms, message.device, message.leaf, message.sealed)


def edited(
    content: bytes, change: Callable[[Message], Message], prefix: str | None = None
) -> bytes:
    """An entry's content with its messages changed, and with other topics."""
    entry = read_entry(content)
    changed = [change(message) for message in entry.messages]
    prefix = entry.prefix if prefix is None else prefix
    if content[0] == 0:
        [message] = changed
        return first_form(prefix, message.received_ms, message.sealed)
    frames = b"".join(framed(each) for each in changed)
    return content_of(prefix, frames, entry.rows)


def vouch_again(db: sqlite3.Connection, table: str) -> None:
    """The entries name the rows of a table as they are now, and the chain fits again; the triggers
    must be gone.
    """
    for n, content in db.execute("SELECT n, content FROM entry").fetchall():
        entry = read_entry(content)
        if entry.rows:
            frames = b"".join(
                frame(each.received_ms, each.device, each.leaf, each.sealed)
                for each in entry.messages
            )
            rows = [
                (rows_after(db, table, each.after_id, each.last_id) or each)
                if each.table == table
                else each
                for each in entry.rows
            ]
            changed = content_of(entry.prefix, frames, rows)
            db.execute("UPDATE entry SET content = ? WHERE n = ?", (changed, n))
    rechain(db)


def rechain(db: sqlite3.Connection) -> None:
    """Every head computed anew; the triggers must be gone."""
    head = GENESIS
    for n, content in db.execute("SELECT n, content FROM entry ORDER BY n").fetchall():
        head = next_head(head, content)
        db.execute("UPDATE entry SET head = ? WHERE n = ?", (head, n))
