"""A technician's bench: a virtual board with four simulated machines, on a port that `till flash`
recognises.

    bills 20.00x5 1.00x3   put notes through the bill counter
    coins 0.25x8           pour coins into the sorter
    drawer                 open and shut the drawer
    key 12.34+             press keys: an amount, total, subtotal, 396#
    key keys MARK 5 C      press these keys, wrong ones too
    mark close             key a mark: opening_float drop checks_tape close
                             recount void_last_batch checkpoint done suspend resume end
    mark drop 1500         key a mark with its value: card_total, money_order, other, surprise
                             and sign_on need one, opening_float and drop may have one
    break bills jam        the next batch of a machine goes wrong
    power off | on         cut the board's power, give it back
    help, quit

Lines come from standard input, so a visit at the bench can be written as a script.
"""

import asyncio
import contextlib
import shlex
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from simulators.instruments.faults import KNOBS
from simulators.instruments.machine import MachineError
from simulators.instruments.ten_key import PadError
from simulators.virtual_board import VirtualBoard
from simulators.window import Window

BEEP_S = 5
OTHERS = "other machines: till sim instrument"


class BenchError(ValueError):
    """A line that the bench does not understand. The text says which lines it understands."""


def main(name: str, folder: Path, run_folder: Path) -> int:
    """Plug in a board and do what the lines say until `quit` or the end of input.

    folder      what is on the board's flash: survives this program
    run_folder  where the board declares its port
    """
    folder.mkdir(parents=True, exist_ok=True)
    window = Window(name, on_line=lambda text: print(f"  {text}", flush=True))
    environment = {"TILL_FLASH": str(folder.resolve() / "journal.img")}
    with VirtualBoard(name, folder / "flash", run_folder, window.channels, environment) as board:
        window.board = board
        print(
            f"board {name}: {board.port}, files in {folder / 'flash'}; flash it with: till flash"
            f" {name}",
            flush=True,
        )
        print(
            "it plays a note counter (jetscan) on the wire bills and a coin sorter (mach) on"
            f" coins; {OTHERS}",
            flush=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(window))
    return 0


async def _serve(window: Window) -> None:
    lines: asyncio.Queue[str] = asyncio.Queue()
    reading = threading.Thread(
        target=_read, args=(asyncio.get_running_loop(), lines), daemon=True
    )  # it never delays the end
    await window.start(timeout=1)  # silent until it is flashed
    reading.start()
    try:
        while True:
            line = await lines.get()
            if not line or line.strip() == "quit":
                return
            try:
                await act(window, line)
            except (BenchError, PadError, MachineError) as error:
                print(f"  {error}", flush=True)
    finally:
        await window.stop()


def _read(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str]) -> None:
    """Every line of standard input, then an empty one. Read by its descriptor, because the lock of
    sys.stdin would block Ctrl-C.
    """
    rest = b""
    gone = contextlib.suppress(RuntimeError)  # the loop has ended: nobody listens any more
    with gone, open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as file:
        while data := file.read(4096):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace") + "\n")
        for line in (rest, b""):
            loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace"))


async def act(window: Window, line: str) -> None:
    """Do what one line says; BenchError, PadError or MachineError when that is not possible."""
    words = shlex.split(line, comments=True)
    if not words:
        return
    verb, rest = words[0], words[1:]
    if verb in ("bills", "coins") and rest:
        rows = [rows_of(word) for word in rest]
        await (window.count_bills(rows) if verb == "bills" else window.count_coins(rows))
        print(f"  heard: {await window.wait_beep(BEEP_S) or 'no beep'}", flush=True)
    elif verb == "drawer" and not rest:
        await window.open_drawer(200)
    elif verb == "key" and rest:
        await window.key(" ".join(rest))
    elif verb == "mark" and len(rest) in (1, 2):
        await window.key(" ".join(words))
    elif verb == "power" and rest in (["off"], ["on"]):
        switch: Callable[[], None] = window.cut if rest == ["off"] else window.supply
        switch()
    elif verb == "break" and len(rest) == 2 and rest[0] in ("bills", "coins"):
        if rest[1] not in KNOBS:
            raise BenchError(f"no fault {rest[1]!r}; there are {', '.join(sorted(KNOBS))}")
        (window.bills if rest[0] == "bills" else window.coins).faults.arm(rest[1])
    else:
        print(__doc__, flush=True)


def rows_of(word: str) -> tuple[int, int]:
    """(denomination in cents, pieces) of a word such as 20.00x5."""
    amount, times, pieces = word.partition("x")
    whole, _, cents = amount.partition(".")
    if (
        not times
        or not whole.isdecimal()
        or len(cents) not in (0, 2)
        or not (cents or "0").isdecimal()
        or not pieces.isdecimal()
    ):
        raise BenchError(f"{word!r} is no denomination and pieces, such as 20.00x5")
    return int(whole) * 100 + int(cents or "0"), int(pieces)
