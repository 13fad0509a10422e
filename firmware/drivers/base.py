"""What every driver shares: differences of wrapping ticks, the text of an amount, the root of driver errors."""

try:
    from time import ticks_add, ticks_diff
except ImportError:  # CPython: its ticks do not wrap

    def ticks_diff(later: int, earlier: int) -> int:
        """Milliseconds from earlier to later; negative when later is in fact the earlier one."""
        return later - earlier

    def ticks_add(ticks: int, delta: int) -> int:
        """The tick `delta` milliseconds after `ticks`."""
        return ticks + delta


class InstrumentError(ValueError):
    """Something an instrument sent that cannot be taken. The text names the thing, the value and the next step."""


def format_minor(amount_minor: int) -> str:
    """12.34 for 1234 and -0.05 for -5: two decimals, no symbol, no thousands mark."""
    whole, cents = divmod(abs(amount_minor), 100)
    return "%s%d.%02d" % ("-" if amount_minor < 0 else "", whole, cents)


def cut_text(text: str, limit: int) -> str:
    """The text in at most `limit` bytes of ASCII; anything else in it becomes a question mark."""
    return "".join([char if " " <= char <= "~" else "?" for char in text[:limit]])
