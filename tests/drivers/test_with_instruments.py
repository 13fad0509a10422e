"""The drivers on the line of simulated machines with seeded faults: each count is stated once, or
it is quarantined.
"""

import pytest

from protocol.records import FLAG_REPRINT, FLAG_SUB_BATCH
from simulators.instruments.bill_counter import BillCounter
from simulators.instruments.coin_sorter import CoinSorter
from simulators.instruments.faults import WIRE_KNOBS, Faults
from simulators.instruments.machine import count_batch
from tests.drivers.bench import Line, of_kind

COINS = [(25, 40), (100, 7), (10, 13), (1, 22)]
NOTES = [(2000, 12), (100, 9), (5000, 2)]
# nothing of the report reaches the driver, so there is nothing to state
UNHEARD = ("swap", "wrong_baud")
KNOBS = {
    "mach": (
        CoinSorter,
        COINS,
        [knob for knob in CoinSorter.supported if knob not in ("clock_skew", *UNHEARD)],
    ),
    "jetscan": (
        BillCounter,
        NOTES,
        [knob for knob in BillCounter.supported if knob not in UNHEARD],
    ),
}


def played(machine_name: str, faults: Faults, batches: int) -> tuple:
    """(machine, [(what it printed, the driver's events)]) of a run of batches, each followed by a
    silence.
    """
    kind, rows, _ = KNOBS[machine_name]
    machine = kind(faults)
    line = Line(machine_name)
    results = []
    now_ms = 0
    for number in range(batches):
        printed_before = len(machine.truth.printed)
        now_ms = (
            count_batch(
                machine,
                [(denomination, pieces + number % 5) for denomination, pieces in rows],
                now_ms,
            )
            + 60000
        )
        machine.pop_output()
        for printed in machine.truth.printed[printed_before:]:
            results.append((printed, line.send(printed.sent)))
    return machine, results


@pytest.mark.parametrize("machine_name", sorted(KNOBS))
def test_a_machine_without_faults_is_stated_batch_by_batch(machine_name):
    _, results = played(machine_name, Faults(1), 20)

    for printed, events in results:
        assert [(event["rows"], event["total_minor"], event["flags"]) for event in events] == [
            (sorted(printed.rows, reverse=True), printed.total_cents, 0)
        ]


@pytest.mark.parametrize("machine_name", sorted(KNOBS))
@pytest.mark.parametrize("seed", range(6))
def test_under_all_faults_no_money_is_stated_that_was_not_printed(machine_name, seed):
    _, results = played(
        machine_name, Faults(seed, **dict.fromkeys(KNOBS[machine_name][2], 120)), 60
    )
    assert any(printed.faults for printed, _ in results)

    for printed, events in results:
        context = (seed, printed.kind, sorted(printed.faults), events)
        stated = of_kind(events, "tally")
        assert len(stated) <= 1, context
        assert stated or of_kind(events, "quarantine"), context
        for event in stated:
            assert event["total_minor"] == printed.total_cents, context
            if "garble" in printed.harm:
                continue  # it may have hit the number that says which batch or sub-batch it is
            is_copy = bool(event["flags"] & FLAG_REPRINT)
            if printed.kind != "reprint":
                assert not is_copy, context
            assert bool(event["flags"] & FLAG_SUB_BATCH) == (
                printed.kind == "sub_batch" or printed.sub_batch > 0
            ), context


@pytest.mark.parametrize("machine_name", sorted(KNOBS))
@pytest.mark.parametrize("seed", range(4))
def test_the_sum_of_counted_tallies_is_the_sum_of_sound_batches(machine_name, seed):
    """With every fault but garbled headers: each batch counts once, or waits in quarantine until
    its copy is printed.
    """
    knobs = [knob for knob in KNOBS[machine_name][2] if knob not in ("garble", "day_clear")]
    _, results = played(machine_name, Faults(seed, **dict.fromkeys(knobs, 150)), 60)
    counted: dict[int, int] = {}
    for printed, events in results:
        for event in of_kind(events, "tally"):
            if not event["flags"]:
                counted[printed.batch] = counted.get(printed.batch, 0) + event["total_minor"]
    sound = {
        printed.batch: printed.total_cents
        for printed, events in results
        if not printed.sub_batch
        and of_kind(events, "tally")
        and printed.kind in ("batch", "reprint")
    }

    assert counted == sound
    assert set(WIRE_KNOBS) & {knob for printed, _ in results for knob in printed.faults}
