"""The lines of a posted file, whatever a spreadsheet made of them: header, rows, control line.

Read is what is certain: UTF-8 with or without its mark, UTF-16, lines that end in LF, CRLF or CR,
commas, semicolons or tabs (the header tells), quotes around anything, rows without one character.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from gateway.facts.postings import COLUMNS, OPTIONAL_COLUMNS
from gateway.incoming.posted_amount import RowError, amount

ROW_BYTES_MAX = 2_048  # 23 fields of at most 40 characters and their quotes
_CHUNK_BYTES = 1 << 16
_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_]{0,23}", re.ASCII)
_OURS = (*COLUMNS, *OPTIONAL_COLUMNS)
_DELIMITERS = ",;\t|"
_NO_CHARACTER = b' \t,;|"\r\n\x00'
_CONTROL_FIELDS = ("rows", "tender_cents", "change_cents", "allocation_cents")
_CONTROL_FIELD = re.compile(r"([a-z_]+) ?= ?([-+.,\d]+)", re.ASCII)


class HeaderError(ValueError):
    """The first line is not the header of a posted.csv. `is_like_ours`: most of it is, so it is an
    export that has gone wrong and not another file.
    """

    def __init__(self, line: int, text: str, is_like_ours: bool) -> None:
        super().__init__(text)
        self.line = line
        self.is_like_ours = is_like_ours


@dataclass
class Lines:
    """The lines of one file, in order; then what is known of all of it."""

    file: BinaryIO
    size_bytes: int = 0
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    delimiter: str = ","
    _order: list[int] | None = None  # of the cells; None: they stand as in COLUMNS
    columns: int = len(COLUMNS)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the file, once it was read to its end."""
        return self._digest.digest()

    def __post_init__(self) -> None:
        self.file = self._plain(self.file)

    def _plain(self, file: BinaryIO) -> BinaryIO:
        """The file as UTF-8 with LF, in a file that goes when it is closed; the file itself when it
        is that already.
        """
        beginning = file.read(_CHUNK_BYTES)
        file.seek(0)
        encoding = _encoding_of(beginning)
        if encoding is None and (b"\n" in beginning or b"\r" not in beginning):
            return file
        decoder = codecs.getincrementaldecoder(encoding or "latin-1")("replace")
        plain = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the import
        while chunk := file.read(_CHUNK_BYTES):
            text = decoder.decode(chunk)
            self._digest.update(chunk)
            self.size_bytes += len(chunk)
            made = text.encode("utf-8" if encoding else "latin-1", "replace")
            plain.write(made if b"\n" in beginning else made.replace(b"\r", b"\n"))
        plain.seek(0)
        self._is_converted = True
        return plain

    _is_converted: bool = False

    def __iter__(self) -> Iterator[tuple[int, bytes, bool]]:
        """(line number, line without its end, whether it is whole) of each line with a character in
        it; of one over ROW_BYTES_MAX the beginning.
        """
        number = 0
        while line := self.file.readline(ROW_BYTES_MAX + 2):
            number += 1
            is_whole = line.endswith(b"\n") or len(line) < ROW_BYTES_MAX + 2
            self._count(line)
            rest = line
            while not is_whole and rest and not rest.endswith(b"\n"):
                rest = self.file.readline(ROW_BYTES_MAX + 2)
                self._count(rest)
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            line = line.rstrip(b"\r\n")
            if line and line.strip(_NO_CHARACTER):
                yield number, line, is_whole

    def _count(self, some: bytes) -> None:
        if not self._is_converted:
            self._digest.update(some)
            self.size_bytes += len(some)

    def read_header(self, lines: Iterator[tuple[int, bytes, bool]]) -> None:
        """Take the header off. Raises HeaderError."""
        number, line, _ = next(lines, (1, b"", True))
        if re.fullmatch(rb'"?sep=.;?"?', line):  # a spreadsheet's own first line
            number, line, _ = next(lines, (2, b"", True))
        text = line.decode("utf-8", "replace")
        names, self.delimiter = _names_of(text)
        if tuple(names) == COLUMNS:
            return
        fault = _header_fault(names)
        if fault:
            raise HeaderError(number, fault, len(set(names) & set(_OURS)) > len(COLUMNS) // 2)
        self.columns = len(names)
        if tuple(names) != _OURS:
            self._order = [names.index(name) for name in _OURS if name in names]

    def cells(self, line: bytes, is_whole: bool = True) -> list[str]:
        """The cells of a row in the order of COLUMNS, then its kind. Raises RowError, whose
        `cells` are what can be read.
        """
        if not is_whole:
            readable = line[:ROW_BYTES_MAX].decode("latin-1").split(self.delimiter)[:-1]
            raise UnreadableRow(
                f"longer than {ROW_BYTES_MAX} bytes; a quote or a line end is missing, or it is no"
                " row",
                readable,
            )
        try:
            cells = self._split(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            read = self._ordered(self._split(line.decode("latin-1")))
            before = line[: error.start].decode("utf-8").count(self.delimiter)
            name = f"column {before + 1}"
            if len(read) >= len(COLUMNS) and self._order is None and b'"' not in line:
                name = _OURS[min(before, len(_OURS) - 1)]
            raise UnreadableRow(
                f"{name}: byte {line[error.start]:#04x} is not UTF-8; export the file as UTF-8, or"
                " name its encoding in a column map",
                read,
            ) from None
        if len(cells) != self.columns:
            raise UnreadableRow(
                f"{len(cells)} fields, expected {self.columns}; a text with a comma in it wants"
                " quotes",
                cells,
            )
        return self._ordered(cells)

    def _split(self, text: str) -> list[str]:
        if '"' not in text:
            return text.split(self.delimiter)
        try:
            return next(csv.reader([text], delimiter=self.delimiter, strict=True), [])
        except csv.Error as error:
            raise UnreadableRow(
                f"not CSV: {error}; a quote in a text is written twice",
                text.partition('"')[0].split(self.delimiter)[:-1],
            ) from None

    def _ordered(self, cells: list[str]) -> list[str]:
        if self._order is None or len(cells) != self.columns:
            return cells
        return [cells[index] for index in self._order]

    def control(self, line: bytes) -> tuple[tuple[int, ...], set[str]] | None:
        """((rows, tender, change, allocation), forms of its amounts) of a control line; None for
        another line. Raises RowError for one that cannot be read.
        """
        if not line.lstrip(b' "').startswith(b"#control"):
            return None
        text = line.decode("ascii", "replace").replace('"', "")
        separator = self.delimiter if self.delimiter in text else ","
        cells = [cell.strip() for cell in text.split(separator) if cell.strip()]
        found = {
            match.group(1): match.group(2)
            for cell in cells[1:]
            if (match := _CONTROL_FIELD.fullmatch(cell))
        }
        is_ours = cells[0] == "#control" and len(cells) == len(_CONTROL_FIELDS) + 1
        if not is_ours or list(found) != list(_CONTROL_FIELDS) or not found["rows"].isdigit():
            raise RowError(
                "it is not #control,rows=..,tender_cents=..,change_cents=..,allocation_cents=..;"
                " let the export write it so"
            )
        sums = [amount("control", found[name]) for name in _CONTROL_FIELDS[1:]]
        return (
            (int(found["rows"][:9]), *(cents for cents, _ in sums)),
            {form for _, form in sums if form},
        )


class UnreadableRow(RowError):
    """A line that is no row; `cells` as far as they can be told."""

    def __init__(self, text: str, cells: Sequence[str]) -> None:
        super().__init__(text)
        self.cells = list(cells)


def _encoding_of(beginning: bytes) -> str | None:
    """UTF-16 by its mark, or by the header's first letters; None for all else."""
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if re.match(rb'("\x00)?[a-z]\x00[a-z]\x00', beginning):
        return "utf-16-le"
    if re.match(rb'(\x00")?\x00[a-z]\x00[a-z]', beginning):
        return "utf-16-be"
    return None


def _names_of(text: str) -> tuple[list[str], str]:
    """The header's names and what stands between them."""
    best: tuple[list[str], str] = ([], ",")
    for delimiter in _DELIMITERS:
        try:
            names = next(csv.reader([text], delimiter=delimiter), [])
        except csv.Error:
            continue
        names = [name.strip().strip('"') for name in names]
        names = [name.lower() if name.lower() in _OURS else name for name in names]
        while names and not names[-1] and len(names) > len(COLUMNS):
            names.pop()  # commas that a spreadsheet leaves at the end
        if len(set(names) & set(_OURS)) > len(set(best[0]) & set(_OURS)) or not best[0]:
            best = names, delimiter
    return best


def _header_fault(names: Sequence[str]) -> str:
    """What is wrong with the names of the columns; empty for nothing."""
    if not any(names):
        return f"column 1 is something else, expected '{COLUMNS[0]}'; see docs/posted-csv.md"
    twice = next((name for name in names if name in _OURS and names.count(name) > 1), "")
    if twice:
        return f"column {twice} stands there twice; take one out"
    for index, name in enumerate(names):
        if name not in _OURS:
            shown = repr(name) if _COLUMN_NAME.fullmatch(name) else "something else"
            wanted = COLUMNS[index] if index < len(COLUMNS) else ""
            if wanted and wanted not in names:
                return f"column {index + 1} is {shown}, expected '{wanted}'; see docs/posted-csv.md"
            return (
                f"column {index + 1} is {shown}, which is no column of a posted.csv; take it out;"
                " see docs/posted-csv.md"
            )
    missing = next((name for name in COLUMNS if name not in names), "")
    if missing:
        return f"column {missing} is missing; see docs/posted-csv.md"
    return ""
