"""ID-003: what people do at the acceptor, and bugs that the histories must find."""

from proof.history import Case
from simulators.instruments.machine import MachineError

NOTES = ("1.00", "5.00", "10.00", "20.00")


def hands(rng, machine, now_ms):
    """Mostly notes; whoever finds the mouth shut mends what can be mended."""
    try:
        machine.do("insert " + rng.choice(NOTES), now_ms)
    except MachineError:
        if rng.random() < 0.3:
            settle(machine, now_ms)
    return now_ms + rng.randrange(500, 3500)


def settle(machine, now_ms):
    for line in ("power on", "clear", "cashbox out", "cashbox in"):
        try:
            machine.do(line, now_ms)
        except MachineError:
            continue


CASES = [Case(profile="id003", hands=hands, settle=settle)]
NO_NOTE = "        self._note = 0\n"
BEHIND_CREDIT = "        self._obeyed = False\n        self._stated = True\n"
TO_STACKER = "            self._ask(_STACK"
STACKER = "if status == _POWER_UP_STACKER:\n"
PLANTED = [
    ("a repeated VEND VALID is counted again", NO_NOTE + BEHIND_CREDIT, BEHIND_CREDIT),
    ("a note in escrow is counted", TO_STACKER, "            self._vend_valid(body)\n" + TO_STACKER),
    ("every note is a five", "value = self._value(self._note)", "value = 500"),
    ("VEND VALID behind a restart is taken for the last one", "elif self._stated:", "elif True:"),
    ("a note that never arrived is silent", "if self._note and self._obeyed:", "if False:"),
    ("power-up with a note in the stacker is silent", STACKER, "if False:\n"),
]  # fmt: skip
