"""Tables `cursor`, `gap`, `heartbeat` and `counter`: how far each stream (device, epoch) is durable
and what each device said of itself last.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.store.engine import Db, placeholders, rows, value
from gateway.store.entries import add_with_entry
from protocol.messages import FINGERPRINT_BYTES

EVER = -(1 << 62)  # before every time
_HEARTBEAT = (
    "epoch", "boot", "uptime_ms", "status", "last_seq", "lowest_kept", "acked", "ledger_n",
    "ledger_head", "heap_free", "heap_low", "command",
)  # fmt: skip
KEYS_AT_ONCE = 500  # streams that one statement asks for


class StreamRow(NamedTuple):
    """A row of `cursor`. `records`: how many the ledger has; `fingerprint`: of the record at
    high_water (protocol.messages.fingerprint_of), eight zero bytes where none is.
    """

    id: int
    device: str
    epoch: int
    high_water: int
    records: int
    fingerprint: bytes
    locked: bool
    current: bool


def open_stream(db: Db, device: str, epoch: int) -> StreamRow | None:
    """One stream; None for one that nobody has seen."""
    return next(iter(_streams(db, "WHERE device = ? AND epoch = ?", (device, epoch))), None)


def open_streams(db: Db, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], StreamRow]:
    """{(device, epoch): stream} of those that somebody has seen."""
    found: list[StreamRow] = []
    for start in range(0, len(keys), KEYS_AT_ONCE):
        part = keys[start : start + KEYS_AT_ONCE]
        where = f"WHERE (device, epoch) IN (VALUES {placeholders(len(part), 2)})"
        found += _streams(db, where, tuple(item for key in part for item in key))
    return {(stream.device, stream.epoch): stream for stream in found}


def all_streams(db: Db) -> list[StreamRow]:
    """Every stream, in the order they began."""
    return _streams(db, "", ())


def _streams(db: Db, where: str, values: tuple[Any, ...]) -> list[StreamRow]:
    return [
        StreamRow(
            cursor_id, device, epoch, high_water, records, bytes(mark), bool(locked), bool(now)
        )
        for cursor_id, device, epoch, high_water, records, mark, locked, now in db.execute(
            "SELECT id, device, epoch, high_water, records, fingerprint, locked, current"
            f" FROM cursor {where} ORDER BY id",
            values,
        )
    ]


def begin_stream(db: Db, device: str, epoch: int, now_ms: int) -> int:
    """A stream that was never seen before: nothing of it is durable yet. Its id."""
    cursor_id = int(value(db, "SELECT coalesce(max(id), 0) + 1 FROM cursor"))
    db.execute(
        "INSERT INTO cursor (id, device, epoch, high_water, records, fingerprint, first_seen_ms,"
        " last_seen_ms, current, locked) VALUES (?, ?, ?, 0, 0, ?, ?, ?, 1, 0)",
        (cursor_id, device, epoch, bytes(FINGERPRINT_BYTES), now_ms, now_ms),
    )
    return cursor_id


def close_streams(db: Db, device: str) -> list[int]:
    """No stream of a device is the current one any more; the epochs that were."""
    closed = [
        int(epoch)
        for (epoch,) in db.execute(
            "SELECT epoch FROM cursor WHERE device = ? AND current = 1", (device,)
        )
    ]
    db.execute("UPDATE cursor SET current = 0 WHERE device = ?", (device,))
    return closed


def save_streams(db: Db, changed: Iterable[tuple[int, int, bytes, bool, int, int]]) -> None:
    """How far streams are durable now: (high_water, records, fingerprint, locked, last_seen_ms,
    id).
    """
    db.executemany(
        "UPDATE cursor SET high_water = ?, records = ?, fingerprint = ?, locked = ?,"
        " last_seen_ms = CASE WHEN last_seen_ms < ? THEN ? ELSE last_seen_ms END WHERE id = ?",
        [
            (high_water, records, fingerprint, int(locked), seen_ms, seen_ms, cursor_id)
            for high_water, records, fingerprint, locked, seen_ms, cursor_id in changed
        ],
    )


def unlock_stream(db: Db, device: str, epoch: int) -> bool:
    """False when it was not locked."""
    done = db.execute(
        "UPDATE cursor SET locked = 0 WHERE device = ? AND epoch = ? AND locked = 1",
        (device, epoch),
    )
    return done.rowcount == 1


def current_epoch(db: Db, device: str) -> int | None:
    """The epoch that a device speaks in now; None for one that never spoke."""
    found = value(
        db,
        "SELECT epoch FROM cursor WHERE device = ? AND current = 1 ORDER BY id DESC LIMIT 1",
        (device,),
    )
    return None if found is None else int(found)


def cursors(db: Db) -> list[dict[str, Any]]:
    """The cursor rows, in the order the streams began."""
    return rows(
        db,
        "SELECT id, device, epoch, high_water, records, first_seen_ms, last_seen_ms, current,"
        " locked FROM cursor ORDER BY id",
    )


def latest_seen_ms(db: Db) -> int:
    """The latest arrival of any message that is on record; 0 for an empty ledger."""
    return int(value(db, "SELECT coalesce(max(last_seen_ms), 0) FROM cursor"))


def record_counts(db: Db) -> dict[str, int]:
    """{device: how many records the ledger has}."""
    found = rows(db, "SELECT device, sum(records) AS records FROM cursor GROUP BY device")
    return {row["device"]: int(row["records"]) for row in found}


def add_gap(
    db: Db,
    device: str,
    epoch: int,
    from_seq: int,
    to_seq: int,
    cause: str,
    noted_ms: int,
    entry_n: int,
) -> None:
    """Records that no longer exist anywhere, as the heartbeat in entry_n, that of this
    transaction, said.
    """
    add_with_entry(
        db,
        "INSERT INTO gap (device, epoch, from_seq, to_seq, cause, noted_ms, entry_n)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(device, epoch, from_seq, to_seq, cause, noted_ms, entry_n)],
    )


def gaps(db: Db, since_ms: int = EVER) -> list[dict[str, Any]]:
    """The gap rows that were noted from since_ms on, in the order of streams."""
    return rows(
        db,
        "SELECT device, epoch, from_seq, to_seq, cause, noted_ms, entry_n FROM gap"
        " WHERE noted_ms >= ? ORDER BY device || '', epoch, from_seq",  # || '': by time, then sort
        (since_ms,),
    )


def missing_counts(db: Db) -> dict[str, tuple[int, int]]:
    """{device: (gaps, records in them)}."""
    found = rows(
        db,
        "SELECT device, count(*) AS gaps, sum(to_seq - from_seq + 1) AS missing FROM gap"
        " GROUP BY device",
    )
    return {row["device"]: (int(row["gaps"]), int(row["missing"])) for row in found}


def last_spoke(db: Db, device: str, epoch: int) -> tuple[int, int] | None:
    """(boot, uptime_ms) of the last heartbeat of a stream that is noted."""
    for boot, uptime_ms in db.execute(
        "SELECT boot, uptime_ms FROM heartbeat WHERE device = ? AND epoch = ?", (device, epoch)
    ):
        return int(boot), int(uptime_ms)
    return None


def last_command(db: Db, device: str, epoch: int) -> int:
    """The highest counter of a command that the device says it has taken."""
    query = "SELECT command FROM heartbeat WHERE device = ? AND epoch = ?"
    return int(value(db, query, (device, epoch), 0))


def note_heartbeat(db: Db, device: str, seen_ms: int, state: Mapping[str, Any]) -> None:
    """Keep the last heartbeat of a device. `state` as protocol.messages.decode_state gives it;
    seen_ms 0: known from the broker's copy alone.
    """
    told = tuple(state[name] for name in _HEARTBEAT)
    changed = db.execute(
        "UPDATE heartbeat SET seen_ms = CASE WHEN seen_ms < ? THEN ? ELSE seen_ms END,"
        f" {', '.join(f'{name} = ?' for name in _HEARTBEAT)} WHERE device = ?",
        (seen_ms, seen_ms, *told, device),
    )
    if not changed.rowcount:
        db.execute(
            f"INSERT INTO heartbeat (device, seen_ms, {', '.join(_HEARTBEAT)})"
            f" VALUES {placeholders(1, 2 + len(_HEARTBEAT))}",
            (device, seen_ms, *told),
        )


def heartbeats(db: Db) -> list[dict[str, Any]]:
    """The last heartbeat of each device, by name."""
    return rows(
        db,
        "SELECT device, seen_ms, epoch, boot, uptime_ms, status, last_seq, lowest_kept, acked,"
        " ledger_n, ledger_head, heap_free, heap_low, command FROM heartbeat ORDER BY device",
    )


def witnesses(db: Db) -> list[dict[str, Any]]:
    """device, ledger_n and ledger_head of each device that remembers a head of this ledger."""
    return rows(
        db,
        "SELECT device, ledger_n, ledger_head FROM heartbeat WHERE ledger_n > 0 ORDER BY device",
    )


def add_counts(db: Db, counts: Iterable[tuple[str, str, int]]) -> None:
    """Raise counters: (device, name, by)."""
    for device, name, by in counts:
        changed = db.execute(
            "UPDATE counter SET value = value + ? WHERE device = ? AND name = ?", (by, device, name)
        )
        if not changed.rowcount:
            db.execute(
                "INSERT INTO counter (device, name, value) VALUES (?, ?, ?)", (device, name, by)
            )


def counters(db: Db) -> dict[tuple[str, str], int]:
    """{(device, name): count}; names: duplicates, rejected, ignored, held (stream locked), not_kept
    (quarantine full).
    """
    return {
        (device, name): count
        for device, name, count in db.execute("SELECT device, name, value FROM counter")
    }
