"""What the card processor and the bank deliver for a synthetic day, and what is wrong in it: from
what really happened to the money, with a few errors of theirs.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from simulators.office.bank_files import (
    DEPOSITED,
    NSF,
    Booked,
    Returned,
    Settled,
    bai2,
    camt053,
    nacha_returns,
    settlement_csv,
)
from simulators.office.day import OfficeDay
from simulators.office.truth import RETURNED, Leg
from simulators.office.window import business_day

# Of the card processor: a line that nobody posted, a payment without a line, another amount, twice.
CARD_ERRORS = ("approved_not_posted", "posted_not_settled", "amount_differs", "settled_twice")
TO_THE_BANK = ("cash", "check", "money_order", "other")
LOST_CODE, LOST_CENTS = "ZZ0001", 4_321
SHORT_CENTS = 100  # by which the bank credits less, on some days
FEE_CENTS = -125


@dataclass(frozen=True)
class BankDay:
    """The files, and what they must show. `cards`: kinds of what is not final, of the day itself;
    `returned`: {receipt that came back: what it takes from each fund}; `credit`: (kind, cents that
    the bank credited more).
    """

    settlement: str
    bank: str
    returns: str
    cards: tuple[str, ...]
    returned: dict[str, dict[str, int]]
    credit: tuple[str, int]


def bank_day(day: OfficeDay) -> BankDay:
    """The same day gives the same files."""
    rng = random.Random(f"bank {day.seed}")
    date = day.truth.business_date
    lines, cards = _settled(day, rng)
    back = _came_back(day)
    deposit = sum(day.truth.deposits[date].deposit_cents.get(name, 0) for name in TO_THE_BANK)
    off = -SHORT_CENTS if rng.randrange(3) == 0 and deposit > SHORT_CENTS else 0
    moved = [Booked(NSF, -each.cents, text="RETURNED ITEM NSF") for each, _, _ in back]
    if deposit > 0:
        moved.append(Booked(DEPOSITED, deposit + off, date.replace("-", "")))
    following = str(business_day(day.business_date, 1))
    write = rng.choice((bai2, camt053))
    return BankDay(
        settlement_csv(lines), write(following, moved),
        nacha_returns(date, [each for each, _, _ in back]) if back else "", cards,
        {receipt: funds for _, receipt, funds in back},
        ("part" if off else "credited", off),
    )  # fmt: skip


def _settled(day: OfficeDay, rng: random.Random) -> tuple[list[Settled], tuple[str, ...]]:
    """The lines of all batches, and the kinds of the errors in them."""
    date, codes = day.truth.business_date, {row.receipt_no: row.auth_code for row in day.posted
                                           if row.tender_type == "card"}  # fmt: skip
    legs = [leg for leg in day.truth.legs if leg.tender == "card" and leg.net_cents
            and leg.receipt_no in codes]  # fmt: skip
    wrong = _could_go_wrong(legs, codes, date)
    kinds = [kind for kind in CARD_ERRORS if rng.randrange(3) == 0]
    found: list[Settled] = []
    told: list[str] = []
    counts: Counter[str] = Counter()
    for leg in legs:
        counts[leg.business_date] += 1
        kind = "sale" if leg.net_cents > 0 else "refund"
        line = Settled(
            f"B{leg.business_date}", counts[leg.business_date], kind, codes[leg.receipt_no],
            leg.net_cents, leg.business_date,
        )  # fmt: skip
        error = kinds[-1] if kinds and leg.receipt_no in wrong else ""
        if error and error != "approved_not_posted":
            told.append(kinds.pop())
        if error == "amount_differs":
            line = replace(line, cents=line.cents + 7)
        if error != "posted_not_settled":
            found.append(line)
        if error == "settled_twice":
            counts[leg.business_date] += 1
            found.append(replace(line, line_no=counts[leg.business_date]))
        if error == "approved_not_posted":
            told.append(kinds.pop())
            counts[date] += 1
            found.append(Settled(f"B{date}", counts[date], "sale", LOST_CODE, LOST_CENTS, date))
    if counts[date]:
        found.append(Settled(f"B{date}", counts[date] + 1, "fee", "", FEE_CENTS, date))
    return found, tuple(sorted(told))


def _could_go_wrong(legs: Sequence[Leg], codes: dict[str, str], date: str) -> set[str]:
    """Receipts of the day with a code of their own, and an amount that no other has."""
    amounts = Counter(abs(leg.net_cents) for leg in legs)
    of_code = Counter(codes[leg.receipt_no] for leg in legs)
    return {
        leg.receipt_no
        for leg in legs
        if leg.business_date == date
        and leg.net_cents > 0
        and codes[leg.receipt_no]
        and of_code[codes[leg.receipt_no]] == 1
        and amounts[leg.net_cents] == 1
    }


def _came_back(day: OfficeDay) -> list[tuple[Returned, str, dict[str, int]]]:
    """(the bank's item, the receipt that it was, what it takes from each fund) of the day."""
    found: list[tuple[Returned, str, dict[str, int]]] = []
    for leg in day.truth.legs:
        if leg.place != RETURNED or leg.business_date != day.truth.business_date:
            continue
        of = next(row.void_of for row in day.posted if row.receipt_no == leg.receipt_no)
        was = next(row for row in day.earlier if row.receipt_no == of)
        item = Returned(len(found) + 1, -leg.net_cents, "R01", was.account_no, was.business_date)
        funds: Counter[str] = Counter()
        for fund, cents in leg.funds:
            funds[fund] += cents
        found.append((item, of, dict(funds)))
    return found
