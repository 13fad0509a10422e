"""A ccTalk bill validator: a note is drawn in, judged, held in escrow until the host routes it, and
stacked or returned.

Source: ccTalk Generic Specification v4.7, part 2 (headers 152 to 159) and part 3 (bill event codes;
the dialogue of an Ardac6). Assumed, because makers differ: times of the transport; escrow and
stacker in use after power-up; a note found in the transport at power-up is returned, or stacked
without a credit (sometimes with event 21); a note that jams in the stacker (7) may end in either
place; a note that jams out of reach (16) ends in the box and is not told again.
"""

from collections.abc import Callable

from simulators.instruments.acceptor import AcceptorTruth, cents_of
from simulators.instruments.cctalk_wire import ACK, NAK, CctalkDevice
from simulators.instruments.faults import Faults
from simulators.instruments.machine import MachineError

US_BILLS = ("US0001A", "US0005A", "US0010A", "US0020A", "US0050A", "US0100A", ".......")
TYPES = 16
UNUSED = "......."
SCALING = {b"US": (100, 2), b"EU": (100, 2)}

DRAW_MS = 600
STACK_MS = 700
RETURN_MS = 400
ESCROW_MS = 30_000  # then the note goes back by itself
POLLING_MS = 5000  # a host silent for so long: it inhibits itself

ESCROWED, STACKED = 1, 0  # result B of a bill type
MASTER_INHIBIT, RETURNED, INVALID, TRANSPORT, INHIBITED = 0, 1, 2, 3, 4
JAM_UNSAFE, STACKER_JAM, PULLED_BACK, TAMPER = 6, 7, 8, 9
STACKER_OUT, STACKER_IN, FULL, JAM_SAFE = 11, 12, 14, 16
OPTO_FRAUD, STRING_FRAUD, UNKNOWN_STACKED = 17, 18, 21
JAMS = (JAM_UNSAFE, STACKER_JAM, JAM_SAFE)
ESCROW_EMPTY, ROUTE_FAILED = 254, 255


class BillTransport:
    """The paper: one note at a time. It knows no events and no wire: it calls tell(what) with
    what the sensors saw.

    stage: empty, drawing, escrow, stacking, returning, jammed.
    """

    def __init__(self, truth: AcceptorTruth, tell: Callable[[str], None]) -> None:
        self.truth = truth
        self.stage = "empty"
        self.cents = 0
        self.due_ms = 0
        self.jam = 0  # which of JAMS
        self.strikes = ""  # what will happen to this note: "jam", "fish" or nothing
        self._tell = tell

    def draw_in(self, cents: int, now_ms: int) -> None:
        self.truth.insert(cents, now_ms)
        self.cents = cents
        self._go("drawing", now_ms + DRAW_MS)

    def hold(self, now_ms: int) -> None:
        self.truth.move(self.cents, "path", "escrow", now_ms)
        self._go("escrow", now_ms + ESCROW_MS)

    def stack(self, now_ms: int) -> None:
        self._go("stacking", now_ms + STACK_MS)

    def give_back(self, now_ms: int) -> None:
        self._go("returning", now_ms + RETURN_MS)

    def stick(self, jam: int) -> None:
        self.jam = jam
        self._go("jammed", 0)

    def move(self, now_ms: int) -> None:
        """Let the motors run; what is finished is told before the next thing begins."""
        if self.stage in ("empty", "jammed") or now_ms < self.due_ms:
            return
        ended = self.stage
        if ended == "stacking" and self.strikes:
            self._tell(self.strikes)
        elif ended in ("stacking", "returning"):
            self.end("box" if ended == "stacking" else "returned", now_ms)
            self._tell("stacked" if ended == "stacking" else "returned")
        else:
            self._tell("judge" if ended == "drawing" else "escrow_timeout")

    def end(self, place: str, now_ms: int) -> None:
        """The note leaves the transport."""
        if self.stage != "empty":
            self.truth.move(
                self.cents, "escrow" if self.truth.escrow[self.cents] else "path", place, now_ms
            )
        self._go("empty", 0)
        self.strikes = ""

    def _go(self, stage: str, due_ms: int) -> None:
        self.stage = stage
        self.due_ms = due_ms


