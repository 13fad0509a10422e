"""One report from its start to its end: lines in, typed columns, the arithmetic that must hold, or
the reason why it does not.
"""

import hashlib

from firmware.drivers.base import cut_text, format_minor
from firmware.drivers.report_text import is_rule, is_time, minor_of, number_of
from protocol.compat import const
from protocol.records import FLAG_ACCUMULATE, FLAG_DISCREPANCY

REPORT_LINES_MAX = const(64)  # a report of all denominations has less than half of it
_DIGEST_BYTES = const(8)
_TIME_CHARS_MAX = const(24)  # records.FIELDS 19
_VALUE_MAX = const(
    99999999999
)  # nine digits and two decimals: no counter prints more, and a record holds it

_HEADER = const(0)
_BODY = const(1)
_TOTALLED = const(2)


class ReportBody:
    """What a report said so far. `reason` is "" or the first thing that was wrong: then nothing of
    the report may be stated.
    """

    def __init__(self, grammar: dict):
        self._grammar = grammar
        self.reason = ""
        self.numbers = {}  # letter -> number
        self.time = ""  # as the machine printed it
        self.rows = []  # (denomination, pieces), in the order of the paper
        self.rejects = {}  # quality -> pieces that are not in the total
        self.total = -1  # -1 until the machine's total was read
        self.flags = 0  # FLAG_ACCUMULATE, FLAG_DISCREPANCY
        # once finished: first bytes of SHA-256 over rows, totals and rejects, the same on a reprint
        self.digest = b""
        self.ended = False  # the last line that this report can have was read
        self._stage = _HEADER
        self._lines = 0
        self._sum = 0
        self._fee = 0
        self._hash = hashlib.sha256()

    def date(self) -> str:
        """The date in the machine's time, "" for none."""
        for word in self.time.split():
            if "/" in word or "-" in word:
                return word
        return ""

    def finish(self) -> None:
        """No more lines come: refuse the report if something is missing. Call it once: the digest
        ends the hash.
        """
        self.digest = self._hash.digest()[:_DIGEST_BYTES]
        if self.total < 0:
            self.refuse("report was cut short before its total", True)
        for letter in self._grammar["identity"]:
            if letter not in self.numbers:
                self.refuse("report has no batch number", True)

    def refuse(self, reason: str, is_unread: bool = False) -> None:
        """This report will not be stated; only the first reason is given, with the next step.
        `is_unread`: a copy of the report may be readable.
        """
        if not self.reason:
            self.reason = reason + ("; print it again or recount" if is_unread else "; recount")

    def read(self, line: bytes) -> None:
        """One line of a report: the first spec that fits decides, and none is a refusal."""
        if is_rule(line):
            return
        self._lines += 1
        if self._lines > REPORT_LINES_MAX:
            self.refuse("report has more than %d lines" % REPORT_LINES_MAX)
            self.ended = True
            return
        named = b""
        for literal, rest, role, columns in specs_for(self._grammar, line):
            named = named or literal
            if named != literal:
                break  # TOTAL COIN is not a TOTAL whose value reads "COIN"
            if self._fits(literal, rest, role, columns):
                self.ended = "E" in role
                return
        self.refuse("cannot read the line %r" % cut_text(bytes(line[:24]).decode(), 24), True)

    def take_numbers(self, rest: bytes, columns: str) -> None:
        """Header numbers: 00007-0014-000 by "r5-b4-s3", each with exactly its digits, or with any
        by "b0".
        """
        parts = columns.split("-") if columns else []
        words = rest.split(b"-") if rest else []
        if len(parts) != len(words) or self._stage != _HEADER:
            return self.refuse("cannot read the report's numbers", True)
        for part, word in zip(parts, words):
            number = number_of(word) if word.isdigit() else -1
            if number < 0 or len(word) != (int(part[1:]) or len(word)) or part[0] in self.numbers:
                return self.refuse("cannot read the report's numbers", True)
            self.numbers[part[0]] = number
        return None

    def _fits(self, literal: bytes, rest: bytes, role: str, columns: str) -> bool:
        """Take the rest of a line by one spec; False when it does not fit."""
        kind = role[0]
        if kind == "N":
            self.take_numbers(rest, columns)
        elif kind == "T":
            if not is_time(rest):
                return False
            if self.time or self._stage != _HEADER:
                self.refuse("a second date in one report", True)
            self.time = rest.replace(b"\t", b" ")[:_TIME_CHARS_MAX].decode()
        elif columns or kind not in "XASZ":
            values = values_of(self._grammar, rest, role, columns)
            if not values:
                return False
            for denomination, pieces, value in values:
                self._take(kind, role, literal, denomination, pieces, value)
        else:
            self._take(kind, role, literal, -1, -1, -1)
        return True

    # ---- arithmetic ----

    def _take(
        self, kind: str, role: str, literal: bytes, denomination: int, pieces: int, value: int
    ) -> None:
        """A line with or without money: check it against the lines before. -1: the line does not
        say.
        """
        if kind == "A":
            self.flags |= FLAG_ACCUMULATE
        elif kind == "S":
            if role[1] == "r":
                self.refuse("it stopped (%s), so nothing of it counts" % literal.decode())
            elif role[1] == "e" and pieces:
                self.flags |= FLAG_DISCREPANCY
        elif kind == "Q":
            quality = int(role[1])
            if pieces > 0:
                self.rejects[quality] = self.rejects.get(quality, 0) + pieces
        elif kind not in "XZ":
            self._take_money(kind, denomination, pieces, value)
        if kind in "RUGQ":
            self._hash.update(
                b"%s %d %d;" % (kind.encode(), max(denomination, 0), pieces if value < 0 else value)
            )

    def _take_money(self, kind: str, denomination: int, pieces: int, value: int) -> None:
        if (self._stage == _TOTALLED) != (kind in "FC") and kind != "P":
            self.refuse("a line stands on the wrong side of the total", True)
            return
        self._stage = max(self._stage, _BODY)
        if kind == "R":
            self._take_row(denomination, pieces, value)
        elif kind == "O":
            if value > 0 or pieces > 0:
                self.refuse(
                    "report holds %s that is not cash; count cash alone"
                    % format_minor(max(value, 0))
                )
        elif kind == "F":
            self._fee = value
        elif kind == "C":
            if value + self._fee != self.total:
                self.refuse(
                    "customer total %s and fee %s do not make %s"
                    % (format_minor(value), format_minor(self._fee), format_minor(self.total))
                )
        else:
            if value not in (-1, self._sum):
                name = "total" if kind == "G" else "subtotal"
                self.refuse(
                    "printed %s %s, rows sum %s"
                    % (name, format_minor(value), format_minor(self._sum))
                )
            held = sum([row[1] for row in self.rows])
            if pieces not in (-1, held):
                self.refuse("printed %d pieces, rows hold %d" % (pieces, held))
            if kind == "G":
                self.total = self._sum
                self._stage = _TOTALLED

    def _take_row(self, denomination: int, pieces: int, value: int) -> None:
        if denomination not in self._grammar["coins"]:
            self.refuse("unknown denomination %s" % format_minor(denomination))
            return
        if value < 0:
            value = pieces * denomination
        if value % denomination:
            self.refuse(
                "%s is no multiple of %s" % (format_minor(value), format_minor(denomination))
            )
        if pieces >= 0 and pieces * denomination != value:
            self.refuse(
                "%d pieces of %s are not %s"
                % (pieces, format_minor(denomination), format_minor(value))
            )
        for row in self.rows:
            if row[0] == denomination:
                self.refuse("denomination %s stands twice" % format_minor(denomination))
        if value:
            self.rows.append((denomination, value // denomination))
        self._sum += value
        if self._sum > _VALUE_MAX:
            self.refuse("%s is more than a counter can count" % format_minor(self._sum))


def specs_for(grammar: dict, line: bytes):
    """(literal, rest of the line, role, columns) of each of the grammar's lines whose literal
    begins this line, in order.
    """
    for spec in grammar["lines"].split(b"\n"):
        literal = spec[: spec.index(b"|")]
        if line.startswith(literal):
            rest = line[len(literal) :]
            if literal and rest[:1] == b"\t":
                rest = rest[1:]
            role, columns = spec[len(literal) + 1 :].decode().split("|")
            yield literal, rest.strip(b" "), role, columns


def values_of(grammar: dict, rest: bytes, role: str, columns: str):
    """[(denomination, pieces, value)] when every word of the line fits its column, else None; -1
    for what the line does not say.

    One tuple, or several if one line has several rows side by side.
    """
    signs = grammar["signs"]
    words = [
        word
        for word in (rest.split(b"\t") if grammar["separator"] else rest.split())
        if word not in signs
    ]
    tokens = columns.split(" ")
    if len(words) % len(tokens) or not words or (len(words) > len(tokens) and "+" not in role):
        return None
    digits = role[1:].rstrip("E+")
    found = []
    for first in range(0, len(words), len(tokens)):
        denomination = int(digits) if role[0] == "R" and digits else -1
        pieces = value = -1
        for index in range(len(tokens)):
            letter, word = tokens[index][0], words[first + index]
            if letter == "'":
                if word != tokens[index][1:].encode():
                    return None
            elif letter != "x":
                if letter != "p":
                    word = _without_sign(word, signs)
                if letter == "m" and word.endswith(b"c"):
                    word = word[:-1]
                number = minor_of(word, letter in "DV") if letter in "dDvV" else number_of(word)
                if number < 0:
                    return None
                if letter == "p":
                    pieces = number
                elif letter in "vV":
                    value = number
                else:
                    denomination = number
        found.append((denomination, pieces, value))
    return found


def _without_sign(word: bytes, signs: tuple) -> bytes:
    for sign in signs:
        if word.startswith(sign):
            return word[len(sign) :].strip()
        if word.endswith(sign):
            return word[: -len(sign)].strip()
    return word
