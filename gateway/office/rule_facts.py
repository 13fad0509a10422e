"""What the rules of the office look at: the facts of a day as plain values. Whoever knows them
fills them in (sessions, postings, settlement, the bank); the rules know no table and no clock.

Money is integer cents, times are Unix milliseconds UTC, dates ISO texts. `ref` names the record
that a fact rests on, such as "w1/1/41": device, epoch, seq. None: nobody knows, or it has not
happened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

# --- a drawer session -----------------------------------------------------------------------------


class Count(NamedTuple):
    """One count of a drawer, the replaced ones too."""

    ref: str
    kind: str  # opening_float | checkpoint | close | surprise
    at_ms: int
    counted_cents: int | None  # as the books have it; None: nothing was counted
    recorded_cents: int | None  # as the records of its machines say it
    by_denomination: bool = True  # a machine's pieces; False: one amount, keyed by hand
    stands: bool = True  # no recount replaced it


class Opening(NamedTuple):
    """The drawer was open."""

    ref: str
    opened_ms: int
    dwell_ms: int | None  # how long; None: nobody saw it close


class Interval(NamedTuple):
    """Between two counts of the whole drawer."""

    number: int
    end_ms: int
    end_ref: str
    start_cents: int
    tendered_cents: int
    change_cents: int
    drops_cents: int
    expected_cents: int
    counted_cents: int
    paid_in_cents: int = 0
    paid_out_cents: int = 0
    rounding_cents: int = 0

    @property
    def over_short_cents(self) -> int:
        """Positive: over."""
        return self.counted_cents - self.expected_cents


class Line(NamedTuple):
    """One tender of a session."""

    tender_type: str
    posted_cents: int  # gross, what was taken back included: 0 only where there was nothing at all
    declared_cents: int | None
    over_short_cents: int | None


class Drop(NamedTuple):
    """Cash that left the drawer for the safe."""

    ref: str
    at_ms: int
    bag_no: str | None  # "": not sealed in a bag; None: where it comes from knows no bags
    declared_cents: int | None
    counted_cents: int | None  # by a machine


class LooseBatch(NamedTuple):
    """A machine counted something that belongs to no count, or its numbers show that one batch left
    no record.
    """

    ref: str
    at_ms: int
    instrument: str
    cents: int | None  # None: no record
    text: str = ""  # what its machine says of it


class HandOver(NamedTuple):
    """One cashier gave an open drawer to another."""

    ref: str
    at_ms: int
    from_cashier: str
    to_cashier: str
    closing_ref: str  # the count of who gave; "": none
    opening_ref: str  # the count of who took; "": none


class Receipt(NamedTuple):
    """What a receipt brought of one tender, as it was posted. `at_ms`: of a session's receipts by
    the clock of its window, of the day's by that of the cashiering system.
    """

    source: str
    number: str
    window: str
    cashier: str
    at_ms: int
    business_date: str
    tender_type: str
    net_cents: int  # tendered - change; minus what is taken back
    status: str = "posted"
    session: str = ""  # whose drawer it went to
    in_expected: bool = True  # in the expected amount of an interval of its session
    interval: int = 0  # of its session, whatever its time says; 0: of none
    scope: str = ""  # where its number is unique, as in gateway/facts/postings.py
    is_held_in: bool = False  # it lay in an earlier day's drawer


class Session(NamedTuple):
    """One cashier, one drawer, open to close."""

    name: str  # "w1/1"
    device: str
    cashier: str  # "": nobody signed on
    opened_ms: int
    closed_ms: int | None  # when the closing count began
    issued_cents: int | None = None  # opening float
    booked_float_cents: int | None = None  # difference of the float that was booked
    counts: Sequence[Count] = ()
    openings: Sequence[Opening] = ()
    intervals: Sequence[Interval] = ()
    lines: Sequence[Line] = ()
    drops: Sequence[Drop] = ()
    loose_batches: Sequence[LooseBatch] = ()
    hand_overs: Sequence[HandOver] = ()
    receipts: Sequence[Receipt] = ()  # of this drawer
    expected_shown_ms: int | None = None  # when somebody was first shown what should be there
    called_balanced: bool = False  # what the books say of it
    approved_by: str = ""  # who approved the close


# --- what is taken back, corrected, opened again --------------------------------------------------


class Voided(NamedTuple):
    """The receipt that a void takes back."""

    number: str
    window: str
    tender_type: str
    net_cents: int  # of the tender that the void takes back, if it has that
    was_void: bool = False  # all of it was taken back before this void
    takes_back: bool = False  # it is a void itself


class Void(NamedTuple):
    """A void or a reversal, of one tender. `at_ms`: by the clock of its window."""

    source: str
    number: str
    at_ms: int
    window: str
    by: str  # who made it
    supervisor: str  # "": none named
    reason: str | None  # None: the source has no field for it
    tender_type: str
    cents: int  # taken back, positive
    of: str  # the receipt it names; its own number where the receipt itself was made void
    original: Voided | None  # None: no such receipt was ever posted
    session: str = ""  # in whose custody it is

    @property
    def is_in_place(self) -> bool:
        """Whether the receipt itself is shown as void: nobody knows when that was done."""
        return self.of == self.number


class Reopening(NamedTuple):
    """A closed session was opened again."""

    ref: str
    session: str
    at_ms: int
    by: Sequence[str]


class Correction(NamedTuple):
    """A misapplied payment was moved to the right account."""

    ref: str
    at_ms: int
    from_receipt: str
    to_receipt: str
    cash_cents: int
    receivable_cents: Sequence[int]  # what each account got; negative: what was taken from it


# --- deposit and bank -----------------------------------------------------------------------------


class Slip(NamedTuple):
    """The deposit slip of a batch, by tender: (on the slip, receipts, over/short)."""

    ref: str
    at_ms: int
    cash_cents: tuple[int, int, int]
    checks_cents: tuple[int, int, int]


class Deposit(NamedTuple):
    """Money that waits for the bank, or went there."""

    ref: str
    first_receipt_ms: int
    cents: int
    deposited_ms: int | None


class Bag(NamedTuple):
    """A deposit bag."""

    number: str
    ref: str
    at_ms: int  # when it was filled
    cents: int
    sealed_ms: int | None
    picked_up_ms: int | None
    deposited_date: str
    credited_date: str | None
    credited_cents: int | None


class CardPayment(NamedTuple):
    """A card payment, posted against settled by its authorisation code."""

    ref: str
    receipt: str  # "": none posted
    at_ms: int
    posted_cents: int | None
    settled_cents: int | None
    times_settled: int = 1
    carried_reason: str = ""  # carried to a later batch by a person


class Returned(NamedTuple):
    """A returned item."""

    ref: str
    at_ms: int
    receipt: str
    receipt_funds: Sequence[tuple[str, int]]
    reversed_funds: Sequence[tuple[str, int]]
    receivable_reopened: bool
    fee_cents: int
    returns_in_period: int  # of this payer, this one included
    is_cash_only: bool


class FundLine(NamedTuple):
    """One fund of a day."""

    fund: str
    receipts_cents: int
    booked_cents: int
    over_short_accounts: Sequence[str]  # where its over and short was booked


class SuspenseItem(NamedTuple):
    """A receipt that nobody could identify."""

    receipt: str
    since: str  # date
    cents: int
    cleared: bool


class Suspect(NamedTuple):
    """A note that may be false."""

    ref: str
    at_ms: int
    cents: int | None  # None: its machine does not say what it took it for
    in_count: bool
    custody_ref: str  # its own record; "": none


class Closing(NamedTuple):
    """What is on record of a close."""

    session: str
    at_ms: int
    session_closed: bool
    ledger_batch: bool
    journal: bool


# --- what reaches over the day --------------------------------------------------------------------


class PastDifference(NamedTuple):
    """A session's tender that did not balance, this day's too."""

    business_date: str
    session: str
    cashier: str
    cents: int


class DrawerMonth(NamedTuple):
    """Surprise counts of a drawer in a month."""

    device: str
    month: str  # "2026-11"
    sessions: int
    surprise_counts: int


class DayFacts(NamedTuple):
    """Everything of one business day that a rule looks at.

    `receipts`: those in a drawer of this day, whatever their business date is, and those of this
    business date that lay in an earlier day's drawer.
    """

    business_date: str
    now_ms: int
    sessions: Sequence[Session] = ()
    receipts: Sequence[Receipt] = ()  # void ones too; one for each tender
    voids: Sequence[Void] = ()
    reopenings: Sequence[Reopening] = ()
    corrections: Sequence[Correction] = ()
    slips: Sequence[Slip] = ()
    deposits: Sequence[Deposit] = ()
    bags: Sequence[Bag] = ()
    earlier_bags: Sequence[str] = ()  # numbers of the bags of earlier days
    cards: Sequence[CardPayment] = ()
    returned: Sequence[Returned] = ()
    funds: Sequence[FundLine] = ()
    suspense: Sequence[SuspenseItem] = ()
    suspects: Sequence[Suspect] = ()
    closings: Sequence[Closing] = ()
    differences: Sequence[PastDifference] = ()
    drawer_months: Sequence[DrawerMonth] = ()
    last_numbers: Sequence[tuple[str, str, str, int]] = ()  # source, scope, prefix, number before
    # of the same rows: posted for another day; refused, and where
    other_numbers: Collection[tuple[str, str, str, int]] = ()
    refused_numbers: Mapping[tuple[str, str, str, int], str] = {}
    called_balanced: bool = False  # what the books say of the day
