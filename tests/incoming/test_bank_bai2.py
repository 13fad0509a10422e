"""The bank's prior-day report in BAI2: what it says, and that a spoiled one counts as nothing.

The example is the transaction example of the public specification ("Cash Management Balance
Reporting Specifications", version 2), with a returned item added to it.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UsageError
from gateway.incoming.bank_bai2 import read_bai2
from gateway.incoming.bank_file import FILE_BYTES_MAX, BankFileError, read_bank_file

GOOD = """\
01,122099999,123456789,261120,0200,1,,,2/
02,123456789,122099999,1,261119,2359,USD,2/
03,0975312468,USD,010,500000,,,190,70000000,4,0/
16,165,1500000,1,DD1620,, DEALER PAYMENTS
16,115,10000000,S,5000000,4000000,1000000/
88,AX13612,B096132,AMALGAMATED CORP. LOCKBOX
88,DEPOSIT-MISC. RECEIVABLES
16,555,5000,Z,BAG00123,CHK88,RETURNED ITEM NSF/
49,82005000,7/
98,82005000,1,9/
99,82005000,1,11/
"""


def bai(*details, account="0975312468", currency="USD", totals="010,500000,,", as_of="261119"):
    """A sound file of one account: each detail is a record 16 with its continuations."""
    lines = [f"03,{account},{currency},{totals}/"]
    lines += [line for detail in details for line in detail.split("\n")]
    amounts = [int(line.split(",")[2] or 0) for line in lines if line.startswith("16")]
    total = sum(amounts) + sum(int(each or 0) for each in totals.split(",")[1::4])
    count = len(lines) + 1
    return "\n".join([
        "01,122099999,123456789,261120,0200,1,,,2/",
        f"02,123456789,122099999,1,{as_of},2359,USD,2/",
        *lines,
        f"49,{total},{count}/", f"98,{total},1,{count + 2}/", f"99,{total},1,{count + 4}/", "",
    ])  # fmt: skip


def read(text, **options):
    content = text if isinstance(text, bytes) else text.encode()
    return read_bai2(content, "bank.bai", **options)


def told(text, **options):
    with pytest.raises(BankFileError) as caught:
        read(text, **options)
    assert "bank.bai" in str(caught.value)
    return caught.value.where, caught.value.reason


def amounts(text, **options):
    return [line.amount_cents for line in read(text, **options)]


# --- what a sound file says -----------------------------------------------------------------------


def test_credits_are_plus_and_a_returned_item_is_minus():
    lines = read(GOOD)

    assert [(1_500_000, False), (10_000_000, False), (-5_000, True)] == [
        (line.amount_cents, line.is_return) for line in lines
    ]
    assert ["165", "115", "555"] == [line.type_code for line in lines]
    assert {("0975312468", "2026-11-19")} == {(line.account, line.date) for line in lines}


def test_references_and_text_come_through_continuations():
    lockbox = read(GOOD)[1]

    assert ("B096132", "AX13612") == (lockbox.reference, lockbox.bank_reference)
    assert "AMALGAMATED CORP. LOCKBOX DEPOSIT-MISC. RECEIVABLES" == lockbox.text
    assert 5 == lockbox.record_no


@pytest.mark.parametrize(
    "spelt",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "\n".join(line.ljust(80) for line in GOOD.splitlines()),
        GOOD + "\n\n",
        GOOD + "\x1a",
        "\ufeff" + GOOD,
        GOOD.rstrip("\n"),
        GOOD.replace("49,82005000,7/", "49,+82005000,7/"),
        GOOD.replace("1000000/\n88,AX", "1000000\n88,AX"),
        GOOD.replace(",USD,2/", ",,2/").replace("8,USD,", "8,,"),
    ],
    ids=[
        "crlf", "cr", "padded-to-80", "blank-lines-at-the-end", "ctrl-z", "byte-order-mark",
        "no-last-line-end", "plus-sign", "no-slash-before-a-continuation", "currency-left-out",
    ],
)  # fmt: skip
def test_the_same_report_spelt_otherwise_says_the_same(spelt):
    assert read(GOOD) == read(spelt)


def test_a_continuation_may_split_a_group_of_totals():
    split = """\
