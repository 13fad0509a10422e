"""JCM ID-003: a bill acceptor that is asked for its status; a note is counted at VEND VALID, which
is answered with ACK.

What makes a credit count once:
- VEND VALID carries no value and no number. It is the note of the STACK command that went before
  it: one STACK, one credit. Without a STACK of ours it is a repetition, because the ACK was lost.
- ACK goes out only after the tally is on flash.
- STACK goes out after a bookmark on flash that names the note's code. After a restart of ours VEND
  VALID is that note; without a bookmark it is the last tally again.
- A note that ends without VEND VALID is a discrepancy of one piece, unless it was seen to come
  back.
Source: ID-003 communication specification rev. 05, codes as public hosts use them; CRC-16/KERMIT
from FC to the last byte.
"""

from firmware.drivers.acceptor import (
    CREDIT,
    LEAVE,
    LOSE,
    MOVE,
    READ,
    RESUME,
    RESUMED,
    RETURN,
    STACKING,
    WRITE,
    Acceptor,
)
from firmware.drivers.base import ticks_add, ticks_diff
from firmware.drivers.id003_frames import Reader, frame, trouble_of, value_at, values_of
from protocol.compat import const

_GAP_MS = const(100)
_REPLY_MS = const(300)
_OFFLINE_MS = const(2500)

_STATUS = const(0x11)  # as a question
_RESET = const(0x40)
_STACK = const(0x41)
_RETURN = const(0x43)
_ACK = const(0x50)
_ASSIGNMENT = const(0x8A)
_DENOMINATIONS = const(0xC0)
_SECURITY = const(0xC1)
_INHIBIT = const(0xC3)

_IDLING = const(0x11)  # as an answer
_ACCEPTING = const(0x12)
_ESCROW = const(0x13)
_STACKING = const(0x14)
_VEND_VALID = const(0x15)
_STACKED = const(0x16)
_REJECTING = const(0x17)
_RETURNING = const(0x18)
_INHIBITED = const(0x1A)
_INITIALIZE = const(0x1B)
_POWER_UP = const(0x40)
_POWER_UP_STACKER = const(0x42)
_CHEATED = const(0x48)
_FAILURE = const(0x49)
_INVALID = const(0x4B)


