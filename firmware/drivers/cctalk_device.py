"""One ccTalk device on the line: its start-up, what is asked next, and what must hold before an
answer is believed.

A credit is stated when three things hold: two readings of the event window are the same; the window
has as many new events as the counter says; and the device is the same one as before and still has
the inhibits that we gave it (a reset clears them). Source: ccTalk Generic Specification v4.7, parts
2 and 3.
"""

from firmware.drivers.base import ticks_add, ticks_diff
from firmware.drivers.cctalk_events import Events
from protocol.compat import const

_CHECK_MS = const(5000)  # how often the inhibits are read again although nothing is wrong
_RETRY_MS = const(1000)  # an absent or refused device is asked so often
_MISSES_MAX = const(6)  # answers missed in a row, then it is offline
_TRIES_MAX = const(4)  # of a question that a device may not know
_GIVEN = const(-2)  # inhibits given to it and not read since: if none are left, it was reset

# Headers. Asked until two answers in a row are alike; asked until they are answered; after a miss,
# was it reset in between?
_TWICE = const(b"\xf5\xf2\xe6\xe3\xb8\x9d\x9c\xe5\x9f")
_MUST = const(b"\xfe\xe7\xe4\xe5\x9f")
_DOUBT = const(b"\xe7\xe4\xe5\x9f\x99")
_CHECKS = const(b"\xf2\xe6\xe3")  # 242 serial number, 230 inhibits, 227 master inhibit
_START = const(
    b"\xfe\xf5\xf2\xe6\xe3\xf6\xf4\xf1\xc0\x04"
)  # poll, category, checks, maker, product, software, build, revision
# header, shortest and longest data of its answer; a header that is not here has no data
_SIZES = const(
    b"\xe5\x0b\x0b\x9f\x0b\x0b\xb8\x06\x06\x9d\x07\x07\xf2\x03\x03\x9c\x03\x03\x04\x03\x03\xf5\x01\x24"
    b"\xf6\x01\x24\xf4\x01\x24\xf1\x01\x24\xc0\x01\x24\xe6\x02\x08\xe3\x01\x01\x9a\x00\x01"
)


def sizes_of(header: int) -> tuple:
    """(shortest, longest) data of the answer to a question."""
    at = _SIZES.find(bytes((header,)))
    return (0, 0) if at < 0 else (_SIZES[at + 1], _SIZES[at + 2])


