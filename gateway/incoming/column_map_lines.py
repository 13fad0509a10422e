"""The lines of a vendor's export, and the fields of a line. A stream: a file of any size takes the
memory of its longest line, which is bounded.

Lines end with LF, CR LF, or CR alone. What cannot be read is told for its line; the lines after it
are read.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

LINE_BYTES_MAX = 65_536  # a row with a long description; more is no row of receipts
BROKEN_LINES_MAX = 20  # lines that one quoted field may go over
_CHUNK_BYTES = 65_536
_BOM = codecs.BOM_UTF8
_END_OF_FILE = "\x1a"  # DOS wrote it after the last line


class Line(NamedTuple):
    """One line. `fault`: why it cannot be read; empty when it can. Of a line with a fault `text`
    has what could be read, with a replacement character for the rest.
    """

    number: int
    text: str
    fault: str = ""
    end: int = 0  # its last line, of a row that goes over several


class Reading:
    """The lines of one file, and what was seen of its bytes."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def digest(self) -> bytes:
        """SHA-256 of all bytes that were read."""
        return self._digest.digest()

    def lines(self) -> Iterator[Line]:
        """Each line that is not blank."""
        wide = self._encoding == "utf-16"
        raw = _split(self._decoded() if wide else self._chunks())
        for number, line in enumerate(raw, 1):
            if number == 1:
                line = line.removeprefix(_BOM) if line is not None else None
            if line is None:
                yield Line(number, "", f"longer than {LINE_BYTES_MAX} bytes")
                continue
            try:
                text = line.decode("utf-8" if wide else self._encoding)
            except UnicodeDecodeError as error:
                # the rest of the line still counts for the vendor's total
                text = line.decode(self._encoding, "replace")
                yield Line(number, text, f"byte {error.start + 1} is not {self._encoding}")
                continue
            if wide and "\N{REPLACEMENT CHARACTER}" in text:
                yield Line(number, text, "not utf-16")
            elif text.strip() and text != _END_OF_FILE:
                yield Line(number, text)

    def _chunks(self) -> Iterator[bytes]:
        while chunk := self._file.read(_CHUNK_BYTES):
            self._digest.update(chunk)
            self.size_bytes += len(chunk)
            yield chunk

    def _decoded(self) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder("utf-16")("replace")
        for chunk in self._chunks():
            yield decoder.decode(chunk).encode("utf-8", "replace")
        yield decoder.decode(b"", True).encode("utf-8", "replace")


def _split(chunks: Iterator[bytes]) -> Iterator[bytes | None]:
    """The lines without their ends; None for one that is too long."""
    rest = b""
    is_long = False
    for chunk in chunks:
        data = rest + chunk
        held = b""
        if data.endswith(b"\r"):  # the LF that belongs to it may be next
            data, held = data[:-1], b"\r"
        lines = data.splitlines(keepends=True)
        rest = b""
        if lines and not lines[-1].endswith((b"\n", b"\r")):
            rest = lines.pop()
        for line in lines:
            yield None if is_long or len(line) > LINE_BYTES_MAX else line.rstrip(b"\r\n")
            is_long = False
        rest += held
        if len(rest) > LINE_BYTES_MAX:
            is_long, rest = True, held
    if rest.endswith(b"\r"):
        rest = rest[:-1]
    if rest or is_long:
        yield None if is_long or len(rest) > LINE_BYTES_MAX else rest


class FieldError(ValueError):
    """Why the fields of a line cannot be told apart."""


def delimited(text: str, delimiter: str, quote: str) -> list[str]:
    """The fields of a line. Raises FieldError."""
    if not quote or quote not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, quotechar=quote, strict=True))
    except (csv.Error, StopIteration):
        raise FieldError(
            "quotes that do not close; set line_breaks if a field may go over several lines"
        ) from None


def whole_rows(lines: Iterator[Line], delimiter: str, quote: str) -> Iterator[Line]:
    """Lines with those put together whose quoted field goes over several; blank lines within a
    field are lost. When it does not close, its first line is told and the others are read alone: a
    quote that only stands in a text (5" pipe) opens nothing.
    """
    waiting: list[Line] = []
    while True:
        line = waiting.pop(0) if waiting else next(lines, None)
        if line is None:
            return
        if line.fault or _is_whole(line.text, delimiter, quote):
            yield line
            continue
        taken: list[Line] = []
        text = line.text
        while len(taken) < BROKEN_LINES_MAX and not _is_whole(text, delimiter, quote):
            following = waiting.pop(0) if waiting else next(lines, None)
            if following is None:
                break
            taken.append(following)
            if following.fault:
                break
            text += "\n" + following.text
        if _is_whole(text, delimiter, quote):
            yield Line(line.number, text, end=taken[-1].number)
        else:
            waiting = taken + waiting
            yield Line(line.number, "", "quotes that do not close")


def _is_whole(text: str, delimiter: str, quote: str) -> bool:
    try:
        delimited(text, delimiter, quote)
    except FieldError:
        return False
    return True
