"""Files as vendors, spreadsheets and people spoil them: each is told by line, column, reason and
next step, and nothing is half posted.

The base is a file of three receipts, of which the second has two rows. What is wrong with it costs
that receipt, or, where nobody can say what is wrong, the whole file.
"""

from collections.abc import Callable
from contextlib import closing

import pytest

from gateway.errors import DataError
from gateway.facts.postings import COLUMNS
from gateway.incoming import posted_file
from gateway.incoming.posted_file import import_posted
from gateway.incoming.posted_row import Rules
from gateway.store.postings import postings_between, refused_lines, unsettled
from gateway.store.read_only import empty_ledger
from gateway.store.verify import verify
from tests.incoming.bench import changed, control, row, text_of
from tests.incoming.conftest import NOW_MS

CARD = "4111111111111111"  # the test number that every card scheme's documentation prints
GOOD = [row("R1"), row("R2", 1), row("R2", 2, amount=700), row("R3", amount=900)]
TOTAL = control(GOOD)
STEP = (
    "export", "import", "take", "write", "name", "correct", "save", "set ", "add ", "let ", "see ",
    "number ", "shorten", "turn ", "column may have moved", "wants quotes", "posted whole or not",
    "out of", "in docs", "is missing", "written twice", "is no row",
)  # fmt: skip


def spoilt(cells: dict[str, str], index: int = 1) -> str:
    """The base with other cells in one row, and the vendor's control line."""
    rows = list(GOOD)
    rows[index] = changed(rows[index], **cells)
    try:
        if all(abs(int(value)) < 1 << 40 for value in cells.values() if value.isdigit()):
            return text_of(rows)
    except ValueError:
        pass
    return text_of(rows, last=TOTAL)  # an amount that is none: it has what it should be


