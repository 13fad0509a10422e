"""A posted file before it is posted: laid into a temporary table, where whole-file questions are
asked in SQL; what is new of it is then posted in one transaction.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gateway.facts.postings import content_of
from gateway.store.engine import LAST, Db, placeholders, value
from gateway.store.entries import append_found
from gateway.store.postings import IDENTITY, POSTING_COLUMNS, sources

_NAMES = POSTING_COLUMNS.split(", ")
_DAY_MS = 86_400_000
ZERO_LED_MAX = 20_000  # numbers with a leading zero whose length is looked at
_STAGED_COLUMNS = (
    "file_line, tender_key, change_key, allocation_key, content, again, code, reason, "
    + POSTING_COLUMNS
)
# Those that are no texts.
_TYPES = dict.fromkeys(
    ("line_no", "posted_ms", "tender_amount_cents", "change_cents", "allocation_cents"), "BIGINT"
)
_SAME = " AND ".join(f"posting.{name} = staged.{name}" for name in IDENTITY)
_SAME_KNOWN = " AND ".join(f"known.{name} = staged.{name}" for name in IDENTITY)
_OTHER_NAMES = [name for name in _NAMES if name not in (*IDENTITY, "source_ref", "batch_id")]
# The same row under another receipt_scope: the setting was changed since.
_OTHER_SCOPE = (
    "posting.source_system = staged.source_system AND posting.receipt_no = staged.receipt_no AND"
    " posting.line_no = staged.line_no AND posting.scope <> staged.scope AND "
    + " AND ".join(f"posting.{name} = staged.{name}" for name in _OTHER_NAMES)
)
_IS_NEW = (
    f"NOT EXISTS (SELECT 1 FROM posting WHERE {_SAME} AND posting.content = staged.content)"
    f" AND NOT EXISTS (SELECT 1 FROM posting WHERE {_OTHER_SCOPE})"
)
_NEW = f"reason IS NULL AND again = 0 AND {_IS_NEW}"


@contextmanager
def staging(db: Db) -> Iterator[None]:
    """The temporary table that one file is laid into; nothing of it is left afterwards."""
    db.execute("DROP TABLE IF EXISTS staged")
    typed = ", ".join(f"{name} {_TYPES.get(name, 'TEXT')}" for name in _NAMES)
    db.execute(
        "CREATE TEMPORARY TABLE staged (file_line BIGINT NOT NULL, tender_key BIGINT,"
        " change_key BIGINT, allocation_key BIGINT, content BYTEA, again BIGINT, code TEXT,"
        f" reason TEXT, {typed})"
    )
    try:
        yield
    finally:
        db.execute("DROP TABLE staged")


StagedRow = tuple[Any, ...]


def sound_row(line: int, amounts: Sequence[int | None], values: tuple[str | int, ...]) -> StagedRow:
    """A row that can be posted: line of the file, the three amounts for the control line, the
    values of the posting.
    """
    return (line, *amounts, content_of(values), 0, None, None, *values)


def refused_row(
    line: int,
    amounts: Sequence[int | None],
    code: str,
    reason: str,
    readable: Mapping[str, str | int],
) -> StagedRow:
    """A row with a reason against it, and what can be read of it."""
    return (line, *amounts, None, 0, code, reason, *map(readable.get, _NAMES))


def stage(db: Db, batch: Sequence[StagedRow]) -> None:
    """Lay rows in."""
    columns = _STAGED_COLUMNS.count(",") + 1
    db.executemany(
        f"INSERT INTO staged ({_STAGED_COLUMNS}) VALUES {placeholders(1, columns)}", batch
    )


def index_staged(db: Db) -> None:
    """All rows are in: the questions below are asked by line and by receipt. A line of a vendor's
    export may give several rows.
    """
    db.execute("CREATE INDEX staged_by_line ON staged (file_line)")
    db.execute("CREATE INDEX staged_by_row ON staged (receipt_no, line_no, source_system, scope)")
    db.execute("CREATE INDEX staged_refused ON staged (receipt_no) WHERE reason IS NOT NULL")


# --- questions ------------------------------------------------------------------------------------

_SAID = (
    "window_id, business_date, posted_ms, tender_type, tender_amount_cents, change_cents,"
    " allocation_cents, account_no, status"
)
_REPEATED = (
    f"SELECT {', '.join(IDENTITY)} FROM staged WHERE content IS NOT NULL GROUP BY"
    " receipt_no, line_no, source_system, scope HAVING count(*) > 1"
)


def said_twice(db: Db) -> list[tuple[Any, ...]]:
    """Rows of one identity with several contents: identity, line, and what is compared of each, by
    identity. The second of two equal rows is marked, and counts once.
    """
    if value(db, f"SELECT 1 FROM ({_REPEATED} LIMIT 1) AS found") is None:
        return []
    names = ", ".join(IDENTITY)
    same = " AND ".join(f"first.{name} = staged.{name}" for name in IDENTITY)
    db.execute(
        "UPDATE staged SET again = 1 WHERE content IS NOT NULL AND EXISTS (SELECT 1 FROM staged AS"
        f" first WHERE {same} AND first.content = staged.content AND first.file_line <"
        " staged.file_line)"
    )
    return db.execute(
        f"SELECT {names}, file_line, {_SAID} FROM staged WHERE content IS NOT NULL AND again = 0"
        f" AND ({names}) IN ({_REPEATED} AND count(DISTINCT content) > 1)"
        f" ORDER BY {names}, file_line"
    ).fetchall()


def said_before(db: Db) -> Iterator[tuple[Any, ...]]:
    """Rows that the ledger has with another content and not with this one: line, receipt_no,
    line_no, what is compared of the row, and of the version that is there.
    """
    names = _SAID.split(", ")
    ours, theirs = (", ".join(f"{of}.{name}" for name in names) for of in ("staged", "posting"))
    for line, receipt, line_no, *said in db.execute(
        f"SELECT staged.file_line, staged.receipt_no, staged.line_no, {ours}, {theirs}"
        f" FROM staged JOIN posting ON {_SAME} WHERE staged.reason IS NULL AND staged.again = 0"
        " AND posting.content <> staged.content AND NOT EXISTS (SELECT 1 FROM posting AS known"
        f" WHERE {_SAME_KNOWN} AND known.content = staged.content)"
        " ORDER BY staged.file_line, posting.id"
    ):
        yield line, receipt, line_no, said[: len(names)], said[len(names) :]


def lost_zeros(db: Db) -> list[tuple[int, str, str, str]]:
    """(line, column, number, known number) of each staged row whose receipt or account is one of
    the ledger's but for leading zeros. A number with more zeros than the ledger's is only such a
    row when it was posted at the same moment: then the ledger has the spoilt one.
    """
    found: list[tuple[int, str, str, str]] = []
    of_source = " AND source_system = staged.source_system"
    looked = [("account_no", "", size) for size in _sizes_of_zero_led(db, "account_no")]
    looked += [
        ("receipt_no", of_source, size)
        for size in sorted(
            {size for source in sources(db)
             for size in _sizes_of_zero_led(db, "receipt_no", "source_system = ? AND ", source)}
        )
    ]  # fmt: skip
    for name, source, size in looked:
        padded = f"substr('{'0' * size}', 1, {size} - length(staged.{name})) || staged.{name}"
        found += db.execute(
            f"SELECT file_line, '{name}', {name}, {padded} FROM staged WHERE reason IS NULL"
            f" AND length({name}) < {size} AND {name} >= '1' AND {name} < ':' AND EXISTS"
            f" (SELECT 1 FROM posting WHERE {name} = {padded}{source})"
        ).fetchall()
    bare = "ltrim(staged.receipt_no, '0')"
    found += db.execute(
        f"SELECT file_line, 'receipt_no', receipt_no, {bare} FROM staged WHERE reason IS NULL AND"
        f" receipt_no >= '0' AND receipt_no < '1' AND EXISTS (SELECT 1 FROM posting WHERE"
        f" receipt_no = {bare} AND source_system = staged.source_system AND posted_ms ="
        " staged.posted_ms AND window_id = staged.window_id)"
    ).fetchall()
    return found


def _sizes_of_zero_led(db: Db, name: str, where: str = "", *values: str) -> list[int]:
    """How long the ledger's numbers are that begin with 0, by a look at some of them."""
    found = db.execute(
        f"SELECT DISTINCT length({name}) FROM (SELECT {name} FROM posting WHERE {where}{name} >="
        f" '0' AND {name} < '1' LIMIT {ZERO_LED_MAX}) AS looked_at",
        values,
    )
    return sorted(int(size) for (size,) in found)


