"""Cash without pennies: what is due in cash, in nickels, and what the roundings of a drawer sum to.
Pure.

No pennies are made since November 2025; a bill of 76.84 is paid in cash with 76.85. The cashiering
system may post the exact amount: then the drawer differs from the postings by the roundings, to the
cent, and that is neither over nor short. A posting does not say who paid with pennies all the same:
that difference stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

NICKEL_CENTS = 5


class CashLeg(Protocol):
    """A tender leg, as gateway.office.tenders.Tender has it."""

    @property
    def source_system(self) -> str: ...
    @property
    def receipt_no(self) -> str: ...
    @property
    def tender_type(self) -> str: ...
    @property
    def net_cents(self) -> int: ...


class Rounded(NamedTuple):
    """One receipt whose cash was rounded."""

    source_system: str
    receipt_no: str
    posted_cents: int  # its cash as posted: tendered - change
    due_cents: int  # in nickels

    @property
    def rounding_cents(self) -> int:
        """What the drawer got more than was posted; negative: less."""
        return self.due_cents - self.posted_cents


def rounded_due(cents: int) -> int:
    """The cash due in nickels: 1 and 2 cents down, 3 and 4 up, the same for what is paid out.

    Symmetrical rounding: over many payments it favours nobody.
    """
    nickels, rest = divmod(abs(cents), NICKEL_CENTS)
    due = NICKEL_CENTS * (nickels + (1 if 2 * rest > NICKEL_CENTS else 0))
    return -due if cents < 0 else due


def rounded_receipts(legs: Iterable[CashLeg], cash: str) -> list[Rounded]:
    """The receipts of a drawer whose cash was rounded, by number. `cash`: rounding.cash of the
    policy.

    It is the cash of a receipt that is rounded, not each leg: 20.02 and 10.01 in one receipt are
    30.03, so 30.05. Checks and cards are never rounded. What is posted in nickels already brings no
    rounding.
    """
    if cash == "none":
        return []
    posted: dict[tuple[str, str], int] = {}
    for leg in legs:
        if leg.tender_type == "cash":
            key = (leg.source_system, leg.receipt_no)
            posted[key] = posted.get(key, 0) + leg.net_cents
    receipts = [Rounded(*key, cents, rounded_due(cents)) for key, cents in sorted(posted.items())]
    return [receipt for receipt in receipts if receipt.rounding_cents]


def rounding_of(legs: Iterable[CashLeg], cash: str) -> int:
    """What the roundings of a drawer's receipts sum to, in cents: so much more (less when negative)
    than was posted lies in the drawer.
    """
    return sum(receipt.rounding_cents for receipt in rounded_receipts(legs, cash))
