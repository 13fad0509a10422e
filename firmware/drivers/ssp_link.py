"""Questions to an SSP validator and their answers: the start, the sequence flag, tries, another
host's questions.

A question is sent again with its flag unchanged until it is answered; the machine then repeats its
answer instead of acting twice. Source: SSP Protocol Manual GA138_2_2, packet sequencing; Setup
Request for a banknote validator.
"""

from firmware.drivers.acceptor import LEAVE, WRITTEN, Acceptor
from firmware.drivers.base import ticks_add, ticks_diff
from firmware.drivers.ssp_frames import Reader, frame
from protocol.compat import const

_REPLY_MS = const(1000)  # the manual: wait one second, then send again with the same flag
_TRIES_OFFLINE = const(3)
_TRIES_MAX = const(6)  # then the machine is asked to begin anew; the manual waits for twenty
_OK = const(0xF0)
_SYNC = const(b"\x11")
_SERIAL = const(b"\x0c")
_SETUP = const(b"\x05")
_REJECT = const(b"\x08")
_ENABLE = const(b"\x0a")
_DISABLE = const(b"\x09")
_POLL = const(b"\x07")
_POLL_WITH_ACK = const(b"\x56")
_EVENT_ACK = const(b"\x57")


class SspLink(Acceptor):
    """Questions and answers; what the answer to a poll means is the driver's (`_polled`,
    `_exchanged`).
    """

    def __init__(self, instrument: str, settings: dict, currency: str):
        super().__init__(instrument, settings, currency)
        self._reader = Reader()
        self._host = None  # reader of another host's bytes
        self._seen_ms = 0
        self._seq = 0x80
        self._expected = 0  # address and flag of the answer
        self._question = b""  # the question that waits for its answer
        self._asked_ms = None  # None: not waiting
        self._tries = 0
        self._due_ms = None
        self._step = 0  # of the start; 5 when it is done
        self._poll = _POLL_WITH_ACK
        self._channels = ()  # denominations in minor units, 0 for one of another currency
        self._enabled = None
        self._check_serial = False
        self._owed = []  # events that were stated and whose EVENT ACK has no answer
        self._to_ack = False

    @property
    def busy(self) -> bool:
        """True in the middle of a frame."""
        return self._reader.busy

    # ---- bytes ----

    def feed(self, data: bytes, now_ms: int) -> list:
        """Events of these bytes."""
        reader = self._reader
        for byte in data:
            if reader.push(byte):
                self._answer(reader.seq, reader.data, now_ms)
            elif reader.error:
                self._count(reader.error)
        if data:
            self._seen_ms = now_ms
        return self._take()

    def overhear(self, data: bytes, now_ms: int) -> None:
        """What another host asks; from here on the driver only listens."""
        self._passive = True
        self._out = b""
        if self._host is None:
            self._host = Reader()
            self._question = b""
        host = self._host
        for byte in data:
            if host.push(byte):
                again = (
                    host.seq == self._expected
                    and host.data == self._question
                    and self._asked_ms is None
                )
                if (
                    not again or host.data == _SYNC
                ):  # a repeated question gets a repeated answer: nothing new
                    self._expected = host.seq
                    self._question = host.data
                    self._asked_ms = now_ms
                    self._step = 5

    def poll(self, now_ms: int) -> list:
        """Ask what is due, ask again what was not answered."""
        if self._reader.busy and ticks_diff(now_ms, self._seen_ms) > 100:
            self._reader.reset()
            self._count("cut_frames")
        if self._passive:
            return self._take()
        if self._out:
            self._asked_ms = now_ms  # not sent yet: the journal is busy
        elif self._asked_ms is not None:
            if ticks_diff(now_ms, self._asked_ms) >= _REPLY_MS:
                self._unanswered(now_ms)
        elif self._due_ms is None or ticks_diff(now_ms, self._due_ms) >= 0:
            self._ask(self._next_question(), now_ms)
        return self._take()

    def _ask(self, question: bytes, now_ms: int) -> None:
        self._question = question
        self._asked_ms = now_ms
        self._expected = self._seq | self._settings["address"]
        self._out = frame(self._expected, question)

    def _unanswered(self, now_ms: int) -> None:
        self._count("timeouts")
        self._tries += 1
        self._check_serial = True
        if self._tries >= _TRIES_OFFLINE:
            self._state = "offline"
            self._begin(
                "offline",
                "no answer to SSP at address %d: check power and cable" % self._settings["address"],
            )
        if self._tries >= _TRIES_MAX:
            self._restart()
            self._ask(_SYNC, now_ms)
        else:
            self._ask(self._question, now_ms)

    def _restart(self) -> None:
        """Begin anew with SYNC; acknowledgements that we owe are still owed."""
        self._step = self._tries = 0
        self._seq = 0x80
        self._enabled = None
        self._go(LEAVE)

    def _next_question(self) -> bytes:
        step = self._step
        if step == 0:
            self._seq = 0x80
            return _SYNC
        if step < 5:
            inhibits = 0
            for index, value in enumerate(self._channels):
                if value:
                    inhibits |= 1 << index
            return (b"", b"\x06" + bytes((self._settings["protocol"],)), _SERIAL, _SETUP,
             b"\x02" + bytes(
                (inhibits & 0xFF, inhibits >> 8)))[step]  # fmt: skip
        if self._to_ack:
            return _EVENT_ACK
        if self._check_serial:
            return _SERIAL
        if self._life == WRITTEN and not self._allowed:
            return _REJECT
        if self._allowed is not self._enabled:
            return _ENABLE if self._allowed else _DISABLE
        return self._poll

    # ---- answers ----

    def _answer(self, seq: int, data: bytes, now_ms: int) -> None:
        """One whole frame of the machine."""
        question = self._question
        if (
            self._asked_ms is None
            or self._out
            or not data
            or seq != self._expected
            or (question == _SYNC and data != b"\xf0")
        ):
            self._count("repeats")  # an answer that nobody waits for
            return
        self._asked_ms = None
        self._tries = 0
        self._due_ms = now_ms
        self._seq = 0 if question == _SYNC else self._seq ^ 0x80
        self._mend("offline")
        if question in (_POLL, _POLL_WITH_ACK):
            self._polled(question, data, now_ms)
            return
        if question == _SERIAL:
            self._serial_is(data)
        elif question == _SETUP and data[0] == _OK:
            self._setup(data)
        elif question == _EVENT_ACK:  # F0 or F5: nothing is pending any more
            self._to_ack = False
            self._owed = []
        elif question in (_ENABLE, _DISABLE):
            self._enabled = question == _ENABLE
            if data[0] != _OK:
                self._due_ms = ticks_add(now_ms, self._settings["poll_ms"])
        elif question == _REJECT:
            self._go(LEAVE)
        if self._step < 5:
            self._step += 1
            if self._step == 4 and not self._channels:
                self._step = 0  # no channel, no money
                self._due_ms = ticks_add(now_ms, _REPLY_MS)

    def _serial_is(self, data: bytes) -> None:
        self._check_serial = False
        if data[0] != _OK or len(data) < 5:
            return
        serial = int.from_bytes(data[1:5], "big")
        if self._serial and serial != self._serial:
            self._tell(
                "swapped",
                "serial number %d, was %d: is this the machine of this window?"
                % (serial, self._serial),
            )
            self._exchanged()
            self._owed = []
            self._to_ack = False
            if self._step == 5:
                self._step = 1  # its channels are its own
        self._serial = serial

    def _setup(self, data: bytes) -> None:
        """Channel values: type[1] firmware[4] country[3] multiplier[3] n values[n] security[n] real
        multiplier[3] protocol[1], from protocol 6 on currencies[3n] and values[4n], lowest byte
        first. Source: manual, Setup Request, banknote validator.
        """
        count = data[12] if len(data) > 12 else 0
        real = data[13 + 2 * count : 16 + 2 * count]
        if len(real) < 3 or count > 16:
            self._begin("fault", "a setup answer of %d bytes is not understood" % len(data))
            return
        unit = self._settings["unit_minor"]
        for order in ("big", "little"):
            value = int.from_bytes(real, order)
            if not unit and value in (1, 10, 100, 1000):
                unit = value
        codes = data[17 + 2 * count : 17 + 5 * count]
        values = data[17 + 5 * count : 17 + 9 * count]
        factor = int.from_bytes(data[9:12], "big")
        channels = []
        for index in range(count):
            if len(values) == 4 * count:
                code = codes[3 * index : 3 * index + 3]
                value = int.from_bytes(values[4 * index : 4 * index + 4], "little")
            else:
                code = data[6:9]
                value = data[13 + index] * factor
            channels.append(value * unit if code == self._currency.encode() else 0)
        self._channels = tuple(channels)
        if not unit:
            self._channels = ()
            self._begin(
                "fault", "real value multiplier %s is not understood: set unit_minor" % list(real)
            )
        elif not any(channels):
            self._begin(
                "fault", "no channel of %s: wrong dataset or wrong currency" % self._currency
            )
        elif 0 in channels:
            self._count("foreign_channels")

    # ---- the driver's part ----

    def _polled(self, question: bytes, data: bytes, now_ms: int) -> None:
        """The answer to a poll."""
        raise NotImplementedError

    def _exchanged(self) -> None:
        """Another machine answers: what the old one was doing is lost."""
        raise NotImplementedError
