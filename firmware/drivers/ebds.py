"""EBDS, the "Mars serial" bill acceptors: one question, one answer, and a toggle bit that says
whether an answer was had.

Frame: 02 LEN CTL data.. 03 CHK; LEN counts the whole frame, CHK is the XOR from LEN to the byte
before 03. Seven bits and even parity, computed here when settings["parity"] is "software". A
question with the toggle that the machine already knows gets the last answer again, so "stacked" is
money only in the first answer to a toggle.

Across a restart of ours the flash decides. Before a note is told to stack, a tally without rows
says so and under which toggle: t0-8?500. What became of it is the tally t1-8, or t1-8?0 when it
came back or a discrepancy told of it. Nothing is asked until it lies in the box. After a restart
the first question has the toggle that flash does not name, so the machine repeats only what no
tally holds. When flash names no note on its way, none can be missing. When it names one, "stacked"
and "stacking" are about that note. Any other answer may be about another note, and a discrepancy
of one piece tells of the first.

Source: Pyramid Technologies, RS-232 Serial Interface Specification, rev. G; extended note reply:
decapod-atm/ebds (public).
"""

from firmware.drivers.acceptor import (
    CREDIT,
    ESCROW,
    LEAVE,
    LOSE,
    MOVE,
    READ,
    RESUME,
    RESUMED,
    RETURN,
    SEEN,
    STACKING,
    WRITE,
    WRITTEN,
    Acceptor,
)
from firmware.drivers.base import format_minor, ticks_add, ticks_diff
from firmware.drivers.ebds_frames import TROUBLES, Frames, enable_bits, frame_of, value_of, why_not
from protocol.compat import const

# A machine that reads a note misses a few questions: the same one again, with the same toggle.
_REPLY_MS = const(300)
_OFFLINE_MS = const(5000)  # the slowest polling that the specification knows
_VANISHED = const(2)  # answers without a word of the note that was told to stack
# D0
_HELD = const(0x04)  # in escrow
_MOVES = const(0x08)  # being stacked
_STACKED = const(0x10)
_RETURNED = const(0x40)
_ON_ITS_WAY = const(0x6C)  # escrow, stacking, returning, returned
_CHEATED = const(0x01)
_REJECTED = const(0x02)
_STUCK = const(0x0464)  # jam, paused, calibrating, failure: a note may still be in the path


