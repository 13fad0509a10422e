"""Tables `incident` and `quarantine`: what a person should look into, and bytes that were
refused.
"""

from typing import Any

from gateway.store.engine import Db, rows, value


def add_incident(db: Db, kind: str, device: str, text: str, at_ms: int) -> None:
    """Raise it once: the same text again is the same incident."""
    db.execute(
        "INSERT OR IGNORE INTO incident (at_ms, kind, device, text) VALUES (?, ?, ?, ?)",
        (at_ms, kind, device, text),
    )


def incidents(db: Db) -> list[dict[str, Any]]:
    """The incident rows, oldest first."""
    return rows(db, "SELECT id, at_ms, kind, device, text FROM incident ORDER BY id")


def quarantine_size(db: Db) -> int:
    """How many messages are in quarantine: none is ever taken out."""
    return int(value(db, "SELECT ifnull(max(id), 0) FROM quarantine"))


def add_quarantine(db: Db, received_ms: int, source: str, reason: str, raw: bytes) -> None:
    """Keep refused bytes with the reason."""
    db.execute(
        "INSERT INTO quarantine (received_ms, source, reason, bytes) VALUES (?, ?, ?, ?)",
        (received_ms, source, reason, raw),
    )


def quarantine(db: Db) -> list[dict[str, Any]]:
    """The quarantine rows, oldest first."""
    return rows(db, "SELECT id, received_ms, source, reason, bytes FROM quarantine ORDER BY id")
