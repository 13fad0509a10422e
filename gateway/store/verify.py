"""Does the ledger still say what the devices said? Recomputes everything that can be recomputed,
changes nothing.

The chain fixes the sealed bytes and their order; the records, gaps and cursors are then derived
again from those bytes and compared. Cutting the newest messages off leaves a chain that fits: only
the heads that devices (heartbeat) and printed checkpoints witnessed show that, so those of the
devices are compared too.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any

from gateway.facts.chain import GENESIS, gap_parts, next_head, occurred_ms
from gateway.facts.records import UNDECODABLE, Finding
from protocol import cbor, messages, topics
from protocol import records as wire
from protocol.compat import ProtocolError

LAST = 1 << 62  # behind every message


def verify(db: sqlite3.Connection) -> Iterator[Finding]:
    """Findings, in the order of messages, then of streams; one consistent view even while the
    gateway writes.
    """
    db.execute("BEGIN")
    try:
        yield from findings(db)
    finally:
        db.execute("ROLLBACK")


def findings(db: sqlite3.Connection, first_n: int = 1, last_n: int = LAST) -> Iterator[Finding]:
    """The same inside a transaction of the caller's: messages first_n to last_n, and every stream
    and witness.
    """
    yield from _messages(db, first_n, last_n)
    yield from _streams(db)
    yield from _witnesses(db)


def chain_break(db: sqlite3.Connection, first_n: int = 1) -> int:
    """The first message from `first_n` on to whose head the chain does not lead, 0 for none: fast,
    says nothing of records.
    """
    before = db.execute("SELECT head FROM message WHERE n = ?", (first_n - 1,)).fetchone()
    head = before[0] if before else GENESIS
    rows = db.execute(
        "SELECT n, topic, received_ms, sealed, head FROM message WHERE n >= ? ORDER BY n",
        (first_n,),
    )
    for expected_n, (n, topic, received_ms, sealed, stored_head) in enumerate(rows, first_n):
        head = next_head(head, topic, received_ms, sealed)
        if n != expected_n or head != stored_head:
            return int(n)
    return 0


def _messages(db: sqlite3.Connection, first_n: int, last_n: int) -> Iterator[Finding]:
    before = db.execute("SELECT head FROM message WHERE n = ?", (first_n - 1,)).fetchone()
    head, expected_n = before[0] if before else GENESIS, first_n - 1
    where = (first_n, last_n)
    stored = _grouped(
        db.execute(
            "SELECT * FROM record WHERE message_n BETWEEN ? AND ? ORDER BY message_n, seq", where
        )
    )
    pending = next(stored, None)
    query = (
        "SELECT n, device, topic, received_ms, sealed, head FROM message WHERE n BETWEEN ? AND ?"
        " ORDER BY n"
    )
    for n, device, topic, received_ms, sealed, stored_head in db.execute(query, where):
        expected_n += 1
        if n != expected_n:
            text = f"message {n} follows {expected_n - 1}: messages are missing"
            yield Finding("chain", n, device, text)
            expected_n = n
        head = next_head(head, topic, received_ms, sealed)
        if head != stored_head:
            yield Finding(
                "chain",
                n,
                device,
                f"message {n}: the chain does not lead to its head (this message or one before was"
                " edited)",
            )
            head = stored_head
        rows: list[tuple[Any, ...]] = []
        while pending is not None and pending[0] < n:
            yield Finding(
                "record",
                pending[0],
                pending[1][0][0],
                f"records of message {pending[0]}: there is no such message",
            )
            pending = next(stored, None)
        if pending is not None and pending[0] == n:
            rows = pending[1]
            pending = next(stored, None)
        for kind, text in _message_findings(db, n, device, topic, received_ms, sealed, rows):
            yield Finding(kind, n, device, f"message {n}: {text}")
    while pending is not None:
        yield Finding(
            "record",
            pending[0],
            pending[1][0][0],
            f"records of message {pending[0]}: there is no such message",
        )
        pending = next(stored, None)


def _grouped(rows: Any) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    """(message_n, its record rows), in order."""
    group: list[tuple[Any, ...]] = []
    for row in rows:
        if group and group[0][3] != row[3]:
            yield group[0][3], group
            group = []
        group.append(row)
    if group:
        yield group[0][3], group


def _message_findings(
    db: sqlite3.Connection,
    n: int,
    device: str,
    topic: str,
    received_ms: int,
    sealed: bytes,
    rows: list[tuple[Any, ...]],
) -> Iterator[tuple[str, str]]:
    """(kind, text) of each finding in one message and its record rows."""
    try:
        leaf = topics.parse_topic(topic)[2]
        payload = cbor.decode(sealed)[2]
        event = messages.decode_events(payload) if leaf == "ev" else None
        state = messages.decode_state(payload) if leaf == "state" else None
    except (ProtocolError, TypeError, IndexError, KeyError) as error:
        yield "message", f"its sealed bytes cannot be read ({error})"
        return
    if topics.parse_topic(topic)[1] != device:
        yield "message", f"stored under device {device}, its topic is {topic}"
    if event is None:
        if state is None or rows:
            yield "record", "records without an event message"
        return
    first, bodies = event["first_seq"], event["records"]
    for row in rows:
        _, epoch, seq = row[:3]
        if row[0] != device or epoch != event["epoch"] or not first <= seq < first + len(bodies):
            yield "record", f"record ({row[0]}, {epoch}, {seq}) is not in it"
        elif row[8] != bodies[seq - first]:
            yield (
                "record",
                f"record ({device}, {epoch}, {seq}): its bytes are not those that were sealed",
            )
        elif tuple(row[4:8]) != _derived(row[8], event, received_ms):
            yield (
                "record",
                f"record ({device}, {epoch}, {seq}): kind or time is not what its bytes say",
            )
    if len(rows) != len(bodies):  # the others must be records that an earlier message brought
        have = {row[2] for row in rows}
        for seq in range(first, first + len(bodies)):
            if seq not in have and not _brought_before(db, device, event["epoch"], seq, n):
                yield "record", f"record ({device}, {event['epoch']}, {seq}) is gone"


def _derived(
    body: bytes, event: dict[str, Any], received_ms: int
) -> tuple[str, int, int | None, int | None]:
    """(kind, occurred_ms, boot, uptime_ms) as the recording transaction would have stored them."""
    try:
        fields = wire.decode_record(body)
    except ProtocolError:
        return UNDECODABLE, received_ms, None, None
    at_ms = occurred_ms(fields, event["boot"], event["sent_uptime_ms"], received_ms)
    return fields["kind"], at_ms, fields["boot"], fields["uptime_ms"]


def _brought_before(db: sqlite3.Connection, device: str, epoch: int, seq: int, n: int) -> bool:
    row = db.execute(
        "SELECT message_n FROM record WHERE device = ? AND epoch = ? AND seq = ?",
        (device, epoch, seq),
    ).fetchone()
    return row is not None and row[0] < n


def _streams(db: sqlite3.Connection) -> Iterator[Finding]:
    """Every stream is whole from 1 to its high-water mark: records, and gap rows that a heartbeat
    vouches for.
    """
    cursors = {
        (row[0], row[1]): row[2]
        for row in db.execute("SELECT device, epoch, high_water FROM cursor")
    }
    seen: dict[tuple[str, int], tuple[int, int]] = {
        (row[0], row[1]): (row[2], row[3])
        for row in db.execute(
            "SELECT device, epoch, count(*), max(seq) FROM record GROUP BY device, epoch"
        )
    }
    for device, epoch in seen.keys() - cursors.keys():
        yield Finding("stream", 0, device, f"epoch {epoch}: records without a cursor")
    for (device, epoch), high_water in sorted(cursors.items()):
        missing, top = 0, seen.get((device, epoch), (0, 0))[1]
        gaps = db.execute(
            "SELECT * FROM gap WHERE device = ? AND epoch = ?", (device, epoch)
        ).fetchall()
        yield from _gap_findings(db, device, epoch, gaps)
        for _, _, from_seq, to_seq, _, _, message_n in gaps:
            late = db.execute(  # a record that was there before the gap was noted is in no gap
                "SELECT count(*) FROM record WHERE device = ? AND epoch = ? AND seq BETWEEN ? AND ?"
                " AND message_n > ?",
                (device, epoch, from_seq, to_seq, message_n),
            ).fetchone()[0]
            missing += to_seq - from_seq + 1 - late
            top = max(top, to_seq)
        if top != high_water:
            yield Finding(
                "stream",
                0,
                device,
                f"epoch {epoch}: high-water mark {high_water}, records and gaps end at {top}",
            )
        if seen.get((device, epoch), (0, 0))[0] + missing != top:
            yield Finding(
                "stream",
                0,
                device,
                f"epoch {epoch}: not every seq from 1 to {top} is a record or in a gap",
            )


def _gap_findings(
    db: sqlite3.Connection, device: str, epoch: int, gaps: list[tuple[Any, ...]]
) -> Iterator[Finding]:
    """Gap rows are what the heartbeats that they name would make again: range, cause and time."""
    for message_n in sorted({row[6] for row in gaps}):
        rows = sorted(row[2:6] for row in gaps if row[6] == message_n)
        found = db.execute(
            "SELECT device, received_ms, sealed FROM message WHERE n = ?", (message_n,)
        ).fetchone()
        try:
            state = (
                messages.decode_state(cbor.decode(found[2])[2])
                if found and found[0] == device
                else None
            )
        except (ProtocolError, TypeError, IndexError, KeyError):
            state = None
        expected = []
        if state is not None and state["epoch"] == epoch:
            lowest = state["lowest_kept"] or state["last_seq"] + 1
            parts = gap_parts(rows[0][0] - 1, state["acked"], min(lowest - 1, state["last_seq"]))
            expected = [(*part, found[1]) for part in parts]
        if rows != expected:
            yield Finding(
                "gap",
                message_n,
                device,
                f"epoch {epoch}: gap {rows[0][0]} to {rows[-1][1]} is not what message {message_n}"
                " says",
            )


def _witnesses(db: sqlite3.Connection) -> Iterator[Finding]:
    for device, n, witnessed in db.execute(
        "SELECT device, ledger_n, ledger_head FROM heartbeat WHERE ledger_n > 0 ORDER BY device"
    ):
        row = db.execute("SELECT head FROM message WHERE n = ?", (n,)).fetchone()
        if row is None:
            yield Finding(
                "witness",
                n,
                device,
                f"device {device} was acked with message {n}, which is not here: the end was"
                " cut off",
            )
        elif row[0] != witnessed:
            text = f"device {device} was acked with another head at message {n}"
            yield Finding("witness", n, device, text)
