"""EBDS, the "Mars serial" bill acceptors: one question, one answer, and a toggle bit that says
whether an answer was had.

Frame: 02 LEN CTL data.. 03 CHK; LEN counts the whole frame, CHK is the XOR from LEN to the byte
before 03. Seven bits and even parity, computed here when settings["parity"] is "software". A
question with the toggle that the machine already knows gets the last answer again, so "stacked" is
money only in the first answer to a toggle.

Across a restart of ours the flash decides. Before a note is told to stack, a tally without rows
says so and under which toggle: t0-8?500. What became of it is the tally t1-8, or t1-8?0 when it
came back or a discrepancy told of it. Nothing is asked until it lies in the box; after a restart
the first question has the toggle that flash does not have: what the machine repeats was never
stated, and what was is never repeated. With no note on its way on flash nothing can be missing;
with one, only "stacked" and "stacking" are its own: in all else another note may speak, and a
discrepancy of one tells of it.

Source: Pyramid Technologies, RS-232 Serial Interface Specification, rev. G; extended note reply:
decapod-atm/ebds (public).
"""

from firmware.drivers.base import format_minor, ticks_add, ticks_diff
from firmware.drivers.ebds_frames import TROUBLES, Frames, enable_bits, frame_of, value_of, why_not
from protocol.compat import const
from protocol.records import FLAG_REPRINT

_REPLY_MS = const(
    300
)  # a machine that reads a note misses a few questions: the same one again, with the same toggle
_OFFLINE_MS = const(5000)  # the slowest polling that the specification knows
_VANISHED = const(2)  # answers without a word of the note that was told to stack
# D0
_ESCROW = const(0x04)
_STACKING = const(0x08)
_STACKED = const(0x10)
_RETURNED = const(0x40)
_ON_ITS_WAY = const(0x6C)  # escrow, stacking, returning, returned
_CHEATED = const(0x01)
_REJECTED = const(0x02)
_STUCK = const(0x0464)  # jam, paused, calibrating, failure: a note may still be in the path


