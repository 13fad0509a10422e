"""till checkpoint: the day's signed checkpoint, for the auditor to keep."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gateway.cli.app import CONFIG, ConfigOption, DateOption, JsonOption, app, opened
from gateway.clock import clock_from_env
from gateway.errors import TryAgain, UsageError


@app.command()
def checkpoint(
    config: ConfigOption = CONFIG,
    date: DateOption = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Begin a new series: the key is lost, or a backup was restored.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the signed checkpoint of the business day that ended last (or of --date); it is made first when it is due."""
    from gateway import checkpoint as checkpoints
    from gateway import config as configuration

    site = configuration.load(config)
    now_ms = clock_from_env().utc_ms()
    with opened(site) as ledger:
        if new_key:
            checkpoints.new_key(site.data, site.config.site, ledger, now_ms)
        if date is not None:
            there = checkpoints.stored(ledger.db, date)
            if not there:
                raise UsageError(
                    f"date {date}: no checkpoint was made for it; till checkpoint makes that of the day that ended last"
                )
            made = there[0]
        else:
            wanted = checkpoints.due(ledger.db, now_ms, site.zone, site.config.cut_off, quiet_ms=0)
            if wanted is not None:
                made = checkpoints.make(ledger, site.data, site.config.site, wanted, now_ms)
            elif there := checkpoints.stored(ledger.db):
                made = there[-1]
            else:
                until = site.config.cut_off.isoformat("minutes")
                raise TryAgain(
                    f"checkpoint: nothing to sign yet; records of a business day are signed after its cut-off, {until}"
                )
    print(json.dumps(made.told(), indent=2) if as_json else made.note, end="\n" if as_json else "", flush=True)
