"""The bench of a window, with a stand-in for the firmware that beeps at the end of every whole
report, on both interpreters.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from simulators.channels import SerialLine
from simulators.instruments.bill_counter import BillCounter
from simulators.instruments.faults import Faults
from simulators.window import Window

STAND_IN = """
import os, select

def channel(name):
    return open(int(os.getenv("TILL_FD_" + name)), "r+b", buffering=0)

gpio, bills, coins = channel("GPIO"), channel("BILLS"), channel("COINS")
pending = {}
ready = select.poll()
for each in (gpio, bills, coins):
    ready.register(each, select.POLLIN)
gpio.write(b"R boot 1\\nB start\\n")
while True:
    ready.poll()
    for name, each in (("bills", bills), ("coins", coins)):
        data = each.read(256)
        if data:
            if name not in pending:
                pending[name] = b""
                gpio.write(b"R begun\\n")
            pending[name] += data
            if b"\\r\\n\\r\\n\\r\\n" in pending[name]:
                gpio.write(b"R report " + pending.pop(name).split(b"\\r\\n")[0] + b"\\n")
                gpio.write(b"B ok\\n")
                each.write(b"\\x06")
    data = gpio.read(256)
    for line in (data or b"").split(b"\\n"):
        if line:
            gpio.write(b"P heard " + line + b"\\n")
        if line == b"D 1":
            gpio.write(b"K 20\\n")
"""
INTERPRETERS = [sys.executable, str(Path(sys.executable).with_name("micropython"))]
ROWS = [(2000, 5), (100, 12)]
PATIENCE = 20  # seconds, for a busy machine; nothing waits so long when all is well


def with_window(
    folder: Path,
    act: Callable[[Window], Awaitable[None]],
    interpreter: str = sys.executable,
    **options: Any,
) -> None:
    """Run `act` on a window whose board is the stand-in; options are Window's."""
    (folder / "main.py").write_text(STAND_IN)

    async def whole() -> None:
        window = Window(
            "w1",
            [interpreter, "main.py"],
            folder,
            console=folder / "console.txt",
            report_gap_ms=1,
            **options,
        )
        try:
            assert await window.start(PATIENCE), (folder / "console.txt").read_text()
            async with asyncio.timeout(PATIENCE):
                await act(window)
        finally:
            await window.stop()

    asyncio.run(whole())


async def heard(window: Window, text: str) -> None:
    """Until the stand-in has echoed a line."""
    while text not in window.display:
        window._news.clear()
        await window._news.wait()


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_count_goes_over_the_wire_and_its_beep_is_heard(tmp_path: Path, interpreter: str) -> None:
    async def act(window: Window) -> None:
        bills = await window.count_bills(ROWS)
        assert "ok" == await window.wait_beep(PATIENCE) == bills.beep
        coins = await window.count_coins([(25, 40)])
        assert "ok" == await window.wait_beep(PATIENCE) == coins.beep

        assert [
            "boot 1",
            "begun",
            "report AUDIT: 00001-0001-000",
            "begun",
            "report BATCH ACCEPT",
        ] == list(window.remarks)
        assert [("batch", 1, 0, 1)] == bills.detail["reports"]

    with_window(tmp_path, act, interpreter, byte_rate=None)


def test_a_report_at_9600_baud_takes_its_time(tmp_path: Path) -> None:
    async def act(window: Window) -> None:
        began_ms = window.now_ms()
        await window.count_bills(ROWS)

        bytes_sent = len(window.bills.truth.printed[0].sent)
        assert window.now_ms() - began_ms >= bytes_sent * 1000 // 960 - 20

    with_window(tmp_path, act)


def test_pins_are_told_at_power_on_and_keys_come_up_again(tmp_path: Path) -> None:
    async def act(window: Window) -> None:
        await window.key("0.07+")
        await heard(window, "heard M 0 0 0 0 0")

        rests = [line for line in window.display if line.startswith("heard M")]
        assert ["heard D 0", "heard M 0 0 0 0 0"] == list(window.display)[:2]
        assert "heard M 0 1 0 0 0" in rests
        assert "heard M 0 0 8 0 0" in rests

    with_window(tmp_path, act, key_down_ms=1, key_up_ms=1)


