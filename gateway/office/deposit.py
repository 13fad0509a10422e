"""What a day brings to the bank: funds against tenders, over and short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.facts.postings import TENDERS
from gateway.office.reconcile import Reconciliation
from gateway.office.tenders import fund_totals


@dataclass(frozen=True)
class Deposit:
    """What goes to the bank or the processor, and whether it ties: funds = tenders, deposit =
    tenders + over/short.
    """

    funds_cents: dict[str, int]
    tenders_cents: dict[str, int]  # posted net, by tender
    over_short_cents: dict[
        str, int | None
    ]  # by tender; the sum over sessions, each of which is shown by itself too
    deposit_cents: (
        int | None
    )  # counted cash - float + drops, declared checks and cards; None while a proof is missing

    @property
    def total_funds_cents(self) -> int:
        """Sum over the funds."""
        return sum(self.funds_cents.values())

    @property
    def total_tenders_cents(self) -> int:
        """Sum over the tenders."""
        return sum(self.tenders_cents.values())

    @property
    def total_over_short_cents(self) -> int | None:
        """The over/short line of the slip; None while a proof is missing."""
        values = list(self.over_short_cents.values())
        return None if None in values else sum(cents for cents in values if cents is not None)

    @property
    def ties(self) -> bool:
        """True when the three totals agree, the over/short line apart."""
        over_short = self.total_over_short_cents
        if self.deposit_cents is None or over_short is None:
            return False
        return self.total_funds_cents == self.total_tenders_cents == self.deposit_cents - over_short


def deposit_of(proofs: Sequence[Reconciliation]) -> Deposit:
    """The deposit of all sessions of a day. Funds are never altered to balance: the difference is a
    line of its own.
    """
    funds = fund_totals(tender for proof in proofs for tender in proof.tenders)
    posted = {name: sum(proof.line(name).posted_cents for proof in proofs) for name in TENDERS}
    over_short: dict[str, int | None] = {}
    parts: list[int | None] = []
    for name in TENDERS:
        lines = [proof.line(name).over_short_cents for proof in proofs]
        over_short[name] = (
            None if None in lines else sum(cents for cents in lines if cents is not None)
        )
    for proof in proofs:
        counted = proof.line("cash").counted_cents
        opening = proof.opening_cents
        parts.append(
            None if counted is None or opening is None else counted - opening + proof.drops_cents
        )
        parts += [proof.line(name).counted_cents for name in TENDERS[1:]]
    deposit = None if None in parts else sum(cents for cents in parts if cents is not None)
    return Deposit(funds, posted, over_short, deposit)
