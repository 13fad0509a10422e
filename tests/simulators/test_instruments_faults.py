"""Every fault that a driver must stand has a simulator that plays it: the table, and who plays
what.

A simulator is looked for among all of the registry; one whose module is missing plays nothing.
Faults of the line itself are played by the lossy line, which any machine can hang on.
"""

from importlib.util import find_spec
from typing import Any

import pytest

from simulators.instruments import line
from simulators.instruments.faults import KNOBS
from simulators.instruments.registry import SIMULATORS, simulator_for

COUNTERS = ("mach", "jetscan", "jetsort", "columns", "csv", "uwf", "fddf")
NOTE_COUNTERS = ("jetscan", "columns", "csv", "uwf", "fddf")
COINS = ("cctalk-coin",)
NOTES = ("cctalk-bill", "ebds", "ssp", "id003")
LINE = ("line",)
FAULTS = [  # what happens, the knob that plays it, simulators of which one at least must support it
    ("a jam, a sensor that is covered", "jam", (*COUNTERS, *COINS, *NOTES)),
    ("a piece refused, a slug, an inhibited piece", "reject", (*COUNTERS, *COINS, *NOTES)),
    ("two pieces at once", "double", NOTE_COUNTERS),
    ("a row of pieces too close to each other", "chain", NOTE_COUNTERS),
    ("a suspect or counterfeit note", "suspect", (*NOTE_COUNTERS, *NOTES)),
    ("another denomination than the one that is counted", "denomination_change", NOTE_COUNTERS),
    ("a batch, strap or bag limit", "batch_full", COUNTERS),
    ("a full stacker", "stacker_full", (*NOTE_COUNTERS, *NOTES)),
    ("the hopper runs empty within a batch", "hopper_empty", COUNTERS),
    ("the door opened while it counts", "door_mid_count", COUNTERS),
    ("power lost in mid-batch", "power_loss", (*COUNTERS, *COINS, *NOTES)),
    ("more events than the buffer holds", "burst", (*COINS, "cctalk-bill")),
    ("a counter that begins again", "wrap", (*COUNTERS, *COINS)),
    ("a reply lost", "drop_reply", LINE),
    ("a reply repeated", "repeat_reply", LINE),
    ("escrow told twice, stacked once", "escrow_flap", NOTES),
    ("a credited item pulled out again", "fish", (*COINS, *NOTES)),
    ("a report cut short", "truncate", COUNTERS),
    ("a gap inside a report", "gap", COUNTERS),
    ("a report printed again", "reprint", COUNTERS),
    ("reports of sub-batches and of their batch", "sub_and_batch", ("jetscan", "jetsort")),
    ("a batch cleared without a report", "clear_silent", COUNTERS),
    ("the day total cleared, numbers begin again", "day_clear", ("jetscan",)),
    ("reports that show a running sum", "accumulate", ("columns",)),
    ("lines of a fee and of what the customer gets", "fee", ("mach",)),
    ("a stored report overwritten", "overwrite", ("jetsort",)),
    ("an answer that the machine insists on", "require_ack", ("jetsort",)),
    ("the machine's clock wrong", "clock_skew", COUNTERS),
    ("bytes that nobody sent", "noise", (*COUNTERS, *LINE)),
    ("NULs between lines", "nuls", COUNTERS),
    ("one byte changed", "garble", COUNTERS),
    ("bytes lost on the line", "drop", LINE),
    ("bits turned on the line", "flip", LINE),
    ("the host hears itself", "echo", ("jetsort", *LINE)),
    ("the wrong speed", "wrong_baud", (*COUNTERS, *LINE)),
    ("two machines' cables changed over", "swap", (*COUNTERS, *COINS, *NOTES)),
]
UNSEEN = {"double_unseen"}  # no driver can notice two notes that the machine itself took for one


def written() -> dict[str, Any]:
    """{profile: simulator} of those whose module exists."""
    return {
        profile: simulator_for(profile)
        for profile, place in SIMULATORS.items()
        if find_spec(f"simulators.instruments.{place.partition('.')[0]}")
    }


def players(knob: str) -> set[str]:
    # echo is a way to wire the lossy line
    on_line = {"line"} if knob in (*line.KNOBS, "echo") else set()
    return on_line | {profile for profile, maker in written().items() if knob in maker.supported}


@pytest.mark.parametrize(("fault", "knob", "wanted"), FAULTS, ids=[knob for _, knob, _ in FAULTS])
def test_a_simulator_plays_the_fault(fault: str, knob: str, wanted: tuple[str, ...]) -> None:
    assert players(knob) & set(wanted), f"{fault}: none of {', '.join(wanted)} supports {knob}"


def test_the_table_holds_every_knob() -> None:
    assert set(KNOBS) - UNSEEN == {knob for _, knob, _ in FAULTS}


def test_the_table_names_simulators_of_the_registry() -> None:
    assert {name for _, _, wanted in FAULTS for name in wanted} - {"line"} <= set(SIMULATORS)


@pytest.mark.parametrize("profile", COUNTERS)
def test_every_report_machine_is_there(profile: str) -> None:
    assert profile in written()


def test_simulators_play_only_known_knobs() -> None:
    assert {
        profile: set(maker.supported) - set(KNOBS) for profile, maker in written().items()
    } == dict.fromkeys(written(), set())
