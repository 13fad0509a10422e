"""Layouts of the line grammar: any of them is read whole or quarantined, and a total that does not
add up is never stated.
"""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.drivers.report_stream import ReportStream
from gateway.instruments.grammar import compile_line
from gateway.instruments.profiles import load_profile
from protocol.records import FLAG_ACCUMULATE, FLAG_DISCREPANCY, decode_record, encode_record
from tests.drivers.bench import Line, mach, of_kind

LAYOUT = {
    "mode": "line",
    "start": "REPORT",
    "start_numbers": "b0",
    "signs": ["$", "USD"],
    "denominations": [1, 5, 25, 100, 2000],
    "identity": "b",
    "on_stop": "excluded",
}
TOTAL = {"begins": "TOTAL", "is": "total", "columns": "pieces value"}
ROW = {"begins": "", "is": "row", "columns": "denomination_any pieces value"}
# What a printer of this family takes and does not print: ESC and GS with their values, padding,
# bell, print modes, XON and XOFF (Epson's ESC/POS command reference).
NOT_PRINTED = re.compile(
    rb"\x1b(?:[ !\-3=EGJMRVadrt{].|[$\\c]..|.)|\x1d(?:[!BHbfhwr].|[LWP]..|.)"
    rb"|[\x00\x02\x03\x07\x0e\x0f\x11-\x14\x18]",
    re.DOTALL,
)


def stream_of(*lines: dict, **changes: object) -> Line:
    """A line with a machine of this layout on it."""
    return Line({**compile_line({**LAYOUT, **changes, "line": list(lines)}), "evidence": "guess"})


def report(*lines: str, start: str = "REPORT 7") -> bytes:
    return "".join(f"{line}\r\n" for line in (start, *lines)).encode()


def only(events: list[dict]) -> dict:
    assert len(events) == 1, events
    return events[0]


@pytest.mark.parametrize(
    ("columns", "line", "row"),
    [
        ("denomination pieces value", ".25 4 1.00", (25, 4)),
        ("denomination value", "$20.00 $1,220.00", (2000, 61)),
        ("denomination_any pieces", "$ 20 61", (2000, 61)),
        ("denomination_minor pieces", "25c 1,004", (25, 1004)),
        ("denomination_minor value_any", "25 2 USD", (25, 8)),
        ("pieces 'x' denomination '=' value", "4 x .25 = 1.00USD", (25, 4)),
        ("skip denomination value", "B2 1.00 3.00", (100, 3)),
    ],
)
def test_each_kind_of_column_is_read(columns, line, row):
    denomination, pieces = row
    total = f"TOTAL {pieces} {denomination * pieces // 100}.{denomination * pieces % 100:02d}"

    event = only(stream_of(TOTAL, {**ROW, "columns": columns}).send(report(line, total)))
    assert (event["rows"], event["total_minor"]) == ([row], denomination * pieces)


def test_a_line_that_names_its_coin_and_rows_side_by_side():
    quarters = {"begins": "QUARTERS", "is": "row", "columns": "pieces value", "denomination": 25}
    line = stream_of(quarters, TOTAL, {**ROW, "repeat": True})
    event = only(line.send(report("QUARTERS 40 10.00", "20 1 20.00 1 3 3.00", "5 2 10.00")))
    assert "unknown denomination 5.00" in event["reason"]

    event = only(
        line.send(
            report("QUARTERS 40 10.00", "20 1 20.00 1 3 3.00", "TOTAL 44 33.00", start="REPORT 8")
        )
    )
    assert event["rows"] == [(2000, 1), (100, 3), (25, 40)]


def test_cells_in_quotes_with_commas_and_empty_cells():
    line = stream_of({**TOTAL, "columns": "skip value"}, ROW, separator=",")
    text = report('"20.00",61,"1,220.00",,', '"TOTAL",,"$1,220.00"', start='"REPORT","7"')

    assert only(line.send(text))["rows"] == [(2000, 61)]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (("PIECES 3",), "printed 3 pieces, rows hold 4"),
        (("PIECES 4", "NET .90"), "customer total 0.90 and fee 0.00 do not make 1.00"),
        (("PIECES 4", "FEE .10", "NET .90"), ""),
    ],
)
def test_count_line_fee_and_customer_total_are_checked(lines, why):
    kinds = (
        ("PIECES", "pieces_total", "pieces"),
        ("FEE", "fee", "value"),
        ("NET", "customer_total", "value"),
    )
    extra = [{"begins": begins, "is": kind, "columns": columns} for begins, kind, columns in kinds]
    event = only(stream_of(*extra, TOTAL, ROW).send(report(".25 4 1.00", "TOTAL 4 1.00", *lines)))

    assert event["kind"] == ("quarantine" if why else "tally")
    assert why in event.get("reason", "")


