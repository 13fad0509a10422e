"""What a ccTalk device's event window means in pieces of money: which events are new, which were
lost, which have a name, which are wrong.

The window holds the last five events, newest first; its counter goes from 255 to 1 and is 0 only
after power-up. With this protocol 255 events between two polls look like none. But those are 51
full windows: the polls would have to fail for minutes, and then the driver says that it lost sight.
Source: ccTalk Generic Specification v4.7, part 3.
"""

from firmware.drivers.acceptor import Acceptor
from firmware.drivers.cctalk_codes import code_of
from protocol.compat import const
from protocol.records import FLAG_REPRINT

_BILLS = const(159)
_WINDOW = const(10)
_LASTING = ("jam", "fault", "full", "stopped")
_NO_NAME = const("no name told")
_NOTHING = const(b"\0\0\0\0\0\0\0\0\0\0")


class Events(Acceptor):
    """The window and the names of one device; the start-up and the questions are Device's."""

    def __init__(self, instrument: str, settings: dict, currency: str):
        Acceptor.__init__(self, instrument, settings, currency)
        self.poll_header = settings["events"]
        self.is_bill = self.poll_header == _BILLS
        self._id_header = 157 if self.is_bill else 184
        self._country = settings.get("country") or currency[:2]
        self._scale = settings.get("unit_minor") or 0
        self._values = {}  # position: minor units; a text for what is not our money
        self._queue = []  # (header, data) to ask
        self._mask = self._master = -1  # inhibits as last read; -1 not known
        self._epoch = self._stated = 0  # stated: the last one that a tally names
        self._base = None  # (counter, window) up to which everything is stated
        self._is_inhibited = False  # the inhibits that we gave it are gone
        self._pending = 0  # type of the bill in escrow

    def resume(self, batch_id: str) -> None:
        """Go on after the last tally on flash: "serial-epoch-counter-window"."""
        try:
            serial, epoch, counter, window = batch_id.split("-")
            packed = bytes.fromhex(window)
            if len(packed) != _WINDOW or not 0 <= int(counter) <= 255 or int(epoch) < 0:
                return
            self._serial, self._epoch, self._batch = int(serial), int(epoch), int(counter)
            self._stated = self._epoch
        except ValueError:
            return
        self._base = self._batch, packed

    def begin(self) -> None:
        """The start-up from its first question."""

    def _lose(self, detail: str, pieces: int = 0) -> None:
        """A discrepancy. The new epoch makes a tally follow, so that we do not state it again after
        a restart.
        """
        self._epoch += 1
        self._tell("discrepancy", detail, pieces)

    def _reset(self) -> None:
        self._count("resets")
        self._mend(*_LASTING)
        self._tell("reset", "its counter began anew")
        self._lose("restarted: what it counted last is not known")
        self._mask = self._master = -1  # it was already stated that they are gone
        self.begin()

    def _first_window(self, counter: int, window: bytes) -> None:
        """The counter to go on from when no tally names one."""
        old = [at for at in range(0, _WINDOW, 2) if window[at]]
        if counter >= 5 or old:
            self._lose(
                "counter at %d when first seen; no tally holds that" % counter,
                len(old) if counter < 5 else 0,
            )
        self._state_up_to(counter, window, [])

    def _window(self, counter: int, window: bytes) -> None:
        """A window that was read twice alike: what is new in it, and whether that can be all."""
        inhibited, self._is_inhibited = self._is_inhibited, False
        if self._base is None:
            self._first_window(counter, window)
            return
        before, past = self._base
        step = (counter - before) % 255 if before else counter
        fits = step > 5 or window[2 * step :] == past[: _WINDOW - 2 * step]
        begun = (
            counter < 5 and window[2 * counter :] == _NOTHING[2 * counter :]
        )  # as it is after power-up
        fresh = min(step, 5)
        if not self._is_known(window[: 2 * (counter if begun and not fits else fresh)]):
            self._is_inhibited = inhibited
            return
        if not counter and before:
            fresh = 0
            self._reset()
        elif begun and (not fits or step >= 5):
            fresh = counter
            self._reset()
        elif not fits:
            fresh = 0
            self._lose("its events do not follow those before")
            self._quarantine(
                "events do not follow those before; count its box", bytes((counter,)) + window
            )
        elif inhibited and not [
            at for at in range(2 * fresh, _WINDOW, 2) if window[at]
        ]:  # refused ones prove nothing
            self._reset()
        elif step > 5 and self._mask:  # before we let it accept, it can only refuse
            self._count("overruns")
            self._lose("%d events were overwritten before they were read" % (step - 5), step - 5)
        elif inhibited:
            # somebody changed our inhibits; its own events prove that it was no reset
            self.begin()
        if counter < before:
            self._epoch += 1
        self._credit(counter, window, fresh)
        self._pending = _escrow_of(window) if self.is_bill else 0

    def _is_known(self, fresh: bytes) -> bool:
        """False while a position that is credited here has no name yet: ask for it first."""
        for at in range(0, len(fresh), 2):
            position = fresh[at]
            if 0 < position <= 16 and not self._passive and position not in self._values:
                self._values[position] = _NO_NAME
                scaling = [(156, self._country.encode())] if self.is_bill else []
                self._queue = (
                    scaling
                    + [(self._id_header, fresh[at : at + 1]), (self.poll_header, b"")]
                    + self._queue
                )
                return False
        return True

    def _credit(self, counter: int, window: bytes, fresh: int) -> None:
        money, others = [], 0
        for at in range(2 * fresh - 2, -1, -2):
            first, second = window[at], window[at + 1]
            if not first:
                self._status(second)
            elif not self.is_bill or not second:
                value = self._values.get(first, _NO_NAME)
                self._mend(*_LASTING)
                if isinstance(value, int):
                    money.append(value)
                elif value == _NO_NAME or value[0] == "." or value[:2] == self._country:
                    self._lose("position %d has no value: %s" % (first, value), 1)
                else:
                    others += 1
        self._base, self._batch = (counter, window), counter
        if money or others or self._stated != self._epoch:
            self._state_up_to(counter, window, money)
        if others:
            self._events[-1]["rejects"] = [
                (6, others)
            ]  # tokens and coins of another currency: unrecognized as ours
            self._count("not_money")

    def _state_up_to(self, counter: int, window: bytes, money: list) -> None:
        """A tally. Without rows it adds no money; it only keeps the value of the counter for our
        next start.
        """
        self._base, self._batch = (counter, window), counter
        self._stated = self._epoch
        self._tally(
            "%d-%d-%d-%s" % (self._serial, self._epoch % 100000, counter, window.hex()), money
        )
        if not money:
            self._events[-1]["flags"] = FLAG_REPRINT

    def _status(self, code: int) -> None:
        classes, name = code_of(code, self.is_bill)
        text = "%s (code %d)" % (name, code)
        for each in classes:
            if each == "r":
                self._count("rejects")
            elif each == "f":
                self._tell("fraud", text)
            elif each == "u":
                self._lose(text + ": one piece may be in the box", 1)
            elif each == "o":
                self._mend(*_LASTING)
            elif each != "-":
                self._begin(_LASTING["jmFs".find(each)], text)

    def _name_position(self, position: int, text: str) -> None:
        """`US025A` is 25 minor units, `US0001A` one scaled unit; `.` nothing; all else is not our
        money.
        """
        value = _value_of(text[2:-1]) if text[:2] == self._country else 0
        if self.is_bill and value:
            value *= self._scale
            if not value:
                return  # it did not say its scaling: ask again when such a bill is credited
        self._values[position] = value or text


def _value_of(text: str) -> int:
    """025 -> 25, 1K5 -> 1500; 0 if it is not a number."""
    whole, _, part = text.partition("K")
    if whole != text:
        text = whole + (part + "000")[:3]
    return int(text) if text.isdigit() else 0


def _escrow_of(window: bytes) -> int:
    """The type of the bill that waits in escrow, 0 for none."""
    for at in range(0, _WINDOW, 2):
        if window[at]:
            return window[at] if window[at + 1] == 1 else 0
        if window[at + 1] in (1, 6, 7, 8, 16):
            return 0
    return 0
