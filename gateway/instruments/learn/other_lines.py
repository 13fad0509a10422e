"""Lines that are neither rows nor totals become lines of the grammar: the start of a report, its
numbers, money that is not cash, times, and what may be ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.instruments.learn.lines import LearnRefusal
from gateway.instruments.learn.row_lines import constant, money_columns
from gateway.instruments.learn.shape import Shape
from gateway.instruments.learn.words import (
    Parsed,
    calendar_of,
    is_time,
    whole_of,
)

_START_LETTERS_MIN = 3


_LITERAL_CHARS_MAX = 40


_PRINTS = (
    "REPORT",
    "AUDIT",
    "RECEIPT",
    "TICKET",
    "PRINT",
    "SEQ",
    "TAPE",
    "DOC",
)  # rise with every print, copies too


_PEOPLE = (
    "OPERATOR",
    "TELLER",
    "CASHIER",
    "CLERK",
    "USER",
    "NAME",
    "OFFICER",
)  # a name follows, not the same every day


_BATCHES = ("BATCH", "COUNT", "RUN", "BAG", "DEPOSIT", "JOB", "LOT")


def _start(shape: Shape, numbers: dict[str, str]) -> None:
    """The first line whose words stand nowhere else in a report, and after which stands nothing or
    the batch number.
    """
    everything = [line for report in shape.reports for line in report]
    for line in shape.reports[0][: shape.first_row(shape.reports[0][0])]:
        alike = [
            other
            for other in everything
            if other.literal == line.literal and other.index < shape.first_row(other)
        ]
        is_same = len({other.line.text for other in alike}) == 1
        if line.rest and not is_same and line.literal not in numbers:
            continue
        literal = (
            line.line.text
            if is_same and line.literal not in numbers and "\t" not in line.line.text
            else line.literal
        )
        holders = [other for other in everything if literal in other.line.text]
        if (
            len(re.findall("[A-Za-z]", literal)) < _START_LETTERS_MIN
            or "|" in literal
            or holders != alike
        ):
            continue
        if [other.report for other in holders] != list(range(len(shape.reports))):
            continue
        for other in holders:
            shape.roles[other.report][other.index] = ("start", numbers.get(line.literal, ""))
        shape.start = (literal[:_LITERAL_CHARS_MAX].rstrip(), numbers.get(line.literal, ""))
        before = [other for other in everything if other.index < holders[other.report].index]
        for other in before:
            shape.roles[other.report][other.index] = ("before the start", "")
        if before:
            shape.unknown.append(f"lines before {literal!r} are taken for noise")
        return
    raise LearnRefusal(
        "no start",
        "no line before the rows has words of its own that begin a report; record whole reports",
    )


def _parts(rest: str) -> list[int]:
    """The numbers of 00007-0014-000; empty when it is something else."""
    parts = [whole_of(part) for part in rest.split("-")]
    return [] if -1 in parts else parts


def add_numbers(shape: Shape) -> None:
    """The number that counts the batches, in every report one more than in the report before; and
    the start.
    """
    rising: dict[str, tuple[list[Parsed], list[int]]] = {}
    told = next((literal for literal, role in shape.told.roles if role == "batch"), "")
    for literal in dict.fromkeys(line.literal for line in shape.reports[0] if line.literal):
        lines = [line for report in shape.reports for line in report if line.literal == literal]
        parts = [_parts(line.rest) for line in lines]
        one_each = [line.report for line in lines] == list(range(len(shape.reports)))
        if (
            not one_each
            or any(line.index >= shape.first_row(line) for line in lines)
            or (told and told != literal)
        ):
            continue
        if any(len(each) != len(parts[0]) or not each for each in parts):
            continue
        columns = list(zip(*parts, strict=True))
        up = [
            at
            for at, values in enumerate(columns)
            if all(b == a + 1 for a, b in zip(values, values[1:], strict=False))
        ]
        if up:
            rising[literal] = (lines, up)
    letters = _letters(rising) if rising else {}
    numbers = {
        literal: _number_columns(lines, letters[literal]) for literal, (lines, _) in rising.items()
    }
    _start(shape, numbers)
    for literal, (lines, _) in rising.items():
        if "b" in letters[literal]:
            digits = len(lines[0].rest.split("-")[letters[literal].index("b")])
            shape.batch_max = 10 ** max(digits, 3) - 1
        if shape.roles[0].get(lines[0].index, ("",))[0] == "before the start":
            raise LearnRefusal(
                "no start",
                f"{literal!r}: the batch number stands before the first words that can begin a"
                " report",
            )
        if literal != shape.start[0]:
            shape.add(lines, literal, "numbers", columns=numbers[literal])
    found = {letter for text in letters.values() for letter in text}
    shape.identity = "".join(letter for letter in "bsg" if letter in found)
    shape.unknown.append(
        "whether a copy on demand keeps its batch number"
        if rising
        else "no number that counts the batches was found: equal money twice in a row goes to a"
        " person"
    )


def _letters(rising: dict[str, tuple[list[Parsed], list[int]]]) -> dict[str, str]:
    """{literal: a letter for each of its numbers}: b for the batch; r for a number that counts
    prints, when there are both.
    """
    every = [(literal, at) for literal, (_, up) in rising.items() for at in up]
    batch = every[0]
    if len(every) > 1:
        prints = [one for one in every if any(word in one[0].upper() for word in _PRINTS)]
        batches = [one for one in every if any(word in one[0].upper() for word in _BATCHES)]
        if len(every) != 2 or len(batches) != 1 or len(prints) != 1 or batches == prints:
            names = " or ".join(repr(literal) for literal in rising)
            raise LearnRefusal(
                "two batch numbers",
                f"{names}: both rise by one; say which counts the batches: --set batch=WORDS",
            )
        batch = batches[0]
    found = {}
    for literal, (lines, up) in rising.items():
        spare = iter("sg" if len(every) == 1 else "")
        letters = ["b" if (literal, at) == batch else "r" if at in up else next(spare, "")
                   for at in range(len(_parts(lines[0].rest)))]  # fmt: skip
        if "" in letters:
            raise LearnRefusal(
                "header numbers", f"{literal!r}: holds more numbers than a batch has; not supported"
            )
        found[literal] = "".join(letters)
    return found


def _number_columns(lines: list[Parsed], letters: str) -> str:
    columns = []
    for at, letter in enumerate(letters):
        texts = [line.rest.split("-")[at] for line in lines]
        is_fixed = (
            any(text.startswith("0") for text in texts) and len({len(text) for text in texts}) == 1
        )
        columns.append(letter + (str(len(texts[0])) if is_fixed and len(texts[0]) < 10 else "0"))
    return "-".join(columns)


def add_money(shape: Shape) -> None:
    """Subtotals, counts of pieces, and money that is not cash: only where all reports agree."""
    for key in dict.fromkeys(
        line.key for line in shape.open_lines() if line.literal and line.words
    ):
        lines = [
            line
            for line in shape.open_lines()
            if line.key == key and line.index > shape.first_row(line)
        ]
        if not lines or any(not word.is_number for word in lines[0].words if word.kind not in "w"):
            continue
        numbers = [at for at, word in enumerate(lines[0].words) if word.is_number]
        told = shape.told.role_of(lines[0])
        sums = [shape.rows_before(line) for line in lines]
        after_total = [
            line
            for line in lines
            if "total"
            in {role for index, (role, _) in shape.roles[line.report].items() if index < line.index}
        ]
        value = _first(numbers, lines, sums, lambda line, at, sum_: _money(line, at) == sum_[0])
        pieces = _first(
            numbers, lines, sums, lambda line, at, sum_: line.words[at].pieces() == sum_[1]
        )
        if value is not None and not after_total and told in ("", "subtotal"):
            form = "two" if lines[0].words[value].kind == "a" else "any"
            shape.add(
                lines,
                key[0],
                "subtotal",
                columns=money_columns(shape, lines, value, form, pieces=False),
            )
        elif (
            pieces is not None
            and lines[0].words[pieces].kind == "i"
            and told in ("", "pieces_total")
        ):
            columns = [
                "pieces" if at == pieces else constant(word.text) if word.kind == "w" else "skip"
                for at, word in enumerate(lines[0].words)
            ]
            shape.add(lines, key[0], "pieces_total", columns=" ".join(columns))
        elif any(lines[0].words[at].kind == "a" for at in numbers):
            shape.unknown.append(f"what {key[0]!r} states is not checked")


def _first(
    places: list[int],
    lines: list[Parsed],
    sums: list[tuple[int, int]],
    fits: Callable[[Parsed, int, tuple[int, int]], bool],
) -> int | None:
    """The first place whose number fits (value, pieces) of the rows before it, on every line."""
    for at in places:
        if all(fits(line, at, sum_) for line, sum_ in zip(lines, sums, strict=True)):
            return at
    return None


def _money(line: Parsed, at: int) -> int:
    return line.words[at].minor("two" if line.words[at].kind == "a" else "any")


def add_times(shape: Shape) -> None:
    """One line of the header is the machine's time, the one with a date before others."""
    header = [line for line in shape.open_lines() if line.index < shape.first_row(line)]
    by_literal: dict[str, list[Parsed]] = {}
    for line in header:
        by_literal.setdefault(line.literal, []).append(line)
    found = [
        (literal, lines) for literal, lines in by_literal.items()
        if [line.report for line in lines] == list(range(len(shape.reports)))
        and all(is_time(line.rest) for line in lines)
        and not calendar_of(literal)
    ]  # fmt: skip
    found.sort(key=lambda item: (bool(item[0]), "/" not in item[1][0].rest))
    if found:
        shape.add(found[0][1], found[0][0], "time")