class BillValidator(CctalkDevice):
    """Address 40, six notes of the United States; `do("insert 5.00", now_ms)`."""

    supported = (
        "jam",
        "reject",
        "suspect",
        "power_loss",
        "burst",
        "wrap",
        "fish",
        "escrow_flap",
        "stacker_full",
        "swap",
    )
    setups = (*CctalkDevice.setups, "full")
    verbs = {
        "insert AMOUNT": "feed a note (5.00)",
        "clear": "open it and clear a jam",
        "pull": "pull the note in escrow back",
        "tamper": "poke about in its mouth",
        "stacker out": "take the cash box away",
        "stacker in": "put an empty cash box in",
        **CctalkDevice.verbs,
    }
    texts = {
        # so in the specification's dialogue; its list of categories says Bill Validator
        245: b"Bill Acceptor",
        246: b"MCI",
        244: b"Ardac6",
        241: b"AEN-F1-V4.44",
        192: b"Standard",
        4: bytes((1, 4, 4)),
        249: bytes((2, 20)),  # poll every 20 x 10 ms
        232: bytes((0,)),  # self-check: no fault
    }
    _refusal = INVALID

    def __init__(
        self, faults: Faults | None = None, setup: str = "", *, address: int = 40,
        crc: bool = False, serial: int = 1605, ids: tuple[str, ...] = US_BILLS,
        category: bytes = b"", box_max: int = 1000,
    ) -> None:  # fmt: skip
        """`ids`: seven characters for each bill type; US0005A is 5 times the scaling factor of
        US.
        """
        self.ids = (*ids, *[UNUSED] * (TYPES - len(ids)))
        self.types = {
            int(each[2:6]) * SCALING[each[:2].encode()][0]: at
            for at, each in enumerate(self.ids, 1)
            if each[0] != "."
        }
        self._drawn: set[str] = set()  # faults of the note under way
        self._told_escrow = False
        self._mode = 3  # stacker and escrow
        self.box_max = box_max
        self.in_box = 0
        self.is_stacker_in = True
        self._polled_ms = 0
        self._chatter: list[tuple[int, int]] = []  # (when, status): contacts that bounce
        super().__init__(faults, setup, address, crc, serial)
        if category:
            self.texts = {**self.texts, 245: category}
        self.transport = BillTransport(self.truth, self._saw)
        self._now_ms = 0
        if setup == "full":
            self.in_box = box_max
        if setup == "jammed":
            self.transport.draw_in(next(iter(self.types)), 0)
            self.transport.stick(JAM_UNSAFE)
            self.events.add(0, JAM_UNSAFE)

    def insert(self, cents: int, now_ms: int) -> None:
        """Feed one note; what the seed has in store for it is drawn here."""
        self._need_mouth()
        drawn = self.faults.draw(self.supported)
        self._drawn = drawn
        self.transport.strikes = next((knob for knob in ("jam", "fish") if knob in drawn), "")
        self.transport.draw_in(cents, now_ms)
        self._strike_power(drawn, now_ms)

    def _need_mouth(self) -> None:
        reason = ""
        if self.state == "off" or not self._master:
            reason = "its mouth is shut"
        elif self.transport.stage != "empty":
            reason = "a note is in it"
        elif not self.is_stacker_in or self.in_box >= self.box_max:
            reason = "it has no room for a note"
        if reason:
            raise MachineError(f"BillValidator: {reason}")

    def do(self, line: str, now_ms: int) -> None:
        """What a person does; MachineError says what would be understood."""
        verb, _, rest = line.strip().partition(" ")
        if verb == "insert":
            self.insert(cents_of(rest, self.types), now_ms)
        elif line == "clear":
            self._clear(now_ms)
        elif line == "pull":
            if self.transport.stage != "escrow":
                raise MachineError("BillValidator: no note in escrow")
            self.transport.end("returned", now_ms)
            self._status(PULLED_BACK)
        elif line == "tamper":
            self._status(TAMPER)
        elif line == "stacker out":
            self.is_stacker_in = False
            self._status(STACKER_OUT)
        elif line == "stacker in":
            self.is_stacker_in = True
            self.in_box = 0
            self._status(STACKER_IN)
        else:
            super().do(line, now_ms)

    def _clear(self, now_ms: int) -> None:
        """A technician opens it: where the stuck note goes depends on how deep it was."""
        if self.transport.stage != "jammed":
            raise MachineError("BillValidator: nothing is stuck")
        in_box = self.transport.jam == JAM_SAFE or (
            self.transport.jam == STACKER_JAM and self.faults.random.random() < 0.5
        )
        self.transport.end("box" if in_box else "returned", now_ms)

    # how the electronics react

    def _status(self, code: int) -> None:
        if self.state != "off":
            self.events.add(0, code)

    def _saw(self, what: str) -> None:
        """The sensors of the transport."""
        now_ms, note, random = self._now_ms, self.transport, self.faults.random
        if what == "judge":
            self._judge(now_ms)
        elif what == "escrow_timeout":
            note.give_back(now_ms)
        elif what == "returned":
            if self._told_escrow:
                self._status(RETURNED)
        elif what == "stacked":
            self._credit(now_ms)
        elif what == "jam":
            note.stick(random.choice(JAMS))
            self._status(note.jam)
        elif random.random() < 0.5:  # fished before it was stacked
            note.end("returned", now_ms)
            self._status(PULLED_BACK)
        else:
            note.end("box", now_ms)
            self._credit(now_ms)
            self.truth.move(note.cents, "box", "fished", now_ms)
            self._status(PULLED_BACK)

    def _judge(self, now_ms: int) -> None:
        note, drawn, random = self.transport, self._drawn, self.faults.random
        self._told_escrow = False
        refusal = 0
        if "reject" in drawn:
            refusal = random.choice((INVALID, TRANSPORT))
        elif "suspect" in drawn:
            refusal = random.choice((INVALID, OPTO_FRAUD, STRING_FRAUD))
        elif not self._master or not self._is_enabled(self.types[note.cents]):
            refusal = INHIBITED
        if refusal:
            self._status(refusal)
            note.give_back(now_ms)
        elif self._mode & 2:
            note.hold(now_ms)
            self._told_escrow = True
            for _ in range(2 if "escrow_flap" in drawn else 1):
                self.events.add(self.types[note.cents], ESCROWED)
        else:
            note.stack(now_ms)

    def _credit(self, now_ms: int) -> None:
        cents = self.transport.cents
        self.events.add(self.types[cents], STACKED)
        self.truth.credited[cents] += 1
        self.in_box += 1
        if "stacker_full" in self._drawn:
            self.in_box = self.box_max
        if self.in_box >= self.box_max:
            self._status(FULL)
        if "burst" in self._drawn:  # the contact of the cash box bounces
            self._chatter = [
                (now_ms + at * 10, (STACKER_OUT, STACKER_IN)[at % 2]) for at in range(6)
            ]

    def _move(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self.transport.move(now_ms)
        while self._chatter and self._chatter[0][0] <= now_ms:
            self._status(self._chatter.pop(0)[1])
        if self._master and now_ms - self._polled_ms > POLLING_MS:
            self._master = 0
            self._status(MASTER_INHIBIT)

    def _lose_power(self, now_ms: int) -> None:
        self._chatter.clear()  # the note stays where it is

    def _wake(self, now_ms: int) -> None:
        self._polled_ms = now_ms
        if self.transport.stage in ("empty", "jammed"):
            return
        if self.faults.random.random() < 0.5:
            self.transport.end("returned", now_ms)
            return
        self.transport.end("box", now_ms)
        self.truth.forgotten[self.transport.cents] += 1
        self.in_box += 1
        if self.faults.random.random() < 0.5:
            self._status(UNKNOWN_STACKED)

    def _start(self) -> None:
        super()._start()
        self._mode = 3
        self._drawn = set()
        self._told_escrow = False

    # headers of bill validators

    def _commands(self) -> dict[int, Callable[[bytes, int], bytes | int | None]]:
        return {
            **super()._commands(),
            159: self._read_events,
            157: self._bill_id,
            156: self._scaling,
            154: self._route,
            153: self._modify_mode,
            152: lambda _data, _now: bytes((self._mode,)),
        }

    def _read_events(self, _data: bytes, now_ms: int) -> bytes:
        self._polled_ms = now_ms
        return self.events.read()

    def _modify_master(self, data: bytes, now_ms: int) -> int:
        self._polled_ms = now_ms  # the time without polling starts when it is allowed to accept
        return super()._modify_master(data, now_ms)

    def _modify_inhibits(self, data: bytes, _now_ms: int) -> int:
        """A bit for each type; validators for many currencies take up to eight bytes."""
        if not 1 <= len(data) <= 8:
            return NAK
        self._inhibits = data + bytes(max(0, self.inhibit_bytes - len(data)))
        return ACK

    def _bill_id(self, data: bytes, _now_ms: int) -> bytes | int:
        if len(data) != 1 or not 1 <= data[0] <= TYPES:
            return NAK
        return self.ids[data[0] - 1].encode()

    def _scaling(self, data: bytes, _now_ms: int) -> bytes | int:
        if len(data) != 2:
            return NAK
        factor, places = SCALING.get(data, (0, 0))
        return bytes((factor & 0xFF, factor >> 8, places))

    def _modify_mode(self, data: bytes, _now_ms: int) -> int:
        if len(data) != 1:
            return NAK
        self._mode = data[0] & 3
        return ACK

    def _route(self, data: bytes, now_ms: int) -> bytes | int:
        """0 return, 1 stack, 255 keep it longer."""
        if len(data) != 1 or data[0] not in (0, 1, 255):
            return NAK
        if self.transport.stage != "escrow":
            return bytes((ROUTE_FAILED if self.transport.stage == "jammed" else ESCROW_EMPTY,))
        if data[0] == 1:
            self.transport.stack(now_ms)
        elif data[0] == 0:
            self.transport.give_back(now_ms)
        else:
            self.transport.due_ms = now_ms + ESCROW_MS
        return ACK
