"""Postings of other days that a day needs: the receipts that something of it takes back."""

from collections.abc import Iterable

from gateway.facts.postings import Posting
from gateway.store.engine import Db
from gateway.store.postings import POSTING_COLUMNS, STANDS

Receipt = tuple[str, str, str]  # (source_system, scope, receipt_no)


def rows_of(db: Db, receipts: Iterable[Receipt]) -> list[Posting]:
    """The rows that stand of receipts, in the order of the receipts."""
    found = []
    for source, scope, receipt in sorted(receipts):
        rows = db.execute(
            f"SELECT {POSTING_COLUMNS} FROM posting WHERE source_system = ? AND receipt_no = ?"
            f" AND scope = ? AND {STANDS} ORDER BY line_no",
            (source, receipt, scope),
        )
        found += [Posting(*row) for row in rows]
    return found
