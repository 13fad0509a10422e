"""A vendor's export, read through its column map: rows of posted.csv, refusals, and what the
vendor's own totals say. docs/maps.md is the page.

    mapped = MappedFile(load_map("square"), file, office)
    for each in mapped.rows():       # MappedRow or Refusal, in the order of the file
        ...
    mapped.fault()                   # afterwards: why nothing of the file may be posted, or ""

It is a stream: no row is kept. Nothing is dropped silently: `counts` says what every line was.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from gateway.errors import DataError
from gateway.facts.postings import COLUMNS
from gateway.incoming.column_map import POSITIONS, ColumnMap, LinesTable, TotalTable
from gateway.incoming.column_map_fit import fields_used
from gateway.incoming.column_map_lines import (
    FieldError,
    Line,
    Reading,
    delimited,
    whole_rows,
)
from gateway.incoming.column_map_plan import MappedRow, Office, Plan, Refusal, RefusedLine
from gateway.incoming.column_map_totals import Control, Total
from gateway.toml_problems import did_you_mean

_STATUS, _TENDER = COLUMNS.index("status"), COLUMNS.index("tender_type")
NO_TOTAL = "the export has no total of its own: nothing vouches that the file is whole"

__all__ = ["Control", "MappedFile", "MappedRow", "NO_TOTAL", "Office", "Refusal"]


class MappedFile:
    """One export. `name` is the file's, for errors; `office`: the site's zone and cut-off.

    `rows()` raises DataError when the map is not of this file: its header lacks a column that the
    map names.
    """

    def __init__(
        self,
        column_map: ColumnMap,
        file: BinaryIO,
        office: Office = Office(),  # noqa: B008  # frozen
        name: str = "the export",
    ) -> None:
        self.map = column_map
        self.unused: tuple[str, ...] = ()  # columns of the header that the map does not read
        self.counts: Counter[str] = Counter()  # {what a line was: how many}
        self._name = name
        self._office = office
        self._reading = Reading(file, column_map.file.encoding)
        self._is_fixed = column_map.file.format == "fixed"
        self._spans = [place for place in column_map.fields.values() if place[1] >= 0]
        self._header: list[str] = []
        self._width = 0  # fields that a line has to have
        self._needed = 0  # fields that the map reads: the place of the last one, and one
        self._head = [""] * len(column_map.head)  # values that stand before the rows, for each
        self._totals: list[Total] = []
        self._by_tender = any(each.tenders for each in column_map.total)
        self._early: list[tuple[TotalTable, int, str | None]] = []
        self._last_line: Line | None = None
        self._ended_at = 0  # line of a total after which nothing may come
        self._fault = ""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the file and of its map, once it is read: through another map it says
        something else.
        """
        return hashlib.sha256(self._reading.digest + repr(self.map).encode()).digest()

    @property
    def size_bytes(self) -> int:
        """Of the file, once it is read."""
        return self._reading.size_bytes

    @property
    def controls(self) -> list[Control]:
        """The vendor's totals and what the rows give, once the file is read."""
        return [each for total in self._totals for each in total.done]

    def fault(self) -> str:
        """Why nothing of the file may be posted, once it is read; empty when nothing speaks
        against it. An export without a total of its own has no fault, and nothing vouches that it
        is whole: `self.map.has_total`.
        """
        faults = [self._fault, *(total.fault for total in self._totals)]
        return next((each for each in faults if each), "")

    def rows(self) -> Iterator[MappedRow | Refusal]:
        """Each row of the file; of one line come several where it has several tenders."""
        plan: Plan | None = None
        if not self.map.file.header:
            self._index_everything()
        for line in self._body():
            if plan is None:
                plan = Plan(self.map, self._index, self._office)
                self._totals = [Total(each, self._index, self.map.money) for each in self.map.total]
            yield from self._row(line, plan)
        if plan is None:
            self._totals = [Total(each, self._index, self.map.money) for each in self.map.total]
        self._finish()

    # --- lines ------------------------------------------------------------------------------------

    def _body(self) -> Iterator[Line]:
        """The lines that may be rows; what stands before and after them is taken on the way."""
        told = self.map.file
        lines = self._reading.lines()
        if told.line_breaks:
            lines = whole_rows(lines, told.delimiter, told.quote)
        has_last = any(total.at == "last row" for total in self.map.total)
        is_first = any(total.at == "first row" for total in self.map.total)
        wants_header = told.header
        held: deque[Line] = deque()
        for line in lines:
            if line.number <= told.skip_first:
                self._banner(line)
            elif wants_header:
                self._read_header(line)
                wants_header = False
            elif is_first:
                self._early_total(line, "first row")
                is_first = False
            else:
                held.append(line)
                if len(held) > told.skip_last + has_last:
                    yield held.popleft()
        if wants_header:
            raise DataError(
                f"{self._name}: no header row; the file is empty or skip_first too high"
            )
        if has_last and len(held) > told.skip_last:
            self._last_line = held.popleft()
        self.counts["skipped after the rows"] += len(held)

    def _banner(self, line: Line) -> None:
        is_total = False
        for place, head in enumerate(self.map.head.values()):
            if head.line == line.number:
                if head.cell:
                    self._head[place] = (self._at(head.cell, line) or "").strip()
                else:
                    self._head[place] = line.text.partition(head.after)[2].strip()
        for total in self.map.total:
            is_here = total.at == "line" and total.line == line.number
            if is_here or (total.at == "match" and self._meant(total, line)):
                self._early.append((total, line.number, self._cell(total, line)))
                is_total = True
                if total.each:
                    self._fault = self._fault or f"line {line.number}: a total before its rows"
        self.counts["with a total" if is_total else "skipped before the rows"] += 1

    def _early_total(self, line: Line, at: str) -> None:
        for total in self.map.total:
            if total.at == at:
                self._early.append((total, line.number, self._cell(total, line)))
        self.counts["with a total"] += 1

    def _finish(self) -> None:
        early = [(id(told), line, text) for told, line, text in self._early]
        for total in self._totals:
            for key, line, text in early:
                if key == id(total.told):
                    total.state(line, text)
            if total.told.at == "last row" and self._last_line is not None:
                total.state(self._last_line.number, self._cell(total.told, self._last_line))
        if self._last_line is not None:
            self.counts["with a total"] += 1

    # --- fields -----------------------------------------------------------------------------------

    def _read_header(self, line: Line) -> None:
        try:
            cells = self._split(line)
        except FieldError as error:
            line = line._replace(fault=line.fault or str(error))
        if line.fault:
            raise DataError(
                f"{self._name}:{line.number}: the header cannot be read: {line.fault}; see encoding"
                " and quote of [file] in the map"
            )
        self._header = [cell.strip() for cell in cells]
        self._width = len(self._header)
        self._index_everything(line.number)
        used = {name for _, name in fields_used(self.map)}
        self.unused = tuple(name for name in self._header if name and name not in used)

    def _index_everything(self, line: int = 0) -> None:
        """Every field of the map has its place, or the map is not of this file."""
        for place, name in fields_used(self.map):
            times = self._header.count(name)
            if name not in self.map.fields and name not in self.map.head and times != 1:
                where = f"{self._name}:{line}" if line else self._name
                near = did_you_mean(name, self._header) if self._header else ""
                what = "stands in the header twice" if times else f"is not in the header{near}"
                if len(self._header) == 1:
                    what += ", which has one field alone: is delimiter of [file] right?"
                raise DataError(
                    f"{where}: column {name!r} of [{'.'.join(place)}] {what}; the map"
                    f" {self.map.title!r} is not of this export, or the export has changed: correct"
                    " the map (docs/maps.md), or give the column a number in [fields]"
                )
            if name not in self.map.head:
                self._needed = max(self._needed, self._index(name) + 1)

    def _index(self, name: str) -> int:
        if name in self.map.head:
            return self._row_width + list(self.map.head).index(name)
        if name in self.map.fields:
            if self._is_fixed:
                return list(self.map.fields).index(name)
            return self.map.fields[name][0]
        return self._header.index(name)

    @property
    def _row_width(self) -> int:
        """Fields of a row, those that stand before the rows not counted."""
        return len(self._spans) if self._is_fixed else max(self._width, self._needed)

    def _split(self, line: Line) -> list[str]:
        """The fields of a line. Raises FieldError."""
        told = self.map.file
        if not self._is_fixed:
            return delimited(line.text, told.delimiter, told.quote)
        if "\t" in line.text:
            raise FieldError("a tab, which moves every position after it")
        return [line.text[start:end] for start, end in self._spans]

    def _cells(self, line: Line) -> list[str]:
        """The fields of a row, as many as the map needs. Raises RefusedLine."""
        try:
            cells = self._split(line)
        except FieldError as error:
            raise RefusedLine("", line.fault or str(error)) from None
        if line.fault and len(cells) < (self._width or self._needed):
            raise RefusedLine("", line.fault)
        if self._is_fixed:
            self._check_length(line.text)
            return cells + self._head
        want = self._width or self._needed
        if len(cells) < want:
            if not self.map.file.short_lines:
                raise RefusedLine("", f"{len(cells)} fields, expected {want}")
            cells += [""] * (want - len(cells))
        if self._width and any(cell.strip() for cell in cells[self._width :]):
            raise RefusedLine("", f"{len(cells)} fields, the header has {self._width}")
        return cells[:want] + self._head if self._head else cells

    def _check_length(self, text: str) -> None:
        told = self.map.file
        if told.line_length and len(text) != told.line_length:
            raise RefusedLine("", f"{len(text)} characters, expected {told.line_length}")
        if told.short_lines or told.line_length:
            return
        for name, (start, end) in self.map.fields.items():
            is_amount = any(
                name in self.map.columns.get(ours, ())
                for ours in ("tender_amount_cents", "change_cents", "allocation_cents")
            )
            if len(text) < (end if is_amount or name in self.map.tenders else start + 1):
                raise RefusedLine(name, f"the line ends after {len(text)} characters")

    # --- what a line is ---------------------------------------------------------------------------

    def _row(self, line: Line, plan: Plan) -> Iterator[MappedRow | Refusal]:
        if not line.fault and self._is_no_row(line):
            return
        if self._ended_at:
            self._fault = self._fault or (
                f"line {line.number}: something follows the total of line {self._ended_at}"
            )
        if not line.fault and self.map.rows is not None and not self._meant(self.map.rows, line):
            self.counts["refused"] += 1
            reason = "neither a row, as [rows] says, nor a total, nor in [[ignore]]"
            yield Refusal(line.number, self.map.rows.field, reason)
            return
        self.counts["with rows"] += 1
        cells: Sequence[str] = ()
        try:
            cells = self._cells(line)
            if line.fault:
                raise RefusedLine("", line.fault)
            rows = plan.rows(line.number, cells)
        except RefusedLine as error:
            self.counts["refused"] += 1
            if cells:
                self._add(line.number, cells, plan.state_of(cells), plan.tenders_of(cells))
            else:
                self._add(line.number, (), "", ())
            named = plan.named(cells) if cells else ("", "", "")
            over = f" (the row goes over lines {line.number} to {line.end})" if line.end else ""
            yield Refusal(line.number, error.column, error.reason + over, *named)
            return
        tenders = [each.texts[_TENDER] for each in rows] if self._by_tender else ()
        self._add(line.number, cells, rows[0].texts[_STATUS], tenders)
        yield from rows

    def _add(self, line: int, cells: Sequence[str], state: str, tenders: Sequence[str]) -> None:
        for total in self._totals:
            total.add(line, cells, state, tenders)

    def _is_no_row(self, line: Line) -> bool:
        """Whether the line is a total, or one that the map leaves out."""
        is_total = False
        for total in self._totals:
            if total.told.at == "match" and self._meant(total.told, line):
                total.state(line.number, self._cell(total.told, line))
                is_total = True
                if not total.told.each:
                    self._ended_at = line.number
        if is_total:
            self.counts["with a total"] += 1
            return True
        for each in self.map.ignore:
            if self._meant(each, line):
                said = each.starts or f"{each.field} = {', '.join(each.values)}"
                self.counts[f"left out: {said}"] += 1
                return True
        return False

    def _meant(self, told: LinesTable | TotalTable, line: Line) -> bool:
        if told.starts and not line.text.startswith(told.starts):
            return False
        return not told.field or (self._at(told.field, line) or "").strip() in told.values

    def _cell(self, told: TotalTable, line: Line) -> str | None:
        return self._at(told.cell or told.of[0].removeprefix("-"), line)

    def _at(self, name: str, line: Line) -> str | None:
        """The text of a field, or of a place that is written as in [fields]; None: not there."""
        if line.fault:
            return None
        place = POSITIONS.fullmatch(name)
        if self._is_fixed:
            start, end = (
                (int(place[1]) - 1, int(place[2])) if place else self.map.fields.get(name, (0, 0))
            )
            return line.text[start:end] if end and len(line.text) > start else None
        try:
            cells = self._split(line)
        except FieldError:
            return None
        is_known = name in self.map.fields or name in self._header
        if not is_known and not (name.isascii() and name.isdecimal()):
            return None
        index = self._index(name) if is_known else int(name) - 1
        return cells[index] if 0 <= index < len(cells) else None
