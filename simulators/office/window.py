"""One window: its drawer sessions of the day and of the days beside it, and what is posted there
without a drawer: late receipts, checks that come back, voids of voids.
"""

import datetime
import random
from collections import Counter
from dataclasses import dataclass, replace

from simulators.office.cash import value_cents
from simulators.office.customers import (
    ZONE,
    Customer,
    arrivals_ms,
    customer,
    local_ms,
    one_account,
    tenders,
)
from simulators.office.mix import Mix, happens
from simulators.office.receipts import Book, Part, Seat
from simulators.office.shift import (
    BY_CHECK,
    BY_CUSTOMER,
    PlannedError,
    Shift,
    ShiftPlan,
)
from simulators.office.truth import AFTER_CLOSE, NOWHERE, RETURNED

CUT_OFF_MINUTE = 480  # 16:00, minutes after the office opens
NIGHT_OPENS = 600  # 18:00
EARLIER_DAYS = 6  # business days back that a refund or a returned check may reach
LATE_MINUTES = (14, 40)  # after the closing count began
EVENING_CUSTOMERS = (16, 22)
BEFORE_CUSTOMERS = (14, 18)


@dataclass(frozen=True)
class Features:
    """What happens at this window, of what mix.py lists for windows."""

    hand_over: bool = False
    twice: bool = False
    over_midnight: bool = False
    next_day: bool = False
    held_in: bool = False
    late: bool = False
    returned: bool = False
    voided_twice: bool = False


@dataclass(frozen=True)
class Hours:
    """A session's hours: minutes after 08:00, half hours in which customers come, how many of
    them; `late`: so many minutes after the cut-off it closes, and receipts come until then.
    """

    opens: int
    checkpoints: tuple[int, ...]
    closes: int
    until_half: int
    late: int = 0
    from_half: int = 0
    customers: int = 0


