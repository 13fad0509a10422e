"""till import, reconcile and report: the office's day."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.app import CONFIG, FINDING, ConfigOption, DateOption, JsonOption, app
from gateway.cli.shared import opened
from gateway.clock import clock_from_env
from gateway.errors import DataError, TryAgain, UsageError


@app.command("import")
def import_(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            readable=False,
            metavar="FILE...",
            help="What others deliver: posted.csv, settlement.csv, the bank's files; or a folder.",
        ),
    ] = None,
    config: ConfigOption = CONFIG,
    as_: Annotated[
        str, typer.Option("--as", help="What it is: posted, settlement, bank or returned.")
    ] = "",
    map_: Annotated[
        str | None, typer.Option("--map", help="A column map: its name, or a .toml file.")
    ] = None,
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="With --map: show how rows are read, write nothing.")
    ] = False,
    learn: Annotated[
        Path | None, typer.Option(readable=False, help="Propose a column map for this export.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read what the cashiering system posted, what the card processor settled, and what the bank
    says. The same file, or the same row, again changes nothing. A vendor's own export is read
    through a column map.
    """
    from gateway.cli import imports, maps

    if map_ and as_ not in ("", "posted"):
        raise UsageError(f"import: --map reads an export of postings, not --as {as_}")
    if maps.was_looked_at(files or [], map_, is_dry, learn, config, as_json):
        return
    results = imports.imported(files or [], config, map_, as_)
    imports.show(results, as_json)
    if any(result.state in imports.NOTHING_COUNTS for result in results):
        raise typer.Exit(DataError.exit_code)
    if any(result.refused for result in results):
        raise typer.Exit(FINDING)


@app.command()
def reconcile(
    config: ConfigOption = CONFIG, date: DateOption = None, as_json: JsonOption = False
) -> None:
    """Prove every drawer session of a day and name what may explain a difference. Exit code 1 when
    the day is not final; its first lines say why.
    """
    from rich.console import Console

    from gateway.reports.day_report import to_json
    from gateway.reports.day_terminal import print_day

    day, note = _day_report(config, date)
    if as_json:
        print(to_json(day), end="")
    else:
        print_day(day, Console())
    _tell(note)
    if not day["final"]:
        raise typer.Exit(FINDING)


@app.command()
def report(
    config: ConfigOption = CONFIG,
    date: DateOption = None,
    html: Annotated[bool, typer.Option("--html", help="A page that prints.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="One flat table.")] = False,
    as_json: JsonOption = False,
    out: Annotated[
        Path | None, typer.Option(readable=False, help="File to write; default: standard output.")
    ] = None,
) -> None:
    """The report of a business day."""
    from gateway.reports.day_csv import to_csv
    from gateway.reports.day_html import to_html
    from gateway.reports.day_report import to_json
    from gateway.reports.day_terminal import print_day

    if html + as_csv + as_json > 1:
        raise UsageError("report: --html, --csv and --json exclude each other; choose one")
    day, note = _day_report(config, date)
    if not (html or as_csv or as_json) and out is None:
        from rich.console import Console

        print_day(day, Console())
        _tell(note)
        return
    text = to_html(day) if html else to_csv(day) if as_csv else to_json(day)
    if out is None:
        sys.stdout.write(text)
    else:
        try:
            out.write_text(text, "utf-8", newline="")
        except PermissionError:
            raise
        except OSError as error:
            raise TryAgain(
                f"{out}: {error.strerror}; the report is not whole: name another file with --out"
            ) from error
        print(f"wrote {out}")
    _tell(note)


def _tell(note: str) -> None:
    if note:
        print(f"till: {note}", file=sys.stderr)


def _day_report(config: Path, date: str | None) -> tuple[dict[str, Any], str]:
    """The report, and what a person should know of the choice of its day; empty for nothing."""
    from gateway import config as configuration
    from gateway.business_day import local_date
    from gateway.day.prove import default_business_date, prove_day
    from gateway.reports.day_report import day_report

    site = configuration.load(config)
    with opened(site) as ledger:
        now_ms = clock_from_env().utc_ms()
        business_date = date or default_business_date(ledger, site.zone, now_ms)
        today = local_date(now_ms, site.zone)
        note = (
            f"nothing was counted or posted today, {today}: this is {business_date}, the last day"
            " of work; --date names another one"
        )
        day = prove_day(ledger, site.config, business_date, now_ms)
        return day_report(day, site.config), "" if date or business_date == today else note