def refuse(db: Db, verdicts: Iterable[tuple[str, str, int]]) -> None:
    """Put (code, reason) against lines of the file."""
    db.executemany(
        "UPDATE staged SET code = ?, reason = ? WHERE file_line = ? AND reason IS NULL", verdicts
    )


def rename(db: Db, renamed: Iterable[tuple[str, int]]) -> None:
    """Give refused rows another receipt number: (receipt_no, line of the file)."""
    db.executemany(
        "UPDATE staged SET receipt_no = ? WHERE file_line = ? AND reason IS NOT NULL", renamed
    )


def refuse_rest_of_receipts(db: Db) -> None:
    """A receipt is posted whole or not at all: its other rows are refused too. What cannot be read
    of a refused row (source, scope) may be that of any row.
    """
    if value(db, "SELECT 1 FROM staged WHERE reason IS NOT NULL LIMIT 1") is None:
        return
    is_of_it = (
        "bad.reason IS NOT NULL AND bad.receipt_no = staged.receipt_no AND (bad.source_system IS"
        " NULL OR bad.source_system = staged.source_system) AND (bad.scope IS NULL OR bad.scope ="
        " staged.scope)"
    )
    db.execute(
        "UPDATE staged SET code = 'receipt', reason = 'receipt ' || receipt_no || ': line ' ||"
        f" (SELECT min(bad.file_line) FROM staged AS bad WHERE {is_of_it}) || ' of this file is"
        " refused, and a receipt is posted whole or not at all' WHERE reason IS NULL AND"
        " receipt_no IN (SELECT receipt_no FROM staged WHERE reason IS NOT NULL)"
        f" AND EXISTS (SELECT 1 FROM staged AS bad WHERE {is_of_it})"
    )


