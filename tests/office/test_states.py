"""The table of a session's life: every pair of state and event has one answer, and the pad's marks
follow it.
"""

from pathlib import Path

import pytest

from gateway.office import states
from gateway.office.sessions import drawer_sessions
from gateway.office.states import EVENTS, TRANSITIONS, drawing, next_state, refusal
from tests.office.rows import Tape


@pytest.mark.parametrize("state", TRANSITIONS)
def test_every_event_in_every_state_leads_somewhere_or_is_refused_with_its_reason(state):
    for event in EVENTS:
        after = next_state(state, event)
        if after is None:
            reason = refusal(state, event)
            assert f"{event.replace('_', ' ')} is refused: the session is" in reason
            assert state.replace("_", " ") in reason.split(";")[0]
            assert reason.split("right in: ")[1]
        else:
            assert after in TRANSITIONS


def test_every_state_is_reached_and_in_the_drawing():
    reached, todo = set(), ["issued"]
    while todo:
        state = todo.pop()
        if state not in reached:
            reached.add(state)
            todo += TRANSITIONS[state].values()

    assert set(TRANSITIONS) == reached
    assert set(TRANSITIONS) == {state for state in TRANSITIONS if state in states.__doc__}


def test_the_drawing_in_the_documentation_is_made_of_the_table():
    page = (Path(__file__).parents[2] / "docs" / "reconciliation.md").read_text()

    assert f"```mermaid\n{drawing()}```\n" in page


@pytest.mark.parametrize("state", TRANSITIONS)
def test_every_step_of_a_state_is_in_the_drawing(state):
    for event, after in TRANSITIONS[state].items():
        at = f"{state} : " if after == state else f"{state} --> {after}: "
        assert any(at in line and event in line for line in drawing().splitlines())


@pytest.mark.parametrize(
    ("states_on_the_way", "events"),
    [
        (("closed", "deposited", "credited"), ("deposit", "credit")),
        (("counted", "out_of_balance", "under_review", "rejected", "counted"),
         ("differ", "review", "reject", "recount")),
        (("closed", "reopened", "counted"), ("reopen", "recount")),
    ],
)  # fmt: skip
def test_a_closed_session_is_reopened_and_a_rejected_one_counted_again(states_on_the_way, events):
    state = states_on_the_way[0]
    for event, after in zip(events, states_on_the_way[1:], strict=True):
        state = next_state(state, event)
        assert after == state


@pytest.mark.parametrize("event", ["approve", "finish", "deposit", "reopen", "credit"])
def test_nothing_is_approved_or_closed_that_was_not_reviewed(event):
    for state in ("issued", "opening_counted", "open", "suspended", "ended", "counted"):
        assert next_state(state, event) is None


@pytest.mark.parametrize(
    ("marks", "state"),
    [
        (("sign_on",), "issued"),
        (("sign_on", "opening_float"), "opening_counted"),
        (("opening_float", "drop"), "open"),
        (("opening_float", "checkpoint", "recount"), "open"),
        (("opening_float", "close"), "counted"),
        (("opening_float", "close", "recount"), "counted"),
    ],
)
def test_marks_of_the_pad_lead_through_the_table(marks, state):
    tape = Tape().opening(480)
    for number, mark in enumerate(marks):
        tape.mark(481 + number, mark, 7 if mark == "sign_on" else None)
    (session,) = drawer_sessions(tape.rows)

    assert state == session.state


def test_a_mark_that_is_refused_changes_no_state_and_is_told_with_its_reason():
    tape = Tape().count(481, "opening_float", 20000).count(1000, "close", 20000)
    (session,) = drawer_sessions(tape.count(1010, "drop", 500).rows)

    assert "counted" == session.state
    assert [
        "drop is refused: the session is counted; it would be right in: opening counted, open"
    ] == [remark.text for remark in session.remarks]
