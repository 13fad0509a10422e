"""What in a column map cannot be, over several of its tables. Pure: a map in, faults out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.facts.postings import AMOUNTS
from gateway.incoming.column_map import (
    CODED,
    ORIGINS,
    ColumnMap,
    LinesTable,
    TotalTable,
)
from gateway.toml_problems import did_you_mean

Fault = tuple[tuple[str, ...], str]  # (keys that lead to it, what is wrong and what to do)

NOT_CONSTANT = ("receipt_no", "line_no", "posted_at", "business_date", *AMOUNTS)
_HOUR = re.compile(r"%[HI]")


def misfits(found: ColumnMap) -> list[Fault]:
    """Every fault of a map whose values are each right by themselves."""
    return [
        *_places(found),
        *_columns(found),
        *_tenders(found),
        *_times(found),
        *_totals(found),
        *_fields_used(found),
        *_head(found),
    ]


def _places(found: ColumnMap) -> Iterator[Fault]:
    is_fixed = found.file.format == "fixed"
    for name, (_, end) in found.fields.items():
        if is_fixed != (end != -1):
            want = (
                'characters, such as "26-40"' if is_fixed else "the number of a column, such as 3"
            )
            yield ("fields", name), f"a {found.file.format} file wants {want}"
        if is_fixed and found.file.line_length and end > found.file.line_length:
            yield ("fields", name), f"ends after the line, which has {found.file.line_length}"
    if is_fixed and found.file.header:
        yield ("file", "header"), "a fixed file has its columns from [fields]; set header = false"
    if not found.file.header and not found.fields:
        yield ("fields",), "missing: without a header row it names the fields and where they stand"


def _columns(found: ColumnMap) -> Iterator[Fault]:
    columns, constants = found.columns, found.constants
    for name in ("posted_at", "source_system"):
        if name in columns or name in constants:
            where = "columns" if name in columns else "constants"
            say = "[time] says it" if name == "posted_at" else "the key at the top says it"
            yield (where, name), f"not here: {say}; take it out"
    for name in columns.keys() & constants.keys():
        yield ("constants", name), "also in [columns]; keep one of the two"
    for name in constants.keys() & set(NOT_CONSTANT):
        if name != "posted_at":
            yield ("constants", name), "differs from row to row; name a field in [columns]"
    if "receipt_no" not in columns:
        yield ("columns", "receipt_no"), "missing; name the field with the number of the receipt"
    if found.origin == ORIGINS[0] and not {"window_id"} & (columns.keys() | constants.keys()):
        yield (
            ("columns", "window_id"),
            "missing; name the field with the window, or set it in [constants], or say that the"
            ' export has no drawer: origin = "lockbox" or "web"',
        )
    for name, fields in columns.items():
        if len(fields) > 1 and name in (*AMOUNTS, "line_no", *CODED):
            yield ("columns", name), "wants one field"
        elif len(fields) > 1 and name not in found.join:
            yield ("join", name), f"missing; says what stands between the {len(fields)} fields"
    for name in found.join:
        if len(columns.get(name, ())) < 2:
            yield ("join", name), "joins nothing; [columns] names no two fields for it"
    for name in found.shapes:
        if name not in columns:
            yield ("shapes", name), "[columns] names no field for it"
    yield from _coded(found)


def _coded(found: ColumnMap) -> Iterator[Fault]:
    for name in found.codes:
        is_split = name == "tender_type" and found.split is not None
        if name not in found.columns and not is_split:
            yield ("codes", name), f"[columns] names no field for {name}"
        if name in (*AMOUNTS, "posted_at", "business_date", "line_no"):
            yield ("codes", name), "has no codes"
    for name, known in CODED.items():
        if name in found.columns and name not in found.codes:
            yield ("codes", name), f"missing; says which text means which of {', '.join(known)}"
        value = found.constants.get(name)
        if value is not None and value not in known:
            near = did_you_mean(value, known)
            yield ("constants", name), f"not one of {', '.join(known)}{near}"


def _tenders(found: ColumnMap) -> Iterator[Fault]:
    columns = found.columns
    is_named = "tender_type" in columns or "tender_type" in found.constants
    ways = [is_named, bool(found.tenders), found.split is not None]
    if sum(ways) != 1:
        yield (
            ("columns", "tender_type"),
            "the tender comes from one of: [columns] tender_type with [codes.tender_type],"
            f" [constants] tender_type, [tenders], [split]; the map has {sum(ways)} of them",
        )
    if found.split is not None and "tender_type" not in found.codes:
        yield ("codes", "tender_type"), "missing; [split] wants it"
    if found.tenders:
        if "tender_amount_cents" in columns:
            yield ("columns", "tender_amount_cents"), "[tenders] has the amounts; take it out"
        if "tender_id" in columns or "tender_id" in found.constants:
            yield ("columns", "tender_id"), "[tenders] makes it; take it out"
        if "line_no" in columns:
            yield ("columns", "line_no"), "a line has several tenders; take it out"
    elif not {"tender_amount_cents", "allocation_cents"} & columns.keys():
        yield (
            ("columns", "allocation_cents"),
            "missing; name the field with the amount here or in tender_amount_cents",
        )


def _times(found: ColumnMap) -> Iterator[Fault]:
    time = found.time
    if not time.fields:
        yield ("time", "fields"), "missing; name the field, or fields, with date and time"
    if not time.formats:
        yield ("time", "formats"), 'missing; such as ["%m/%d/%Y %H:%M"]'
    for each in time.formats:
        if bool(_HOUR.search(each)) == bool(time.time_of_day):
            what = "has a time" if time.time_of_day else "has no time: set time_of_day"
            yield ("time", "formats"), f"format {each!r} {what}, and time_of_day is for dates alone"
    if ("business_date" in found.columns) != bool(time.business_formats):
        yield (
            ("time", "business_formats"),
            "goes together with [columns] business_date: how that date is written",
        )


def _totals(found: ColumnMap) -> Iterator[Fault]:
    for total in found.total:
        if total.at == "line" and total.line > found.file.skip_first:
            yield ("total",), f"line {total.line} is no line before the rows; raise skip_first"
        if total.tenders and found.tenders:
            yield ("total",), "tenders: [tenders] has a column for each; name that column in of"
        if total.leave_out and not ("status" in found.columns or found.signs.negative != "refused"):
            yield ("total",), "leave_out: the map tells no state of a row apart"


def _head(found: ColumnMap) -> Iterator[Fault]:
    for name, head in found.head.items():
        if head.line > found.file.skip_first:
            yield ("head", name), f"line {head.line} is no line before the rows; raise skip_first"
        if name in found.fields:
            yield ("head", name), "also in [fields]; give it another name"


def _fields_used(found: ColumnMap) -> Iterator[Fault]:
    """Fields that no [fields] has, where only it can say what a name means."""
    if found.file.header:
        return
    known = [*found.fields, *found.head]
    for place, name in fields_used(found):
        if name not in known:
            yield place, f"no field {name!r} in [fields]{did_you_mean(name, known)}"


def fields_used(found: ColumnMap) -> Iterator[tuple[tuple[str, ...], str]]:
    """(where in the map, field) of each field of a row that the map reads."""
    for ours, names in found.columns.items():
        yield from ((("columns", ours), name) for name in names)
    yield from ((("time", "fields"), name) for name in found.time.fields)
    if found.time.zone == "in field":
        yield ("time", "zone_field"), found.time.zone_field
    yield from ((("tenders", name), name) for name in found.tenders)
    if found.split is not None:
        yield ("split", "field"), found.split.field
        if found.split.amounts:
            yield ("split", "amounts"), found.split.amounts
    for check in found.check:
        yield from ((("check",), name.removeprefix("-")) for name in (*check.sum, check.equals))
    lines: list[tuple[str, LinesTable | TotalTable]] = [("ignore", each) for each in found.ignore]
    lines += [("rows", found.rows)] if found.rows is not None else []
    lines += [("total", each) for each in found.total]
    for key, each in lines:
        if each.field:
            yield (key,), each.field
    for total in found.total:
        if total.of != ("rows",):
            yield from ((("total",), name.removeprefix("-")) for name in total.of)
