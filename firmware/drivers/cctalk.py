"""ccTalk: coin acceptors (events 229) and bill validators (events 159), one or several on one
half-duplex line.

The line asks one device at a time, waits for our own echo and then its answer, and lets the line
fall silent before the next question, so that a repeated or late answer is not taken for the next
one's.
Source: ccTalk Generic Specification v4.7.
"""

from firmware.drivers.base import Driver, ticks_add, ticks_diff
from firmware.drivers.cctalk_device import Device, sizes_of
from firmware.drivers.cctalk_frame import GAP_MS, HOST, Receiver, encode
from protocol.compat import const

_ANSWER_MS = const(150)  # an answer that has not begun by then will not come
_QUIET_MS = const(20)  # silence before the next question


class Cctalk(Driver):
    """The line with its devices; settings "also" names more of them: {"name", "address", "events",
    "checksum"} each.
    """

    asks = True

    def __init__(self, instrument: str, settings: dict, currency: str):
        self._devices = [Device(instrument, settings, currency)]
        for each in settings.get("also") or ():
            merged = dict(settings)
            merged.update(each)
            self._devices.append(Device(each["name"], merged, currency))
        self._echo = (
            settings.get("echo", "auto") is not False and settings.get("echo", "auto") != "false"
        )
        self._receiver = Receiver()
        self._host = None  # what another host asks, once it was overheard
        self._out = b""
        self._turn = 0
        self._asked = None  # (device, question, since)
        self._heard = None  # when the last byte came
        self._wait = None  # nothing is sent before

    def allow(self, is_allowed: bool) -> None:
        """False: accept no money, the journal is full."""
        for each in self._devices:
            each.allow(is_allowed)

    def resume(self, batch_id: str, name=None) -> None:
        """Go on after the last tally on flash of the instrument `name`, or of the line's own."""
        for each in self._devices:
            if each.instrument == (name or self._devices[0].instrument):
                each.resume(batch_id)

    def pop_output(self) -> bytes:
        """The bytes to send now."""
        out, self._out = self._out, b""
        return out

    @property
    def busy(self) -> bool:
        """An answer is under way or due."""
        return self._asked is not None or self._receiver.size > 0

    def faults(self) -> dict:
        """{name: count} over all devices of the line."""
        counts = {}
        for device in self._devices:
            for name, count in device.faults().items():
                counts[name] = counts.get(name, 0) + count
        for name, count in (
            ("noise_bytes", self._receiver.noise),
            ("bad_checksum", self._receiver.bad),
        ):
            if count:
                counts[name] = count
        return counts

    def snapshot(self) -> dict:
        """State of the first device; of the others, their state by name."""
        state = self._devices[0].snapshot()
        for each in self._devices[1:]:
            state[each.instrument] = each.snapshot()["state"]
        return state

    def feed(self, data: bytes, now_ms: int) -> list:
        """Events of these bytes."""
        self._lapse(now_ms)
        for byte in data:
            if self._asked is None:
                self._receiver.noise += 1
            else:
                self._found(self._receiver.push(byte), now_ms)
        if data:
            self._heard = now_ms
            if self._asked is None:
                self._wait = ticks_add(now_ms, _QUIET_MS)
        return self._events()

    def poll(self, now_ms: int) -> list:
        """Events that come with time, and the next question when the line is free."""
        self._lapse(now_ms)
        if (
            self._asked is None
            and self._host is None
            and (self._wait is None or ticks_diff(now_ms, self._wait) >= 0)
        ):
            for _ in self._devices:
                device = self._devices[self._turn]
                self._turn = (self._turn + 1) % len(self._devices)
                question = device.question(now_ms)
                if question is not None:
                    frame = encode(device.address, question[0], question[1], device.has_crc)
                    self._ask(device, question, frame, self._echo, now_ms)
                    self._out = frame
                    break
        return self._events()

    def overhear(self, data: bytes, now_ms: int) -> None:
        """Bytes of another host: its question says what the next answer means. From now on nothing
        is sent.
        """
        if self._host is None:
            self._host = [Receiver() for _ in self._devices]
            self._asked = None
            self._out = b""
            for number, device in enumerate(self._devices):
                device.listen()
                self._host[number].ask(b"", False, device.address, HOST, device.has_crc, (0, 16))
        for number, device in enumerate(self._devices):
            for byte in data:
                question = self._host[number].push(byte)
                if question is not None:
                    self._ask(device, question, b"", False, now_ms)

    def _ask(
        self, device: Device, question: tuple, frame: bytes, has_echo: bool, now_ms: int
    ) -> None:
        self._receiver.ask(
            frame, has_echo, HOST, device.address, device.has_crc, sizes_of(question[0])
        )
        self._asked = device, question, now_ms
        self._heard = None

    def _found(self, answer, now_ms: int) -> None:
        if answer is None or self._asked is None:
            return
        device, question, _ = self._asked
        self._asked = None
        self._wait = ticks_add(now_ms, _QUIET_MS)
        device.answer(question, answer[0], answer[1], now_ms)

    def _lapse(self, now_ms: int) -> None:
        """Time has passed without a byte: give up the frame, then the question."""
        if self._asked is None:
            return
        if (
            self._heard is not None
            and self._receiver.size
            and ticks_diff(now_ms, self._heard) > GAP_MS
        ):
            self._found(self._receiver.gap(), now_ms)
        if self._asked is None or self._host is not None:
            return
        device, question, since = self._asked
        if ticks_diff(now_ms, since) >= _ANSWER_MS and (
            self._heard is None
            or ticks_diff(now_ms, self._heard) > GAP_MS
            or ticks_diff(now_ms, since) > 4 * _ANSWER_MS
        ):
            self._asked = None
            self._receiver.ask(b"", False, HOST, 0, False, (0, 0))
            self._wait = ticks_add(now_ms, _QUIET_MS)
            device.missed(now_ms)

    def _events(self) -> list:
        events = []
        for each in self._devices:
            events += each.take()
        return events
