"""posted.csv into the ledger: what the cashiering system says it took, each statement once.
docs/posted-csv.md is its page.

`import_posted` reads a file line by line into a temporary table and then, in one short transaction,
posts every row that is new, passes over the rows that are known, and puts the bad ones in
posting_quarantine, with all other rows of their receipts. A file whose control line does not agree
with its rows posts nothing at all. What an earlier file had refused and this one says soundly is
settled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from gateway.errors import DataError, PermissionDenied, TryAgain, UsageError
from gateway.facts.postings import AMOUNTS, COLUMNS, UTILITIES
from gateway.incoming.column_map import ColumnMap
from gateway.incoming.column_map_read import NO_TOTAL, MappedFile, MappedRow, Office, Refusal
from gateway.incoming.posted_amount import RowError, amount, form_of_refused
from gateway.incoming.posted_lines import HeaderError, Lines, UnreadableRow
from gateway.incoming.posted_row import Rules, readable_of, source_shown, values_of, word_of
from gateway.incoming.posted_versions import Said, collision, is_other_receipt, judge
from gateway.incoming.posted_zeros import refuse_lost_zeros
from gateway.store import postings, staging
from gateway.store.engine import Db, StorageBusy, is_other_schema
from gateway.store.entries import transaction

FILE_BYTES_MAX = (
    256 * 1024 * 1024
)  # about a million rows: a year of a large office; more is not a day's export
REFUSED_ROWS_MAX = 1_000  # more bad rows than this: it is not a posted.csv, nothing of it is posted
UNPOSTED_ROWS_MAX = 20_000  # of a file that stays unposted, to know when its receipts are posted
REFUSED_SHOWN_MAX = 20  # of the bad rows in a message; the table has them all
NOTES_MAX = 20
_BATCH_ROWS = 1_000
_SOURCE, _SERVICE = COLUMNS.index("source_system"), COLUMNS.index("service")
_AMOUNT_CELLS = tuple((name, COLUMNS.index(name)) for name in AMOUNTS)


@dataclass
class ImportResult:
    """What became of one file."""

    name: str
    state: str  # posted | unposted | already; of money files (money_file.py) imported | refused
    reason: str = ""  # why it stays unposted
    rows: int = 0
    added: int = 0
    known: int = 0
    refused: int = 0
    shown: list[tuple[int, str]] = field(
        default_factory=list
    )  # (line of the file, reason), the first REFUSED_SHOWN_MAX
    notes: list[str] = field(default_factory=list)  # what a person should know; nothing is refused
    kind: str = "posted"  # what it was taken for: gateway/incoming/kinds.py: KINDS
    why: str = ""  # and why


@dataclass
class _Reading:
    """What one pass over the file finds."""

    sources: dict[str, str]  # {name in lower case: as it was spelt first}
    rules: Rules
    is_mapped: bool = False  # a vendor's export: its control is the vendor's total
    is_vouched: bool = True  # it has a control
    digest: bytes = b""
    size_bytes: int = 0
    rows: int = 0
    forms: dict[str, tuple[int, str]] = field(
        default_factory=dict
    )  # {form of an amount: (line, column) of the first one}
    control: tuple[int, ...] | None = None
    control_forms: set[str] = field(default_factory=set)
    fault: str = ""  # first reason for which the whole file stays unposted
    services: dict[str, int] = field(default_factory=dict)  # {beyond the utilities: line}
    new_sources: dict[str, int] = field(default_factory=dict)
    versions: set[int] = field(default_factory=set)  # lines that say a known row otherwise

    @property
    def notes(self) -> list[str]:
        known = [name for name in self.sources.values() if name not in self.new_sources]
        found = [
            f"line {line}: source_system {source_shown(source)} was never seen before, known:"
            f" {', '.join(known)}; if it is one of them, correct the export before you go on"
            for source, line in self.new_sources.items()
            if known
        ]
        found += [
            f"line {line}: service {word_of(service)} is none of the utilities; declare it in"
            " [posted] services of till.toml"
            for service, line in self.services.items()
            if not self.rules.services
        ]
        found = ([] if self.is_vouched else [NO_TOTAL]) + found
        if self.versions:
            found.insert(
                0,
                (
                    f"line {min(self.versions)}: {len(self.versions)} rows say otherwise what an"
                    " earlier file said of them; both are kept, and what is known stands"
                ),
            )
        return found[:NOTES_MAX]


def import_posted(db: Db, path: Path, now_ms: int, rules: Rules | None = None) -> ImportResult:
    """Post a posted.csv. `db` is an open ledger's, outside a transaction; `rules` are the site's.

    Raises UsageError when there is no such file, PermissionDenied when it cannot be read, DataError
    when it is not a posted.csv at all (too large, another header), TryAgain when the ledger is
    locked or its disk is full.
    """
    rules = rules or Rules()
    with _busy_told(path), staging.staging(db), _opened(path) as file:
        try:
            reading = _stage(db, file, rules)
        except HeaderError as error:
            if error.is_like_ours:
                _keep_unreadable(db, path, str(error), now_ms)
            raise DataError(f"{path}:{error.line}: {error}") from error
        return _post(db, path.name, reading, now_ms)


def import_mapped(
    db: Db,
    path: Path,
    column_map: ColumnMap,
    office: Office,
    now_ms: int,
    rules: Rules | None = None,
) -> ImportResult:
    """Post a vendor's export, read through its column map; everything else as above. The control is
    the vendor's own total. The same bytes through another map are another file: a wrong map is
    corrected by importing again.
    """
    rules = rules or Rules()
    with _busy_told(path), staging.staging(db), _opened(path) as file:
        mapped = MappedFile(column_map, file, office, path.name)
        try:
            reading = _stage_mapped(db, mapped, rules)
        except DataError as error:
            _keep_unreadable(db, path, str(error), now_ms)
            raise
        return _post(db, path.name, reading, now_ms)


@contextmanager
def _busy_told(path: Path) -> Iterator[None]:
    try:
        yield
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


def _stage(db: Db, file: BinaryIO, rules: Rules) -> _Reading:
    reading = _Reading({name.casefold(): name for name in postings.sources(db)}, rules)
    lines = Lines(file)
    numbered = iter(lines)
    lines.read_header(numbered)
    batch: list[staging.StagedRow] = []
    for number, line, is_whole in numbered:
        if reading.control is not None:
            reading.fault = reading.fault or (
                f"line {number}: something follows the control line, which has to be the last;"
                " export the file again, and do not sort it"
            )
            continue
        if line[:20].lstrip(b' "').startswith(b"#control"):
            _read_control(lines, line, number, reading)
            continue
        reading.rows += 1
        batch.append(_staged_row(lines, number, line, is_whole, reading))
        if len(batch) >= _BATCH_ROWS:
            staging.stage(db, batch)
            batch.clear()
    staging.stage(db, batch)
    staging.index_staged(db)
    reading.digest, reading.size_bytes = lines.digest, lines.size_bytes
    return reading


def _stage_mapped(db: Db, mapped: MappedFile, rules: Rules) -> _Reading:
    reading = _Reading({name.casefold(): name for name in postings.sources(db)}, rules, True)
    batch: list[staging.StagedRow] = []
    for each in mapped.rows():
        reading.rows += 1
        batch.append(_staged_mapped(each, mapped.map.source_system, reading))
        if len(batch) >= _BATCH_ROWS:
            staging.stage(db, batch)
            batch.clear()
    staging.stage(db, batch)
    staging.index_staged(db)
    reading.fault = mapped.fault()
    reading.is_vouched = mapped.map.has_total
    reading.digest, reading.size_bytes = mapped.digest, mapped.size_bytes
    return reading


def _staged_mapped(each: MappedRow | Refusal, source: str, reading: _Reading) -> staging.StagedRow:
    if isinstance(each, Refusal):
        source = reading.sources.get(source.casefold(), source)
        readable = readable_of(_cells_of(each, source), reading.rules)
        told = f"{each.column}: {each.reason}" if each.column else each.reason
        return staging.refused_row(each.line, (None, None, None), "row", told, readable)
    cells = (*each.texts, each.kind)
    amounts = [int(each.texts[index]) for _, index in _AMOUNT_CELLS]
    try:
        values = values_of(cells, reading.rules)
    except RowError as error:
        readable = readable_of(cells, reading.rules)
        readable["source_system"] = reading.sources.get(source.casefold(), source)
        return staging.refused_row(each.line, amounts, "row", str(error), readable)
    return staging.sound_row(each.line, amounts, _known_names(values, each.line, reading))


def _cells_of(refusal: Refusal, source: str) -> list[str]:
    """What is known of a refused line, in the columns of posted.csv."""
    known = {
        "receipt_no": refusal.receipt_no,
        "window_id": refusal.window_id,
        "business_date": refusal.business_date,
        "source_system": source,
    }
    return [known.get(name, "") for name in COLUMNS]


def _read_control(lines: Lines, line: bytes, number: int, reading: _Reading) -> None:
    try:
        found = lines.control(line)
        assert found is not None
        reading.control, reading.control_forms = found
    except RowError as error:
        reading.control = (-1,)
        reading.fault = reading.fault or f"line {number}: unreadable control line: {error}"


def _staged_row(
    lines: Lines, number: int, line: bytes, is_whole: bool, reading: _Reading
) -> staging.StagedRow:
    """A posting, or the reason against it and what the control line and the report still need."""
    amounts: list[int | None] = [None, None, None]
    cells: list[str] = []
    try:
        cells = lines.cells(line, is_whole)
        amounts = _amounts_for_control(cells, number, reading)
        values = values_of(cells, reading.rules)
    except RowError as error:
        is_whole = True
        if isinstance(error, UnreadableRow):
            cells, is_whole = error.cells, len(error.cells) == lines.columns
            if is_whole:
                amounts = _amounts_for_control(cells, number, reading)
        readable = readable_of(cells, reading.rules, is_whole)
        if source := str(readable.get("source_system", "")):
            readable["source_system"] = reading.sources.get(source.casefold(), source)
        return staging.refused_row(number, amounts, "row", str(error), readable)
    return staging.sound_row(number, amounts, _known_names(values, number, reading))


def _known_names(
    values: tuple[str | int, ...], number: int, reading: _Reading
) -> tuple[str | int, ...]:
    """The values with the source as it was spelt first; what is new among the names is noted."""
    source, service = str(values[_SOURCE]), str(values[_SERVICE])
    spelt = reading.sources.get(source) or _spelt(source, number, reading)
    if spelt != source:
        values = (*values[:_SOURCE], spelt, *values[_SOURCE + 1 :])
    if service not in UTILITIES and service and len(reading.services) < NOTES_MAX:
        reading.services.setdefault(service, number)
    return values


def _spelt(source: str, number: int, reading: _Reading) -> str:
    """The source as it was spelt first: a name with other capitals is the same system."""
    name = source.casefold()
    if name not in reading.sources:
        reading.sources[name] = source
        reading.new_sources[source] = number
    return reading.sources[name]


def _amounts_for_control(cells: list[str], number: int, reading: _Reading) -> list[int | None]:
    found: list[int | None] = []
    for name, index in _AMOUNT_CELLS:
        try:
            cents, form = amount(name, cells[index])
        except RowError:
            cents, form = None, form_of_refused(cells[index])
        if form and form not in reading.forms:
            reading.forms[form] = (number, name)
        found.append(cents)
    return found


def _keep_unreadable(db: Db, path: Path, fault: str, now_ms: int) -> None:
    """An export whose header went wrong is on the page of its day, too."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 16):
            digest.update(chunk)
        size = file.tell()
    with transaction(db):
        if postings.known_file(db, digest.digest()) is None:
            file_id = postings.add_file(
                db, digest.digest(), path.name, size, now_ms, "unposted", fault, (0, 0, 0, 0)
            )
            staging.keep_fault(db, file_id, fault, "")


