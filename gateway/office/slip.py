"""The deposit slip of a business day, by bank account. Pure.

What the drawers say should go to the bank is one count; what the bags hold is a second one, made
when they were filled. The slip lists what the bags hold, for that is what the bank gets. It says
that both agree only where both were counted; one count cannot agree with itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from gateway.chart_file import DEPOSITED, Chart
from gateway.office.deposit import Deposit
from gateway.office.reconcile import Reconciliation
from gateway.office.tenders import Tender

# Notes in one strap (American Bankers Association), coins in one roll (Federal Reserve Banks).
STRAP = 100
ROLLS = {1: 50, 5: 40, 10: 50, 25: 40, 50: 20, 100: 25}

AGREES, DIFFERS, ONE_COUNT = "agrees", "differs", "one count"


class Pieces(NamedTuple):
    """So many pieces of one denomination, and how they are packed: full straps or rolls, and
    loose.
    """

    denomination_cents: int
    is_coin: bool
    pieces: int

    @property
    def cents(self) -> int:
        """What they are worth."""
        return self.denomination_cents * self.pieces

    @property
    def packed(self) -> tuple[int, int]:
        """(straps or rolls, loose pieces)"""
        size = ROLLS.get(self.denomination_cents, 0) if self.is_coin else STRAP
        return divmod(self.pieces, size) if size else (0, self.pieces)


class Bag(NamedTuple):
    """A deposit bag as it was filled: its cash was counted by itself, apart from the drawers."""

    number: str
    sealed_ms: int
    sealed_by: str
    counted_by: str  # which machine, or "by hand"
    pieces: tuple[Pieces, ...]
    cash_cents: int
    checks_cents: tuple[int, ...] = ()


class ListedCheck(NamedTuple):
    """A check of the slip's list. `receipt_no`: empty where the receipts of this amount are not as
    many as its checks.
    """

    cents: int
    receipt_no: str


class AccountSlip(NamedTuple):
    """What goes to one bank account."""

    name: str
    account: str
    tenders_cents: Mapping[str, int]

    @property
    def total_cents(self) -> int:
        """The total of the slip."""
        return sum(self.tenders_cents.values())


class Tie(NamedTuple):
    """Two counts of the same money. `state`: agrees | differs | one count."""

    tender_type: str
    drawers_cents: int
    bags_cents: int | None

    @property
    def state(self) -> str:
        """Whether both were counted and are the same."""
        if self.bags_cents is None:
            return ONE_COUNT
        return AGREES if self.bags_cents == self.drawers_cents else DIFFERS


class Slip(NamedTuple):
    """The whole. `pieces`: of all bags together, the largest denomination first."""

    accounts: tuple[AccountSlip, ...]
    pieces: tuple[Pieces, ...]
    checks: tuple[ListedCheck, ...]
    bags: tuple[Bag, ...]
    ties: tuple[Tie, ...]

    @property
    def total_cents(self) -> int:
        """What goes to the bank, by the drawers' counts."""
        return sum(each.total_cents for each in self.accounts)


def slip_of(
    deposit: Deposit,
    proofs: Sequence[Reconciliation],
    held_in: Sequence[Tender],
    bags: Sequence[Bag],
    chart: Chart,
) -> Slip:
    """The slip of a day all of whose tenders are declared. `held_in`: receipts of this business
    date that lay in an earlier day's drawer.
    """
    counted = {name: deposit.by_tender_cents.get(name) or 0 for name in DEPOSITED}
    accounts = tuple(
        AccountSlip(name, each.account, {t: counted[t] for t in each.tenders if counted[t]})
        for name, each in chart.bank.items()
    )
    return Slip(
        accounts=tuple(each for each in accounts if each.tenders_cents),
        pieces=_together(bags),
        checks=tuple(_listed(_checks(proofs, held_in), _receipts(proofs, held_in))),
        bags=tuple(bags),
        ties=(
            Tie("cash", counted["cash"], sum(bag.cash_cents for bag in bags) if bags else None),
            Tie("check", counted["check"], _checks_of(bags)),
        ),
    )


def _together(bags: Iterable[Bag]) -> tuple[Pieces, ...]:
    totals: Counter[tuple[int, bool]] = Counter()
    for bag in bags:
        for each in bag.pieces:
            totals[each.denomination_cents, each.is_coin] += each.pieces
    return tuple(
        Pieces(cents, is_coin, pieces)
        for (cents, is_coin), pieces in sorted(
            totals.items(), key=lambda item: (-item[0][0], item[0][1])
        )
        if pieces
    )


def _checks_of(bags: Iterable[Bag]) -> int | None:
    """None where no bag was filled with a list of its checks."""
    listed = [cents for bag in bags for cents in bag.checks_cents]
    return sum(listed) if listed else None


def _checks(proofs: Sequence[Reconciliation], held_in: Sequence[Tender]) -> list[int]:
    """The amounts of the checks that go to the bank: those on the tapes, less what is held over
    for a later day, and what an earlier day held for this one.
    """
    amounts: Counter[int] = Counter()
    for proof in proofs:
        amounts.update(proof.session.checks_cents() or [])
        amounts.subtract(each.tendered_cents for each in proof.held_over if _is_check(each))
    amounts.update(each.tendered_cents for each in held_in if _is_check(each))
    return sorted(amounts.elements(), reverse=True)


def _is_check(tender: Tender) -> bool:
    return tender.tender_type == "check" and tender.tendered_cents > 0


def _receipts(
    proofs: Sequence[Reconciliation], held_in: Sequence[Tender]
) -> Mapping[int, list[str]]:
    found: dict[int, list[str]] = {}
    for tender in (*(each for proof in proofs for each in proof.tenders), *held_in):
        if _is_check(tender):
            found.setdefault(tender.tendered_cents, []).append(tender.receipt_no)
    return found


def _listed(amounts: Sequence[int], receipts: Mapping[int, list[str]]) -> Iterable[ListedCheck]:
    """Receipts of one amount are given to its checks in their order, when there are as many."""
    times = Counter(amounts)
    given: Counter[int] = Counter()
    for cents in amounts:
        theirs = receipts.get(cents, [])
        number = theirs[given[cents]] if len(theirs) == times[cents] else ""
        given[cents] += 1
        yield ListedCheck(cents, number)
