"""One row of posted.csv, schema v1: text fields in, checked values out. Pure; docs/posted-csv.md is
its page.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

from gateway.facts.postings import AMOUNTS, COLUMNS, SERVICES, STATUSES, TENDERS, Posting
from gateway.money import MoneyError, cents_from_integer_text, cents_from_text

NEEDED = (
    "receipt_no",
    "window_id",
    "tender_id",
    "fund",
    "source_system",
)  # texts that may not be empty
TEXT_CHARS_MAX = 40
LINE_NO_MAX = 9_999

_DIGIT_RUN = re.compile(r"(?<!\d)\d{13,19}(?!\d)", re.ASCII)
_CARD_GROUPS = re.compile(
    r"(?<!\d)(\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}|\d{4}[ -]\d{6}[ -]\d{4,5})(?!\d)", re.ASCII
)
_POINT = re.compile(r"[+-]?\d{1,12}\.\d{2}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_WORD = re.compile(r"[a-z_]{1,16}|[A-Z_]{1,16}", re.ASCII)
_NUMBER = re.compile(r"\d{1,6}", re.ASCII)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class RowError(ValueError):
    """Why a row is not posted: the column and what it wants.

    Of a cell's own text only a receipt number, or one plain word where a word is wanted: in an
    export that shifted its columns any cell may hold an account number, a name or a card number,
    and this text is shown and kept. The line says where to look.
    """


def parse_row(cells: Sequence[str]) -> Posting:
    """The posting of one row. Raises RowError for the first thing that is wrong with it."""
    if len(cells) != len(COLUMNS):
        raise RowError(f"{len(cells)} fields, expected {len(COLUMNS)}")
    row = dict(zip(COLUMNS, cells, strict=True))
    for name, text in row.items():
        if holds_card_number(text):
            raise RowError(f"{name}: looks like a card number; take card numbers out of the export")
        if len(text) > TEXT_CHARS_MAX:
            raise RowError(f"{name}: {len(text)} characters, limit {TEXT_CHARS_MAX}")
        if not text.isprintable() or text != text.strip():
            raise RowError(f"{name}: control characters or blanks around the text")
    for name in NEEDED:
        if not row[name]:
            raise RowError(f"{name}: empty")
    _one_of(row, "tender_type", TENDERS)
    _one_of(row, "service", SERVICES)
    _one_of(row, "status", STATUSES)
    if not _NUMBER.fullmatch(row["line_no"]) or not 1 <= int(row["line_no"]) <= LINE_NO_MAX:
        raise RowError(f"line_no: not 1 to {LINE_NO_MAX}")
    amounts = {name: amount(name, row[name])[0] for name in AMOUNTS}
    _check_amounts(row, amounts)
    posted_ms, business_date = _posted_ms(row["posted_at"]), _business_date(row["business_date"])
    values = {
        **row,
        **amounts,
        "line_no": int(row["line_no"]),
        "posted_at": posted_ms,
        "business_date": business_date,
    }
    return Posting(*values.values())  # type: ignore[arg-type]  # in the order of COLUMNS, which is the order of the fields


def amount(name: str, text: str) -> tuple[int, str]:
    """(cents, form) of an amount; form is "cents" for 1250, "units" for 12.50 and "" for a zero
    that shows neither.

    Raises RowError for everything else, more than two places included.
    """
    try:
        if _POINT.fullmatch(text):
            return cents_from_text(text), "units"
        if "." in text:
            raise RowError(f"{name}: not two places after the point")
        cents = cents_from_integer_text(text)
        return cents, "cents" if cents else ""
    except MoneyError:  # its text shows the amount
        raise RowError(f"{name}: not an amount such as 1250 or 12.50") from None


def holds_card_number(text: str) -> bool:
    """True when 13 to 19 digits in the text, in one run or in the groups printed on cards, pass the
    Luhn check.
    """
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


def _one_of(row: dict[str, str], name: str, known: tuple[str, ...]) -> None:
    if row[name] not in known:
        shown = repr(row[name]) if _WORD.fullmatch(row[name]) else "something else"
        raise RowError(f"{name}: {shown} is not one of {', '.join(known)}")


def _check_amounts(row: dict[str, str], amounts: dict[str, int]) -> None:
    taken_back = row["status"] in ("void", "reversed")
    for name, cents in amounts.items():
        if cents < 0 and not taken_back:
            raise RowError(f"{name}: negative on a row that takes nothing back")
    if amounts["change_cents"] and row["tender_type"] != "cash":
        raise RowError(
            f"change_cents: on a {row['tender_type']} tender; change is cash, post it as such"
        )
    if abs(amounts["change_cents"]) > abs(amounts["tender_amount_cents"]):
        raise RowError("change_cents: more than the tender_amount_cents of its row")
    if row["void_of"] and not taken_back:
        raise RowError(f"void_of: set on a row with status {row['status']}")


def _posted_ms(text: str) -> int:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise RowError("posted_at: not ISO 8601 such as 2026-11-20T10:42:08-06:00") from None
    if moment.tzinfo is None:
        raise RowError("posted_at: lacks its offset from UTC, such as -06:00")
    return (moment - _EPOCH) // datetime.timedelta(milliseconds=1)


def _business_date(text: str) -> str:
    try:
        if _DATE.fullmatch(text):
            return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise RowError("business_date: not a date such as 2026-11-20")
