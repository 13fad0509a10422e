"""What the proofs of delivery share: a staged board, what its flash holds, and how a ledger is
judged.
"""

import random
import socket
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from firmware.sectors import SECTOR_BYTES
from gateway.broker.process import HOST
from gateway.config import LedgerServer
from gateway.fleet import stage as staging
from gateway.fleet.boards import boards_file, load_board
from gateway.fleet.stage import sources, stage
from gateway.store.engine import SqliteDb
from gateway.store.ledger import Ledger
from tests.house import planting

SITE = "city"
PATIENCE_S = 60  # far more than a busy machine needs; anything longer has failed
QUIET_PORTS = (
    20_000,
    32_000,
)  # below the kernel's own choice: no client's socket takes the port of a broker that is down


def quiet_port() -> int:
    """A free port of 127.0.0.1 that stays free while its broker is dead. It does not depend on the
    seed, because two runs may have the same seed.
    """
    while True:
        port = random.SystemRandom().randrange(*QUIET_PORTS)
        with socket.socket() as listener:
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
            return port


def staged(
    folder: Path,
    device: str,
    port: int,
    key_hex: str,
    tables: Mapping[str, Mapping[str, Any]],
    planted: Mapping[str, Mapping[str, str]] | None = None,
) -> Path:
    """The unix board's tree in `folder`/tree. Its bills have the profile `columns`: a report ends
    with a word, not with a pause.

    `planted`: {module: {text: what stands there instead}}, the bugs of a control.
    """
    text = boards_file().read_text("utf-8")
    declared = folder / "boards.toml"
    declared.write_text(text.replace('profile = "jetscan"', 'profile = "columns"'), "utf-8")
    board = load_board("unix", path=declared)
    board = replace(
        board,
        tables={
            **board.tables,
            **{name: {**board.tables[name], **more} for name, more in tables.items()},
        },
    )
    site = {
        "site": SITE, "device": device, "broker_host": HOST, "broker_port": port,
        "key_hex": key_hex, "key_number": 1, "currency": "USD",
    }  # fmt: skip
    with mock.patch.object(
        staging, "sources", lambda board: _planted(folder, sources(board), planted or {})
    ):
        return stage(board, None, folder / "tree", site).folder


def _planted(
    folder: Path, every: list[tuple[Path, str]], planted: Mapping[str, Mapping[str, str]]
) -> list[tuple[Path, str]]:
    swapped = []
    for path, name in every:
        text = path.read_text("utf-8")
        for old, new in planted.get(name, {}).items():
            text = planting.planted(text, old, new, name)
        if name in planted:
            path = folder / Path(name).name
            path.write_text(text, "utf-8")
        swapped.append((path, name))
    return swapped


class Flash:
    """A copy of a board's flash, as a block device; `Journal(Flash(image))` is what the board's
    next start would find.
    """

    def __init__(self, image: bytes) -> None:
        self._image = bytearray(image)

    def ioctl(self, op: int, block: int) -> int:
        if op == 6:
            self._image[block * SECTOR_BYTES : (block + 1) * SECTOR_BYTES] = b"\xff" * SECTOR_BYTES
        return len(self._image) // SECTOR_BYTES if op == 4 else 0

    def readblocks(self, block: int, buf: Any, offset: int) -> None:
        at = block * SECTOR_BYTES + offset
        buf[:] = self._image[at : at + len(buf)]

    def writeblocks(self, block: int, buf: bytes, offset: int) -> None:
        at = block * SECTOR_BYTES + offset
        for i, byte in enumerate(buf):
            self._image[at + i] &= byte


def judge(
    place: Path | LedgerServer,
    heard: Mapping[str, Set[int]],
    counted: Mapping[str, Set[int]],
    told: Set[str] = frozenset(),
) -> dict[str, int]:
    """{records, lost, twice, foreign, unheard, duplicates, unsound} of a ledger after the faults
    stopped.

    A batch is known by its device and its total in cents. `heard`: the board said "ok", so the
    batch must be there once; `counted`: it went through the machine, so it may be there at most
    once; any other batch is foreign. `unheard`: recorded once, although a kill stopped the beep.
    `duplicates`: records that came again and added nothing. `unsound`: findings of verify and
    integrity_check, gap rows, further streams of a device, refused messages and incidents of other
    kinds than `told` (see `oddities`).
    """
    with Ledger.open(place, create=False) as ledger:
        times: Counter[tuple[str, int]] = Counter()
        records = 0
        for record in ledger.records():
            records += 1
            if record.kind == "tally":
                times[record.device, record.fields["total_minor"]] += 1
        promised = {(device, cents) for device, every in heard.items() for cents in every}
        possible = {(device, cents) for device, every in counted.items() for cents in every}
        return {
            "records": records,
            "lost": len(promised - set(times)),
            "twice": sum(count - 1 for count in times.values()),
            "foreign": len(set(times) - possible),
            "unheard": len(set(times) - promised),
            "duplicates": sum(
                count for (_, name), count in ledger.counters().items() if name == "duplicates"
            ),
            "unsound": len(oddities(ledger, counted, told)),
        }


def oddities(ledger: Ledger, counted: Mapping[str, Set[int]], told: Set[str]) -> list[str]:
    """What `judge` calls unsound, in words."""
    found = [finding.text for finding in ledger.verify()]
    if isinstance(ledger.db, SqliteDb):  # a server checks its pages as it reads them
        checked = ledger.db.execute("PRAGMA integrity_check")
        found += [f"file: {text}" for (text,) in checked if text != "ok"]
    found += [f"gap: {gap}" for gap in ledger.gaps()]
    found += [f"refused: {refused}" for refused in ledger.quarantine()]
    found += [f"{each['kind']}: {each['text']}" for each in ledger.incidents()
              if each["kind"] not in told]  # fmt: skip
    streams = [f"{row['device']} epoch {row['epoch']}" for row in ledger.cursors()]
    found += [f"stream {each}" for each in streams[len(counted) :]]
    found += ["a board was never heard"] * (len(counted) - len(streams))
    return found
