"""Returned payments as a bank sends them back (a NACHA file of return entries): all of the file or
nothing, by its own hashes and totals.

Fixed columns of 94 characters: no library here reads returns and refuses spoiled ones. Source: the
NACHA Operating Rules' file layout: file header 1, batch header 5, entry 6, addenda 7 (99 return,
98 notification of change), batch control 8, file control 9. Columns below count from zero.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field

from gateway.facts.settlements import ReturnedItem
from gateway.incoming.bank_file import BankFileError, capped, check_size, differs, miscounted

WIDTH, BLOCK = 94, 10  # characters of a record; records of a block
PADDING = "9" * WIDTH
# What may follow a record. A return without its addenda is no return.
_FOLLOWS = {"": "1", "1": "59", "5": "6", "6": "7", "7": "678", "8": "59", "9": ""}
_RETURN_OF_CREDIT = frozenset(("21", "31", "41", "51"))  # savings, ledger and loan likewise
_RETURN_OF_DEBIT = frozenset(("26", "36", "46", "55", "56"))
_HASH = 10**10  # a hash keeps its last ten digits
_REASON = re.compile(r"R\d\d", re.ASCII)
_CHANGE = re.compile(r"C\d\d", re.ASCII)
_DIGITS = re.compile(r"\d+", re.ASCII)


@dataclass(frozen=True)
class Notice:
    """A notification of change: an account number of a payer is to be corrected. No money moves."""

    trace: str
    code: str  # C01 to C13
    original_trace: str
    record_no: int


@dataclass(frozen=True)
class ReturnFile:
    """What one file says."""

    items: tuple[ReturnedItem, ...]
    notices: tuple[Notice, ...]
    date: str = ""  # on which the bank made it
    about: str = ""  # bank, day and letter: what makes it this file of its bank's


@dataclass
class _Totals:
    """What a batch or the file sums to."""

    entries: int = 0  # entries and addenda
    hash: int = 0
    debit_cents: int = 0
    credit_cents: int = 0

    def add(self, other: _Totals) -> None:
        self.entries += other.entries
        self.hash += other.hash
        self.debit_cents += other.debit_cents
        self.credit_cents += other.credit_cents


@dataclass
class _Reading:
    """One pass over a file."""

    name: str
    number: int = 0
    batches: int = 0
    batch_header: str = ""
    entry: str = ""
    entry_number: int = 0
    batch: _Totals = field(default_factory=_Totals)
    file: _Totals = field(default_factory=_Totals)
    items: list[ReturnedItem] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    date: str = ""
    about: str = ""
    traces: set[tuple[str, str]] = field(default_factory=set)

    def wrong(self, reason: str) -> BankFileError:
        return BankFileError(self.name, f"record {self.number}", reason)

    def digits(self, record: str, start: int, end: int, what: str) -> int:
        """A number in fixed columns. Raises BankFileError for blanks, letters and signs."""
        text = record[start:end]
        if not _DIGITS.fullmatch(text):
            raise self.wrong(f"columns {start + 1} to {end}, {what}: not digits alone")
        return int(text)


def read_returns(content: bytes, name: str) -> ReturnFile:
    """The returned items and notices of a file, in its order.

    Raises BankFileError for the first thing that is wrong, with the number of its record; then
    nothing of the file counts.
    """
    check_size(content, name)
    records = _records(content, name)
    reading, before = _Reading(name), ""
    for reading.number, record in enumerate(records, 1):
        if before == "9":
            if record == PADDING:
                continue
            raise reading.wrong("something follows the file control: two files in one, or a cut")
        kind = record[0]
        if kind not in _FOLLOWS[before]:
            wanted = " or ".join(_FOLLOWS[before])
            raise reading.wrong(
                f"a record of another type than {wanted}; records are missing or out of order"
            )
        _TAKE[kind](reading, record)
        before = kind
    if before != "9":
        raise reading.wrong("the file ends without its control record: it was cut short")
    _check_blocks(reading, records)
    return ReturnFile(tuple(reading.items), tuple(reading.notices), reading.date, reading.about)


def _records(content: bytes, name: str) -> list[str]:
    """The records of 94 characters: a line each, ten a line, or all in one stream; blanks that a
    transfer took from the end of a line are put back.
    """
    content = content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\x1a")
    lines = [line for line in content.splitlines() if line.strip()]
    if lines and len(lines[0]) > WIDTH and all(len(line) % WIDTH == 0 for line in lines[:-1]):
        stream = b"".join(lines)
        lines = [stream[at : at + WIDTH] for at in range(0, len(stream), WIDTH)]
    records = []
    for number, line in enumerate(lines, 1):
        where = f"record {number}"
        if not line.isascii() or any(byte < 32 for byte in line):
            raise BankFileError(name, where, "a byte that is not ASCII text")
        text = line.decode("ascii")
        if len(text.rstrip()) > WIDTH:
            reason = f"{len(text.rstrip())} characters, a record has {WIDTH}"
            raise BankFileError(name, where, reason)
        text = text[:WIDTH].ljust(WIDTH)
        if text[0] not in "156789" or (number == 1 and text[:3] != "101"):
            reason = "it does not begin as a NACHA record does; ask the bank for the return file"
            raise BankFileError(name, where, reason)
        records.append(text)
    return records


# --- one record each ------------------------------------------------------------------------------


def _file_header(reading: _Reading, record: str) -> None:
    if record[34:39] != "09410":
        raise reading.wrong("columns 35 to 39: not 094 and 10, the sizes of record and block")
    reading.date = _date(reading, record[23:29], "the day of the file, columns 24 to 29")
    if not reading.date:
        raise reading.wrong("columns 24 to 29: the file says no day on which it was made")
    reading.about = about_of(record)


def about_of(header: str) -> str:
    """What makes a return file this one of its bank's: its origin, its day and its letter."""
    return " ".join((header[13:23].strip(), header[23:29], header[33].strip()))


