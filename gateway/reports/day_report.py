"""The report of a business day, in four forms that say the same: JSON (integer cents), CSV, HTML
for print, terminal.

`day_report` makes plain data of a Day; the others only lay it out. A status is a symbol and a word,
never a colour alone.
"""

from __future__ import annotations

import json
import zoneinfo
from typing import Any

from gateway.business_day import local_time
from gateway.config import Config
from gateway.day.prove import Day, ProvedSession
from gateway.explain.causes import Variance
from gateway.office.deposit import Deposit
from gateway.office.intervals import Interval
from gateway.office.policy import wanted
from gateway.office.reconcile import Reconciliation, TenderLine
from gateway.office.tenders import Tender
from gateway.reports.arrivals import arrivals_json
from gateway.reports.drawerless import drawerless_json
from gateway.reports.money_report import money_report
from gateway.reports.rules_part import changes_of, deadline_of, findings_of
from gateway.reports.session_record import session_record
from gateway.reports.suspense import suspense_json

VERSION = 1
Json = dict[str, Any]


def day_report(day: Day, config: Config) -> Json:
    """Everything the report says, as plain data: amounts in integer cents, times in Unix
    milliseconds UTC.
    """
    zone = zoneinfo.ZoneInfo(config.zone)
    deposit = day.deposit
    return {
        "report": "till day",
        "version": VERSION,
        "site": config.site,
        "zone": config.zone,
        "currency": config.currency,
        "business_date": day.business_date,
        "balanced": day.is_balanced,
        "final": day.is_balanced and not day.open_points,
        "open_points": [
            {"kind": point.kind, "window": point.window, "text": point.text}
            for point in day.open_points
        ],
        "findings": findings_of(day, None, zone),
        "sessions": [
            _session(proof, config, zone)
            | {"findings": findings_of(day, proof.reconciliation.session, zone)}
            for proof in day.proofs
        ],
        "windows_without_session": day.idle_windows,
        "windows_not_configured": day.unassigned,
        "without_drawer": [drawerless_json(each, zone) for each in day.without_drawer],
        "deposit": _deposit(deposit) | {"deadline": deadline_of(day, config, zone)},
        "suspense": suspense_json(day.suspense),
        "arrived_later": arrivals_json(day.arrived_later, zone),
        "held_in": [_tender(tender) for tender in day.held_in],
        "money": money_report(day.money),
        "quarantined_rows": day.quarantined,
        "changes": changes_of(day.changes, zone),
        "gaps": [
            {name: gap[name] for name in ("device", "epoch", "from_seq", "to_seq", "cause")}
            for gap in day.gaps
        ],
        "incidents": [
            {name: row[name] for name in ("at_ms", "kind", "device", "text")}
            for row in day.incidents
        ],
        "ledger": {"n": day.ledger_n, "head": day.ledger_head.hex()},
        "checkpoint": day.checkpoint,
    }


def _deposit(deposit: Deposit) -> Json:
    return {
        "funds": [{"fund": fund, "cents": cents} for fund, cents in deposit.funds_cents.items()],
        "tenders": [
            {"tender": tender, "cents": cents, "deposit_cents": deposit.by_tender_cents[tender]}
            for tender, cents in deposit.tenders_cents.items()
            if cents or deposit.by_tender_cents[tender] != 0
        ],
        "over_short": [
            {"tender": tender, "cents": cents}
            for tender, cents in deposit.over_short_cents.items()
            if cents != 0
        ],
        "returned": [
            {"fund": fund, "cents": cents} for fund, cents in deposit.returned_cents.items()
        ],
        "funds_cents": deposit.total_funds_cents,
        "tenders_cents": deposit.total_tenders_cents,
        "over_short_cents": deposit.total_over_short_cents,
        "deposit_cents": deposit.deposit_cents,
        "held_over_cents": deposit.held_over_cents,
        "held_in_cents": deposit.held_in_cents,
        "after_close_cents": deposit.after_close_cents,
        "rounding_cents": deposit.rounding_cents,
        "loans_cents": deposit.loans_cents,
        "funds_agree": deposit.funds_agree,
    }


