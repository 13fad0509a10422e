"""A column map: how one vendor's export says what posted.csv says. A TOML file into dataclasses;
docs/maps.md is its page.

A dataclass a table, and what its values may be. column_map_fit.py says what cannot be over several
tables, column_map_file.py reads the file, column_map_read.py an export through the map.
"""

from __future__ import annotations

import datetime
import re
import zoneinfo
from dataclasses import dataclass, field
from typing import Annotated, Any

from gateway.facts.postings import COLUMNS, KINDS, STATUSES, TENDERS
from gateway.incoming.column_map_amounts import DECIMALS, NEGATIVES, Amounts
from gateway.incoming.column_map_times import RAILS_ZONES, TimeFormatError, time_reader
from gateway.toml_problems import did_you_mean
from gateway.toml_tables import (
    Check,
    boolean,
    integer,
    one_of,
    read_table,
    string,
    table,
)

ORIGINS = ("drawer", "lockbox", "web")
OURS = (*COLUMNS, "kind")
CODED = {"tender_type": TENDERS, "status": STATUSES, "kind": tuple(KINDS)}
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
ENCODINGS = ("utf-8", "ascii", "cp1252", "latin-1", "cp437", "utf-16")
ANY = "*"  # as a code: every value that has no line of its own
POSITIONS = re.compile(r"(\d{1,4})-(\d{1,4})", re.ASCII)

Source = tuple[str, ...]  # the vendor's fields that make one of our columns


# --- what values may be ---------------------------------------------------------------------------


def texts(most: int = 100) -> Check:
    """A list of texts; one text alone is a list of one."""

    def check(value: Any) -> Source:
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(
            isinstance(each, str) and each for each in listed
        ):
            raise ValueError("neither a text nor a list of texts")
        if len(listed) > most:
            raise ValueError(f"{len(listed)} texts, limit {most}")
        return tuple(listed)

    return check


def by_name(check: Check, known: tuple[str, ...] = (), key: str = "key") -> Check:
    """A table of free keys, or of known ones, whose values pass a check."""

    def check_all(values: Any) -> dict[str, Any]:
        if not isinstance(values, dict):
            raise ValueError("not a table")
        found = {}
        for name, value in values.items():
            if known and name not in known:
                raise ValueError(f"{name!r} is no {key} of ours{did_you_mean(name, known)}")
            try:
                found[name] = check(value)
            except ValueError as error:
                raise ValueError(f"{name!r}: {error}") from None
        return found

    return check_all


def _delimiter(value: Any) -> str:
    if value in DELIMITERS:
        return DELIMITERS[value]
    if not isinstance(value, str) or len(value) != 1 or value.isalnum():
        raise ValueError(f"neither one character nor one of {', '.join(DELIMITERS)}")
    return value


def _quote(value: Any) -> str:
    if value not in ('"', "'", ""):
        raise ValueError("neither a double quote, nor a single one, nor empty for none")
    return str(value)