01,122099999,123456789,261120,0200,1,,,2/
02,123456789,122099999,1,261119,2359,USD,2/
03,0975312468,USD,010,4764927,,,045/
88,4626045,,,072,0,,/
16,301,10000,Z,,BAG1,/
49,9400972,4/
98,9400972,1,6/
99,9400972,1,8/
"""

    assert [10_000] == amounts(split)
    assert "record 6" == told(split.replace("049,", "049,").replace("49,9400972", "49,9400971"))[0]


def test_totals_with_and_without_the_last_commas_are_one():
    for totals in ("010,500000,,", "010,500000,", "010,500000", "010,500000,,,"):
        assert [100] == amounts(bai("16,301,100,Z,,,/", totals=totals))


def test_an_account_without_movements_has_no_lines():
    empty = "01,1111,city,210101,0101,1,,,2/\n02,city,1111,1,210101,2359,,2/\n03,12345,/\n49,,2/\n"

    assert [] == amounts(empty + "98,0,1,4/\n99,0,1,6/\n")


@pytest.mark.parametrize(
    "detail",
    [
        "16,301,12345,V,261120,0900,REF1,BAG7,TEXT/",
        "16,301,12345,D,2,0,10000,1,2345,REF1,BAG7,TEXT/",
        "16,301,12345,S,,12345,,REF1,BAG7,TEXT/",
        "16,301,12345,,REF1,BAG7,TEXT/",
        "16,301,12345,0/\n88,REF1,BAG7/\n88,TEXT",
    ],
    ids=["value-dated", "distributed", "amounts-left-out", "no-funds-type", "continued"],
)
def test_when_the_money_can_be_used_does_not_move_the_references(detail):
    line = read(bai(detail))[0]

    assert (12_345, "REF1", "BAG7", "TEXT") == (
        line.amount_cents, line.bank_reference, line.reference, line.text,
    )  # fmt: skip


def test_text_keeps_its_commas_and_slashes():
    assert "DEP 11/19, BR 4" == read(bai("16,301,100,Z,,,DEP 11/19, BR 4"))[0].text


def test_a_text_that_looks_like_a_card_number_is_taken_out():
    line = read(bai("16,301,100,Z,,4111 1111 1111 1111,CARD 4111111111111111 X"))[0]

    assert "1111" not in repr(line)
    assert "taken out" in line.text


def test_a_text_is_capped():
    assert 120 == len(read(bai("16,301,100,Z,,," + "A" * 900))[0].text)


def test_the_banks_own_codes_are_credits_from_920_and_debits_from_960():
    found = amounts(bai("16,921,100,Z,,,/", "16,961,40,Z,,,/", totals="921,7,,"))

    assert [100, -40] == found


def test_a_code_without_direction_is_what_the_site_declares():
    text = bai("16,912,100,Z,,,/")

    assert [-100] == amounts(text, directions={"912": -1})
    assert ("record 4", True) == (told(text)[0], "912" in told(text)[1])


def test_a_message_without_money_is_kept():
    assert [(0, "CALL US")] == [
        (line.amount_cents, line.text) for line in read(bai("16,890,,Z,,,CALL US"))
    ]


def test_several_accounts_and_groups_are_read_each_with_its_day():
    two = """\
