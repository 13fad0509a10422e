"""Acceptors on the real firmware, whole: machine, pseudo-terminal, MicroPython process, broker,
gateway, ledger.

The law under power cuts of the board: what lies in the box is in the ledger once, or an explicit
discrepancy says so.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.fleet.stage import stage
from simulators.instruments.registry import simulator_for
from tests.firmware.acceptor_bench import AcceptorBench, Clock, Hands, Kept, board_with, true_pieces
from tests.firmware.bench import Office

NOTES = ("1.00", "5.00", "10.00", "20.00")
COINS = ("1c", "5c", "10c", "25c", "1.00")
DROP_AND_COINS = {"drop": "ebds", "coins": "cctalk-coin"}
SETTLE_S = 12
SAID_S = 4  # after so long what is missing and said will not come any more
LOOK_MS = 200


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path).open()
    yield office
    office.close()


def bench_of(folder: Path, office: Office, device: str, profiles: dict[str, str]) -> AcceptorBench:
    folder = folder / device
    folder.mkdir()
    machines: dict[str, Any] = {
        name: simulator_for(profile)() for name, profile in profiles.items()
    }
    return AcceptorBench(folder, office, device, board_with(folder, profiles), machines)


def amounts_of(profiles: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {
        name: COINS if profile == "cctalk-coin" else NOTES for name, profile in profiles.items()
    }


def played(
    folder: Path, office: Office, boards: list[dict[str, str]], pieces: int, cuts: int
) -> Clock:
    """Every board with its machines and hands until all pieces went in and the ledger has settled,
    or does not.
    """
    benches = [
        bench_of(folder, office, f"d{number}", profiles) for number, profiles in enumerate(boards)
    ]
    clock = Clock(benches)
    hands = [
        Hands(bench, amounts_of(boards[at]), pieces, at, cuts) for at, bench in enumerate(benches)
    ]

    def act() -> bool:
        for each in hands:
            each.act(clock.now_ms)
        return all(each.is_done for each in hands)

    def settled() -> bool:
        act()
        if clock.now_ms - looked[0] < LOOK_MS:
            return False
        looked[0] = clock.now_ms
        kept = [(Kept(office.ledger_file, each.device), each) for each in benches]
        may_be_missing = clock.now_ms > end_ms - 1000 * (SETTLE_S - SAID_S)
        return all(
            one.is_settled(bench) or (may_be_missing and not one.wrong(bench))
            for one, bench in kept
        )

    looked = [0]
    try:
        for bench in benches:
            bench.power_on()
        clock.until(act, "all pieces inserted", 60)
        end_ms = clock.now_ms + 1000 * SETTLE_S
        while clock.now_ms < end_ms and not settled():
            clock.step()
    finally:
        clock.close()
    return clock


def test_notes_and_coins_are_tallies_in_the_ledger(tmp_path: Path, office: Office) -> None:
    (bench,) = played(tmp_path, office, [DROP_AND_COINS], pieces=3, cuts=0).benches
    kept = Kept(office.ledger_file, bench.device)

    assert {name: true_pieces(machine) for name, machine in bench.machines.items()} == kept.credited
    assert [3, 3] == [counted.total() for counted in kept.credited.values()]
    assert {} == kept.explicit
    assert kept.boots == 1
    shown = [line for line in bench.said("print") if " 0.00" in line]
    assert [] == shown  # a bookmark is no count: neither on the display nor to be heard
    assert bench.said("beep").count("ok") == sum(
        line.startswith(("drop ", "coins ")) for line in bench.said("print")
    )


@pytest.mark.parametrize(
    "boards",
    [
        pytest.param([DROP_AND_COINS] * 4, id="ebds and cctalk-coin"),
        pytest.param(
            [{"drop": "ssp"}, {"drop": "id003"}, {"drop": "cctalk-bill"}] * 2,
            id="ssp, id003, cctalk-bill",
        ),
    ],
)
def test_power_cuts_around_each_credit_lose_nothing_silently(
    tmp_path: Path, office: Office, boards: list[dict[str, str]]
) -> None:
    benches = played(tmp_path, office, boards, pieces=4, cuts=2).benches
    kept = [Kept(office.ledger_file, bench.device) for bench in benches]
    in_box: Counter[int] = sum(
        (true_pieces(each) for bench in benches for each in bench.machines.values()), Counter()
    )
    said = sum(len(each) for one in kept for each in one.explicit.values())
    print(
        f"{in_box.total()} pieces, {sum(bench.cuts for bench in benches) - len(benches)} cuts,"
        f" {said} explicit"
    )

    assert [] == [
        text for one, bench in zip(kept, benches, strict=True) for text in one.wrong(bench)
    ]
    # the last cut is the end of the test
    assert [one.boots for one in kept] == [bench.cuts for bench in benches]
    assert in_box.total() >= 3 * len(benches)


def test_a_machine_that_the_bench_does_not_play_is_named_and_the_rest_works(
    tmp_path: Path, office: Office
) -> None:
    board = board_with(tmp_path, DROP_AND_COINS)
    bench = AcceptorBench(
        tmp_path / "board", office, "w1", board, {"coins": simulator_for("cctalk-coin")()}
    )
    clock = Clock([bench])
    try:
        bench.power_on()
        clock.until(lambda: bench.answered["coins"], "questions to the coin acceptor")
    finally:
        clock.close()

    assert ["drop: nothing plays it on the wire 'drop' of this bench"] == [
        each for each in bench.said("log") if "plays" in each
    ]


def test_staging_warns_of_different_drivers_on_one_board(tmp_path: Path) -> None:
    several = stage(board_with(tmp_path, DROP_AND_COINS), None, tmp_path / "several").warning
    one = stage(board_with(tmp_path, {"drop": "ebds"}), None, tmp_path / "one").warning

    assert several.startswith("2 different drivers (cctalk, ebds)")
    assert "heap_bytes_max = 135168" in several
    assert one == ""
