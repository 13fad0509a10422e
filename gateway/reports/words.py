"""How reports write a status, an amount, a difference and a date."""

from __future__ import annotations

import datetime

from gateway.money import format_cents, format_signed
from gateway.reports.day_report import Json

SYMBOLS = {
    "balanced": "\N{CHECK MARK}",
    "over": "\N{BLACK UP-POINTING TRIANGLE}",
    "short": "\N{BLACK DOWN-POINTING TRIANGLE}",
}


SYMBOL_OTHER = "\N{WHITE DIAMOND}"  # proof missing, does not tie


def marked(status: str) -> str:
    """Symbol and word of a status."""
    return f"{SYMBOLS.get(status, SYMBOL_OTHER)} {status}"


def shown(cents: int | None) -> str:
    return "not declared" if cents is None else format_cents(cents)


def difference(cents: int | None) -> str:
    return "\N{EN DASH}" if cents is None else format_signed(cents)


def long_date(business_date: str) -> str:
    """Friday 20 November 2026"""
    date = datetime.date.fromisoformat(business_date)
    return date.strftime("%A ") + str(date.day) + date.strftime(" %B %Y")


def tie_line(deposit: Json) -> str:
    """How the totals tie, in words."""
    funds, tenders = format_cents(deposit["funds_cents"]), format_cents(deposit["tenders_cents"])
    over_short = difference(deposit["over_short_cents"])
    word = f"{SYMBOLS['balanced']} ties" if deposit["ties"] else f"{SYMBOL_OTHER} does not tie"
    return (
        f"{word}: funds {funds}, tenders {tenders}, deposit {shown(deposit['deposit_cents'])}, of"
        f" it over/short {over_short}"
    )
