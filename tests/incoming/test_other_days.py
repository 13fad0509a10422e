"""What the ledger is asked about other days: receipt numbers, suspense, receipts that are taken
back; on both engines.
"""

import pytest

from gateway.day.suspense import in_suspense
from gateway.store.other_days import rows_of
from gateway.store.receipt_numbers import (
    ANY,
    numbers_before,
    numbers_between,
    refused_between,
)
from tests.incoming.bench import changed, row, text_of

ALL = ("", "", ANY)


def test_numbers_between_two_are_found_in_any_day_and_window(ledger, post):
    post(
        text_of(
            [
                row("R-08", business_date="2026-11-18"),
                row("R-09", window_id="w2"),
                row("R-10", status="void"),
                row("S-09"),
            ]
        )
    )

    def between(low, high, within=ALL, source="cis"):
        return list(numbers_between(ledger.db, source, low, high, within))

    assert ["R-08", "R-09", "R-10"] == between("R-00", "R-99")
    assert ["R-09"] == between("R-00", "R-99", ("w2", "", ANY))
    assert ["R-08"] == between("R-00", "R-99", ("", "2026-11-18", ANY))
    assert [] == between("R-00", "R-99", ("", "", "w1"))
    assert [] == between("R-00", "R-99", source="permits")


def test_the_last_number_before_is_the_nearest_of_its_length(ledger, post):
    post(text_of([row("R-7"), row("R-08"), row("R-095"), row("R-A1")]))

    assert ["R-08"] == list(numbers_before(ledger.db, "cis", "R-00", "R-98", ALL))
    assert ["R-A1", "R-08"] == list(numbers_before(ledger.db, "cis", "R-00", "R-Z9", ALL))
    assert [] == list(numbers_before(ledger.db, "cis", "R-00", "R-07", ALL))


def test_a_refused_number_is_found_until_it_is_settled(ledger, post):
    post(text_of([row("R-1"), changed(row("R-2"), window_id="")]), "noon.csv")
    refused = refused_between(ledger.db, "CIS", "R-0", "R-9")
    post(text_of([row("R-2")]), "evening.csv")

    assert ({"R-2": "noon.csv:3"}, {}) == (
        refused,
        refused_between(ledger.db, "cis", "R-0", "R-9"),
    )


@pytest.mark.parametrize(
    ("case", "rows", "waiting"),
    [
        ("no fund", [row("R1", fund="")], [("R1", "2026-11-20", 5000)]),
        ("the fund of that name", [row("R1", fund="suspense")], [("R1", "2026-11-20", 5000)]),
        ("of a later day", [row("R1", fund="", business_date="2026-11-23")], []),
        ("assigned since", [row("R1", fund="", status="unknown"), row("R1")], []),
        ("void in place", [row("R1", fund="", status="void")], []),
        ("taken back", [row("R1", fund=""), row("R2", fund="", status="void", void_of="R1")], []),
        ("two rows", [row("R1", 1, 5000, 0, 2000, fund=""), row("R1", 2, 5000, 0, 3000, fund="")],
            [("R1", "2026-11-20", 5000)]),
        ("nobody knows whether it was posted", [row("R1", fund="", status="unknown")], []),
    ],
)  # fmt: skip
def test_what_waits_in_suspense(case, rows, waiting, ledger, post):
    for number, each in enumerate(rows):
        assert "posted" == post(text_of([each]), f"{number}.csv").state

    found = in_suspense(ledger.db, "2026-11-20")
    assert waiting == [(each.receipt_no, each.since, each.cents) for each in found], case


def test_the_rows_of_a_receipt_are_those_that_stand(ledger, post):
    post(text_of([row("R1", status="unknown"), row("R2")]), "noon.csv")
    post(text_of([row("R1")]), "evening.csv")

    found = rows_of(ledger.db, [("cis", "", "R1"), ("cis", "", "R9")])
    assert [("R1", "posted")] == [(each.receipt_no, each.status) for each in found]
