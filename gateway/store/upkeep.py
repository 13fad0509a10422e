"""Table `upkeep`: when the program last looked after the ledger. No fact, in no entry."""

from gateway.store.engine import Db, value


def note(db: Db, name: str, at_ms: int) -> None:
    """It was done at this time, Unix milliseconds."""
    db.execute("DELETE FROM upkeep WHERE name = ?", (name,))
    db.execute("INSERT INTO upkeep (name, value) VALUES (?, ?)", (name, at_ms))


def noted(db: Db, name: str) -> int:
    """When it was done last, Unix milliseconds; 0 for never."""
    return int(value(db, "SELECT value FROM upkeep WHERE name = ?", (name,), 0))