@pytest.mark.parametrize(
    ("on_stop", "line", "kind", "flags"),
    [
        ("included", "STOP 1", "tally", 0),
        ("excluded", "STOP 1", "tally", FLAG_DISCREPANCY),
        ("excluded", "STOP 0", "tally", 0),
        ("recount_all", "STOP 1", "quarantine", None),
    ],
)
def test_what_a_stop_means_is_the_profiles_word(on_stop, line, kind, flags):
    stop = {"begins": "STOP", "is": "stop", "columns": "pieces"}
    event = only(
        stream_of(stop, TOTAL, ROW, on_stop=on_stop).send(
            report("20 1 20.00", line, "TOTAL 1 20.00")
        )
    )

    assert (event["kind"], event.get("flags")) == (kind, flags)
    assert kind == "tally" or "it stopped (STOP)" in event["reason"]


def test_suspect_pieces_are_rejects_and_not_money():
    suspect = {"begins": "SUSPECT", "is": "rejects", "columns": "pieces"}
    event = only(
        stream_of(suspect, TOTAL, ROW).send(
            report("20 1 20.00", "SUSPECT 2", "SUSPECT 1", "TOTAL 1 20.00")
        )
    )

    assert (event["rejects"], event["total_minor"]) == ([(3, 3)], 2000)


def test_an_end_line_and_a_last_line_state_the_report_at_once():
    for lines, end in (
        ((TOTAL, {"begins": "END", "is": "end"}, ROW), b"END\r\n"),
        (({**TOTAL, "last": True}, ROW), b""),
    ):
        stream = stream_of(*lines).stream
        events = stream.feed(report("20 1 20.00", "TOTAL 1 20.00") + end, 0)

        assert only(events)["total_minor"] == 2000
        assert not stream.busy


def test_a_running_sum_is_stated_only_after_what_it_holds():
    line = stream_of({"begins": "ADDED", "is": "accumulate"}, TOTAL, ROW)
    assert (
        "running sum" in only(line.send(report("ADDED", "20 3 60.00", "TOTAL 3 60.00")))["reason"]
    )
    assert only(line.send(report("20 1 20.00", "TOTAL 1 20.00", start="REPORT 8")))["flags"] == 0
    assert (
        only(line.send(report("ADDED", "20 3 60.00", "TOTAL 3 60.00", start="REPORT 9")))["flags"]
        == FLAG_ACCUMULATE
    )

    assert (
        "running sum"
        in only(line.send(report("ADDED", "20 2 40.00", "TOTAL 2 40.00", start="REPORT 10")))[
            "reason"
        ]
    )


# --- a machine that prints no number --------------------------------------------------------------


def test_a_report_without_a_number_gets_ours_and_the_same_money_again_is_for_a_person():
    line = stream_of(TOTAL, ROW, identity="", start_numbers="")
    one = report("20 1 20.00", "TOTAL 1 20.00", start="REPORT")
    two = report("20 2 40.00", "TOTAL 2 40.00", start="REPORT")
    ids = [only(line.send(each))["batch_id"] for each in (one, two, one)]
    assert [each.split("-")[0] for each in ids] == ["n1", "n2", "n3"]
    assert ids[0].split("-")[1] == ids[2].split("-")[1]
    assert "copy or second count" in only(line.send(one))["reason"]

    line.restart(ids[2])
    assert "copy or second count" in only(line.send(one))["reason"]
    assert only(line.send(two))["batch_id"].startswith("n4-")


# --- a restart of ours ----------------------------------------------------------------------------


