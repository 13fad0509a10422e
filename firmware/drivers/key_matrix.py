"""Scanned rows of a key matrix become single key presses. Pure.

Each key is debounced for itself. Three keys on the corners of a rectangle look like four: without a diode at each key nobody
can tell which one is not pressed, so the whole pad is refused until every key is up.
"""

from firmware.drivers.base import ticks_diff
from protocol.compat import const

DEBOUNCE_MS = const(20)
STUCK_MS = const(30000)  # nobody leans on a key this long


class KeyMatrix:
    """`scan` the rows; (row * columns + column) of each new press comes back, and what is wrong with the pad."""

    def __init__(self, rows: int, columns: int):
        self._rows = rows
        self._columns = columns
        self._raw = [0] * rows  # the last scan, one bit a column
        self._down = [0] * rows  # the debounced state
        self._changed_ms = [0] * (rows * columns)  # when the raw state of each key last changed
        self._told_stuck = [0] * rows
        self._refusing = False
        self._faults = {"bounces": 0, "ghosts": 0, "stuck": 0, "presses": 0}

    def scan(self, rows: list, now_ms: int) -> tuple:
        """(pressed keys in order of rows, notes) of one scan; a note is (condition, key number or -1).

        `rows`: for each row the bits of the columns that are connected while this row is driven, bit 0 the first column.
        """
        raw = [bits & ((1 << self._columns) - 1) for bits in rows]
        notes = []
        if _has_rectangle(raw) and not self._refusing:
            self._refusing = True
            self._faults["ghosts"] += 1
            notes.append(("ghost_keys", -1))
        if self._refusing:
            if any(raw):
                return [], notes
            self._refusing = False  # every key is up: start afresh
            self._raw = [0] * self._rows
            self._down = [0] * self._rows
            self._told_stuck = [0] * self._rows
            return [], notes
        pressed = []
        for row in range(self._rows):
            changed = raw[row] ^ self._raw[row]
            if raw[row] or self._down[row] or changed:
                self._scan_row(row, raw[row], changed, now_ms, pressed, notes)
        self._raw = raw
        self._faults["presses"] += len(pressed)
        return pressed, notes

    def faults(self) -> dict:
        """{counter: how often since the start}."""
        return dict(self._faults)

    def _scan_row(self, row: int, raw: int, changed: int, now_ms: int, pressed: list, notes: list) -> None:
        for column in range(self._columns):
            bit = 1 << column
            key = row * self._columns + column
            pending = (self._raw[row] ^ self._down[row]) & bit  # a change that is being debounced
            if changed & bit:
                self._changed_ms[key] = now_ms
                if pending:
                    self._faults["bounces"] += 1
                continue
            steady_ms = ticks_diff(now_ms, self._changed_ms[key])
            if pending and steady_ms >= DEBOUNCE_MS:
                self._down[row] ^= bit
                self._told_stuck[row] &= ~bit
                if raw & bit:
                    pressed.append(key)
            elif self._down[row] & bit and not pending and not self._told_stuck[row] & bit and steady_ms > STUCK_MS:
                self._told_stuck[row] |= bit
                self._faults["stuck"] += 1
                notes.append(("key_stuck", key))


def _has_rectangle(rows: list) -> bool:
    """True when two rows share two columns: the pattern in which a ghost hides."""
    for upper in range(len(rows) - 1):
        for lower in range(upper + 1, len(rows)):
            shared = rows[upper] & rows[lower]
            if shared & (shared - 1):
                return True
    return False
