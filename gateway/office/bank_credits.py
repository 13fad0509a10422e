"""Deposits that the office sent against what the bank credited, account by account (rule R18).

Pure. Each deposit and each line of the bank stands in exactly one finding, whatever their order.
A reference decides (a bag number that the bank repeats), then the amount, then sums: two deposits
in one credit, one deposit in several. What rests on a sum alone is told as possible, and only where
exactly one combination fits.
"""

from __future__ import annotations

import datetime
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gateway.errors import DataError
from gateway.facts.settlements import BankLine

CREDITED, PART, MORE = "credited", "part", "more"
COMBINED, SPLIT = "several_in_one_credit", "one_in_several_credits"
WAITING, MISSING = "waiting", "missing"
UNKNOWN_CREDIT, RETURN, DEBIT = "unknown_credit", "return", "debit"

CREDIT_DAYS = 2  # R18: business days after the deposit, then an alert
DAYS_AFTER = 10  # calendar days in which a credit is looked for; assumed: a long weekend and a week
COMBINED_MAX = 4  # deposits in one credit, or credits of one deposit, that are tried
CANDIDATES_MAX = 16  # more deposits than this wait for one credit: no sum is tried
_REFERENCE_CHARS_MIN = 4  # a shorter number stands in too many texts
_TOKEN = re.compile(r"[A-Z0-9]+", re.ASCII)


@dataclass(frozen=True)
class SentDeposit:
    """What the office brought to the bank, or what a card processor should credit.

    `parts`: its cash and its checks, where the bank may credit them apart.
    """

    deposit_id: str  # the bag's number; unique within its account
    account: str
    date: str  # on which it was sent
    amount_cents: int
    references: tuple[str, ...] = ()  # other numbers under which the bank may name it
    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class CreditFinding:
    """What became of deposits and lines that belong together."""

    kind: str
    deposits: tuple[SentDeposit, ...]
    lines: tuple[BankLine, ...]
    basis: str = ""  # reference | amount | parts | sum
    is_possible: bool = False  # it fits, and something else might be true
    alike: int = 0  # combinations that fit, where that is not exactly one
    waited_days: int = 0  # business days since the deposit, of one without credit

    @property
    def difference_cents(self) -> int:
        """Credited less deposited; of returns and debits, what they take."""
        credited = sum(line.amount_cents for line in self.lines)
        return credited - sum(deposit.amount_cents for deposit in self.deposits)

    @property
    def is_alert(self) -> bool:
        """Whether R18 wants somebody to ask the bank."""
        return self.kind in (MISSING, PART, MORE, UNKNOWN_CREDIT)


def credit_findings(
    deposits: Iterable[SentDeposit],
    lines: Iterable[BankLine],
    until: str,
    is_business_day: Callable[[datetime.date], bool],
    credit_days: int = CREDIT_DAYS,
) -> list[CreditFinding]:
    """Every deposit and every line in exactly one finding, by account, kind and date.

    `until`: the newest day that the bank has reported, so that a report that is late is no alert.
    A deposit that is given twice counts once. Raises DataError when two that differ have one id.
    """
    sent = set(deposits)
    for key, count in sorted(Counter((each.account, each.deposit_id) for each in sent).items()):
        if count > 1:
            raise DataError(f"deposit {key[1]}: given twice and not alike; see which one stands")
    given = list(lines)
    found: list[CreditFinding] = []
    for account in sorted({each.account for each in sent} | {line.account for line in given}):
        matching = _Matching(
            [each for each in sent if each.account == account],
            [line for line in given if line.account == account],
        )
        _by_reference(matching)
        _by_amount(matching)
        _by_sums(matching)
        found += matching.found
        found += _rest(matching, until, is_business_day, credit_days)
    return sorted(found, key=_in_order)


def _in_order(found: CreditFinding) -> tuple[object, ...]:
    return (
        (found.deposits or found.lines)[0].account,
        found.kind,
        tuple(_deposit_order(deposit) for deposit in found.deposits),
        tuple(_line_order(line) for line in found.lines),
    )


def _deposit_order(deposit: SentDeposit) -> tuple[str, int, str]:
    return deposit.date, deposit.amount_cents, deposit.deposit_id


def _line_order(line: BankLine) -> tuple[object, ...]:
    return line.date, line.values()


