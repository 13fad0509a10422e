"""Table `checkpoint`: the signed tree heads, one a business day. (The table has the name that such
a text has in C2SP; in the office a checkpoint is a count of the drawer.)
"""

from typing import Any

from gateway.store.engine import Db, rows
from gateway.store.entries import append


def tree_heads(db: Db, business_date: str | None = None) -> list[dict[str, Any]]:
    """business_date, n, root, made_ms and note, oldest first; of one business day (none or one)
    when it is named.
    """
    where, values = (
        ("", ()) if business_date is None else ("WHERE business_date = ?", (business_date,))
    )  # type: tuple[str, tuple[str, ...]]
    return rows(
        db,
        f"SELECT business_date, n, root, made_ms, note FROM checkpoint {where}"
        " ORDER BY business_date",
        values,
    )


def newest_tree_head(db: Db) -> tuple[str, int]:
    """(newest business date, highest n) that was signed; ("", 0) before the first."""
    query = "SELECT coalesce(max(business_date), ''), coalesce(max(n), 0) FROM checkpoint"
    for business_date, n in db.execute(query):
        return str(business_date), int(n)
    raise AssertionError("an aggregate has one row")


def add_tree_head(db: Db, business_date: str, n: int, root: bytes, made_ms: int, note: str) -> None:
    """Append the tree head of a business day."""
    append(
        db,
        "checkpoint",
        "INSERT INTO checkpoint (id, business_date, n, root, made_ms, note)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (business_date, n, root, made_ms, note),
    )
