"""Histories of the ccTalk driver with a coin acceptor and with a bill validator, and the bugs that
they must find.
"""

import contextlib
import random
from typing import Any

from simulators.instruments.machine import MachineError
from tests.proof.history import Case


def coin_hands(rng: random.Random, machine: Any, now_ms: int) -> int:
    """Mostly coins; now and then a handful, a lever, a power cut, a busy device."""
    lot = _lot(rng, machine)
    rare = {
        0: "power off",
        1: "power on",
        2: "clear",
        3: "lever",
        4: "handful 4",
        5: "busy 1",
        6: "nak 1",
        7: "insert token",
    }
    if lot == 0 and rng.random() < 0.6:
        lot = 1
    machine.do(
        rare.get(lot, "insert " + rng.choice(("1c", "5c", "10c", "25c", "0.50", "1.00"))), now_ms
    )
    return now_ms + rng.choice((150, 300, 700, 1500))


def bill_hands(rng: random.Random, machine: Any, now_ms: int) -> int:
    """Mostly notes; now and then one pulled back, a power cut, the box taken away."""
    lot = _lot(rng, machine)
    rare = {
        0: "power off",
        1: "power on",
        2: "clear",
        3: "pull",
        4: "stacker out",
        5: "stacker in",
        6: "busy 1",
        7: "nak 1",
    }
    machine.do(rare.get(lot, "insert " + rng.choice(("1.00", "5.00", "10.00", "20.00"))), now_ms)
    return now_ms + rng.choice((300, 700, 1500, 2500))


def _lot(rng: random.Random, machine: Any) -> int:
    """Which act is next; without faults nothing rare is done."""
    return rng.randrange(40) if machine.faults.permille else 39


def settle(machine: Any, now_ms: int) -> None:
    """Repair whatever is broken."""
    for line in ("power on", "clear", "stacker in"):
        with contextlib.suppress(MachineError):
            machine.do(line, now_ms)


CASES = [
    Case(profile="cctalk-coin", hands=coin_hands, settle=settle),
    Case(profile="cctalk-bill", hands=bill_hands, settle=settle),
]
PLANTED = [
    (
        "keeps overwritten events silent",
        "elif step > 5 and self._mask:",
        "elif False:",
        "cctalk-coin",
    ),
    ("credits the whole window", "fresh = min(step, 5)", "fresh = 5"),
    (
        "credits the event before as well",
        "range(2 * fresh - 2, -1, -2)",
        "range(2 * min(5, fresh + 1) - 2 if fresh else -2, -1, -2)",
    ),
    (
        "resets silently",
        'self._lose("restarted: what it counted last is not known")',
        "self._epoch += 1",
    ),
    ("forgets where it was", "self._base = self._batch, packed", "self._base = None"),
    (
        "moves on only with a credit",
        "(counter, window), counter\n        if money",
        "self._base, self._batch\n        if money",
        "cctalk-coin",
    ),
    ("credits on escrow", "elif not self.is_bill or not second:", "elif True:", "cctalk-bill"),
    (
        "looks at no inhibits",
        "self._is_inhibited = True\n            self._mask = number",
        "self._mask = number",
        "cctalk-bill",
    ),
    (
        "forgets its inhibits over a restart",
        "self._mask = _GIVEN\n\n    def question",
        "pass\n\n    def question",
        "cctalk-bill",
    ),
]
