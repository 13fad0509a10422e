"""The cashier's pad: scanned keys go to the adding machine, or to the mark that is being keyed.

The line of a mark or tape is printed for the cashier's eyes; the record is the event.
"""

from firmware.drivers.adding_machine import AddingMachine
from firmware.drivers.base import format_minor, ticks_diff
from firmware.drivers.key_matrix import KeyMatrix
from firmware.drivers.marks import IDLE_MS, Marks
from protocol.compat import const

_COLUMNS = const(5)
_ROWS = const(5)
KEYS = (
    "C", "GT", "#", "<>", "*",
    "7", "8", "9", "-", "MARK",
    "4", "5", "6", "+", "ADD",
    "1", "2", "3", "00", "BS",
    "0", "000", ".", "", "",
)  # fmt: skip
LINES_MAX = const(16)  # lines that wait to be shown; older ones go


class TenKey:
    """Config: name ("pad"), currency ("USD"). `scan` the matrix, `take_lines` for the display."""

    def __init__(self, config: dict):
        self._name = config.get("name", "pad")
        self._matrix = KeyMatrix(_ROWS, _COLUMNS)
        self.machine = AddingMachine(config.get("currency", "USD"))
        self._marks = Marks()
        self._pressed_ms = 0
        self._lines = []

    def scan(self, rows: list, now_ms: int) -> list:
        """Events after one scan of the matrix, `rows` as KeyMatrix.scan has them; call it as often as the loop turns."""
        events = []
        pressed, notes = self._matrix.scan(rows, now_ms)
        for condition, key in notes:
            detail = "several keys at once: release all" if key < 0 else "key %s is held down" % (KEYS[key] or "none")
            events.append({"kind": "instrument", "instrument": self._name, "condition": condition, "detail": detail})
            self._say("%s: %s" % (condition, detail))
        for key in pressed:
            self._pressed_ms = now_ms
            self._press(KEYS[key], events)
        if self._marks.active and ticks_diff(now_ms, self._pressed_ms) > IDLE_MS:
            self._say(self._marks.cancel("too late")[1])
        return events

    @property
    def busy(self) -> bool:
        """True while a finger is on the pad."""
        return self._matrix.busy

    def take_lines(self) -> list:
        """The texts that the display has not shown yet, oldest first."""
        lines, self._lines = self._lines, []
        return lines

    def _press(self, label: str, events: list) -> None:
        if not label:
            return
        if self._marks.active or label == "MARK":
            event, message = self._marks.press(label)
            if message:
                self._say(message)
        else:
            event = self.machine.press(label)
            if event:
                self._say(tape_text(event))
            elif label == "ADD":
                self._say("add mode on" if self.machine.add_mode else "add mode off")
        if event:
            events.append(event)

    def _say(self, line: str) -> None:
        if line:
            self._lines = self._lines[-(LINES_MAX - 1) :] + [line]


def tape_text(line: dict) -> str:
    """One line of the paper tape: what stands at the left, the amount, the symbol."""
    symbol = line["symbol"]
    amount = "" if symbol in ("#", "C", "E") else format_minor(line["amount_minor"])
    return "%-8s%14s %s" % (line["left"], amount, symbol)
