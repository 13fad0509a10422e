"""till import: which reader a file goes to, and what is said of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.shared import opened
from gateway.clock import clock_from_env
from gateway.errors import DataError
from gateway.terminal import printable

if TYPE_CHECKING:
    from gateway.incoming.posted_file import ImportResult

NOTHING_COUNTS = ("unposted", "refused")


def imported(
    paths: list[Path], config: Path, map_name: str | None, said: str
) -> list[ImportResult]:
    """Import files, each by its kind; of a folder those in it. Of several files one that cannot be
    read at all is told, and the others are imported.
    """
    from gateway import config as configuration
    from gateway.cli import maps
    from gateway.incoming.kinds import POSTED, files_in, kind_of
    from gateway.incoming.money_file import import_money
    from gateway.incoming.posted_file import ImportResult, import_mapped, import_posted
    from gateway.incoming.posted_row import Rules

    site = configuration.load(config)
    now_ms = clock_from_env().utc_ms()
    rules = Rules(**vars(site.config.posted), now_ms=now_ms)
    read = maps.map_and_office(map_name, config) if map_name else None
    found = list(files_in(paths))
    results = []
    with opened(site) as ledger:
        for path in found:
            try:
                took = None if read else kind_of(path, said)
                if read:
                    result = import_mapped(ledger.db, path, *read, now_ms, rules)
                elif took and took.kind != POSTED:
                    result = import_money(ledger.db, path, took, now_ms, site.config.currency)
                else:
                    result = import_posted(ledger.db, path, now_ms, rules)
                    result.why = f"{took.form}: {took.why}" if took else ""
            except DataError as error:
                if len(found) == 1:
                    raise
                result = ImportResult(path.name, "refused", str(error))
            results.append(result)
    return results


def show(results: list[ImportResult], as_json: bool) -> None:
    """What became of each file; faults and refused rows on standard error."""
    if as_json:
        print(json.dumps([vars(result) for result in results], indent=2))
        return
    for result in results:
        result.name = printable(result.name)
        told = "posted" if result.kind == "posted" else "imported"
        if result.kind != "posted":
            print(printable(f"{result.name}: taken as {result.kind}, {result.why}"))
        if result.state in NOTHING_COUNTS:
            text = f"till: {result.name}: nothing {told}: {result.reason}"
            print(printable(text), file=sys.stderr)
        else:
            again = f"already {told}: " if result.state == "already" else ""
            what = "rows" if result.kind == "posted" else "lines"
            print(
                f"{result.name}: {again}{result.added} {what} new, {result.known} known,"
                f" {result.refused} refused"
            )
        for note in result.notes:
            print(printable(f"  {result.name}: {note}"), file=sys.stderr)
        for line, reason in result.shown:
            print(printable(f"  {result.name}:{line}: {reason}"), file=sys.stderr)
