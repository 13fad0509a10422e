"""EBDS, the "Mars serial" bill acceptors: one question, one answer, and a toggle bit that says whether an answer was had.

Frame: 02 LEN CTL data.. 03 CHK; LEN counts the whole frame, CHK is the XOR from LEN to the byte before 03. Seven bits and even
parity, computed here when settings["parity"] is "software". A question with the toggle that the machine already knows gets the
last answer again, so "stacked" is money only in the first answer to a toggle.

Across a restart of ours the toggle decides. A note is told to stack only under the toggle of the last tally; then we wait until
it lies in the box and ask under the other one: so "stacked" comes under the toggle that the last tally does not have. After a
restart the first question has that toggle too: what the machine repeats then was never stated, and what was is never repeated.

Source: Pyramid Technologies, RS-232 Serial Interface Specification, rev. G; extended note reply: decapod-atm/ebds (public).
"""

from firmware.drivers.base import format_minor, ticks_add, ticks_diff
from firmware.drivers.ebds_frames import TROUBLES, Frames, enable_bits, frame_of, note_of
from protocol.compat import const

_REPLY_MS = const(300)  # a machine that reads a note misses a few questions: the same one again, with the same toggle
_OFFLINE_MS = const(5000)  # the slowest polling that the specification knows
_AGAIN_MS = const(20)
_VANISHED = const(2)  # answers without a word of the note that was told to stack

