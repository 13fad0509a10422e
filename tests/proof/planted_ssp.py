"""SSP: what people do at the validator, and bugs that the histories must find."""

from simulators.instruments.machine import MachineError
from tests.proof.history import Case

NOTES = ("1.00", "5.00", "10.00", "20.00")


def hands(rng, machine, now_ms):
    """Mostly notes; whoever finds the mouth shut repairs what can be repaired."""
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


CASES = [Case(profile="ssp", hands=hands, settle=settle)]
PLANTED = [
    ("a repeated credit is counted again",
     "if (code, channel) in owed:", "if (code, channel) in owed and code != _CREDIT:"),
    ("the flag changes when a question is asked again",
     "            self._ask(self._question, now_ms)\n",
     "            self._seq ^= 0x80\n            self._ask(self._question, now_ms)\n"),
    ("a note that was read is counted", "            self._note = channel\n",
     "            self._note = channel\n            credits.append(channel)\n"),
    ("what is repeated after a restart is taken for the old note", "if doubt and code == _CREDIT:",
     "if False:"),
    ("no word on flash before a note is stacked", "if note != self._marked:", "if False:"),
    ("a note on its way is forgotten over a restart",
     "            if self._marked:\n                self._go(RESUME)", "            pass"),
]  # fmt: skip
