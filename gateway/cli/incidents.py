"""till incidents, till quarantine and till device release: what a person should look at, and what
they decide.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.app import CONFIG, ConfigOption, JsonOption, app, device_app
from gateway.cli.shared import opened, tell
from gateway.clock import clock_from_env
from gateway.errors import ConfigError, UsageError
from gateway.store.engine import LAST
from gateway.terminal import printable

if TYPE_CHECKING:
    from gateway.config import Site

LastOption = Annotated[int, typer.Option(min=1, help="How many of the newest.")]
BeforeOption = Annotated[int, typer.Option(min=0, help="Those before this number; 0: the newest.")]


@app.command()
def incidents(
    last: LastOption = 50,
    before: BeforeOption = 0,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What a person should look into, newest last: gaps, closed epochs, two boards with one key,
    failing storage.
    """
    from gateway import config as configuration

    site = configuration.load(config)
    with opened(site) as ledger:
        rows = ledger.incidents(last=last, before_id=before or LAST)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(
            printable(
                f"{_moment(row['at_ms'], site)} {row['kind']} {row['device'] or '-'}: {row['text']}"
            )
        )
    print(f"{len(rows)} incidents{_earlier('incidents', rows)}")


@app.command()
def quarantine(
    last: LastOption = 50,
    before: BeforeOption = 0,
    save: Annotated[int, typer.Option(help="Number of one whose bytes are saved to --to.")] = 0,
    to: Annotated[
        Path | None, typer.Option(readable=False, help="Where --save writes them.")
    ] = None,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What was refused, and why, newest last. The bytes stay where they are; --save writes a copy
    of one.
    """
    from gateway import config as configuration

    site = configuration.load(config)
    if (save > 0) != (to is not None):
        raise UsageError("--save and --to go together: till quarantine --save 7 --to refused.bin")
    with opened(site) as ledger:
        in_all = ledger.quarantine_size()
        rows = ledger.quarantine(last, before or LAST)
        if save:
            rows = ledger.quarantine(1, save + 1)
        not_kept = ledger.counters().get(("", "not_kept"), 0)
    if to is not None:
        _save(rows, save, to, as_json)
        return
    shown = [{**row, "bytes": row["bytes"].hex()} for row in rows]
    if as_json:
        print(json.dumps({"rows": shown, "not_kept": not_kept}, indent=2))
        return
    for row in rows:
        said = (
            f"{row['id']} {_moment(row['received_ms'], site)} {row['source']}: {row['reason']}"
            f" ({len(row['bytes'])} bytes)"
        )
        print(printable(said))
    earlier = _earlier("quarantine", rows)
    print(f"{in_all} in quarantine, {not_kept} past the cap were counted only{earlier}")


def _earlier(command: str, rows: list[dict[str, Any]]) -> str:
    """How to see the page before this one."""
    first = rows[0]["id"] if rows else 1
    return f"; earlier ones: till {command} --before {first}" if first > 1 else ""


def _save(rows: list[dict[str, Any]], number: int, to: Path, as_json: bool) -> None:
    found = next((row for row in rows if row["id"] == number), None)
    if found is None:
        raise UsageError(f"quarantine {number}: not there; till quarantine lists the numbers")
    if to.exists():
        raise ConfigError(f"{to}: exists; name another file")
    to.write_bytes(found["bytes"])
    tell(
        as_json,
        {"id": number, "file": str(to), "bytes": len(found["bytes"])},
        f"wrote {len(found['bytes'])} bytes to {to}",
    )


@device_app.command("release")
def device_release(
    device: Annotated[str, typer.Argument(help="Which window, such as w1.")],
    who: Annotated[
        str,
        typer.Option(help="Who decides this, for the record; default: the user of this computer."),
    ] = "",
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Take records of a device again that was locked because two boards spoke with its key. Find
    the second board first.
    """
    from gateway import config as configuration
    from gateway.devices.enrolment import os_user

    site = configuration.load(config)
    with opened(site) as ledger:
        epochs = [
            row["epoch"] for row in ledger.cursors() if row["device"] == device and row["locked"]
        ]
        if not epochs:
            raise ConfigError(f"device {device}: not locked; till incidents tells what happened")
        for epoch in epochs:
            ledger.release(device, epoch, who or os_user(), clock_from_env().utc_ms())
    text = (
        f"released {device}: its records are taken again\nif it locks again, the board that stayed"
        f" is the other one: till device replace {device}, then till flash {device}"
    )
    tell(as_json, {"device": device, "epochs": epochs}, text)


def _moment(at_ms: int, site: Site) -> str:
    return datetime.fromtimestamp(at_ms // 1000, site.zone).strftime("%Y-%m-%d %H:%M:%S")
