"""Card payments against what the processor settled, by authorisation code and amount (rule R19).

Pure. Nothing is netted: each payment and each line of a settlement stands in exactly one finding,
and the sums over the findings are the sums of what came in. Neither the order of the payments nor
that of the lines matters.

What is not final blocks the close of the day until it is settled or carried with a reason. A
payment that was carried is given again with the lines of later days, and is found there.
"""

from __future__ import annotations

import datetime
import functools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.errors import DataError
from gateway.facts.settlements import SettlementLine
from gateway.office.cards import (
    AMOUNT,
    BY_AMOUNT,
    CHARGEBACK,
    CHARGEBACK_REVERSED,
    FINAL,
    MATCHED,
    NEXT_BATCH,
    NOT_POSTED,
    NOT_SETTLED,
    ORPHAN,
    POSTED_TWICE,
    SETTLED_TWICE,
    STATUS_UNKNOWN,
    VOID_SETTLED,
    VOIDED,
    CardFinding,
    CardPayment,
    CardSettlement,
    Carry,
)

# An authorisation code has six characters and comes again after some months, so a line is only
# looked for around its day. Assumed: a batch is closed at most this many calendar days before the
# business day of its receipt (taken after the cut-off before a long weekend) ...
DAYS_BEFORE = 5
DAYS_AFTER = 14  # ... and at most so many after it; a chargeback comes months later
CHARGEBACK_DAYS = 540  # the longest of the brands' limits, assumed


class _Matching:
    """What is still open, in an order that does not depend on that of what came in."""

    def __init__(self, payments: set[CardPayment], lines: set[SettlementLine]):
        for things in (payments, lines):
            _refuse_contradictions(things)
        self.payments = {each.key: each for each in sorted(payments, key=_payment_order)}
        self.lines = {each.key: each for each in sorted(lines, key=_line_order)}
        self.fees = [line for line in self.lines.values() if line.kind == "fee"]
        for line in self.fees:
            del self.lines[line.key]
        self.found: list[CardFinding] = []

    def pair(self, kind: str, payment: CardPayment, line: SettlementLine) -> None:
        del self.payments[payment.key], self.lines[line.key]
        if kind in (MATCHED, BY_AMOUNT) and payment.status == "unknown":
            kind = STATUS_UNKNOWN
        elif kind == MATCHED and is_later_batch(payment, line):
            kind = NEXT_BATCH
        self.found.append(CardFinding(kind, payment, line))

    def payment_alone(self, kind: str, payment: CardPayment, alike: int = 0) -> None:
        del self.payments[payment.key]
        self.found.append(CardFinding(kind, payment, None, alike=alike))

    def line_alone(
        self, kind: str, line: SettlementLine, origin: CardPayment | None = None, alike: int = 0
    ) -> None:
        del self.lines[line.key]
        self.found.append(CardFinding(kind, None, line, origin=origin, alike=alike))


def settle(
    payments: Iterable[CardPayment],
    lines: Iterable[SettlementLine],
    carries: Sequence[Carry] = (),
    earlier: Iterable[CardPayment] = (),
) -> CardSettlement:
    """Every payment and every line in exactly one finding. What is given twice counts once.

    Give all payments that are open, those of the day and those that earlier days carried, and all
    lines that are open. `earlier` are payments that were settled before: a refund or a chargeback
    may belong to one of them. Raises DataError when two that differ have one identity.
    """
    given, before = set(payments), set(earlier)
    matching = _Matching(given, set(lines))
    _by_code(matching)
    _doubles(matching)
    _other_amounts(matching)
    _by_amount(matching)
    _voided(matching)
    alike = _by_amount(matching)  # once more: what was voided leaves some with one that fits
    _settled_before(matching, before)
    _rest(matching, given | before, alike)
    by_key = {carry.key: carry for carry in sorted(carries, key=_carry_order)}
    findings = [
        replace(found, carry=by_key.get(found.key)) if found.kind not in FINAL else found
        for found in sorted(matching.found, key=lambda found: (found.kind, found.key))
    ]
    used = {found.key for found in findings if found.carry}
    unused = tuple(carry for key, carry in sorted(by_key.items()) if key not in used)
    return CardSettlement(tuple(findings), tuple(matching.fees), unused)


def _refuse_contradictions(things: set[CardPayment] | set[SettlementLine]) -> None:
    """One of two would be lost without a word, so nothing is said at all."""
    if len({each.key for each in things}) < len(things):
        seen: set[tuple[object, ...]] = set()
        for key in sorted(each.key for each in things):
            if key in seen:
                shown = " ".join(str(part) for part in key)
                raise DataError(f"{shown}: given twice and not alike; see which of the two stands")
            seen.add(key)


