"""One cashier at one window from sign-on to close: the plan of actions, posted rows and truth in
one walk through time.

Every payment leaves three traces that agree unless an error was injected: pieces in the drawer,
rows in the cashiering system, actions of the plan. A mistaken entry is posted, voided and posted
again; only the last one moves money.
"""

import datetime
import random
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from simulators.office.cash import COINS, FLOATS, NOTES, Drawer, rows_of, value_cents
from simulators.office.customers import (
    Customer,
    account_no,
    arrivals_ms,
    customer,
    local_ms,
    tenders,
)
from simulators.office.posted import PostedRow, posted_at
from simulators.office.tariff import FUNDS, bill, spread
from simulators.office.truth import InjectedError, IntervalTruth, TenderTruth, WindowTruth

# keys after MARK
SIGN_ON, OPENING_FLOAT, DROP, CHECKS_TAPE, CLOSE, CHECKPOINT, DONE, CARD_TOTAL = (
    1,
    2,
    3,
    4,
    5,
    8,
    9,
    0,
)
ERROR_CENTS = 2_000
ERROR_KINDS = ("not_posted", "wrong_change", "posted_twice")
DROP_LIMIT_CENTS = 90_000  # more than this in the drawer: the cashier drops the large notes
DROP_CENTS_MIN = 20_000  # less is not worth the walk
KEPT_TWENTIES = 6
HOPPER_NOTES = 200  # notes in one run of the bill counter
MISTAKES_PER_THOUSAND = 28  # entries voided and made again: about one a window and day
SUPERVISOR = "s900"


@dataclass(frozen=True)
class PlannedError:
    """Which error happens at which window, at the customer of which place."""

    kind: str
    window: str
    place: int


