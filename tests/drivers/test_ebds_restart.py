"""A restart of our controller costs nothing at an EBDS acceptor, but for a note told to stack whose
outcome was not heard.
"""

from collections import Counter
from dataclasses import replace

import pytest

from firmware.drivers.registry import driver_for
from gateway.instruments.profiles import load_profile
from simulators.instruments.registry import simulator_for
from tests.proof.history import CLEAN_ONE_IN, Outcome, play
from tests.proof.planted_ebds import CASES

HISTORIES = 200


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """Histories in which our own restart is the only fault."""
    profile = load_profile("ebds")
    case = replace(CASES[0], knobs=(), line_knobs=())
    seeds = [seed for seed in range(1, 2 * HISTORIES) if seed % CLEAN_ONE_IN][:HISTORIES]
    return [
        play(
            case,
            driver_for("ebds"),
            dict(profile.settings),
            simulator_for("ebds"),
            seed,
            profile.wire["baud"],
        )
        for seed in seeds
    ]


def is_discrepancy(event: dict) -> bool:
    return event.get("condition") == "discrepancy"


def test_nothing_but_restarts_struck(outcomes):
    assert {
        knob for outcome in outcomes for knob, count in outcome.struck.items() if count
    } == set()
    assert sum(outcome.restarts for outcome in outcomes) > HISTORIES


def test_no_note_is_lost_silently_or_counted_twice(outcomes):
    assert {outcome.seed: outcome.wrong for outcome in outcomes if outcome.wrong} == {}


def test_discrepancy_is_told_only_of_a_note_that_flash_says_was_to_be_stacked(outcomes):
    without_a_note = []
    for outcome in outcomes:
        pending = 0
        for event in outcome.events:
            if event["kind"] == "tally":
                pending = int(event["batch_id"].partition("?")[2] or 0)
            elif is_discrepancy(event) and not pending:
                without_a_note.append((outcome.seed, event["detail"]))

    assert without_a_note == []


def test_every_discrepancy_concerns_one_piece_and_is_settled_at_once(outcomes):
    for outcome in outcomes:
        for event, after in zip(outcome.events, outcome.events[1:] + [{}], strict=True):
            if is_discrepancy(event):
                assert (event["pieces"], after.get("batch_id", "")[-2:]) == (1, "?0"), outcome.seed


def test_no_name_of_a_batch_stands_twice(outcomes):
    for outcome in outcomes:
        names = Counter(event["batch_id"] for event in outcome.events if event["kind"] == "tally")

        assert [name for name, count in names.items() if count > 1] == [], outcome.seed
        assert max(map(len, names), default=0) <= 40
