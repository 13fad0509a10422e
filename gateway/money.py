"""Money as integer cents: text in, text out, and division that shows its rounding.

Everything between the edges is an `int`. `decimal` appears here only, where a person or a bank file
writes "12.50".
"""

from __future__ import annotations

import re
from decimal import Decimal

CENTS_MAX = (
    10**12
)  # ten thousand million dollars: nothing in an office is more; a longer number is a mistake
_AMOUNT = re.compile(r"[+-]?\d{1,12}(\.\d{1,2})?", re.ASCII)
_CENTS = re.compile(r"[+-]?\d{1,13}", re.ASCII)
# a real minus: read aloud as "minus", as wide as a plus, and never mistaken for a dash
MINUS = "\N{MINUS SIGN}"


class MoneyError(ValueError):
    """A text that is not an amount. The message shows the text."""


def cents_from_text(text: str) -> int:
    """12.50 -> 1250. At most two places; no thousands separators, exponents, blanks, floats or NaN.

    Raises MoneyError otherwise, and TypeError for anything that is not text: a float has already
    lost what was written.
    """
    if not isinstance(text, str):
        raise TypeError(f"an amount is read from text, not from {type(text).__name__}")
    if _AMOUNT.fullmatch(text) is None:
        raise MoneyError(f"{_short(text)} is not an amount such as 12.50 (at most two places)")
    cents = int(Decimal(text).scaleb(2))
    return _bounded(cents, text)


def cents_from_integer_text(text: str) -> int:
    """1250 -> 1250: a column that is cents already. Raises MoneyError for anything else."""
    if _CENTS.fullmatch(text) is None:
        raise MoneyError(f"{_short(text)} is not a whole number of cents")
    return _bounded(int(text), text)


def format_cents(cents: int, symbol: str = "") -> str:
    """1234567 -> 12,345.67; negative amounts with a real minus sign in front of the symbol."""
    units, rest = divmod(abs(cents), 100)
    return f"{MINUS if cents < 0 else ''}{symbol}{units:,}.{rest:02d}"


def format_signed(cents: int, symbol: str = "") -> str:
    """As `format_cents`, and with a plus in front of an amount over zero: for differences."""
    return ("+" if cents > 0 else "") + format_cents(cents, symbol)


def split_cents(total: int, parts: int) -> list[int]:
    """The total in `parts` shares that differ by one cent at most; the first shares get the cents
    that are left over.
    """
    if parts < 1:
        raise ValueError(f"cannot split into {parts} parts")
    share, rest = divmod(abs(total), parts)
    sign = -1 if total < 0 else 1
    return [sign * (share + (1 if index < rest else 0)) for index in range(parts)]


def _bounded(cents: int, text: str) -> int:
    if abs(cents) > CENTS_MAX:
        raise MoneyError(f"{_short(text)} is more than {format_cents(CENTS_MAX)}")
    return cents


def _short(text: str) -> str:
    return repr(text if len(text) <= 24 else text[:21] + "...")
