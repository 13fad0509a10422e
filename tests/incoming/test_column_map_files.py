"""How files are written, what stands before the rows, and the lines of a receipt: what a column map
can say of an export as a whole.
"""

import pytest

from tests.incoming.mapping import HEAD, PLAIN, PLAIN_FILE, read

# --- how files are written ---


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("", lambda text: text.encode()),
        ("", lambda text: b"\xef\xbb\xbf" + text.encode()),
        ("", lambda text: text.replace("\n", "\r\n").encode()),
        ("", lambda text: text.replace("\n", "\r").encode()),
        ("", lambda text: (text + ",,,,,,\n\n  \n\x1a").encode().replace(b",,,,,,\n", b"")),
        ("", lambda text: text.rstrip("\n").encode()),
        ('[file]\ndelimiter = "semicolon"', lambda text: text.replace(",", ";").encode()),
        ('[file]\ndelimiter = "tab"', lambda text: text.replace(",", "\t").encode()),
        ('[file]\ndelimiter = "|"', lambda text: text.replace(",", "|").encode()),
        ('[file]\nencoding = "utf-16"', lambda text: text.encode("utf-16")),
        ('[file]\nencoding = "cp1252"', lambda text: text.replace("659", "\xe9").encode("cp1252")),
        ('[file]\nquote = ""', lambda text: text.replace("659", '6"9').encode()),
        ("", lambda text: '"' + text.strip().replace(",", '","').replace("\n", '"\n"') + '"'),
        ('[file]\nskip_last = 1', lambda text: text + "printed 11/21/2026\n"),
        ('[file]\nskip_first = 2', lambda text: "City\nof Example\n" + text),
    ],
)  # fmt: skip
def test_one_export_in_every_writing_is_one_export(rule, change):
    found = read(PLAIN + rule, change(PLAIN_FILE))

    assert [] == found.told
    assert "" == found.fault
    assert [("1001", "5000"), ("1002", "8427"), ("1003", "12049"), ("1004", "2000")] == found.of(
        "receipt_no", "allocation_cents"
    )


def test_a_quoted_field_may_go_over_lines_where_the_map_says_so():
    text = PLAIN_FILE.replace("38492-659", '"38492\n659"')
    found = read(PLAIN.replace('account_no = "Account"\n', "") + "[file]\nline_breaks = true", text)

    assert ["1001", "1002", "1003", "1004"] == [number for (number,) in found.of("receipt_no")]
    assert [2, 4, 5, 6] == [row.line for row in found.rows]


def test_a_quote_that_never_closes_costs_its_own_row_alone():
    text = PLAIN_FILE.replace("38492-659", '"38492-659')
    found = read(PLAIN + "[file]\nline_breaks = true", text)

    assert [(2, "", "quotes that do not close")] == found.told
    assert ["1002", "1003", "1004"] == [number for (number,) in found.of("receipt_no")]


def test_inch_marks_in_a_text_open_no_quote():
    text = PLAIN_FILE.replace("38492-659", '5" pipe').replace("10277-014", '3" pipe')
    found = read(PLAIN + "[file]\nline_breaks = true", text)

    assert ([], "") == (found.told, found.fault)
    assert ['5" pipe', '3" pipe'] == [account for (account,) in found.of("account_no")[:2]]


def test_a_refused_row_of_several_lines_names_them_all():
    text = PLAIN_FILE.replace("38492-659", '"38492\n659"').replace("50.00", "fifty")
    found = read(PLAIN + "[file]\nline_breaks = true", text)

    assert [(2, "Account", "control characters in it (the row goes over lines 2 to 3)")] == (
        found.told
    )


def test_totals_after_each_batch():
    toml = PLAIN.replace('at = "last row"', 'at = "match"\nstarts = "Batch"\neach = true')
    body = PLAIN_FILE.splitlines()
    text = "\n".join([*body[:3], "Batch 1,,,,134.27,,", *body[3:5], "Batch 2,,,,120.49,,", ""])

    assert "" == read(toml, text).fault
    assert [13427, 12049] == [each.found for each in read(toml, text).file.controls]
    assert "line 4: total of Amount" in read(toml, text.replace("134.27", "143.27")).fault
    assert "rows after the last total" in read(toml, text + body[1] + "\n").fault


def test_the_lines_of_a_receipt_are_counted_wherever_they_stand():
    text = PLAIN_FILE.replace("1003,w2", "1001,w1")

    assert [("1001", "1"), ("1002", "1"), ("1001", "2"), ("1004", "1")] == read(PLAIN, text).of(
        "receipt_no", "line_no"
    )


def test_numbers_that_start_again_at_each_window_are_counted_apart():
    text = PLAIN_FILE.replace("1003,w2", "1001,w2")

    assert [("1001", "w1", "1"), ("1002", "w1", "1"), ("1001", "w2", "1")] == read(PLAIN, text).of(
        "receipt_no", "window_id", "line_no"
    )[:3]


def test_one_tender_of_two_rows_repeats_itself():
    toml = PLAIN.replace('account_no = "Account"\n',
        'account_no = "Account"\ntender_amount_cents = "Tendered"\nchange_cents = "Change"\n'
        ) + '[constants]\ntender_id = "1"\n'  # fmt: skip
    text = (
        "Receipt,Window,Date,Paid by,Amount,Account,State,Tendered,Change\n"
        "1001,w1,11/20/2026 10:00,Cash,38.00,a,OK,100.00,42.00\n"
        "1001,w1,11/20/2026 10:00,Cash,20.00,b,OK,100.00,42.00\n"
        "Total,,,,58.00,,,,\n"
    )

    assert [("1", "10000", "4200", "3800"), ("1", "10000", "4200", "2000")] == read(toml, text).of(
        "tender_id", "tender_amount_cents", "change_cents", "allocation_cents"
    )
    assert [2, 3] == [each.line for each in
        read(toml.replace('[constants]\ntender_id = "1"\n', ""), text).refused]  # fmt: skip


