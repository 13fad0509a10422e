"""Tables `posted_file`, `posting`, `posting_quarantine` and `posting_settled`: what the
cashiering system posted, each statement once, and what of it was refused.

Several statements about one row (source_system, scope, receipt_no, line_no) are its versions. All
are kept; the one that stands is asked for when they are read, so that it does not depend on the
order of the imports: facts/postings.py: RANK. How a file gets here: store/staging.py.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from gateway.facts.postings import COLUMNS, RANK, Change, Posting, Statement, Unsettled
from gateway.store.engine import FIRST, Db, paged, rows, value
from gateway.store.entries import append

POSTING_COLUMNS = "receipt_no, line_no, posted_ms, " + ", ".join(COLUMNS[3:]) + ", kind, scope"
IDENTITY = ("source_system", "receipt_no", "line_no", "scope")
UNSETTLED_MAX = 20_000  # of one day; more is no list that anybody reads
_RANKS = " ".join(f"WHEN '{status}' THEN {rank}" for status, rank in RANK.items())


def _rank(table: str) -> str:
    return f"CASE {table}.status {_RANKS} END"


def _same(one: str, other: str) -> str:
    return " AND ".join(f"{one}.{name} = {other}.{name}" for name in IDENTITY)


# Of the versions of a row the one of the highest rank, and among these the last.
STANDS = (
    f"NOT EXISTS (SELECT 1 FROM posting AS over WHERE {_same('over', 'posting')} AND over.id <>"
    f" posting.id AND ({_rank('over')} > {_rank('posting')} OR ({_rank('over')} ="
    f" {_rank('posting')} AND over.id > posting.id)))"
)


# --- files ----------------------------------------------------------------------------------------


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
    dates: tuple[str, str] = ("", ""),
) -> int:
    """Note a file that was read whole; its id. `counts`: rows, added, known, refused; `dates`: the
    first and the last business date of its rows.
    """
    file_id = append(
        db,
        "posted_file",
        "INSERT INTO posted_file (id, sha256, name, bytes, imported_ms, state, reason, rows, added,"
        " known, refused, first_date, last_date) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (sha256, name, size_bytes, imported_ms, state, reason, *counts, *dates),
    )
    assert file_id is not None, "a file that is known is not added again"
    return file_id


def sources(db: Db) -> list[str]:
    """The source systems as they were first spelt, by name: a jump through the index each."""
    found = db.execute(
        "WITH RECURSIVE known (name) AS (SELECT min(source_system) FROM posting UNION ALL SELECT"
        " (SELECT min(source_system) FROM posting WHERE source_system > name) FROM known WHERE"
        " name IS NOT NULL) SELECT name FROM known WHERE name IS NOT NULL"
    )
    return [str(name) for (name,) in found]


def refused_lines(db: Db, file_id: int, limit: int) -> list[tuple[int, str]]:
    """(line of the file, reason) of the first refused rows of a file."""
    found = db.execute(
        "SELECT file_line, reason FROM posting_quarantine WHERE file_id = ? AND reason <> ''"
        " AND file_line > 0 ORDER BY id LIMIT ?",
        (file_id, limit),
    )
    return [(line, reason) for line, reason in found]


def refused_receipts(db: Db, file_id: int) -> set[str]:
    """The receipts of a file of which rows were refused, as far as they could be read."""
    query = "SELECT DISTINCT receipt_no FROM posting_quarantine WHERE file_id = ?"
    return {str(receipt) for (receipt,) in db.execute(query, (file_id,)) if receipt}


# --- what stands ----------------------------------------------------------------------------------


# Of what was posted farther away, the rows of the sessions and receipts that are near, what those
# take back, and what takes the same back.
_NEAR = (
    "WITH near AS (SELECT id, session_id, receipt_no, void_of FROM posting WHERE business_date = ?"
    " AND window_id = ? UNION SELECT id, session_id, receipt_no, void_of FROM posting WHERE"
    " window_id = ? AND posted_ms >= ? AND posted_ms < ?)"
)
_OF_NEAR = (
    "SELECT id FROM near UNION SELECT id FROM posting WHERE window_id = ? AND posted_ms >= ? AND"
    " posted_ms < ? AND (session_id IN (SELECT session_id FROM near WHERE session_id <> '') OR"
    " receipt_no IN (SELECT receipt_no FROM near UNION SELECT void_of FROM near) OR void_of IN"
    " (SELECT void_of FROM near WHERE void_of <> ''))"
)


def postings_between(
    db: Db, window: str, business_date: str, since_ms: int, until_ms: int, reach_ms: int = 0
) -> list[Posting]:
    """Postings of a window that stand, of those that belong to a business day or were posted in a
    span of time, in the order of posting. Of those that were posted up to `reach_ms` before or
    after it, the ones that have to do with them: rows of the same session_id or receipt, what is
    taken back, and what takes that back too.
    """
    found = db.execute(
        f"{_NEAR} SELECT {POSTING_COLUMNS} FROM posting WHERE id IN ({_OF_NEAR}) AND {STANDS}"
        " ORDER BY posted_ms, source_system, scope, receipt_no, line_no",
        (business_date, window, window, since_ms, until_ms,
         window, since_ms - reach_ms, until_ms + reach_ms),
    )  # fmt: skip
    return list(map(Posting._make, found))


def receipts_posted(
    db: Db, receipts: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str, str], tuple[str, int]]:
    """{(source_system, scope, receipt_no): (business date, posted_ms)} of those that were posted,
    ever. The scope is not asked: where it is the day, a receipt of before has another one.
    """
    found = {}
    for source, scope, receipt in sorted(receipts):
        for date, posted_ms in db.execute(
            "SELECT business_date, posted_ms FROM posting WHERE source_system = ? AND receipt_no ="
            " ? AND status IN ('posted', 'unknown') ORDER BY business_date, posted_ms LIMIT 1",
            (source, receipt),
        ):
            found[(source, scope, receipt)] = str(date), int(posted_ms)
    return found


def windows_posted(db: Db, business_date: str) -> list[str]:
    """The windows with postings for a business date, by name."""
    found = db.execute(
        "SELECT window_id FROM (SELECT DISTINCT window_id FROM posting WHERE business_date = ?) AS"
        " named WHERE EXISTS (SELECT 1 FROM posting WHERE business_date = ? AND window_id ="
        f" named.window_id AND {STANDS}) ORDER BY window_id",
        (business_date, business_date),
    )
    return [str(window) for (window,) in found]


def posted_dates(db: Db, until_date: str, limit: int) -> list[str]:
    """The newest business dates up to `until_date` that anything was posted for, newest first;
    also one whose receipts were all moved to another date since.
    """
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
        f" AND {STANDS} LIMIT 1",
        (business_date, since_ms, until_ms),
    )
    return found is not None


# --- what was said otherwise before ---------------------------------------------------------------


def changes(db: Db, business_date: str) -> list[Change]:
    """What was said of receipts of a day in more than one way, in the order of receipts and
    imports; also of those that another version has since moved to another day, or here.
    """
    # Asked by identity, or the whole table would be walked through.
    keys = db.execute(
        f"SELECT DISTINCT {', '.join(IDENTITY)} FROM posting WHERE business_date = ? AND EXISTS"
        f" (SELECT 1 FROM posting AS another WHERE {_same('another', 'posting')} AND another.id <>"
        f" posting.id) ORDER BY {', '.join(IDENTITY)}",
        (business_date,),
    ).fetchall()
    return [change for key in keys for change in _changes_of(statements(db, *key))]


def statements(
    db: Db, source_system: str, receipt_no: str, line_no: int, scope: str = ""
) -> list[Statement]:
    """All versions of a row, in the order of import."""
    names = ", ".join(f"posting.{name}" for name in POSTING_COLUMNS.split(", "))
    found = db.execute(
        f"SELECT {names}, name, file_line, imported_ms FROM posting JOIN posted_file"
        " ON posted_file.id = file_id WHERE source_system = ? AND receipt_no = ? AND line_no = ?"
        " AND scope = ? ORDER BY posting.id",
        (source_system, receipt_no, line_no, scope),
    )
    return [
        Statement(Posting(*values), file, line, imported_ms)
        for *values, file, line, imported_ms in found
    ]


def _changes_of(versions: list[Statement]) -> Iterator[Change]:
    """Each version against the one that stood when it came."""
    stood = versions[0]
    for later in versions[1:]:
        stands = later.posting.rank >= stood.posting.rank
        before, after = stood.posting, later.posting
        differs = tuple(
            name for name in Posting._fields
            if getattr(before, name) != getattr(after, name)
        )  # fmt: skip
        yield Change(stood, later, differs, stands)
        stood = later if stands else stood


# --- what was refused -----------------------------------------------------------------------------


def quarantined(db: Db, since_ms: int = 0) -> list[dict[str, Any]]:
    """Rows that were refused and not settled since: file, line, reason; oldest first. since_ms: of
    files imported from then on.
    """
    return rows(
        db,
        "SELECT name AS file, file_line AS line, posting_quarantine.reason AS reason"
        " FROM posting_quarantine JOIN posted_file ON posted_file.id = file_id"
        f" WHERE imported_ms >= ? AND posting_quarantine.reason <> '' AND {_UNSETTLED}"
        " ORDER BY posting_quarantine.id",
        (since_ms,),
    )


_UNSETTLED = (
    "NOT EXISTS (SELECT 1 FROM posting_settled WHERE quarantine_id = posting_quarantine.id)"
)


def unsettled(db: Db, business_date: str, since_ms: int, until_ms: int) -> list[Unsettled]:
    """What was delivered for a business day and is in no sum, in the order of import; since_ms and
    until_ms are the day's: where no date can be read, the time of the import tells the day.

    One for each tender of a receipt that was refused, for each row that cannot be read, and for
    each window and tender type of a file that stays unposted as a whole.
    """
    found = rows(
        db,
        "SELECT code, name, file_line, imported_ms, posting_quarantine.reason AS reason,"
        " posted_file.reason AS fault, business_date, window_id, source_system, scope, receipt_no,"
        " posted_ms, tender_id, tender_type, tender_amount_cents, change_cents, amounts_known,"
        " status FROM posting_quarantine JOIN posted_file ON posted_file.id = file_id"
        " WHERE (business_date = ? OR (business_date = '' AND imported_ms >= ? AND imported_ms <"
        f" ?)) AND {_UNSETTLED} ORDER BY posting_quarantine.id LIMIT ?",
        (business_date, since_ms, until_ms, UNSETTLED_MAX),
    )
    legs = [_leg(list(group)) for _, group in groupby(sorted(found, key=_leg_key), key=_leg_key)]
    told = [each for each in legs if each.code != "file"]
    of_files = sorted((each for each in legs if each.code == "file"), key=_file_key)
    told += [_together(list(group)) for _, group in groupby(of_files, key=_file_key)]
    return sorted(told, key=lambda each: (each.imported_ms, each.file, each.file_line)) + [
        _without_origin(each) for each in without_origin(db, business_date)
    ]


def _leg_key(row: dict[str, Any]) -> tuple[Any, ...]:
    """Rows of one tender of one receipt belong together; one without a receipt stands alone."""
    line = 0 if row["receipt_no"] else row["file_line"]
    return (
        row["imported_ms"], row["name"], row["source_system"], row["scope"], row["receipt_no"],
        row["tender_id"], line,
    )  # fmt: skip


def _leg(leg: list[dict[str, Any]]) -> Unsettled:
    """The first row says it, or the one with something wrong in itself."""
    leg.sort(key=lambda row: row["file_line"])
    first = next((row for row in leg if row["code"] not in ("receipt", "file")), leg[0])
    known = [row for row in leg if row["amounts_known"]]
    return Unsettled(
        code=first["code"] or "row",
        file=first["name"],
        file_line=first["file_line"],
        imported_ms=first["imported_ms"],
        reason=first["reason"] or first["fault"],
        rows=len(leg) if first["file_line"] else 0,
        business_date=first["business_date"],
        window_id=first["window_id"],
        source_system=first["source_system"],
        receipt_no=first["receipt_no"],
        posted_ms=first["posted_ms"],
        tender_id=first["tender_id"],
        tender_type=first["tender_type"],
        status=first["status"],
        tendered_cents=known[0]["tender_amount_cents"] if known else None,
        change_cents=known[0]["change_cents"] if known else None,
    )


def _file_key(each: Unsettled) -> tuple[Any, ...]:
    return each.imported_ms, each.file, each.window_id, each.tender_type


def _together(legs: list[Unsettled]) -> Unsettled:
    """The legs of one window and tender type of a file that stays unposted."""
    first, known = legs[0], [each for each in legs if each.tendered_cents is not None]
    return Unsettled(
        code="file",
        file=first.file,
        file_line=0,
        imported_ms=first.imported_ms,
        reason=first.reason,
        rows=sum(each.rows for each in legs),
        business_date=first.business_date,
        window_id=first.window_id,
        source_system=first.source_system,
        tender_type=first.tender_type,
        tendered_cents=sum(each.tendered_cents or 0 for each in known) if known else None,
        change_cents=sum(each.change_cents or 0 for each in known) if known else None,
    )


def without_origin(db: Db, business_date: str) -> list[Statement]:
    """Rows of a day that say they take something back, name no receipt, and of which nothing was
    ever posted: they count as nothing, and somebody has to say what they were.
    """
    names = ", ".join(f"posting.{name}" for name in POSTING_COLUMNS.split(", "))
    found = db.execute(
        f"SELECT {names}, name, file_line, imported_ms FROM posting JOIN posted_file"
        " ON posted_file.id = file_id WHERE business_date = ? AND status = 'reversed'"
        " AND void_of = '' AND kind = 'payment' AND NOT EXISTS (SELECT 1 FROM posting AS other"
        f" WHERE {_same('other', 'posting')} AND other.id <> posting.id) ORDER BY posting.id",
        (business_date,),
    )
    return [
        Statement(Posting(*values), file, line, imported_ms)
        for *values, file, line, imported_ms in found
    ]


def _without_origin(said: Statement) -> Unsettled:
    posting = said.posting
    return Unsettled(
        code="origin",
        file=said.file,
        file_line=said.file_line,
        imported_ms=said.imported_ms,
        reason=(
            f"receipt {posting.receipt_no} is reversed, names no receipt in void_of, and was never"
            " posted: it counts as nothing; name what it takes back, or write kind refund"
        ),
        business_date=posting.business_date,
        window_id=posting.window_id,
        source_system=posting.source_system,
        receipt_no=posting.receipt_no,
        posted_ms=posting.posted_ms,
        tender_id=posting.tender_id,
        tender_type=posting.tender_type,
        status=posting.status,
        tendered_cents=posting.tender_amount_cents,
        change_cents=posting.change_cents,
    )


# --- for whoever checks them ----------------------------------------------------------------------


def hashed_postings(db: Db) -> Iterator[tuple[Posting, bytes, int, str]]:
    """(posting, the hash that is stored with it, line, file) of every posting."""
    query = (
        f"SELECT posting.id, content, file_line, name, {POSTING_COLUMNS} FROM posting"
        " JOIN posted_file ON posted_file.id = file_id WHERE posting.id >= ?"
        " ORDER BY posting.id LIMIT ?"
    )
    for _, content, file_line, name, *values in paged(db, query):
        yield Posting(*values), content, file_line, name


def miscounted_files(db: Db) -> list[tuple[str, int, int]]:
    """(file, rows that it says were posted, rows that are here) where the two differ."""
    return list(
        db.execute(
            "SELECT name, added, coalesce(found, 0) FROM posted_file LEFT JOIN (SELECT file_id,"
            " count(*) AS found FROM posting GROUP BY file_id) AS counted"
            " ON file_id = posted_file.id WHERE added <> coalesce(found, 0) ORDER BY posted_file.id"
        )
    )


def standing_of(
    db: Db, dates: Iterable[str], since_ms: int, until_ms: int
) -> list[tuple[Posting, str, int]]:
    """(posting, file, line) of what stands and belongs to one of the business dates, or was posted
    from since_ms to until_ms, both within; in the order of import.
    """
    names = ", ".join(f"posting.{name}" for name in POSTING_COLUMNS.split(", "))
    select = (
        f"SELECT posting.id, name, file_line, {names} FROM posting JOIN posted_file"
        " ON posted_file.id = file_id WHERE"
    )
    found = {}
    asked = [("business_date = ?", (date,)) for date in sorted(dates)]
    for where, values in [*asked, ("posted_ms >= ? AND posted_ms <= ?", (since_ms, until_ms))]:
        for n, file, line, *row in db.execute(f"{select} {where} AND {STANDS}", values):
            found[n] = Posting(*row), str(file), int(line)
    return [found[n] for n in sorted(found)]


def unsettled_refusals(db: Db) -> list[dict[str, Any]]:
    """file_id, file, line, reason, receipt_no and the day of import in milliseconds of every row
    that was refused for itself and is not settled, and of each whole file (line 0).
    """
    return rows(
        db,
        "SELECT file_id, name AS file, CASE WHEN code = 'file' THEN 0 ELSE file_line END AS line,"
        " CASE WHEN code = 'file' THEN posted_file.reason ELSE posting_quarantine.reason END AS"
        " reason, receipt_no, imported_ms FROM posting_quarantine JOIN posted_file ON"
        f" posted_file.id = file_id WHERE {_UNSETTLED} ORDER BY posting_quarantine.id",
    )


def statements_by_key(db: Db, file_id: int | None = None) -> dict[tuple[str, str, int], set[bytes]]:
    """{(source_system in lower case, receipt_no, line_no): what was said of it, as hashes} of all
    postings, or of those of one file. Neither the spelling of the source nor the scope is in the
    hash: a file at hand does not tell how the site had them.
    """
    where, values = ("", ()) if file_id is None else (" AND file_id = ?", (file_id,))  # type: tuple[str, tuple[int, ...]]
    query = f"SELECT id, {POSTING_COLUMNS} FROM posting WHERE id >= ?{where} ORDER BY id LIMIT ?"
    said: dict[tuple[str, str, int], set[bytes]] = {}
    for _, *row in paged(db, query, FIRST, values):
        posting = Posting(*row)
        source = posting.source_system.casefold()
        bare = posting._replace(source_system=source, scope="")
        said.setdefault((source, posting.receipt_no, posting.line_no), set()).add(bare.content())
    return said
