"""Who comes when, owes what and pays how."""

import datetime
import random
from collections import Counter
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from simulators.office.cash import Pieces, exact_pieces, handed_over
from simulators.office.mix import Mix, happens
from simulators.office.tariff import OTHER_FUNDS, bill, spread

ZONE = ZoneInfo("America/Chicago")
OPENS_HOUR = 8
LAST_ARRIVAL_MINUTE = 450  # 15:30: everybody is served before the cut-off at 16:00
# Share of the customers in each half hour from 08:00: a morning peak and a larger one at lunch.
ARRIVALS = (8, 9, 7, 6, 6, 6, 7, 9, 11, 11, 9, 6, 5, 5, 6)
TENDER_PERCENT = {"cash": 45, "check": 25, "card": 30}
WHOLE_DOLLAR_PERCENT = 22
EXACT_CASH_PERCENT = 30


SPLIT_CENTS_MIN = 4_000  # less is not paid in two ways

Line = tuple[str, str, int]  # (account_no, service, cents)


@dataclass(frozen=True)
class Customer:
    """One payment as the customer means it."""

    arrives_ms: int
    tender: str
    due_cents: int
    lines: tuple[Line, ...]  # what is paid, summing to due_cents
    handed: Pieces  # cash only: the notes and coins handed over
    check_cents: int = 0  # with cash: this part of it by check

    @property
    def cash_cents(self) -> int:
        """What is due in cash, by who pays cash."""
        return self.due_cents - self.check_cents


def local_ms(date: datetime.date, minute: int) -> int:
    """Unix milliseconds UTC of so many minutes after the office opens."""
    opens = datetime.datetime.combine(date, datetime.time(OPENS_HOUR), ZONE)
    return int(opens.timestamp()) * 1_000 + minute * 60_000


def arrivals_ms(
    rng: random.Random, date: datetime.date, count: int, from_half: int = 0, until_half: int = 15
) -> list[int]:
    """When so many customers come, whole seconds, in order; between two half hours from 08:00."""
    each = range(from_half, until_half)
    halves = rng.choices(each, weights=[ARRIVALS[half % 15] for half in each], k=count)
    return sorted(local_ms(date, 30 * half) + rng.randrange(30 * 60) * 1_000 for half in halves)


def tenders(rng: random.Random, count: int, mix: Mix) -> list[str]:
    """So many tenders in the office's proportions, shuffled: the shares are kept and not drawn, so
    no day lacks checks. `split` is cash and a check.
    """
    parts = dict(
        TENDER_PERCENT,
        cash=TENDER_PERCENT["cash"] - mix.split,
        check=TENDER_PERCENT["check"] - mix.money_order - mix.other,
        money_order=mix.money_order,
        other=mix.other,
        split=mix.split,
    )
    kinds = []
    owed = 50
    for kind, percent in parts.items():
        whole, owed = divmod(percent * count + owed, 100)
        kinds += [kind] * whole
    kinds += ["cash"] * (count - len(kinds))
    rng.shuffle(kinds)
    return kinds


def customer(rng: random.Random, arrives_ms: int, tender: str, mix: Mix) -> Customer:
    """A customer with a bill, or with those of the neighbours too. 22 in 100 pay a whole-dollar
    amount near it, the others what it says.
    """
    lines: dict[tuple[str, str], int] = {}
    for _ in range(rng.choice((2, 2, 3)) if happens(rng, mix.several_accounts) else 1):
        account = account_no(rng)
        lines.update({(account, service): cents for service, cents in bill(rng).items()})
    if happens(rng, mix.other_service):
        lines = {("", rng.choice(list(OTHER_FUNDS))): rng.randrange(15, 250) * 100}
    due = sum(lines.values())
    if rng.randrange(100) < WHOLE_DOLLAR_PERCENT:
        step = rng.choice((100, 500, 500, 1_000, 1_000, 2_000))
        due = max(step, (due + rng.randrange(step)) // step * step)
    check_cents = 0
    if tender == "split":
        tender = "cash"
        if due >= SPLIT_CENTS_MIN:
            check_cents = due * rng.randrange(30, 70) // 10_000 * 100
    handed: Pieces = Counter()
    if tender == "cash":
        cash = due - check_cents
        is_exact = rng.randrange(100) < EXACT_CASH_PERCENT
        handed = exact_pieces(rng, cash) if is_exact else handed_over(rng, cash)
    return Customer(arrives_ms, tender, due, paid_lines(lines, due), handed, check_cents)


def paid_lines(lines: dict[tuple[str, str], int], due_cents: int) -> tuple[Line, ...]:
    """What a payment of `due_cents` pays of these bills."""
    return tuple((*key, cents) for key, cents in spread(lines, due_cents).items())


def one_account(rng: random.Random, due_cents: int) -> tuple[Line, ...]:
    """So much on some account."""
    account = account_no(rng)
    lines = {(account, service): cents for service, cents in bill(rng).items()}
    return paid_lines(lines, due_cents)


def account_no(rng: random.Random) -> str:
    """An account number: too short to be taken for a card number."""
    return f"{rng.randrange(10_000, 99_999)}-{rng.randrange(1, 999):03d}"
