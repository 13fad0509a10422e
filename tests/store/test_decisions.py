"""Decisions of people in the ledger: append-only, under the chain, moved with it, and each a value
that says one thing.
"""

import sqlite3

import pytest

from gateway.config import LOGIN, LedgerServer
from gateway.facts.decisions import Decision, canonical
from gateway.store.decisions import add_decision, decisions
from gateway.store.engine import ServerError
from gateway.store.ledger import Ledger
from gateway.store.move import copy_ledger
from tests.delivery.bench import SITE


def decision(kind="suspend", window="w1", date="2026-11-20", **content):
    return Decision(
        0, 1_000, "kim", "supervisor", kind, date, window, 9, 4, canonical(content), "lunch"
    )


def put(ledger, *new):
    with ledger.transaction() as db:
        return [add_decision(db, each) for each in new]


def test_decisions_come_back_as_they_were_made_and_in_that_order(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        made = put(
            ledger,
            decision("resume"),
            decision("declare", tender="card", cents=9500),
            decision(window="w2"),
            decision(date="2026-11-23"),
        )

        assert made[:2] == decisions(ledger.db, "2026-11-20", "2026-11-20", "w1")
        assert made[:3] == decisions(ledger.db, "2026-11-20", "2026-11-20")
        assert made == decisions(ledger.db, "2026-11-19", "2026-11-24")
        assert {"tender": "card", "cents": 9500} == made[1].told
        assert [1, 2, 3, 4] == [each.id for each in made]
        assert [] == ledger.verify()


def test_a_decision_is_an_entry_of_the_log_and_cannot_be_changed(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        put(ledger, decision())

        assert 1 == ledger.head()[0]
        for change in ("UPDATE decision SET who = 'lee'", "DELETE FROM decision"):
            with pytest.raises(sqlite3.Error, match="append-only"):
                ledger.db.execute(change)


def test_a_decision_moves_to_a_server_and_back_with_its_hash(tmp_path, server):
    with (
        Ledger(tmp_path / "one.db") as ledger,
        Ledger(LedgerServer(server.database(), SITE)) as there,
        Ledger(tmp_path / "two.db") as back,
    ):
        made = put(ledger, decision("declare", tender="check", cents=1), decision())
        copy_ledger(ledger.db, there.db, "there")
        copy_ledger(there.db, back.db, "back")
        with pytest.raises(ServerError, match="append-only"):
            there.db.execute("UPDATE decision SET who = 'lee'")

        assert made == decisions(back.db, "2026-11-20", "2026-11-20")
        assert ledger.head() == back.head()


def test_one_content_has_one_text_and_no_float():
    assert '{"a":[1,2],"b":"caf\\u00e9"}' == canonical({"b": "caf\u00e9", "a": [1, 2]})
    for content in ({"cents": 1.5}, {"a": {"b": [2, 0.5]}}):
        with pytest.raises(TypeError, match="float"):
            canonical(content)


@pytest.mark.parametrize("name", ["kim", "k", "kim.lee-2_x", "a" * 32])
def test_a_login_name_is_short_and_plain(name):
    assert LOGIN.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["", "Kim", "7kim", "kim lee", "kim\n", "a" * 33, "k\u00efm", ".k"]
)
def test_free_text_is_no_login_name(name):
    assert not LOGIN.fullmatch(name)
