"""What was refused is on the page of its day until it is settled: the receipt was posted, or the
file came whole. The cases are from public reports of users of other systems.
"""

import pytest

from gateway.store.postings import quarantined, unsettled
from tests.incoming.bench import control, row, text_of
from tests.incoming.conftest import NOW_MS

DAY, OTHER_DAY = "2026-11-20", "2026-11-19"
BAD = {"status": "lost"}


def told(ledger, day=DAY):
    return unsettled(ledger.db, day, NOW_MS - 1, NOW_MS + 1_000_000)


def short(ledger, day=DAY):
    return [(each.code, each.file, each.file_line, each.receipt_no) for each in told(ledger, day)]


def test_a_refused_receipt_says_whose_it_is_and_what_lies_in_the_drawer(ledger, post) -> None:
    post(text_of([row("R1"), row("R2", amount=2000, **BAD)]))

    [each] = told(ledger)

    assert ("row", "posted.csv", 3, 1) == (each.code, each.file, each.file_line, each.rows)
    assert (DAY, "w1", "cis", "R2", "T1", "cash", 2000, 0) == (
        each.business_date, each.window_id, each.source_system, each.receipt_no, each.tender_id,
        each.tender_type, each.tendered_cents, each.change_cents,
    )  # fmt: skip
    assert each.reason.startswith("status: 'lost'")


def test_the_corrected_file_settles_it(ledger, post) -> None:
    post(text_of([row("R1"), row("R2", **BAD)]))
    assert [("row", "posted.csv", 3, "R2")] == short(ledger)
    assert 1 == len(quarantined(ledger.db))

    post(text_of([row("R1"), row("R2")]), "fixed.csv")

    assert [] == short(ledger)
    assert [] == quarantined(ledger.db)
    assert [] == ledger.verify()


def test_a_receipt_is_refused_whole_and_settled_whole(ledger, post) -> None:
    rows = [row("R2", 1, amount=2000), row("R2", 2, amount=2000, **BAD), row("R1")]
    post(text_of(rows))
    [each] = told(ledger)
    assert (3, 2, 2000) == (each.file_line, each.rows, each.tendered_cents)

    post(text_of([row("R2", 1, amount=2000), row("R2", 2, amount=2000)]), "fixed.csv")

    assert [] == short(ledger)


def test_a_file_that_settles_one_receipt_leaves_the_others(ledger, post) -> None:
    post(text_of([row("R1", **BAD), row("R2", **BAD)]))
    post(text_of([row("R2")]), "fixed.csv")

    assert [("row", "posted.csv", 2, "R1")] == short(ledger)


def test_a_file_that_does_not_add_up_is_told_with_its_money(ledger, post) -> None:
    rows = [row("R2", amount=6000), row("R3", amount=700, tender_type="check"),
            row("R4", amount=50)]  # fmt: skip
    bad = control(rows).replace("tender_cents=6750", "tender_cents=1")
    post(text_of(rows, last=bad), "b.csv")

    found = told(ledger)

    assert [("b.csv", "w1", "cash", 2, 6050), ("b.csv", "w1", "check", 1, 700)] == [
        (each.file, each.window_id, each.tender_type, each.rows, each.tendered_cents)
        for each in found
    ]
    assert {("file", 0)} == {(each.code, each.file_line) for each in found}
    assert all("control total tender_cents" in each.reason for each in found)


@pytest.mark.parametrize("name", ["b.csv", "another name.csv"])
def test_a_file_that_does_not_add_up_is_settled_by_its_receipts(ledger, post, name) -> None:
    rows = [row("R2", amount=6000), row("R3", amount=700)]
    post(text_of(rows, last=control(rows[:1])), "b.csv")
    assert ["file"] == [each.code for each in told(ledger)]

    post(text_of(rows[:1]), "half.csv")
    assert [(1, 700)] == [(each.rows, each.tendered_cents) for each in told(ledger)]
    post(text_of(rows), name)

    assert [] == told(ledger)


def test_a_row_that_nobody_can_read_is_settled_by_the_file_coming_whole(ledger, post) -> None:
    rows = [row("R1"), row("R2")]
    spoilt = text_of(rows, last=control(rows)).replace("R2,1,", "\x00\x01")
    post(spoilt)
    [each] = told(ledger)
    assert ("row", 3, "") == (each.code, each.file_line, each.receipt_no)

    post(text_of(rows))

    assert [] == told(ledger)


def test_tomorrow_s_export_of_the_same_name_settles_nothing_of_today(ledger, post) -> None:
    rows = [row("R1"), row("R2")]
    post(text_of(rows).replace("R2,1,", "\x00\x01"))
    tomorrow = {"business_date": "2026-11-23", "posted_at": "2026-11-23T10:00:00-06:00"}

    post(text_of([row("R8", **tomorrow), row("R9", **tomorrow)]))

    assert [3] == [each.file_line for each in told(ledger)]


def test_an_afternoon_export_of_the_same_name_does_not_settle_a_receipt_of_noon(
    ledger, post
) -> None:
    post(text_of([row("R1"), row("R2", **BAD)]))
    post(text_of([row("R3"), row("R4")]))

    assert [("row", "posted.csv", 3, "R2")] == short(ledger)


def test_what_was_refused_is_on_the_page_of_its_own_day(ledger, post) -> None:
    yesterday = {"business_date": OTHER_DAY, "posted_at": "2026-11-19T10:00:00-06:00"}
    post(text_of([row("R1"), row("R2", **BAD, **yesterday)]))

    assert ([], ["R2"]) == (told(ledger), [each.receipt_no for each in told(ledger, OTHER_DAY)])


def test_a_date_of_2062_is_on_the_page_of_the_day_it_was_posted(ledger, post) -> None:
    post(text_of([row("R1"), row("R2", business_date="2062-11-20")]))

    assert [("row", "posted.csv", 3, "R2")] == short(ledger)


def test_a_spoilt_version_of_a_posted_receipt_waits_until_it_is_said_again(ledger, post) -> None:
    rows = [row("R1"), row("R2")]
    post(text_of(rows), "noon.csv")
    post(text_of([row("R1"), row("R2", **BAD)]), "evening.csv")
    assert [("row", "evening.csv", 3, "R2")] == short(ledger)

    post(text_of(rows) + "\n", "evening again.csv")

    assert [] == short(ledger)


def test_a_file_that_is_known_settles_too(ledger, post) -> None:
    post(text_of([row("000123")]))
    post(text_of([row("123")]), "resaved.csv")
    assert ["zeros_lost"] == [each.code for each in told(ledger)]

    assert "already" == post(text_of([row("000123")])).state

    assert [] == told(ledger)


def test_one_bad_byte_costs_one_receipt_although_the_vendor_counted_it(ledger, post) -> None:
    rows = [row("R1"), row("R2", amount=6000), row("R3", amount=1000)]
    lines = text_of(rows).encode().split(b"\n")
    lines[2] += b"O\x92Brien"
    result = post(b"\n".join(lines))

    assert ("posted", 2, 1) == (result.state, result.added, result.refused)
    [each] = told(ledger)
    assert ("R2", 6000) == (each.receipt_no, each.tendered_cents)


def test_a_reversal_without_a_receipt_that_was_never_posted_is_told(ledger, post) -> None:
    post(text_of([row("R1"), row("F1", amount=3000, status="reversed")]))
    [each] = told(ledger)
    assert ("origin", "F1", 3000) == (each.code, each.receipt_no, each.tendered_cents)

    post(text_of([row("F1", amount=3000)]), "earlier.csv")

    assert [] == told(ledger)
