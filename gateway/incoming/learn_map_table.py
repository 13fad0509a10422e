"""An unknown export as a table: encoding, delimiter or positions, header, rows. For learn_map.py.

Nothing is guessed that the bytes do not show; what they do not show is in `asked`.
"""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from dataclasses import dataclass, field

from gateway.errors import DataError
from gateway.incoming.column_map_lines import (
    FieldError,
    Line,
    Reading,
    delimited,
    whole_rows,
)

LINES_MAX = 5_000  # of a sample; more rows show nothing new
_DELIMITERS = (",", ";", "\t", "|")
_HAS_DIGIT = re.compile(r"\d")


@dataclass
class Told:
    """What the learner found, and what a person has to say."""

    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@dataclass
class Table:
    """The rows of a sample. `names`: of the fields, in their order; `rows`: (line, cells);
    `others`: lines that are no rows, (line, cells).
    """

    encoding: str
    delimiter: str  # empty: fixed width
    spans: list[tuple[int, int]]  # of a fixed width, from 0
    has_header: bool
    header_line: int
    skip_first: int
    names: list[str]
    rows: list[tuple[int, list[str]]]
    others: list[tuple[int, list[str]]]
    line_breaks: bool = False  # a quoted field goes over several lines
    subtotals: tuple[str, ...] = ()  # first texts of rows that were taken for subtotals

    def column(self, place: int) -> list[str]:
        """The texts of a field, without blanks around them."""
        return [cells[place].strip() for _, cells in self.rows]


def table_of(data: bytes, told: Told) -> Table:
    """The table in a sample. Raises DataError when there is none."""
    encoding = _encoding(data, told)
    lines = []
    for line in Reading(io.BytesIO(data), encoding).lines():
        if line.fault:
            told.asked.append(f"line {line.number} cannot be read: {line.fault}")
        else:
            lines.append(line)
        if len(lines) >= LINES_MAX:
            told.said.append(f"only the first {LINES_MAX} lines were looked at")
            break
    if len(lines) < 3:
        raise DataError(
            "the sample has fewer than three lines; name an export of a day with several receipts"
        )
    delimiter = _delimiter(lines, told)
    if not delimiter:
        return _fixed(lines, encoding, told)
    lines = list(whole_rows(iter(lines), delimiter, '"'))
    table = _delimited([line for line in lines if not line.fault], encoding, delimiter, told)
    told.asked += [f"line {line.number}: {line.fault}" for line in lines if line.fault]
    table.line_breaks = any(line.end for line in lines)
    if table.line_breaks:
        told.said.append("a quoted field goes over several lines")
    return table


def _encoding(data: bytes, told: Told) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        told.said.append("encoding: utf-16, by its first two bytes")
        return "utf-16"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        told.asked.append(
            "encoding: not utf-8. cp1252 (Windows) is written down; look at names with accents,"
            " it could be cp437 (DOS) or latin-1"
        )
        return "cp1252"
    told.said.append("encoding: utf-8" + (", all of it ascii" if data.isascii() else ""))
    return "utf-8"


def _delimiter(lines: list[Line], told: Told) -> str:
    """The sign that gives most lines the same number of fields, at least two; empty: none does."""
    found = []
    for sign in _DELIMITERS:
        widths = Counter(_width(line.text, sign) for line in lines)
        width, times = max(widths.items(), key=lambda each: (each[1] * (each[0] > 1), each[0]))
        if width > 1 and 2 * times > len(lines):
            found.append((times, width, sign))
    if not found:
        told.said.append("no sign divides most lines into the same number of fields: fixed width")
        return ""
    times, width, sign = max(found)
    shown = {"\t": "tab"}.get(sign, sign)
    told.said.append(f"delimiter {shown}: {times} of {len(lines)} lines have {width} fields")
    return sign


def _width(text: str, sign: str) -> int:
    try:
        return len(delimited(text, sign, '"'))
    except FieldError:
        return 0


def _delimited(lines: list[Line], encoding: str, delimiter: str, told: Told) -> Table:
    split: list[tuple[int, list[str]]] = []
    for line in lines:
        try:
            split.append((line.number, delimited(line.text, delimiter, '"')))
        except FieldError as error:
            told.asked.append(f"line {line.number}: {error}")
    width = Counter(len(cells) for _, cells in split).most_common(1)[0][0]
    full = [each for each in split if len(each[1]) == width]
    first, cells = full[0]
    texts = [cell.strip() for cell in cells]
    is_header = (
        all(texts)
        and len(set(texts)) == len(texts)
        and not any(_HAS_DIGIT.search(text) for text in texts)
    )
    if is_header:
        told.said.append(f"line {first} is the header: {width} different words without a digit")
    else:
        told.said.append("no header row: the fields are named by their numbers")
    rows = full[1:] if is_header else full
    taken = {line for line, _ in full}
    before = [line for line, _ in split if line < first]
    if before:
        told.said.append(f"{len(before)} lines stand before it")
    return Table(
        encoding=encoding,
        delimiter=delimiter,
        spans=[],
        has_header=is_header,
        header_line=first if is_header else 0,
        skip_first=first - 1 if before else 0,
        names=texts if is_header else [f"field{place}" for place in range(1, width + 1)],
        rows=rows,
        others=[each for each in split if each[0] not in taken],
    )


def _begins(line: Line) -> str:
    """The letter that begins a line, which may be its type; one sign for all else."""
    return line.text[0] if line.text[0].isalpha() else "1"


def _fixed(lines: list[Line], encoding: str, told: Told) -> Table:
    """Fields are parted by the positions that are blank in every line of the usual length."""
    usual = Counter(_begins(line) for line in lines).most_common(1)[0][0]
    body = [line for line in lines if _begins(line) == usual]
    width = max(len(line.text) for line in body)
    used = [
        any(not line.text[place : place + 1].isspace() and place < len(line.text) for line in body)
        for place in range(width)
    ]
    spans, start = [], -1
    for place in range(width + 1):
        is_used = place < width and used[place]
        if is_used and start < 0:
            start = place
        elif not is_used and start >= 0:
            spans.append((start, place))
            start = -1
    if len(spans) < 2:
        raise DataError(
            "neither a delimiter nor positions that are blank in every line: the fields cannot be"
            " told apart; write [fields] by hand from the vendor's layout (docs/maps.md)"
        )
    told.asked.append(
        "[fields]: the positions are those that are blank in every line of the sample; fields that"
        " touch look like one, and a longer text may reach further: compare the vendor's layout"
    )
    taken = {line.number for line in body}
    return Table(
        encoding=encoding,
        delimiter="",
        spans=spans,
        has_header=False,
        header_line=0,
        skip_first=0,
        names=[f"field{place}" for place in range(1, len(spans) + 1)],
        rows=[(line.number, [line.text[a:b] for a, b in spans]) for line in body],
        others=[(line.number, [line.text]) for line in lines if line.number not in taken],
    )