class Ebds:
    """One acceptor. `settings`: those of profiles/ebds.toml, and evidence."""

    def __init__(self, instrument: str, settings: dict, currency: str) -> None:
        self.instrument = instrument
        self._settings = settings
        self._currency = currency
        self._evidence = settings["evidence"]
        self._known = settings["denominations"]
        self._is_soft = settings["parity"] == "software"
        self._replies = Frames(self._is_soft)
        self._host = None  # frames of another host: made when there is one
        self._counts = {}
        self._out = self._question = b""
        self._is_allowed = True
        self._number = 0  # of the last note on flash
        self._toggle = 1  # of the question that was asked last
        self._told_under = 1  # the toggle with which a note may be told to stack
        self._due = None
        self._heard_ms = 0
        self._is_online = (
            True  # until it is silent for too long: an acceptor that never answers is told once
        )
        self._is_asking = self._is_met = self._is_returning = False
        self._escrow = self._unheard = 0  # value of the note in escrow, 0 for none that we want
        self._note = (
            0  # value of the note that flash says is to be stacked, until its outcome is there too
        )
        self._is_stacking = False  # the machine said that it stacks it
        self._doubt = None  # an answer with "stacked" that was not expected and is asked for again
        self._troubles = 0
        self._d1 = self._d2 = 0
        self._state, self._series = "starting", ""

    def resume(self, batch_id: str) -> None:
        """`batch_id` of the last tally on flash, with or without rows; "" when there is none."""
        number, _, note = batch_id[3:].partition("?")
        if batch_id[:3] in ("t0-", "t1-") and number.isdigit():
            self._toggle = int(batch_id[1])  # the first question has the other one
            self._number = int(number)
            self._note = int(note) if note.isdigit() else 0

    def allow(self, is_allowed: bool) -> None:
        """False: no denomination is enabled, and a note in escrow goes back."""
        self._is_allowed = is_allowed

    @property
    def busy(self) -> bool:
        """In the middle of an answer."""
        return self._replies.busy

    def take_output(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def faults(self) -> dict:
        return dict([each for each in self._replies.faults() if each[1]], **self._counts)

    def snapshot(self) -> dict:
        return {"state": self._state, "number": self._number, "series": self._series}

    # ---- time ----

    def poll(self, now_ms: int) -> list:
        self._replies.poll(now_ms)
        events = []
        if self._due is None:
            self._due = ticks_add(
                now_ms, self._settings["stack_ms"] if self._note else 0
            )  # it has arrived by then
            self._heard_ms = now_ms
        elif self._is_online and ticks_diff(now_ms, self._heard_ms) > _OFFLINE_MS:
            self._is_online, self._state = False, "offline"
            events.append(self._condition("offline", "no answer for %d ms" % _OFFLINE_MS))
            if self._note:
                self._lost("told to stack, and no answer", events)
        if self._host is None and ticks_diff(now_ms, self._due) >= 0:
            if self._is_asking:
                self._count("timeouts")
            else:
                self._compose()
            self._out = self._question
            self._is_asking = True
            self._due = ticks_add(now_ms, _REPLY_MS)
        return events

    def _compose(self) -> None:
        """The next question, under the other toggle; the same one again while an answer is in
        doubt.
        """
        if self._doubt is not None:
            return
        self._toggle ^= 1
        mode = self._settings["mode"]
        if self._is_returning or (self._escrow and not self._is_allowed):
            mode |= 0x40
            self._escrow, self._is_returning = 0, False
        elif self._escrow and self._note and self._toggle == self._told_under:
            mode |= 0x20
            self._escrow = self._unheard = 0
        enabled = enable_bits(self._known) if self._is_allowed else 0
        data = bytes(
            (0x10 | self._toggle, enabled, mode, 0x10 if self._settings["extended"] else 0)
        )
        self._question = frame_of(data, self._is_soft)

    # ---- bytes ----

    def feed(self, data: bytes, now_ms: int) -> list:
        events = []
        for frame in self._replies.feed(data, now_ms):
            kind = frame[2] >> 4
            is_extended = kind == 7 and frame[3] == 2 and len(frame) == 30
            if not is_extended and (kind != 2 or len(frame) != 11):
                self._count("unknown_frames")
            elif not self._is_asking or frame[2] & 1 != self._toggle:
                self._count("repeats")
            else:
                self._is_asking = False
                self._heard(frame, is_extended, now_ms, events)
        return events

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
                if frame[4] & 0x20 and self._escrow:
                    self._note = self._escrow
                    self._escrow = self._unheard = 0

    def _heard(self, frame: bytes, is_extended: bool, now_ms: int, events: list) -> None:
        """The first answer to a toggle, or to a question that was asked again because of a
        doubt.
        """
        self._heard_ms = now_ms
        at = 4 if is_extended else 3
        d0, d1, d2 = frame[at], frame[at + 1], frame[at + 2]
        if not self._is_online:
            self._is_online = True
            if not self._troubles:
                events.append(self._condition("back", "it answers again"))
        doubt, self._doubt = self._doubt, None
        note = value_of(frame, self._known, self._currency)[0]
        if d0 & _STACKED and doubt is None and self._host is None and note != self._note:
            self._doubt = frame  # no note was on its way, or another one: is this what it said?
            self._due = ticks_add(now_ms, self._settings["poll_ms"])
            return
        if doubt is not None and doubt[at:] != frame[at:]:
            self._lost("stacked was said once and not again", events)
        elif d0 & _STACKED:
            self._stacked(frame, events)
        elif self._note and not self._is_met and not d0 & _STACKING:
            self._lost("told to stack, then we restarted", events)
        self._tell_troubles(d1, d2, events)
        if d0 & _STACKED == 0:
            self._follow(d0, d1, frame, events)
        self._is_met = True
        is_told = self._note and self._question and self._question[4] & 0x20
        self._due = ticks_add(now_ms, self._settings["stack_ms" if is_told else "poll_ms"])

    # ---- one note ----

    def _follow(self, d0: int, d1: int, frame: bytes, events: list) -> None:
        """What an answer without "stacked" says of a note."""
        self._state = "counting" if d0 & ~1 & 0x7F else ("idle" if d0 else "out of service")
        if d0 & _ESCROW:
            self._in_escrow(frame, events)
            return
        self._escrow = 0
        if d0 & _STACKING:
            self._is_stacking = True
        if d0 & _RETURNED or d1 & _REJECTED:
            self._count("rejects" if d1 & _REJECTED else "returns")
            self._settle(events)
        elif self._note and not d0 & _ON_ITS_WAY and not self._troubles & _STUCK:
            self._unheard += 1
            if self._unheard >= _VANISHED:
                self._lost("told to stack, and no word of it", events)

    def _in_escrow(self, frame: bytes, events: list) -> None:
        value, currency, _ = value_of(frame, self._known, self._currency)
        is_ours = currency == self._currency and value in self._known
        if self._note and (self._note != value or self._is_stacking):
            self._lost("told to stack, and another note came", events)
        if is_ours and value:
            self._escrow = value
            if self._is_met and self._is_allowed and not self._note and self._host is None:
                self._begin(value)
                self._told_under = self._toggle ^ 1
                events.append(self._tally(self._told_under, "?%d" % value, []))
        else:
            self._is_returning = True
            if currency != self._currency and value:
                self._count("foreign")

    def _stacked(self, frame: bytes, events: list) -> None:
        """A note lies in the box: a tally, or why it is none."""
        value, currency, series = value_of(frame, self._known, self._currency)
        self._series = series or self._series
        self._escrow, self._state = 0, "counting"
        if value == 0:
            self._count("null_notes")  # a cassette that is put back says this as well
            if self._note:
                self._lost("stacked %s without a value" % format_minor(self._note), events)
            return
        if not self._note:
            self._begin(value)
        reason = why_not(
            value, self._note, "" if currency == self._currency else currency, value in self._known
        )
        if reason:
            events.append({
                "kind": "quarantine", "instrument": self.instrument, "reason": reason, "raw": frame,
                "evidence": self._evidence,
            })  # fmt: skip
            self._settle(events)
        else:
            self._note = 0
            events.append(self._tally(self._toggle, "", [(value, 1)]))

    def _begin(self, value: int) -> None:
        """A note has a number of its own. Where flash knows none it is the time: nobody remembers
        which ones there were.
        """
        self._note = value
        self._is_stacking = False
        self._number = (self._number or self._heard_ms) + 1

    def _tally(self, toggle: int, pending: str, rows: list) -> dict:
        """A note in the box; without rows `pending`: "?" and the value of one to be stacked, "?0"
        when that is settled.
        """
        return {
            "kind": "tally", "instrument": self.instrument,
            "batch_id": "t%d-%d%s" % (toggle, self._number, pending),
            "currency": self._currency, "rows": rows, "total_minor": rows[0][0] if rows else 0,
            "flags": 0 if rows else FLAG_REPRINT, "evidence": self._evidence,
        }  # fmt: skip

    def _settle(self, events: list) -> None:
        """No note is on its way any more; flash names the toggle that was answered last."""
        if self._note and self._host is None:
            events.append(self._tally(self._toggle ^ self._is_asking, "?0", []))
        self._note = 0

    # ---- the machine ----

    def _tell_troubles(self, d1: int, d2: int, events: list) -> None:
        """Conditions that begin or end with this answer."""
        now = (d1 ^ 0x10) & 0x7C | (d2 & 0x44) << 8
        for bit, condition, detail in TROUBLES:
            if now & ~self._troubles & bit:
                events.append(self._condition(condition, detail))
        if self._troubles and not now:
            events.append(self._condition("back", "all is well again"))
        self._troubles = now
        if d1 & ~self._d1 & _CHEATED:
            self._count("cheats")
            events.append(self._condition("fraud", "the acceptor saw somebody cheat: look at it"))
        if d2 & 2:
            self._count("invalid_commands")
        if d2 & ~self._d2 & 1:
            self._count("resets")
            if self._is_met:
                events.append(self._condition("reset", "the acceptor had no power"))
            if self._note:
                self._lost("told to stack, then it lost power", events)
            self._escrow = 0
        self._d1, self._d2 = d1, d2

    def _lost(self, what: str, events: list) -> None:
        """A discrepancy of one piece; flash knows that it was told."""
        events.append(dict(self._condition("discrepancy", what + ": look in the box"), pieces=1))
        self._settle(events)

    def _condition(self, condition: str, detail: str) -> dict:
        return {
            "kind": "instrument",
            "instrument": self.instrument,
            "condition": condition,
            "detail": detail,
        }

    def _count(self, name: str) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1
