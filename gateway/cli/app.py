"""The Typer application, and what several commands share. docs/cli.md is the page about all of
them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.errors import UsageError

if TYPE_CHECKING:
    from gateway.config import Site

FINDING = 1  # exit code: the command worked and found something that a person should look at

app = typer.Typer(
    help="Money counted at a window reaches the ledger exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
boards_app = typer.Typer(help="What hardware is declared.", no_args_is_help=True)
broker_app = typer.Typer(help="The installed broker.", no_args_is_help=True)
device_app = typer.Typer(help="The devices and their keys.", no_args_is_help=True)
ledger_app = typer.Typer(help="Where the ledger is.", no_args_is_help=True)
session_app = typer.Typer(help="Drawer sessions and decisions.", no_args_is_help=True)
sim_app = typer.Typer(help="Simulated parts, for tests and training.", no_args_is_help=True)
instrument_app = typer.Typer(help="What is known of the machines that count.", no_args_is_help=True)
app.add_typer(boards_app, name="boards")
app.add_typer(broker_app, name="broker")
app.add_typer(device_app, name="device")
app.add_typer(instrument_app, name="instrument")
app.add_typer(ledger_app, name="ledger")
app.add_typer(session_app, name="session")
app.add_typer(sim_app, name="sim")

# readable=False on every path: our own message says which access is missing and how to give it.
ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="TILL_CONFIG", readable=False, help="The site's till.toml."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
DateOption = Annotated[
    str | None,
    typer.Option("--date", help="Business date, YYYY-MM-DD; default: today, or the last worked."),
]
CONFIG = Path("till.toml")


@app.callback(invoke_without_command=True)
def _top(
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False,
) -> None:
    if version:
        from gateway.cli import version as installed

        print(f"till {installed()}")
        raise typer.Exit


def known_window(site: Site, device: str) -> None:
    if device not in site.config.windows:
        raise UsageError(
            f"device {device!r}: not one of {', '.join(site.config.windows)}; add it to windows in"
            f" {site.path}"
        )


def bench_folder(site: Site) -> Path:
    """Where virtual boards keep their flash and declare their ports."""
    return site.data / "bench"
