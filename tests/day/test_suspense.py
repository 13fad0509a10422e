"""Money that nobody has assigned: in the fund `suspense`, and on every report until it is."""

import pytest

from tests.day.bench import posted_csv
from tests.day.site import Site
from tests.office.rows import Tape, posting

LATER = "2026-11-30"
UNKNOWN = {"service": "", "fund": "", "account_no": ""}


def counted(cents=25000):
    return Tape().count(481, "opening_float", 20000).count(1002, "close", cents)


def site_of(folder, rows, settings=""):
    site = Site(
        folder, counted(20000 + sum(row.allocation_cents for row in rows)), settings=settings
    )
    site.posted(("posted.csv", rows))
    return site


def waiting(site, date="2026-11-20"):
    """(receipt, cents, days) of each that waits."""
    report = site.day(date)[1]
    return [(each["receipt_no"], each["cents"], each["days"]) for each in report["suspense"]]


def funds(site):
    report = site.day()[1]
    return {each["fund"]: each["cents"] for each in report["deposit"]["funds"]}


ROWS = [posting("R1", 600, 5000), posting("R2", 610, 1200, **UNKNOWN)]


def test_a_receipt_without_a_fund_is_in_suspense_and_listed_with_its_age(tmp_path):
    site = site_of(tmp_path, ROWS)

    assert {"503-water": 5000, "suspense": 1200} == funds(site)
    assert [("R2", 1200, 0)] == waiting(site)
    assert [("R2", 1200, 10)] == waiting(site, LATER)
    assert [] == waiting(site, "2026-11-19")
    assert "receipt R2 of cis: 12.00 in suspense since today" in site.report()
    for form in ("", "--csv", "--html"):
        text = " ".join(site.report(form, LATER).split())
        assert "12.00 in suspense for 10 days, since 2026-11-20" in text, form


def test_an_account_that_means_no_account_is_in_suspense(tmp_path):
    rows = [posting("R1", 600, 5000), posting("R2", 610, 1200, account_no="9999999")]
    site = site_of(tmp_path, rows, 'suspense_accounts = ["9999999", "UNKNOWN"]')

    assert ({"503-water": 5000, "suspense": 1200}, [("R2", 1200, 0)]) == (
        funds(site),
        waiting(site),
    )


def test_a_fund_that_is_called_suspense_is_suspense(tmp_path):
    rows = [posting("R1", 600, 5000), posting("R2", 610, 1200, fund="suspense")]

    assert [("R2", 1200, 0)] == waiting(site_of(tmp_path, rows))


def test_a_receipt_of_which_a_part_is_known_waits_with_the_rest(tmp_path):
    part = {"tender_amount_cents": 6200}
    rows = [posting("R1", 600, 5000, **part), posting("R1", 600, 1200, line=2, **UNKNOWN, **part)]

    assert [("R1", 1200, 0)] == waiting(site_of(tmp_path, rows))


def with_kind(row, kind):
    header, line, control = posted_csv([row]).splitlines()
    return "\n".join([f"{header},kind", f"{line},{kind}", control, ""])


def test_a_new_version_of_the_row_ends_it(tmp_path):
    site = site_of(tmp_path, ROWS)
    site.posted(("assigned.csv", [posting("R2", 610, 1200, fund="501-electric")]))

    assert ({"501-electric": 1200, "503-water": 5000}, []) == (funds(site), waiting(site))


@pytest.mark.parametrize(("cents", "left"), [(-1200, []), (-700, [("R2", 500, 10)])])
def test_a_correction_takes_out_what_it_moves(tmp_path, cents, left):
    """No money moves: a part of it, or all, goes to an account."""
    site = site_of(tmp_path, ROWS)
    nothing = {"tender_amount_cents": 0, "business_date": LATER, "void_of": "R2"}
    minute = 600 + 10 * 1440
    rows = [
        posting("K1", minute, cents, **UNKNOWN, **nothing),
        posting("K1", minute, -cents, line=2, **nothing),
    ]
    header, *lines, control = posted_csv(rows).splitlines()
    text = "\n".join([f"{header},kind", *(f"{line},correction" for line in lines), control, ""])
    done = site.post(text, "later.csv")

    assert (0, left) == (done.returncode, waiting(site, LATER)), done.stderr
    assert [("R2", 1200, 0)] == waiting(site)  # that day it waited


@pytest.mark.parametrize("written", [1200, -1200])
def test_what_is_taken_back_waits_no_more(tmp_path, written):
    site = Site(tmp_path, counted(25000))
    void = posting("V2", 620, written, status="void", void_of="R2", void_by="4", **UNKNOWN)
    site.posted(("posted.csv", [*ROWS, void]))

    assert [] == waiting(site)


def test_a_void_that_names_a_fund_takes_it_back_too(tmp_path):
    site = Site(tmp_path, counted(25000))
    void = posting("V2", 620, 1200, status="void", void_of="R2", void_by="4")
    site.posted(("posted.csv", [*ROWS, void]))

    assert [] == waiting(site)


def test_a_void_of_another_part_leaves_it(tmp_path):
    part = {"tender_amount_cents": 6200}
    rows = [posting("R1", 600, 5000, **part), posting("R1", 600, 1200, line=2, **UNKNOWN, **part)]
    void = posting("V1", 620, 5000, status="void", void_of="R1", void_by="4")
    site = Site(tmp_path, counted(21200))
    site.posted(("posted.csv", [*rows, void]))

    assert [("R1", 1200, 0)] == waiting(site)


def test_money_from_the_safe_is_not_unidentified(tmp_path):
    site = Site(tmp_path, counted(30000))
    loan = posting("L1", 600, 10000, **UNKNOWN)
    assert 0 == site.post(with_kind(loan, "loan")).returncode

    assert [] == waiting(site)
