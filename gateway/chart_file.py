"""chart.toml: the accounts of the general ledger that a closed day is booked to.

It stands beside till.toml. Nothing ships: which account takes the money is known to the site alone,
and a guess would be booked. No command reads it yet: the close will.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from gateway.toml_file import text_of, told, values_of
from gateway.toml_problems import did_you_mean
from gateway.toml_tables import (
    Fault,
    TableError,
    list_of,
    one_of,
    read_table,
    string,
    table,
    tables,
)

CHART_FILE = "chart.toml"
FILE_BYTES_MAX = 1_000_000
DEPOSITED = ("cash", "check", "money_order", "other")  # what a person carries to the bank
NOT_DEPOSITED = ("card", "ach", "gift_card", "credit")  # its money comes another way, or none comes
OF_ALL_FUNDS = "default"  # the name under [fund] of those that the file does not name

_name = string(1, 60)


@dataclass(frozen=True)
class BankAccount:
    """[bank.NAME]: a bank account, and what is deposited there."""

    account: Annotated[str, _name]
    tenders: Annotated[tuple[str, ...], list_of(one_of(*DEPOSITED), len(DEPOSITED))]


@dataclass(frozen=True)
class FundAccounts:
    """[fund.NAME]: the accounts of one fund, or of all that have no table of their own."""

    receipts: Annotated[str, _name]  # credited with what was paid: revenue, or a receivable
    returned: Annotated[str, _name]  # debited when a check comes back: the receivable opens again
    due_from: Annotated[str, _name]  # in this fund: what the pool owes it
    due_to: Annotated[str, _name]  # in the pool: what it owes this fund


@dataclass(frozen=True)
class OverShort:
    """[over_short]: where differences are booked. The funds' own totals are never altered."""

    fund: Annotated[str, _name]
    account: Annotated[str, _name]


@dataclass(frozen=True)
class Chart:
    """The whole file. `pool`: the fund that owns the bank accounts and the floats."""

    pool: Annotated[str, _name]
    bank: Annotated[dict[str, BankAccount], tables(BankAccount)]
    tender: Annotated[dict[str, str], _tender_accounts]
    fund: Annotated[dict[str, FundAccounts], tables(FundAccounts)]
    over_short: Annotated[OverShort, table(OverShort)]
    float: Annotated[str, _name]  # account of the cash that stays in drawers and safe

    def __post_init__(self) -> None:
        named = [tender for each in self.bank.values() for tender in each.tenders]
        lacks = [tender for tender in DEPOSITED if tender not in named]
        twice = sorted({tender for tender in named if named.count(tender) > 1})
        faults = [
            Fault(("bank",), "value", f"no account takes {tender}; add it to the tenders of one")
            for tender in lacks
        ] + [
            Fault(("bank",), "value", f"two accounts take {tender}; keep it in one of them")
            for tender in twice
        ]
        if faults:
            raise TableError(faults)

    def accounts_of(self, fund: str) -> FundAccounts | None:
        """Those of a fund; None when neither it nor `default` has a table."""
        return self.fund.get(fund) or self.fund.get(OF_ALL_FUNDS)

    def bank_account_of(self, tender: str) -> str:
        """The account that a deposited tender goes to."""
        return next(each.account for each in self.bank.values() if tender in each.tenders)


def _tender_accounts(value: object) -> dict[str, str]:
    """[tender]: {a tender that nobody carries to the bank: the pool's account for it}."""
    if not isinstance(value, dict):
        raise ValueError("not a table")
    faults, found = [], {}
    for name, account in value.items():
        if name not in NOT_DEPOSITED:
            text = did_you_mean(name, NOT_DEPOSITED)
            faults.append(Fault((name,), "unknown", text))
            continue
        try:
            found[name] = _name(account)
        except ValueError as error:
            faults.append(Fault((name,), "value", str(error)))
    faults += [
        Fault((name,), "missing", "missing, and it has no default")
        for name in NOT_DEPOSITED
        if name not in value
    ]
    if faults:
        raise TableError(faults)
    return found


def read_chart(path: Path) -> Chart:
    """The chart of a file. Raises ConfigError with every fault at once, PermissionDenied."""
    text = text_of(path, FILE_BYTES_MAX, "examples/chart.toml is one to begin with")
    try:
        return read_table(Chart, values_of(path, text))
    except TableError as error:
        raise told(path, text, error.faults, "start the command again") from error
