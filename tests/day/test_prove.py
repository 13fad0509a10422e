"""Synthetic office days whose truth is known: the proof must say what happened, and blame nobody
for what did not.
"""

import datetime

import pytest

from gateway.explain.rank import explain
from gateway.incoming.posted_file import import_posted
from gateway.office.deposit import deposit_of
from gateway.office.reconcile import reconcile
from gateway.office.sessions import drawer_sessions
from gateway.office.tenders import tenders_of
from gateway.store.ledger import Ledger
from gateway.store.postings import postings_between
from simulators.office.day import generate
from simulators.office.mix import PLAIN
from tests.day.simulated import records_of


def proofs_of(day, tmp_path):
    path = tmp_path / "posted.csv"
    day.posted_csv(path)
    date = day.business_date.isoformat()
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert import_posted(ledger.db, path, 0).refused == 0
        proofs = {}
        for window in day.windows:
            (session,) = drawer_sessions(records_of(day, window))
            proofs[window] = reconcile(
                session, tenders_of(postings_between(ledger.db, window, date, 0, 0)), date
            )
        return proofs


@pytest.mark.parametrize("error", [False, "not_posted", "wrong_change", "posted_twice"])
@pytest.mark.parametrize("seed", range(4))
def test_the_proof_of_a_synthetic_day_is_its_truth(tmp_path, seed, error):
    day = generate(seed, 2, error=error, business_date=datetime.date(2026, 11, 20), mix=PLAIN)
    proofs = proofs_of(day, tmp_path)

    for window, truth in day.truth.windows.items():
        proof = proofs[window]
        found = {
            line.tender_type: line.over_short_cents
            for line in proof.lines
            if line.tender_type in truth.tenders
        }
        assert {name: tender.over_short_cents for name, tender in truth.tenders.items()} == found
        assert [i.over_short_cents for i in truth.intervals] == [
            interval.over_short_cents for interval in proof.intervals
        ]
        assert (truth.opening_float_cents, truth.drops_cents) == (
            proof.opening_cents,
            proof.drops_cents,
        )
    assert deposit_of(list(proofs.values())).funds_agree
    assert day.truth.deposit_by_fund == deposit_of(list(proofs.values())).funds_cents


@pytest.mark.parametrize("error", ["not_posted", "wrong_change", "posted_twice"])
@pytest.mark.parametrize("seed", range(4))
def test_the_error_is_among_the_causes_and_nobody_else_is_blamed(tmp_path, seed, error):
    day = generate(seed, 2, error=error, business_date=datetime.date(2026, 11, 20), mix=PLAIN)
    (wrong,) = day.truth.errors
    causes = []
    for window, proof in proofs_of(day, tmp_path).items():
        for variance in explain(proof):
            assert (window, variance.over_short_cents) == (wrong.window, wrong.amount_cents)
            causes += variance.causes

    assert error in [cause.kind for cause in causes]
    assert {cause.receipt_no for cause in causes} - {""} <= set(wrong.receipts)
