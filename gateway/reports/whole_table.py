"""A table whose figures are whole at every width: rich cuts what does not fit with an ellipsis.

A column with no_wrap keeps its longest cell on one line; any other column folds between words and
never inside one. What a terminal is too narrow for runs over its edge, where the terminal wraps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LONGEST_CELL = 10_000  # columns that a cell is measured in: more than any cell has


def print_whole(table: Table, console: Console) -> None:
    """Print `table` with no amount, status or name cut, on a terminal and into a pipe."""
    from rich.measure import Measurement

    wide = console.options.update(max_width=LONGEST_CELL)
    for column in table.columns:
        cells = [column.header, *column.cells, *([column.footer] if table.show_footer else [])]
        needs = [Measurement.get(console, wide, cell) for cell in cells if cell]
        column.overflow = "fold"
        column.min_width = max(
            (need.maximum if column.no_wrap else need.minimum for need in needs), default=1
        )
    least = Measurement.get(console, wide, table).minimum
    if least > console.width:
        table.width = least
    console.print(table, crop=False)
