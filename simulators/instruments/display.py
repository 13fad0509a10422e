"""Two note counters that send frames instead of reports. Nobody here has seen either machine.

UWF, 19200 8N1. Source: a public reverse-engineering note, "Análisis de Protocolo de Comunicación de
la UWF (Visor Externo)", with one frame, 30 bytes about every 100 ms: 02, then at offset 3 a status
digit (1 active, 0 standby), at 6 the reject sensor, at 7 an amount of 14 digits, at 24 the pieces
as four hexadecimal digits, 03, a check. The note itself is unsure: it reads its frame differently
in two places. Assumed: the check is the XOR of the bytes after 02, up to 03, as in that frame; the
amount is in cents; the other digits stay what they are in the frame; the numbers fall to zero when
the next batch begins.

FDDF, 115200 8N1, 44 bytes. Source: public source text of another program that reads the frame
(offsets and status byte): FD DF 2C 0E, pieces u32le, denomination u32le, amount u64le (running
sums, whole units), currency[4], serial[11], reserved[5], error, status (0 start, 1 note, 2 end, 3
stacker full, 4 standby), reserved, CRC-8 (31h, init 0). Assumed: the check covers all bytes before
it; a standby frame goes out every second while nothing moves; a stop is one with an error code of
ours.
"""

from simulators.instruments.coin_sorter import audit_tape
from simulators.instruments.faults import WIRE_KNOBS, Faults
from simulators.instruments.hands import CLOCK_START, ReportMachine
from simulators.instruments.machine import MachineError, Rows, value_cents
from simulators.instruments.truth import Printed, Untold

EVIDENCE = "guess"
UWF_EVERY_MS = 100
STANDBY_EVERY_MS = 1000
START, NOTE, END, STACKER_FULL, STANDBY = range(5)
ERRORS = {
    "jam": 1,
    "double": 2,
    "chain": 3,
    "suspect": 4,
    "denomination_change": 5,
    "batch_full": 6,
    "door_mid_count": 7,
    "reject": 8,
}
STREAM_KNOBS = (*WIRE_KNOBS, "wrong_baud")
STRIPPED = (
    "sub",
    "reprint",
    "clear day",
    "wrap",
)  # keys that have no meaning on a machine without reports
MECHANISM = (
    "jam", "reject", "suspect", "double", "double_unseen", "power_loss", *WIRE_KNOBS, "chain",
    "denomination_change", "batch_full", "stacker_full", "hopper_empty", "door_mid_count",
    "clear_silent", "wrong_baud",
)  # fmt: skip


class StreamCounter(ReportMachine):
    """A counter without paper: it sends everything as frames. The fault of a batch strikes one of
    its frames.
    """

    denominations = (100, 200, 500, 1000, 2000, 5000, 10000)
    ms_per_piece = 60
    supported: tuple[str, ...] = MECHANISM
    setups = ("power_off", "counting", "waiting", "jammed", "stacker_full")
    verbs = {verb: told for verb, told in ReportMachine.verbs.items() if verb not in STRIPPED}
    foreign = audit_tape(4, CLOCK_START, [(5, 10), (100, 2)])[0]

    def __init__(self, faults: Faults | None, setup: str, on_stop: str) -> None:
        super().__init__(faults, setup, CLOCK_START, 0, on_stop)
        self._frames = bytearray()  # of this batch, as they left
        self._harm: dict[int, set[str]] = {}  # which frame of the batch is struck by what
        self._struck: set[str] = set()
        self._frame_no = 0
        self._is_cut = False  # the plug fell out: nothing of this batch is heard any more
        self._next_ms = 0

    def end_sub_batch(self, now_ms: int) -> None:
        """Raises MachineError: there is no such frame."""
        raise MachineError(f"{type(self).__name__}: sends no sub-batches")

    def reprint(self, now_ms: int) -> None:
        """Raises MachineError: there is nothing to print."""
        raise MachineError(f"{type(self).__name__}: has no report to print again")

    def _key(self, said: str, now_ms: int) -> bool:
        return said not in STRIPPED and super()._key(said, now_ms)

    def _begin_batch(self, pieces: int) -> None:
        super()._begin_batch(pieces)
        self._frames.clear()
        self._harm = {}
        self._struck = set()
        self._frame_no = 0
        self._is_cut = False
        for knob in STREAM_KNOBS:
            if knob in self.active:
                # cut short: something of the batch was heard
                first = 2 if knob == "truncate" else 0
                at = self.faults.random.randrange(
                    first, first + self._frames_of(pieces) - bool(first)
                )
                self._harm.setdefault(at, set()).add(knob)

    def _frames_of(self, pieces: int) -> int:
        """How many frames a batch of so many pieces has for certain."""
        return pieces + 1

    def _emit(self, frame: bytes, now_ms: int) -> None:
        harm = self._harm.get(self._frame_no, set()) if self.state != "off" else set[str]()
        self._frame_no += 1
        if self._is_cut:
            return
        if "swap" in self.active:
            frame = self.foreign if self._frame_no == 1 else b""
        if harm and frame:
            self._struck |= harm
            self._is_cut = "truncate" in harm
            frame = self._nuls(frame) if "nuls" in harm else frame
            frame = self.faults.on_the_wire(frame, len(frame), harm - {"nuls"})
        self._frames += frame
        self._send(frame, now_ms)

    def _nuls(self, frame: bytes) -> bytes:
        return bytes(self.faults.random.randrange(1, 5)) + frame

    def _print(
        self, kind: str, sub_batch: int, rows: Rows, passed: Rows, now_ms: int,
        batch: int | None = None, own: Rows | None = None,
    ) -> None:  # fmt: skip
        """The batch is over: send the last frame, and note the batch with all its frames in the
        truth.
        """
        self._last_frame(now_ms)
        sent = bytes(self._frames)
        harm = frozenset(self._struck)
        made = Printed(
            kind, self.batch, 0, 0, rows, passed, self.drawn, sent, rows, harm, self.stop_reason
        )
        if "swap" in self.active:
            self.truth.untold.append(Untold("swap", self.batch, rows, passed))
        else:
            self.truth.printed.append(made)

    def _last_frame(self, now_ms: int) -> None:
        raise NotImplementedError


