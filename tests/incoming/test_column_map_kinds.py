"""What a column map can say, kind by kind, on exports as vendors write them."""

import pytest

from tests.incoming.mapping import HEAD, PLAIN, PLAIN_FILE, read

TIME = """
[time]
fields = ["Date"]
formats = ["%m/%d/%Y %H:%M"]
"""

PROOF_LIST = (
    HEAD
    + """
[file]
skip_first = 3
[columns]
receipt_no = "Receipt"
window_id = "Station"
cashier_id = "Operator"
change_cents = "Change"
allocation_cents = "Total"
status = "Void"
[codes.status]
"" = "posted"
"VOID" = "void"
[tenders]
"Cash" = "cash"
"Check" = "check"
"Credit Card" = "card"
[amounts]
thousands = ","
empty = "zero"
[[ignore]]
starts = "Station total"
[[total]]
at = "match"
starts = "Grand Total"
of = "Total"
leave_out = ["void"]
[[total]]
at = "match"
starts = "Grand Total"
of = "Cash"
leave_out = ["void"]
"""
    + TIME
)
PROOF_LIST_FILE = """\
City of Example
Receipts Proof List
Batch 00123.11.2026
Receipt,Station,Operator,Date,Cash,Check,Credit Card,Change,Total,Void
R-1,CR1,jdoe,11/20/2026 08:05,100.00,,,42.00,58.00,
R-2,CR1,jdoe,11/20/2026 08:11,,84.27,,,84.27,
R-3,CR1,jdoe,11/20/2026 08:20,40.00,100.00,,5.00,135.00,
Station total,CR1,,,,,,,277.27,
R-4,CR2,asmith,11/20/2026 09:00,20.00,,,,20.00,VOID
R-5,CR2,asmith,11/20/2026 09:30,,,"1,049.50",,"1,049.50",
Station total,CR2,,,,,,,"1,049.50",
Grand Total,,,,140.00,184.27,"1,049.50",47.00,"1,326.77",
"""


def test_wide_tenders_become_a_row_each_and_the_change_comes_from_the_cash():
    found = read(PROOF_LIST, PROOF_LIST_FILE)

    assert [
        ("R-1", "1", "cash", "10000", "4200", "5800", "posted"),
        ("R-2", "1", "check", "8427", "0", "8427", "posted"),
        ("R-3", "1", "cash", "4000", "500", "3500", "posted"),
        ("R-3", "2", "check", "10000", "0", "10000", "posted"),
        ("R-4", "1", "cash", "2000", "0", "2000", "void"),
        ("R-5", "1", "card", "104950", "0", "104950", "posted"),
    ] == found.of(
        "receipt_no", "line_no", "tender_type", "tender_amount_cents", "change_cents",
        "allocation_cents", "status",
    )  # fmt: skip
    assert [] == found.refused


def test_a_grand_total_line_is_compared_and_subtotals_are_counted_as_left_out():
    found = read(PROOF_LIST, PROOF_LIST_FILE)

    assert "" == found.fault
    assert [(12, 132677, 132677), (12, 14000, 14000)] == [
        (each.line, each.stated, each.found) for each in found.file.controls
    ]
    assert 2 == found.file.counts["left out: Station total"]
    assert 3 == found.file.counts["skipped before the rows"]


def test_a_receipt_lost_from_a_proof_list_is_seen_by_its_grand_total():
    lost = PROOF_LIST_FILE.replace("R-2,CR1,jdoe,11/20/2026 08:11,,84.27,,,84.27,\n", "")

    assert (
        "line 11: total of Total: the file says 1,326.77, its rows give 1,242.50; export the file"
        " again"
    ) == read(PROOF_LIST, lost).fault


def test_a_proof_list_without_its_grand_total_was_cut_short():
    cut = PROOF_LIST_FILE[: PROOF_LIST_FILE.index("Grand Total")]

    assert "no line with the total of Total: the file was cut short" == read(PROOF_LIST, cut).fault


def test_rows_after_the_grand_total_make_the_file_two_files():
    twice = PROOF_LIST_FILE + "R-9,CR2,asmith,11/20/2026 09:30,5.00,,,,5.00,\n"

    assert "line 13: something follows the total of line 12" == read(PROOF_LIST, twice).fault


