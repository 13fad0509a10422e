"""till ledger move: from a file to a PostgreSQL server, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.app import CONFIG, ConfigOption, JsonOption, ledger_app
from gateway.cli.shared import opened, tell
from gateway.errors import UsageError

if TYPE_CHECKING:
    from gateway.config import LedgerServer, Site


@ledger_app.command()
def move(
    to: Annotated[
        str,
        typer.Option("--to", help="postgresql://user@host/database, or a file that is not there."),
    ],
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Copy the ledger whole to another engine and verify the copy, while no gateway runs. The
    ledger stays; [ledger] url in till.toml then says which one counts.
    """
    from gateway import config as configuration
    from gateway.delivery.presence import Running, hold
    from gateway.store.backup import move as move_ledger

    site = configuration.load(config)
    target = _target(site, to)
    with opened(site) as ledger, hold(site.data, Running.here()):
        n, head = move_ledger(ledger, target)
    line = (
        f"put the file to {site.data}/ledger.db and take [ledger] url out of"
        if isinstance(target, Path)
        else f'write url = "{to}" under [ledger] in'
    )
    tell(
        as_json,
        {"from": str(site.ledger), "to": str(target), "n": n, "head": head.hex()},
        f"{target}: {n} entries, head {head.hex()[:16]}..., verified\n{line} {site.path}, then"
        " start the gateway; the ledger of before is as it was: never start a gateway on it again",
    )


def _target(site: Site, to: str) -> Path | LedgerServer:
    from gateway.config import LedgerServer, server_url

    if "://" not in to:
        return Path(to)
    try:
        return LedgerServer(server_url(to), site.config.site)
    except ValueError as error:
        raise UsageError(f"--to {to.partition('@')[2] or 'URL'}: {error}") from error