def test_codes_turn_the_vendors_words_into_ours():
    toml = PLAIN.replace('account_no = "Account"', 'service = "Account"\nfund = "Account"') + """
[codes.service]
"38492-659" = "water"
"*" = "electric"
[codes.fund]
"38492-659" = "503-water"
"*" = "*"
"""  # fmt: skip
    found = read(toml, PLAIN_FILE.replace("Cash", "CASH"))

    assert [("water", "503-water"), ("electric", "10277-014")] == found.of("service", "fund")[:2]
    assert ("cash",) == found.of("tender_type")[0]


# --- what stands before the rows, trailers of one tender ---

DAILY = (
    PLAIN[: PLAIN.index("[time]")].replace('window_id = "Window"', 'window_id = "drawer"')
    + """
[file]
skip_first = 2
[head.day]
line = 1
after = "Receipts of "
[head.drawer]
line = 2
cell = "2"
[time]
fields = ["day", "Time"]
formats = ["%m/%d/%Y %H:%M"]
[[total]]
at = "match"
starts = "Cash trailer"
cell = "Amount"
of = "Amount"
tenders = ["cash"]
leave_out = ["void"]
each = true
[[total]]
at = "match"
starts = "Check and card trailer"
cell = "Amount"
of = "Amount"
tenders = ["check", "card"]
each = true
"""
)
DAILY_FILE = """\
Receipts of 11/20/2026
Drawer,w1
Receipt,Time,Paid by,Amount,Account,State
="0001",10:00,Cash,50.00,38492-659,OK
="0002",10:05,Check,84.27,10277-014,OK
="0003",10:07,Visa,120.49,55120-310,OK
="0004",10:30,Cash,20.00,38492-660,VOID
Cash trailer,,,50.00,,
Check and card trailer,,,204.76,,
"""


def test_a_day_and_a_drawer_that_stand_before_the_rows_are_those_of_each_row():
    found = read(DAILY, DAILY_FILE)

    assert [] == found.told
    assert [
        ("0001", "2026-11-20T10:00:00-06:00", "w1"),
        ("0002", "2026-11-20T10:05:00-06:00", "w1"),
    ] == found.of("receipt_no", "posted_at", "window_id")[:2]


def test_a_text_that_keeps_its_zeros_in_a_spreadsheet_keeps_them():
    assert "0001" == read(DAILY, DAILY_FILE).of("receipt_no")[0][0]


def test_a_trailer_for_each_tender_is_compared_with_its_rows_alone():
    found = read(DAILY, DAILY_FILE)

    assert "" == found.fault
    assert [5000, 20476] == [each.found for each in found.file.controls]
    assert "total of Amount cash: the file says 60.00" in read(
        DAILY, DAILY_FILE.replace("trailer,,,50.00", "trailer,,,60.00")).fault  # fmt: skip
    moved = DAILY_FILE.replace("Visa,120.49", "Cash,120.49")
    assert "total of Amount cash" in read(DAILY, moved).fault


def test_a_missing_head_refuses_every_row():
    found = read(DAILY, DAILY_FILE.replace("Receipts of 11/20/2026", "Receipts"))

    assert 4 == len(found.refused)
    assert {"day Time"} == {column for _, column, _ in found.told}


# --- the case of the table of cases ---

VENDOR = (
    HEAD
    + """
[file]
delimiter = "semicolon"
encoding = "cp1252"
[columns]
receipt_no = "Belegnr."
window_id = "Kasse"
tender_type = "Zahlart"
allocation_cents = "Betrag"
account_no = "Konto"
[codes.tender_type]
bar = "cash"
Scheck = "check"
[amounts]
decimals = "comma"
thousands = "."
[signs]
negative = "reversal"
[time]
fields = ["Datum", "Zeit"]
formats = ["%m/%d/%Y %H:%M"]
[[total]]
at = "last row"
of = "Betrag"
"""
)
VENDOR_FILE = """\
Belegnr.;Kasse;Datum;Zeit;Zahlart;Betrag;Konto
17;w1;12/31/2026;09:10;bar;1.050,00;M\xfcller 1
18;w1;12/31/2026;09:20;Scheck;84,27;K-2
17;w1;12/31/2026;09:30;bar;-1.050,00;M\xfcller 1
Summe;;;;;84,27;
"""


def test_own_columns_commas_negative_voids_total_line_semicolons_cp1252_and_12_31_2026():
    found = read(VENDOR, VENDOR_FILE.encode("cp1252"))

    assert ([], "") == (found.told, found.fault)
    assert [
        ("17", "2026-12-31", "cash", "105000", "posted", "", "M\xfcller 1"),
        ("18", "2026-12-31", "check", "8427", "posted", "", "K-2"),
        ("17-R", "2026-12-31", "cash", "105000", "reversed", "17", "M\xfcller 1"),
    ] == found.of(
        "receipt_no", "business_date", "tender_type", "allocation_cents", "status", "void_of",
        "account_no",
    )  # fmt: skip
    assert [(5, 8427, 8427)] == [
        (each.line, each.stated, each.found) for each in found.file.controls
    ]
