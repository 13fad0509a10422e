"""The report of one day, for whoever looks at its forms."""

from dataclasses import replace

import pytest

from gateway.config import Config
from gateway.day.prove import Day, ProvedSession
from gateway.explain.rank import explain
from gateway.office.day_facts import day_facts
from gateway.office.deposit import deposit_of
from gateway.office.policy import blocking, deadline_of, rules_broken
from gateway.office.reconcile import reconcile
from gateway.office.rule_finding import under
from gateway.office.sessions import drawer_sessions
from gateway.office.tenders import tenders_of
from gateway.reports.day_report import day_report
from tests.office.rows import DAY, Tape, posting

CONFIG = Config(site="city-hall", zone="America/Chicago", windows=("w1",))


@pytest.fixture
def report():
    tape = Tape().mark(0, "sign_on", 7).count(1, "opening_float", 20000).opening(40).tally(50, 500)
    tape.add("quarantine", 51, instrument="bills", reason="<script>alert(1)</script>")
    (session,) = drawer_sessions(tape.count(90, "close", 27599).rows)
    proved = reconcile(
        session,
        tenders_of(
            [
                posting("R1", 10, 5000),
                posting("=R2", 12, 700, fund="=HYPERLINK(1)", allocation_cents=699),
            ]
        ),
        DAY,
    )
    quarantined = [{"file": "posted.csv", "line": 3, "reason": "fund: empty"}]
    gap = {"device": "w1", "epoch": 1, "from_seq": 4, "to_seq": 6, "cause": "overwritten"}
    proofs = [ProvedSession(proved, explain(proved))]
    day = Day(
        DAY, 0, 1, proofs, deposit_of([proved]), ["w2"], quarantined, [gap], [], 41, bytes(32)
    )
    return day_report(judged(day), CONFIG)


def judged(day: Day) -> Day:
    """By the rules that ship, without a ledger."""
    by, proofs = under(CONFIG), [proved.reconciliation for proved in day.proofs]
    facts = day_facts(day.business_date, day.until_ms, proofs, day.deposit)
    found = rules_broken(facts, by)
    points = [*day.open_points, *blocking(found)]
    return replace(day, findings=found, open_points=points, deadline=deadline_of(facts, by))
