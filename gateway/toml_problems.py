"""Errors of a TOML file, collected: file:line:column, the line, a caret. Nothing stops at the
first.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.errors import ConfigError

_TABLE = re.compile(r"\s*\[\s*([A-Za-z0-9_.-]+)\s*\]")
_PLAIN_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=\s*")
_HEADER = re.compile(r"\s*\[+([^\]]+)\]")
_KEY = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\")(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"))*)\s*=")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'drawer'?`, or nothing when no known name is near."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


class Problems:
    """What is wrong with one file. `add` takes the path of keys to the culprit; its place is looked
    up in the text.
    """

    def __init__(self, file_name: str, text: str) -> None:
        self._file_name = file_name
        self._lines = text.splitlines()
        self._places = _places(self._lines)
        self._found: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._found)

    def knows(self, path: Sequence[str]) -> bool:
        """Whether the file itself has this key."""
        return tuple(path) in self._places

    def add(self, path: Sequence[str], message: str) -> None:
        """One more error, at the key `path` or at the nearest table around it."""
        place = (1, 1)
        for size in range(len(path), 0, -1):
            if tuple(path[:size]) in self._places:
                place = self._places[tuple(path[:size])]
                break
        line, column = place
        text = self._lines[line - 1] if self._lines else ""
        report = (
            f"{self._file_name}:{line}:{column}: {message}\n    {text}\n    {' ' * (column - 1)}^"
        )
        if (line, report) not in self._found:  # revisions of a board share most of their lines
            self._found.append((line, report))

    def raise_if_any(self) -> None:
        if self._found:
            raise ConfigError("\n".join(report for _, report in sorted(self._found)))


def _places(lines: Sequence[str]) -> dict[tuple[str, ...], tuple[int, int]]:
    """(line, column) from 1 of each table and key; boards.toml has no value that goes over several
    lines.
    """
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines, 1):
        header = _HEADER.match(line)
        key = _KEY.match(line)
        if header:
            table = _split(header[1])
            place = table
            column = header.start(1) + 1
        elif key:
            place = table + _split(key[1])
            column = key.start(1) + 1
        else:
            continue
        for size in range(1, len(place) + 1):
            found.setdefault(place[:size], (number, column))
    return found


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip('"') for part in dotted.split("."))


def locate(text: str, place: list[str]) -> tuple[tuple[int, int], tuple[int, int]]:
    """(line, column) of a key and of its value, both from 1; of its table, or (1, 1), when the key
    is not found.
    """
    table: list[str] = []
    nearest = (1, 1)
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.match(line):
            table = match.group(1).split(".")
            if table == place:
                return (number, match.start(1) + 1), (number, match.start(1) + 1)
            if table == place[:-1]:
                nearest = (number, match.start(1) + 1)
        elif (match := _PLAIN_KEY.match(line)) and [*table, match.group(1)] == place:
            return (number, match.start(1) + 1), (number, match.end() + 1)
        elif match and [*table, match.group(1)] == place[:-1]:
            nearest = (number, match.start(1) + 1)
    return nearest, nearest


def pointed(path: Path, text: str, line: int, column: int, message: str) -> str:
    """An error message with its line and a caret under the place."""
    lines = text.splitlines() or [""]
    shown = lines[min(line, len(lines)) - 1].replace("\t", " ")
    return f"{path}:{line}:{column}: {message}\n  {shown}\n  {' ' * (column - 1)}^"
