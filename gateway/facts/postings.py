"""What the cashiering system posted: the values of one row of posted.csv, and which of several
statements about the same row stands.
"""

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
OPTIONAL_COLUMNS = ("kind",)  # of schema v2; a file has them in any place, or not at all


TENDERS = (
    "cash", "check", "card", "money_order", "ach", "gift_card", "credit", "other",
)  # fmt: skip
# Cash may be handed back on these. On an e-check or an applied balance nothing is handed over.
CHANGE_TENDERS = ("cash", "check", "card", "money_order", "gift_card", "other")


STATUSES = ("posted", "void", "reversed", "unknown")
# Which of two statements about a row stands, whichever was imported first: what is known stands
# over what is not, and what was taken back stays so. Among equals the later import stands.
RANK = {"unknown": 0, "posted": 1, "void": 2, "reversed": 2}


PAYMENT, LOAN = "payment", "loan"
# {kind: the signs that its amounts may have}. Plus: money comes into the drawer.
KINDS = {
    PAYMENT: "+", "refund": "-", "paid_in": "+", "paid_out": "-", LOAN: "+-", "correction": "0",
}  # fmt: skip
WITHOUT_ACCOUNT = ("paid_in", "paid_out", LOAN)  # kinds that pay nobody's bill


UTILITIES = ("electric", "gas", "water", "wastewater", "solid_waste", "irrigation")
SUSPENSE = "suspense"  # the fund of money that nobody has assigned: kept as an empty text


AMOUNTS = ("tender_amount_cents", "change_cents", "allocation_cents")

# {code: why a row is in quarantine}, for whoever decides by it
REFUSALS = {
    "row": "something in it is wrong",
    "receipt": "another row of its receipt is refused",
    "two_ways": "the same file says it in two ways",
    "collision": "its number is that of another receipt",
    "zeros_lost": "it is a posted row that lost its leading zeros",
    "file": "its whole file stays unposted",
}


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
    kind: str = PAYMENT
    scope: str = ""  # where its receipt number is unique: "", a window, a business date, or both

    @property
    def identity(self) -> tuple[str, str, str, int]:
        """Of the row; several statements may have it."""
        return self.source_system, self.scope, self.receipt_no, self.line_no

    @property
    def fund_name(self) -> str:
        """The fund, with a name when nobody has assigned one."""
        return self.fund or SUSPENSE

    @property
    def rank(self) -> int:
        """A statement of a higher rank stands over one of a lower, see RANK."""
        return RANK[self.status]

    def values(self) -> tuple[str | int, ...]:
        """The values in the order of the columns, then kind and scope."""
        return tuple(getattr(self, name) for name in _FIELDS)

    def content(self) -> bytes:
        """SHA-256 over all values: two rows with the same content say the same. Kind and scope are
        left out where both are what every row was before there were any.
        """
        return content_of(self.values())


_FIELDS = tuple(Posting.__dataclass_fields__)
_AS_BEFORE = (PAYMENT, "")


def content_of(values: tuple[str | int, ...]) -> bytes:
    """See Posting.content."""
    if values[-2:] == _AS_BEFORE:
        values = values[:-2]
    return hashlib.sha256("\x1f".join(map(str, values)).encode()).digest()


@dataclass(frozen=True)
class Statement:
    """One version of a row: what was said of it, and where."""

    posting: Posting
    file: str
    file_line: int
    imported_ms: int


@dataclass(frozen=True)
class Change:
    """Two statements about one row, one after the other in the order of import."""

    earlier: Statement
    later: Statement
    differs: tuple[str, ...]  # names of the columns that differ
    later_stands: bool  # over the earlier one; False: it took knowledge back, and is only kept


@dataclass(frozen=True)
class Unsettled:
    """Something that was delivered for a day and is in no sum.

    `code` is one of REFUSALS; `origin` for a row that is posted and says it takes back something,
    but not what. Identity, window, tender and amounts are empty where they cannot be read.
    """

    code: str
    file: str
    file_line: int  # 0: the whole file
    imported_ms: int
    reason: str
    rows: int = 1
    business_date: str = ""
    window_id: str = ""
    source_system: str = ""
    receipt_no: str = ""
    posted_ms: int = 0
    tender_id: str = ""
    tender_type: str = ""
    status: str = ""
    tendered_cents: int | None = None
    change_cents: int | None = None
