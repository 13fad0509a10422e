"""A Glory (De La Rue, Brandt) Mach 9 desk coin sorter and its audit tape.

Source: Mach 9 User Guide, p. 76, figure 160, "AUDIT TAPE (BATCH)", a batch of sixteen dollar coins
under a fee of 5 %:

    BATCH ACCEPT
    TIME 09:15 09/21/2002
    BATCH 001
    SUB 00
    GRAND 00
    1.00 16.00
    TOTAL COIN 16.00
    -- -- -- -- --
    TOTAL 16.00
    PROCESS FEE .80
    CUST. TOTAL 15.20

A row is denomination and VALUE. The guide prints a single row, so these things are our guess:
cents as `.25`, rows from the lowest denomination, only denominations that occurred, one
space between columns, CR LF, no fee lines without a fee, paper feed at the end, and a copy that
equals its original byte for byte. The tape of a SUB key is not published, so it is not played.
"""

from datetime import datetime

from simulators.instruments.faults import PERMILLE, WIRE_KNOBS, Faults
from simulators.instruments.hands import CLOCK_START, ReportMachine
from simulators.instruments.machine import MachineError, Rows, dollars, value_cents

EVIDENCE = "manual"
PAPER_FEED_LINES = 2
# batch_full: a bag limit
PATH_KNOBS = ("batch_full", "hopper_empty", "door_mid_count", "clear_silent", "wrap")
CABLE_KNOBS = ("wrong_baud", "gap", "swap")
NOTE_REPORT = (
    b"AUDIT: 00003-0002-000\r\n03/02/2026 09:00:00\r\n\r\n20 4 80.00\r\n1 6 6.00\r\nTOTAL 10"
    b" 86.00\r\n\r\n\r\n"
)


class CoinSorter(ReportMachine):
    """The sorter: pour coins, `poll`, `end_batch`; the tape is in `pop_output`."""

    denominations = (1, 5, 10, 25, 50, 100)
    setups = ("power_off", "counting", "waiting", "jammed", "wrap")
    ms_per_piece = 100  # a round figure: 600 coins a minute
    supported = (
        "jam",
        "reject",
        "power_loss",
        "reprint",
        "clock_skew",
        "fee",
        *WIRE_KNOBS,
        *PATH_KNOBS,
        *CABLE_KNOBS,
    )
    verbs = {verb: told for verb, told in ReportMachine.verbs.items() if verb != "sub"}
    foreign = NOTE_REPORT
    batch_number_max = 999  # three digits on the tape
    batch_after_max = 0

    def __init__(
        self,
        faults: Faults | None = None,
        setup: str = "",
        clock_start: datetime = CLOCK_START,
        batch: int = 0,
        fee_permille: int = 50,
    ) -> None:
        """`fee_permille`: what PROCESS FEE subtracts from the total when the `fee` fault is drawn:
        somebody switched it on.
        """
        super().__init__(faults, setup, clock_start, batch)
        self.fee_permille = fee_permille
        self._tape = (b"", 0)
        self.start()

    def end_sub_batch(self, now_ms: int) -> None:
        """Raises MachineError: the guide does not show what the SUB key prints."""
        raise MachineError("CoinSorter: the tape of a sub-batch is not published")

    def compose(
        self, kind: str, batch: int, sub_batch: int, rows: Rows, now_ms: int
    ) -> tuple[bytes, int]:
        """The audit tape of one batch; a copy is the same tape again."""
        if kind != "reprint":
            self._tape = audit_tape(
                batch, self.clock(now_ms), rows, self.fee_permille if "fee" in self.active else 0
            )
        return self._tape


def audit_tape(batch: int, at: datetime, rows: Rows, fee_permille: int = 0) -> tuple[bytes, int]:
    """The tape of figure 160 and the offset after the last digit of its TOTAL; a fee is rounded
    down to the cent.
    """
    total = value_cents(rows)
    lines = [
        "BATCH ACCEPT",
        f"TIME {at:%H:%M %m/%d/%Y}",
        f"BATCH {batch:03d}",
        "SUB 00",
        "GRAND 00",
    ]
    lines += [
        f"{dollars(denomination)} {dollars(denomination * pieces)}" for denomination, pieces in rows
    ]
    lines += [f"TOTAL COIN {dollars(total)}", "-- -- -- -- --", f"TOTAL {dollars(total)}"]
    total_end = len("\r\n".join(lines))
    if fee_permille:
        fee = total * fee_permille // PERMILLE
        lines += [f"PROCESS FEE {dollars(fee)}", f"CUST. TOTAL {dollars(total - fee)}"]
    return ("\r\n".join(lines) + "\r\n" * (1 + PAPER_FEED_LINES)).encode(), total_end
