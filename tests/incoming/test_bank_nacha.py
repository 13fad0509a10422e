"""Returned payments in a NACHA file: what comes back, and that a spoiled file counts as nothing.

The layouts follow the public file structure of the NACHA rules, with what published samples of
banks do differently: the company to the right in a control record, a day of 000101, no padding.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.incoming.bank_file import BankFileError
from gateway.incoming.bank_nacha import Notice, check_digit, read_returns

ROUTE = "12209999"  # of the bank that sends back
OWN = "09100001"  # of the office's bank


def entry(cents=8_427, code="26", account="123456789", ref="10277-014", trace=1, reason="R01"):
    """Two records: a returned entry and why it comes back."""
    kind = "98" if reason.startswith("C") else "99"
    mark = f"{ROUTE}{trace:07d}"
    first = f"6{code}{ROUTE}{check_digit(ROUTE)}{account:<17}{cents:010d}{ref:<15}"
    return [
        first + f"{'DOE JANE':<22}  1{mark}",
        f"7{kind}{reason}{OWN}0000042      {OWN}{'':44}{mark}",
    ]


def batch(*entries, service="225", number=1, day="261119", entry_class="PPD"):
    """The records of one batch with a sound control record."""
    records = [record for each in entries for record in each]
    sixes = [record for record in records if record[0] == "6"]
    debit = sum(int(each[29:39]) for each in sixes if each[1:3] in ("26", "36"))
    credit = sum(int(each[29:39]) for each in sixes) - debit
    head = f"5{service}{'CITY UTILITIES':<16}{'':20}1234567890{entry_class}{'UTIL PMT':<10}261118"
    tail = f"{OWN}{number:07d}"
    control = f"8{service}{len(records):06d}{len(sixes) * int(ROUTE) % 10**10:010d}"
    control += f"{debit:012d}{credit:012d}1234567890{'':25}{tail}"
    return [f"{head}{day}3241{tail}", *records, control]


def ach(*batches, padded=True, end="\n"):
    """A whole file with a sound control record."""
    inner = [record for each in batches for record in each]
    controls = [record for record in inner if record[0] == "8"]
    sums = [sum(int(each[a:b]) for each in controls)
            for a, b in ((4, 10), (10, 20), (20, 32), (32, 44))]  # fmt: skip
    count = len(inner) + 2
    blocks = -(-count // 10)
    last = f"9{len(batches):06d}{blocks:06d}{sums[0]:08d}{sums[1] % 10**10:010d}"
    last += f"{sums[2]:012d}{sums[3]:012d}{'':39}"
    first = f"101 091000019 1220999992611200200A094101{'CITY':<23}{'BANK':<23}{'':8}"
    padding = ["9" * 94] * (blocks * 10 - count) if padded else []
    return end.join([first, *inner, last, *padding, ""])


GOOD = ach(batch(entry()))


def read(text):
    return read_returns(text if isinstance(text, bytes) else text.encode(), "return.ach")


def told(text):
    with pytest.raises(BankFileError) as caught:
        read(text)
    assert "return.ach" in str(caught.value)
    assert "JANE" not in str(caught.value)
    return caught.value.where, caught.value.reason


# --- what a sound file says -----------------------------------------------------------------------


def test_a_returned_item_has_its_reason_its_original_and_no_name():
    item = read(GOOD).items[0]

    assert (8_427, "R01", False) == (item.amount_cents, item.reason_code, item.is_credit)
    assert "091000010000042" == item.original_trace
    assert ("2026-11-19", "10277-014", "PPD") == (
        item.original_date, item.customer_ref, item.entry_class,
    )  # fmt: skip
    assert "JANE" not in repr(item)


def test_of_the_payers_account_four_digits_are_kept_and_of_a_short_one_none():
    short = ach(batch(entry(account="12345")))

    assert "6789" == read(GOOD).items[0].account_end
    assert "" == read(short).items[0].account_end


@pytest.mark.parametrize(
    "spelt",
    [
        ach(batch(entry()), end="\r\n"),
        ach(batch(entry()), padded=False),
        ach(batch(entry()), end=""),
        ach(batch(entry()), padded=False, end=""),
        ach(batch(entry()), end="")[:470] + "\r\n" + ach(batch(entry()), end="")[470:],
        "\n".join(line.rstrip() for line in GOOD.splitlines()),
        "\n".join(line.ljust(100) for line in GOOD.splitlines()),
        "\ufeff" + GOOD + "\n\x1a",
    ],
    ids=["crlf", "no-padding", "one-stream", "one-stream-no-padding", "five-a-line",
         "blanks-lost", "blanks-added",
         "bom-and-ctrl-z"],
)  # fmt: skip
def test_the_same_file_spelt_otherwise_says_the_same(spelt):
    assert read(GOOD) == read(spelt)


def test_a_company_to_the_right_in_the_control_is_the_same_company():
    moved = GOOD.replace("1234567890PPD", "123456789 PPD").replace(
        "0000000000001234567890", "000000000000 123456789"
    )

    assert moved != GOOD
    assert read(GOOD) == read(moved)


@pytest.mark.parametrize("day", ["      ", "000000", "000101"])
def test_a_day_that_the_bank_leaves_out_is_no_day(day):
    assert "" == read(ach(batch(entry(), day=day))).items[0].original_date


def test_several_batches_and_items_come_in_order():
    found = read(ach(
        batch(entry(100, trace=1), entry(200, trace=2, reason="R02")),
        batch(entry(300, trace=3, code="21", reason="R03"), service="220", number=2),
    )).items  # fmt: skip

    assert [(100, "R01", False), (200, "R02", False), (300, "R03", True)] == [
        (item.amount_cents, item.reason_code, item.is_credit) for item in found
    ]
    assert [3, 5, 9] == [item.record_no for item in found]


def test_a_notification_of_change_is_told_and_moves_no_money():
    found = read(ach(batch(entry(0, reason="C01"), service="220", entry_class="COR")))

    assert () == found.items
    assert (Notice("122099990000001", "C01", "091000010000042", 3),) == found.notices


def test_a_check_digit_is_that_of_the_routing_number():
    assert [9, 9, 6] == [check_digit(route) for route in ("12209999", "09100001", "09140060")]


# --- what a spoiled file says ---------------------------------------------------------------------


def changed(old, new, text=GOOD, count=1):
    assert old in text
    return text.replace(old, new, count)


RECORDS = GOOD.splitlines()


def without(*numbers):
    return "\n".join(line for at, line in enumerate(RECORDS, 1) if at not in numbers)


def patched(number, start, new):
    lines = list(RECORDS)
    line = lines[number - 1]
    lines[number - 1] = line[:start] + new + line[start + len(new) :]
    return "\n".join(lines)


SPOILED = {
    # hashes, counts and totals
    "batch-debits": (patched(5, 20, "000000008428"), "record 5", "debits of the batch"),
    "batch-credits": (patched(5, 32, "000000000001"), "record 5", "credits of the batch"),
    "batch-hash": (patched(5, 10, "0012209998"), "record 5", "hash of the batch"),
    "batch-count": (patched(5, 4, "000003"), "record 5", "entries and addenda of the batch"),
    "batch-count-of-entries-alone": (patched(5, 4, "000001"), "record 5", "entries and addenda"),
    "file-debits": (patched(6, 31, "000000008000"), "record 6", "debits of the file"),
    "file-credits": (patched(6, 43, "000000008427"), "record 6", "credits of the file"),
    "file-hash": (patched(6, 21, "0012209990"), "record 6", "hash of the file"),
    "file-count": (patched(6, 13, "00000001"), "record 6", "entries and addenda of the file"),
    "file-batches": (patched(6, 1, "000002"), "record 6", "batches"),
    "file-blocks": (patched(6, 7, "000002"), "record 6", "blocks"),
    "amount-changed": (patched(3, 29, "0000008437"), "record 5", "debits of the batch"),
    "amount-in-dollars": (patched(3, 29, "000084.270"), "record 3", "digits"),
    "amount-negative": (patched(3, 29, "-000008427"), "record 3", "digits"),
    "amount-blank": (patched(3, 29, " " * 10), "record 3", "digits"),
    "amount-zero": (ach(batch(entry(0))), "record 4", "zero"),
    "debit-shown-as-credit": (patched(3, 1, "21"), "record 5", "debits of the batch"),
    "receiving-bank-changed": (patched(3, 3, "12209998"), "record 3", "check digit"),
    "receiving-bank-swapped": (patched(3, 3, "091000019"), "record 5", "hash"),
    # cut, doubled, out of order
    "cut-before-the-control": (without(*range(6, 11)), "record 5", "cut short"),
    "cut-after-the-header": (without(*range(2, 11)), "record 1", "cut short"),
    "cut-in-a-record": (GOOD[: GOOD.index("DOE JANE")], "record 3", "addenda"),
    "addenda-lost": (without(4), "record 4", "than 7"),
    "entry-lost": (without(3), "record 3", "than 6"),
    "batch-header-lost": (without(2), "record 2", "than 5 or 9"),
    "batch-control-lost": (without(5), "record 5", "than 6 or 7 or 8"),
    "entry-doubled": (ach(batch(entry(), entry())), "record 6", "twice"),
    "addenda-doubled": ("\n".join([*RECORDS[:4], *RECORDS[3:]]), "record 5", "second addenda"),
    "batch-doubled": (ach(batch(entry()), batch(entry())), "record 8", "twice"),
    "file-doubled": (GOOD + GOOD, "record 11", "two files in one"),
    "swapped": ("\n".join([*RECORDS[:2], RECORDS[3], RECORDS[2], *RECORDS[4:]]), "record 3", "6"),
    # forms
    "record-too-long": (changed("DOE JANE", "DOE JANE OF SPRINGFIELD"), "record 3", "characters"),
    "record-shifted": (changed("626", "6 26"), "record 3", "characters"),
    "block-size": (changed("A094101", "A080101"), "record 1", "094"),
    "service-class": (changed("5225", "5999"), "record 2", "service class"),
    "service-class-of-the-control": (patched(5, 1, "200"), "record 5", "service class"),
    "credits-in-a-batch-of-debits": (ach(batch(entry(code="21"))), "record 5", "credits"),
    "company-of-the-control": (patched(5, 44, "9999999999"), "record 5", "batch header"),
    "bank-of-the-control": (patched(5, 79, "12104288"), "record 5", "batch header"),
    "batch-number": (patched(5, 87, "0000007"), "record 5", "batch header"),
    "not-a-return": (patched(3, 1, "27"), "record 3", "transaction code of a return"),
    "no-addenda-flag": (patched(3, 78, "0"), "record 3", "addenda"),
    "addenda-of-another-kind": (patched(4, 1, "05"), "record 4", "99"),
    "reason-unknown": (patched(4, 3, "X01"), "record 4", "R01"),
    "reason-zero": (patched(4, 3, "R00"), "record 4", "R01"),
    "trace-of-another-entry": (patched(4, 87, "0000002"), "record 4", "trace"),
    "original-trace-blank": (patched(4, 6, " " * 15), "record 4", "original trace"),
    "day-that-is-none": (patched(2, 69, "261131"), "record 4", "date"),
    "change-with-an-amount": (ach(batch(entry(5, reason="C01"))), "record 4", "change"),
    # bytes
    "not-ascii": (changed("JANE", "JAN\N{LATIN CAPITAL LETTER E WITH ACUTE}"), "record 3", "ASCII"),
    "digits-that-are-not-ascii": (changed("0000008427", "000000842\N{FULLWIDTH DIGIT SEVEN}"),
                                  "record 3", "ASCII"),
    "nul-bytes": (changed("JANE", "JANE\0"), "record 3", "ASCII"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILED)
def test_a_spoiled_file_counts_as_nothing_and_names_its_record(case):
    text, where, reason = SPOILED[case]

    found = told(text)

    assert where == found[0]
    assert reason in found[1]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n \n", b"PK\x03\x04" + b"\0" * 300, b"<xml/>", b"1" * 94, b"a,b\n1,2\n", b"9" * 94,
     b"101\n"],
    ids=["empty", "blank", "zip", "xml", "ones", "csv", "padding-alone", "header-alone"],
)  # fmt: skip
def test_what_is_no_return_file_is_refused_by_name(content):
    assert told(content)[1]


@given(st.data())
def test_no_single_change_of_a_digit_moves_money_unseen(data):
    """An amount and the receiving bank stand under a total and a hash, twice."""
    at = data.draw(st.integers(0, len(GOOD) - 1))
    spoiled = bytearray(GOOD.encode())
    spoiled[at] = data.draw(st.integers(0, 255))
    try:
        items = read(bytes(spoiled)).items
    except BankFileError:
        return
    assert [8_427] == [item.amount_cents for item in items]


@given(st.binary(max_size=600) | st.text(alphabet="156789R0 \n", max_size=600))
def test_no_bytes_end_in_another_error(content):
    try:
        read(content)
    except BankFileError as error:
        assert error.reason
