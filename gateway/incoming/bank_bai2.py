"""A bank's prior-day report (BAI2) as bank lines: all of the file or nothing, by its own totals.

The library `bai2` knows the type codes, reads the fields and checks every count and total of
account, group and file. What it does not do is done here: the order of the records, continuations
that split a field group, forms that `int()` would let pass, what follows the end, and which record
is to blame. Source: "Cash Management Balance Reporting Specifications", version 2 (BAI, 2005).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bai2.constants import FundsType, RecordCode, TypeCodeLevel, TypeCodes, TypeCodeTransaction
from bai2.exceptions import IntegrityException, NotSupportedYetException, ParsingException
from bai2.models import Account, Group, Record, TransactionDetail
from bai2.parsers import Bai2FileParser

from gateway.facts.settlements import BankLine
from gateway.incoming.bank_file import BankFileError, BankReport, capped, check_size, is_bounded

# What may follow a record, continuations apart. "" is the end of the file.
_FOLLOWS = {
    "": {"01"}, "01": {"02"}, "02": {"03"}, "03": {"16", "49"}, "16": {"16", "49"},
    "49": {"03", "98"}, "98": {"02", "99"}, "99": set(),
}  # fmt: skip
_TITLES = {
    "01": "file header", "02": "group header", "03": "account", "16": "transaction",
    "49": "account trailer", "98": "group trailer", "99": "file trailer", "88": "continuation",
}  # fmt: skip
_FIELDS = {"01": 8, "02": 7, "49": 2, "98": 3, "99": 3}  # of the records that are no lists
_TRAILERS = ("49", "98", "99")

# More than any account's record has; without a limit one record of 8 MB would take hours.
CONTINUATIONS_MAX, FIELDS_MAX, LINE_BYTES_MAX = 500, 4_000, 8_192

# Debits by which a bank takes back what it had credited; 567 is the fee for it and no return.
RETURNS = frozenset(("423", "468", "555", "557", "566"))
_OWN_CREDITS, _OWN_DEBITS = range(920, 960), range(960, 1_000)  # the bank's own detail codes

_UNSIGNED = re.compile(r"\+?\d{0,15}", re.ASCII)
_SIGNED = re.compile(r"[-+]?\d{0,18}", re.ASCII)
_COUNT = re.compile(r"\d{0,9}", re.ASCII)
_TYPE_CODE = re.compile(r"\d{3}", re.ASCII)
_DATE = re.compile(r"\d{6}", re.ASCII)


@dataclass(frozen=True)
class _Row:
    """One physical record."""

    number: int
    code: str
    text: str  # after the code and its comma, without blanks at the end


class _Records:
    """The logical records, in the shape in which the library's parser takes them: it looks at
    `current_record` and calls `advance()`.
    """

    def __init__(self, records: list[tuple[list[_Row], list[str]]]):
        self._records = records
        self._at = -1
        self.current_record: Record | None = None
        self.advance()

    def advance(self) -> None:
        self._at += 1
        if self._at >= len(self._records):
            raise StopIteration
        rows, fields = self._records[self._at]
        self.current_record = Record(RecordCode(rows[0].code), fields, rows=rows)

    def blamed(self, after: bool) -> int:
        """Number of the record to name: the one that is being read, or the one before it."""
        at = min(self._at, len(self._records)) - (1 if after else 0)
        rows, _ = self._records[max(0, min(at, len(self._records) - 1))]
        return rows[0].number


def read_bai2(
    content: bytes, name: str, currency: str = "USD", directions: Mapping[str, int] | None = None
) -> list[BankLine]:
    """The movements that a file reports, in its order: see `bai2_report`."""
    return list(bai2_report(content, name, currency, directions).lines)


def bai2_report(
    content: bytes, name: str, currency: str = "USD", directions: Mapping[str, int] | None = None
) -> BankReport:
    """The movements and days that a file reports, in its order.

    `currency` is the office's: its minor unit is a hundredth. `directions` gives +1 or -1 for type
    codes that say neither credit nor debit. Raises BankFileError for the first thing that is wrong,
    with the number of its record; then nothing of the file counts.
    """
    check_size(content, name)
    records = list(_logical(_physical(content, name), name))
    position = _Records(records)
    try:
        file = Bai2FileParser(position).parse()
    except IntegrityException as error:  # its text names a total or a count and no field
        reason = f"{error}; ask the bank for the file again"
        raise BankFileError(name, f"record {position.blamed(after=True)}", reason) from None
    except (ParsingException, NotSupportedYetException, ValueError, IndexError, TypeError):
        number = position.blamed(after=False)
        reason = "a field is missing or is not what the format says; ask the bank for it again"
        raise BankFileError(name, f"record {number}", reason) from None
    seen: set[tuple[str, str]] = set()
    lines = []
    for group in file.children:
        _check_group(group, name)
        for account in group.children:
            _check_account(account, group, name, currency, seen)
            for detail in account.children:
                lines.append(_line(detail, account, group, name, directions or {}))
    return BankReport(tuple(lines), tuple(sorted(seen)))


# --- records --------------------------------------------------------------------------------------


def _physical(content: bytes, name: str) -> Iterator[_Row]:
    """The records as they stand: blanks and blank lines of a padded file are no records."""
    lines = content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\x1a").splitlines()
    number = 0
    for line in lines:
        if not line.strip():
            continue
        number += 1
        if len(line.rstrip()) > LINE_BYTES_MAX:
            reason = (
                f"longer than {LINE_BYTES_MAX} bytes; the file is no BAI2 or lost its line ends"
            )
            raise BankFileError(name, f"record {number}", reason)
        if not line.isascii() or any(byte < 32 and byte != 9 for byte in line):
            raise BankFileError(
                name, f"record {number}", "a byte that is not ASCII; ask the bank for the file"
                " again, sent as text",
            )  # fmt: skip
        text = line.decode("ascii").rstrip()
        code, _, rest = text.partition(",")
        code = code.removesuffix("/")
        if code not in _TITLES:
            raise BankFileError(
                name, f"record {number}", "it does not begin with a record code such as 16; the"
                " file is no BAI2 or was cut",
            )  # fmt: skip
        yield _Row(number, code, rest)
    if number == 0:
        raise BankFileError(name, "", "no records; ask the bank for the file again")


def _logical(rows: Iterator[_Row], name: str) -> Iterator[tuple[list[_Row], list[str]]]:
    """(its physical records, its fields) of each record with its continuations, in order."""
    waiting: list[_Row] = []
    before = ""
    for row in rows:
        if row.code == "88" and waiting:
            waiting.append(row)
            if len(waiting) > CONTINUATIONS_MAX:
                reason = f"more than {CONTINUATIONS_MAX} continuations of one record"
                raise BankFileError(name, f"record {row.number}", reason)
            continue
        if row.code not in _FOLLOWS[before]:
            raise BankFileError(name, f"record {row.number}", _out_of_order(before, row.code))
        if waiting:
            yield waiting, _fields(waiting, name)
        waiting, before = [row], row.code
    if before != "99":
        number = waiting[-1].number if waiting else 0
        raise BankFileError(
            name, f"record {number}", "the file ends without its trailer 99: it was cut short; ask"
            " the bank for it again",
        )  # fmt: skip
    yield waiting, _fields(waiting, name)


def _out_of_order(before: str, code: str) -> str:
    if before == "99":
        return "something follows the file trailer 99: two files in one; import each by itself"
    after = f"after {before} ({_TITLES[before]})" if before else "at the start of the file"
    wanted = " or ".join(sorted(_FOLLOWS[before]))
    return f"{code} ({_TITLES[code]}) {after}, expected {wanted}; records are missing or misplaced"


def _fields(rows: list[_Row], name: str) -> list[str]:
    """The fields of one record, complete and in strict forms.

    A continuation begins with a new field when the record before it ended with a slash, or has no
    text to go on with: so `...,045/` and `88,4626045,,,` give one group of four.
    """
    code, text = rows[0].code, rows[0].text
    for row in rows[1:]:
        is_ended, text = text.endswith("/"), text.removesuffix("/")
        goes_on = code == "16" and not is_ended and _reaches_text(text.split(","))
        text += (" " if goes_on else ",") + row.text
    fields = text.removesuffix("/").split(",")
    where = f"record {rows[0].number}"
    if len(fields) > FIELDS_MAX:
        raise BankFileError(name, where, f"{len(fields)} fields, more than {FIELDS_MAX}")
    try:
        if code == "03":
            return _account_fields(fields)
        if code == "16":
            return _detail_fields(fields)
        return _plain_fields(code, fields)
    except _Malformed as error:
        raise BankFileError(name, where, str(error)) from None


def _reaches_text(fields: list[str]) -> bool:
    """Whether a transaction's fields go on to its text, in which commas and lines mean nothing."""
    try:
        rest = fields[3:]
        _availability(fields[2] if len(fields) > 2 else "", rest)
    except _Malformed:
        return False
    return len(rest) > 2


