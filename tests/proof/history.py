"""One history: a driver, a lossy line and a simulated machine in virtual time, and what must hold
when it is over.

The law: truth = credited + explicit discrepancy. A history has a storm, in which seeded faults
strike the mechanism, the line and our own controller (it restarts between any two calls, with only
its events on flash), and then a calm, in which both sides must agree again. `Outcome.wrong` says
what broke the law.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from protocol.records import FLAG_REPRINT, FLAG_SUB_BATCH, encode_record
from simulators.instruments.faults import KNOBS, Faults
from simulators.instruments.line import KNOBS as LINE_KNOBS
from simulators.instruments.line import LossyLine
from simulators.instruments.machine import MachineError, rows_of, value_cents

STEP_MS = 10  # the contract: poll at least so often
STORM_MS = 20_000
CALM_MS = 12_000
CLEAN_ONE_IN = 8  # so many histories have no fault at all: a driver must not report one then
EXPLICIT = ("discrepancy", "cleared_unreported", "missing_report")
EVENTS_KEPT = 400

# one thing that a person does at the machine; when the next one is due
Hands = Callable[[random.Random, Any, int], int]


@dataclass
class Case:
    """What is proved together: the driver of a profile and its simulator. `hands` acts in the
    storm, `settle` ends every fault.
    """

    profile: str
    hands: Hands
    settle: Callable[[Any, int], None]
    settings: dict[str, Any] = field(default_factory=dict)  # over the profile's own
    knobs: tuple[str, ...] | None = None  # of the simulator; None for all that it supports
    line_knobs: tuple[str, ...] = LINE_KNOBS
    rate_max: int = 120  # permille, of a mechanism's fault
    line_rate_max: int = (
        20  # permille, of a fault that strikes a burst; a tenth of it for one that strikes a byte
    )
    restarts: bool = True
    make_simulator: Callable[[Any, Faults, random.Random], Any] | None = None
    storm_ms: int = STORM_MS
    calm_ms: int = CALM_MS
    # no fault before this: a reader of numbered reports sees what is missing only after a report
    # that it heard
    quiet_ms: int = 0


@dataclass
class Outcome:
    """The result of one history. `credited` and `truth` are {denomination: pieces}."""

    seed: int
    events: list[dict[str, Any]]
    truth: Counter[int]
    credited: Counter[int]
    explicit: int  # how many events say that money may be missing
    struck: Counter[str]
    restarts: int
    clean: bool  # no fault was switched on
    wrong: list[str]
    heard: list[tuple[int, bytes]]  # (now_ms, bytes) that the driver was fed


def play(
    case: Case,
    driver_class: Any,
    settings: dict[str, Any],
    simulator_class: Any,
    seed: int,
    baud: int = 9600,
    only: dict[str, int] | None = None,
) -> Outcome:
    """Play the history of one seed; `only`: these faults of mechanism and line at these rates, and
    no others.
    """
    rng = random.Random(f"{case.profile} {seed}")
    clean = only is None and seed % CLEAN_ONE_IN == 0
    rates, line_rates = ({}, {}) if clean else _swarm(case, simulator_class, rng)
    if only is not None:
        rates = {knob: rate for knob, rate in only.items() if knob in simulator_class.supported}
        line_rates = {
            knob: rate for knob, rate in only.items() if knob not in rates and knob in LINE_KNOBS
        }
    faults = Faults(rng.randrange(1 << 30), **rates)
    make = case.make_simulator or (lambda cls, faults, _rng: cls(faults))
    machine = make(simulator_class, faults, rng)
    line = LossyLine(
        rng.randrange(1 << 30),
        baud,
        echo=bool(settings.get("echo")) and rng.random() < 0.5,
        **line_rates,
    )
    bench = _Bench(case, driver_class, settings, machine, line, rng)
    restart_every_ms = (
        rng.choice((0, 1500, 6000)) if case.restarts and not clean and only is None else 0
    )
    faults.permille, line.permille = {}, {}
    bench.run(0, case.quiet_ms, 0, acting=True)
    faults.permille, line.permille = rates, line_rates
    bench.run(case.quiet_ms, case.storm_ms, restart_every_ms, acting=True)
    line.quiet()
    faults.permille = {}
    case.settle(machine, case.storm_ms)
    bench.run(case.storm_ms, case.storm_ms + case.calm_ms, 0, acting=False)
    struck = Counter(faults.struck) + line.struck
    return judge(machine, bench, seed, clean, struck)


def _swarm(
    case: Case, simulator_class: Any, rng: random.Random
) -> tuple[dict[str, int], dict[str, int]]:
    """A random half of the faults, each at a rate of its own. All of them together would hide each
    other."""
    own = (
        case.knobs
        if case.knobs is not None
        else tuple(knob for knob in simulator_class.supported if knob in KNOBS)
    )
    rates = {knob: rng.randrange(5, case.rate_max) for knob in own if rng.random() < 0.5}
    line_rates = {}
    for knob in case.line_knobs:
        if rng.random() < 0.4:
            per_byte = knob in ("drop", "flip")
            line_rates[knob] = rng.randrange(
                1, max(2, case.line_rate_max // (10 if per_byte else 1))
            )
    return rates, line_rates


class _Bench:
    """Driver and machine on the line; the controller's flash is `events`."""

    def __init__(
        self,
        case: Case,
        driver_class: Any,
        settings: dict[str, Any],
        machine: Any,
        line: LossyLine,
        rng: Any,
    ) -> None:
        self._case = case
        self._make = lambda: driver_class("counter", dict(settings), "USD")
        self._machine = machine
        self._line = line
        self._rng = rng
        self.events: list[dict[str, Any]] = []
        self.heard: list[tuple[int, bytes]] = []
        self.restarts = 0
        self._last_batch: dict[str, str] = {}
        self._driver = self._start()
        self._off_until = -1
        self._act_at = 0

    def _start(self) -> Any:
        driver = self._make()
        driver.resume(self._last_batch.get("counter", ""))
        return driver

    def run(self, start_ms: int, end_ms: int, restart_every_ms: int, acting: bool) -> None:
        for now_ms in range(start_ms, end_ms, STEP_MS):
            self._machine.receive(self._line.machine_hears(now_ms), now_ms)
            if acting and now_ms >= self._act_at:
                try:
                    self._act_at = self._case.hands(self._rng, self._machine, now_ms)
                except MachineError:
                    self._act_at = now_ms + 300
            self._machine.poll(now_ms)
            self._line.to_host(self._machine.pop_output(), now_ms)
            data = self._line.host_hears(now_ms)
            if now_ms < self._off_until:
                continue  # our controller has no power: bytes that come are lost
            if self._driver is None:
                self._driver = self._start()
            if data:
                self.heard.append((now_ms, data))
                self._take(self._driver.feed(data, now_ms))
            self._take(self._driver.poll(now_ms))
            if restart_every_ms and self._rng.randrange(restart_every_ms) < STEP_MS:
                self.restarts += 1
                self._driver = None  # before or after its answer went out
                self._off_until = now_ms + self._rng.randrange(10, 2500)
                continue
            self._line.to_machine(self._driver.pop_output(), now_ms)

    def _take(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            encode_record(
                {"boot": 1, "uptime_ms": 0, **event}
            )  # an event that cannot be a record is wrong
            if event["kind"] == "tally":
                self._last_batch[event["instrument"]] = event["batch_id"]
            self.events.append(event)


def judge(machine: Any, bench: _Bench, seed: int, clean: bool, struck: Counter[str]) -> Outcome:
    """Compare what was credited with what really happened."""
    events = bench.events
    truth = true_pieces(machine)
    credited: Counter[int] = Counter()
    explicit = 0
    bounded = 0  # pieces that the discrepancies name; -1 once one of them does not name a number
    for event in events:
        if event["kind"] == "tally" and not event["flags"] & (FLAG_REPRINT | FLAG_SUB_BATCH):
            for denomination, pieces in event["rows"]:
                credited[denomination] += pieces
        if event["kind"] == "quarantine" or event.get("condition") in EXPLICIT:
            explicit += 1
            bounded = bounded + event["pieces"] if bounded >= 0 and "pieces" in event else -1
    wrong = []
    if any(
        each["kind"] == "tally" and each["total_minor"] != value_cents(each["rows"])
        for each in events
    ):
        wrong.append("a tally whose total is not its rows")
    extra, missing = credited - truth, truth - credited
    if extra:
        wrong.append(f"credited more than there was: {dict(extra)}")
    if missing and not explicit:
        wrong.append(f"lost silently: {dict(missing)}")
    elif missing and 0 <= bounded < missing.total():
        wrong.append(f"lost {missing.total()} pieces, the discrepancies name {bounded}")
    if clean and explicit:
        wrong.append("a discrepancy without any fault")
    if clean and missing:
        wrong.append(f"not credited without any fault: {dict(missing)}")
    if not machine.truth.is_conserved():
        wrong.append("the simulator itself lost a piece")
    if len(events) > EVENTS_KEPT:
        wrong.append(f"{len(events)} events: a condition is told again and again")
    return Outcome(
        seed, events, truth, credited, explicit, struck, bench.restarts, clean, wrong, bench.heard
    )


def true_pieces(machine: Any) -> Counter[int]:
    """{denomination: pieces} that the ledger should hold: an acceptor's box, or what a counter
    counted for its batches.
    """
    own = getattr(machine, "true_pieces", None)
    if own is not None:
        return own()
    truth = machine.truth
    if hasattr(truth, "box"):
        return +(truth.box + truth.fished)
    counted: Counter[int] = Counter()
    for printed in truth.printed:
        if printed.kind == "batch":
            counted.update(dict(printed.rows))
    return +counted


def rows_text(pieces: Counter[int]) -> str:
    return " ".join(f"{cents}x{count}" for cents, count in rows_of(pieces)) or "nothing"
