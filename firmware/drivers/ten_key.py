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
_KEYED_CHARS_MAX = const(24)  # of a value, wrong keys and noughts in front included
_IDLE_MS = const(60000)  # a mark begun and left lying would swallow the next keys

# the marks of the keys 1 to 9, 0, 00, 000 and _MORE are numbers 1 to 16 of limit_of("mark"), looked
# up at each key: kept, their names are 700 bytes of heap
_MORE = const(".+#-")
_PAGES = const(8)  # of the display: two marks each
# opening_float, drop; and sign_on, card_total, money_order, other, surprise
_MAY_HAVE_VALUE = const((2, 3))
_MUST_HAVE_VALUE = const((1, 10, 11, 12, 15))


class TenKey:
    """Config: name ("pad"), currency ("USD"). `scan` the matrix, `pop_signals` for the cashier."""

    def __init__(self, config: dict):
        self._name = config.get("name", "pad")
        self._matrix = KeyMatrix(_ROWS, _COLUMNS)
        self.machine = AddingMachine(config.get("currency", "USD"))
        self._marks = Marks()
        self._pressed_ms = 0
        self._signals = []

    def scan(self, rows: list, now_ms: int) -> list:
        """Events after one scan of the matrix, `rows` as KeyMatrix.scan has them; call it as often
        as the loop turns.
        """
        events = []
        pressed, notes = self._matrix.scan(rows, now_ms)
        for condition, key in notes:
            detail = (
                "several keys: release them all"
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
            self._say("", "%s: %s" % (condition, detail))
            if key < 0 and self._marks.active:
                self._press("?", events)  # a key of the mark was lost: it is refused
        for key in pressed:
            self._pressed_ms = now_ms
            self._press(KEYS[key], events)
        if self._marks.active and ticks_diff(now_ms, self._pressed_ms) > _IDLE_MS:
            self._say(*self._marks.refuse("too late")[1:])
        return events

    @property
    def busy(self) -> bool:
        """True while a finger is on the pad."""
        return self._matrix.busy

    def pop_signals(self) -> list:
        """(beep or "", text) of what the cashier has not been told yet, oldest first."""
        signals, self._signals = self._signals, []
        return signals

    def _press(self, key: str, events: list) -> None:
        if not key:
            return
        if self._marks.active or key == "MARK":
            event, beep, text = self._marks.press(key)
            self._say(beep, text)
        else:
            event = self.machine.press(key)
            if event:
                self._say("", tape_text(event))
            elif key == "ADD":
                self._say("", "add mode on" if self.machine.add_mode else "add mode off")
        if event:
            events.append(event)

    def _say(self, beep: str, text: str) -> None:
        if text:
            self._signals = self._signals[-(_LINES_MAX - 1) :] + [(beep, text)]


def _key_of(number: int) -> str:
    """The key of a mark: 1 to 9, then 0, 00 and 000, then those of _MORE."""
    return _MORE[number - 13] if number > 12 else "0" * (number - 9) or str(number)


def tape_text(line: dict) -> str:
    """One line of the paper tape: what stands at the left, the amount, the symbol."""
    symbol = line["symbol"]
    amount = "" if symbol in ("#", "C", "E") else format_minor(line["amount_minor"])
    return "%-8s%14s %s" % (line["left"], amount, symbol)


class Marks:
    """The marks between counts: MARK, which, an optional value, MARK.

        idle --MARK--> which? --its key--> value --MARK--> idle: told as an event, or refused
                       `<>`: next page <--BS-- keys, BS
                       MARK, C, a minute ----- C, a minute -> idle: nothing told

    Only MARK, C or a minute ends a mark: a wrong key never sends the next keys to the adding
    machine. What was keyed with it is judged at MARK, so that a refused mark can be keyed again
    from its start. `press` every key while `active`, and MARK at any time.
    """

    def __init__(self):
        self.active = False
        self._number = -1  # of the mark; below 0 none was keyed yet: -1 shows the first page
        self._value = ""  # as keyed, wrong keys included
        self._wrong = ""  # what the mark takes instead of this value

    def press(self, key: str) -> tuple:
        """(the mark's event when this key confirmed it or None, beep or "", text or "")."""
        if not self.active:
            self.active = True
            return self._ask("", 0)
        if key == "C":
            self.active = False
            return None, "", "mark cancelled"
        if self._number < 0:
            if key == "MARK":
                return self.refuse("no mark")
            if key == "<>":
                return self._ask("", -self._number % _PAGES)
            if key.isdigit():
                self._number = int(key) or 9 + len(key)
            elif key in _MORE:
                self._number = 13 + _MORE.find(key)
            else:
                return self._ask("error", -1 - self._number)
        elif key == "BS":
            if not self._value:
                return self._ask("", 0)
            self._value = self._value[:-1]
        elif key != "MARK":
            self._value = (self._value + (key if key.isdigit() else key[0]))[:_KEYED_CHARS_MAX]
        before = self._wrong
        self._wrong = self._judge(key == "MARK")
        name = limit_of("mark")[self._number - 1]
        text = ("mark %s %s %s" % (_key_of(self._number), name, self._value)).rstrip() + self._wrong
        if key != "MARK":
            return None, "error" if self._wrong and not before else "", text
        if self._wrong:
            return self.refuse(text)
        self.active = False
        event = {"kind": "mark", "mark": name}
        if self._value:
            event["value"] = int(self._value)
        return event, "", ""

    def refuse(self, why: str) -> tuple:
        """Nothing was marked."""
        self.active = False
        return None, "error", why + ": key it again"

    def _ask(self, beep: str, page: int) -> tuple:
        """Show two of the marks, and let one be chosen."""
        self._number = -1 - page
        self._value = ""
        self._wrong = ""
        first = 2 * page
        names = limit_of("mark")
        shown = (_key_of(first + 1), names[first], _key_of(first + 2), names[first + 1])
        return None, beep, "%s %s %s %s <>" % shown

    def _judge(self, is_whole: bool) -> str:
        """What is wrong with the value, "" for nothing."""
        value, must = self._value, self._number in _MUST_HAVE_VALUE
        if not value:
            return " needs a value" if is_whole and must else ""
        if not must and self._number not in _MAY_HAVE_VALUE:
            return " takes no value"
        if not value.isdigit():
            return " takes digits only"
        return " is too high" if len(value) == _KEYED_CHARS_MAX or int(value) > VALUE_MAX else ""
