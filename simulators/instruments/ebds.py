"""A bill acceptor that speaks EBDS ("Mars serial"): a new acknowledge bit is a new message, the old
one asks for a repeat.

Source: Pyramid RS-232 Serial Interface Specification rev. G (frames, states, acknowledge bit); the
public description of the messages in decapod-atm/ebds (bits of the omnibus command and reply,
extended note reply, power-up policies). Assumed, because no source says it: the times of the
transport; a host silent for more than 5 s shuts the mouth; `stacked`, `returned`, `cheated` and
`rejected` stand in one new reply and in its repeats; `power up` stands until the host has sent a
second message; policy A at power-up (a note behind the escrow is stacked and its value is not
stated; a note before the escrow goes back); the subtype of the serial number's question (05) and
its reply (20 characters).
"""

from collections import Counter

from simulators.instruments.acceptor import AcceptorTruth, cents_of
from simulators.instruments.faults import Faults
from simulators.instruments.machine import MachineError

NOTES = (100, 200, 500, 1000, 2000, 5000, 10000)  # note values 1 to 7
ACCEPT_MS = 900
STACK_MS = 700
RETURN_MS = 500
JAM_MS = 300  # from the start of a movement to the jam in it
FLAP_MS = 300
BOOT_MS = 900
SILENT_MS = 5000
CUT_MS = (50, 3500)  # after the note went in
OUTAGE_MS = (30, 3000)

STX, ETX, ENQUIRY = 0x02, 0x03, 0x05
FRAME_BYTES_MAX = 40
GAP_MS = 50

IDLING, ACCEPTING, ESCROWED, STACKING, STACKED, RETURNING, RETURNED = (1 << bit for bit in range(7))
CHEATED, REJECTED, JAMMED, FULL, CASSETTE, PAUSED, CALIBRATING = (1 << bit for bit in range(7))
POWER_UP, INVALID, FAILURE = 1, 2, 4
TRANSPORT_OPEN = 0x40
STATES = {
    "idle": IDLING,
    "accepting": ACCEPTING,
    "escrowed": ESCROWED,
    "stacking": STACKING,
    "returning": RETURNING,
}


def with_parity(data: bytes) -> bytes:
    """Seven bits and even parity in the eighth."""
    return bytes(byte | (byte.bit_count() & 1) << 7 for byte in data)


def frame(control: int, data: bytes) -> bytes:
    """A frame without parity: LEN counts all of it, the check is the XOR from LEN to the byte
    before ETX.
    """
    body = bytes((len(data) + 5, control)) + data
    check = 0
    for byte in body:
        check ^= byte
    return bytes((STX,)) + body + bytes((ETX, check))


