"""settlement.csv, schema v1: what the card processor settled, line by line, judged.
docs/settlement-csv.md is its page.

`SettlementReader` is a stream: it holds one line at a time and what it has seen of identities. What
it gave out counts only if `fault` is empty after its end, because the control line comes last.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from gateway.errors import DataError
from gateway.facts.settlements import COLUMNS, KINDS, SettlementLine, normal_auth_code
from gateway.incoming.posted_row import RowError, amount, holds_card_number

LINE_BYTES_MAX = 1_024  # nine fields of at most 40 characters and their quotes
ROWS_MAX = 200_000  # more is not the settlement of an office's day or month
REFUSED_ROWS_MAX = 1_000  # more bad rows than this: it is not a settlement.csv
TEXT_CHARS_MAX = 40
LINE_NO_MAX = 9_999_999
YEARS = range(2000, 2100)  # a date outside is damage, such as 2062 of a spreadsheet for 62

_BOM = b"\xef\xbb\xbf"
_CONTROL = re.compile(r"#control,rows=(\d{1,9}),amount_cents=([-+.\d]{1,20}),*", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,39}", re.ASCII)
_AUTH_CODE = re.compile(r"[A-Za-z0-9]{0,12}", re.ASCII)
_BRAND = re.compile(r"[A-Za-z][A-Za-z ]{0,19}|", re.ASCII)
_NUMBER = re.compile(r"\d{1,7}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MASKED = re.compile("[xX*#\N{BULLET}]{4,}[ -]?[0-9]{2,}")
_EXPONENT = re.compile(r"[-+]?\d+([.,]\d+)?[eE]\+\d+", re.ASCII)
_HINTS = (
    (b"\xff\xfe", "the file is UTF-16"), (b"\xfe\xff", "the file is UTF-16"),
    (b";", "its columns are separated by semicolons"), (b"\t", "its columns are separated by tabs"),
)  # fmt: skip
_NAME = re.compile(r"[a-z][a-z0-9_]{0,23}", re.ASCII)


@dataclass(frozen=True)
class Refusal:
    """A row that is in no sum, and why. The reason names a column and never a cell's text."""

    line: int
    reason: str
    about: str = ""  # "acme B77 3", or the batch alone; empty where that cannot be read
    date: str = ""
    is_again: bool = False  # this file says the same line before: nothing is lost


