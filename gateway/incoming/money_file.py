"""Files of the card processor and of the bank into the ledger: each line once, nothing dropped
silently. docs/settlement-csv.md and docs/bank.md are the pages.

A settlement.csv counts but for its bad rows; a file of the bank counts as a whole or not at all.
What is refused is kept with line, reason and next step, until a later file says it soundly.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.errors import DataError, PermissionDenied, TryAgain, UsageError
from gateway.facts.settlements import (
    BANK,
    SETTLEMENT,
    BankLine,
    MoneyFile,
    MoneyLine,
    MoneyRefusal,
    SettlementLine,
)
from gateway.incoming.bank_bai2 import bai2_report
from gateway.incoming.bank_camt import read_camt053
from gateway.incoming.bank_file import BankFileError, BankReport, read_bank_file
from gateway.incoming.bank_nacha import about_of, read_returns
from gateway.incoming.kinds import BAI2, NACHA, SETTLEMENT_CSV, Took
from gateway.incoming.posted_file import REFUSED_SHOWN_MAX, ImportResult
from gateway.incoming.settlement import Refusal, SettlementReader
from gateway.store import money
from gateway.store.engine import Db, StorageBusy, is_other_schema
from gateway.store.entries import transaction

NOT_BOOKED_SHOWN = 5
ABOUTS_MAX = 200  # batches or account days of a refused file that are kept

_BAI2_DAY = re.compile(rb"^02,[^,\r\n]*,[^,\r\n]*,[^,\r\n]*,(\d{2})(\d{2})(\d{2}),", re.M)
_BAI2_ACCOUNT = re.compile(rb"^03,([0-9A-Za-z]{1,34}),", re.M)
_CAMT_DAY = re.compile(rb"<(?:\w+:)?BookgDt>\s*<(?:\w+:)?Dt>(\d{4}-\d{2}-\d{2})<")


@dataclass
class _Reading:
    """What one pass over a file finds."""

    size_bytes: int = 0
    digest: bytes = b""
    rows: int = 0
    fault: str = ""  # why nothing of the file counts
    lines: list[MoneyLine] = field(default_factory=list)
    again: int = 0  # rows that this file says twice
    refusals: list[MoneyRefusal] = field(default_factory=list)
    abouts: set[str] = field(default_factory=set)  # what the file is about, beside its lines
    days: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    @property
    def dates(self) -> tuple[str, str]:
        """The first and the last day that it reports; empty for none."""
        return (min(self.days), max(self.days)) if self.days else ("", "")


def import_money(
    db: Db,
    path: Path,
    took: Took,
    now_ms: int,
    currency: str = "USD",
    directions: Mapping[str, int] | None = None,
) -> ImportResult:
    """Keep what a file says. The same file, or the same line, again changes nothing.

    `currency` is the office's; `directions`: see bank_bai2.py. Raises UsageError, PermissionDenied
    and TryAgain as import_posted does.
    """
    try:
        reading = _READ.get(took.form, _read_bank)(path, took, currency, directions)
        with transaction(db):
            return _keep(db, path.name, took, reading, now_ms)
    except StorageBusy as error:
        if is_other_schema(error):
            raise
        raise TryAgain(
            f"{path}: nothing imported, the ledger answered: {error}; free it or its disk and"
            " import again"
        ) from error


# --- reading --------------------------------------------------------------------------------------


def _read_settlement(
    path: Path, _took: Took, _currency: str, _directions: Mapping[str, int] | None
) -> _Reading:
    reading = _Reading()
    batches: dict[str, set[str]] = {}  # {batch: its days}
    try:
        with path.open("rb") as file:
            reader = SettlementReader(file, path.name)
            for each in _whole_or_fault(reader):
                if isinstance(each, Refusal):
                    reading.again += each.is_again
                    if not each.is_again:
                        reading.refusals.append(
                            MoneyRefusal(each.line, each.reason, each.about, each.date)
                        )
                    continue
                number, line = each
                identity = " ".join(str(part) for part in line.key)
                reading.lines.append(MoneyLine(number, line.settled_date, identity, line))
                batch = identity.rpartition(" ")[0]
                batches.setdefault(batch, set()).add(line.settled_date)
                reading.days.add(line.settled_date)
            reading.size_bytes = file.tell()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UsageError(f"{path}: no such file; name the settlement to import") from error
    except PermissionError as error:
        raise PermissionDenied(f"{path}: not readable; give the gateway's user access") from error
    reading.digest, reading.rows, reading.fault = reader.digest, reader.rows, reader.fault
    reading.abouts = set(batches)
    if reading.fault:
        reading.refusals += _whole(
            reading.fault, [(batch, max(days)) for batch, days in batches.items()]
        )
    return reading


def _whole_or_fault(
    reader: SettlementReader,
) -> Iterator[tuple[int, SettlementLine] | Refusal]:
    """What the reader gives; a header that went wrong is a fault of the file, and kept."""
    try:
        yield from reader
    except DataError as error:
        reader.fault = "line " + str(error).removeprefix(f"{reader.name}:")
        reader.read_rest()


def _whole(fault: str, abouts: Iterable[tuple[str, str]]) -> list[MoneyRefusal]:
    """The refusals of a whole file: one for each batch, or account and day, that it is about."""
    found = [MoneyRefusal(0, fault, *each) for each in sorted(set(abouts))[:ABOUTS_MAX]]
    return found or [MoneyRefusal(0, fault)]


def _read_bank(
    path: Path, took: Took, currency: str, directions: Mapping[str, int] | None
) -> _Reading:
    content = read_bank_file(path)
    reading = _Reading(len(content), hashlib.sha256(content).digest())
    try:
        if took.form == BAI2:
            report = bai2_report(content, path.name, currency, directions)
        else:
            statement = read_camt053(content, path.name, currency)
            report = BankReport(statement.lines, statement.days, statement.not_booked)
    except BankFileError as error:
        return _refused(reading, error, _bank_days(content))
    counts: Counter[str] = Counter()
    for line in report.lines:
        alike = _alike(line)
        counts[alike] += 1
        identity = f"{alike} {counts[alike]}"
        reading.lines.append(MoneyLine(line.record_no, line.date, identity, line))
    reading.rows = len(report.lines)
    reading.abouts = {f"{account} {day}" for account, day in report.days}
    reading.days = {day for _, day in report.days}
    if report.not_booked:
        shown = ", ".join(map(str, report.not_booked[:NOT_BOOKED_SHOWN]))
        more = ", ..." * (len(report.not_booked) > NOT_BOOKED_SHOWN)
        reading.notes.append(f"entries that are not booked yet are in no line: {shown}{more}")
    return reading


def _read_returns(
    path: Path, _took: Took, _currency: str, _directions: Mapping[str, int] | None
) -> _Reading:
    content = read_bank_file(path)
    reading = _Reading(len(content), hashlib.sha256(content).digest())
    try:
        file = read_returns(content, path.name)
    except BankFileError as error:
        return _refused(reading, error, _return_day(content))
    for item in file.items:
        identity = replace(item, record_no=0).content().hex()
        reading.lines.append(MoneyLine(item.record_no, file.date, identity, item))
    reading.rows, reading.abouts, reading.days = len(file.items), {file.about}, {file.date}
    if file.notices:
        reading.notes.append(
            f"notifications of change, which move no money: {len(file.notices)}, first in record"
            f" {file.notices[0].record_no}; correct those accounts before the next payment"
        )
    return reading


_READ = {SETTLEMENT_CSV: _read_settlement, NACHA: _read_returns}


def _alike(line: BankLine) -> str:
    """What two lines have in common that say the same, wherever they stand in a file."""
    return replace(line, record_no=0).content().hex()


def _refused(
    reading: _Reading, error: BankFileError, abouts: Iterable[tuple[str, str]]
) -> _Reading:
    reading.fault = ": ".join(part for part in (error.where, error.reason) if part)
    known = list(abouts)
    reading.refusals = _whole(reading.fault, known)
    reading.days = {day for _, day in known}
    return reading


def _bank_days(content: bytes) -> set[tuple[str, str]]:
    """(account and day, day) that a file which is not whole seems to be about."""
    days = {f"20{b'-'.join(match).decode()}" for match in _BAI2_DAY.findall(content)}
    accounts = {match.decode() for match in _BAI2_ACCOUNT.findall(content)}
    if days and accounts:
        return {(f"{account} {day}", day) for account in accounts for day in days}
    days |= {match.decode() for match in _CAMT_DAY.findall(content)}
    return {("", day) for day in days}


def _return_day(content: bytes) -> set[tuple[str, str]]:
    text = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:94].decode("ascii", "replace")
    day = text[23:29]
    if not re.fullmatch(r"\d{6}", day, re.ASCII):
        return set()
    return {(about_of(text), f"20{day[:2]}-{day[2:4]}-{day[4:]}")}


# --- keeping --------------------------------------------------------------------------------------


def _keep(db: Db, name: str, took: Took, reading: _Reading, now_ms: int) -> ImportResult:
    new = _new_lines(db, took, reading) if not reading.fault else []
    if reading.fault and not reading.refusals:
        reading.refusals = _whole(reading.fault, [(each, "") for each in reading.abouts])
    refused = sum(each.file_line > 0 for each in reading.refusals)
    sound = len(reading.lines) + reading.again if not reading.fault else 0
    state = "refused" if reading.fault else "imported"
    result = ImportResult(
        name, state, reading.fault, reading.rows, len(new), sound - len(new), refused,
        [(each.file_line, each.reason) for each in reading.refusals if each.file_line]
        [:REFUSED_SHOWN_MAX],
        reading.notes, took.kind, f"{took.form}: {took.why}",
    )  # fmt: skip
    before = money.known_money_file(db, reading.digest)
    if before is not None and not new and _is_same(before, result):
        result.state = "refused" if reading.fault else "already"
        if not reading.fault:
            _settle(db, int(before["id"]), name, took, reading)
        return result
    file_id = money.add_money_file(db, MoneyFile(
        reading.digest, name, reading.size_bytes, now_ms, took.kind, took.form, state,
        reading.fault, reading.rows, result.added, result.known, refused, *reading.dates,
    ))  # fmt: skip
    money.add_money_lines(db, file_id, took.kind, new)
    money.add_money_refusals(db, file_id, reading.refusals)
    if not reading.fault:
        _settle(db, file_id, name, took, reading)
    return result


def _is_same(before: dict[str, object], result: ImportResult) -> bool:
    """Whether nothing about a file is new since it was read before."""
    has = (before["state"], before["reason"], before["refused"])
    return has == (result.state, result.reason, result.refused)


def _new_lines(db: Db, took: Took, reading: _Reading) -> list[MoneyLine]:
    """The lines that the ledger lacks. What contradicts it is refused; where the same account and
    day came in another format, all of the file.
    """
    if took.kind == BANK:
        reading.fault = _told_before(db, took, reading)
        if reading.fault:
            return []
    known = money.known_lines(db, took.kind, [each.identity for each in reading.lines])
    sound, new = [], []
    for line in reading.lines:
        if line.identity not in known:
            new.append(line)
        elif took.kind == SETTLEMENT and line.said != known[line.identity][0]:
            _, file, at = known[line.identity]
            reason = (
                f"line_no: {file}:{at} says this line of its batch otherwise, and stands; ask the"
                " processor which is right: a correction is a line of its own"
            )
            reading.refusals.append(MoneyRefusal(line.file_line, reason, line.identity, line.date))
            continue
        sound.append(line)
    reading.lines = sound
    if took.kind == BANK and new and len(new) < len(sound):
        reading.notes.append(
            f"{len(new)} of its {len(sound)} lines are new on days that were reported before; all"
            " stand: see whether the bank corrected its report"
        )
    return new


def _told_before(db: Db, took: Took, reading: _Reading) -> str:
    """Why a bank's file would count money twice; empty when it would not."""
    first, last = reading.dates
    for each in money.money_lines(db, BANK, first, last):
        assert isinstance(each.value, BankLine)
        if each.form != took.form and f"{each.value.account} {each.date}" in reading.abouts:
            return (
                f"{each.date}: {each.file} ({each.form}) said this day of the same account before,"
                " and its money would count twice; import one format for each account"
            )
    return ""


def _settle(db: Db, file_id: int, name: str, took: Took, reading: _Reading) -> None:
    """What earlier files were refused for and this one says soundly: a line, a batch, an account's
    day or a return file that it has; of a file in which that could not be read, one of its name.
    """
    sound = {each.identity for each in reading.lines} | reading.abouts
    refused_here = {each.about for each in reading.refusals}
    is_whole = not reading.refusals
    settled = [
        refusal_id
        for refusal_id, about, date, file in money.open_refusals(db, took.kind)
        if about not in refused_here or not about
        if about in sound
        or (is_whole and file == name and (not about or date in {"", *reading.days}))
    ]
    money.settle_refusals(db, file_id, settled)
