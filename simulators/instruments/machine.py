"""What every desk counter does, whatever it prints: keys, batches, reports and a clock of its own.
How its pieces move is in piece_path.

States: off; idle (no batch open); counting; waiting (hopper empty, batch still open);
stopped (somebody must act). The `Truth` records what metal and paper really did; a test compares
the ledger with it.

Stops differ by maker, so `on_stop` is a setting. "excluded": the piece on which the machine stopped
is not in its count (Cassida leaves a suspect note out). "included": it is (SBM counts the note on
which it stopped). "recount_all": a double or a chain voids the batch, and its pieces go through
once more (Cassida asks for it). A batch or bag limit, a full stacker and an empty hopper are
pauses. Assumed of every machine: a batch that a power loss ended gives its number to the next one;
a batch that is cleared without a report uses its number; a door that is opened in mid-count lets
one piece past the sensor, or one counted piece out again.
"""

from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from simulators.instruments.faults import WIRE_KNOBS, Faults
from simulators.instruments.piece_path import HOPPER_EMPTY_MS, PiecePath
from simulators.instruments.truth import Printed, Untold
from simulators.instruments.truth import Rows as Rows
from simulators.instruments.truth import rows_of as rows_of
from simulators.instruments.truth import value_cents as value_cents

SKEW_MINUTES_MAX = 14 * 24 * 60
REPRINT_AFTER_MS = 4000
# inside a report: a printer that feeds paper, and one whose paper is changed
GAPS_MS = ((50, 500), (1500, 4000))
ACCUMULATED_BATCHES = (2, 5)  # how many batches run into one sum before somebody clears it
# how often one batch may stop before the cashier gives up: a limit of ours
STOPS_MAX = 64


class MachineError(ValueError):
    """Something that this machine cannot do, or not in its present state."""