class Device(Events):
    """One address. The line asks `question`, sends it, and gives `answer` or `missed`."""

    def __init__(self, instrument: str, settings: dict, currency: str):
        Events.__init__(self, instrument, settings, currency)
        self.address = settings["address"]
        self.has_crc = settings["checksum"] == "crc"
        self._first = None  # (question, answer) to be read again
        self._tries = self._misses = 0
        self._due = self._check_at = self._route_at = None
        self.begin()

    def begin(self) -> None:
        """The start-up from its first question."""
        if self._passive:
            return
        poll = [(self.poll_header, b"")]
        self._state = "starting"
        self._first = None
        self._want_master = -1
        self._queue = _plain(_START) + poll
        if self._base is None:
            self._queue[3:3] = (
                poll  # this early, before refused coins push older events out of the window
            )
        if self.is_bill:
            self._queue.append((156, self._country.encode()))
        for each in range(1, 17):
            self._queue.append((self._id_header, bytes((each,))))
            if (
                not each % 4
            ):  # refused coins are events too: five of them fill its window while we read names
                self._queue += poll
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
        """Go on after the last tally on flash."""
        Events.resume(self, batch_id)
        if self._base is not None:
            self._mask = _GIVEN

    def question(self, now_ms: int):
        """(header, data) to ask now, or None when nothing is due."""
        if not _is_due(self._due, now_ms):
            return None
        if not self._queue:
            if self._allowed != self._want_master:
                self._want_master = self._allowed
                self._master = -1
                self._queue = [(228, b"\1" if self._allowed else b"\0"), (227, b"")]
            elif self._pending and _is_due(self._route_at, now_ms):
                self._route_at = ticks_add(now_ms, _RETRY_MS)
                takes = self._allowed and isinstance(self._values.get(self._pending), int)
                self._queue = [(154, b"\1" if takes else b"\0")]
            elif _is_due(self._check_at, now_ms):
                self._check_at = ticks_add(now_ms, _CHECK_MS)
                self._queue = _plain(_CHECKS[1:])
            else:
                self._queue = [(self.poll_header, b"")]
        self._due = ticks_add(now_ms, self._settings["poll_ms"])
        return self._queue[0]

    def missed(self, now_ms: int) -> None:
        """No answer, or none that could be read."""
        self._count("timeouts")
        self._misses += 1
        self._due = now_ms
        self._first = None
        header = self._queue[0][0]
        if self._misses >= _MISSES_MAX:
            self._begin("offline", "no answer from address %d" % self.address)
            self._due = ticks_add(now_ms, _RETRY_MS)
            if header != 254:
                self.begin()
            self._state = "offline"
        elif not self._gave_up(header) and header in _DOUBT:
            self._queue = _plain(_CHECKS) + self._queue

    def answer(self, asked: tuple, refusal: int, data: bytes, now_ms: int) -> None:
        """The answer to a question; refusal 5 for NAK and 6 for BUSY."""
        header = asked[0]
        is_poll = header == self.poll_header
        self._misses = 0
        self._due = now_ms
        if refusal:
            self._count("nak" if refusal == 5 else "busy")
            if not self._passive and not self._gave_up(header) and self._tries >= _TRIES_MAX:
                self._due = ticks_add(now_ms, _RETRY_MS)
            return
        if header in _TWICE and (is_poll or not self._passive):
            is_old = is_poll and not self._is_inhibited and self._base == (data[0], data[1:])
            if self._first != (asked, data) and not is_old:
                self._first = asked, data
                return
        self._first = None
        if not self._passive:
            self._next()
            if is_poll:
                self._due = ticks_add(now_ms, self._settings["poll_ms"])
        self._read(header, asked[1], data)
        if self._state == "swapped":
            self._due = ticks_add(now_ms, _RETRY_MS)

    def _next(self) -> None:
        self._tries = 0
        self._queue = self._queue[1:]

    def _gave_up(self, header: int) -> bool:
        """Whether to skip a question that failed again: not every device knows it."""
        self._tries += 1
        if self._tries < _TRIES_MAX or header in _MUST:
            return False
        self._next()
        return True

    def _read(self, header: int, sent: bytes, data: bytes) -> None:
        number = data[0] | data[1] << 8 if len(data) > 1 else 0
        if header == self.poll_header:
            if self._state != "idle":
                self._state = "idle"
            self._window(data[0], data[1:])
        elif header == 245:
            self._category(data)
        elif header == 242:
            self._identity(number | data[2] << 16)
        elif header == 230:
            if (
                self._mask & number != self._mask
                if self._mask >= 0
                else (self._mask == _GIVEN and not number)
            ):
                self._is_inhibited = True
            self._mask = number
            if "offline" in self._lasting and not self._queue:
                self._mend("offline")
        elif header == 227:
            if self._master == 1 and not data[0] & 1:
                self._is_inhibited = True
            elif self._master < 0 <= self._want_master != data[0] & 1:
                self._want_master = -1  # it was not accepted: once more
            self._master = data[0] & 1
        elif header == 231:
            self._mask = _GIVEN
        elif header == 156:
            for _ in range(2 - data[2]):
                number *= 10
            if number and data[2] <= 2:
                self._scale = number
        elif header == self._id_header:
            self._name_position(sent[0], "".join([chr(each) for each in data]))

    def _category(self, data: bytes) -> None:
        """The specification calls a bill validator by two names."""
        if (
            data in (b"Bill Acceptor", b"Bill Validator")
            if self.is_bill
            else data == b"Coin Acceptor"
        ):
            self._mend("swapped")
            return
        self._begin("swapped", "category %s" % "".join([chr(each) for each in data]))
        self.begin()
        self._state = "swapped"

    def _identity(self, serial: int) -> None:
        wanted = self._settings.get("serial") or 0
        if self._serial and serial != self._serial:
            self._tell("swapped", "serial number %d, it was %d" % (serial, self._serial))
            self._lose("another device: what the old one counted last is not known")
            self._base = None
            self._values = {}
            self.begin()
        elif wanted and serial != wanted and not self._serial:
            self._tell("swapped", "serial number %d, %d is configured" % (serial, wanted))
        self._serial = serial


def _is_due(at_ms, now_ms: int) -> bool:
    return at_ms is None or ticks_diff(now_ms, at_ms) >= 0


def _plain(headers: bytes) -> list:
    """Questions without data."""
    return [(each, b"") for each in headers]