def _batch_header(reading: _Reading, record: str) -> None:
    if record[1:4] not in ("200", "220", "225"):
        raise reading.wrong("columns 2 to 4: not a service class 200, 220 or 225")
    reading.batch_header, reading.batch = record, _Totals()
    reading.batches += 1


def _entry(reading: _Reading, record: str) -> None:
    code, addenda = record[1:3], record[78]
    if code not in _RETURN_OF_CREDIT | _RETURN_OF_DEBIT:
        raise reading.wrong("columns 2 and 3: not the transaction code of a return")
    if addenda != "1":
        raise reading.wrong("column 79: no addenda follows, so nobody says why it comes back")
    route = reading.digits(record, 3, 11, "the receiving bank")
    check = reading.digits(record, 11, 12, "the check digit of the receiving bank")
    if check_digit(record[3:11]) != check:
        raise reading.wrong("column 12: the check digit of the receiving bank is wrong")
    cents = reading.digits(record, 29, 39, "the amount")
    reading.digits(record, 79, 94, "the trace number")
    is_credit = code in _RETURN_OF_CREDIT
    one = _Totals(1, route, 0 if is_credit else cents, cents if is_credit else 0)
    reading.batch.add(one)
    reading.entry, reading.entry_number = record, reading.number


def _addenda(reading: _Reading, record: str) -> None:
    kind, code, entry = record[1:3], record[3:6], reading.entry
    if kind not in ("98", "99"):
        raise reading.wrong("columns 2 and 3: neither 99, a return, nor 98, a change")
    if not entry:
        raise reading.wrong("a second addenda for one returned item")
    trace = entry[79:94]
    if kind == "99" and record[79:94] != trace:  # a notice may have one of its own
        raise reading.wrong("columns 80 to 94: the trace number is not that of its entry")
    if (reading.batch_header[79:87], trace) in reading.traces:
        raise reading.wrong("the same trace number twice in one file: an item was doubled")
    reading.traces.add((reading.batch_header[79:87], trace))
    reading.digits(record, 6, 21, "the original trace number")
    reading.batch.add(_Totals(entries=1))
    cents = int(entry[29:39])
    if kind == "98":
        if not _CHANGE.fullmatch(code) or cents:
            raise reading.wrong("a notification of change has a code C01 to C13 and no amount")
        reading.notices.append(Notice(trace, code, record[6:21], reading.entry_number))
    else:
        reading.items.append(_item(reading, entry, record, code, cents))
    reading.entry = ""