# {name: (cells of line 3, what is said)}
CELLS = {
    # amounts as vendors and spreadsheets write them
    "currency sign": ({"tender_amount_cents": "$50"}, "tender_amount_cents: it has a currency"),
    "currency sign behind": ({"allocation_cents": "50 EUR"}, "allocation_cents: "),
    "currency by its code": ({"allocation_cents": "USD 50"}, "it has a currency sign"),
    "parentheses": ({"allocation_cents": "(5000)"}, "in parentheses"),
    "minus at the end": ({"allocation_cents": "5000-"}, "a minus at the end"),
    "typographic minus": ({"allocation_cents": "\u22125000"}, "a dash that is no minus sign"),
    "en dash": ({"change_cents": "\u20135"}, "a dash that is no minus sign"),
    "CR": ({"allocation_cents": "5000CR"}, "CR or DR"),
    "DR": ({"allocation_cents": "5000 DR"}, "CR or DR"),
    "thousands by comma": ({"allocation_cents": '"5,000"'}, "a thousands separator"),
    "thousands by apostrophe": ({"allocation_cents": "5'000"}, "a thousands separator"),
    "thousands by a hard blank": ({"allocation_cents": "5\u00a0000"}, "control characters or"),
    "exponent": ({"allocation_cents": "5E3"}, "in scientific notation"),
    "formula as amount": ({"allocation_cents": "=SUM(O2:O3)"}, "a formula"),
    "empty amount": ({"tender_amount_cents": ""}, "tender_amount_cents: empty"),
    "text as amount": ({"tender_amount_cents": "fifty"}, "tender_amount_cents: not an amount"),
    "not a number": ({"change_cents": "NaN"}, "change_cents: not an amount"),
    "infinity": ({"change_cents": "inf"}, "change_cents: not an amount"),
    "hexadecimal": ({"change_cents": "0x10"}, "change_cents: not an amount"),
    "two signs": ({"change_cents": "--5"}, "two signs"),
    "more than there is money": ({"tender_amount_cents": "9999999999999"}, "more than any office"),
    "a number of 20 digits": ({"tender_amount_cents": "12345678901234567890"}, "too long"),
    "a date as amount": ({"allocation_cents": "2026-11-20"}, "a date"),
    "Arabic digits": ({"allocation_cents": "\u0665\u0660"}, "not an amount"),
    "blank in the amount": ({"allocation_cents": "5 000"}, "a thousands separator"),
    # signs
    "negative payment": ({"tender_amount_cents": "-5000"}, "negative on a row that takes nothing"),
    "negative change": ({"change_cents": "-5"}, "change_cents: negative"),
    "change over tender": ({"change_cents": "5001"}, "change_cents: more than"),
    "change on an e-check": ({"tender_type": "ach", "change_cents": "5"}, "nothing is handed back"),
    # identity
    "no receipt": ({"receipt_no": ""}, "receipt_no: empty"),
    "receipt as 1.00124E+11": ({"receipt_no": "1.00124E+11"}, "receipt_no: a number in scientific"),
    "receipt with a decimal comma": ({"receipt_no": '"1,0E+11"'}, "in scientific notation"),
    "account as 1.91431E+18": ({"account_no": "1.91431E+18"}, "account_no: a number in scientific"),
    "account with a letter": ({"account_no": "A-1.9E+18"}, "account_no: a number in scientific"),
    "void of 1.0E+05": ({"status": "void", "void_of": "1.0E+05"}, "void_of: a number in"),
    "line 0": ({"line_no": "0"}, "line_no: not 1 to 9999"),
    "line 10000": ({"line_no": "10000"}, "line_no: not 1 to 9999"),
    "line 1.0": ({"line_no": "1.0"}, "line_no: not 1 to 9999"),
    "line -1": ({"line_no": "-1"}, "line_no: "),
    "no window": ({"window_id": ""}, "window_id: empty"),
    "no tender": ({"tender_id": ""}, "tender_id: empty"),
    "no source": ({"source_system": ""}, "source_system: empty"),
    # dates and times
    "business date in 2062": ({"business_date": "2062-11-20"}, "business_date: 13149 days from"),
    "business date in 1926": ({"business_date": "1926-11-20"}, "days from posted_at, limit 31"),
    "business date 40 days on": ({"business_date": "2026-12-30"}, "40 days from posted_at"),
    "both dates in 2062": (
        {"business_date": "2062-11-20", "posted_at": "2062-11-20T10:00:00-06:00"},
        "posted_at: more than 31 days in the future",
    ),
    "date of Americans": ({"business_date": "11/20/2026"}, "a date in another order"),
    "date of Germans": ({"business_date": "20.11.2026"}, "a date in another order"),
    "date without hyphens": ({"business_date": "20261120"}, "business_date: not a date"),
    "30 February": ({"business_date": "2026-02-30"}, "business_date: no day of the calendar"),
    "no date": ({"business_date": ""}, "business_date: not a date"),
    "a spreadsheet's day number": ({"business_date": "46346"}, "business_date: not a date"),
    "time without offset": ({"posted_at": "2026-11-20T10:00:00"}, "lacks its offset"),
    "hour that comes twice": ({"posted_at": "2026-11-01T01:30:00"}, "one hour comes twice"),
    "time of Americans": ({"posted_at": "11/20/2026 10:00 AM"}, "posted_at: not ISO 8601"),
    "25 o'clock": ({"posted_at": "2026-11-20T25:00:00-06:00"}, "posted_at: not ISO 8601"),
    "no time": ({"posted_at": ""}, "posted_at: not ISO 8601"),
    "year 20260": ({"posted_at": "20260-11-20T10:00:00-06:00"}, "posted_at: not ISO 8601"),
    # words
    "tender in capitals": ({"tender_type": "CASH"}, "tender_type: 'CASH' is not one of cash"),
    "unknown tender": ({"tender_type": "gold"}, "tender_type: 'gold' is not one of cash"),
    "no tender type": ({"tender_type": ""}, "tender_type: an empty cell is not one of"),
    "unknown status": ({"status": "ok"}, "status: 'ok' is not one of posted"),
    "a person in the status": ({"status": "Ann Smith"}, "status: something else is not one of"),
    "a fund without a service": ({"service": ""}, "service: empty, and there is a fund"),
    "void_of on a posted row": ({"void_of": "R0"}, "void_of: set on a row with status posted"),
    # what no cell may hold
    "card number": ({"source_ref": CARD}, "source_ref: looks like a card number"),
    "card number in groups": ({"source_ref": "4111 1111 1111 1111"}, "looks like a card number"),
    "card number as account": ({"account_no": CARD}, "[posted] long_accounts"),
    "formula": ({"source_ref": "=cmd|' /C calc'!A0"}, "source_ref: begins with =, as a formula"),
    "formula by plus": ({"account_no": "+1+1"}, "account_no: begins with +"),
    "formula by minus": ({"source_ref": "-2+3"}, "source_ref: begins with -"),
    "formula by at": ({"source_ref": "@SUM(A1)"}, "source_ref: begins with @"),
    "41 characters": ({"account_no": "x" * 41}, "account_no: 41 characters, limit 40"),
    "a tab": ({"account_no": "a\tb"}, "account_no: control characters"),
    "a NUL": ({"account_no": "a\0b"}, "account_no: control characters"),
    "a blank in front": ({"receipt_no": " R2"}, "receipt_no: control characters or blanks"),
    "a mark in mid file": ({"receipt_no": "\ufeffR2"}, "receipt_no: control characters"),
    "text that turns round": ({"source_ref": "a\u202eb"}, "source_ref: control characters"),
}  # fmt: skip

