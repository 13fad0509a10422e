"""Two statements about one row of a receipt: a new version of it, or two receipts that have the
same number? Pure.

Which of two versions stands is gateway/facts/postings.py: RANK. Here is only asked whether they
speak of the same money. A system that states a receipt again may change its status, its fund, even
its amount; it does not move it to another window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.facts.postings import RANK


class Said(NamedTuple):
    """What is compared of a statement."""

    window_id: str
    business_date: str
    posted_ms: int
    tender_type: str
    tender_amount_cents: int
    change_cents: int
    allocation_cents: int
    account_no: str
    status: str


def is_other_receipt(one: Said, other: Said) -> bool:
    """Whether two statements about one number speak of two receipts."""
    if one.window_id != other.window_id:
        return True
    if one.posted_ms == other.posted_ms:
        return False
    is_next_state = RANK[one.status] != RANK[other.status]
    same_money = abs_money(one) == abs_money(other)
    if one.business_date != other.business_date:
        return not (is_next_state and same_money)
    return not is_next_state and one.account_no != other.account_no


def abs_money(said: Said) -> tuple[str, int, int, int, str]:
    """The money of a statement without signs: what is taken back is shown with either."""
    return (
        said.tender_type, abs(said.tender_amount_cents), abs(said.change_cents),
        abs(said.allocation_cents), said.account_no,
    )  # fmt: skip


def collision(receipt_no: str, line_no: int, where: str, said: Sequence[Said]) -> str:
    """The reason against rows of two receipts with one number, with the setting that tells them
    apart. `where`: who has the other one.
    """
    windows = len({each.window_id for each in said}) > 1
    dates = len({each.business_date for each in said}) > 1
    text = f"receipt_no: receipt {receipt_no} line {line_no} is another receipt {where}"
    if not windows and not dates:
        return (
            f"{text}, at the same window on the same day; its number is not unique: let the"
            " export give each receipt its own"
        )
    what = " and ".join(
        name for name, differs in (("at each window", windows), ("each day", dates)) if differs
    )
    scope = "window-day" if windows and dates else "window" if windows else "day"
    return (
        f'{text}; if numbers start again {what}, set [posted] receipt_scope = "{scope}" in'
        " till.toml and import again"
    )


def judge(receipt_no: str, line_no: int, said: Sequence[Said]) -> tuple[str, str]:
    """(code, reason) against different statements about one row in one file; ("", "") when they
    are versions: nobody knows an order among them but that of their rank.
    """
    for index, one in enumerate(said):
        if any(is_other_receipt(one, other) for other in said[:index]):
            return "collision", collision(receipt_no, line_no, "elsewhere in this file", said)
    ranks = [RANK[each.status] for each in said]
    if len(set(ranks)) < len(ranks):
        return "two_ways", (
            f"receipt {receipt_no} line {line_no}: this file says it in two ways; export the day"
            " again, each row once"
        )
    return "", ""
