"""A capture's bytes as the lines that a controller would see, each character with its place, and
their division into reports.

The rules are those of the device (printer commands stripped, CP437 rules and blanks, single
spaces): what is learned here is replayed there, so a difference between the two is a refusal and
never a wrong grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.errors import DataError
from gateway.instruments.capture import Burst

LINE_CHARS_MAX = 80
REPORTS_MAX = 40
GAP_MS = 700  # a silence this long ends a report on the device too

# ESC/POS: how many bytes follow the command's letter. Source: Epson's ESC/POS reference, commands
# of one to three bytes.
_ESC = dict.fromkeys(b" !-3=EGJMRVadrt{", 1) | dict.fromkeys(b"$\\c", 2) | {0x70: 3}
_GS = dict.fromkeys(b"!BHbfhwr", 1) | dict.fromkeys(b"LWP", 2)
_DROPPED = frozenset(b"\x00\x02\x03\x07\x0e\x0f\x11\x12\x13\x14\x18")
_LIKE = {0x09: " ", 0xFF: " ", 0xB3: " ", 0xBA: " ", 0xC4: "-", 0xCD: "-"}


class LearnRefusal(DataError):
    """No grammar is learned from this capture. `why` is a short name of the reason, for
    statistics.
    """

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True)
class Line:
    """One printed line: single spaces, none at its ends; `at[i]` is the place of character i in the
    capture.
    """

    text: str
    at: tuple[int, ...]
    starts_page: bool = False  # a cut, a form feed or a long silence stands before it


def lines_of(data: bytes, gaps: Iterable[int] = ()) -> list[Line]:
    """The lines of a capture, blank ones and rules left out; `gaps` are the offsets before which
    the wire was silent.
    """
    silent = sorted(gaps)
    found: list[Line] = []
    chars: list[tuple[str, int]] = []
    page = True
    for char, at in _text_of(data):
        if silent and at >= silent[0]:
            while silent and at >= silent[0]:
                silent.pop(0)
            _end_line(chars, page, found)
            page = True
        if char in "\n\f":
            page = _end_line(chars, page, found) or char == "\f"
        else:
            chars.append((char, at))
    _end_line(chars, page, found)
    return found


def _end_line(chars: list[tuple[str, int]], page: bool, found: list[Line]) -> bool:
    """Add the line that ended; True while the next line still starts a page."""
    kept = [
        (char, at)
        for index, (char, at) in enumerate(chars)
        if char != " " or (index and chars[index - 1][0] != " ")
    ]  # fmt: skip
    chars.clear()
    while kept and kept[-1][0] == " ":
        kept.pop()
    text = "".join(char for char, _ in kept)
    if len(text) > LINE_CHARS_MAX:
        raise LearnRefusal(
            "long line",
            f"line {text[:24]!r}...: longer than {LINE_CHARS_MAX} characters; is the speed right?",
        )
    if is_rule(text):
        return page
    found.append(Line(text, tuple(at for _, at in kept), page))
    return False


def is_rule(text: str) -> bool:
    return not text.strip("-=_* ")


def _text_of(data: bytes) -> Iterator[tuple[str, int]]:
    """(character, place) of what is printed; "\\n" ends a line, "\\f" the page too."""
    at = 0
    while at < len(data):
        byte = data[at]
        if byte == 0x1B or byte == 0x1D:
            size, is_cut = _command(data, at)
            if is_cut:
                yield "\f", at
            at += size
            continue
        if 0x20 <= byte < 0x7F:
            yield chr(byte), at
        elif byte in (0x0A, 0x0D):
            yield "\n", at
        elif byte == 0x0C:
            yield "\f", at
        elif byte in _LIKE:
            yield _LIKE[byte], at
        elif byte not in _DROPPED:
            yield "?", at
        at += 1


def _command(data: bytes, at: int) -> tuple[int, bool]:
    """(bytes, whether it cuts the paper) of the printer command that begins here."""
    letter = data[at + 1] if at + 1 < len(data) else 0
    if data[at] == 0x1B:
        return 2 + _ESC.get(letter, 0), letter in b"im"
    if letter == 0x56:
        return (4 if data[at + 2 : at + 3] in (b"A", b"B") else 3), True
    return 2 + _GS.get(letter, 0), False


def heard(bursts: Iterable[Burst]) -> tuple[bytes, list[int]]:
    """(the machine's bytes, offsets before which it was silent) of a capture."""
    data = b""
    gaps: list[int] = []
    last_ms = 0
    for burst in bursts:
        if burst.is_ours:
            continue
        if data and burst.at_ms - last_ms > GAP_MS:
            gaps.append(len(data))
        data += burst.data
        last_ms = burst.at_ms
    return data, gaps


# --- reports --------------------------------------------------------------------------------------


def divisions(lines: list[Line]) -> Iterator[list[list[Line]]]:
    """Ways to divide a capture into two reports or more, the likeliest first: by pages, then by a
    line that comes again.
    """
    seen = []
    for starts in _starts(lines):
        if starts and starts[0] == 0 and 2 <= len(starts) <= REPORTS_MAX and starts not in seen:
            seen.append(starts)
            yield [
                lines[start:end]
                for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)
            ]


def _starts(lines: list[Line]) -> Iterator[list[int]]:
    """Lists of the lines that begin a report."""
    pages = [index for index, line in enumerate(lines) if line.starts_page]
    yield pages
    first = _words(lines[0].text) if lines else ""
    yield [index for index, line in enumerate(lines) if _words(line.text) == first]
    if pages:
        yield [index for index in pages if _words(lines[index].text) == first]


def _words(text: str) -> str:
    """What of a line stays the same from report to report: its words, with each digit as 0."""
    return re.sub(r"\d+", "0", text)
