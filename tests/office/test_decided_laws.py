"""Any sequence of marks and decisions: no count is erased, and the intervals sum to the whole."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.office.reconcile import reconcile
from gateway.office.sessions import drawer_sessions
from gateway.office.states import REOPENED, SETTLED, TRANSITIONS
from gateway.office.tenders import tenders_of
from tests.office.deciding import Decided
from tests.office.rows import DAY, Tape, posting

MARKS = ("sign_on", "opening_float", "drop", "checkpoint", "close", "recount", "card_total")
PLAIN = (
    "suspend", "resume", "end", "balance", "differ", "review", "approve", "reject", "finish",
    "reopen", "deposit", "credit", "note", "refused",
)  # fmt: skip
cents = st.integers(0, 90_000)
step = st.one_of(
    st.tuples(st.just("mark"), st.sampled_from(MARKS), cents),
    st.tuples(st.just("mark"), st.sampled_from(("opening_float", "checkpoint", "close")), cents),
    st.tuples(st.just("decision"), st.sampled_from(PLAIN), cents),
    st.tuples(st.just("decision"), st.sampled_from(("recount", "surprise", "declare")), cents),
    st.tuples(st.just("stands"), st.integers(1, 60), cents),
    st.tuples(st.just("receipt"), st.sampled_from(("cash", "check", "card")), cents),
)


def played(steps):
    """(tape, decisions, postings, {what states a count: what it counted})"""
    tape, decided, rows = Tape().mark(480, "sign_on", 7), Decided(), []
    counted = {}
    for minute, (what, name, amount) in enumerate(steps, 481):
        if what == "receipt":
            rows.append(posting(f"R{minute}", minute, amount, name))
        elif what == "stands":
            decided.add(minute, "stands", count=f"w1/1/{name}")
        elif what == "decision":
            more = {"tender": "card", "cents": amount} if name == "declare" else {}
            more = {"cents": amount} if name in ("recount", "surprise") else more
            decided.add(minute, name, **more)
        elif name in ("sign_on", "card_total"):
            tape.mark(minute, name, amount)
        else:
            tape.count(minute, name, amount)
            counted[f"w1/1/{len(tape.rows) - 2}"] = amount
    return tape, decided, rows, counted


@given(st.lists(step, max_size=25))
def test_no_count_is_ever_erased(steps):
    tape, decided, _, counted = played(steps)
    sessions = drawer_sessions(tape.rows, decisions=decided.rows)
    groups = [group for session in sessions for group in session.groups]
    told = {remark.kind for session in sessions for remark in session.remarks}
    found = {group.ref: group.counted_cents for group in groups}

    missing = {ref for ref, amount in counted.items() if found.get(ref) != amount}
    # a recount before any count is no count: its tally is told
    assert not missing or "recount_of_nothing" in told
    for group in groups:
        assert set(map(id, group.chain())) <= set(map(id, groups))
        assert group.counted_cents is None or group.chain()[0] in groups


@given(st.lists(step, max_size=25))
def test_every_decision_is_listed_once_and_takes_effect_or_is_told(steps):
    tape, decided, _, _ = played(steps)
    sessions = drawer_sessions(tape.rows, decisions=decided.rows)
    listed = [each.id for session in sessions for each in session.decisions]

    assert [each.id for each in decided.rows] == sorted(listed)
    assert all(session.state in TRANSITIONS for session in sessions)


@given(st.lists(step, max_size=25))
def test_the_intervals_sum_to_the_whole(steps):
    tape, decided, rows, _ = played([("mark", "opening_float", 20000), *steps])
    session, *_ = drawer_sessions(tape.rows, decisions=decided.rows)
    proof = reconcile(session, tenders_of(rows), DAY)
    parts = [*proof.intervals, *proof.later_intervals]

    assert [each.counted_cents for each in parts[:-1]] == [each.start_cents for each in parts[1:]]
    if parts:
        first, last = parts[0], parts[-1]
        moved = sum(each.tendered_cents - each.change_cents - each.drops_cents for each in parts)
        whole = last.counted_cents - first.start_cents - moved
        assert whole == sum(each.over_short_cents for each in parts)
    placed = [t for each in parts for t in each.tenders]
    assert len(placed) == len({id(tender) for tender in placed})
    every = [*proof.tenders, *proof.held_over, *proof.after_close, *proof.outside, *proof.unknown]
    assert len(rows) == len(every)


@given(st.lists(step, max_size=15), st.lists(step, max_size=15))
def test_nothing_that_comes_after_the_review_moves_a_figure(before, after):
    early = [each for each in before if each[1] != "opening_float"]
    tape, decided, rows, _ = played([("mark", "opening_float", 20000), *early])
    decided.add(560, "differ").add(561, "review")
    (session, *_) = drawer_sessions(tape.rows, decisions=decided.rows)
    if session.state not in SETTLED:
        return
    figures = repr(reconcile(session, tenders_of(rows), DAY).lines)
    for minute, (what, name, amount) in enumerate(after, 600):
        if what == "mark" and name not in ("sign_on", "opening_float"):
            tape.mark(minute, name, amount) if name == "card_total" else tape.count(
                minute, name, amount
            )
        elif what == "decision" and name not in (REOPENED, "reject", "reopen"):
            decided.add(minute, name, tender="card", cents=amount)
    (later, *_) = drawer_sessions(tape.rows, decisions=decided.rows)

    assert figures == repr(reconcile(later, tenders_of(rows), DAY).lines)
