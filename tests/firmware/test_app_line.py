"""The line that the money takes, whole: machines, the real firmware process, a broker, the gateway,
the ledger.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from gateway.store.ledger import Ledger
from protocol import messages, seal
from protocol.topics import kid, topic
from simulators.window import Window
from tests.firmware import bench as shared
from tests.firmware.bench import DEVICE, HEAP, PATIENCE, SITE, Office, bench, fill, staged, until

ROWS = [(2000, 5), (500, 3)]
CENTS = 11500
SOON = {"budget": {"heartbeat_ms": 300, "resend_ms": 300, "backoff_ms": 100}}

STARVED_S = 8  # a board that has said nothing by then has not the memory to
BUSY_TRIES = 3
URGENT = -15  # nice(1)


def with_line(
    folder: Path,
    act: Callable[[Window, Office], Awaitable[None]],
    tables: dict[str, dict[str, Any]] | None = None,
    is_open: bool = True,
    may_fail: bool = False,
    **options: Any,
) -> Office:
    """Run `act` with a powered window and an office; what the office saw remains in it."""
    office = Office(folder)
    try:
        if is_open:
            office.open()
        tree = staged(
            folder, office.broker.port, office.key.secret.hex(), {**SOON, **(tables or {})}
        )

        async def whole() -> None:
            window = bench(folder, tree, report_gap_ms=1, **options)
            try:
                assert await window.start(STARVED_S if may_fail else PATIENCE) or may_fail, (
                    folder / "console.txt"
                ).read_text()
                await act(window, office)
            finally:
                await window.stop()

        asyncio.run(whole())
    finally:
        office.close()
    return office


def totals(office: Office) -> list[int]:
    """The cents of every tally in the ledger's file, in order."""
    with Ledger.open(office.ledger_file) as ledger:
        return [
            record.fields["total_minor"]
            for record in ledger.records(device=DEVICE)
            if record.kind == "tally"
        ]


def test_a_count_is_one_tally_in_the_ledger(tmp_path: Path) -> None:
    async def act(window: Window, office: Office) -> None:
        await window.count_bills(ROWS)
        assert "ok" == await window.wait_beep(PATIENCE)
        await until(window, lambda: office.kinds("tally"), "the tally in the ledger")
        await window.count_coins([(25, 40)])
        assert "ok" == await window.wait_beep(PATIENCE)
        await until(window, lambda: len(office.kinds("tally")) == 2, "the second tally")

    office = with_line(tmp_path, act)

    assert [CENTS, 1000] == totals(office)
    assert [1] == [boot["boot"] for boot in office.kinds("boot")]


def test_power_cut_in_mid_report_and_a_recount_are_one_tally(tmp_path: Path) -> None:
    async def act(window: Window, office: Office) -> None:
        await until(window, lambda: office.kinds("boot"), "the boot record")
        counting = asyncio.create_task(window.count_bills(ROWS))
        began = window.now_ms()
        await until(
            window,
            lambda: window.now_ms() - began > 60 or counting.done(),
            "the middle of the report",
        )
        assert not counting.done()
        window.cut()
        await counting
        assert await window.power_on(PATIENCE)
        await window.recount_until_beep("bills", ROWS, timeout=PATIENCE)
        await until(window, lambda: office.kinds("tally"), "the tally in the ledger")

    office = with_line(tmp_path, act, byte_rate=960)

    assert [CENTS] == totals(office)
    assert [1, 2] == [boot["boot"] for boot in office.kinds("boot")]


def test_power_cut_right_after_the_beep_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    async def act(window: Window, office: Office) -> None:
        window.on_line = lambda text: window.cut() if text == "beep ok" else None
        await window.count_bills(ROWS)
        await until(window, lambda: not window.is_powered, "the cut")
        window.on_line = None
        assert await window.power_on(PATIENCE)
        await until(
            window,
            lambda: any(line.startswith("last bills") for line in window.display),
            "the count on the display",
        )
        await until(window, lambda: office.kinds("tally"), "the tally in the ledger")
        await until(window, lambda: len(office.kinds("boot")) == 2, "the second boot")

    office = with_line(tmp_path, act)

    assert [CENTS] == totals(office)


