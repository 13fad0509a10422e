"""The paper in a validator that accepts one note at a time: mouth, escrow, the point of no return,
the box. It knows no wire.

phase: idle, accepting, escrow, stacking, stacked, returning, jam_front, jam_back. `events` tells
what happened, in order: read, escrow, rejecting, rejected, stacking, credit, stacked, fraud,
jam_front, jam_back, each with the note's cents. Assumed, because no source says it: the times; that
a jam before the point of no return ends in the box or at the customer.
"""

from simulators.instruments.acceptor import AcceptorTruth, cents_of
from simulators.instruments.faults import Faults
from simulators.instruments.machine import MachineError

ACCEPT_MS = 900
CREDIT_MS = 400  # from "stack" to the point of no return
STACK_MS = 400  # from there to the box
RETURN_MS = 500
FLAP_MS = 300
ESCROW_MS = 10_000  # then the note goes back
KNOBS = ("jam", "reject", "suspect", "power_loss", "stacker_full", "fish", "escrow_flap", "swap")


class NotePath:
    """`may_take(cents)` of the caller decides whether a note is enabled when it has been read."""

    def __init__(self, truth: AcceptorTruth, faults: Faults) -> None:
        self.truth = truth
        self.faults = faults
        self.phase = "idle"
        self.cents = 0
        self.due_ms = 0
        self.drawn: set[str] = set()
        self.events: list[tuple[str, int]] = []

    def insert(self, cents: int, drawn: set[str], now_ms: int) -> None:
        if self.phase != "idle":
            raise MachineError(f"a note is in it ({self.phase})")
        self.truth.insert(cents, now_ms)
        self.cents = cents
        self.drawn = drawn
        self._go("accepting", now_ms + ACCEPT_MS, "read")

    def move(self, is_enabled: bool, now_ms: int) -> None:
        """Let the motors run. `is_enabled`: the host accepts this note."""
        if self.phase in ("idle", "jam_front", "jam_back") or now_ms < self.due_ms:
            return
        if self.phase == "accepting":
            self._judge(is_enabled, now_ms)
        elif self.phase == "escrow":
            if (
                "escrow_flap" in self.drawn
            ):  # it slips, is drawn in again and is in escrow a second time
                self.drawn.discard("escrow_flap")
                self.truth.move(self.cents, "escrow", "path", now_ms)
                self._go("accepting", now_ms + FLAP_MS, "read")
            else:
                self.give_back(now_ms)
        elif self.phase == "stacking":
            self._pass(now_ms)
        elif self.phase == "stacked":
            if "jam" in self.drawn:
                self._go("jam_back", 0, "jam_back")
            else:
                self._go("idle", 0, "stacked")
        elif self.phase == "returning":
            self._leave("returned", now_ms)
            self._go("idle", 0, "rejected")

    def stack(self, now_ms: int) -> bool:
        """Accept the note in escrow; False when none is there."""
        if self.phase != "escrow":
            return False
        self._go("stacking", now_ms + CREDIT_MS, "stacking")
        return True

    def give_back(self, now_ms: int) -> bool:
        if self.phase != "escrow":
            return False
        self._go("returning", now_ms + RETURN_MS, "rejecting")
        return True

    def hold(self, now_ms: int) -> bool:
        if self.phase != "escrow":
            return False
        self.due_ms = now_ms + ESCROW_MS
        return True

    def clear(self, now_ms: int) -> str:
        """Somebody opens it and removes the jam. Returns where the note is then: box, returned, or
        "" for one that was counted.
        """
        if self.phase not in ("jam_front", "jam_back"):
            raise MachineError("nothing is stuck")
        place = ""
        if self.phase == "jam_front":
            place = (
                "box"
                if self.truth.escrow[self.cents] and self.faults.random.random() < 0.5
                else "returned"
            )
            self._leave(place, now_ms)
            self.truth.forgotten[self.cents] += place == "box"
        self.phase = "idle"
        return place

    def find(self, now_ms: int) -> tuple[str, int]:
        """Power was lost: (where the note is, its cents). "" for no note, front, back (its credit
        was not told), counted (it was).
        """
        if self.phase in ("idle", "jam_back"):
            found = ""
        elif self.phase == "stacked":
            found = "counted"
        elif self.phase == "stacking" and self.due_ms - now_ms < CREDIT_MS // 2:
            found = "back"
            self._leave("box", now_ms)
        else:
            found = "front"
            self._leave("returned", now_ms)
        self.phase = "idle"
        self.events.clear()
        return found, self.cents

    def _judge(self, is_enabled: bool, now_ms: int) -> None:
        if "jam" in self.drawn and self.faults.random.random() < 0.3:
            self._go("jam_front", 0, "jam_front")
        elif {"reject", "suspect"} & self.drawn or not is_enabled:
            if "suspect" in self.drawn:
                self.events.append(("fraud", self.cents))
            self._go("returning", now_ms + RETURN_MS, "rejecting")
        else:
            self.truth.move(self.cents, "path", "escrow", now_ms)
            flap = "escrow_flap" in self.drawn
            self._go("escrow", now_ms + (FLAP_MS if flap else ESCROW_MS), "escrow")

    def _pass(self, now_ms: int) -> None:
        """The point of no return."""
        if "jam" in self.drawn and self.faults.random.random() < 0.5:
            self._go("jam_front", 0, "jam_front")
            return
        self.truth.credited[self.cents] += 1
        self._leave("fished" if "fish" in self.drawn else "box", now_ms)
        self._go("stacked", now_ms + STACK_MS, "credit")
        if "fish" in self.drawn:
            self.events.append(("fraud", self.cents))

    def _leave(self, place: str, now_ms: int) -> None:
        self.truth.move(
            self.cents, "escrow" if self.truth.escrow[self.cents] else "path", place, now_ms
        )

    def _go(self, phase: str, due_ms: int, event: str) -> None:
        self.phase = phase
        self.due_ms = due_ms
        self.events.append((event, self.cents))


