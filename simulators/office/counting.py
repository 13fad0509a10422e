"""The plan of one drawer session, and the counts in it: marks, runs of the machines, check tapes.

Marks are the keys after MARK on the pad; `mark_names` says what each is called on record.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from simulators.office.cash import COINS, NOTES, Pieces, rows_of

# keys after MARK
SIGN_ON, OPENING_FLOAT, DROP, CHECKS_TAPE, CLOSE, RECOUNT, CHECKPOINT, DONE, CARD_TOTAL = (
    1,
    2,
    3,
    4,
    5,
    6,
    8,
    9,
    0,
)
MONEY_ORDER, OTHER = "00", "000"
MARK_NAMES = {
    CARD_TOTAL: "card_total", SIGN_ON: "sign_on", OPENING_FLOAT: "opening_float", DROP: "drop",
    CHECKS_TAPE: "checks_tape", CLOSE: "close", RECOUNT: "recount", CHECKPOINT: "checkpoint",
    DONE: "done", MONEY_ORDER: "money_order", OTHER: "other",
}  # fmt: skip
HOPPER_NOTES = 200  # notes in one run of the bill counter


@dataclass(frozen=True)
class Bound:
    """One count of the whole drawer, and what was posted and dropped in the session until then."""

    at_ms: int
    counted_cents: int
    posted_cents: int
    drops_cents: int


class Plan:
    """Actions of one window by time: {"at_ms", "window", "action", ...}. `now_ms` moves with
    them.
    """

    def __init__(self, window: str, now_ms: int) -> None:
        self.window = window
        self.now_ms = now_ms
        self.actions: list[dict[str, Any]] = []

    def act(self, kind: str, seconds: int, **values: Any) -> None:
        """Put an action in the plan; the next one comes so many seconds later, and after a
        dwell.
        """
        self.actions.append({"at_ms": self.now_ms, "window": self.window, "action": kind, **values})
        self.now_ms += seconds * 1_000 + values.get("dwell_ms", 0) // 1_000 * 1_000

    def mark(self, code: int | str, value: int | None, seconds: int) -> None:
        """A mark on the pad."""
        self.act("mark", seconds, code=code, value=value)

    def count(self, code: int, value: int | None, pieces: Pieces) -> None:
        """A mark, notes and coins, done."""
        self.mark(code, value, 10)
        self.count_notes(pieces)
        coins = rows_of(pieces, COINS)
        if coins:
            self.act("count_coins", 90, rows=coins)
        self.mark(DONE, None, 20)

    def count_notes(self, pieces: Pieces) -> None:
        """One run of the bill counter for each hopper full of notes."""
        batch: list[tuple[int, int]] = []
        room = HOPPER_NOTES
        for denomination, count in rows_of(pieces, NOTES):
            while count:
                part = min(count, room)
                batch.append((denomination, part))
                count, room = count - part, room - part
                if not room:
                    self.act("count_bills", 60, rows=batch)
                    batch, room = [], HOPPER_NOTES
        if batch:
            self.act("count_bills", 60, rows=batch)

    def tape(self, amounts_cents: Iterable[int]) -> None:
        """The check tape."""
        self.mark(CHECKS_TAPE, None, 10)
        for cents in amounts_cents:
            self.act("tape_check", 4, amount_cents=cents)
        self.act("tape_total", 10)


def without_note(pieces: Pieces, note: int) -> Pieces:
    """As somebody counts whose machine takes two notes for one."""
    return pieces - Counter({note: 1})


def largest_note(pieces: Pieces, wanted: int | None = None) -> int | None:
    """A note that may be missed: of this value, or the largest one that is there."""
    if wanted is not None:
        return wanted if pieces[wanted] else None
    return next((note for note in NOTES if pieces[note]), None)


def dropped_pieces(pieces: Pieces, kept_twenties: int) -> Pieces:
    """The large notes, and the twenties that nobody needs for change."""
    found = Counter({note: pieces[note] for note in (10_000, 5_000) if pieces[note]})
    if pieces[2_000] > kept_twenties:
        found[2_000] = pieces[2_000] - kept_twenties
    return found