def test_a_broker_that_dies_and_comes_back_loses_nothing(tmp_path: Path) -> None:
    async def act(window: Window, office: Office) -> None:
        await until(window, lambda: office.kinds("boot"), "the boot record")
        office.broker.kill()
        for pieces in (1, 2, 3):
            await window.count_bills([(100, pieces)])
            assert "ok" == await window.wait_beep(PATIENCE)
        office.broker.start()
        await until(window, lambda: len(office.kinds("tally")) == 3, "three tallies")

    office = with_line(tmp_path, act)

    assert [100, 200, 300] == totals(office)


def test_a_forged_acknowledgement_moves_nothing(tmp_path: Path) -> None:
    """Nobody serves; a stranger says that all is durable: by a wrong key, for another device, by a
    seal of its own.
    """
    states: list[dict[str, Any]] = []

    async def act(window: Window, office: Office) -> None:
        own = topic(SITE, DEVICE, "ack")
        key = office.key.secret
        heard: list[bytes] = []

        def on_message(client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
            if message.topic.endswith("/ev"):
                heard.append(bytes(message.payload))
                # sealed by the right key, for another topic
                client.publish(own, message.payload, qos=1)
                return
            state = messages.decode_state(
                seal.open_seal(message.payload, message.topic, lambda _: key)[1]
            )
            states.append(state)
            ack = {
                "epoch": state["epoch"], "high_water": state["last_seq"], "want_from": 0,
                "want_to": 0, "ledger_n": 1, "ledger_head": bytes(32), "utc_ms": 1,
                "echo_boot": state["boot"], "echo_uptime_ms": state["uptime_ms"],
                "fingerprint": bytes(8),
            }  # fmt: skip
            client.publish(
                own, seal.seal(b"x" * 32, kid(DEVICE, 1), own, messages.encode_ack(ack)), qos=1
            )
            other = topic(SITE, "w2", "ack")
            client.publish(
                own, seal.seal(key, kid(DEVICE, 1), other, messages.encode_ack(ack)), qos=1
            )

        stranger = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        stranger.on_message = on_message
        stranger.connect(office.broker.host, office.broker.port)
        stranger.subscribe([(topic(SITE, DEVICE, "ev"), 1), (topic(SITE, DEVICE, "state"), 1)])
        stranger.loop_start()
        await window.count_bills(ROWS)
        assert "ok" == await window.wait_beep(PATIENCE)
        await until(
            window,
            lambda: len(heard) >= 2 and len(states) >= 5,
            "records and heartbeats, answered with forgeries",
        )
        stranger.loop_stop()
        stranger.disconnect()
        assert {0} == {state["acked"] for state in states}
        office.open()
        await until(window, lambda: office.kinds("tally"), "the tally, once the gateway serves")

    office = with_line(tmp_path, act, is_open=False)

    assert [CENTS] == totals(office)


def test_a_full_journal_takes_no_count_and_says_so_later(tmp_path: Path) -> None:
    beeps: list[str] = []
    held = fill(tmp_path / "flash.img", 3) - 8
    assert held == fill(tmp_path / "flash.img", 3, held)

    async def act(window: Window, office: Office) -> None:
        for number in range(16):
            await window.count_coins([(25, number % 40 + 1)])
            beeps.append(await window.wait_beep(PATIENCE))
            if beeps[-1] != "ok":
                break
        refused = len(window.beeps)
        await window.count_coins([(25, 8)])
        assert "full" == await window.wait_beep(PATIENCE)
        assert "ok" not in [name for _, name in window.beeps[refused:]]
        office.open()
        await until(
            window,
            lambda: any(each.get("condition") == "full" for each in office.kinds("instrument")),
            "the refusals",
        )

    office = with_line(tmp_path, act, {"journal": {"sectors": 3}}, is_open=False)

    told = [each["detail"] for each in office.kinds("instrument") if each["condition"] == "full"]
    assert "full" == beeps.pop()
    assert {"ok"} == set(beeps)
    assert held + len(beeps) == len(totals(office))
    assert ["2 records were refused"] == told


@contextlib.contextmanager
def ahead_of_others() -> Iterator[None]:
    """This process and those it starts are served first, where that is allowed."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, URGENT)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def test_keys_of_25_ms_are_all_on_the_tape(tmp_path: Path) -> None:
    """With a debounce that waited for 20 quiet milliseconds a mark of 15000 was recorded as 500."""
    amounts = [1234, 99, 100005, 1100, 88877, 1500000]

    async def act(window: Window, office: Office) -> None:
        for cents in amounts:
            await window.tape_check(cents)
        await window.mark(3, 15000)
        await until(window, lambda: office.kinds("mark"), "the mark in the ledger")

    want = amounts, [("drop", 15000)]
    for number in range(BUSY_TRIES):  # a machine that stops the board for 25 ms hides a key
        (tmp_path / f"{number}").mkdir()
        with ahead_of_others():
            office = with_line(tmp_path / f"{number}", act, key_down_ms=25, key_up_ms=25)
        typed = [line["amount_minor"] for line in office.kinds("tape")]
        marks = [(mark["mark"], mark["value"]) for mark in office.kinds("mark")]
        if want == (typed, marks):
            break

    assert want == (typed, marks)


def starts(window: Window) -> int:
    return [name for _, name in window.beeps].count("start")


def test_a_value_at_close_is_refused_and_changes_nothing_that_was_open(tmp_path: Path) -> None:
    """The power goes in the middle of a mark too: it is forgotten, nothing of it is recorded."""
    wrong = "mark 5 close 1500 takes no value: key it again"

    async def act(window: Window, office: Office) -> None:
        await until(window, lambda: starts(window) == 1, "the start")
        await window.mark("drop", 4000)
        assert "ok" == await window.wait_beep(PATIENCE)
        await window.key("keys MARK 5 1 5 00 MARK")
        assert "error" == await window.wait_beep(PATIENCE)
        await until(window, lambda: wrong in window.display, "why the mark was refused")
        await window.key("keys MARK 5")
        window.cut()
        await window.power_on(PATIENCE)
        await until(window, lambda: starts(window) == 2, "the start after the cut")
        await window.key("keys 0 C C")
        await window.mark("close")
        assert "ok" == await window.wait_beep(PATIENCE)
        await window.tape_check(500)
        await until(window, lambda: office.kinds("tape"), "the tape in the ledger")

    office = with_line(tmp_path, act)

    marks = [(mark["mark"], mark.get("value")) for mark in office.kinds("mark")]
    assert [("drop", 4000), ("close", None)] == marks
    assert [500] == [line["amount_minor"] for line in office.kinds("tape")]


@pytest.mark.parametrize("short_of", [0, 2, 4, 6])
def test_a_board_that_runs_out_of_memory_confirms_nothing_that_is_not_kept(
    tmp_path: Path, short_of: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With less heap than it needs the firmware may starve anywhere. What it beeped "ok" is in the
    ledger, once.
    """
    beeped: list[int] = []

    async def act(window: Window, office: Office) -> None:
        for pieces in (1, 2, 3):
            await window.count_bills([(100, pieces)])
            if await window.wait_beep(1) == "ok":
                beeped.append(100 * pieces)
        window.cut()
        window.board._argv[2] = HEAP
        assert await window.power_on(PATIENCE)
        await window.count_bills([(100, 4)])
        assert "ok" == await window.wait_beep(PATIENCE)
        await until(
            window,
            lambda: 400 in [each["total_minor"] for each in office.kinds("tally")],
            "the count after it",
        )

    monkeypatch.setattr(shared, "HEAP", f"heapsize={119 - short_of}K")
    office = with_line(tmp_path, act, may_fail=True)

    found = totals(office)
    assert len(found) == len(set(found))
    assert set(found) >= {*beeped, 400}