class Id003(Acceptor):
    """One acceptor. Settings: poll_ms, denominations, unit_minor, country (profiles/id003.toml)."""

    def __init__(self, instrument: str, settings: dict, currency: str):
        super().__init__(instrument, settings, currency)
        self._reader = Reader()
        self._host = None
        self._seen_ms = 0  # last byte
        self._heard_ms = None  # last good frame
        self._asked_ms = None  # None: not waiting
        self._due_ms = None
        self._question = 0
        self._todo = [_ASSIGNMENT, _INHIBIT]  # settings that the machine must hear
        self._values = list(settings["denominations"])
        self._last = 0  # last status
        self._marked = 0  # code of the note on its way that flash knows of
        self._stated = False  # a VEND VALID without a STACK is a repetition
        self._inhibited = None

    def resume(self, batch_id: str) -> None:
        """The last tally on flash: "number-code", or "number?code" of a note to be stacked."""
        number, _, marked = batch_id.partition("?")
        number = number.split("-")[0]
        if number.isdigit():
            self._batch = int(number)
            self._note = self._marked = int(marked) if marked.isdigit() else 0
            self._stated = not (self._note and self._go(RESUME))

    @property
    def busy(self) -> bool:
        """True in the middle of a frame."""
        return self._reader.size > 0

    def feed(self, data: bytes, now_ms: int) -> list:
        reader = self._reader
        for byte in data:
            body = reader.push(byte)
            if reader.wrong:
                reader.wrong = 0
                self._count("noise_bytes")
            if body:
                if self._asked_ms is None or self._out:
                    self._count("repeats")  # an answer that nobody waits for
                else:
                    self._answer(body, now_ms)
        if data:
            self._seen_ms = now_ms
        return self._take()

    def overhear(self, data: bytes, now_ms: int) -> None:
        """What another host asks; from here on the driver only listens."""
        self._passive = True
        self._out = b""
        if self._host is None:
            self._host = Reader()
        for byte in data:
            body = self._host.push(byte)
            if body and body[0] != _ACK:
                self._question = body[0]
                self._asked_ms = now_ms
                if self._note and (body[0] == _STACK or body[0] == _STACK + 1):
                    self._stack()

    def poll(self, now_ms: int) -> list:
        """Ask what is due, ask again what was not answered."""
        if self._reader.size and ticks_diff(now_ms, self._seen_ms) > _GAP_MS:
            self._reader.size = 0
            self._count("cut_frames")
        self._heard_ms = now_ms if self._heard_ms is None else self._heard_ms
        if ticks_diff(now_ms, self._heard_ms) >= _OFFLINE_MS and not self._out:
            self._heard_ms = ticks_add(now_ms, -_OFFLINE_MS)  # ticks wrap
            self._state = "offline"
            self._begin("offline", "no answer to ID-003 status requests: check power and cable")
        if self._passive:
            return self._take()
        if self._out:
            if self._asked_ms is not None:
                self._asked_ms = now_ms  # not sent yet: the journal is busy
        elif self._asked_ms is not None:
            if ticks_diff(now_ms, self._asked_ms) >= _REPLY_MS:
                self._count("timeouts")
                self._ask(_STATUS, b"", now_ms)
        elif self._due_ms is None or ticks_diff(now_ms, self._due_ms) >= 0:
            self._ask(_STATUS, b"", now_ms)
        return self._take()

    def _ask(self, command: int, data: bytes, now_ms: int) -> None:
        self._question = command
        self._asked_ms = now_ms
        self._out = frame(command, data)

    def _answer(self, body: bytes, now_ms: int) -> None:
        """One whole frame of the machine: a status, or the answer to a command."""
        status = body[0]
        self._asked_ms = None
        self._heard_ms = now_ms
        self._due_ms = ticks_add(now_ms, self._settings["poll_ms"])
        self._mend("offline")
        if self._question in self._todo and status in (self._question, _INVALID):
            self._todo.remove(self._question)
            if status == _ASSIGNMENT:
                self._assign(body)
            elif status == _INHIBIT:
                self._inhibited = body[-1] & 1
            if self._question == _ASSIGNMENT and not self._values:
                self._begin("fault", "no denominations known: set denominations")
            self._due_ms = now_ms
        elif status == _ACK:
            if self._question == _STACK:
                self._go(MOVE)
            self._due_ms = now_ms
        elif _IDLING <= status <= _INITIALIZE or _POWER_UP <= status <= _FAILURE:
            self._status(status, body, now_ms)
            self._last = status
            if self._on_way() != self._marked:
                self._marked = self._on_way()
                self._tally("%d?%d" % (self._batch, self._marked), [])
        else:
            self._count("refusals")

    def _assign(self, body: bytes) -> None:
        """The currency assignment: code, country, value and power of ten for each denomination."""
        if self._settings["denominations"]:
            return
        values, strange = values_of(body, self._settings["country"], self._settings["unit_minor"])
        if strange >= 0:
            country = self._settings["country"]
            self._begin("fault", "notes of country %d, not %d" % (strange, country))
        self._values = values if any(values) else []

    def _status(self, status: int, body: bytes, now_ms: int) -> None:
        """What the machine does now."""
        if status == _ESCROW:
            self._escrow(body, now_ms)
        elif status == _STACKING:
            self._go(MOVE)
        elif status == _VEND_VALID:
            self._vend_valid(body)
        elif status in (_REJECTING, _RETURNING):
            if status == _REJECTING != self._last:
                self._count("rejects")
            self._go_on(RETURN, "whether it came back, nobody saw")
        elif _POWER_UP <= status <= _POWER_UP_STACKER:
            self._power_up(status, now_ms)
        elif status == _CHEATED:
            if self._last != _CHEATED:
                self._tell("fraud", "cheated: a note was pulled back")
        elif status in (_IDLING, _ACCEPTING, _STACKED, _INHIBITED, _INITIALIZE):
            self._lose_note("status %02X without VEND VALID" % status)
            self._settle(status, now_ms)
        condition, text = trouble_of(status)
        if condition:
            self._state = "jam" if condition == "jam" else "stopped"
            more = "".join([" %02X" % each for each in body[1:2]])
            self._begin(condition, "%02X: %s" % (status, text) + more)
        else:
            self._state = "counting" if _ACCEPTING <= status <= _STACKED else "idle"
            self._mend("jam", "full", "stopped", "fault" if self._values else "jam")

    def _settle(self, status: int, now_ms: int) -> None:
        """Nothing is under way: what the machine has to hear is sent now."""
        is_shut = not self._allowed
        if self._todo:
            zero = b"\0\0"
            data = {_DENOMINATIONS: zero, _SECURITY: zero, _INHIBIT: bytes((is_shut,))}
            if not self._passive:
                self._ask(self._todo[0], data.get(self._todo[0], b""), now_ms)
        elif (self._inhibited != is_shut and status != _INITIALIZE) or (
            status == _INHIBITED and not is_shut
        ):
            self._todo = [_INHIBIT]
            self._due_ms = now_ms

    def _escrow(self, body: bytes, now_ms: int) -> None:
        """A note waits: it is stacked if its value is known and money may be taken."""
        code = body[1] if len(body) > 1 else 0
        if code != self._note or self._life == RESUMED:
            self._lose_note("another note is in escrow")
        self._note = code
        self._go(READ)
        if self._passive:
            return
        if self._allowed and value_at(self._values, code):
            self._stack()
            self._ask(_STACK, b"", now_ms)
        else:
            self._count("returned")
            self._go(RETURN)
            self._ask(_RETURN, b"", now_ms)

    def _stack(self) -> None:
        """The note is told to stack; flash knows of it before our command goes out."""
        self._go(READ)  # another host may stack a note that was not heard of
        self._go(WRITE)
        self._go(LEAVE)

    def _vend_valid(self, body: bytes) -> None:
        """The note is safe in the stacker."""
        if self._on_way():
            self._go(CREDIT)
            value = value_at(self._values, self._note)
            if value:
                self._batch += 1
                self._tally("%d-%02x" % (self._batch, self._note), [value])
                self._marked = 0
            else:
                text = "note of code %02X, whose value nobody knows; count by hand"
                self._quarantine(text % self._note, body)
        elif self._stated:
            self._count("repeats")
        else:
            text = "VEND VALID after a restart: counted before, or a note more"
            self._tell("discrepancy", text, 1)
        self._stated = True
        if not self._passive:
            self._out = frame(_ACK)  # no answer follows

    def _power_up(self, status: int, now_ms: int) -> None:
        """40, 41 note in the acceptor, 42 in the stacker: RESET returns or stacks it."""
        if not _POWER_UP <= self._last <= _POWER_UP_STACKER:
            self._tell("reset", "machine restarted, status %02X" % status)
            if status == _POWER_UP_STACKER:
                text = "power-up with a note in the stacker: its credit is unknown"
                self._tell("discrepancy", text, 1)
                self._go(LOSE)
            else:
                self._go_on(LOSE, "machine restarted")
            self._stated = False
        self._inhibited = None
        self._todo = [_ASSIGNMENT, _DENOMINATIONS, _SECURITY, _INHIBIT]
        if not self._passive:
            self._ask(_RESET, b"", now_ms)

    def _lose_note(self, why: str) -> None:
        """No credit came. A note that the machine did not begin to stack came back."""
        begun = self._life in (STACKING, RESUMED)
        self._go_on(LOSE if begun else RETURN, why)
