"""The office's own rules against a proved session: limits of differences, openings, the cut-off."""

from __future__ import annotations

import zoneinfo

from gateway.business_day import business_date_of
from gateway.config import Config, Policy
from gateway.office.drawer import Remark
from gateway.office.openings import unreceipted_openings
from gateway.office.reconcile import Reconciliation


def against_policy(proved: Reconciliation, config: Config, zone: zoneinfo.ZoneInfo) -> list[Remark]:
    """What the office's own rules say: openings without a receipt (R11) and receipts dated before
    the cut-off (R15).
    """
    found = []
    end_ms = proved.session.closed_ms or proved.session.started_ms
    lonely = sum(len(unreceipted_openings(proved, interval)) for interval in proved.intervals)
    if lonely > config.policy.no_sale_openings_max:
        text = (
            f"{lonely} drawer openings without a receipt, limit"
            f" {config.policy.no_sale_openings_max}"
        )
        found.append(Remark("no_sale_openings", end_ms, text))
    late = [
        tender
        for tender in proved.tenders
        if business_date_of(tender.posted_ms, zone, config.cut_off) > tender.business_date
    ]
    if late:
        text = (
            f"{len(late)} receipts after the cut-off belong to this day, first {late[0].receipt_no}"
        )
        found.append(Remark("after_cut_off", late[0].posted_ms, text))
    return found


def wanted(over_short_cents: int | None, policy: Policy) -> str:
    """What the office's policy wants for a difference: nothing, reason, supervisor, report or
    incident.
    """
    cents = abs(over_short_cents or 0)
    steps = (
        (policy.incident_cents, "incident"), (policy.report_cents, "report"),
        (policy.supervisor_cents, "supervisor"),
        (policy.reason_cents, "reason"),
    )  # fmt: skip
    return next((name for limit, name in steps if cents >= limit), "")
