"""A number that a spreadsheet took the leading zeros off is no new one."""

from __future__ import annotations

from gateway.store import staging
from gateway.store.engine import Db


def refuse_lost_zeros(db: Db) -> None:
    """Put a reason against every staged row whose receipt or account is a known one but for
    leading zeros.
    """
    found = staging.lost_zeros(db)
    staging.refuse(
        db,
        [("zeros_lost", f"{name}: {_text(name, number, known)}", line)
         for line, name, number, known in found],
    )  # fmt: skip
    # It is kept under the known number: whoever says that one again has settled it.
    staging.rename(db, [(known, line) for line, name, _, known in found if name == "receipt_no"])


def _text(name: str, number: str, known: str) -> str:
    """An account is a person's: it is not shown."""
    what = f"{number} is the known {known}" if name == "receipt_no" else "it is a known one"
    return (
        f"{what} but for leading zeros, which a spreadsheet takes off; import the file as the"
        " cashiering system wrote it"
    )
