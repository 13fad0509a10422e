"""What the drivers of machines that are asked and take one piece at a time share: the life of a
note, what is told once, how a credit is stated.

A driver adds its frames and what they mean. A condition that lasts is told when it begins; `back`
is told once when none is left.

The life of a note. A state stays until an event leads on; an event without an arrow here changes
nothing (`_go` is then False). DOUBTFUL is the only state that nobody can count: whoever enters it
tells a discrepancy of one piece.

    NONE --READ--> ESCROW --WRITE--> WRITTEN --LEAVE--> TOLD --MOVE--> STACKING --CREDIT--> CREDITED
    NONE --RESUME--> RESUMED --SEEN--> STACKING

    WRITTEN TOLD RESUMED --CREDIT--> CREDITED
    WRITTEN TOLD STACKING RESUMED --LOSE--> DOUBTFUL --CREDIT--> LATE
    RESUMED --RETURN--> DOUBTFUL
    ESCROW WRITTEN TOLD STACKING --RETURN--> NONE
    ESCROW --LEAVE--> NONE
    WRITTEN TOLD STACKING RESUMED DOUBTFUL --BOXED--> NONE
    LATE --BOXED--> CREDITED

    CREDITED DOUBTFUL LATE --END--> NONE
    CREDITED DOUBTFUL LATE --READ--> ESCROW
    CREDITED --RESET--> NONE
    LATE --RESET--> DOUBTFUL

    heard again:  ESCROW --READ--> ESCROW    WRITTEN TOLD RESUMED --READ--> WRITTEN
                  STACKING --READ--> STACKING    WRITTEN STACKING --MOVE--> STACKING
                  NONE CREDITED --CREDIT--> CREDITED    LATE --CREDIT--> LATE

ccTalk has no such life. Its devices number their events, so a credit is what the number says, also
after a restart, and no note has to be followed from escrow to the box.
"""

from firmware.drivers.base import Driver, cut_text
from protocol.compat import const
from protocol.records import FLAG_REPRINT

_DETAIL_BYTES_MAX = const(96)  # records.FIELDS 51 and 52
_RAW_BYTES_MAX = const(512)

# States of a note. Those from WRITTEN to RESUMED are on their way: flash must name the note.
NONE = const(0)  # no note, or its end is known
ESCROW = const(1)  # the machine holds it; flash does not know of it
WRITTEN = const(2)  # the machine holds it; it is to be stacked, and a bookmark names it
TOLD = const(3)  # the machine was told what to do with it, or let go of it by itself
STACKING = const(4)  # the machine moves it to the box
RESUMED = const(5)  # after a restart of ours: known from flash alone
CREDITED = const(6)  # a tally holds it
DOUBTFUL = const(7)  # a discrepancy was told
LATE = const(8)  # credited after its discrepancy
_STATES = const(9)

# What can happen to it
RESUME = const(0)  # flash names a note whose end it does not know
READ = const(1)  # a note waits in escrow
WRITE = const(2)  # its bookmark goes to flash, before any command that takes it
LEAVE = const(3)  # it is told to go, or is no longer in escrow
MOVE = const(4)  # the machine obeys, or says that it stacks
SEEN = const(5)  # the first answer after a restart shows it on its way
CREDIT = const(6)  # the machine says that it is money
RETURN = const(7)  # it came back to the customer
LOSE = const(8)  # nobody knows where it went
BOXED = const(9)  # the machine found it and put it into the box, without a credit
END = const(10)  # it lies in the box
RESET = const(11)  # the machine, or another one in its place, began anew

# The state after each event; a column for each state from NONE to LATE, "-": this event changes
# nothing.
_NEXT = const(
    b"5--------"  # RESUME
    b"112242111"  # READ
    b"-2-------"  # WRITE
    b"-03------"  # LEAVE
    b"--444----"  # MOVE
    b"-----4---"  # SEEN
    b"6-6666688"  # CREDIT
    b"-00007---"  # RETURN
    b"--7777---"  # LOSE
    b"--0000-06"  # BOXED
    b"------000"  # END
    b"------0-7"  # RESET
)


