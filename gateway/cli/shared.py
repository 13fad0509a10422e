"""What commands share that needs no Typer: `till serve` runs without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gateway.errors import PermissionDenied
from gateway.terminal import printable

if TYPE_CHECKING:
    from gateway.config import Site
    from gateway.store.ledger import Ledger


@contextmanager
def opened(site: Site) -> Iterator[Ledger]:
    from gateway.store.ledger import Ledger
    from gateway.store.ledger_file import damage_told

    if not site.data.is_dir():
        raise PermissionDenied(
            f"folder {site.data} does not exist; make it for the gateway's user, or run till init"
        )
    with Ledger(site.ledger) as ledger, damage_told(site.ledger):
        yield ledger


def tell(as_json: bool, result: dict[str, Any], text: str, compact: bool = False) -> None:
    """Print a result. A device's own lines may be in the text: nothing that a terminal obeys
    passes.
    """
    print(
        (
            json.dumps(result, indent=None if compact else 2)
            if as_json
            else printable(text, keep="\n")
        ),
        flush=True,
    )
