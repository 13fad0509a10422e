"""EBDS: what people do at the acceptor, and bugs that the histories must find."""

import contextlib
import random
from typing import Any

from simulators.instruments.ebds import NOTES
from simulators.instruments.machine import MachineError
from tests.proof.history import Case


def hands(rng: random.Random, machine: Any, now_ms: int) -> int:
    """Mostly notes; now and then somebody clears a jam, empties the cassette or opens the door."""
    if machine.state == "off":
        if machine._on_at is None:
            machine.do("power on", now_ms)
        return now_ms + 500
    if machine.transport.phase == "jammed":
        machine.do("clear", now_ms)
    elif not machine.transport.told and (
        machine.transport.in_box >= machine.box_max or rng.random() < 0.03
    ):
        machine.do("cassette out", now_ms)
    if machine.transport.told:  # the cassette is locked until the host has heard of the note
        return now_ms + 300
    if not machine.cassette and rng.random() < 0.7:
        machine.do("cassette in", now_ms)
    else:
        machine.insert(rng.choice(NOTES), now_ms)
    return now_ms + rng.randrange(300, 3500)


def settle(machine: Any, now_ms: int) -> None:
    for line in ("power on", "clear", "cassette in", "close"):
        with contextlib.suppress(MachineError):
            machine.do(line, now_ms)


CASES = [Case(profile="ebds", hands=hands, settle=settle)]
PLANTED = [
    ("credits in escrow", "elif d0 & _STACKED:", "elif d0 & (_STACKED | _HELD):"),
    (
        "takes any toggle for an answer",
        "elif not self._is_asking or frame[2] & 1 != self._toggle:",
        "elif False:",
    ),
    (
        "a new toggle though no answer came",
        "            else:\n                self._compose()",
        "            self._compose()",
    ),
    (
        "tells to stack before flash knows",
        "                self._write_down()\n                self._told_under",
        "                self._write_down()\n                return\n"
        "                self._told_under",
    ),
    (
        "forgets after our restart what flash knew",
        "            if self._note:\n                self._go(RESUME)\n",
        "",
    ),
    (
        "counts a note in escrow after our restart as the one on flash",
        "elif self._life == RESUMED and not d0 & _MOVES:",
        "elif False:",
    ),
    (
        "forgets the note that vanished",
        'self._lose_note("told to stack, and no word of it")',
        "self._settle(RETURN)",
    ),
    (
        "first question under the stated toggle",
        "self._toggle = int(batch_id[1])",
        "self._toggle = int(batch_id[1]) ^ 1",
    ),
]
