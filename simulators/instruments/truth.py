"""What a test compares the ledger with: where every piece is, what was printed, and which money is
in no report.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Rows = list[tuple[int, int]]  # (denomination in cents, pieces), lowest first


@dataclass(frozen=True)
class Printed:
    """One report as the machine meant it, before the cable changed it."""

    kind: (
        str  # batch | sub_batch | reprint | repeat (the same bytes again, because nobody answered)
    )
    batch: int
    sub_batch: int  # 0 for the report of a whole batch
    report: int  # number of this report since the day total was cleared
    rows: Rows  # what the machine says it counted
    passed: Rows  # what really passed
    faults: frozenset[str]
    sent: bytes  # what left on the wire
    own: Rows = field(
        default_factory=list
    )  # what this batch alone added: less than `rows` if the machine accumulates
    harm: frozenset[str] = frozenset()  # the faults that changed the bytes of this very report
    stop: str = ""  # it was ended while the machine was stopped for this reason

    @property
    def total_cents(self) -> int:
        return value_cents(self.rows)

    @property
    def is_partial(self) -> bool:
        return "truncate" in self.harm

    @property
    def is_copy(self) -> bool:
        return self.kind in ("reprint", "repeat")


@dataclass(frozen=True)
class Untold:
    """Money that went through the machine and is in no report on this cable."""

    reason: str  # power_loss | clear_silent | overwrite | swap
    batch: int
    rows: Rows  # what the machine had counted
    passed: Rows  # what had really passed


@dataclass
class Truth:
    """Where every piece is, and what was printed. poured = hopper + passed + tray + set_aside at
    any moment.
    """

    poured: Counter[int] = field(default_factory=Counter)  # put in by the cashier, each piece once
    hopper: Counter[int] = field(default_factory=Counter)
    passed: Counter[int] = field(default_factory=Counter)  # in a bin or pocket as counted money
    tray: Counter[int] = field(default_factory=Counter)  # refused, not yet handled
    set_aside: Counter[int] = field(default_factory=Counter)  # suspect, kept out of the money
    printed: list[Printed] = field(default_factory=list)
    # leaves the list when the pieces are taken back and counted again
    untold: list[Untold] = field(default_factory=list)
    # (now_ms, why it stood still, or what happened to it)
    log: list[tuple[int, str]] = field(default_factory=list)

    def is_conserved(self) -> bool:
        """True when no piece appeared or vanished."""
        return +self.poured == +(self.hopper + self.passed + self.tray + self.set_aside)

    def move(
        self, denomination: int, source: Counter[int], target: Counter[int], pieces: int = 1
    ) -> None:
        assert source[denomination] >= pieces, f"no {denomination} to move"
        source[denomination] -= pieces
        target[denomination] += pieces


def rows_of(counted: Mapping[int, int]) -> Rows:
    """The rows of a counter, lowest denomination first, without empty ones."""
    return sorted((denomination, pieces) for denomination, pieces in counted.items() if pieces)


def value_cents(rows: Iterable[tuple[int, int]]) -> int:
    """What the rows are worth."""
    return sum(denomination * pieces for denomination, pieces in rows)
