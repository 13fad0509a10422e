"""Which grammar a capture's reports have: every line gets its role, or learning is refused."""

from __future__ import annotations

from typing import Any

from gateway.instruments.learn.lines import LearnRefusal
from gateway.instruments.learn.other_lines import (
    add_ignored,
    add_last,
    add_money,
    add_numbers,
    add_times,
)
from gateway.instruments.learn.read import KNOWN, Reading, Told
from gateway.instruments.learn.row_lines import add_rows, add_totals
from gateway.instruments.learn.shape import ROLES, Shape
from gateway.instruments.learn.words import (
    COINS,
    NOTES,
    SIGNS,
    Parsed,
)

_DENOMINATIONS_SURE = (
    3  # so many different ones, none of the other kind among them, tell coins from notes
)


def shape_of(reports: list[list[Parsed]], reading: Reading, told: Told, separator: str) -> Shape:
    """Every line with its role; LearnRefusal when one has none."""
    shape = Shape(reports, reading, told, separator, roles=[{} for _ in reports])
    _told_roles(shape)
    for kind, columns in reading.kinds.items():
        add_rows(shape, kind, columns)
    add_totals(shape)
    add_numbers(shape)
    add_money(shape)
    add_times(shape)
    add_ignored(shape)
    add_last(shape)
    return shape


def table_of(shape: Shape) -> dict[str, Any]:
    """The [grammar] table of a profile."""
    used = {sign for report in shape.reports for line in report for sign in line.signs}
    denominations = _denominations(shape)
    lines = sorted(
        shape.lines,
        key=lambda spec: (
            -len(spec["begins"]),
            ROLES.index(spec["is"]),
            -len(spec.get("columns", "")),
        ),
    )
    table: dict[str, Any] = {
        "mode": "line", "start": shape.start[0], "start_numbers": shape.start[1],
        "separator": shape.separator,
        "signs": [sign for sign in SIGNS if sign in used], "denominations": denominations,
        "identity": shape.identity,
        "batch_max": shape.batch_max, "sub_batch": False, "idle_ms": 700, "answer": "",
        "on_stop": "recount_all", "line": lines,
    }  # fmt: skip
    if not shape.start[1]:
        del table["start_numbers"]
    return table


def counts_of(table: dict[str, Any]) -> str:
    found = set(table["denominations"])
    return "coins" if found <= set(COINS) else "notes" if found <= set(NOTES) else "both"


def _denominations(shape: Shape) -> list[int]:
    """What the machine can count: the coins or the notes when enough of them were printed to tell,
    otherwise both.
    """
    found = {minor for lines in shape.printed for minor, _ in lines}
    if shape.told.denominations != KNOWN:
        return list(shape.told.denominations)
    is_sure = len(found) >= _DENOMINATIONS_SURE
    if "minor" in {columns.denomination for columns in shape.reading.kinds.values()}:
        return list(COINS)
    if is_sure and found <= set(COINS) and min(found) < min(NOTES):
        return list(COINS)
    if is_sure and found <= set(NOTES) and max(found) > max(COINS):
        return list(NOTES)
    return list(KNOWN)


def _told_roles(shape: Shape) -> None:
    """Lines whose role the technician set and that need no arithmetic."""
    for line in shape.open_lines():
        if shape.told.role_of(line) == "ignored":
            if not line.literal:
                raise LearnRefusal(
                    "bare line",
                    f"line {line.line.text!r}: begins with no words, so it cannot be ignored",
                )
            shape.add([line], line.literal, "ignored")
