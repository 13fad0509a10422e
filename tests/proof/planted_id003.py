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
TO_STACKER = "            self._ask(_STACK"
BEHIND_CREDIT = "        self._obeyed = self._is_old = False\n        self._stated = True\n"
PLANTED = [
    ("a repeated VEND VALID is counted again", NO_NOTE + BEHIND_CREDIT, BEHIND_CREDIT),
    ("a note in escrow is counted", TO_STACKER, "            self._vend_valid(body)\n" + TO_STACKER),
    ("every note is a five", "value = self._value(self._note)", "value = 500"),
    ("a note that never arrived is silent", "if self._note and self._obeyed:", "if False:"),
    ("no word on flash before a note is stacked", "if self._note != self._marked:", "if False:"),
    ("a note on its way is forgotten over a restart", "self._is_old = self._obeyed = self._note > 0", "self._note = 0"),
]  # fmt: skip