def test_a_jump_of_the_clock_is_told_to_the_board_and_to_the_machines(tmp_path: Path) -> None:
    async def act(window: Window) -> None:
        await window.advance_clock(3_600_000)
        await heard(window, "heard W 3600000")
        await window.count_bills(ROWS)

        assert b"08:30:" in window.bills.truth.printed[0].sent

    with_window(tmp_path, act, byte_rate=None)


def test_a_kick_that_is_too_short_is_logged_and_opens_nothing(tmp_path: Path) -> None:
    async def act(window: Window) -> None:
        await window.open_drawer(1)
        await heard(window, "heard D 1")
        while not any(done.action == "kicked" for done in window.log):
            window._news.clear()
            await window._news.wait()

        assert [{"pulse_ms": 20, "opened": False}] == [
            done.detail for done in window.log if done.action == "kicked"
        ][:1]

    with_window(tmp_path, act)


def test_a_power_cut_in_mid_report_loses_it_and_the_money_is_counted_again(tmp_path: Path) -> None:
    async def act(window: Window) -> None:
        window.on_line = lambda text: window.cut() if text == "log begun" else None
        lost = await window.count_bills(ROWS)
        assert "" == await window.wait_beep(PATIENCE)
        window.on_line = None
        assert await window.power_on(PATIENCE)
        attempts = await window.recount_until_beep("bills", ROWS, timeout=PATIENCE)

        assert [("", True), ("ok", False)] == [
            (done.beep, done.was_cut) for done in [lost, *attempts]
        ]
        assert ["boot 1", "begun", "boot 1", "begun", "report AUDIT: 00002-0002-000"] == list(
            window.remarks
        )
        assert ["power_on", "count_bills", "power_cut", "power_on", "count_bills"] == [
            done.action for done in window.log
        ]

    with_window(tmp_path, act, byte_rate=2000)


def test_a_count_without_a_beep_is_put_through_again(tmp_path: Path) -> None:
    faults = Faults(1)
    faults.arm("truncate")

    async def act(window: Window) -> None:
        attempts = await window.recount_until_beep("bills", ROWS, timeout=1)

        assert ["", "ok"] == [done.beep for done in attempts]
        assert [1, 2] == [report.batch for report in window.bills.truth.printed]

    with_window(tmp_path, act, bills=BillCounter(faults), byte_rate=None)


def test_a_beep_that_sounded_before_the_cut_was_heard(tmp_path: Path) -> None:
    async def act(window: Window) -> None:
        window.on_line = lambda text: window.cut() if text == "beep ok" else None
        await window.count_bills(ROWS)

        assert "ok" == await window.wait_beep(PATIENCE)
        assert not window.is_powered

    with_window(tmp_path, act, byte_rate=None)


def test_without_power_a_count_gets_no_beep_and_is_not_tried_for_ever(tmp_path: Path) -> None:
    async def act(window: Window) -> None:
        await window.power_cut()

        attempts = await window.recount_until_beep("coins", [(25, 4)], timeout=0.01)

        assert [("", True)] == [(done.beep, done.was_cut) for done in attempts]
        assert [[(25, 4)]] == [report.rows for report in window.coins.truth.printed]

    with_window(tmp_path, act, byte_rate=None)


def test_the_beep_of_a_batch_is_not_that_of_its_sub_batch(tmp_path: Path) -> None:
    faults = Faults(1)
    faults.arm("sub_and_batch")

    async def act(window: Window) -> None:
        done = await window.count_bills(ROWS)

        assert [1, 2, 0] == [sub_batch for _, _, sub_batch, _ in done.detail["reports"]]
        assert "ok" == await window.wait_beep(PATIENCE)

    with_window(tmp_path, act, bills=BillCounter(faults))


def test_a_line_takes_every_byte_value_unchanged_and_says_when_it_is_full() -> None:
    line = SerialLine()
    try:
        every = bytes(range(256))
        assert 256 == line.write(every)
        assert every == os.read(line.theirs, 512)
        os.write(line.theirs, every)
        assert every == line.read()
        taken = [line.write(every) for _ in range(4096)]
        assert 0 == taken[-1]
        line.lose()
        assert line.write(b"x") == 1
        assert b"x" == os.read(line.theirs, 16)
    finally:
        line.close()
