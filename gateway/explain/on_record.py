"""What is on record and in no sum, tried against a difference: receipts of unknown status, and
those that were posted after the count. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from gateway.explain.causes import POSSIBLE, Cause
from gateway.money import format_cents
from gateway.office.intervals import Interval
from gateway.office.reconcile import Reconciliation
from gateway.office.tenders import Tender

CANDIDATES_MAX = 12  # more, and something fits to any amount
TOGETHER_MAX = 3


def on_record_causes(proof: Reconciliation, interval: Interval, cents: int) -> list[Cause]:
    """Two or three of them that are together exactly the difference; one alone is a cause of its
    own (cash.py). None where more than one choice fits.
    """
    is_last = interval.number == len(proof.intervals)
    found = [(each, each.face_cents) for each in proof.unknown if _cash_in(each, interval, is_last)]
    if is_last:
        late = [each for each in proof.after_close if each.tender_type == "cash"]
        found += [(each, each.net_cents) for each in late]
    if len(found) > CANDIDATES_MAX or any(amount == cents for _, amount in found):
        return []
    for count in range(2, TOGETHER_MAX + 1):
        fitting = [
            chosen for chosen in combinations(found, count)
            if sum(amount for _, amount in chosen) == cents
        ]  # fmt: skip
        if fitting:
            return [_together([each for each, _ in fitting[0]], cents)] if len(fitting) == 1 else []
    return []


def _cash_in(tender: Tender, interval: Interval, is_last: bool) -> bool:
    after_start = interval.number == 1 or tender.posted_ms >= interval.from_ms
    return tender.tender_type == "cash" and after_start and (
        is_last or tender.posted_ms < interval.to_ms
    )  # fmt: skip


def _together(receipts: Sequence[Tender], cents: int) -> Cause:
    evidence = tuple(
        f"receipt {each.receipt_no}: {format_cents(each.face_cents)},"
        f" {'of unknown status' if each.status == 'unknown' else 'posted after the count'}"
        for each in receipts
    )
    title = f"Receipts that are in no sum are together {format_cents(cents)}"
    check = "Settle these receipts first: ask the cashiering system, and count again"
    return Cause("on_record", POSSIBLE, title, evidence, check)