class Validator:
    """What people do at such a machine, and its power. A wire adds `receive` and says what it tells
    (`told`, `booted`).
    """

    notes: tuple[int, ...] = ()
    supported = KNOBS
    setups = ("power_off", "jammed", "full", "no_cashbox", "swapped")
    verbs = {
        "insert AMOUNT": "feed a note (5.00)",
        "clear": "open it and clear a jam",
        "cashbox out": "take the cash box away",
        "cashbox in": "put an empty one in",
        "power off": "pull its plug",
        "power on": "put the plug back",
        "swap": "put another one in its place",
    }
    boot_ms = 800
    cut_ms = (50, 3500)  # after the note went in
    outage_ms = (30, 3000)

    def __init__(self, faults: Faults | None, setup: str, serial: int, box_max: int) -> None:
        if setup and setup not in self.setups:
            raise MachineError(
                f"{type(self).__name__}: unknown setup {setup!r}, want one of"
                f" {', '.join(self.setups)}"
            )
        self.faults = faults or Faults()
        self.truth = AcceptorTruth()
        self.path = NotePath(self.truth, self.faults)
        self.serial = serial + (setup == "swapped")
        self.box_max = box_max
        self.in_box = box_max if setup == "full" else 0
        self.cashbox = setup != "no_cashbox"
        self.state = "off" if setup == "power_off" else "on"
        self.found: tuple[str, int] = ("", 0)
        self._cut_at: int | None = None
        self._on_at: int | None = None
        self._heard = bytearray()
        self._heard_ms = 0
        self._output = bytearray()
        self.boot(0)
        if setup == "jammed":
            self.path.insert(self.notes[0], set(), 0)
            self.path.phase = "jam_front"

    # what a wire adds

    def boot(self, now_ms: int) -> None:
        """Power came: forget everything; `found` says where a note was."""
        raise NotImplementedError

    def takes(self, cents: int, now_ms: int) -> bool:
        """Whether the host accepts such a note now."""
        raise NotImplementedError

    def told(self, event: str, cents: int) -> None:
        """Something happened to the paper."""
        raise NotImplementedError

    def why_shut(self, now_ms: int) -> str:
        """Why no note may be fed; "" when it may."""
        raise NotImplementedError

    # people

    def insert(self, cents: int, now_ms: int) -> None:
        """Feed one note; what the seed has in store for it is drawn here."""
        why = "it is off" if self.state != "on" else self.why_shut(now_ms)
        if not why and (not self.cashbox or self.in_box >= self.box_max):
            why = "out of service"
        if why or self.path.phase != "idle":
            raise MachineError(f"{type(self).__name__}: {why or 'a note is in it'}")
        drawn = self.faults.draw(self.supported)
        if "stacker_full" in drawn:
            self.in_box = self.box_max - 1
        self.path.insert(cents, drawn, now_ms)
        if {"power_loss", "swap"} & drawn:
            self._cut_at = now_ms + self.faults.random.randrange(*self.cut_ms)
            self.serial += "swap" in drawn

    def power_off(self, now_ms: int, on_at: int | None = None) -> None:
        """`on_at`: when the power comes back by itself."""
        if self.state != "off":
            found = self.path.find(now_ms)
            self.found = found if found[0] else self.found
            self._heard.clear()
            self._output.clear()
            self.power_lost(now_ms)
        self.state = "off"
        self._on_at = on_at
        self._cut_at = None

    def power_lost(self, now_ms: int) -> None:
        """A wire forgets what it had not told."""

    def power_on(self, now_ms: int) -> None:
        if self.state == "off":
            self.state = "booting"
            self._on_at = now_ms + self.boot_ms

    def do(self, line: str, now_ms: int) -> None:
        """What a person does: one of `verbs`; MachineError says what would be understood."""
        verb, _, rest = line.strip().partition(" ")
        if verb == "insert":
            self.insert(cents_of(rest, self.notes), now_ms)
        elif line == "clear":
            self.in_box += self.path.clear(now_ms) == "box"
        elif verb == "cashbox" and rest in ("out", "in"):
            if self.path.phase != "idle":
                raise MachineError(
                    f"{type(self).__name__}: a note is on its way, the cash box is locked"
                )
            if self.cashbox != (rest == "in"):
                self.told("removed" if rest == "out" else "replaced", 0)
                self.in_box = 0 if rest == "in" else self.in_box
            self.cashbox = rest == "in"
        elif verb == "power" and rest in ("off", "on"):
            self.power_off(now_ms) if rest == "off" else self.power_on(now_ms)
        elif line == "swap":
            self.power_off(now_ms, now_ms + self.outage_ms[1])
            self.serial += 1
        else:
            raise MachineError(
                f"{type(self).__name__}: {line!r} is not understood; it takes"
                f" {', '.join(self.verbs)}"
            )

    # time

    def poll(self, now_ms: int) -> None:
        """Let time pass."""
        if self._cut_at is not None and now_ms >= self._cut_at:
            self.power_off(now_ms, now_ms + self.faults.random.randrange(*self.outage_ms))
        if self.state == "off" and self._on_at is not None and now_ms >= self._on_at:
            self.power_on(now_ms)
        if self.state == "booting" and self._on_at is not None and now_ms >= self._on_at:
            self.state = "on"
            self._on_at = None
            self.boot(now_ms)
        if self.state == "on":
            self.path.move(self.takes(self.path.cents, now_ms), now_ms)
            for event, cents in self.path.events:
                self.in_box += event == "credit"
                self.told(event, cents)
            self.path.events.clear()

    def pop_output(self) -> bytes:
        """The bytes sent since the last call."""
        sent = bytes(self._output)
        self._output.clear()
        return sent