# --- posting --------------------------------------------------------------------------------------


def _post(db: Db, name: str, reading: _Reading, now_ms: int) -> ImportResult:
    staging.refuse(db, _contradictions(db))
    fault = reading.fault or _fault(db, reading)
    with transaction(db):
        if not fault:
            staging.refuse(db, list(_collisions(db, reading)))
            refuse_lost_zeros(db)
        staging.refuse_rest_of_receipts(db)
        known = _known_file(db, name, reading, fault)
        return known or _post_rows(db, name, reading, fault, now_ms)


def _contradictions(db: Db) -> Iterator[tuple[str, str, int]]:
    """(code, reason, line) against rows of which this file gives several that cannot be one."""
    said = staging.said_twice(db)
    for (_, receipt, line_no, _), group in groupby(said, key=lambda row: row[:4]):
        rows = list(group)
        code, reason = judge(receipt, line_no, [Said(*row[5:]) for row in rows])
        if code:
            for row in rows:
                yield code, reason, row[4]


def _collisions(db: Db, reading: _Reading) -> Iterator[tuple[str, str, int]]:
    """(code, reason, line) against rows that have the number of another receipt of the ledger; the
    others are versions.
    """
    others: set[int] = set()
    for line, receipt, line_no, ours, theirs in staging.said_before(db):
        one, other = Said(*ours), Said(*theirs)
        if is_other_receipt(one, other):
            where = f"in the ledger, of {other.business_date} at {other.window_id}"
            others.add(line)
            yield "collision", collision(receipt, line_no, where, (one, other)), line
        else:
            reading.versions.add(line)
    reading.versions -= others


