"""till init, check and verify: making a site and looking whether it is in order."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.app import CONFIG, FINDING, ConfigOption, JsonOption, app
from gateway.cli.shared import opened, tell
from gateway.clock import clock_from_env
from gateway.diagnostics.checks import checks
from gateway.errors import (
    ConfigError,
    GatewayError,
    UsageError,
)
from gateway.terminal import printable


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(readable=False, help="Where till.toml and the data folder go.")
    ] = Path("."),
    site: Annotated[str, typer.Option(help="Name of the site: a-z, 0-9 and '-'. Required.")] = "",
    zone: Annotated[
        str, typer.Option(help="Time zone of the office, by its IANA name. Required.")
    ] = "",
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
    from gateway import config
    from gateway.audit.tree_head import signer
    from gateway.broker import mosquitto as broker_config
    from gateway.devices.enrolment import Enrolment, os_user

    path = folder / "till.toml"
    if path.exists():
        raise ConfigError(f"{path}: exists; edit it, or name another folder")
    site, zone = _site_and_zone(site, zone, may_ask=not as_json)
    text = _checked_template(site, zone, windows, broker)  # before anything is written
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    made = config.load(path)
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


def _site_and_zone(site: str, zone: str, may_ask: bool) -> tuple[str, str]:
    """Both as given; what is missing is asked for on a terminal. Neither is guessed: the site is
    part of every topic, and another zone moves receipts to another day.
    """
    from gateway.clock import machine_zone

    here = machine_zone()
    if may_ask and sys.stdin.isatty() and sys.stderr.isatty():
        site = site or typer.prompt("Name of the site (a-z, 0-9 and '-')", err=True)
        zone = zone or typer.prompt(
            "Time zone of the office (IANA name; Enter: the one of this machine)",
            default=here or None,
            err=True,
        )
    missing = []
    if not site:
        missing.append("--site NAME (a-z, 0-9 and '-', such as city-hall)")
    if not zone:
        hint = f"; this machine has {here}" if here else ""
        missing.append(f"--zone ZONE (the office's, such as America/Chicago{hint})")
    if missing:
        raise UsageError(f"missing: {' and '.join(missing)}; give it on the command line")
    return site, zone


def _checked_template(site: str, zone: str, windows: int, broker: str) -> str:
    """The text of till.toml. Raises UsageError for options that no site can have."""
    from gateway import config
    from gateway.broker import pki

    address = _host_and_port(broker) if broker else None
    text = config.template(site, zone, windows, address)
    found = config.problems_of(text)
    if found:
        said = "; ".join(f"--{name.partition('.')[0]}: {problem}" for name, problem in found)
        raise UsageError(f"{said}; nothing was written")
    if address is not None and not pki.is_host(address[0]):
        raise UsageError(f"--broker: {address[0]!r} is no host name or IP address")
    return text


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
            print(json.dumps(configuration.merged(site), indent=2, default=str))
        else:
            print(configuration.show(site), end="")
        return
    results = [_checked(name, test) for name, test in checks(site, all_)]
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
            {
                "kind": item.kind,
                "entry_n": item.entry_n,
                "device": item.device,
                "text": item.text,
            }
            for item in found
        ]
        print(json.dumps({"n": n, "head": head.hex(), "findings": rows}, indent=2))
    else:
        for item in found:
            print(printable(f"entry {item.entry_n} {item.device}: {item.text}"))
        print(f"{'✗' if found else '✓'} ledger n {n}, head {head.hex()}, {len(found)} findings")
    if found:
        raise typer.Exit(FINDING)
