"""Does the ledger still say what the devices said? Recomputes everything that can be recomputed,
changes nothing.

The chain fixes the sealed bytes and their order; the records, gaps and cursors are then derived
again from those bytes and compared. Cutting the newest messages off leaves a chain that fits: only
the heads that devices (heartbeat) and printed checkpoints witnessed show that, so those of the
devices are compared too.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from gateway.facts.chain import GENESIS, gap_parts, next_head, occurred_ms
from gateway.facts.records import UNDECODABLE, Finding
from gateway.store.engine import Db, snapshot, value
from gateway.store.messages import LAST, head_of
from gateway.store.streams import witnesses
from protocol import cbor, messages, topics
from protocol import records as wire
from protocol.compat import ProtocolError
from protocol.unpacking import payload_of

_UNREADABLE = (ProtocolError, TypeError, IndexError, KeyError)


class _Message(NamedTuple):
    """A row of `message`."""

    n: int
    device: str
    topic: str
    received_ms: int
    sealed: bytes
    head: bytes


class _Record(NamedTuple):
    """A row of `record`."""

    device: str
    epoch: int
    seq: int
    message_n: int
    kind: str
    occurred_ms: int
    boot: int | None
    uptime_ms: int | None
    body: bytes


class _Gap(NamedTuple):
    """A row of `gap`, of one stream."""

    message_n: int
    from_seq: int
    to_seq: int
    cause: str
    noted_ms: int


def verify(db: Db) -> Iterator[Finding]:
    """Findings, in the order of messages, then of streams; one consistent view even while the
    gateway writes.
    """
    with snapshot(db):
        yield from findings(db)


def findings(db: Db, first_n: int = 1, last_n: int = LAST) -> Iterator[Finding]:
    """The same inside a transaction of the caller's: messages first_n to last_n, and every stream
    and witness.
    """
    yield from _messages(db, first_n, last_n)
    yield from _streams(db)
    yield from _witnesses(db)


def _messages(db: Db, first_n: int, last_n: int) -> Iterator[Finding]:
    """The chain, and the records of each message."""
    before = head_of(db, first_n - 1)
    head, expected_n = (GENESIS, 0) if before is None else (before, first_n - 1)
    stored = _records(db, first_n, last_n)
    pending = next(stored, None)
    rows = db.execute(
        "SELECT n, device, topic, received_ms, sealed, head FROM message WHERE n BETWEEN ? AND ?"
        " ORDER BY n",
        (first_n, last_n),
    )
    for message in map(_Message._make, rows):
        n, device = message.n, message.device
        expected_n += 1
        if n != expected_n:
            text = f"message {n} follows {expected_n - 1}: messages are missing"
            yield Finding("chain", n, device, text)
            expected_n = n
        head = next_head(head, message.topic, message.received_ms, message.sealed)
        if head != message.head:
            yield Finding(
                "chain",
                n,
                device,
                f"message {n}: the chain does not lead to its head (this message or one before was"
                " edited)",
            )
            head = message.head
        while pending is not None and pending[0] < n:
            yield _orphans(*pending)
            pending = next(stored, None)
        records: list[_Record] = []
        if pending is not None and pending[0] == n:
            records = pending[1]
            pending = next(stored, None)
        for kind, text in _message_findings(db, message, records):
            yield Finding(kind, n, device, f"message {n}: {text}")
    while pending is not None:
        yield _orphans(*pending)
        pending = next(stored, None)


def _orphans(message_n: int, records: list[_Record]) -> Finding:
    text = f"records of message {message_n}: there is no such message"
    return Finding("record", message_n, records[0].device, text)


def _records(db: Db, first_n: int, last_n: int) -> Iterator[tuple[int, list[_Record]]]:
    """(message_n, its records), in order."""
    rows = db.execute(
        "SELECT device, epoch, seq, message_n, kind, occurred_ms, boot, uptime_ms, body FROM record"
        " WHERE message_n BETWEEN ? AND ? ORDER BY message_n, seq",
        (first_n, last_n),
    )
    for message_n, group in groupby(map(_Record._make, rows), lambda record: record.message_n):
        yield message_n, list(group)


def _message_findings(
    db: Db, message: _Message, records: list[_Record]
) -> Iterator[tuple[str, str]]:
    """(kind, text) of what does not fit."""
    device = message.device
    try:
        _, named, leaf = topics.parse_topic(message.topic)
        payload = payload_of(message.sealed, message.topic)
        event = messages.decode_events(payload) if leaf == "ev" else None
        state = messages.decode_state(payload) if leaf == "state" else None
    except _UNREADABLE as error:
        yield "message", f"its sealed bytes cannot be read ({error})"
        return
    if named != device:
        yield "message", f"stored under device {device}, its topic is {message.topic}"
    if event is None:
        if state is None or records:
            yield "record", "records without an event message"
        return
    epoch, first, bodies = event["epoch"], event["first_seq"], event["records"]
    for record in records:
        seq, is_here = record.seq, (record.device, record.epoch) == (device, epoch)
        if not is_here or not first <= seq < first + len(bodies):
            yield "record", f"record ({record.device}, {record.epoch}, {seq}) is not in it"
        elif record.body != bodies[seq - first]:
            yield (
                "record",
                f"record ({device}, {epoch}, {seq}): its bytes are not those that were sealed",
            )
        elif record != _derived(record, event, message.received_ms):
            yield (
                "record",
                f"record ({device}, {epoch}, {seq}): kind or time is not what its bytes say",
            )
    if len(records) != len(bodies):  # the others must be records that an earlier message brought
        have = {record.seq for record in records}
        for seq in range(first, first + len(bodies)):
            if seq not in have and not _brought_before(db, device, epoch, seq, message.n):
                yield "record", f"record ({device}, {epoch}, {seq}) is gone"


def _derived(record: _Record, event: dict[str, Any], received_ms: int) -> _Record:
    """The record as the recording transaction would have stored its bytes."""
    try:
        fields = wire.decode_record(record.body)
    except ProtocolError:
        return record._replace(kind=UNDECODABLE, occurred_ms=received_ms, boot=None, uptime_ms=None)
    at_ms = occurred_ms(fields, event["boot"], event["sent_uptime_ms"], received_ms)
    return record._replace(
        kind=fields["kind"], occurred_ms=at_ms, boot=fields["boot"], uptime_ms=fields["uptime_ms"]
    )


def _brought_before(db: Db, device: str, epoch: int, seq: int, n: int) -> bool:
    query = "SELECT message_n FROM record WHERE device = ? AND epoch = ? AND seq = ?"
    return bool(value(db, query, (device, epoch, seq), n) < n)


def _streams(db: Db) -> Iterator[Finding]:
    """Every stream is whole from 1 to its high-water mark: records, and gap rows that a heartbeat
    vouches for.
    """
    cursors = {
        (device, epoch): high_water
        for device, epoch, high_water in db.execute("SELECT device, epoch, high_water FROM cursor")
    }
    seen: dict[tuple[str, int], tuple[int, int]] = {
        (device, epoch): (count, last)
        for device, epoch, count, last in db.execute(
            "SELECT device, epoch, count(*), max(seq) FROM record GROUP BY device, epoch"
        )
    }
    for device, epoch in seen.keys() - cursors.keys():
        yield Finding("stream", 0, device, f"epoch {epoch}: records without a cursor")
    for (device, epoch), high_water in sorted(cursors.items()):
        count, top = seen.get((device, epoch), (0, 0))
        gaps = _gaps(db, device, epoch)
        yield from _gap_findings(db, device, epoch, gaps)
        missing = 0
        for gap in gaps:
            late = value(  # a record that was there before the gap was noted is in no gap
                db,
                "SELECT count(*) FROM record WHERE device = ? AND epoch = ? AND seq BETWEEN ? AND ?"
                " AND message_n > ?",
                (device, epoch, gap.from_seq, gap.to_seq, gap.message_n),
            )
            missing += gap.to_seq - gap.from_seq + 1 - late
            top = max(top, gap.to_seq)
        if top != high_water:
            text = f"epoch {epoch}: high-water mark {high_water}, records and gaps end at {top}"
            yield Finding("stream", 0, device, text)
        if count + missing != top:
            text = f"epoch {epoch}: not every seq from 1 to {top} is a record or in a gap"
            yield Finding("stream", 0, device, text)


def _gaps(db: Db, device: str, epoch: int) -> list[_Gap]:
    rows = db.execute(
        "SELECT message_n, from_seq, to_seq, cause, noted_ms FROM gap WHERE device = ? AND"
        " epoch = ? ORDER BY message_n, from_seq",
        (device, epoch),
    )
    return [_Gap._make(row) for row in rows]


def _gap_findings(db: Db, device: str, epoch: int, gaps: list[_Gap]) -> Iterator[Finding]:
    """Gap rows are what the heartbeats that they name would make again: range, cause and time."""
    for message_n, group in groupby(gaps, lambda gap: gap.message_n):
        noted = list(group)
        if noted != _gaps_again(db, device, epoch, message_n, noted[0].from_seq):
            text = (
                f"epoch {epoch}: gap {noted[0].from_seq} to {noted[-1].to_seq} is not what message"
                f" {message_n} says"
            )
            yield Finding("gap", message_n, device, text)


def _gaps_again(db: Db, device: str, epoch: int, message_n: int, from_seq: int) -> list[_Gap]:
    """The gaps from `from_seq` that a heartbeat proves; none when it is no heartbeat of this
    stream.
    """
    for of, received_ms, sealed in db.execute(
        "SELECT device, received_ms, sealed FROM message WHERE n = ?", (message_n,)
    ):
        try:
            state = messages.decode_state(cbor.decode(sealed)[2])
        except _UNREADABLE:
            break
        if of != device or state["epoch"] != epoch:
            break
        lowest = state["lowest_kept"] or state["last_seq"] + 1
        parts = gap_parts(from_seq - 1, state["acked"], min(lowest - 1, state["last_seq"]))
        return [_Gap(message_n, *part, received_ms) for part in parts]
    return []


def _witnesses(db: Db) -> Iterator[Finding]:
    for row in witnesses(db):
        device, n = row["device"], row["ledger_n"]
        head = head_of(db, n)
        if head is None:
            text = f"device {device} was acked with message {n}, which is not here: the end was"
            yield Finding("witness", n, device, f"{text} cut off")
        elif head != row["ledger_head"]:
            text = f"device {device} was acked with another head at message {n}"
            yield Finding("witness", n, device, text)
