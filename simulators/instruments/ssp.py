"""A banknote validator that speaks the plain subset of SSP: the flag in the address says whether a
question is new.

Source: Innovative Technology, SSP protocol manual GA138; the public table of commands and events in
kybarg/ssp. Assumed, because no source says it: a credit that nobody acknowledged is forgotten at a
power loss; after a start it answers at once; a question whose flag is unknown counts as new;
which events POLL WITH ACK repeats (credit, fraud, both "cleared").
"""

from simulators.instruments.faults import Faults
from simulators.instruments.note_path import Validator

NOTES = (100, 200, 500, 1000, 2000, 5000, 10000)  # channels 1 to 7
STX = 0x7F
OK, UNKNOWN, WRONG_COUNT, OUT_OF_RANGE, CANNOT, FAIL = 0xF0, 0xF2, 0xF3, 0xF4, 0xF5, 0xF8
RESET, READ, CREDIT, REJECTING, REJECTED, STACKING, STACKED = (
    0xF1,
    0xEF,
    0xEE,
    0xED,
    0xEC,
    0xCC,
    0xEB,
)
SAFE_JAM, UNSAFE_JAM, DISABLED, FULL, FRAUD = 0xEA, 0xE9, 0xE8, 0xE7, 0xE6
CLEARED_FRONT, CLEARED_BOX, BOX_REMOVED, BOX_REPLACED = 0xE1, 0xE2, 0xE3, 0xE4
TO_ACKNOWLEDGE = (CREDIT, FRAUD, CLEARED_FRONT, CLEARED_BOX)
GAP_MS = 100
PROTOCOL_MAX = 8
EVENTS = {
    "rejecting": REJECTING, "rejected": REJECTED, "stacking": STACKING, "stacked": STACKED,
    "credit": CREDIT, "fraud": FRAUD, "removed": BOX_REMOVED, "replaced": BOX_REPLACED,
}  # fmt: skip