def add_ignored(shape: Shape) -> None:
    """What is left says nothing about money, as long as words begin it."""
    lines = shape.open_lines()
    for line in lines:
        literal = _literal_to_ignore(shape, line)
        if len(re.findall("[A-Za-z#]", literal)) < 1 + ("#" not in literal):
            raise LearnRefusal(
                "bare line",
                f"line {line.line.text!r}: no words begin it, and it fits nothing that adds up",
            )
        family = calendar_of(literal)
        style = str.upper if literal.isupper() else str.title
        for begins in [style(word[:3]) for word in family] or [literal]:
            shape.add([line], begins.partition("|")[0][:_LITERAL_CHARS_MAX].rstrip(), "ignored")


def _literal_to_ignore(shape: Shape, line: Parsed) -> str:
    """The words that this line shares with its like in the other reports."""
    literal = line.literal
    head, colon, _ = literal.partition(":")
    if colon and len(re.findall("[A-Za-z]", head)) >= _START_LETTERS_MIN:
        return head + colon
    if literal.split(" ")[0].upper() in _PEOPLE:
        return literal.split(" ")[0]
    if all(any(other.literal == literal for other in report) for report in shape.reports):
        return literal
    mine = literal.split()
    for other in shape.open_lines():
        theirs = other.literal.split()
        if (
            other.report != line.report
            and theirs != mine
            and not any(theirs == each.literal.split() for each in shape.reports[line.report])
        ):
            shared = 0
            while shared < min(len(mine), len(theirs)) and mine[shared] == theirs[shared]:
                shared += 1
            common = " ".join(mine[:shared])
            if len(re.findall("[A-Za-z]", common)) >= _START_LETTERS_MIN:
                return common
    return literal


def add_last(shape: Shape) -> None:
    """The line that ends every report, where it is the same one and ends nothing else."""
    ends = [report[-1] for report in shape.reports]
    role = shape.roles[0].get(ends[0].index, ("", ""))
    if any(shape.roles[line.report].get(line.index) != role for line in ends) or role[0] in (
        "row",
        "start",
        "",
        "time",
    ):
        return
    specs = [
        spec
        for spec in shape.lines
        if spec["is"] == role[0] and all(line.literal.startswith(spec["begins"]) for line in ends)
    ]
    specs = [spec for spec in specs if spec["begins"] and spec.get("columns", "") == role[1]]
    if len(specs) == 1:
        begins = specs[0]["begins"]
        held = [
            line for report in shape.reports for line in report if line.line.text.startswith(begins)
        ]
        if len(held) == len(ends) and not any(
            spec["begins"].startswith(begins) for spec in shape.lines if spec is not specs[0]
        ):
            specs[0]["last"] = True