class _Malformed(Exception):
    """What is wrong in a record, in words and without its text."""


def _plain_fields(code: str, fields: list[str]) -> list[str]:
    wanted = _FIELDS[code]
    while len(fields) > wanted and not fields[-1]:
        fields.pop()
    if len(fields) > wanted:
        raise _Malformed(f"{len(fields)} fields, expected {wanted}")
    fields += [""] * (wanted - len(fields))
    if code == "01" and fields[-1] != "2":
        raise _Malformed("not version 2 of the format; ask the bank for BAI2")
    if code == "02" and not _DATE.fullmatch(fields[3]):
        raise _Malformed("the day of the report is not a date such as 261119")
    if code in _TRAILERS:
        if not _SIGNED.fullmatch(fields[0]):
            raise _Malformed("its control total is not a whole number of cents")
        for text in fields[1:]:
            if not text or not _COUNT.fullmatch(text):
                raise _Malformed("a count is missing or not a number")
    return fields


def _account_fields(fields: list[str]) -> list[str]:
    """Account, currency, then groups of type code, amount, count and funds type."""
    made = [*fields[:2], *[""] * (2 - len(fields[:2]))]
    rest = fields[2:]
    while any(rest):
        group = [rest.pop(0) if rest else "" for _ in range(4)]
        _check_form(group[0], group[1], _SIGNED)
        if not _COUNT.fullmatch(group[2]):
            raise _Malformed("the count of a total is not a number")
        group[0] = group[0] if group[0] in TypeCodes else "010"  # of no use here; its amount counts
        made += [*group, *_availability(group[3], rest)]
    return made


