"""till device tell: ask a device something and show what it answers."""

from __future__ import annotations

import getpass
import time
from typing import Annotated

import typer

from gateway.cli.app import CONFIG, FINDING, ConfigOption, JsonOption, device_app, known_window
from gateway.cli.shared import opened, tell

_LOOK_S = 1 / 4


@device_app.command("tell")
def device_tell(
    device: Annotated[str, typer.Argument(help="Which window, such as w1.")],
    verb: Annotated[
        str,
        typer.Argument(
            help="identify (beep and show its name), restart, or log (its newest lines)."
        ),
    ],
    wait: Annotated[
        int, typer.Option(min=0, max=3600, help="Seconds to wait for the answer; 0 only asks.")
    ] = 60,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Ask a device. The command goes out after its next heartbeat; the answer is a record like any
    other.
    """
    from gateway import config as configuration
    from gateway.clock import Clock
    from gateway.devices import commands

    site = configuration.load(config)
    known_window(site, device)
    with opened(site) as ledger:
        counter = commands.ask(ledger, device, verb, getpass.getuser(), Clock().utc_ms())
        until = time.monotonic_ns() + wait * 1_000_000_000
        answer = commands.answer(ledger, device, counter)
        while answer is None and time.monotonic_ns() < until:
            time.sleep(_LOOK_S)
            answer = commands.answer(ledger, device, counter)
    result = {
        "device": device,
        "counter": counter,
        "verb": verb,
        "outcome": answer and answer["outcome"],
    }
    if answer is None:
        tell(
            as_json,
            result,
            f"asked {device} to {verb} (command {counter}); no answer yet, till serve sends it",
        )
        raise typer.Exit(FINDING if wait else 0)
    lines = list(answer.get("lines", ()))
    text = [
        f"{device} {verb} (command {counter}): {answer['outcome']}"
        f" {answer.get('detail', '')}".rstrip(),
        *lines,
    ]
    tell(as_json, {**result, "detail": answer.get("detail", ""), "lines": lines}, "\n".join(text))
    if answer["outcome"] != "done":
        raise typer.Exit(FINDING)
