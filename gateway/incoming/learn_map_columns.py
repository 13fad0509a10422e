"""What the columns of an unknown export are, by what adds up. Pure; for learn_map.py.

A claim needs more than a name: amounts have to sum to a total, a tender less its change has to be
the amount in every row, a date has to be one in one way only. What rests on a name alone says so.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.incoming.column_map_amounts import NEGATIVES, AmountError, Amounts
from gateway.incoming.column_map_times import time_reader
from gateway.incoming.learn_map_table import Table, Told

_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%m-%d-%Y",
    "%d-%m-%Y", "%d.%m.%Y", "%d.%m.%y", "%m%d%Y", "%d-%b-%Y", "%d %b %Y", "%b %d %Y", "%b %d, %Y",
)  # fmt: skip
_TIMES = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%H%M", "%H%M%S")
FORMATS = (
    *_DATES,
    *(f"{date} {time}" for date in _DATES for time in _TIMES),
    "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S%z", "%Y-%m-%dT%H:%M:%S",
    "%Y%m%d%H%M%S", "%Y%m%d%H%M",
)  # fmt: skip
_COLUMNS_MAX = 12  # amount columns whose sums are tried
TERMS_MAX = 5


@dataclass
class Money:
    """How amounts are written and what they are. Places are those of Table.names."""

    decimals: str = ""  # empty: cents or dollars, nobody can tell
    thousands: str = ""
    symbol: str = ""
    negative: tuple[str, ...] = ()
    has_empty: bool = False
    columns: dict[int, list[int]] = field(default_factory=dict)  # {place: cents of each row}
    allocated: int | None = None
    tendered: int | None = None
    change: int | None = None
    tenders: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sum:
    """A total that was found: its line, and (place of the cell, place of the column) of each."""

    line: int
    where: str  # first row, last row, line
    cells: tuple[tuple[int, int], ...]
    left_out: str = ""  # text of a state whose rows the vendor does not count
    begins: str = ""  # the first field of its line


# --- amounts --------------------------------------------------------------------------------------


def _reads(rule: Amounts, texts: Sequence[str]) -> bool:
    try:
        for text in texts:
            rule.cents(text)
    except AmountError:
        return False
    return True


def money_of(table: Table, dates: set[int], told: Told) -> Money:
    """How amounts are written, and which columns are amounts."""
    texts = {
        place: [text for text in table.column(place) if text]
        for place in range(len(table.names))
        if place not in dates
    }
    texts = {place: column for place, column in texts.items() if column}
    money = Money()
    for decimals in ("point", "comma"):
        for thousands in (",", "'", " ") if decimals == "point" else (".", " "):
            rule = Amounts(decimals, thousands, "$", NEGATIVES)
            found = [place for place, column in texts.items() if _reads(rule, column)]
            if len(found) > len(money.columns):
                money.decimals, money.thousands = decimals, thousands
                money.columns = {place: [] for place in found}
    if not money.columns:
        return _whole(table, texts, money, told)
    _written(table, money, told)
    return money


def _whole(table: Table, texts: dict[int, list[str]], money: Money, told: Told) -> Money:
    """Columns of whole numbers: they may be cents, dollars, or no amounts at all."""
    mixed = Amounts("dollars", ",", "$", NEGATIVES)
    for place, column in texts.items():
        if _reads(mixed, column) and any("." in text for text in column):
            money.columns[place] = []
            money.decimals, money.thousands = "dollars", ","
    if money.columns:
        _written(table, money, told)
        return money
    told.asked.append(
        "[amounts] decimals: no column has two places after a point or comma. Whole numbers may be"
        " cents or dollars; the sample cannot tell, for both add up alike"
    )
    return money


def _written(table: Table, money: Money, told: Told) -> None:
    """The cents of each amount column, and only those signs that the sample shows."""
    rule = Amounts(money.decimals, money.thousands, "$", NEGATIVES, empty_is_zero=True)
    seen = [table.column(place) for place in money.columns]
    cells = [text for column in seen for text in column]
    money.columns = {
        place: [rule.cents(text) for text in table.column(place)] for place in money.columns
    }
    money.has_empty = not all(cells)
    money.symbol = "$" if any("$" in text for text in cells) else ""
    if not any(money.thousands in text for text in cells):
        money.thousands = ""
    shows = {
        "leading": any(re.match(r"\$?[-\N{MINUS SIGN}]", text) for text in cells),
        "trailing": any(text.endswith(("-", "\N{MINUS SIGN}")) for text in cells),
        "parentheses": any(text.startswith("(") for text in cells),
        "CR": any(text.endswith("CR") for text in cells),
        "DR": any(text.endswith("DR") for text in cells),
    }
    money.negative = tuple(name for name in NEGATIVES if shows[name])
    names = ", ".join(table.names[place] for place in money.columns)
    told.said.append(f"amounts, each with two places in every row: {names}")
    if money.negative:
        told.asked.append(
            "[signs] negative: the sample has negative amounts; say whether they are refunds,"
            " reversals, voids or credits"
        )


# --- what adds up ---------------------------------------------------------------------------------


def relate(table: Table, money: Money, total: Sum | None, told: Told) -> None:
    """tendered - change = amount, or several tenders - change = amount, in every row. Failing that,
    the one column that the vendor's own total sums.
    """
    columns = {place: cents for place, cents in money.columns.items() if any(cents)}
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, cents in columns.items():
        alike.setdefault(tuple(cents), []).append(place)
    single = {places[0]: list(cents) for cents, places in alike.items()}
    if len(single) > _COLUMNS_MAX:
        told.asked.append(f"{len(single)} columns of amounts: too many to try every sum")
        return
    found = _relations(single) if len(table.rows) >= 2 else []
    same = [places for places in alike.values() if len(places) > 1]
    for places in same:
        names = ", ".join(table.names[place] for place in places)
        told.asked.append(f"the same amounts in every row of the sample: {names}")
    if len(found) == 1:
        _related(table, money, found[0], told)
    elif len(found) > 1:
        told.asked.append(
            "amounts: "
            + "; or ".join(_formula(table, each) for each in found[:3])
            + ": each holds in every row, so the sample does not say which is meant"
        )
    elif len(single) == 1 and not same:
        money.allocated = next(iter(single))
        told.said.append(f"amount: {table.names[money.allocated]}, the only one")
    elif total is not None and len({column for _, column in total.cells}) == 1:
        money.allocated = total.cells[0][1]
        name = table.names[money.allocated]
        told.said.append(f"amount: {name}, which the vendor's own total sums")
        return
    elif single:
        told.asked.append(
            "amounts: no sum of columns is another column in every row; say which one is the amount"
        )
    if money.allocated is not None:
        equal = next(places for places in alike.values() if money.allocated in places)
        money.allocated = _by_name(table, equal, r"amount|total|collected|paid|net", told)


Relation = tuple[int, tuple[int, ...], int | None]  # amount = sum of tenders - change


def _relations(columns: dict[int, list[int]]) -> list[Relation]:
    """Those that hold in every row; each column of one is needed by a row."""
    found: list[Relation] = []
    for amount, wanted in columns.items():
        others = [place for place in columns if place != amount]
        for size in range(1, min(TERMS_MAX, len(others)) + 1):
            for terms in itertools.combinations(others, size):
                sums = [sum(values) for values in zip(*(columns[t] for t in terms), strict=True)]
                if size > 1 and not _are_tenders(columns, terms, wanted):
                    continue
                if size > 1 and sums == wanted:
                    found.append((amount, terms, None))
                for change in (place for place in others if place not in terms):
                    less = [a - b for a, b in zip(sums, columns[change], strict=True)]
                    if less == wanted and _is_change(columns, terms, change):
                        found.append((amount, terms, change))
    return found


def _are_tenders(columns: dict[int, list[int]], terms: tuple[int, ...], wanted: list[int]) -> bool:
    """Tenders have the sign of what they pay, which a fee that is taken off has not; and each is
    missing somewhere, which an amount beside its change is not.
    """
    return all(
        0 in columns[term]
        and all(cents * amount >= 0 for cents, amount in zip(columns[term], wanted, strict=True))
        for term in terms
    )


def _is_change(columns: dict[int, list[int]], terms: tuple[int, ...], change: int) -> bool:
    """Change is given in some rows only, and is never all that was handed over: a - b = c would
    otherwise be true of c and b alike.
    """
    given = columns[change]
    tendered = [sum(values) for values in zip(*(columns[t] for t in terms), strict=True)]
    return 0 in given and all(a == 0 or 0 < a < b for a, b in zip(given, tendered, strict=True))


def _formula(table: Table, found: Relation) -> str:
    amount, terms, change = found
    less = "" if change is None else f" - {table.names[change]}"
    return f"{' + '.join(table.names[t] for t in terms)}{less} = {table.names[amount]}"


def _related(table: Table, money: Money, found: Relation, told: Told) -> None:
    amount, terms, change = found
    money.allocated, money.change = amount, change
    if len(terms) == 1:
        money.tendered = terms[0]
    else:
        money.tenders = terms
    told.said.append(f"{_formula(table, found)} in each of {len(table.rows)} rows")


def _by_name(table: Table, places: list[int], pattern: str, told: Told) -> int | None:
    if len(places) == 1:
        return places[0]
    named = [place for place in places if re.search(pattern, table.names[place], re.IGNORECASE)]
    if len(named) == 1:
        told.said.append(f"{table.names[named[0]]} of these, by its name alone")
        return named[0]
    told.asked.append("[columns] allocation_cents: say which of these is the amount")
    return None


def total_of(table: Table, told: Told) -> tuple[Sum | None, Table]:
    """The vendor's total that the rows sum to, and the table without its row."""
    _leave_out_subtotals(table, told)
    for at, where in ((-1, "last row"), (0, "first row")):
        if len(table.rows) < 3:
            break
        line, cells = table.rows[at]
        rest = table.rows[:-1] if at else table.rows[1:]
        found = _sums(cells, rest, table) if _is_unlike(cells, rest) else None
        if found is not None:
            cells_found, left_out = found
            names = ", ".join(table.names[column] for _, column in cells_found)
            less = f", without the rows of state {left_out!r}" if left_out else ""
            told.said.append(f"line {line} is a total: its rows sum to it{less} ({names})")
            table.rows = rest
            return Sum(line, where, tuple(cells_found), left_out), table
        if any("total" in cell.lower() for cell in cells):
            told.asked.append(
                f"line {line} says total, and the rows do not sum to it; it is no total that could"
                " vouch for the file as long as nobody says of what"
            )
            if _is_unlike(cells, rest):  # and no receipt either
                table.rows = rest
                table.others.append((line, cells))
    for line, cells in table.others:
        found = _sums(cells, table.rows, table, anywhere=True)
        if found is not None:
            cells_found, left_out = found
            told.said.append(f"line {line} has a total that the rows sum to")
            where = "line" if line <= table.skip_first else "match"
            table.others = [each for each in table.others if each[0] != line]
            return Sum(line, where, tuple(cells_found), left_out, cells[0].strip()), table
    told.asked.append(
        "[[total]]: no line of the sample is what its rows sum to. Without a total of the vendor"
        " nothing vouches that a file is whole"
    )
    return None, table