def _detail_fields(fields: list[str]) -> list[str]:
    """Type code, amount, funds type, availability, two references, text."""
    fields += [""] * (3 - len(fields))
    head, rest = fields[:3], fields[3:]
    _check_form(head[0], head[1], _UNSIGNED)
    head[0] = _known_code(head[0])
    head += _availability(head[2], rest)
    return [*head, *rest, *[""] * (2 - len(rest))]


def _check_form(code: str, amount: str, form: re.Pattern[str]) -> None:
    if not _TYPE_CODE.fullmatch(code):
        raise _Malformed("a type code is not three digits; a field is missing or too many")
    if not form.fullmatch(amount):
        signed = ", without a sign" if form is _UNSIGNED else ""
        raise _Malformed(f"an amount is not a whole number of cents{signed}")
    if amount.strip("+-") and not is_bounded(int(amount)):
        raise _Malformed("an amount is more than any account of an office holds")


def _availability(funds: str, rest: list[str]) -> list[str]:
    """Takes the fields that say when the money can be used off the front; an amount that is left
    out is none.
    """
    if not funds:
        return []
    try:
        kind = FundsType(funds)
    except ValueError:
        raise _Malformed("its funds type is not one of Z, 0, 1, 2, S, V, D") from None
    count = {FundsType.distributed_availability_simple: 3, FundsType.value_dated: 2}.get(kind, 0)
    taken: list[str] = []
    if kind is FundsType.distributed_availability:
        days = rest.pop(0) if rest else ""
        if not re.fullmatch(r"\d{1,2}", days, re.ASCII):
            raise _Malformed("its availability does not say over how many days")
        taken, count = [days], 2 * int(days)
    if len(rest) < count:
        raise _Malformed("its availability is cut short")
    for _ in range(count):
        taken.append(rest.pop(0))
    if kind is not FundsType.value_dated:
        if not all(_SIGNED.fullmatch(text) for text in taken):
            raise _Malformed("its availability is not a list of whole cents")
        return [text or "0" for text in taken]
    return ["", ""]  # the day on which the money can be used is asked of nobody here