01,122099999,123456789,261120,0200,1,,,2/
02,123456789,122099999,1,261118,2359,USD,2/
03,111,,010,-500,,/
16,301,1000,Z,,,/
49,500,3/
03,222,USD,/
16,301,2000,Z,,,/
49,2000,3/
98,2500,2,8/
02,123456789,122099999,1,261119,2359,USD,2/
03,111,,/
16,475,30,Z,,,/
49,30,3/
98,30,1,5/
99,2530,2,15/
"""

    assert [("111", "2026-11-18", 1000), ("222", "2026-11-18", 2000), ("111", "2026-11-19", -30)] \
        == [(line.account, line.date, line.amount_cents) for line in read(two)]  # fmt: skip


# --- what a spoiled file says ---------------------------------------------------------------------

SPOILED = {
    # wrong totals and counts
    "account-total-off-by-one": (("49,82005000,7", "49,82005001,7"), "record 9", "control total"),
    "account-total-with-a-minus": (("49,82005000,7", "49,-82005000,7"), "record 9", "control"),
    "account-total-empty": (("49,82005000,7", "49,,7"), "record 9", "control total"),
    "account-record-count": (("49,82005000,7", "49,82005000,8"), "record 9", "number of records"),
    "account-record-count-missing": (("49,82005000,7/", "49,82005000/"), "record 9", "count"),
    "group-total": (("98,82005000", "98,82005100"), "record 10", "control total"),
    "group-account-count": (("98,82005000,1,9", "98,82005000,2,9"), "record 10", "accounts"),
    "group-record-count": (("98,82005000,1,9", "98,82005000,1,8"), "record 10", "records"),
    "file-total": (("99,82005000", "99,8200500"), "record 11", "control total"),
    "file-group-count": (("99,82005000,1,11", "99,82005000,0,11"), "record 11", "groups"),
    "file-record-count": (("99,82005000,1,11", "99,82005000,1,12"), "record 11", "records"),
    "amount-changed": (("16,165,1500000", "16,165,1500001"), "record 9", "control total"),
    "status-amount-changed": (("010,500000", "010,-500000"), "record 9", "control total"),
    # cut, doubled, out of order
    "cut-before-the-file-trailer": (("99,82005000,1,11/\n", ""), "record 10", "cut short"),
    "cut-in-the-middle": ((GOOD[GOOD.index("16,555"):], ""), "record 7", "cut short"),
    "cut-in-a-record": ((GOOD[GOOD.index(",2359"):], ""), "record 2", "cut short"),
    "line-lost": (("16,165,1500000,1,DD1620,, DEALER PAYMENTS\n", ""), "record 8", "records"),
    "continuation-lost": (("88,DEPOSIT-MISC. RECEIVABLES\n", ""), "record 8", "records"),
    "line-doubled": (("16,555", "16,555,5000,Z,BAG00123,CHK88,X/\n16,555"), "record 10", "records"),
    "file-doubled": ((GOOD, GOOD + GOOD), "record 12", "two files in one"),
    "continuation-first": (("01,122", "88,X/\n01,122"), "record 1", "88"),
    "account-trailer-missing": (("49,82005000,7/\n", ""), "record 9", "expected 16 or 49"),
    "group-header-missing": (("02,123456789,122099999,1,261119,2359,USD,2/\n", ""), "record 2",
                             "expected 02"),
    "trailers-swapped": (("98,82005000,1,9/\n99,82005000,1,11/", "99,82005000,1,11/\n98,8/"),
                         "record 10", "expected 03 or 98"),
    "transaction-before-its-account": (("03,0975312468", "16,165,1,Z,,,/\n03,0975312468"),
                                       "record 3", "expected 03"),
    # forms
    "negative-transaction": (("16,555,5000", "16,555,-5000"), "record 8", "without a sign"),
    "three-decimals": (("16,555,5000", "16,555,50.000"), "record 8", "whole number of cents"),
    "two-decimals": (("16,555,5000", "16,555,50.00"), "record 8", "whole number of cents"),
    "underscore-in-an-amount": (("16,555,5000", "16,555,5_000"), "record 8", "whole number"),
    "amount-of-thirty-digits": (("16,555,5000", "16,555," + "9" * 30), "record 8", "whole number"),
    "amount-of-a-continent": (("16,555,5000", "16,555,999999999999999"), "record 8", "more than"),
    "shifted-by-a-comma": (("16,555,5000", "16,,555,5000"), "record 8", "three digits"),
    "funds-type-unknown": (("5000,Z,BAG", "5000,Q,BAG"), "record 8", "funds type"),
    "availability-cut": (("S,5000000,4000000,1000000/\n88,AX13612,B096132,AMALGAMATED CORP. LOCKBOX"
                          "\n88,DEPOSIT-MISC. RECEIVABLES", "S,5000000/"), "record 5", "cut short"),
    "a-total-among-transactions": (("16,165,", "16,100,"), "record 4", "count twice"),
    "version-1": ((",,,2/\n02", ",,,1/\n02"), "record 1", "version 2"),
    "no-such-day": (("261119,2359", "261131,2359"), "record 2", "not what the format says"),
    "day-of-eight-digits": (("261119,2359", "20261119,2359"), "record 2", "date"),
    "no-such-record": (("16,555", "17,555"), "record 8", "record code"),
    "too-many-fields": (("98,82005000,1,9/", "98,82005000,1,9,4/"), "record 10", "fields"),
    "account-without-number": (("03,0975312468", "03,"), "record 3", "no number"),
    "line-without-end": (("NSF", "NSF" + "A" * 9_000), "record 8", "longer than"),
    "continuations-without-end": (("88,DEPOSIT", "88,A\n" * 600 + "88,DEPOSIT"), "record 505",
                                  "continuations"),
    "fields-without-end": (("4,0/", "4,0," + "," * 5_000 + "/"), "record 3", "fields"),
    # meaning
    "other-currency": (("468,USD", "468,EUR"), "record 3", "USD"),
    "test-file": (("122099999,1,261119", "122099999,4,261119"), "record 2", "status"),
    "deletion": (("122099999,1,261119", "122099999,2,261119"), "record 2", "status"),
    "same-day-report": (("USD,2/\n03", "USD,3/\n03"), "record 2", "same day"),
    # bytes
    "not-ascii": (("NSF", "NSF \N{LATIN SMALL LETTER E WITH ACUTE}"), "record 8", "ASCII"),
    "nul-bytes": (("NSF", "NSF\0"), "record 8", "ASCII"),
    "digits-that-are-not-ascii": (("16,555,5000", "16,555,\N{ARABIC-INDIC DIGIT FIVE}000"),
                                  "record 8", "ASCII"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILED)
def test_a_spoiled_report_counts_as_nothing_and_names_its_record(case):
    (old, new), where, reason = SPOILED[case]
    assert old in GOOD
    found = told(GOOD.replace(old, new, 1))

    assert where == found[0]
    assert reason in found[1]


def test_an_account_without_currency_has_that_of_its_group():
    other = GOOD.replace("0975312468,USD", "0975312468,").replace("2359,USD", "2359,CAD")

    assert ("record 3", True) == (told(other)[0], "USD" in told(other)[1])
    assert 3 == len(read(other, currency="CAD"))


def test_the_same_account_and_day_twice_in_a_file_is_refused():
    once = bai("16,301,100,Z,,,/", totals="010,0,,").splitlines()
    twice = [*once[:5], *once[2:5], "98,200,2,8/", "99,200,1,10/"]

    assert ("record 6", True) == (told("\n".join(twice))[0], "twice" in told("\n".join(twice))[1])


NO_REPORT = {
    "empty": b"",
    "blank": b" \n\n",
    "utf-16": b"\xff\xfe0\x001\x00,\x00",
    "zip": b"PK\x03\x04" + b"\0" * 400,
    "xml": b"<?xml version='1.0'?>",
    "csv": b"date,amount\n2026-11-20,12.50\n",
    "too-large": b"0" * (FILE_BYTES_MAX + 1),
    "commas": b",\n" * 1000,
    "one-long-line": b"01" * 100_000,
}


@pytest.mark.parametrize("kind", NO_REPORT)
def test_what_is_no_report_at_all_is_refused_by_name(kind):
    assert told(NO_REPORT[kind])[1]


def test_a_refusal_shows_no_text_of_the_file():
    spoiled = GOOD.replace("16,555,5000,Z", "16,555,JANE DOE 0975312468,Z")

    where, reason = told(spoiled)

    assert "JANE" not in where + reason
    assert "0975312468" not in where + reason


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_bank_file(tmp_path / "bank.bai")


@given(st.data())
def test_no_single_change_of_a_byte_moves_money_unseen(data):
    """Every digit of an amount is under three totals: a changed byte is refused, or what it says
    of the amounts is the same.
    """
    at = data.draw(st.integers(0, len(GOOD) - 1))
    byte = data.draw(st.integers(0, 255))
    changed = bytearray(GOOD.encode())
    changed[at] = byte
    try:
        found = [abs(line.amount_cents) for line in read(bytes(changed))]
    except BankFileError:
        return
    assert [1_500_000, 10_000_000, 5_000] == found


@given(st.binary(max_size=400) | st.text(alphabet="0123456789,/\n \r16984903SVDZ", max_size=400))
def test_no_bytes_end_in_another_error(content):
    try:
        read(content)
    except BankFileError as error:
        assert error.reason
