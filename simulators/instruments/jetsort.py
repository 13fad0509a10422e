"""A Cummins Allison JetSort 2000 coin sorter on a computer's port.

Source: JetSort 2000 series user guide, p. 34, "Communication Mode/Protocols". Immediate: the
machine sends each report as soon as it exists. Polled: the computer has to ask; the machine stores
only the last batch or sub-batch, and pushes it through when another one is started, whether or not
the computer is ready. Immed + Lim, Poll + Lim: totals plus the bag limits that were reached, upon
ending the batch. +ACK is the factory setting: without a response "Comm Link Error" appears.

ASSUMED, since no byte is public: the text of a report (that of the profile jetsort.toml); the
answer (06h) and the question of the polled mode (05h), both settings here; how long it waits; and
what it does then: `unanswered="repeats"` sends the same report up to three times and then blocks,
`"blocks"` waits for a late answer or for a person to press the key ("clear error"). While it is
blocked, it goes on sorting and stores one report: an older one is lost.
"""

from collections import Counter

from simulators.instruments.coin_sorter import CABLE_KNOBS, PATH_KNOBS, audit_tape
from simulators.instruments.faults import WIRE_KNOBS, Faults
from simulators.instruments.hands import CLOCK_START, ReportMachine
from simulators.instruments.machine import MachineError, Rows, value_cents
from simulators.instruments.truth import Printed, Untold

EVIDENCE = "guess"
MODES = ("immediate", "polled")
NAMES = {100: "DOLLARS", 50: "HALVES", 25: "QUARTERS", 10: "DIMES", 5: "NICKELS", 1: "PENNIES"}
ANSWER_MS = 2000
REPEATS_MAX = 3


