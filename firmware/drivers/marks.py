"""The marks that a cashier keys between counts: MARK, which, an optional value, MARK. Pure.

The device only says what was keyed. What a mark means for the money is the gateway's business.
"""

from protocol.compat import const
from protocol.records import limit_of

VALUE_MAX = limit_of("value")
IDLE_MS = const(60000)  # a mark begun and left lying would swallow the next keys

_NAMES = limit_of("mark")  # the marks of the digits 1 to 9 and 0, in this order
_MAY_HAVE_VALUE = const((0, 1, 2, 3))  # card_total, sign_on, opening_float, drop
_MUST_HAVE_VALUE = const((0, 1))


def name_of(digit: int) -> str:
    """The mark of a digit: 1 sign_on, 2 opening_float ... 9 done, 0 card_total."""
    return _NAMES[digit - 1]


class Marks:
    """`press` every key while `active`, and MARK at any time: (event or None, message or "") comes back."""

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
            return self._confirm()
        if key == "C":
            return self.cancel("cleared")
        if self._which < 0:
            if len(key) == 1 and key.isdigit():
                self._which = int(key)
                return None, "mark " + name_of(self._which)
            return self.cancel("no mark %s" % key)
        name = name_of(self._which)
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

    def _confirm(self) -> tuple:
        if self._which < 0:
            return self.cancel("no digit")
        name = name_of(self._which)
        if self._which in _MUST_HAVE_VALUE and not self._value:
            return self.cancel("%s needs a number" % name)
        self.active = False
        event = {"kind": "mark", "mark": name}
        if self._value:
            event["value"] = int(self._value)
        return event, ""
