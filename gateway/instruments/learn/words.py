"""A printed line as a literal and the words after it, and what a word may mean: an amount, pieces,
a coin's name, a date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from gateway.instruments.learn.lines import Line

SIGNS = ("US$", "USD", "$", "*")  # texts that machines put before or after an amount, or alone
COINS = (1, 5, 10, 25, 50, 100)
NOTES = (100, 200, 500, 1000, 2000, 5000, 10000)

_AMOUNT = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d{0,8})\.\d\d")
_WHOLE = re.compile(r"\d{1,3}(?:,\d{3}){1,2}|\d{1,9}")
_CENTS = re.compile(r"\d{1,3}c")
_COMMA_DECIMALS = re.compile(r"\d{1,3}(?:\.\d{3})*,\d\d")
_TIME = re.compile(r"[0-9/:.\- APM\t]*[/:][0-9/:.\- APM\t]*")

MONTHS = (
    "JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER",
    "OCTOBER", "NOVEMBER", "DECEMBER",
)  # fmt: skip
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")

# families of names that go together on one machine: {family: {denomination: names, the usual one
# first}}
FAMILIES: dict[str, dict[int, tuple[str, ...]]] = {
    "coins": {
        1: ("PENNIES", "CENTS"), 5: ("NICKELS",), 10: ("DIMES",), 25: ("QUARTERS",),
        50: ("HALF DOLLARS", "HALF-DOLLARS", "HALVES", "HALFS"), 100: ("DOLLARS", "DOLLAR COINS"),
    },
    "coin": {
        1: ("PENNY", "CENT"), 5: ("NICKEL",), 10: ("DIME",), 25: ("QUARTER",),
        50: ("HALF DOLLAR", "HALF-DOLLAR", "HALF"),
        100: ("DOLLAR", "DOLLAR COIN"),
    },
    "notes": {
        100: ("ONES",), 200: ("TWOS",), 500: ("FIVES",), 1000: ("TENS",), 2000: ("TWENTIES",),
        5000: ("FIFTIES",),
        10000: ("HUNDREDS",),
    },
}  # fmt: skip
NAMES = {
    name: minor for family in FAMILIES.values() for minor, names in family.items() for name in names
}
_NAMED = re.compile(
    r"(?:%s)(?![A-Za-z-])[:.]?(?= |$)" % "|".join(sorted(NAMES, key=len, reverse=True)),
    re.IGNORECASE,
)


def amount_of(word: str) -> int:
    """Minor units of 1,234.50 or .50; -1 for anything else."""
    return int(word.replace(",", "").replace(".", "")) if _AMOUNT.fullmatch(word) else -1


def whole_of(word: str) -> int:
    """The number of 1 to 9 digits, with commas every three or none; -1 for anything else."""
    return int(word.replace(",", "")) if _WHOLE.fullmatch(word) else -1


def is_time(text: str) -> bool:
    """What the device takes for a date, a time of day or both, and no other number beside it."""
    return _TIME.fullmatch(text) is not None and not any(word.isdigit() for word in text.split())


@dataclass(frozen=True)
class Word:
    """One word after the literal; `kind`: a amount with two decimals, i whole number, c cents
    (25c), x other, w no digits.
    """

    text: str
    kind: str
    start: int  # place in the line's text

    @cached_property
    def is_number(self) -> bool:
        return self.kind in "aic"

    def minor(self, form: str) -> int:
        """Minor units read as `two` decimals, `any` (whole units too) or `minor` (whole minor
        units, 25 or 25c); -1: not so.
        """
        if form == "minor":
            return whole_of(self.text.rstrip("c"))
        amount = amount_of(self.text)
        if amount < 0 and form == "any" and self.kind == "i":
            amount = 100 * whole_of(self.text)
        return amount

    def pieces(self) -> int:
        return whole_of(self.text)


@dataclass(frozen=True)
class Parsed:
    """A line of report number `report`: literal, then words. Signs are gone from the words and
    noted in `signs`.
    """

    line: Line
    report: int
    index: int
    literal: str
    words: tuple[Word, ...]
    signs: frozenset[str]

    @cached_property
    def rest(self) -> str:
        return self.line.text[len(self.literal) :].strip()

    @cached_property
    def name(self) -> int:
        """The denomination that the literal names, 0 for none."""
        return NAMES.get(bare(self.literal), 0)

    @cached_property
    def lead(self) -> str:
        """The literal as rows share it: "@" for the name of any coin or note."""
        return "@" if self.name else self.literal

    @cached_property
    def shape(self) -> tuple[str, ...]:
        """The words as rows share them: # for a number, the text itself for a word."""
        return tuple("#" if word.is_number else word.text for word in self.words)

    @cached_property
    def key(self) -> tuple[str, ...]:
        """What lines with the same meaning share in every report."""
        return (
            self.literal,
            *[word.kind if word.kind != "w" else word.text for word in self.words],
        )


