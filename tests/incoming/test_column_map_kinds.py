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


def test_change_comes_from_the_cash_wherever_its_column_stands():
    toml = PROOF_LIST.replace('"Cash" = "cash"\n', "").replace(
        '"Credit Card" = "card"\n', '"Credit Card" = "card"\n"Cash" = "cash"\n')  # fmt: skip

    assert [("check", "10000", "0"), ("cash", "4000", "500")] == read(toml, PROOF_LIST_FILE).of(
        "tender_type", "tender_amount_cents", "change_cents"
    )[2:4]


def test_change_that_is_written_with_a_minus_is_change():
    text = PROOF_LIST_FILE.replace(",42.00,58", ",-42.00,58").replace(",5.00,135", ",-5.00,135")
    found = read(PROOF_LIST + '[signs]\nchange = "negative"\n', text)

    assert [] == found.told
    assert ("10000", "4200", "5800") == found.of(
        "tender_amount_cents", "change_cents", "allocation_cents"
    )[0]


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