def _known_code(code: str) -> str:
    """A code that the library knows and that has the same direction: banks have codes of their
    own, and its table ends at 907.
    """
    if code in TypeCodes:
        return code
    if int(code) in _OWN_CREDITS:
        return "399"
    if int(code) in _OWN_DEBITS:
        return "699"
    return "890"  # neither credit nor debit


# --- values ---------------------------------------------------------------------------------------


def _check_group(group: Group, name: str) -> None:
    where = f"record {group.header.rows[0].number}"
    status = group.header.group_status
    if status is None or status.value != "1":
        raise BankFileError(
            name, where, "the group's status is not 1 (update): a test, a deletion or a correction"
            " of an earlier report is not booked; ask the bank for the day's final report",
        )  # fmt: skip
    modifier = group.header.as_of_date_modifier
    if modifier is not None and modifier.value in ("3", "4"):
        raise BankFileError(
            name, where, "a report of the same day: its lines come again in the prior-day report;"
            " import that one",
        )  # fmt: skip


def _check_account(
    account: Account, group: Group, name: str, currency: str, seen: set[tuple[str, str]]
) -> None:
    header = account.header
    where = f"record {header.rows[0].number}"
    if not header.customer_account_number:
        raise BankFileError(name, where, "the account has no number")
    if (header.currency or group.header.currency) != currency:
        raise BankFileError(name, where, f"its currency is not {currency}, which the office uses")
    key = (header.customer_account_number, group.header.as_of_date.isoformat())
    if key in seen:
        raise BankFileError(
            name, where, "the same account and day twice in one file; ask the bank which report"
            " stands",
        )  # fmt: skip
    seen.add(key)


def _line(
    detail: TransactionDetail, account: Account, group: Group, name: str,
    directions: Mapping[str, int],
) -> BankLine:  # fmt: skip
    row = detail.rows[0]
    code = row.text[:3]
    where = f"record {row.number}"
    known = detail.type_code
    if known.code == code and known.level is not TypeCodeLevel.detail:
        raise BankFileError(
            name, where, f"type code {code} is a total and no transaction: its money would count"
            " twice",
        )  # fmt: skip
    signs = {TypeCodeTransaction.credit: 1, TypeCodeTransaction.debit: -1}
    sign = directions.get(code, signs.get(known.transaction, 0))
    cents = detail.amount or 0
    if cents and not sign:
        raise BankFileError(
            name, where, f"type code {code} says neither credit nor debit; declare which it is at"
            " your bank",
        )  # fmt: skip
    return BankLine(
        account=account.header.customer_account_number,
        date=group.header.as_of_date.isoformat(),
        amount_cents=sign * cents,
        type_code=code,
        text=capped(detail.text or ""),
        reference=capped(detail.customer_reference or ""),
        bank_reference=capped(detail.bank_reference or ""),
        record_no=row.number,
        is_return=code in RETURNS,
    )