class Machine(PiecePath):
    """The common state machine. A subclass says which faults it can play and how its report reads
    (`compose`).
    """

    denominations: tuple[int, ...] = ()
    ms_per_piece = 1
    supported: tuple[str, ...] = ()
    batch_number_max = 9999
    batch_after_max = 1

    foreign = b""  # another machine's report, for the `swap` fault: the cable was plugged into it

    def __init__(
        self, faults: Faults | None, clock_start: datetime, batch: int, on_stop: str = "excluded"
    ) -> None:
        """`clock_start`: what the machine's own clock shows at now_ms = 0. `batch`: number of the
        batch before the first.
        """
        super().__init__(faults or Faults(), on_stop)
        self.clock_start = clock_start
        self.skew = timedelta()
        self.batch = batch
        self.report = 0
        self._last_report: tuple[int, int, Rows, Rows] | None = None
        self._output = bytearray()
        self._later: deque[tuple[int, bytes]] = (
            deque()
        )  # (not before, bytes): the rest of a report after a gap
        self._unreported: Counter[int] = (
            Counter()
        )  # passed in a batch that a power loss or the clear key wiped out
        self._sum: Counter[int] = Counter()  # of the batches that are accumulated
        self._sum_batches = 0  # how many more will be
        self._now_ms = 0
        self._clear_batch()

    # what the cashier does

    def open_batch(self, pieces: int) -> None:
        """Begin a batch of about so many pieces (`pour` does it as well); which faults strike it is
        drawn here.
        """
        if self.state != "idle":
            raise MachineError(f"{type(self).__name__}: cannot begin a batch, it is {self.state}")
        if pieces < 1:
            raise MachineError(f"{type(self).__name__}: a batch of {pieces} pieces")
        self._begin_batch(pieces)
        self.state = "waiting"
        self.stop_reason = ""

    def pour(self, rows: Iterable[tuple[int, int]], now_ms: int) -> None:
        """Put pieces in the hopper, in an order of the seed. The first pieces begin a batch.

        Raises MachineError for a denomination that the machine has no bin for, and when it is off
        or stopped.
        """
        if self.state in ("off", "stopped"):
            raise MachineError(
                f"{type(self).__name__}: {self.state} {self.stop_reason}".rstrip()
                + ", takes no pieces"
            )
        pieces: list[int] = []
        for denomination, count in rows:
            if denomination not in self.denominations or count < 0:
                raise MachineError(
                    f"{type(self).__name__}: {count} pieces of {denomination} cents do not fit"
                )
            pieces += [denomination] * count
        if not pieces:
            return
        self._now_ms = max(self._now_ms, now_ms)
        self.truth.poured.update(pieces)
        self._load(pieces)
        if self.state == "idle":
            self._begin_batch(len(pieces))
        self.state = "counting"
        self._last_ms = now_ms

    def poll(self, now_ms: int) -> None:
        """Count as many pieces as the time since the last call allows."""
        self._now_ms = max(self._now_ms, now_ms)
        while self.state == "counting" and now_ms - self._last_ms >= self.ms_per_piece:
            self._last_ms += self.ms_per_piece
            self._count_one()
            if not self._hopper and self.state == "counting":
                self.state = "waiting"

    def resolve(self, now_ms: int) -> None:
        """Do what the display asks for after a stop: free the path, put what was refused back into
        the hopper.

        A suspect note stays aside. No other piece moves, and the count of the batch so far stays.
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
        if self.stop_reason in ("double", "chain") and self.on_stop == "recount_all":
            self._void()
        self.stop_reason = ""
        self.state = "counting" if self._hopper else "waiting"
        self._last_ms = now_ms

    def end_batch(self, now_ms: int) -> None:
        """The batch key: the report goes out, the counters of the batch go to zero. Needs an open
        batch, the hopper empty.
        """
        self._need_waiting()
        self._end(now_ms)

    def clear(self) -> None:
        """The clear key in place of the batch key: the counters go to zero and nothing is
        printed.
        """
        self._need_waiting()
        self._forget("clear_silent")
        self._clear_batch()
        self.state = "idle"

    def end_sub_batch(self, now_ms: int) -> None:
        """The sub-batch key: a report of what was counted since the last one; the batch goes on."""
        self._need_waiting()
        self.sub_batch += 1
        self._print(
            "sub_batch",
            self.sub_batch,
            rows_of(self._sub_counted),
            rows_of(self._sub_passed),
            now_ms,
        )
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
        """Take the money of an unfinished batch out of bins and pockets and pour it again; how many
        pieces.

        What a cashier does after a power loss: the machine forgot the batch, the pieces lie where
        they fell.
        """
        if self.state != "idle":
            raise MachineError(
                f"{type(self).__name__}: cannot take pieces back, it is {self.state}"
            )
        pieces = list(self._unreported.elements())
        self._unreported.clear()
        tray = list((+self.truth.tray).elements())
        for denomination in pieces:
            self.truth.passed[denomination] -= 1
        for denomination in tray:
            self.truth.tray[denomination] -= 1
        if not pieces and not tray and not self._hopper:
            return 0
        self.truth.untold = [
            each for each in self.truth.untold if each.reason not in ("power_loss", "clear_silent")
        ]
        self._load(pieces + tray, from_tray=True)
        self._begin_batch(len(self._hopper))
        self.state = "counting"
        self._last_ms = now_ms
        return len(self._hopper)

    def power_off(self) -> None:
        """Power is lost: the open batch and whatever was not yet sent are forgotten.

        Numbers of finished batches are kept and that of the lost one is used again, unless a
        sub-batch bore it: a guess.
        """
        if self.state not in ("off", "idle"):
            self._forget("power_loss")
            if not self.sub_batch:
                self.batch = self._batch_before
        self._clear_batch()
        self._output.clear()
        self._later.clear()
        self.state = "off"
        self.stop_reason = ""

    def power_on(self, now_ms: int) -> None:
        if self.state == "off":
            self.state = "idle"
            self._last_ms = now_ms

    def pop_output(self) -> bytes:
        """The bytes sent since the last call, as far as `poll` has let the time pass."""
        while self._later and self._later[0][0] <= self._now_ms:
            self._output += self._later.popleft()[1]
        sent = bytes(self._output)
        self._output.clear()
        return sent

    @property
    def is_starved(self) -> bool:
        """The hopper ran empty and the cashier brings the rest later: nothing moves, and the batch
        is not over.
        """
        return self.state == "counting" and self._last_ms > self._now_ms

    def true_pieces(self) -> Counter[int]:
        """{denomination: pieces} of every batch that bore a number and was not counted again: what
        a ledger should hold.

        What a power loss wiped out is not in it: no later number shows it, so nobody who only reads
        reports could know it.
        """
        counted: Counter[int] = Counter()
        for printed in self.truth.printed:
            if printed.kind == "batch":
                counted.update(dict(printed.own))
        for each in self.truth.untold:
            if each.reason != "power_loss":
                counted.update(dict(each.rows))
        return +counted

    def clock(self, now_ms: int) -> datetime:
        """What the machine's own clock shows; nobody sets it, so `skew` grows by the `clock_skew`
        fault.
        """
        return self.clock_start + timedelta(milliseconds=now_ms) + self.skew

    # what a machine adds

    def compose(
        self, kind: str, batch: int, sub_batch: int, rows: Rows, now_ms: int
    ) -> tuple[bytes, int]:
        """The report (its number is `self.report`) and the offset after the last digit of its
        total.
        """
        raise NotImplementedError

    # inside

    def _clear_batch(self) -> None:
        self._clear_counts()
        self._batch_before = self.batch
        self.sub_batch = 0
        self.drawn: frozenset[str] = frozenset()

    def _begin_batch(self, pieces: int) -> None:
        self._clear_batch()
        self._batch_before = self.batch
        self.batch = self.batch_after_max if self.batch >= self.batch_number_max else self.batch + 1
        self.active = self.faults.draw(self.supported)
        self.drawn = frozenset(self.active)
        self._draw_strikes(pieces)
        if "wrap" in self.active and not self.truth.printed:
            self.batch = (
                self.batch_number_max
            )  # a machine with a past; later it would only meet its own numbers again
        if "accumulate" in self.active and not self._sum_batches:
            self._sum.clear()
            self._sum_batches = self.faults.random.randrange(*ACCUMULATED_BATCHES)
        if "day_clear" in self.active:
            self.truth.log.append((self._last_ms, "day_clear"))
            self.clear_day()
        if "clock_skew" in self.active:
            self.skew += timedelta(
                minutes=self.faults.random.randrange(-SKEW_MINUTES_MAX, SKEW_MINUTES_MAX + 1)
            )

    def _end(self, now_ms: int) -> None:
        own, passed = rows_of(self._counted), rows_of(self._batch_passed)
        rows = own
        if self._sum_batches:
            self._sum.update(self._counted)
            rows = rows_of(self._sum)
        self._print("batch", 0, rows, passed, now_ms, own=own)
        self._sum_batches -= bool(self._sum_batches)
        self._clear_batch()
        self.state = "idle"
        self.stop_reason = ""

    def _forget(self, reason: str) -> None:
        """The open batch is gone from the machine's memory; the pieces stay where they fell."""
        self._unreported.update(self._batch_passed)
        untold = Untold(reason, self.batch, rows_of(self._counted), rows_of(self._batch_passed))
        if untold.rows or untold.passed:
            self.truth.untold.append(untold)

    def _need_waiting(self) -> None:
        if self.state != "waiting":
            raise MachineError(
                f"{type(self).__name__}: no counted batch to end, it is {self.state}"
            )

    def _print(
        self, kind: str, sub_batch: int, rows: Rows, passed: Rows, now_ms: int,
        batch: int | None = None, own: Rows | None = None,
    ) -> None:  # fmt: skip
        self.report += 1
        self._now_ms = max(self._now_ms, now_ms)
        batch = self.batch if batch is None else batch
        composed, total_end = self.compose(kind, batch, sub_batch, rows, now_ms)
        sent = composed
        harm = self.active & {*WIRE_KNOBS, "wrong_baud", "gap"} if kind == "batch" else set[str]()
        # the cable spoils the batch report, never its sub-batches or copies: one fault, one effect
        if harm:
            sent = self.faults.on_the_wire(composed, total_end, harm)
        own = rows if own is None else own
        self._last_report = (batch, sub_batch, rows, passed)
        if kind == "batch" and "swap" in self.active:
            self.truth.untold.append(Untold("swap", batch, own, passed))
            self._send(self.foreign, now_ms)
            return
        stop = self.stop_reason if kind == "batch" else ""
        made = Printed(
            kind,
            batch,
            sub_batch,
            self.report,
            rows,
            passed,
            self.drawn,
            sent,
            own,
            frozenset(harm),
            stop,
        )
        self._deliver(made, now_ms)

    def _deliver(self, printed: Printed, now_ms: int) -> None:
        """The report goes to the cable. A machine that stores or repeats reports does this in
        another way.
        """
        self.truth.printed.append(printed)
        self._send(printed.sent, now_ms, has_gap="gap" in printed.harm)

    def _send(self, data: bytes, now_ms: int, has_gap: bool = False) -> None:
        if has_gap and len(data) > 1:
            at = self.faults.random.randrange(1, len(data))
            gap_ms = self.faults.random.randrange(*self.faults.random.choice(GAPS_MS))
            data, rest = data[:at], data[at:]
            self._later.append((now_ms + gap_ms, rest))
            self._output += data
        elif self._later:
            self._later.append((self._later[-1][0], data))  # after what is still to come
        else:
            self._output += data


