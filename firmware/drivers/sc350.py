"""Desk coin counters Suzohapp/Scan Coin SC-350 and SC-360: asked in turn for memory, status and
display.

The counter counts pieces; the setting `coin_minor` names the coin. What the readings mean is in
sc350_pieces.py; this file has the questions, the answers and what happens when none comes. Silence
ends a reply, not its length. So a reply that came twice, late or cut is not mistaken for a good
one, nor for the answer to the next question.

Source: Technical Handbook 019722-101 rev. 05, chapter 12. ACK and NAK are not printed there: 06 and
15 hex are assumed.
"""

from firmware.drivers.base import Driver, ticks_add, ticks_diff
from firmware.drivers.sc350_pieces import IS_OFFLINE, NO_COIN, Pieces
from protocol.compat import const

_LOG_ON = const(b"QF")
_REVISIONS = const(b"PR")
_MEMORY = const(b"RA")
_STATUS = const(b"RS")
_COUNT = const(b"RC")

_ACK = const(6)
_NAK = const(21)
_ESC = const(27)

_REPLY_BYTES_MAX = const(24)
_GAP_MS = const(30)  # silence that ends a reply
_TIMEOUT_MS = const(400)
_RETRY_MS = const(260)  # the handbook wants 250 after the last character
_POLL_MS = const(150)  # between two rounds of questions
_TRIES_LOG_ON = const(3)  # then log on again
_TRIES_OFFLINE = const(5)


