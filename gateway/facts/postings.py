"""What the cashiering system posted: the values of one row of posted.csv."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

COLUMNS = (
    "receipt_no", "line_no", "posted_at", "business_date", "window_id", "session_id", "cashier_id",
    "tender_id", "tender_type",
    "tender_amount_cents", "change_cents", "account_no", "service", "fund", "allocation_cents",
    "status", "void_of", "void_by",
    "auth_code", "batch_id", "source_system", "source_ref",
)  # fmt: skip


TENDERS = ("cash", "check", "card", "money_order", "other")


STATUSES = ("posted", "void", "reversed", "unknown")


SERVICES = ("electric", "gas", "water", "wastewater", "solid_waste", "irrigation")


AMOUNTS = ("tender_amount_cents", "change_cents", "allocation_cents")


@dataclass(frozen=True)
class Posting:
    """One allocation of one tender, as the cashiering system posted it."""

    receipt_no: str
    line_no: int
    posted_ms: int
    business_date: str
    window_id: str
    session_id: str
    cashier_id: str
    tender_id: str
    tender_type: str
    tender_amount_cents: int
    change_cents: int
    account_no: str
    service: str
    fund: str
    allocation_cents: int
    status: str
    void_of: str
    void_by: str
    auth_code: str
    batch_id: str
    source_system: str
    source_ref: str

    def values(self) -> tuple[str | int, ...]:
        """The values in the order of the columns."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)

    def content(self) -> bytes:
        """SHA-256 over all values: two rows with the same content are the same row."""
        return hashlib.sha256("\x1f".join(str(value) for value in self.values()).encode()).digest()
