"""The way of the pieces through a desk counter: hopper, path, bins and tray, and what strikes them
there.

The `Truth` beside it records what metal and paper really did, which is what a test compares the
ledger with.

Stops differ by maker, so `on_stop` is a setting: "excluded", the piece that a machine stopped on is
not in its count (Cassida leaves a suspect note out); "included", it is (SBM counts the note it
stopped on); "recount_all", a double or a chain voids the batch, whose pieces go through once more
(Cassida asks for it). A batch or bag limit, a full stacker and an empty hopper are pauses. Assumed
of every machine: a door opened in mid-count lets one piece past the sensor or takes one counted
piece out again.
"""

from collections import Counter, deque

from simulators.instruments.faults import PIECE_KNOBS, Faults
from simulators.instruments.truth import Truth

# strike at a piece, like PIECE_KNOBS
PAUSE_KNOBS = ("chain", "batch_full", "stacker_full", "hopper_empty", "door_mid_count")
ON_STOP = ("included", "excluded", "recount_all")
HOPPER_EMPTY_MS = (1000, 20_000)  # how long the cashier takes to bring the next handful


class PiecePath:
    """What moves the pieces of one batch; a machine adds keys, batch numbers and reports."""

    def __init__(self, faults: Faults, on_stop: str) -> None:
        if on_stop not in ON_STOP:
            raise ValueError(f"on_stop {on_stop!r}: want one of {', '.join(ON_STOP)}")
        self.on_stop = on_stop
        self.faults = faults
        self.truth = Truth()
        self.state = "idle"
        self.stop_reason = ""
        self._hopper: deque[int] = deque()
        self._last_ms = 0
        self._clear_counts()

    def power_off(self) -> None:
        """What a machine loses with its power."""
        raise NotImplementedError

    def _clear_counts(self) -> None:
        self._counted: Counter[int] = Counter()
        self._sub_counted: Counter[int] = Counter()
        self._batch_passed: Counter[int] = Counter()
        self._sub_passed: Counter[int] = Counter()
        self.active: set[str] = set()
        self._strikes: dict[int, str] = {}
        self._piece_no = 0
        # in single-denomination mode, until a stranger stopped the machine
        self._first_denomination = 0
        self._rejects: Counter[str] = Counter()  # pieces refused in this batch, by reason

    def _draw_strikes(self, pieces: int) -> None:
        """Which piece each active fault strikes. Two on one piece: the later in the table wins."""
        self._strikes = {
            self.faults.random.randrange(max(1, pieces - 1)): knob
            for knob in PIECE_KNOBS + PAUSE_KNOBS
            if knob in self.active
        }

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
        elif strike in ("double", "chain"):
            self._refuse(min(3 if strike == "chain" else 2, len(self._hopper)), strike)
        elif strike == "power_loss":
            self.truth.log.append((self._last_ms, strike))
            self.power_off()
        elif strike == "hopper_empty":
            self.truth.log.append((self._last_ms, strike))
            self._last_ms += self.faults.random.randrange(*HOPPER_EMPTY_MS)
        elif strike == "door_mid_count":
            self._open_door()
        elif self._is_stranger():
            self._first_denomination = 0
            self._refuse(1, "denomination_change")
        else:
            denomination = self._hopper.popleft()
            self._pass_one(denomination)
            self._count(denomination)
            if strike == "double_unseen" and self._hopper:
                self._pass_one(self._hopper.popleft())
            if strike in ("batch_full", "stacker_full"):
                self._stop(strike)

    def _is_stranger(self) -> bool:
        """In single-denomination mode: the next piece is another one than the first of the
        batch.
        """
        if "denomination_change" not in self.active:
            return False
        if self._piece_no == 1:
            self._first_denomination = self._hopper[0]
        return self._first_denomination not in (0, self._hopper[0])

    def _open_door(self) -> None:
        """Somebody reaches into the path."""
        counted = list(self._counted.elements())
        if counted and self.faults.random.randrange(2):
            denomination = self.faults.random.choice(counted)
            if self._batch_passed[denomination]:
                self._take_out(denomination)
        else:
            self._pass_one(self._hopper.popleft())
        self._stop("door_mid_count")

    def _take_out(self, denomination: int) -> None:
        """A piece that was counted comes out of its bin again, to be poured once more."""
        self.truth.move(denomination, self.truth.passed, self.truth.tray)
        self._batch_passed[denomination] -= 1
        if self._sub_passed[denomination]:
            self._sub_passed[denomination] -= 1

    def _void(self) -> None:
        """The whole batch goes back into the hopper and counts from nought."""
        pieces = list((+self._batch_passed).elements())
        for denomination in pieces:
            self.truth.passed[denomination] -= 1
        for counter in (
            self._counted,
            self._sub_counted,
            self._batch_passed,
            self._sub_passed,
            self._rejects,
        ):
            counter.clear()
        self._load(pieces, from_tray=True)

    def _count(self, denomination: int) -> None:
        self._counted[denomination] += 1
        self._sub_counted[denomination] += 1

    def _pass_one(self, denomination: int) -> None:
        self.truth.move(denomination, self.truth.hopper, self.truth.passed)
        self._batch_passed[denomination] += 1
        self._sub_passed[denomination] += 1

    def _refuse(self, pieces: int, reason: str) -> None:
        """Pieces leave the path, all but the first uncounted or the first too, by `on_stop`; the
        machine stops.
        """
        self._rejects[reason] += pieces
        if self.on_stop == "included" and reason in (
            "double",
            "chain",
            "suspect",
            "denomination_change",
        ):
            self._count(self._hopper[0])
            if reason != "suspect":  # that one is counted, and set aside all the same
                self._pass_one(self._hopper.popleft())
                pieces -= 1
        for _ in range(pieces):
            self.truth.move(self._hopper.popleft(), self.truth.hopper, self.truth.tray)
        self._stop(reason)

    def _stop(self, reason: str) -> None:
        self.state = "stopped"
        self.stop_reason = reason
        self.truth.log.append((self._last_ms, reason))
