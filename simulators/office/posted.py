"""What the cashiering system posted, and its export: posted.csv, schema v1."""

import csv
import datetime
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

from simulators.office.customers import ZONE

SOURCE = "synthetic-cis"


@dataclass(frozen=True)
class PostedRow:
    """One allocation of one tender; the fields are the columns, in their order."""

    receipt_no: str
    line_no: int
    posted_at: str
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
    void_of: str = ""
    void_by: str = ""
    auth_code: str = ""
    batch_id: str = ""
    source_system: str = SOURCE
    source_ref: str = ""


def posted_at(at_ms: int) -> str:
    """ISO 8601 in the office's zone, with its offset."""
    return datetime.datetime.fromtimestamp(at_ms // 1_000, ZONE).isoformat()


def csv_text(rows: Iterable[PostedRow]) -> str:
    """Header, rows, control line. The control sums go over every row: a tender with two allocations
    is in them twice.
    """
    rows = list(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(field.name for field in fields(PostedRow))
    writer.writerows(astuple(row) for row in rows)
    tender, change = (
        sum(row.tender_amount_cents for row in rows),
        sum(row.change_cents for row in rows),
    )
    allocation = sum(row.allocation_cents for row in rows)
    out.write(
        f"#control,rows={len(rows)},tender_cents={tender},change_cents={change},allocation_cents={allocation}\n"
    )
    return out.getvalue()
