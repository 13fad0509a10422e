"""What no cell of a posted file may hold, whichever column: card numbers, formulas, blanks around
it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.facts.postings import AMOUNTS, COLUMNS, OPTIONAL_COLUMNS
from gateway.incoming.posted_amount import RowError

TEXT_CHARS_MAX = 40
_NAMES = (*COLUMNS, *OPTIONAL_COLUMNS)
# A number that a spreadsheet rewrites.
_NUMBERS = frozenset(
    ("receipt_no", "session_id", "cashier_id", "tender_id", "account_no", "void_of", "void_by",
     "auth_code", "batch_id", "source_ref")
)  # fmt: skip

_DIGIT_RUN = re.compile(r"(?<!\d)\d{13,19}(?!\d)", re.ASCII)
_CARD_GROUPS = re.compile(
    r"(?<!\d)(\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}|\d{4}[ -]\d{6}[ -]\d{4,5})(?!\d)", re.ASCII
)
_CUT = re.compile(r".*?\d([.,]\d+)?E\+\d{1,3}", re.ASCII | re.IGNORECASE)
# A row of plain cells, as nearly all are: nothing in it can be wrong for `_check_text`.
_CELL = r"(?:[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,39})?"
_PLAIN = re.compile(rf"{_CELL}(?:\x1f{_CELL})*+", re.ASCII)
_MAYBE_CARD = re.compile(
    r"\d{4}(?:\d{9}|[ -](?:\d{4}[ -]\d|\d{6}[ -]\d{4}))", re.ASCII
)  # quick: few cells have four digits and then this


def check_texts(cells: Sequence[str], long_accounts: bool = False) -> None:
    """Raises RowError for the first cell that holds what no cell may. `long_accounts`: account_no
    may have 13 to 19 digits that look like those of a card.
    """
    if len(cells) not in (len(COLUMNS), len(_NAMES)):
        raise RowError(
            f"{len(cells)} fields, expected {len(COLUMNS)}; a text with a comma in it wants quotes"
        )
    joined = "\x1f".join(cells)
    if _PLAIN.fullmatch(joined) and not _MAYBE_CARD.search(joined):
        return
    for name, text in zip(_NAMES, cells, strict=False):
        _check_text(name, text, long_accounts)


def _check_text(name: str, text: str, long_accounts: bool) -> None:
    if not (long_accounts and name == "account_no") and holds_card_number(text):
        more = (
            "; if it is an account number, set [posted] long_accounts = true in till.toml"
            if name == "account_no"
            else ""
        )
        raise RowError(
            f"{name}: looks like a card number; take card numbers out of the export{more}"
        )
    if len(text) > TEXT_CHARS_MAX:
        raise RowError(
            f"{name}: {len(text)} characters, limit {TEXT_CHARS_MAX}; shorten it in the export"
        )
    if not text.isprintable() or text != text.strip():
        raise RowError(
            f"{name}: control characters or blanks around the text; take them out of the export"
        )
    if name not in AMOUNTS and text[:1] in ("=", "@", "+", "-") and len(text) > 1:
        raise RowError(
            f"{name}: begins with {text[0]}, as a formula of a spreadsheet does; save the values,"
            " not the formulas"
        )
    if name in _NUMBERS and is_cut_number(text):
        raise RowError(
            f"{name}: a number in scientific notation such as 1.9E+18: a spreadsheet cut its digits"
            " off; import the file as the cashiering system wrote it"
        )


def is_cut_number(text: str) -> bool:
    """Whether it is in scientific notation, 1.9E+18: what a spreadsheet makes of long numbers."""
    return _CUT.fullmatch(text) is not None


def holds_card_number(text: str) -> bool:
    """True when 13 to 19 digits in the text, in one run or in the groups printed on cards, pass the
    Luhn check.
    """
    if not _MAYBE_CARD.search(text):
        return False
    found = [match.group() for match in _DIGIT_RUN.finditer(text)]
    found += [re.sub(r"[ -]", "", match.group()) for match in _CARD_GROUPS.finditer(text)]
    return any(13 <= len(digits) <= 19 and _luhn(digits) for digits in found)


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B: every second digit from the right doubled, digits summed, a multiple
    of ten.
    """
    total = 0
    for index, char in enumerate(reversed(digits)):
        value = int(char) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
