"""Figures for people and for programs: a table, or the same as JSON."""

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Iterable, Sequence
from typing import Any

Row = dict[str, Any]


def parser_of(doc: str, rounds: int = 5) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--rounds", type=int, default=rounds, help="medians are of so many")
    made.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    return made


def median(values: Iterable[float]) -> float:
    """The median; 0 of nothing."""
    found = list(values)
    return statistics.median(found) if found else 0.0


def percentile(values: Sequence[float], hundredths: int) -> float:
    """The value below which so many hundredths lie; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * hundredths // 100)] if ordered else 0.0


def show(options: argparse.Namespace, title: str, rows: Sequence[Row], columns: Row) -> None:
    """Print all rows. `columns`: {key of a row: (heading, format)}."""
    if options.json:
        about = {"title": title, "python": platform.python_version(), "options": vars(options)}
        json.dump({**about, "rows": rows}, sys.stdout, indent=1)
        print()
        return
    print(title)
    cells = [[heading for heading, _ in columns.values()]]
    for row in rows:
        cells.append([
            "-" if row.get(key) is None else format(row[key], form)
            for key, (_, form) in columns.items()
        ])  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def note(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)
