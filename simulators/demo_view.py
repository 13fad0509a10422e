"""What somebody who watches the demo sees: a panel for each window, what goes wrong, and the keys.
Silent when nobody watches.
"""

import asyncio
import contextlib
import datetime
import os
import sys
import termios
import tty
import zoneinfo
from collections import deque
from collections.abc import Iterable, Iterator

from rich.columns import Columns
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from simulators.demo_faults import BACK, LOST, Faults
from simulators.demo_site import ZONE

LINES = 8
NEWS = 6
PANEL_WIDTH = 38
KEYS_MAX = 64  # read at once
KEYS = "keys: p cut a window's power   b kill the broker   j jam a bill counter   Ctrl-C end"
BEEPS = {
    "ok": ("beep", "green"),
    "warn": ("beep beep", "yellow"),
    "error": ("BEEEEP", "red"),
    "full": ("BEEEEEEP", "red"),
}


def is_trouble(text: str) -> bool:
    """Something broke or was repaired."""
    return text.endswith((" LOST", "is back"))


def _padded(lines: Iterable[Text], count: int) -> Text:
    """The lines, and empty ones up to `count`: a panel keeps its height, and grows where its lines
    wrap rather than hide the newest.
    """
    shown = list(lines)
    return Text("\n").join(shown + [Text("")] * (count - len(shown)))


class Silent:
    """Nobody watches; a script gets one line for each thing that goes wrong, on standard error."""

    def __init__(self, show: bool = True) -> None:
        self._show = show

    @contextlib.contextmanager
    def open(self, faults: Faults) -> Iterator[None]:
        yield

    def say(self, window: str, text: str, trouble: str = "") -> None:
        if self._show and (not window or trouble):
            print(f"{window or 'office'}: {text}", file=sys.stderr)

    def heard(self, window: str, text: str) -> None:
        """Nothing: beeps are for cashiers."""

    def clock(self, utc_ms: int) -> None:
        """Nothing: the report has the times."""


class View:
    """A live terminal view."""

    def __init__(self, windows: int) -> None:
        self._lines: dict[str, deque[Text]] = {
            f"w{number}": deque(maxlen=LINES) for number in range(1, windows + 1)
        }
        self._news: deque[Text] = deque(maxlen=NEWS)
        self._zone = zoneinfo.ZoneInfo(ZONE)
        self._time = ""
        self._live = Live(get_renderable=self._render, refresh_per_second=12)

    @contextlib.contextmanager
    def open(self, faults: Faults) -> Iterator[None]:
        """Show it; keys reach `faults` while it is shown, when a terminal has them."""
        with self._live, self._keys(faults):
            yield

    def say(self, window: str, text: str, trouble: str = "") -> None:
        """What a cashier does, or with window "" what happens in the office. `trouble`: LOST or
        BACK, when something broke or was mended.
        """
        style = {LOST: "bold red", BACK: "bold green"}.get(trouble, "")
        if window and not style:
            self._lines[window].append(Text(text, style="dim"))
        else:
            self._news.append(Text(f"{self._time}  {window} {text}".strip(), style=style))

    def heard(self, window: str, text: str) -> None:
        """What the board says: its beeps, its display, its remarks."""
        kind, _, rest = text.partition(" ")
        if kind == "beep" and rest in BEEPS:
            sound, style = BEEPS[rest]
            self._lines[window].append(Text(f"  {sound}", style=style))
        elif kind == "print":
            self._lines[window].append(Text(f"  {rest}"))
        elif kind == "log":
            self._lines[window].append(Text(f"  ({rest})", style="dim"))

    def clock(self, utc_ms: int) -> None:
        self._time = datetime.datetime.fromtimestamp(utc_ms // 1000, self._zone).strftime("%H:%M")

    def _render(self) -> Group:
        panels = [
            Panel(_padded(lines, LINES), title=f"window {name}", width=PANEL_WIDTH)
            for name, lines in self._lines.items()
        ]
        # On top: of a view that is higher than the terminal, the lower end is not shown.
        news = Panel(_padded(self._news, NEWS), title=f"office {self._time}")
        return Group(
            news, *([Text(KEYS, style="dim")] if sys.stdin.isatty() else []), Columns(panels)
        )

    @contextlib.contextmanager
    def _keys(self, faults: Faults) -> Iterator[None]:
        if not sys.stdin.isatty():
            yield
            return
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        loop = asyncio.get_running_loop()

        def pressed() -> None:
            for key in os.read(terminal, KEYS_MAX):
                faults.press(chr(key))

        tty.setcbreak(terminal)
        loop.add_reader(terminal, pressed)
        try:
            yield
        finally:
            loop.remove_reader(terminal)
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
