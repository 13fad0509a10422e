"""Rule R14 through a real ledger: receipt numbers without gaps, across days, windows and files."""

from dataclasses import replace

import pytest

from gateway.incoming.posted_file import import_posted
from gateway.incoming.posted_row import Rules
from gateway.policy_file import shipped_policy
from gateway.policy_tables import Numbering
from tests.day.bench import OfficeDay, posted_csv
from tests.day.tapes import closed, opened
from tests.office.rows import posting
from tests.office.sound_day import at

MONDAY, TODAY = "2026-11-23", "2026-11-20"


def numbers_told(office, date=TODAY, **numbering):
    policy = shipped_policy()
    if numbering:
        receipts = {**policy.receipts, "cis": Numbering(**numbering)}
        policy = replace(policy, receipts=receipts)
    return [
        each.text.partition(";")[0]
        for each in office.day(date, policy=policy).findings
        if each.rule == "R14"
    ]


def numbers(*names, minute=600, **more):
    return [posting(name, minute + n, 0, **more) for n, name in enumerate(names)]


def test_a_number_that_the_evening_file_brings_is_no_gap(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    office.post(numbers("R-0101", "R-0103"), "noon.csv")
    at_noon = numbers_told(office)
    office.post(numbers("R-0102", "R-0104"), "evening.csv")

    assert (["cis: 1 receipt number missing: R-0102"], []) == (at_noon, numbers_told(office))


def test_numbers_run_on_from_the_day_before(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    office.post(numbers("R-8", "R-9", business_date="2026-11-18", minute=600 - 2880), "a.csv")
    office.post(numbers("R-12", "R-13"), "b.csv")
    before = numbers_told(office)
    office.post(numbers("R-10", "R-11", business_date="2026-11-19", minute=600 - 1440), "c.csv")

    assert ["cis: 2 receipt numbers missing: R-10 to R-11"] == before
    assert [] == numbers_told(office)


def test_the_first_numbers_of_all_have_none_before_them(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    office.post(numbers("R-0500", "R-0501", "X7"))

    assert [] == numbers_told(office)


def test_a_number_that_is_dated_the_next_day_is_no_gap_on_either(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    office.post(
        [
            *numbers("R-0101", "R-0103"),
            *numbers("R-0102", minute=970, business_date=MONDAY),
            *numbers("R-0104", minute=600 + 3 * 1440, business_date=MONDAY),
        ]
    )

    assert ([], []) == (numbers_told(office), numbers_told(office, MONDAY))


def test_a_gap_that_a_refused_row_fills_is_named_as_that(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    good = numbers("R-0101", "R-0103")
    bad = numbers("R-0102", minute=603)[0]._replace(window_id="", tender_amount_cents=0)
    office.post([*good, bad])
    day = office.day()

    assert ["cis: 1 receipt number in no sum, refused when imported: R-0102 (posted.csv:4)"] == (
        numbers_told(office)
    )
    assert ["refused"] == [point.kind for point in day.open_points], "said once"


def test_a_file_that_was_refused_as_a_whole_fills_its_numbers_too(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    office.post(numbers("R-0101", "R-0103"))
    office.post(posted_csv(numbers("R-0102")).replace("rows=1", "rows=2"), "cut.csv")

    (told,) = numbers_told(office)
    assert "R-0102 (cut.csv" in told


def test_each_window_may_have_a_row_of_its_own(tmp_path):
    w2 = opened(device="w2", cashier=8).count(900, "close", 20000)
    office = OfficeDay(tmp_path, closed(20000), w2)
    office.post(
        [
            *numbers("W1-1", "W1-2", "W1-3"),
            *numbers("W2-5", "W2-7", window_id="w2", cashier_id="8"),
        ]
    )

    assert ["cis: 1 receipt number missing: W2-6"] == numbers_told(office)


def test_a_declared_row_of_each_window_is_not_filled_by_the_other(tmp_path):
    w2 = opened(device="w2", cashier=8).count(900, "close", 20000)
    office = OfficeDay(tmp_path, closed(20000), w2)
    office.post([*numbers("1", "3"), *numbers("2", "4", window_id="w2", cashier_id="8")])

    assert ([], ["cis at w1: 1 receipt number missing: 2", "cis at w2: 1 receipt number missing: 3"]
            ) == (numbers_told(office), numbers_told(office, scope="window"))  # fmt: skip


def test_a_row_that_begins_again_each_day_misses_its_first_numbers(tmp_path):
    office = OfficeDay(tmp_path, closed(20000))
    office.post(numbers("1", "2", "3", business_date="2026-11-19", minute=600 - 1440), "a.csv")
    office.post(numbers("22", "24"), "b.csv")

    assert ["cis: 22 receipt numbers missing: 1 to 21, 23"] == [
        text.replace("01", "1") for text in numbers_told(office, scope="day")
    ]
    assert ["cis: 19 receipt numbers missing: 04 to 21, 23"] == numbers_told(office)
    assert [] == numbers_told(office, scope="none")


def test_numbers_that_do_not_run_are_said_so_once(tmp_path):
    """An office that sees a part of its source's receipts."""
    office = OfficeDay(tmp_path, closed(20000))
    office.post(numbers(*(f"{n * 37:05d}" for n in range(1, 41))))

    assert [
        "cis: 40 receipt numbers from 00037 to 01480 do not run: nobody can say which are missing"
    ] == numbers_told(office)
    assert [] == numbers_told(office, scope="none")


def test_the_receipt_that_an_audit_found_missing(tmp_path):
    """Missouri State Auditor, Camden County 2017: the numerical sequence was not accounted for."""
    office = OfficeDay(tmp_path, closed(31000))
    office.post([posting("R-1001", 600, 5000), posting("R-1003", 610, 6000)])
    day = office.day()

    assert ["cis: 1 receipt number missing: R-1002"] == numbers_told(office)
    assert (True, ["numbers_missing"]) == (day.is_balanced, [p.kind for p in day.open_points])


def test_windows_whose_numbers_are_unique_by_window_have_a_row_each(tmp_path):
    """By receipt_scope of till.toml, without a word in policy.toml."""
    w2 = opened(device="w2", cashier=8).count(900, "close", 20000)
    office = OfficeDay(tmp_path, closed(20000), w2)
    path = tmp_path / "posted.csv"
    path.write_text(
        posted_csv([*numbers("1", "3"), *numbers("2", "4", window_id="w2", cashier_id="8")])
    )
    import_posted(office.office.ledger.db, path, at("18:00"), Rules(receipt_scope="window"))

    assert ["cis at w1: 1 receipt number missing: 2", "cis at w2: 1 receipt number missing: 3"] == (
        numbers_told(office)
    )


@pytest.mark.parametrize("has_zeros", [True, False])
def test_numbers_with_and_without_leading_zeros_are_found_in_other_days(has_zeros, tmp_path):
    def name(number):
        return f"{number:05d}" if has_zeros else str(number)

    office = OfficeDay(tmp_path, closed(20000))
    office.post(
        numbers(*map(name, range(95, 106)), minute=600 - 1440, business_date="2026-11-19"), "a.csv"
    )
    office.post(numbers(*map(name, (90, 108))), "b.csv")

    assert ["cis: 6 receipt numbers missing: "] == [
        text[: len("cis: 6 receipt numbers missing: ")] for text in numbers_told(office)
    ]
