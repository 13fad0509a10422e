"""Table `command`: what devices were asked to do."""

from typing import Any

from gateway.store.engine import Db, rows, value
from gateway.store.entries import append


def add_command(
    db: Db,
    device: str,
    epoch: int,
    counter: int,
    nonce: bytes,
    verb: str,
    argument: str,
    asked_ms: int,
    who: str,
) -> None:
    """Put a command on record."""
    append(
        db,
        "command",
        "INSERT INTO command (id, device, epoch, counter, nonce, verb, argument, asked_ms, who)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (device, epoch, counter, nonce, verb, argument, asked_ms, who),
    )


def highest_counter(db: Db, device: str, epoch: int) -> int:
    """The highest counter that was given in an epoch; 0 for none."""
    query = "SELECT coalesce(max(counter), 0) FROM command WHERE device = ? AND epoch = ?"
    return int(value(db, query, (device, epoch)))


def due_command(
    db: Db, device: str, epoch: int, taken: int, asked_after_ms: int
) -> dict[str, Any] | None:
    """counter, nonce, verb and argument of the first command after counter `taken`; one that is no
    rotation only if it was asked after `asked_after_ms`.
    """
    found = rows(
        db,
        "SELECT counter, nonce, verb, argument FROM command WHERE device = ? AND epoch = ?"
        " AND counter > ? AND (verb = 'rotate' OR asked_ms > ?) ORDER BY counter LIMIT 1",
        (device, epoch, taken, asked_after_ms),
    )
    return found[0] if found else None


def rotation_waits(db: Db, device: str, epoch: int, key_number: int, taken: int) -> bool:
    """Whether a rotation to this key was asked after counter `taken`."""
    found = value(
        db,
        "SELECT 1 FROM command WHERE device = ? AND epoch = ? AND verb = 'rotate' AND argument = ?"
        " AND counter > ?",
        (device, epoch, str(key_number), taken),
    )
    return found is not None


def rotations_asked(db: Db, device: str, key_number: int) -> int:
    """How often a rotation to this key was asked for, as far as this ledger knows."""
    query = "SELECT count(*) FROM command WHERE device = ? AND verb = 'rotate' AND argument = ?"
    return int(value(db, query, (device, str(key_number))))
