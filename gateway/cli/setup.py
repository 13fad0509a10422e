"""till init, check and verify: making a site and looking whether it is in order."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.app import (
    CONFIG,
    FINDING,
    ConfigOption,
    JsonOption,
    app,
    boards_path,
    opened,
    tell,
)
from gateway.clock import clock_from_env
from gateway.errors import (
    ConfigError,
    DataError,
    GatewayError,
    PermissionDenied,
    Unavailable,
    UsageError,
)
from gateway.terminal import printable

if TYPE_CHECKING:
    from gateway.config import Site


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(readable=False, help="Where till.toml and the data folder go.")
    ] = Path("."),
    site: Annotated[str, typer.Option(help="Name of the site: a-z, 0-9 and '-'.")] = "city-hall",
    zone: Annotated[
        str, typer.Option(help="Time zone of the office, by its IANA name.")
    ] = "America/Chicago",
    windows: Annotated[int, typer.Option(min=1, max=500, help="How many windows: w1, w2, ...")] = 3,
    broker: Annotated[
        str,
        typer.Option(help="HOST:PORT of an installed broker (8883: with TLS); default: our own."),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Write till.toml, the data folder and key and certificate for each window. Refuses to
    overwrite.
    """
    from gateway import broker_config, config
    from gateway.checkpoint import signer
    from gateway.enrolment import Enrolment, os_user

    path = folder / "till.toml"
    if path.exists():
        raise ConfigError(f"{path}: exists; edit it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(
        config.template(site, zone, windows, _host_and_port(broker) if broker else None), "utf-8"
    )
    try:
        made = config.load(path)
    except ConfigError:
        path.unlink()
        raise
    path.chmod(
        path.stat().st_mode & ~0o022
    )  # who can write it chooses the broker and who may speak
    made.data.mkdir(mode=0o700, exist_ok=True)
    with opened(made) as ledger:
        if made.config.broker.tls:
            broker_config.write(made, made.broker_folder, ())
        Enrolment(made, ledger, os_user(), clock_from_env().utc_ms()).enrol_all(
            made.config.windows, "made by till init"
        )
    signer(made.data, site)
    result = {"config": str(path), "data": str(made.data), "windows": list(made.config.windows)}
    text = f"wrote {path}, {made.data} and {windows} keys; next: till check --config {path}"
    if made.config.broker.tls:
        text += (
            f"\nand start the broker: mosquitto -c {made.broker_folder / broker_config.CONFIG_FILE}"
        )
    tell(as_json, result, text)


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or len(port) > 5:
        raise UsageError(f"broker {text!r}: not HOST:PORT, such as 127.0.0.1:1883")
    return host, int(port)


@app.command()
def check(
    config: ConfigOption = CONFIG,
    show: Annotated[
        bool, typer.Option("--show", help="Print the merged configuration and stop.")
    ] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Verify the whole ledger and the boards file too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check configuration, folder, keys, ledger, broker and this Python."""
    from gateway import config as configuration

    site = configuration.load(config)
    if show:
        if as_json:
            print(site.config.model_dump_json(indent=2))
        else:
            print(configuration.show(site), end="")
        return
    results = [_checked(name, test) for name, test in _checks(site, all_)]
    if as_json:
        print(json.dumps({"checks": results, "ok": all(item["ok"] for item in results)}, indent=2))
    else:
        for item in results:
            print(f"{'✓' if item['ok'] else '✗'} {item['check']}: {item['text']}")
    if not all(item["ok"] for item in results):
        raise typer.Exit(FINDING)


def _checked(name: str, test: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"check": name, "ok": True, "text": test()}
    except GatewayError as error:
        return {"check": name, "ok": False, "text": str(error)}


def _checks(site: Site, thorough: bool) -> list[tuple[str, Callable[[], str]]]:
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
    if site.path.stat().st_mode & 0o022:
        raise PermissionDenied(f"{site.path}: others can write it; chmod go-w it")
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
    from gateway.keys import KeyStore

    store = KeyStore(site.keys)
    for window in site.config.windows:
        store.current(window)
    pending = [window for window in site.config.windows if store.is_pending(window)]
    waiting = f"; not approved yet: {', '.join(pending)}" if pending else ""
    return f"{len(site.config.windows)} windows, each with its key{waiting}"


def _check_certificates(site: Site) -> str:
    from gateway import broker_config

    found = broker_config.problems(site)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ConfigError(found[0] + more)
    return (
        f"CA, broker, gateway and {len(site.config.windows)} windows in order, ACL in"
        f" {site.broker_folder}"
    )


def _check_ledger(site: Site, thorough: bool) -> str:
    if not site.ledger.exists():
        return "not there yet; till serve makes it"
    if site.ledger.stat().st_mode & 0o007:  # it holds account numbers
        raise PermissionDenied(f"ledger {site.ledger}: open to everybody; chmod 600 it")
    from gateway.ledger import Ledger

    with Ledger(site.ledger) as ledger:
        found = ledger.verify() if thorough else []
        if found:
            raise DataError(f"{len(found)} findings, first: {found[0].text}; run till verify")
        return f"message {ledger.head()[0]}"


def _check_broker(site: Site) -> str:
    from gateway.broker import answers

    broker = site.config.broker
    where = f"{broker.host}:{broker.port}"
    if answers(broker.host, broker.port):
        return f"answers at {where}"
    if broker.embedded:
        return f"embedded; till serve starts it at {where}"
    raise Unavailable(f"nothing answers at {where}; start the broker or correct [broker]")


def _check_boards(site: Site) -> str:
    from gateway.fleet.boards import load_boards

    return f"{len(load_boards(boards_path(site)))} boards declared"


@app.command()
def verify(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Verify the whole ledger: hash chain, records, cursors, and what each board witnessed."""
    from gateway import config as configuration

    site = configuration.load(config)
    with opened(site) as ledger:
        found = ledger.verify()
        n, head = ledger.head()
    if as_json:
        rows = [
            {"message_n": item.message_n, "device": item.device, "text": item.text}
            for item in found
        ]
        print(json.dumps({"n": n, "head": head.hex(), "findings": rows}, indent=2))
    else:
        for item in found:
            print(printable(f"message {item.message_n} {item.device}: {item.text}"))
        print(f"{'✗' if found else '✓'} ledger n {n}, head {head.hex()}, {len(found)} findings")
    if found:
        raise typer.Exit(FINDING)
