"""The office's own rules against a proved session: limits of differences, openings, the cut-off."""

from __future__ import annotations

from gateway.config import Config
from gateway.office.calendar import calendar_of
from gateway.office.drawer import Remark
from gateway.office.openings import unreceipted_openings
from gateway.office.reconcile import Reconciliation
from gateway.policy_tables import Policy


def against_policy(proved: Reconciliation, config: Config) -> list[Remark]:
    """What the office's own rules say: openings without a receipt (R11) and receipts dated before
    the cut-off (R15).
    """
    found = []
    end_ms = proved.session.closed_ms or proved.session.started_ms
    lonely = sum(len(unreceipted_openings(proved, interval)) for interval in proved.intervals)
    limit = config.policy.R11.no_sale_openings
    if lonely > limit:
        text = f"{lonely} drawer openings without a receipt, limit {limit}"
        found.append(Remark("no_sale_openings", end_ms, text))
    calendar = calendar_of(config)
    late = [
        tender
        for tender in proved.tenders
        if calendar.business_date_of(tender.posted_ms) > tender.business_date
    ]
    if late:
        text = (
            f"{len(late)} receipts after the cut-off belong to this day, first {late[0].receipt_no}"
        )
        found.append(Remark("after_cut_off", late[0].posted_ms, text))
    return found


def wanted(over_short_cents: int | None, policy: Policy, is_interval: bool = False) -> str:
    """What the office's policy wants for the difference of a session's tender, or of an interval
    (R08): nothing, reason, supervisor, report or incident.
    """
    if policy.R08.severity == "off":
        return ""
    cents = abs(over_short_cents or 0)
    limits = policy.R08.interval if is_interval else policy.R08.session
    steps = (
        (limits.incident_cents, "incident"), (limits.report_cents, "report"),
        (limits.supervisor_cents, "supervisor"), (limits.reason_cents, "reason"),
    )  # fmt: skip
    return next((name for limit, name in steps if cents >= limit), "")
