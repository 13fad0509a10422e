"""A bill acceptor that speaks ID-003: a status at each question, and "vend valid" until the host
acknowledges it.

Source: JCM, ID-003 communication specification ID03-001 rev. 05 (2004), and public programs that
quote it. If a bill is in the stacker at power-up, the reset stacks it. Only with the power
recovery option "vend valid" follows. Assumed, because no source says it: the times; that setting
commands are answered with an echo; the texts of the version.
"""

from simulators.instruments.faults import Faults
from simulators.instruments.note_path import Validator

NOTES = (100, 200, 500, 1000, 2000, 5000, 10000)  # denomination data 61h to 67h
SYNC = 0xFC
(
    IDLING,
    ACCEPTING,
    ESCROW,
    STACKING,
    VEND_VALID,
    STACKED,
    REJECTING,
    RETURNING,
    HOLDING,
    INHIBIT,
    INITIALIZE,
) = range(0x11, 0x1C)
(
    POWER_UP,
    POWER_UP_ACCEPTOR,
    POWER_UP_STACKER,
    FULL,
    OPEN,
    JAM_ACCEPTOR,
    JAM_STACKER,
    PAUSE,
    CHEATED,
    FAILURE,
) = range(0x40, 0x4A)
COMMUNICATION_ERROR, INVALID, ACK = 0x4A, 0x4B, 0x50
REJECT_INHIBITED, REJECT_VERIFY = 0x79, 0x77
GAP_MS = 100
INITIALIZE_MS = 600
SHOWN_MS = 400  # how long "cheated" and "stacked" are shown