class _Matching:
    """What is open in one account, in an order of its own. Lines are told apart by their place in
    it: two of a day may be alike.
    """

    def __init__(self, deposits: Sequence[SentDeposit], lines: Sequence[BankLine]):
        self.deposits = dict(enumerate(sorted(deposits, key=_deposit_order)))
        self.lines = dict(enumerate(sorted(lines, key=_line_order)))
        self.found: list[CreditFinding] = []
        self.alike: dict[int, int] = {}  # line -> how many combinations of deposits fit it

    @property
    def credits(self) -> dict[int, BankLine]:
        """The lines by which money came, still open."""
        return {
            at: line
            for at, line in self.lines.items()
            if line.amount_cents > 0 and not line.is_return
        }

    def settle(
        self, kind: str, deposits: Sequence[int], lines: Sequence[int], basis: str,
        is_possible: bool = False,
    ) -> None:  # fmt: skip
        self.found.append(CreditFinding(
            kind,
            tuple(self.deposits.pop(at) for at in deposits),
            tuple(self.lines.pop(at) for at in lines),
            basis,
            is_possible,
        ))  # fmt: skip


def _is_near(deposit: SentDeposit, line: BankLine) -> bool:
    days = datetime.date.fromisoformat(line.date) - datetime.date.fromisoformat(deposit.date)
    return datetime.timedelta(0) <= days <= datetime.timedelta(days=DAYS_AFTER)


# --- by reference ---------------------------------------------------------------------------------


def _by_reference(matching: _Matching) -> None:
    """Lines that name one deposit are that deposit's, corrections too; a line that names several is
    theirs where its amount is their sum.
    """
    names: dict[str, set[int]] = defaultdict(set)
    for at, deposit in matching.deposits.items():
        for text in (deposit.deposit_id, *deposit.references):
            token = "".join(_TOKEN.findall(text.upper()))
            if len(token) >= _REFERENCE_CHARS_MIN:
                names[token].add(at)
    own: dict[int, list[int]] = defaultdict(list)
    named = {
        at: {
            deposit
            for token in _tokens(line)
            for deposit in names.get(token, ())
            if _is_near(matching.deposits[deposit], line)
        }
        for at, line in matching.lines.items()
        if not line.is_return  # of an item in the bag, not of the bag
    }
    for at, deposits in named.items():
        if len(deposits) == 1:
            own[next(iter(deposits))].append(at)
    for at, deposits in named.items():
        is_free = all(one in matching.deposits and one not in own for one in deposits)
        if len(deposits) > 1 and is_free:
            wanted = sum(matching.deposits[one].amount_cents for one in deposits)
            if wanted == matching.lines[at].amount_cents:
                matching.settle(COMBINED, sorted(deposits), [at], "reference")
    for sent, lines in sorted(own.items()):
        wanted = matching.deposits[sent].amount_cents
        credited = sum(matching.lines[at].amount_cents for at in lines)
        if credited == wanted:
            kind = CREDITED if len(lines) == 1 else SPLIT
        else:
            kind = PART if credited < wanted else MORE
        matching.settle(kind, [sent], lines, "reference")


def _tokens(line: BankLine) -> set[str]:
    """The words and numbers by which a line may name a deposit."""
    whole = [
        "".join(_TOKEN.findall(text.upper())) for text in (line.reference, line.bank_reference)
    ]
    return {*whole, *_TOKEN.findall(line.text.upper())}


# --- by amount ------------------------------------------------------------------------------------


def _by_amount(matching: _Matching) -> None:
    """Same amount: the earliest deposit has the earliest credit. Where more deposits than credits
    have one amount, which of them is missing is not known, and that is told.
    """
    for amount in sorted({deposit.amount_cents for deposit in matching.deposits.values()} - {0}):
        deposits = [at for at, each in matching.deposits.items() if each.amount_cents == amount]
        lines = [
            at
            for at, each in matching.lines.items()
            if each.amount_cents == amount and not each.is_return
        ]
        pairs, free = [], list(lines)
        for at in deposits:
            line = next(
                (one for one in free if _is_near(matching.deposits[at], matching.lines[one])), None
            )
            if line is not None:
                free.remove(line)
                pairs.append((at, line))
        is_possible = len(pairs) > 0 and len(deposits) != len(lines)
        for at, line in pairs:
            matching.settle(CREDITED, [at], [line], "amount", is_possible)


# --- by sums --------------------------------------------------------------------------------------


