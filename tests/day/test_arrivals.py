"""Receipts that were posted before the close and imported after the day was signed: the figures do
not change silently.
"""

import pytest

from gateway.audit.tree_head import make
from gateway.store.ledger import Ledger
from tests.day.bench import EVENING_MS
from tests.day.site import Site, money
from tests.office.rows import DAY, Tape, posting

HOUR_MS = 3_600_000
R1, R2 = posting("R1", 600, 5000), posting("R2", 610, 6000)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, Tape().count(481, "opening_float", 20000).count(1002, "close", 25000))


def signed(site):
    with Ledger(site.folder / "ledger.db") as ledger:
        make(ledger, site.folder, "city", DAY, EVENING_MS + HOUR_MS)


def later(site, rows, name="late.csv"):
    path = site.folder / name
    site.post(rows, name, minute=2000)  # the next morning, after it was signed
    return path


def test_imported_after_the_close_but_posted_before_it_is_listed(site):
    site.posted(("posted.csv", [R1]))
    signed(site)
    assert [] == site.day()[1]["arrived_later"]

    later(site, [R2])
    code, report = site.day()

    assert (1, (11000, 31000, -6000)) == (code, money(report))
    (file,) = report["arrived_later"]
    assert ("late.csv", 1, ["R2"]) == (file["file"], file["rows"], file["receipts"])
    for form in ("", "--csv", "--html"):
        text = " ".join(site.report(form).split()).casefold()
        assert "arrived after the day was signed: late.csv, 1 row imported 2026-11-21" in text, form
    assert "R2" in site.report()


def test_a_later_version_of_a_receipt_is_listed_too(site):
    site.posted(("posted.csv", [R1]))
    signed(site)
    later(site, [posting("R1", 600, 5000, status="void")])

    assert [["R1"]] == [file["receipts"] for file in site.day()[1]["arrived_later"]]


def test_the_same_receipts_again_are_no_news(site):
    site.posted(("posted.csv", [R1]))
    signed(site)
    later(site, [R1])

    assert [] == site.day()[1]["arrived_later"]


def test_a_day_whose_file_comes_in_the_evening_arrives_at_once_and_not_later(site):
    """Signed after the cut-off, imported as always: nothing stood before that could change."""
    signed(site)
    later(site, [R1])

    assert [] == site.day()[1]["arrived_later"]


def test_more_receipts_than_are_named_are_told(site):
    site.posted(("posted.csv", [R1]))
    signed(site)
    later(site, [posting(f"Q{n}", 620 + n, 100) for n in range(9)])

    assert "9 rows" in site.report() and "Q0, Q1, Q2, Q3, Q4, ..." in site.report()
