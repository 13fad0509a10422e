"""Spoiled exports: each is refused by line, column and reason, and no reason shows a cell."""

import dataclasses
import datetime
import io
import re
import tracemalloc

import pytest

from gateway.errors import DataError
from gateway.incoming.column_map_lines import Reading
from tests.incoming.mapping import OFFICE, PLAIN, PLAIN_FILE, read, read_shipped, sample
from tests.incoming.test_column_map_kinds import (
    AMOUNTS,
    MASS_PAYMENT,
    MASS_PAYMENT_FILE,
    PROOF_LIST,
    PROOF_LIST_FILE,
)

SHAPED = PLAIN + '[shapes]\naccount_no = "\\\\d{5}-\\\\d{3}"\nreceipt_no = "\\\\d{4}"\n'
CHECKED = PLAIN + '[[check]]\nsum = ["Net", "Tax"]\nequals = "Amount"\n'
CHECKED_FILE = """\
Receipt,Window,Date,Paid by,Amount,Account,State,Net,Tax
1001,w1,11/20/2026 10:00,Cash,50.00,38492-659,OK,40.00,10.00
1002,w1,11/20/2026 10:05,Check,84.27,10277-014,OK,84.27,0.00
Total,,,,134.27,,,,
"""

# (name, map, file, what is changed into what, (line, column, reason))
ROWS = [
    ("empty receipt", PLAIN, PLAIN_FILE, ("1001,", ","), (2, "Receipt", "empty")),
    ("receipt 1.9E+18", PLAIN, PLAIN_FILE, ("1001,", "1.91431E+18,"),
     (2, "Receipt", "an exponent such as 1.9E+18: a spreadsheet rewrote it; export it again")),
    ("account 3.8E+07", PLAIN, PLAIN_FILE, ("38492-659", "3.8E+07"),
     (2, "Account", "an exponent such as 1.9E+18: a spreadsheet rewrote it; export it again")),
    ("lost zeros", SHAPED, PLAIN_FILE, ("1001,", "1,"),
     (2, "Receipt",
      "not the shape of [shapes] receipt_no; a spreadsheet may have taken its zeros")),
    ("account of another shape", SHAPED, PLAIN_FILE, ("38492-659", "38492659"),
     (2, "Account",
      "not the shape of [shapes] account_no; a spreadsheet may have taken its zeros")),
    ("empty window", PLAIN, PLAIN_FILE, ("1001,w1", "1001,"), (2, "Window", "empty")),
    ("bell in the account", PLAIN, PLAIN_FILE, ("38492-659", "38\a492"),
     (2, "Account", "control characters in it")),
    ("unknown tender", PLAIN, PLAIN_FILE, ("Cash,50", "Barter,50"),
     (2, "Paid by", "no code of [codes.tender_type]; add what it means")),
    ("empty tender", PLAIN, PLAIN_FILE, ("Cash,50", ",50"),
     (2, "Paid by", "no code of [codes.tender_type]; add what it means")),
    ("unknown state", PLAIN, PLAIN_FILE, ("38492-659,OK", "38492-659,PENDING"),
     (2, "State", "no code of [codes.status]; add what it means")),
    ("date the other way", PLAIN, PLAIN_FILE, ("11/20/2026 10:00", "20/11/2026 10:00"),
     (2, "Date", "not a date in one of formats")),
    ("30 February", PLAIN, PLAIN_FILE, ("11/20/2026 10:00", "02/30/2026 10:00"),
     (2, "Date", "not a date in one of formats")),
    ("date without its time", PLAIN, PLAIN_FILE, ("11/20/2026 10:00", "11/20/2026"),
     (2, "Date", "not a date in one of formats")),
    ("date as a spreadsheet's number", PLAIN, PLAIN_FILE, ("11/20/2026 10:00", "46346.416"),
     (2, "Date", "not a date in one of formats")),
    ("empty date", PLAIN, PLAIN_FILE, ("11/20/2026 10:00", ""), (2, "Date", "empty")),
    ("year 2062", PLAIN, PLAIN_FILE, ("11/20/2026 10:00", "11/20/2062 10:00"),
     (2, "Date", "not in the years 2000 to 2050; look at the date in the export")),
    ("year 1926", PLAIN, PLAIN_FILE, ("11/20/2026 10:00", "11/20/1926 10:00"),
     (2, "Date", "not in the years 2000 to 2050; look at the date in the export")),
    ("hour that comes twice", PLAIN, PLAIN_FILE, ("11/20/2026 10:00", "11/01/2026 01:30"),
     (2, "Date", "an hour that comes twice when summer time ends; repeated_hour says which")),
    ("hour that is left out", PLAIN, PLAIN_FILE, ("11/20/2026 10:00", "03/08/2026 02:30"),
     (2, "Date", "an hour that the change to summer time leaves out")),
    ("25 o'clock", PLAIN, PLAIN_FILE, ("11/20/2026 10:00", "11/20/2026 25:00"),
     (2, "Date", "not a date in one of formats")),
    ("dollar sign", PLAIN, PLAIN_FILE, ("50.00", "$50.00"),
     (2, "Amount", "a currency sign; name it in symbol")),
    ("parentheses", PLAIN, PLAIN_FILE, ("50.00", "(50.00)"),
     (2, "Amount", 'parentheses; add "parentheses" to negative if they are a minus')),
    ("minus at the end", PLAIN, PLAIN_FILE, ("50.00", "50.00-"),
     (2, "Amount", 'a minus at the end; add "trailing" to negative')),
    ("CR at the end", PLAIN, PLAIN_FILE, ("50.00", "50.00 CR"),
     (2, "Amount", "CR at the end; add it to negative if it is a minus")),
    ("thousands", PLAIN, PLAIN_FILE, ("50.00", '"1,050.00"'),
     (2, "Amount", "a sign between thousands; name it in thousands")),
    ("thousands not in threes", AMOUNTS + 'thousands = ","', "R,W,A,D\n1,w1,12.50,2026-11-20\n",
     ("12.50", '"1,25.00"'), (2, "A", "thousands not in threes")),
    ("comma before the cents", PLAIN, PLAIN_FILE, ("50.00", '"50,00"'),
     (2, "Amount", "a comma before the cents, and the map says point")),
    ("point before the cents", AMOUNTS + 'decimals = "comma"', "R,W,A,D\n1,w1,5,2026-11-20\n",
     (",5,", ",5.00,"), (2, "A", "a point before the cents, and the map says comma")),
    ("whole dollars beside cents", PLAIN, PLAIN_FILE, ("50.00", "50"),
     (2, "Amount", "no point: it could be cents or dollars")),
    ("one place", PLAIN, PLAIN_FILE, ("50.00", "50.0"),
     (2, "Amount", "one place after the point, not two")),
    ("three places", PLAIN, PLAIN_FILE, ("50.00", "50.000"),
     (2, "Amount", "3 places after the point")),
    ("amount 5E+1", PLAIN, PLAIN_FILE, ("50.00", "5.0E+1"),
     (2, "Amount",
      "an exponent such as 1.2E+3: a spreadsheet rewrote it; export the file again")),
    ("no whole part", PLAIN, PLAIN_FILE, ("50.00", ".50"),
     (2, "Amount", "nothing before the point")),
    ("point in cents", AMOUNTS + 'decimals = "cents"', "R,W,A,D\n1,w1,1250,2026-11-20\n",
     ("1250", "12.50"), (2, "A", "a point or comma, and the map says whole cents")),
    ("words", PLAIN, PLAIN_FILE, ("50.00", "fifty"), (2, "Amount", "no digit in it")),
    ("a formula", PLAIN, PLAIN_FILE, ("50.00", "=SUM(E1:E2)"),
     (2, "Amount", "a formula; export the values")),
    ("empty amount", PLAIN, PLAIN_FILE, ("50.00", ""), (2, "Amount", "empty")),
    ("two signs", PLAIN, PLAIN_FILE, ("50.00", "--50.00"), (2, "Amount", "two signs")),
    ("sixteen digits", PLAIN, PLAIN_FILE, ("50.00", "9999999999999999.00"),
     (2, "Amount", "more digits than any office takes")),
    ("negative without a meaning", PLAIN, PLAIN_FILE, ("50.00", "-50.00"),
     (2, "Amount", "negative; [signs] negative says what that means")),
    ("too few fields", PLAIN, PLAIN_FILE, ("38492-659,OK", "38492-659"),
     (2, "", "6 fields, expected 7")),
    ("too many fields", PLAIN, PLAIN_FILE, ("38492-659,OK", "38492-659,OK,more"),
     (2, "", "8 fields, the header has 7")),
    ("open quote", PLAIN, PLAIN_FILE, ("38492-659", '"38492-659'),
     (2, "", "quotes that do not close; set line_breaks if a field may go over several lines")),
    ("text after a quote", PLAIN, PLAIN_FILE, ("38492-659", '"38492"-659'),
     (2, "", "quotes that do not close; set line_breaks if a field may go over several lines")),
    ("line of 70,000 bytes", PLAIN, PLAIN_FILE, ("38492-659", "9" * 70_000),
     (2, "", "longer than 65536 bytes")),
    ("fields that do not add up", CHECKED, CHECKED_FILE, ("40.00,10.00", "40.00,11.00"),
     (2, "Amount", "not what the fields of its [[check]] add up to")),
    ("wide: total is another", PROOF_LIST, PROOF_LIST_FILE, ("42.00,58.00", "42.00,85.00"),
     (5, "Total", "not the tenders less the change")),
    ("wide: change and no tender", PROOF_LIST, PROOF_LIST_FILE,
     ("100.00,,,42.00,58.00", ",,,42.00,-42.00"), (5, "Change", "change, and no tender")),
    ("wide: change of which tender", PROOF_LIST, PROOF_LIST_FILE,
     ("100.00,,,42.00,58.00", ",60.00,40.00,42.00,58.00"),
     (5, "Change", "change, and nobody can tell of which tender")),
    ("wide: both signs", PROOF_LIST, PROOF_LIST_FILE,
     ("100.00,,,42.00,58.00", "100.00,-42.00,,,58.00"),
     (5, "Total", "amounts of both signs on one line")),
    ("fixed: a tab", MASS_PAYMENT, MASS_PAYMENT_FILE, ("D20262000012345  ", "D2026\t00012345  "),
     (2, "", "a tab, which moves every position after it")),
    ("fixed: cut off", MASS_PAYMENT, MASS_PAYMENT_FILE, ("00004471       \n", "00004471\n"),
     (2, "", "43 characters, expected 50")),
    ("fixed: another type", MASS_PAYMENT, MASS_PAYMENT_FILE, ("D20262000012345", "?20262000012345"),
     (2, "type", "neither a row, as [rows] says, nor a total, nor in [[ignore]]")),
    ("fixed: shifted by one", MASS_PAYMENT, MASS_PAYMENT_FILE,
     ("0000010000" + "20261120  0", " 0000010000" + "20261120 0"),
     (2, "day", "not a date in one of formats")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("toml", "text", "change", "told"),
    [row[1:] for row in ROWS],
    ids=[row[0].replace(" ", "-") for row in ROWS],
)
def test_a_spoiled_row_is_told_by_line_column_and_reason(toml, text, change, told):
    if toml is MASS_PAYMENT and change[0].startswith("D20262000012345"):
        change = (change[0].rstrip(), change[1].rstrip())
    spoiled = text.replace(*change, 1)
    found = read(toml, spoiled)

    assert text != spoiled
    assert [told] == found.told
    others = {row.line for row in read(toml, text).rows} - {told[0]}
    assert others == {row.line for row in found.rows} - {told[0]}


def test_there_are_forty_spoiled_rows_or_more():
    assert 40 <= len(ROWS)


@pytest.mark.parametrize("column", ["Receipt", "Window", "Date", "Paid by", "Amount", "State"])
def test_no_reason_shows_what_stood_in_the_cell(column):
    secret = "Jane Roe 4111 1111 1111 1111"
    place = PLAIN_FILE.splitlines()[0].split(",").index(column)
    lines = PLAIN_FILE.splitlines()
    cells = lines[1].split(",")
    cells[place] = secret
    found = read(PLAIN, "\n".join([lines[0], ",".join(cells), *lines[2:]]))

    told = " ".join(str(each.reason) for each in found.refused) + found.fault
    assert not re.search(r"Jane|Roe|4111", told)


def test_one_bad_byte_refuses_its_row_and_not_the_day():
    spoiled = PLAIN_FILE.encode().replace(b"10277-014", b"O\x92Brien")
    found = read(PLAIN, spoiled)

    assert [(3, "", "byte 39 is not utf-8")] == found.told
    assert ["1001", "1003", "1004"] == [number for (number,) in found.of("receipt_no")]


def test_a_row_with_a_bad_byte_counts_for_the_vendors_total():
    spoiled = PLAIN_FILE.encode().replace(b"10277-014", b"O\x92Brien")

    assert "" == read(PLAIN, spoiled).fault


def test_a_refused_row_counts_for_the_vendors_total_where_its_amount_can_be_read():
    found = read(PLAIN, PLAIN_FILE.replace("Check,84.27", "Barter,84.27"))

    assert 1 == len(found.refused)
    assert "" == found.fault


def test_an_unreadable_amount_is_named_when_the_total_does_not_agree():
    found = read(PLAIN, PLAIN_FILE.replace("84.27", "84,27x"))

    assert "total of Amount: the amount of line 3 cannot be read" in found.fault


class Endless(io.RawIOBase):
    """A line of 10 MB without an end, then a sound one."""

    def __init__(self):
        self._left = 160

    def read(self, size=-1):
        self._left -= 1
        return b"9" * 65_536 if self._left > 0 else b"\nlast\n" if not self._left else b""


def test_a_line_without_an_end_takes_no_memory():
    tracemalloc.start()
    lines = list(Reading(Endless(), "utf-8").lines())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [(1, "longer than 65536 bytes"), (2, "")] == [
        (each.number, each.fault) for each in lines
    ]
    assert 1_000_000 > peak


def test_a_refusal_names_its_receipt_where_that_can_be_read():
    [refusal] = read(PLAIN, PLAIN_FILE.replace("Check,84.27", "Check,$84.27")).refused

    assert ("1002", "w1", "2026-11-20") == (
        refusal.receipt_no,
        refusal.window_id,
        refusal.business_date,
    )


# --- files that are not of the map ---

FILES = [
    ("a column is missing", PLAIN, PLAIN_FILE.replace("Amount", "Sum"),
     "export.csv:1: column 'Amount' of [columns.allocation_cents] is not in the header"),
    ("a near name is shown", PLAIN, PLAIN_FILE.replace("Amount", "Amounts"),
     "did you mean 'Amounts'?"),
    ("a column stands there twice", PLAIN, PLAIN_FILE.replace("Account", "Amount"),
     "stands in the header twice"),
    ("no header at all", PLAIN, PLAIN_FILE.partition("\n")[2], "is not in the header"),
    ("the wrong delimiter", PLAIN, PLAIN_FILE.replace(",", ";"), "is delimiter of [file] right?"),
    ("the wrong encoding", PLAIN, PLAIN_FILE.encode("utf-16"),
     "export.csv:1: the header cannot be read: byte 1 is not utf-8; see encoding and quote"),
    ("empty", PLAIN, "", "no header row"),
    ("shorter than skip_first", PROOF_LIST, "City\n", "no header row"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("toml", "text", "told"),
    [row[1:] for row in FILES],
    ids=[row[0].replace(" ", "-") for row in FILES],
)
def test_a_file_that_is_not_of_the_map_is_told_with_the_next_step(toml, text, told):
    with pytest.raises(DataError, match=re.escape(told)):
        read(toml, text)


# --- files that are not whole ---

WHOLE = [
    ("a row is lost", PLAIN, PLAIN_FILE.replace("1003,w2,11/20/2026 10:07,Visa,120.49,55120-310,"
     "OK\n", ""), "line 5: total of Amount: the file says 254.76, its rows give 134.27; export the"
     " file again"),
    ("a digit is changed", PLAIN, PLAIN_FILE.replace("120.49", "120.94"),
     "the file says 254.76, its rows give 255.21"),
    ("the void is posted after all", PLAIN, PLAIN_FILE.replace("VOID", "OK"),
     "the file says 254.76, its rows give 274.76"),
    ("the total is cut off", PLAIN, PLAIN_FILE[: PLAIN_FILE.index("Total")],
     "total of Amount: the file says 20.00, its rows give 254.76"),
    ("the total cannot be read", PLAIN, PLAIN_FILE.replace("254.76", "many"),
     "line 6: total of Amount: no digit in it"),
    ("the total has no field", PLAIN, PLAIN_FILE.replace("Total,,,,254.76,,", "Total 254.76"),
     "line 6: total of Amount: no such field on its line"),
    ("only a header", PLAIN, PLAIN_FILE.partition("\n")[0] + "\n",
     "no line with the total of Amount: the file was cut short"),
    ("the trailer counts another number of rows", MASS_PAYMENT,
     MASS_PAYMENT_FILE.replace("T000003", "T000004"),
     "line 5: total of rows: the file says 4, its rows give 3; export the file again"),
    ("the trailer's count is no number", MASS_PAYMENT,
     MASS_PAYMENT_FILE.replace("T000003", "T00 003"),
     "line 5: total of rows: not a number of rows"),
    ("the trailer is lost", MASS_PAYMENT, MASS_PAYMENT_FILE[: MASS_PAYMENT_FILE.index("T0000")],
     "no line with the total of paid: the file was cut short"),
    ("two files in one", MASS_PAYMENT, MASS_PAYMENT_FILE + MASS_PAYMENT_FILE,
     "line 7: something follows the total of line 5"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("toml", "text", "fault"),
    [row[1:] for row in WHOLE],
    ids=[row[0].replace(" ", "-") for row in WHOLE],
)
def test_a_file_that_is_not_whole_says_why(toml, text, fault):
    assert fault in read(toml, text).fault


def test_an_export_without_a_total_has_no_fault_and_nothing_vouches_for_it():
    toml = PLAIN[: PLAIN.index("[[total]]")]
    found = read(toml, PLAIN_FILE[: PLAIN_FILE.index("Total")])

    assert ("", False) == (found.fault, found.file.map.has_total)


# --- the shipped maps ---

SHIPPED = [
    ("square", b"Central Time (US & Canada)", b"Bangkok",
     (2, "Time Zone", "no name of a zone in [time.zones]; add it")),
    ("square", b"Payment,City", b"Dispute,City",
     (2, "Event Type", "no code of [codes.kind]; add what it means")),
    ("square", b"$120.40,Point of Sale", b"$120.41,Point of Sale",
     (2, "Total Collected", "not the tenders less the change")),
    ("square", b"Window 1", b"", (2, "Device Name", "empty")),
    ("square", b",Complete", b",Pending",
     (2, "Transaction Status", "no code of [codes.status]; add what it means")),
    ("loyverse", b"9:05 AM", b"9:05", (2, "Date", "not a date in one of formats")),
    ("loyverse", b"11/20/26 9:05", b"20/11/26 9:05", (2, "Date", "not a date in one of formats")),
    ("loyverse", b"Sale,48.30", b"Layaway,48.30",
     (2, "Receipt type", "no code of [codes.kind]; add what it means")),
    ("loyverse", b",48.30,Cash", b",48.30,Gems",
     (2, "Payment type", "no code of [codes.tender_type]; add what it means")),
    ("loyverse", b"-8.30,0.00,-8.30,0.00,-8.30", b"-8.30,0.00,8.30,0.00,8.30",
     (6, "Total collected", "money handed out that is not negative")),
    ("rms-receipts", b"1585.00 ", b"$1585.00",
     (1, "amount", "a currency sign; name it in symbol")),
    ("rms-receipts", b"20261119", b"20261319", (1, "date", "not a date in one of formats")),
    ("navusoft-lockbox-3", b",100.00,", b",$100.00,",
     (2, "amount", "a currency sign; name it in symbol")),
    ("navusoft-lockbox-3", b",20261120", b",2026-11-20",
     (2, "date", "not a date in one of formats")),
    ("gotransverse-lockbox", b"100.00,USD", b"100,USD",
     (3, "Amount", "no point: it could be cents or dollars")),
    ("gotransverse-lockbox", b"1,38492", b",38492",
     (3, "Deposit Date Line Number", "a field of it is empty")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "good", "bad", "told"), SHIPPED)
def test_a_spoiled_row_of_a_vendor_is_told(name, good, bad, told):
    spoiled = sample(name).replace(good, bad, 1)

    assert sample(name) != spoiled
    assert told in read_shipped(name, spoiled).told


def test_a_day_that_has_not_come_is_refused_when_today_is_known():
    office = dataclasses.replace(OFFICE, latest=datetime.date(2026, 11, 20))
    found = read(PLAIN, PLAIN_FILE.replace("11/20/2026 10:00", "12/20/2026 10:00"), office)

    assert [(2, "Date", "a day that has not come yet; look at the date in the export")] == (
        found.told
    )
