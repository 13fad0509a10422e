"""What an explanation is made of: a cause with its evidence, and a difference with its causes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.money import format_cents

CAUSES_MAX = 3


STRONG, POSSIBLE = "strong", "possible"


Clock = Callable[[int], str]  # Unix milliseconds -> how the office writes that time


@dataclass(frozen=True)
class Unsettled:
    """What is known to be missing from the day's postings: no cause is believed before it.

    `nothing_posted`: nothing stands for this day; `nothing_at_window`: nothing for this window,
    and something for others; `refused`: rows and files that were not posted, in words.
    """

    nothing_posted: bool = False
    refused: tuple[str, ...] = ()
    nothing_at_window: bool = False


SETTLED = Unsettled()


@dataclass(frozen=True)
class Cause:
    """One candidate."""

    kind: str
    strength: str  # strong: decisive evidence; possible: fits, and so may other things
    title: str
    evidence: tuple[str, ...]
    check: str  # the one thing to look at that would settle it
    receipt_no: str = ""  # named only when strong


@dataclass(frozen=True)
class Variance:
    """A difference and what may have caused it. No causes: unexplained."""

    tender_type: str
    interval: int  # 0: of the whole session
    over_short_cents: int
    causes: tuple[Cause, ...]


def amounts(cents: Sequence[int]) -> str:
    shown = ", ".join(format_cents(value) for value in cents[:5])
    return (shown + (", ..." if len(cents) > 5 else "")) or "none"