class Ebds(Acceptor):
    """One acceptor. `settings`: those of profiles/ebds.toml, and evidence."""

    def __init__(self, instrument: str, settings: dict, currency: str) -> None:
        super().__init__(instrument, settings, currency)
        self._known = settings["denominations"]
        self._is_soft = settings["parity"] == "software"
        self._replies = Frames(self._is_soft)
        self._host = None  # frames of another host: made when there is one
        self._question = b""
        self._toggle = 1  # of the question that was asked last
        self._told_under = 1  # the toggle with which a note may be told to stack
        self._due = None
        self._heard_ms = 0
        # False after it was silent for too long. An acceptor that never answers is told once.
        self._is_online = True
        self._is_asking = self._is_met = self._is_returning = False
        self._unheard = 0  # answers without a word of the note that was told to stack
        self._doubt = None  # an answer with "stacked" that was not expected and is asked for again
        self._troubles = 0
        self._d1 = self._d2 = 0
        self._series = ""

    def resume(self, batch_id: str) -> None:
        """`batch_id` of the last tally on flash, with or without rows; "" when there is none."""
        number, _, note = batch_id[3:].partition("?")
        if batch_id[:3] in ("t0-", "t1-") and number.isdigit():
            self._toggle = int(batch_id[1])  # the first question has the other one
            self._batch = int(number)
            self._note = int(note) if note.isdigit() else 0
            if self._note:
                self._go(RESUME)

    @property
    def busy(self) -> bool:
        return self._replies.busy

    def faults(self) -> dict:
        return dict([each for each in self._replies.faults() if each[1]], **self._counts)

    def snapshot(self) -> dict:
        return {"state": self._state, "number": self._batch, "series": self._series}

    # ---- time ----

    def poll(self, now_ms: int) -> list:
        self._replies.poll(now_ms)
        if self._due is None:  # a note that was on its way has arrived by then
            self._due = ticks_add(now_ms, self._settings["stack_ms"] if self._on_way() else 0)
            self._heard_ms = now_ms
        elif self._is_online and ticks_diff(now_ms, self._heard_ms) > _OFFLINE_MS:
            self._is_online, self._state = False, "offline"
            self._tell("offline", "no answer for %d ms" % _OFFLINE_MS)
            self._lose_note("told to stack, and no answer")
        if self._host is None and ticks_diff(now_ms, self._due) >= 0:
            if self._is_asking:
                self._count("timeouts")
            else:
                self._compose()
            self._out = self._question
            self._is_asking = True
            self._due = ticks_add(now_ms, _REPLY_MS)
        return self._take()

    def _compose(self) -> None:
        """The next question, with the other toggle; the same again while an answer is in doubt."""
        if self._doubt is not None:
            return
        self._toggle ^= 1
        mode = self._settings["mode"]
        if self._is_returning or (self._life in (ESCROW, WRITTEN) and not self._allowed):
            mode |= 0x40
            self._is_returning = False
            self._go(LEAVE)
        elif self._life == WRITTEN and self._toggle == self._told_under:
            mode |= 0x20
            self._unheard = 0
            self._go(LEAVE)
        enabled = enable_bits(self._known) if self._allowed else 0
        extended = 0x10 if self._settings["extended"] else 0
        data = bytes((0x10 | self._toggle, enabled, mode, extended))
        self._question = frame_of(data, self._is_soft)

    # ---- bytes ----

    def feed(self, data: bytes, now_ms: int) -> list:
        for frame in self._replies.feed(data, now_ms):
            kind = frame[2] >> 4
            is_extended = kind == 7 and frame[3] == 2 and len(frame) == 30
            if not is_extended and (kind != 2 or len(frame) != 11):
                self._count("unknown_frames")
            elif not self._is_asking or frame[2] & 1 != self._toggle:
                self._count("repeats")
            else:
                self._is_asking = False
                self._heard(frame, is_extended, now_ms)
        return self._take()

    def overhear(self, data: bytes, now_ms: int) -> None:
        """The questions of another host: only a toggle that is new makes the next answer count."""
        if self._host is None:
            self._host = Frames(self._is_soft)
            self._toggle = 2
            self._out = b""
        for frame in self._host.feed(data, now_ms):
            if frame[2] >> 4 == 1 and len(frame) == 8 and frame[2] & 1 != self._toggle:
                self._toggle = frame[2] & 1
                self._is_asking = True
                if frame[4] & 0x20 and self._life in (ESCROW, WRITTEN):
                    self._unheard = 0
                    self._go(WRITE)
                    self._go(LEAVE)

    def _heard(self, frame: bytes, is_extended: bool, now_ms: int) -> None:
        """The first answer to a toggle, or to a question that was asked again in doubt."""
        self._heard_ms = now_ms
        at = 4 if is_extended else 3
        d0, d1, d2 = frame[at], frame[at + 1], frame[at + 2]
        if not self._is_online:
            self._is_online = True
            if not self._troubles:
                self._tell("back", "it answers again")
        doubt, self._doubt = self._doubt, None
        note = value_of(frame, self._known, self._currency)[0]
        if d0 & _STACKED and doubt is None and self._host is None and note != self._on_way():
            self._doubt = frame  # no note was on its way, or another one: is this what it said?
            self._due = ticks_add(now_ms, self._settings["poll_ms"])
            return
        if doubt is not None and doubt[at:] != frame[at:]:
            self._lose_note("stacked was said once and not again", True)
        elif d0 & _STACKED:
            self._stacked(frame)
        elif self._life == RESUMED and not d0 & _MOVES:
            self._lose_note("told to stack, then we restarted")
        self._tell_troubles(d1, d2)
        if d0 & _STACKED == 0:
            self._follow(d0, d1, frame)
        self._is_met = True
        is_told = self._on_way() and self._question and self._question[4] & 0x20
        self._due = ticks_add(now_ms, self._settings["stack_ms" if is_told else "poll_ms"])

    def _follow(self, d0: int, d1: int, frame: bytes) -> None:
        """What an answer without "stacked" says of a note."""
        self._state = "counting" if d0 & ~1 & 0x7F else ("idle" if d0 else "out of service")
        if d0 & _HELD:
            self._in_escrow(frame)
            return
        self._go(LEAVE)
        if d0 & _MOVES:
            self._go(SEEN)
            self._go(MOVE)
        if d0 & _RETURNED or d1 & _REJECTED:
            self._count("rejects" if d1 & _REJECTED else "returns")
            self._settle(RETURN)
        elif self._on_way() and not d0 & _ON_ITS_WAY and not self._troubles & _STUCK:
            self._unheard += 1
            if self._unheard >= _VANISHED:
                self._lose_note("told to stack, and no word of it")

    def _in_escrow(self, frame: bytes) -> None:
        value, currency, _ = value_of(frame, self._known, self._currency)
        is_ours = currency == self._currency and value in self._known
        if self._note != value or self._life == STACKING:
            self._lose_note("told to stack, and another note came")
        if is_ours and value:
            self._go(READ)
            self._note = value
            is_free = self._life == ESCROW and self._host is None
            if is_free and self._is_met and self._allowed:
                self._write_down()
                self._told_under = self._toggle ^ 1
                self._state_note(self._told_under, "?%d" % value, [])
        else:
            self._is_returning = True
            if currency != self._currency and value:
                self._count("foreign")

    def _stacked(self, frame: bytes) -> None:
        """A note lies in the box: a tally, or why it is none."""
        value, currency, series = value_of(frame, self._known, self._currency)
        self._series = series or self._series
        self._state = "counting"
        self._go(LEAVE)
        if value == 0:
            self._count("null_notes")  # a cassette that is put back says this as well
            self._lose_note("stacked %s without a value" % format_minor(self._note))
            return
        if not self._on_way():
            self._go(READ)
            self._note = value
            self._write_down()
        foreign = "" if currency == self._currency else currency
        reason = why_not(value, self._note, foreign, value in self._known)
        if reason:
            self._quarantine(reason, frame)
            self._settle(CREDIT)
        else:
            self._go(CREDIT)
            self._state_note(self._toggle, "", [value])

    def _write_down(self) -> None:
        """A note has a number of its own; the time, where flash knows none to go on from."""
        self._go(WRITE)
        self._batch = (self._batch or self._heard_ms) + 1

    def _state_note(self, toggle: int, pending: str, notes: list) -> None:
        """A note in the box; without one, `pending`: "?value" of one to be stacked, or "?0"."""
        self._tally("t%d-%d%s" % (toggle, self._batch, pending), notes)

    def _settle(self, event: int) -> None:
        """The note's way ends with this event; flash names the toggle that was answered last."""
        if self._on_way() and self._host is None:
            self._state_note(self._toggle ^ self._is_asking, "?0", [])
        self._go(event)

    def _tell_troubles(self, d1: int, d2: int) -> None:
        """Conditions that begin or end with this answer."""
        now = (d1 ^ 0x10) & 0x7C | (d2 & 0x44) << 8
        for bit, condition, detail in TROUBLES:
            if now & ~self._troubles & bit:
                self._tell(condition, detail)
        if self._troubles and not now:
            self._tell("back", "all is well again")
        self._troubles = now
        if d1 & ~self._d1 & _CHEATED:
            self._count("cheats")
            self._tell("fraud", "the acceptor saw somebody cheat: look at it")
        if d2 & 2:
            self._count("invalid_commands")
        if d2 & ~self._d2 & 1:
            self._count("resets")
            if self._is_met:
                self._tell("reset", "the acceptor had no power")
            self._lose_note("told to stack, then it lost power")
            self._go(LEAVE)
        self._d1, self._d2 = d1, d2

    def _lose_note(self, what: str, is_sure: bool = False) -> None:
        """A discrepancy of one piece, if a note is on its way, or for sure; flash knows of it."""
        if self._on_way() or is_sure:
            self._tell("discrepancy", what + ": look in the box", 1)
            self._settle(LOSE)
