"""Table `device_event`: who let a device in, gave it a new key, or shut it out."""

from collections.abc import Sequence
from typing import Any

from gateway.store.engine import Db, rows, value
from gateway.store.entries import append_many


def add_device_events(
    db: Db, at_ms: int, who: str, new: Sequence[tuple[str, str, int, str, str]]
) -> None:
    """Append (device, event, key_number, certificate, text)."""
    append_many(
        db,
        "device_event",
        "INSERT INTO device_event (id, at_ms, who, device, event, key_number, certificate, text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(at_ms, who, *row) for row in new],
    )


def device_events(db: Db, device: str | None = None) -> list[dict[str, Any]]:
    """The rows, oldest first, of one device or all."""
    where, values = ("", ()) if device is None else ("WHERE device = ?", (device,))  # type: tuple[str, tuple[str, ...]]
    return rows(
        db,
        "SELECT id, at_ms, device, event, key_number, certificate, who, text FROM device_event"
        f" {where} ORDER BY id",
        values,
    )


def last_changed_ms(db: Db, device: str) -> int | None:
    """When anything of a device's identity changed last."""
    found = value(db, "SELECT max(at_ms) FROM device_event WHERE device = ?", (device,))
    return None if found is None else int(found)
