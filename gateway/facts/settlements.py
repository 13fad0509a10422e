"""What the card processor and the bank say of the office's money: the values of one line each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = (
    "processor", "settlement_batch", "line_no", "kind", "auth_code", "amount_cents",
    "settled_date", "card_brand", "reference",
)  # fmt: skip
# What a line of a settlement is -> the sign of its amount: + comes to the office, - leaves it.
KINDS = {"sale": 1, "refund": -1, "chargeback": -1, "chargeback_reversed": 1, "fee": -1}
TEXT_CHARS_MAX = 120  # of a bank line's text

# What a file can be: whose word it is.
SETTLEMENT, BANK, RETURNED_ITEMS = "settlement", "bank", "returned"
MONEY_KINDS = (SETTLEMENT, BANK, RETURNED_ITEMS)


@dataclass(frozen=True)
class SettlementLine:
    """One line of a card processor's settlement. Nothing of the card is kept, its last four digits
    neither: the authorisation code is what the line is found by.
    """

    processor: str
    settlement_batch: str
    line_no: int
    kind: str  # one of KINDS
    auth_code: str  # as `normal_auth_code` writes it; empty where the processor gives none
    amount_cents: int  # signed, as KINDS says
    settled_date: str  # 2026-11-20, on which the processor closed its batch
    card_brand: str
    reference: str  # the processor's own number for the line

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes it this line and no other."""
        return self.processor, self.settlement_batch, self.line_no

    def values(self) -> tuple[str | int, ...]:
        """The values in the order of COLUMNS."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)

    def content(self) -> bytes:
        """SHA-256 over all values: two lines with the same content are the same line."""
        return _content(self.values())


@dataclass(frozen=True)
class BankLine:
    """One booked movement on an account of the office, as the bank reports it."""

    account: str  # the office's own account at the bank
    date: str  # 2026-11-20, the day of the report or of the booking
    amount_cents: int  # + credit, - debit
    type_code: str  # BAI2: three digits; camt.053: domain/family/subfamily, or the bank's own word
    text: str  # at most TEXT_CHARS_MAX characters; what looked like a card number is taken out
    reference: str  # the customer's: a bag or a deposit ticket
    bank_reference: str
    record_no: int  # where it stands in its file: the record (BAI2), the entry (camt.053)
    is_return: bool = False  # the bank takes back what it had credited
    parts: tuple[int, ...] = ()  # signed cents of its details, where the bank gives each an amount

    def values(self) -> tuple[str | int, ...]:
        """The values in the order of the fields; parts as one text."""
        parts = " ".join(str(cents) for cents in self.parts)
        return (
            self.account, self.date, self.amount_cents, self.type_code, self.text, self.reference,
            self.bank_reference, self.record_no, int(self.is_return), parts,
        )  # fmt: skip

    def content(self) -> bytes:
        """SHA-256 over all values: two lines with the same content are the same line."""
        return _content(self.values())


@dataclass(frozen=True)
class ReturnedItem:
    """One payment that the bank gives back unpaid. The payer's name is never kept."""

    trace: str  # the return's own number, unique within its bank and day
    amount_cents: int  # what was not paid, above zero
    reason_code: str  # NACHA: R01 to R85
    original_trace: str
    original_date: str  # 2026-11-18, on which the payment was to take effect; "" when nobody says
    customer_ref: str  # what the office itself had put in: an account or a check's number
    account_end: str  # last digits of the payer's bank account, at most four, to tell two apart
    entry_class: str  # NACHA's standard entry class, such as PPD, ARC, BOC; "" for a paper check
    is_credit: bool = False  # a payment *by* the office came back: money returns to it
    record_no: int = 0

    def values(self) -> tuple[str | int, ...]:
        """The values in the order of the fields."""
        return tuple(
            int(value) if isinstance(value, bool) else value
            for value in (getattr(self, name) for name in self.__dataclass_fields__)
        )

    def content(self) -> bytes:
        """SHA-256 over all values: two items with the same content are the same item."""
        return _content(self.values())


Said = SettlementLine | BankLine | ReturnedItem


def value_of(kind: str, values: Sequence[str | int]) -> Said:
    """The line that `values()` of one of that kind gave."""
    given: list[Any] = list(values)
    if kind == SETTLEMENT:
        return SettlementLine(*given)
    if kind == RETURNED_ITEMS:
        given[-2] = bool(given[-2])
        return ReturnedItem(*given)
    given[-2:] = bool(given[-2]), tuple(int(part) for part in str(given[-1]).split())
    return BankLine(*given)


@dataclass(frozen=True)
class MoneyFile:
    """A file of the processor or of the bank that was read: the columns of `money_file`."""

    sha256: bytes
    name: str
    size_bytes: int
    imported_ms: int
    kind: str  # one of MONEY_KINDS
    form: str  # settlement.csv, BAI2, camt.053, NACHA
    state: str  # imported | refused
    reason: str
    rows: int
    added: int
    known: int
    refused: int
    first_date: str
    last_date: str

    def values(self) -> tuple[str | int | bytes, ...]:
        """The values in the order of the fields."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


@dataclass(frozen=True)
class MoneyLine:
    """One line as it is kept. `identity`: what makes it this line and no other; of a bank's line,
    which has no lasting number, what it says and its place among lines of that day that are alike.
    """

    file_line: int
    date: str
    identity: str
    value: Said

    @property
    def said(self) -> str:
        """Its values as a JSON array."""
        return json.dumps(self.value.values(), ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class MoneyRefusal:
    """A line, or a whole file (file_line 0), that counts nowhere, and why. `about`: the line, the
    batch, the account and day, or the return file; "" where that cannot be read.
    """

    file_line: int
    reason: str
    about: str = ""
    date: str = ""


@dataclass(frozen=True)
class Delivered:
    """One line as it was kept, and where it came from."""

    line_id: int
    file: str
    form: str
    file_line: int
    date: str
    value: Said


def normal_auth_code(text: str) -> str:
    """The form in which authorisation codes are compared: no blanks around, capitals, and the zeros
    in front that a spreadsheet takes from a code of six digits.
    """
    code = text.strip().upper()
    return code.rjust(6, "0") if code.isascii() and code.isdigit() else code


def _content(values: tuple[str | int, ...]) -> bytes:
    return hashlib.sha256("\x1f".join(str(value) for value in values).encode()).digest()
