"""Tables `message` and `record`: what devices said, and the hash chain over it."""

from collections.abc import Iterator, Sequence

from gateway.facts.chain import GENESIS, next_head
from gateway.facts.records import UNDECODABLE, SeenRecord
from gateway.store.engine import Db, rows, value
from protocol import records as wire

LAST = 1 << 62  # after every message

RecordRow = tuple[str, int, int, int, str, int, int | None, int | None, bytes]
# device, epoch, seq, message_n, kind, occurred_ms, boot, uptime_ms, body


def newest(db: Db) -> tuple[int, bytes]:
    """(n, head) of the newest message; (0, 32 zero bytes) of an empty ledger."""
    for n, head in db.execute("SELECT n, head FROM message ORDER BY n DESC LIMIT 1"):
        return int(n), bytes(head)
    return 0, GENESIS


def head_of(db: Db, n: int) -> bytes | None:
    """The chain's head at message n; None when there is no such message."""
    found = value(db, "SELECT head FROM message WHERE n = ?", (n,))
    return None if found is None else bytes(found)


def newest_received_ms(db: Db) -> int:
    """When the newest message arrived; 0 for an empty ledger."""
    return int(value(db, "SELECT received_ms FROM message ORDER BY n DESC LIMIT 1", default=0))


def latest_received_ms(db: Db) -> int:
    """The latest arrival of any message, whatever its place; 0 for an empty ledger."""
    return int(value(db, "SELECT ifnull(max(received_ms), 0) FROM message"))


def first_received_after(db: Db, n: int) -> int | None:
    """When the first message after message n arrived; None when there is none."""
    found = value(db, "SELECT received_ms FROM message WHERE n > ? ORDER BY n LIMIT 1", (n,))
    return None if found is None else int(found)


def chained(
    db: Db, first_n: int = 1, last_n: int = LAST
) -> Iterator[tuple[int, str, int, bytes, bytes]]:
    """(n, topic, received_ms, sealed, head) of messages first_n to last_n, in order: what the
    chain covers and the head that is stored.
    """
    return db.execute(
        "SELECT n, topic, received_ms, sealed, head FROM message WHERE n BETWEEN ? AND ?"
        " ORDER BY n",
        (first_n, last_n),
    )


def chain_break(db: Db, first_n: int = 1) -> int:
    """The first message from `first_n` on to whose head the chain does not lead, 0 for none: fast,
    says nothing of records.
    """
    head = head_of(db, first_n - 1) or GENESIS
    for expected_n, (n, topic, received_ms, sealed, stored) in enumerate(
        chained(db, first_n), first_n
    ):
        head = next_head(head, topic, received_ms, sealed)
        if n != expected_n or head != stored:
            return int(n)
    return 0


def add_message(
    db: Db, n: int, device: str, topic: str, received_ms: int, sealed: bytes, head: bytes
) -> None:
    """Append message n with the chain's new head."""
    db.execute(
        "INSERT INTO message (n, device, topic, received_ms, sealed, head)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (n, device, topic, received_ms, sealed, head),
    )


def add_records(db: Db, new: Sequence[RecordRow]) -> None:
    """Append records of one message."""
    db.executemany(
        "INSERT INTO record (device, epoch, seq, message_n, kind, occurred_ms, boot, uptime_ms,"
        " body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        new,
    )


def bodies_between(db: Db, device: str, epoch: int, from_seq: int, to_seq: int) -> dict[int, bytes]:
    """{seq: the record's own bytes} of what is recorded of a stream in this range."""
    return dict(
        db.execute(
            "SELECT seq, body FROM record WHERE device = ? AND epoch = ? AND seq BETWEEN ? AND ?",
            (device, epoch, from_seq, to_seq),
        ).fetchall()
    )


def body_at(db: Db, device: str, epoch: int, seq: int) -> bytes | None:
    """The bytes of one record; None when it is not here."""
    found = value(
        db,
        "SELECT body FROM record WHERE device = ? AND epoch = ? AND seq = ?",
        (device, epoch, seq),
    )
    return None if found is None else bytes(found)


def records(
    db: Db,
    since_ms: int | None = None,
    until_ms: int | None = None,
    device: str | None = None,
    after_n: int = 0,
) -> Iterator[SeenRecord]:
    """Records with since_ms <= occurred_ms < until_ms, of one device or all, from messages after
    `after_n`, in the order they were recorded: within one stream that is the order of seq.
    """
    where, values = ["message_n > ?"], list[int | str]((after_n,))
    for clause, wanted in (
        ("occurred_ms >= ?", since_ms),
        ("occurred_ms < ?", until_ms),
        ("record.device = ?", device),
    ):
        if wanted is not None:
            where.append(clause)
            values.append(wanted)
    found = db.execute(
        "SELECT record.device, epoch, seq, kind, occurred_ms, received_ms, body, message_n"
        f" FROM record JOIN message ON message.n = message_n WHERE {' AND '.join(where)}"
        " ORDER BY message_n, seq",
        values,
    )
    for name, epoch, seq, kind, occurred, received, body, n in found:
        fields = {"raw": body} if kind == UNDECODABLE else wire.decode_record(body)
        yield SeenRecord(name, epoch, seq, kind, occurred, received, fields, n)


def last_counted_ms(db: Db, until_ms: int) -> int | None:
    """When a cashier last keyed a mark or a machine last counted money, before `until_ms`; None for
    never. A tally without rows is a driver's bookmark: no money.
    """
    found = db.execute(
        "SELECT kind, occurred_ms, body FROM record"
        " WHERE occurred_ms < ? AND kind IN ('mark', 'tally') ORDER BY occurred_ms DESC",
        (until_ms,),
    )
    for kind, occurred_ms, body in found:
        if kind == "mark" or wire.decode_record(body)["rows"]:
            return int(occurred_ms)
    return None


def record_count(db: Db) -> int:
    """How many records the ledger has."""
    return int(value(db, "SELECT count(*) FROM record"))


def record_counts(db: Db) -> dict[str, int]:
    """{device: how many records}."""
    found = rows(db, "SELECT device, count(*) AS records FROM record GROUP BY device")
    return {row["device"]: row["records"] for row in found}
