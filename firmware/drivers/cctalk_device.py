"""One ccTalk device on the line: its start-up, what its events say, and what must hold before a credit is believed.

A credit is stated when its event window was read twice alike, follows the window before it by as many events as the counter
says, and the device is the one that it was and still has the inhibits that we gave it (a reset takes them away).
The protocol cannot tell 255 events between two polls from none. Those are 51 full windows: the poll would have to fail for
minutes, and then the driver says that it lost sight. Source: ccTalk Generic Specification v4.7, part 3.
"""

from firmware.drivers.acceptor import Acceptor
from firmware.drivers.base import ticks_add, ticks_diff
from firmware.drivers.cctalk_codes import code_of
from protocol.compat import const
from protocol.records import FLAG_REPRINT

BILLS = const(159)
_CHECK_MS = const(5000)  # how often the inhibits are read again although nothing is amiss
_RETRY_MS = const(1000)  # an absent or refused device is asked so often
_MISSES_MAX = const(6)  # answers missed in a row, then it is offline
_TRIES_MAX = const(4)  # of a question that a device need not know
_WINDOW = const(10)
_CHECKS = const((242, 230, 227))
_TWICE = const((245, 242, 230, 227, 184, 157, 156, 229, 159))  # asked until two answers in a row are alike
_MUST = const((254, 231, 228, 229, 159))
_NOTHING = b"\0\0\0\0\0\0\0\0\0\0"


def sizes_of(header: int) -> tuple:
    """(shortest, longest) data of the answer to a question."""
    if header in (229, 159):
        return 11, 11
    if header == 184:
        return 6, 6
    if header == 157:
        return 7, 7
    if header in (242, 156, 4):
        return 3, 3
    if header in (245, 246, 244, 241, 192):
        return 1, 36
    if header == 230:
        return 2, 8
    return (1, 1) if header == 227 else (0, 1) if header == 154 else (0, 0)


