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
from tests.office.rows import Seen

MARKS = (
    "card_total", "sign_on", "opening_float", "drop", "checks_tape", "close", "recount",
    "void_last_batch", "checkpoint", "done",
)  # fmt: skip


def records_of(day, window):
    """The records that a board would state for the plan of a window."""
    rows, line_no = [], 0

    def add(kind, at_ms, **fields):
        rows.append(Seen(window, 1, len(rows) + 1, kind, at_ms, {"kind": kind, **fields}))

    for action in day.actions_of(window):
        kind, at_ms = action["action"], action["at_ms"]
        if kind == "mark":
            value = {} if action.get("value") is None else {"value": action["value"]}
            add("mark", at_ms, mark=MARKS[int(action["code"])], **value)
        elif kind in ("count_bills", "count_coins"):
            pieces = [(denomination, count) for denomination, count in action["rows"]]
            total = sum(denomination * count for denomination, count in pieces)
            name = kind.removeprefix("count_")
            batch = {"batch_id": str(len(rows)), "digest": bytes([len(rows) % 256])}
            add(
                "tally",
                at_ms,
                instrument=name,
                currency="USD",
                rows=pieces,
                total_minor=total,
                **batch,
            )
        elif kind in ("tape_check", "tape_total"):
            line_no += 1
            symbol = "+" if kind == "tape_check" else "*"
            amount = action.get("amount_cents")
            if amount is None:
                amount = sum(
                    row.fields["amount_minor"]
                    for row in rows
                    if row.kind == "tape" and row.fields["symbol"] == "+"
                )
            add("tape", at_ms, line_no=line_no, amount_minor=amount, symbol=symbol)
        elif kind == "open_drawer":
            dwell_ms = action.get("dwell_ms", 60)
            add("drawer", at_ms, state="opened", cause="commanded")
            add("drawer", at_ms + dwell_ms, state="closed", dwell_ms=dwell_ms)
    return rows


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
    day = generate(seed, 2, error=error, business_date=datetime.date(2026, 11, 20))
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
    day = generate(seed, 2, error=error, business_date=datetime.date(2026, 11, 20))
    (wrong,) = day.truth.errors
    causes = []
    for window, proof in proofs_of(day, tmp_path).items():
        for variance in explain(proof):
            assert (window, variance.over_short_cents) == (wrong.window, wrong.amount_cents)
            causes += variance.causes

    assert error in [cause.kind for cause in causes]
    assert {cause.receipt_no for cause in causes} - {""} <= set(wrong.receipts)