def test_a_receipt_without_money_keeps_its_number():
    nothing = PROOF_LIST_FILE.replace("100.00,,,42.00,58.00", ",,,,0.00").replace(
        "140.00,184.27", "40.00,184.27").replace("1,326.77", "1,268.77")  # fmt: skip
    found = read(PROOF_LIST, nothing)

    assert ("R-1", "0") == found.of("receipt_no", "allocation_cents")[0]
    assert "" == found.fault


def test_change_from_a_lone_check_stays_with_the_check():
    found = read(PROOF_LIST, PROOF_LIST_FILE.replace(
        ",84.27,,,84.27", ",100.00,,15.73,84.27"))  # fmt: skip

    assert ("check", "10000", "1573", "8427") == found.of(
        "tender_type", "tender_amount_cents", "change_cents", "allocation_cents"
    )[1]


# --- fixed width, an account in three fields, a trailer ---

MASS_PAYMENT = (
    HEAD
    + """
origin = "lockbox"
[file]
format = "fixed"
header = false
encoding = "ascii"
line_length = 50
[fields]
type = "1-1"
year = "2-5"
category = "6-7"
bill = "8-15"
paid = "16-25"
day = "26-33"
receipt = "34-43"
[rows]
field = "type"
values = ["D"]
[columns]
receipt_no = "receipt"
account_no = ["year", "category", "bill"]
allocation_cents = "paid"
[join]
account_no = "/"
[constants]
tender_type = "check"
[amounts]
decimals = "cents"
negative = ["trailing"]
[time]
fields = ["day"]
formats = ["%Y%m%d"]
time_of_day = "12:00"
[[ignore]]
starts = "H"
[[total]]
at = "match"
field = "type"
values = ["T"]
cell = "16-25"
of = "paid"
[[total]]
at = "match"
field = "type"
values = ["T"]
cell = "2-7"
of = "rows"
"""
)
MASS_PAYMENT_FILE = """\
H20261120                                         ,
D20262000012345000001000020261120  00004471       ,
D20262000012346      842720261120  00004472       ,
D20252500000001     1268820261120  00004473       ,
T000003             31115                         ,
""".replace(",\n", "\n")


def test_fixed_width_with_an_account_in_three_fields_and_a_trailer():
    found = read(MASS_PAYMENT, MASS_PAYMENT_FILE)

    assert [
        ("00004471", "2026/20/00012345", "10000"),
        ("00004472", "2026/20/00012346", "8427"),
        ("00004473", "2025/25/00000001", "12688"),
    ] == found.of("receipt_no", "account_no", "allocation_cents")
    assert "" == found.fault
    assert [(5, 31115, 31115, False), (5, 3, 3, True)] == [
        (each.line, each.stated, each.found, each.is_count) for each in found.file.controls
    ]


def test_a_line_of_an_unknown_type_is_refused_and_not_passed_over():
    found = read(MASS_PAYMENT, MASS_PAYMENT_FILE.replace("D2025", "X2025"))

    assert (4, "type", "neither a row, as [rows] says, nor a total, nor in [[ignore]]") in (
        found.told
    )


# --- how money is written ---

