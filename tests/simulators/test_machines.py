"""The desk counters: published bytes, sums that hold, faults that do what they say, pieces that
neither appear nor vanish.
"""

import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.instruments.bill_counter import BillCounter
from simulators.instruments.coin_sorter import CoinSorter
from simulators.instruments.faults import KNOBS, WIRE_KNOBS, Faults
from simulators.instruments.machine import Machine, MachineError, count_batch, value_cents

PUBLISHED_TAPE = """\
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
"""  # Mach 9 User Guide p. 76, figure 160
MAKERS = [BillCounter, CoinSorter]
seeds = st.integers(0, 2**32)


def some_rows(maker: type[Machine]) -> st.SearchStrategy[list[tuple[int, int]]]:
    pieces = st.dictionaries(st.sampled_from(maker.denominations), st.integers(1, 60), min_size=1)
    return pieces.map(lambda found: list(found.items()))


def counter(maker: type[Machine], *armed: str, seed: int = 1, **options: Any) -> Machine:
    faults = Faults(seed)
    faults.arm(*armed)
    return maker(faults, **options)


def rows_for(maker: type[Machine]) -> list[tuple[int, int]]:
    return [(2000, 5), (100, 15)] if maker is BillCounter else [(25, 40), (100, 15), (1, 7)]


def printed_rows(report: bytes) -> tuple[list[tuple[int, int]], int]:
    """(rows of denomination and value in cents, total in cents), read the way a person reads either
    report.
    """
    lines = [
        line.split() for line in report.replace(b"\0", b"").decode("ascii", "ignore").split("\r\n")
    ]
    money = re.compile(r"\d*\.\d\d$")
    rows = [
        words
        for words in lines
        if len(words) > 1 and money.match(words[-1]) and words[0][0] in ".0123456789"
    ]
    total = next(
        cents(words[-1]) for words in lines if words[:1] == ["TOTAL"] and words[1] != "COIN"
    )
    return [(cents(words[0]), cents(words[-1])) for words in rows], total


def cents(amount: str) -> int:
    whole, _, rest = amount.partition(".")
    return int(whole or 0) * 100 + int(rest or 0)


def test_the_published_audit_tape_is_printed_byte_for_byte() -> None:
    sorter = counter(CoinSorter, "fee", clock_start=datetime(2002, 9, 21, 9, 15))

    count_batch(sorter, [(100, 16)], 0)

    assert PUBLISHED_TAPE.replace("\n", "\r\n").encode() == sorter.pop_output().rstrip() + b"\r\n"


def test_the_published_header_of_a_batch_report() -> None:
    scanner = BillCounter(clock_start=datetime(2013, 1, 31, 14, 12), batch=13, report=6)
    scanner.pour([(2000, 5)], 0)
    scanner.poll(500)

    scanner.end_batch(0)

    assert b"AUDIT: 00007-0014-000\r\n01/31/2013 14:12:00\r\n" == scanner.pop_output()[:44]


def test_the_body_of_a_batch_report_has_the_columns_of_the_screen() -> None:
    scanner = BillCounter()

    count_batch(scanner, [(2000, 5), (100, 12)], 0)

    body = scanner.pop_output().decode().split("\r\n")[3:7]
    assert [
        ["DENOM", "UNIT", "VALUE"],
        ["1", "12", "12.00"],
        ["20", "5", "100.00"],
        ["TOTAL", "17", "112.00"],
    ] == [line.split() for line in body]


