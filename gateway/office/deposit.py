"""What a day brings to the bank: by tender, funds against tenders, over and short, and what was
held over from one day to the next. Pure.

The business date decides the deposit: a receipt that lay in an earlier day's drawer is in it
(`held_in`), one that lies in today's drawer and belongs to a later day is not (`held_over`). What
was counted gives the deposit; that funds and tenders agree says nothing about it. It would tie only
against a second count of the same money, which nobody made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.chart_file import DEPOSITED
from gateway.facts.postings import LOAN, TENDERS
from gateway.office.reconcile import Reconciliation
from gateway.office.tenders import Tender, fund_totals, totals_by_type


@dataclass(frozen=True)
class Deposit:
    """Each amount in cents; None while a proof is missing. Money that the safe lent to a drawer is
    in `loans_cents` alone: it goes back to the safe, and not to the bank.

    `funds_cents`, `tenders_cents`: posted for this business date and expected in a drawer, held in
    with them; `returned_cents`: by fund, what returned items take from the account, apart.
    `after_close_cents`: posted for this date after a drawer was counted: in none of the others.
    """

    funds_cents: dict[str, int]
    tenders_cents: dict[str, int]
    over_short_cents: dict[str, int | None]  # by tender; each session's is shown by itself too
    by_tender_cents: dict[str, int | None]
    held_over_cents: int
    held_in_cents: int
    returned_cents: dict[str, int]
    after_close_cents: int
    rounding_cents: (
        int  # of cash in nickels: in the deposit, in no fund, a line and account of its own
    )
    loans_cents: int  # what the safe lent and did not get back: in no other sum

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
        return _sum(self.over_short_cents.values())

    @property
    def deposit_cents(self) -> int | None:
        """What goes to the bank: cash, checks and what lies with them."""
        return _sum(self.by_tender_cents.get(name, 0) for name in DEPOSITED)

    @property
    def funds_agree(self) -> bool:
        """Whether the allocations sum to the tenders: a statement about the postings alone."""
        return self.total_funds_cents == self.total_tenders_cents


def deposit_of(proofs: Sequence[Reconciliation], held_in: Sequence[Tender] = ()) -> Deposit:
    """The deposit of all sessions of a day. Funds are never altered to balance: the difference is a
    line of its own. `held_in`: receipts of this business date that lay in an earlier day's drawer,
    and what takes back a check of another drawer.
    """
    every = [tender for proof in proofs for tender in proof.tenders]
    own = [tender for tender in every if not tender.is_loan]
    posted = totals_by_type((*own, *held_in))
    returned = [tender for proof in proofs for tender in proof.returned]
    late = [
        t for proof in proofs for t in proof.after_close if t.business_date == proof.business_date
    ]
    return Deposit(
        funds_cents=fund_totals((*own, *held_in)),
        tenders_cents={name: posted[name] for name in TENDERS},
        over_short_cents={
            name: _sum(proof.line(name).over_short_cents for proof in proofs) for name in TENDERS
        },
        by_tender_cents={name: _counted(proofs, held_in, name) for name in TENDERS},
        held_over_cents=sum(t.net_cents for proof in proofs for t in proof.held_over),
        held_in_cents=sum(tender.net_cents for tender in held_in),
        returned_cents=fund_totals(returned),
        after_close_cents=sum(tender.net_cents for tender in late),
        rounding_cents=sum(proof.rounding_cents for proof in proofs),
        loans_cents=sum(tender.net_cents for tender in every if tender.is_loan),
    )


def _counted(proofs: Sequence[Reconciliation], held_in: Sequence[Tender], name: str) -> int | None:
    """What was counted of a tender: cash without the float and with the drops, without loans and
    what is held over, and with what was.
    """
    parts: list[int | None] = [totals_by_type(held_in)[name]]
    for proof in proofs:
        line = proof.line(name)
        parts.append(line.counted_cents)
        parts.append(-line.held_over_cents)
        parts.append(-totals_by_type(each for each in proof.tenders if each.is_loan)[name])
        if name == "cash":
            opening = proof.opening_cents
            parts.append(None if opening is None else proof.drops_cents - opening)
    return _sum(parts)


def _loans(tenders: Iterable[Tender]) -> Mapping[str, int]:
    return totals_by_type(tender for tender in tenders if tender.kind == LOAN)


def _sum(parts: Iterable[int | None]) -> int | None:
    """None when one of them is not known."""
    values = list(parts)
    return None if None in values else sum(cents for cents in values if cents is not None)
