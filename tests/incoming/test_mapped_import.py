"""A vendor's export in the ledger: posted through its map, by the vendor's own total."""

from pathlib import Path

import pytest

from gateway.errors import DataError
from gateway.incoming.column_map_file import load_map, map_from_text
from gateway.incoming.column_map_read import NO_TOTAL
from gateway.incoming.posted_file import import_mapped, import_posted
from gateway.store.ledger import Ledger
from gateway.store.postings import postings_between
from tests.incoming.bench import row, text_of
from tests.incoming.mapping import OFFICE, PLAIN, PLAIN_FILE, sample
from tests.incoming.test_column_map_kinds import PROOF_LIST, PROOF_LIST_FILE

NOW_MS = 1_795_300_000_000  # 21 November 2026


@pytest.fixture
def ledger(place):
    with Ledger(place) as ledger:
        yield ledger


@pytest.fixture
def post(ledger, tmp_path):
    def post(content, column_map=PLAIN, name="export.csv"):
        path = Path(tmp_path, name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        found = (
            map_from_text(column_map, Path("test.toml"))
            if "\n" in column_map
            else load_map(column_map)
        )
        return import_mapped(ledger.db, path, found, OFFICE, NOW_MS)

    return post


def posted(ledger, window="w1", date="2026-11-20"):
    return [
        (item.receipt_no, item.line_no, item.tender_type, item.allocation_cents, item.status)
        for item in postings_between(ledger.db, window, date, 0, 0)
    ]


def test_an_export_is_posted_once_however_often_it_comes(ledger, post):
    first, again = post(PLAIN_FILE), post(PLAIN_FILE, name="copy.csv")

    assert ("posted", 4, 0, []) == (first.state, first.added, first.refused, first.notes)
    assert ("already", 0) == (again.state, len(again.shown))
    assert [
        ("1001", 1, "cash", 5000, "posted"),
        ("1002", 1, "check", 8427, "posted"),
        ("1004", 1, "cash", 2000, "void"),
    ] == sorted(posted(ledger))


def test_a_line_with_two_tenders_posts_two_rows(ledger, post):
    result = post(PROOF_LIST_FILE, PROOF_LIST)

    assert ("posted", 6) == (result.state, result.added)
    assert [
        ("R-1", 1, "cash", 5800, "posted"),
        ("R-2", 1, "check", 8427, "posted"),
        ("R-3", 1, "cash", 3500, "posted"),
        ("R-3", 2, "check", 10000, "posted"),
    ] == sorted(posted(ledger, "CR1"))


def test_nothing_of_a_file_is_posted_whose_total_does_not_agree(ledger, post):
    result = post(PLAIN_FILE.replace("120.49", "120.94"))

    assert ("unposted", 0) == (result.state, result.added)
    assert "the file says 254.76, its rows give 255.21" in result.reason
    assert [] == posted(ledger)


def test_a_refused_line_refuses_its_receipt_and_not_the_file(ledger, post):
    result = post(PLAIN_FILE.replace("Check,84.27", "Barter,84.27"))

    assert ("posted", 3, 1) == (result.state, result.added, result.refused)
    assert [(3, "Paid by: no code of [codes.tender_type]; add what it means")] == result.shown


def test_a_receipt_is_posted_whole_or_not_at_all(ledger, post):
    text = PLAIN_FILE.replace("1003,w2", "1002,w1").replace("Check,84.27", "Barter,84.27")
    result = post(text)

    assert ("posted", 2, 2) == (result.state, result.added, result.refused)
    assert {"1001", "1004"} == {receipt for receipt, *_ in posted(ledger)}


def test_an_export_without_a_total_says_that_nothing_vouches_for_it(post):
    result = post(sample("square"), "square")

    assert "posted" == result.state
    assert [NO_TOTAL] == result.notes


def test_a_file_that_stayed_unposted_under_a_wrong_map_is_posted_under_the_right_one(ledger, post):
    wrong = post(PLAIN_FILE, PLAIN.replace('leave_out = ["void"]', ""))
    right = post(PLAIN_FILE)

    assert ("unposted", "posted") == (wrong.state, right.state)
    assert 3 == len(posted(ledger))


def test_a_corrected_map_states_its_rows_anew_and_adds_no_money(ledger, post):
    post(PLAIN_FILE)
    result = post(PLAIN_FILE, PLAIN.replace('Visa = "card"', 'Visa = "other"'))

    assert ("posted", 1, 3) == (result.state, result.added, result.known)
    assert [("1003", 1, "other", 12049, "posted")] == posted(ledger, "w2")


def test_a_later_export_that_shows_a_receipt_void_takes_it_back(ledger, post):
    post(PLAIN_FILE)
    post(PLAIN_FILE.replace("10277-014,OK", "10277-014,VOID").replace("254.76", "170.49"))

    assert ("1002", 1, "check", 8427, "void") in posted(ledger)


def test_an_export_of_another_layout_is_told_and_stays_on_record(ledger, post):
    with pytest.raises(DataError, match="column 'Amount'"):
        post(PLAIN_FILE.replace("Amount", "Sum"))

    assert [] == posted(ledger)


@pytest.mark.parametrize("name", ["loyverse", "navusoft-lockbox-3", "gotransverse-lockbox",
                                  "rms-receipts", "square"])  # fmt: skip
def test_every_shipped_sample_can_be_posted(post, name):
    result = post(sample(name), name)

    assert "posted" == result.state
    assert (1 if name == "loyverse" else 0) == result.refused
    assert 0 < result.added


def test_a_posted_csv_that_was_first_tried_with_a_map_is_posted_without_one(ledger, post, tmp_path):
    content = text_of([row("R1")])
    with pytest.raises(DataError):
        post(content, name="posted.csv")

    assert "posted" == import_posted(ledger.db, tmp_path / "posted.csv", NOW_MS).state
    assert [("R1", 1, "cash", 5000, "posted")] == posted(ledger)
