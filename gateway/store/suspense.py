"""Postings that nobody has assigned to a fund or an account."""

from collections.abc import Collection

from gateway.facts.postings import SUSPENSE, Posting
from gateway.store.engine import Db
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
