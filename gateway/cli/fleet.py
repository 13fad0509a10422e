"""till flash, stage and boards show: what concerns the boards at the windows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.app import (
    CONFIG,
    ConfigOption,
    JsonOption,
    app,
    bench_folder,
    boards_app,
    known_window,
)
from gateway.cli.shared import tell
from gateway.clock import clock_from_env

if TYPE_CHECKING:
    from gateway.config import Site
    from gateway.fleet.boot_watch import Watcher


@app.command()
def flash(
    device: Annotated[str, typer.Argument(help="Which window the board is for, such as w1.")],
    config: ConfigOption = CONFIG,
    port: Annotated[
        str | None, typer.Option(help="Serial port; default: the one that boards.toml recognises.")
    ] = None,
    board: Annotated[str | None, typer.Option(help="Name of the board in boards.toml.")] = None,
    revision: Annotated[str | None, typer.Option(help="Its revision.")] = None,
    serial_number: Annotated[
        str | None, typer.Option(help="USB serial number of the board.")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Broker address as the board sees it; default: as in till.toml."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be copied.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put the firmware and the window's key on a board. Refuses while its drawer session is
    open.
    """
    from gateway import config as configuration
    from gateway.cli.flashing import flash_command
    from gateway.day.prove import open_session

    site = configuration.load(config)
    flash_command(
        _site_values(site, device, host), port, board, revision, serial_number, bench_folder(site),
        site.boards_file,
        refuse=lambda: open_session(site, device, clock_from_env().utc_ms()),
        dry_run=dry_run, as_json=as_json,
        certificates=_certificates(site, device), watcher=_watcher(site),
    )  # fmt: skip


@app.command()
def stage(
    device: Annotated[str, typer.Argument(help="Which window the board is for, such as w1.")],
    out: Annotated[
        Path, typer.Option(readable=False, help="A folder that does not exist yet, or is empty.")
    ],
    config: ConfigOption = CONFIG,
    board: Annotated[str, typer.Option(help="Name of the board in boards.toml.")] = "unix",
    revision: Annotated[str | None, typer.Option(help="Its revision.")] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Broker address as the board sees it; default: as in till.toml."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the files that `till flash` would put on a board, the window's key included, to a
    folder.
    """
    from gateway import config as configuration
    from gateway.fleet.stage import stage as stage_tree

    site = configuration.load(config)
    values, certificates = _site_values(site, device, host), _certificates(site, device)
    staged = stage_tree(board, revision, out, values, site.boards_file, certificates)
    result = {
        "board": staged.board.label,
        "out": str(out),
        "files": len(staged.files),
        "mpy_bytes": staged.mpy_bytes,
    }
    if staged.warning:
        result["warning"] = staged.warning
    text = f"staged {staged.board.label} for {device} in {out}: {staged.mpy_bytes} bytes of .mpy"
    tell(as_json, result, f"{text}\nwarning: {staged.warning}" if staged.warning else text)


def _site_values(site: Site, device: str, host: str | None) -> dict[str, Any]:
    """What site.json on the board of a window says."""
    from gateway.devices.keys import KeyStore
    from gateway.fleet.flash import site_of

    known_window(site, device)
    broker = site.config.broker
    key = KeyStore(site.keys).current(device)
    values = site_of(
        site.config.site, device, host or broker.host, broker.port, key, site.config.currency
    )
    return {**values, "tls": True, "server_name": broker.name} if broker.tls else values


def _certificates(site: Site, device: str) -> dict[str, bytes] | None:
    """What the board of a window needs for TLS; None where the broker speaks none."""
    from gateway.broker import pki
    from gateway.devices.enrolment import pki_files

    if not site.config.broker.tls:
        return None
    certificate, key = pki_files(site, device)
    authority = pki.Authority(site.ca)
    authority.certificate()  # first: without a CA that is what has to be told
    authority.check(pki.load_certificate(certificate), device)
    return pki.board_files(authority, certificate, key)


def _watcher(site: Site) -> Watcher | None:
    from gateway.broker import pki
    from gateway.fleet.boot_watch import Watcher

    broker = site.config.broker
    return (
        Watcher(broker.host, broker.port, **pki.client_files(site.ca, site.keys, pki.WATCH_NAME))
        if broker.tls
        else None
    )


@boards_app.command("show")
def boards_show(
    name: Annotated[str | None, typer.Argument(help="One board; default: all.")] = None,
    boards: Annotated[
        Path | None, typer.Option(readable=False, help="Another boards.toml.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What boards.toml declares."""
    from gateway.cli.boards_table import show_boards

    show_boards(name, as_json, boards)
