"""The general ledger's journal of one business day: what the deposit books where. Pure.

    bank accounts (pool)      Dr  what was counted
    other tenders (pool)      Dr  what was posted: a card's money is on its way
    due to FUND (pool)        Cr  what the fund was paid
    due from the pool (fund)  Dr  the same
    receipts (fund)           Cr  the same
    over/short                    by itself, never in a fund's receipts

Each fund balances by itself: what one fund holds for another stands as due to and due from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.chart_file import DEPOSITED, NOT_DEPOSITED, OF_ALL_FUNDS, Chart, FundAccounts
from gateway.errors import DataError
from gateway.money import format_cents
from gateway.office.deposit import Deposit


class JournalLine(NamedTuple):
    """One line. Of the two amounts one is 0; neither is negative."""

    fund: str
    account: str
    debit_cents: int
    credit_cents: int
    text: str


def journal_of(
    deposit: Deposit, chart: Chart, float_over_short_cents: int, rounding_account: str
) -> list[JournalLine]:
    """The journal of a day. `float_over_short_cents`: openings as counted less floats as issued;
    `rounding_account`: of the policy, for cash in nickels.

    Raises DataError where the day cannot be booked: a tender that nobody declared, allocations that
    are not the tenders, a fund without accounts.
    """
    _check(deposit, chart)
    book = _Book(chart)
    for name in DEPOSITED:
        cents = deposit.by_tender_cents.get(name) or 0
        book.pool(chart.bank_account_of(name), cents, f"deposit, {name.replace('_', ' ')}")
    for name in NOT_DEPOSITED:
        cents = deposit.tenders_cents.get(name, 0)
        book.pool(chart.tender[name], cents, name.replace("_", " "))
    for fund, cents in deposit.funds_cents.items():
        book.of_fund(fund, book.accounts(fund).receipts, -cents, "receipts")
    over_short = sum(deposit.over_short_cents.get(name) or 0 for name in DEPOSITED)
    where = chart.over_short
    book.of_fund(where.fund, where.account, -over_short, "over and short")
    book.pool(chart.float, float_over_short_cents, "floats, counted against issued")
    book.of_fund(
        where.fund, where.account, -float_over_short_cents, "over and short of opening floats"
    )
    book.of_fund(where.fund, rounding_account, -deposit.rounding_cents, "cash in nickels")
    for fund, cents in deposit.returned_cents.items():
        book.of_fund(fund, book.accounts(fund).returned, -cents, "returned items")
        book.pool(chart.bank_account_of("check"), cents, f"returned items, fund {fund}")
    assert not unbalanced(book.lines), "each step books both sides"
    return book.lines


def unbalanced(lines: Iterable[JournalLine]) -> dict[str, int]:
    """{fund: debits less credits} of the funds that do not balance."""
    totals: dict[str, int] = {}
    for line in lines:
        totals[line.fund] = totals.get(line.fund, 0) + line.debit_cents - line.credit_cents
    return {fund: cents for fund, cents in totals.items() if cents}


def _check(deposit: Deposit, chart: Chart) -> None:
    missing = [
        name
        for name in DEPOSITED
        if None in (deposit.by_tender_cents.get(name, 0), deposit.over_short_cents.get(name, 0))
    ]
    if missing:
        raise DataError(f"journal: nobody declared {', '.join(missing)}; declare it, then close")
    if not deposit.funds_agree:
        raise DataError(
            f"journal: the funds sum {format_cents(deposit.total_funds_cents)}, the tenders"
            f" {format_cents(deposit.total_tenders_cents)}; correct the export and import it again"
        )
    funds = {*deposit.funds_cents, *deposit.returned_cents, chart.over_short.fund} - {chart.pool}
    unknown = sorted(fund for fund in funds if chart.accounts_of(fund) is None)
    if unknown:
        raise DataError(
            f"journal: chart.toml has no accounts for fund {', '.join(unknown)}; add"
            f' [fund."{unknown[0]}"], or [fund.{OF_ALL_FUNDS}] for all that have none'
        )


class _Book:
    """The lines so far."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self.lines: list[JournalLine] = []

    def accounts(self, fund: str) -> FundAccounts:
        found = self._chart.accounts_of(fund)
        assert found is not None
        return found

    def pool(self, account: str, cents: int, text: str) -> None:
        """A debit of the pool; a credit where it is negative."""
        self._add(self._chart.pool, account, cents, text)

    def of_fund(self, fund: str, account: str, cents: int, text: str) -> None:
        """A debit of a fund, and what it and the pool then owe each other."""
        self._add(fund, account, cents, text)
        if fund != self._chart.pool:
            accounts = self.accounts(fund)
            self._add(fund, accounts.due_from, -cents, f"due from {self._chart.pool}")
            self.pool(accounts.due_to, cents, f"due to {fund}")

    def _add(self, fund: str, account: str, cents: int, text: str) -> None:
        if cents:
            self.lines.append(JournalLine(fund, account, max(cents, 0), max(-cents, 0), text))