def count_batch(machine: Machine, rows: Iterable[tuple[int, int]], now_ms: int) -> int:
    """One batch as a cashier runs it: pour, clear every stop, end the batch; the time when the
    batch key was pressed.

    After a power loss of the machine the pieces are taken back and counted again. `sub_and_batch`
    pours in two parts and presses the sub-batch key after each; `reprint` asks for a copy at the
    end, `clear_silent` presses the clear key in place of the batch key. The reports: `pop_output`,
    `truth.printed`.
    """
    rows = list(rows)
    machine.open_batch(sum(pieces for _, pieces in rows))
    parts = [rows]
    if "sub_and_batch" in machine.drawn:
        parts = [
            [(each, pieces // 2) for each, pieces in rows],
            [(each, pieces - pieces // 2) for each, pieces in rows],
        ]
    for part in parts:
        if not any(pieces for _, pieces in part):
            continue
        machine.pour(part, now_ms)
        now_ms = _count_through(machine, now_ms)
        if "sub_and_batch" in machine.drawn:
            machine.end_sub_batch(now_ms)
    drawn = machine.drawn
    if "clear_silent" in drawn:
        machine.clear()
        return now_ms
    machine.end_batch(now_ms)
    if "reprint" in drawn and machine.truth.printed:
        machine.reprint(now_ms + REPRINT_AFTER_MS)
    return now_ms


def _count_through(machine: Machine, now_ms: int) -> int:
    """The time when the hopper was empty, every stop cleared; MachineError when the batch stops
    without end.
    """
    for _ in range(STOPS_MAX):
        now_ms += machine.ms_per_piece * (sum(machine.truth.hopper.values()) + 1)
        machine.poll(now_ms)
        if machine.state == "stopped":
            machine.resolve(now_ms)
        elif machine.state == "off":
            machine.power_on(now_ms)
            machine.take_back(now_ms)
        elif machine.is_starved:
            now_ms += HOPPER_EMPTY_MS[1]
        elif machine.state != "counting":
            return now_ms
    raise MachineError(f"{type(machine).__name__}: stopped {STOPS_MAX} times in one batch")


def dollars(cents: int) -> str:
    """16.00, and .80 without a leading zero, as the Mach tape prints it."""
    whole, rest = divmod(cents, 100)
    return f"{whole or ''}.{rest:02d}"
