"""Lines of rows and totals become lines of the grammar."""

from __future__ import annotations

import re
from typing import Any

from gateway.instruments.learn.read import Columns, Kind, Total
from gateway.instruments.learn.shape import Shape
from gateway.instruments.learn.words import (
    Parsed,
    other_names,
)


def add_rows(shape: Shape, kind: Kind, columns: Columns) -> None:
    words = []
    letters = iter(columns.letters)
    for word in kind.block:
        words.append(_column(next(letters), columns) if word == "#" else constant(word))
    lines = [
        line
        for report in shape.reports
        for line in report
        if kind.blocks_of(line) and _is_row(shape, line)
    ]
    more: dict[str, Any] = {"columns": " ".join(words)}
    if any(len(kind.blocks_of(line)) > 1 for line in lines):
        more["repeat"] = True
    if kind.lead != "@":
        shape.add(lines, kind.lead, "row", **more)
        return
    for line in lines:
        shape.add([line], line.literal, "row", **more, **_named(line.name, columns))
    for name, minor in other_names({line.literal for line in lines}).items():
        shape.add([], name, "row", **more, **_named(minor, columns))


def constant(word: str) -> str:
    """A column for a word that always stands there; "skip" for one that a grammar cannot quote."""
    return f"'{word}'" if word.strip("-=_*") and not set(word) & set("'|\" ") else "skip"


def _is_row(shape: Shape, line: Parsed) -> bool:
    return line.index in shape.reading.row_lines[line.report]


def _named(minor: int, columns: Columns) -> dict[str, int]:
    return {} if "d" in columns.letters else {"denomination": minor}


def _column(letter: str, columns: Columns) -> str:
    if letter == "d":
        return "denomination" + {"two": "", "any": "_any", "minor": "_minor"}[columns.denomination]
    if letter == "v":
        return "value" if columns.value == "two" else "value_any"
    return "pieces" if letter == "p" else "skip"


def add_totals(shape: Shape) -> None:
    totals = shape.reading.totals
    last = next(
        (total for total in totals if shape.told.role_of(_alike(shape, total)[0]) == "total"), None
    )
    if last is None:
        last = totals[0] if len(totals) > 1 and _with_a_fee(shape, totals) else totals[-1]
    for total in totals:
        lines = _alike(shape, total)
        if total == last:
            shape.add(
                lines,
                total.key[0],
                "total",
                columns=money_columns(shape, lines, total.value, total.form),
            )
        elif totals.index(total) < totals.index(last):
            shape.add(
                lines,
                total.key[0],
                "subtotal",
                columns=money_columns(shape, lines, total.value, total.form, pieces=False),
            )
    _after_total(shape, last)


def _alike(shape: Shape, total: Total) -> list[Parsed]:
    return [
        line
        for report in shape.reports
        for line in report
        if line.key == total.key and line.index > shape.last_row(line)
    ]


def _with_a_fee(shape: Shape, totals: list[Total]) -> bool:
    """Whether a fee stands between the first and the last line that states the sum: then the last
    is what the customer gets.
    """
    report = shape.reports[0]
    first, last = (_alike(shape, total)[0].index for total in (totals[0], totals[-1]))
    return any(
        re.search("FEE|CHARGE|COMMISSION", line.literal.upper())
        for line in report[first + 1 : last]
    )


def _after_total(shape: Shape, total: Total) -> None:
    """A fee and what is left for the customer, after the total, where they make the total
    together.
    """
    place = {line.report: line.index for line in _alike(shape, total)}
    after = [
        [line for line in report if line.index > place[number]]
        for number, report in enumerate(shape.reports)
    ]
    for fee in after[0]:
        for paid in after[0][after[0].index(fee) + 1 :]:
            pairs = [(_one(lines, fee), _one(lines, paid)) for lines in after]
            if all(
                first
                and second
                and _only_amount(first) >= 0
                and _only_amount(first) + _only_amount(second) == value
                for (first, second), value in zip(pairs, shape.reading.sums, strict=True)
            ) and all(_only_amount(second) >= 0 for _, second in pairs if second):
                shape.add(
                    [first for first, _ in pairs if first], fee.literal, "fee", columns="value"
                )
                shape.add(
                    [second for _, second in pairs if second],
                    paid.literal,
                    "customer_total",
                    columns="value",
                )
                return


def _one(lines: list[Parsed], like: Parsed) -> Parsed | None:
    alike = [line for line in lines if line.key == like.key]
    return alike[0] if len(alike) == 1 else None


def _only_amount(line: Parsed) -> int:
    return line.words[0].minor("two") if len(line.words) == 1 and line.literal else -1


def money_columns(
    shape: Shape, lines: list[Parsed], value: int, form: str, pieces: bool = True
) -> str:
    """The columns of a line with money: its value, the pieces where they agree, and what is of no
    use.
    """
    columns = []
    for at, word in enumerate(lines[0].words):
        if at == value:
            columns.append("value" if form == "two" else "value_any")
        elif (
            word.kind == "i"
            and pieces
            and all(line.words[at].pieces() == shape.rows_before(line)[1] for line in lines)
        ):
            columns.append("pieces")
        else:
            columns.append(constant(word.text) if word.kind == "w" else "skip")
    return " ".join(columns)
