"""The vendor's own totals over the rows of one file: what it says against what its rows give.

A refused row counts too, where its amounts can be read: one bad byte refuses its receipt and not
the day. Only the vendor's total vouches that a file is whole; a sum that we made ourselves would
agree with every file that was cut short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.incoming.column_map import TotalTable
from gateway.incoming.column_map_amounts import AmountError, Amounts
from gateway.money import format_cents

Index = Callable[[str], int]  # place of a field in the fields of a row


@dataclass(frozen=True)
class Control:
    """One total as the vendor wrote it, and what the rows give: cents, or rows for `is_count`.
    `stated` is None when it could not be read, `fault` then says why.
    """

    line: int
    what: str
    stated: int | None
    found: int
    is_count: bool = False
    fault: str = ""

    @property
    def agrees(self) -> bool:
        """Whether it says what the rows give."""
        return not self.fault and self.stated == self.found


class Total:
    """One [[total]] while its file is read."""

    def __init__(self, told: TotalTable, index: Index, money: Amounts) -> None:
        self.told = told
        self.is_count = told.of == ("rows",)
        self.what = " ".join(("rows" if self.is_count else " ".join(told.of), *told.tenders))
        self.done: list[Control] = []
        self._of = [] if self.is_count else [_signed(name, index) for name in told.of]
        self._money = money
        self._left_out = set(told.leave_out)
        self._found = 0
        self._rows = 0
        self._unreadable = 0  # line of the first row whose amounts could not be read

    def add(self, line: int, cells: Sequence[str], state: str, tenders: Sequence[str]) -> None:
        """One row of the file. `state`: its status, empty when nobody can tell; `tenders`: its
        tenders, as far as they can be read.
        """
        self._rows += 1
        if self.told.tenders:
            if len(tenders) != 1:
                self._unreadable = self._unreadable or line
                return
            if tenders[0] not in self.told.tenders:
                return
        if self._left_out and (not state or state in self._left_out):
            if not state:
                self._unreadable = self._unreadable or line
            return
        if self.is_count:
            self._found += 1
            return
        try:
            for sign, place in self._of:
                self._found += sign * self._money.cents(cells[place])
        except (AmountError, IndexError):
            self._unreadable = self._unreadable or line

    def state(self, line: int, text: str | None) -> None:
        """The vendor's total stands on this line; `text` is its cell, None when it has none."""
        stated, fault = None, "no such field on its line"
        if text is not None:
            try:
                stated, fault = self._stated(text.strip()), ""
            except AmountError as error:
                fault = str(error)
        if not fault and self._unreadable and stated != self._found:
            fault = f"the amount of line {self._unreadable} cannot be read"
        self.done.append(Control(line, self.what, stated, self._found, self.is_count, fault))
        self._found = self._rows = self._unreadable = 0

    def _stated(self, text: str) -> int:
        if not self.is_count:
            return self._money.cents(text)
        if not (text.isascii() and text.isdecimal() and len(text) <= 9):
            raise AmountError("not a number of rows")
        return int(text)

    @property
    def fault(self) -> str:
        """Why the file is not whole; empty when it is."""
        for each in self.done:
            if each.fault:
                return f"line {each.line}: total of {each.what}: {each.fault}"
            if not each.agrees:
                return (
                    f"line {each.line}: total of {each.what}: the file says {_shown(each)}, its"
                    f" rows give {_shown(each, found=True)}; export the file again"
                )
        if not self.done:
            return f"no line with the total of {self.what}: the file was cut short"
        if self.told.each and self._rows:
            return f"rows after the last total of {self.what}: the file was cut short"
        return ""


def _signed(name: str, index: Index) -> tuple[int, int]:
    return (-1 if name.startswith("-") else 1), index(name.removeprefix("-"))


def _shown(control: Control, found: bool = False) -> str:
    value = control.found if found else control.stated
    return str(value) if control.is_count else format_cents(value or 0)