class EbdsTransport:
    """The paper. phase: idle, accepting, escrowed, stacking, returning, jammed. `flags`: what
    happened and was not told yet.
    """

    def __init__(self, truth: AcceptorTruth, faults: Faults) -> None:
        self.truth = truth
        self.faults = faults
        self.phase = "idle"
        self.cents = 0
        self.due_ms = 0
        self.drawn: set[str] = set()
        self.in_box = 0
        self.told: set[str] = set()  # stacked, returned, cheated, rejected: for the next new reply
        self.stacked_cents = 0
        self._deep = False  # the note has passed the escrow

    def draw_in(self, cents: int, drawn: set[str], now_ms: int) -> None:
        self.truth.insert(cents, now_ms)
        self.cents = cents
        self.drawn = drawn
        self._deep = False
        self._go(
            "accepting",
            now_ms
            + (JAM_MS if "jam" in drawn and self.faults.random.random() < 0.5 else ACCEPT_MS),
        )

    def move(self, enabled: int, escrow: bool, now_ms: int) -> None:
        """Let the motors run. `enabled`: bits of the notes that the host accepts; without `escrow`
        a note goes straight on.
        """
        if self.phase in ("idle", "jammed") or now_ms < self.due_ms:
            return
        if self.phase == "accepting":
            self._judge(enabled, escrow, now_ms)
        elif self.phase == "escrowed" and "escrow_flap" in self.drawn:
            self.drawn.discard(
                "escrow_flap"
            )  # it slips back, is drawn in again and is in escrow a second time
            self.truth.move(self.cents, "escrow", "path", now_ms)
            self._go("accepting", now_ms + FLAP_MS)
        elif self.phase == "stacking":
            self._stacked(now_ms)
        elif self.phase == "returning":
            self.told.add("returned")
            self._leave("returned", now_ms)

    def stack(self, now_ms: int) -> None:
        self._deep = False
        self._go("stacking", now_ms + STACK_MS)

    def give_back(self, now_ms: int) -> None:
        self._go("returning", now_ms + RETURN_MS)

    def clear(self, now_ms: int) -> None:
        """A technician removes the jam: a note behind the escrow may be in the box by then."""
        self._leave(
            "box" if self._deep and self.faults.random.random() < 0.5 else "returned",
            now_ms,
            told=False,
        )

    def cut(self, now_ms: int) -> None:
        """Power is lost. Where the note is now decides what is found at power-up."""
        if self.phase != "idle":
            deep = self.phase == "jammed" and self._deep
            deep = deep or (self.phase == "stacking" and self.due_ms - now_ms < STACK_MS // 2)
            self._leave("box" if deep else "returned", now_ms, told=False)
        if "stacked" in self.told and self.stacked_cents:
            self.truth.forgotten[self.stacked_cents] += 1
            self.truth.credited[self.stacked_cents] -= 1
        self.told.clear()

    def _judge(self, enabled: int, escrow: bool, now_ms: int) -> None:
        bit = 1 << NOTES.index(self.cents)
        if "jam" in self.drawn and self.due_ms and self.faults.random.random() < 0.5:
            self._go("jammed", 0)
        elif {"reject", "suspect"} & self.drawn or not enabled & bit:
            self.told.add("cheated" if "suspect" in self.drawn else "rejected")
            self.drawn -= {"reject", "suspect"}
            self.give_back(now_ms)
        else:
            self.truth.move(self.cents, "path", "escrow", now_ms)
            if escrow:
                self._go("escrowed", now_ms + FLAP_MS)
            else:
                self.stack(now_ms)

    def _stacked(self, now_ms: int) -> None:
        if "jam" in self.drawn:
            self._deep = True
            self._go("jammed", 0)
            return
        self.truth.credited[self.cents] += 1
        self.stacked_cents = self.cents
        self.told.add("stacked")
        if "fish" in self.drawn:
            self.told.add("cheated")
        self._leave("fished" if "fish" in self.drawn else "box", now_ms)

    def _leave(self, place: str, now_ms: int, told: bool = True) -> None:
        self.truth.move(
            self.cents, "escrow" if self.truth.escrow[self.cents] else "path", place, now_ms
        )
        if place == "box":
            self.in_box += 1
            self.truth.forgotten[self.cents] += not told
        self._go("idle", 0)

    def _go(self, phase: str, due_ms: int) -> None:
        self.phase = phase
        self.due_ms = due_ms


class EbdsAcceptor:
    """Seven notes of the United States; `do("insert 5.00", now_ms)`.

    parity: "software" (the eighth bit is even parity), "none", or "auto" (as the host does).
    """

    supported = (
        "jam",
        "reject",
        "suspect",
        "power_loss",
        "stacker_full",
        "escrow_flap",
        "fish",
        "swap",
    )
    setups = ("power_off", "jammed", "full", "no_cassette", "calibrating", "failed", "swapped")
    verbs = {
        "insert AMOUNT": "feed a note (5.00)",
        "clear": "open it and clear a jam",
        "cassette out": "take the cash box away",
        "cassette in": "put an empty cash box in",
        "calibrate": "begin or end its calibration",
        "open": "open the transport",
        "close": "close it",
        "power off": "pull its plug",
        "power on": "put the plug back",
        "swap": "put another one in its place",
    }

    def __init__(
        self, faults: Faults | None = None, setup: str = "", *, parity: str = "auto",
        serial: int = 20091234, box_max: int = 500, nul_stacked: bool = True,
    ) -> None:  # fmt: skip
        """`nul_stacked`: after a cassette came back, a stacked frame full of NULs may go out once,
        as real ones have done.
        """
        if setup and setup not in self.setups:
            raise MachineError(
                f"EbdsAcceptor: unknown setup {setup!r}, want one of {', '.join(self.setups)}"
            )
        self.faults = faults or Faults()
        self.truth = AcceptorTruth()
        self.transport = EbdsTransport(self.truth, self.faults)
        self.parity = parity
        self.serial = serial + (setup == "swapped")
        self.box_max = box_max
        self.nul_stacked = nul_stacked
        self.cassette = setup != "no_cassette"
        self.calibrating = setup == "calibrating"
        self.failed = setup == "failed"
        self.is_open = False
        self.state = "off" if setup == "power_off" else "idle"
        self._on_at: int | None = None
        self._cut_at: int | None = None
        self._heard = bytearray()
        self._heard_ms = 0
        self._output = bytearray()
        self._nul_frame = False
        self._boot(0)
        if setup == "full":
            self.transport.in_box = box_max
        if setup == "jammed":
            self.transport.draw_in(NOTES[0], set(), 0)
            self.transport.phase = "jammed"

    def _boot(self, now_ms: int) -> None:
        self._last_ack: int | None = None
        self._last_reply = b""
        self._messages = 0  # that were new since power-up
        self._enabled = 0
        self._escrow = True
        self._extended = False
        self._polled_ms = now_ms
        self._invalid = False

    # ---- people ----

    def insert(self, cents: int, now_ms: int) -> None:
        """Feed one note; what the seed has in store for it is drawn here."""
        reason = ""
        if self.state == "off":
            reason = "it is off"
        elif self.transport.phase != "idle" or self.transport.told:
            reason = "a note is in it"
        elif not self._enabled or now_ms - self._polled_ms > SILENT_MS or self._messages < 2:
            reason = "its host takes no notes"
        elif (
            not self.cassette
            or self.transport.in_box >= self.box_max
            or self.calibrating
            or self.failed
            or self.is_open
        ):
            reason = "out of service"
        if reason:
            raise MachineError(f"EbdsAcceptor: {reason}")
        drawn = self.faults.draw(self.supported)
        if "stacker_full" in drawn:
            self.transport.in_box = self.box_max - 1
        self.transport.draw_in(cents, drawn, now_ms)
        if {"power_loss", "swap"} & drawn:
            self._cut_at = now_ms + self.faults.random.randrange(*CUT_MS)
            self.serial += "swap" in drawn

    def do(self, line: str, now_ms: int) -> None:
        """What a person does: one of `verbs`; MachineError says what would be understood."""
        verb, _, rest = line.strip().partition(" ")
        if verb == "insert":
            self.insert(cents_of(rest, NOTES), now_ms)
        elif line == "clear":
            if self.transport.phase != "jammed":
                raise MachineError("EbdsAcceptor: nothing is stuck")
            self.transport.clear(now_ms)
        elif verb == "cassette" and rest in ("out", "in"):
            self._cassette(rest == "in")
        elif line == "calibrate":
            self.calibrating = not self.calibrating
        elif line in ("open", "close"):
            self.is_open = line == "open"
        elif verb == "power" and rest in ("off", "on"):
            self.power_off(now_ms) if rest == "off" else self.power_on(now_ms)
        elif line == "swap":
            self.power_off(now_ms, now_ms + OUTAGE_MS[1])
            self.serial += 1
        else:
            raise MachineError(
                f"EbdsAcceptor: {line!r} is not understood; it takes {', '.join(self.verbs)}"
            )

    def _cassette(self, is_in: bool) -> None:
        if self.transport.phase != "idle":
            raise MachineError("EbdsAcceptor: a note is on its way, the cassette is locked")
        if is_in and not self.cassette:
            self.transport.in_box = 0
            self._nul_frame = self.nul_stacked and self.faults.random.random() < 0.5
        self.cassette = is_in

    def power_off(self, now_ms: int, on_at: int | None = None) -> None:
        """`on_at`: when the power comes back by itself."""
        if self.state != "off":
            self.transport.cut(now_ms)
            self._heard.clear()
            self._output.clear()
            self._nul_frame = False
        self.state = "off"
        self._on_at = on_at
        self._cut_at = None

    def power_on(self, now_ms: int) -> None:
        if self.state == "off":
            self.state = "booting"
            self._on_at = now_ms + BOOT_MS

    def true_pieces(self) -> Counter[int]:
        """What the ledger should hold: the box, and what was credited before somebody pulled it
        out.
        """
        return +(self.truth.box + self.truth.fished)

    # ---- time and wire ----

    def poll(self, now_ms: int) -> None:
        if self._cut_at is not None and now_ms >= self._cut_at:
            self.power_off(now_ms, now_ms + self.faults.random.randrange(*OUTAGE_MS))
        if self.state == "off" and self._on_at is not None and now_ms >= self._on_at:
            self.power_on(now_ms)
        if self.state == "booting" and self._on_at is not None and now_ms >= self._on_at:
            self.state = "idle"
            self._on_at = None
            self._boot(now_ms)
        if self.state == "idle":
            enabled = self._enabled if now_ms - self._polled_ms <= SILENT_MS else 0
            self.transport.move(enabled, self._escrow, now_ms)

    def receive(self, data: bytes, now_ms: int) -> None:
        """Bytes of the host; a wrong frame gets no answer."""
        if self.state != "idle":
            return
        if data and now_ms - self._heard_ms > GAP_MS:
            self._heard.clear()
        if data:
            self._heard_ms = now_ms
        for byte in data:
            self._heard.append(byte)
            self._read(now_ms)

    def pop_output(self) -> bytes:
        """The bytes sent since the last call."""
        sent = bytes(self._output)
        self._output.clear()
        return sent

    def _read(self, now_ms: int) -> None:
        """Answer a whole frame at the start of the received bytes; drop anything else."""
        heard = self._heard
        while heard:
            plain = bytes(byte & 0x7F for byte in heard)
            if plain[0] != STX or (len(plain) > 1 and not 6 <= plain[1] <= FRAME_BYTES_MAX):
                del heard[0]
                continue
            if len(plain) < 2 or len(plain) < plain[1]:
                return
            size = plain[1]
            body = plain[:size]
            by_parity = self.parity == "software" or (
                self.parity == "auto" and any(byte & 0x80 for byte in heard[:size])
            )
            if frame(body[2], body[3:-2]) != body or (
                by_parity and with_parity(body) != bytes(heard[:size])
            ):
                del heard[0]
                continue
            del heard[:size]
            self._answer(body[2], body[3:-2], by_parity, now_ms)

    def _answer(self, control: int, data: bytes, by_parity: bool, now_ms: int) -> None:
        ack = control & 1
        if ack != self._last_ack:
            self._last_ack = ack
            self._messages += 1
            self._last_reply = self._new_reply(control, data, now_ms)
        self._polled_ms = now_ms
        self._output += with_parity(self._last_reply) if by_parity else self._last_reply

    def _new_reply(self, control: int, data: bytes, now_ms: int) -> bytes:
        kind = control >> 4 & 7
        if kind == 6 and data[-1:] == b"\x05":
            return frame(0x60 | control & 1, b"%020d" % self.serial)
        self._invalid = kind != 1 or len(data) != 3
        if not self._invalid:
            self._obey(data, now_ms)
        return self._status(control & 1)

    def _obey(self, data: bytes, now_ms: int) -> None:
        self._enabled = data[0]
        self._escrow = bool(data[1] & 0x10)
        self._extended = bool(data[2] & 0x10)
        if self.transport.phase == "escrowed":
            if data[1] & 0x60 == 0x20:
                self.transport.stack(now_ms)
            elif data[1] & 0x60 == 0x40:
                self.transport.give_back(now_ms)

    def _status(self, ack: int) -> bytes:
        """The reply to a new message; it also carries the events."""
        transport = self.transport
        told = transport.told
        state = (
            STATES.get(transport.phase, 0)
            | STACKED * ("stacked" in told)
            | RETURNED * ("returned" in told)
        )
        events = CHEATED * ("cheated" in told) | REJECTED * ("rejected" in told)
        events |= JAMMED * (transport.phase == "jammed") | FULL * (transport.in_box >= self.box_max)
        events |= CASSETTE * self.cassette | CALIBRATING * self.calibrating
        more = POWER_UP * (self._messages <= 2) | INVALID * self._invalid | FAILURE * self.failed
        more |= TRANSPORT_OPEN * self.is_open
        cents = 0
        if "stacked" in told:
            cents = transport.stacked_cents
        elif transport.phase == "escrowed":
            cents = transport.cents
        told.clear()
        tail = bytes((0, 0x54, 0x11))  # nothing stalled; model T, firmware 17
        if self._extended and self._nul_frame:
            self._nul_frame = False
            return frame(0x70 | ack, bytes((2, state | STACKED, events, more)) + tail + bytes(18))
        if self._extended and cents:
            note = b"%cUSD%03d+00%c%c%c%c%c%c\0\0" % (
                NOTES.index(cents) + 1,
                cents // 100,
                0,
                *b"AABA",
                0,
            )
            return frame(0x70 | ack, bytes((2, state, events, more)) + tail + note)
        more |= NOTES.index(cents) + 1 << 3 if cents else 0
        return frame(0x20 | ack, bytes((state, events, more)) + tail)
