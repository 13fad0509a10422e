"""Tables `posted_file`, `posting` and `posting_quarantine`: what the cashiering system posted, each
row once.

A file is first laid into a temporary table (`staging`), where whole-file questions are asked in
SQL; what is new of it is then posted in one transaction.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gateway.facts.postings import COLUMNS, Posting
from gateway.store.engine import Db, paged, placeholders, rows, value
from gateway.store.entries import append, append_found

_POSTING_COLUMNS = "receipt_no, line_no, posted_ms, " + ", ".join(COLUMNS[3:])
_STAGED_COLUMNS = (
    "file_line, tender_key, change_key, allocation_key, content, reason, " + _POSTING_COLUMNS
)
# Those that are no texts.
_TYPES = dict.fromkeys(
    ("line_no", "posted_ms", "tender_amount_cents", "change_cents", "allocation_cents"), "BIGINT"
)
_SAME_KEY = " AND ".join(
    f"posting.{name} = staged.{name}" for name in ("source_system", "receipt_no", "line_no")
)
_NEW_LINES = (
    "SELECT min(file_line) FROM staged WHERE reason IS NULL AND NOT EXISTS"
    f" (SELECT 1 FROM posting WHERE {_SAME_KEY}) GROUP BY source_system, receipt_no, line_no"
)


# --- one file, before it is posted ----------------------------------------------------------------


@contextmanager
def staging(db: Db) -> Iterator[None]:
    """The temporary table that one file is laid into; nothing of it is left afterwards."""
    db.execute("DROP TABLE IF EXISTS staged")
    typed = ", ".join(f"{name} {_TYPES.get(name, 'TEXT')}" for name in _POSTING_COLUMNS.split(", "))
    db.execute(
        "CREATE TEMPORARY TABLE staged (file_line BIGINT PRIMARY KEY, tender_key BIGINT,"
        f" change_key BIGINT, allocation_key BIGINT, content BYTEA, reason TEXT, {typed})"
    )
    try:
        yield
    finally:
        db.execute("DROP TABLE staged")


def stage(
    db: Db,
    batch: Sequence[tuple[int, Sequence[int | None], Posting | None, str | None]],
) -> None:
    """Lay rows in: (line of the file, the three amounts for the control line, the posting or None,
    the reason against it or None).
    """
    nothing = (None,) * len(COLUMNS)
    db.executemany(
        f"INSERT INTO staged ({_STAGED_COLUMNS}) VALUES {placeholders(1, 6 + len(COLUMNS))}",
        [
            (line, *amounts, posting and posting.content(), reason,
             *(nothing if posting is None else posting.values()))
            for line, amounts, posting, reason in batch
        ],
    )  # fmt: skip


def refuse_contradictions(db: Db) -> None:
    """Rows of one identity and different content in one file: nobody knows which is right."""
    db.execute(
        "UPDATE staged SET reason = 'receipt ' || receipt_no || ' line ' || line_no || ': this file"
        " says it in two ways' WHERE (source_system, receipt_no, line_no) IN (SELECT source_system,"
        " receipt_no, line_no FROM staged WHERE reason IS NULL GROUP BY 1, 2, 3 HAVING"
        " count(DISTINCT content) > 1)"
    )


def refuse_changed(db: Db) -> None:
    """Rows that an earlier file posted with other content: nothing is edited."""
    db.execute(
        "UPDATE staged SET reason = 'receipt ' || receipt_no || ' line ' || line_no || ' was"
        " posted before with other content' WHERE reason IS NULL AND EXISTS (SELECT 1 FROM posting"
        f" WHERE {_SAME_KEY} AND posting.content <> staged.content)"
    )


def refused_count(db: Db) -> int:
    """How many staged rows have a reason against them."""
    return int(value(db, "SELECT count(*) FROM staged WHERE reason IS NOT NULL"))


def staged_sums(db: Db) -> tuple[int, int, int]:
    """(tender, change, allocation) in cents over all rows of the file, a row that is given twice
    counted once: what its control line states.
    """
    for tender, change, allocation in db.execute(
        "SELECT coalesce(sum(tender_key), 0), coalesce(sum(change_key), 0),"
        " coalesce(sum(allocation_key), 0) FROM staged WHERE file_line IN (SELECT min(file_line)"
        " FROM staged GROUP BY source_system, receipt_no, line_no, CASE WHEN receipt_no IS NULL"
        " THEN file_line END)"
    ):
        return int(tender), int(change), int(allocation)
    raise AssertionError("an aggregate has one row")


def new_count(db: Db) -> int:
    """How many staged rows are sound and were never posted."""
    return int(value(db, f"SELECT count(*) FROM ({_NEW_LINES}) AS new_lines"))


# --- posting it -----------------------------------------------------------------------------------


def known_file(db: Db, sha256: bytes) -> dict[str, Any] | None:
    """id, state, reason, rows, added, known and refused of a file that was read before."""
    found = rows(
        db,
        "SELECT id, state, reason, rows, added, known, refused FROM posted_file WHERE sha256 = ?",
        (sha256,),
    )
    return found[0] if found else None


def file_hashes(db: Db) -> list[bytes]:
    """SHA-256 of every file that was read, in the order of reading."""
    return [bytes(digest) for (digest,) in db.execute("SELECT sha256 FROM posted_file ORDER BY id")]


def add_file(
    db: Db,
    sha256: bytes,
    name: str,
    size_bytes: int,
    imported_ms: int,
    state: str,
    reason: str,
    counts: tuple[int, int, int, int],
) -> int:
    """Note a file that was read whole; its id. `counts`: rows, added, known, refused."""
    file_id = append(
        db,
        "posted_file",
        "INSERT INTO posted_file (id, sha256, name, bytes, imported_ms, state, reason, rows, added,"
        " known, refused) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (sha256, name, size_bytes, imported_ms, state, reason, *counts),
    )
    assert file_id is not None, "a file that is known is not added again"
    return file_id


def post_new(db: Db, file_id: int) -> None:
    """Post every staged row that is sound and new."""
    append_found(
        db,
        "posting",
        f"INSERT INTO posting (id, file_id, file_line, {_POSTING_COLUMNS}, content) SELECT"
        f" ? + row_number() OVER (ORDER BY file_line), ?, file_line, {_POSTING_COLUMNS}, content"
        f" FROM staged WHERE file_line IN ({_NEW_LINES}) ORDER BY file_line",
        (file_id,),
    )


def keep_refused(db: Db, file_id: int, limit: int) -> None:
    """Keep line and reason of the first refused rows."""
    append_found(
        db,
        "posting_quarantine",
        "INSERT INTO posting_quarantine (id, file_id, file_line, reason) SELECT"
        " ? + row_number() OVER (ORDER BY file_line), ?, file_line, reason"
        " FROM staged WHERE reason IS NOT NULL ORDER BY file_line LIMIT ?",
        (file_id, limit),
    )


def refused_lines(db: Db, file_id: int, limit: int) -> list[tuple[int, str]]:
    """(line of the file, reason) of the first refused rows of a file."""
    found = db.execute(
        "SELECT file_line, reason FROM posting_quarantine WHERE file_id = ? ORDER BY id LIMIT ?",
        (file_id, limit),
    )
    return [(line, reason) for line, reason in found]


# --- reading --------------------------------------------------------------------------------------


def postings_between(
    db: Db, window: str, business_date: str, since_ms: int, until_ms: int
) -> list[Posting]:
    """Postings of a window that belong to a business day or were posted in a span of time, in the
    order of posting.
    """
    found = db.execute(
        f"SELECT {_POSTING_COLUMNS} FROM posting WHERE window_id = ?"
        " AND (business_date = ? OR (posted_ms >= ? AND posted_ms < ?))"
        " ORDER BY posted_ms, source_system, receipt_no, line_no",
        (window, business_date, since_ms, until_ms),
    )
    return [Posting(*row) for row in found]


def receipts_posted(db: Db, receipts: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """{(source_system, receipt_no): business date} of those that were posted, ever."""
    found = {}
    for source, receipt in sorted(receipts):
        date = value(
            db,
            "SELECT min(business_date) FROM posting WHERE source_system = ? AND receipt_no = ?"
            " AND status IN ('posted', 'unknown')",
            (source, receipt),
        )
        if date is not None:
            found[(source, receipt)] = str(date)
    return found


def windows_posted(db: Db, business_date: str) -> list[str]:
    """The windows with postings for a business date, by name."""
    found = db.execute(
        "SELECT DISTINCT window_id FROM posting WHERE business_date = ? ORDER BY window_id",
        (business_date,),
    )
    return [str(window) for (window,) in found]


def posted_dates(db: Db, until_date: str, limit: int) -> list[str]:
    """The newest business dates up to `until_date` that anything was posted for, newest first."""
    found = db.execute(
        "SELECT DISTINCT business_date FROM posting WHERE business_date <= ?"
        " ORDER BY business_date DESC LIMIT ?",
        (until_date, limit),
    )
    return [str(date) for (date,) in found]


def is_posted_on(db: Db, business_date: str, since_ms: int, until_ms: int) -> bool:
    """Whether a payment for this date was posted in a span of time, Unix milliseconds UTC."""
    found = value(
        db,
        "SELECT 1 FROM posting WHERE business_date = ? AND posted_ms >= ? AND posted_ms < ?"
        " LIMIT 1",
        (business_date, since_ms, until_ms),
    )
    return found is not None


def quarantined(db: Db, since_ms: int = 0) -> list[dict[str, Any]]:
    """Rows that were not posted: file, line, reason; oldest first. since_ms: of files imported from
    then on.
    """
    return rows(
        db,
        "SELECT name AS file, file_line AS line, posting_quarantine.reason AS reason"
        " FROM posting_quarantine JOIN posted_file ON posted_file.id = file_id"
        " WHERE imported_ms >= ? ORDER BY posting_quarantine.id",
        (since_ms,),
    )


# --- for whoever checks them ----------------------------------------------------------------------


def hashed_postings(db: Db) -> Iterator[tuple[Posting, bytes, int, str]]:
    """(posting, the hash that is stored with it, line, file) of every posting."""
    query = (
        f"SELECT posting.id, content, file_line, name, {_POSTING_COLUMNS} FROM posting"
        " JOIN posted_file ON posted_file.id = file_id WHERE posting.id >= ?"
        " ORDER BY posting.id LIMIT ?"
    )
    for _, content, file_line, name, *values in paged(db, query):
        yield Posting(*values), content, file_line, name


def miscounted_files(db: Db) -> list[tuple[str, int, int]]:
    """(file, rows that it says were posted, rows that are here) where the two differ."""
    return list(
        db.execute(
            "SELECT name, added, found FROM (SELECT name, added, (SELECT count(*) FROM posting"
            " WHERE file_id = posted_file.id) AS found FROM posted_file) AS file"
            " WHERE added <> found"
        )
    )


def contents_by_key(db: Db, file_id: int | None = None) -> dict[tuple[str, str, int], bytes]:
    """{(source_system, receipt_no, line_no): hash} of all postings, or of those of one file."""
    where, values = ("", ()) if file_id is None else ("WHERE file_id = ?", (file_id,))  # type: tuple[str, tuple[int, ...]]
    found = db.execute(
        f"SELECT source_system, receipt_no, line_no, content FROM posting {where}", values
    )
    return {(source, receipt, line): content for source, receipt, line, content in found}