Change = Callable[[bytes], bytes]


def line_3(change: Callable[[bytes], bytes]) -> Change:
    """A change of the bytes of line 3."""

    def changed_file(content: bytes) -> bytes:
        lines = content.split(b"\n")
        lines[2] = change(lines[2])
        return b"\n".join(lines)

    return changed_file


# {name: (change of the file's bytes, what is said of line 3)}: it costs one receipt
ROWS = {
    "cp1252 quote": (line_3(lambda line: line + b"O\x92Brien"), "source_ref: byte 0x92 is not"),
    "latin-1 letter": (line_3(lambda line: line.replace(b"100-1", b"Na\xdf")), "account_no: byte"),
    "half a letter": (line_3(lambda line: line + b"\xc3"), "source_ref: byte 0xc3 is not UTF-8"),
    "a comma too many": (line_3(lambda line: line.replace(b"100-1", b"Smith, A")), "23 fields"),
    "a comma too few": (line_3(lambda line: line[:-1]), "21 fields, expected 22"),
    "cut in mid row": (line_3(lambda line: line[:60]), "fields, expected 22"),
    "an open quote": (line_3(lambda line: line.replace(b"100-1", b'"100-1')), "not CSV"),
    "a quote in a text": (line_3(lambda line: line.replace(b"100-1", b'"a"b')), "not CSV"),
    "a line of 9 kB": (line_3(lambda line: line + b"x" * 9_000), "longer than 2048 bytes"),
}  # fmt: skip

# {name: (content, what is said)}: nothing of the file is posted
FILES = {
    "no control line": (text_of(GOOD, last=""), "no control line at the end"),
    "cut before its end": (text_of(GOOD)[:-200], "no control line at the end"),
    "a control line of one row more": (
        text_of(GOOD, last=TOTAL.replace("rows=4", "rows=5")), "control total rows",
    ),
    "a row lost": (text_of(GOOD[1:], last=TOTAL), "control total rows"),
    "an amount changed": (text_of([row("R1", amount=5001), *GOOD[1:]], last=TOTAL), "tender_cents"),
    "an allocation changed": (
        text_of([row("R1", allocation=4999), *GOOD[1:]], last=TOTAL), "allocation_cents",
    ),
    "change changed": (
        text_of([changed(GOOD[0], change_cents="1"), *GOOD[1:]], last=TOTAL), "change_cents",
    ),
    "control without a name": (text_of(GOOD, last="#control,4,11600"), "unreadable control line"),
    "control with words": (
        text_of(GOOD, last=TOTAL.replace("rows=4", "rows=four")), "unreadable control line",
    ),
    "control with a decimal comma": (
        text_of(GOOD, last=TOTAL + ",50"), "unreadable control line",
    ),
    "control with three places": (
        text_of(GOOD, last=TOTAL.replace("change_cents=0", "change_cents=0.000")), "more than two",
    ),
    "rows after the control line": (text_of(GOOD) + ",".join(GOOD[0]) + "\n", "line 7: something"),
    "two control lines": (text_of(GOOD) + TOTAL + "\n", "line 7: something follows"),
    "sorted by a spreadsheet": (
        "\n".join([",".join(COLUMNS), TOTAL, *(",".join(cells) for cells in GOOD)]),
        "line 3: something follows the control line",
    ),
    "dollars beside cents": (
        spoilt({"tender_amount_cents": "50.00"}), "line 3 tender_amount_cents with one",
    ),
    "dollars that lost their cents": (
        spoilt({"tender_amount_cents": "12.5"}), "amounts are written in two ways",
    ),
    "a dollar sign beside cents": (
        spoilt({"tender_amount_cents": "$50.00"}), "amounts are written in two ways",
    ),
    "a decimal comma beside cents": (
        spoilt({"tender_amount_cents": '"50,00"'}), "amounts are written in two ways",
    ),
}  # fmt: skip

