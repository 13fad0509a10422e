"""The report stream: whatever the line does to a report, it is stated whole, or it is quarantined,
or it was a reprint.
"""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.drivers.report_stream import NOISE_EVENT_MS
from firmware.drivers.report_text import minor_of
from protocol.records import FLAG_SUB_BATCH, decode_record, encode_record
from tests.drivers.bench import Line, jetscan, mach, of_kind, quarantine, tally, transcript

MACH_FEE = [(100, 16)]
MIXED = [(100, 7), (50, 3), (25, 103), (10, 113), (5, 81), (1, 237)]
NOTES = [(10000, 3), (5000, 2), (2000, 61), (1000, 12), (500, 9), (100, 17)]
GOLDEN = [
    ("mach", "mach9_batch_fee", "1-0-0", MACH_FEE, 1600, 0),
    ("mach", "mach9_batch_mixed", "14-2-1", MIXED, 5197, 0),
    ("jetscan", "jetscan_batch", "7-14-0", NOTES, 180200, 0),
    ("jetscan", "jetscan_sub_batch", "5-14-1", [(2000, 40)], 80000, FLAG_SUB_BATCH),
]
ESC_POS = b"\x1b@\x1ba\x01\x1b!\x30"
CUT = b"\x1dVA\x03"


@pytest.mark.parametrize(("machine", "name", "batch_id", "rows", "total", "flags"), GOLDEN)
def test_published_report_becomes_one_tally(machine, name, batch_id, rows, total, flags):
    event = tally(Line(machine).send(transcript(name)))

    assert (batch_id, rows, total, flags) == (
        event["batch_id"],
        event["rows"],
        event["total_minor"],
        event["flags"],
    )
    assert {"mach": "manual", "jetscan": "guess"}[machine] == event["evidence"]
    assert len(event["digest"]) == 8


@pytest.mark.parametrize("case", GOLDEN)
@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), max_size=60))
def test_any_split_of_the_bytes_gives_the_same_event(case, sizes):
    whole = Line(case[0]).send(transcript(case[1]))

    assert whole == Line(case[0]).send(transcript(case[1]), [1] * 2000)
    assert whole == Line(case[0]).send(transcript(case[1]), sizes)


@pytest.mark.parametrize("case", GOLDEN)
@settings(max_examples=40, deadline=None)
@given(
    noise=st.binary(max_size=120).filter(lambda data: b"\x1b" not in data and b"\x1d" not in data)
)
def test_noise_in_front_costs_no_report(case, noise):
    """A printer command that noise happens to spell may swallow the first letters: that is a
    quarantine, tested below.
    """
    events = Line(case[0]).send(noise + transcript(case[1]))

    assert [case[4]] == [event["total_minor"] for event in of_kind(events, "tally")]


@settings(max_examples=40, deadline=None)
@given(noise=st.binary(max_size=200))
def test_after_any_noise_and_a_gap_the_next_report_is_stated(noise):
    line = Line("mach")
    line.send(noise)

    assert tally(of_kind(line.send(transcript("mach9_batch_fee")), "tally"))["total_minor"] == 1600


@pytest.mark.parametrize("case", GOLDEN)
def test_a_report_cut_anywhere_is_quarantined_and_the_next_is_stated(case):
    report = transcript(case[1])
    total_line = report.index(b"\nTOTAL  ") + 1
    for length in range(1, total_line + len(b"TOTAL         1")):
        line = Line(case[0])

        event = quarantine(line.send(report[:length]))
        assert report[:length] == event["raw"]
        assert case[4] == tally(line.send(report))["total_minor"]


@pytest.mark.parametrize("case", GOLDEN)
def test_a_report_cut_by_the_next_one_is_quarantined_and_the_next_is_stated(case):
    report = transcript(case[1])
    for length in range(1, report.index(b"\nTOTAL  ")):
        events = Line(case[0]).send(report[:length] + report)

        assert [case[4]] == [event["total_minor"] for event in of_kind(events, "tally")]
        assert len(of_kind(events, "quarantine")) == 1


