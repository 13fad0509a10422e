"""A column map made ready for one file: which field of a row goes where. Pure.

`Plan.rows` turns the fields of one line into rows of posted.csv, or refuses the line with the
vendor's column and a reason that never shows what stood in it.
"""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.facts.postings import COLUMNS
from gateway.incoming.column_map import ANY, ORIGINS, ColumnMap
from gateway.incoming.column_map_amounts import AmountError
from gateway.incoming.column_map_numbers import LineNumbers
from gateway.incoming.column_map_times import TimeError, Times

Index = Callable[[str], int]

_PLACE = {name: place for place, name in enumerate((*COLUMNS, "kind"))}
_RECEIPT, _LINE, _POSTED, _DATE = (
    _PLACE[name] for name in ("receipt_no", "line_no", "posted_at", "business_date")
)
_WINDOW, _TENDER_ID, _TENDER = (_PLACE[name] for name in ("window_id", "tender_id", "tender_type"))
_TENDERED, _CHANGE, _ALLOCATED = (
    _PLACE[name] for name in ("tender_amount_cents", "change_cents", "allocation_cents")
)
_STATUS, _VOID_OF, _KIND = (_PLACE[name] for name in ("status", "void_of", "kind"))
_JUDGED = ("receipt_no", "account_no", "status")
_AMOUNTS = ("tender_amount_cents", "change_cents", "allocation_cents")
_EXPONENT = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE][+-]?\d{1,3}", re.ASCII)
_LINE_NO = re.compile(r"\d{1,6}", re.ASCII)


class MappedRow(NamedTuple):
    """One row of posted.csv, schema v1: 22 texts in the order of COLUMNS; and its kind."""

    line: int
    texts: tuple[str, ...]
    kind: str


class Refusal(NamedTuple):
    """A line of which nothing is read. `column`: the vendor's, or empty for the whole line. The
    last three where they could be read: whose receipt it is.
    """

    line: int
    column: str
    reason: str
    receipt_no: str = ""
    window_id: str = ""
    business_date: str = ""


