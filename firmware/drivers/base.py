"""What every driver shares: its contract, differences of wrapping ticks, the text of an amount,
printable ASCII.

A driver for a serial line is a `Driver`, made as `Driver(instrument, settings, currency)`; settings
hold at least "evidence". Each has, besides what stands in the class,
  feed(data, now_ms)   events of these bytes; any split of them gives the same events, and no bytes
                       raise
  poll(now_ms)         events that time makes, and time for the next question; at least every 10 ms
  pop_output()        bytes to send, once the events that feed and poll returned are on flash and
                       not before
  resume(batch_id)     identity of its last tally on flash, once, before the first poll after a
                       restart of the controller
  busy                 in the middle of a frame or report
Events are records without boot, uptime_ms and utc_ms. No driver has a clock: now_ms wraps, compare
it with `ticks_diff` alone.
"""

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


class Driver:
    """What only some drivers do; here it does nothing."""

    asks = False  # True: it asks its machine, which tells again what nobody acknowledged

    def allow(self, is_allowed: bool) -> None:
        """False: take no money, the journal is full."""

    def overhear(self, data: bytes, now_ms: int) -> None:
        """What another host sent; from then on the driver only listens."""

    def faults(self) -> dict:
        """{name: count} of what the line and the machine did wrong, those that happened."""
        return {}

    def snapshot(self) -> dict:
        """{"state": ...} and a few more short values for whoever looks after the machine."""
        return {}