class Sc350(Driver):
    """One counter on one line: `feed` its bytes, `poll` time, send `pop_output()`.

    Nothing stops it from counting. What flash refused it still has in memory: the controller asks
    it again.
    """

    asks = True

    def __init__(self, instrument: str, settings: dict, currency: str):
        self.instrument = instrument
        self._settings = settings
        self._pieces = Pieces(instrument, settings, currency)
        self._counters = {}
        self._heard = bytearray(_REPLY_BYTES_MAX)
        self._size = 0
        self._heard_ms = 0
        self._next = _LOG_ON  # what to ask
        self._next_ms = None  # and when; None before the first poll
        self._asked = b""  # what the reply will answer
        self._asked_ms = 0
        self._last_ms = 0
        self._out = b""
        self._failed = 0  # answers in a row
        self._revision = b""  # as read once
        self._passive = False
        self._tail = b""  # of what another host sent

    def resume(self, batch_id: str) -> None:
        """Go on after the last tally on flash."""
        self._pieces.resume(batch_id)

    def feed(self, data: bytes, now_ms: int) -> list:
        """Bytes of the machine."""
        events = []
        self._settle(now_ms, events)
        if not self._asked:
            if data:
                self._count("noise_bytes", len(data))
            self._next_ms = ticks_add(now_ms, _RETRY_MS)
            return events
        room = data[: _REPLY_BYTES_MAX - self._size]
        self._heard[self._size : self._size + len(room)] = room
        self._size += len(room)
        self._heard_ms = now_ms
        return events

    def poll(self, now_ms: int) -> list:
        """Time passes: the end of a reply, an answer that did not come, the next question."""
        events = []
        if self._next_ms is None:
            self._next_ms = self._last_ms = now_ms
        if not self._settings["coin_minor"]:
            self._pieces.begin(
                events,
                NO_COIN,
                "fault",
                "setting coin_minor is missing: name the coin in boards.toml",
            )
        self._pieces.age(max(0, ticks_diff(now_ms, self._last_ms)), events)
        self._last_ms = now_ms
        self._settle(now_ms, events)
        if not self._asked and not self._passive and ticks_diff(now_ms, self._next_ms) >= 0:
            self._asked = self._next
            self._asked_ms = now_ms
            self._out = bytes((_ESC,)) + self._next
            if self._next == _LOG_ON or self._settings["read_checksum"]:
                self._out += bytes((sum(self._next) & 255,))
        return events

    def pop_output(self) -> bytes:
        """The question to send now."""
        out, self._out = self._out, b""
        return out

    @property
    def busy(self) -> bool:
        """True while an answer may come."""
        return bool(self._asked) and (not self._passive or self._size > 0)

    def overhear(self, data: bytes, now_ms: int) -> None:
        """What another host asked; from now on this driver only listens."""
        self._passive = True
        self._out = b""
        data = self._tail + data
        at = data.rfind(b"\x1b")
        self._tail = data[at : at + 4] if at >= 0 else b""
        if len(self._tail) >= 3:
            self._asked = self._tail[1:3]
            self._asked_ms = now_ms
            self._size = 0
            self._tail = b""

    def faults(self) -> dict:
        """What went wrong since the start."""
        found = dict(self._counters)
        if self._pieces.resets:
            found["resets"] = self._pieces.resets
        return found

    def snapshot(self) -> dict:
        """State, display and memory as last read."""
        return self._pieces.snapshot()

    def _settle(self, now_ms: int, events: list) -> None:
        """The reply that has ended, or did not come."""
        if not self._asked:
            return
        if self._size:
            if ticks_diff(now_ms, self._heard_ms) >= _GAP_MS:
                raw = bytes(self._heard[: self._size])
                self._size = 0
                asked, self._asked = self._asked, b""
                self._take(asked, raw, now_ms, events)
        elif ticks_diff(now_ms, self._asked_ms) >= _TIMEOUT_MS:
            self._asked = b""
            self._fail("timeouts", now_ms, events)

    def _take(self, asked: bytes, raw: bytes, now_ms: int, events: list) -> None:
        """A whole reply."""
        half = len(raw) // 2
        if half and raw[:half] == raw[half:]:
            raw = raw[:half]
            self._count("repeats", 1)
        if raw == bytes((_NAK,)):
            self._fail("naks", now_ms, events)
            if asked == _LOG_ON:
                self._next = _REVISIONS  # perhaps it is logged on already: the next answer shows it
            return
        data = raw[:-2]
        if asked == _LOG_ON:
            is_good = raw == bytes((_ACK,))
        else:
            sizes = (1, 2, 4) if asked == _STATUS else (4,)  # nobody knows how long a status is
            is_good = len(data) in sizes and raw[-1] == _ACK and sum(data) & 255 == raw[-2]
        if not is_good:
            self._fail("bad_checksum", now_ms, events)
            return
        self._next_ms = now_ms
        if asked == _LOG_ON:
            self._next = _REVISIONS
            self._revision = b""
        elif asked == _REVISIONS:
            if data == self._revision:
                self._pieces.revision(data, events)
                self._next = _MEMORY
            self._revision = data
        else:
            self._failed = 0
            self._take_number(asked, data, now_ms, events)
            self._pieces.end(events, IS_OFFLINE)

    def _take_number(self, asked: bytes, data: bytes, now_ms: int, events: list) -> None:
        """A reading of the round: memory, status, display, and a pause. Two long numbers never
        follow at once.
        """
        value = 0
        for byte in data:
            value = value << 8 | byte
        if asked == _MEMORY:
            self._pieces.memory(value, events)
            self._next = _STATUS
        elif asked == _STATUS:
            if not self._pieces.status(value, events):
                self._next = _COUNT
        elif asked == _COUNT:
            self._pieces.count(value)
            self._next = _MEMORY
            self._next_ms = ticks_add(now_ms, _POLL_MS)

    def _fail(self, what: str, now_ms: int, events: list) -> None:
        """Wait as the handbook says and ask again; if that does not help, log on again."""
        if self._passive:
            return
        self._count(what, 1)
        self._next_ms = ticks_add(now_ms, _RETRY_MS)
        self._failed += 1
        if self._failed % _TRIES_LOG_ON == 0:
            self._next = _LOG_ON
            self._pieces.away()
        if self._failed >= _TRIES_OFFLINE:
            self._pieces.begin(
                events, IS_OFFLINE, "offline", "no answer: check power, cable and speed"
            )

    def _count(self, name: str, times: int) -> None:
        self._counters[name] = self._counters.get(name, 0) + times