def _by_sums(matching: _Matching) -> None:
    """First where the bank or the office says the parts, then where one combination fits."""
    for at, line in list(matching.credits.items()):
        if len(line.parts) > 1 and sum(line.parts) == line.amount_cents:  # else less charges
            near = _near_deposits(matching, line)
            wanted = Counter(line.parts)
            fitting = [one for one in near if wanted[matching.deposits[one].amount_cents]]
            amounts = Counter(matching.deposits[one].amount_cents for one in fitting)
            if amounts == wanted:
                matching.settle(COMBINED, fitting, [at], "parts")
    for at, deposit in list(matching.deposits.items()):
        if len(deposit.parts) > 1 and sum(deposit.parts) == deposit.amount_cents:
            wanted = Counter(deposit.parts)
            near = [
                one for one, line in matching.credits.items()
                if _is_near(deposit, line) and wanted[line.amount_cents]
            ]  # fmt: skip
            if Counter(matching.lines[one].amount_cents for one in near) == wanted:
                matching.settle(SPLIT, [at], near, "parts")
    combined = {
        at: _combinations(
            {one: matching.deposits[one].amount_cents for one in _near_deposits(matching, line)},
            line.amount_cents,
        )
        for at, line in matching.credits.items()
    }
    split = {
        at: _combinations(
            {one: line.amount_cents for one, line in matching.credits.items()
             if _is_near(deposit, line)},
            deposit.amount_cents,
        )
        for at, deposit in matching.deposits.items()
    }  # fmt: skip
    _settle_sums(matching, combined, split)


def _near_deposits(matching: _Matching, line: BankLine) -> list[int]:
    return [at for at, deposit in matching.deposits.items() if _is_near(deposit, line)]


def _combinations(amounts: dict[int, int], wanted: int) -> list[tuple[int, ...]]:
    """Combinations of two to COMBINED_MAX that sum to the amount; none of too many candidates."""
    candidates = [at for at in sorted(amounts) if 0 < amounts[at] < wanted]
    if len(candidates) > CANDIDATES_MAX:
        return []
    return [
        chosen
        for size in range(2, COMBINED_MAX + 1)
        for chosen in itertools.combinations(candidates, size)
        if sum(amounts[at] for at in chosen) == wanted
    ]


def _settle_sums(
    matching: _Matching,
    combined: dict[int, list[tuple[int, ...]]],
    split: dict[int, list[tuple[int, ...]]],
) -> None:
    """Only what is the one combination of its line or deposit, and shares nothing with another."""
    deposits: Counter[int] = Counter()
    lines: Counter[int] = Counter()
    for line, fitting in combined.items():
        for chosen in fitting:
            lines[line] += 1
            deposits.update(chosen)
    for deposit, fitting in split.items():
        for chosen in fitting:
            deposits[deposit] += 1
            lines.update(chosen)
    for line, fitting in combined.items():
        if len(fitting) == 1 and lines[line] == 1 and all(deposits[at] == 1 for at in fitting[0]):
            matching.settle(COMBINED, fitting[0], [line], "sum", is_possible=True)
    for deposit, fitting in split.items():
        is_alone = deposits[deposit] == 1 and all(lines[at] == 1 for at in sum(fitting, ()))
        if len(fitting) == 1 and is_alone:
            matching.settle(SPLIT, [deposit], fitting[0], "sum", is_possible=True)
    matching.alike = {at: len(fitting) for at, fitting in combined.items() if len(fitting) > 1}


# --- what is left ---------------------------------------------------------------------------------


def _rest(
    matching: _Matching,
    until: str,
    is_business_day: Callable[[datetime.date], bool],
    credit_days: int,
) -> list[CreditFinding]:
    found = []
    for deposit in matching.deposits.values():
        waited = business_days_after(deposit.date, until, is_business_day)
        kind = MISSING if waited > credit_days else WAITING
        if deposit.amount_cents == 0:
            kind = CREDITED  # of nothing: a card batch that its refunds use up
        found.append(CreditFinding(kind, (deposit,), (), waited_days=waited))
    for at, line in matching.lines.items():
        kind = RETURN if line.is_return else DEBIT if line.amount_cents <= 0 else UNKNOWN_CREDIT
        found.append(CreditFinding(kind, (), (line,), alike=matching.alike.get(at, 0)))
    return found


def business_days_after(
    date: str, until: str, is_business_day: Callable[[datetime.date], bool]
) -> int:
    """How many business days come after a date, up to `until`, which counts."""
    day, last = datetime.date.fromisoformat(date), datetime.date.fromisoformat(until)
    count = 0
    while day < last:
        day += datetime.timedelta(days=1)
        count += is_business_day(day)
    return count
