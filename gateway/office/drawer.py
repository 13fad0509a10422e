"""A drawer session as values: its counts, its check tapes, its openings, and what a person should
look at.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.facts.decisions import Decision
from gateway.office.states import ISSUED, SUSPENDED, next_state

GROUP_MARKS = ("opening_float", "drop", "checkpoint", "close")
SURPRISE = "surprise"  # a count of the whole drawer by a second person, who says so by a command
COUNTS = (*GROUP_MARKS, SURPRISE)


WHOLE_DRAWER = (
    "opening_float",
    "checkpoint",
    "close",
    SURPRISE,
)  # counts of everything in the drawer: they bound the intervals


BY_HAND = ("checkpoint", "close", SURPRISE)  # where an amount keyed with the mark is a count


Rows = tuple[tuple[int, int], ...]  # (denomination in cents, pieces)


@dataclass(frozen=True)
class Remark:
    """Something a person should look at: in no sum, on every report."""

    kind: str  # tally_outside_count, quarantined_report, never_closed, ...
    at_ms: int
    text: str


@dataclass(frozen=True)
class LooseBatch:
    """A machine counted something that belongs to no count; `cents` None: its numbers show that a
    batch left no record. In no sum; rule R13 finds it.
    """

    at_ms: int
    instrument: str
    cents: int | None
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
    rejects: Rows = ()  # (quality as in docs/records.md, pieces) of what the machine gave back
    held_cents: int = 0  # of a running sum: what it held before this count, not counted


@dataclass(eq=False)  # two counts are never the same count
class CountGroup:
    """The tallies between a mark and the next one."""

    kind: str  # one of COUNTS; a recount has the kind of what it replaces
    started_ms: int
    declared_cents: int | None
    is_recount: bool = False
    replaced: bool = False
    tallies: list[Tally] = field(default_factory=list)
    ref: str = ""  # what states it: the record "w1/9/41", or "decision/3"
    by: str = ""  # who counted, where a decision says so; else whoever was at the pad
    hand_cents: int | None = None  # what that person counted by hand
    replaces: CountGroup | None = None  # what a recount was made in place of

    def chain(self) -> list[CountGroup]:
        """Every count that was made in place of this one, and itself last: the first one is never
        erased.
        """
        found = [self]
        while (before := found[0].replaces) is not None:
            found.insert(0, before)
        return found

    @property
    def machine_cents(self) -> int | None:
        """Sum of the tallies that count; None when no machine counted anything."""
        counted = [tally.total_cents for tally in self.tallies if not tally.out]
        return sum(counted) if counted else None

    @property
    def counted_cents(self) -> int | None:
        """As the machines counted; as keyed where none did, but for a float, whose keyed amount is
        what was issued, and for a drop, whose keyed amount is what its bag declares. What a
        decision says that somebody counted by hand is a count of any kind.
        """
        if self.machine_cents is None and self.hand_cents is not None:
            return self.hand_cents
        if self.machine_cents is None and self.kind in BY_HAND:
            return self.declared_cents
        return self.machine_cents

    @property
    def source(self) -> str:
        """Who counted: `machine`, `by hand`, or nobody."""
        if self.machine_cents is not None:
            return "machine"
        return "" if self.counted_cents is None else "by hand"

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
    late_cents: list[int] = field(default_factory=list)  # lines after the total: in no sum
    replaced: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether it has a total, and nothing after it."""
        return self.declared_cents is not None and not self.late_cents

    def repeats(self, other: CheckTape) -> bool:
        """Whether it has the same amounts, in any order."""
        return sorted(self.lines_cents) == sorted(other.lines_cents)


@dataclass
class DrawerOpening:
    """The drawer was open."""

    opened_ms: int
    cause: str
    dwell_ms: int | None = None  # None: nobody saw it close


@dataclass
class Declared:
    """The total of a tender as somebody said it, on the pad or by a decision."""

    tender: str
    at_ms: int
    cents: int
    by: str = ""  # who decided it by hand; empty: keyed on the pad
    reason: str = ""


