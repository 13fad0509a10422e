"""A drawer session as values: its counts, its check tapes, its openings, and what a person should
look at.
"""

from __future__ import annotations

from dataclasses import dataclass, field

GROUP_MARKS = ("opening_float", "drop", "checkpoint", "close")


WHOLE_DRAWER = (
    "opening_float",
    "checkpoint",
    "close",
)  # counts of everything in the drawer: they bound the intervals


Rows = tuple[tuple[int, int], ...]  # (denomination in cents, pieces)


@dataclass(frozen=True)
class Remark:
    """Something a person should look at: in no sum, on every report."""

    kind: str  # tally_outside_count, quarantined_report, never_closed, ...
    at_ms: int
    text: str


@dataclass
class Tally:
    """One count batch of one instrument."""

    at_ms: int
    instrument: str
    batch_id: str
    rows: Rows
    total_cents: int
    flags: int
    digest: bytes
    out: str = ""  # why it is in no sum: reprint, void, sub-batch; empty while it counts


@dataclass(eq=False)  # two counts are never the same count
class CountGroup:
    """The tallies between a mark and the next one."""

    kind: str  # one of GROUP_MARKS; a recount has the kind of what it replaces
    started_ms: int
    declared_cents: int | None
    is_recount: bool = False
    replaced: bool = False
    tallies: list[Tally] = field(default_factory=list)

    @property
    def counted_cents(self) -> int | None:
        """Sum of the tallies that count; None when no machine counted anything."""
        counted = [tally.total_cents for tally in self.tallies if not tally.out]
        return sum(counted) if counted else None

    def pieces(self) -> dict[tuple[str, int], int]:
        """{(instrument, denomination in cents): pieces} of the tallies that count."""
        pieces: dict[tuple[str, int], int] = {}
        for tally in self.tallies:
            for denomination_cents, count in () if tally.out else tally.rows:
                key = (tally.instrument, denomination_cents)
                pieces[key] = pieces.get(key, 0) + count
        return pieces


@dataclass
class CheckTape:
    """The list of checks that the cashier added up."""

    started_ms: int
    lines_cents: list[int] = field(default_factory=list)
    declared_cents: int | None = None  # amount of the `*` line


@dataclass
class DrawerOpening:
    """The drawer was open."""

    opened_ms: int
    cause: str
    dwell_ms: int | None = None  # None: nobody saw it close


@dataclass
class DrawerSession:
    """One cashier, one drawer, open to close."""

    device: str
    number: int  # from 1 within the day
    started_ms: int
    cashier: int | None = None
    groups: list[CountGroup] = field(default_factory=list)
    tapes: list[CheckTape] = field(default_factory=list)
    card_cents: int | None = None
    openings: list[DrawerOpening] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    instruments: dict[str, str] = field(default_factory=dict)  # name: evidence level of its driver

    def counts(self, *kinds: str) -> list[CountGroup]:
        """Groups of these kinds that stand (not replaced by a recount), in order."""
        return [group for group in self.groups if group.kind in kinds and not group.replaced]

    @property
    def opening(self) -> CountGroup | None:
        """The count of the opening float."""
        groups = self.counts("opening_float")
        return groups[0] if groups else None

    @property
    def close(self) -> CountGroup | None:
        """The closing count, the last one where there are several."""
        groups = self.counts("close")
        return groups[-1] if groups else None

    @property
    def closed_ms(self) -> int | None:
        """When the closing count began."""
        return self.close.started_ms if self.close else None

    def checks_cents(self) -> list[int] | None:
        """Amounts of the checks on all tapes, in order; None when no tape was run."""
        if not self.tapes:
            return None
        return [cents for tape in self.tapes for cents in tape.lines_cents]

    def note(self, kind: str, at_ms: int, text: str) -> None:
        """Add a remark."""
        self.remarks.append(Remark(kind, at_ms, text))
