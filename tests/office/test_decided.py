"""Decisions of people among the records of a session: suspended, surprise counts, hand-overs,
declarations and recounts by hand, which close stands, opened again.
"""

import random

import pytest

from gateway.office.custody import custody_of
from gateway.office.day_facts import session_facts
from gateway.office.decided_facts import reopening_facts, surprise_counts
from gateway.office.final import open_points
from gateway.office.reconcile import reconcile
from gateway.office.sessions import drawer_sessions
from gateway.office.tenders import tenders_of
from tests.office.deciding import Decided, kinds, only
from tests.office.rows import DAY, DAY_MS, MINUTE_MS, Tape, posting


def day():
    return Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000)


def proved(session, *postings):
    return reconcile(session, tenders_of(postings), DAY)


def points(session, *postings):
    return [point.kind for point in open_points([proved(session, *postings)], True, 0)]


# --- when a decision takes effect -----------------------------------------------------------------


def test_a_decision_stands_between_the_records_before_and_after_its_time():
    tape = day().count(720, "checkpoint", 20000).count(1000, "close", 20000)
    session = only(tape, Decided().add(600, "suspend").add(700, "resume"))

    assert ("counted", []) == (session.state, session.remarks)
    assert [(600, 700)] == [
        ((each.from_ms - DAY_MS) // MINUTE_MS, (each.until_ms - DAY_MS) // MINUTE_MS)
        for each in session.suspended
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_decisions_and_records_are_read_changes_nothing(seed):
    tape = day().count(720, "checkpoint", 21000).count(1000, "close", 20000)
    decided = Decided().add(600, "suspend").add(700, "resume").add(1010, "recount", cents=20500)
    rows, decisions = tape.rows[:], decided.rows[:]
    chance = random.Random(seed)
    chance.shuffle(rows)
    chance.shuffle(decisions)

    assert repr([only(tape, decided)]) == repr(drawer_sessions(rows, decisions=decisions))


def test_a_decision_stays_with_its_session_when_earlier_records_arrive_late():
    """The board was wiped at noon; what it held from before comes from the old board at night."""
    new = Tape(epoch=2).count(721, "checkpoint", 20000).count(1000, "close", 20000)
    decided = Decided(epoch=2).add(1010, "recount", cents=20500)
    (before,) = drawer_sessions(new.rows, decisions=decided.rows)
    (after,) = drawer_sessions([*day().rows, *new.rows], epochs=(1, 2), decisions=decided.rows)

    assert 20500 == before.close.counted_cents == after.close.counted_cents
    assert 20000 == after.opening.counted_cents


def test_a_decision_that_late_records_made_impossible_is_told_and_changes_nothing():
    session = only(day().count(1000, "close", 20000), Decided().add(1010, "suspend"))

    assert ("counted", ["decision_refused"]) == (session.state, kinds(session))
    assert "suspend is refused: the session is counted" in session.remarks[0].text
    assert ["suspend"] == [each.kind for each in session.decisions]


def test_a_refused_wish_and_a_note_are_listed_and_change_nothing():
    decided = Decided().add(600, "refused", asked="resume").add(601, "note", "a quiet day")
    session = only(day(), decided)

    assert ["refused", "note"] == [each.kind for each in session.decisions]
    assert "opening_counted" == session.state


def test_a_decision_on_the_morning_is_not_the_afternoons():
    tape = day().count(720, "close", 20000)
    tape.mark(780, "sign_on", 8).count(781, "opening_float", 20000).count(1000, "close", 20000)
    decided = Decided().add(1100, "recount", cents=20700)
    morning, afternoon = drawer_sessions(tape.rows, decisions=decided.rows)

    assert (20700, 20000) == (morning.close.counted_cents, afternoon.close.counted_cents)
    assert [1, 0] == [len(morning.decisions), len(afternoon.decisions)]


# --- suspended ------------------------------------------------------------------------------------


def test_what_happens_while_a_session_is_suspended_is_told_and_counted_all_the_same():
    tape = day().opening(610).count(620, "checkpoint", 21000).count(1000, "close", 21000)
    session = only(tape, Decided().add(600, "suspend").add(700, "resume"))
    proof = proved(session, posting("R1", 615, 1000), posting("R2", 750, 0))

    assert ["opened_while_suspended", "posted_while_suspended", "count_while_suspended"] == [
        remark.kind for remark in proof.remarks if "suspended" in remark.kind
    ]
    assert ("balanced", [0, 0]) == (
        proof.status, [interval.over_short_cents for interval in proof.intervals],
    )  # fmt: skip


def test_a_drawer_that_is_closed_is_suspended_no_longer():
    tape = day().count(1000, "close", 21000)
    session = only(tape, Decided().add(600, "suspend"))
    proof = proved(session, posting("R1", 1005, 1000))

    assert ["count_while_suspended", "arrived_after_close"] == [r.kind for r in proof.remarks]


def test_nothing_is_told_of_a_suspension_in_which_nothing_happened():
    session = only(
        day().count(1000, "close", 20000), Decided().add(600, "suspend").add(660, "resume")
    )

    assert [] == session.remarks


# --- surprise count -------------------------------------------------------------------------------


def test_a_surprise_count_is_a_count_of_the_whole_drawer_by_a_second_person():
    tape = day().tally(700, 23000).mark(701, "done").count(1000, "close", 25000)
    session = only(tape, Decided().add(699, "surprise", who="jo"))
    proof = proved(session, posting("R1", 600, 3000), posting("R2", 800, 2000))

    assert [("surprise", 23000, "machine", "jo")] == [
        (group.kind, group.counted_cents, group.source, group.by) for group in session.groups[1:2]
    ]
    assert [0, 0] == [interval.over_short_cents for interval in proof.intervals]
    assert ["opening_float", "surprise", "close"] == [
        count.kind for count in session_facts(proof).counts
    ]


def test_the_checkpoint_that_somebody_keys_for_a_surprise_count_is_that_count():
    tape = day().count(700, "checkpoint", 23000).count(1000, "close", 25000)
    session = only(tape, Decided().add(699, "surprise"))

    assert ["opening_float", "surprise", "close"] == [group.kind for group in session.groups]
    assert [] == session.remarks


def test_a_surprise_count_by_hand_is_told_with_who_counted():
    session = only(
        day().count(1000, "close", 25000), Decided().add(699, "surprise", cents=22900, who="jo")
    )

    assert [(22900, "by hand", "jo")] == [
        (group.counted_cents, group.source, group.by) for group in session.counts("surprise")
    ]
    assert ["surprise_by_hand"] == kinds(session)


def test_a_surprise_count_that_nobody_made_is_told():
    session = only(day().count(1000, "close", 25000), Decided().add(699, "surprise"))

    assert ["surprise_without_count"] == kinds(session)


# --- hand-over ------------------------------------------------------------------------------------


def test_a_hand_over_with_both_counts_is_no_finding_and_the_receipts_are_the_takers():
    tape = day().count(720, "checkpoint", 25000).mark(722, "sign_on", 8)
    tape.count(724, "checkpoint", 25000).count(1000, "close", 26000)
    session = only(tape)
    rows = [posting("R1", 600, 5000), posting("R2", 800, 1000, cashier_id="8", session_id="s2")]
    (facts,) = session_facts(proved(session, *rows)).hand_overs

    assert ([], [0, 0, 0]) == (
        [remark.kind for remark in proved(session, *rows).remarks],
        [interval.over_short_cents for interval in proved(session, *rows).intervals],
    )
    assert ("7", "8", "w1/1/5", "w1/1/9") == (
        facts.from_cashier, facts.to_cashier, facts.closing_ref, facts.opening_ref,
    )  # fmt: skip


@pytest.mark.parametrize(("gives", "takes"), [(True, False), (False, True), (False, False)])
def test_a_hand_over_without_both_counts_is_a_finding(gives, takes):
    tape = day()
    if gives:
        tape.count(720, "checkpoint", 25000)
    tape.mark(722, "sign_on", 8)
    if takes:
        tape.count(724, "checkpoint", 25000)
    session = only(tape.count(1000, "close", 26000))
    (facts,) = session_facts(proved(session)).hand_overs

    assert [False] == [each.is_counted for each in session.hand_overs]
    assert (gives, takes) == (bool(facts.closing_ref), bool(facts.opening_ref))


def test_a_count_of_hours_before_is_no_hand_over_count():
    tape = day().count(600, "checkpoint", 25000).mark(722, "sign_on", 8)
    session = only(tape.count(724, "checkpoint", 25000).count(1000, "close", 26000))

    assert [False] == [each.is_counted for each in session.hand_overs]


def test_who_took_the_drawer_keeps_the_receipts_although_they_had_one_of_their_own():
    tape = day().count(720, "checkpoint", 20000).mark(722, "sign_on", 8)
    tape.count(724, "checkpoint", 20000).count(900, "close", 21000)
    tape.mark(910, "sign_on", 8).count(911, "opening_float", 20000).count(1000, "close", 20000)
    sessions = drawer_sessions(tape.rows)
    tenders = tenders_of([posting("R1", 800, 1000, cashier_id="8", session_id="")])

    assert [1, 0] == [len(held) for held in custody_of(sessions, tenders, lambda _: DAY).held]


# --- declared and counted by hand -----------------------------------------------------------------


@pytest.mark.parametrize("tender", ["check", "card", "money_order", "other"])
def test_every_tender_that_is_no_cash_is_declared_by_hand_with_its_source(tender):
    decided = Decided().add(1010, "declare", "the slip is lost", tender=tender, cents=5000)
    session = only(day().count(1000, "close", 20000), decided)
    proof = proved(session, posting("X1", 600, 5000, tender))

    assert ("balanced", 5000) == (proof.line(tender).status, proof.line(tender).counted_cents)
    assert [(tender, 5000, "kim", "the slip is lost")] == [
        (each.tender, each.cents, each.by, each.reason) for each in session.declarations
    ]
    assert ["declared_by_hand"] == kinds(session)


def test_a_declaration_by_hand_stands_over_what_was_keyed_and_both_are_listed():
    tape = day().mark(900, "card_total", 4000).count(1000, "close", 20000)
    decided = Decided().add(1010, "declare", tender="card", cents=5000)
    session = only(tape, decided)

    assert {"card": 5000} == session.declared_cents
    assert [("", 4000), ("kim", 5000)] == [(d.by, d.cents) for d in session.declarations]
    assert "before: 40.00" in session.remarks[0].text


def test_checks_by_hand_stand_over_the_tape_until_a_newer_tape():
    tape = day().check(900, 1000).count(1000, "close", 20000)
    decided = Decided().add(1010, "declare", tender="check", cents=1500)
    at_first = proved(only(tape, decided)).line("check").counted_cents
    tape.check(1020, 1000, 600)

    assert (1500, 2600) == (at_first, proved(only(tape, decided)).line("check").counted_cents)


def test_a_recount_by_hand_replaces_the_count_and_the_first_one_stays_listed():
    decided = Decided().add(1010, "recount", cents=20500)
    session = only(day().count(1000, "close", 20000), decided)

    assert [(20000, "machine", "", True), (20500, "by hand", "kim", False)] == [
        (g.counted_cents, g.source, g.by, g.replaced) for g in session.groups if g.kind == "close"
    ]
    assert ["counted_again", "close_by_hand"] == sorted(kinds(session), reverse=True)
    assert [20000, 20500] == [g.counted_cents for g in session.attempts(session.close)]


def test_a_recount_by_hand_is_of_the_close_whatever_was_counted_after_it():
    tape = day().count(1000, "close", 20000).count(1010, "drop", 500)
    session = only(tape, Decided().add(1020, "recount", cents=20500))

    assert (20500, 500) == (session.close.counted_cents, session.counts("drop")[0].counted_cents)


# --- which close stands ---------------------------------------------------------------------------


def closed_twice():
    return day().count(1000, "close", 25000).opening(1003).count(1010, "close", 24970)


@pytest.mark.parametrize(("number", "cents"), [(0, 25000), (1, 24970)])
def test_a_decision_says_which_of_two_closing_counts_stands_and_both_are_listed(number, cents):
    ref = only(closed_twice()).counts("close")[number].ref
    session = only(closed_twice(), Decided().add(1100, "stands", count=ref))
    receipt = posting("R1", 600, 5000)

    assert "closed_again" in points(only(closed_twice()), receipt)
    assert "closed_again" not in points(session, receipt)
    assert "closed_again" not in kinds(session)
    assert ([25000, 24970], cents) == (
        [group.counted_cents for group in session.groups if group.kind == "close"],
        session.close.counted_cents,
    )
    assert [cents - 25000] == [i.over_short_cents for i in proved(session, receipt).intervals]


def test_a_third_close_after_the_decision_wants_another_one():
    ref = only(closed_twice()).counts("close")[1].ref
    tape = closed_twice().count(1200, "close", 24000)
    session = only(tape, Decided().add(1100, "stands", count=ref))

    assert [24970, 24000] == [group.counted_cents for group in session.counts("close")]
    assert "closed_again" in points(session)


def test_a_recount_of_the_close_that_stands_replaces_that_one():
    ref = only(closed_twice()).counts("close")[0].ref
    tape = closed_twice().count(1200, "recount", 24000)
    session = only(tape, Decided().add(1100, "stands", count=ref))

    assert [24000] == [group.counted_cents for group in session.counts("close")]
    assert [25000, 24000] == [group.counted_cents for group in session.close.chain()]


# --- under review, closed, opened again -----------------------------------------------------------


def test_what_the_pad_states_after_a_close_is_listed_and_changes_no_figure():
    tape = day().check(990, 1000).mark(991, "card_total", 500).count(1000, "close", 25000)
    late = day().check(990, 1000).mark(991, "card_total", 500).count(1000, "close", 25000)
    late.count(1100, "recount", 1).count(1101, "close", 2).count(1102, "drop", 3)
    late.check(1103, 4).mark(1104, "card_total", 5).mark(1105, "void_last_batch")
    decided = Decided().closed(1050)
    before, after = only(tape, decided), only(late, decided)

    assert ("closed", "closed") == (before.state, after.state)
    assert repr(proved(before).lines) == repr(proved(after).lines)
    assert before.declared_cents == after.declared_cents
    assert [20000, 25000, 1, 2, 3] == [group.counted_cents for group in after.groups]
    assert 3 == kinds(after).count("count_after_review")
    assert {"check_tape_refused", "card_total_refused", "void_of_nothing"} <= set(kinds(after))


@pytest.mark.parametrize("mark", ["recount", "close"])
def test_a_session_that_was_opened_again_is_not_final_until_it_is_counted(mark):
    figures = [{"tender": "cash", "expected": 25000, "counted": 24000, "over_short": -1000}]
    decided = Decided().closed(1050).add(1060, "reopen", figures=figures, second="jo")
    tape = day().count(1000, "close", 24000)
    receipt = posting("R1", 600, 5000)
    waiting = only(tape, decided)
    counted = only(tape.count(1100, mark, 25000), decided)

    assert ("reopened", True) == (waiting.state, "reopened" in points(waiting, receipt))
    assert ("counted", []) == (counted.state, points(counted, receipt))
    assert [24000, 25000] == [g.counted_cents for g in counted.groups if g.kind == "close"]
    assert [figures] == [each.told["figures"] for each in counted.reopenings]


def test_a_session_is_opened_again_the_next_day_when_another_one_has_begun():
    tape = day().count(1000, "close", 24000)
    tape.mark(1200, "sign_on", 8).count(1201, "opening_float", 20000)
    decided = Decided().closed(1050).add(1300, "reopen").add(1301, "recount", cents=25000)
    first, second = drawer_sessions(tape.rows, decisions=decided.rows)

    assert ("counted", 25000) == (first.state, first.close.counted_cents)
    assert "opening_counted" == second.state


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("by_hand", [True, False])
def test_the_recount_of_a_session_closed_twice_and_opened_again_stands_alone(by_hand, declared):
    decided = Decided().closed(1050).add(1060, "reopen")
    if declared:
        decided.add(1070, "declare", tender="card", cents=1)
    tape = closed_twice()
    if by_hand:
        decided.add(1100, "recount", cents=25000)
    else:
        tape.count(1100, "recount", 25000)
    session = only(tape, decided)

    assert [25000] == [group.counted_cents for group in session.counts("close")]
    assert [25000, 24970, 25000] == [g.counted_cents for g in session.groups if g.kind == "close"]


# --- the same by marks of the pad -----------------------------------------------------------------


def test_the_marks_of_the_pad_suspend_resume_and_end_a_session():
    tape = day().mark(600, "suspend").mark(700, "resume").mark(990, "end")
    at_end = only(tape)
    session = only(tape.count(1000, "close", 20000))

    assert ("ended", "counted", []) == (at_end.state, session.state, session.remarks)
    assert [(600, 700)] == [
        ((each.from_ms - DAY_MS) // MINUTE_MS, (each.until_ms - DAY_MS) // MINUTE_MS)
        for each in session.suspended
    ]


def test_a_mark_in_a_wrong_state_is_refused_with_its_reason():
    session = only(day().mark(600, "resume").count(1000, "close", 20000).mark(1010, "suspend"))

    assert ["resume_refused", "suspend_after_close"] == kinds(session)
    assert [] == session.suspended


def test_a_surprise_count_on_the_pad_says_who_counted():
    tape = day().count(700, "surprise", 20000, value=12).count(1000, "close", 20000)
    session = only(tape)

    assert [("surprise", 20000, "cashier 12")] == [
        (group.kind, group.counted_cents, group.by) for group in session.counts("surprise")
    ]
    assert (1, []) == (surprise_counts(session), session.remarks)


def test_nobody_surprises_the_own_drawer():
    session = only(day().count(700, "surprise", 20000, value=7).count(1000, "close", 20000))

    assert (0, ["surprise_by_its_cashier"]) == (surprise_counts(session), kinds(session))
    assert ["opening_float", "checkpoint", "close"] == [group.kind for group in session.groups]


def test_a_surprise_count_that_is_decided_and_keyed_is_one_count():
    tape = day().count(700, "surprise", 20000, value=12).count(1000, "close", 20000)
    session = only(tape, Decided().add(699, "surprise", who="jo"))

    assert ["jo"] == [group.by for group in session.counts("surprise")]
    assert [] == session.remarks


def test_the_facts_of_a_reopening_name_both_people():
    decided = Decided().closed(1050).add(1060, "reopen", second="jo")
    (facts,) = reopening_facts(only(day().count(1000, "close", 20000), decided), "w1/1")

    assert ("decision/5", "w1/1", ["kim", "jo"]) == (facts.ref, facts.session, facts.by)


def test_a_drawer_that_was_handed_back_is_the_first_cashiers_again():
    tape = day()
    for minute, cashier in ((700, 8), (800, 7)):
        tape.count(minute, "checkpoint", 20000).mark(minute + 2, "sign_on", cashier)
        tape.count(minute + 3, "checkpoint", 20000)
    session = only(tape.count(1000, "close", 20000))

    assert [(7, 8, True), (8, 7, True)] == [
        (each.from_cashier, each.to_cashier, each.is_counted) for each in session.hand_overs
    ]
    assert [7, 8, 7] == [session.holder_at(DAY_MS + at * MINUTE_MS) for at in (600, 750, 900)]
    assert (7, []) == (session.cashier, session.remarks)


def test_who_signs_on_again_hands_nothing_over():
    tape = day().count(700, "checkpoint", 20000).mark(702, "sign_on", 8)
    tape.count(703, "checkpoint", 20000).mark(720, "sign_on", 8).count(1000, "close", 20000)

    assert (1, []) == (len(only(tape).hand_overs), only(tape).remarks)


def test_a_decision_for_a_count_that_is_no_closing_count_changes_nothing():
    ref = only(closed_twice()).opening.ref
    session = only(closed_twice(), Decided().add(1100, "stands", count=ref))

    assert [25000, 24970] == [group.counted_cents for group in session.counts("close")]
    assert "decision_refused" in kinds(session)
