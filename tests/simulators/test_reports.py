"""The report machines under every knob: pieces conserved, seeds repeatable, each knob does
something, hands are understood.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.instruments.bill_counter import BillCounter
from simulators.instruments.coin_sorter import CoinSorter
from simulators.instruments.display import FddfCounter, UwfDisplay, crc8, uwf_frame
from simulators.instruments.faults import KNOBS, Faults
from simulators.instruments.hands import ReportMachine
from simulators.instruments.jetsort import JetSort
from simulators.instruments.machine import MachineError, count_batch, rows_of, value_cents
from simulators.instruments.printers import ColumnsPrinter, CsvPrinter

MAKERS: list[Any] = [
    CoinSorter,
    BillCounter,
    JetSort,
    ColumnsPrinter,
    CsvPrinter,
    UwfDisplay,
    FddfCounter,
]
PUBLISHED_DISPLAY = bytes.fromhex("02303030313031303030303030303036303130303030303030303738033b")
seeds = st.integers(0, 2**32)


def rows_for(maker: Any) -> list[tuple[int, int]]:
    low, high = maker.denominations[0], maker.denominations[3]
    return [(low, 9), (high, 14)]


def made(maker: Any, *armed: str, seed: int = 1, **options: Any) -> Any:
    faults = Faults(seed)
    faults.arm(*armed)
    return maker(faults, **options)


def played(machine: Any, batches: int = 3) -> bytes:
    """Everything sent in so many batches, with a minute of silence after each, in steps of 100 ms
    as `poll` is called.
    """
    heard = bytearray()
    now_ms = 0
    for _ in range(batches):
        now_ms = count_batch(machine, rows_for(type(machine)), now_ms)
        heard += machine.pop_output()
        end_ms = now_ms + 6000
        while now_ms < end_ms:
            machine.receive(b"\x06", now_ms)
            now_ms += 100
            machine.poll(now_ms)
            heard += machine.pop_output()
    return bytes(heard)


@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=12, deadline=None)
@given(seed=seeds, on_stop=st.sampled_from(["included", "excluded", "recount_all"]))
def test_no_piece_appears_or_vanishes_under_all_knobs(maker: Any, seed: int, on_stop: str) -> None:
    options = {} if maker is CoinSorter else {"on_stop": on_stop}
    machine = maker(Faults(seed, **dict.fromkeys(maker.supported, 250)), **options)

    played(machine)

    assert machine.truth.is_conserved()
    told = [printed for printed in machine.truth.printed if printed.kind == "batch"]
    passed = sum(value_cents(each.passed) for each in [*told, *machine.truth.untold])
    stored = getattr(machine, "_stored", None)
    passed += value_cents(stored.passed) if stored is not None and stored.kind == "batch" else 0
    assert passed == value_cents(machine.truth.passed.items())


@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=6, deadline=None)
@given(seed=seeds)
def test_the_same_seed_gives_the_same_bytes(maker: Any, seed: int) -> None:
    first, second = (
        played(maker(Faults(seed, **dict.fromkeys(maker.supported, 200)))) for _ in range(2)
    )

    assert first == second


@pytest.mark.parametrize(
    ("maker", "knob"), [(maker, knob) for maker in MAKERS for knob in maker.supported]
)
def test_each_knob_changes_something(maker: Any, knob: str) -> None:
    def account(machine: Any) -> tuple[Any, ...]:
        heard = played(machine, 2)
        truth = machine.truth
        stopped = [
            (each.rows, each.passed, each.harm, each.kind, each.batch) for each in truth.printed
        ]
        return heard, stopped, truth.untold, truth.log

    assert account(made(maker)) != account(made(maker, knob))


STOPS = ("jam", "reject", "double", "chain", "batch_full", "stacker_full", "denomination_change")


@pytest.mark.parametrize(
    ("maker", "knob"),
    [(maker, knob) for maker in MAKERS for knob in STOPS if knob in maker.supported],
)
def test_the_machine_stops_and_goes_on_when_somebody_acts(maker: Any, knob: str) -> None:
    machine = made(maker, knob)
    machine.pour(rows_for(maker), 0)
    machine.poll(100_000)

    stopped = (machine.state, machine.stop_reason)
    while machine.state == "stopped":
        machine.resolve(100_000)
        machine.poll(200_000)
    machine.end_batch(200_000)

    assert ("stopped", knob) == stopped
    assert (
        sorted(rows_for(maker)) == machine.truth.printed[-1].rows or machine.on_stop == "included"
    )


@pytest.mark.parametrize("maker", MAKERS)
def test_an_empty_hopper_is_a_gap_inside_the_batch(maker: Any) -> None:
    machine = made(maker, "hopper_empty")
    machine.pour(rows_for(maker), 0)
    starved = False
    for now_ms in range(0, 40_000, 50):
        machine.poll(now_ms)
        starved = starved or machine.is_starved
    machine.end_batch(40_000)

    assert starved
    assert sorted(rows_for(maker)) == machine.truth.printed[-1].rows


@pytest.mark.parametrize(
    ("on_stop", "rows"),
    [("included", [(2000, 5)]), ("excluded", [(2000, 4)]), ("recount_all", [(2000, 4)])],
)
def test_a_suspect_note_is_counted_by_the_setting(
    on_stop: str, rows: list[tuple[int, int]]
) -> None:
    scanner = made(BillCounter, "suspect", on_stop=on_stop)

    count_batch(scanner, [(2000, 5)], 0)

    assert (rows, [(2000, 4)]) == (scanner.truth.printed[0].rows, scanner.truth.printed[0].passed)


def test_a_double_voids_the_batch_where_the_machine_wants_a_recount() -> None:
    printer = made(ColumnsPrinter, "double", seed=5)
    printer.pour([(500, 20)], 0)
    printer.poll(10_000)

    counted = sum(printer.truth.passed.values())
    printer.resolve(10_000)

    assert 0 < counted
    assert {} == +printer.truth.passed
    printer.poll(20_000)
    printer.end_batch(20_000)
    assert [(500, 20)] == printer.truth.printed[0].rows


def test_a_batch_ended_at_a_stop_says_why() -> None:
    printer = made(ColumnsPrinter, "double", seed=5)
    printer.pour([(500, 20)], 0)
    printer.poll(10_000)

    printer.do("end stopped", 10_000)

    assert b"STOP DOUBLE 2\r\n" in printer.pop_output()
    assert "double" == printer.truth.printed[0].stop
    assert printer.truth.is_conserved()


def test_a_door_opened_in_mid_count_makes_the_count_wrong() -> None:
    differences = set()
    for seed in range(12):
        scanner = made(BillCounter, "door_mid_count", seed=seed)
        count_batch(scanner, [(2000, 30)], 0)
        printed = scanner.truth.printed[0]
        differences.add(sum(n for _, n in printed.passed) - sum(n for _, n in printed.rows))

    assert {-1, 1} >= differences - {0}
    assert 1 in differences and -1 in differences


def test_an_accumulating_machine_prints_running_sums_and_says_so() -> None:
    printer = made(ColumnsPrinter, "accumulate")

    for number in range(2):
        count_batch(printer, [(500, 3)], number * 1000)

    assert [[(500, 3)], [(500, 6)]] == [printed.rows for printed in printer.truth.printed]
    assert {500: 6} == printer.true_pieces()
    assert 2 == printer.pop_output().count(b"ACCUMULATED\r\n")


@pytest.mark.parametrize("maker", [CoinSorter, BillCounter, JetSort, ColumnsPrinter, CsvPrinter])
def test_a_silent_clear_leaves_a_hole_in_the_numbers(maker: Any) -> None:
    machine = made(maker, "clear_silent")

    played(machine, 2)

    assert [2] == [printed.batch for printed in machine.truth.printed if printed.kind == "batch"]
    assert [("clear_silent", 1, sorted(rows_for(maker)))] == [
        (e.reason, e.batch, e.rows) for e in machine.truth.untold
    ]
    assert {coin: 2 * pieces for coin, pieces in rows_for(maker)} == machine.true_pieces()


def test_batch_numbers_wrap_as_they_are_printed() -> None:
    sorter, scanner = CoinSorter(setup="wrap"), BillCounter(setup="wrap")
    count_batch(sorter, [(25, 4)], 0)
    count_batch(scanner, [(500, 4)], 0)

    assert b"BATCH 000\r\n" in sorter.pop_output()
    assert b"-0001-000\r\n" in scanner.pop_output()


def test_a_swapped_cable_carries_another_machines_report() -> None:
    scanner = made(BillCounter, "swap")

    count_batch(scanner, [(2000, 5)], 0)

    assert scanner.pop_output().startswith(b"BATCH ACCEPT")
    assert [] == scanner.truth.printed
    assert [("swap", [(2000, 5)])] == [(each.reason, each.rows) for each in scanner.truth.untold]


@given(seed=seeds)
def test_a_gap_takes_no_byte(seed: int) -> None:
    printer, whole = made(CsvPrinter, "gap", seed=seed), made(CsvPrinter)
    for each in (printer, whole):
        count_batch(each, [(500, 9)], 0)

    first = printer.pop_output()
    printer.poll(10_000)
    rest = printer.pop_output()

    assert 0 < len(first) < len(first + rest)
    assert whole.pop_output() == first + rest


# JetSort's port


def test_immediate_mode_with_a_computer_that_answers() -> None:
    sorter = JetSort()
    now_ms = count_batch(sorter, [(25, 40)], 0)

    sorter.receive(b"\x06", now_ms + 100)
    sorter.poll(now_ms + 10_000)

    assert 1 == sorter.pop_output().count(b"JETSORT BATCH REPORT")
    assert "" == sorter.display


@pytest.mark.parametrize(("unanswered", "reports"), [("repeats", 3), ("blocks", 1)])
def test_without_an_answer_the_link_has_an_error(unanswered: str, reports: int) -> None:
    sorter = JetSort(unanswered=unanswered)
    now_ms = count_batch(sorter, [(25, 40)], 0)

    sorter.poll(now_ms + 20_000)

    assert reports == sorter.pop_output().count(b"JETSORT BATCH REPORT")
    assert "Comm Link Error" == sorter.display
    assert {25: 40} == sorter.true_pieces()
    sorter.do("clear error", now_ms + 20_000)
    assert "" == sorter.display


def test_polled_mode_sends_when_asked_and_pushes_when_the_next_batch_begins() -> None:
    sorter = JetSort(setup="polled", ack=False)
    now_ms = count_batch(sorter, [(25, 40)], 0)
    silent = sorter.pop_output()
    sorter.receive(b"\x05", now_ms)
    asked = sorter.pop_output()
    now_ms = count_batch(sorter, [(25, 41)], now_ms)
    sorter.pop_output()
    sorter.do("count 0.25x1", now_ms)

    assert b"" == silent
    assert b"TOTAL 40 10.00" in asked
    assert b"TOTAL 41 10.25" in sorter.pop_output()


def test_an_overwritten_report_is_never_heard_of() -> None:
    sorter = made(JetSort, "overwrite", ack=False)

    now_ms = count_batch(sorter, [(25, 40)], 0)
    count_batch(sorter, [(25, 41)], now_ms)

    assert [2] == [printed.batch for printed in sorter.truth.printed]
    assert [("overwrite", 1, [(25, 40)])] == [
        (each.reason, each.batch, each.rows) for each in sorter.truth.untold
    ]


# frames


def test_the_published_display_frame() -> None:
    assert PUBLISHED_DISPLAY == uwf_frame(120, 601000, is_active=False, is_refusing=True)


def test_the_display_shows_the_count_until_the_next_batch() -> None:
    display = UwfDisplay()
    display.pour([(2000, 3)], 0)
    for now_ms in range(0, 3000, 100):
        display.poll(now_ms)
    display.end_batch(3000)

    frames = display.pop_output()
    assert 0 == len(frames) % 30
    assert uwf_frame(3, 6000, is_active=False, is_refusing=False) == frames[-30:]


def test_frames_of_a_count_run_from_start_to_end() -> None:
    counter = FddfCounter()
    counter.pour([(2000, 3), (500, 2)], 0)
    counter.poll(1000)
    counter.end_batch(1000)

    sent = counter.pop_output()
    frames = [sent[at : at + 44] for at in range(0, len(sent), 44)]
    assert [0, *[1] * 5, 4, 2] == [frame[41] for frame in frames] or [0, *[1] * 5, 2] == [
        frame[41] for frame in frames
    ]
    assert {b"\xfd\xdf\x2c\x0e"} == {frame[:4] for frame in frames}
    assert [0] * len(frames) == [crc8(frame) for frame in frames]
    assert (5, 70) == (
        int.from_bytes(frames[-1][4:8], "little"),
        int.from_bytes(frames[-1][12:20], "little"),
    )


def test_a_full_stacker_is_a_frame_and_not_the_end() -> None:
    counter = made(FddfCounter, "stacker_full")

    count_batch(counter, [(2000, 9)], 0)

    statuses = [each[37] for each in counter.pop_output().split(b"\xfd\xdf\x2c\x0e")[1:]]
    assert 1 == statuses.count(3)
    assert (9, 1) == (statuses.count(1), statuses.count(2))


# hands


@pytest.mark.parametrize(
    ("maker", "setup"), [(maker, setup) for maker in MAKERS for setup in maker.setups]
)
def test_setups_start_where_they_say(maker: Any, setup: str) -> None:
    machine = maker(Faults(1), setup)

    where = {
        "power_off": ("off", ""), "counting": ("counting", ""), "waiting": ("waiting", ""),
        "jammed": ("stopped", "jam"), "stacker_full": ("stopped", "stacker_full"),
    }.get(setup, ("idle", ""))  # fmt: skip
    assert where == (machine.state, machine.stop_reason)
    assert machine.truth.is_conserved()


@pytest.mark.parametrize("maker", MAKERS)
def test_hands_are_understood_or_told_what_would_be(maker: Any) -> None:
    machine = maker(Faults(1))
    amount = f"{maker.denominations[3] // 100}.{maker.denominations[3] % 100:02d}"
    for number, line in enumerate(
        (f"count {amount}x3", "power off", "power on", "take back", "end", "break jam")
    ):
        machine.poll(number * 10_000)
        machine.do(line, number * 10_000)

    assert ["batch"] == [
        printed.kind for printed in machine.truth.printed if printed.kind != "repeat"
    ]
    for line in ("dance", "count 7.77x3", "count", "break gremlins", "end", "resolve"):
        with pytest.raises(MachineError):
            machine.do(line, 100_000)
    with pytest.raises(MachineError, match="end"):
        machine.do("dance", 100_000)


@pytest.mark.parametrize("maker", MAKERS)
def test_every_knob_and_verb_has_a_known_name(maker: type[ReportMachine]) -> None:
    assert set(maker.supported) <= set(KNOBS)
    with pytest.raises(MachineError, match="want one of"):
        maker(Faults(1), "upside_down")  # type: ignore[call-arg]


def test_rows_of_a_csv_report_are_quoted_where_they_have_a_comma() -> None:
    printer = CsvPrinter(batch=13)

    count_batch(printer, [(2000, 61), (100, 17)], 0)

    lines = printer.pop_output().decode().split("\r\n")
    assert "BATCH,14" == lines[0]
    assert ["1.00,17,17.00", '20.00,61,"1,220.00"', 'TOTAL,78,"1,237.00"', ""] == lines[3:]
    assert [(100, 17), (2000, 61)] == rows_of(printer.true_pieces())
