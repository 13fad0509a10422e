"""till demo, sim office and sim board. They alone may import simulators, and only when they are
called.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.app import (
    CONFIG,
    ConfigOption,
    JsonOption,
    app,
    bench_folder,
    known_window,
    sim_app,
)
from gateway.cli.shared import tell
from gateway.errors import Unavailable


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="As fast as it goes: no live view, no keys.")
    ] = False,
    as_json: JsonOption = False,
    seed: Annotated[int, typer.Option(help="Which day is played.")] = 1,
    windows: Annotated[int, typer.Option(min=1, max=8, help="How many windows.")] = 3,
    data: Annotated[
        Path,
        typer.Option(
            readable=False,
            help="Folder of ledger and files; clears what an earlier demo left there.",
        ),
    ] = Path("demo-data"),
) -> None:
    """The whole system on this machine: simulated windows, one day, its reconciliation."""
    play = _simulator("simulators.demo")
    raise typer.Exit(
        play.main(once=once, as_json=as_json, seed=seed, windows=windows, data=data) or 0
    )


@sim_app.command("office")
def sim_office(
    out: Annotated[Path, typer.Option(readable=False, help="Folder for what it writes.")],
    seed: Annotated[int, typer.Option(help="Which day.")] = 1,
    windows: Annotated[int, typer.Option(min=1, max=500, help="How many windows.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """A synthetic office day: what was posted then and before, what the cashiers do, and what
    really happened.
    """
    from dataclasses import asdict

    day = _simulator("simulators.office.day").generate(seed, windows)
    out.mkdir(parents=True, exist_ok=True)
    day.posted_csv(out / "posted.csv")
    (out / "earlier.csv").write_text(day.earlier_text(), "utf-8")
    (out / "plan.json").write_text(json.dumps(day.plan, indent=1), "utf-8")
    (out / "truth.json").write_text(json.dumps(asdict(day.truth), indent=1), "utf-8")
    tell(
        as_json,
        {"out": str(out), "seed": seed, "windows": windows},
        f"wrote earlier.csv, posted.csv, plan.json and truth.json to {out}",
    )


@sim_app.command("board")
def sim_board(
    device: Annotated[str, typer.Argument(help="Which window it stands for, such as w1.")] = "w1",
    config: ConfigOption = CONFIG,
) -> None:
    """A virtual board with simulated machines: flash it with till flash, then type what happens at
    the window (help).
    """
    from gateway import config as configuration

    site = configuration.load(config)
    known_window(site, device)
    bench = bench_folder(site)
    raise typer.Exit(_simulator("simulators.bench").main(device, bench / device, bench))


def _simulator(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"{error.name}: not installed; run from a checkout, or install the whole package"
        ) from error
