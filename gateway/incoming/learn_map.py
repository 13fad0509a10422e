"""A column map proposed from a sample export: `till import --learn FILE`. docs/maps.md is the page.

    learned = learn(data, "export.csv")
    learned.text          # TOML with comments; what nobody can tell is commented out
    learned.said          # what was found, and by which evidence
    learned.asked         # what a person has to say

Nothing is claimed that does not add up: the proposal is read like any map and tried on the sample.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import ConfigError, DataError
from gateway.incoming.column_map import ColumnMap
from gateway.incoming.column_map_file import map_from_text
from gateway.incoming.column_map_read import MappedFile, Office, Refusal
from gateway.incoming.learn_map_columns import (
    VOID,
    Money,
    Sum,
    dates_of,
    money_of,
    relate,
    total_of,
)
from gateway.incoming.learn_map_table import Table, Told, table_of

_TENDER_WORDS = {
    "cash": "cash", "check": "check", "cheque": "check", "chk": "check", "card": "card",
    "credit": "card", "credit card": "card", "debit": "card", "debit card": "card", "visa": "card",
    "mastercard": "card", "amex": "card", "discover": "card", "cc": "card",
    "money order": "money_order", "mo": "money_order", "ach": "ach", "e-check": "ach",
    "echeck": "ach", "gift card": "gift_card",
}  # fmt: skip
_STATE_WORDS = {
    "ok": "posted", "posted": "posted", "closed": "posted", "complete": "posted",
    "completed": "posted", "paid": "posted", "valid": "posted", "active": "posted", "": "posted",
    "reversed": "reversed", "reversal": "reversed", "pending": "unknown",
}  # fmt: skip
_KIND_WORDS = {
    "sale": "payment", "payment": "payment", "receipt": "payment", "refund": "refund",
    "return": "refund",
}  # fmt: skip
_VALUES_MAX = 12
_NAMED = (  # ours, what the name of a column has in it
    ("window_id", r"window|station|drawer|register|terminal|device|^pos$"),
    ("cashier_id", r"cashier|operator|clerk|staff|user|employee"),
    ("account_no", r"account|acct"),
    ("service", r"^service"),
    ("fund", r"^fund"),
    ("batch_id", r"batch"),
    ("auth_code", r"auth"),
)
_RECEIPT = re.compile(r"receipt|transaction|trans\b|number|\bno\b|^#|\bid$", re.IGNORECASE)
_DATED = re.compile(r"%[HI]")


@dataclass(frozen=True)
class Learned:
    """A proposal. `rows` and `refused`: what it makes of the sample; `fault`: why the sample is not
    whole; `fits`: the map is complete and reads every row of the sample.
    """

    text: str
    said: tuple[str, ...]
    asked: tuple[str, ...]
    rows: int = 0
    refused: int = 0
    fault: str = ""
    fits: bool = False


@dataclass
class _Draft:
    """What is written into the map."""

    table: Table
    total: Sum | None
    dates: tuple[int, ...]
    formats: list[str]
    money: Money
    columns: dict[str, int] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)  # a meaning "" is not known
    by_name: set[str] = field(default_factory=set)


def learn(data: bytes, name: str) -> Learned:
    """The map of a sample. Raises DataError when the sample holds no table."""
    told = Told()
    table = table_of(data, told)
    total, table = total_of(table, told)
    dates, formats = dates_of(table, told)
    money = money_of(table, set(dates), told)
    relate(table, money, total, told)
    others = [line for line, _ in table.others if line > table.skip_first]
    if others:
        shown = ", ".join(str(line) for line in others[:5])
        told.asked.append(
            f"{len(others)} lines are unlike the rows (lines {shown}): say what they are in"
            " [[ignore]] or [[total]]"
        )
    draft = _Draft(table, total, dates, formats, money)
    _texts(draft, told)
    _tenders(draft, told)
    text = "\n".join(_toml(draft, told, name)) + "\n"
    return _tried(text, data, name, told)


def _tried(text: str, data: bytes, name: str, told: Told) -> Learned:
    """The proposal on its own sample."""
    try:
        column_map = map_from_text(text, Path(name))
    except ConfigError:
        told.asked.append("the map is not complete: fill in what is commented out with a ?")
        return Learned(text, tuple(told.said), tuple(told.asked))
    rows, refused, fault = _read(column_map, data)
    if refused:
        told.asked.append(f"{refused} lines of the sample are refused; --dry-run says which")
    if fault:
        told.asked.append(f"the sample: {fault}")
    if rows and not (refused or fault):
        told.said.append(f"tried on the sample: {rows} rows read, none refused")
    fits = bool(rows) and not (refused or fault)
    return Learned(text, tuple(told.said), tuple(told.asked), rows, refused, fault, fits)


def _read(column_map: ColumnMap, data: bytes) -> tuple[int, int, str]:
    import zoneinfo

    office = Office(zoneinfo.ZoneInfo("Etc/UTC"))  # the site's zone changes no row's validity
    mapped = MappedFile(column_map, io.BytesIO(data), office)
    try:
        found = [isinstance(each, Refusal) for each in mapped.rows()]
    except DataError as error:
        return 0, 0, str(error)
    return found.count(False), found.count(True), mapped.fault()


# --- texts ----------------------------------------------------------------------------------------


def _texts(draft: _Draft, told: Told) -> None:
    table = draft.table
    free = [
        place
        for place in range(len(table.names))
        if place not in draft.money.columns and place not in draft.dates
    ]
    for ours, words in (
        ("tender_type", _TENDER_WORDS),
        ("kind", _KIND_WORDS),
        ("status", _STATE_WORDS),
    ):
        place = _coded(table, free, words, ours)
        if place is not None:
            free.remove(place)
            _take_codes(draft, ours, place, words, told)
    _receipt(draft, free, told)
    for ours, pattern in _NAMED:
        for place in free:
            if re.search(pattern, table.names[place], re.IGNORECASE):
                draft.columns[ours] = place
                draft.by_name.add(ours)
                free.remove(place)
                break
    if "window_id" not in draft.columns:
        told.asked.append(
            "[columns] window_id: say which column is the window, or set it in [constants], or"
            ' origin = "lockbox" or "web" where there is no drawer'
        )


def _coded(table: Table, free: list[int], words: dict[str, str], ours: str) -> int | None:
    """The column with few different texts of which most are such words; None: no single one."""
    found = []
    for place in free:
        texts = {text.casefold() for text in table.column(place)}
        known = [text for text in texts if text and (text in words or _is_void(text, ours))]
        if known and len(texts) <= _VALUES_MAX and 2 * len(known) >= len(texts - {""}):
            found.append(place)
    return found[0] if len(found) == 1 else None


def _is_void(text: str, ours: str) -> bool:
    return ours == "status" and bool(VOID.search(text))


def _take_codes(draft: _Draft, ours: str, place: int, words: dict[str, str], told: Told) -> None:
    texts = sorted(set(draft.table.column(place)))
    codes = {
        text: "void" if _is_void(text, ours) else words.get(text.casefold(), "") for text in texts
    }
    draft.columns[ours], draft.codes[ours] = place, codes
    name = draft.table.names[place]
    told.said.append(f"{ours}: {name}, which has the words {_listed(codes, known=True)}")
    if not all(codes.values()):
        told.asked.append(
            f"[codes.{ours}]: say what {len([1 for each in codes.values() if not each])} other"
            f" texts of {name} mean; they are commented out"
        )


def _listed(codes: dict[str, str], known: bool) -> str:
    return ", ".join(repr(text) for text, meaning in codes.items() if bool(meaning) == known)


def _receipt(draft: _Draft, free: list[int], told: Told) -> None:
    """The column whose texts number the receipts: all there, all different, and rising by one or
    named so. That texts differ is not enough: so do the accounts of a short sample.
    """
    table = draft.table
    found = []
    for place in free:
        texts = table.column(place)
        if all(texts) and len(set(texts)) == len(texts) and any(map(_digits, texts)):
            found.append(place)
    rising = [place for place in found if _rises(table.column(place))]
    named = [place for place in found if _RECEIPT.search(table.names[place])]
    for places, why in (
        (rising if len(rising) == 1 else [], "its number rises by one from row to row"),
        (named if len(named) == 1 else [], "all different, and by its name"),
    ):
        if places:
            draft.columns["receipt_no"] = places[0]
            free.remove(places[0])
            told.said.append(f"receipt_no: {table.names[places[0]]}, {why}")
            return
    names = ", ".join(table.names[place] for place in found) or "no column"
    told.asked.append(f"[columns] receipt_no: {names} could be it; say which numbers the receipts")


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())


def _rises(texts: list[str]) -> bool:
    numbers = [int(_digits(text) or 0) for text in texts]
    return len(numbers) > 2 and all(
        abs(b - a) == 1 for a, b in zip(numbers, numbers[1:], strict=False)
    )


def _tenders(draft: _Draft, told: Told) -> None:
    """Wide tenders: columns that sum to the amount, whose names say what they are."""
    money, names = draft.money, draft.table.names
    if not money.tenders:
        if "tender_type" not in draft.columns:
            told.asked.append(
                "tender_type: no column has words such as cash and check; name it, or set"
                " [constants] tender_type where there is one kind alone"
            )
        return
    unknown = [names[place] for place in money.tenders if not _tender_of(names[place])]
    if unknown:
        told.asked.append(f"[tenders]: say what {', '.join(unknown)} are")
    if "tender_type" in draft.columns:
        del draft.columns["tender_type"], draft.codes["tender_type"]


def _tender_of(name: str) -> str:
    return _TENDER_WORDS.get(name.casefold().strip(), "")


# --- the file -------------------------------------------------------------------------------------


def _toml(draft: _Draft, told: Told, name: str) -> Iterator[str]:
    table = draft.table
    yield "# Proposed by till import --learn. Every line that ends in ? waits for a person."
    yield from (f"# found: {' '.join(each.split())}" for each in told.said)
    yield from (f"# ask:   {' '.join(each.split())}" for each in told.asked)
    stem = re.sub(r"[^a-z0-9-]+", "-", Path(name).stem.lower()).strip("-")[:40] or "export"
    yield f"title = {_text(name[:100])}"
    yield f"source_system = {_text(stem)}"
    yield 'evidence = "learned from one sample"'
    yield f"source = {_text(f'sample {name}'[:500])}"
    yield from ("", "[file]")
    if table.delimiter:
        sign = {"\t": "tab"}.get(table.delimiter, table.delimiter)
        yield f"delimiter = {_text(sign)}"
    else:
        yield 'format = "fixed"'
    yield f'encoding = "{table.encoding}"'
    if not table.has_header:
        yield "header = false"
    if table.line_breaks:
        yield "line_breaks = true"
    if table.skip_first:
        yield f"skip_first = {table.skip_first}"
    if not table.has_header:
        yield from ("", "[fields]")
        for place, each in enumerate(table.names):
            where = f'"{table.spans[place][0] + 1}-{table.spans[place][1]}"' if table.spans else (
                str(place + 1)
            )  # fmt: skip
            yield f"{each} = {where}"
    yield from _toml_columns(draft)
    yield from _toml_codes(draft)
    yield from _toml_money(draft)
    yield from _toml_time(draft)
    yield from _toml_total(draft)


def _toml_columns(draft: _Draft) -> Iterator[str]:
    names, money = draft.table.names, draft.money
    yield from ("", "[columns]")
    for ours, place in draft.columns.items():
        why = "  # by its name alone" if ours in draft.by_name else ""
        yield f"{ours} = {_text(names[place])}{why}"
    for ours in ("receipt_no", "window_id"):
        if ours not in draft.columns:
            yield f"# {ours} = ?"
    amounts = {
        "allocation_cents": money.allocated,
        "tender_amount_cents": money.tendered,
        "change_cents": money.change,
    }
    for ours, amount in amounts.items():
        if amount is not None:
            yield f"{ours} = {_text(names[amount])}"
    if money.allocated is None:
        yield "# allocation_cents = ?"
    if money.tenders:
        yield from ("", "[tenders]")
        for place in money.tenders:
            tender = _tender_of(names[place])
            yield f"{_text(names[place])} = {_text(tender)}" if tender else (
                f"# {_text(names[place])} = ?"
            )  # fmt: skip
    elif "tender_type" not in draft.columns:
        yield "# tender_type = ?"


def _toml_codes(draft: _Draft) -> Iterator[str]:
    for ours, codes in draft.codes.items():
        yield from ("", f"[codes.{ours}]")
        for text, meaning in codes.items():
            yield f"{_text(text)} = {_text(meaning)}" if meaning else f"# {_text(text)} = ?"


def _toml_money(draft: _Draft) -> Iterator[str]:
    money = draft.money
    yield from ("", "[amounts]")
    if money.decimals:
        yield f'decimals = "{money.decimals}"'
    else:
        yield '# decimals = ?  # "cents" or "dollars"'
    if money.thousands:
        yield f"thousands = {_text(money.thousands)}"
    if money.symbol:
        yield f"symbol = {_text(money.symbol)}"
    if money.has_empty:
        yield 'empty = "zero"'
    if money.negative:
        yield f"negative = {json.dumps(list(money.negative))}"
        yield from ("", "[signs]", "# negative = ?  # refund, reversal, void or credit")


def _toml_time(draft: _Draft) -> Iterator[str]:
    names = [draft.table.names[place] for place in draft.dates]
    yield from ("", "[time]")
    if not names:
        yield from ("# fields = ?", "# formats = ?")
        return
    yield f"fields = {json.dumps(names, ensure_ascii=False)}"
    if len(draft.formats) == 1:
        yield f"formats = {json.dumps(draft.formats)}"
    else:
        yield from (f"# formats = {json.dumps([each])} ?" for each in draft.formats)
    if not _DATED.search(draft.formats[0]):
        yield 'time_of_day = "12:00"  # the sample has dates alone'
    if "%z" in draft.formats[0]:
        yield 'zone = "in text"'
    else:
        yield 'zone = "site"  # as till.toml says; name another one if the export has it'


def _toml_total(draft: _Draft) -> Iterator[str]:
    for each in draft.table.subtotals:
        yield from ("", "[[ignore]]  # taken for subtotals")
        yield f"field = {_text(draft.table.names[0])}"
        yield f"values = [{_text(each)}]"
    total, names = draft.total, draft.table.names
    if total is None:
        yield from ("", "# [[total]]  # none was found: nothing vouches that a file is whole")
        return
    for cell, column in total.cells:
        yield from ("", "[[total]]", f'at = "{total.where}"')
        if total.where == "line":
            yield f"line = {total.line}"
        if total.where == "match":
            yield 'field = "1"'
            yield f"values = [{_text(total.begins)}]"
        if cell != column or total.where in ("line", "match"):
            yield f'cell = "{cell + 1}"'
        yield f"of = {_text(names[column])}"
        if total.left_out:
            yield 'leave_out = ["void"]'


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
