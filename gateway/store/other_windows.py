"""Rows that take back what another window took."""

from gateway.facts.postings import Posting
from gateway.store.engine import Db, placeholders
from gateway.store.postings import POSTING_COLUMNS, STANDS


def voids_of_other_windows(
    db: Db, business_date: str, tender_types: tuple[str, ...]
) -> list[tuple[str, Posting]]:
    """(window of the receipt, row that takes it back) of a business date where the two have
    different windows.
    """
    names = ", ".join(f"posting.{name}" for name in POSTING_COLUMNS.split(", "))
    found = db.execute(
        f"SELECT DISTINCT target.window_id, {names} FROM posting JOIN posting AS target ON"
        " target.source_system = posting.source_system AND target.receipt_no = posting.void_of AND"
        " target.scope = posting.scope WHERE posting.business_date = ? AND posting.status IN"
        " ('void', 'reversed') AND posting.void_of <> '' AND target.window_id <> posting.window_id"
        " AND target.business_date = posting.business_date AND target.status = 'posted' AND"
        f" posting.tender_type IN {placeholders(1, len(tender_types))} AND {STANDS}",
        (business_date, *tender_types),
    )
    return [(str(window), Posting(*row)) for window, *row in found]