def _fault(db: Db, reading: _Reading) -> str:
    """Why the whole file stays unposted; empty when nothing speaks against it."""
    if reading.is_mapped:
        return _too_many_refused(db)
    if reading.control is None:
        return (
            "no control line at the end: the file was cut short, or the export did not finish;"
            " export the day again"
        )
    if len(reading.forms) > 1:
        (cents_line, cents_name), (line, name) = reading.forms["cents"], reading.forms["units"]
        return (
            f"amounts are written in two ways: line {cents_line} {cents_name} without a point, line"
            f" {line} {name} with one; a spreadsheet does that; export whole cents, or two places"
            " everywhere"
        )
    return _too_many_refused(db) or _control_fault(db, reading)


def _too_many_refused(db: Db) -> str:
    refused = staging.refused_count(db, "receipt")
    if refused <= REFUSED_ROWS_MAX:
        return ""
    return f"{refused} bad rows, limit {REFUSED_ROWS_MAX}; it is no posted.csv: see its columns"


def _control_fault(db: Db, reading: _Reading) -> str:
    """What the control line and the rows disagree about. What cannot be read of a refused row may
    be the rest of a sum; then the control line's amounts have to be written as those of the rows.
    """
    assert reading.control is not None
    rows, *stated = reading.control
    if rows != reading.rows:
        return (
            f"control total rows: the control line says {rows}, the rows give {reading.rows};"
            " export the day again"
        )
    unread = staging.unread_amounts(db)
    if reading.forms and reading.control_forms - reading.forms.keys():
        unread = (0, 0, 0)
    sums = (0, 0, 0)
    for sums in staging.staged_sums(db):
        if all(
            said == has or missing for said, has, missing in zip(stated, sums, unread, strict=True)
        ):
            return ""
    for what, said, has, missing in zip(AMOUNTS, stated, sums, unread, strict=True):
        if said != has and not missing:
            name = what.replace("_amount", "")
            return (
                f"control total {name}: the control line says {said}, the rows give {has};"
                " export the day again"
            )
    return "control totals: no way of counting the rows gives all three; export the day again"