def _place(value: Any) -> tuple[int, int]:
    """Place of a field, from 0: (index, -1) of a column, or (start, end) of characters."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000:
        return value - 1, -1
    match = POSITIONS.fullmatch(value) if isinstance(value, str) else None
    if match and 1 <= int(match[1]) <= int(match[2]):
        return int(match[1]) - 1, int(match[2])
    raise ValueError('neither a column\'s number such as 3 nor characters such as "26-40"')


def _pattern(value: Any) -> re.Pattern[str]:
    try:
        return re.compile(value, re.ASCII)
    except (re.error, TypeError) as error:
        raise ValueError(f"not a regular expression: {error}") from None


def _zone_names(value: Any) -> dict[str, str]:
    found: dict[str, str] = by_name(string(1, 64))(value)
    for name, zone in found.items():
        try:
            zoneinfo.ZoneInfo(zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r}: not a time zone such as America/Chicago") from None
    return found


def _codes(value: Any) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = by_name(by_name(string(0, 40)), OURS, "column")(value)
    for column, known in CODED.items():
        for code, meaning in found.get(column, {}).items():
            if meaning not in known:
                raise ValueError(
                    f"{column}: {code!r} = {meaning!r} is not one of {', '.join(known)}"
                    + did_you_mean(meaning, known)
                )
    return found


def _clock(value: Any) -> str:
    if value in ("", "site"):
        return str(value)
    try:
        return datetime.time.fromisoformat(value).isoformat("minutes")
    except (ValueError, TypeError):
        raise ValueError("not a time of day such as 16:00") from None


def _tables(kind: type[Any]) -> Check:
    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("not a list of tables: write it with two brackets, [[...]]")
        return tuple(read_table(kind, each) for each in value)

    return check


# --- tables ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileTable:
    """[file]: how lines and fields are written."""

    format: Annotated[str, one_of("delimited", "fixed")] = "delimited"
    delimiter: Annotated[str, _delimiter] = ","
    quote: Annotated[str, _quote] = '"'
    encoding: Annotated[str, one_of(*ENCODINGS)] = "utf-8"
    header: Annotated[bool, boolean] = True  # a row with the names of the columns
    skip_first: Annotated[int, integer(0, 100)] = 0  # lines before the header, or the first row
    skip_last: Annotated[int, integer(0, 100)] = 0
    line_breaks: Annotated[bool, boolean] = False  # a quoted field may go over several lines
    line_length: Annotated[int, integer(0, 10_000)] = 0  # characters of a fixed line; 0: free
    short_lines: Annotated[bool, boolean] = False  # trailing fields may be left out

    def __post_init__(self) -> None:
        if self.line_length and self.format != "fixed":
            raise ValueError('line_length is for format = "fixed" alone')
        if self.line_breaks and not (self.format == "delimited" and self.quote):
            raise ValueError("line_breaks needs a delimited file with quotes")


@dataclass(frozen=True)
class AmountsTable:
    """[amounts]: how money is written."""

    decimals: Annotated[str, one_of(*DECIMALS)] = "point"
    thousands: Annotated[str, string(0, 1)] = ""
    symbol: Annotated[str, string(0, 3)] = ""
    negative: Annotated[tuple[str, ...], texts()] = ("leading",)
    empty: Annotated[str, one_of("refused", "zero")] = "refused"

    def __post_init__(self) -> None:
        for each in self.negative:
            one_of(*NEGATIVES)(each)
        point = {"point": ".", "comma": ",", "dollars": "."}.get(self.decimals)
        if self.thousands and (self.thousands == point or self.thousands not in ",.' "):
            raise ValueError(
                "thousands: one of , . ' or a blank, and not the sign before the cents"
            )


@dataclass(frozen=True)
class TimeTable:
    """[time]: when a receipt was posted, and the day it belongs to."""

    fields: Annotated[Source, texts(3)] = ()
    formats: Annotated[tuple[str, ...], texts(10)] = ()
    zone: Annotated[str, string(1, 64)] = "site"  # site, in text, in field, or a zone's name
    zone_field: Annotated[str, string(0, 60)] = ""
    zone_names: Annotated[str, one_of("", "rails")] = ""
    zones: Annotated[dict[str, str], _zone_names] = field(default_factory=dict)
    repeated_hour: Annotated[str, one_of("refused", "first", "second")] = "refused"
    time_of_day: Annotated[str, _clock] = ""  # for files that have dates alone
    business_formats: Annotated[tuple[str, ...], texts(10)] = ()
    cut_off: Annotated[str, _clock] = "site"
    first_year: Annotated[int, integer(1990, 2100)] = 2000
    last_year: Annotated[int, integer(1990, 2100)] = 2050

    def __post_init__(self) -> None:
        for each in (*self.formats, *self.business_formats):
            try:
                time_reader(each)
            except TimeFormatError as error:
                raise ValueError(str(error)) from None
        if self.zone == "in field":
            if not self.zone_field or not self.known_zones:
                raise ValueError(
                    'zone = "in field" wants zone_field, and zone_names or [time.zones]'
                )
        elif self.zone == "in text":
            if not all("%z" in each for each in self.formats):
                raise ValueError('zone = "in text": each of formats needs %z')
        elif self.zone != "site":
            _zone_names({"zone": self.zone})

    @property
    def known_zones(self) -> dict[str, str]:
        """{a name in zone_field: its zone}"""
        return {**(RAILS_ZONES if self.zone_names == "rails" else {}), **self.zones}


@dataclass(frozen=True)
class SignsTable:
    """[signs]: what a negative amount means."""

    negative: Annotated[str, one_of("refused", "refund", "reversal", "void", "credit")] = "refused"
    reversal_suffix: Annotated[str, string(1, 8)] = "-R"
    refunds: Annotated[str, one_of("negative", "positive")] = "negative"  # rows of that kind
    change: Annotated[str, one_of("positive", "negative")] = "positive"


@dataclass(frozen=True)
class SplitTable:
    """[split]: several tenders in one cell, such as "Cash 20.00, Card 30.00"."""

    field: Annotated[str, string(1, 60)]
    separator: Annotated[str, string(1, 5)]
    amount_after: Annotated[str, string(0, 5)] = ""  # between name and amount, in the same cell
    amounts: Annotated[str, string(0, 60)] = ""  # the field with the amounts, split alike

    def __post_init__(self) -> None:
        if self.amount_after and self.amounts:
            raise ValueError("amount_after or amounts: one of the two, or none")


@dataclass(frozen=True)
class LinesTable:
    """[rows], [[ignore]]: which lines are meant. All that is given has to be true."""

    starts: Annotated[str, string(1, 100)] = ""
    field: Annotated[str, string(1, 60)] = ""
    values: Annotated[tuple[str, ...], texts(200)] = ()

    def __post_init__(self) -> None:
        if bool(self.field) != bool(self.values):
            raise ValueError("field and values go together")
        if not (self.starts or self.field):
            raise ValueError('says of no line what it is: starts = "...", or field and values')


@dataclass(frozen=True)
class CheckTable:
    """[[check]]: fields of each row that add up. A minus before a name subtracts."""

    sum: Annotated[tuple[str, ...], texts(50)]
    equals: Annotated[str, string(1, 60)]


@dataclass(frozen=True)
class TotalTable:
    """[[total]]: a total that the vendor wrote."""

    at: Annotated[str, one_of("first row", "last row", "line", "match")]
    of: Annotated[tuple[str, ...], texts(50)]  # fields, a minus before one subtracts; or "rows"
    cell: Annotated[str, string(1, 60)] = ""  # where it stands; default: in the field that it sums
    line: Annotated[int, integer(0, 100)] = 0  # for at = "line": counted from 1
    starts: Annotated[str, string(1, 100)] = ""  # for at = "match", as in [[ignore]]
    field: Annotated[str, string(1, 60)] = ""
    values: Annotated[tuple[str, ...], texts(200)] = ()
    leave_out: Annotated[tuple[str, ...], texts(4)] = ()  # states that the vendor does not count
    tenders: Annotated[tuple[str, ...], texts(8)] = ()  # of rows of these alone; empty: of all
    each: Annotated[bool, boolean] = False  # one after each group, of the rows since the last one

    def __post_init__(self) -> None:
        is_match = self.at == "match"
        if is_match != bool(self.starts or self.field) or bool(self.field) != bool(self.values):
            raise ValueError(
                'starts, or field and values, belong to at = "match", which needs them'
            )
        if (self.at == "line") != bool(self.line):
            raise ValueError('line belongs to at = "line", which needs it')
        if self.each and not is_match:
            raise ValueError('each belongs to at = "match"')
        for each in self.leave_out:
            one_of(*STATUSES)(each)
        for each in self.tenders:
            one_of(*TENDERS)(each)
        if not self.cell and (len(self.of) > 1 or self.of == ("rows",)):
            raise ValueError("cell: missing; it says where the total stands")


@dataclass(frozen=True)
class HeadTable:
    """[head.NAME]: a field that stands once, on a line before the rows, and is meant for each."""

    line: Annotated[int, integer(1, 100)]
    cell: Annotated[str, string(0, 60)] = ""  # a number of a column, or characters
    after: Annotated[str, string(0, 100)] = ""  # or what stands before it on the line

    def __post_init__(self) -> None:
        if bool(self.cell) == bool(self.after):
            raise ValueError("cell or after: one of the two says where it stands on the line")


def _heads(value: Any) -> dict[str, HeadTable]:
    if not isinstance(value, dict):
        raise ValueError("not a table")
    return {name: read_table(HeadTable, each) for name, each in value.items()}


@dataclass(frozen=True)
class ColumnMap:
    """One vendor's export."""

    title: Annotated[str, string(1, 100)]
    source_system: Annotated[str, string(1, 40)]
    evidence: Annotated[str, string(1, 200)]  # how the layout is known
    source: Annotated[str, string(1, 500)]  # where it is written
    origin: Annotated[str, one_of(*ORIGINS)] = "drawer"
    unknown: Annotated[str, string(0, 1_000)] = ""  # what a site has to look at
    base: Annotated[str, string(0, 60)] = ""
    file: Annotated[FileTable, table(FileTable)] = FileTable()
    fields: Annotated[dict[str, tuple[int, int]], by_name(_place)] = field(default_factory=dict)
    head: Annotated[dict[str, HeadTable], _heads] = field(default_factory=dict)
    columns: Annotated[dict[str, Source], by_name(texts(8), OURS, "column")] = field(
        default_factory=dict
    )
    join: Annotated[dict[str, str], by_name(string(0, 5), OURS, "column")] = field(
        default_factory=dict
    )
    constants: Annotated[dict[str, str], by_name(string(0, 40), OURS, "column")] = field(
        default_factory=dict
    )
    codes: Annotated[dict[str, dict[str, str]], _codes] = field(default_factory=dict)
    shapes: Annotated[dict[str, re.Pattern[str]], by_name(_pattern, OURS, "column")] = field(
        default_factory=dict
    )
    amounts: Annotated[AmountsTable, table(AmountsTable)] = AmountsTable()
    time: Annotated[TimeTable, table(TimeTable)] = field(default_factory=TimeTable)
    tenders: Annotated[dict[str, str], by_name(one_of(*TENDERS))] = field(default_factory=dict)
    split: Annotated[SplitTable | None, table(SplitTable)] = None
    signs: Annotated[SignsTable, table(SignsTable)] = SignsTable()
    rows: Annotated[LinesTable | None, table(LinesTable)] = None
    ignore: Annotated[tuple[LinesTable, ...], _tables(LinesTable)] = ()
    check: Annotated[tuple[CheckTable, ...], _tables(CheckTable)] = ()
    total: Annotated[tuple[TotalTable, ...], _tables(TotalTable)] = ()

    @property
    def money(self) -> Amounts:
        """Reads one amount."""
        own = self.amounts
        return Amounts(own.decimals, own.thousands, own.symbol, own.negative, own.empty == "zero")

    @property
    def has_total(self) -> bool:
        """Whether the vendor's own total vouches that a file is whole."""
        return bool(self.total)
