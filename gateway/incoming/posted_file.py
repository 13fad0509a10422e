"""posted.csv into the ledger file: what the cashiering system says it took, each row once.
docs/posted-csv.md is its page.

`import_posted` reads a file line by line into a temporary table and then, in one short transaction,
posts every row that is new, passes over the rows that are known, and puts the bad ones in
posting_quarantine. A file whose control line does not agree with its rows posts nothing at all.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from gateway.errors import DataError, PermissionDenied, TryAgain, UsageError
from gateway.facts.postings import AMOUNTS, COLUMNS, Posting
from gateway.incoming.posted_row import RowError, amount, parse_row
from gateway.store import postings
from gateway.store.engine import Db, StorageBusy, is_other_schema
from gateway.store.entries import transaction

FILE_BYTES_MAX = (
    256 * 1024 * 1024
)  # about a million rows: a year of a large office; more is not a day's export
ROW_BYTES_MAX = 2_048  # 22 fields of at most 40 characters and their quotes
REFUSED_ROWS_MAX = 1_000  # more bad rows than this: it is not a posted.csv, nothing of it is posted
REFUSED_SHOWN_MAX = 20  # of the bad rows in a message; the table has them all
_BATCH_ROWS = 1_000
_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_]{0,23}", re.ASCII)
_BOM = b"\xef\xbb\xbf"
_CONTROL = re.compile(
    r"#control,rows=(\d{1,9}),tender_cents=([-+.\d]+),change_cents=([-+.\d]+),allocation_cents=([-+.\d]+),*"
)


_StagedRow = tuple[int, list[int | None], Posting | None, str | None]
# line, amounts for the control line, posting, reason against it


@dataclass
class ImportResult:
    """What became of one file."""

    name: str
    state: str  # posted | unposted | already
    reason: str = ""  # why it stays unposted
    rows: int = 0
    added: int = 0
    known: int = 0
    refused: int = 0
    shown: list[tuple[int, str]] = field(
        default_factory=list
    )  # (line of the file, reason), the first REFUSED_SHOWN_MAX


@dataclass
class _Reading:
    """What one pass over the file finds."""

    digest: bytes = b""
    size_bytes: int = 0
    rows: int = 0
    refused: int = 0
    forms: set[str] = field(default_factory=set)
    control: tuple[int, ...] | None = None
    fault: str = ""  # first reason for which the whole file stays unposted


def import_posted(db: Db, path: Path, now_ms: int) -> ImportResult:
    """Post a file. `db` is an open ledger's, outside of a transaction.

    Raises UsageError when there is no such file, PermissionDenied when it cannot be read, DataError
    when it is not a posted.csv at all (too large, another header), TryAgain when the ledger is
    locked or its disk is full.
    """
    try:
        with postings.staging(db):
            with _opened(path) as file:
                reading = _stage(db, file, path)
            return _post(db, path.name, reading, now_ms)
    except StorageBusy as error:
        if is_other_schema(error):
            raise
        raise TryAgain(
            f"{path}: nothing posted, the ledger answered: {error}; free it or its disk and import"
            " again"
        ) from error


# --- reading --------------------------------------------------------------------------------------


def _opened(path: Path) -> BinaryIO:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise DataError(
                f"{path}: {path.stat().st_size} bytes, limit {FILE_BYTES_MAX}; export one"
                " business day"
            )
        return path.open("rb")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UsageError(f"{path}: no such file; name the posted.csv to import") from error
    except PermissionError as error:
        raise PermissionDenied(f"{path}: not readable; give the gateway's user access") from error


def _lines(file: BinaryIO, reading: _Reading) -> Iterator[tuple[int, bytes | None]]:
    """(line number, line without its end) of each line that is not empty; None for one over
    ROW_BYTES_MAX.
    """
    digest = hashlib.sha256()
    number = 0
    while line := file.readline(ROW_BYTES_MAX + 2):
        number += 1
        too_long = False
        while True:
            digest.update(line)
            reading.size_bytes += len(line)
            if line.endswith(b"\n") or len(line) < ROW_BYTES_MAX + 2:
                break
            too_long = True
            line = file.readline(ROW_BYTES_MAX + 2)
        if number == 1:
            line = line.removeprefix(_BOM)
        line = line.rstrip(b"\r\n")
        if too_long or line:
            yield number, None if too_long else line
    reading.digest = digest.digest()


def _stage(db: Db, file: BinaryIO, path: Path) -> _Reading:
    reading = _Reading()
    lines = _lines(file, reading)
    _check_header(next(lines, (1, b"")), path)
    batch: list[_StagedRow] = []
    for number, line in lines:
        if reading.control is not None:
            reading.fault = reading.fault or f"line {number}: something follows the control line"
        elif line is not None and line.startswith(b"#control"):
            _read_control(line, number, reading)
        else:
            reading.rows += 1
            batch.append(_staged_row(number, line, reading))
        if len(batch) >= _BATCH_ROWS:
            postings.stage(db, batch)
            batch.clear()
    postings.stage(db, batch)
    return reading


def _check_header(first: tuple[int, bytes | None], path: Path) -> None:
    names = (first[1] or b"").decode("utf-8", "replace").split(",")
    names = [name.strip().strip('"') for name in names]
    for index, column in enumerate(COLUMNS):
        found = names[index] if index < len(names) else ""
        if found != column:
            shown = (
                repr(found) if _COLUMN_NAME.fullmatch(found) else "something else"
            )  # not a name out of a file without header
            raise DataError(
                f"{path}:{first[0]}: column {index + 1} is {shown}, expected '{column}'; see"
                " docs/posted-csv.md"
            )
    if len(names) > len(COLUMNS):
        raise DataError(
            f"{path}:{first[0]}: {len(names)} columns, expected {len(COLUMNS)}; see"
            " docs/posted-csv.md"
        )


def _read_control(line: bytes, number: int, reading: _Reading) -> None:
    match = _CONTROL.fullmatch(line.decode("ascii", "replace").strip())
    try:
        if match is None:
            raise RowError(
                "it is not #control,rows=..,tender_cents=..,change_cents=..,allocation_cents=.."
            )
        reading.control = (
            int(match.group(1)),
            *(amount("control", match.group(index))[0] for index in (2, 3, 4)),
        )
    except RowError as error:
        reading.control = (-1,)
        reading.fault = reading.fault or f"line {number}: unreadable control line: {error}"


def _staged_row(number: int, line: bytes | None, reading: _Reading) -> _StagedRow:
    """A posting, or the reason against it and the amounts that the control line still needs."""
    amounts: list[int | None] = [None, None, None]
    try:
        if line is None:
            raise RowError(f"longer than {ROW_BYTES_MAX} bytes")
        cells = _cells(line)
        if len(cells) == len(COLUMNS):
            amounts = [_amount_for_control(cells[COLUMNS.index(name)], reading) for name in AMOUNTS]
        return number, amounts, parse_row(cells), None
    except RowError as error:
        reading.refused += 1
        return number, amounts, None, str(error)


def _cells(line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8")], strict=True), [])
    except UnicodeDecodeError:
        raise RowError("not UTF-8") from None
    except csv.Error as error:
        raise RowError(f"not CSV: {error}") from None


def _amount_for_control(text: str, reading: _Reading) -> int | None:
    try:
        cents, form = amount("", text)
    except RowError:
        return None
    if form:
        reading.forms.add(form)
    return cents


# --- posting --------------------------------------------------------------------------------------


def _post(db: Db, name: str, reading: _Reading, now_ms: int) -> ImportResult:
    postings.refuse_contradictions(db)
    fault = reading.fault or _fault(db, reading)
    with transaction(db):
        return _known_file(db, name, reading) or _post_rows(db, name, reading, fault, now_ms)


def _fault(db: Db, reading: _Reading) -> str:
    """Why the whole file stays unposted; empty when nothing speaks against it."""
    if reading.control is None:
        return "no control line at the end: the file was cut short, or the export did not finish"
    if len(reading.forms) > 1:
        return "amounts are written in two ways, 1250 and 12.50; export one of them"
    refused = postings.refused_count(db)
    if refused > REFUSED_ROWS_MAX:
        return f"{refused} bad rows, limit {REFUSED_ROWS_MAX}"
    found = (reading.rows, *postings.staged_sums(db))
    names = ("rows", "tender_cents", "change_cents", "allocation_cents")
    for what, stated, has in zip(names, reading.control, found, strict=True):
        if stated != has:
            return (
                f"control total {what}: the control line says {stated}, the rows give {has};"
                " export the day again"
            )
    return ""


def _known_file(db: Db, name: str, reading: _Reading) -> ImportResult | None:
    known = postings.known_file(db, reading.digest)
    if known is None:
        return None
    shown = postings.refused_lines(db, known.pop("id"), REFUSED_SHOWN_MAX)
    state = "already" if known.pop("state") == "posted" else "unposted"
    return ImportResult(name, state, **known, shown=shown)


def _post_rows(db: Db, name: str, reading: _Reading, fault: str, now_ms: int) -> ImportResult:
    postings.refuse_changed(db)
    refused = postings.refused_count(db)
    added = 0 if fault else postings.new_count(db)
    known = 0 if fault else reading.rows - refused - added
    state = "unposted" if fault else "posted"
    counts = (reading.rows, added, known, refused)
    file_id = postings.add_file(
        db, reading.digest, name, reading.size_bytes, now_ms, state, fault, counts
    )
    if not fault:
        postings.post_new(db, file_id)
    postings.keep_refused(db, file_id, REFUSED_ROWS_MAX)
    shown = postings.refused_lines(db, file_id, REFUSED_SHOWN_MAX)
    return ImportResult(name, state, fault, *counts, shown)