def _tender(tender: Tender) -> Json:
    return {
        "receipt_no": tender.receipt_no,
        "source_system": tender.source_system,
        "tender": tender.tender_type,
        "net_cents": tender.net_cents,
        "posted_ms": tender.posted_ms,
        "business_date": tender.business_date,
        "void_of": tender.void_of or None,
    }


def _session(proof: ProvedSession, config: Config, zone: zoneinfo.ZoneInfo) -> Json:
    proved, session = proof.reconciliation, proof.reconciliation.session
    policy = config.policy
    return {
        "window": session.device,
        "session": session.number,
        "cashier": session.cashier,
        "state": session.state,
        "status": proved.status,
        "started_ms": session.started_ms,
        "closed_ms": session.closed_ms,
        "opening_cents": proved.opening_cents,
        "issued_cents": proved.issued_cents,
        "opening_over_short_cents": proved.opening_over_short_cents,
        "drops_cents": proved.drops_cents,
        "rounding_cents": proved.rounding_cents,
        "tenders": [
            {
                "tender": line.tender_type,
                "posted_cents": line.posted_cents,
                "held_over_cents": line.held_over_cents,
                "expected_cents": line.expected_cents,
                "counted_cents": line.counted_cents,
                "declared_cents": line.declared_cents,
                "over_short_cents": line.over_short_cents,
                "status": line.status,
                "wants": wanted(_largest(line), policy),
            }
            for line in proved.lines
            if line.posted_cents
            or line.expected_cents
            or line.counted_cents
            or line.tender_type == "cash"
        ],
        "intervals": [_interval(interval) for interval in proved.intervals],
        "later_intervals": [_interval(interval) for interval in proved.later_intervals],
        **session_record(session),
        "held_over": [_tender(tender) for tender in proved.held_over],
        "after_close": [_tender(tender) for tender in proved.after_close],
        "returned": [_tender(tender) for tender in proved.returned],
        "close": _denominations(proved),
        "variances": [_variance(variance) for variance in proof.variances],
        "drawer_openings": len(session.openings),
        "exceptions": [
            {
                "kind": remark.kind,
                "at_ms": remark.at_ms,
                "at": local_time(remark.at_ms, zone),
                "text": remark.text,
            }
            for remark in proved.remarks
        ],
        "instruments": dict(sorted(session.instruments.items())),
    }


def _largest(line: TenderLine) -> int | None:
    """What the policy is asked about: nothing is netted over a count."""
    parts = [abs(cents) for cents in line.parts_cents]
    return None if line.over_short_cents is None else max([abs(line.over_short_cents), *parts])


def _interval(interval: Interval) -> Json:
    return {
        "interval": interval.number,
        "from": interval.from_kind,
        "to": interval.to_kind,
        "from_ms": interval.from_ms,
        "to_ms": interval.to_ms,
        "start_cents": interval.start_cents,
        "tendered_cents": interval.tendered_cents,
        "change_cents": interval.change_cents,
        "drops_cents": interval.drops_cents,
        "rounding_cents": interval.rounding_cents,
        "expected_cents": interval.expected_cents,
        "counted_cents": interval.counted_cents,
        "over_short_cents": interval.over_short_cents,
    }


def _variance(variance: Variance) -> Json:
    return {
        "tender": variance.tender_type,
        "interval": variance.interval,
        "over_short_cents": variance.over_short_cents,
        "explained": bool(variance.causes),
        "causes": [
            {
                "kind": cause.kind,
                "strength": cause.strength,
                "title": cause.title,
                "receipt_no": cause.receipt_no or None,
                "evidence": list(cause.evidence),
                "check": cause.check,
            }
            for cause in variance.causes
        ],
    }


def _denominations(proved: Reconciliation) -> list[Json]:
    close = proved.session.close
    if close is None:
        return []
    return [
        {"instrument": instrument, "denomination_cents": denomination_cents, "pieces": pieces}
        for (instrument, denomination_cents), pieces in sorted(
            close.pieces().items(), key=lambda item: -item[0][1]
        )
    ]


# --- JSON and CSV ---------------------------------------------------------------------------------


def to_json(report: Json) -> str:
    """The report as it is."""
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


# --- HTML -----------------------------------------------------------------------------------------


# --- terminal -------------------------------------------------------------------------------------
