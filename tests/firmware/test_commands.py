"""Commands and key rotation on the real firmware: the real MicroPython, a broker, the gateway,
power cuts.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.broker.process import Broker, EmbeddedBroker, MosquittoBroker
from gateway.clock import Clock
from gateway.devices import commands
from gateway.devices.keys import KeyStore
from gateway.store.ledger import Ledger
from simulators.window import Window
from tests.firmware.bench import DEVICE, PATIENCE, Office, bench, staged, until

SOON = {"budget": {"heartbeat_ms": 200, "resend_ms": 300, "backoff_ms": 100}}


def with_line(
    folder: Path, act: Callable[[Window, Office], Awaitable[None]], broker: Broker | None = None
) -> Office:
    """Run `act` with a powered window and an office; what the office saw remains in it."""
    office = Office(folder, broker).open()
    try:
        tree = staged(folder, office.broker.port, office.key.secret.hex(), SOON)

        async def whole() -> None:
            window = bench(folder, tree, report_gap_ms=1)
            try:
                assert await window.start(PATIENCE), (folder / "console.txt").read_text()
                await until(window, lambda: office.kinds("boot"), "the boot record")
                await act(window, office)
            finally:
                await window.stop()

        asyncio.run(whole())
    finally:
        office.close()
    return office


def ask(office: Office, verb: str) -> None:
    with Ledger.open(office.ledger_file) as ledger:
        commands.ask(ledger, DEVICE, verb, "kim", Clock().utc_ms())


def rotate(office: Office, folder: Path) -> None:
    with Ledger.open(office.ledger_file) as ledger:
        commands.rotate(ledger, KeyStore(folder / "keys"), DEVICE, "kim", Clock().utc_ms())


def test_a_device_shows_itself_and_tells_its_log(tmp_path: Path) -> None:
    async def act(window: Window, office: Office) -> None:
        ask(office, "identify")
        ask(office, "log")
        await until(window, lambda: len(office.kinds("command")) == 2, "two answers")

        assert "identify" in [name for _, name in window.beeps]
        assert "this is w1" in window.display

    office = with_line(tmp_path, act)

    shown, told = office.kinds("command")
    assert ("identify", "done") == (shown["verb"], shown["outcome"])
    assert ("log", "done") == (told["verb"], told["outcome"])
    assert [line for line in told["lines"] if line.startswith("boot 1 epoch ")]
    assert "command 1 identify: done" in told["lines"]


@pytest.mark.must("CMD-15")
def test_a_restart_is_on_record_before_it_happens_and_happens_once(tmp_path: Path) -> None:
    async def act(window: Window, office: Office) -> None:
        ask(office, "restart")
        await until(window, lambda: window.board.returncode is not None, "the end of the process")
        window.cut()
        assert await window.power_on(PATIENCE)
        await until(window, lambda: len(office.kinds("boot")) == 2, "the second boot")
        await window.count_bills([(2000, 5)])
        assert "ok" == await window.wait_beep(PATIENCE)
        await until(window, lambda: office.kinds("tally"), "a count after the restart")

    office = with_line(tmp_path, act)

    assert ["done"] == [each["outcome"] for each in office.kinds("command")]
    assert [1, 2] == [each["boot"] for each in office.kinds("boot")]


@pytest.mark.must("ROT-14")
@pytest.mark.parametrize("cuts", [0, 1, 2, 3])
def test_a_key_is_rotated_over_power_cuts_and_counts_go_on_under_the_new_one(
    tmp_path: Path, cuts: int
) -> None:
    async def act(window: Window, office: Office) -> None:
        rotate(office, tmp_path)
        for cut in range(cuts):
            began = window.now_ms()
            await until(
                window,
                lambda began=began, cut=cut: window.now_ms() - began > 40 * (cut + 1),
                "a moment in the middle",
            )
            window.cut()
            assert await window.power_on(PATIENCE)
        keys = KeyStore(tmp_path / "keys")
        await until(
            window, lambda: [key.number for key in keys.all(DEVICE)] == [2], "one key, the new one"
        )
        await window.count_bills([(2000, 5)])
        assert "ok" == await window.wait_beep(PATIENCE)
        await until(window, lambda: office.kinds("tally"), "a count under the new key")

    with_line(tmp_path, act)

    stored = json.loads((tmp_path / "tree" / "key.json").read_text())
    assert KeyStore(tmp_path / "keys").current(DEVICE).secret.hex() == stored["key_hex"]
    assert 2 == stored["key_number"]


@pytest.mark.must("ROT-15")
@pytest.mark.parametrize("kind", [EmbeddedBroker, MosquittoBroker])
def test_a_board_that_dies_after_its_key_was_rotated_is_known_to_be_lost(
    tmp_path: Path, kind: type[Broker]
) -> None:
    """Its last will of before the rotation could be checked by nobody: the loss went unnoticed."""
    if kind is MosquittoBroker and not MosquittoBroker.is_installed():
        pytest.skip("mosquitto is not on PATH")
    (tmp_path / "mosquitto").mkdir()
    broker = MosquittoBroker(tmp_path / "mosquitto") if kind is MosquittoBroker else kind()

    async def act(window: Window, office: Office) -> None:
        rotate(office, tmp_path)
        keys = KeyStore(tmp_path / "keys")
        await until(
            window, lambda: [key.number for key in keys.all(DEVICE)] == [2], "the new key in use"
        )
        window.cut()
        await until(window, lambda: status_of(office) == "lost", "the loss is on record")

    office = with_line(tmp_path, act, broker)

    with Ledger.open(office.ledger_file) as ledger:
        assert [] == ledger.quarantine()
        assert [] == ledger.incidents()


def status_of(office: Office) -> str:
    with Ledger.open(office.ledger_file) as ledger:
        return next((str(row["status"]) for row in ledger.heartbeats()), "")
