"""From a printer's byte stream to clean lines of text, and from words to numbers. Bounded, and
never raises.

Strips ESC/POS commands (Epson's one- to three-byte forms), NULs and flow control; CP437 rules and
blanks become "-" and " ", every other byte outside printable ASCII becomes "?", which no number and
no literal contains, so it cannot pass for money.
"""

from protocol.compat import const

LINE_BYTES_MAX = const(
    80
)  # the widest printers of these machines print 42 columns; noise may come first
_RAW_BYTES_MAX = const(512)  # what a quarantine record can carry (records.FIELDS 53)
_NUMBER_DIGITS_MAX = const(9)

_LINE = const(1)
CUT = const(2)

_DROPPED = const(
    b"\x00\x02\x03\x07\x0e\x0f\x11\x12\x13\x14\x18"
)  # padding, framing, bell, print modes, XON and XOFF
_ESC_1 = const(b" !-3=EGJMRVadrt{")
_ESC_2 = const(b"$\\c")
_GS_1 = const(b"!BHbfhwr")
_GS_2 = const(b"LWP")


class LineReader:
    """Bytes in one at a time, lines out; the raw bytes kept beside them up to _RAW_BYTES_MAX.

    `separator`: b"" for columns between blanks, otherwise the bytes between cells, which may be in
    double quotes.
    """

    def __init__(self, separator: bytes):
        self._separator = separator
        self._line = bytearray(LINE_BYTES_MAX)
        self.size = 0  # characters of the line that has not ended yet
        self.overflow = False  # this line was longer than LINE_BYTES_MAX; its last part is kept
        self.noise = 0  # bytes that no report has, since the start
        self._raw = bytearray(_RAW_BYTES_MAX)
        self._raw_size = 0
        self._mark = 0  # where in raw this line began
        self._escape = 0  # 0 text, 1 after ESC, 2 after GS, 3 after GS V, 4 skipping
        self._skip = 0

    def push(self, byte: int) -> int:
        """1 when the byte ends a line, CUT when it ends the page too (form feed, paper cut),
        otherwise 0.
        """
        if self._raw_size < _RAW_BYTES_MAX:
            self._raw[self._raw_size] = byte
            self._raw_size += 1
        if self._escape:
            return self._command(byte)
        if 0x20 <= byte < 0x7F:
            self._put(byte)
        elif byte == 0x0A or byte == 0x0D:
            return _LINE
        elif byte == 0x0C:
            return CUT
        elif byte == 0x1B:
            self._escape = 1
        elif byte == 0x1D:
            self._escape = 2
        elif byte == 0x09 or byte in b"\xff\xb3\xba":
            self._put(0x20)
        elif byte in b"\xc4\xcd":
            self._put(0x2D)
        elif byte not in _DROPPED:
            self.noise += 1
            self._put(0x3F)
        return 0

    def take_line(self) -> bytes:
        """The line that just ended: single blanks, none at its ends, a TAB between cells, no
        quotes; ready for the next.
        """
        line = bytes(memoryview(self._line)[: self.size])
        self.size = 0
        self.overflow = False
        if self._separator:
            parts = line.split(b'"')  # every second one was in quotes
            for index in range(0, len(parts), 2):
                parts[index] = parts[index].replace(self._separator, b"\t")
            line = b"".join(parts)
        return b"\t".join([b" ".join(cell.split()) for cell in line.split(b"\t")]).rstrip(b"\t")

    def is_inside_line(self) -> bool:
        """True after the first character of a line or command, until it ends."""
        return self.size > 0 or self._escape > 0

    def end_command(self) -> None:
        """Give up a printer command that never ended: the next byte is text."""
        self._escape = 0

    def next_line(self) -> None:
        """The next bytes belong to a new line: call it after the line was used."""
        self._mark = self._raw_size

    def raw_before_line(self) -> bytes:
        """The raw bytes before the last line. They are forgotten; the bytes of that line stay."""
        before = bytes(memoryview(self._raw)[: self._mark])
        kept = self._raw_size - self._mark
        self._raw[:kept] = self._raw[self._mark : self._raw_size]
        self._raw_size = kept
        self._mark = 0
        return before

    def pop_raw(self) -> bytes:
        """All raw bytes kept; they are forgotten."""
        raw = bytes(memoryview(self._raw)[: self._raw_size])
        self._raw_size = 0
        self._mark = 0
        return raw

    def _put(self, byte: int) -> None:
        if self.size == LINE_BYTES_MAX:
            half = LINE_BYTES_MAX // 2
            self._line[:half] = self._line[half:]
            self.size = half
            self.overflow = True
        self._line[self.size] = byte
        self.size += 1

    def _command(self, byte: int) -> int:
        """One byte inside an ESC/POS command."""
        state = self._escape
        self._escape = 0
        skip = 0
        if state == 4:
            skip = self._skip - 1
        elif state == 3:
            if byte in b"AB":  # a feed follows; the cut is reported now
                self._escape = 4
                self._skip = 1
            return CUT
        elif state == 2:
            if byte == 0x56:
                self._escape = 3
            elif byte in _GS_1:
                skip = 1
            elif byte in _GS_2:
                skip = 2
        elif byte in b"im":
            return CUT
        elif byte in _ESC_1:
            skip = 1
        elif byte in _ESC_2:
            skip = 2
        elif byte == 0x70:
            skip = 3
        if skip:
            self._escape = 4
            self._skip = skip
        return 0


def number_of(word: bytes) -> int:
    """The number of 1 to 9 digits, with commas every three digits or with none, or -1."""
    groups = word.split(b",")
    for group in groups[1:]:
        if len(group) != 3 or not 1 <= len(groups[0]) <= 3:
            return -1
    digits = b"".join(groups)
    return int(digits) if 0 < len(digits) <= _NUMBER_DIGITS_MAX and digits.isdigit() else -1


def minor_of(word: bytes, is_any=False) -> int:
    """Minor units of 1,234.50 or .50, or -1: two decimals, commas every three digits or none.
    `is_any`: also of 1,234.
    """
    if is_any and word and b"." not in word:
        word += b".00"
    whole = number_of(word[:-3] or b"0")
    cents = number_of(word[-2:])
    return whole * 100 + cents if word[-3:-2] == b"." and whole >= 0 and cents >= 0 else -1


def is_time(line: bytes) -> bool:
    """True for a date, a time of day or both: digits, / : . - blanks and AM or PM, with at least
    one / or :.
    """
    for char in line:
        if char not in b"0123456789/:.- APM\t":
            return False
    return b":" in line or b"/" in line


def is_rule(line: bytes) -> bool:
    """True for a ruled line across the paper."""
    return not line.strip(b"-=_* \t")