def crc(data: bytes) -> int:
    """CRC-16/KERMIT: polynomial 1021 with the lowest bit first, seed 0."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
    return value


def frame(command: int, data: bytes = b"") -> bytes:
    """SYNC, length of the whole frame, command, data, CRC with its low byte first."""
    body = bytes((SYNC, len(data) + 5, command)) + data
    return body + crc(body).to_bytes(2, "little")


class Id003Acceptor(Validator):
    """Seven notes of the United States; `do("insert 5.00", now_ms)`. `power_recovery`: it says vend
    valid after a reset.
    """

    notes = NOTES

    def __init__(
        self, faults: Faults | None = None, setup: str = "", *, serial: int = 1, box_max: int = 500,
        power_recovery: bool = False,
    ) -> None:  # fmt: skip
        self.power_recovery = power_recovery
        super().__init__(faults, setup, serial, box_max)

    def boot(self, now_ms: int) -> None:
        self._needs_reset = True
        self._ready_ms = now_ms
        self._inhibited = True
        self._disabled = 0
        self._vend = 0  # cents of the note that waits for the host's ACK
        self._reason = REJECT_VERIFY
        self._shown = (0, 0)  # (status, until)
        self._now_ms = now_ms
        self._is_returned = False
        self._settings: dict[int, bytes] = {
            0xC0: b"\0\0",
            0xC1: b"\0\0",
            0xC3: b"\1",
            0xC4: b"\0",
            0xC5: b"\0\0",
        }

    def power_lost(self, now_ms: int) -> None:
        if (
            self._vend
        ):  # it was never acknowledged: the money is in the box, and perhaps nobody was told
            self.truth.forgotten[self._vend] += 1
            self.found = ("counted", self._vend)

    def takes(self, cents: int, now_ms: int) -> bool:
        return (
            not self._inhibited and cents in NOTES and not self._disabled >> NOTES.index(cents) & 1
        )

    def why_shut(self, now_ms: int) -> str:
        if self._needs_reset or now_ms < self._ready_ms:
            return "it waits for its reset"
        if self._inhibited:
            return "its host takes no notes"
        return "vend valid waits for its acknowledgement" if self._vend else ""

    def told(self, event: str, cents: int) -> None:
        if event == "credit":
            self._vend = cents
        elif event == "fraud":
            self._shown = (CHEATED, self._now_ms + SHOWN_MS)
        elif event == "stacked":
            self._shown = (STACKED, self._now_ms + SHOWN_MS)
        elif event == "rejecting" and not self._is_returned:
            self._reason = REJECT_VERIFY if self.takes(cents, self._now_ms) else REJECT_INHIBITED
        elif event == "read":
            self._is_returned = False

    def poll(self, now_ms: int) -> None:
        self._now_ms = now_ms
        super().poll(now_ms)

    # wire

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes of the host; a wrong frame gets "communication error", noise nothing."""
        if self.state != "on":
            return
        if data and now_ms - self._heard_ms > GAP_MS:
            self._heard.clear()
        if data:
            self._heard_ms = now_ms
        for byte in data:
            self._heard.append(byte)
            self._read(now_ms)

    def _read(self, now_ms: int) -> None:
        heard = self._heard
        while heard and (heard[0] != SYNC or (len(heard) > 1 and heard[1] < 5)):
            del heard[0]
        if len(heard) < 2 or len(heard) < heard[1]:
            return
        body = bytes(heard[: heard[1]])
        heard.clear()
        if crc(body[:-2]) == int.from_bytes(body[-2:], "little"):
            self._answer(body[2], body[3:-2], now_ms)
        else:
            self._output += frame(COMMUNICATION_ERROR)

    def _answer(self, command: int, data: bytes, now_ms: int) -> None:
        if command == ACK:
            self._vend = 0  # the host has it; no answer
        elif command == 0x11:
            self._output += self._status(now_ms)
        elif command == 0x40:
            self._reset(now_ms)
            self._output += frame(ACK)
        elif command in (0x41, 0x42, 0x43, 0x44, 0x45):
            self._output += frame(ACK if self._operate(command, now_ms) else INVALID)
        elif command in self._settings:
            self._settings[command] = data
            self._inhibited = bool(self._settings[0xC3][:1] == b"\1")
            self._disabled = int.from_bytes(self._settings[0xC0][:1], "little")
            self._output += frame(command, data)
        elif command + 0x40 in self._settings:
            self._output += frame(command, self._settings[command + 0x40])
        elif command == 0x88:
            self._output += frame(command, b"U(USA)-77-SS ID003-05V%03d" % (self.serial % 1000))
        elif command == 0x8A:
            rows = [
                bytes((0x61 + index, 1, *_digits(cents // 100)))
                for index, cents in enumerate(NOTES)
            ]
            self._output += frame(command, b"".join(rows))
        else:
            self._output += frame(INVALID)

    def _reset(self, now_ms: int) -> None:
        where, cents = self.found
        self.found = ("", 0)
        if self.path.phase in ("accepting", "escrow"):
            self.path.find(now_ms)  # the reset gives it back
        if where == "back":
            self.in_box += 1
            if self.power_recovery:
                self._vend = cents
            else:
                self.truth.forgotten[cents] += 1
        self._needs_reset = False
        self._ready_ms = now_ms + INITIALIZE_MS

    def _operate(self, command: int, now_ms: int) -> bool:
        """STACK-1, STACK-2, RETURN, HOLD, WAIT: only with a bill in escrow; True when it was
        done.
        """
        if command in (0x41, 0x42):
            return self.path.stack(now_ms)
        if command == 0x43:
            self._is_returned = True
            return self.path.give_back(now_ms)
        return self.path.hold(now_ms)

    def _status(self, now_ms: int) -> bytes:
        """The machine's state, the most serious first."""
        where = self.found[0]
        phase = self.path.phase
        if self._needs_reset:
            back = where in ("back", "counted")
            return frame(
                POWER_UP_STACKER if back else POWER_UP_ACCEPTOR if where == "front" else POWER_UP
            )
        if self._vend and phase in ("idle", "stacked", "jam_back"):
            return frame(VEND_VALID)
        if now_ms < self._ready_ms:
            return frame(INITIALIZE)
        if phase in ("jam_front", "jam_back"):
            return frame(JAM_ACCEPTOR if phase == "jam_front" else JAM_STACKER)
        if phase == "accepting":
            return frame(ACCEPTING)
        if phase == "escrow":
            return frame(ESCROW, bytes((0x61 + NOTES.index(self.path.cents),)))
        if phase in ("stacking", "stacked"):
            return frame(STACKING if phase == "stacking" else STACKED)
        if phase == "returning":
            return (
                frame(RETURNING) if self._is_returned else frame(REJECTING, bytes((self._reason,)))
            )
        if now_ms < self._shown[1]:
            return frame(self._shown[0])
        if not self.cashbox:
            return frame(OPEN)
        if self.in_box >= self.box_max:
            return frame(FULL)
        return frame(INHIBIT if self._inhibited else IDLING)


def _digits(value: int) -> tuple[int, int]:
    """(digits, zeros) of a value in whole units: 20 is 2 and one zero."""
    noughts = 0
    while value and value % 10 == 0:
        value //= 10
        noughts += 1
    return value, noughts
