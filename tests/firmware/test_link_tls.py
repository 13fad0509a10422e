"""TLS with certificates on both sides: the real firmware, the real mosquitto, and no byte of an
instrument lost meanwhile.
"""

import array
import asyncio
import contextlib
import fcntl
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.broker.pki import Authority
from gateway.broker.process import MosquittoBroker
from simulators.window import Window
from tests.firmware.bench import PATIENCE, bench, until
from tests.firmware.tls_office import Office

pytestmark = pytest.mark.skipif(
    not MosquittoBroker.is_installed(), reason="mosquitto is not on PATH: no broker with TLS"
)

ROWS = [(2000, 5), (500, 3), (100, 20)]
UART_BYTES = 4096  # firmware/ports/mcu.py: _RX_BYTES
# a Cortex-M4 at 168 MHz against this machine, estimated from pure-Python signatures on both
BOARD_SLOWER = 125


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.close()


def play(folder: Path, tree: Path, act: Callable[[Window], Any], **options: Any) -> list[str]:
    """Run `act` with a powered window; what the board remarked."""

    async def whole() -> list[str]:
        window = bench(folder, tree, **{"report_gap_ms": 1, **options})
        try:
            assert await window.start(PATIENCE), (folder / "console.txt").read_text()
            await act(window)
        finally:
            await window.stop()
        return list(window.remarks)

    return asyncio.run(whole())


def test_a_count_reaches_the_ledger_over_tls_with_certificates_on_both_sides(
    tmp_path: Path, office: Office
) -> None:
    async def act(window: Window) -> None:
        await window.count_bills(ROWS)
        assert "ok" == await window.wait_beep(PATIENCE)
        await until(window, office.tallies, "the tally in the ledger")

    play(tmp_path, office.staged(tmp_path), act)

    assert [13500] == [record.fields["total_minor"] for record in office.tallies()]


@pytest.mark.must("TLS-1", "TLS-2")
@pytest.mark.parametrize("fault", ["broker of another CA", "broker of another name"])
def test_a_broker_that_cannot_prove_itself_is_told_nothing_and_the_count_is_kept(
    tmp_path: Path, office: Office, fault: str
) -> None:
    if fault == "broker of another CA":
        stranger = Authority(tmp_path / "stranger")
        stranger.create("elsewhere")
        tree = office.staged(tmp_path, stranger)
    else:
        tree = office.staged(tmp_path, server_name="till.example.net")

    async def act(window: Window) -> None:
        await window.count_bills(ROWS)
        assert "ok" == await window.wait_beep(PATIENCE)
        await until(
            window,
            lambda: any("link lost" in line for line in window.remarks),
            "the refusal of the broker",
        )

    remarks = play(tmp_path, tree, act)

    assert [] == office.seen
    assert any("link lost" in line for line in remarks), remarks


class Backlog:
    """The most bytes that waited unread on a wire: what a UART's receive buffer must hold so that
    none is lost.
    """

    def __init__(self, descriptor: int) -> None:
        self.bytes = 0
        self._descriptor = descriptor
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        waiting = array.array("i", [0])
        while not self._stop.wait(1 / 2000):
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._descriptor, termios.FIONREAD, waiting)
            self.bytes = max(self.bytes, waiting[0])

    def close(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.bytes


@pytest.mark.parametrize(
    ("byte_rate", "reports"),
    [
        pytest.param(960, 4, id="9600 baud"),
        pytest.param(
            960 * BOARD_SLOWER, 20, id="9600 baud as it looks to a board that is 125 times as slow"
        ),
    ],
)
def test_no_byte_of_a_report_is_lost_while_the_board_reconnects(
    tmp_path: Path, office: Office, byte_rate: int, reports: int
) -> None:
    """The broker dies again and again while a machine prints: each report is whole, none waited
    longer than a UART holds.
    """
    expected: list[int] = []
    backlog: list[int] = []
    lost = [0]

    async def act(window: Window) -> None:
        watch = Backlog(window._lines["bills"].theirs)
        await until(window, lambda: office.seen, "the boot record, over the first connection")
        printing = asyncio.create_task(printed(window))
        while not printing.done():
            office.broker.kill()
            office.broker.start()
            lost[0] += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(printing), 1 / 2)
        await printing
        backlog.append(watch.close())
        await until(window, lambda: len(office.tallies()) == reports, "every tally in the ledger")

    async def printed(window: Window) -> None:
        for number in range(reports):
            rows = [(10000, number + 1), (2000, 5), (500, 3), (100, 20)]
            expected.append(sum(cents * pieces for cents, pieces in rows))
            await window.count_bills(rows)
            assert "ok" == await window.wait_beep(PATIENCE)

    play(tmp_path, office.staged(tmp_path), act, byte_rate=byte_rate)
    print(
        f"{reports} reports at {byte_rate} bytes a second, broker killed {lost[0]} times:"
        f" at most {backlog[0]} bytes waited, a UART holds {UART_BYTES}"
    )

    assert expected == [record.fields["total_minor"] for record in office.tallies()]
    assert [] == [record for record in office.seen if record.kind == "quarantine"]
    assert backlog[0] < UART_BYTES