def test_after_a_restart_a_copy_is_not_counted_and_a_gap_is_told():
    line = Line("mach")
    last = only(line.send(mach(batch=7)))["batch_id"]
    line.restart(last)
    assert "stated before our restart" in only(line.send(mach(batch=7)))["reason"]

    line.restart(last)
    missing, event = line.send(mach(batch=9))
    assert (missing["condition"], event["batch_id"]) == ("missing_report", "9-0-0")


def test_after_a_restart_an_epoch_goes_on():
    line = Line("jetscan")
    line.restart("d3:7-14-2")
    sub = "AUDIT: 00008-0014-003\r\n$20 1 20.00\r\nTOTAL 1 20.00\r\n"

    assert only(line.send(sub.encode()))["batch_id"] == "d3:8-14-3"


def test_numbers_that_begin_again_while_we_were_off_are_a_new_epoch():
    line = Line("mach")
    line.restart("14-0-0")
    clear, event = line.send(mach(batch=1))

    assert (clear["condition"], event["batch_id"]) == ("day_clear", "d2:1-0-0")


@pytest.mark.parametrize("batch_id", ["", "n3-aabbccdd", "x", "1-2-3-4-5", "d:1-1-1", "14--0"])
def test_any_batch_id_can_be_resumed(batch_id):
    for machine in ("mach", "jetscan", "csv"):
        line = Line(machine)
        line.restart(batch_id)

        assert line.stream.poll(0) == []


# --- conditions -----------------------------------------------------------------------------------


def test_another_machines_report_is_told_once_and_its_bytes_are_kept():
    line = Line("jetscan", strangers=(("mach", b"BATCH ACCEPT"),))
    events = line.send(mach(batch=1)) + line.send(mach(batch=2))
    assert [event["condition"] for event in of_kind(events, "instrument")] == ["swapped"]
    assert [event["reason"] for event in of_kind(events, "quarantine")] == [
        "reads like a mach report: are the cables swapped?"
    ] * 2
    assert line.stream.snapshot()["state"] == "swapped"

    back, event = line.send(b"AUDIT: 00001-0001-000\r\n$20 1 20.00\r\nTOTAL 1 20.00\r\n")
    assert (back["condition"], event["total_minor"]) == ("back", 2000)


def test_faults_and_snapshot_say_what_happened():
    line = Line("mach")
    assert (line.stream.faults(), line.stream.snapshot()["state"]) == ({}, "idle")
    for each in (mach(batch=1), mach(batch=1), mach(batch=2)[:-20], b"\x81\x82 hello\r\n"):
        line.send(each)

    assert line.stream.faults() == {
        "noise_bytes": 2,
        "stray_lines": 1,
        "repeats": 1,
        "quarantined": 1,
    }
    assert line.stream.snapshot() == {"state": "idle", "reports": 1, "batch": "1-0-0"}


def test_jetsort_is_answered_after_each_report():
    stream = Line("jetsort").stream
    body = (
        "BATCH 0014\r\nSUB-BATCH 000\r\nQUARTERS 40 10.00\r\nBAG LIMIT QUARTERS\r\nTOTAL 40"
        " 10.00\r\n"
    )
    events = stream.feed(b"JETSORT BATCH REPORT\r\n" + body.encode(), 0)

    assert (only(events)["batch_id"], stream.pop_output(), stream.pop_output()) == (
        "14-0",
        b"\x06",
        b"",
    )


# --- properties -----------------------------------------------------------------------------------


