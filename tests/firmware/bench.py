"""The real firmware process for tests: the staged tree on MicroPython, at a bench, and a gateway to
talk to.
"""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from firmware.journal import SECTOR_BYTES, Journal, JournalFull
from gateway.broker.process import HOST, Broker, EmbeddedBroker
from gateway.clock import Clock
from gateway.delivery.ingest import Ingest
from gateway.delivery.service import Service, ServiceSettings
from gateway.devices.keys import KeyStore, create_key
from gateway.facts.records import SeenRecord
from gateway.fleet.boards import load_board
from gateway.fleet.stage import stage
from gateway.store.ledger import Ledger
from protocol.records import encode_record
from simulators.window import Window

SITE = "city"
DEVICE = "w1"
MICROPYTHON = str(Path(sys.executable).with_name("micropython"))
HEAP = "heapsize=190K"  # what a board has
COINS = [(100, 7), (25, 40), (10, 50), (5, 40), (1, 50)]
PATIENCE = 60  # seconds, for a busy machine; nothing waits so long when all is well


def staged(
    folder: Path, port: int, key_hex: str, tables: Mapping[str, Mapping[str, Any]] | None = None
) -> Path:
    """The unix board's tree in `folder`/tree; `tables` overrides values of boards.toml, {"journal":
    {"sectors": 3}}.
    """
    board = load_board("unix")
    if tables:
        board = replace(
            board,
            tables={
                **board.tables,
                **{name: {**board.tables[name], **more} for name, more in tables.items()},
            },
        )
    site = {
        "site": SITE, "device": DEVICE, "broker_host": HOST, "broker_port": port,
        "key_hex": key_hex, "key_number": 1, "currency": "USD",
    }  # fmt: skip
    return stage(board, None, folder / "tree", site).folder


def bench(folder: Path, tree: Path, **options: Any) -> Window:
    """A window whose board runs the tree; its flash is `folder`/flash.img."""
    environment = {"TILL_FLASH": str(folder / "flash.img"), "MICROPYPATH": ".:.frozen"}
    argv = [MICROPYTHON, "-X", HEAP, "main.py"]
    return Window(
        DEVICE,
        argv,
        tree,
        environment,
        console=folder / "console.txt",
        **{"byte_rate": None, **options},
    )


class FileFlash:
    """A blank NOR flash image in a file, as the journal wants it."""

    def __init__(self, path: Path, sectors: int) -> None:
        path.write_bytes(b"\xff" * SECTOR_BYTES * sectors)
        self._file = path.open("r+b")
        self._sectors = sectors

    def ioctl(self, op: int, arg: int) -> int:
        if op == 6:
            self._file.seek(arg * SECTOR_BYTES)
            self._file.write(b"\xff" * SECTOR_BYTES)
        return self._sectors if op == 4 else 0

    def readblocks(self, block: int, buf: bytearray, offset: int) -> None:
        self._file.seek(block * SECTOR_BYTES + offset)
        self._file.readinto(buf)

    def writeblocks(self, block: int, buf: bytes, offset: int) -> None:
        before = bytearray(len(buf))
        self.readblocks(block, before, offset)
        self._file.seek(block * SECTOR_BYTES + offset)
        self._file.write(bytes(a & b for a, b in zip(before, buf, strict=True)))

    def close(self) -> None:
        self._file.close()


def fill(path: Path, sectors: int, records_max: int = 1 << 31) -> int:
    """Write a flash image whose journal holds unacknowledged tallies of quarters: so many, or until
    it is full. Returns how many.
    """
    flash = FileFlash(path, sectors)
    journal = Journal(flash)
    try:
        while journal.last_seq < records_max:
            rows = [(25, journal.last_seq)]
            tally = {
                "kind": "tally", "boot": 1, "uptime_ms": 123456789, "instrument": "coins",
                "batch_id": "1-2-3", "currency": "USD", "rows": rows,
                "total_minor": 25 * journal.last_seq, "evidence": "manual", "digest": bytes(8),
            }  # fmt: skip
            journal.append(encode_record(tally))
    except JournalFull:
        pass
    flash.close()
    return journal.last_seq


async def until(window: Window, is_so: Callable[[], Any], what: str) -> Any:
    """The first answer of `is_so` that is not nothing: asked whenever the board speaks, and now and
    then.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                found = is_so()
                if found:
                    return found
                window._news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(window._news.wait(), 1 / 50)
    except TimeoutError:
        raise AssertionError(
            f"not within {PATIENCE} s: {what}; board: {list(window.remarks)[-5:]}"
        ) from None


def heap_bytes() -> int:
    """What the collector has in all under HEAP, its own tables left out."""
    command = [MICROPYTHON, "-X", HEAP, "-c", "import gc; print(gc.mem_alloc() + gc.mem_free())"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


async def a_busy_window(folder: Path, tree: Path, listener: Any, act: Any = None) -> None:
    """A window whose board sends all that it may, then is used while its journal is full; `act`
    is awaited with it before the last heartbeats.
    """
    window = bench(folder, tree, report_gap_ms=1)
    try:
        assert await window.start(PATIENCE), (folder / "console.txt").read_text()
        await until(window, lambda: len(listener.sent) >= 64, "64 records sent")
        for _ in range(4):
            await window.count_coins(COINS)
            await window.count_bills([(2000, 5), (500, 3)])
            await window.open_drawer()
            await window.key("12.34+")
        if act is not None:
            await act(window)
        seen = len(listener.states)
        await until(window, lambda: len(listener.states) >= seen + 6, "six more heartbeats")
    finally:
        await window.stop()


class Office:
    """A broker, a ledger and a gateway that serves until `close`. `seen` is every record, in the
    order of its COMMIT.
    """

    def __init__(self, folder: Path, broker: Broker | None = None) -> None:
        self.key = create_key(folder / "keys", DEVICE)
        self.broker = (broker or EmbeddedBroker()).start()
        self.ledger_file = folder / "ledger.db"
        self.seen: list[SeenRecord] = []
        self._keys = KeyStore(folder / "keys")
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> "Office":
        """Serve from now on."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE), "the gateway does not come up"
        return self

    def _serve(self) -> None:
        ledger = Ledger.open(self.ledger_file)
        settings = ServiceSettings(SITE, broker_host=HOST, broker_port=self.broker.port)
        self.service = Service(
            settings, Ingest(ledger, self._keys, Clock(), SITE), self.seen.append
        )
        self._ready.set()
        self.service.run(self._stop)
        ledger.close()

    def close(self) -> None:
        """Stop serving and end the broker."""
        self._stop.set()
        if self._thread is not None:
            self.service.wake()
            self._thread.join(PATIENCE)
        self.broker.stop()

    def kinds(self, kind: str) -> list[dict[str, Any]]:
        """The fields of every record of a kind."""
        return [record.fields for record in list(self.seen) if record.kind == kind]