def bare(literal: str) -> str:
    """A literal as NAMES has it."""
    return literal.upper().rstrip(":.= ").strip()


def parse_line(line: Line, report: int, index: int, separator: str) -> Parsed:
    if separator:
        line = _with_cells(line, separator)
    literal = _literal_of(line.text)
    words: list[Word] = []
    signs: set[str] = set()
    for text, start in _split(line.text, len(literal), separator):
        kept, used = _without_signs(text)
        signs.update(used)
        if kept or not used:
            words.append(Word(kept, _kind_of(kept), start + text.find(kept)))
    return Parsed(line, report, index, literal, tuple(words), frozenset(signs))


def _with_cells(line: Line, separator: str) -> Line:
    """As the device has it: a TAB between cells, no double quotes, no blanks at a cell's ends, no
    empty cells after it.
    """
    kept: list[tuple[str, int]] = []
    quoted = False
    for char, at in zip(line.text, line.at, strict=True):
        if char == '"':
            quoted = not quoted
        elif char == separator and not quoted:
            while kept and kept[-1][0] == " ":
                kept.pop()
            kept.append(("\t", at))
        elif char != " " or (kept and kept[-1][0] not in " \t"):
            kept.append((char, at))
    while kept and kept[-1][0] in " \t":
        kept.pop()
    return Line("".join(char for char, _ in kept), tuple(at for _, at in kept), line.starts_page)


def _literal_of(text: str) -> str:
    """The text before the first digit and in the first cell, without what belongs to an amount: a
    sign, or the point of .80.
    """
    text = text.partition("\t")[0]
    found = re.search(r"\d", text)
    if not found:
        return text
    literal = text[: found.start()]
    if re.search(r"(^|[^A-Za-z])\.$", literal):
        literal = literal[:-1]
    while True:
        literal = literal.rstrip(" ")
        sign = next(
            (
                sign
                for sign in SIGNS
                if literal.endswith(sign) and not literal[: -len(sign)][-1:].isalpha()
            ),
            "",
        )
        if not sign:
            named = _NAMED.match(literal)
            return named[0] if named else literal
        literal = literal[: -len(sign)]


def _split(text: str, start: int, separator: str) -> list[tuple[str, int]]:
    """The words from `start` on, each with its place: between blanks, or the cells of a line of
    data.
    """
    if not separator:
        return [(found[0], found.start()) for found in re.compile(r"\S+").finditer(text, start)]
    if start == len(text):
        return []
    start += text[start] == "\t" and start > 0
    cells = []
    for cell in text[start:].split("\t"):
        cells.append((cell.strip(), start + len(cell) - len(cell.lstrip())))
        start += len(cell) + 1
    return cells


def _without_signs(word: str) -> tuple[str, list[str]]:
    """(the word without its signs, the signs)."""
    used = []
    for sign in SIGNS:
        if word == sign:
            return "", [sign]
        after = word.removeprefix(sign).lstrip()
        if word.startswith(sign) and re.match(r"[\d.]", after):
            used.append(sign)
            word = after
        before = word.removesuffix(sign).rstrip()
        if word.endswith(sign) and before[-1:].isdigit():
            used.append(sign)
            word = before
    return word, used


def _kind_of(word: str) -> str:
    if _AMOUNT.fullmatch(word):
        return "a"
    if _WHOLE.fullmatch(word):
        return "i"
    if _CENTS.fullmatch(word):
        return "c"
    if _COMMA_DECIMALS.fullmatch(word):
        return "k"
    return "x" if re.search(r"\d", word) else "w"


def calendar_of(literal: str) -> tuple[str, ...]:
    """The months or weekdays when the literal begins with one of them, whole or by its first three
    letters.
    """
    first = re.match("[A-Za-z]{3,}", literal)
    families = (
        words
        for words in (MONTHS, WEEKDAYS)
        if first and any(name.startswith(first[0].upper()) for name in words)
    )
    return next(families, ())


def other_names(printed: set[str]) -> dict[str, int]:
    """{name: denomination} that a machine with these names would print for the others, written as
    these are.
    """
    seen = {bare(literal) for literal in printed}
    first = min(printed)
    tail = first[len(bare(first)) :]
    styles = (
        (str.upper,)
        if first.isupper()
        else (str.lower,)
        if first.islower()
        else (str.title, str.capitalize)
    )
    found = {}
    for family in FAMILIES.values():
        if seen & {name for names in family.values() for name in names}:
            for minor, names in family.items():
                if not any(NAMES[name] == minor for name in seen):
                    found.update({style(name) + tail: minor for name in names for style in styles})
    return found
