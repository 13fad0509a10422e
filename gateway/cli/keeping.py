"""till backup and restore: a second copy of the ledger, and the way back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.app import CONFIG, ConfigOption, JsonOption, app
from gateway.cli.shared import opened, tell

if TYPE_CHECKING:
    from gateway.store.backup import Copy


@app.command()
def backup(
    file: Annotated[
        Path,
        typer.Argument(
            readable=False, help="Where the copy goes; on another disk than the ledger's."
        ),
    ],
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Copy the ledger while the gateway runs, verify the copy, restore it for a trial and
    compare.
    """
    from gateway import config as configuration
    from gateway.store.backup import back_up

    with opened(configuration.load(config)) as ledger:
        made = back_up(ledger, file)
    tell(
        as_json,
        _told(made),
        f"{_text(made)}, verified and restored for a trial\nthe keys are not in it: keep"
        " <data>/keys and <data>/ca apart",
    )


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(readable=False, help="What till backup wrote.")],
    config: ConfigOption = CONFIG,
    replace: Annotated[
        bool, typer.Option("--replace", help="Move a ledger that is there aside.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the ledger's place. Devices then state again what came after it, as far as
    they still hold it.
    """
    from gateway import config as configuration
    from gateway.audit.tree_head import signed_size
    from gateway.store.backup import restore as put_back

    site = configuration.load(config)
    made = put_back(file, site.ledger, replace)
    text = f"restored {_text(made)}\nstart the gateway: it asks the devices for what came after"
    signed = signed_size(site.data)
    if signed > made.n:
        text += (
            f"\na tree head covers {signed} entries: tell the auditor, then till checkpoint"
            " --new-key (docs/audit.md)"
        )
    tell(as_json, {**_told(made), "signed_n": signed}, text)


def _told(made: Copy) -> dict[str, Any]:
    return {
        "file": str(made.path), "bytes": made.size, "sha256": made.sha256, "n": made.n,
        "head": made.head.hex(),
        "newest_ms": made.newest_ms,
    }  # fmt: skip


def _text(made: Copy) -> str:
    newest = (
        datetime.fromtimestamp(made.newest_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        if made.n
        else "none"
    )
    return (
        f"{made.path}: {made.n} entries, newest {newest}, head {made.head.hex()[:16]}...,"
        f" {made.size} bytes"
    )
