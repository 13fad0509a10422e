"""The rules of the office, R01 to R26, over the facts of a day. Pure.

A rule is its id and a function from a day's facts to what it finds. The policy says how severe a
finding is, and whether the rule is looked at; the figures in a text are the policy's. A finding
cites its rule and the facts that it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from gateway.office import rules_deposit, rules_drawer, rules_receipts
from gateway.office.rule_facts import DayFacts
from gateway.office.rule_finding import Fact, Found, Under
from gateway.policy_tables import INVARIANT, SEVERITIES

Judge = Callable[[DayFacts, Under], Iterator[Found]]

RULES: dict[str, Judge] = {
    **rules_drawer.RULES,
    **rules_receipts.RULES,
    **rules_deposit.RULES,
}
_RANK = {name: rank for rank, name in enumerate((INVARIANT, *SEVERITIES))}


class Finding(NamedTuple):
    """What a rule found. `kind` is for whoever decides, `text` for whoever reads."""

    rule: str
    severity: str
    kind: str
    at_ms: int
    session: str  # "w1/1"; "" where it concerns the day
    text: str
    facts: tuple[Fact, ...]

    @property
    def blocks(self) -> bool:
        """Whether something has to wait until a person has settled it."""
        return self.severity in ("block", INVARIANT)


def findings(day: DayFacts, under: Under, only: Iterable[str] | None = None) -> list[Finding]:
    """What the rules find, the severest first, then by rule and time. `only`: these rules alone."""
    found = [
        Finding(rule, under.policy.severity(rule), *each)
        for rule in (RULES if only is None else only)
        if under.policy.severity(rule) != "off"
        for each in RULES[rule](day, under)
    ]
    return sorted(found, key=lambda each: (_RANK[each.severity], each.rule, each.at_ms))