class Shift:
    """Plays one window's day on paper. After `run()`: actions, rows, truth, error."""

    def __init__(
        self,
        rng: random.Random,
        date: datetime.date,
        number: int,
        payments: int,
        money_order_percent: int,
        error: PlannedError | None,
    ) -> None:
        self.actions: list[dict[str, Any]] = []
        self.rows: list[PostedRow] = []
        self.error: InjectedError | None = None
        self._rng = rng
        self._date = date
        self._window = f"w{number}"
        self._session_id = f"{date.isoformat()}-{self._window}"
        self._cashier = 100 + number
        self._planned = error
        self._drawer = Drawer(rng.choice(FLOATS))
        self._opening = Counter(self._drawer.pieces)
        self._receipt = rng.randrange(10_000, 80_000)
        self._now_ms = local_ms(date, 2 * ((number - 1) % 8) - 20)
        self._checkpoint_ms = local_ms(date, 225 + 6 * ((number - 1) % 8) + rng.randrange(6))
        self._close_ms = local_ms(date, 482 + 2 * ((number - 1) % 8))
        self._customers = self._queue(payments, money_order_percent)
        self._bounds: list[
            tuple[int, int, int, int]
        ] = []  # (start, counted, posted cash until then, drops until then)
        self._checks: list[int] = []
        # what is really in the terminal's batch and under the tray
        self._taken = {"card": 0, "money_order": 0}

    @property
    def window(self) -> str:
        """Its name."""
        return self._window

    def run(self) -> WindowTruth:
        """The whole shift."""
        self._act("mark", 20, code=SIGN_ON, value=self._cashier)
        self._count_drawer(OPENING_FLOAT, self._drawer.value_cents())
        for place, each in enumerate(self._customers):
            if len(self._bounds) == 1 and max(self._now_ms, each.arrives_ms) >= self._checkpoint_ms:
                self._checkpoint()
            self._now_ms = max(self._now_ms, each.arrives_ms)
            self._serve(
                each, self._planned.kind if self._planned and self._planned.place == place else ""
            )
            if self._drawer.value_cents() > DROP_LIMIT_CENTS:
                self._drop()
        if len(self._bounds) == 1:
            self._checkpoint()
        self._now_ms = max(self._now_ms + 60_000, self._close_ms)
        self._close()
        return self._truth()

    # --- customers --------------------------------------------------------------------------------

    def _queue(self, payments: int, money_order_percent: int) -> list[Customer]:
        rng = self._rng
        kinds = tenders(rng, payments, money_order_percent)
        if self._planned:  # every error is one of cash: the customer of that place pays cash
            other = kinds.index("cash")
            kinds[self._planned.place], kinds[other] = "cash", kinds[self._planned.place]
        times = arrivals_ms(rng, self._date, payments)
        queue = [customer(rng, at_ms, tender) for at_ms, tender in zip(times, kinds, strict=True)]
        if self._planned:
            queue[self._planned.place] = self._prepared(
                queue[self._planned.place], self._planned.kind
            )
        return queue

    def _prepared(self, each: Customer, kind: str) -> Customer:
        """The customer of the error: one who gets change for a wrong change, one who pays $20.00
        for the other kinds.
        """
        if kind == "wrong_change":
            if value_cents(each.handed) > each.due_cents:
                return each
            return replace(each, handed=Counter({2_000: each.due_cents // 2_000 + 1}))
        shares = spread(bill(self._rng), ERROR_CENTS)
        return replace(each, due_cents=ERROR_CENTS, shares=shares, handed=Counter({2_000: 1}))

    def _serve(self, each: Customer, error: str) -> None:
        """One customer at the window: entry, drawer, receipt; about a minute."""
        rng = self._rng
        started_ms = self._now_ms
        receipts = []
        if not error and rng.randrange(1_000) < MISTAKES_PER_THOUSAND:
            self._mistake(each)
        if error == "not_posted":
            self._now_ms += 1_000
        else:
            receipts.append(self._post(each, self._auth_code(each)))
        change_cents = self._settle(each)
        if error == "wrong_change":
            self._drawer.give(ERROR_CENTS)
        if error == "posted_twice":
            self._now_ms += rng.randrange(20, 60) * 1_000
            receipts.append(self._post(each, ""))
        if error:
            sign = 1 if error == "not_posted" else -1
            half = "before_checkpoint" if len(self._bounds) == 1 else "after_checkpoint"
            self.error = InjectedError(
                error, self._window, "cash", started_ms, sign * ERROR_CENTS, half, tuple(receipts)
            )
        if each.tender == "cash" and change_cents != value_cents(each.handed) - each.due_cents:
            raise AssertionError("change given is not tender less amount due")
        self._now_ms += rng.randrange(20, 50) * 1_000

    def _settle(self, each: Customer) -> int:
        """Money changes hands; the change given."""
        change_cents = 0
        if each.tender == "cash":
            self._drawer.take(each.handed)
            change = self._drawer.give(value_cents(each.handed) - each.due_cents)
            change_cents = value_cents(change)
        elif each.tender == "check":
            self._checks.append(each.due_cents)
        else:
            self._taken[each.tender] += each.due_cents
        if each.tender != "card":
            dwell_ms = (
                self._rng.randrange(5_000, 14_000)
                if each.tender == "cash"
                else self._rng.randrange(3_000, 7_000)
            )
            self._act("open_drawer", 15, dwell_ms=dwell_ms)
        return change_cents

    def _mistake(self, each: Customer) -> None:
        """The payment is entered on another account, seen at once, voided; nothing moved."""
        wrong = replace(
            each, account_no=account_no(self._rng), shares=spread(bill(self._rng), each.due_cents)
        )
        receipt = self._post(wrong, "")
        self._now_ms += 22_000
        self._post(wrong, "", void_of=receipt)
        self._now_ms += 18_000

    def _post(self, each: Customer, auth_code: str, void_of: str = "") -> str:
        """One receipt in the cashiering system; its number. Receipts have one series a window,
        without gaps, voids included.
        """
        receipt = f"{self._window.upper()}-{self._receipt:06d}"
        self._receipt += 1
        sign = -1 if void_of else 1
        tendered = sign * (value_cents(each.handed) if each.tender == "cash" else each.due_cents)
        change = tendered - sign * each.due_cents
        for line_no, (service, cents) in enumerate(each.shares.items(), 1):
            self.rows.append(
                PostedRow(
                    receipt, line_no, posted_at(self._now_ms), self._date.isoformat(), self._window,
                    self._session_id, str(self._cashier), f"{receipt}-1", each.tender, tendered,
                    change, each.account_no, service, FUNDS[service], sign * cents,
                    "void" if void_of else "posted", void_of, SUPERVISOR if void_of else "",
                    auth_code, f"{self._session_id}-1" if each.tender == "card" else "",
                )
            )  # fmt: skip
        self._act(
            "payment", 2, tender=each.tender, amount_cents=tendered - change,
            tendered_cents=tendered, change_cents=change, receipt_no=receipt, void_of=void_of,
        )  # fmt: skip
        return receipt

    def _auth_code(self, each: Customer) -> str:
        return f"{self._rng.randrange(1_000_000):06d}" if each.tender == "card" else ""

    # --- counts -----------------------------------------------------------------------------------

    def _checkpoint(self) -> None:
        self._now_ms = max(self._now_ms, self._checkpoint_ms)
        self._count_drawer(CHECKPOINT, None)
        self._now_ms += 30_000

    def _drop(self) -> None:
        pieces = Counter(
            {
                note: self._drawer.pieces[note]
                for note in (10_000, 5_000)
                if self._drawer.pieces[note]
            }
        )
        if self._drawer.pieces[2_000] > KEPT_TWENTIES:
            pieces[2_000] = self._drawer.pieces[2_000] - KEPT_TWENTIES
        if value_cents(pieces) < DROP_CENTS_MIN:
            return
        self._drawer.drop(pieces)
        self._act("mark", 10, code=DROP, value=value_cents(pieces))
        self._count_notes(pieces)
        self._act("mark", 30, code=DONE, value=None)

    def _close(self) -> None:
        self._act("mark", 10, code=CHECKS_TAPE, value=None)
        for cents in self._checks:
            self._act("tape_check", 4, amount_cents=cents)
        self._act("tape_total", 10)
        self._act("mark", 15, code=CARD_TOTAL, value=self._taken["card"])
        self._count_drawer(CLOSE, None)

    def _count_drawer(self, code: int, value: int | None) -> None:
        """A count of everything in the drawer; it ends one interval and starts the next."""
        cash = [row for row in self.rows if row.tender_type == "cash"]
        posted = sum(row.allocation_cents for row in cash)
        self._bounds.append(
            (self._now_ms, self._drawer.value_cents(), posted, value_cents(self._drawer.dropped))
        )
        self._act("mark", 10, code=code, value=value)
        self._count_notes(self._drawer.pieces)
        self._act("count_coins", 90, rows=rows_of(self._drawer.pieces, COINS))
        self._act("mark", 20, code=DONE, value=None)

    def _count_notes(self, pieces: Counter[int]) -> None:
        """One run of the bill counter for each hopper full of notes."""
        batch: list[tuple[int, int]] = []
        room = HOPPER_NOTES
        for denomination, count in rows_of(pieces, NOTES):
            while count:
                part = min(count, room)
                batch.append((denomination, part))
                count, room = count - part, room - part
                if not room:
                    self._act("count_bills", 60, rows=batch)
                    batch, room = [], HOPPER_NOTES
        if batch:
            self._act("count_bills", 60, rows=batch)

    def _act(self, kind: str, seconds: int, **values: Any) -> None:
        """Put an action in the plan; the next one comes so many seconds later, and after a
        dwell.
        """
        self.actions.append(
            {"at_ms": self._now_ms, "window": self._window, "action": kind, **values}
        )
        self._now_ms += seconds * 1_000 + values.get("dwell_ms", 0) // 1_000 * 1_000

    # --- truth ------------------------------------------------------------------------------------

    def _truth(self) -> WindowTruth:
        drawer, opening_cents = self._drawer, value_cents(self._opening)
        drops_cents = value_cents(drawer.dropped)
        posted = {"cash": 0, "check": 0, "card": 0, "money_order": 0}
        for row in self.rows:
            posted[row.tender_type] += row.allocation_cents
        counted = {"check": sum(self._checks), **self._taken}
        lines = {
            name: TenderTruth(cents, cents, counted.get(name, 0)) for name, cents in posted.items()
        }
        lines["cash"] = TenderTruth(
            posted["cash"], opening_cents + posted["cash"] - drops_cents, drawer.value_cents()
        )
        intervals = tuple(
            IntervalTruth(
                name, start[0], end[0], start[1], end[2] - start[2], end[3] - start[3], end[1]
            )
            for name, start, end in zip(
                ("before_checkpoint", "after_checkpoint"),
                self._bounds,
                self._bounds[1:],
                strict=False,
            )
        )
        moved = (
            self._opening,
            drawer.taken,
            drawer.given,
            drawer.dropped,
            drawer.from_safe,
            drawer.to_safe,
            drawer.pieces,
        )
        return WindowTruth(
            self._window, self._session_id, self._cashier, opening_cents, drops_cents, lines,
            intervals, tuple(self._checks), *(dict(pieces) for pieces in moved),
        )  # fmt: skip
