"""One report between its start and its end: lines in, typed columns, the arithmetic that must hold, or why it does not."""

import hashlib

from firmware.drivers.base import cut_text, format_minor
from firmware.drivers.report_text import is_rule, is_time, minor_of, number_of
from protocol.compat import const

REPORT_LINES_MAX = const(64)  # a report of all denominations has less than half of it
_DIGEST_BYTES = const(8)
_TIME_CHARS_MAX = const(24)  # records.FIELDS 19

_HEADER = const(0)
_BODY = const(1)
_TOTALLED = const(2)


class ReportBody:
    """What a report said so far. `reason` is "" or the first thing that was wrong: then nothing of it may be stated."""

    def __init__(self, grammar: dict):
        self._grammar = grammar
        self.reason = ""
        self.numbers = {}  # letter -> number
        self.time = ""  # as the machine printed it
        self.rows = []  # (denomination, pieces), in the order of the paper
        self.total = -1  # -1 until the machine's total was read
        self.ended = False  # the last line that this report can have was read
        self._stage = _HEADER
        self._lines = 0
        self._sum = 0
        self._fee = 0
        self._hash = hashlib.sha256()

    def digest(self) -> bytes:
        """First bytes of SHA-256 over rows and totals, header excluded: a reprint has the same."""
        return self._hash.digest()[:_DIGEST_BYTES]

    def date(self) -> str:
        """The date in the machine's time, "" for none."""
        for word in self.time.split():
            if "/" in word:
                return word
        return ""

    def finish(self) -> None:
        """No more lines come: refuse what a whole report must have and this one lacks."""
        if self.total < 0:
            self.refuse("report was cut short before its total; print it again or recount")
        for letter in self._grammar["identity"]:
            if letter not in self.numbers:
                self.refuse("report has no batch number; print it again or recount")

    def refuse(self, reason: str) -> None:
        """This report will not be stated; the first reason is the one that is told."""
        if not self.reason:
            self.reason = reason

    def read(self, line: bytes) -> None:
        """One line of a report: the first spec that fits decides, and none is a refusal."""
        if is_rule(line):
            return
        self._lines += 1
        if self._lines > REPORT_LINES_MAX:
            self.refuse("report has more than %d lines; recount" % REPORT_LINES_MAX)
            self.ended = True
            return
        named = b""
        for literal, role, columns in specs_for(self._grammar, line):
            named = named or literal
            if named != literal:
                break  # TOTAL COIN is not a TOTAL whose value reads "COIN"
            rest = line[len(literal) :].strip()
            if role == "N":
                self.take_numbers(rest, columns)
                return
            if role == "X":
                return
            if role == "T" and is_time(rest):
                if self.time or self._stage != _HEADER:
                    self.refuse("a second date in one report; print it again or recount")
                self.time = rest[:_TIME_CHARS_MAX].decode()
                return
            values = role != "T" and values_of(rest, columns)
            if values:
                self._take(role, values)
                self.ended = columns.endswith("E")
                return
        self.refuse("cannot read the line %r; print the report again or recount" % cut_text(bytes(line[:24]).decode(), 24))

    def take_numbers(self, rest: bytes, columns: str) -> None:
        """Header numbers: 00007-0014-000 by "r5-b4-s3", each with exactly its digits."""
        parts = columns.split("-") if columns else []
        words = rest.split(b"-") if rest else []
        if len(parts) != len(words) or self._stage != _HEADER:
            return self.refuse("cannot read the report's numbers; print it again or recount")
        for part, word in zip(parts, words):
            number = number_of(word)
            if number < 0 or len(word) != int(part[1:]) or part[0] in self.numbers:
                return self.refuse("cannot read the report's numbers; print it again or recount")
            self.numbers[part[0]] = number
        return None

    # ---- arithmetic ----

    def _take(self, role: str, values: dict) -> None:
        """A line with money: check it against the lines before."""
        if (self._stage == _TOTALLED) != (role in "FC"):
            self.refuse("a line stands on the wrong side of the total; print the report again or recount")
            return
        self._stage = max(self._stage, _BODY)
        value = values["v"]
        if role == "R":
            self._take_row(values["d"], values.get("p", -1), value)
        elif role == "O":
            if value:
                self.refuse("report holds %s that is not cash; count cash alone" % format_minor(value))
        elif role == "U":
            self._check("subtotal", value)
        elif role == "G":
            self._check("total", value)
            pieces = sum([row[1] for row in self.rows])
            if values.get("p", pieces) != pieces:
                self.refuse("printed %d pieces, rows hold %d; recount" % (values["p"], pieces))
            self.total = value
            self._stage = _TOTALLED
        elif role == "F":
            self._fee = value
        elif value + self._fee != self.total:
            self.refuse(
                "customer total %s and fee %s do not make %s; recount"
                % (format_minor(value), format_minor(self._fee), format_minor(self.total))
            )
        if role in "RUG":
            self._hash.update(b"%s %d %d;" % (role.encode(), values.get("d", 0), value))

    def _take_row(self, denomination: int, pieces: int, value: int) -> None:
        if denomination not in self._grammar["coins"]:
            self.refuse("unknown denomination %s; recount" % format_minor(denomination))
            return
        if value % denomination:
            self.refuse("%s is no multiple of %s; recount" % (format_minor(value), format_minor(denomination)))
        if pieces >= 0 and pieces * denomination != value:
            self.refuse("%d pieces of %s are not %s; recount" % (pieces, format_minor(denomination), format_minor(value)))
        for row in self.rows:
            if row[0] == denomination:
                self.refuse("denomination %s stands twice; recount" % format_minor(denomination))
        if value:
            self.rows.append((denomination, value // denomination))
        self._sum += value

    def _check(self, name: str, value: int) -> None:
        if value != self._sum:
            self.refuse("printed %s %s, rows sum %s; recount" % (name, format_minor(value), format_minor(self._sum)))


def specs_for(grammar: dict, line: bytes):
    """(literal, role, columns) of each of the grammar's lines whose literal begins this line, in order."""
    for spec in grammar["lines"].split(b"\n"):
        at = spec.index(b"|")
        if line.startswith(spec[:at]):
            role, columns = spec[at + 1 :].decode().split("|")
            yield spec[:at], role, columns


def values_of(rest: bytes, columns: str):
    """{column letter: number} when every word of the line fits its column, else None."""
    words = [word for word in rest.split() if word != b"$"]
    columns = columns.rstrip("E")
    if len(words) != len(columns):
        return None
    values = {}
    for letter, word in zip(columns, words):
        value = number_of(word) if letter == "p" else minor_of(word)
        if value < 0 and letter == "D":
            value = 100 * number_of(word[1:] if word[:1] == b"$" else word)
        if value < 0:
            return None
        values[letter.lower()] = value
    return values
