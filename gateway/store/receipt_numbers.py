"""Which receipt numbers of a source were posted, or refused, between two texts. Numbers are texts
here, in the order of their bytes: whoever asks knows how they are formed.

`within`: (window, business date, scope) that they are asked of; "" for any window or date, ANY for
any scope.
"""

from collections.abc import Iterator

from gateway.store.engine import Db

ANY = "*"
Within = tuple[str, str, str]
NUMBERS_MAX = 50_000  # of one gap; who has more between two numbers of one day has other rows
LATEST_MAX = 20  # texts of the right length that are no number, before the first one that is

_WITHIN = (
    " AND (window_id = ? OR ? = '') AND (business_date = ? OR ? = '') AND (scope = ? OR ? = '*')"
)


def numbers_between(db: Db, source: str, low: str, high: str, within: Within) -> Iterator[str]:
    """The receipt numbers from `low` to `high`, both included, in any version of any day."""
    found = db.execute(
        "SELECT DISTINCT receipt_no FROM posting WHERE source_system = ? AND receipt_no >= ?"
        f" AND receipt_no <= ?{_WITHIN} ORDER BY receipt_no LIMIT ?",
        (source, low, high, *_twice(within), NUMBERS_MAX),
    )
    for (number,) in found:
        yield str(number)


def numbers_before(db: Db, source: str, low: str, high: str, within: Within) -> Iterator[str]:
    """The last receipt numbers from `low` to `high` that are as long as these, from the last on."""
    found = db.execute(
        "SELECT receipt_no FROM posting WHERE source_system = ? AND receipt_no >= ? AND"
        f" receipt_no <= ? AND length(receipt_no) = ?{_WITHIN} ORDER BY receipt_no DESC LIMIT ?",
        (source, low, high, len(high), *_twice(within), LATEST_MAX),
    )
    for (number,) in found:
        yield str(number)


def refused_between(db: Db, source: str, low: str, high: str) -> dict[str, str]:
    """{receipt number: where its row stands} of rows that are refused and not settled since."""
    found = db.execute(
        "SELECT receipt_no, name, file_line FROM posting_quarantine JOIN posted_file"
        " ON posted_file.id = file_id WHERE lower(source_system) = lower(?) AND receipt_no >= ?"
        " AND receipt_no <= ? AND NOT EXISTS (SELECT 1 FROM posting_settled WHERE quarantine_id ="
        " posting_quarantine.id) ORDER BY posting_quarantine.id DESC LIMIT ?",
        (source, low, high, NUMBERS_MAX),
    )
    return {str(number): f"{name}:{line}" if line else str(name) for number, name, line in found}


def _twice(within: Within) -> tuple[str, ...]:
    return tuple(each for value in within for each in (value, value))
