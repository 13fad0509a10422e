"""The office's rules against one proved session, and what they want for a difference."""

from __future__ import annotations

from gateway.config import Config
from gateway.office import rule_facts as facts
from gateway.office.decided_facts import hand_over_facts
from gateway.office.drawer import Remark
from gateway.office.reconcile import BALANCED, Reconciliation
from gateway.office.rule_finding import under
from gateway.office.rules import findings
from gateway.office.rules_drawer import step_of
from gateway.office.tenders import Tender
from gateway.policy_tables import Policy

REPORTED = ("R04", "R11", "R15")  # the others have their remarks elsewhere, or none yet


def against_policy(proved: Reconciliation, config: Config) -> list[Remark]:
    """What the rules of the office find in a session: too many counts (R04), drawer openings (R11),
    receipts dated against the cut-off and the calendar (R15).
    """
    session = session_facts(proved)
    day = facts.DayFacts(
        business_date="",
        now_ms=session.closed_ms or session.opened_ms,
        sessions=(session,),
        receipts=session.receipts,
    )
    return [
        Remark(found.kind, found.at_ms, found.text)
        for found in findings(day, under(config), REPORTED)
    ]


def session_facts(proved: Reconciliation) -> facts.Session:
    """A proved session as the rules look at it. A drawer session names its counts and openings by
    window and time, "w1@1795215600000": it keeps no record numbers. Not known here: bags, loose
    batches, who approved the close, and when the expected amount was shown.
    """
    session = proved.session
    device, name = session.device, f"{session.device}/{session.number}"
    counts = [group for group in session.groups if group.kind != "drop"]
    drops = [group for group in session.groups if group.kind == "drop" and not group.replaced]
    return facts.Session(
        name=name,
        device=device,
        cashier="" if session.cashier is None else str(session.cashier),
        opened_ms=session.started_ms,
        closed_ms=session.closed_ms,
        issued_cents=proved.issued_cents,
        booked_float_cents=proved.opening_over_short_cents,  # a line of its own on every report
        counts=[
            facts.Count(
                _ref(device, group.started_ms), group.kind, group.started_ms, group.counted_cents,
                group.counted_cents, bool(group.pieces()),
            )
            for group in counts
        ],
        openings=[
            facts.Opening(_ref(device, each.opened_ms), each.opened_ms, each.dwell_ms)
            for each in session.openings
        ],
        intervals=[
            facts.Interval(
                each.number, each.to_ms, _ref(device, each.to_ms), each.start_cents,
                each.tendered_cents, each.change_cents, each.drops_cents, each.expected_cents,
                each.counted_cents, rounding_cents=each.rounding_cents,
            )
            for each in proved.intervals
        ],
        lines=[
            facts.Line(
                line.tender_type, _gross_cents(proved, line.tender_type), line.counted_cents,
                line.over_short_cents,
            )
            for line in proved.lines
        ],
        drops=[
            facts.Drop(
                _ref(device, group.started_ms), group.started_ms, None, group.declared_cents,
                group.counted_cents,
            )
            for group in drops
        ],
        hand_overs=hand_over_facts(session),
        receipts=[
            *(_receipt(tender, name, True) for tender in (*proved.tenders, *proved.held_over)),
            *(_receipt(tender, name, False) for tender in (*proved.after_close, *proved.unknown)),
        ],
        called_balanced=proved.status == BALANCED,
    )  # fmt: skip


def _ref(device: str, at_ms: int) -> str:
    return f"{device}@{at_ms}"


def _gross_cents(proved: Reconciliation, tender_type: str) -> int:
    """What was posted of a tender, taken back or not: 0 only where there was nothing at all."""
    tenders = (*proved.tenders, *proved.held_over)
    return sum(abs(each.face_cents) for each in tenders if each.tender_type == tender_type)


def _receipt(tender: Tender, session: str, in_expected: bool) -> facts.Receipt:
    return facts.Receipt(
        source=tender.source_system,
        number=tender.receipt_no,
        window=tender.window_id,
        cashier=tender.cashier_id,
        at_ms=tender.posted_ms,
        business_date=tender.business_date,
        tender_type=tender.tender_type,
        net_cents=tender.net_cents,
        status=tender.status,
        session=session,
        in_expected=in_expected,
    )


def wanted(over_short_cents: int | None, policy: Policy, is_interval: bool = False) -> str:
    """What the office's policy wants for the difference of a session's tender, or of an interval
    (R08): nothing, reason, supervisor, report or incident.
    """
    if policy.R08.severity == "off":
        return ""
    steps = policy.R08.interval if is_interval else policy.R08.session
    return step_of(over_short_cents or 0, steps)[0]
