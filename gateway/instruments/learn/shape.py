"""From one reading to a line grammar: what each line of the reports is, and the [grammar] table
that says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from gateway.instruments.learn.lines import LearnRefusal
from gateway.instruments.learn.read import KNOWN, Columns, Kind, Reading, Told, Total
from gateway.instruments.learn.words import (
    COINS,
    NOTES,
    SIGNS,
    Parsed,
    calendar_of,
    is_time,
    other_names,
    whole_of,
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
_START_LETTERS_MIN = 3
_LITERAL_CHARS_MAX = 40
_DENOMINATIONS_SURE = (
    3  # so many different ones, none of the other kind among them, tell coins from notes
)
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


def shape_of(reports: list[list[Parsed]], reading: Reading, told: Told, separator: str) -> Shape:
    """Every line with its role; LearnRefusal when one has none."""
    shape = Shape(reports, reading, told, separator, roles=[{} for _ in reports])
    _told_roles(shape)
    for kind, columns in reading.kinds.items():
        _rows(shape, kind, columns)
    _totals(shape)
    _numbers(shape)
    _money_lines(shape)
    _times(shape)
    _ignored(shape)
    _last(shape)
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


# --- rows and totals ------------------------------------------------------------------------------


def _rows(shape: Shape, kind: Kind, columns: Columns) -> None:
    words = []
    letters = iter(columns.letters)
    for word in kind.block:
        words.append(_column(next(letters), columns) if word == "#" else _constant(word))
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


def _constant(word: str) -> str:
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


def _totals(shape: Shape) -> None:
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
                columns=_money_columns(shape, lines, total.value, total.form),
            )
        elif totals.index(total) < totals.index(last):
            shape.add(
                lines,
                total.key[0],
                "subtotal",
                columns=_money_columns(shape, lines, total.value, total.form, pieces=False),
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
    """A fee and what is left for the customer, behind the total, where they make the total
    together.
    """
    place = {line.report: line.index for line in _alike(shape, total)}
    behind = [
        [line for line in report if line.index > place[number]]
        for number, report in enumerate(shape.reports)
    ]
    for fee in behind[0]:
        for paid in behind[0][behind[0].index(fee) + 1 :]:
            pairs = [(_one(lines, fee), _one(lines, paid)) for lines in behind]
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


def _money_columns(
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
            columns.append(_constant(word.text) if word.kind == "w" else "skip")
    return " ".join(columns)


# --- header ---------------------------------------------------------------------------------------


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


def _start(shape: Shape, numbers: dict[str, str]) -> None:
    """The first line whose words stand nowhere else in a report, and behind which stands nothing or
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


def _numbers(shape: Shape) -> None:
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


# --- the other lines ------------------------------------------------------------------------------


def _money_lines(shape: Shape) -> None:
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
        behind_total = [
            line
            for line in lines
            if "total"
            in {role for index, (role, _) in shape.roles[line.report].items() if index < line.index}
        ]
        value = next(
            (
                at
                for at in numbers
                if all(
                    _money(line, at) == total for line, (total, _) in zip(lines, sums, strict=True)
                )
            ),
            None,
        )
        pieces = next(
            (
                at
                for at in numbers
                if all(
                    line.words[at].pieces() == count
                    for line, (_, count) in zip(lines, sums, strict=True)
                )
            ),
            None,
        )
        if value is not None and not behind_total and told in ("", "subtotal"):
            form = "two" if lines[0].words[value].kind == "a" else "any"
            shape.add(
                lines,
                key[0],
                "subtotal",
                columns=_money_columns(shape, lines, value, form, pieces=False),
            )
        elif (
            pieces is not None
            and lines[0].words[pieces].kind == "i"
            and told in ("", "pieces_total")
        ):
            columns = [
                "pieces" if at == pieces else _constant(word.text) if word.kind == "w" else "skip"
                for at, word in enumerate(lines[0].words)
            ]
            shape.add(lines, key[0], "pieces_total", columns=" ".join(columns))
        elif any(lines[0].words[at].kind == "a" for at in numbers):
            shape.unknown.append(f"what {key[0]!r} states is not checked")


def _money(line: Parsed, at: int) -> int:
    return line.words[at].minor("two" if line.words[at].kind == "a" else "any")


def _times(shape: Shape) -> None:
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


def _ignored(shape: Shape) -> None:
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


def _last(shape: Shape) -> None:
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
