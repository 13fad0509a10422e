"""One row of posted.csv: text fields in, checked values out. Pure.

docs/posted-csv.md is its page.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gateway.facts.postings import (
    AMOUNTS,
    CHANGE_TENDERS,
    COLUMNS,
    KINDS,
    PAYMENT,
    STATUSES,
    TENDERS,
    WITHOUT_ACCOUNT,
    Posting,
)
from gateway.incoming.posted_amount import RowError, amount
from gateway.incoming.posted_text import check_texts, holds_card_number, is_cut_number

__all__ = ["RowError", "Rules", "amount", "holds_card_number", "parse_row", "values_of"]

NEEDED = ("receipt_no", "window_id", "tender_id", "source_system")  # texts that may not be empty
LINE_NO_MAX = 9_999
DAYS_APART_MAX = 31  # assumed: longer than any office lets a receipt wait for its business day

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_WORD = re.compile(r"[a-z_-]{1,16}|[A-Z_-]{1,16}", re.ASCII)
_LINE_NO = re.compile(r"\d{1,6}", re.ASCII)
_OTHER_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](\d{2}|\d{4})", re.ASCII)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MS = datetime.timedelta(milliseconds=1)
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Rules:
    """What the site says of its posted files: [posted] of till.toml, and the time of the import.

    `services` empty: any service. `now_ms` None: a file of any time, as the auditor reads it.
    """

    receipt_scope: str = "source"
    services: tuple[str, ...] = ()
    long_accounts: bool = False
    days_apart_max: int = DAYS_APART_MAX
    now_ms: int | None = None

    def scope_of(self, window_id: str, business_date: str) -> str:
        """Where a receipt number of this window and day is unique."""
        if self.receipt_scope == "window":
            return window_id
        if self.receipt_scope == "day":
            return business_date
        return f"{window_id} {business_date}" if self.receipt_scope == "window-day" else ""


_ANY = Rules()


def parse_row(cells: Sequence[str], rules: Rules = _ANY) -> Posting:
    """The posting of one row, `cells` in the order of COLUMNS, with the kind after them or without.
    Raises RowError for the first thing that is wrong with it.
    """
    return Posting(*values_of(cells, rules))  # type: ignore[arg-type]  # in the order of the fields


def values_of(cells: Sequence[str], rules: Rules) -> tuple[str | int, ...]:
    """The same as the values of a posting, in the order of its fields."""
    check_texts(cells, rules.long_accounts)
    (
        receipt_no, line_no, posted_at, business_date, window_id, session_id, cashier_id, tender_id,
        tender_type, tender_amount, change, account_no, service, fund, allocation, status, void_of,
        void_by, auth_code, batch_id, source_system, source_ref, *more,
    ) = cells  # fmt: skip
    if not (receipt_no and window_id and tender_id and source_system):
        missing = next(name for name, text in zip(COLUMNS, cells, strict=False)
                       if name in NEEDED and not text)  # fmt: skip
        raise RowError(f"{missing}: empty; the export has to fill it")
    kind = (more[0] if more else "") or PAYMENT
    if tender_type not in _TENDERS or status not in _STATUSES or kind not in KINDS:
        _one_of("tender_type", tender_type, TENDERS)
        _one_of("status", status, STATUSES)
        _one_of("kind", kind, tuple(KINDS))
    if not _LINE_NO.fullmatch(line_no) or not 1 <= int(line_no) <= LINE_NO_MAX:
        raise RowError(f"line_no: not 1 to {LINE_NO_MAX}; number the rows of a receipt from 1")
    cents = [
        amount(name, text)[0]
        for name, text in zip(AMOUNTS, (tender_amount, change, allocation), strict=True)
    ]
    _check_amounts(kind, status, tender_type, *cents)
    _check_words(kind, status, service, fund, void_of, receipt_no, rules)
    posted_ms = _posted_ms(posted_at)
    _check_dates(posted_at[:10], posted_ms, _business_date(business_date), rules)
    return (
        receipt_no, int(line_no), posted_ms, business_date, window_id, session_id, cashier_id,
        tender_id, tender_type, cents[0], cents[1], account_no, service, fund, cents[2], status,
        void_of, void_by, auth_code, batch_id, source_system, source_ref, kind,
        rules.scope_of(window_id, business_date),
    )  # fmt: skip


_TENDERS, _STATUSES = frozenset(TENDERS), frozenset(STATUSES)


# --- words and numbers ----------------------------------------------------------------------------


def _one_of(name: str, text: str, known: tuple[str, ...]) -> None:
    if text not in known:
        raise RowError(
            f"{name}: {word_of(text)} is not one of {', '.join(known)}; correct the export, or name"
            " what it means in a column map"
        )


def word_of(text: str) -> str:
    """One plain word as it is; anything else may be a name or a number out of a column that moved,
    and is not shown.
    """
    if not text:
        return "an empty cell"
    return repr(text) if _WORD.fullmatch(text) else "something else"


def _check_words(
    kind: str, status: str, service: str, fund: str, void_of: str, receipt_no: str, rules: Rules
) -> None:
    if not service:
        if fund and kind not in WITHOUT_ACCOUNT:
            raise RowError(
                "service: empty, and there is a fund; name the service, or leave both empty for"
                " money that nobody has assigned"
            )
    elif rules.services and service not in rules.services:
        raise RowError(
            f"service: {word_of(service)} is not in [posted] services of till.toml; add it there,"
            f" or export one of {', '.join(rules.services)}"
        )
    if void_of and status not in ("void", "reversed") and kind not in ("refund", "correction"):
        raise RowError(
            f"void_of: set on a row with status {status}; write status void or reversed, or leave"
            " it empty"
        )
    if void_of == receipt_no and kind == "refund":
        raise RowError("void_of: the receipt itself; name the one that the refund gives back")


# --- amounts --------------------------------------------------------------------------------------


def _check_amounts(
    kind: str, status: str, tender_type: str, tendered: int, change: int, allocation: int
) -> None:
    if change and tender_type not in CHANGE_TENDERS:
        raise RowError(
            f"change_cents: on the tender {tender_type}, on which nothing is handed back; write a"
            " row of its own with kind refund or paid_out"
        )
    # A receipt whose cash is nothing but what was handed back: 100.00 by check, 20.00 out.
    if abs(change) > abs(tendered) and (tendered or tender_type != "cash"):
        raise RowError(
            "change_cents: more than the tender_amount_cents of its row; write what was handed over"
            " into tender_amount_cents"
        )
    if status in ("void", "reversed"):
        return  # a system shows what it takes back with either sign
    if kind == PAYMENT:
        if tendered < 0 or change < 0:
            name = "tender_amount_cents" if tendered < 0 else "change_cents"
            raise RowError(
                f"{name}: negative on a row that takes nothing back; write kind refund or paid_out,"
                " or status reversed with void_of"
            )
        return
    signs = KINDS[kind]
    if kind == "correction":
        if tendered or change:
            raise RowError(
                "tender_amount_cents: not 0 on a correction, which moves no money; write kind"
                " refund for money that was handed back"
            )
    elif (tendered > 0 and "+" not in signs) or (tendered < 0 and "-" not in signs):
        wanted = "0 or less: it leaves the drawer" if signs == "-" else "0 or more: it comes in"
        raise RowError(f"tender_amount_cents: the sign of a {kind} is {wanted}; turn it round")
    if change and kind != PAYMENT:
        raise RowError(f"change_cents: on a {kind}; write the amount that moved, and 0 here")


# --- times ----------------------------------------------------------------------------------------


def _posted_ms(text: str) -> int:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise RowError(
            "posted_at: not ISO 8601 such as 2026-11-20T10:42:08-06:00; export it like that, or"
            " name its form in a column map"
        ) from None
    if moment.tzinfo is None:
        raise RowError(
            "posted_at: lacks its offset from UTC, such as -06:00: on the night when clocks go back"
            " one hour comes twice; export it with the offset"
        )
    return (moment - _EPOCH) // _MS


@functools.lru_cache(maxsize=1_000)
def _business_date(text: str) -> datetime.date:
    try:
        if _DATE.fullmatch(text):
            return datetime.date.fromisoformat(text)
    except ValueError:
        raise RowError(
            "business_date: no day of the calendar; write one such as 2026-11-20"
        ) from None
    if _OTHER_DATE.fullmatch(text):
        raise RowError(
            "business_date: a date in another order; write 2026-11-20, or name the order in a"
            " column map"
        )
    raise RowError("business_date: not a date such as 2026-11-20; write it like that")


def _check_dates(
    posted_date: str, posted_ms: int, business_date: datetime.date, rules: Rules
) -> None:
    apart = _days_apart(posted_date, business_date)
    if apart > rules.days_apart_max:
        raise RowError(
            f"business_date: {apart} days from posted_at, limit {rules.days_apart_max}; correct the"
            " date, or set [posted] days_apart_max in till.toml"
        )
    if _is_to_come(posted_ms, rules):
        raise RowError(
            f"posted_at: more than {rules.days_apart_max} days in the future; correct the date, or"
            " the clock of this machine"
        )


def _is_to_come(posted_ms: int, rules: Rules) -> bool:
    return rules.now_ms is not None and posted_ms > rules.now_ms + rules.days_apart_max * _DAY_MS


@functools.lru_cache(maxsize=1_000)
def _days_apart(posted_date: str, business_date: datetime.date) -> int:
    try:
        return abs((datetime.date.fromisoformat(posted_date) - business_date).days)
    except ValueError:  # a form of ISO 8601 without hyphens, or a week date
        return 0


# --- what can be told of a row that is refused ----------------------------------------------------

# Texts that name a receipt, a window, a source. Anything else might be a name or an account of
# a column that moved.
_NUMBERED = re.compile(r"(?=.*[0-9])[A-Za-z0-9._/#:-]{1,40}", re.ASCII)
_NAMED = re.compile(
    r"[a-z][a-z0-9._-]{0,23}|[A-Z0-9._-]{1,8}|(?=.*[0-9])[A-Za-z0-9._-]{1,24}", re.ASCII
)
_FORMS: Mapping[str, Callable[[str], object]] = {
    "receipt_no": _NUMBERED.fullmatch, "line_no": _LINE_NO.fullmatch,
    "window_id": _NAMED.fullmatch, "tender_id": _NUMBERED.fullmatch,
    "source_system": _NAMED.fullmatch,
    "tender_type": _TENDERS.__contains__, "status": _STATUSES.__contains__,
}  # fmt: skip
_SYSTEM = re.compile(r"(?=.*[a-zA-Z])([a-z0-9._-]{1,24}|[A-Z0-9._-]{1,24})", re.ASCII)
_LEADING = COLUMNS[: COLUMNS.index("account_no")]  # those before the first text of a person


def source_shown(text: str) -> str:
    """The name of a system as it is; anything else is not shown."""
    return repr(text) if _SYSTEM.fullmatch(text) else "something else"


def readable_of(cells: Sequence[str], rules: Rules, is_whole: bool = True) -> dict[str, str | int]:
    """{field of a posting: its value} as far as a refused row can be read: whose it is, when, and
    which tender; never a text that could be a person's. Of a row with too few or too many cells
    (`is_whole` False), what stands before the place where that may have happened.
    """
    names = COLUMNS if is_whole else _LEADING
    row = dict(zip(names, cells, strict=False))
    found: dict[str, str | int] = {
        name: int(row[name]) if name == "line_no" else row[name]
        for name, form in _FORMS.items()
        if form(row.get(name, "")) and not is_cut_number(row[name])
        and not holds_card_number(row[name])
    }  # fmt: skip
    with suppress(RowError):
        found["posted_ms"] = _posted_ms(row.get("posted_at", ""))
    with suppress(RowError):
        date = _business_date(row.get("business_date", ""))
        found["business_date"] = date.isoformat()
        posted_date = row.get("posted_at", "")[:10]
        if "posted_ms" in found and _days_apart(posted_date, date) > rules.days_apart_max:
            found["business_date"] = posted_date  # the day whose page has to tell of it
    if _is_to_come(int(found.get("posted_ms", 0)), rules):
        found = {name: found[name] for name in found.keys() - {"posted_ms", "business_date"}}
    if not is_whole and not {"line_no", "posted_ms", "business_date"} <= found.keys():
        return {}  # the columns moved before
    if rules.receipt_scope == "source" or {"window_id", "business_date"} <= found.keys():
        found["scope"] = rules.scope_of(
            str(found.get("window_id", "")), str(found.get("business_date", ""))
        )
    return found