HEADER = ",".join(COLUMNS)
# {name: (content, what is said)}: no posted.csv at all
OTHERS = {
    "empty": ("", "column 1 is something else"),
    "another table": ("a,b\n1,2\n", "column 1 is 'a', expected 'receipt_no'"),
    "a column missing": (HEADER.replace(",fund", "") + "\n", "column fund is missing"),
    "a column more": (HEADER + ",more\n", "column 23 is 'more', which is no column"),
    "a column twice": (HEADER + ",fund\n", "column fund stands there twice"),
    "a column misspelt": (HEADER.replace("fund", "fond") + "\n", "'fond', expected 'fund'"),
    "no header": (",".join(GOOD[0]) + "\n", "column 1 is something else"),
    "a page of HTML": ("<html><body>Please sign in</body></html>\n", "column 1 is something else"),
    "a workbook": (b"PK\x03\x04\x14\x00\x06\x00\x08\x00", "column 1 is something else"),
}


@pytest.fixture
def db():
    with closing(empty_ledger()) as db:
        yield db


@pytest.fixture
def post(db, tmp_path):
    def post(content, name="bad.csv", rules=Rules(now_ms=NOW_MS)):  # noqa: B008  # frozen
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return import_posted(db, tmp_path / name, NOW_MS, rules)

    return post


def receipts(db):
    return [
        (item.receipt_no, item.line_no)
        for item in postings_between(db, "w1", "2026-11-20", 0, 1 << 60)
    ]


def assert_one_receipt_was_refused(db, result, said):
    kept = dict(refused_lines(db, 1, 1_000))
    assert ("posted", "") == (result.state, result.reason)
    assert said in kept[3], kept
    assert any(step in kept[3].partition(";")[2] or step in kept[3] for step in STEP), kept[3]
    assert [] == [receipt for receipt, _ in receipts(db) if receipt not in ("R1", "R2", "R3")]
    assert [("R1", 1), ("R3", 1)] == [each for each in receipts(db) if each[0] != "R2"]
    assert {3} <= {each.file_line for each in unsettled(db, "2026-11-20", 0, 1 << 60)}
    assert [] == list(verify(db))


@pytest.mark.parametrize("name", CELLS)
def test_a_bad_cell_costs_its_receipt_alone(name, db, post) -> None:
    cells, said = CELLS[name]

    result = post(spoilt(cells))

    assert_one_receipt_was_refused(db, result, said)
    if cells.keys().isdisjoint({"receipt_no"}):
        assert [("R1", 1), ("R3", 1)] == receipts(db), "the other row of the receipt too"


@pytest.mark.parametrize("name", ROWS)
def test_a_bad_row_costs_its_receipt_alone(name, db, post) -> None:
    change, said = ROWS[name]

    result = post(change(text_of(GOOD).encode()))

    assert_one_receipt_was_refused(db, result, said)
    assert [("R1", 1), ("R3", 1)] == receipts(db), "the other row of the receipt too"
    assert "posted whole or not at all" in dict(refused_lines(db, 1, 9))[4]


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_does_not_add_up_posts_nothing(name, db, post) -> None:
    content, said = FILES[name]

    result = post(content)

    assert ("unposted", 0) == (result.state, result.added)
    assert said in result.reason, result.reason
    assert any(step in result.reason for step in STEP), result.reason
    assert [] == receipts(db)
    assert "bad.csv" in {each.file for each in unsettled(db, "2026-11-20", 0, 1 << 60)}
    assert [] == list(verify(db))