def _leave_out_subtotals(table: Table, told: Told) -> None:
    """Rows in the middle whose first text says total and that lack what other rows have."""
    inner = table.rows[1:-1]
    plain = [each for each in table.rows if "total" not in each[1][0].lower()]
    found = [
        (line, cells)
        for line, cells in inner
        if "total" in cells[0].lower() and _is_unlike(cells, plain)
    ]
    if found:
        table.subtotals = tuple(sorted({cells[0].strip() for _, cells in found}))
        lines = {line for line, _ in found}
        table.rows = [each for each in table.rows if each[0] not in lines]
        told.asked.append(
            f"{len(found)} lines that begin with {', '.join(table.subtotals)} are taken for"
            " subtotals and left out: look whether they are"
        )


def _is_unlike(cells: list[str], rows: list[tuple[int, list[str]]]) -> bool:
    """Whether a row lacks what every other one has: three receipts of 10, 20 and 30 add up too."""
    return any(
        not cell.strip() and all(others[place].strip() for _, others in rows)
        for place, cell in enumerate(cells)
    )


_LOOSE = (Amounts("point", ",", "$", NEGATIVES), Amounts("comma", ".", "$", NEGATIVES),
          Amounts("cents", "", "", NEGATIVES))  # fmt: skip


def _sums(
    cells: list[str], rows: list[tuple[int, list[str]]], table: Table, anywhere: bool = False
) -> tuple[list[tuple[int, int]], str] | None:
    """(place of the cell, column that it sums) of each total on a line, and the state that they
    leave out.
    """
    best: tuple[list[tuple[int, int]], str] | None = None
    for rule in _LOOSE:
        for left_out, kept in _states(table, rows):
            found = _agreeing(cells, rule, kept, anywhere)
            if found and (best is None or len(found) > len(best[0])):
                best = found, left_out
    return best


