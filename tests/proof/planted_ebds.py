"""EBDS: what people do at the acceptor, and bugs that the histories must find."""

from proof.history import Case
from simulators.instruments.ebds import NOTES
from simulators.instruments.machine import MachineError


def hands(rng, machine, now_ms):
    """Mostly notes; now and then somebody clears a jam, empties the cassette or opens the door."""
    if machine.state == "off":
        if machine._on_at is None:
            machine.do("power on", now_ms)
        return now_ms + 500
    if machine.transport.phase == "jammed":
        machine.do("clear", now_ms)
    elif machine.transport.in_box >= machine.box_max or rng.random() < 0.03:
        machine.do("cassette out", now_ms)
    if not machine.cassette and rng.random() < 0.7:
        machine.do("cassette in", now_ms)
    else:
        machine.insert(rng.choice(NOTES), now_ms)
    return now_ms + rng.randrange(300, 3500)


def settle(machine, now_ms):
    for line in ("power on", "clear", "cassette out", "cassette in", "close"):
        try:
            machine.do(line, now_ms)
        except MachineError:
            pass


CASES = [Case(profile="ebds", hands=hands, settle=settle)]
PLANTED = []