@pytest.mark.parametrize("name", OTHERS)
def test_another_file_is_refused_by_its_header(name, db, post) -> None:
    content, said = OTHERS[name]

    with pytest.raises(DataError, match=r"bad\.csv:1: ") as caught:
        post(content)

    assert said in str(caught.value)
    assert "docs/posted-csv.md" in str(caught.value) or "take" in str(caught.value)
    assert [] == receipts(db)


def test_an_export_whose_header_went_wrong_is_on_the_page_of_its_day(db, post) -> None:
    with pytest.raises(DataError):
        post(text_of(GOOD).replace("fund", "fond", 1))

    [told] = unsettled(db, "2026-11-20", NOW_MS - 1, NOW_MS + 1)
    assert ("file", "bad.csv", 0) == (told.code, told.file, told.file_line)
    assert "'fond'" in told.reason
    assert "posted" == post(text_of(GOOD)).state
    assert [] == unsettled(db, "2026-11-20", NOW_MS - 1, NOW_MS + 1)


def test_there_are_enough_of_them() -> None:
    assert len(CELLS) + len(ROWS) + len(FILES) + len(OTHERS) >= 80


def test_a_line_of_a_gigabyte_is_never_in_memory(db, post, monkeypatch) -> None:
    monkeypatch.setattr(posted_file, "FILE_BYTES_MAX", 1 << 40)
    long = b"x" * 20_000_000
    lines = text_of(GOOD).encode().split(b"\n")
    import tracemalloc

    content = b"\n".join([*lines[:2], long, *lines[3:]])
    tracemalloc.start()
    result = post(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert ("posted", 1) == (result.state, result.refused)
    assert peak < 2_000_000


# --- as spreadsheets leave them: read, because it is certain --------------------------------------

AS_IT_IS = text_of(GOOD)
QUOTED = "\n".join(
    ",".join(f'"{cell}"' for cell in line.split(",")) for line in AS_IT_IS.splitlines()
)
BLANK = "," * 21 + "\n"
READ = {
    "as it is": AS_IT_IS,
    "every cell quoted": QUOTED,
    "blank rows of commas": AS_IT_IS.replace("#control", BLANK + "#control") + BLANK + BLANK,
    "blank rows of blanks": AS_IT_IS.replace("#control", "  \n\n#control") + "\n \n",
    "a control line as wide as the table": AS_IT_IS.rstrip() + "," * 17,
    "semicolons": AS_IT_IS.replace(",", ";"),
    "semicolons but for the control line": "\n".join(
        line if line.startswith("#") else line.replace(",", ";") for line in AS_IT_IS.splitlines()
    ),
    "tabs": AS_IT_IS.replace(",", "\t"),
    "tabs, every cell quoted": QUOTED.replace(",", "\t"),
    "a line that names the separator": "sep=;\n" + AS_IT_IS.replace(",", ";"),
    "CR alone": AS_IT_IS.replace("\n", "\r").encode(),
    "CRLF": AS_IT_IS.replace("\n", "\r\n").encode(),
    "a mark of UTF-8": b"\xef\xbb\xbf" + AS_IT_IS.encode(),
    "UTF-16": AS_IT_IS.encode("utf-16"),
    "UTF-16 of the other order": b"\xfe\xff" + AS_IT_IS.encode("utf-16-be"),
    "UTF-16 without its mark": AS_IT_IS.encode("utf-16-le"),
    "UTF-16 with tabs and CRLF": AS_IT_IS.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"),
    "column names in capitals": HEADER.upper() + AS_IT_IS[len(HEADER) :],
    "no line end at the end": AS_IT_IS.rstrip(),
    "columns in another order": "\n".join(
        line if line.startswith("#") else ",".join(reversed(line.split(",")))
        for line in AS_IT_IS.splitlines()
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_is_certain_is_read(name, db, post) -> None:
    result = post(READ[name])

    assert ("posted", "", 4, 4, 0) == (
        result.state, result.reason, result.rows, result.added, result.refused,
    ), result  # fmt: skip
    assert "already" == post(READ[name]).state
    assert 0 == post(AS_IT_IS + "\n", "once more.csv").added
    assert [] == list(verify(db))