def _agreeing(
    cells: list[str], rule: Amounts, rows: list[tuple[int, list[str]]], anywhere: bool
) -> list[tuple[int, int]]:
    """(place of the cell, column) of each cell that is the sum of a column."""
    width = min((len(each) for _, each in rows), default=0)
    sums = {
        place: total
        for place in range(width)
        if (total := _sum(rule, rows, place)) is not None and total
    }
    found = []
    for place, cell in enumerate(cells):
        stated = _cents(rule, cell)
        columns = [column for column, total in sums.items() if total == stated]
        own = [column for column in columns if column == place]
        if anywhere or own or len(columns) == 1:
            found += [(place, column) for column in (own or columns)[:1]]
    return found


def _states(
    table: Table, rows: list[tuple[int, list[str]]]
) -> list[tuple[str, list[tuple[int, list[str]]]]]:
    """(text of a state that is left out, the rows that are left): first none."""
    found = [("", rows)]
    for place in range(len(table.names)):
        texts = {cells[place].strip() for _, cells in rows}
        for text in sorted(texts):
            if len(texts) <= 6 and VOID.search(text):
                kept = [each for each in rows if each[1][place].strip() != text]
                found.append((text, kept))
    return found


def _sum(rule: Amounts, rows: list[tuple[int, list[str]]], place: int) -> int | None:
    total = 0
    for _, cells in rows:
        cents = _cents(rule, cells[place])
        if cents is None:
            if cells[place].strip():
                return None
            cents = 0
        total += cents
    return total


