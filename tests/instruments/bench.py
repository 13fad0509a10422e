"""Captures of layouts made to order, and what was learned from them."""

from firmware.drivers.report_stream import ReportStream


def replay(settings: dict, data: bytes) -> list[dict]:
    stream = ReportStream("counter", settings, "USD")
    return stream.feed(data, 0) + stream.poll(5000)


def stated(settings: dict, data: bytes) -> list[tuple[list, int]]:
    return [
        (list(event["rows"]), event["total_minor"])
        for event in replay(settings, data)
        if event["kind"] == "tally"
    ]


SORTER = """\
FIRST STREET BRANCH
SORTER 2  OPERATOR 14
--------------------------
TICKET 000{n}    11/2{n}/26 09:1{n}
DIME      {dimes:>5} {dimes_value:>9}
QUARTER   {quarters:>5} {quarters_value:>9}
HALF      {halves:>5} {halves_value:>9}
--------------------------
COINS {pieces}
GRAND TOTAL    {total:>10}
"""


WIDE = (
    "\x1b@MIXED TENDER\r\nBatch: {n}\r\n{rows}\r\nTOTAL {pieces} USD {total}\r\n** END"
    " **\r\n\x1dVA\x03"
)


def sorter(number: int, dimes: int, quarters: int, halves: int) -> tuple[bytes, list, int]:
    rows = [(50, halves), (25, quarters), (10, dimes)]
    total = sum(minor * pieces for minor, pieces in rows)
    text = SORTER.format(
        n=number, dimes=dimes, quarters=quarters, halves=halves, pieces=dimes + quarters + halves,
        total=money(total), dimes_value=money(10 * dimes), quarters_value=money(25 * quarters),
        halves_value=money(50 * halves),
    )  # fmt: skip
    return text.replace("\n", "\r\n").encode(), [row for row in rows if row[1]], total


def money(minor: int) -> str:
    return f"{minor // 100:,}.{minor % 100:02d}"


def wide(number: int, *rows: tuple[int, int]) -> tuple[bytes, list, int]:
    cells = [f"{money(minor)} {pieces} {money(minor * pieces)}" for minor, pieces in rows]
    lines = ["   ".join(cells[at : at + 2]) for at in range(0, len(cells), 2)]
    total = sum(minor * pieces for minor, pieces in rows)
    text = WIDE.format(
        n=number,
        rows="\r\n".join(lines),
        pieces=sum(pieces for _, pieces in rows),
        total=money(total),
    )
    return text.encode(), sorted(rows, reverse=True), total


def cards(number: int, *rows: tuple[int, int]) -> tuple[bytes, list, int]:
    """Cells, quoted where they hold a comma."""
    total = sum(minor * pieces for minor, pieces in rows)
    lines = [f"Report,{number}", "Stamp,2026-11-2%d 08:00" % (number % 9), "Denomination,Pieces"]
    lines += [f"${minor // 100},{pieces}" for minor, pieces in rows]
    lines += [f'Total,{sum(pieces for _, pieces in rows)},"${money(total)}"', "Done"]
    return ("\n".join(lines) + "\n").encode(), sorted(rows, reverse=True), total


FIXED = {
    "a sorter that names its coins": [
        sorter(7, 40, 12, 1), sorter(8, 3, 120, 0), sorter(9, 1200, 7, 33),
    ],
    "two columns side by side": [
        wide(41, (10000, 2), (2000, 61), (25, 40)),
        wide(42, (2000, 3), (1, 7)),
        wide(43, (10000, 99), (500, 9), (100, 5), (5, 11)),
    ],
    "cells without values": [
        cards(98, (2000, 61), (500, 3), (100, 17)), cards(99, (10000, 2), (5000, 4)),
        cards(100, (10000, 1), (1000, 12)),
    ],
}  # fmt: skip