@pytest.mark.parametrize(
    ("machine", "report"), [("mach", "mach9_batch_mixed"), ("jetscan", "jetscan_batch")]
)
def test_no_changed_byte_states_other_money(machine, report):
    """Every byte set to many others. A tape without pieces cannot betray a changed denomination,
    but its total still holds.
    """
    good = transcript(report)
    want = tally(Line(machine).send(good))
    after_another = Line(machine)
    after_another.send(good.replace(b"014", b"013").replace(b"00007", b"00006"))
    for at in range(len(good)):
        others = {good[at] ^ (1 << bit) for bit in range(8)} | set(
            b"\x00\r\n\x0c\x1b\x1d 0189.,-$?\xff"
        ) - {good[at]}
        for other in others:
            line = copy.deepcopy(after_another)
            events = line.send(good[:at] + bytes((other,)) + good[at + 1 :])
            stated = of_kind(events, "tally")
            assert [want["total_minor"]] * len(stated) == [
                event["total_minor"] for event in stated
            ], (at, other)
            assert stated or of_kind(events, "quarantine"), (at, other)
            if machine == "jetscan":
                assert [want["rows"]] * len(stated) == [event["rows"] for event in stated], (
                    at,
                    other,
                )


@pytest.mark.parametrize(
    ("machine", "report"), [("mach", "mach9_batch_mixed"), ("jetscan", "jetscan_batch")]
)
def test_no_lost_or_doubled_byte_states_other_money(machine, report):
    good = transcript(report)
    want = tally(Line(machine).send(good))["total_minor"]
    for at in range(len(good)):
        for spoiled in (good[:at] + good[at + 1 :], good[:at] + good[at : at + 1] + good[at:]):
            events = Line(machine).send(spoiled)
            stated = of_kind(events, "tally")

            assert [want] * len(stated) == [event["total_minor"] for event in stated], at
            assert stated or of_kind(events, "quarantine"), at


def test_a_spoiled_header_after_a_good_report_is_quarantined():
    """Once raised KeyError: a body without its SUB line, refused, was compared with the batch
    before it.
    """
    line = Line("mach")
    line.send(mach(batch=13))

    assert quarantine(line.send(mach(batch=14).replace(b"SUB 00", b"XUB 00")))


def test_fee_and_customer_total_are_not_the_total():
    event = tally(Line("mach").send(transcript("mach9_batch_fee")))

    assert event["total_minor"] == 1600


def test_customer_total_that_does_not_fit_the_fee_is_quarantined():
    report = transcript("mach9_batch_fee").replace(b"15.20", b"15.30")

    assert (
        "customer total 15.30 and fee 0.80 do not make 16.00"
        in quarantine(Line("mach").send(report))["reason"]
    )


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (
            mach(rows=(("1.00", "16.00"), (".25", "5.00")), total="26.00"),
            "printed subtotal 26.00, rows sum 21.00",
        ),
        (
            mach(rows=((".25", "5.10"), ("1.00", "15.90")), total="21.00"),
            "5.10 is no multiple of 0.25",
        ),
        (mach(rows=(("2.00", "16.00"), (".25", "5.00"))), "unknown denomination 2.00"),
        (mach(rows=(("1.00", "16.00"), ("1.00", "5.00"))), "denomination 1.00 stands twice"),
        (mach().replace(b"BATCH 001\r\n", b""), "report has no batch number"),
        (
            mach().replace(b"SUB 00\r\n", b"SUB 00\r\nHOPPER EMPTY\r\n"),
            "cannot read the line 'HOPPER EMPTY'",
        ),
        (mach() + b"1.00 4.00\r\n", "a line stands on the wrong side of the total"),
        (
            mach(rows=(("1.00", "15", "16.00"), (".25", "20", "5.00"))),
            "15 pieces of 1.00 are not 16.00",
        ),
    ],
)
def test_a_report_that_does_not_hold_is_quarantined_with_reason_and_bytes(report, why):
    event = quarantine(Line("mach").send(report))

    assert why in event["reason"]
    assert report[:512] == event["raw"]
    assert len(event["reason"]) <= 96


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"$20 5 100.00", b"$20 4 100.00", "4 pieces of 20.00 are not 100.00"),
        (b"TOTAL 8 ", b"TOTAL 9 ", "printed 9 pieces, rows hold 8"),
        (b"TOTAL 8 ", b"CHECK 1 40.00\r\nTOTAL 8 ", "report holds 40.00 that is not cash"),
        (b"TOTAL 8 $103.00", b"TOTAL 8 $1003.00", "printed total 1003.00, rows sum 103.00"),
        (b"00001-0014", b"0001-0014", "cannot read the report's numbers"),
    ],
)
def test_a_jetscan_report_that_does_not_hold_is_quarantined(old, new, why):
    report = jetscan(1, 14)
    assert old in report

    assert why in quarantine(Line("jetscan").send(report.replace(old, new)))["reason"]


