"""Layouts that nobody described: learned from two reports, tried on a third. Learned right or
refused, never learned wrong.
"""

import os
from collections import Counter
from random import Random

import pytest
from layouts import Layout

from firmware.drivers.report_stream import ReportStream
from gateway.instruments.learn.learning import learn, settings_of
from gateway.instruments.learn.lines import LearnRefusal

LAYOUTS = int(os.environ.get("TILL_LAYOUTS", "500"))
CHANGES_MAX = 24  # changed digits tried for each layout here; a technician's run tries all of them


def replay(settings: dict, data: bytes) -> list[dict]:
    stream = ReportStream("counter", settings, "USD")
    return stream.feed(data, 0) + stream.poll(5000)


def stated(settings: dict, data: bytes) -> list[tuple[list, int]]:
    return [
        (list(event["rows"]), event["total_minor"])
        for event in replay(settings, data)
        if event["kind"] == "tally"
    ]


def outcome(seed: int) -> str:
    """learned, refused: WHY, third quarantined (it prints what the capture did not hold), or
    wrong.
    """
    layout, random = Layout(seed), Random(seed + 10**6)
    counts = [layout.rows(random) for _ in range(3)]
    reports = [layout.report(number, rows) for number, rows in enumerate(counts, 1)]
    truth = [
        (sorted(rows, reverse=True), sum(minor * pieces for minor, pieces in rows))
        for rows in counts
    ]
    try:
        learned = learn(reports[0] + reports[1], replay, changes_max=CHANGES_MAX)
    except LearnRefusal as refusal:
        return f"refused: {refusal.why}"
    told = stated(settings_of(learned.table), b"".join(reports))
    if told == truth:
        return "learned"
    return "third quarantined" if told == truth[:2] else "wrong"


def test_five_hundred_layouts_are_learned_or_refused_and_none_is_learned_wrong():
    outcomes = Counter(outcome(seed) for seed in range(LAYOUTS))
    print(f"\n{LAYOUTS} layouts: {dict(outcomes.most_common())}")

    assert outcomes["wrong"] == 0
    assert outcomes["learned"] * 100 >= LAYOUTS * 95


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
BAND = (
    "COUNT # {n:05d}\nNOTE PCS AMOUNT\n{rows}\n==========\n{pieces} NOTES\nSUM US$ {total}\nSIGN"
    " _________\n"
)
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


@pytest.mark.parametrize("name", FIXED)
def test_a_layout_never_seen_is_learned_from_two_reports_and_reads_the_third(name):
    reports = FIXED[name]
    learned = learn(reports[0][0] + reports[1][0], replay)

    assert [(rows, total) for _, rows, total in reports] == stated(
        settings_of(learned.table), b"".join(data for data, _, _ in reports)
    )
    assert learned.changes > 100


@pytest.mark.parametrize("name", FIXED)
def test_every_changed_digit_of_the_third_report_is_seen_or_changes_no_money(name):
    reports = FIXED[name]
    settings = settings_of(learn(reports[0][0] + reports[1][0], replay).table)
    data, _, total = reports[2]
    body = data.index(b"\n", data.index(b"D")) + 1
    for at in range(body, len(data)):
        if data[at : at + 1].isdigit():
            for digit in b"0123456789":
                events = replay(settings, data[:at] + bytes((digit,)) + data[at + 1 :])
                assert {total} >= {
                    event["total_minor"] for event in events if event["kind"] == "tally"
                }