def refused_count(db: Db, but_code: str = "") -> int:
    """How many staged rows have a reason against them, but those of one code."""
    return int(
        value(
            db,
            "SELECT count(*) FROM staged WHERE reason IS NOT NULL AND code <> ?",
            (but_code,),
        )
    )


def staged_sums(db: Db) -> Iterator[tuple[int, int, int]]:
    """(tender, change, allocation) in cents over all rows of the file, in the ways in which its
    control line may count: every row, each different row once, each receipt line once. The last
    takes long.
    """
    for counted in (
        "",
        " WHERE again = 0",
        " WHERE file_line IN (SELECT min(file_line) FROM staged GROUP BY source_system, receipt_no,"
        " line_no, CASE WHEN receipt_no IS NULL OR line_no IS NULL OR source_system IS NULL"
        " THEN file_line END)",
    ):
        for sums in db.execute(
            "SELECT coalesce(sum(tender_key), 0), coalesce(sum(change_key), 0),"
            f" coalesce(sum(allocation_key), 0) FROM staged{counted}"
        ).fetchall():
            tender, change, allocation = map(int, sums)
            yield tender, change, allocation


def unread_amounts(db: Db) -> tuple[int, int, int]:
    """In how many rows tender, change and allocation cannot be read."""
    for tender, change, allocation in db.execute(
        "SELECT count(*) - count(tender_key), count(*) - count(change_key),"
        " count(*) - count(allocation_key) FROM staged"
    ):
        return int(tender), int(change), int(allocation)
    raise AssertionError("an aggregate has one row")


def dates_of(db: Db) -> tuple[str, str]:
    """The first and the last business date in the file; empty for none."""
    for first, last in db.execute(
        "SELECT min(business_date), max(business_date) FROM staged WHERE content IS NOT NULL"
    ):
        return first or "", last or ""
    raise AssertionError("an aggregate has one row")


def new_count(db: Db) -> int:
    """How many staged rows are sound and were never posted."""
    return int(value(db, f"SELECT count(*) FROM staged WHERE {_NEW}"))


# --- posting --------------------------------------------------------------------------------------


def post_new(db: Db, file_id: int) -> None:
    """Post every staged row that is sound and new."""
    append_found(
        db,
        "posting",
        f"INSERT INTO posting (id, file_id, file_line, {POSTING_COLUMNS}, content) SELECT"
        f" ? + row_number() OVER (ORDER BY file_line), ?, file_line, {POSTING_COLUMNS}, content"
        f" FROM staged WHERE {_NEW} ORDER BY file_line",
        (file_id,),
    )


