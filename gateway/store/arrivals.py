"""What the cashiering system delivered for a day, by when it was imported."""

from typing import Any

from gateway.store.engine import Db, rows, value

RECEIPTS_MAX = 5  # named of each file


def imported_after(db: Db, business_date: str, since_ms: int) -> list[dict[str, Any]]:
    """Files that said something new of a business date after a moment, in the order of import:
    file, imported_ms, rows, receipts (the first RECEIPTS_MAX). Empty when nothing of that date had
    been imported before.
    """
    before = value(
        db,
        "SELECT 1 FROM posting JOIN posted_file ON posted_file.id = file_id WHERE business_date = ?"
        " AND imported_ms <= ? LIMIT 1",
        (business_date, since_ms),
    )
    if before is None:
        return []
    files = rows(
        db,
        "SELECT file_id, name AS file, imported_ms, count(*) AS rows FROM posting JOIN posted_file"
        " ON posted_file.id = file_id WHERE business_date = ? AND imported_ms > ? GROUP BY file_id,"
        " name, imported_ms ORDER BY file_id",
        (business_date, since_ms),
    )
    for each in files:
        found = db.execute(
            "SELECT DISTINCT receipt_no FROM posting WHERE business_date = ? AND file_id = ? ORDER"
            " BY receipt_no LIMIT ?",
            (business_date, each.pop("file_id"), RECEIPTS_MAX),
        )
        each["receipts"] = [str(receipt) for (receipt,) in found]
    return files
