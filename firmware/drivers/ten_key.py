"""The cashier's pad: scanned keys go to the adding machine, or to the mark that is being keyed.

The line of a mark or tape is printed for the cashier's eyes; the record is the event. The device
only says what was keyed: what a mark means for the money is the gateway's business.
"""

from firmware.drivers.adding_machine import AddingMachine
from firmware.drivers.base import format_minor, ticks_diff
from firmware.drivers.key_matrix import KeyMatrix
from protocol.compat import const
from protocol.records import limit_of

_COLUMNS = const(5)
_ROWS = const(5)
KEYS = (
    "C", "GT", "#", "<>", "*",
    "7", "8", "9", "-", "MARK",
    "4", "5", "6", "+", "ADD",
    "1", "2", "3", "00", "BS",
    "0", "000", ".", "", "",
)  # fmt: skip
_LINES_MAX = const(16)  # lines that wait to be shown; older ones go

VALUE_MAX = limit_of("value")
_IDLE_MS = const(60000)  # a mark begun and left lying would swallow the next keys

_MARK_NAMES = limit_of("mark")  # the marks of the digits 1 to 9 and 0, in this order
_MAY_HAVE_VALUE = const((0, 1, 2, 3))  # card_total, sign_on, opening_float, drop
_MUST_HAVE_VALUE = const((0, 1))


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
        """Events after one scan of the matrix, `rows` as KeyMatrix.scan has them; call it as often
        as the loop turns.
        """
        events = []
        pressed, notes = self._matrix.scan(rows, now_ms)
        for condition, key in notes:
            detail = (
                "several keys at once: release all"
                if key < 0
                else "key %s is held down" % (KEYS[key] or "none")
            )
            events.append(
                {
                    "kind": "instrument",
                    "instrument": self._name,
                    "condition": condition,
                    "detail": detail,
                }
            )
            self._say("%s: %s" % (condition, detail))
        for key in pressed:
            self._pressed_ms = now_ms
            self._press(KEYS[key], events)
        if self._marks.active and ticks_diff(now_ms, self._pressed_ms) > _IDLE_MS:
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

    def _press(self, key: str, events: list) -> None:
        if not key:
            return
        if self._marks.active or key == "MARK":
            event, message = self._marks.press(key)
            if message:
                self._say(message)
        else:
            event = self.machine.press(key)
            if event:
                self._say(tape_text(event))
            elif key == "ADD":
                self._say("add mode on" if self.machine.add_mode else "add mode off")
        if event:
            events.append(event)

    def _say(self, line: str) -> None:
        if line:
            self._lines = self._lines[-(_LINES_MAX - 1) :] + [line]


def tape_text(line: dict) -> str:
    """One line of the paper tape: what stands at the left, the amount, the symbol."""
    symbol = line["symbol"]
    amount = "" if symbol in ("#", "C", "E") else format_minor(line["amount_minor"])
    return "%-8s%14s %s" % (line["left"], amount, symbol)


class Marks:
    """The marks between counts: MARK, which, an optional value, MARK.

    `press` every key while `active`, and MARK at any time: (event or None, message or "") comes
    back.
    """

    def __init__(self):
        self.active = False
        self._which = -1
        self._value = ""

    def press(self, key: str) -> tuple:
        """The mark's event when this key confirmed it; else what the display should say."""
        if not self.active:
            self.active = key == "MARK"
            self._which = -1
            self._value = ""
            return None, "mark? 1 sign on 2 float 3 drop" if self.active else ""
        if key == "MARK":
            if self._which < 0:
                return self.cancel("no mark")
            name = _MARK_NAMES[self._which - 1]
            if self._which in _MUST_HAVE_VALUE and not self._value:
                return self.cancel("%s needs a number" % name)
            self.active = False
            event = {"kind": "mark", "mark": name}
            if self._value:
                event["value"] = int(self._value)
            return event, ""
        if key == "C":
            return self.cancel("key C")
        if self._which < 0:
            if len(key) == 1 and key.isdigit():
                self._which = int(key)
                return None, "mark " + _MARK_NAMES[self._which - 1]
            return self.cancel("no mark %s" % key)
        name = _MARK_NAMES[self._which - 1]
        if key == "BS":
            self._value = self._value[:-1]
        elif not key.isdigit():
            return self.cancel("key %s" % key)
        elif self._which not in _MAY_HAVE_VALUE:
            return self.cancel("%s takes no value" % name)
        elif int(self._value + key) > VALUE_MAX:
            return self.cancel("value too high")
        else:
            self._value += key
        return None, ("mark %s %s" % (name, self._value)).rstrip()

    def cancel(self, why: str) -> tuple:
        """Nothing was marked."""
        self.active = False
        return None, "mark cancelled: " + why