def keep_refused(db: Db, file_id: int, limit: int, unposted_limit: int) -> None:
    """Keep the first refused rows, as far as they can be read, and of a file that stays unposted
    (unposted_limit over 0) the others too.
    """
    texts = ("source_system", "scope", "receipt_no", "business_date", "window_id", "tender_id",
             "tender_type", "status")  # fmt: skip
    numbers = ("line_no", "posted_ms")
    keys = ("tender_key", "change_key", "allocation_key")
    found = [f"coalesce({name}, '')" for name in texts]
    found += [f"coalesce({name}, 0)" for name in (*numbers, *keys)]
    columns = ", ".join((*texts, *numbers, "tender_amount_cents", "change_cents",
                         "allocation_cents"))  # fmt: skip
    known = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    for where, code, most in (
        ("reason IS NOT NULL", "code", limit), ("reason IS NULL", "'file'", unposted_limit)
    ):  # fmt: skip
        append_found(
            db,
            "posting_quarantine",
            f"INSERT INTO posting_quarantine (id, file_id, file_line, reason, {columns},"
            " amounts_known, code) SELECT ? + row_number() OVER (ORDER BY file_line), ?, file_line,"
            f" coalesce(reason, ''), {', '.join(found)}, CASE WHEN {known} THEN 1 ELSE 0 END,"
            f" {code} FROM staged WHERE {where} ORDER BY file_line LIMIT ?",
            (file_id, most),
        )


def keep_fault(db: Db, file_id: int, reason: str, business_date: str) -> None:
    """Keep that a file stays unposted of which not every row could be kept."""
    append_found(
        db,
        "posting_quarantine",
        "INSERT INTO posting_quarantine (id, file_id, file_line, reason, business_date, code)"
        " SELECT ? + 1, ?, 0, ?, ?, 'file'",
        (file_id, reason, business_date),
    )


_OF_RECEIPT = (
    "EXISTS (SELECT 1 FROM staged WHERE staged.receipt_no = posting_quarantine.receipt_no AND"
    " staged.reason IS NULL AND (posting_quarantine.source_system = '' OR staged.source_system ="
    " posting_quarantine.source_system) AND (posting_quarantine.scope = '' OR staged.scope ="
    " posting_quarantine.scope))"
)


def settle(db: Db, file_id: int, name: str, is_whole: bool, dates: tuple[str, str]) -> None:
    """What was refused before and this file says soundly is settled: a receipt that it has, and,
    when nothing of it was refused, what could not be read in an earlier file of the same name for
    the same days.
    """
    same_days = (
        "CASE WHEN business_date <> '' THEN business_date >= ? AND business_date <= ?"
        " WHEN posted_file.first_date <> '' THEN posted_file.last_date >= ? AND"
        " posted_file.first_date <= ? ELSE imported_ms >= ? AND imported_ms < ? END"
    )
    append_found(
        db,
        "posting_settled",
        "INSERT INTO posting_settled (id, quarantine_id, file_id) SELECT ? + row_number() OVER"
        " (ORDER BY posting_quarantine.id), posting_quarantine.id, ? FROM posting_quarantine"
        " JOIN posted_file ON posted_file.id = file_id WHERE file_id <> ? AND NOT EXISTS"
        " (SELECT 1 FROM posting_settled WHERE quarantine_id = posting_quarantine.id) AND"
        f" ((receipt_no <> '' AND {_OF_RECEIPT}) OR (receipt_no = '' AND ? = 1 AND"
        f" posted_file.name = ? AND {same_days}))",
        (file_id, file_id, int(is_whole), name, *dates, *dates, *_around(dates)),
    )


def _around(dates: tuple[str, str]) -> tuple[int, int]:
    """When a file with rows of these business dates is likely to be imported, Unix milliseconds:
    from the first day on and until the second day after the last.
    """
    if not dates[0]:
        return LAST, LAST
    first, last = (
        int(datetime.datetime.fromisoformat(f"{date}T00:00+00:00").timestamp()) * 1000
        for date in dates
    )
    return first, last + 2 * _DAY_MS
