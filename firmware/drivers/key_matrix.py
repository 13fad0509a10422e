"""Scanned rows of a key matrix become single key presses. Pure.

Each key is debounced for itself. A contact that was seen closed once has been pressed, however late
the loop came to look: it bounces, but it does not close by itself. The press is told a little
later, so that a ghost can still refuse it: three keys on the corners of a rectangle look like four,
without a diode at each key nobody can tell which one is not pressed, so the whole pad is refused
until every key is up.
"""

from firmware.drivers.base import ticks_diff
from protocol.compat import const

_TELL_MS = const(
    20
)  # from the first contact to the press; fingers that fall together land within it
_RELEASE_MS = const(
    10
)  # open for so long is released: contacts bounce for about 5 ms, quick fingers lift for 25
_STUCK_MS = const(30000)  # nobody leans on a key this long


class KeyMatrix:
    """`scan` the rows; (row * columns + column) of each new press comes back, and what is wrong
    with the pad.
    """

    def __init__(self, rows: int, columns: int):
        self._columns = columns
        self._since_ms = [0] * (rows * columns)  # when the raw state of each key last changed
        self._start_afresh(rows)

    def _start_afresh(self, rows: int) -> None:
        self._raw = [0] * rows  # the last scan, one bit a column
        self._down = [0] * rows  # pressed and not yet released
        self._told_stuck = [0] * rows
        # (key, when) of presses that are not told yet, in the order of the fingers
        self._pressed = []
        self._refusing = False

    @property
    def busy(self) -> bool:
        """True while a finger is on the pad."""
        return any(self._down)

    def scan(self, rows: list, now_ms: int) -> tuple:
        """(pressed keys in the order of the fingers, notes) of one scan; a note is (condition, key
        number or -1).

        `rows`: for each row the bits of the columns that are connected while this row is driven,
        bit 0 the first column.
        """
        notes = []
        if not self._refusing and _has_rectangle(rows):
            self._refusing = True
            notes.append(("ghost_keys", -1))
        if self._refusing:
            if not any(rows):
                self._start_afresh(len(rows))
            return [], notes
        for row, bits in enumerate(rows):
            changed = bits ^ self._raw[row]
            if bits or changed or self._down[row]:
                self._scan_row(row, bits, changed, now_ms, notes)
        self._raw = list(rows)
        pressed = []
        while self._pressed and ticks_diff(now_ms, self._pressed[0][1]) >= _TELL_MS:
            pressed.append(self._pressed.pop(0)[0])
        return pressed, notes

    def _scan_row(self, row: int, bits: int, changed: int, now_ms: int, notes: list) -> None:
        for column in range(self._columns):
            bit = 1 << column
            key = row * self._columns + column
            if changed & bit:
                self._since_ms[key] = now_ms
            if not self._down[row] & bit:
                if bits & bit:
                    self._down[row] |= bit
                    self._pressed.append((key, now_ms))
                continue
            steady_ms = ticks_diff(now_ms, self._since_ms[key])
            if not bits & bit:
                if steady_ms >= _RELEASE_MS:
                    self._down[row] &= ~bit
                    self._told_stuck[row] &= ~bit
            elif steady_ms > _STUCK_MS and not self._told_stuck[row] & bit:
                self._told_stuck[row] |= bit
                notes.append(("key_stuck", key))


def _has_rectangle(rows: list) -> bool:
    """True when two rows share two columns: the pattern in which a ghost hides."""
    for upper in range(len(rows) - 1):
        for lower in range(upper + 1, len(rows)):
            shared = rows[upper] & rows[lower]
            if shared & (shared - 1):
                return True
    return False
