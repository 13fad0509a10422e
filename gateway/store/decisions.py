"""Table `decision`: what people decided, append-only, and under the hash chain as every fact."""

from gateway.facts.decisions import Decision
from gateway.store.engine import Db
from gateway.store.entries import append


def add_decision(db: Db, new: Decision) -> Decision:
    """Append it in the open transaction; the same with its id."""
    added = append(
        db,
        "decision",
        "INSERT INTO decision (id, at_ms, who, role, kind, business_date, window_id, epoch,"
        " first_seq, content, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        new[1:],
    )
    assert added is not None, "nothing in the table is unique but the id"
    return new._replace(id=added)


def decisions(db: Db, first_date: str, last_date: str, window: str | None = None) -> list[Decision]:
    """Those of business dates first_date to last_date, both included, as they were decided; of one
    window, or of all and of the whole office.
    """
    where = "" if window is None else " AND window_id = ?"
    found = db.execute(
        "SELECT id, at_ms, who, role, kind, business_date, window_id, epoch, first_seq, content,"
        f" reason FROM decision WHERE business_date >= ? AND business_date <= ?{where} ORDER BY id",
        (first_date, last_date, *([] if window is None else [window])),
    )
    return [Decision(*row) for row in found]
