"""One engine for counters that send frames by themselves: it makes tallies of the frames. A
compiled frame grammar describes the machine.

"items": a start, a frame for each piece, an end. The pieces must equal the machine's own sums;
anything else is a quarantine with the frames that matter. "snapshot": a display that is sent over
and over. It becomes money once: when a count rose as fast as a machine counts, stood still, and
went back to zero. Neither kind numbers its batches.
"""

from firmware.drivers.base import ticks_diff
from firmware.drivers.frame_batch import FrameBatch
from firmware.drivers.frame_bytes import FrameReader, field_of
from firmware.drivers.frame_count import FrameCount
from protocol.compat import const

_NOISE_BYTES_MIN = const(16)  # this much noise is worth a line to a person
_NOISE_EVENT_MS = const(60000)  # and not more often than this
_SLACK_PIECES = const(2)  # a display may show so many pieces more than the time allows
_NAMES = const("bad_checksum noise_bytes cut_frames bad_fields repeats unknown_status glitches")


class FrameStream(FrameCount):
    """One serial line with one machine on it: `feed` bytes, `poll` time, events come back."""

    def __init__(self, instrument: str, settings: dict, currency: str):
        super().__init__(instrument, settings, currency)
        self._reader = FrameReader(settings)
        self._counting = False  # its items come in
        self._heard_ms = None  # the last byte
        self._frame_ms = None  # the last frame
        self._counts = [0] * 7  # of _NAMES; the first two are the reader's
        self._noise_told = 0
        self._noise_told_ms = None
        self._serial = ""
        self._before = b""  # the frame before this one
        self._end = b""  # the frame that ended the last batch
        self._shown = None  # pieces on a display, None before the first frame
        self._steady_ms = 0  # since when it shows them
        self._fall_ms = (
            None  # when it first showed fewer: believed if the next frame shows the same
        )

    def feed(self, data: bytes, now_ms: int) -> list:
        """Events of the frames that these bytes ended."""
        events = self.poll(now_ms)
        reader = self._reader
        for byte in data:
            self._drain(reader.push(byte), now_ms, events)
        if data:
            self._heard_ms = now_ms
        return events

    def poll(self, now_ms: int) -> list:
        """Events that come with time: a frame cut short, a count that never ended, a machine that
        became silent, noise.
        """
        events = []
        reader = self._reader
        grammar = self._grammar
        if (
            reader.size
            and self._heard_ms is not None
            and ticks_diff(now_ms, self._heard_ms) > grammar["gap_ms"]
        ):
            self._counts[2] += 1
            while reader.size:
                reader.shift()
                self._drain(reader.next(), now_ms, events)
        silent_ms = 0 if self._frame_ms is None else ticks_diff(now_ms, self._frame_ms)
        if silent_ms > grammar["gap_ms"]:
            self._counting = False
        is_dark = 0 < grammar["silent_ms"] < silent_ms
        if self._batch and (
            silent_ms > grammar["batch_ms"] or (is_dark and grammar["mode"] == "snapshot")
        ):
            self._batch.refuse(
                "silence before the count ended (%d pieces); recount" % self._batch.pieces
            )
            self._close(events)
        if is_dark:
            self._shown = None
            detail = "no frame for %d ms: power or cable?" % grammar["silent_ms"]
            self._tell("offline", detail, events)
        noise = reader.noise - self._noise_told
        told_ms = self._noise_told_ms
        if noise >= _NOISE_BYTES_MIN and (
            told_ms is None or ticks_diff(now_ms, told_ms) >= _NOISE_EVENT_MS
        ):
            detail = "%d bytes that no frame has: check cable and speed" % noise
            self._note("line_noise", detail, events)
            self._noise_told = reader.noise
            self._noise_told_ms = now_ms
        return events

    @property
    def busy(self) -> bool:
        """True inside a frame, and while items come in. A display repeats itself, so a missed frame
        does not matter.
        """
        return self._reader.size > 0 or self._counting

    def pop_output(self) -> bytes:
        """Nothing: these machines are not asked."""
        return b""

    def faults(self) -> dict:
        """{name: count} of what the line and the machine did wrong since the start."""
        self._counts[:2] = [self._reader.bad, self._reader.noise]
        found = {}
        for name in _NAMES.split():
            found[name] = self._counts[len(found)]
        return {name: found[name] for name in found if found[name]}

    def snapshot(self) -> dict:
        """State, pieces of the current count, batches stated, and the machine's serial number if it
        has one.
        """
        state = "starting" if self._frame_ms is None else "counting" if self._batch else "idle"
        found = {
            "state": self._told or state,
            "pieces": self._batch.pieces if self._batch else 0,
            "batches": self._number,
        }
        if self._serial:
            found["serial"] = self._serial
        return found

    # ---- frames ----

    def _drain(self, frame, now_ms: int, events: list) -> None:
        while frame:
            self._take(frame, now_ms, events)
            frame = self._reader.next()

    def _take(self, frame: bytes, now_ms: int, events: list) -> None:
        """One frame with a right check."""
        grammar = self._grammar
        values = {}
        shown = []  # (denomination, pieces) of a display that names several
        for role, kind, at, size, extra in grammar["fields"]:
            value = field_of(frame, kind, at, size)
            if isinstance(value, int) and value < 0:
                self._counts[3] += 1
                if self._batch:
                    self._batch.keep(frame)
                    self._batch.refuse("a field of a frame holds no number; recount")
                return
            if extra:
                shown.append((extra, value))
            else:
                values[role] = value
        trouble = self._identity(values, events)
        if grammar["mode"] == "items":
            trouble = self._item_frame(frame, values, events) or trouble
        elif grammar["counts"]:
            if "pieces" in values:
                shown.append((values.get("denomination", 0) * grammar["unit"], values["pieces"]))
            self._display_frame(frame, shown, values, now_ms, events)
        elif self._before and self._before != frame and not self._end:
            self._end = frame
            detail = "its display is heard, its fields are not known: count by hand"
            self._note("discrepancy", detail, events)
        if trouble:
            self._tell(trouble[0], trouble[1], events)
        elif self._told:
            self._told = ""
            self._note("back", "counting again", events)
        self._counting = self._batch is not None and grammar["mode"] == "items"
        self._before = frame
        self._frame_ms = now_ms

    def _identity(self, values: dict, events: list):
        """(condition, detail) of the machine's error field, or None; its serial number must stay
        what it was.
        """
        before, self._serial = self._serial, values.get("serial", "")
        if before and before != self._serial:
            self._note("swapped", "serial number %s after %s" % (self._serial, before), events)
            if self._batch:
                self._batch.refuse("another machine's frame inside a count; recount")
        error = values.get("error", 0)
        return ("fault", "error %d: see the machine's manual" % error) if error else None

    def _item_frame(self, frame: bytes, values: dict, events: list):
        """One frame of start, items or end; (condition, detail) when it cannot go on, or None."""
        grammar = self._grammar
        status = values["status"]
        meaning = grammar["status"].get(status, "")
        pieces = values.get("total")
        amount = values.get("amount")
        value = None if amount is None else amount * grammar["unit"]
        holds_money = bool(pieces or amount)
        batch = self._batch
        if meaning == "start":
            if batch and not batch.pieces and not holds_money:
                self._counts[4] += 1
                return None
            if batch:
                batch.keep(frame)
                batch.refuse("a second start without an end; recount")
                self._close(events)
            self._batch = batch = FrameBatch(frame)
            if holds_money:
                batch.refuse("its start does not show zero: clear the machine and recount")
        elif meaning == "end" and not batch and (frame == self._end or not holds_money):
            self._counts[4] += 1
            return None
        elif not meaning and not batch:
            self._counts[5] += 1
            return None
        elif batch:
            batch.keep(frame)
        elif meaning in ("item", "end"):
            self._batch = batch = FrameBatch(frame)
            batch.refuse("items outside start and end; recount")
        if batch:
            batch.check_currency(values.get("currency", self._currency), self._currency)
            idle_sum, own_sum = (value, batch.value) if pieces is None else (pieces, batch.pieces)
            if meaning == "item":
                self._item(batch, values, pieces, value)
            elif meaning == "idle":
                if idle_sum != own_sum:
                    batch.refuse("standby before the end (power loss?); recount")
                    self._close(events)
            elif not meaning:
                batch.refuse("status %d is not in the grammar; recount" % status)
            elif meaning != "start" and meaning != "error":
                batch.compare(pieces, value)
            if meaning == "end":
                self._end = frame
                self._close(events)
        if meaning == "pause":
            return "full", "stacker full: empty it, the count goes on"
        if meaning == "error":
            return "fault", "status %d: see the machine's manual" % status
        return None

    def _item(self, batch, values: dict, pieces, value) -> None:
        """One counted piece, or as many as the frame says; nothing if the machine's own sums show
        that this frame was sent before.
        """
        if batch.pieces and pieces in (None, batch.pieces) and value in (None, batch.value):
            self._counts[4] += 1
            return
        denomination = values["denomination"] * self._grammar["unit"]
        batch.take(denomination, values.get("pieces", 1), self._grammar["denominations"])
        batch.compare(pieces, value)

    def _display_frame(
        self, frame: bytes, shown: list, values: dict, now_ms: int, events: list
    ) -> None:
        """One frame of a display that is sent over and over."""
        pieces = 0
        for _, count in shown:
            pieces += count
        before, self._shown = self._shown, pieces
        if before is not None and pieces < before:
            if self._fall_ms is None:
                self._fall_ms = now_ms
                self._shown = before
            else:
                self._fall(frame, before, pieces, events)
                self._fall_ms = None
                before = None if pieces else 0
        elif self._fall_ms is not None:
            self._fall_ms = None
            self._counts[6] += 1
        if self._shown != pieces or pieces == before or not pieces:
            return
        batch = self._batch = self._batch or FrameBatch(self._before or frame)
        batch.rows = {}
        batch.pieces = batch.value = 0
        batch.keep(frame)
        if before is None:
            batch.refuse("display held %d pieces when it was first seen; recount" % pieces)
        elif (pieces - before - _SLACK_PIECES) * 1000 > self._grammar["pieces_per_s"] * ticks_diff(
            now_ms, self._frame_ms or 0
        ):
            batch.refuse("display went from %d to %d at once: recalled? recount" % (before, pieces))
        for denomination, count in shown:
            if count:
                batch.take(denomination, count, self._grammar["denominations"])
        amount = values.get("amount")
        batch.compare(
            values.get("total"), None if amount is None else amount * self._grammar["unit"]
        )
        batch.check_currency(values.get("currency", self._currency), self._currency)
        self._steady_ms = now_ms

    def _fall(self, frame: bytes, before: int, pieces: int, events: list) -> None:
        """The display has shown fewer pieces in two frames: the count before is over."""
        batch = self._batch or FrameBatch(frame)
        batch.keep(frame)
        if pieces:
            batch.refuse(
                "display fell from %d to %d, zero was not seen; recount" % (before, pieces)
            )
        elif ticks_diff(self._fall_ms or 0, self._steady_ms) < self._grammar["stable_ms"]:
            batch.refuse("display was cleared while it counted (%d pieces); recount" % before)
        self._close(events)
