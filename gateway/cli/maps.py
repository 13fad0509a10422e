"""till import --map, --dry-run and --learn: vendors' exports through column maps. docs/maps.md is
the page.

Functions that take paths and print; the options stand with `till import` in office.py, and so does
the posting.
"""

from __future__ import annotations

import datetime
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import typer

from gateway.cli.app import FINDING
from gateway.errors import DataError, PermissionDenied, UsageError
from gateway.terminal import printable

if TYPE_CHECKING:
    from gateway.config import Site
    from gateway.incoming.column_map import ColumnMap
    from gateway.incoming.column_map_read import MappedFile, MappedRow, Office, Refusal
    from gateway.incoming.posted_row import Rules

ROWS_SHOWN = 5
REFUSED_SHOWN = 20
SAMPLE_BYTES_MAX = 4_000_000  # of a file that is learned from; a day of a large office


def office_of(config: Path) -> tuple[Office, Site | None]:
    """(what the site adds to a map, the site or None when there is none)"""
    import zoneinfo

    from gateway import config as configuration
    from gateway.clock import clock_from_env
    from gateway.incoming.column_map_read import Office
    from gateway.office.calendar import calendar_of

    now = datetime.datetime.fromtimestamp(clock_from_env().utc_ms() // 1000, datetime.UTC)
    latest = now.date() + datetime.timedelta(days=1)
    if not config.exists():
        return Office(zoneinfo.ZoneInfo("Etc/UTC"), None, latest), None
    site = configuration.load(config)
    calendar = calendar_of(site.config)

    def dating(cut_off: datetime.time | None) -> Callable[[int], str]:
        own = calendar if cut_off is None else replace(calendar, cut_off=cut_off)
        return own.business_date_of

    return Office(site.zone, dating, latest), site


def map_and_office(map_name: str, config: Path) -> tuple[ColumnMap, Office]:
    """What a vendor's export is read with."""
    from gateway.incoming.column_map_file import load_map

    return load_map(map_name), office_of(config)[0]


def was_looked_at(
    paths: list[Path],
    map_name: str | None,
    is_dry: bool,
    sample: Path | None,
    config: Path,
    as_json: bool,
) -> bool:
    """Do what `till import` does without writing: --learn, and --map with --dry-run. False: there
    is something to post.
    """
    if sample is not None:
        if paths or map_name or is_dry:
            raise UsageError(
                "import: --learn stands alone: it proposes a map; take the other files out"
            )
        if not learn(sample, as_json):
            raise typer.Exit(FINDING)
        return True
    if not paths:
        raise UsageError("import: no file; name the files to import, or --learn FILE")
    if is_dry and map_name is None:
        raise UsageError(
            "import: --dry-run wants --map; a posted.csv is checked by its own control line"
        )
    if not is_dry:
        return False
    is_refused, is_broken = dry_run(str(map_name), paths, config, as_json)
    if is_broken:
        raise typer.Exit(DataError.exit_code)
    if is_refused:
        raise typer.Exit(FINDING)
    return True


@contextmanager
def opened_export(path: Path) -> Iterator[BinaryIO]:
    """An export to read. Raises UsageError or PermissionDenied."""
    try:
        with path.open("rb") as file:
            yield file
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UsageError(f"{path}: no such file; name the export to read") from error
    except PermissionError as error:
        raise PermissionDenied(f"{path}: not readable; give yourself access") from error


# --- dry run --------------------------------------------------------------------------------------


def dry_run(map_name: str, paths: list[Path], config: Path, as_json: bool) -> tuple[bool, bool]:
    """Show how exports are read, and write nothing. (a row was refused, a file is not whole)"""
    from gateway.incoming.column_map_file import load_map
    from gateway.incoming.posted_row import Rules

    column_map = load_map(map_name)
    office, site = office_of(config)
    windows = (*site.config.windows, *site.config.without_drawer) if site else None
    rules = Rules(**vars(site.config.posted)) if site else Rules()
    if windows is None:
        note = f"{config} is not there: times without a zone of their own are read as UTC"
        print(f"till: {note}", file=sys.stderr)
    found = [_looked_at(column_map, path, office, rules, windows) for path in paths]
    if as_json:
        print(json.dumps(printable(found), indent=2))
    else:
        for each in found:
            print(printable("\n".join(_shown(each)), keep="\n"))
    return any(each["refused"] for each in found), any(each["fault"] for each in found)


@dataclass
class _Seen:
    """What a dry run gathers of one export."""

    rows: int = 0
    refused: int = 0
    without_fund: int = 0
    first: list[MappedRow] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    strange: set[str] = field(default_factory=set)  # windows that till.toml does not name
    sums: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def refuse(self, refusal: Refusal) -> None:
        self.refused += 1
        if len(self.refusals) < REFUSED_SHOWN:
            self.refusals.append(refusal)

    def take(self, row: MappedRow, windows: tuple[str, ...] | None) -> None:
        self.rows += 1
        self.without_fund += not _of(row, "fund")
        window = _of(row, "window_id")
        if windows is not None and window not in windows and len(self.strange) < ROWS_SHOWN:
            self.strange.add(window)
        if len(self.first) < ROWS_SHOWN:
            self.first.append(row)
        key = (_of(row, "tender_type"), _of(row, "status"), row.kind)
        self.sums[key] += int(_of(row, "allocation_cents"))
        self.counts[key] += 1


def _looked_at(
    column_map: ColumnMap,
    path: Path,
    office: Office,
    rules: Rules,
    windows: tuple[str, ...] | None,
) -> dict[str, Any]:
    from gateway.incoming.column_map import ORIGINS
    from gateway.incoming.column_map_read import MappedFile, Refusal
    from gateway.incoming.posted_amount import RowError
    from gateway.incoming.posted_row import parse_row

    seen = _Seen()
    with opened_export(path) as file:
        mapped = MappedFile(column_map, file, office, path.name)
        for each in mapped.rows():
            if isinstance(each, Refusal):
                seen.refuse(each)
                continue
            try:
                parse_row((*each.texts, each.kind), rules)
            except RowError as error:
                seen.refuse(Refusal(each.line, "", str(error)))
            else:
                seen.take(each, windows)
    return {
        "file": path.name,
        "map": column_map.title,
        "evidence": column_map.evidence,
        "unknown": column_map.unknown,
        "lines": {what: count for what, count in mapped.counts.items() if count},
        "rows": seen.rows,
        "first": [_row_of(each) for each in seen.first],
        "sums": [
            {"tender": tender, "status": status, "kind": kind, "rows": count, "cents": cents}
            for key, cents in sorted(seen.sums.items())
            for (tender, status, kind), count in [(key, seen.counts[key])]
        ],
        "refused": seen.refused,
        "refusals": [
            {"line": each.line, "column": each.column, "reason": each.reason}
            for each in seen.refusals
        ],
        "controls": _controls(mapped),
        "fault": mapped.fault(),
        "vouched": column_map.has_total and not mapped.fault(),
        "not_read": list(mapped.unused),
        "without_fund": seen.without_fund,
        "unknown_windows": sorted(seen.strange) if column_map.origin == ORIGINS[0] else [],
    }


def _of(row: MappedRow, column: str) -> str:
    from gateway.facts.postings import COLUMNS

    return row.texts[COLUMNS.index(column)]


def _row_of(row: MappedRow) -> dict[str, Any]:
    from gateway.facts.postings import COLUMNS

    return {"line": row.line, **dict(zip(COLUMNS, row.texts, strict=True)), "kind": row.kind}


def _controls(mapped: MappedFile) -> list[dict[str, Any]]:
    return [
        {
            "line": each.line,
            "of": each.what,
            "stated": each.stated,
            "found": each.found,
            "is_count": each.is_count,
            "agrees": each.agrees,
        }
        for each in mapped.controls
    ]


def _shown(found: dict[str, Any]) -> Iterator[str]:
    from gateway.incoming.column_map_read import NO_TOTAL
    from gateway.money import format_cents

    name = found["file"]
    yield f"{name}: read as {found['map']} ({found['evidence']})"
    told = ", ".join(f"{count} {what}" for what, count in found["lines"].items())
    yield f"  lines: {told or 'none'}; they give {found['rows']} rows of posted.csv"
    for row in found["first"]:
        cents = [format_cents(int(row[each])) for each in
                 ("tender_amount_cents", "change_cents", "allocation_cents")]  # fmt: skip
        yield (
            f"  line {row['line']}: receipt {row['receipt_no']}/{row['line_no']}"
            f" {row['posted_at']} day {row['business_date']} window {row['window_id']}"
            f" {row['tender_type']} {cents[0]} change {cents[1]} amount {cents[2]}"
            f" {row['status']} {row['kind']}"
        )
    if found["rows"] > len(found["first"]):
        yield f"  and {found['rows'] - len(found['first'])} rows more"
    for each in found["sums"]:
        yield (
            f"  {each['tender']:<12}{each['status']:<10}{each['kind']:<11}"
            f"{each['rows']:>7} rows {format_cents(each['cents']):>16}"
        )
    for each in found["refusals"]:
        column = f"{each['column']}: " if each["column"] else ""
        yield f"  refused: {name}:{each['line']}: {column}{each['reason']}"
    if found["refused"] > len(found["refusals"]):
        yield f"  and {found['refused'] - len(found['refusals'])} refused lines more"
    for each in found["controls"]:
        stated, has = (
            str(value) if each["is_count"] or value is None else format_cents(value)
            for value in (each["stated"], each["found"])
        )
        agrees = "agrees" if each["agrees"] else "does not agree"
        yield f"  total of {each['of']} on line {each['line']}: {stated}, rows {has}: {agrees}"
    if found["fault"]:
        yield f"  not whole: {found['fault']}"
    elif not found["controls"]:
        yield f"  {NO_TOTAL}"
    if found["without_fund"]:
        yield (
            f"  {found['without_fund']} rows have no fund: suspense, until [codes.fund] or"
            " [constants] fund names one"
        )
    if found["unknown_windows"]:
        yield (
            f"  windows that till.toml does not name: {', '.join(found['unknown_windows'])};"
            " [codes.window_id] says which of yours they are"
        )
    if found["not_read"]:
        yield f"  columns that the map does not read: {', '.join(found['not_read'])}"
    if found["unknown"]:
        yield f"  look at: {found['unknown']}"
    yield "  nothing was written"


# --- learn ----------------------------------------------------------------------------------------


def learn(sample: Path, as_json: bool) -> bool:
    """Propose a map on standard output, and what it rests on on standard error. Whether it is
    complete and reads its own sample.
    """
    from gateway.incoming.learn_map import learn as learn_from

    with opened_export(sample) as file:
        data = file.read(SAMPLE_BYTES_MAX + 1)
    if len(data) > SAMPLE_BYTES_MAX:
        raise UsageError(
            f"{sample}: more than {SAMPLE_BYTES_MAX} bytes; learn from the export of one day"
        )
    learned = learn_from(data, sample.name)
    if as_json:
        print(json.dumps(vars(learned), indent=2))
        return learned.fits
    print(printable(learned.text, keep="\n"), end="")
    for each in learned.said:
        print(printable(f"found: {each}"), file=sys.stderr)
    for each in learned.asked:
        print(printable(f"ask:   {each}"), file=sys.stderr)
    if not learned.fits:
        print("till: the proposal waits for a person: see the lines that end in ?", file=sys.stderr)
    return learned.fits
