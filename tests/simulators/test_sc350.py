"""The simulated SC-350: what it answers, byte by byte, and where every coin is."""

import random

import pytest

from simulators.instruments.faults import Faults
from simulators.instruments.machine import MachineError
from simulators.instruments.sc350 import ACK, NAK, Sc350

ACTS = (
    *["run 9", "go", "move", "uncover", "door close", "power on"] * 6,
    *["clear", "cover", "door open", "power off", "swap", "batch 5", "batch 0", "clean"],
)
LOG_ON = bytes.fromhex("1b514697")  # the handbook's own example, chapter 12
MOVE = bytes.fromhex("1b414182")
REVISIONS = bytes.fromhex("0a0f02092406")  # 10.15 / 2.09, checksum 24, ACK


def asked(machine: Sc350, data: bytes) -> bytes:
    machine.receive(data, 0)
    return machine.pop_output()


def ready(**options: int) -> Sc350:
    machine = Sc350(**options)  # type: ignore[arg-type]
    assert bytes((ACK,)) == asked(machine, LOG_ON)
    return machine


def counted(machine: Sc350, coins: int) -> int:
    machine.do(f"run {coins}", 0)
    machine.poll(coins * 30 + 60)
    return machine.count


def test_the_handbooks_examples() -> None:
    machine = ready()

    assert REVISIONS == asked(machine, b"\x1bPR")
    assert bytes((ACK,)) == asked(machine, MOVE)
    assert bytes((ACK,)) == asked(machine, bytes.fromhex("1b5151a2"))


def test_nothing_is_told_before_log_on() -> None:
    assert bytes((NAK,)) == asked(Sc350(), b"\x1bRC")


def test_count_memory_and_status_are_told_and_m_moves_the_count() -> None:
    machine = ready(accumulator=1000)
    assert 7 == counted(machine, 7)

    before = asked(machine, b"\x1bRC")
    machine.do("move", 900)
    after = asked(machine, b"\x1bRC\x1bRA\x1bRS")

    assert b"\0\0\0\7\7\6" == before
    assert b"\0\0\0\0\0\6" + b"\0\0\x03\xef\xf2\6" + b"\0\0\6" == after
    assert {25: 7} == machine.true_pieces()


def test_a_wrong_checksum_gets_nak_and_does_nothing() -> None:
    machine = ready()
    counted(machine, 3)

    assert bytes((NAK,)) == asked(machine, MOVE[:-1] + b"\0")
    assert 3 == machine.count


def test_a_command_that_was_cut_does_not_swallow_the_next_one() -> None:
    machine = ready()

    assert b"\0\0\6" == asked(machine, b"\x1bR\x1bRS")[-3:]


def test_the_clear_key_loses_the_count_and_leaves_memory() -> None:
    machine = ready(accumulator=5)
    counted(machine, 4)

    machine.do("clear", 500)

    assert (0, 5, {25: 4}) == (machine.count, machine.accumulator, dict(machine.truth.cleared))
    assert not machine.true_pieces()


def test_the_door_opened_while_counting_is_in_the_status() -> None:
    machine = ready()
    machine.do("run 20", 0)
    machine.poll(90)
    machine.do("door open", 100)

    assert 4 == asked(machine, b"\x1bRS")[0]
    with pytest.raises(MachineError, match="door and sensor must be free"):
        machine.do("go", 110)


def test_a_batch_stops_and_goes_on() -> None:
    machine = ready()
    assert bytes((ACK,)) == asked(machine, b"\x1bWL\0\0\0\5" + bytes(((0x57 + 0x4C + 5) & 0xFF,)))
    machine.do("run 8", 0)
    machine.poll(1000)
    stopped = asked(machine, b"\x1bRS")[0]
    machine.do("go", 1000)
    machine.poll(2000)

    assert (2 | 32, 8) == (stopped, machine.count)


@pytest.mark.parametrize("setup", Sc350.setups)
def test_each_setup_starts_where_it_says(setup: str) -> None:
    machine = Sc350(setup=setup)

    assert (setup == "power_off") == (machine.state == "off")
    assert (setup == "covered", setup == "door") == (machine.is_covered, machine.is_door_open)


def test_what_a_person_says_is_understood_or_told_what_would_be() -> None:
    with pytest.raises(MachineError, match="run N"):
        Sc350().do("count 5", 0)
    with pytest.raises(MachineError, match="wants a number"):
        Sc350().do("run five", 0)


@pytest.mark.parametrize("seed", range(40))
def test_no_coin_appears_or_vanishes(seed: int) -> None:
    rng = random.Random(seed)
    machine = Sc350(Faults(seed, **dict.fromkeys(Sc350.supported, 200)))
    for now_ms in range(0, 20_000, 50):
        machine.poll(now_ms)
        if rng.random() < 0.5:
            line = rng.choice(ACTS)
            try:
                machine.do(line, now_ms)
            except MachineError:
                continue

        assert machine.truth.is_conserved()
    assert machine.truth.run.total() >= 9