@st.composite
def layouts(draw):
    """(settings, report, rows): a layout and what a machine of it prints for these rows."""
    separator = draw(st.sampled_from(["", ",", ";"]))
    sign = draw(st.sampled_from(["", "$", "USD"]))
    denomination = draw(st.sampled_from(["denomination", "denomination_any", "denomination_minor"]))
    rest = draw(
        st.permutations(
            draw(
                st.sampled_from([["pieces"], ["value"], ["pieces", "value"], ["value_any", "skip"]])
            )
        )
    )
    columns = [denomination, *rest] if draw(st.booleans()) else [*rest, denomination]
    repeat = not separator and draw(st.booleans())
    coins = draw(st.lists(st.sampled_from(LAYOUT["denominations"]), unique=True, max_size=5))
    rows = [(coin, draw(st.integers(1, 99999))) for coin in coins]

    def cell(column: str, coin: int, pieces: int) -> str:
        number = coin if column.startswith("denomination") else coin * pieces
        text = f"{number // 100:,}.{number % 100:02d}"
        if column.endswith("_any") and number % 100 == 0:
            text = f"{number // 100}"
        text = {"pieces": str(pieces), "denomination_minor": str(coin), "skip": "#"}.get(
            column, text
        )
        text = text if column in ("pieces", "skip", "denomination_minor") else sign + text
        return f'"{text}"' if separator else text

    join = separator or "  "
    printed = [join.join(cell(column, *row) for column in columns) for row in rows]
    if repeat:
        printed = ["   ".join(printed[at : at + 2]) for at in range(0, len(printed), 2)]
    total = sum(coin * pieces for coin, pieces in rows)
    amount = f"{total // 100:,}.{total % 100:02d}"
    printed.append(
        join.join(
            [
                "TOTAL",
                str(sum(pieces for _, pieces in rows)),
                f'"{amount}"' if separator else amount,
            ]
        )
    )
    table = {
        **LAYOUT,
        "separator": separator,
        "line": [TOTAL, {**ROW, "columns": " ".join(columns), "repeat": repeat}],
    }
    text = "\r\n".join([f"REPORT{separator or ' '}7", *printed, ""])
    return {**compile_line(table), "evidence": "guess"}, text.encode(), sorted(rows, reverse=True)


@settings(max_examples=150)
@given(layouts(), st.lists(st.integers(1, 30), max_size=40))
def test_a_report_of_any_layout_is_read_back_in_any_split(layout, sizes):
    table, text, rows = layout
    event = only(Line(table).send(text))

    assert event["rows"] == rows
    assert [event] == Line(table).send(text, sizes)
    assert [event] == Line(table).send(text, [1] * len(text))
    assert decode_record(encode_record({"boot": 1, "uptime_ms": 0, **event}))["rows"] == rows


@settings(max_examples=300)
@given(layouts(), st.data())
def test_no_total_is_stated_that_does_not_add_up(layout, data):
    """Bytes of a report changed, cut out or put in: what is stated still sums, and to the total
    that stands on the paper.
    """
    table, text, rows = layout
    at = data.draw(st.integers(0, len(text) - 1))
    spoiled = (
        text[:at] + data.draw(st.binary(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    )
    for event in of_kind(Line(table).send(spoiled), "tally"):
        total = event["total_minor"]
        printed = f"{total // 100:,}.{total % 100:02d}".encode()

        assert sum(denomination * pieces for denomination, pieces in event["rows"]) == total
        # machines print .25 too
        paper = NOT_PRINTED.sub(b"", spoiled)
        bare = total < 100 and re.search(rb"(?<!\d)\.%02d" % total, paper)
        assert bare or printed in paper or printed.replace(b",", b"") in paper


@settings(max_examples=60)
@given(layouts(), st.integers(0, 400), st.integers(0, 60))
def test_a_report_cut_short_is_never_stated_and_the_next_is(layout, keep, noise):
    table, text, rows = layout
    cut = text[: min(keep, text.index(b"TOTAL"))]
    line = Line(table)
    events = line.send(
        bytes(random.Random(noise).randrange(0x80, 0x100) for _ in range(noise)) + cut
    )
    assert of_kind(events, "tally") == []

    assert [event["rows"] for event in of_kind(line.send(text), "tally")] == [rows]


def test_a_million_bytes_of_garbage_leave_nothing_behind():
    rng = random.Random(5)
    words = (
        b"COUNT REPORT\r\n",
        b"BATCH 1\r\n",
        b"TOTAL 1 1.00\r\n",
        b"\x1b",
        b"\x1d",
        b"\xff",
        b"1 1 1.00\r\n",
        b"\r\n",
        b'"',
    )
    stream = ReportStream("counter", dict(load_profile("columns").settings), "USD")
    fed = 0
    told = 0
    while fed < 1_000_000:
        chunk = rng.randbytes(3000) + b"".join(rng.choices(words, k=200))
        events = stream.feed(chunk, fed)
        told += len(events)
        fed += len(chunk)
        assert all(len(event.get("raw", b"")) <= 512 for event in events)
    memory = stream._memory

    assert (len(stream._reader._line), len(stream._reader._raw), len(memory._entries) <= 16) == (
        80,
        512,
        True,
    )
    assert told < fed // 50
