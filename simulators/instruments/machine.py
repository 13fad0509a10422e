"""What every desk counter does, whatever it prints: a hopper, a path, pockets, batches and a clock of its own.

States: off; idle (no batch open); counting; waiting (hopper empty, batch open: that ends nothing); stopped (somebody must act).
The `Truth` beside it records what metal and paper really did, which is what a test compares the ledger with.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from simulators.instruments.faults import PIECE_KNOBS, WIRE_KNOBS, Faults

Rows = list[tuple[int, int]]  # (denomination in cents, pieces), lowest first
SKEW_MINUTES_MAX = 14 * 24 * 60
REPRINT_AFTER_MS = 4000
STOPS_MAX = 64  # how often one batch may stop before the cashier gives up: a bound, not a habit of any machine


class MachineError(ValueError):
    """Something that this machine cannot do, or not in the state it is in."""


@dataclass(frozen=True)
class Printed:
    """One report as the machine meant it, before the cable had its say."""

    kind: str  # batch | sub_batch | reprint
    batch: int
    sub_batch: int  # 0 for the report of a whole batch
    report: int  # number of this report since the day total was cleared
    rows: Rows  # what the machine says it counted
    passed: Rows  # what really passed
    faults: frozenset[str]
    sent: bytes  # what left on the wire

    @property
    def total_cents(self) -> int:
        return value_cents(self.rows)


@dataclass
class Truth:
    """Where every piece is, and what was printed. poured = hopper + passed + tray + set_aside at any moment."""

    poured: Counter[int] = field(default_factory=Counter)  # put in by the cashier, each piece once
    hopper: Counter[int] = field(default_factory=Counter)
    passed: Counter[int] = field(default_factory=Counter)  # lies in a bin or pocket as counted money
    tray: Counter[int] = field(default_factory=Counter)  # refused, still to be dealt with
    set_aside: Counter[int] = field(default_factory=Counter)  # suspect, kept out of the money
    printed: list[Printed] = field(default_factory=list)

    def is_conserved(self) -> bool:
        """True when no piece appeared or vanished."""
        return +self.poured == +(self.hopper + self.passed + self.tray + self.set_aside)

    def move(self, denomination: int, source: Counter[int], target: Counter[int], pieces: int = 1) -> None:
        assert source[denomination] >= pieces, f"no {denomination} to move"
        source[denomination] -= pieces
        target[denomination] += pieces


class Machine:
    """The common state machine. A subclass says which faults it can play and how its report reads (`compose`)."""

    denominations: tuple[int, ...] = ()
    ms_per_piece = 1
    supported: tuple[str, ...] = ()
    batch_number_max = 9999
    batch_after_max = 1

    def __init__(self, faults: Faults | None, clock_start: datetime, batch: int) -> None:
        """`clock_start`: what the machine's own clock shows at now_ms = 0. `batch`: number of the batch before the first."""
        self.faults = faults or Faults()
        self.clock_start = clock_start
        self.skew = timedelta()
        self.truth = Truth()
        self.state = "idle"
        self.stop_reason = ""
        self.batch = batch
        self.report = 0
        self._hopper: deque[int] = deque()
        self._last_ms = 0
        self._last_report: tuple[int, int, Rows, Rows] | None = None
        self._output = bytearray()
        self._unreported: Counter[int] = Counter()  # passed in a batch that a power loss wiped out
        self._clear_batch()

    # what the cashier does

    def open_batch(self, pieces: int) -> None:
        """Begin a batch of about so many pieces (`pour` does it as well); which faults strike it is drawn here."""
        if self.state != "idle":
            raise MachineError(f"{type(self).__name__}: cannot begin a batch, it is {self.state}")
        if pieces < 1:
            raise MachineError(f"{type(self).__name__}: a batch of {pieces} pieces")
        self._begin_batch(pieces)
        self.state = "waiting"

    def pour(self, rows: Iterable[tuple[int, int]], now_ms: int) -> None:
        """Put pieces in the hopper, in an order of the seed. The first pieces begin a batch.

        Raises MachineError for a denomination that the machine has no bin for, and when it is off or stopped.
        """
        if self.state in ("off", "stopped"):
            raise MachineError(f"{type(self).__name__}: {self.state} {self.stop_reason}".rstrip() + ", takes no pieces")
        pieces: list[int] = []
        for denomination, count in rows:
            if denomination not in self.denominations or count < 0:
                raise MachineError(f"{type(self).__name__}: {count} pieces of {denomination} cents do not fit")
            pieces += [denomination] * count
        if not pieces:
            return
        self.truth.poured.update(pieces)
        self._load(pieces)
        if self.state == "idle":
            self._begin_batch(len(pieces))
        self.state = "counting"
        self._last_ms = now_ms

    def poll(self, now_ms: int) -> None:
        """Count as many pieces as the time since the last call allows."""
        while self.state == "counting" and now_ms - self._last_ms >= self.ms_per_piece:
            self._last_ms += self.ms_per_piece
            self._count_one()
            if not self._hopper and self.state == "counting":
                self.state = "waiting"

    def resolve(self, now_ms: int) -> None:
        """Do what the display asks for after a stop: free the path, put what was refused back into the hopper.

        A suspect note stays aside. Nothing else changes hands; the count of the batch so far stands.
        """
        if self.state != "stopped":
            raise MachineError(f"{type(self).__name__}: nothing to resolve, it is {self.state}")
        tray = list((+self.truth.tray).elements())
        for denomination in tray:
            self.truth.tray[denomination] -= 1
        if self.stop_reason == "suspect":
            self.truth.set_aside.update(tray)
        else:
            self._load(tray, from_tray=True)
        self.stop_reason = ""
        self.state = "counting" if self._hopper else "waiting"
        self._last_ms = now_ms

    def end_batch(self, now_ms: int) -> None:
        """The batch key: the report goes out, the counters of the batch go to zero. Needs an open batch, the hopper empty."""
        self._need_waiting()
        rows, passed = rows_of(self._counted), rows_of(self._batch_passed)
        self._print("batch", 0, rows, passed, now_ms)
        self._clear_batch()
        self.state = "idle"

    def end_sub_batch(self, now_ms: int) -> None:
        """The sub-batch key: a report of what was counted since the last one; the batch goes on."""
        self._need_waiting()
        self.sub_batch += 1
        self._print("sub_batch", self.sub_batch, rows_of(self._sub_counted), rows_of(self._sub_passed), now_ms)
        self._sub_counted.clear()
        self._sub_passed.clear()

    def reprint(self, now_ms: int) -> None:
        """Print the last report again, on demand."""
        if self._last_report is None or self.state == "off":
            raise MachineError(f"{type(self).__name__}: no report to print again")
        batch, sub_batch, rows, passed = self._last_report
        self._print("reprint", sub_batch, rows, passed, now_ms, batch=batch)

    def clear_day(self) -> None:
        """Clear the day total: report numbers start at 1 again."""
        self.report = 0

    def take_back(self, now_ms: int) -> int:
        """Take the money of an unfinished batch out of bins and pockets and pour it again; how many pieces.

        What a cashier does after a power loss: the machine forgot the batch, the pieces lie where they fell.
        """
        if self.state != "idle":
            raise MachineError(f"{type(self).__name__}: cannot take pieces back, it is {self.state}")
        pieces = list(self._unreported.elements())
        self._unreported.clear()
        tray = list((+self.truth.tray).elements())
        for denomination in pieces:
            self.truth.passed[denomination] -= 1
        for denomination in tray:
            self.truth.tray[denomination] -= 1
        if not pieces and not tray and not self._hopper:
            return 0
        self._load(pieces + tray, from_tray=True)
        self._begin_batch(len(self._hopper))
        self.state = "counting"
        self._last_ms = now_ms
        return len(self._hopper)

    def power_off(self) -> None:
        """Power is lost: the open batch and whatever was not yet sent are forgotten.

        Numbers of finished batches are kept and that of the lost one is used again, unless a sub-batch bore it: a guess.
        """
        if self.state not in ("off", "idle"):
            self._unreported.update(self._batch_passed)
            if not self.sub_batch:
                self.batch = self._batch_before
        self._clear_batch()
        self._output.clear()
        self.state = "off"
        self.stop_reason = ""

    def power_on(self, now_ms: int) -> None:
        if self.state == "off":
            self.state = "idle"
            self._last_ms = now_ms

    def take_output(self) -> bytes:
        """The bytes sent since the last call."""
        sent = bytes(self._output)
        self._output.clear()
        return sent

    def clock(self, now_ms: int) -> datetime:
        """What the machine's own clock shows; nobody sets it, so `skew` grows by the `clock_skew` fault."""
        return self.clock_start + timedelta(milliseconds=now_ms) + self.skew

    # what a machine adds

    def compose(self, kind: str, batch: int, sub_batch: int, rows: Rows, now_ms: int) -> tuple[bytes, int]:
        """The report (its number is `self.report`) and the offset behind the last digit of its total."""
        raise NotImplementedError

    # inside

    def _clear_batch(self) -> None:
        self._batch_before = self.batch
        self._counted: Counter[int] = Counter()
        self._sub_counted: Counter[int] = Counter()
        self._batch_passed: Counter[int] = Counter()
        self._sub_passed: Counter[int] = Counter()
        self.sub_batch = 0
        self.active: set[str] = set()
        self.drawn: frozenset[str] = frozenset()
        self._strikes: dict[int, str] = {}
        self._piece_no = 0

    def _begin_batch(self, pieces: int) -> None:
        self._clear_batch()
        self._batch_before = self.batch
        self.batch = self.batch_after_max if self.batch >= self.batch_number_max else self.batch + 1
        self.active = self.faults.draw(self.supported)
        self.drawn = frozenset(self.active)
        self._strikes = {
            self.faults.random.randrange(max(1, pieces - 1)): knob for knob in PIECE_KNOBS if knob in self.active
        }  # two faults on one piece: the later in the table wins
        if "day_clear" in self.active:
            self.clear_day()
        if "clock_skew" in self.active:
            self.skew += timedelta(minutes=self.faults.random.randrange(-SKEW_MINUTES_MAX, SKEW_MINUTES_MAX + 1))

    def _load(self, pieces: list[int], from_tray: bool = False) -> None:
        if not from_tray:
            pieces = list(pieces)
            self.faults.random.shuffle(pieces)
        self.truth.hopper.update(pieces)
        self._hopper.extend(pieces)

    def _count_one(self) -> None:
        strike = self._strikes.pop(self._piece_no, None)
        self._piece_no += 1
        if strike in ("jam", "reject", "suspect"):
            self._refuse(1, strike)
        elif strike == "double":
            self._refuse(min(2, len(self._hopper)), strike)
        elif strike == "power_loss":
            self.power_off()
        else:
            denomination = self._hopper.popleft()
            self._pass_one(denomination)
            self._counted[denomination] += 1
            self._sub_counted[denomination] += 1
            if strike == "double_unseen" and self._hopper:
                self._pass_one(self._hopper.popleft())

    def _pass_one(self, denomination: int) -> None:
        self.truth.move(denomination, self.truth.hopper, self.truth.passed)
        self._batch_passed[denomination] += 1
        self._sub_passed[denomination] += 1

    def _refuse(self, pieces: int, reason: str) -> None:
        """Pieces leave the path uncounted; the machine stops until somebody acts."""
        for _ in range(pieces):
            self.truth.move(self._hopper.popleft(), self.truth.hopper, self.truth.tray)
        self.state = "stopped"
        self.stop_reason = reason

    def _need_waiting(self) -> None:
        if self.state != "waiting":
            raise MachineError(f"{type(self).__name__}: no counted batch to end, it is {self.state}")

    def _print(self, kind: str, sub_batch: int, rows: Rows, passed: Rows, now_ms: int, batch: int | None = None) -> None:
        self.report += 1
        batch = self.batch if batch is None else batch
        composed, total_end = self.compose(kind, batch, sub_batch, rows, now_ms)
        sent = composed
        if kind == "batch":  # the cable spoils the batch report, never its sub-batches or copies: one fault, one effect
            sent = self.faults.on_the_wire(composed, total_end, self.active & set(WIRE_KNOBS))
        self.truth.printed.append(Printed(kind, batch, sub_batch, self.report, rows, passed, self.drawn, sent))
        self._last_report = (batch, sub_batch, rows, passed)
        self._output += sent


