"""A bank's statement (ISO 20022 camt.053) as bank lines: all of the file or nothing, by its
balances and totals.

Read by the standard library, not by `pycamt` 1.1 and its 12 MB of lxml: that gives no account that
is no IBAN, and so none of the United States; an entry whose details lack amounts comes out once for
each detail; a document whose namespace has a prefix is not read; balances pass through a float.
Source: ISO 20022 message definitions camt.053.001.02 to .13.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.facts.settlements import BankLine
from gateway.incoming.bank_file import BankFileError, capped, differs, miscounted
from gateway.incoming.bank_xml import Node, read_xml
from gateway.money import MoneyError, cents_from_text

_STATEMENT = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.\d\d", re.ASCII)
_OTHERS = {
    "BkToCstmrAcctRpt": "camt.052, a report in the day: its entries come again in the statement",
    "BkToCstmrDbtCdtNtfctn": "camt.054, a notification: its entries come again in the statement",
}
_OPENING, _CLOSING = ("OPBD", "PRCD", "ITBD"), ("CLBD", "ITBD")
_RETURNS = frozenset(("UPCQ", "CQRV", "UPDD"))  # unpaid check, reversed check, unpaid debit
_YES = {"true": True, "1": True, "false": False, "0": False, "": False}
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(T.*|Z|[-+]\d\d:\d\d)?", re.ASCII)


@dataclass(frozen=True)
class Statement:
    """What one file says. Entries that are not booked are in no balance and come again."""

    lines: tuple[BankLine, ...]
    not_booked: tuple[int, ...]  # numbers of the entries that are pending or for information
    days: tuple[tuple[str, str], ...] = ()  # (account, day) that it reports, each once


@dataclass(frozen=True)
class _Entry:
    """One entry of a statement, read."""

    cents: int  # signed
    is_booked: bool
    line: BankLine


@dataclass
class _Reading:
    name: str
    currency: str
    statement: int = 0
    entry: int = 0

    def wrong(self, node: Node, reason: str) -> BankFileError:
        where = f"statement {self.statement}" + (f", entry {self.entry}" if self.entry else "")
        return BankFileError(self.name, f"line {node.line}, {where}", reason)

    def only(self, node: Node, tag: str) -> Node:
        """The one child of that name."""
        found = node.all(tag)
        if len(found) != 1:
            many = "is missing" if not found else f"is there {len(found)} times"
            raise self.wrong(node, f"{tag} {many} in {node.tag}")
        return found[0]

    def cents(self, node: Node) -> int:
        """An amount in the office's currency, without sign."""
        if node.attributes.get("Ccy", "") != self.currency:
            raise self.wrong(node, f"its currency is not {self.currency}, which the office uses")
        return self.number(node)

    def number(self, node: Node) -> int:
        """12.50 -> 1250"""
        try:
            cents = cents_from_text(node.text)
        except MoneyError:  # its text shows what stands there
            cents = -1
        if cents < 0:
            raise self.wrong(node, "not an amount such as 12.50: at most two places and no sign")
        return cents

    def signed(self, node: Node) -> int:
        """The amount of an element that has one and says which way it goes."""
        return self.cents(self.only(node, "Amt")) * self.sign(self.only(node, "CdtDbtInd"))

    def sign(self, node: Node) -> int:
        """+1 of CRDT, -1 of DBIT."""
        if node.text not in ("CRDT", "DBIT"):
            raise self.wrong(node, "neither CRDT nor DBIT")
        return 1 if node.text == "CRDT" else -1


