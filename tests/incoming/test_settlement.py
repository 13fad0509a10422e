"""settlement.csv: what the card processor settled; what is refused, and why."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DataError
from gateway.facts.settlements import COLUMNS, SettlementLine, normal_auth_code
from gateway.incoming.settlement import LINE_BYTES_MAX, Refusal, SettlementReader

BASE = {
    "processor": "acme", "settlement_batch": "B77", "line_no": "1", "kind": "sale",
    "auth_code": "OK1234", "amount_cents": "5000", "settled_date": "2026-11-20",
    "card_brand": "visa", "reference": "",
}  # fmt: skip


def row(line=1, cents=5_000, **other):
    return {**BASE, "line_no": str(line), "amount_cents": str(cents), **other}


def text_of(*rows, last=None, end="\n", quote=""):
    total = sum(int(each["amount_cents"]) for each in rows) if last is None else 0
    cells = [[quote + each[name] + quote for name in COLUMNS] for each in rows]
    return end.join([
        ",".join(quote + name + quote for name in COLUMNS),
        *(",".join(each) for each in cells),
        f"#control,rows={len(rows)},amount_cents={total}" if last is None else last,
        "",
    ])  # fmt: skip


def read(text):
    """(lines, refusals, fault)"""
    content = text if isinstance(text, bytes) else text.encode()
    reader = SettlementReader(io.BytesIO(content), "settlement.csv")
    found = list(reader)
    lines = [each[1] for each in found if not isinstance(each, Refusal)]
    return lines, [each for each in found if isinstance(each, Refusal)], reader.fault


GOOD = text_of(row(1), row(2, 700, auth_code="OK9"), row(3, -700, kind="refund"))


# --- what a sound file says -----------------------------------------------------------------------


def test_lines_come_with_their_sign():
    lines, refused, fault = read(GOOD)

    assert ([5_000, 700, -700], [], "") == ([each.amount_cents for each in lines], refused, fault)
    assert SettlementLine(
        "acme", "B77", 1, "sale", "OK1234", 5_000, "2026-11-20", "visa", ""
    ) == lines[0]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "cents"),
    [("sale", 1), ("refund", -1), ("chargeback", -1), ("chargeback_reversed", 1), ("fee", -1)],
)
def test_every_kind_has_the_sign_of_its_money(kind, cents):
    assert [cents] == [each.amount_cents for each in read(text_of(row(1, cents, kind=kind)))[0]]
    assert "wrong sign" in read(text_of(row(1, -cents, kind=kind)))[1][0].reason


@pytest.mark.parametrize(
    "spelt",
    [
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\n\n"),
        GOOD.replace("\n", "\n,,,,,,,,\n"),
        "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n"
                for line in GOOD.splitlines()),
        GOOD.rstrip("\n") + ",,,,,,",
        GOOD.replace("acme", "ACME").replace("visa", "VISA").replace("OK1234", "ok1234"),
        GOOD.replace("5000,", "50.00,").replace("700,", "7.00,"),
    ],
    ids=["crlf", "byte-order-mark", "blank-lines", "rows-of-commas", "all-quoted", "padded-control",
         "capitals", "two-places"],
)  # fmt: skip
def test_the_same_file_spelt_otherwise_says_the_same(spelt):
    assert read(GOOD) == read(spelt)


def test_zeros_lost_by_a_spreadsheet_do_not_make_another_code():
    assert ["001234"] * 3 == [normal_auth_code(text) for text in ("001234", "1234", " 1234 ")]
    assert "AB12" == normal_auth_code("ab12")


def test_a_file_is_read_line_by_line():
    reader = SettlementReader(io.BytesIO(GOOD.encode()), "settlement.csv")

    assert 2 == next(iter(reader))[0]


# --- refused as a whole ---------------------------------------------------------------------------

FAULTS = {
    "no-control-line": (text_of(row(), last=""), "cut short"),
    "cut-in-the-middle": (GOOD[: GOOD.index("OK9")], "cut short"),
    "count-too-high": (GOOD.replace("rows=3", "rows=4"), "control total rows"),
    "sum-off-by-one": (GOOD.replace("amount_cents=5000", "amount_cents=5001"), "amount_cents"),
    "sum-with-another-sign": (GOOD.replace("cents=5000", "cents=-5000"), "amount_cents"),
    "line-lost": (GOOD.replace("acme,B77,2", "", 1).replace(",sale,OK9,700,2026-11-20,visa,\n", ""),
                  "control total rows"),
    "file-doubled": (GOOD + GOOD, "follows the control line"),
    "row-after-the-control": (GOOD + ",".join(row(9).values()) + "\n", "follows the control"),
    "control-unreadable": (text_of(row(), last="#control,rows=one"), "unreadable control line"),
    "control-of-posted": (text_of(row(), last="#control,rows=1,tender_cents=5000"), "unreadable"),
    "two-forms-of-amounts": (
        text_of(row(1, 5000), row(2, 700), last="#control,rows=2,amount_cents=5700").replace(
            ",700,", ",7.00,"
        ),
        "two ways",
    ),
    "one-line-in-two-ways": (text_of(row(1, 5000), row(1, 700)), "two ways"),
    "a-thousand-bad-rows": (
        text_of(*[row(n, kind="x") for n in range(1, 1_003)], last="#control,rows=1002"), "1000 bad"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_file_whose_control_fails_counts_as_nothing(case):
    text, reason = FAULTS[case]

    assert reason in read(text)[2]


HEADERS = {
    "another-file": ("date,amount\n1,2\n", "column 1"),
    "column-missing": (GOOD.replace(",reference", "", 1), "column 9"),
    "column-renamed": (
        GOOD.replace("auth_code", "approval", 1),
        "'approval', expected 'auth_code'",
    ),
    "columns-swapped": (GOOD.replace("kind,auth_code", "auth_code,kind", 1), "column 4"),
    "card-number-column": (GOOD.replace("reference", "reference,pan", 1), "no more columns"),
    "last-four-column": (GOOD.replace("reference", "reference,last4", 1), "no more columns"),
    "no-header": (GOOD.split("\n", 1)[1], "something else"),
    "utf-16": (GOOD.encode("utf-16"), "UTF-16"),
    "semicolons": (GOOD.replace(",", ";"), "semicolons"),
    "tabs": (GOOD.replace(",", "\t"), "tabs"),
    "cr-alone": (text_of(*[row(n) for n in range(1, 40)], end="\r"), "LF or CRLF"),
    "empty": (b"", "no header"),
    "zip": (b"PK\x03\x04" + b"\0" * 100, "no header"),
    "a-line-without-end": (b"x" * 100_000, "no header"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_what_is_no_settlement_at_all_is_refused_with_the_next_step(case):
    text, reason = HEADERS[case]

    with pytest.raises(DataError) as caught:
        read(text)

    assert reason in str(caught.value)
    assert "docs/settlement-csv.md" in str(caught.value)


# --- refused row by row ---------------------------------------------------------------------------

ROWS = {
    "three-decimals": ({"amount_cents": "50.000"}, "amount_cents"),
    "one-decimal": ({"amount_cents": "50.5"}, "amount_cents"),
    "dollar-sign": ({"amount_cents": "$50.00"}, "amount_cents"),
    "brackets-for-minus": ({"amount_cents": "(50.00)"}, "amount_cents"),
    "minus-behind": ({"amount_cents": "50.00-"}, "amount_cents"),
    "real-minus-sign": ({"amount_cents": "\N{MINUS SIGN}5000"}, "amount_cents"),
    "amount-empty": ({"amount_cents": ""}, "amount_cents"),
    "amount-zero": ({"amount_cents": "0"}, "zero"),
    "amount-of-a-continent": ({"amount_cents": "9" * 13}, "amount_cents"),
    "digits-that-are-not-ascii": ({"amount_cents": "\N{ARABIC-INDIC DIGIT FIVE}000"}, "amount"),
    "scientific-amount": ({"amount_cents": "5E+03"}, "scientific"),
    "scientific-batch": ({"settlement_batch": "1.91431E+18"}, "scientific"),
    "sale-below-zero": ({"amount_cents": "-5000"}, "wrong sign"),
    "refund-above-zero": ({"kind": "refund"}, "wrong sign"),
    "kind-unknown": ({"kind": "tip"}, "kind"),
    "kind-in-capitals": ({"kind": "SALE"}, "kind"),
    "card-number": ({"reference": "4111111111111111"}, "card number"),
    "card-number-in-groups": ({"reference": "4111-1111-1111-1111"}, "card number"),
    "card-number-as-auth-code": ({"auth_code": "378282246310005"}, "card number"),
    "card-number-masked": ({"reference": "XXXXXXXXXXXX1111"}, "card number"),
    "card-number-with-stars": ({"reference": "****1111"}, "card number"),
    "auth-code-too-long": ({"auth_code": "A" * 13}, "auth_code"),
    "auth-code-with-a-name": ({"auth_code": "JANE DOE"}, "auth_code"),
    "line-number-zero": ({"line_no": "0"}, "line_no"),
    "line-number-fraction": ({"line_no": "1.0"}, "line_no"),
    "day-in-american": ({"settled_date": "11/20/2026"}, "settled_date"),
    "day-that-is-none": ({"settled_date": "2026-11-31"}, "settled_date"),
    "year-9999": ({"settled_date": "9999-11-20"}, "settled_date"),
    "processor-empty": ({"processor": ""}, "processor"),
    "batch-empty": ({"settlement_batch": ""}, "settlement_batch"),
    "formula": ({"reference": "=1+1"}, "reference"),
    "formula-in-the-batch": ({"settlement_batch": "@SUM"}, "settlement_batch"),
    "blank-in-front": ({"kind": " sale"}, "blanks"),
    "nul": ({"reference": "a\0b"}, "control characters"),
    "too-long": ({"reference": "a" * 41}, "limit 40"),
    "brand-of-digits": ({"card_brand": "1111"}, "card_brand"),
    "quote-not-closed": ({"reference": '"a'}, "not CSV"),
    "field-too-many": ({"reference": "a,b"}, "10 fields"),
    "longer-than-a-line": ({"reference": "a" * LINE_BYTES_MAX}, "longer than"),
}  # fmt: skip


@pytest.mark.parametrize("case", ROWS)
def test_a_bad_row_is_refused_with_its_line_and_column(case):
    change, reason = ROWS[case]
    text = text_of(row(1), row(2, **change), last="#control")

    lines, refused, _ = read(text)

    assert [1] == [each.line_no for each in lines]
    assert [3] == [each.line for each in refused]
    assert reason in refused[0].reason


@pytest.mark.parametrize("case", ROWS)
def test_a_refusal_shows_no_cell(case):
    change, _ = ROWS[case]
    shown = read(text_of(row(2, **change), last="#control"))[1][0].reason

    for column, cell in change.items():
        assert column == "kind" or len(cell) < 4 or cell not in shown


def test_a_bad_row_does_not_fail_the_control_line():
    """The exporter counted it: the others of the file still count."""
    lines, refused, fault = read(text_of(row(1), row(2, 700, kind="tip")))

    assert ([5_000], 1, "") == ([each.amount_cents for each in lines], len(refused), fault)


def test_a_byte_that_is_not_utf_8_refuses_its_row():
    content = text_of(row(1), row(2, reference="Oxx")).encode().replace(b"Oxx", b"O\x92x")

    lines, refused, _ = read(content)

    assert (1, "not UTF-8") == (len(lines), refused[0].reason)


def test_a_row_twice_counts_once():
    lines, refused, fault = read(text_of(row(1), row(1)))

    assert (1, [3], "") == (len(lines), [each.line for each in refused], fault)


@given(st.binary(max_size=300) | st.text(alphabet='#control,=0123456789\n"', max_size=300))
def test_no_bytes_end_in_another_error(content):
    content = content.encode() if isinstance(content, str) else content
    for text in (content, ",".join(COLUMNS).encode() + b"\n" + content):
        try:
            read(text)
        except DataError as error:
            assert "docs/settlement-csv.md" in str(error)
