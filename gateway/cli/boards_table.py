"""What `till boards show` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.errors import UsageError
from gateway.fleet.boards import Board, load_revisions
from gateway.reports.whole_table import print_whole
from gateway.toml_problems import did_you_mean


def show_boards(
    name: str | None = None,
    as_json: bool = False,
    path: Path | None = None,
    console: Console | None = None,
) -> None:
    """`till boards show [NAME] [--json]`: all boards as a table, or one with everything that is
    known about it.
    """
    every = load_revisions(path)
    if name is not None and name not in every:
        raise UsageError(
            f"board {name!r}: not declared{did_you_mean(name, every)}; `till boards show` lists"
            " them"
        )
    wanted = every if name is None else {name: every[name]}
    if as_json:
        print(
            json.dumps(
                [_as_json(board) for boards in wanted.values() for board in boards], indent=2
            )
        )
        return
    console = console or Console()
    if name is None:
        print_whole(_overview(every), console)
    else:
        for board in every[name]:
            print_whole(_details(board), console)


def _as_json(board: Board) -> dict[str, Any]:
    return {"name": board.name, "revision": board.revision, "tried": board.tried, **board.tables}


def _overview(every: Mapping[str, list[Board]]) -> Table:
    caption = "tried = no: staged and type-checked, nobody has run it on a board yet"
    table = Table(title="Declared boards", caption=caption, box=box.SIMPLE_HEAD)
    table.add_column("name", no_wrap=True)
    table.add_column("what it is")
    for heading in ("revisions", "network", "tried"):
        table.add_column(heading, no_wrap=True)
    table.add_column("USB")  # an identifier is never broken, a list of them is
    for boards in every.values():
        board = boards[0]
        table.add_row(
            board.name,
            Text(str(board.tables["title"])),
            ", ".join(board.revisions),
            str(board.tables["network"]["kind"]),
            "yes" if board.tried else "no",
            " ".join(board.usb_ids),
        )
    return table


def _details(board: Board) -> Table:
    table = Table(title=f"{board.label}: {board.tables['title']}", show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("value")
    for key, value in _flat("", board.tables):
        if key != "title":
            table.add_row(Text(key), Text(value))
    return table


def _flat(prefix: str, table: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            rows += _flat(f"{prefix}{key}.", value)
        else:
            rows.append(
                (prefix + key, " ".join(map(str, value)) if isinstance(value, list) else str(value))
            )
    return rows