class Acceptor(Driver):
    """Base of a polled driver. Events gather in `_events`; `feed` and `poll` of the driver return
    `_take()`.
    """

    asks = True

    def __init__(self, instrument: str, settings: dict, currency: str):
        self.instrument = instrument
        self._settings = settings
        self._currency = currency
        self._state = "starting"
        self._out = b""
        self._allowed = True
        self._passive = False
        self._serial = 0
        self._batch = 0  # number of the last tally
        self._life = NONE
        self._note = 0  # which note that is: its channel, code or value
        self._counts = {}
        self._lasting = []  # conditions that have been told and are not over
        self._events = []

    def allow(self, is_allowed: bool) -> None:
        """False: take no money, the journal is full."""
        self._allowed = is_allowed

    def pop_output(self) -> bytes:
        """The bytes to send now."""
        out, self._out = self._out, b""
        return out

    def faults(self) -> dict:
        """{name: count} of what line and machine did wrong since the start."""
        return dict(self._counts)

    def snapshot(self) -> dict:
        """What health and the monitor show."""
        return {"state": self._state, "serial": str(self._serial), "counter": self._batch}

    def _go(self, event: int) -> bool:
        """The note's life goes on; False, and nothing changes, when the table has no such step."""
        after = _NEXT[event * _STATES + self._life] - 48
        if after < 0:
            return False
        self._life = after
        return True

    def _go_on(self, event: int, why: str) -> None:
        """The same; a note that is in doubt from now on is told."""
        if self._go(event) and self._life == DOUBTFUL:
            self._tell("discrepancy", "a note without a credit: " + why, 1)

    def _on_way(self) -> int:
        """The note that flash must name; 0 for none."""
        return self._note if WRITTEN <= self._life <= RESUMED else 0

    def _count(self, name: str) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1

    def _take(self) -> list:
        events, self._events = self._events, []
        return events

    def _tell(self, condition: str, detail: str, pieces: int = 0) -> None:
        """A condition of a moment, such as a discrepancy; `pieces` 0 when nobody knows how many."""
        event: dict = {
            "kind": "instrument",
            "instrument": self.instrument,
            "condition": condition,
            "detail": cut_text(detail, _DETAIL_BYTES_MAX),
        }
        if pieces:
            event["pieces"] = pieces
        self._events.append(event)

    def _begin(self, condition: str, detail: str) -> None:
        """A condition that lasts: told once, until it is mended."""
        if condition not in self._lasting:
            self._lasting.append(condition)
            self._tell(condition, detail)

    def _mend(self, *conditions) -> None:
        """These conditions are over."""
        left = [each for each in self._lasting if each not in conditions]
        if self._lasting and not left:
            self._tell("back", "works again")
        self._lasting = left

    def _tally(self, batch_id: str, denominations: list) -> None:
        """One tally of all these notes or coins; of none: a bookmark, which `resume` gives back and
        nobody counts.
        """
        rows = sorted(
            [(each, denominations.count(each)) for each in set(denominations)], reverse=True
        )
        self._events.append(
            {
                "kind": "tally",
                "instrument": self.instrument,
                "batch_id": batch_id,
                "currency": self._currency,
                "rows": rows,
                "total_minor": sum(denominations),
                "flags": 0 if rows else FLAG_REPRINT,
                "evidence": self._settings["evidence"],
            }
        )

    def _quarantine(self, reason: str, raw: bytes) -> None:
        """Bytes that claim money and cannot be counted."""
        self._events.append(
            {
                "kind": "quarantine",
                "instrument": self.instrument,
                "reason": cut_text(reason, _DETAIL_BYTES_MAX),
                "raw": raw[:_RAW_BYTES_MAX],
                "evidence": self._settings["evidence"],
            }
        )
