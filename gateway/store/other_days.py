"""What postings of other days say about one day: the receipts that something of it takes back, and
what waits in suspense.
"""

from collections.abc import Iterable

from gateway.facts.postings import PAYMENT, SUSPENSE, Posting
from gateway.store.engine import Db, value
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


def in_suspense(db: Db, until_date: str) -> list[tuple[str, str, int]]:
    """(receipt_no, business date, cents) of payments up to a business date that nobody has assigned
    to a fund, and that nothing took back, the oldest first.
    """
    found = db.execute(
        "SELECT source_system, scope, receipt_no, business_date, sum(allocation_cents) FROM posting"
        f" WHERE fund IN ('', '{SUSPENSE}') AND business_date <= ? AND status = 'posted' AND kind ="
        f" '{PAYMENT}' AND {STANDS} GROUP BY source_system, scope, receipt_no, business_date"
        " ORDER BY business_date, source_system, scope, receipt_no",
        (until_date,),
    ).fetchall()
    return [
        (str(receipt), str(date), int(cents))
        for source, scope, receipt, date, cents in found
        if not _is_taken_back(db, source, scope, receipt)
    ]


def _is_taken_back(db: Db, source: str, scope: str, receipt: str) -> bool:
    found = value(
        db,
        "SELECT 1 FROM posting WHERE source_system = ? AND void_of = ? AND void_of <> '' AND"
        f" receipt_no <> void_of AND scope = ? AND status IN ('void', 'reversed') AND {STANDS}"
        " LIMIT 1",
        (source, receipt, scope),
    )
    return found is not None
