"""Amounts as vendors write them -> integer cents. Pure. A text that the map does not allow is
refused with the name of what is wrong with it, never with the text itself: in an export that
shifted its columns any cell may hold a name or a card number.
"""

from __future__ import annotations

import re

from gateway.money import CENTS_MAX, MINUS

DECIMALS = ("point", "comma", "cents", "dollars")
NEGATIVES = ("leading", "trailing", "parentheses", "CR", "DR")

_EXPONENT = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]?\d+", re.ASCII)
_SYMBOLS = re.compile("[$\N{EURO SIGN}\N{POUND SIGN}\N{YEN SIGN}]|USD|CAD")
_KNOWN_MAX = 4_096
_LETTERS = re.compile(r"[^\W\d_]")
_DASHES = "-\N{MINUS SIGN}\N{EN DASH}"
_PLACES = {"point": r"\.\d\d", "comma": r",\d\d", "cents": "", "dollars": r"(?:\.\d\d)?"}
_WITH_CENTS = re.compile(r"\.\d\d(?!\d)", re.ASCII)
_PLAIN = re.compile(r"[.,]?\d+(?:[.,' ]\d+)*", re.ASCII)


class AmountError(ValueError):
    """Why a text is no amount of this map."""


class Amounts:
    """Reads the amounts of one map.

    `decimals`: point 12.50, comma 12,50, cents 1250, dollars 12 or 12.50. `thousands`: the sign
    between groups of three digits, or empty. `symbol`: a currency sign that may stand before or
    after. `negative`: ways to write one, of NEGATIVES. `empty_is_zero`: whether an empty cell is
    nothing.
    """

    def __init__(
        self,
        decimals: str,
        thousands: str = "",
        symbol: str = "",
        negative: tuple[str, ...] = ("leading",),
        empty_is_zero: bool = False,
    ) -> None:
        self._decimals = decimals
        self._thousands = thousands
        self._symbol = symbol
        self._negative = negative
        self._empty_is_zero = empty_is_zero
        self._pattern = re.compile(self._written(), re.ASCII)
        self._known: dict[str, int] = {}

    def cents(self, text: str) -> int:
        """The amount. Raises AmountError, which says what is wrong without the text."""
        found = self._known.get(text)
        if found is None:
            found = self._read(text.strip())
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[text] = found  # a total reads what its row has just read
        return found

    def _written(self) -> str:
        """The pattern of an amount; its groups are the ways to write a minus."""
        mark, rule = re.escape(self._thousands), self._negative
        digits = r"\d{1,12}"
        if mark:
            digits = rf"(?:\d{{1,3}}(?:{mark}\d{{3}}){{1,4}}|{digits})"
        body = digits + _PLACES[self._decimals]
        symbol = rf"(?:{re.escape(self._symbol)} ?)?" if self._symbol else ""
        after = rf"(?: ?{re.escape(self._symbol)})?" if self._symbol else ""
        minus = f"[-{MINUS}]"
        before = rf"(?:({minus})|\+)?" if "leading" in rule else r"\+?"
        again = f"({minus})?" if symbol and "leading" in rule else ""
        ends = [minus] if "trailing" in rule else []
        ends += [f" ?{word}" for word in ("CR", "DR") if word in rule]
        tail = f"({'|'.join(ends)})?" if ends else ""
        plain = f"{before}{symbol}{again}{body}{after}{tail}"
        return rf"{plain}|(\({symbol}{body}{after}\))" if "parentheses" in rule else plain

    def _read(self, text: str) -> int:
        if self._decimals == "point" and text[-3:-2] == ".":
            whole, places = text[:-3], text[-2:]
            if whole.isdecimal() and places.isdecimal() and text.isascii() and len(text) <= 13:
                return int(whole + places)  # as most are written
        if not text:
            if self._empty_is_zero:
                return 0
            raise AmountError("empty")
        match = self._pattern.fullmatch(text)
        if match is None:
            raise AmountError(self._wrong(text))
        signs = [group for group in match.groups() if group]
        if len(signs) > 1:
            raise AmountError("two signs")
        digits = "".join(char for char in text if char.isdecimal())
        cents = int(digits)
        if self._decimals == "dollars" and not _WITH_CENTS.search(text):
            cents *= 100
        if cents > CENTS_MAX:
            raise AmountError("more than any office takes")
        return -cents if signs else cents

    def _wrong(self, text: str) -> str:
        """What is wrong with a text, by name; the first that applies."""
        for is_it, what in (*self._sign_faults(text), *self._number_faults(text)):
            if is_it:
                return what
        return "not an amount"

    def _sign_faults(self, text: str) -> list[tuple[bool, str]]:
        rule, end = self._negative, text[-2:]
        end_mark = end if end in ("CR", "DR") else ""
        exponent = "an exponent such as 1.2E+3: a spreadsheet rewrote it; export the file again"
        return [
            (not any(char.isdecimal() for char in text), "no digit in it"),
            (text.startswith("="), "a formula; export the values"),
            (bool(_EXPONENT.fullmatch(text)), exponent),
            (sum(char in _DASHES for char in text) > 1, "two signs"),
            (
                text.startswith("(") and "parentheses" not in rule,
                'parentheses; add "parentheses" to negative if they are a minus',
            ),
            (
                text[-1] in _DASHES and "trailing" not in rule,
                'a minus at the end; add "trailing" to negative',
            ),
            (
                end in ("CR", "DR") and end not in rule,
                f"{end} at the end; add it to negative if it is a minus",
            ),
            (
                text[0] in _DASHES and "leading" not in rule,
                'a minus in front; add "leading" to negative',
            ),
            (
                not self._symbol and bool(_SYMBOLS.search(text)),
                "a currency sign; name it in symbol",
            ),
            (bool(_LETTERS.search(_SYMBOLS.sub("", text).removesuffix(end_mark))), "letters in it"),
        ]

    def _number_faults(self, text: str) -> list[tuple[bool, str]]:
        point = "," if self._decimals == "comma" else "."
        other = "." if point == "," else ","
        plain = _PLAIN.search(text)
        number = plain.group() if plain else ""
        whole, mark, places = number.rpartition(point)
        has_places = self._decimals in ("point", "comma")
        is_grouped = bool(re.search(r"\d[,.' ]\d{3}(?!\d)", text)) and number.count(point) <= 1
        return [
            (
                not self._thousands and is_grouped and any(each in number for each in f"{other}' "),
                "a sign between thousands; name it in thousands",
            ),
            (
                self._decimals == "cents" and bool(mark or other in number),
                "a point or comma, and the map says whole cents",
            ),
            (
                has_places and bool(re.search(rf"{re.escape(other)}\d\d$", number)),
                f"a {_name(other)} before the cents, and the map says {_name(point)}",
            ),
            (
                has_places and not mark and bool(number),
                f"no {_name(point)}: it could be cents or dollars",
            ),
            (bool(mark) and len(places) == 1, f"one place after the {_name(point)}, not two"),
            (bool(mark) and len(places) > 2, f"{len(places)} places after the {_name(point)}"),
            (bool(mark) and not whole, f"nothing before the {_name(point)}"),
            (bool(self._thousands) and self._thousands in number, "thousands not in threes"),
            (len(number) > 12, "more digits than any office takes"),
        ]


def _name(mark: str) -> str:
    return "comma" if mark == "," else "point"
