"""One cashier at one window from sign-on to close: the plan of actions, receipts and truth in one
walk through time.

Every payment leaves three traces that agree unless an error was injected: pieces in the drawer,
rows in the cashiering system, actions of the plan. A mistaken entry is posted, voided and posted
again; only the last one moves money.
"""

import random
from collections import Counter
from dataclasses import dataclass, replace

from simulators.office.cash import FLOATS, Drawer, value_cents
from simulators.office.counting import (
    CARD_TOTAL,
    CHECKPOINT,
    CLOSE,
    DONE,
    DROP,
    MONEY_ORDER,
    OPENING_FLOAT,
    OTHER,
    RECOUNT,
    SIGN_ON,
    Bound,
    Plan,
    dropped_pieces,
    largest_note,
    without_note,
)
from simulators.office.customers import Customer, one_account
from simulators.office.mix import Mix, happens
from simulators.office.receipts import Book, Part, Receipt, Seat
from simulators.office.truth import (
    AFTER_CLOSE,
    DRAWER,
    NOWHERE,
    TENDERS,
    InjectedError,
    IntervalTruth,
    SessionTruth,
    TenderTruth,
)

ERROR_CENTS = 2_000
ERROR_KINDS = (
    "not_posted", "wrong_change", "posted_twice", "wrong_tender", "missing_check", "miscount",
    "drop_differs",
)  # fmt: skip
BY_CHECK = ("wrong_tender", "missing_check")  # the customer of the error pays by check
BY_CUSTOMER = (*ERROR_KINDS[:3], *BY_CHECK)
CHANGE_ERRORS = (400, 900, 1_500, 1_900, 2_000, 4_500, 2_000)
DROP_LIMIT_CENTS = 90_000  # more than this in the drawer: the cashier drops the large notes
DROP_CENTS_MIN = 20_000  # less is not worth the walk
KEPT_TWENTIES = 6


@dataclass(frozen=True)
class PlannedError:
    """What goes wrong. `cents`: how much, None for whatever the customer or the drawer has.
    `place`: of the customer after or with whom it happens; for a miscount the count, 1 for the
    first one after the float.
    """

    kind: str
    place: int
    cents: int | None


@dataclass(frozen=True)
class ShiftPlan:
    """When a session is and who comes."""

    window: str
    seat: Seat
    opens_ms: int
    checkpoints_ms: tuple[int, ...]
    close_ms: int
    customers: tuple[Customer, ...]
    error: PlannedError | None = None


