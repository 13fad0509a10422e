"""`till flash`: recognise the port, flash, wait for the first sealed record, print."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gateway.errors import TryAgain
from gateway.fleet.boards import load_revisions
from gateway.fleet.boot_watch import BootWatch, Watcher
from gateway.fleet.flash import FlashResult, flash, revision_of
from gateway.fleet.ports import recognise
from gateway.fleet.stage import board_hash

if TYPE_CHECKING:
    from gateway.fleet.boot_watch import Watcher


def flash_command(
    site: Mapping[str, Any],
    port: str | None = None,
    board: str | None = None,
    revision: str | None = None,
    serial_number: str | None = None,
    run_folder: Path | None = None,
    boards: Path | None = None,
    refuse: Callable[[], str | None] = lambda: None,
    booted: Callable[[], bool] | None = None,
    dry_run: bool = False,
    as_json: bool = False,
    console: Console | None = None,
    certificates: Mapping[str, bytes] | None = None,
    watcher: Watcher | None = None,
) -> FlashResult:
    """`till flash`: recognise the port, flash, and wait for the first sealed record.

    site     what site.json shall say (`site_of`)
    refuse   why the device must not be flashed now, such as an open drawer session
    booted   as for `flash`; without it the broker of `site` is watched for the record
    certificates, watcher   where the broker speaks TLS: what the board gets, and how we look on
    """
    console = console or Console(stderr=as_json)
    revisions = load_revisions(boards)
    where, name = recognise(revisions, port, board, serial_number, run_folder)
    chosen = revision_of(revisions[name], revision)
    reason = refuse()
    if reason:
        raise TryAgain(f"device {site.get('device')}: not flashed, {reason}")
    console.print(f"{chosen.label} on {where.path}", highlight=False)

    def say(text: str) -> None:
        console.print(f"  {text}", highlight=False)

    if booted is not None or dry_run:
        result = flash(where, chosen, site, booted, say, dry_run, certificates)
    else:
        with BootWatch(site, board_hash(chosen), watcher) as watch:
            result = flash(where, chosen, site, watch.seen, say, certificates=certificates)
    if as_json:
        print(json.dumps(asdict(result)))
    else:
        verb = "would copy" if dry_run else "copied"
        console.print(
            f"{verb} {len(result.copied)}, unchanged {result.unchanged}, {result.elapsed_ms} ms",
            highlight=False,
        )
    return result