class SettlementReader:
    """The lines of one file: iterate once, then look at `fault`.

    Raises DataError when it is not a settlement.csv at all: another header, a column too many.
    """

    def __init__(self, file: BinaryIO, name: str):
        self.name = name
        self.rows = 0  # rows that were read, the refused ones among them
        self.refused = 0
        self.amount_cents = 0  # sum over the rows that were read, as the control line counts them
        self.fault = ""  # why nothing of the file counts; "" when nothing speaks against it
        self._file = file
        self._digest = hashlib.sha256()
        self._seen: dict[tuple[str, str, int], bytes] = {}
        self._forms: set[str] = set()
        self._control: tuple[int, int] | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256 of what was read: the whole file, at its end."""
        return self._digest.digest()

    def __iter__(self) -> Iterator[tuple[int, SettlementLine] | Refusal]:
        """(line of the file, what it says), or why a row is refused."""
        lines = self._lines()
        self._check_header(*next(lines, (1, b"")))
        for number, line in lines:
            if self._control is not None:
                self._blame(f"line {number}: something follows the control line")
            elif line is not None and line.lstrip(b'"').startswith(b"#control"):
                self._read_control(number, line)
            else:
                self.rows += 1
                yield self._row(number, line)
            if self.rows > ROWS_MAX or self.refused > REFUSED_ROWS_MAX:
                self._blame(
                    f"line {number}: more than {ROWS_MAX} rows or {REFUSED_ROWS_MAX} bad ones; it"
                    " is no settlement.csv"
                )
                for _ in lines:  # the digest is that of the whole file
                    pass
                return
        self._check_control()

    def _blame(self, why: str) -> None:
        self.fault = self.fault or why

    def _lines(self) -> Iterator[tuple[int, bytes | None]]:
        """(line number, its bytes without the end); None for one that is too long. Blank lines and
        lines of commas alone, which a spreadsheet leaves, are passed over.
        """
        number = 0
        while line := self._file.readline(LINE_BYTES_MAX + 2):
            number += 1
            is_long = False
            while True:
                self._digest.update(line)
                if line.endswith(b"\n") or len(line) < LINE_BYTES_MAX + 2:
                    break
                is_long = True
                line = self._file.readline(LINE_BYTES_MAX + 2)
            if is_long:
                yield number, None
            elif (line.removeprefix(_BOM) if number == 1 else line).strip(b', \t\r\n"'):
                yield number, (line.removeprefix(_BOM) if number == 1 else line).rstrip(b"\r\n")

    def _check_header(self, number: int, line: bytes | None) -> None:
        if line is None or b"," not in line or line[:2] in (b"\xff\xfe", b"\xfe\xff"):
            self._refuse_form(number, line or b"")
        text = line.decode("utf-8", "replace")
        names = [name.strip().strip('"') for name in text.split(",")]
        while len(names) > len(COLUMNS) and not names[-1]:
            names.pop()
        is_header = 2 * len({*names} & {*COLUMNS}) > len(COLUMNS)  # else its cells may be names
        for index in range(max(len(names), len(COLUMNS))):
            found = names[index] if index < len(names) else ""
            wanted = COLUMNS[index] if index < len(COLUMNS) else ""
            if found != wanted:
                is_shown = is_header and _NAME.fullmatch(found)
                shown = repr(found) if is_shown else "something else"
                raise DataError(
                    f"{self.name}:{number}: column {index + 1} is {shown if found else 'missing'},"
                    f" expected {repr(wanted) if wanted else 'no more columns'}; see"
                    " docs/settlement-csv.md"
                )

    def _refuse_form(self, number: int, line: bytes) -> NoReturn:
        hint = next((told for mark, told in _HINTS if mark in line), "no header is there")
        raise DataError(
            f"{self.name}:{number}: {hint}; save it as CSV, UTF-8, with commas and LF or CRLF at"
            " the end of each line; see docs/settlement-csv.md"
        )

    def _row(self, number: int, line: bytes | None) -> tuple[int, SettlementLine] | Refusal:
        try:
            if line is None:
                raise RowError(f"longer than {LINE_BYTES_MAX} bytes")
            cells = _cells(line)
            self._add_to_control(cells)
            found = parse_line(cells)
            known = self._seen.setdefault(found.key, content := found.content())
            if known is content:
                return number, found
            if known != content:  # the first of them was given out already; neither may count
                self._blame(
                    f"line {number}: line_no: this file says one line of the batch in two ways;"
                    " number the lines of a batch"
                )
            self.refused += 1
            reason = "line_no: this file says one line of the batch twice"
            return Refusal(number, reason, is_again=True)
        except RowError as error:
            self.refused += 1
            return Refusal(number, str(error), *_about(line))

    def read_rest(self) -> None:
        """So that the digest is that of the whole file."""
        for _ in self._lines():
            pass

    def _add_to_control(self, cells: Sequence[str]) -> None:
        """A bad row's amount counts too where it can be read, or the control line of a whole file
        would fail for one bad row.
        """
        if len(cells) == len(COLUMNS):
            try:
                cents, form = amount("", cells[COLUMNS.index("amount_cents")])
            except RowError:
                return
            self.amount_cents += cents
            if form:
                self._forms.add(form)

    def _read_control(self, number: int, line: bytes) -> None:
        text = line.decode("ascii", "replace").strip().replace('"', "")
        match = _CONTROL.fullmatch(text)
        try:
            if match is None:
                raise RowError("it is not #control,rows=..,amount_cents=..")
            self._control = int(match.group(1)), amount("amount_cents", match.group(2))[0]
        except RowError as error:
            self._control = -1, 0
            self._blame(f"line {number}: unreadable control line: {error}")

    def _check_control(self) -> None:
        if self._control is None:
            self._blame(
                "no control line at the end: the file was cut short, or the export did not finish;"
                " export it again"
            )
            return
        if len(self._forms) > 1:
            self._blame("amounts are written in two ways, 1250 and 12.50; export one of them")
        found = (self.rows, self.amount_cents)
        for what, stated, has in zip(("rows", "amount_cents"), self._control, found, strict=True):
            if stated != has:
                self._blame(
                    f"control total {what}: the control line says {stated}, the rows give {has};"
                    " export it again"
                )


def parse_line(cells: Sequence[str]) -> SettlementLine:
    """The line that the cells of one row say. Raises RowError for the first thing wrong with it."""
    if len(cells) != len(COLUMNS):
        raise RowError(f"{len(cells)} fields, expected {len(COLUMNS)}")
    row = dict(zip(COLUMNS, cells, strict=True))
    for name, text in row.items():
        if holds_card_number(text) or (name != "amount_cents" and _MASKED.search(text)):
            raise RowError(f"{name}: looks like a card number; take card numbers out of the export")
        if len(text) > TEXT_CHARS_MAX:
            raise RowError(f"{name}: {len(text)} characters, limit {TEXT_CHARS_MAX}")
        if not text.isprintable() or text != text.strip():
            raise RowError(f"{name}: control characters or blanks around the text")
        if _EXPONENT.fullmatch(text):
            raise RowError(
                f"{name}: a number in scientific notation; a spreadsheet damaged it, export it"
                " again"
            )
    for name in ("processor", "settlement_batch"):
        _fits(row, name, _ID, "letters, digits and . _ / - only, and not empty")
    _fits(row, "auth_code", _AUTH_CODE, "at most 12 letters and digits")
    _fits(row, "card_brand", _BRAND, "at most 20 letters, such as visa")
    if row["reference"]:
        _fits(row, "reference", _ID, "letters, digits and . _ / - only")
    if not _NUMBER.fullmatch(row["line_no"]) or not 1 <= int(row["line_no"]) <= LINE_NO_MAX:
        raise RowError(f"line_no: not 1 to {LINE_NO_MAX}")
    if row["kind"] not in KINDS:
        raise RowError(f"kind: not one of {', '.join(KINDS)}")
    return SettlementLine(
        processor=row["processor"].lower(),
        settlement_batch=row["settlement_batch"],
        line_no=int(row["line_no"]),
        kind=row["kind"],
        auth_code=normal_auth_code(row["auth_code"]),
        amount_cents=_signed_amount(row["kind"], row["amount_cents"]),
        settled_date=_date("settled_date", row["settled_date"]),
        card_brand=row["card_brand"].lower(),
        reference=row["reference"],
    )


def _about(line: bytes | None) -> tuple[str, str]:
    """(the line or batch that a refused row is about, its day), as far as they can be read."""
    try:
        row = dict(zip(COLUMNS, _cells(line or b""), strict=True))
    except (RowError, ValueError):
        return "", ""
    try:
        date = _date("settled_date", row["settled_date"])
    except RowError:
        date = ""
    batch = row["processor"].lower(), row["settlement_batch"]
    if not all(_ID.fullmatch(each) and not holds_card_number(each) for each in batch):
        return "", date
    number = row["line_no"]
    return " ".join((*batch, str(int(number))) if _NUMBER.fullmatch(number) else batch), date


def _fits(row: dict[str, str], name: str, form: re.Pattern[str], wants: str) -> None:
    if not form.fullmatch(row[name]):
        raise RowError(f"{name}: {wants}")


def _signed_amount(kind: str, text: str) -> int:
    cents, _ = amount("amount_cents", text)
    if cents == 0:
        raise RowError("amount_cents: zero; a line moves money or is none")
    if (cents > 0) != (KINDS[kind] > 0):
        wanted = "above zero" if KINDS[kind] > 0 else "below zero"
        raise RowError(f"amount_cents: wrong sign; the amount of a {kind} is {wanted}")
    return cents


def _date(name: str, text: str) -> str:
    try:
        if _DATE.fullmatch(text):
            date = datetime.date.fromisoformat(text)
            if date.year in YEARS:
                return date.isoformat()
    except ValueError:
        pass
    raise RowError(f"{name}: not a date such as 2026-11-20, {YEARS[0]} to {YEARS[-1]}")


def _cells(line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8")], strict=True), [])
    except UnicodeDecodeError:
        raise RowError("not UTF-8") from None
    except csv.Error:
        raise RowError("not CSV: a quote is not closed, or text follows one") from None