class Shift:
    """Plays one session on paper. After `run()`: plan, error, and receipts and legs in the book."""

    def __init__(self, rng: random.Random, book: Book, planned: ShiftPlan, mix: Mix) -> None:
        self.error: InjectedError | None = None
        self.planned = planned
        self.plan = Plan(planned.window, planned.opens_ms)
        self.seat = planned.seat
        self._rng = rng
        self._book = book
        self._mix = mix
        self._error = planned.error
        self._drawer = Drawer(rng.choice(FLOATS))
        self.issued_cents = self._drawer.value_cents()
        if happens(rng, mix.float_differs):
            self._drawer = Drawer(without_note(self._drawer.pieces, rng.choice((2_000, 1_000))))
        self._opening = Counter(self._drawer.pieces)
        self._checkpoints = list(planned.checkpoints_ms)
        self.bounds: list[Bound] = []
        self._drops_cents = 0
        self._checks: list[int] = []
        # what is really in the terminal's batch and under the tray
        self._taken = {"card": 0, "money_order": 0, "other": 0}
        # money taken, to be posted while the drawer is counted; once a session, or nobody could
        # tell which of two receipts a count lacks
        self._pending: tuple[Part, ...] = ()
        self._sold_at_count = False

    @property
    def now_ms(self) -> int:
        """Where the walk is."""
        return self.plan.now_ms

    def run(self) -> None:
        """The whole session."""
        plan = self.plan
        plan.mark(SIGN_ON, self.seat.cashier, 20)
        self._count_drawer(OPENING_FLOAT, self.issued_cents)
        for place, each in enumerate(self.planned.customers):
            if self._is_checkpoint_due(each):
                if self._sells_at_count(each):
                    self._sell(each, at_count=True)
                    self._checkpoint()
                    continue
                self._checkpoint()
            plan.now_ms = max(plan.now_ms, each.arrives_ms)
            error = self._error
            is_here = error is not None and error.place == place
            self._serve(each, error.kind if error and is_here else "")
            if self._drawer.value_cents() > DROP_LIMIT_CENTS or (
                error and is_here and error.kind == "drop_differs"
            ):
                self._drop(bool(error and is_here and error.kind == "drop_differs"))
        while self._checkpoints:
            self._checkpoint()
        plan.now_ms = max(plan.now_ms + 60_000, self.planned.close_ms)
        is_free = self._error is None and not self._sold_at_count
        if is_free and happens(self._rng, self._mix.sale_at_count):
            due = self._rng.randrange(1_500, 9_000)
            lines, handed = one_account(self._rng, due), Counter({2_000: due // 2_000 + 1})
            self._sell(Customer(plan.now_ms, "cash", due, lines, handed), at_count=True)
        self._close()

    def _is_checkpoint_due(self, each: Customer) -> bool:
        at_ms = max(self.plan.now_ms, each.arrives_ms)
        return bool(self._checkpoints) and at_ms >= self._checkpoints[0]

    def _sells_at_count(self, each: Customer) -> bool:
        """Whether this customer's sale is rung up while the drawer is counted. Not in a session
        with an error: then nobody could say which of the two it was.
        """
        is_plain = each.tender == "cash" and not each.check_cents and self._error is None
        return is_plain and not self._sold_at_count and happens(self._rng, self._mix.sale_at_count)

    # --- customers --------------------------------------------------------------------------------

    def _serve(self, each: Customer, error: str) -> None:
        """One customer at the window, and whoever comes back with an old receipt first."""
        rng, mix = self._rng, self._mix
        if not error and happens(rng, mix.taken_back):
            self._take_back()
        if not error and happens(rng, mix.refund):
            self._refund()
        if not error and happens(rng, mix.mistake):
            self._mistake(each)
        self._sell(each, error if error in BY_CUSTOMER else "")

    def _sell(self, each: Customer, error: str = "", at_count: bool = False) -> None:
        """Entry, drawer, receipt; about a minute."""
        rng, plan = self._rng, self.plan
        started_ms = plan.now_ms
        numbers = []
        parts = self._parts(each, "cash" if error == "wrong_tender" else each.tender)
        if error == "not_posted" or at_count:
            plan.now_ms += 1_000
            self._pending = parts if at_count else ()
            self._sold_at_count |= at_count
        else:
            numbers.append(self._post(parts, is_odd=bool(error)).number)
        self._settle(each, is_lost=error == "missing_check")
        wrong_cents = 0
        if error == "wrong_change":
            cents = self._error.cents if self._error else None
            wrong_cents = rng.choice(CHANGE_ERRORS) if cents is None else cents
            self._drawer.give(wrong_cents)
        if error == "posted_twice":
            plan.now_ms += rng.randrange(20, 60) * 1_000
            numbers.append(self._post(parts, is_odd=True).number)
        if error:
            self._note(error, started_ms, each.due_cents, wrong_cents, numbers)
        plan.now_ms += rng.randrange(20, 50) * 1_000

    def _note(
        self, kind: str, at_ms: int, due_cents: int, wrong_cents: int, numbers: list[str]
    ) -> None:
        """What a customer's error does to the books."""
        here = len(self.bounds)
        effects = {
            "not_posted": (("cash", here, due_cents),),
            "posted_twice": (("cash", here, -due_cents),),
            "wrong_change": (("cash", here, -wrong_cents),),
            "wrong_tender": (("cash", here, -due_cents), ("check", 0, due_cents)),
            "missing_check": (("check", 0, -due_cents),),
        }[kind]
        self._happened(kind, at_ms, effects, numbers)

    def _happened(
        self, kind: str, at_ms: int, effects: tuple[tuple[str, int, int], ...], numbers: list[str]
    ) -> None:
        _, window, number = self.seat.session
        self.error = InjectedError(kind, window, number, at_ms, effects, tuple(numbers))

    def _parts(self, each: Customer, tender: str) -> tuple[Part, ...]:
        """The tenders of a receipt: of a split one cash pays the first lines."""
        if tender != "cash":
            code = f"{self._rng.randrange(1_000_000):06d}" if tender == "card" else ""
            return (Part(tender, each.due_cents, 0, each.lines, code),)
        handed = value_cents(each.handed) or each.due_cents
        change = handed - each.cash_cents
        if not each.check_cents:
            return (Part("cash", handed, change, each.lines),)
        by_cash, by_check, left = [], [], each.cash_cents
        for account, service, cents in each.lines:
            first = min(left, cents)
            left -= first
            by_cash += [(account, service, first)] if first else []
            by_check += [(account, service, cents - first)] if cents > first else []
        return (
            Part("cash", handed, change, tuple(by_cash)),
            Part("check", each.check_cents, 0, tuple(by_check)),
        )

    def _settle(self, each: Customer, is_lost: bool) -> None:
        """Money changes hands. A check that is lost is on no tape."""
        if each.tender == "cash":
            self._drawer.take(each.handed)
            self._drawer.give(value_cents(each.handed) - each.cash_cents)
            if each.check_cents:
                self._checks.append(each.check_cents)
        elif each.tender == "check":
            self._checks += [] if is_lost else [each.due_cents]
        else:
            self._taken[each.tender] += each.due_cents
        if each.tender != "card":
            self._open(each.tender == "cash")

    def _open(self, is_cash: bool) -> None:
        between = (5_000, 14_000) if is_cash else (3_000, 7_000)
        self.plan.act("open_drawer", 15, dwell_ms=self._rng.randrange(*between))

    def _mistake(self, each: Customer) -> None:
        """The payment is entered on another account, seen at once, voided; nothing moved. Some
        systems export such a receipt as void, and no second one.
        """
        wrong = self._parts(
            replace(each, lines=one_account(self._rng, each.due_cents)), each.tender
        )
        if self._mix.no_minus and self._rng.randrange(4) == 0:
            self._post(wrong, NOWHERE, "void")
            self.plan.now_ms += 30_000
            return
        receipt = self._post(wrong, is_odd=True)
        self.plan.now_ms += 22_000
        self._post(wrong, DRAWER, "void", receipt.number)
        self.plan.now_ms += 18_000

    def _take_back(self) -> None:
        """A receipt of this session is voided, and the money handed back; of an earlier session of
        the day at this window only cash, from this drawer.
        """
        affordable = self._drawer.value_cents() // 3
        fitting = [
            receipt for receipt in self._book.standing if self._can_give_back(receipt, affordable)
        ]
        if not fitting:
            return
        receipt = self._rng.choice(fitting)
        self._book.take_out(receipt)
        self._post(receipt.parts, DRAWER, "void", receipt.number)
        for part in receipt.parts:
            if part.tender == "cash":
                self._drawer.give(part.net_cents)
            elif part.tender == "check":
                self._checks.remove(part.net_cents)
            else:
                self._taken[part.tender] -= part.net_cents
        if receipt.parts[0].tender != "card":
            self._open(is_cash=True)
        self.plan.now_ms += 30_000

    def _can_give_back(self, receipt: Receipt, cents_max: int) -> bool:
        if receipt.seat.session[:2] != self.seat.session[:2]:
            return False
        is_ours = receipt.seat.session == self.seat.session
        if self._is_past_cut_off(receipt) and not happens(self._rng, self._mix.past_cut_off):
            return False
        cash = sum(part.net_cents for part in receipt.parts if part.tender == "cash")
        is_cash = all(part.tender == "cash" for part in receipt.parts)
        return cash <= cents_max and (is_ours or is_cash)

    def _is_past_cut_off(self, receipt: Receipt) -> bool:
        """Whether it has a check or the like of another business date than now."""
        now = self.seat.date_of(self.plan.now_ms + self._book.offset_ms)
        date = self.seat.date_of(receipt.at_ms + self._book.offset_ms)
        kinds = {part.tender for part in receipt.parts}
        return now != date and bool(kinds & {"check", "money_order", "other"})

    def _refund(self) -> None:
        """Cash goes back for an earlier receipt: of days ago, which is in the book already, or of
        today.
        """
        affordable = self._drawer.value_cents() // 3
        fitting = [
            receipt
            for receipt in self._book.standing
            if len(receipt.parts) == 1
            and receipt.parts[0].net_cents <= affordable
            and (receipt.parts[0].tender == "cash" or receipt.seat.session[2] == 0)
            and receipt.at_ms < self.plan.now_ms
            and (receipt.seat.session[2] == 0 or receipt.seat.session[:2] == self.seat.session[:2])
        ]
        if not fitting:
            return
        receipt = self._rng.choice(fitting)
        self._book.take_out(receipt)
        back = replace(receipt.parts[0].given_back, tender="cash")
        self._post((back,), DRAWER, "reversed", receipt.number)
        self._drawer.give(back.net_cents)
        self._open(is_cash=True)
        self.plan.now_ms += 30_000

    def _post(
        self, parts: tuple[Part, ...], place: str = DRAWER, status: str = "posted",
        void_of: str = "", is_odd: bool = False,
    ) -> Receipt:  # fmt: skip
        receipt = self._book.post(
            self.plan.now_ms, self.seat, parts, place, status, void_of, is_odd
        )
        sign = -1 if void_of else 1
        for part in parts:
            self.plan.act(
                "payment", 1, tender=part.tender, amount_cents=sign * part.net_cents,
                tendered_cents=sign * part.tendered_cents, change_cents=sign * part.change_cents,
                receipt_no=receipt.number, void_of=void_of,
            )  # fmt: skip
        self.plan.now_ms += 1_000
        return receipt

    # --- counts -----------------------------------------------------------------------------------

    def _checkpoint(self) -> None:
        self.plan.now_ms = max(self.plan.now_ms, self._checkpoints.pop(0))
        self._count_drawer(CHECKPOINT, None)
        self.plan.now_ms += 30_000

    def _drop(self, differs: bool) -> None:
        pieces = dropped_pieces(self._drawer.pieces, KEPT_TWENTIES)
        if differs:
            pieces = self._bag_of_error(pieces)
        if not pieces or (value_cents(pieces) < DROP_CENTS_MIN and not differs):
            return
        started_ms, rng, mix = self.plan.now_ms, self._rng, self._mix
        self._drawer.drop(pieces)
        declared = counted = value_cents(pieces)
        seen = pieces
        if differs:
            note = largest_note(pieces, self._error.cents if self._error else None)
            assert note is not None
            seen = without_note(pieces, note)
            counted -= note
            self._happened("drop_differs", started_ms, (("cash", len(self.bounds), -note),), [])
        elif happens(rng, mix.bag_misdeclared):
            declared += rng.choice((-2_000, -1_000, 1_000, 2_000))
        is_counted = differs or declared != counted or not happens(rng, mix.drop_uncounted)
        self._drops_cents += counted
        self.plan.mark(DROP, declared, 10)
        if is_counted:
            self.plan.count_notes(seen)
        self.plan.mark(DONE, None, 30)

    def _bag_of_error(self, pieces: Counter[int]) -> Counter[int]:
        """A drop that somebody takes for the sake of the error: notes that the drawer has."""
        wanted = self._error.cents if self._error else None
        for note in (2_000, 1_000, 500) if wanted is None else (wanted,):
            if pieces[note] >= 2:
                return pieces
            if self._drawer.pieces[note] >= 2:
                return pieces | Counter({note: 2})
        return Counter()

    def _close(self) -> None:
        rng, mix, plan = self._rng, self._mix, self.plan
        if happens(rng, mix.tape_again):
            plan.tape(self._checks[:-1])
            plan.mark(RECOUNT, None, 10)
        plan.tape(self._checks)
        card = self._taken["card"]
        first = card // 3
        if happens(rng, mix.two_batches) and first and first != card - first:
            plan.mark(CARD_TOTAL, first, 15)
            card -= first
        plan.mark(CARD_TOTAL, card, 15)
        for code, name in ((MONEY_ORDER, "money_order"), (OTHER, "other")):
            if self._taken[name]:
                plan.mark(code, self._taken[name], 15)
        self._count_drawer(CLOSE, None)

    def _count_drawer(self, code: int, value: int | None) -> None:
        """A count of everything in the drawer; it ends one interval and starts the next."""
        rng, plan, pieces = self._rng, self.plan, self._drawer.pieces
        error = self._error
        seen = pieces
        if error and error.kind == "miscount" and self._is_count_of(error, code):
            note = largest_note(pieces, error.cents)
            if note:
                seen, interval = without_note(pieces, note), len(self.bounds)
                after = () if code == CLOSE else (("cash", interval + 1, note),)
                effects = (("cash", interval, -note), *after)
                self._happened("miscount", plan.now_ms, effects, [])
        elif code == CLOSE and not self._pending and happens(rng, self._mix.recount):
            plan.count(code, value, without_note(pieces, largest_note(pieces) or 0))
            if happens(rng, 30):
                plan.count(RECOUNT, None, without_note(pieces, 100))
            code, value = RECOUNT, None
        start_ms = plan.now_ms
        if self._pending:
            at_ms = start_ms + rng.randrange(5_000, 45_000)
            self._book.post(at_ms, self.seat, self._pending, is_odd=True)
            self._pending = ()
        posted = sum(
            leg.net_cents
            for leg in self._book.legs
            if (leg.tender, leg.place, leg.session) == ("cash", DRAWER, self.seat.session)
        )
        self.bounds.append(Bound(start_ms, value_cents(seen), posted, self._drops_cents))
        plan.count(code, value, seen)

    def _is_count_of(self, error: PlannedError, code: int) -> bool:
        """Whether it is the count that goes wrong; the close where there are not so many."""
        if code == OPENING_FLOAT:
            return False
        if error.place > len(self.planned.checkpoints_ms):
            return code == CLOSE
        return error.place == len(self.bounds)

    # --- truth ------------------------------------------------------------------------------------

    def truth(self) -> SessionTruth:
        """Once everything is posted, also what comes after the close."""
        date, window, number = self.seat.session
        legs = [leg for leg in self._book.legs if leg.session == self.seat.session]
        posted = Counter(dict.fromkeys(TENDERS, 0))
        held = Counter(dict.fromkeys(TENDERS, 0))
        for leg in legs:
            if leg.place == DRAWER:
                into = posted if leg.business_date == date else held
                into[leg.tender] += leg.net_cents
        start = {"cash": self.bounds[0].counted_cents - self._drops_cents}
        counted = {
            **self._taken, "check": sum(self._checks), "cash": self.bounds[-1].counted_cents
        }  # fmt: skip
        tenders = {
            name: TenderTruth(
                posted[name],
                start.get(name, 0) + posted[name] + held[name],
                counted[name],
                held[name],
            )
            for name in TENDERS
        }
        drawer = self._drawer
        moved = (
            self._opening, drawer.taken, drawer.given, drawer.dropped, drawer.from_safe,
            drawer.to_safe, drawer.pieces,
        )  # fmt: skip
        return SessionTruth(
            window, number, date, self.seat.session_id, self.seat.cashier, self.issued_cents,
            self.bounds[0].counted_cents, self._drops_cents, tenders, self._intervals(),
            tuple(self._checks),
            sum(leg.net_cents for leg in legs if leg.place == AFTER_CLOSE),
            *(dict(pieces) for pieces in moved),
        )  # fmt: skip

    def _intervals(self) -> tuple[IntervalTruth, ...]:
        return tuple(
            IntervalTruth(
                number, start.at_ms, end.at_ms, start.counted_cents,
                end.posted_cents - start.posted_cents, end.drops_cents - start.drops_cents,
                end.counted_cents,
            )
            for number, (start, end) in enumerate(
                zip(self.bounds, self.bounds[1:], strict=False), 1
            )
        )  # fmt: skip
