"""Table `posting`, asked by whoever compares it with the card processor and the bank."""

from collections.abc import Iterable

from gateway.facts.postings import Posting
from gateway.store.engine import Db
from gateway.store.postings import POSTING_COLUMNS, STANDS


def card_postings(db: Db, first_date: str, last_date: str) -> list[Posting]:
    """Rows of card tenders that stand, of these business dates."""
    return _standing(
        db, "tender_type = 'card' AND business_date >= ? AND business_date <= ?",
        (first_date, last_date),
    )  # fmt: skip


def card_postings_with(db: Db, auth_codes: Iterable[str]) -> list[Posting]:
    """Rows of card tenders that stand, of any day, by how their code may be written."""
    written = sorted({way for code in auth_codes for way in (code, code.lower(), code.lstrip("0"))})
    found = []
    for code in written:
        found += _standing(db, "tender_type = 'card' AND auth_code = ?", (code,)) if code else []
    return found


def taken_back(db: Db, first_date: str, last_date: str) -> list[Posting]:
    """Rows that stand and take back another receipt by a tender that a bank can bring back."""
    return _standing(
        db,
        "status IN ('void', 'reversed') AND business_date >= ? AND business_date <= ?"
        " AND tender_type IN ('check', 'ach', 'money_order') AND void_of <> ''",
        (first_date, last_date),
    )


def returnable(db: Db, amounts: Iterable[int], first_date: str, last_date: str) -> list[Posting]:
    """Rows that stand of tenders that a bank can bring back, of some amounts and days."""
    found = []
    for cents in sorted(set(amounts)):
        found += _standing(
            db,
            "tender_type IN ('check', 'ach', 'money_order') AND tender_amount_cents = ?"
            " AND business_date >= ? AND business_date <= ?",
            (cents, first_date, last_date),
        )
    return found


def rows_of_receipts(db: Db, receipts: Iterable[tuple[str, str]]) -> list[Posting]:
    """Rows that stand of receipts (source_system, receipt_no), of any day."""
    found = []
    for source, receipt in sorted(set(receipts)):
        found += _standing(db, "source_system = ? AND receipt_no = ?", (source, receipt))
    return found


def _standing(db: Db, where: str, values: tuple[str | int, ...]) -> list[Posting]:
    query = f"SELECT {POSTING_COLUMNS} FROM posting WHERE {where} AND {STANDS} ORDER BY id"
    return [Posting(*row) for row in db.execute(query, values)]
