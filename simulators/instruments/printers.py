"""Two counters that print plain text: columns, and comma-separated values. No machine is known to
print exactly this.

Layouts: firmware/drivers/profiles/columns.toml and csv.toml, which define them. Their counter
accepts coins and notes and works like Cassida's: a suspect piece is left out, a double or a chain
asks for a recount (`on_stop`). If a batch is ended while the machine is stopped, it has a STOP line
with the reason and how many pieces stopped it: a layout of ours, like the rest.
"""

from simulators.instruments.bill_counter import batch_report
from simulators.instruments.coin_sorter import CABLE_KNOBS
from simulators.instruments.faults import WIRE_KNOBS, Faults
from simulators.instruments.hands import CLOCK_START, ReportMachine
from simulators.instruments.machine import MachineError, Rows, value_cents

EVIDENCE = "guess"
REASONS = {
    "jam": "JAM", "reject": "REJECT", "double": "DOUBLE", "chain": "CHAIN", "suspect": "SUSPECT",
    "batch_full": "LIMIT", "stacker_full": "FULL", "door_mid_count": "DOOR",
    "denomination_change": "DENOMINATION",
}  # fmt: skip


class ColumnsPrinter(ReportMachine):
    """COUNT REPORT, BATCH, rows of denomination, pieces and value, TOTAL, END. `accumulate`: an
    ACCUMULATED line says so.
    """

    denominations = (1, 5, 10, 25, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
    ms_per_piece = 50
    supported: tuple[str, ...] = (
        "jam", "reject", "suspect", "double", "double_unseen", "power_loss", "reprint",
        "clock_skew", *WIRE_KNOBS, "chain", "denomination_change", "batch_full", "stacker_full",
        "hopper_empty", "door_mid_count", "clear_silent", "wrap", *CABLE_KNOBS, "accumulate",
    )  # fmt: skip
    verbs = {
        **{verb: told for verb, told in ReportMachine.verbs.items() if verb != "sub"},
        "end stopped": "the batch key while it stands still: the report has a STOP line",
    }
    foreign = batch_report(3, 2, 0, CLOCK_START, [(100, 6), (2000, 4)])[0]

    def __init__(
        self, faults: Faults | None = None, setup: str = "", *, batch: int = 0,
        on_stop: str = "recount_all"
    ) -> None:  # fmt: skip
        super().__init__(faults, setup, CLOCK_START, batch, on_stop)
        self._text = (b"", 0)
        self.start()

    def end_sub_batch(self, now_ms: int) -> None:
        """Raises MachineError: the layout knows no sub-batch."""
        raise MachineError(f"{type(self).__name__}: the layout has no sub-batches")

    def end_stopped(self, now_ms: int) -> None:
        """The batch key while the machine stands still: what it has counted so far, and why it
        stopped.
        """
        if self.state != "stopped":
            raise MachineError(f"{type(self).__name__}: does not stand still, it is {self.state}")
        self._end(now_ms)

    def compose(
        self, kind: str, batch: int, sub_batch: int, rows: Rows, now_ms: int
    ) -> tuple[bytes, int]:
        """A copy is the same text again."""
        if kind != "reprint":
            lines, total_end = self._layout(batch, rows, now_ms)
            self._text = "".join(line + "\r\n" for line in lines).encode(), total_end
        return self._text

    def _layout(self, batch: int, rows: Rows, now_ms: int) -> tuple[list[str], int]:
        lines = ["COUNT REPORT", f"BATCH {batch}", f"TIME {self.clock(now_ms):%m/%d/%Y %H:%M:%S}"]
        if self._sum_batches:
            lines.append("ACCUMULATED")
        lines.append("DENOM PIECES VALUE")
        lines += [f"{amount(each)} {pieces} {amount(each * pieces)}" for each, pieces in rows]
        if self._rejects["suspect"]:
            lines.append(f"SUSPECT {self._rejects['suspect']}")
        if self.stop_reason:
            lines.append(f"STOP {REASONS[self.stop_reason]} {max(1, self.truth.tray.total())}")
        lines.append(f"TOTAL {sum(pieces for _, pieces in rows)} {amount(value_cents(rows))}")
        return [*lines, "END", ""], len("\r\n".join(lines))

    def _key(self, said: str, now_ms: int) -> bool:
        if said != "end stopped":
            return super()._key(said, now_ms)
        self.end_stopped(now_ms)
        return True


class CsvPrinter(ColumnsPrinter):
    """The same counter with comma-separated values; amounts with a thousands comma stand in double
    quotes.
    """

    supported = tuple(knob for knob in ColumnsPrinter.supported if knob != "accumulate")

    def _layout(self, batch: int, rows: Rows, now_ms: int) -> tuple[list[str], int]:
        lines = [
            f"BATCH,{batch}",
            f"TIME,{self.clock(now_ms):%Y-%m-%d %H:%M:%S}",
            "DENOMINATION,PIECES,VALUE",
        ]
        lines += [f"{_cell(each)},{pieces},{_cell(each * pieces)}" for each, pieces in rows]
        if self._rejects["suspect"]:
            lines.append(f"SUSPECT,{self._rejects['suspect']}")
        if self.stop_reason:
            lines.append(f"STOP,{REASONS[self.stop_reason]},{max(1, self.truth.tray.total())}")
        lines.append(f"TOTAL,{sum(pieces for _, pieces in rows)},{_cell(value_cents(rows))}")
        return lines, len("\r\n".join(lines))


def amount(cents: int) -> str:
    """1,220.00 as both layouts print it."""
    return f"{cents // 100:,}.{cents % 100:02d}"


def _cell(cents: int) -> str:
    text = amount(cents)
    return f'"{text}"' if "," in text else text
