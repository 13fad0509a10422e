"""A line grammar as it grows: which line of the reports has which role."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.instruments.learn.read import Reading, Told
from gateway.instruments.learn.words import (
    Parsed,
)

ROLES = (
    "row",
    "subtotal",
    "total",
    "pieces_total",
    "other",
    "fee",
    "customer_total",
    "numbers",
    "time",
    "ignored",
)


@dataclass
class Shape:
    """The grammar as it grows. `roles[report][line index]` is (role, columns) for the person who
    looks at the proposal.
    """

    reports: list[list[Parsed]]
    reading: Reading
    told: Told
    separator: str
    lines: list[dict[str, Any]] = field(default_factory=list)
    roles: list[dict[int, tuple[str, str]]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    start: tuple[str, str] = ("", "")
    identity: str = ""
    batch_max: int = 9999

    @property
    def printed(self) -> list[list[tuple[int, int]]]:
        """The rows of each report, those of no pieces too."""
        return [
            [row for line in report if line.index in indexes for row in self._rows_of(line)]
            for report, indexes in zip(self.reports, self.reading.row_lines, strict=True)
        ]

    def add(self, lines: list[Parsed], begins: str, role: str, **more: Any) -> None:
        """A line of the grammar, once, and what it says about these lines."""
        spec = {"begins": begins, "is": role, **more}
        if spec not in self.lines:
            self.lines.append(spec)
        for line in lines:
            self.roles[line.report][line.index] = (role, str(more.get("columns", "")))

    def open_lines(self) -> list[Parsed]:
        """The lines that mean nothing yet."""
        return [
            line
            for report in self.reports
            for line in report
            if line.index not in self.roles[line.report]
        ]

    def first_row(self, line: Parsed) -> int:
        return min(self.reading.row_lines[line.report])

    def last_row(self, line: Parsed) -> int:
        return max(self.reading.row_lines[line.report])

    def rows_before(self, line: Parsed) -> tuple[int, int]:
        """(value, pieces) of the rows that stand before this line."""
        size = 0
        for row_line in self.reports[line.report]:
            if (
                row_line.index < line.index
                and row_line.index in self.reading.row_lines[line.report]
            ):
                size += sum(bool(row[1]) for row in self._rows_of(row_line))
        rows = self.reading.rows[line.report][:size]
        return sum(minor * pieces for minor, pieces in rows), sum(pieces for _, pieces in rows)

    def _rows_of(self, line: Parsed) -> list[tuple[int, int]]:
        for kind, columns in self.reading.kinds.items():
            blocks = kind.blocks_of(line)
            if blocks:
                found = [
                    columns.row(numbers, line.name, self.told.denominations) for numbers in blocks
                ]
                return [row for row in found if row]
        return []
