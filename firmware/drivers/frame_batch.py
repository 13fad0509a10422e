"""One count, as its frames state it: rows, sums, the first reason why it cannot be stated, and the
frames to keep.
"""

from protocol.compat import const

_RAW_BYTES_MAX = const(512)  # what a quarantine record can carry (records.FIELDS 53)
_ROWS_MAX = const(32)  # pairs of a tally (records.FIELDS 13)
_TOTAL_MAX = const(1099511627775)  # of a tally, minor units (records.FIELDS 14)


class FrameBatch:
    """`take` what was counted, `keep` each frame, `refuse` what does not add up. If `reason` is
    "", the count can be stated.
    """

    def __init__(self, frame: bytes):
        self.rows = {}  # denomination in minor units: pieces
        self.pieces = 0
        self.value = 0  # minor units
        self.reason = ""
        self._frames = [frame]
        self._fault = 0  # frames that are kept because of the reason

    def take(self, denomination: int, pieces: int, known: tuple) -> None:
        """Add pieces of a denomination that the machine can count."""
        if denomination not in known:
            self.refuse("denomination %d is none of this machine's; recount" % denomination)
        elif len(self.rows) < _ROWS_MAX or denomination in self.rows:
            self.rows[denomination] = self.rows.get(denomination, 0) + pieces
        self.pieces += pieces
        self.value += pieces * denomination
        if self.value > _TOTAL_MAX:
            self.refuse("more money than a record holds; recount")

    def compare(self, pieces, value) -> None:
        """Compare with what the machine shows, minor units; None for what its frames do not say."""
        if pieces is not None and pieces != self.pieces:
            self.refuse("machine shows %d pieces, heard %d; recount" % (pieces, self.pieces))
        elif value is not None and value != self.value:
            self.refuse("machine shows %d minor units, heard %d; recount" % (value, self.value))

    def check_currency(self, currency: str, wanted: str) -> None:
        """What the machine counts must be what the window counts."""
        if currency != wanted:
            self.refuse("currency %s, this window counts %s" % (currency, wanted))

    def refuse(self, reason: str) -> None:
        """The first reason counts; the frames around it are kept."""
        if not self.reason:
            self.reason = reason
            self._fault = len(self._frames)

    def keep(self, frame: bytes) -> None:
        """Keep the first frame, those up to the reason, and the newest; others as long as there is
        room.
        """
        frames = self._frames
        size = len(frame)
        for each in frames:
            size += len(each)
        while size > _RAW_BYTES_MAX and len(frames) > 1:
            if self.reason and len(frames) > self._fault:
                size -= len(frames.pop())
            else:
                size -= len(frames.pop(1))
                self._fault -= 1
        frames.append(frame)

    def raw(self) -> bytes:
        """The frames that were kept, one after the other."""
        return b"".join(self._frames)[:_RAW_BYTES_MAX]