class JetSort(ReportMachine):
    """`mode`, `lim` and `ack` are set as in its menu. A batch is counted and ended as at any
    machine.
    """

    denominations = (1, 5, 10, 25, 50, 100)
    ms_per_piece = 10  # a round figure: 6,000 coins a minute
    supported = (
        "jam", "reject", "power_loss", "reprint", "sub_and_batch", "clock_skew", *WIRE_KNOBS,
        *PATH_KNOBS, *CABLE_KNOBS, "overwrite", "require_ack", "echo",
    )  # fmt: skip
    setups = ("power_off", "counting", "waiting", "jammed", "wrap", "polled", "comm_link_error")
    verbs = {
        **ReportMachine.verbs,
        "clear error": "press the key that takes Comm Link Error from the display",
        "mode polled": "immediate or polled",
    }
    foreign = audit_tape(4, CLOCK_START, [(5, 10), (100, 2)])[0]

    def __init__(
        self, faults: Faults | None = None, setup: str = "", *, mode: str = "immediate",
        lim: bool = True, ack: bool = True, answer: int = 0x06, question: int = 0x05,
        unanswered: str = "repeats", batch: int = 0, on_stop: str = "included",
    ) -> None:  # fmt: skip
        if mode not in MODES or unanswered not in ("repeats", "blocks"):
            raise ValueError(
                f"JetSort: mode {mode!r} of {MODES}, unanswered {unanswered!r} of ('repeats',"
                " 'blocks')"
            )
        super().__init__(faults, setup, CLOCK_START, batch, on_stop)
        self.mode = "polled" if setup == "polled" else mode
        self.lim = lim
        self.ack = ack
        self.answer = answer
        self.question = question
        self.unanswered = unanswered
        self.display = "Comm Link Error" if setup == "comm_link_error" else ""
        self._stored: Printed | None = None
        self._waiting: Printed | None = None  # sent, and to be answered
        self._tries = 0
        self._answer_by_ms = 0
        self._is_deaf = False  # the answer to its first try gets lost on the way
        self._is_doomed = False  # the stored report will be overwritten before anybody asks
        self._limits: Counter[int] = Counter()  # bags that were full in this batch
        self._echoes = False
        self.start()

    # what the computer sees

    def receive(self, data: bytes, now_ms: int) -> None:
        """The answer to a report, or the question of the polled mode."""
        if self.state == "off":
            return
        if self._echoes:
            self._output += data
        for byte in data:
            if byte == self.answer and (self._waiting is not None or self.display):
                if not self._is_deaf:
                    self._answered(now_ms)
            elif (
                byte == self.question
                and self._stored is not None
                and not self._is_doomed
                and self._waiting is None
            ):
                self._release(now_ms)

    def poll(self, now_ms: int) -> None:
        """Count, and stop waiting for a computer that does not answer."""
        super().poll(now_ms)
        while (
            self._waiting is not None
            and now_ms >= self._answer_by_ms
            and not self.display
            and self.state != "off"
        ):
            self._is_deaf = False
            if self.unanswered == "repeats" and self._tries < REPEATS_MAX:
                first = self._waiting
                self._transmit(_again(first), self._answer_by_ms)
            else:
                self.display = "Comm Link Error"

    def compose(
        self, kind: str, batch: int, sub_batch: int, rows: Rows, now_ms: int
    ) -> tuple[bytes, int]:
        """The guessed text."""
        lines = ["JETSORT BATCH REPORT", f"BATCH {batch:04d}", f"SUB-BATCH {sub_batch:03d}"]
        lines.append(f"{self.clock(now_ms):%m/%d/%Y %H:%M:%S}")
        lines += [
            f"{NAMES[coin]} {pieces} {_dollars(coin * pieces)}" for coin, pieces in reversed(rows)
        ]
        if self.lim and kind == "batch":
            lines += [f"BAG LIMIT {NAMES[coin]}" for coin in sorted(self._limits)]
        lines.append(f"TOTAL {sum(pieces for _, pieces in rows)} {_dollars(value_cents(rows))}")
        total_end = len("\r\n".join(lines))
        return ("\r\n".join(lines) + "\r\n").encode(), total_end

    # what a person does

    def clear_error(self, now_ms: int) -> None:
        """The key that takes the error from the display; the report that waited for its answer is
        given up.
        """
        if not self.display:
            raise MachineError("JetSort: the display shows no error")
        self._answered(now_ms)

    def power_off(self) -> None:
        """Power is lost; assumed: a stored report is kept, a wait for an answer is forgotten."""
        super().power_off()
        self.display = ""
        self._waiting = None

    def _key(self, said: str, now_ms: int) -> bool:
        if said == "clear error":
            self.clear_error(now_ms)
        elif said in ("mode immediate", "mode polled"):
            self.mode = said.split()[1]
        else:
            return super()._key(said, now_ms)
        return True

    # inside

    def _begin_batch(self, pieces: int) -> None:
        if self._stored is not None:
            if self._is_doomed or self._waiting is not None:
                self._overwrite(self._stored)
            else:
                self._release(self._now_ms)  # pushed through, whether the computer is ready or not
        super()._begin_batch(pieces)
        self._limits.clear()
        self._echoes = "echo" in self.active

    def _stop(self, reason: str) -> None:
        super()._stop(reason)
        if reason == "batch_full":
            counted = +self._counted
            self._limits[max(counted, key=lambda coin: (counted[coin], coin))] += 1

    def _deliver(self, printed: Printed, now_ms: int) -> None:
        is_doomed = printed.kind == "batch" and "overwrite" in printed.faults
        if is_doomed or self.mode == "polled" or self._waiting is not None:
            if self._stored is not None:
                self._overwrite(self._stored)
            self._stored = printed
            self._is_doomed = (
                is_doomed  # somebody had set it to Polled, and the computer never asks
            )
        else:
            self._transmit(printed, now_ms)

    def _transmit(self, printed: Printed, now_ms: int) -> None:
        super()._deliver(printed, now_ms)
        wants_answer = self.ack or "require_ack" in printed.faults
        self._tries = self._tries + 1 if printed.kind == "repeat" else 1
        if printed.kind == "batch":
            self._is_deaf = self.ack and "require_ack" in printed.faults
        if wants_answer:
            self._waiting = printed
            self._answer_by_ms = now_ms + ANSWER_MS

    def _release(self, now_ms: int) -> None:
        stored, self._stored = self._stored, None
        if stored is not None:
            self._transmit(stored, now_ms)

    def _answered(self, now_ms: int) -> None:
        self.display = ""
        self._waiting = None
        if self._stored is not None and self.mode == "immediate" and not self._is_doomed:
            self._release(now_ms)

    def _overwrite(self, stored: Printed) -> None:
        self._stored = None
        self._is_doomed = False
        if stored.kind == "batch":
            self.truth.untold.append(Untold("overwrite", stored.batch, stored.own, stored.passed))

    def true_pieces(self) -> Counter[int]:
        """As for every machine, with the batch that is still stored."""
        pieces = super().true_pieces()
        if self._stored is not None and self._stored.kind == "batch":
            pieces.update(dict(self._stored.own))
        return pieces


def _again(first: Printed) -> Printed:
    return Printed(
        "repeat", first.batch, first.sub_batch, first.report, first.rows, first.passed,
        first.faults, first.sent, first.own, first.harm - {"gap"},
    )  # fmt: skip


def _dollars(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
