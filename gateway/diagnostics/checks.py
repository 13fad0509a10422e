"""What `till check` looks at: each check returns what it found or raises a GatewayError."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import (
    ConfigError,
    DataError,
    PermissionDenied,
    Unavailable,
)

if TYPE_CHECKING:
    from gateway.config import Site


def checks(site: Site, thorough: bool) -> list[tuple[str, Callable[[], str]]]:
    """What is checked, in order: a name, and a function that returns what it found or raises a
    GatewayError.
    """
    tests: list[tuple[str, Callable[[], str]]] = [
        ("python", _check_python),
        ("data folder", lambda: _check_data(site)),
        ("keys", lambda: _check_keys(site)),
        ("ledger", lambda: _check_ledger(site, thorough)),
        ("broker", lambda: _check_broker(site)),
    ]
    if site.config.broker.tls:
        tests.insert(3, ("certificates", lambda: _check_certificates(site)))
    return [*tests, ("boards", lambda: _check_boards(site))] if thorough else tests


def _check_python() -> str:
    ours = Path(__file__).resolve().parents[2]
    for name in ("protocol", "simulators"):
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is not None and ours not in origin.parents:
            raise ConfigError(
                f"package {name} is another one ({origin}); reinstall tillstream in an environment"
                " of its own"
            )
    return ".".join(str(part) for part in sys.version_info[:3])


def _check_data(site: Site) -> str:
    for path in (site.path, site.policy_file):
        if path.exists() and path.stat().st_mode & 0o022:
            raise PermissionDenied(f"{path}: others can write it; chmod go-w it")
    if not site.data.is_dir():
        raise ConfigError(f"folder {site.data} does not exist; make it, or run till init")
    if not os.access(site.data, os.W_OK | os.X_OK):
        raise PermissionDenied(
            f"folder {site.data}: not writable; give it to the user that runs till serve"
        )
    if site.data.stat().st_mode & 0o022:
        raise PermissionDenied(f"folder {site.data}: others can write there; chmod 700 it")
    return str(site.data)


def _check_keys(site: Site) -> str:
    from gateway.devices.keys import KeyStore

    store = KeyStore(site.keys)
    for window in site.config.windows:
        store.current(window)
    pending = [window for window in site.config.windows if store.is_pending(window)]
    waiting = f"; not approved yet: {', '.join(pending)}" if pending else ""
    return f"{len(site.config.windows)} windows, each with its key{waiting}"


def _check_certificates(site: Site) -> str:
    from gateway.broker import mosquitto as broker_config

    found = broker_config.problems(site)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ConfigError(found[0] + more)
    return (
        f"CA, broker, gateway and {len(site.config.windows)} windows in order, ACL in"
        f" {site.broker_folder}"
    )


def _check_ledger(site: Site, thorough: bool) -> str:
    place = site.ledger
    if isinstance(place, Path):
        if not place.exists():
            return "not there yet; till serve makes it"
        if place.stat().st_mode & 0o007:  # it holds account numbers
            raise PermissionDenied(f"ledger {place}: open to everybody; chmod 600 it")
    from gateway.store.ledger import Ledger

    with Ledger(place) as ledger:
        ledger.check_file(time.time_ns() // 1_000_000)
        found = ledger.verify() if thorough else []
        if found:
            raise DataError(f"{len(found)} findings, first: {found[0].text}; run till verify")
        return f"entry {ledger.head()[0]}; {ledger.db.described()}"


def _check_broker(site: Site) -> str:
    from gateway.broker import pki
    from gateway.broker.process import answers
    from gateway.broker.reach import look
    from gateway.delivery.presence import holder

    broker = site.config.broker
    where = f"{broker.host}:{broker.port}"
    if broker.embedded and not holder(site.data):
        if answers(broker.host, broker.port):
            raise Unavailable(
                f"another program has {where}, where till serve would start the broker; stop it, or"
                " choose another [broker] port"
            )
        return f"embedded; till serve starts it at {where}"
    gateway, check = (
        pki.client_files(site.ca, site.keys, name) if broker.tls else None
        for name in (pki.GATEWAY_NAME, pki.CHECK_NAME)
    )
    look(broker.host, broker.port, site.config.site, gateway, check)
    return f"answers at {where} and lets the gateway in"


def _check_boards(site: Site) -> str:
    from gateway.fleet.boards import load_boards

    return f"{len(load_boards(site.boards_file))} boards declared"
