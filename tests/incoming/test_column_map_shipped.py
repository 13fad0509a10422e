"""The maps that come with the program, each on a small export in the vendor's public layout."""

import pytest

from gateway.incoming.column_map_file import SHIPPED_EVIDENCE, load_map, map_names
from tests.incoming.mapping import read_shipped, sample

MONEY = ("receipt_no", "line_no", "tender_type", "tender_amount_cents", "change_cents", "kind")


def total_of(found, *, without=()):
    """Sum of the allocations, in cents."""
    return sum(int(cents) for cents, state in found.of("allocation_cents", "status")
               if state not in without)  # fmt: skip


@pytest.mark.parametrize("name", map_names())
def test_a_shipped_map_says_how_it_is_known_and_reads_its_sample(name):
    found = load_map(name)
    reading = read_shipped(name)

    assert SHIPPED_EVIDENCE == found.evidence
    assert found.source and found.unknown and found.title
    assert "" == reading.fault
    assert reading.rows


def test_at_least_four_maps_are_shipped():
    assert {
        "gotransverse-lockbox", "loyverse", "navusoft-lockbox-3", "rms-receipts", "square",
    } <= set(map_names())  # fmt: skip


# --- Square: zone by a Rails name, $, fee columns, wide tenders, refunds ---


def test_square_rows_are_right_to_the_cent():
    found = read_shipped("square")

    assert [
        ("TxA1", "1", "cash", "12040", "0", "payment"),
        ("TxB2", "1", "card", "120400", "0", "payment"),
        ("TxC3", "1", "card", "5000", "0", "payment"),
        ("TxC3", "2", "cash", "3000", "0", "payment"),
        ("TxD4", "1", "other", "4525", "0", "payment"),
        ("TxC3", "3", "cash", "-3000", "0", "refund"),
        ("TxF6", "1", "cash", "6000", "0", "payment"),
    ] == found.of(*MONEY)
    assert [] == found.refused
    assert 12040 + 120400 + 8000 + 4525 - 3000 + 6000 == total_of(found)


def test_square_times_are_in_the_zone_that_the_row_names():
    found = read_shipped("square")
    east = read_shipped("square", sample("square").replace(b"Central Time", b"Eastern Time"))

    assert "2026-11-20T10:02:11-06:00" == found.of("posted_at")[0][0]
    assert "2026-11-20T10:02:11-05:00" == east.of("posted_at")[0][0]
    assert ("2026-11-20", "2026-11-21") == (
        found.of("business_date")[0][0],
        found.of("business_date")[-1][0],
    )


def test_a_square_export_has_no_total_and_says_so():
    found = read_shipped("square")

    assert not found.file.map.has_total
    assert [] == found.file.controls


def test_square_columns_that_are_not_read_are_told():
    assert {"Fees", "Net Total", "Tip"} <= set(read_shipped("square").file.unused)


# --- Loyverse: a state, negative refunds, 12-hour times, two payments in one cell ---


def test_loyverse_rows_are_right_to_the_cent():
    found = read_shipped("loyverse")

    assert [
        ("1-1001", "cash", "4830", "posted", "payment"),
        ("1-1002", "card", "9000", "posted", "payment"),
        ("2-0501", "check", "1575", "posted", "payment"),
        ("1-1003", "cash", "2000", "void", "payment"),
        ("1-1004", "cash", "-830", "posted", "refund"),
    ] == found.of("receipt_no", "tender_type", "allocation_cents", "status", "kind")


def test_loyverse_afternoon_is_afternoon():
    assert [
        "2026-11-20T09:05:00-06:00",
        "2026-11-20T09:12:00-06:00",
        "2026-11-20T12:01:00-06:00",
        "2026-11-20T12:40:00-06:00",
        "2026-11-20T13:33:00-06:00",
    ] == [at for (at,) in read_shipped("loyverse").of("posted_at")]


def test_loyverse_two_payments_in_one_cell_are_refused_since_nobody_knows_the_amounts():
    [refusal] = read_shipped("loyverse").refused

    assert (7, "Payment type", "1-1005") == (refusal.line, refusal.column, refusal.receipt_no)
    assert "how much of each" in refusal.reason


# --- RMS: fixed width, a reversal is negative under the number of its receipt ---


def test_rms_rows_are_right_to_the_cent():
    found = read_shipped("rms-receipts")

    assert [
        ("56644", "1", "7", "158500"),
        ("556644", "1", "2", "5500"),
        ("98765432", "1", "2", "385001"),
        ("98765432", "2", "7", "226501"),
        ("98765432", "3", "2", "3000"),
        ("556644", "2", "16", "308000"),
        ("556644-R", "1", "2", "5500"),
    ] == found.of("receipt_no", "line_no", "account_no", "allocation_cents")


def test_a_reversal_under_the_same_number_names_the_receipt_that_it_takes_back():
    found = read_shipped("rms-receipts")

    assert ("556644-R", "reversed", "556644", "5500") == found.of(
        "receipt_no", "status", "void_of", "allocation_cents"
    )[-1]


# --- lockboxes: totals first ---


@pytest.mark.parametrize(
    ("name", "cents"), [("navusoft-lockbox-3", 131115), ("gotransverse-lockbox", 118427)]
)
def test_a_lockbox_total_that_comes_first_vouches_for_its_rows(name, cents):
    found = read_shipped(name)

    assert cents == total_of(found)
    assert [(1, cents, cents)] == [
        (each.line, each.stated, each.found) for each in found.file.controls
    ]
    assert {("lockbox", "check")} == set(found.of("window_id", "tender_type"))


@pytest.mark.parametrize("name", ["navusoft-lockbox-3", "gotransverse-lockbox"])
def test_a_lockbox_that_was_cut_short_is_not_whole(name):
    cut = sample(name).rstrip().rpartition(b"\n")[0]

    assert "line 1: total of" in read_shipped(name, cut).fault


@pytest.mark.parametrize("name", ["navusoft-lockbox-3", "gotransverse-lockbox"])
def test_a_changed_digit_of_an_amount_is_seen_by_the_total(name):
    changed = sample(name).replace(b",84.27", b",84.72")

    assert "export the file again" in read_shipped(name, changed).fault
