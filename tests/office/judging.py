"""Proved sessions before the rules that ship, for whoever needs no ledger."""

from gateway.config import Config
from gateway.office.day_facts import day_facts
from gateway.office.deposit import deposit_of
from gateway.office.policy import rules_broken
from gateway.office.rule_finding import under
from tests.office.rows import DAY, DAY_MS, MINUTE_MS

CONFIG = Config(site="city-hall", zone="America/Chicago", windows=("w1",))
END_MS = DAY_MS + 1_440 * MINUTE_MS


def facts_of(*proofs):
    return day_facts(DAY, END_MS, proofs, deposit_of(proofs))


def broken(*proofs):
    """What the report looks at."""
    return rules_broken(facts_of(*proofs), under(CONFIG))


def told(proof, kind):
    """The texts of one kind."""
    return [each.text for each in broken(proof) if each.kind == kind]


def kinds_of(*proofs):
    return [each.kind for each in broken(*proofs)]