class UwfDisplay(StreamCounter):
    """What stands on the outside display, ten times a second while it has power."""

    def __init__(
        self, faults: Faults | None = None, setup: str = "", *, on_stop: str = "excluded"
    ) -> None:
        super().__init__(faults, setup, on_stop)
        self._shown: Rows = []  # stays on the display until the next batch begins
        self.start()

    def poll(self, now_ms: int) -> None:
        """Count, and send the display."""
        super().poll(now_ms)
        if self.state == "off":
            self._shown = []
        self._next_ms = max(self._next_ms, now_ms - 10 * UWF_EVERY_MS)
        while self._next_ms <= now_ms:
            if self.state != "off":
                self._emit(self._display(), now_ms)
            self._next_ms += UWF_EVERY_MS

    def _frames_of(self, pieces: int) -> int:
        return max(2, pieces * self.ms_per_piece // UWF_EVERY_MS)

    def _display(self) -> bytes:
        if self._batch_passed or self._counted:
            self._shown = sorted((+self._counted).items())
        is_active = self.state == "counting" and not self.is_starved
        is_refusing = self.state == "stopped" and self.truth.tray.total() > 0
        return uwf_frame(
            sum(pieces for _, pieces in self._shown),
            value_cents(self._shown),
            is_active,
            is_refusing,
        )

    def _begin_batch(self, pieces: int) -> None:
        super()._begin_batch(pieces)
        self._shown = []

    def _last_frame(self, now_ms: int) -> None:
        self._emit(self._display(), now_ms)


class FddfCounter(StreamCounter):
    """A frame for each note between a start and an end frame."""

    ms_per_piece = 50
    supported = (*MECHANISM, "gap", "swap")

    def __init__(
        self, faults: Faults | None = None, setup: str = "", *, on_stop: str = "excluded",
        currency: str = "USD"
    ) -> None:  # fmt: skip
        super().__init__(faults, setup, on_stop)
        self.currency = currency
        self._serial_no = 0
        self._gap_at = -1  # the frame of this batch that comes in two pieces
        self.start()

    def poll(self, now_ms: int) -> None:
        """Count, and send standby frames while nothing moves."""
        super().poll(now_ms)
        if self.state == "off" or (self.state == "counting" and not self.is_starved):
            self._next_ms = now_ms + STANDBY_EVERY_MS
        elif now_ms >= self._next_ms:
            self._next_ms = now_ms + STANDBY_EVERY_MS
            self._tell(STANDBY, 0, now_ms, ERRORS.get(self.stop_reason, 0))

    def _begin_batch(self, pieces: int) -> None:
        super()._begin_batch(pieces)
        self._gap_at = self.faults.random.randrange(1, pieces + 1) if "gap" in self.active else -1
        self._tell(START, 0, self._now_ms)

    def _count(self, denomination: int) -> None:
        super()._count(denomination)
        self._serial_no += 1
        self._tell(NOTE, denomination, self._last_ms)

    def _stop(self, reason: str) -> None:
        super()._stop(reason)
        if reason == "stacker_full":
            self._tell(STACKER_FULL, 0, self._last_ms)
        else:
            self._tell(STANDBY, 0, self._last_ms, ERRORS.get(reason, 0))

    def _last_frame(self, now_ms: int) -> None:
        self._tell(END, 0, now_ms)

    def _tell(self, status: int, denomination: int, now_ms: int, error: int = 0) -> None:
        if self.state == "idle" and status == STANDBY:
            rows: Rows = []
        else:
            rows = sorted((+self._counted).items())
        serial = f"LB{self._serial_no:08d}A" if status == NOTE else ""
        frame = fddf_frame(rows, denomination, status, error, self.currency, serial)
        if self._frame_no == self._gap_at:
            self._frame_no += 1
            self._frames += frame
            self._send(frame, now_ms, has_gap=True)
        else:
            self._emit(frame, now_ms)


def uwf_frame(pieces: int, cents: int, is_active: bool, is_refusing: bool) -> bytes:
    """30 bytes; 6,010.00 in 120 pieces, standing still with a piece refused, is the published
    frame.
    """
    text = f"00{int(is_active)}10{int(is_refusing)}{cents % 10**14:014d}000{pieces & 0xFFFF:04X}"
    body = text.encode() + b"\x03"
    check = 0
    for byte in body:
        check ^= byte
    return b"\x02" + body + bytes((check,))


def fddf_frame(
    rows: Rows, denomination: int, status: int, error: int, currency: str, serial: str
) -> bytes:
    """44 bytes; sums are those of `rows`, denomination in cents."""
    pieces = sum(count for _, count in rows)
    frame = (
        b"\xfd\xdf\x2c\x0e"
        + pieces.to_bytes(4, "little")
        + (denomination // 100).to_bytes(4, "little")
    )
    frame += (value_cents(rows) // 100).to_bytes(8, "little") + currency.encode().ljust(4, b"\0")
    frame += serial.encode().ljust(11, b"\0") + bytes(5) + bytes((error, status, 0))
    return frame + bytes((crc8(frame),))


def crc8(data: bytes) -> int:
    """CRC-8, polynomial 31h, init 0, most significant bit first."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x31 if crc & 0x80 else 0)) & 0xFF
    return crc
