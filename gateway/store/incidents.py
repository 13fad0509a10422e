"""Tables `incident` and `quarantine`: what a person should look into, and bytes that were
refused.
"""

from typing import Any

from gateway.store.engine import LAST, Db, rows
from gateway.store.entries import append, highest_id
from gateway.store.streams import EVER


def add_incident(db: Db, kind: str, device: str, text: str, at_ms: int) -> None:
    """Raise it once: the same text again is the same incident."""
    append(
        db,
        "incident",
        "INSERT INTO incident (id, at_ms, kind, device, text) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (at_ms, kind, device, text),
    )


def incidents(
    db: Db, since_ms: int = EVER, last: int | None = None, before_id: int = LAST
) -> list[dict[str, Any]]:
    """The incident rows from since_ms on, oldest first; with `last` only so many of the newest
    before id `before_id`.
    """
    by = "id" if since_ms == EVER else "+id"  # +: find by time, then sort
    newest = rows(
        db,
        f"SELECT id, at_ms, kind, device, text FROM incident WHERE at_ms >= ? AND {by} < ?"
        f" ORDER BY {by} DESC LIMIT ?",
        (since_ms, before_id, LAST if last is None else last),
    )
    return newest[::-1]


def quarantine_size(db: Db) -> int:
    """How many messages are in quarantine: none is ever taken out."""
    return highest_id(db, "quarantine")


def add_quarantine(db: Db, received_ms: int, source: str, reason: str, raw: bytes) -> None:
    """Keep refused bytes with the reason."""
    append(
        db,
        "quarantine",
        "INSERT INTO quarantine (id, received_ms, source, reason, bytes) VALUES (?, ?, ?, ?, ?)",
        (received_ms, source, reason, raw),
    )


def quarantine(db: Db, last: int | None = None, before_id: int = LAST) -> list[dict[str, Any]]:
    """The quarantine rows, oldest first; with `last` only so many of the newest before id
    `before_id`.
    """
    newest = rows(
        db,
        "SELECT id, received_ms, source, reason, bytes FROM quarantine WHERE id < ?"
        " ORDER BY id DESC LIMIT ?",
        (before_id, LAST if last is None else last),
    )
    return newest[::-1]
