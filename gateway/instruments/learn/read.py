"""Which lines of the reports are rows, and which column is what: by what adds up, in every report,
and in one way only.

A reading is a choice of row kinds with their columns, and of the total. All readings that add up
are found; one may stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations, permutations, product

from gateway.instruments.learn.lines import LearnRefusal
from gateway.instruments.learn.words import COINS, NOTES, Parsed, Word

Rows = tuple[tuple[int, int], ...]
KNOWN = tuple(sorted({*COINS, *NOTES}))
COLUMNS = {"d": "denomination", "p": "pieces", "v": "value", "s": "skip"}
_COMBINATIONS_MAX = 20_000
_NUMBERS_MAX = 5  # in one row
_KINDS_MAX = 3  # of rows in one report


@dataclass(frozen=True)
class Kind:
    """Lines of one look: what leads them ("@": a coin's name) and the words of one block, # for a
    number.
    """

    lead: str
    block: tuple[str, ...]

    def blocks_of(self, line: Parsed) -> list[tuple[Word, ...]]:
        """The line's numbers, block by block; none when the line does not look like this kind."""
        size = len(self.block)
        count, rest = divmod(len(line.words), size)
        if (
            line.lead != self.lead
            or rest
            or not count
            or (count > 1 and self.lead)
            or line.shape != self.block * count
        ):
            return []
        words = [word for word in line.words if word.is_number]
        each = len(words) // count
        return [tuple(words[at : at + each]) for at in range(0, len(words), each)]


@dataclass(frozen=True)
class Columns:
    """What the numbers of a row are: a letter each of d p v s, and in which form denomination and
    value are printed.
    """

    letters: str
    denomination: str  # two, any, minor; "" for a name
    value: str  # two, any; "" for none

    def row(
        self, numbers: tuple[Word, ...], name: int, known: Iterable[int]
    ) -> tuple[int, int] | None:
        """(denomination, pieces), or None when the numbers do not fit together."""
        denomination, pieces, value = name, -1, -1
        for letter, word in zip(self.letters, numbers, strict=True):
            if letter == "d":
                denomination = word.minor(self.denomination)
                if name and denomination != name:
                    return None
            elif letter == "p":
                pieces = word.pieces()
                if pieces < 0:
                    return None
            elif letter == "v":
                value = word.minor(self.value)
                if value < 0:
                    return None
        if denomination not in known or (value >= 0 and value % denomination):
            return None
        counted = value // denomination if value >= 0 else pieces
        return None if pieces >= 0 and pieces != counted else (denomination, counted)

    def words(self) -> str:
        """As a person says it."""
        forms = {"d": self.denomination, "v": self.value}
        units = {"minor": " (cents)", "any": " (whole units)"}
        return " ".join(
            COLUMNS[letter] + units.get(forms.get(letter, ""), "") for letter in self.letters
        )


@dataclass(frozen=True)
class Total:
    """The lines with this key state the total at word `value`."""

    key: tuple[str, ...]
    value: int
    form: str


@dataclass
class Reading:
    """One way in which everything adds up."""

    kinds: dict[Kind, Columns]
    rows: list[Rows]  # per report, as printed, zero rows left out
    sums: list[int]
    row_lines: list[set[int]]  # per report, the indexes of its rows
    totals: list[Total] = field(default_factory=list)  # in the order of the paper

    @property
    def weight(self) -> int:
        return sum(len(lines) for lines in self.row_lines)


@dataclass(frozen=True)
class Told:
    """What the technician said; empty where nothing."""

    roles: tuple[tuple[str, str], ...] = ()  # (literal, role)
    columns: str = ""  # "denomination pieces value"
    denominations: tuple[int, ...] = KNOWN
    counted: tuple[Rows, ...] = ()

    def role_of(self, line: Parsed) -> str:
        return next(
            (role for literal, role in self.roles if literal in (line.literal, line.line.text)), ""
        )


def readings(reports: list[list[Parsed]], told: Told) -> list[Reading]:
    """All readings that add up in every report, those that explain less than another left out."""
    found: list[Reading] = []
    for with_skips in (False, True):
        choices = _choices(reports, told, with_skips)
        for picked in _combinations(choices):
            reading = _reading(reports, picked, told)
            if reading:
                found.append(reading)
        if found:
            break
    return [one for one in found if not any(_explains_more(other, one) for other in found)]


def _explains_more(one: Reading, other: Reading) -> bool:
    pairs = list(zip(one.row_lines, other.row_lines, strict=True))
    return one.weight > other.weight and all(mine >= theirs for mine, theirs in pairs)


def _combinations(choices: dict[Kind, list[Columns]]) -> Iterator[dict[Kind, Columns]]:
    tried = 0
    for size in range(1, _KINDS_MAX + 1):
        for kinds in combinations(choices, size):
            for columns in product(*[choices[kind] for kind in kinds]):
                tried += 1
                if tried > _COMBINATIONS_MAX:
                    raise LearnRefusal(
                        "too many readings",
                        "too many lines look like rows; say which: --set ignore='WORDS'",
                    )
                yield dict(zip(kinds, columns, strict=True))


# --- which kinds of lines can be rows -------------------------------------------------------------


def _choices(
    reports: list[list[Parsed]], told: Told, with_skips: bool
) -> dict[Kind, list[Columns]]:
    """{kind: columns that fit all its lines}."""
    lines = [line for report in reports for line in report if told.role_of(line) in ("", "row")]
    kinds: dict[Kind, None] = {}
    for line in lines:
        for kind in _kinds_of(line):
            kinds[kind] = None
    found = {}
    for kind in kinds:
        blocks = [(numbers, line.name) for line in lines for numbers in kind.blocks_of(line)]
        options = [
            one
            for one in _columns(kind, blocks, told, with_skips)
            if _fits(one, blocks, told.denominations)
        ]
        if options:
            found[kind] = options
    return found


def _kinds_of(line: Parsed) -> Iterator[Kind]:
    shape = line.shape
    if not shape or any(word.kind in "xk" for word in line.words):
        return
    for size in range(1, len(shape) + 1):
        count, rest = divmod(len(shape), size)
        block = shape[:size]
        if (
            rest
            or block * count != shape
            or (count > 1 and line.lead)
            or not 1 <= block.count("#") <= _NUMBERS_MAX
        ):
            continue
        if line.lead == "@" or block.count("#") > 1:
            yield Kind(line.lead, block)


def _columns(
    kind: Kind, blocks: list[tuple[tuple[Word, ...], int]], told: Told, with_skips: bool
) -> Iterator[Columns]:
    """All columns that this kind may have; the narrowest form that all its words have."""
    count = kind.block.count("#")
    named = kind.lead == "@"
    for letters in _orders(count, named, with_skips):
        if told.columns and " ".join(COLUMNS[letter] for letter in letters) != told.columns:
            continue
        forms_d = _forms(letters, "d", blocks, ("any", "minor")) if "d" in letters else [""]
        forms_v = _forms(letters, "v", blocks, ("any",)) if "v" in letters else [""]
        for form_d, form_v in product(forms_d, forms_v):
            yield Columns(letters, form_d, form_v)


def _orders(count: int, named: bool, with_skips: bool) -> Iterator[str]:
    """Orders of the columns, such as dpv. A column is left out only where the others check each
    other by multiplication.
    """
    sets = ["dpv", "dv", "dp"] + (["pv", "v", "p"] if named else [])
    for letters in sets:
        is_checked = "p" in letters and "v" in letters
        if len(letters) == count or (with_skips and is_checked and len(letters) < count):
            padded = letters + "s" * (count - len(letters))
            yield from dict.fromkeys("".join(order) for order in permutations(padded))


def _forms(
    letters: str, letter: str, blocks: list[tuple[tuple[Word, ...], int]], forms: tuple[str, ...]
) -> list[str]:
    """The forms in which all words of that column can be read: `two` alone when all have two
    decimals.
    """
    at = letters.index(letter)
    kinds = {numbers[at].kind for numbers, _ in blocks}
    if kinds == {"a"}:
        return ["two"]
    allowed = {"any": {"a", "i"}, "minor": {"i", "c"}}
    return [form for form in forms if kinds <= allowed[form]]


def _fits(
    columns: Columns, blocks: list[tuple[tuple[Word, ...], int]], known: Iterable[int]
) -> bool:
    return all(columns.row(numbers, name, known) is not None for numbers, name in blocks)


# --- what adds up ---------------------------------------------------------------------------------


def _reading(
    reports: list[list[Parsed]], picked: dict[Kind, Columns], told: Told
) -> Reading | None:
    """The reading with these kinds of rows, or None when it does not add up."""
    rows: list[Rows] = []
    row_lines: list[set[int]] = []
    used: set[Kind] = set()
    for report in reports:
        these: list[tuple[int, int]] = []
        indexes: set[int] = set()
        for line in report:
            if told.role_of(line) not in ("", "row"):
                continue
            fitting = [(kind, blocks) for kind in picked if (blocks := kind.blocks_of(line))]
            if len(fitting) > 1:
                return None
            for kind, blocks in fitting:
                found = [
                    picked[kind].row(numbers, line.name, told.denominations) for numbers in blocks
                ]
                these += [row for row in found if row and row[1]]
                used |= {kind} if any(row and row[1] for row in found) else set()
                indexes.add(line.index)
        denominations = [denomination for denomination, _ in these]
        if not these or len(set(denominations)) != len(denominations):
            return None
        rows.append(tuple(these))
        row_lines.append(indexes)
    if used != set(picked) or (
        told.counted and [set(each) for each in told.counted] != [set(each) for each in rows]
    ):
        return None
    sums = [sum(denomination * pieces for denomination, pieces in each) for each in rows]
    reading = Reading(picked, rows, sums, row_lines)
    reading.totals = _totals(reports, reading, told)
    return reading if reading.totals else None


def _prints_decimals(reports: list[list[Parsed]], reading: Reading) -> bool:
    """Whether any amount beside the denominations has two decimals: then money in whole units is no
    reading, for a machine prints its sums in one way.
    """
    for report, indexes in zip(reports, reading.row_lines, strict=True):
        for line in report:
            amounts = sum(word.kind == "a" for word in line.words)
            if line.index in indexes:
                kind, columns = next(
                    (kind, columns)
                    for kind, columns in reading.kinds.items()
                    if kind.blocks_of(line)
                )
                at = columns.letters.find("d")
                amounts -= (
                    sum(numbers[at].kind == "a" for numbers in kind.blocks_of(line))
                    if at >= 0
                    else 0
                )
                if columns.value == "any":
                    continue
            if amounts:
                return True
    return False


def _totals(reports: list[list[Parsed]], reading: Reading, told: Told) -> list[Total]:
    """Every kind of line after the rows that states the sum in every report, in the order of the
    paper.
    """
    after = [
        [line for line in report if line.index > max(lines)]
        for report, lines in zip(reports, reading.row_lines, strict=True)
    ]
    has_decimals = _prints_decimals(reports, reading)
    if has_decimals and any(columns.value == "any" for columns in reading.kinds.values()):
        return []
    found = []
    for line in after[0]:
        if told.role_of(line) not in ("", "total", "subtotal", "customer_total"):
            continue
        alike = [[other for other in report if other.key == line.key] for report in after]
        if any(len(lines) != 1 for lines in alike):
            continue
        for at, word in enumerate(line.words):
            if not word.is_number or (has_decimals and word.kind != "a"):
                continue
            form = "two" if word.kind == "a" else "any"
            if all(
                lines[0].words[at].minor(form) == total
                for lines, total in zip(alike, reading.sums, strict=True)
            ):
                found.append(Total(line.key, at, form))
    named = [total for total in found if ("total" in dict(told.roles).get(total.key[0], ""))]
    return found if not any(role == "total" for _, role in told.roles) or named else []
