"""One engine's ledger into the other's, whole: every row of every table, in one transaction, which
is committed only when what it made verifies and ends in the same head.
"""

from collections.abc import Iterator
from typing import Any

from gateway.errors import DataError
from gateway.store.engine import FIRST, PAGE_ROWS, Db, paged, snapshot, value
from gateway.store.entries import CONTENT_ROWS, COVERED, NEWEST, newest
from gateway.store.verify import findings

FINDINGS_SHOWN = 3
# In the order of their references. {table: (its key that only grows, its other columns)}
_GROWING = {
    "entry": ("n", ("content", "head")),
    "cursor": (
        "id",
        (
            "device", "epoch", "high_water", "first_seen_ms", "last_seen_ms", "current", "locked",
            "records", "fingerprint",
        ),
    ),
    "segment": (
        "id", ("cursor_id", "first_seq", "last_seq", "n", "at", "size", "from_ms", "until_ms"),
    ),
    **{table: ("id", columns[1:]) for table, columns in COVERED.items()},
}  # fmt: skip
_SMALL = {
    "gap": ("device", "epoch", "from_seq", "to_seq", "cause", "noted_ms", "entry_n"),
    "heartbeat": (
        "device", "seen_ms", "epoch", "boot", "uptime_ms", "status", "last_seq", "lowest_kept",
        "acked", "ledger_n", "ledger_head", "heap_free", "heap_low", "command",
    ),
    "counter": ("device", "name", "value"),
    "upkeep": ("name", "value"),
}  # fmt: skip
TABLES = (*_GROWING, *_SMALL)


def copy_ledger(source: Db, target: Db, named: str) -> tuple[int, bytes]:
    """Copy into an empty ledger, which `named` calls by its name; (n, head) of both.

    Raises DataError when the target holds anything, or when the copy does not verify: nothing is in
    the target then. StorageError from either engine, likewise.
    """
    with snapshot(source):
        try:
            target.begin(NEWEST)
            full = [table for table in TABLES if value(target, f"SELECT 1 FROM {table} LIMIT 1")]
            if full:
                raise DataError(
                    f"ledger {named}: it is not empty (table {', '.join(full)}); name an empty one"
                )
            for table in TABLES:
                for query, page in _pages(source, table):
                    target.executemany(query, page)
            end = _compared(source, target, named)
            target.commit()
        except BaseException:
            if target.in_transaction:
                target.rollback()
            raise
    return end


def _compared(source: Db, target: Db, named: str) -> tuple[int, bytes]:
    for table in TABLES:
        counts = [int(value(db, f"SELECT count(*) FROM {table}")) for db in (source, target)]
        if counts[0] != counts[1]:
            raise DataError(f"ledger {named}: {table} has {counts[1]} rows of {counts[0]}")
    found = [item.text for item in findings(target)]
    if found:
        shown = "; ".join(found[:FINDINGS_SHOWN])
        raise DataError(
            f"ledger {named}: the copy has {len(found)} findings: {shown}; run till verify on the"
            " ledger that was to be copied"
        )
    ends = [newest(db) for db in (source, target)]
    if ends[0] != ends[1]:
        raise DataError(f"ledger {named}: the copy ends in another head")
    return ends[1]


def _pages(source: Db, table: str) -> Iterator[tuple[str, list[Any]]]:
    """The statement for the target and some of the rows, again and again."""
    if table in _SMALL:
        columns = _SMALL[table]
        rows = iter(source.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall())
        page_rows = PAGE_ROWS
    else:
        key, others = _GROWING[table]
        columns = (key, *others)
        page_rows = CONTENT_ROWS if table == "entry" else PAGE_ROWS
        query = f"SELECT {', '.join(columns)} FROM {table} WHERE {key} >= ? ORDER BY {key} LIMIT ?"
        rows = paged(source, query, FIRST, (), page_rows)
    marks = ", ".join("?" * len(columns))
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
    page: list[Any] = []
    for row in rows:
        page.append(row)
        if len(page) == page_rows:
            yield insert, page
            page = []
    if page:
        yield insert, page
