"""What the ledger knows of the receipt numbers around those of a day (rule R14): the number before
the day's first one, those in a gap that were posted for another day, and those that are refused.

Asked only where a row of numbers has a gap: a day without one costs a look-up for each row.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.office.rule_facts import DayFacts, Receipt
from gateway.office.rule_finding import Under
from gateway.office.rules_receipts import (
    NumberRow,
    is_declared,
    is_scattered,
    missing_ranges,
    number_digits,
    number_rows,
    numbering_of,
    parted_number,
)
from gateway.policy_tables import Numbering
from gateway.store.engine import Db
from gateway.store.receipt_numbers import (
    ANY,
    Within,
    numbers_before,
    numbers_between,
    refused_between,
)


def with_numbers(db: Db, facts: DayFacts, under: Under) -> DayFacts:
    """The facts, with what the ledger says about numbers that the day itself lacks."""
    rows, _ = number_rows(facts, under)
    last, others, refused = [], [], {}
    for row, found in rows.items():
        if is_scattered(found):
            continue
        asked = _Asked(db, row, found, under, facts.business_date)
        before = asked.before()
        if before is not None:
            last.append((*row, before))
        known = set(found)
        start = before if before is not None else asked.first_of_day()
        for first, until in list(missing_ranges(known, start)):
            known.update(asked.posted(first, until))
        others += [(*row, number) for number in sorted(known - found.keys())]
        for first, until in missing_ranges(known, start):
            refused.update({(*row, n): at for n, at in asked.refused(first, until).items()})
    return facts._replace(last_numbers=last, other_numbers=others, refused_numbers=refused)


class _Asked:
    """Questions about one row of numbers."""

    def __init__(
        self, db: Db, row: NumberRow, found: dict[int, Receipt], under: Under, business_date: str
    ) -> None:
        self._db, self._row, self._found = db, row, found
        self._form: Numbering = numbering_of(under, row.source)
        self._source = next(iter(found.values())).source  # as the ledger spells it
        widths = {len(number_digits(each.number)) for each in found.values()}
        self._widths = (min(widths), max(widths))
        window = row.scope if "window" in self._form.scope else ""
        date = business_date if "day" in self._form.scope else ""
        scope = ANY if is_declared(under, row.source) or window else row.scope
        self._within: Within = (window, date, scope)

    def first_of_day(self) -> int | None:
        """The number before the first one of a row that begins again each day."""
        return self._form.first - 1 if "day" in self._form.scope else None

    def before(self) -> int | None:
        """The last number before the row's first one, of any day; None where there is none."""
        if "day" in self._form.scope:
            return None
        first = min(self._found)
        if first == 0:
            return None
        width = len(number_digits(self._found[first].number))
        for digits in (width,) if self._form.digits else range(width, 0, -1):
            high = self._text(min(first - 1, 10**digits - 1), digits)
            low = self._text(0, digits)
            for text in numbers_before(self._db, self._source, low, high, self._within):
                number = self._number(text)
                if number is not None and number < first:
                    return number
        return None

    def posted(self, first: int, last: int) -> Iterator[int]:
        """Those from first to last that were posted for another day."""
        for low, high in self._texts(first, last):
            for text in numbers_between(self._db, self._source, low, high, self._within):
                number = self._number(text)
                if number is not None and first <= number <= last:
                    yield number

    def refused(self, first: int, last: int) -> dict[int, str]:
        """{number: where it is refused} of those from first to last."""
        found = {}
        for low, high in self._texts(first, last):
            for text, at in refused_between(self._db, self._source, low, high).items():
                number = self._number(text)
                if number is not None and first <= number <= last:
                    found[number] = at
        return found

    def _texts(self, first: int, last: int) -> Iterator[tuple[str, str]]:
        """(low, high) for each number of digits that numbers from first to last may have."""
        low, high = self._widths
        for digits in range(low, max(high, len(str(last))) + 1):
            if digits >= len(str(first)):
                yield self._text(first, digits), self._text(min(last, 10**digits - 1), digits)

    def _text(self, number: int, digits: int) -> str:
        return f"{self._row.prefix}{number:0{digits}d}"

    def _number(self, text: str) -> int | None:
        parted = parted_number(text, self._form)
        return parted[1] if parted and parted[0] == self._row.prefix else None