def count_batch(machine: Machine, rows: Iterable[tuple[int, int]], now_ms: int) -> int:
    """One batch as a cashier runs it: pour, clear every stop, end the batch; the time when the batch key was pressed.

    After a power loss of the machine the pieces are taken back and counted again. `sub_and_batch` pours in two parts and
    presses the sub-batch key after each; `reprint` asks for a copy at the end. The reports: `take_output`, `truth.printed`.
    """
    rows = list(rows)
    machine.open_batch(sum(pieces for _, pieces in rows))
    parts = [rows]
    if "sub_and_batch" in machine.drawn:
        parts = [[(each, pieces // 2) for each, pieces in rows], [(each, pieces - pieces // 2) for each, pieces in rows]]
    for part in parts:
        if not any(pieces for _, pieces in part):
            continue
        machine.pour(part, now_ms)
        now_ms = _count_through(machine, now_ms)
        if "sub_and_batch" in machine.drawn:
            machine.end_sub_batch(now_ms)
    drawn = machine.drawn
    machine.end_batch(now_ms)
    if "reprint" in drawn:
        machine.reprint(now_ms + REPRINT_AFTER_MS)
    return now_ms


def _count_through(machine: Machine, now_ms: int) -> int:
    """The time when the hopper was empty, every stop cleared; MachineError when the batch stops without end."""
    for _ in range(STOPS_MAX):
        now_ms += machine.ms_per_piece * (sum(machine.truth.hopper.values()) + 1)
        machine.poll(now_ms)
        if machine.state == "stopped":
            machine.resolve(now_ms)
        elif machine.state == "off":
            machine.power_on(now_ms)
            machine.take_back(now_ms)
        else:
            return now_ms
    raise MachineError(f"{type(machine).__name__}: stopped {STOPS_MAX} times in one batch")


def rows_of(counted: Mapping[int, int]) -> Rows:
    """The rows of a counter, lowest denomination first, without empty ones."""
    return sorted((denomination, pieces) for denomination, pieces in counted.items() if pieces)


def value_cents(rows: Iterable[tuple[int, int]]) -> int:
    """What the rows are worth."""
    return sum(denomination * pieces for denomination, pieces in rows)


def dollars(cents: int) -> str:
    """16.00, and .80 without a leading nought, as the Mach tape prints it."""
    whole, rest = divmod(cents, 100)
    return f"{whole or ''}.{rest:02d}"
