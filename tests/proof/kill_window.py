"""The windows of `./run proof kill`: boards that run in real MicroPython, and their cashiers."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from simulators.instruments.bill_counter import BillCounter
from simulators.instruments.machine import Rows, dollars, value_cents
from simulators.window import Window
from tests.proof.delivery import PATIENCE_S

MICROPYTHON = str(Path(sys.executable).with_name("micropython"))
HEAP = "heapsize=190K"  # what a board has


class ColumnCounter(BillCounter):
    """A note counter that prints the layout of the profile `columns`."""

    def compose(
        self, kind: str, batch: int, sub_batch: int, rows: Rows, now_ms: int
    ) -> tuple[bytes, int]:
        lines = ["COUNT REPORT", f"BATCH {batch}"]
        lines += [f"{dollars(cents)} {pieces} {dollars(cents * pieces)}" for cents, pieces in rows]
        lines.append(f"TOTAL {sum(pieces for _, pieces in rows)} {dollars(value_cents(rows))}")
        report = "\r\n".join(lines).encode()
        return report + b"\r\nEND\r\n", len(report)


class Till:
    """One window whose cashier counts without a pause, each time another sum."""

    def __init__(
        self, name: str, folder: Path, tree: Path, tick: Any, byte_rate: int | None
    ) -> None:
        self.name = name
        self.flash = folder / "flash.img"
        self.counted: set[int] = set()
        self.heard: set[int] = set()
        self.is_closing = False
        self.booted = asyncio.Event()
        self._tick = tick
        self._ok = False  # a beep whose display line has not come yet
        self._clean = True  # nothing else was said since the last count
        self._last = 0
        self.window = Window(
            name, [MICROPYTHON, "-X", HEAP, "main.py"], tree,
            {"TILL_FLASH": str(self.flash), "MICROPYPATH": ".:.frozen"}, bills=ColumnCounter(),
            byte_rate=byte_rate, report_gap_ms=1, on_line=self._hear,
            console=folder / "console.txt",
        )  # fmt: skip

    def _hear(self, line: str) -> None:
        if line.startswith("log boot"):
            self.booted.set()
        elif line == "beep ok":
            self._ok = True
            self._tick(self, True)
        elif line.startswith("beep"):
            self._clean = False
        elif line.startswith("print bills ") and self._ok:
            self.heard.add(int(line.rpartition(" ")[2].replace(".", "")))
            self._ok = False

    async def work(self) -> None:
        while not self.is_closing:
            await self.window.wait_power(PATIENCE_S)
            number = len(self.counted) + 1
            rows = [(10000, number // 100 + 1), (100, number % 100 + 1)]
            self._last, self._clean = value_cents(rows), True
            self.counted.add(self._last)
            self._tick(self, False)
            await self.window.count_bills(rows)
            await self.window.wait_beep(2)
            while (
                self._ok and not self.is_closing
            ):  # the display names the count right after its beep
                await asyncio.sleep(1 / 1000)

    def cut(self) -> None:
        self.booted.clear()
        self.window.cut()
        if self._ok and self._clean:  # heard, and killed before the display could name it
            self.heard.add(self._last)
        self._ok = False
