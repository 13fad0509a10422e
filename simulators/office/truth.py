"""What really happened on a synthetic day: nobody in a real office knows it, and every result is
measured against it.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class InjectedError:
    """One thing that went wrong. `amount_cents` is its effect on over_short of the tender: positive
    over, negative short.
    """

    kind: str  # not_posted | wrong_change | posted_twice
    window: str
    tender: str
    at_ms: int
    amount_cents: int
    interval: str  # before_checkpoint | after_checkpoint
    receipts: tuple[str, ...]  # receipt numbers concerned; none where nothing was posted


@dataclass(frozen=True)
class TenderTruth:
    """One tender of one window. counted: what is physically there (cash: in the drawer at close,
    the float included).
    """

    posted_net_cents: int
    expected_cents: int
    counted_cents: int

    @property
    def over_short_cents(self) -> int:
        """counted - expected."""
        return self.counted_cents - self.expected_cents


@dataclass(frozen=True)
class IntervalTruth:
    """Cash from one count of the whole drawer to the next, each named by the start of its count."""

    name: str
    from_ms: int
    to_ms: int
    start_cents: int
    posted_net_cents: int
    drops_cents: int
    counted_cents: int

    @property
    def over_short_cents(self) -> int:
        """counted - (start + posted - drops)."""
        return self.counted_cents - (self.start_cents + self.posted_net_cents - self.drops_cents)


@dataclass(frozen=True)
class WindowTruth:
    """One drawer session."""

    window: str
    session_id: str
    cashier: int
    opening_float_cents: int
    drops_cents: int
    tenders: dict[str, TenderTruth]
    intervals: tuple[IntervalTruth, ...]
    checks_cents: tuple[int, ...]  # as they lie in the drawer, in the order of the tape
    # {denomination: pieces} each; closing = opening + taken - given + from - to safe - dropped
    opening: dict[int, int]
    taken: dict[int, int]
    given: dict[int, int]
    dropped: dict[int, int]
    from_safe: dict[int, int]
    to_safe: dict[int, int]
    closing: dict[int, int]


@dataclass(frozen=True)
class OfficeTruth:
    """The whole day."""

    windows: dict[str, WindowTruth]
    errors: tuple[InjectedError, ...]
    deposit_by_fund: dict[str, int] = field(default_factory=dict)  # {fund: posted cents}