AMOUNTS = HEAD + """
[columns]
receipt_no = "R"
window_id = "W"
allocation_cents = "A"
[constants]
tender_type = "cash"
[time]
fields = ["D"]
formats = ["%Y-%m-%d"]
time_of_day = "12:00"
[signs]
negative = "refund"
[amounts]
"""  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "written", "cents"),
    [
        ('decimals = "point"', "12.50", 1250),
        ('decimals = "comma"', '"12,50"', 1250),
        ('decimals = "comma"\nthousands = "."', '"1.212,50"', 121250),
        ('decimals = "cents"', "1250", 1250),
        ('decimals = "cents"', "0000001250", 1250),
        ('decimals = "dollars"', "6789", 678900),
        ('decimals = "dollars"', "67.89", 6789),
        ('decimals = "dollars"\nthousands = ","', '"6,789"', 678900),
        ('symbol = "$"\nthousands = ","', '"$1,250.00"', 125000),
        ('symbol = "$"', "-$0.95", -95),
        ('symbol = "$"', "$-0.95", -95),
        ("", "-12.50", -1250),
        ("", "\N{MINUS SIGN}12.50", -1250),
        ("", "+12.50", 1250),
        ('negative = ["trailing"]', "12.50-", -1250),
        ('negative = ["parentheses"]', "(12.50)", -1250),
        ('negative = ["parentheses"]\nsymbol = "$"\nthousands = ","', '"($1,012.50)"', -101250),
        ('negative = ["CR"]', "12.50 CR", -1250),
        ('symbol = "\N{EURO SIGN}"\ndecimals = "comma"', '"12,50 \N{EURO SIGN}"', 1250),
        ('thousands = "\'"', "1'012.50", 101250),
        ('thousands = " "', "1 012.50", 101250),
        ('empty = "zero"', "", 0),
    ],
)  # fmt: skip
def test_amounts_as_vendors_write_them(rule, written, cents):
    found = read(AMOUNTS + rule, f"R,W,A,D\n1,w1,{written},2026-11-20\n")

    assert [] == found.told
    assert [(str(cents), "refund" if cents < 0 else "payment")] == found.of(
        "allocation_cents", "kind"
    )


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ("refund", ("1", "-1250", "posted", "", "refund")),
        ("reversal", ("1-R", "1250", "reversed", "1", "payment")),
        ("void", ("1", "1250", "void", "", "payment")),
        ("credit", ("1", "-1250", "posted", "", "payment")),
    ],
)
def test_what_a_minus_means_is_the_maps_to_say(means, expected):
    toml = AMOUNTS.replace('negative = "refund"', f'negative = "{means}"')
    found = read(toml, "R,W,A,D\n1,w1,-12.50,2026-11-20\n")

    assert [expected] == found.of("receipt_no", "allocation_cents", "status", "void_of", "kind")


def test_a_credit_applied_beside_a_payment_keeps_its_minus():
    toml = AMOUNTS.replace('negative = "refund"', 'negative = "credit"')
    found = read(toml, "R,W,A,D\n1,w1,55.00,2026-11-20\n1,w1,-5.00,2026-11-20\n")

    assert [("1", "5500"), ("2", "-500")] == found.of("line_no", "allocation_cents")


# --- several tenders in one cell ---

SPLIT = PLAIN.replace('tender_type = "Paid by"\n', "") + """
[split]
field = "Paid by"
separator = ";"
amount_after = " "
"""  # fmt: skip


def test_split_tenders_with_their_amounts_in_the_text():
    text = PLAIN_FILE.replace("Cash,50.00", "Cash 20.00; Visa 30.00,50.00")
    found = read(SPLIT, text)

    assert [("1", "cash", "2000"), ("2", "card", "3000"), ("1", "check", "8427")] == found.of(
        "line_no", "tender_type", "allocation_cents"
    )[:3]
    assert "" == found.fault


def test_split_tenders_that_are_not_the_amount_are_refused():
    text = PLAIN_FILE.replace("Cash,50.00", "Cash 20.00; Visa 31.00,50.00")

    assert [(2, "Amount", "not the tenders less the change")] == read(SPLIT, text).told


def test_split_tenders_with_a_column_of_amounts():
    toml = SPLIT.replace('amount_after = " "', 'amounts = "Parts"')
    text = "".join(
        line + (",Parts" if not at else ",20.00;30.00" if at == 1 else ",") + "\n"
        for at, line in enumerate(PLAIN_FILE.replace("Cash,50.00", "Cash;Visa,50.00").splitlines())
    )
    found = read(toml, text)

    assert [("1", "cash", "2000"), ("2", "card", "3000")] == found.of(
        "line_no", "tender_type", "allocation_cents"
    )[:2]


def test_a_whole_text_may_have_a_code_of_its_own():
    toml = SPLIT.replace('Visa = "card"', 'Visa = "card"\n"Cash;Visa" = "other"').replace(
        'amount_after = " "\n', "")  # fmt: skip
    found = read(toml, PLAIN_FILE.replace("Cash,50.00", "Cash;Visa,50.00"))

    assert ("other", "5000") == found.of("tender_type", "allocation_cents")[0]


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