@dataclass
class HandOver:
    """One cashier gave an open drawer to another. The counts: None where nobody made one."""

    at_ms: int
    ref: str  # the record of the sign-on
    from_cashier: int
    to_cashier: int
    gave: CountGroup | None = None
    took: CountGroup | None = None

    @property
    def is_counted(self) -> bool:
        """Whether who gave and who took both counted the drawer."""
        return None not in (self.gave, self.took)


@dataclass
class Suspended:
    """A stretch in which nothing is expected to happen at the drawer. None: it still lasts."""

    from_ms: int
    until_ms: int | None = None


@dataclass
class DrawerSession:
    """One cashier, one drawer, open to close."""

    device: str
    number: int  # from 1 within the day
    started_ms: int
    cashier: int | None = None
    state: str = ISSUED  # of gateway/office/states.py, as far as marks lead
    groups: list[CountGroup] = field(default_factory=list)
    tapes: list[CheckTape] = field(default_factory=list)
    declared_cents: dict[str, int] = field(default_factory=dict)  # by tender: sum of totals keyed
    last_declared: dict[str, int] = field(default_factory=dict)  # by tender: the last one of them
    openings: list[DrawerOpening] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    loose: list[LooseBatch] = field(default_factory=list)  # counted by a machine, in no count
    instruments: dict[str, str] = field(default_factory=dict)  # name: evidence level of its driver
    key: tuple[int, int] = (0, 0)  # epoch and seq of its first record: what decisions name it by
    last_ms: int = 0  # the latest time that a record of it states
    by_hand: dict[str, Declared] = field(default_factory=dict)  # by tender: what a decision says
    declarations: list[Declared] = field(default_factory=list)  # all of them, in order
    hand_overs: list[HandOver] = field(default_factory=list)
    suspended: list[Suspended] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)  # about it, the refused ones too
    reopenings: list[Decision] = field(default_factory=list)  # those of them that opened it again
    to_be_counted: bool = False  # opened again, and no closing count since

    @property
    def has_content(self) -> bool:
        """Whether anything in it is worth a report."""
        return any(
            (self.groups, self.remarks, self.tapes, self.openings, self.decisions, self.loose)
        )

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
        """The closing count, the first one where the drawer was closed again: which one stands
        instead is for a supervisor to say. (Then the others no longer stand.)
        """
        groups = self.counts("close")
        return groups[0] if groups else None

    @property
    def ended_ms(self) -> int:
        """When the last count began that we know of."""
        return max([self.started_ms, *(group.started_ms for group in self.groups)])

    def attempts(self, count: CountGroup) -> list[CountGroup]:
        """See CountGroup.chain."""
        return count.chain()

    @property
    def closed_ms(self) -> int | None:
        """When the closing count began."""
        return self.close.started_ms if self.close else None

    def checks_cents(self) -> list[int] | None:
        """Amounts of the checks on the tapes that stand, in order; None when no tape was run."""
        if not self.tapes:
            return None
        return [cents for tape in self.tapes if not tape.replaced for cents in tape.lines_cents]

    @property
    def last_holder(self) -> int | None:
        """Who signed on last, with or without counts."""
        return self.hand_overs[-1].to_cashier if self.hand_overs else self.cashier

    def holder_at(self, at_ms: int) -> int | None:
        """Whose drawer it was then: a hand-over with both counts changes that."""
        holder = self.cashier
        for each in self.hand_overs:
            if each.is_counted and at_ms >= each.at_ms:
                holder = each.to_cashier
        return holder

    def is_suspended_at(self, at_ms: int) -> bool:
        """Whether nothing was expected to happen at the drawer then."""
        return any(
            each.from_ms <= at_ms and (each.until_ms is None or at_ms < each.until_ms)
            for each in self.suspended
        )

    def move(self, event: str, at_ms: int) -> bool:
        """The next state of the table; False where the event is refused."""
        after = next_state(self.state, event)
        if after is None:
            return False
        if event == "suspend":
            self.suspended.append(Suspended(at_ms))
        elif self.state == SUSPENDED and after != SUSPENDED:
            self.suspended[-1].until_ms = at_ms
        self.state = after
        return True

    def note(self, kind: str, at_ms: int, text: str) -> None:
        """Add a remark."""
        self.remarks.append(Remark(kind, at_ms, text))
