"""What the readings of an SC-350 mean: if its memory rises, that is money; if its display falls
without that, somebody cleared it.

Each number has a sum of 8 bits and its question has none, so memory and display are believed only
when readings agree. `resume` goes on from the last tally's batch_id, e<epoch>-<memory>-<revisions>.
When the numbers begin anew, a tally without rows, flagged as not counted, writes the new ones to
flash.
"""

from protocol.compat import const
from protocol.records import FLAG_REPRINT

_BLOCKED_MS = const(3000)  # coins at the sensor for so long while nothing counts
_NEAR_MS = const(1500)  # a reading so young saw all that a hand can do
_LONG_MS = const(10000000)
_SPARE_PIECES = const(20)
_SLACK_MS = const(1000)

_COUNTING = const(1)  # bits of the status
_BATCH_REACHED = const(2)
_DOOR = const(4)
_CLEANING = const(8)
_COINS = const(16)

IS_OFFLINE = const(1)  # what was reported and is not over
_IS_JAM = const(2)
_IS_STOPPED = const(4)
_IS_FAULT = const(8)
NO_COIN = const(16)


class Pieces:
    """Readings in, events appended to a list that is given."""

    def __init__(self, instrument: str, settings: dict, currency: str):
        self._instrument = instrument
        self._settings = settings
        self._currency = currency
        self._told = 0
        self._status = 0
        self._status_read = -1
        self._blocked = 0  # ms
        self._revision = b""
        self._epoch = 1
        self._memory = -1  # what was stated; -1: not known yet
        self._memory_read = -1  # another number than that, read ...
        self._agreed = 0  # ... so many times in a row
        self._memory_age = _LONG_MS  # ms since memory was read as stated
        self._gap = 0  # that age when it was first read otherwise
        self._is_resumed = False
        self._is_other = False  # the revisions are another machine's
        self._was_away = False  # it had to be logged on again
        self._floor = 0  # so many pieces are on the display for sure
        # The floor when memory was first read otherwise: what was on it is what moved.
        self._floor_then = 0
        self._count_read = 0
        self._count_age = _LONG_MS
        self._is_exact = False
        self._drops = 0  # readings below the floor, in a row
        self._calm = 0  # readings of an unchanged memory since then
        self.resets = 0

    def resume(self, batch_id: str) -> None:
        """Go on after the last tally on flash; nothing when that is none of ours."""
        parts = batch_id.split("-")
        try:
            epoch, memory, revision = int(parts[0][1:]), int(parts[1]), bytes.fromhex(parts[2])
        except (ValueError, IndexError):
            return
        self._epoch, self._memory, self._revision = epoch, memory, revision
        self._is_resumed = True

    def age(self, passed: int, events: list) -> None:
        """So many milliseconds passed."""
        self._memory_age = min(self._memory_age + passed, _LONG_MS)
        self._count_age = min(self._count_age + passed, _LONG_MS)
        if self._status & (_COINS | _COUNTING) == _COINS:
            self._blocked = min(self._blocked + passed, _LONG_MS)
            if self._blocked >= _BLOCKED_MS:
                detail = "coins at the sensor and nothing counts: clear the track"
                self.begin(events, _IS_JAM, "jam", detail)

    def away(self) -> None:
        """It was silent for so long that we must log on again: it may now be another machine."""
        self._was_away = True

    def snapshot(self) -> dict:
        """State, display and memory as last read."""
        state = (
            "starting" if self._memory < 0 else "counting" if self._status & _COUNTING else "idle"
        )
        for bit, name in ((_IS_STOPPED, "stopped"), (_IS_JAM, "jam"), (IS_OFFLINE, "offline")):
            if self._told & bit:
                state = name
        found = {
            "state": state,
            "count": self._count_read,
            "memory": max(0, self._memory),
            "epoch": self._epoch,
        }
        if len(self._revision) == 4:
            found["revision"] = "%d.%02d/%d.%02d" % tuple(self._revision)
        return found

    # ---- readings ----

    def revision(self, data: bytes, events: list) -> None:
        """Software and protocol, two bytes each, read twice: they say whether this is still the
        same machine.
        """
        if self._revision and data != self._revision:
            self.tell(
                events,
                "swapped",
                "its revisions are another machine's: %d.%02d/%d.%02d" % tuple(data),
            )
            self._is_other = True
        self._revision = data

    def memory(self, value: int, events: list) -> None:
        """The accumulator: its rise is the money."""
        if value == self._memory and not self._is_other:
            self._agreed = 0
            self._memory_age = 0
            self._is_resumed = self._was_away = False
            self._calm += 1
            if self._drops > 1 and self._calm > 1:
                self._state_cleared(events)
            return
        if not self._agreed or value != self._memory_read:
            self._memory_read = value
            self._gap = self._memory_age
            self._floor_then = self._floor
            self._agreed = 0
        self._agreed += 1
        rise = value - self._memory
        if self._agreed < (2 if self._drops and rise == self._floor_then else 3):
            return
        before, self._memory = self._memory, value
        self._agreed = 0
        self._memory_age = 0
        limit = (
            self._floor_then
            + (self._count_age + _SLACK_MS) * self._settings["pieces_per_s_max"] // 1000
            + _SPARE_PIECES
        )
        if self._is_resumed:  # nobody knows for how long this controller was off
            limit = self._settings["resume_pieces_max"]
        if before < 0:
            if value:
                self.tell(
                    events,
                    "reset",
                    "memory held %d pieces at the first question: counted from here on" % value,
                )
            self._state_tally(events, 0)
        elif self._is_other or rise < 0 or rise > limit:
            self._state_other(events, before, value)
        elif self._was_away and rise != self._floor_then and not self._is_resumed:
            self.tell(
                events, "discrepancy", "memory rose by %d while it did not answer: recount" % rise
            )
            self._state_tally(events, 0)
            self._restart_count()
        else:
            self._state_transfer(events, rise)
        self._is_resumed = self._is_other = self._was_away = False

    def _state_transfer(self, events: list, pieces: int) -> None:
        """Pieces were moved to memory."""
        if pieces < self._floor_then:
            # A transfer takes the whole display: this was another count.
            self._floor = self._floor_then
            self._state_cleared(events)
        self._restart_count()
        if not self._settings["coin_minor"]:
            self.tell(
                events,
                "discrepancy",
                "%d pieces moved to memory, and setting coin_minor is missing" % pieces,
                pieces,
            )
            pieces = 0
        self._state_tally(events, pieces)

    def _state_tally(self, events: list, pieces: int) -> None:
        """A tally of so many pieces; 0 pieces: only the numbers to go on from, not counted."""
        coin = self._settings["coin_minor"]
        events.append(
            {
                "kind": "tally",
                "instrument": self._instrument,
                "batch_id": "e%d-%d-%s"
                % (self._epoch, self._memory, "".join(["%02x" % byte for byte in self._revision])),
                "currency": self._currency,
                "rows": [(coin, pieces)] if pieces else [],
                "total_minor": coin * pieces,
                "flags": 0 if pieces else FLAG_REPRINT,
                "evidence": self._settings["evidence"],
            }
        )

    def _state_other(self, events: list, before: int, value: int) -> None:
        """Memory is not what it was and not what it can have become: the numbers begin anew."""
        self._epoch += 1
        self.resets += 1
        if not self._is_other and not value and self._gap <= _NEAR_MS:
            self.tell(events, "day_clear", "memory cleared: %d pieces until then" % before)
        else:
            detail = "memory went from %d to %d" % (before, value)
            if not self._is_other:
                self.tell(events, "reset" if value < before else "swapped", detail)
            self.tell(events, "discrepancy", detail + ": recount what was counted since")
            self._restart_count()
        self._state_tally(events, 0)

    def count(self, value: int) -> None:
        """The display. Its floor is what two readings agree on; less than that twice is a drop."""
        before, self._count_read = self._count_read, value
        if value < self._floor:
            if not self._drops:
                self._calm = 0
                self._is_exact = self._is_exact and self._count_age <= _NEAR_MS
            self._drops += 1
            return
        self._drops = 0
        self._is_exact = value == before and not self._status & _COUNTING
        self._floor = max(self._floor, min(before, value))
        self._count_age = 0

    def _state_cleared(self, events: list) -> None:
        """The pieces that were on the display are in no memory."""
        pieces = self._floor
        detail = "%d pieces left the display and memory did not rise: recount them" % pieces
        self.tell(events, "cleared_unreported", detail, pieces if self._is_exact else -1)
        self._restart_count()

    def _restart_count(self) -> None:
        self._floor = self._drops = self._calm = self._count_read = 0
        self._is_exact = False

    def status(self, value: int, events: list) -> bool:
        """The status bits, once two readings agree; True when we must ask again."""
        if value == self._status:
            self._status_read = value
            return False
        if value != self._status_read:
            self._status_read = value
            return True
        new = value & ~self._status
        self._status = value
        if new & _DOOR:
            detail = "inspection door opened while counting: recount this batch"
            self.tell(events, "discrepancy", detail)
        if not value & _COINS or value & _COUNTING:
            self._blocked = 0
            self.end(events, _IS_JAM)
        full = "batch quantity reached: change the bag and go on"
        for bit, told, condition, detail in (
            (_BATCH_REACHED, _IS_STOPPED, "stopped", full),
            (_CLEANING, _IS_FAULT, "fault", "status bit 3: cleaning due"),
        ):
            if value & bit:
                self.begin(events, told, condition, detail)
            else:
                self.end(events, told)
        return False

    # ---- events ----

    def begin(self, events: list, bit: int, condition: str, detail: str) -> None:
        """A condition is reported when it begins."""
        if not self._told & bit:
            self._told |= bit
            self.tell(events, condition, detail)

    def end(self, events: list, bit: int) -> None:
        """And when the last one is over."""
        if self._told & bit:
            self._told &= ~bit
            if not self._told:
                self.tell(events, "back", "")

    def tell(self, events: list, condition: str, detail: str, pieces: int = -1) -> None:
        event = {
            "kind": "instrument",
            "instrument": self._instrument,
            "condition": condition,
            "detail": detail,
            "evidence": self._settings["evidence"],
        }
        if pieces >= 0:
            event["pieces"] = pieces
        events.append(event)