def _known_file(db: Db, name: str, reading: _Reading, fault: str) -> ImportResult | None:
    """What became of this very file before. None when it is new, or when something of it can be
    posted now that was refused then, because till.toml or the ledger has changed: then it is
    recorded once more, and `reading.digest` is its next name.
    """
    known = postings.known_file(db, reading.digest)
    if known is None:
        return None
    was_whole = known["state"] == "posted" and not known["refused"]
    if not was_whole and not fault and staging.new_count(db):
        while postings.known_file(db, reading.digest) is not None:
            reading.digest = hashlib.sha256(b"again" + reading.digest).digest()
        return None
    file_id = known.pop("id")
    shown = postings.refused_lines(db, file_id, REFUSED_SHOWN_MAX)
    state = "already" if known.pop("state") == "posted" else "unposted"
    if state == "already":
        staging.settle(db, file_id, name, known["refused"] == 0, staging.dates_of(db))
    return ImportResult(name, state, **known, shown=shown)


def _post_rows(db: Db, name: str, reading: _Reading, fault: str, now_ms: int) -> ImportResult:
    dates = staging.dates_of(db)
    refused = staging.refused_count(db)
    added = 0 if fault else staging.new_count(db)
    known = 0 if fault else reading.rows - refused - added
    state = "unposted" if fault else "posted"
    counts = (reading.rows, added, known, refused)
    file_id = postings.add_file(
        db, reading.digest, name, reading.size_bytes, now_ms, state, fault, counts, dates
    )
    if not fault:
        staging.post_new(db, file_id)
        staging.settle(db, file_id, name, refused == 0, dates)
    staging.keep_refused(db, file_id, REFUSED_ROWS_MAX, UNPOSTED_ROWS_MAX if fault else 0)
    sound = reading.rows - refused
    if fault and (sound == 0 or sound > UNPOSTED_ROWS_MAX):
        staging.keep_fault(db, file_id, fault, dates[1])
    shown = postings.refused_lines(db, file_id, REFUSED_SHOWN_MAX)
    return ImportResult(name, state, fault, *counts, shown, reading.notes)