# D0
_ESCROW = const(0x04)
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
        self._is_soft = settings["parity"] == "software"
        self._replies = Frames(self._is_soft)
        self._host = None  # frames of another host: made when there is one
        self._counts = {}
        self._out = self._question = b""
        self._is_allowed = True
        self._stated, self._number = 1, 0  # toggle and number of the last tally
        self._toggle = 1  # of the question that was asked last
        self._is_resumed = self._is_asking = False
        self._due = None
        self._heard_ms = 0
        self._is_online = True  # until it is silent for too long: an acceptor that never answers is told once
        self._is_met = self._is_returning = False
        self._escrow = self._unheard = 0  # value of the note in escrow, 0 for none that we want
        self._note = 0  # value of the note that was told to stack and of which nothing was heard since
        self._doubt = None  # an answer with "stacked" that was not expected and is asked for again
        self._troubles = 0
        self._d1 = self._d2 = 0
        self._state, self._series = "starting", ""

    def resume(self, batch_id: str) -> None:
        """`batch_id` of the last tally on flash: t<toggle>-<number>; "" when there is none."""
        if batch_id.startswith("t") and batch_id[1:2] in ("0", "1") and batch_id[3:].isdigit():
            self._stated = int(batch_id[1])
            self._number = int(batch_id[3:])
            self._is_resumed = True
        self._toggle = self._stated  # the first question has the other one

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
        found = dict(self._counts)
        for name, count in self._replies.faults():
            if count:
                found[name] = count
        return found

    def snapshot(self) -> dict:
        return {"state": self._state, "notes": self._number, "series": self._series}

    # ---- time ----

    def poll(self, now_ms: int) -> list:
        self._replies.poll(now_ms)
        events = []
        if self._due is None:
            self._due = ticks_add(now_ms, self._settings["stack_ms"])  # a note that was on its way has arrived by then
            self._heard_ms = now_ms
        elif self._is_online and ticks_diff(now_ms, self._heard_ms) > _OFFLINE_MS:
            self._is_online = False
            self._state = "offline"
            events.append(self._condition("offline", "no answer for %d ms" % _OFFLINE_MS))
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
        """The next question, under the other toggle; the same one again while an answer is in doubt."""
        if self._doubt is not None:
            return
        self._toggle ^= 1
        mode = self._settings["mode"]
        if self._is_returning or (self._escrow and not self._is_allowed and not self._note):
            mode |= 0x40
            self._escrow = 0
            self._is_returning = False
        elif self._escrow and self._toggle == self._stated:
            mode |= 0x20
            self._note = self._escrow
            self._escrow = 0
            self._unheard = 0
        enabled = enable_bits(self._settings["denominations"]) if self._is_allowed else 0
        data = bytes((0x10 | self._toggle, enabled, mode, 0x10 if self._settings["extended"] else 0))
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
        """The first answer to a toggle, or to a question that was asked again because of a doubt."""
        self._heard_ms = now_ms
        at = 4 if is_extended else 3
        d0, d1, d2 = frame[at], frame[at + 1], frame[at + 2]
        if not (self._is_met or self._doubt or d0 & (_STACKED | _ESCROW)) and (self._is_resumed or not d2 & 1):
            events.append(self._lost("restarted: a note on its way then cannot be known; look in the box"))
        if not self._is_online:
            self._is_online = True
            if not self._troubles:
                events.append(self._condition("back", "it answers again"))
        doubt, self._doubt = self._doubt, None
        if d0 & _STACKED:
            if doubt is None and self._host is None and self._value(frame, is_extended)[0] != self._note:
                self._doubt = frame  # no note was on its way, or another one: is this what it said?
                self._due = ticks_add(now_ms, _AGAIN_MS)
                return
            if doubt is not None and doubt[at:] != frame[at:]:
                events.append(self._lost("stacked was said once and not again: look in the box"))
            else:
                self._stacked(frame, is_extended, events)
        elif doubt is not None:
            events.append(self._lost("stacked was said once and not again: look in the box"))
        self._tell_troubles(d1, d2, events)
        if d0 & _STACKED == 0:
            self._follow(d0, d1, frame, is_extended, events)
        self._is_met = True
        wait_ms = self._settings["poll_ms"]
        if self._note:
            wait_ms = self._settings["stack_ms"] if self._toggle == self._stated else _AGAIN_MS
        self._due = ticks_add(now_ms, wait_ms)

    # ---- one note ----

    def _value(self, frame: bytes, is_extended: bool) -> tuple:
        """(value in minor units, currency); value 0 for no note, -1 for one that cannot be read."""
        if is_extended:
            value, currency, series = note_of(frame)
            self._series = series or self._series
            return value, currency
        number = frame[5] >> 3 & 7
        known = self._settings["denominations"]
        return (known[number - 1] if 0 < number <= len(known) else 0), self._currency

    def _follow(self, d0: int, d1: int, frame: bytes, is_extended: bool, events: list) -> None:
        """What an answer without "stacked" says of a note."""
        self._state = "counting" if d0 & ~1 & 0x7F else ("idle" if d0 else "out of service")
        if d0 & _ESCROW:
            self._in_escrow(frame, is_extended, events)
            return
        self._escrow = 0
        if d0 & _RETURNED or d1 & _REJECTED:
            self._count("rejects" if d1 & _REJECTED else "returns")
            self._note = 0
        elif self._note and not d0 & _ON_ITS_WAY and not self._troubles & _STUCK:
            self._unheard += 1
            if self._unheard >= _VANISHED:
                events.append(self._lost("told to stack, and no word of it: look in the box"))

    def _in_escrow(self, frame: bytes, is_extended: bool, events: list) -> None:
        value, currency = self._value(frame, is_extended)
        is_ours = currency == self._currency and value in self._settings["denominations"]
        if self._note and self._note != value:
            events.append(self._lost("told to stack, and another note came: look in the box"))
        if is_ours and value:
            self._escrow = value
        else:
            self._is_returning = True
            if currency != self._currency and value:
                self._count("foreign")

    def _stacked(self, frame: bytes, is_extended: bool, events: list) -> None:
        """A note lies in the box: a tally, or why it is none."""
        value, currency = self._value(frame, is_extended)
        told, self._note, self._escrow = self._note, 0, 0
        self._state = "counting"
        reason = ""
        if value == 0:
            self._count("null_notes")  # a cassette that is put back says this as well
            if told:
                events.append(self._lost("stacked %s without a value: look in the box" % format_minor(told)))
            return
        if currency != self._currency:
            reason = "a note in %s is not ours: not counted; take it out" % currency
        elif value not in self._settings["denominations"]:
            reason = "a note of value %s is unknown: not counted; look in the box" % format_minor(max(0, value))
        elif told and told != value:
            reason = "escrow said %s, stacked %s: not counted; look in the box" % (format_minor(told), format_minor(value))
        evidence = self._settings["evidence"]
        if reason:
            events.append({
                "kind": "quarantine", "instrument": self.instrument, "reason": reason, "raw": frame, "evidence": evidence,
            })  # fmt: skip
            return
        self._number += 1
        self._stated = self._toggle
        events.append({
            "kind": "tally", "instrument": self.instrument, "batch_id": "t%d-%d" % (self._toggle, self._number),
            "currency": self._currency, "rows": [(value, 1)], "total_minor": value, "flags": 0, "evidence": evidence,
        })  # fmt: skip

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
            if self._is_met or self._is_resumed:
                events.append(self._condition("reset", "the acceptor had no power"))
            if self._note:
                events.append(self._lost("power was lost while a note may have been on its way: look in the box"))
            self._escrow = 0
        self._d1, self._d2 = d1, d2

    def _lost(self, detail: str) -> dict:
        """A discrepancy: of one piece where we know of a note, of nobody knows how many where we do not."""
        event = self._condition("discrepancy", detail)
        if self._note or self._is_met:
            event["pieces"] = 1
        self._note = 0
        return event

    def _condition(self, condition: str, detail: str) -> dict:
        return {"kind": "instrument", "instrument": self.instrument, "condition": condition, "detail": detail}

    def _count(self, name: str) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1
