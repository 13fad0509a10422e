"""Printed reports become tallies: one engine for every counter. A grammar describes the machine.

Bytes -> lines (report_text) -> typed columns and arithmetic (report_body) -> identity
(report_memory) -> one event. A report is stated whole or not at all: the rows must sum to the
machine's own total, and anything else becomes a `quarantine` event with its bytes. After either the
stream is ready for the next report.
"""

from firmware.drivers.base import Driver, cut_text, ticks_diff
from firmware.drivers.report_body import REPORT_LINES_MAX, ReportBody, specs_for, values_of
from firmware.drivers.report_memory import ReportMemory
from firmware.drivers.report_text import CUT, LINE_BYTES_MAX, LineReader, is_rule
from protocol.compat import const
from protocol.records import FLAG_REPRINT, FLAG_SUB_BATCH

_REASON_BYTES_MAX = const(96)  # records.FIELDS 52, also of a detail (51)
_NOISE_BYTES_MIN = const(16)  # so much noise is reported to a person
NOISE_EVENT_MS = const(60000)  # and not more often than this

_CUT_INSIDE = const("report was cut inside a line")

_NOTHING = const(0)
_NOISE = const(1)  # lines outside a report that have nothing to do with money
_LOST = const(2)  # lines of a report whose start was not seen