def is_later_batch(payment: CardPayment, line: SettlementLine) -> bool:
    """Whether a line stands in a later batch than the one that its payment was taken in."""
    if payment.settlement_batch and payment.settlement_batch == line.settlement_batch:
        return False
    return line.settled_date > payment.business_date


def _payment_order(payment: CardPayment) -> tuple[str, ...]:
    return payment.business_date, *payment.key


def _carry_order(carry: Carry) -> tuple[int, str, str]:
    return carry.at_ms, carry.who, carry.reason


def _line_order(line: SettlementLine) -> tuple[str, str, str, int]:
    return line.settled_date, *line.key


@functools.lru_cache(4_096)
def _day(date: str) -> int:
    return datetime.date.fromisoformat(date).toordinal()


def _is_near(payment: CardPayment, line: SettlementLine) -> bool:
    return -DAYS_BEFORE <= _day(line.settled_date) - _day(payment.business_date) <= DAYS_AFTER


def _could_be(payment: CardPayment, line: SettlementLine) -> bool:
    """Whether a line can be the settlement of a payment, code and amount apart."""
    wanted = "sale" if payment.amount_cents > 0 else "refund"
    return line.kind == wanted and _is_near(payment, line)


_Code = tuple[str, int]


def _lines_by_code(lines: Iterable[SettlementLine]) -> dict[_Code, list[SettlementLine]]:
    """Lines by code and amount, those without a code left out."""
    groups: dict[_Code, list[SettlementLine]] = defaultdict(list)
    for line in lines:
        if line.auth_code:
            groups[line.auth_code, line.amount_cents].append(line)
    return groups


def _by_code(matching: _Matching) -> None:
    """Same code and amount: first within the batch that the posting names, then the earliest line
    for the earliest payment. Receipts that are void come last: for them nothing should be there.
    """
    groups = _lines_by_code(matching.lines.values())
    for effective, own_batch in ((True, True), (True, False), (False, False)):
        for payment in list(matching.payments.values()):
            if payment.is_effective != effective:
                continue
            group = groups.get((payment.auth_code, payment.amount_cents), ())
            line = next(
                (
                    line
                    for line in group
                    if line.key in matching.lines and _could_be(payment, line)
                    if not own_batch or payment.settlement_batch == line.settlement_batch
                ),
                None,
            )
            if line is not None:
                matching.pair(MATCHED if effective else VOID_SETTLED, payment, line)


def _doubles(matching: _Matching) -> None:
    """A second line of a payment that has one, and a second payment of a line that has one."""
    pairs = [
        (found.payment, found.line) for found in matching.found if found.payment and found.line
    ]
    by_code: dict[_Code, list[tuple[CardPayment, SettlementLine]]] = defaultdict(list)
    for payment, line in pairs:
        by_code[line.auth_code, line.amount_cents].append((payment, line))
    for line in list(matching.lines.values()):
        known = by_code.get((line.auth_code, line.amount_cents), ())
        origin = next((payment for payment, _ in known if _could_be(payment, line)), None)
        if line.auth_code and origin is not None:
            matching.line_alone(SETTLED_TWICE, line, origin)
    for payment in list(matching.payments.values()):
        known = by_code.get((payment.auth_code, payment.amount_cents), ())
        is_known = any(_could_be(payment, line) for _, line in known)
        if payment.auth_code and payment.is_effective and is_known:
            matching.payment_alone(POSTED_TWICE, payment)


def _other_amounts(matching: _Matching) -> None:
    """Same code, other amount: where one payment and one line are left of the code, and no more."""
    lines: dict[str, list[SettlementLine]] = defaultdict(list)
    payments: dict[str, list[CardPayment]] = defaultdict(list)
    for line in matching.lines.values():
        lines[line.auth_code].append(line)
    for payment in matching.payments.values():
        if payment.is_effective:
            payments[payment.auth_code].append(payment)
    for code in sorted(set(lines) & set(payments) - {""}):
        for payment, line in _only_pairs(payments[code], lines[code]):
            matching.pair(AMOUNT, payment, line)


def _only_pairs(
    payments: Sequence[CardPayment], lines: Sequence[SettlementLine]
) -> list[tuple[CardPayment, SettlementLine]]:
    """Pairs in which each is the only one that the other could be."""
    pairs = []
    for payment in payments:
        fitting = [line for line in lines if _could_be(payment, line)]
        if len(fitting) == 1 and sum(_could_be(each, fitting[0]) for each in payments) == 1:
            pairs.append((payment, fitting[0]))
    return pairs


