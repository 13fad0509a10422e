"""What every driver shares: differences of wrapping ticks, the text of an amount, printable ASCII."""

try:
    from time import ticks_add, ticks_diff  # pyright: ignore[reportAssignmentType]
except ImportError:  # CPython: its ticks do not wrap

    def ticks_diff(end: int, start: int) -> int:
        """Milliseconds from start to end; negative when the end is in fact the earlier one."""
        return end - start

    def ticks_add(start: int, step: int) -> int:
        """The tick `step` milliseconds after `start`."""
        return start + step


def format_minor(amount: int) -> str:
    """12.34 for 1234 and -0.05 for -5: two decimals, no symbol, no thousands mark."""
    whole, cents = divmod(abs(amount), 100)
    return "%s%d.%02d" % ("-" if amount < 0 else "", whole, cents)


def cut_text(text: str, limit: int) -> str:
    """The text in at most `limit` bytes of ASCII; anything else in it becomes a question mark."""
    return "".join([char if 31 < ord(char) < 127 else "?" for char in text[:limit]])
