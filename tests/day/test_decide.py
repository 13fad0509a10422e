"""Decisions through the ledger: those without their session, the day of neighbours, a server."""

import pytest

from gateway.config import Config, LedgerServer, Person, Site
from gateway.day.decide import Wanted, decide
from gateway.facts.decisions import Decision, canonical
from gateway.store.decisions import add_decision, decisions
from gateway.store.ledger import Ledger
from gateway.store.move import copy_ledger
from tests.day.bench import EVENING_MS, OfficeDay
from tests.delivery.bench import SITE
from tests.office.rows import DAY, DAY_MS, Tape, posting
from tests.store.conftest import server  # noqa: F401

PEOPLE = {"kim": Person("supervisor"), "jo": Person("supervisor"), "pat": Person("cashier", 7)}
CONFIG = Config(site=SITE, zone="America/Chicago", windows=("w1", "w2"), people=PEOPLE)


def at(folder):
    return Site(folder / "till.toml", CONFIG)


def day_of(folder):
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    return OfficeDay(folder, tape.count(1000, "close", 25000))


def test_a_decision_whose_session_is_not_there_is_an_open_point_of_its_day(tmp_path):
    office = day_of(tmp_path)
    with office.office.ledger.transaction() as db:
        key = (DAY, "w1", 99, 1)
        add_decision(
            db, Decision(0, EVENING_MS, "kim", "", "suspend", *key, canonical({}), "")
        )  # fmt: skip

    points = [(each.kind, each.window) for each in office.day().open_points]
    assert ("decision_without_session", "w1") in points


def test_a_recount_by_hand_moves_the_figures_of_the_day_and_of_no_other(tmp_path):
    office = day_of(tmp_path)
    office.post([posting("R1", 600, 6000)])
    before = office.day("2026-11-23").proofs
    wanted = Wanted("recount", "w1", DAY, "kim", reason="bag", content={"cents": 26000})
    decide(office.office.ledger, at(tmp_path), wanted, EVENING_MS)

    assert ["balanced"] == [proof.reconciliation.status for proof in office.day().proofs]
    assert before == office.day("2026-11-23").proofs


def test_the_second_of_two_who_suspend_at_once_is_refused(tmp_path):
    """By a gateway whose clock is behind the board's: what they saw was before them."""
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)
    office = OfficeDay(tmp_path, tape)
    done = [
        decide(office.office.ledger, at(tmp_path), Wanted("suspend", "w1", DAY, who), DAY_MS)
        for who in ("kim", "jo")
    ]

    assert [True, False] == [each.refused is None for each in done]
    assert "the session is suspended" in str(done[1].refused)


@pytest.mark.parametrize("who", ["pat", "kim"])
def test_decisions_on_a_server_are_those_of_a_file(tmp_path, server, who):  # noqa: F811
    here = day_of(tmp_path / "here")
    wanted = Wanted("surprise", "w1", DAY, who, content={"cents": 1})
    address = LedgerServer(server.database(), SITE)
    with Ledger(address) as there:
        copy_ledger(here.office.ledger.db, there.db, "there")
        told = [
            decide(ledger, at(tmp_path), wanted, EVENING_MS)
            for ledger in (here.office.ledger, there)
        ]

        assert repr(told[0]) == repr(told[1])
        assert decisions(there.db, DAY, DAY) == decisions(here.office.ledger.db, DAY, DAY)
        assert [] == there.verify()
