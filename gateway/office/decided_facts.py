"""What hand-overs and decisions of a session are to the rules: plain facts of them. Pure."""

from __future__ import annotations

from gateway.office import rule_facts as facts
from gateway.office.drawer import SURPRISE, DrawerSession


def hand_over_facts(session: DrawerSession) -> list[facts.HandOver]:
    """For R01: who gave the open drawer to whom, and the counts of both."""
    return [
        facts.HandOver(
            each.ref, each.at_ms, str(each.from_cashier), str(each.to_cashier),
            each.gave.ref if each.gave else "", each.took.ref if each.took else "",
        )
        for each in session.hand_overs
    ]  # fmt: skip


def reopening_facts(session: DrawerSession, name: str) -> list[facts.Reopening]:
    """For R09: who opened it again. `name`: of the session among the facts, "w1/1"."""
    return [
        facts.Reopening(
            f"decision/{each.id}", name, each.at_ms,
            [who for who in (each.who, each.told.get("second", "")) if who],
        )
        for each in session.reopenings
    ]  # fmt: skip


def surprise_counts(session: DrawerSession) -> int:
    """For R23: how often somebody else counted the whole drawer unannounced."""
    return sum(group.counted_cents is not None for group in session.counts(SURPRISE))