def test_printed_pieces_are_checked_and_accepted():
    event = tally(Line("mach").send(mach(rows=(("1.00", "16", "16.00"), (".25", "20", "5.00")))))

    assert event["rows"] == [(100, 16), (25, 20)]


def test_a_report_cut_inside_a_line_after_its_total_is_quarantined():
    """What follows the total is unknown on some machines: half a line of it is no whole report."""
    assert "cut inside a line" in quarantine(Line("mach").send(mach() + b"PROCESS F"))["reason"]


@pytest.mark.parametrize(
    ("word", "minor"),
    [
        (b".80", 80), (b"0.80", 80), (b"16.00", 1600), (b"1,234.56", 123456),
        (b"12,345,678.90", 1234567890), (b"16", -1), (b"16.0", -1), (b"16.000", -1),
        (b"1,6.00", -1), (b"1,23.00", -1), (b"1234,567.00", -1), (b",100.00", -1), (b"-1.00", -1),
        (b"1.-0", -1), (b".", -1), (b"", -1), (b"$", -1), (b"$1.00", -1), (b"1,2", -1), (b",", -1),
        (b"1234567890.00", -1), (b"1?.00", -1),
    ],
)  # fmt: skip
def test_an_amount_has_two_decimals_and_commas_in_threes_or_none(word, minor):
    assert minor_of(word) == minor


def test_an_empty_report_is_a_tally_of_nothing():
    event = tally(Line("mach").send(mach(rows=(), total=".00")))

    assert (event["rows"], event["total_minor"]) == ([], 0)


def test_printer_commands_rules_and_padding_are_not_content():
    plain = transcript("jetscan_batch")
    dressed = (
        ESC_POS
        + plain.replace(b"DENOM", b"\xc4\xc4\xc4\r\n\x1bE\x01DENOM").replace(
            b"\r\n", b"\x00\x00\r\n\x00"
        )
        + CUT
    )

    assert tally(Line("jetscan").send(plain)) == tally(Line("jetscan").send(dressed))


@pytest.mark.parametrize("end", [CUT, b"\x1bi", b"\x0c", b"\x1dV\x00"])
def test_a_cut_or_form_feed_states_the_report_at_once(end):
    line = Line("mach")
    events = line.stream.feed(mach() + end, 0)

    assert tally(events)["total_minor"] == 2100
    assert not line.stream.busy


def test_busy_from_the_first_byte_until_the_gap():
    line = Line("mach")
    assert not line.stream.busy
    line.stream.feed(b"B", 0)
    assert line.stream.busy
    line.wait()
    assert not line.stream.busy


def test_answer_byte_goes_out_once_per_report():
    stream = Line("mach", answer=b"\x06").stream
    stream.feed(transcript("mach9_batch_fee"), 0)

    assert (stream.pop_output(), stream.pop_output()) == (b"\x06", b"")


def test_endless_text_is_bounded_and_ends_in_a_quarantine():
    line = Line("mach")
    events = line.stream.feed(b"BATCH ACCEPT\r\n" + b"GRAND 00\r\nx\r\n" * 200, 0)

    assert "cannot read the line 'x'" in events[0]["reason"]
    assert all(len(event["raw"]) <= 512 for event in of_kind(events, "quarantine"))


def test_a_line_without_end_is_bounded_and_refused():
    line = Line("mach")
    event = quarantine(line.send(mach().replace(b"SUB", b"x" * 4000 + b"SUB")))

    assert "more than 80 characters" in event["reason"]
    assert len(event["raw"]) == 512


def test_line_noise_is_told_once_a_minute():
    stream = Line("mach").stream
    told = []
    for now_ms in range(0, NOISE_EVENT_MS + 1, 1000):
        told += of_kind(stream.feed(b"\x81\x99\x9a" * 8, now_ms), "instrument")
    told += of_kind(stream.poll(NOISE_EVENT_MS + 10000), "instrument")

    assert [event["condition"] for event in told] == ["line_noise"] * 2


@pytest.mark.parametrize(
    "data", [mach(), mach()[:-20], mach(total="3.00"), b"\x99" * 64, jetscan(1, 2)]
)
def test_every_event_is_a_record_of_the_wire_dictionary(data):
    line = Line("mach")
    for event in line.send(data) + line.send(mach(batch=8)) + line.send(data):
        record = dict(event, boot=1, uptime_ms=2)

        assert record == decode_record(encode_record(record))
