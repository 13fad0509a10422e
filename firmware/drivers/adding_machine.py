"""The adding machine that a counting room has in its fingers: entry first, then the key that says
what to do with it. Pure.

Integer minor units only. Sources: Sharp CS-2194H, EL-2607R, QS-2760H and Canon MP37-MG manuals: `#`
right after an entry prints it at the left and adds nothing; `<>` prints and keeps; `*` prints and
clears; GT prints and clears; the item count goes up with
+ and down with -, has three digits and starts again from zero. `+` again repeats the last entry:
common usage, in no manual.
"""

from protocol.compat import const
from protocol.records import limit_of

AMOUNT_MINOR_MAX = limit_of(
    "amount_minor"
)  # what a tape line can carry; anything above is an overflow
_ENTRY_CHARS_MAX = const(13)  # twelve digits and a point
_ITEMS_MAX = const(999)
_DECIMALS = const(2)


class AddingMachine:
    """`press` a key's label; the tape line that it printed comes back, or None."""

    def __init__(self, currency: str):
        self._currency = currency
        self.add_mode = True  # two implied decimals; the ADD key toggles it
        self.overflow = False
        self._entry = ""  # as typed
        self._total = 0
        self._items = 0
        self._grand = 0
        self._grand_items = 0
        self._repeat = None  # the amount of the last + or -, while nothing else was pressed
        self._line_no = 0

    def press(self, key: str):
        """The tape line of this key as an event, or None. An unknown label is ignored."""
        if key == "C":
            return self._clear()
        if self.overflow:
            return None
        if key.isdigit() or key == ".":
            return self._type(key)
        if key == "BS":
            self._entry = self._entry[:-1]
        elif key == "ADD":
            self.add_mode = not self.add_mode
        elif key in ("+", "-"):
            return self._add(key)
        elif key == "#" and self._entry:
            left, self._entry = self._entry, ""
            self._repeat = None
            return self._line(left, 0, key)
        elif key in ("<>", "*", "GT"):
            return self._print_total(key)
        return None

    def _type(self, key: str):
        if key == ".":
            if "." not in self._entry:
                self._entry += key
            return None
        _, point, decimals = self._entry.partition(".")
        if point:
            key = key[
                : _DECIMALS - len(decimals)
            ]  # money has no third decimal: the key does nothing, as the display shows
        if (
            len(self._entry) + len(key) > _ENTRY_CHARS_MAX
            or self._minor_of(self._entry + key) > AMOUNT_MINOR_MAX
        ):
            return self._overflowed()
        self._entry += key
        return None

    def _minor_of(self, entry: str) -> int:
        """Minor units of an entry: 12.3 is 1230; 1234 is 1234 in add mode and 123400 without."""
        whole, point, decimals = entry.partition(".")
        if point:
            return int(whole or "0") * 100 + int((decimals + "00")[:_DECIMALS])
        return int(whole or "0") * (1 if self.add_mode else 100)

    def _add(self, key: str):
        amount = self._minor_of(self._entry) if self._entry else self._repeat
        if amount is None:
            return None
        total = self._total + (amount if key == "+" else -amount)
        if amount > AMOUNT_MINOR_MAX or abs(total) > AMOUNT_MINOR_MAX:
            return self._overflowed()
        self._total = total
        self._items += 1 if key == "+" else -1
        if abs(self._items) > _ITEMS_MAX:
            self._items = 0
        self._entry = ""
        self._repeat = amount
        return self._line("", amount, key)

    def _print_total(self, key: str):
        self._entry = ""  # typed, but no + or - said what to do with it
        self._repeat = None
        if key == "GT":
            line = self._line("%d" % self._grand_items, self._grand, key)
            self._grand = 0
            self._grand_items = 0
            return line
        if key == "<>":
            return self._line("%03d" % self._items, self._total, key)
        if abs(self._grand + self._total) > AMOUNT_MINOR_MAX:
            return self._overflowed()
        self._grand += self._total
        self._grand_items += 1
        line = self._line("%03d" % self._items, self._total, key)
        self._total = 0
        self._items = 0
        return line

    def _clear(self):
        """C: the entry alone when there is one; else the total and the item count; after an
        overflow everything.
        """
        self._repeat = None
        if self._entry and not self.overflow:
            self._entry = ""
            return None
        had = self._total or self._items or self.overflow
        if self.overflow:
            self._grand = 0
            self._grand_items = 0
        self.overflow = False
        self._entry = ""
        self._total = 0
        self._items = 0
        return self._line("", 0, "C") if had else None

    def _overflowed(self):
        self.overflow = True
        return self._line("", 0, "E")

    def _line(self, left: str, amount: int, symbol: str) -> dict:
        self._line_no += 1
        return {
            "kind": "tape",
            "line_no": self._line_no,
            "left": left,
            "amount_minor": amount,
            "symbol": symbol,
            "currency": self._currency,
        }
