"""Every device as a person asks for it: may it speak, when was it heard, what is missing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.devices.enrolment import Enrolment, events
from gateway.devices.keys import KeyStore
from gateway.store.ledger import Ledger

if TYPE_CHECKING:
    from gateway.config import Site


def device_rows(site: Site) -> list[dict[str, Any]]:
    """A row for each device that is declared, has a key, or spoke; `device` is "" for what came
    from nobody we know. Raises what Ledger and KeyStore raise.
    """
    with Ledger(site.ledger) as ledger:
        stats = {item.device: item for item in ledger.stats()}
        seen = {str(row["device"]): int(row["last_seen_ms"]) for row in ledger.cursors()}
        heartbeats = {str(row["device"]): row for row in ledger.heartbeats()}
        seen.update(
            {name: int(row["seen_ms"]) for name, row in heartbeats.items() if row["seen_ms"]}
        )
        keys = KeyStore(site.keys)
        names = {
            *site.config.windows,
            *keys.devices(),
            *stats,
            *(str(row["device"]) for row in events(ledger)),
        }
        enrolment = Enrolment(site, ledger, "", 0)
        rows = []
        for name in sorted(names):
            item, identity = stats.get(name), enrolment.identity(name) if name else None
            rows.append(
                {
                    "device": name, "state": identity.state if identity else "none",
                    "configured": name in site.config.windows,
                    # two while a rotation is under way
                    "keys": list(identity.keys) if identity else [],
                    "certificate": identity.certificate if identity else "",
                    "last_seen": _moment(seen[name], site) if name in seen else "",
                    # of its last heartbeat; lost: its last will came, nothing of it since
                    "status": str(heartbeats[name]["status"]) if name in heartbeats else "",
                    "records": item.records if item else 0,
                    "duplicates": item.duplicates if item else 0,
                    "rejected": item.rejected if item else 0,
                    "missing": item.missing if item else 0,
                }
            )  # fmt: skip
    return rows


def _moment(utc_ms: int, site: Site) -> str:
    return datetime.fromtimestamp(utc_ms // 1000, site.zone).isoformat(" ")