def _cents(rule: Amounts, text: str) -> int | None:
    try:
        return rule.cents(text)
    except AmountError:
        return None


# --- dates ----------------------------------------------------------------------------------------


def dates_of(table: Table, told: Told) -> tuple[tuple[int, ...], list[str]]:
    """(columns of date and time, formats that read them): one format when it is certain."""
    width = len(table.names)
    found: list[tuple[tuple[int, ...], list[str]]] = []
    for place in range(width):
        formats = _formats(table.column(place))
        if formats:
            found.append(((place,), formats))
    if not found:
        told.asked.append("[time]: no column has a date in every row")
        return (), []
    places, formats = found[0]
    if len(found) > 1:
        names = ", ".join(table.names[each[0][0]] for each in found)
        told.asked.append(f"[time] fields: {names} are dates; the first is written down")
    if not any("%H" in each or "%I" in each for each in formats):
        for place in range(width):
            texts = table.column(place)
            pairs = [f"{a} {b}" for a, b in zip(table.column(places[0]), texts, strict=True)]
            is_time = all(":" in text for text in texts) or "time" in table.names[place].lower()
            both = _formats(pairs) if is_time and (place,) != places else []
            if both:
                places, formats = (places[0], place), both
                break
    names = " and ".join(table.names[place] for place in places)
    if len(formats) == 1:
        told.said.append(f"{names}: {formats[0]} reads every row, and no other format does")
    else:
        told.asked.append(
            f"[time] formats: {' or '.join(formats)} read every row of {names}; a day over 12"
            " would tell, and the sample has none"
        )
    return places, formats


def _formats(texts: list[str]) -> list[str]:
    """Those that read every text, with years that can be; none when a text is empty."""
    if not texts or not all(texts):
        return []
    found = []
    for each in FORMATS:
        read = time_reader(each)
        moments = [read(text) for text in texts]
        if all(moment is not None and 2000 <= moment.year <= 2050 for moment in moments):
            found.append(each)
    return found


VOID = re.compile(r"\bvoid|cancel", re.IGNORECASE)