def crc(data: bytes) -> int:
    """CRC-16, polynomial 8005, seed FFFF, highest bit first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x8005 if value & 0x8000 else value << 1) & 0xFFFF
    return value


def frame(address: int, data: bytes) -> bytes:
    """The bytes on the wire: every 7F after the first is doubled, in the CRC too."""
    body = bytes((address, len(data))) + data
    body += crc(body).to_bytes(2, "little")
    return bytes((STX,)) + body.replace(b"\x7f", b"\x7f\x7f")


class SspValidator(Validator):
    """Seven notes of the United States at address 0; `do("insert 5.00", now_ms)`."""

    notes = NOTES

    def __init__(
        self, faults: Faults | None = None, setup: str = "", *, serial: int = 4312345,
        box_max: int = 500, address: int = 0, has_poll_with_ack: bool = True,
    ) -> None:  # fmt: skip
        self.address = address
        self.has_poll_with_ack = has_poll_with_ack
        super().__init__(faults, setup, serial, box_max)

    def boot(self, now_ms: int) -> None:
        self._last_flag: int | None = None
        self._last_reply = b""
        self._is_enabled = False
        self._inhibits = 0
        self._protocol = 4
        self._escaped = False
        self._waiting: list[bytes] = [bytes((RESET,))]
        self._pending = b""  # an event that POLL WITH ACK repeats
        where, cents = self.found
        self.found = ("", 0)
        if where == "front":
            self._waiting.append(bytes((CLEARED_FRONT, self._channel(cents))))
        elif where == "back":
            self.in_box += 1
            self.truth.forgotten[cents] += 1
            self._waiting.append(bytes((CLEARED_BOX, self._channel(cents))))

    def power_lost(self, now_ms: int) -> None:
        for event in [*self._waiting, self._pending]:
            if event[:1] == bytes((CREDIT,)):
                self.truth.forgotten[NOTES[event[1] - 1]] += 1
        self._waiting.clear()
        self._pending = b""

    def takes(self, cents: int, now_ms: int) -> bool:
        return (
            self._is_enabled and cents in NOTES and bool(self._inhibits >> NOTES.index(cents) & 1)
        )

    def why_shut(self, now_ms: int) -> str:
        if not self._is_enabled or not self._inhibits:
            return "its host takes no notes"
        return "an event waits for its acknowledgement" if self._pending else ""

    def told(self, event: str, cents: int) -> None:
        if event == "read":
            self.path.drawn.discard("told")
        code = EVENTS.get(event)
        if code is not None:
            self._waiting.append(
                bytes((code, self._channel(cents))) if code in (CREDIT, FRAUD) else bytes((code,))
            )

    @staticmethod
    def _channel(cents: int) -> int:
        return NOTES.index(cents) + 1 if cents in NOTES else 0

    # wire

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes of the host; a wrong frame gets no answer."""
        if self.state != "on":
            return
        if data and now_ms - self._heard_ms > GAP_MS:
            self._heard.clear()
            self._escaped = False
        if data:
            self._heard_ms = now_ms
        for byte in data:
            self._hear(byte, now_ms)

    def _hear(self, byte: int, now_ms: int) -> None:
        heard = self._heard
        if byte == STX and not self._escaped:
            self._escaped = True
            return
        if self._escaped and byte != STX:  # one 7F alone begins a frame
            heard[:] = bytes((STX,))
        self._escaped = False
        if not heard:
            return
        heard.append(byte)
        if len(heard) > 3 and len(heard) == heard[2] + 5:
            body = bytes(heard[1:-2])
            good = crc(body) == int.from_bytes(heard[-2:], "little")
            heard.clear()
            if good and body[0] & 0x7F == self.address:
                self._answer(body[0], body[2:], now_ms)

    def _answer(self, sequence: int, data: bytes, now_ms: int) -> None:
        flag = sequence & 0x80
        if data[:1] == b"\x11":
            self._last_flag = 0x80  # the next question has flag 0
            self._last_reply = frame(sequence, bytes((OK,)))
        elif flag != self._last_flag or not self._last_reply:
            self._last_flag = flag
            self._last_reply = frame(
                sequence, self._execute(data[0], data[1:], now_ms) if data else bytes((UNKNOWN,))
            )
        self._output += self._last_reply

    def _execute(self, command: int, data: bytes, now_ms: int) -> bytes:
        """The reply to a new question."""
        if command == 0x07:
            return bytes((OK,)) + self._poll_reply(False, now_ms)
        if command == 0x56:
            return (
                bytes((OK,)) + self._poll_reply(True, now_ms)
                if self.has_poll_with_ack
                else bytes((UNKNOWN,))
            )
        if command == 0x57:
            if not self._pending:
                return bytes((CANNOT,))
            self._pending = b""
        elif command == 0x01:
            self.power_off(now_ms, now_ms)
            return bytes((OK,))
        elif command == 0x02:
            if not 1 <= len(data) <= 2:
                return bytes((WRONG_COUNT,))
            self._inhibits = int.from_bytes(data, "little")
        elif command in (0x09, 0x0A):
            self._is_enabled = command == 0x0A
        elif command == 0x06:
            if len(data) != 1:
                return bytes((WRONG_COUNT,))
            if not 1 <= data[0] <= PROTOCOL_MAX:
                return bytes((FAIL,))
            self._protocol = data[0]
        elif command in (0x08, 0x18):
            done = self.path.give_back(now_ms) if command == 0x08 else self.path.hold(now_ms)
            return bytes((OK if done else CANNOT,))
        elif command in (0x05, 0x0C, 0x0D, 0x0E):
            return bytes((OK,)) + self._identity(command)
        elif command not in (0x03, 0x04):
            return bytes((UNKNOWN,))
        return bytes((OK,))

    def _identity(self, command: int) -> bytes:
        """SETUP REQUEST, GET SERIAL NUMBER, UNIT DATA, CHANNEL VALUE."""
        if command == 0x0C:
            return self.serial.to_bytes(4, "big")
        head = b"\0" + b"0416" + b"USD"
        values = bytes(cents // 100 for cents in NOTES)
        codes = b"USD" * len(NOTES) + b"".join(
            (cents // 100).to_bytes(4, "little") for cents in NOTES
        )
        more = codes if self._protocol >= 6 else b""
        if command == 0x0D:
            return head + (100).to_bytes(3, "big") + bytes((self._protocol,))
        if command == 0x0E:
            return bytes((len(NOTES),)) + values + more
        security = bytes([2] * len(NOTES))
        multipliers = (
            (100).to_bytes(3, "big")
            + bytes((len(NOTES),))
            + values
            + security
            + (100).to_bytes(3, "big")
        )
        return head + multipliers + bytes((self._protocol,)) + more

    def _poll_reply(self, with_ack: bool, now_ms: int) -> bytes:
        """The events since the last poll, then the states; a poll while a note is in escrow accepts
        it.
        """
        phase = self.path.phase
        events = b""
        if with_ack and self._pending:
            events += self._pending
        else:
            self._pending = b""
            while self._waiting:
                event = self._waiting.pop(0)
                events += event
                if with_ack and event[0] in TO_ACKNOWLEDGE:
                    self._pending = event
                    break
        if phase == "accepting":
            events += bytes((READ, 0))
        elif phase == "escrow":
            if self._was_read(now_ms):
                self.path.stack(now_ms)
            else:
                events += bytes((READ, self._channel(self.path.cents)))
        elif phase in ("jam_front", "jam_back"):
            events += bytes((UNSAFE_JAM if phase == "jam_front" else SAFE_JAM,))
        if self.in_box >= self.box_max:
            events += bytes((FULL,))
        if not self._is_enabled and phase == "idle":
            events += bytes((DISABLED,))
        return events

    def _was_read(self, now_ms: int) -> bool:
        """True when the host has heard of this note: then its next poll accepts it."""
        told = "told" in self.path.drawn
        self.path.drawn.add("told")
        return told
