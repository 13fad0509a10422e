"""Histories of the report reader with every machine that prints, and the bugs that they must find.

Left out: `garble` and `flip`. No arithmetic of these reports covers a changed digit of a batch
number, or of a coin's name if a tape prints no pieces; nobody could notice it. `double_unseen` and
`door_mid_count` make the machine's own count wrong, and that is the count that the ledger holds.
Here `wrap` is a state to start in. The first batches have no fault: the reader cannot know what was
lost before it first heard a number.
"""

import random
from typing import Any

from simulators.instruments.faults import Faults
from simulators.instruments.registry import simulator_for
from tests.proof.history import Case

LINE = ("noise", "drop_reply", "repeat_reply", "wrong_baud", "drop")
FINAL_BATCHES = 3  # in the calm, one after the other: their numbers show what is missing
FINAL_MS = 8000  # after that no batch is begun: the last one must be read to its end


def handed(simulator_class: Any, faults: Faults, rng: random.Random) -> Any:
    """The machine with a plan of its own for the calm."""

    class Handed(simulator_class):  # type: ignore[misc]
        act_ms = -1  # when the hands of the calm act next; -1 in the storm
        last_ms = 0
        batches_left = FINAL_BATCHES

        def poll(self, now_ms: int) -> None:
            super().poll(now_ms)
            if 0 <= self.act_ms <= now_ms:
                self.act_ms = now_ms + (300 if tidy(self, now_ms) else 1600)

    return Handed(faults, "wrap" if rng.random() < 0.2 and "wrap" in simulator_class.setups else "")


def hands(rng: random.Random, machine: Any, now_ms: int) -> int:
    """Batches of a few pieces; stops are cleared, power comes back; now and then a copy, a
    sub-batch, the clear key.
    """
    if machine.state == "off":
        machine.do("power on", now_ms)
        machine.take_back(now_ms)
    elif getattr(machine, "display", ""):
        machine.do("clear error", now_ms)
    elif machine.state == "stopped":
        machine.do("resolve", now_ms)
    elif machine.state == "idle":
        if machine.truth.printed and rng.random() < 0.1:
            machine.do("reprint", now_ms)
            return now_ms + 1500
        coins = rng.sample(machine.denominations, 3)
        machine.pour([(coin, rng.randrange(1, 6)) for coin in coins], now_ms)
    elif machine.state == "waiting":
        if "sub" in machine.verbs and machine.sub_batch < 2 and rng.random() < 0.3:
            machine.do("sub", now_ms)
            return now_ms + 1500
        wants_clear = "clear_silent" in machine.drawn
        machine.do("clear" if wants_clear else "end", now_ms)
        return now_ms + rng.choice((1000, 1500, 2500))
    return now_ms + rng.choice((200, 500, 900))


def tidy(machine: Any, now_ms: int) -> bool:
    """One step towards batches that are done and reported; False when a report has just gone out
    and wants its time.
    """
    if getattr(machine, "display", ""):
        machine.do("clear error", now_ms)
        return False
    if machine.state == "off":
        machine.do("power on", now_ms)
        machine.take_back(now_ms)
    elif machine.state == "stopped":
        machine.do("resolve", now_ms)
    elif machine.state == "waiting":
        machine.do("end", now_ms)
        return False
    elif machine.is_starved or (
        machine.state == "idle" and machine.batches_left and now_ms < machine.last_ms
    ):
        machine.batches_left -= machine.state == "idle"
        machine.pour([(machine.denominations[-1], 1 + machine.batches_left)], now_ms)
    return True


def settle(machine: Any, now_ms: int) -> None:
    """From now on the machine is put in order and counts a few more batches."""
    machine.faults.armed.clear()
    machine.act_ms = now_ms + 100
    machine.last_ms = now_ms + FINAL_MS


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
PLANTED = [
    ("sums sub-batches and their batch", "flags |= FLAG_SUB_BATCH", "flags |= 0", "jetscan"),
    ("sums sub-batches and their batch", "flags |= FLAG_SUB_BATCH", "flags |= 0", "jetsort"),
    ("counts a copy", "(FLAG_REPRINT if is_reprint else 0)", "0"),
    (
        "states a cut report",
        'self.refuse("report was cut short before its total", True)',
        "self.total = self._sum",
        "mach",
    ),
    (
        "takes the customer's total",
        "if value + self._fee != self.total:",
        "self.total = value\n            if False:",
        "mach",
    ),
    ("forgets the answer", 'self._out = self._grammar["answer"]', 'self._out = b""', "jetsort"),
    (
        "sees no gap in the numbers",
        "elif 0 <= self._batch < batch - 1:",
        "elif 0 <= self._batch < batch - 90:",
    ),
    ("forgets the last batch over a restart", "self._memory.resume(batch_id)", "pass"),
]