def _voided(matching: _Matching) -> None:
    """A receipt that is void, and a payment with the receipt that takes it back: nothing of both
    was settled, so the terminal took it back before its batch was closed.
    """
    for payment in list(matching.payments.values()):
        if not payment.is_effective:
            matching.payment_alone(VOIDED, payment)
    sales: dict[tuple[str, str, str, int], list[CardPayment]] = defaultdict(list)
    for payment in matching.payments.values():
        if payment.amount_cents > 0:
            key = (
                payment.source_system, payment.scope, payment.receipt_no, payment.amount_cents
            )  # fmt: skip
            sales[key].append(payment)
    for payment in list(matching.payments.values()):
        key = payment.source_system, payment.scope, payment.void_of, -payment.amount_cents
        if payment.amount_cents < 0 and sales.get(key):
            matching.payment_alone(VOIDED, sales[key].pop(0))
            matching.payment_alone(VOIDED, payment)


def _by_amount(matching: _Matching) -> dict[tuple[object, ...], int]:
    """Where one of the two has no code, or it is a refund, which rarely has the code of its sale:
    matched by amount if each is the only one that the other could be. Gives how many would have
    fitted each of those that are left.
    """
    lines: dict[int, list[SettlementLine]] = defaultdict(list)
    payments: dict[int, list[CardPayment]] = defaultdict(list)
    for line in matching.lines.values():
        lines[line.amount_cents].append(line)
    for payment in matching.payments.values():
        if payment.is_effective:
            payments[payment.amount_cents].append(payment)
    alike: dict[tuple[object, ...], int] = {}
    pairs = []
    for cents in sorted(set(lines) & set(payments)):
        of_payment = {
            payment.key: [line for line in lines[cents] if _codes_allow(payment, line)]
            for payment in payments[cents]
        }
        of_line: dict[tuple[object, ...], list[CardPayment]] = defaultdict(list)
        for payment in payments[cents]:
            for line in of_payment[payment.key]:
                of_line[line.key].append(payment)
        alike.update({key: len(found) for key, found in of_payment.items()})
        alike.update({key: len(found) for key, found in of_line.items()})
        pairs += [
            (payment, of_payment[payment.key][0])
            for payment in payments[cents]
            if len(of_payment[payment.key]) == 1
            if len(of_line[of_payment[payment.key][0].key]) == 1
        ]
    for payment, line in pairs:
        matching.pair(BY_AMOUNT, payment, line)
    return alike


def _codes_allow(payment: CardPayment, line: SettlementLine) -> bool:
    lacks_code = not payment.auth_code or not line.auth_code
    return (lacks_code or payment.amount_cents < 0) and _could_be(payment, line)


def _settled_before(matching: _Matching, before: set[CardPayment]) -> None:
    """A line for a payment of an earlier day, which has its line already."""
    by_code: dict[_Code, list[CardPayment]] = defaultdict(list)
    for payment in sorted(before, key=_payment_order):
        if payment.auth_code and payment.is_effective:
            by_code[payment.auth_code, payment.amount_cents].append(payment)
    for line in list(matching.lines.values()):
        known = by_code.get((line.auth_code, line.amount_cents), ())
        origin = next((payment for payment in known if _could_be(payment, line)), None)
        if origin is not None:
            matching.line_alone(SETTLED_TWICE, line, origin)


def _rest(
    matching: _Matching, payments: set[CardPayment], alike: dict[tuple[object, ...], int]
) -> None:
    """Whatever found nothing."""
    sales: dict[str, list[CardPayment]] = defaultdict(list)
    for payment in sorted(payments, key=_payment_order):
        if payment.auth_code and payment.amount_cents > 0:
            sales[payment.auth_code].append(payment)
    own_kinds = {"chargeback": CHARGEBACK, "chargeback_reversed": CHARGEBACK_REVERSED}
    for line in list(matching.lines.values()):
        count = alike.get(line.key, 0)
        if line.kind == "sale":
            matching.line_alone(NOT_POSTED, line, alike=count)
            continue
        origin = _origin(sales.get(line.auth_code, ()), line)
        kind = own_kinds.get(line.kind, NOT_POSTED) if origin else ORPHAN
        matching.line_alone(kind, line, origin, count)
    for payment in list(matching.payments.values()):
        matching.payment_alone(NOT_SETTLED, payment, alike.get(payment.key, 0))


def _origin(sales: Sequence[CardPayment], line: SettlementLine) -> CardPayment | None:
    """The newest payment of that code that a refund or a chargeback can take back."""
    fitting = [
        sale
        for sale in sales
        if sale.amount_cents >= abs(line.amount_cents)
        and -DAYS_BEFORE <= _day(line.settled_date) - _day(sale.business_date) <= CHARGEBACK_DAYS
    ]
    return fitting[-1] if fitting else None
