"""SC-350: what people do at the coin counter, and bugs that the histories must find."""

import contextlib
import random
from typing import Any

from simulators.instruments.machine import MachineError
from simulators.instruments.sc350 import Sc350
from tests.proof.history import Case

FIRST_MS = 3000  # nobody can know what was moved before anybody asked


def hands(rng: random.Random, machine: Any, now_ms: int) -> int:
    """Coins run through, then M; a stop is cleared. By fault: the clear key, or two batches
    moved between two questions.
    """
    if now_ms < FIRST_MS:
        return FIRST_MS
    if machine.state == "off":
        return now_ms + 500
    if machine.is_covered and rng.random() < 0.7:
        return now_ms + 1500  # a person needs some time
    if machine.state == "stopped":
        for line in ("uncover", "door close", "go"):
            machine.do(line, now_ms)
        return now_ms + 400
    if machine.state == "counting":
        return now_ms + 200
    if not machine.count:
        machine.do(f"run {rng.randrange(1, 30)}", now_ms)
        return now_ms + 1000
    machine.do("clear" if "clear_silent" in machine.drawn else "move", now_ms)
    if "accumulate" in machine.drawn:
        machine.do(f"run {rng.randrange(1, 4)}", now_ms)
        return now_ms + 140
    return now_ms + rng.choice((200, 1000, 2500))


def settle(machine: Any, now_ms: int) -> None:
    for line in ("uncover", "door close", "power on"):
        with contextlib.suppress(MachineError):
            machine.do(line, now_ms)


# Left out: another machine on the cable while the controller is off. It has no serial number. If
# its memory is higher by what people can count in that time, the driver thinks that they counted.
# Without restarts the driver sees a swap: tests/simulators/test_instruments_duties.py shows that.
KNOBS = tuple(knob for knob in Sc350.supported if knob != "swap")
CASES = [
    Case(
        profile="sc350",
        hands=hands,
        settle=settle,
        settings={"coin_minor": 25},
        knobs=KNOBS,
        quiet_ms=FIRST_MS + 500,
    )
]
PLANTED: list[Any] = [
    (
        "states what memory holds, not its rise",
        "self._state_transfer(events, rise)",
        "self._state_transfer(events, value)",
    ),
    (
        "credits the display too",
        "self._state_transfer(events, rise)",
        "self._state_transfer(events, rise + self._count_read)",
    ),
    (
        "states a transfer again and again",
        "before, self._memory = self._memory, value",
        "before = self._memory",
    ),
    (
        "counts memory again after a restart",
        "self._epoch, self._memory, self._revision = epoch, memory, revision",
        "self._epoch, self._memory, self._revision = epoch, 0, revision",
    ),
    ("forgets over a restart where memory was", "self._pieces.resume(batch_id)", "pass"),
]
