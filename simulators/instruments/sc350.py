"""A Suzohapp (Scan Coin) SC-350 or SC-360: a desk machine that counts coins of one denomination and
answers a host.

Source: Technical Handbook 019722-101 rev. 05, chapter 12. RS-232, 9600 8N1, the machine is the
slave. Writes are `ESC c1 c2 [data] chk` and answered ACK or NAK, reads are `ESC c1 c2` and answered
`data chk ACK`; chk is the sum of all bytes but ESC, modulo 256; numbers come MSB first. QF logs on
and must come first, QQ logs off; PR tells four bytes of revisions, RC the count, RA the
accumulator, RV the coins since zero, RL and WL the batch quantity, RS the status, AA moves the
count to memory and zeroes the display, DK disables the keypad. M on the keypad does what AA does.

ASSUMED, since the pages that are public do not say: ACK is 06 and NAK 15; a read has no checksum of
its own; a command before log on gets NAK; the status is one byte; a power loss keeps the
accumulator and forgets the count, the log on and the batch quantity; the accumulator wraps at 32
bits, which never happens in practice. Protocol 1.x has the batch quantity in two bytes, 2.x in
four.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from simulators.instruments.faults import Faults
from simulators.instruments.machine import MachineError

ESC, ACK, NAK = 0x1B, 0x06, 0x15
READS = (b"PR", b"RC", b"RA", b"RV", b"RL", b"RS")
WRITES = (b"QF", b"QQ", b"AA", b"DK")  # without data; WL has a number
COUNTING, BATCH, DOOR, CLEANING, SENSOR, BATCH_MODE = 1, 2, 4, 8, 16, 32  # bits of the status
MS_PER_COIN = 30
CLEANING_AFTER = 5000  # coins, a round figure
WORD = 1 << 32
OFF_MS = (60, 2500)  # how long the power is away


@dataclass
class CoinTruth:
    """Where every coin is: on the display, moved to memory, cleared away, forgotten, uncounted, or
    handed back.
    """

    run: Counter[int] = field(default_factory=Counter)
    waiting: Counter[int] = field(default_factory=Counter)  # in the hopper
    display: Counter[int] = field(default_factory=Counter)
    memory: Counter[int] = field(default_factory=Counter)  # moved: what the ledger should hold
    cleared: Counter[int] = field(default_factory=Counter)  # by the clear key, with no report
    forgotten: Counter[int] = field(default_factory=Counter)  # by a power loss
    uncounted: Counter[int] = field(default_factory=Counter)  # slipped through the open door
    returned: Counter[int] = field(default_factory=Counter)

    def is_conserved(self) -> bool:
        """True when no coin appeared or vanished."""
        places = (
            self.waiting,
            self.display,
            self.memory,
            self.cleared,
            self.forgotten,
            self.uncounted,
            self.returned,
        )
        return +self.run == sum(places, Counter())

    def move(self, source: Counter[int], target: Counter[int]) -> None:
        """Everything in one place goes to another."""
        target.update(+source)
        source.clear()


class Sc350:
    """The counter: pour coins with `do("run 40")`, move them with `do("move")`; a host asks over
    the wire.
    """

    supported = (
        "jam", "reject", "hopper_empty", "batch_full", "door_mid_count", "power_loss",
        "clear_silent", "accumulate", "swap",
    )  # fmt: skip
    setups = ("", "counting", "batch", "covered", "door", "cleaning", "power_off")
    verbs = {
        "run N": "pour so many coins; they are counted while time passes",
        "move": "M on the keypad: the count goes to memory, the display to zero",
        "clear": "the clear key: the display goes to zero, nothing is moved",
        "batch N": "stop at so many coins; 0 for no batch",
        "go": "the start key, after a batch or a stop",
        "door open|close": "the inspection door",
        "cover": "a coin sticks before the sensor",
        "uncover": "it is taken away",
        "clean": "somebody cleaned it",
        "power off|on": "the mains",
        "swap": "another machine stands on this cable",
    }

    def __init__(
        self,
        faults: Faults | None = None,
        setup: str = "",
        coin_cents: int = 25,
        protocol: int = 2,
        accumulator: int = 1200,
    ) -> None:
        """`protocol`: 1 or 2, as PR tells it. `accumulator`: what its memory held before the first
        coin of this simulation.
        """
        if setup not in self.setups:
            raise MachineError(
                f"Sc350: no setup {setup!r}, there are {', '.join(filter(None, self.setups))}"
            )
        self.faults = faults or Faults()
        self.coin_cents = coin_cents
        self.protocol = protocol
        self.accumulator = accumulator
        self.truth = CoinTruth()
        self.count = 0
        self.state = "idle"  # off | idle | counting | stopped
        self.batch = 0
        self.is_door_open = self.was_interrupted = self.is_covered = self.needs_cleaning = False
        self.is_logged_on = self.is_keypad_off = False
        self.drawn: frozenset[str] = frozenset()
        self._strikes: dict[int, str] = {}
        self._coin_no = 0
        self._since_cleaning = 0
        self._last_ms = 0
        self._on_at: int | None = None
        self._command = bytearray()
        self._output = bytearray()
        self._set_up(setup)

    def _set_up(self, setup: str) -> None:
        if setup == "counting":
            self.do("run 50", 0)
        elif setup == "batch":
            self.batch = 10
        elif setup == "power_off":
            self.state = "off"
        self.is_covered = setup == "covered"
        self.is_door_open = setup == "door"
        self.needs_cleaning = setup == "cleaning"

    # ---- what a person does ----

    def do(self, line: str, now_ms: int) -> None:
        """One of `verbs`. Raises MachineError for anything else, or if the machine cannot do it in
        its present state.
        """
        words = line.split()
        name = " ".join(words[:1])
        acts: dict[str, Callable[[list[str], int], None]] = {
            "run": self._run, "move": self._move, "clear": self._clear, "batch": self._set_batch,
            "go": self._go, "door": self._door, "cover": self._cover, "uncover": self._cover,
            "clean": self._clean, "power": self._power, "swap": self._swap,
        }  # fmt: skip
        if name not in acts:
            raise MachineError(f"Sc350: {line!r} is none of {', '.join(self.verbs)}")
        if self.state == "off" and name not in ("power", "swap"):
            raise MachineError(f"Sc350: {line!r}: it is off")
        acts[name](words, now_ms)

    def _run(self, words: list[str], now_ms: int) -> None:
        coins = _number(words)
        if self.state != "idle" or self.is_door_open or self.is_covered or not coins:
            raise MachineError(
                f"Sc350: cannot run {coins} coins: it is {self.state}, door and sensor must be free"
            )
        self.truth.run[self.coin_cents] += coins
        self.truth.waiting[self.coin_cents] += coins
        self.drawn = frozenset(self.faults.draw(self.supported))
        struck = [
            knob
            for knob in self.drawn
            if knob in ("jam", "reject", "hopper_empty", "batch_full", "door_mid_count")
        ]
        struck += [knob for knob in self.drawn if knob in ("power_loss", "swap")]
        self._strikes = {self.faults.random.randrange(coins): knob for knob in struck}
        self._coin_no = 0
        self.state = "counting"
        self._last_ms = now_ms

    def _move(self, _words: list[str], _now_ms: int) -> None:
        if self.is_keypad_off or self.state == "counting":
            raise MachineError(
                f"Sc350: M does nothing: keypad {'off' if self.is_keypad_off else 'on'},"
                f" {self.state}"
            )
        self._to_memory()

    def _clear(self, _words: list[str], _now_ms: int) -> None:
        if self.is_keypad_off or self.state == "counting":
            raise MachineError(f"Sc350: the clear key does nothing: keypad off or {self.state}")
        self.truth.move(self.truth.display, self.truth.cleared)
        self._zero()

    def _set_batch(self, words: list[str], _now_ms: int) -> None:
        self.batch = _number(words)

    def _go(self, _words: list[str], now_ms: int) -> None:
        if self.state != "stopped" or self.is_covered or self.is_door_open:
            raise MachineError(
                f"Sc350: nothing to start: it is {self.state}, door and sensor must be free"
            )
        self.state = "counting" if self.truth.waiting[self.coin_cents] else "idle"
        self._last_ms = now_ms

    def _door(self, words: list[str], now_ms: int) -> None:
        if words[1:] == ["open"]:
            self.is_door_open = True
            if self.state == "counting":
                self.was_interrupted = True
                self.state = "stopped"
        elif words[1:] == ["close"]:
            self.is_door_open = False
        else:
            raise MachineError("Sc350: door open, or door close")
        self._last_ms = now_ms

    def _cover(self, words: list[str], _now_ms: int) -> None:
        self.is_covered = words == ["cover"]
        if self.is_covered and self.state == "counting":
            self.state = "stopped"

    def _clean(self, _words: list[str], _now_ms: int) -> None:
        self.needs_cleaning = False
        self._since_cleaning = 0

    def _power(self, words: list[str], now_ms: int) -> None:
        if words[1:] == ["off"]:
            self._lose_power(None)
        elif words[1:] == ["on"]:
            self._power_up(now_ms)
        else:
            raise MachineError("Sc350: power off, or power on")

    def _swap(self, _words: list[str], now_ms: int) -> None:
        """The other machine has a memory of its own and nothing on its display; ours keeps what it
        has, out of reach.
        """
        self.truth.move(self.truth.display, self.truth.forgotten)
        self.truth.move(self.truth.waiting, self.truth.returned)
        self._lose_power(now_ms + self.faults.random.randrange(*OFF_MS))
        self.accumulator = self.faults.random.randrange(100, 1_000_000)

    # ---- the mechanism ----

    def poll(self, now_ms: int) -> None:
        """Count the coins that the time since the last call allows."""
        if self._on_at is not None and now_ms >= self._on_at:
            self._power_up(now_ms)
        while self.state == "counting" and now_ms - self._last_ms >= MS_PER_COIN:
            self._last_ms += MS_PER_COIN
            self._coin(now_ms)

    def _coin(self, now_ms: int) -> None:
        cents, waiting = self.coin_cents, self.truth.waiting
        if not waiting[cents]:
            self.state = "idle"
            return
        strike = self._strikes.pop(self._coin_no, "")
        self._coin_no += 1
        if strike == "power_loss":
            self._lose_power(now_ms + self.faults.random.randrange(*OFF_MS))
            return
        if strike == "swap":
            self._swap([], now_ms)
            return
        waiting[cents] -= 1
        if strike == "reject":
            self.truth.returned[cents] += 1
        elif strike == "door_mid_count":
            self.truth.uncounted[cents] += 1
            self._door(["door", "open"], now_ms)
        else:
            self.truth.display[cents] += 1
            self.count += 1
            self._since_cleaning += 1
            self.needs_cleaning = self.needs_cleaning or self._since_cleaning >= CLEANING_AFTER
        if strike == "jam":
            self._cover(["cover"], now_ms)
        elif strike == "hopper_empty":
            self._last_ms += 1500
        elif strike == "batch_full" or (self.batch and self.count and self.count % self.batch == 0):
            self.batch = self.batch or self.count
            self.state = "stopped"

    def _to_memory(self) -> None:
        self.accumulator = (self.accumulator + self.count) % WORD
        self.truth.move(self.truth.display, self.truth.memory)
        self._zero()

    def _zero(self) -> None:
        self.count = 0
        self.was_interrupted = False

    def _lose_power(self, on_at: int | None) -> None:
        self.truth.move(self.truth.display, self.truth.forgotten)
        self.truth.move(self.truth.waiting, self.truth.returned)
        self._zero()
        self.state = "off"
        self.batch = 0
        self.is_logged_on = self.is_keypad_off = False
        self._command.clear()
        self._output.clear()
        self._on_at = on_at

    def _power_up(self, now_ms: int) -> None:
        if self.state == "off":
            self.state = "idle"
        self._on_at = None
        self._last_ms = now_ms

    def true_pieces(self) -> Counter[int]:
        """What the ledger should hold: the coins that were moved to memory."""
        return +self.truth.memory

    # ---- the wire ----

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes from the host; bytes that are no command are ignored."""
        if self.state == "off":
            return
        for byte in data:
            self._take(byte)

    def _take(self, byte: int) -> None:
        command = self._command
        if not command:
            if byte == ESC:
                command.append(byte)
            return
        command.append(byte)
        if len(command) < 3:
            return
        name = bytes(command[1:3])
        if name in READS and len(command) == 3:
            self._answer_read(name)
        elif name in WRITES or name == b"WL":
            size = 4 + (self._quantity_bytes if name == b"WL" else 0)
            if len(command) < size:
                return
            is_right = sum(command[1:-1]) & 0xFF == command[-1]
            self._output.append(ACK if is_right and self._obey(name, bytes(command[3:-1])) else NAK)
        elif ESC in command[1:]:  # a command that was cut: the next one began inside it
            rest = bytes(command[command.index(ESC, 1) :])
            command.clear()
            for each in rest:
                self._take(each)
            return
        command.clear()

    @property
    def _quantity_bytes(self) -> int:
        return 2 if self.protocol == 1 else 4

    def _obey(self, name: bytes, data: bytes) -> bool:
        """Whether a write was done."""
        if name == b"QF":
            self.is_logged_on = True
            return True
        if not self.is_logged_on:
            return False
        if name == b"QQ":
            self.is_logged_on = self.is_keypad_off = False
        elif name == b"AA":
            if self.state == "counting":
                return False
            self._to_memory()
        elif name == b"DK":
            self.is_keypad_off = True
        else:
            self.batch = int.from_bytes(data, "big")
        return True

    def _answer_read(self, name: bytes) -> None:
        if not self.is_logged_on:
            self._output.append(NAK)
            return
        numbers = {
            b"RC": (self.count, 4),
            b"RA": (self.accumulator, 4),
            b"RV": (self.count, 4),
            b"RS": (self.status, 1),
        }
        if name == b"PR":
            data = bytes((10, 15, self.protocol, 9))
        else:
            value, size = numbers.get(name, (self.batch, self._quantity_bytes))
            data = value.to_bytes(size, "big")
        self._output += data + bytes((sum(data) & 0xFF, ACK))

    @property
    def status(self) -> int:
        """The byte of RS."""
        return (
            COUNTING * (self.state == "counting")
            | BATCH
            * bool(
                self.batch
                and self.count
                and self.count % self.batch == 0
                and self.state == "stopped"
            )
            | DOOR * self.was_interrupted
            | CLEANING * self.needs_cleaning
            | SENSOR * self.is_covered
            | BATCH_MODE * bool(self.batch)
        )

    def pop_output(self) -> bytes:
        """The bytes sent since the last call."""
        sent = bytes(self._output)
        self._output.clear()
        return sent


def _number(words: list[str]) -> int:
    if len(words) != 2 or not words[1].isdecimal():
        raise MachineError(f"Sc350: {' '.join(words)!r} wants a number of coins")
    return int(words[1])
