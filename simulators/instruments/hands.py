"""What a person does at a report machine, as lines of text; what a host sends to it; the states in
which it may be at the start.
"""

from datetime import datetime

from simulators.instruments.acceptor import cents_of
from simulators.instruments.faults import Faults
from simulators.instruments.machine import Machine, MachineError

CLOCK_START = datetime(2026, 3, 2, 7, 30)
SETUP_PIECES = 4  # of each of the two smallest denominations
LONG_MS = 60_000


class ReportMachine(Machine):
    """A desk counter that mostly sends and seldom listens: `do` a line, `receive` bytes, begin in a
    `setup`.
    """

    setups: tuple[str, ...] = ("power_off", "counting", "waiting", "jammed", "stacker_full", "wrap")
    verbs = {
        "count 5.00x3 1.00x10": "pour pieces in; the first begin a batch",
        "end": "the batch key: the report goes out",
        "sub": "the sub-batch key",
        "clear": "the clear key: the batch is gone and nothing is printed",
        "resolve": (
            "do what the display asks for: free the path, change the bag, empty the stacker, close"
            " the door"
        ),
        "take back": "take the pieces of a forgotten batch out of the pockets and pour them again",
        "reprint": "print the last report again",
        "clear day": "clear the day total",
        "power off": "pull the plug; also: power on",
        "wrap": "the next batch has the number after the highest",
        "break KNOB": "let a fault strike the next batch",
    }

    def __init__(
        self, faults: Faults | None, setup: str, clock_start: datetime, batch: int,
        on_stop: str = "excluded"
    ) -> None:  # fmt: skip
        """`setup`: its state at the start, one of `setups`, or nothing for an idle machine."""
        if setup and setup not in self.setups:
            raise MachineError(
                f"{type(self).__name__}: no state {setup!r} to start in, want one of"
                f" {', '.join(self.setups)}"
            )
        super().__init__(faults, clock_start, batch, on_stop)
        self._setup = setup

    def start(self) -> None:
        """Bring about the state of `setup`; the last thing that a constructor does."""
        setup, self._setup = self._setup, ""
        if setup == "power_off":
            self.power_off()
        elif setup == "wrap":
            self.batch = self.batch_number_max
        elif setup in ("counting", "waiting", "jammed", "stacker_full"):
            for knob in {"jammed": ("jam",), "stacker_full": ("stacker_full",)}.get(setup, ()):
                self.faults.arm(knob)
            self.pour([(each, SETUP_PIECES) for each in self.denominations[:2]], -LONG_MS)
            if setup == "counting":
                self._last_ms = 0
                return
            while self.state == "counting":
                self._last_ms -= LONG_MS  # it was done long ago
                self.poll(0)
            self._last_ms = 0

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes from the host: most of these machines do not listen."""

    def do(self, line: str, now_ms: int) -> None:
        """What a person does, in the words of `verbs`. Raises MachineError, which says what it
        understands or why it cannot do this now.
        """
        words = line.split()
        if words[:1] == ["count"] and len(words) > 1:
            self.pour([self._pieces(word) for word in words[1:]], now_ms)
        elif words[:1] == ["break"] and len(words) == 2:
            if words[1] not in self.supported:
                raise MachineError(
                    f"{type(self).__name__}: no fault {words[1]!r}, want one of"
                    f" {', '.join(self.supported)}"
                )
            self.faults.arm(words[1])
        elif not self._key(" ".join(words), now_ms):
            raise MachineError(
                f"{type(self).__name__}: {line!r} is not understood; this is:"
                f" {', '.join(self.verbs)}"
            )

    def _key(self, said: str, now_ms: int) -> bool:
        """Do one of the fixed lines; False when there is no such line."""
        acts = {
            "end": lambda: self.end_batch(now_ms),
            "sub": lambda: self.end_sub_batch(now_ms),
            "clear": self.clear,
            "resolve": lambda: self.resolve(now_ms),
            "take back": lambda: self.take_back(now_ms),
            "reprint": lambda: self.reprint(now_ms),
            "clear day": self.clear_day,
            "power off": self.power_off,
            "power on": lambda: self.power_on(now_ms),
            "wrap": self._wrap,
        }
        if said not in acts:
            return False
        acts[said]()
        return True

    def _wrap(self) -> None:
        if self.state != "idle":
            raise MachineError(
                f"{type(self).__name__}: the number cannot change now, it is {self.state}"
            )
        self.batch = self.batch_number_max

    def _pieces(self, word: str) -> tuple[int, int]:
        amount, _, pieces = word.partition("x")
        if not pieces.isdecimal():
            raise MachineError(f"{word!r}: want a denomination and how many pieces, such as 5.00x3")
        return cents_of(amount, self.denominations), int(pieces)
