"""Postings that nobody has assigned to a fund or an account."""

from collections.abc import Collection

from gateway.facts.postings import SUSPENSE, Posting
from gateway.store.engine import Db, value
from gateway.store.postings import POSTING_COLUMNS, STANDS


def suspense_rows(db: Db, until_date: str, accounts: Collection[str] = ()) -> list[Posting]:
    """What stands up to a business date without a fund, or with that of suspense, or for one of the
    accounts that mean none, in the order of posting.
    """
    nowhere = f"fund IN ('', '{SUSPENSE}')"
    asked: list[tuple[str, tuple[str, ...]]] = [(nowhere, ())]
    asked += [(f"account_no = ? AND NOT {nowhere}", (account,)) for account in sorted(accounts)]
    found = []
    for where, values in asked:
        found += db.execute(
            f"SELECT {POSTING_COLUMNS} FROM posting WHERE {where} AND business_date <= ? AND"
            f" {STANDS}",
            (*values, until_date),
        ).fetchall()
    return sorted((Posting(*row) for row in found), key=lambda each: (each.posted_ms, each.line_no))


def is_taken_back(db: Db, source_system: str, scope: str, receipt_no: str, until_date: str) -> bool:
    """Whether rows up to a business date take back all that a receipt was, whatever their funds."""
    total, back = (
        value(
            db,
            f"SELECT coalesce(sum(abs(allocation_cents)), 0) FROM posting WHERE source_system = ?"
            f" AND {column} = ? AND {column} <> '' AND scope = ? AND business_date <= ? AND status"
            f" IN {statuses} AND {STANDS}",
            (source_system, receipt_no, scope, until_date),
        )
        for column, statuses in (
            ("receipt_no", "('posted', 'unknown')"), ("void_of", "('void', 'reversed')")
        )
    )  # fmt: skip
    return bool(back) and back >= total
