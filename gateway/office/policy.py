"""The office's rules against a proved day, and what they want for a difference. Which of them are
looked at on the report, and what the others wait for.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.office.final import OpenPoint
from gateway.office.rule_facts import DayFacts
from gateway.office.rule_finding import Under
from gateway.office.rules import Finding, findings
from gateway.office.rules_deposit import Countdown, countdown
from gateway.office.rules_drawer import step_of
from gateway.policy_tables import Policy

YES = "yes"
# {rule: whether the report looks at it, or what has to be on record for that}
LOOKED_AT = {
    "R01": YES,
    "R02": YES,
    "R03": YES,
    "R04": "yes: how often; whether blind, when it is recorded that the amount was shown",
    "R05": YES,
    "R06": YES,
    "R07": YES,
    "R08": "yes: at its tender (wants); over 30 days when closes of days are recorded",
    "R09": "yes: voids and reopenings; approvals when they are recorded",
    "R10": "yes: but the reason, which posted.csv has no column for",
    "R11": YES,
    "R12": YES,
    "R13": "yes: but seals, when bags are recorded",
    "R14": YES,
    "R15": YES,
    "R16": "when deposit slips are recorded",
    "R17": "yes: until the deadline; lateness when deposits are recorded",
    "R18": "when the bank's file is imported, beside its credits",
    "R19": "when the settlement is imported, beside it",
    "R20": "when items are returned, beside them",
    "R21": "yes: fund totals; the accounts when a journal is recorded",
    "R22": YES,
    "R23": "when closes of days are recorded: it asks for a month of sessions",
    "R24": "yes: what a machine gave back as suspect; custody when it can be recorded",
    "R25": "when closes are recorded",
    "R26": "when corrections are recorded",
}
REPORTED = tuple(rule for rule, told in LOOKED_AT.items() if told.startswith(YES))
# R08 stands at the line of its tender and R17's countdown wants to know what time it is.
_FOUND = tuple(rule for rule in REPORTED if rule not in ("R08", "R17"))
# What an open point says anyhow: nobody declared a tender, a row is refused.
SAID_ELSEWHERE = ("not_declared", "numbers_refused")


def rules_broken(day: DayFacts, under: Under, now_ms: int | None = None) -> list[Finding]:
    """What the rules find in a day, the severest first. `now_ms`: what time it is, for the deposit
    that waits; None: nobody asks, so the report of a day stays what it was.
    """
    found = findings(day, under, _FOUND)
    if now_ms is not None:
        found += [
            each
            for each in findings(day._replace(now_ms=now_ms), under, ("R17",))
            if each.kind == "deposit_due"  # whether one was late, nothing on record says
        ]
    return found


def deadline_of(day: DayFacts, under: Under) -> Countdown | None:
    """When the day's deposit has to be made; None where there is nothing for the bank, or the rule
    is off.
    """
    if not day.deposits or under.policy.severity("R17") == "off":
        return None
    return countdown(day.deposits[0], day.deposits[0].first_receipt_ms, under)


def blocking(found: Iterable[Finding]) -> list[OpenPoint]:
    """Why the day is not final by what the rules find: one point for each rule of a session, or of
    the day.
    """
    groups: dict[tuple[str, str], list[Finding]] = {}
    for each in found:
        if each.blocks and each.kind not in SAID_ELSEWHERE:
            groups.setdefault((each.rule, each.session), []).append(each)
    points = []
    for (rule, session), theirs in groups.items():
        more = f", and {len(theirs) - 1} more" if len(theirs) > 1 else ""
        window = session.rpartition("/")[0]
        points.append(OpenPoint(theirs[0].kind, window, f"{rule} {theirs[0].text}{more}"))
    return points


def wanted(over_short_cents: int | None, policy: Policy, is_interval: bool = False) -> str:
    """What the office's policy wants for the difference of a session's tender, or of an interval
    (R08): nothing, reason, supervisor, report or incident.
    """
    if policy.R08.severity == "off":
        return ""
    steps = policy.R08.interval if is_interval else policy.R08.session
    return step_of(over_short_cents or 0, steps)[0]
