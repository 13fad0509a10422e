"""What really happened on a synthetic day: nobody in a real office knows it, and every result is
measured against it.
"""

from collections import Counter
from dataclasses import dataclass

TENDERS = ("cash", "check", "card", "money_order", "other")
DRAWER, AFTER_CLOSE, RETURNED, NOWHERE = "drawer", "after close", "returned", "nowhere"


@dataclass(frozen=True)
class InjectedError:
    """One thing that went wrong. `effects`: (tender, interval from 1, or 0 for a tender that is
    counted once, cents): what it does to over_short; positive over, negative short. `tender`,
    `interval` and `amount_cents` are those of the first one.
    """

    kind: str  # one of shift.ERROR_KINDS
    window: str
    session: int  # which of that window and day, from 1
    at_ms: int
    effects: tuple[tuple[str, int, int], ...]
    receipts: tuple[str, ...]  # receipt numbers concerned; none where nothing was posted

    @property
    def tender(self) -> str:
        """Of its first effect."""
        return self.effects[0][0]

    @property
    def interval(self) -> int:
        """Of its first effect."""
        return self.effects[0][1]

    @property
    def amount_cents(self) -> int:
        """Of its first effect."""
        return self.effects[0][2]


@dataclass(frozen=True)
class Leg:
    """One tender of one receipt as it acts on the money. `place`: DRAWER: money went in or out of
    the drawer of `session`; AFTER_CLOSE: posted by its cashier after it was counted; RETURNED: by
    the bank; NOWHERE: nothing moved. `session`: (date of its opening, window, number).
    """

    receipt_no: str
    at_ms: int  # on the office's clock
    tender: str
    net_cents: int
    funds: tuple[tuple[str, int], ...]
    business_date: str
    place: str
    session: tuple[str, str, int]


@dataclass(frozen=True)
class TenderTruth:
    """One tender of one session. counted: what is physically there, or what the last count says
    where somebody miscounted (cash: in the drawer at close, the float included). posted_net: of the
    session's own business date; held_over: taken here, of another one.
    """

    posted_net_cents: int
    expected_cents: int
    counted_cents: int
    held_over_cents: int = 0

    @property
    def over_short_cents(self) -> int:
        """counted - expected."""
        return self.counted_cents - self.expected_cents


@dataclass(frozen=True)
class IntervalTruth:
    """Cash from one count of the whole drawer to the next, each named by the start of its count."""

    number: int
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
class SessionTruth:
    """One drawer session. drops_cents: as the machine counted them, as declared where none did."""

    window: str
    number: int  # from 1 within the window and the day
    business_date: str  # of its opening
    session_id: str
    cashier: int
    issued_cents: int
    opening_float_cents: int
    drops_cents: int
    tenders: dict[str, TenderTruth]
    intervals: tuple[IntervalTruth, ...]
    checks_cents: tuple[int, ...]  # as they lie in the drawer, in the order of the tape
    after_close_cents: int
    # {denomination: pieces} each; closing = opening + taken - given + from - to safe - dropped
    opening: dict[int, int]
    taken: dict[int, int]
    given: dict[int, int]
    dropped: dict[int, int]
    from_safe: dict[int, int]
    to_safe: dict[int, int]
    closing: dict[int, int]

    @property
    def held_over_cents(self) -> int:
        """What lies in this drawer and belongs to another business date."""
        return sum(tender.held_over_cents for tender in self.tenders.values())


@dataclass(frozen=True)
class DepositTruth:
    """What a business date brings: by fund and by tender, from receipts that lay in a drawer.
    deposit: funds and over/short. Amounts of 0 are left out.
    """

    funds_cents: dict[str, int]
    tenders_cents: dict[str, int]
    deposit_cents: dict[str, int]  # by tender
    held_over_cents: int
    held_in_cents: int
    returned_cents: dict[str, int]  # by fund
    after_close_cents: int


@dataclass(frozen=True)
class OfficeTruth:
    """The whole day, and what the days beside it have to do with it."""

    business_date: str
    sessions: tuple[SessionTruth, ...]
    errors: tuple[InjectedError, ...]
    deposits: dict[str, DepositTruth]  # by business date
    legs: tuple[Leg, ...]

    def sessions_on(self, business_date: str) -> list[SessionTruth]:
        """Those that were opened on a date."""
        return [each for each in self.sessions if each.business_date == business_date]

    @property
    def windows(self) -> dict[str, SessionTruth]:
        """The first session of each window on the day itself."""
        today = self.sessions_on(self.business_date)
        return {session.window: session for session in reversed(today)}

    @property
    def deposit_by_fund(self) -> dict[str, int]:
        """{fund: cents} of the day itself."""
        return self.deposits[self.business_date].funds_cents


def deposit_truth(
    business_date: str, legs: tuple[Leg, ...], sessions: tuple[SessionTruth, ...]
) -> DepositTruth:
    """The deposit of a business date, from what happened to the money."""
    funds: Counter[str] = Counter()
    tenders: Counter[str] = Counter()
    returned: Counter[str] = Counter()
    over: Counter[str] = Counter()
    held_over = held_in = late = 0
    for leg in legs:
        is_here, is_ours = leg.session[0] == business_date, leg.business_date == business_date
        if leg.place == RETURNED and is_ours:
            returned.update(dict(leg.funds))
        elif leg.place == AFTER_CLOSE and is_ours and is_here:
            late += leg.net_cents
        elif leg.place == DRAWER and is_ours:
            tenders[leg.tender] += leg.net_cents
            for fund, cents in leg.funds:
                funds[fund] += cents
            held_in += 0 if is_here else leg.net_cents
        elif leg.place == DRAWER and is_here:
            held_over += leg.net_cents
    for session in sessions:
        if session.business_date == business_date:
            for name, tender in session.tenders.items():
                over[name] += tender.over_short_cents
    deposit = {name: tenders[name] + over[name] for name in TENDERS}
    return DepositTruth(
        some(funds), some(tenders), some(deposit), held_over, held_in, some(returned), late
    )


def some(amounts: dict[str, int] | Counter[str]) -> dict[str, int]:
    """Those that are not 0, by name."""
    return {name: amounts[name] for name in sorted(amounts) if amounts[name]}
