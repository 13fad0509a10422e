"""Rows of posted.csv, made to order."""

from gateway.facts.postings import COLUMNS
from gateway.incoming import posted_file as postings


def row(receipt="R1", line=1, amount=5000, change=0, allocation=None, **other):
    values = {
        "receipt_no": receipt, "line_no": str(line), "posted_at": "2026-11-20T10:00:00-06:00",
        "business_date": "2026-11-20", "window_id": "w1", "session_id": "s1", "cashier_id": "7",
        "tender_id": "T1", "tender_type": "cash", "tender_amount_cents": str(amount),
        "change_cents": str(change), "account_no": "100-1", "service": "water", "fund": "503-water",
        "allocation_cents": str(amount - change if allocation is None else allocation),
        "status": "posted", "void_of": "", "void_by": "", "auth_code": "", "batch_id": "",
        "source_system": "cis", "source_ref": "",
    }  # fmt: skip
    values.update(other)
    return [values[name] for name in COLUMNS]


def control(rows, every=False):
    """Each different row once, or every row."""
    counted = rows if every else {tuple(cells) for cells in rows}
    sums = [sum(int(cells[COLUMNS.index(name)]) for cells in counted) for name in postings.AMOUNTS]
    return "#control,rows={},tender_cents={},change_cents={},allocation_cents={}".format(
        len(rows), *sums
    )


def text_of(rows, last=None, end="\n"):
    return end.join(
        [
            ",".join(COLUMNS),
            *(",".join(cells) for cells in rows),
            control(rows) if last is None else last,
            "",
        ]
    )


def changed(cells, **values):
    """A row with other cells."""
    return [values.get(name, cell) for name, cell in zip(COLUMNS, cells, strict=True)]