def read_camt053(content: bytes, name: str, currency: str = "USD") -> Statement:
    """The booked entries of a file, in its order, each with its sign.

    The sign is what the credit or debit indicator says: of a reversal it is that of the reversal
    itself, and `is_return` says so; the balances prove it. Raises BankFileError for the first thing
    that is wrong, with its line and entry; then nothing of the file counts.
    """
    root, namespace = read_xml(content, name)
    for tag, what in _OTHERS.items():
        if root.all(tag):
            raise BankFileError(name, "line 1", f"it is {what}; import camt.053")
    if root.tag != "Document" or not _STATEMENT.fullmatch(namespace):
        raise BankFileError(name, "line 1", "it is no camt.053; ask the bank for its statement")
    reading = _Reading(name, currency)
    statements = reading.only(root, "BkToCstmrStmt").all("Stmt")
    if not statements:
        raise BankFileError(name, "line 1", "no statement is in it")
    lines: list[BankLine] = []
    not_booked: list[int] = []
    seen: set[tuple[str, ...]] = set()
    days: set[tuple[str, str]] = set()
    for reading.statement, node in enumerate(statements, 1):
        reading.entry = 0
        account = _account(node, reading)
        # the pages of one statement share its Id
        key = (account, reading.only(node, "Id").text, node.first("StmtPgntn/PgNb"))
        if key in seen:
            raise reading.wrong(node, "the same statement twice in one file")
        seen.add(key)
        first = len(lines) + len(not_booked) + 1
        entries = list(_entries(node, account, reading, first))
        reading.entry = 0
        _check_balances(node, entries, reading)
        days |= {(account, entry.line.date) for entry in entries if entry.is_booked}
        days |= {(account, day) for day in _closing_days(node, reading)}
        lines += [entry.line for entry in entries if entry.is_booked]
        not_booked += [entry.line.record_no for entry in entries if not entry.is_booked]
    return Statement(tuple(lines), tuple(not_booked), tuple(sorted(days)))


def _closing_days(node: Node, reading: _Reading) -> Iterator[str]:
    """The days of its closing balances: also of a day on which nothing moved."""
    for balance in node.all("Bal"):
        if balance.first("Tp/CdOrPrtry/Cd") == "CLBD":
            text = balance.first("Dt/Dt") or balance.first("Dt/DtTm")
            yield _day(balance, text, "Bal/Dt", reading)


def _account(node: Node, reading: _Reading) -> str:
    account = reading.only(node, "Acct")
    number = account.first("Id/IBAN") or account.first("Id/Othr/Id")
    if not number:
        raise reading.wrong(account, "the account has no number")
    if account.first("Ccy") not in ("", reading.currency):
        raise reading.wrong(account, f"its currency is not {reading.currency}")
    return number


def _entries(node: Node, account: str, reading: _Reading, first: int) -> Iterator[_Entry]:
    for reading.entry, entry in enumerate(node.all("Ntry"), 1):
        cents = reading.signed(entry)
        reversal = entry.first("RvslInd").lower()
        if reversal not in _YES:
            raise reading.wrong(entry, "RvslInd is neither true nor false")
        status = entry.first("Sts/Cd") or entry.first("Sts")
        if status not in ("BOOK", "PDNG", "INFO", "FUTR"):
            raise reading.wrong(entry, "its status is none of BOOK, PDNG, INFO, FUTR")
        details = entry.all("NtryDtls/TxDtls")
        sub_family = entry.first("BkTxCd/Domn/Fmly/SubFmlyCd")
        yield _Entry(cents, status == "BOOK", BankLine(
            account=account,
            date=_date(entry, reading),
            amount_cents=cents,
            type_code=_type_code(entry),
            text=capped(_text(entry, details)),
            reference=capped(_reference(entry, details)),
            bank_reference=capped(entry.first("AcctSvcrRef")),
            record_no=first + reading.entry - 1,
            is_return=cents < 0 and (_YES[reversal] or sub_family in _RETURNS),
            parts=_parts(entry, details, cents, reading),
        ))  # fmt: skip


def _date(entry: Node, reading: _Reading) -> str:
    """The booking day, else the value day."""
    for path in ("BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm"):
        if text := entry.first(path):
            return _day(entry, text, path, reading)
    raise reading.wrong(entry, "neither booked nor valued on any day")


def _day(node: Node, text: str, path: str, reading: _Reading) -> str:
    match = _DATE.fullmatch(text)
    try:
        return datetime.date.fromisoformat(match.group(1) if match else "").isoformat()
    except ValueError:
        raise reading.wrong(node, f"{path} is not a date such as 2026-11-20") from None


def _type_code(entry: Node) -> str:
    domain = [entry.first(f"BkTxCd/Domn/{path}") for path in ("Cd", "Fmly/Cd", "Fmly/SubFmlyCd")]
    return "/".join(part for part in domain if part) or capped(entry.first("BkTxCd/Prtry/Cd"))


def _text(entry: Node, details: list[Node]) -> str:
    found = [entry.first("AddtlNtryInf")]
    found += [each.text for detail in details for each in detail.all("RmtInf/Ustrd")]
    return " ".join(text for text in found if text)


def _reference(entry: Node, details: list[Node]) -> str:
    """The customer's own: of the one payment in it, else of the entry."""
    given = details[0].first("Refs/EndToEndId") if len(details) == 1 else ""
    return given if given not in ("", "NOTPROVIDED") else entry.first("NtryRef")


