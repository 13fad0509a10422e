"""Who comes when, owes what and pays how."""

import datetime
import random
from collections import Counter
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from simulators.office.cash import Pieces, exact_pieces, handed_over
from simulators.office.tariff import bill, spread

ZONE = ZoneInfo("America/Chicago")
OPENS_HOUR = 8
LAST_ARRIVAL_MINUTE = 450  # 15:30: everybody is served before the cut-off at 16:00
# Share of the customers in each half hour from 08:00: a morning peak and a larger one at lunch.
ARRIVALS = (8, 9, 7, 6, 6, 6, 7, 9, 11, 11, 9, 6, 5, 5, 6)
TENDER_PERCENT = {"cash": 45, "check": 25, "card": 30}
WHOLE_DOLLAR_PERCENT = 22
EXACT_CASH_PERCENT = 30


@dataclass(frozen=True)
class Customer:
    """One payment as the customer means it."""

    arrives_ms: int
    tender: str
    account_no: str
    due_cents: int  # what is paid on the account
    shares: dict[str, int]  # {service: cents}, summing to due_cents
    handed: Pieces  # cash only: the notes and coins handed over


def local_ms(date: datetime.date, minute: int) -> int:
    """Unix milliseconds UTC of so many minutes after the office opens."""
    opens = datetime.datetime.combine(date, datetime.time(OPENS_HOUR), ZONE)
    return int(opens.timestamp()) * 1_000 + minute * 60_000


def arrivals_ms(rng: random.Random, date: datetime.date, count: int) -> list[int]:
    """When so many customers come, whole seconds, in order."""
    halves = rng.choices(range(len(ARRIVALS)), weights=ARRIVALS, k=count)
    return sorted(local_ms(date, 30 * half) + rng.randrange(30 * 60) * 1_000 for half in halves)


def tenders(rng: random.Random, count: int, money_order_percent: int = 0) -> list[str]:
    """So many tenders in the office's proportions, shuffled: the shares are kept and not drawn, so
    no day lacks checks.
    """
    parts = dict(
        TENDER_PERCENT,
        check=TENDER_PERCENT["check"] - money_order_percent,
        money_order=money_order_percent,
    )
    kinds = []
    owed = 50
    for kind, percent in parts.items():
        whole, owed = divmod(percent * count + owed, 100)
        kinds += [kind] * whole
    kinds += ["cash"] * (count - len(kinds))
    rng.shuffle(kinds)
    return kinds


def customer(rng: random.Random, arrives_ms: int, tender: str) -> Customer:
    """A customer with a bill. 22 in 100 pay a whole-dollar amount near it, the others what it
    says.
    """
    lines = bill(rng)
    due = sum(lines.values())
    if rng.randrange(100) < WHOLE_DOLLAR_PERCENT:
        step = rng.choice((100, 500, 500, 1_000, 1_000, 2_000))
        due = max(step, (due + rng.randrange(step)) // step * step)
    handed: Pieces = Counter()
    if tender == "cash":
        handed = (
            exact_pieces(rng, due)
            if rng.randrange(100) < EXACT_CASH_PERCENT
            else handed_over(rng, due)
        )
    return Customer(arrives_ms, tender, account_no(rng), due, spread(lines, due), handed)


def account_no(rng: random.Random) -> str:
    """An account number: too short to be taken for a card number."""
    return f"{rng.randrange(10_000, 99_999)}-{rng.randrange(1, 999):03d}"