class Device(Acceptor):
    """One address. The line asks `question`, sends it, and gives `answer` or `missed`."""

    def __init__(self, instrument: str, settings: dict, currency: str):
        Acceptor.__init__(self, instrument, settings, currency)
        self.address = settings["address"]
        self.has_crc = settings["checksum"] == "crc"
        self.is_bill = settings["events"] == BILLS
        self._country = settings.get("country") or currency[:2]
        self._values = {}  # position: minor units; a text for what is no money of ours
        self._scale = 0
        self._epoch = 0
        self._base = None  # (counter, window) up to which everything is stated
        self._first = None  # (question, answer) to be read again
        self._mask = self._master = -1  # inhibits as last read; -1 not known
        self._want_master = -1
        self._is_inhibited = False
        self._tries = self._misses = 0
        self._due = self._check_at = self._route_at = None
        self._pending = 0
        self.begin()

    def begin(self) -> None:
        """The start-up from its first question."""
        ids = 157 if self.is_bill else 184
        self._state = "starting"
        self._first = None
        self._want_master = -1
        self._queue = [(header, b"") for header in (254, 245, 242, 230, 227, 246, 244, 241, 192, 4)]
        if self._base is None:
            self._queue.append((self._settings["events"], b""))  # where it stands, before our own start-up takes its time
        if self.is_bill:
            self._queue.append((156, self._country.encode()))
        for each in range(1, 17):
            self._queue.append((ids, bytes((each,))))
            if not each % 4:  # refused coins are events too: five of them fill its window while we read names
                self._queue.append((self._settings["events"], b""))
        self._queue.append((self._settings["events"], b""))
        if self.is_bill:
            self._queue.append((153, b"\x03"))  # stacker and escrow
        self._queue += [(231, b"\xff\xff"), (230, b"")]

    def listen(self) -> None:
        """Another host asks: never a question of our own."""
        self._passive = True
        self._state = "idle"

    def take(self) -> list:
        """What happened since the last call."""
        return self._take()

    def resume(self, batch_id: str) -> None:
        """Go on behind the last tally on flash: "serial-epoch-counter-window"."""
        try:
            serial, epoch, counter, window = batch_id.split("-")
            packed = bytes([int(window[at : at + 2], 16) for at in range(0, 2 * _WINDOW, 2)])
            if len(window) != 2 * _WINDOW or not 0 <= int(counter) <= 255 or int(epoch) < 0:
                return
            self._serial, self._epoch, self._batch = int(serial), int(epoch), int(counter)
        except ValueError:
            return
        self._base = self._batch, packed
        self._mask = -2  # it was given to the device before we went away: none left means a reset

    def question(self, now_ms: int):
        """(header, data) to ask now, or None when nothing is due."""
        if self._due is not None and ticks_diff(now_ms, self._due) < 0:
            return None
        if not self._queue:
            if self._allowed != self._want_master:
                self._want_master = self._allowed
                self._master = -1
                self._queue = [(228, b"\1" if self._allowed else b"\0"), (227, b"")]
            elif self._pending and (self._route_at is None or ticks_diff(now_ms, self._route_at) >= 0):
                self._route_at = ticks_add(now_ms, _RETRY_MS)
                takes = self._allowed and isinstance(self._values.get(self._pending), int)
                self._queue = [(154, b"\1" if takes else b"\0")]
            elif self._check_at is None or ticks_diff(now_ms, self._check_at) >= 0:
                self._check_at = ticks_add(now_ms, _CHECK_MS)
                self._queue = [(230, b""), (227, b"")]
            else:
                self._queue = [(self._settings["events"], b"")]
        self._due = ticks_add(now_ms, self._settings["poll_ms"])
        return self._queue[0]

    def missed(self, now_ms: int) -> None:
        """No answer, or none that could be read."""
        self._count("timeouts")
        self._misses += 1
        self._tries += 1
        self._due = now_ms
        asked = self._queue[0]
        self._first = None
        if self._misses >= _MISSES_MAX:
            self._begin("offline", "no answer from address %d" % self.address)
            self._state = "offline"
            self._due = ticks_add(now_ms, _RETRY_MS)
            if asked[0] != 254:
                self.begin()
                self._state = "offline"
        elif self._tries >= _TRIES_MAX and asked[0] not in _MUST:
            self._next()
        elif asked[0] in (229, 159, 153, 231, 228) and self._state != "offline":
            self._queue = [(each, b"") for each in _CHECKS] + self._queue  # was it reset in between?

    def answer(self, asked: tuple, header: int, data: bytes, now_ms: int) -> None:
        """The answer to a question: header 0, or NAK 5 and BUSY 6."""
        self._misses = 0
        self._due = now_ms
        if header:
            self._count("nak" if header == 5 else "busy")
            self._tries += 1
            if self._passive:
                return
            if self._tries >= _TRIES_MAX and asked[0] not in _MUST:
                self._next()
            elif self._tries >= _TRIES_MAX:
                self._due = ticks_add(now_ms, _RETRY_MS)
            return
        if asked[0] in _TWICE and (not self._passive or asked[0] == self._settings["events"]):
            is_old = asked[0] == self._settings["events"] and not self._is_inhibited and self._base == (data[0], data[1:])
            if self._first != (asked, data) and not is_old:
                self._first = asked, data
                return
        self._first = None
        if not self._passive:
            self._next()
            self._due = ticks_add(now_ms, self._settings["poll_ms"]) if asked[0] == self._settings["events"] else now_ms
        self._read(asked[0], asked[1], data)

    def _next(self) -> None:
        self._tries = 0
        self._queue = self._queue[1:]

    def _read(self, header: int, sent: bytes, data: bytes) -> None:
        if header == self._settings["events"]:
            self._window(data[0], data[1:])
        elif header == 245:
            self._category(data)
        elif header == 242:
            self._identity(data[0] | data[1] << 8 | data[2] << 16)
        elif header == 230:
            mask = data[0] | data[1] << 8
            if self._mask & mask != self._mask if self._mask >= 0 else (self._mask == -2 and not mask):
                self._is_inhibited = True
            self._mask = mask
            if "offline" in self._lasting and not self._queue:
                self._mend("offline")
        elif header == 227:
            if self._master == 1 and not data[0] & 1:
                self._is_inhibited = True
            elif self._master < 0 and self._want_master >= 0 and data[0] & 1 != self._want_master:
                self._want_master = -1  # it was not taken: once more
            self._master = data[0] & 1
        elif header == 231:
            self._mask = -1
        elif header == 156:
            scale = data[0] | data[1] << 8
            for _ in range(2 - data[2]):
                scale *= 10
            self._scale = scale if data[2] <= 2 else 0
        elif header in (184, 157):
            self._name_position(sent[0], "".join([chr(each) for each in data]))

    def _category(self, data: bytes) -> None:
        is_right = data in (b"Bill Acceptor", b"Bill Validator") if self.is_bill else data == b"Coin Acceptor"
        if is_right:
            self._mend("swapped")
            return
        self._begin("swapped", "category %s" % "".join([chr(each) for each in data]))
        self.begin()
        self._state = "swapped"
        self._due = ticks_add(self._due, _RETRY_MS)

    def _identity(self, serial: int) -> None:
        wanted = self._settings.get("serial") or 0
        if self._serial and serial != self._serial:
            self._tell("swapped", "serial number %d, it was %d" % (serial, self._serial))
            self._lose("another device: what the old one counted last is not known", 0)
            self._base = None
        elif wanted and serial != wanted and not self._serial:
            self._tell("swapped", "serial number %d, %d is configured" % (serial, wanted))
        self._serial = serial

    def _name_position(self, position: int, text: str) -> None:
        """`US025A` is 25 minor units, `US0001A` one scaled unit; `.` nothing; all else is no money of ours."""
        value = _value_of(text[2:-1]) if text[:2] == self._country else -1
        if self.is_bill and value > 0:
            value *= self._scale or self._settings.get("unit_minor") or 0
            if not value:
                return  # its scaling was not told: asked again when such a bill is credited
        self._values[position] = value if value > 0 else text

    def _lose(self, detail: str, pieces: int) -> None:
        self._epoch += 1
        self._tell("discrepancy", detail, pieces)

    def _reset(self) -> None:
        self._count("resets")
        self._mend("jam", "fault", "full", "stopped")
        self._tell("reset", "its counter began anew")
        self._lose("restarted: what it counted last is not known", 0)
        if not self._passive:
            self.begin()

    def _window(self, counter: int, window: bytes) -> None:
        """A window that was read twice alike: what is new in it, and whether that can be all."""
        inhibited, self._is_inhibited = self._is_inhibited, False
        if self._state == "starting" or self._state == "offline":
            self._state = "idle"
        if self._base is None:
            self._base = counter, window
            self._batch = counter
            old = [at for at in range(0, _WINDOW, 2) if window[at]]
            if counter >= 5 or old:
                self._lose("counter at %d when first seen; no tally holds that" % counter, len(old) if counter < 5 else 0)
            self._state_up_to(window, [])
            self._events[-1]["flags"] = FLAG_REPRINT  # no money: so that a restart of ours knows where it stood
            return
        before, past = self._base
        step = counter - before if not before else (counter - before) % 255
        fits = window[2 * step :] == past[: _WINDOW - 2 * step] if step <= 5 else True
        begun = counter < 5 and window[2 * counter :] == _NOTHING[2 * counter :]  # as it is after power-up
        fresh = min(step, 5)
        if not self._is_known(window[: 2 * (counter if begun and not fits else fresh)]):
            self._is_inhibited = inhibited
            return
        self._base = counter, window
        if not counter and before:
            fresh = 0
            self._reset()
        elif begun and (not fits or step >= 5):
            fresh = counter
            self._reset()
        elif not fits:
            fresh = 0
            self._lose("its events do not follow those before", 0)
            self._quarantine("events do not follow those before; count its box", bytes((counter,)) + window)
        elif inhibited and not [at for at in range(2 * fresh, _WINDOW, 2) if window[at]]:
            self._reset()
        elif step > 5:
            self._count("overruns")
            self._lose("%d events were overwritten before they were read" % (step - 5), step - 5)
        elif inhibited and not self._passive:
            self.begin()  # somebody took our inhibits away; its own events prove that it was no reset
        if counter < before:
            self._epoch += 1
        self._batch = counter
        self._credit(window, fresh)
        self._pending = _escrow_of(window) if self.is_bill else 0

    def _is_known(self, fresh: bytes) -> bool:
        """False while a position that is credited here has no name yet: ask for it first."""
        for at in range(0, len(fresh), 2):
            if fresh[at] and not self._passive and fresh[at] not in self._values and fresh[at] <= 16:
                self._values[fresh[at]] = "not told"
                header = 157 if self.is_bill else 184
                scaling = [(156, self._country.encode())] if self.is_bill else []
                self._queue = scaling + [(header, fresh[at : at + 1]), (self._settings["events"], b"")] + self._queue
                return False
        return True

    def _credit(self, window: bytes, fresh: int) -> None:
        money, others = [], 0
        for at in range(2 * fresh - 2, -1, -2):
            first, second = window[at], window[at + 1]
            if not first:
                self._status(second)
            elif not self.is_bill or not second:
                value = self._values.get(first)
                self._mend("jam", "fault", "full", "stopped")
                if isinstance(value, int):
                    money.append(value)
                elif value and value[0] != "." and value != "not told" and value[:2] != self._country:
                    others += 1
                else:
                    self._tell("discrepancy", "position %d has no value: %s" % (first, value), 1)
        if not money and not others:
            return
        self._state_up_to(window, money)
        if others:
            self._events[-1]["rejects"] = [(6, others)]  # tokens and coins of another currency: unrecognized as ours
            self._count("not_money")

    def _state_up_to(self, window: bytes, money: list) -> None:
        hexadecimal = "".join(["%02x" % each for each in window])
        self._tally("%d-%d-%d-%s" % (self._serial, self._epoch % 100000, self._batch, hexadecimal), money)

    def _status(self, code: int) -> None:
        classes, name = code_of(code, self.is_bill)
        text = "%s (code %d)" % (name, code)
        for each in classes:
            if each == "r":
                self._count("rejects")
            elif each == "f":
                self._tell("fraud", text)
            elif each == "u":
                self._tell("discrepancy", text + ": one piece may be in the box", 1)
            elif each == "o":
                self._mend("jam", "fault", "full", "stopped")
            elif each != "-":
                self._begin({"j": "jam", "m": "fault", "F": "full", "s": "stopped"}[each], text)
        if code == 254:
            self._count("return_lever")


def _value_of(text: str) -> int:
    """025 -> 25, 1K5 -> 1500; -1 for what is no number."""
    at = text.find("K")
    digits = text.replace("K", "", 1)
    if not digits.isdigit():
        return -1
    value = int(digits)
    for _ in range(0 if at < 0 else 3 - (len(text) - at - 1)):
        value *= 10
    return value


def _escrow_of(window: bytes) -> int:
    """The type of the bill that waits in escrow, 0 for none."""
    for at in range(0, _WINDOW, 2):
        if window[at]:
            return window[at] if window[at + 1] == 1 else 0
        if window[at + 1] in (1, 6, 7, 8, 16):
            return 0
    return 0
