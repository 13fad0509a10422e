"""A proved day before the rules of the office: facts out of the proofs and the ledger, what the
rules find in them, and what of that keeps the day from being final.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.day.numbers import with_numbers
from gateway.office.day_facts import Legs, day_facts, legs_of, taken_back
from gateway.office.policy import blocking, deadline_of, rules_broken
from gateway.office.reconcile import Reconciliation
from gateway.office.rule_facts import DayFacts, SuspenseItem
from gateway.office.rule_finding import Under
from gateway.office.tenders import Receipt, Tender, tenders_of
from gateway.store.engine import Db
from gateway.store.other_days import rows_of
from gateway.store.postings import changes

if TYPE_CHECKING:
    from gateway.day.prove import Day


def judged(db: Db, day: Day, under: Under, now_ms: int | None = None) -> Day:
    """The day with what the rules find in it; what blocks is an open point. `now_ms`: what time it
    is, for a deposit that waits.
    """
    facts = facts_of(db, day, under)
    found = rules_broken(facts, under, now_ms)
    return replace(
        day,
        findings=found,
        open_points=sorted(
            (*day.open_points, *blocking(found)), key=lambda point: bool(point.window)
        ),  # those of the day first
        deadline=deadline_of(facts, under),
        changes=changes(db, day.business_date),
    )


def facts_of(db: Db, day: Day, under: Under) -> DayFacts:
    """What the rules look at."""
    proofs = [proved.reconciliation for proved in day.proofs]
    facts = day_facts(
        day.business_date, day.until_ms, proofs, day.deposit, day.held_in, _earlier(db, proofs),
        day.is_balanced,
    )  # fmt: skip
    if under.policy.severity("R14") != "off":
        facts = with_numbers(db, facts, under)
    if under.policy.severity("R22") != "off":
        facts = facts._replace(
            suspense=[
                SuspenseItem(each.receipt_no, each.since, each.cents, False)
                for each in day.suspense
            ]
        )
    return facts


def _earlier(db: Db, proofs: list[Reconciliation]) -> Legs:
    """The receipts of other days, or windows, that something of this day takes back."""
    named = taken_back(proofs)
    wanted = named - legs_of(proofs, named).keys()
    found: dict[Receipt, list[Tender]] = {}
    for tender in tenders_of(rows_of(db, wanted)):
        if not tender.is_void:
            found.setdefault(tender.receipt, []).append(tender)
    return found