def _parts(entry: Node, details: list[Node], cents: int, reading: _Reading) -> tuple[int, ...]:
    """Signed cents of the details, where each has an amount. Their sum is the entry's, charges
    apart.
    """
    sign, parts = (1 if cents >= 0 else -1), []
    for total in entry.all("NtryDtls/Btch/TtlAmt"):
        if len(entry.all("NtryDtls")) == 1 and reading.cents(total) != abs(cents):
            raise reading.wrong(total, differs("its batch", reading.number(total), abs(cents)))
    for detail in details:
        amounts = detail.all("Amt") or detail.all("AmtDtls/TxAmt/Amt")
        if len(amounts) != 1 or amounts[0].attributes.get("Ccy") != reading.currency:
            return ()
        indicator = detail.all("CdtDbtInd")
        own = reading.sign(indicator[0]) if indicator else sign
        parts.append(own * reading.cents(amounts[0]))
    has_charges = entry.all("Chrgs") or any(detail.all("Chrgs") for detail in details)
    if parts and not has_charges and sum(parts) != cents:
        raise reading.wrong(entry, differs("its details", cents, sum(parts)))
    counts = entry.all("NtryDtls/Btch/NbOfTxs")
    if parts and len(counts) == 1 and _count(counts[0], reading) != len(parts):
        raise reading.wrong(
            entry, miscounted("its details", _count(counts[0], reading), len(parts))
        )
    return tuple(parts)


# --- controls -------------------------------------------------------------------------------------


def _check_balances(node: Node, entries: list[_Entry], reading: _Reading) -> None:
    """Opening + booked entries = closing, and every total that the statement gives."""
    balances: dict[str, list[int]] = {}
    for balance in node.all("Bal"):
        kind = balance.first("Tp/CdOrPrtry/Cd")
        if kind in (*_OPENING, *_CLOSING):
            balances.setdefault(kind, []).append(reading.signed(balance))
    opening = next((balances[kind][0] for kind in _OPENING if kind in balances), None)
    closing = next((balances[kind][-1] for kind in _CLOSING if kind in balances), None)
    has_two = {*balances} != {"ITBD"} or len(balances["ITBD"]) > 1
    summary = node.all("TxsSummry")
    booked = [entry.cents for entry in entries if entry.is_booked]
    if opening is not None and closing is not None and has_two:
        found = opening + sum(booked)
        if found != closing:
            raise reading.wrong(node, differs("the closing balance", closing, found))
    elif not summary:
        raise reading.wrong(
            node, "neither two balances nor totals: nobody can tell whether the statement is whole"
        )
    every = [entry.cents for entry in entries]
    for each in summary:
        _check_summary(each, booked, every, reading)


def _check_summary(
    summary: Node, booked: list[int], every: list[int], reading: _Reading
) -> None:  # fmt: skip
    """Banks count pending entries in or not: one of the two has to agree with all totals."""
    wrong = _summary_fault(summary, booked, reading)
    if wrong and (booked == every or _summary_fault(summary, every, reading)):
        raise reading.wrong(summary, wrong)


def _summary_fault(summary: Node, cents: list[int], reading: _Reading) -> str:
    """The first total of a summary with which the entries do not agree; "" when they do."""
    kinds = {
        "TtlNtries": [abs(each) for each in cents],
        "TtlCdtNtries": [each for each in cents if each >= 0],
        "TtlDbtNtries": [-each for each in cents if each < 0],
    }
    for tag, found in kinds.items():
        for count in summary.all(f"{tag}/NbOfNtries"):
            if _count(count, reading) != len(found):
                return miscounted(f"entries ({tag})", _count(count, reading), len(found))
        for total in summary.all(f"{tag}/Sum"):
            if reading.number(total) != sum(found):
                return differs(f"entries ({tag})", reading.number(total), sum(found))
    net = summary.all("TtlNtries/TtlNetNtryAmt") + summary.all("TtlNtries/TtlNetNtry/Amt")
    for total in net:
        if reading.number(total) != abs(sum(cents)):
            return differs("entries, net", reading.number(total), abs(sum(cents)))
    return ""


def _count(node: Node, reading: _Reading) -> int:
    if not re.fullmatch(r"\d{1,15}", node.text, re.ASCII):
        raise reading.wrong(node, "a count is not a number")
    return int(node.text)
