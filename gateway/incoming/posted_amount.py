"""An amount as a file writes it: cents, or the reason why it is none. Pure."""

from __future__ import annotations

import functools
import re

from gateway.money import MINUS, MoneyError, cents_from_integer_text, cents_from_text


class RowError(ValueError):
    """Why a row is not posted: the column, what is wrong, and what to do.

    Of a cell's own text only a receipt number, or one plain word where a word is wanted: in an
    export that shifted its columns any cell may hold an account number, a name or a card number,
    and this text is shown and kept. The line says where to look.
    """


_POINT = re.compile(r"[+-]?\d{1,12}\.\d{2}", re.ASCII)
_LIKE_UNITS = re.compile(r"\d[.,]\d{0,2}\D*$", re.ASCII)
_SIGNS = "$€£¥¢"
# [(what it looks like, what to say)], the first that fits. Source of the forms: public layouts of
# payment files ($#,###.##-, (12.50), CR) and what spreadsheets write.
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), text)
    for pattern, text in (
        (r"", "empty; write 0 for nothing"),
        (r"[=@].*", "a formula; save the values, not the formulas"),
        (r"[+-]?\d+([.,]\d+)?e[+-]?\d+", "in scientific notation; import the file as the cashiering"
         " system wrote it"),
        (rf".*[{_SIGNS}].*|[a-z]{{3}} ?[\d,.-]+|[\d,.-]+ ?(usd|dollars?)", "it has a currency sign;"
         " export the bare number"),
        (r"\(.*\)", "in parentheses; export a minus in front"),
        (rf".*[-\u2013{MINUS}]\s*", "a minus at the end; export it in front"),
        (rf"[\u2010-\u2015{MINUS}].*", "a dash that is no minus sign; export the sign -"),
        (r".*(cr|dr|db)\.?", "CR or DR in place of a sign; export a minus in front"),
        (r"[+-]?\d+\.\d", "one place after the point: a spreadsheet took the last zero off; export"
         " two, or whole cents"),
        (r"[+-]?\d+\.", "nothing after the point; export two places, or whole cents"),
        (r"[+-]?\.\d+", "nothing in front of the point; export 0.50, or whole cents"),
        (r"[+-]?\d+\.\d{3,}", "more than two places after the point; export whole cents"),
        (r"[+-]?\d+,\d{1,2}", "a comma in place of the point; export a point, or whole cents"),
        (r"[+-]?\d{1,3}([,.' \u00a0\u202f]\d{3})+([.,]\d+)?", "it has a thousands separator; export"
         " the bare number"),
        (r"[+-]?\d{14,}.*", "too long for an amount; a column may have moved"),
        (r"[+-]{2,}.*", "two signs; export one"),
        (r".*\d{4}-\d\d-\d\d.*", "a date; a column may have moved"),
    )
)  # fmt: skip


@functools.lru_cache(maxsize=20_000)
def amount(name: str, text: str) -> tuple[int, str]:
    """(cents, form) of an amount; form is "cents" for 1250, "units" for 12.50 and "" for a zero
    that shows neither.

    Raises RowError for everything else, more than two places included.
    """
    try:
        if _POINT.fullmatch(text):
            return cents_from_text(text), "units"
        if "." not in text:
            cents = cents_from_integer_text(text)
            return cents, "cents" if cents else ""
    except MoneyError:  # its text shows the amount
        if _POINT.fullmatch(text) or re.fullmatch(r"[+-]?\d{1,13}", text, re.ASCII):
            raise RowError(f"{name}: more than any office takes; a column may have moved") from None
    for form, said in _FORMS:
        if form.fullmatch(text):
            raise RowError(f"{name}: {said}")
    raise RowError(f"{name}: not an amount such as 1250 or 12.50; a column may have moved")


def form_of_refused(text: str) -> str:
    """The form that a text which `amount` refuses seems to be of: "units" or ""."""
    return "units" if _LIKE_UNITS.search(text) else ""