class OfficeWindow:
    """Plays everything of one window. Afterwards `shifts` and the book have it."""

    def __init__(
        self, rng: random.Random, date: datetime.date, number: int, mix: Mix, features: Features,
        book: Book, has_one_id: bool,
    ) -> None:  # fmt: skip
        self.name = f"w{number}"
        self.shifts: list[Shift] = []
        self.book = book
        self._rng = rng
        self._date = date
        self._place = (number - 1) % 8
        self._cashier = 100 + number
        self._mix = mix
        self._features = features
        self._has_one_id = has_one_id

    def run(self, payments: int, error: PlannedError | None) -> None:
        """The days before, the day, its evening; then what was posted without a drawer."""
        self._days_before()
        if self._features.held_in:
            self._shift(business_day(self._date, -1), 1, self._before(), None)
        times = self._sessions(payments)
        at = self._rng.randrange(len(times))  # which of them has the error
        for number, hours in enumerate(times, 1):
            self._shift(self._date, number, hours, error if number == at + 1 else None)
            if self._features.late and not self._is_taken_for_next(number, len(times)):
                self._late(self.shifts[-1])
        if self._features.over_midnight:
            self._shift(self._date, len(times) + 1, self._night(), None)
        if self._features.returned:
            self._returned()
        if self._features.voided_twice:
            self._void_again()

    # --- sessions ---------------------------------------------------------------------------------

    def _sessions(self, payments: int) -> list[Hours]:
        rng, place = self._rng, self._place
        late = 24 if self._features.next_day else 0
        end = Hours(-20, self._some_checkpoints(225 + 6 * place + rng.randrange(6)), 482, 15, late)
        if not (self._features.hand_over or self._features.twice):
            return [replace(end, customers=payments)]
        noon = 8  # half hours before noon
        first = Hours(-20, self._some_checkpoints(110 + 6 * place), 246, noon, 0, 0, payments // 2)
        second = replace(
            end, opens=262 if self._features.hand_over else 276, from_half=10,
            checkpoints=self._some_checkpoints(360 + 6 * place), customers=payments - payments // 2,
        )  # fmt: skip
        return [first, second]

    def _before(self) -> Hours:
        """The afternoon of the business day before, with receipts for today."""
        return Hours(350, (), 482, 15, 24, 12, self._rng.randrange(*BEFORE_CUSTOMERS))

    def _night(self) -> Hours:
        customers = self._rng.randrange(*EVENING_CUSTOMERS)
        return Hours(NIGHT_OPENS, self._some_checkpoints(800), 975, 33, 0, 21, customers)

    def _some_checkpoints(self, minute: int) -> tuple[int, ...]:
        if self._mix.checkpoints_max == 1:
            return (minute,)
        count = self._rng.randrange(self._mix.checkpoints_max + 1)
        return tuple(minute - 45 + 45 * n for n in range(count))

    def _shift(
        self, date: datetime.date, number: int, hours: Hours, error: PlannedError | None
    ) -> None:
        rng, mix, stagger = self._rng, self._mix, 2 * self._place
        is_night = hours.opens == NIGHT_OPENS
        cashier = self._cashier + (100 if self._features.hand_over and number > 1 else 0)
        seat = Seat(
            (date.isoformat(), self.name, number),
            f"{date.isoformat()}-{self.name}" + ("" if self._has_one_id else f"-{number}"),
            cashier + 200 * is_night,
            calendar_date if is_night else business_date,
        )
        customers = self._customers(date, hours, error)
        after = sorted(
            local_ms(date, CUT_OFF_MINUTE + 2 + rng.randrange(hours.late - 6)) for _ in
            range(rng.randrange(2, 5) if hours.late else 0)
        )  # fmt: skip
        kinds = rng.choices(("cash", "check", "cash", "card"), k=len(after))
        customers += [customer(rng, at, kind, mix) for at, kind in zip(after, kinds, strict=True)]
        planned = ShiftPlan(
            self.name, seat, local_ms(date, hours.opens + stagger),
            tuple(local_ms(date, minute) for minute in hours.checkpoints),
            local_ms(date, hours.closes + hours.late + stagger), tuple(customers), error,
        )  # fmt: skip
        shift = Shift(rng, self.book, planned, mix)
        shift.run()
        self.shifts.append(shift)

    def _customers(
        self, date: datetime.date, hours: Hours, error: PlannedError | None
    ) -> list[Customer]:
        rng, mix = self._rng, self._mix
        kinds = tenders(rng, hours.customers, mix)
        if error and error.kind in BY_CUSTOMER:  # the customer of that place pays as it wants
            wanted = "check" if error.kind in BY_CHECK else "cash"
            other = kinds.index(wanted)
            kinds[error.place], kinds[other] = wanted, kinds[error.place]
        times = arrivals_ms(rng, date, hours.customers, hours.from_half, hours.until_half)
        queue = [customer(rng, at_ms, kind, mix) for at_ms, kind in zip(times, kinds, strict=True)]
        if error and error.kind in BY_CUSTOMER:
            queue[error.place] = self._prepared(queue[error.place], error)
        return queue

    def _prepared(self, each: Customer, error: PlannedError) -> Customer:
        """The customer of the error: one who gets change for a wrong change, one who pays so much
        for the other kinds.
        """
        if error.kind == "wrong_change":
            cash = Counter({2_000: each.due_cents // 2_000 + 1})
            is_fit = not each.check_cents and value_cents(each.handed) > each.due_cents
            return each if is_fit else replace(each, check_cents=0, handed=cash)
        due = each.due_cents if error.cents is None else error.cents
        lines = each.lines if error.cents is None else one_account(self._rng, due)
        cash = Counter({2_000: -(-due // 2_000)}) if each.tender == "cash" else Counter()
        return replace(each, due_cents=due, lines=lines, handed=cash, check_cents=0)

    # --- without a drawer -------------------------------------------------------------------------

    def _days_before(self) -> None:
        """Receipts of earlier days, which nobody proves today: what refunds and returned checks
        name.
        """
        if not (self._features.returned or self._mix.refund):
            return
        for days in range(2, 2 + EARLIER_DAYS):
            date = business_day(self._date, -days)
            seat = Seat(
                (date.isoformat(), self.name, 0), f"{date.isoformat()}-{self.name}", self._cashier,
                business_date,
            )  # fmt: skip
            for tender in ("cash", "check"):
                due = self._rng.randrange(1_000, 12_000)
                part = Part(tender, due, 0, one_account(self._rng, due))
                self.book.post(local_ms(date, self._rng.randrange(30, 400)), seat, (part,))

    def _is_taken_for_next(self, number: int, sessions: int) -> bool:
        """Whether a late receipt could be one of the next session: of the same cashier. With one
        id for both nothing on record could tell.
        """
        if not self._features.twice or number == sessions:
            return False
        return self._has_one_id or not happens(self._rng, self._mix.late_in_next)

    def _late(self, shift: Shift) -> None:
        """One or two receipts after the closing count: the drawer has nothing of them. Of an amount
        that no error has, or nobody could know that it was not in the drawer.
        """
        start_ms = shift.bounds[-1].at_ms
        for _ in range(self._rng.choice((1, 1, 2))):
            due = self._rng.randrange(1_001, 15_000, 2)
            kind = self._rng.choice(("cash", "cash", "check", "card"))
            at_ms = start_ms + self._rng.randrange(*LATE_MINUTES) * 60_000
            seat = replace(shift.seat, date_of=lambda _: self._date.isoformat())
            part = Part(kind, due, 0, one_account(self._rng, due))
            self.book.post(at_ms, seat, (part,), AFTER_CLOSE)

    def _returned(self) -> None:
        """The bank brings a check of days ago back; the window's cashier enters it."""
        theirs = [
            receipt
            for receipt in self.book.standing
            if receipt.seat.session[2] == 0 and receipt.parts[0].tender == "check"
        ]
        receipt = self._rng.choice(theirs)
        self.book.take_out(receipt)
        at_ms = local_ms(self._date, self._rng.randrange(60, 200))
        seat = next(each.seat for each in self.shifts if each.seat.session[0] == str(self._date))
        self.book.post(at_ms, seat, receipt.parts, RETURNED, "reversed", receipt.number)

    def _void_again(self) -> None:
        """A receipt that was taken back is voided once more: nothing moves."""
        numbers = {row.receipt_no: row.void_of for row in self.book.rows if row.status == "void"}
        today = {leg.receipt_no: leg for leg in self.book.legs if leg.session[0] == str(self._date)}
        again = [number for number, of in numbers.items() if of and number in today]
        if not again:
            return
        number = self._rng.choice(again)
        void = next(row for row in self.book.rows if row.receipt_no == number)
        lines = tuple(
            (row.account_no, row.service, abs(row.allocation_cents))
            for row in self.book.rows
            if (row.receipt_no, row.tender_id) == (void.receipt_no, void.tender_id)
        )
        seat = next(
            each.seat for each in self.shifts if each.seat.session == today[void.receipt_no].session
        )
        at_ms = (
            int(datetime.datetime.fromisoformat(void.posted_at).timestamp()) * 1_000
            - self.book.offset_ms + self._rng.randrange(30, 90) * 1_000
        )  # fmt: skip
        due = sum(cents for _, _, cents in lines)
        part = Part(void.tender_type, due, 0, lines)
        self.book.post(at_ms, seat, (part,), NOWHERE, "void", void.void_of)


# --- the office's calendar ------------------------------------------------------------------------


def business_day(date: datetime.date, steps: int) -> datetime.date:
    """So many business days later, or earlier; Monday to Friday."""
    step = datetime.timedelta(days=1 if steps > 0 else -1)
    while steps:
        date += step
        if date.weekday() < 5:
            steps -= 1 if steps > 0 else -1
    return date


def calendar_date(at_ms: int) -> str:
    """The date on the office's calendar; on a weekend that of Monday."""
    date = datetime.datetime.fromtimestamp(at_ms // 1_000, ZONE).date()
    return str(date if date.weekday() < 5 else business_day(date, 1))


def business_date(at_ms: int) -> str:
    """The date, from the cut-off on that of the next business day."""
    date = datetime.datetime.fromtimestamp(at_ms // 1_000, ZONE).date()
    is_late = at_ms >= local_ms(date, CUT_OFF_MINUTE)
    return str(business_day(date, 1) if is_late or date.weekday() > 4 else date)
