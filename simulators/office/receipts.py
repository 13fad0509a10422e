"""The receipts of one window: the rows that the cashiering system exports of them, and what each
does to the money.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from simulators.office.customers import Line
from simulators.office.posted import PostedRow, posted_at
from simulators.office.tariff import fund_of
from simulators.office.truth import DRAWER, NOWHERE, RETURNED, Leg

SUPERVISOR = "s900"
Session = tuple[str, str, int]  # (date of its opening, window, number)


@dataclass(frozen=True)
class Seat:
    """Who posts. `date_of`: the business date that the system gives to a time of its clock."""

    session: Session
    session_id: str
    cashier: int
    date_of: Callable[[int], str]


@dataclass(frozen=True)
class Part:
    """One tender of a receipt; amounts as the customer sees them, never negative."""

    tender: str
    tendered_cents: int
    change_cents: int
    lines: tuple[Line, ...]
    auth_code: str = ""

    @property
    def net_cents(self) -> int:
        """What stays."""
        return self.tendered_cents - self.change_cents

    @property
    def given_back(self) -> "Part":
        """Its net without change, as when it is taken back in cash."""
        return replace(self, tendered_cents=self.net_cents, change_cents=0)


@dataclass(frozen=True)
class Receipt:
    """One receipt as it was posted."""

    number: str
    at_ms: int  # on the office's clock
    seat: Seat
    parts: tuple[Part, ...]


class Book:
    """Receipts of one window have one series of numbers, without gaps, voids included.

    `offset_ms`: how far the system's clock is ahead; `has_minus`: whether amounts that are taken
    back are written with a minus.
    """

    def __init__(self, rng: random.Random, window: str, offset_ms: int, has_minus: bool) -> None:
        self.rows: list[PostedRow] = []
        self.legs: list[Leg] = []
        self.standing: list[Receipt] = []  # could be taken back: in a drawer, nothing odd about it
        self._window = window
        self.offset_ms = offset_ms
        self._has_minus = has_minus
        self._next = rng.randrange(10_000, 80_000)

    def post(
        self, at_ms: int, seat: Seat, parts: Sequence[Part], place: str = DRAWER, status: str =
        "posted", void_of: str = "", is_odd: bool = False,
    ) -> Receipt:  # fmt: skip
        """One receipt. With `void_of` it takes that one back; `is_odd`: nobody takes it back."""
        clock_ms = at_ms + self.offset_ms
        date, at_text = seat.date_of(clock_ms), posted_at(clock_ms)
        receipt = Receipt(f"{self._window.upper()}-{self._next:06d}", at_ms, seat, tuple(parts))
        self._next += 1
        is_void = bool(void_of)
        sign = -1 if is_void and self._has_minus else 1
        by = "" if status == "posted" or place == RETURNED else SUPERVISOR
        line_no = 0
        for number, part in enumerate(parts, 1):
            self.legs.append(_leg(receipt, part, date, place, is_void))
            tender_id = f"{receipt.number}-{number}"
            batch_id = f"{seat.session_id}-1" if part.tender == "card" else ""
            for account, service, cents in part.lines:
                line_no += 1
                self.rows.append(
                    PostedRow(
                        receipt.number, line_no, at_text, date, self._window, seat.session_id,
                        str(seat.cashier), tender_id, part.tender, sign * part.tendered_cents,
                        sign * part.change_cents, account, service, fund_of(service), sign * cents,
                        status, void_of, by, part.auth_code, batch_id,
                    )
                )  # fmt: skip
        if place == DRAWER and status == "posted" and not is_odd:
            self.standing.append(receipt)
        return receipt

    def take_out(self, receipt: Receipt) -> None:
        """It was taken back: nobody does that again."""
        self.standing.remove(receipt)


def _leg(receipt: Receipt, part: Part, date: str, place: str, is_void: bool) -> Leg:
    sign = 0 if place == NOWHERE else -1 if is_void else 1
    funds = tuple((fund_of(service), sign * cents) for _, service, cents in part.lines)
    return Leg(
        receipt.number, receipt.at_ms, part.tender, sign * part.net_cents, funds, date, place,
        receipt.seat.session,
    )  # fmt: skip