class ReportStream(Driver):
    """One serial line with one machine on it: `feed` bytes, `poll` time, events come back."""

    def __init__(self, instrument: str, settings: dict, currency: str):
        """`settings`: a grammar, with "evidence", and "strangers": (profile, start) of the other
        machines at this window.
        """
        self.instrument = instrument
        self._grammar = settings
        self._currency = currency
        self._reader = LineReader(settings["separator"])
        self._memory = ReportMemory(settings)
        self._body = None  # the report under way
        self._stray = _NOTHING
        self._stray_lines = 0  # of the present run
        self._seen_ms = 0
        self._out = b""
        self._noise_told = 0  # noise that a line_noise event already reported
        self._noise_told_ms = None
        self._strays = 0  # lines outside any report, since the start
        self._stranger = (  # the other machine whose start was seen on this line
            ""
        )
        self._told = ""  # the last condition that a report will end
        self._counts = [0, 0, 0]  # reports stated, reprints, quarantined

    def feed(self, data: bytes, now_ms: int) -> list:
        """Events of the reports that these bytes ended; any split of the bytes gives the same
        events.
        """
        events = self.poll(now_ms)
        push = self._reader.push
        for byte in data:
            end = push(byte)
            if end:
                self._end_line(events)
                if end == CUT:
                    self._end_report(events)
        if data:
            self._seen_ms = now_ms
        return events

    def poll(self, now_ms: int) -> list:
        """Events that come with time: a pause of `idle_ms` ends whatever was under way."""
        events = []
        if self.busy and ticks_diff(now_ms, self._seen_ms) > self._grammar["idle_ms"]:
            line = self._reader.take_line()
            self._reader.end_command()
            if line and self._body:
                self._body.refuse(_CUT_INSIDE, True)
            elif line:
                self._stray_line(line, events)
            self._end_report(events)
        noise = self._reader.noise + self._strays - self._noise_told
        told_ms = self._noise_told_ms
        if noise >= _NOISE_BYTES_MIN and (
            told_ms is None or ticks_diff(now_ms, told_ms) >= NOISE_EVENT_MS
        ):
            detail = "%d bytes or lines that no report has: check cable and speed" % noise
            events.append(self._condition("line_noise", detail))
            self._noise_told += noise
            self._noise_told_ms = now_ms
        return events

    @property
    def busy(self) -> bool:
        """True while something that began has not ended."""
        return self._body is not None or self._stray != _NOTHING or self._reader.is_inside_line()

    def pop_output(self) -> bytes:
        """The bytes to send to the machine now."""
        out, self._out = self._out, b""
        return out

    def resume(self, batch_id: str) -> None:
        """Our restart: the identity of the last tally on flash, "" for none."""
        self._memory.resume(batch_id)

    def faults(self) -> dict:
        """What went wrong on the line since the start, by name; without what did not."""
        counts = (self._reader.noise, self._strays, self._counts[1], self._counts[2])
        names = ("noise_bytes", "stray_lines", "repeats", "quarantined")
        return {name: count for name, count in zip(names, counts) if count}

    def snapshot(self) -> dict:
        """For whoever looks after the machine."""
        state = self._told or ("counting" if self._body else "idle")
        return {"state": state, "reports": self._counts[0], "batch": self._memory.last}

    # ---- lines ----

    def _end_line(self, events: list) -> None:
        """Deal with the line that just ended."""
        reader = self._reader
        if reader.overflow and self._body:
            self._body.refuse("a line of more than %d characters" % LINE_BYTES_MAX, True)
        line = reader.take_line()
        start = self._grammar["start"][0]
        at = line.rfind(start)  # anywhere: noise or the rest of a cut report may come first
        if at >= 0 and (
            not self._grammar["separator"] or (line + b"\t").startswith(start + b"\t", at)
        ):
            self._begin(line, at, events)
        elif line and self._body:
            self._body.read(line)
            if self._body.ended:
                self._end_report(events)
        elif line:
            self._stray_line(line, events)
        if not self._body and not self._stray:
            reader.pop_raw()
        reader.next_line()

    def _begin(self, line: bytes, at: int, events: list) -> None:
        """A new report starts in this line; what was under way ends here."""
        if at and self._body:
            self._body.refuse(_CUT_INSIDE, True)
        elif at:
            self._stray_line(line[:at].strip(), events)
        self._end_report(events, self._reader.raw_before_line())
        self._body = ReportBody(self._grammar)
        literal, columns = self._grammar["start"]
        self._body.take_numbers(line[at + len(literal) :].strip(), columns)

    def _stray_line(self, line: bytes, events: list) -> None:
        """A line outside any report: noise, a banner, a report whose start was spoiled, or another
        machine's.
        """
        self._stray = max(self._stray, _NOISE)
        if not is_rule(line):
            self._strays += self._told != "swapped"
            line = line.lstrip(b"? ")
            start = self._grammar["start"][0]
            is_part = bool(line) and (start.startswith(line) or line.startswith(start))
            is_ours = is_part
            for literal, rest, role, columns in specs_for(self._grammar, line):
                is_ours = is_ours or bool(literal)
                if role[0] == "S":
                    self._tell("stopped", literal.decode(), events)
                elif role[0] == "N" or (
                    role[0] in "RUG" and values_of(self._grammar, rest, role, columns)
                ):
                    is_part = True
            for profile, literal in self._grammar.get("strangers", ()):
                if line.startswith(literal) and not is_ours:
                    is_part = True
                    self._stranger = "reads like a %s report: are the cables swapped?" % profile
                    self._tell("swapped", self._stranger, events)
            if is_part:
                self._stray = _LOST
        self._stray_lines += 1
        if self._stray_lines >= REPORT_LINES_MAX:
            self._end_report(events)

    def _tell(self, condition: str, detail: str, events: list) -> None:
        """A condition that lasts until the next good report: reported once."""
        if self._told != condition:
            self._told = condition
            events.append(self._condition(condition, detail))

    # ---- reports ----

    def _end_report(self, events: list, raw=None) -> None:
        """Footer, cut, gap or the next start: state what was under way, or quarantine it."""
        body, self._body = self._body, None
        stray, self._stray = self._stray, _NOTHING
        self._stray_lines = 0
        if raw is None:
            raw = self._reader.pop_raw()
        if body:
            body.finish()
            self._out = self._grammar["answer"]
            if body.reason:
                self._memory.refused(body.numbers)
                self._quarantine(body.reason, body.numbers, raw, events)
            else:
                self._state_tally(body, raw, events)
        elif stray == _LOST:
            self._quarantine(
                self._stranger or "a report's start was not seen; print it again or recount",
                {},
                raw,
                events,
            )
            self._stranger = ""

    def _state_tally(self, body, raw: bytes, events: list) -> None:
        """The event of a report whose arithmetic holds."""
        batch_id, is_reprint, refusal, notes = self._memory.place(body)
        for condition, detail in notes:
            events.append(self._condition(condition, detail))
        if refusal:
            self._quarantine(refusal, body.numbers, raw, events)
            return
        flags = body.flags | (FLAG_REPRINT if is_reprint else 0)
        if self._grammar["sub_batch"] and body.numbers["s"]:
            flags |= FLAG_SUB_BATCH
        event = {
            "kind": "tally",
            "instrument": self.instrument,
            "batch_id": batch_id,
            "currency": self._currency,
            "rows": sorted(body.rows, reverse=True),
            "total_minor": body.total,
            "flags": flags,
            "digest": body.digest,
            "evidence": self._grammar["evidence"],
        }
        if body.rejects:
            event["rejects"] = sorted(body.rejects.items())
        if body.time:
            event["machine_time"] = body.time
        if self._told:
            events.append(self._condition("back", "a report that holds"))
            self._told = ""
        events.append(event)
        self._counts[is_reprint] += 1

    def _quarantine(self, reason: str, numbers: dict, raw: bytes, events: list) -> None:
        if "b" in numbers and not reason.startswith("batch"):
            reason = "batch %d: %s" % (numbers["b"], reason)
        self._counts[2] += 1
        events.append(
            {
                "kind": "quarantine",
                "instrument": self.instrument,
                "reason": cut_text(reason, _REASON_BYTES_MAX),
                "raw": raw,
                "evidence": self._grammar["evidence"],
            }
        )

    def _condition(self, condition: str, detail: str) -> dict:
        return {
            "kind": "instrument",
            "instrument": self.instrument,
            "condition": condition,
            "detail": cut_text(detail, _REASON_BYTES_MAX),
        }
