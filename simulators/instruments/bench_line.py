"""One simulated instrument on a pseudo-terminal, in real time, for a technician who tries a program
with it.

Lines of standard input go to the machine (`help` lists what it understands, `quit` ends). With
`auto` it works without a person.
"""

import contextlib
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from simulators.channels import SerialLine
from simulators.instruments import line as lines
from simulators.instruments.faults import PERMILLE, Faults
from simulators.instruments.line import LossyLine
from simulators.instruments.machine import Machine, MachineError
from simulators.instruments.registry import simulator_for

STEP_MS = 5
AUTO_MS = (300, 3000)  # between two acts
TRIES_MAX = 20
NOT_BY_ITSELF = ("swap", "busy", "nak")  # only the knobs decide what goes wrong
AMOUNTS = (
    "0.01",
    "0.05",
    "0.10",
    "0.25",
    "0.50",
    "1.00",
    "2.00",
    "5.00",
    "10.00",
    "20.00",
    "50.00",
    "100.00",
)
PIECES = {
    "AMOUNT": AMOUNTS,
    "N": ("1", "3", "20"),
    "PIECES": ("5", "40"),
    "ROWS": ("20.00x5 1.00x3", "0.25x8 0.05x4"),
}


def rates_of(text: str) -> dict[str, int]:
    """{knob: permille} of a text such as jam=20,drop=1; ValueError for anything else."""
    rates = {}
    for word in filter(None, text.split(",")):
        knob, _, rate = word.partition("=")
        if not rate.isdecimal() or int(rate) > PERMILLE:
            raise ValueError(f"faults: {word!r} is no knob=permille, such as jam=20")
        rates[knob.strip()] = int(rate)
    return rates


class BenchLine:
    """A machine, its lossy line and the pseudo-terminal; `step` moves all of them to a moment."""

    def __init__(
        self, name: str, baud: int, setup: str = "", rates: dict[str, int] | None = None,
        seed: int = 1, echo: bool = False,
    ) -> None:  # fmt: skip
        """ValueError for a knob or a setup that the machine does not have."""
        kind = simulator_for(name)
        rates = rates or {}
        on_line = {knob: rate for knob, rate in rates.items() if knob in lines.KNOBS}
        inside = {knob: rate for knob, rate in rates.items() if knob not in on_line}
        for knob in inside:
            if knob not in kind.supported:
                raise ValueError(
                    f"no fault {knob!r}; it has"
                    f" {', '.join(sorted({*kind.supported, *lines.KNOBS}))}"
                )
        setups = tuple(getattr(kind, "setups", ()))
        if setup and setup not in setups:
            raise ValueError(f"no setup {setup!r}; it has {', '.join(setups) or 'none'}")
        self.machine: Any = kind(Faults(seed, **inside), **({"setup": setup} if setup else {}))
        self.line = LossyLine(seed, baud, echo, **on_line)
        self.wire = SerialLine()
        self.path = os.ttyname(self.wire.theirs)
        self.random = random.Random(seed)
        self._unsent = b""

    def step(self, now_ms: int) -> None:
        """Bytes of the host go in, time passes, bytes of the machine come out."""
        self.line.to_machine(self.wire.read(), now_ms)
        heard = self.line.machine_hears(now_ms)
        if heard and hasattr(self.machine, "receive"):
            self.machine.receive(heard, now_ms)
        self.machine.poll(now_ms)
        self.line.to_host(self.machine.pop_output(), now_ms)
        self._unsent = (self._unsent + self.line.host_hears(now_ms))[-4096:]
        if self._unsent:
            self._unsent = self._unsent[self.wire.write(self._unsent) :]

    def act(self, text: str, now_ms: int) -> str:
        """Do what a line says; what came of it."""
        verbs = getattr(self.machine, "verbs", {})
        if text == "help" or not hasattr(self.machine, "do"):
            return (
                "\n".join(f"  {verb}: {meaning}" for verb, meaning in verbs.items())
                or "  it takes no lines; use --auto"
            )
        try:
            return str(self.machine.do(text, now_ms) or f"  {text}")
        except MachineError as error:
            return f"  {error}"

    def act_by_itself(self, now_ms: int) -> str:
        """Something that a person may do with this machine now, by the seed."""
        if isinstance(self.machine, Machine):
            return self._use_desk_counter(self.machine, now_ms)
        verbs = [
            verb
            for verb in self.machine.verbs
            if verb.split()[0] not in NOT_BY_ITSELF and verb != "power off"
        ]
        for _ in range(TRIES_MAX):  # a verb may not fit the machine's state: then the next one
            verb = (
                verbs[0] if self.random.randrange(2) else self.random.choice(verbs)
            )  # the first one is the usual one
            text = " ".join(self.random.choice(PIECES.get(word, (word,))) for word in verb.split())
            with contextlib.suppress(MachineError):
                self.machine.do(text, now_ms)
                return text
        return "nothing to do"

    def _use_desk_counter(self, machine: Machine, now_ms: int) -> str:
        """Pour, clear what stopped it, end the batch."""
        act: Callable[[int], object]
        if machine.state == "stopped":
            name, act = f"resolve {machine.stop_reason}", machine.resolve
        elif machine.state == "off":
            name, act = "power on", machine.power_on
        elif machine.state == "waiting":
            name, act = "end batch", machine.end_batch
        elif machine.state == "idle":
            rows = [
                (each, self.random.randrange(1, 9))
                for each in machine.denominations
                if self.random.random() < 0.6
            ]
            if not machine.take_back(now_ms):
                machine.pour(rows or [(machine.denominations[0], 5)], now_ms)
            return "pour"
        else:
            return "counting"
        act(now_ms)
        return name

    def close(self) -> None:
        self.wire.close()


def serve(bench: BenchLine, auto: bool) -> None:
    """Play until SIGINT, SIGTERM or `quit`. Prints the path first."""
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopped.append(number))
    began_ns = time.monotonic_ns()
    watched = [bench.wire.ours, sys.stdin.fileno()]
    typed = b""
    next_ms = AUTO_MS[0]
    print(f"{bench.path}", flush=True)
    while not stopped:
        ready, _, _ = select.select(watched, [], [], STEP_MS / 1000)
        now_ms = (time.monotonic_ns() - began_ns) // 1_000_000
        if sys.stdin.fileno() in ready:
            data = os.read(sys.stdin.fileno(), 4096)
            if not data:
                watched.pop()
            *whole, typed = (typed + data).split(b"\n")
            for text in [each.decode(errors="replace").strip() for each in whole]:
                if text == "quit":
                    stopped.append(0)
                elif text:
                    print(bench.act(text, now_ms), flush=True)
        if auto and now_ms >= next_ms:
            next_ms = now_ms + bench.random.randrange(*AUTO_MS)
            print(f"  {bench.act_by_itself(now_ms)}", flush=True)
        bench.step(now_ms)
    bench.close()
