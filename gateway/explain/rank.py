"""Every difference of a session with its candidate causes, the decisive ones first. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gateway.explain.cash import cash_causes
from gateway.explain.causes import (
    CAUSES_MAX,
    POSSIBLE,
    SETTLED,
    STRONG,
    Cause,
    Clock,
    Unsettled,
    Variance,
)
from gateway.explain.other_tenders import check_causes, other_causes
from gateway.office.reconcile import Reconciliation

_TITLES = {  # where the decisive title would name a receipt and may not
    "void_cash_kept": "A voided receipt's cash still in the drawer",
    "not_posted": "A payment taken and not posted",
    "posted_twice": "One payment posted twice",
    "wrong_tender": "A payment posted as another tender",
}


def explain(
    proof: Reconciliation, clock: Clock = str, unsettled: Unsettled = SETTLED
) -> list[Variance]:
    """Every difference of a session with its candidate causes: cash by interval, the other tenders
    for the session. What is known to be missing from the postings comes first.
    """
    found = _without_contradictions(_differences(proof, clock))
    return [replace(each, causes=_after(unsettled, each.causes)) for each in found]


def _after(unsettled: Unsettled, causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    """Nothing is strong while the postings are known to be incomplete, and nothing else is a cause
    while there are none.
    """
    if unsettled.refused:
        title = "Rows or files of this day were refused, and their receipts are not posted"
        check = "Correct the export and import it again"
        first = Cause("refused", POSSIBLE, title, unsettled.refused[:3], check)
        others = () if unsettled.nothing_posted else map(_weaker, causes)
        return _limited([first, *others])
    if unsettled.nothing_posted or unsettled.nothing_at_window:
        where = "this day" if unsettled.nothing_posted else "this window on this day"
        title = f"Nothing was posted for {where}"
        evidence, check = "no receipt of it was imported", "Import its posted file"
        return (Cause("nothing_posted", POSSIBLE, title, (evidence,), check),)
    return causes


def _differences(proof: Reconciliation, clock: Clock) -> list[Variance]:
    variances = []
    for interval in proof.intervals:
        cents = interval.over_short_cents
        if cents:
            causes = cash_causes(proof, interval, cents, clock)
            variances.append(Variance("cash", interval.number, cents, _limited(causes)))
    for line in proof.lines:
        cents = line.over_short_cents or 0
        if cents and line.tender_type != "cash":
            causes = (
                check_causes(proof, cents)
                if line.tender_type == "check"
                else other_causes(proof, line.tender_type, cents)
            )
            variances.append(Variance(line.tender_type, 0, cents, _limited(causes)))
    return variances


def _without_contradictions(variances: list[Variance]) -> list[Variance]:
    """Cash short and checks over by one amount: a payment posted as the wrong tender, or a check
    that was never posted and cash that is gone. Each excludes the other, so neither is strong.
    """
    kinds = {cause.kind for variance in variances for cause in variance.causes}
    if not {"wrong_tender", "not_posted"} <= kinds:
        return variances
    found = []
    for variance in variances:
        causes = [
            _weaker(cause) if cause.kind in ("wrong_tender", "not_posted") else cause
            for cause in variance.causes
        ]
        found.append(replace(variance, causes=_limited(causes)))
    return found


def _weaker(cause: Cause) -> Cause:
    if cause.strength != STRONG:
        return cause
    title = _TITLES.get(cause.kind, cause.title)
    return replace(cause, strength=POSSIBLE, receipt_no="", title=title)


def _limited(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """The first CAUSES_MAX, strong ones first. Two strong ones cannot both be decisive: then none
    names a receipt.
    """
    found = sorted(causes, key=lambda cause: cause.strength != STRONG)
    if sum(cause.strength == STRONG for cause in found) > 1:
        found = [_weaker(cause) for cause in found]
    return tuple(found[:CAUSES_MAX])