@given(seed=seeds, rows=some_rows(CoinSorter))
def test_rows_of_a_tape_sum_to_its_total_and_divide_by_their_denomination(
    seed: int, rows: list[tuple[int, int]]
) -> None:
    sorter = CoinSorter(Faults(seed, jam=300, reject=300, power_loss=200, fee=300))

    count_batch(sorter, rows, 0)

    values, total = printed_rows(sorter.pop_output())
    assert value_cents(rows) == total == sum(value for _, value in values)
    assert sorted(rows) == [(denomination, value // denomination) for denomination, value in values]


@given(seed=seeds, batches=st.lists(some_rows(BillCounter), min_size=1, max_size=4))
def test_notes_are_conserved_and_reports_sum_to_their_totals(
    seed: int, batches: list[list[tuple[int, int]]]
) -> None:
    rates = dict.fromkeys(
        set(KNOBS) & set(BillCounter.supported) - {*WIRE_KNOBS, "wrong_baud"}, 250
    )
    scanner = BillCounter(Faults(seed, **rates))

    for number, rows in enumerate(batches):
        count_batch(scanner, rows, number * 100_000)

        assert scanner.truth.is_conserved()
    for report in scanner.truth.printed:
        values, total = printed_rows(report.sent)
        assert report.total_cents == total == sum(value for _, value in values)
    in_batches = [report for report in scanner.truth.printed if report.kind == "batch"]
    told = sum(value_cents(report.passed) for report in in_batches)
    untold = sum(value_cents(each.passed) for each in scanner.truth.untold)
    assert value_cents(scanner.truth.passed.items()) == told + untold


@given(seed=seeds)
def test_the_same_seed_gives_the_same_bytes(seed: int) -> None:
    rates = dict.fromkeys(KNOBS, 200)
    outputs = []
    for _ in range(2):
        scanner = BillCounter(Faults(seed, **rates))
        for number in range(3):
            count_batch(scanner, [(2000, 9), (500, 4)], number * 60_000)
        outputs.append(scanner.pop_output())

    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("knob", ["jam", "reject"])
def test_a_stop_changes_nothing_in_the_count(maker: type[Machine], knob: str) -> None:
    machine = counter(maker, knob)
    machine.pour(rows_for(maker), 0)

    machine.poll(1_000_000)

    assert ("stopped", knob) == (machine.state, machine.stop_reason)
    assert b"" == machine.pop_output()
    machine.resolve(1_000_000)
    machine.poll(2_000_000)
    machine.end_batch(2_000_000)
    assert sorted(rows_for(maker)) == machine.truth.printed[0].rows


def test_a_suspect_note_is_set_aside_and_in_no_total() -> None:
    scanner = counter(BillCounter, "suspect")

    count_batch(scanner, [(2000, 5)], 0)

    assert [(2000, 4)] == scanner.truth.printed[0].rows
    assert 1 == scanner.truth.set_aside[2000]


def test_a_detected_double_stops_and_is_counted_again() -> None:
    scanner = counter(BillCounter, "double")
    scanner.pour([(2000, 5)], 0)
    scanner.poll(10_000)

    refused = sum(scanner.truth.tray.values())
    scanner.resolve(10_000)
    scanner.poll(20_000)
    scanner.end_batch(20_000)

    assert 2 == refused
    assert [(2000, 5)] == scanner.truth.printed[0].rows


def test_an_undetected_double_leaves_one_note_uncounted() -> None:
    scanner = counter(BillCounter, "double_unseen")

    count_batch(scanner, [(2000, 5)], 0)

    assert ([(2000, 4)], [(2000, 5)]) == (
        scanner.truth.printed[0].rows,
        scanner.truth.printed[0].passed,
    )


@given(seed=seeds)
def test_a_truncated_report_never_holds_a_whole_total(seed: int) -> None:
    for maker in MAKERS:
        machine = counter(maker, "truncate", seed=seed)
        count_batch(machine, rows_for(maker), 0)
        whole = counter(maker)
        count_batch(whole, rows_for(maker), 0)

        cut, full = machine.pop_output(), whole.pop_output()
        total = full[full.rindex(b"TOTAL") :].split(b"\r\n")[0]
        assert full.startswith(cut)
        assert total not in cut


@given(seed=seeds)
def test_a_garbled_report_differs_in_one_byte(seed: int) -> None:
    for maker in MAKERS:
        machine, whole = counter(maker, "garble", seed=seed), counter(maker, seed=seed)
        for each in (machine, whole):
            count_batch(each, rows_for(maker), 0)

        sent, meant = machine.pop_output(), whole.pop_output()
        assert len(meant) == len(sent)
        assert 1 == sum(a != b for a, b in zip(sent, meant, strict=True))


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("knob", ["noise", "nuls"])
def test_noise_and_nuls_add_bytes_and_take_none(maker: type[Machine], knob: str) -> None:
    machine, whole = counter(maker, knob), counter(maker)
    for each in (machine, whole):
        count_batch(each, rows_for(maker), 0)

    sent, meant = machine.pop_output(), whole.pop_output()
    assert len(meant) < len(sent)
    assert meant == bytes(byte for byte in sent if 0 < byte < 0x80)


def test_a_copy_has_the_next_report_number_and_the_same_batch_and_body() -> None:
    scanner = counter(BillCounter, "reprint", batch=13, report=6)

    count_batch(scanner, [(2000, 5)], 0)

    first, copy = scanner.pop_output().split(b"AUDIT: ")[1:]
    assert (b"00007-0014-000", b"00008-0014-000") == (first[:14], copy[:14])
    assert first[37:] == copy[37:]
    assert ["batch", "reprint"] == [report.kind for report in scanner.truth.printed]


def test_a_copied_tape_is_the_same_tape() -> None:
    sorter = counter(CoinSorter, "reprint")

    count_batch(sorter, [(25, 40)], 0)

    first, copy = (report.sent for report in sorter.truth.printed)
    assert first == copy


def test_sub_batches_sum_to_their_batch() -> None:
    scanner = counter(BillCounter, "sub_and_batch")

    count_batch(scanner, [(2000, 5), (100, 8)], 0)

    subs = [report for report in scanner.truth.printed if report.kind == "sub_batch"]
    batch = scanner.truth.printed[-1]
    assert [1, 2, 0] == [report.sub_batch for report in scanner.truth.printed]
    assert batch.total_cents == sum(report.total_cents for report in subs) == 10800


def test_the_sorter_plays_no_sub_batch_that_nobody_published() -> None:
    sorter = CoinSorter()
    sorter.pour([(25, 4)], 0)
    sorter.poll(1000)

    with pytest.raises(MachineError, match="not published"):
        sorter.end_sub_batch(1000)


def test_clearing_the_day_starts_report_numbers_at_one() -> None:
    scanner = counter(BillCounter, "day_clear", batch=13, report=6)

    count_batch(scanner, [(2000, 5)], 0)

    assert scanner.pop_output().startswith(b"AUDIT: 00001-0014-000")


@pytest.mark.parametrize("maker", MAKERS)
def test_a_wrong_clock_stays_wrong_and_touches_nothing_else(maker: type[Machine]) -> None:
    machine = counter(maker, "clock_skew")

    count_batch(machine, rows_for(maker), 0)

    assert datetime(2026, 3, 2, 7, 30) != machine.clock(0)
    assert sorted(rows_for(maker)) == machine.truth.printed[0].rows


def test_a_fee_lowers_what_the_customer_gets_and_not_the_total() -> None:
    sorter = counter(CoinSorter, "fee", fee_permille=109)

    count_batch(sorter, [(25, 7)], 0)

    assert sorter.pop_output().split(b"\r\n")[-6:-3] == [
        b"TOTAL 1.75",
        b"PROCESS FEE .19",
        b"CUST. TOTAL 1.56",
    ]


@pytest.mark.parametrize("maker", MAKERS)
def test_power_lost_in_mid_batch_prints_nothing_and_forgets_the_batch(maker: type[Machine]) -> None:
    machine = counter(maker, "power_loss")
    machine.pour(rows_for(maker), 0)

    machine.poll(1_000_000)

    assert "off" == machine.state
    assert b"" == machine.pop_output()
    machine.power_on(1_000_000)
    machine.take_back(1_000_000)
    machine.poll(2_000_000)
    machine.end_batch(2_000_000)
    assert [(1, sorted(rows_for(maker)))] == [
        (report.batch, report.rows) for report in machine.truth.printed
    ]
    assert machine.truth.is_conserved()


def test_an_empty_hopper_ends_no_batch() -> None:
    sorter = CoinSorter()
    sorter.pour([(25, 4)], 0)

    sorter.poll(10_000)
    sorter.pour([(25, 6)], 10_000)
    sorter.poll(20_000)
    sorter.end_batch(20_000)

    assert [[(25, 10)]] == [report.rows for report in sorter.truth.printed]


def test_unknown_pieces_and_knobs_are_refused() -> None:
    with pytest.raises(MachineError, match="do not fit"):
        CoinSorter().pour([(2000, 1)], 0)
    with pytest.raises(ValueError, match="unknown knob"):
        Faults(1, gremlins=5)
