"""A Cummins Allison JetScan iFX i100 note scanner and its batch report on the PC port.

Source: JetScan iFX i100 user guide (2013). P. 25: a report goes out by itself when a batch ends and
a printer or PC is connected; the BATCH TOTALS screen has the columns DENOM, UNIT (pieces) and
VALUE, and a grand total. P. 39 prints two headers:

    AUDIT: 00007-0014-000        AUDIT: 00005-0014-001
    01/31/2013 14:12:00          01/31/2013 11:45:21

which are report number - batch - sub-batch (000: the report of the batch). The report number rises
with every report, also with copies, and is 1 again after the day total was cleared. The guide does
not say what the batch number does then; here it goes on.

UNVERIFIED: the body. The guide gives the screen's columns and no printed rows. Here the body is the
screen's table: a heading,
`20 5 100.00` in columns from the lowest denomination, and `TOTAL 5 100.00`. Two ways to print it
are offered (`dollar_signs`), since nobody has seen either.
"""

from datetime import datetime

from simulators.instruments.coin_sorter import CABLE_KNOBS, audit_tape
from simulators.instruments.faults import WIRE_KNOBS, Faults
from simulators.instruments.hands import CLOCK_START, ReportMachine
from simulators.instruments.machine import Rows, value_cents

EVIDENCE = "manual"  # the header; the body is a guess
PAPER_FEED_LINES = 2
REPORT_NUMBER_MAX = 99999  # five digits; after that 1, which no manual says


class BillCounter(ReportMachine):
    """The scanner: pour notes, `poll`, `end_sub_batch`, `end_batch`; the report is in
    `pop_output`.
    """

    denominations = (100, 200, 500, 1000, 2000, 5000, 10000)
    ms_per_piece = 50  # a round figure: 1,200 notes a minute
    supported = (
        "jam", "reject", "suspect", "double", "double_unseen", "power_loss", "reprint", "day_clear",
        "sub_and_batch", "clock_skew", *WIRE_KNOBS, "chain", "denomination_change", "batch_full",
        "stacker_full", "hopper_empty", "door_mid_count", "clear_silent", "wrap", *CABLE_KNOBS,
    )  # fmt: skip
    foreign = audit_tape(3, CLOCK_START, [(10, 20), (25, 8)])[0]

    def __init__(
        self,
        faults: Faults | None = None,
        setup: str = "",
        clock_start: datetime = CLOCK_START,
        batch: int = 0,
        report: int = 0,
        dollar_signs: bool = False,
        on_stop: str = "excluded",
    ) -> None:
        """`batch` and `report`: the numbers of the last report before the first of this simulation.

        `on_stop`: the guide does not say, and gives no line for it.
        """
        super().__init__(faults, setup, clock_start, batch, on_stop)
        self.report = report
        self.dollar_signs = dollar_signs
        self.start()

    def compose(
        self, kind: str, batch: int, sub_batch: int, rows: Rows, now_ms: int
    ) -> tuple[bytes, int]:
        """The report; a copy has a number and a time of its own and the same batch, sub-batch and
        body.
        """
        self.report = (self.report - 1) % REPORT_NUMBER_MAX + 1
        return batch_report(
            self.report, batch, sub_batch, self.clock(now_ms), rows, self.dollar_signs
        )


def batch_report(
    report: int, batch: int, sub_batch: int, at: datetime, rows: Rows, dollar_signs: bool = False
) -> tuple[bytes, int]:
    """The report of a batch (sub_batch 0) or sub-batch, and the offset after the last digit of its
    total.
    """
    sign = "$" if dollar_signs else ""
    lines = [f"AUDIT: {report:05d}-{batch:04d}-{sub_batch:03d}", f"{at:%m/%d/%Y %H:%M:%S}", ""]
    lines.append(f"{'DENOM':<7}{'UNIT':>6}{'VALUE':>12}")
    for denomination, pieces in rows:
        amount = _amount(denomination * pieces, sign)
        lines.append(f"{sign + str(denomination // 100):<7}{pieces:>6}{amount:>12}")
    lines.append(
        f"{'TOTAL':<7}{sum(pieces for _, pieces in rows):>6}{_amount(value_cents(rows), sign):>12}"
    )
    total_end = len("\r\n".join(lines))
    return ("\r\n".join(lines) + "\r\n" * (1 + PAPER_FEED_LINES)).encode(), total_end


def _amount(cents: int, sign: str) -> str:
    return f"{sign}{cents // 100}.{cents % 100:02d}"
