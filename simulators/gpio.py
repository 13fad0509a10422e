"""The line channel between a virtual board's pins and the bench: one ASCII line each, over a socket
pair.

bench -> board    D 0|1         level of the drawer's status pin
                  M r0 .. r4    column bits (hex) that are read when each row of the key matrix is
                                driven, ghosts included
                  W ms          the bench's clock jumps ahead
board -> bench    B name        beeper: ok, error, warn, start, full, identify
                  K ms          drawer kick pulse
                  P text        a line on the pad's printer or display
                  R text        ready or log line
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

BEEPS = ("ok", "error", "warn", "start", "full", "identify")
LINE_BYTES_MAX = 256  # a longer line is dropped whole and counted: the board may send anything
KICK_MS_LIMIT = 60_000
JUMP_MS_MAX = 7 * 24 * 3600 * 1000


@dataclass(frozen=True)
class FromBoard:
    """One line from the board: `kind` is beep, kick, print or log; `number` is the kick pulse in
    milliseconds.
    """

    kind: str
    text: str
    number: int = 0


class LineReader:
    """Bytes in, lines out: `feed` takes any split. `refused` counts what was not a line of the
    table above.
    """

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        self._pending = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[FromBoard]:
        """The lines that are complete with `data`."""
        found = []
        for chunk in _pieces(data):
            self._pending += chunk
            whole = self._pending.endswith(b"\n")
            if len(self._pending) > LINE_BYTES_MAX:
                if not self._skipping:
                    self.refused["too_long"] += 1
                self._skipping = True
                self._pending.clear()
            if whole:
                line = bytes(self._pending).strip(b"\r\n")
                self._pending.clear()
                skipped, self._skipping = self._skipping, False
                if not skipped and line:
                    event = parse(line)
                    if event is None:
                        self.refused["unknown"] += 1
                    else:
                        found.append(event)
        return found


def parse(line: bytes) -> FromBoard | None:
    """One line without its end, or None when a board does not send such a line."""
    kind, _, rest = line.decode("ascii", "replace").partition(" ")
    if kind == "B" and rest in BEEPS:
        return FromBoard("beep", rest)
    if kind == "K" and rest.isdecimal() and len(rest) < 6 and int(rest) <= KICK_MS_LIMIT:
        return FromBoard("kick", rest, int(rest))
    if kind in ("P", "R"):
        return FromBoard("print" if kind == "P" else "log", rest)
    return None


def drawer_line(level: int) -> bytes:
    """The line that tells the drawer pin's level, 0 or 1."""
    assert level in (0, 1), level
    return b"D %d\n" % level


def matrix_line(rows: Sequence[int]) -> bytes:
    """The line that tells what a scan of the five rows reads."""
    assert len(rows) == 5 and all(0 <= bits < 32 for bits in rows), rows
    return b"M " + b" ".join(b"%x" % bits for bits in rows) + b"\n"


def jump_line(ms: int) -> bytes:
    """The line by which the bench's clock jumps ahead."""
    assert 0 < ms <= JUMP_MS_MAX, ms
    return b"W %d\n" % ms


def _pieces(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
