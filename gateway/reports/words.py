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


def deposit_line(deposit: Json) -> str:
    """What the totals say, in words. That they agree is arithmetic: it counts no money again."""
    funds, tenders = format_cents(deposit["funds_cents"]), format_cents(deposit["tenders_cents"])
    agree = "agree" if deposit["funds_agree"] else "do not agree"
    text = f"funds {funds} and tenders {tenders} {agree}; over/short"
    text += f" {difference(deposit['over_short_cents'])}"
    for name, words in _APART.items():
        if deposit[name]:
            text += f"; {words} {format_cents(deposit[name])}"
    return f"{text}; not yet counted a second time"


def final_line(report: Json) -> str:
    """Whether the day is final, and in one line why it is not."""
    if report["final"]:
        return "This day is final."
    points = [
        f"{point['window']}: {point['text']}" if point["window"] else point["text"]
        for point in report["open_points"]
    ]
    return f"This day is not final: {'; '.join(points) or 'the allocations do not sum'}."


_APART = {
    "held_over_cents": "held over for a later deposit",
    "held_in_cents": "held in from another day or drawer",
    "rounding_cents": "cash rounded to nickels",
    "loans_cents": "lent by the safe and not given back",
    "after_close_cents": "posted after a closing count, in no sum",
}