class RefusedLine(ValueError):
    """Why a line is refused: (vendor's column, reason)."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(column, reason)
        self.column = column
        self.reason = reason


class Leg(NamedTuple):
    """One tender of a line, in cents."""

    tender: str
    tendered: int
    change: int
    allocated: int


@dataclass(frozen=True)
class Office:
    """What the site adds: its zone, how it dates, and the last day that can be right. `dating`
    gives the business date of a moment in Unix milliseconds, for a cut-off or the site's own
    (None).
    """

    zone: zoneinfo.ZoneInfo | None = None
    dating: Callable[[datetime.time | None], Callable[[int], str]] | None = None
    latest: datetime.date | None = None


class Plan:
    """A map over the fields of one file. `index` gives the place of a field by its name."""

    def __init__(self, column_map: ColumnMap, index: Index, office: Office) -> None:
        self._map = column_map
        self._money = column_map.money
        self._numbers = LineNumbers()
        self._blank = _constants(column_map)
        self._copied: list[tuple[int, int, str, str]] = []  # (place, field, name, ours)
        self._plain: list[tuple[int, int, str]] = []  # those that have neither codes nor a shape
        self._joined: list[tuple[int, list[int], str, str]] = []
        self._amounts: dict[str, tuple[int, str]] = {}
        self._dated: tuple[int, str] | None = None
        for ours, names in column_map.columns.items():
            if ours in _AMOUNTS:
                self._amounts[ours] = (index(names[0]), names[0])
            elif ours == "business_date":
                self._dated = (index(names[0]), names[0])
            elif len(names) > 1:
                places = [index(name) for name in names]
                self._joined.append((_PLACE[ours], places, " ".join(names), ours))
            elif ours in (*_JUDGED, *column_map.codes, *column_map.shapes):
                self._copied.append((_PLACE[ours], index(names[0]), names[0], ours))
            else:
                self._plain.append((_PLACE[ours], index(names[0]), names[0]))
        self._codes = {ours: _folded(codes) for ours, codes in column_map.codes.items()}
        self._shapes = column_map.shapes
        self._is_drawer = column_map.origin == ORIGINS[0]
        self._time_places = [index(name) for name in column_map.time.fields]
        self._zone_place = (
            index(column_map.time.zone_field) if column_map.time.zone == "in field" else -1
        )
        self._zones = column_map.time.known_zones
        self._times, self._dates = _times(column_map, office)
        self._wide = [(index(name), name, tender) for name, tender in column_map.tenders.items()]
        split = column_map.split
        self._split = -1 if split is None else index(split.field)
        self._split_amounts = index(split.amounts) if split is not None and split.amounts else -1
        self._checks = [
            ([_signed(name, index) for name in each.sum], index(each.equals), each.equals)
            for each in column_map.check
        ]

    def state_of(self, cells: Sequence[str]) -> str:
        """The status that the status column gives; empty when nobody can tell."""
        for place, field, _, ours in self._copied:
            if place == _STATUS:
                return self._meaning(ours, cells[field].strip()) or ""
        return self._blank[_STATUS]

    def tenders_of(self, cells: Sequence[str]) -> list[str]:
        """The one tender of a line that is refused for another reason; none: nobody can tell."""
        found = self._blank[_TENDER]
        for place, field, _, ours in self._copied:
            if place == _TENDER:
                found = self._meaning(ours, cells[field].strip()) or ""
        return [found] if found else []

    def rows(self, line: int, cells: Sequence[str]) -> list[MappedRow]:
        """The rows of one line. Raises RefusedLine."""
        row = list(self._blank)
        self._texts(row, cells)
        self._when(row, cells)
        for terms, place, name in self._checks:
            wanted = sum(sign * self._cents(cells, at, what) for sign, at, what in terms)
            if wanted != self._cents(cells, place, name):
                raise RefusedLine(name, "not what the fields of its [[check]] add up to")
        found = []
        for leg in self._with_sign(row, self._legs(row, cells)):
            own = list(row)
            if not own[_LINE]:
                receipt = (row[_RECEIPT], row[_WINDOW], row[_DATE])
                own[_LINE] = str(self._numbers.following(receipt))
            own[_TENDER] = leg.tender or row[_TENDER]
            own[_TENDER_ID] = row[_TENDER_ID] or own[_LINE]
            own[_TENDERED] = str(leg.tendered)
            own[_CHANGE] = str(leg.change)
            own[_ALLOCATED] = str(leg.allocated)
            kind = own.pop()
            found.append(MappedRow(line, tuple(own), kind))
        return found

    def named(self, cells: Sequence[str]) -> tuple[str, str, str]:
        """(receipt_no, window_id, business_date) of a refused line, each empty where it cannot be
        read.
        """
        row = list(self._blank)
        for read in (self._texts, self._when):
            try:
                read(row, cells)
            except (RefusedLine, IndexError):
                continue
        return row[_RECEIPT], row[_WINDOW], row[_DATE]

    # --- texts ------------------------------------------------------------------------------------

    def _texts(self, row: list[str], cells: Sequence[str]) -> None:
        for place, field, name in self._plain:
            row[place] = text = _unwrapped(cells[field].strip())
            if not text.isprintable():
                raise RefusedLine(name, "control characters in it")
        for place, field, name, ours in self._copied:
            row[place] = self._text(_unwrapped(cells[field].strip()), name, ours)
        for place, fields, name, ours in self._joined:
            parts = [_unwrapped(cells[field].strip()) for field in fields]
            if place == _RECEIPT and not all(parts):
                raise RefusedLine(name, "a field of it is empty")
            text = self._map.join[ours].join(parts) if any(parts) else ""
            row[place] = self._text(text, name, ours)
        if not row[_RECEIPT]:
            raise RefusedLine(" ".join(self._map.columns["receipt_no"]), "empty")
        if self._is_drawer and not row[_WINDOW]:
            raise RefusedLine(" ".join(self._map.columns.get("window_id", ())), "empty")
        if "line_no" in self._map.columns and not _LINE_NO.fullmatch(row[_LINE]):
            raise RefusedLine(self._map.columns["line_no"][0], "not the number of a line")

    def _text(self, text: str, name: str, ours: str) -> str:
        if not text.isprintable():
            raise RefusedLine(name, "control characters in it")
        if ours in ("receipt_no", "account_no") and _EXPONENT.fullmatch(text):
            raise RefusedLine(
                name, "an exponent such as 1.9E+18: a spreadsheet rewrote it; export it again"
            )
        shape = self._shapes.get(ours)
        if shape is not None and not shape.fullmatch(text):
            raise RefusedLine(
                name, f"not the shape of [shapes] {ours}; a spreadsheet may have taken its zeros"
            )
        if ours not in self._codes:
            return text
        meaning = self._meaning(ours, text)
        if meaning is None:
            raise RefusedLine(name, f"no code of [codes.{ours}]; add what it means")
        return meaning

    def _meaning(self, ours: str, text: str) -> str | None:
        codes = self._codes.get(ours)
        if codes is None:
            return text
        meaning = codes.get(text)
        if meaning is None:
            meaning = codes.get(text.casefold(), codes.get(ANY))
        return text if meaning == ANY else meaning

    def _when(self, row: list[str], cells: Sequence[str]) -> None:
        names = " ".join(self._map.time.fields)
        text = " ".join([cells[place].strip() for place in self._time_places])
        zone = ""
        if self._zone_place >= 0:
            zone = self._zones.get(cells[self._zone_place].strip(), "")
            if not zone:
                raise RefusedLine(
                    self._map.time.zone_field, "no name of a zone in [time.zones]; add it"
                )
        try:
            row[_POSTED], row[_DATE] = self._times.posted(text, zone)
            if self._dated is not None and self._dates is not None:
                place, names = self._dated
                row[_DATE] = self._dates.read(cells[place].strip()).date().isoformat()
        except TimeError as error:
            row[_DATE] = ""
            raise RefusedLine(names, str(error)) from None

    # --- money ------------------------------------------------------------------------------------

    def _cents(self, cells: Sequence[str], place: int, name: str) -> int:
        try:
            return self._money.cents(cells[place])
        except AmountError as error:
            raise RefusedLine(name, str(error)) from None

    def _amount(self, cells: Sequence[str], ours: str) -> int | None:
        if ours not in self._amounts:
            return None
        return self._cents(cells, *self._amounts[ours])

    def _legs(self, row: list[str], cells: Sequence[str]) -> list[Leg]:
        change = self._amount(cells, "change_cents") or 0
        if self._map.signs.change == "negative":
            change = -change
        allocated = self._amount(cells, "allocation_cents")
        if self._wide:
            paid = [(tender, self._cents(cells, place, name)) for place, name, tender in self._wide]
            return self._several(paid, change, allocated)
        tendered = self._amount(cells, "tender_amount_cents")
        if self._split >= 0:
            paid = self._parts(cells)
            if len(paid) > 1:
                if tendered is not None and tendered != sum(cents for _, cents in paid):
                    raise RefusedLine(self._amounts["tender_amount_cents"][1], "not its tenders")
                return self._several(paid, change, allocated)
            row[_TENDER] = paid[0][0]
        if tendered is None:
            tendered = (allocated or 0) + change
        elif allocated is None:
            allocated = tendered - change
        elif tendered - change != allocated and not row[_TENDER_ID]:
            raise RefusedLine(
                self._amounts["allocation_cents"][1],
                "not the tender less its change; if one tender pays several rows, say so with"
                " tender_id",
            )
        return [Leg("", tendered, change, allocated or 0)]

    def _parts(self, cells: Sequence[str]) -> list[tuple[str, int]]:
        """(tender, cents) of each tender in one cell; of a single one the cents do not count."""
        split = self._map.split
        assert split is not None
        text = cells[self._split].strip()
        whole = self._meaning("tender_type", text)
        parts = text.split(split.separator)
        if whole is not None:
            return [(whole, 0)]
        if len(parts) > 1 and not (split.amount_after or split.amounts):
            raise RefusedLine(
                split.field,
                "several tenders, and the export does not say how much of each; add the whole text"
                " to [codes.tender_type] to say what such a receipt is",
            )
        amounts = [""] * len(parts)
        if split.amounts:
            amounts = cells[self._split_amounts].split(split.separator)
            if len(amounts) != len(parts):
                raise RefusedLine(split.amounts, f"{len(amounts)} amounts, {len(parts)} tenders")
        found = []
        for part, amount in zip(parts, amounts, strict=True):
            name, between, rest = part.strip(), "", ""
            if split.amount_after:
                name, between, rest = name.rpartition(split.amount_after)
                if not between:
                    name, rest = rest, ""
            tender = self._meaning("tender_type", name.strip())
            if tender is None:
                raise RefusedLine(split.field, "no code of [codes.tender_type]; add what it means")
            if len(parts) == 1 and not rest:
                return [(tender, 0)]
            try:
                found.append((tender, self._money.cents(rest if split.amount_after else amount)))
            except AmountError as error:
                raise RefusedLine(split.amounts or split.field, str(error)) from None
        return found

    def _several(
        self, paid: list[tuple[str, int]], change: int, allocated: int | None
    ) -> list[Leg]:
        """A leg for each tender with an amount; the change comes from the cash."""
        given = [each for each in paid if each[1]]
        if allocated is not None and sum(cents for _, cents in given) - change != allocated:
            raise RefusedLine(
                self._amounts["allocation_cents"][1], "not the tenders less the change"
            )
        if not given:
            if change:
                raise RefusedLine(self._amounts["change_cents"][1], "change, and no tender")
            return [Leg(paid[0][0], 0, 0, 0)]  # its number is wanted: receipts have no gaps
        cash = [place for place, (tender, _) in enumerate(given) if tender == "cash"]
        if change and len(cash) != 1 and len(given) > 1:
            raise RefusedLine(
                self._amounts["change_cents"][1], "change, and nobody can tell of which tender"
            )
        payer = cash[0] if cash else 0
        return [
            Leg(tender, cents, change, cents - change)
            if place == payer
            else Leg(tender, cents, 0, cents)
            for place, (tender, cents) in enumerate(given)
        ]

    def _with_sign(self, row: list[str], legs: list[Leg]) -> list[Leg]:
        """The legs as our columns want them; what a minus means goes into the row."""
        if row[_KIND] == "payment" and all(min(each[1:]) >= 0 for each in legs):
            return legs
        signs = {each.tendered < 0 for each in legs if each.tendered}
        signs |= {each.allocated < 0 for each in legs if each.allocated}
        rule = self._map.signs
        name = self._money_names()
        if rule.negative == "credit" and row[_KIND] == "payment":
            return legs
        if len(signs) > 1 or any(each.change and (each.change < 0) not in signs for each in legs):
            raise RefusedLine(name, "amounts of both signs on one line")
        is_minus = True in signs
        if row[_STATUS] in ("void", "reversed"):
            return [_positive(each) for each in legs]
        if row[_KIND] in ("refund", "paid_out"):
            if is_minus != (rule.refunds == "negative") and signs:
                raise RefusedLine(name, f"money handed out that is not {rule.refunds}")
            return [_negative(each) for each in legs]
        if not is_minus:
            return legs
        if rule.negative == "refund":
            row[_KIND] = "refund"
            return legs
        if rule.negative == "void":
            row[_STATUS] = "void"
        elif rule.negative == "reversal":
            row[_STATUS] = "reversed"
            row[_VOID_OF] = row[_VOID_OF] or row[_RECEIPT]
            row[_RECEIPT] += rule.reversal_suffix
        else:
            raise RefusedLine(name, "negative; [signs] negative says what that means")
        return [_positive(each) for each in legs]

    def _money_names(self) -> str:
        for ours in ("allocation_cents", "tender_amount_cents"):
            if ours in self._amounts:
                return self._amounts[ours][1]
        return ", ".join(name for _, name, _ in self._wide)


def _unwrapped(text: str) -> str:
    """00123 of ="00123", which exports write so that a spreadsheet keeps the zeros."""
    return text[2:-1] if text[:2] == '="' and text[-1] == '"' and len(text) > 2 else text


def _positive(leg: Leg) -> Leg:
    return Leg(leg.tender, abs(leg.tendered), abs(leg.change), abs(leg.allocated))


def _negative(leg: Leg) -> Leg:
    return Leg(leg.tender, -abs(leg.tendered), -abs(leg.change), -abs(leg.allocated))


def _signed(name: str, index: Index) -> tuple[int, int, str]:
    plain = name.removeprefix("-")
    return (1 if plain == name else -1), index(plain), plain


def _folded(codes: dict[str, str]) -> dict[str, str]:
    """The codes, and each without its capitals where that names one of them alone."""
    found = dict(codes)
    lower = [code.casefold() for code in codes]
    for code, meaning in codes.items():
        if lower.count(code.casefold()) == 1:
            found.setdefault(code.casefold(), meaning)
    return found


def _constants(column_map: ColumnMap) -> list[str]:
    row = [""] * len(_PLACE)
    row[_PLACE["source_system"]] = column_map.source_system
    row[_STATUS], row[_KIND] = "posted", "payment"
    if column_map.origin != ORIGINS[0]:
        row[_WINDOW] = column_map.origin
    for ours, text in column_map.constants.items():
        row[_PLACE[ours]] = text
    return row


def _times(column_map: ColumnMap, office: Office) -> tuple[Times, Times | None]:
    """(reader of moments, reader of business dates or None)"""
    told = column_map.time
    zone = office.zone
    if told.zone not in ("site", "in text", "in field"):
        zone = zoneinfo.ZoneInfo(told.zone)
    business_date = None
    if office.dating is not None and told.cut_off:
        own = None if told.cut_off == "site" else datetime.time.fromisoformat(told.cut_off)
        business_date = office.dating(own)
    at = datetime.time.fromisoformat(told.time_of_day) if told.time_of_day else None
    years = (told.first_year, told.last_year)
    moments = Times(
        told.formats,
        zone,
        told.repeated_hour,
        at,
        None if at is not None else business_date,
        years,
        office.latest,
        office.zone or zone,
    )
    if not told.business_formats:
        return moments, None
    return moments, Times(told.business_formats, None, years=years)