def _item(reading: _Reading, entry: str, addenda: str, code: str, cents: int) -> ReturnedItem:
    if not _REASON.fullmatch(code) or code == "R00":
        raise reading.wrong("columns 4 to 6: not a reason such as R01")
    if cents == 0:
        raise reading.wrong("a return of nothing: its amount is zero")
    payer = "".join(char for char in entry[12:29] if char.isalnum())
    return ReturnedItem(
        trace=entry[79:94],
        amount_cents=cents,
        reason_code=code,
        original_trace=addenda[6:21],
        original_date=_date(
            reading, reading.batch_header[69:75], "the batch's day, columns 70 to 75 of its header,"
        ),
        customer_ref=capped(entry[39:54]),
        account_end=payer[-4:] if len(payer) >= 8 else "",  # of a short one it would be too much
        entry_class=reading.batch_header[50:53].strip(),
        is_credit=entry[1:3] in _RETURN_OF_CREDIT,
        record_no=reading.entry_number,
    )


def _date(reading: _Reading, text: str, what: str) -> str:
    """20YY-MM-DD of YYMMDD; "" when the bank leaves it blank, which some write as 000101."""
    if not text.strip(" 0") or text == "000101":
        return ""
    try:
        if _DIGITS.fullmatch(text):
            return datetime.date(2000 + int(text[:2]), int(text[2:4]), int(text[4:])).isoformat()
    except ValueError:
        pass
    raise reading.wrong(f"{what} is not a date YYMMDD")


def _batch_control(reading: _Reading, record: str) -> None:
    header = reading.batch_header
    if record[1:4] != header[1:4]:
        raise reading.wrong("columns 2 to 4: not the service class of its batch header")
    # banks put the company to the left in the one and to the right in the other
    if record[44:54].strip() != header[40:50].strip() or record[79:94] != header[79:94]:
        raise reading.wrong("company, bank or batch number are not those of its batch header")
    found = reading.batch
    stated = _Totals(
        reading.digits(record, 4, 10, "the count of entries"),
        reading.digits(record, 10, 20, "the hash"),
        reading.digits(record, 20, 32, "the total of debits"),
        reading.digits(record, 32, 44, "the total of credits"),
    )
    _compare(reading, "the batch", stated, found)
    if (header[1:4] == "225" and found.credit_cents) or (
        header[1:4] == "220" and found.debit_cents
    ):
        raise reading.wrong("a batch of debits holds credits, or the other way round")
    reading.file.add(found)


def _file_control(reading: _Reading, record: str) -> None:
    batches = reading.digits(record, 1, 7, "the count of batches")
    if batches != reading.batches:
        raise reading.wrong(miscounted("batches", batches, reading.batches))
    stated = _Totals(
        reading.digits(record, 13, 21, "the count of entries"),
        reading.digits(record, 21, 31, "the hash"),
        reading.digits(record, 31, 43, "the total of debits"),
        reading.digits(record, 43, 55, "the total of credits"),
    )
    _compare(reading, "the file", stated, reading.file)


def _compare(reading: _Reading, whose: str, stated: _Totals, found: _Totals) -> None:
    if stated.entries != found.entries:
        raise reading.wrong(
            miscounted(f"entries and addenda of {whose}", stated.entries, found.entries)
        )
    if stated.hash != found.hash % _HASH:
        raise reading.wrong(
            f"hash of {whose}: its receiving banks do not sum to it; ask the bank for it again"
        )
    if stated.debit_cents != found.debit_cents:
        raise reading.wrong(differs(f"debits of {whose}", stated.debit_cents, found.debit_cents))
    if stated.credit_cents != found.credit_cents:
        raise reading.wrong(differs(f"credits of {whose}", stated.credit_cents, found.credit_cents))


def _check_blocks(reading: _Reading, records: list[str]) -> None:
    """The count of blocks, of a file whose padding stands and of one from which it was taken."""
    control = next(record for record in records if record[0] == "9")
    reading.number = records.index(control) + 1
    blocks = reading.digits(control, 7, 13, "the count of blocks")
    if blocks != -(-reading.number // BLOCK):
        raise reading.wrong(miscounted("blocks", blocks, -(-reading.number // BLOCK)))


def check_digit(route: str) -> int:
    """The ninth digit of a bank's number: weights 3, 7, 1 over the first eight (ABA)."""
    total = sum(int(char) * (3, 7, 1)[index % 3] for index, char in enumerate(route))
    return -total % 10


_TAKE = {
    "1": _file_header, "5": _batch_header, "6": _entry, "7": _addenda, "8": _batch_control,
    "9": _file_control,
}  # fmt: skip
