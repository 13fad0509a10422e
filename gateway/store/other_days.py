"""What postings of other days say about one day: the receipts that something of it takes back, and
what waits in suspense.
"""

from collections.abc import Iterable

from gateway.facts.postings import PAYMENT, SUSPENSE, Posting
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
    if not found:
        return []
    gone = set(
        db.execute(
            "SELECT source_system, scope, void_of FROM posting WHERE business_date >= ? AND void_of"
            f" <> '' AND status IN ('void', 'reversed') AND {STANDS}",
            (found[0][3],),
        )
    )
    return [
        (str(receipt), str(date), int(cents))
        for source, scope, receipt, date, cents in found
        if (source, scope, receipt) not in gone
    ]
