"""Histories of the report reader with every machine that prints, and the bugs that they must find.

Left out: `garble` and `flip`. One changed digit of a batch number, or of a coin's name where a tape prints no pieces, is
covered by no arithmetic of these reports; nobody could tell. `double_unseen` and `door_mid_count` make the machine's own count
wrong, which is the count that the ledger holds. `wrap` is a state to start in here. The first batches meet no fault: what was
lost before the reader ever heard a number, it cannot know.
"""

import random
from typing import Any

from proof.history import Case
from simulators.instruments.faults import Faults
from simulators.instruments.machine import MachineError
from simulators.instruments.registry import simulator_for

LINE = ("noise", "drop_reply", "repeat_reply", "wrong_baud", "drop")
FINAL_AFTER_MS = (3500, 6500)  # two more batches in the calm, one behind the other: the numbers show what is missing


def handed(simulator_class: Any, faults: Faults, rng: random.Random) -> Any:
    """The machine with a plan of its own for the calm."""

    class Handed(simulator_class):  # type: ignore[misc]
        plan: list[int] = []

        def poll(self, now_ms: int) -> None:
            super().poll(now_ms)
            if self.plan and now_ms >= self.plan[0]:
                tidy(self, now_ms)
                if self.state == "idle":
                    self.plan = self.plan[1:]
                    self.pour([(self.denominations[-1], 2 + len(self.plan))], now_ms)

    return Handed(faults, "wrap" if rng.random() < 0.2 else "")


def hands(rng: random.Random, machine: Any, now_ms: int) -> int:
    """Batches of a few pieces; stops are cleared, power comes back; now and then a copy, a sub-batch, the clear key."""
    if machine.state == "off":
        machine.do("power on", now_ms)
        machine.take_back(now_ms)
    elif machine.state == "stopped":
        machine.do("resolve", now_ms)
    elif machine.state == "idle":
        if machine.truth.printed and rng.random() < 0.1:
            machine.do("reprint", now_ms)
            return now_ms + 1500
        coins = rng.sample(machine.denominations, 3)
        machine.pour([(coin, rng.randrange(1, 6)) for coin in coins], now_ms)
    elif machine.state == "waiting":
        wants_clear = "clear_silent" in machine.drawn
        machine.do("clear" if wants_clear else "end", now_ms)
        return now_ms + rng.choice((1000, 1500, 2500))
    return now_ms + rng.choice((200, 500, 900))


def tidy(machine: Any, now_ms: int) -> None:
    """One step towards an idle machine whose last batch was reported."""
    try:
        if machine.state == "off":
            machine.do("power on", now_ms)
            machine.take_back(now_ms)
        elif machine.state == "stopped":
            machine.do("resolve", now_ms)
        elif machine.state == "waiting":
            machine.do("end", now_ms)
            machine.plan = [now_ms + 2000, *machine.plan[1:]]
        elif getattr(machine, "display", ""):
            machine.do("clear error", now_ms)
    except MachineError:
        pass


def settle(machine: Any, now_ms: int) -> None:
    """From here on the machine is tidied up, counts two more batches, and ends them."""
    machine.faults.armed.clear()
    machine.plan = [now_ms + 100, *(now_ms + each for each in FINAL_AFTER_MS), now_ms + 9000]


def case(profile: str, *left_out: str) -> Case:
    unfit = {"garble", "double_unseen", "wrap", *left_out}
    knobs = tuple(knob for knob in simulator_for(profile).supported if knob not in unfit)
    return Case(
        profile=profile,
        hands=hands,
        settle=settle,
        knobs=knobs,
        line_knobs=LINE,
        line_rate_max=150,
        make_simulator=handed,
        quiet_ms=3500,
    )


CASES = [case("mach"), case("jetscan"), case("jetsort"), case("columns"), case("csv")]
PLANTED: list[Any] = []
