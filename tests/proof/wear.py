"""./run proof powercut --wear: what each board's journal holds, for how long, and when its flash is
worn out.

This is counted, not calculated: a journal with so many sectors gets records for a month, and the
erases of each sector are counted. The number of cycles is from the data sheet: Winbond W25Q128JV,
"min. 100,000 program-erase cycles per sector". No board was worn out for this.
"""

import random
from typing import Any

from firmware.journal import Journal
from gateway.fleet.boards import load_boards
from tests.proof.flash_model import Flash

CYCLES = 100_000
# mean of the 217 records of the three windows of `./run demo --once` (37.5; the longest has 118)
DAY_RECORD_BYTES = 38
LONG_RECORD_BYTES = 110  # a day of nothing but tallies of eight denominations
PER_DAY, BUSY_DAY = 500, 5000
STARTS_A_DAY = 2


def figures() -> dict[str, Any]:
    """{boards: {name: as `of_ring` says}, failed, text}."""
    boards = {
        name: board.tables["journal"]["sectors"] for name, board in sorted(load_boards().items())
    }
    rows = {name: of_ring(sectors) for name, sectors in boards.items()}
    lines = [
        f"records of {DAY_RECORD_BYTES} bytes (in brackets: of {LONG_RECORD_BYTES}), {STARTS_A_DAY}"
        " starts a day"
    ]
    for name, row in rows.items():
        lines.append(
            f"{name}: {row['sectors']} sectors hold {row['records']} ({row['records_long']})"
            f" records, {row['days']} days at {PER_DAY} a day, {row['busy_days']} at {BUSY_DAY}; at"
            f" {BUSY_DAY} a day {row['erases_a_year']} erases per sector and year, {row['years']}"
            f" years to {CYCLES} cycles, spread {row['spread']}"
        )
    return {"boards": rows, "failed": 0, "text": "\n".join(lines)}


def of_ring(sectors: int) -> dict[str, Any]:
    """What a ring of that many sectors holds when nobody acknowledges, and its wear in a month of
    busy days.
    """
    records, records_long = held(sectors, DAY_RECORD_BYTES), held(sectors, LONG_RECORD_BYTES)
    erases = month(sectors)
    a_year = sum(erases) * 365 / (30 * sectors)
    return {
        "sectors": sectors, "records": records, "records_long": records_long,
        "days": records // PER_DAY, "busy_days": round(records / BUSY_DAY, 1),
        "erases_a_year": round(a_year), "years": int(CYCLES / a_year),
        "spread": f"{max(erases)}/{min(erases)}",
    }  # fmt: skip


def held(sectors: int, size: int) -> int:
    """Records of `size` bytes in a ring that nobody acknowledges, the open sector not counted."""
    small = Journal(Flash(3, random.Random(1)), lambda: 1)
    while small._sector < 2:
        small.append(bytes(size))
    return (small._first[2] - small._first[1]) * (sectors - 1)


def month(sectors: int) -> list[int]:
    """Erases of each sector in thirty busy days with a start every half day and a gateway that
    answers.
    """
    flash = Flash(sectors, random.Random(1))
    body = bytes(DAY_RECORD_BYTES)
    for _ in range(30 * STARTS_A_DAY):
        journal = Journal(flash, lambda: 1)
        for number in range(BUSY_DAY // STARTS_A_DAY):
            journal.append(body)
            if number % 16 == 0:
                journal.mark_acked(journal.last_seq, 1, bytes(32))
                journal.tidy()
                journal.tidy()
    return flash.erases
