"""What the readers of bank files share: a bounded file, and the one error that they raise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import DataError, PermissionDenied, UsageError
from gateway.facts.settlements import TEXT_CHARS_MAX, BankLine
from gateway.incoming.posted_row import holds_card_number
from gateway.money import CENTS_MAX, format_cents

FILE_BYTES_MAX = 8 * 1024 * 1024  # a day of a large city's accounts is below one
TAKEN_OUT = "[number taken out]"

_BLANKS = re.compile(r"\s+")


class BankFileError(DataError):
    """Why nothing of a bank's file counts: the file, the record and the reason, and no text of the
    file, which may hold names and account numbers.
    """

    def __init__(self, name: str, where: str, reason: str):
        self.name, self.where, self.reason = name, where, reason
        super().__init__(": ".join(part for part in (name, where, reason) if part))


@dataclass(frozen=True)
class BankReport:
    """What one file reports: its lines, and the (account, day) of which it is the report; a day on
    which nothing moved is one of them.
    """

    lines: tuple[BankLine, ...]
    days: tuple[tuple[str, str], ...]
    not_booked: tuple[int, ...] = ()  # numbers of the entries that are pending or for information


def read_bank_file(path: Path) -> bytes:
    """The bytes of a bank's file.

    Raises UsageError when there is none, PermissionDenied when it cannot be read, BankFileError
    when it is larger than FILE_BYTES_MAX.
    """
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UsageError(f"{path}: no such file; name the bank's file to import") from error
    except PermissionError as error:
        raise PermissionDenied(f"{path}: not readable; give the gateway's user access") from error
    check_size(content, path.name)
    return content


def check_size(content: bytes, name: str) -> None:
    """Raises BankFileError when a file is larger than FILE_BYTES_MAX, or empty."""
    if len(content) > FILE_BYTES_MAX:
        raise BankFileError(name, "", f"more than {FILE_BYTES_MAX} bytes; ask for one day a file")
    if not content.strip():
        raise BankFileError(name, "", "empty; ask the bank for the file again")


def capped(text: str) -> str:
    """A bank's text as it is kept: one line, at most TEXT_CHARS_MAX characters; all of it taken out
    when it holds what looks like a card number.
    """
    line = _BLANKS.sub(" ", "".join(char if char.isprintable() else " " for char in text)).strip()
    return TAKEN_OUT if holds_card_number(line) else line[:TEXT_CHARS_MAX]


def is_bounded(cents: int) -> bool:
    """Whether an amount is one that an office's bank can mean."""
    return abs(cents) <= CENTS_MAX


def differs(what: str, stated: int, found: int) -> str:
    """The reason of a control total in cents that fails."""
    return (
        f"control total of {what}: the file says {format_cents(stated)}, its records give"
        f" {format_cents(found)}; ask the bank for the file again"
    )


def miscounted(what: str, stated: int, found: int) -> str:
    """The reason of a count that fails."""
    return (
        f"count of {what}: the file says {stated}, there are {found}; it was cut or doubled, ask"
        " the bank for it again"
    )
