"""What the synthetic cashiering system exports: posted.csv, schema v1, and amounts that look like
bills.
"""

import csv
import datetime
import io
import random
from collections import defaultdict

import pytest

from simulators.office.day import generate
from simulators.office.mix import PLAIN
from simulators.office.tariff import TARIFFS, bill, charge_cents, round_half_up, spread

HEADER = (
    "receipt_no,line_no,posted_at,business_date,window_id,session_id,cashier_id,tender_id,tender_type,tender_amount_cents,"
    "change_cents,account_no,service,fund,allocation_cents,status,void_of,void_by,auth_code,batch_id,source_system,source_ref"
)


@pytest.fixture(scope="module")
def days():
    return [generate(seed, error=False, mix=PLAIN) for seed in range(60)]


def receipts_of(days):
    """{(seed, receipt number): its rows}"""
    receipts = defaultdict(list)
    for day in days:
        for row in day.posted:
            receipts[day.seed, row.receipt_no].append(row)
    return receipts


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    generate(11).posted_csv(tmp_path / "one.csv")
    generate(11).posted_csv(tmp_path / "two.csv")

    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert generate(11).plan == generate(11).plan
    assert generate(11).posted_text() != generate(12).posted_text()


def test_the_control_line_sums_the_rows_above_it(days):
    for day in days:
        header, *lines, control = day.posted_text().splitlines()
        rows = list(csv.DictReader(io.StringIO("\n".join([header, *lines]))))
        tender, change, allocation = (
            sum(int(row[name]) for row in rows)
            for name in ("tender_amount_cents", "change_cents", "allocation_cents")
        )

        assert header == HEADER
        assert control == (
            f"#control,rows={len(rows)},tender_cents={tender},change_cents={change},"
            f"allocation_cents={allocation}"
        )
        assert len({(row["receipt_no"], row["line_no"]) for row in rows}) == len(rows)


def test_allocations_sum_to_the_tender_less_change(days):
    for rows in receipts_of(days).values():
        (tender,) = {
            (row.tender_id, row.tender_type, row.tender_amount_cents, row.change_cents)
            for row in rows
        }

        assert tender[2] - tender[3] == sum(row.allocation_cents for row in rows)
        assert tender[3] == 0 or tender[1] == "cash"


def test_receipt_numbers_of_a_window_have_no_gap(days):
    for day in days:
        for window in day.windows:
            numbers = list(
                dict.fromkeys(
                    int(row.receipt_no[3:]) for row in day.posted if row.window_id == window
                )
            )

            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_void_takes_back_one_earlier_receipt_whole(days):
    receipts = receipts_of(days)
    voids = [(key[0], rows) for key, rows in receipts.items() if rows[0].void_of]
    for seed, rows in voids:
        original = receipts[seed, rows[0].void_of]

        assert {("void", "s900")} == {(row.status, row.void_by) for row in rows}
        assert [-row.allocation_cents for row in original] == [row.allocation_cents for row in rows]
        assert original[0].posted_at < rows[0].posted_at
    assert 1 <= len(voids) / len(days) <= 6


def test_times_are_office_hours_in_the_office_zone():
    for date, offset in (
        (datetime.date(2026, 3, 2), "-06:00"),
        (datetime.date(2026, 7, 1), "-05:00"),
    ):
        for row in generate(4, business_date=date, mix=PLAIN).posted:
            at = datetime.datetime.fromisoformat(row.posted_at)

            assert row.posted_at.endswith(offset)
            assert (date, date.isoformat()) == (at.date(), row.business_date)
            assert 8 <= at.hour < 16


def test_payments_are_spread_as_in_a_real_office(days):
    first = [rows[0] for rows in receipts_of(days).values() if rows[0].status == "posted"]
    nets = [row.tender_amount_cents - row.change_cents for row in first]
    share = {
        name: sum(row.tender_type == name for row in first) / len(first)
        for name in ("cash", "check", "card")
    }
    cash = [row for row in first if row.tender_type == "cash"]
    cents_paid = [row for row in cash if (row.tender_amount_cents - row.change_cents) % 100]

    assert 0.19 <= sum(net % 100 == 0 for net in nets) / len(nets) <= 0.27
    assert 0.43 <= share["cash"] <= 0.47
    assert 0.23 <= share["check"] <= 0.27
    assert 0.28 <= share["card"] <= 0.32
    assert 0.25 <= sum(row.change_cents == 0 for row in cents_paid) / len(cents_paid) <= 0.35
    assert 8_000 <= sorted(nets)[len(nets) // 2] <= 25_000
    assert len({net % 100 for net in nets}) == 100
    assert any(len(rows) > 1 for rows in receipts_of(days).values())


# --- the tariff -----------------------------------------------------------------------------------


def test_a_charge_is_base_and_tiers_rounded_once():
    electric = TARIFFS["electric"]  # 11.50 + 500 at .0897 + 500 at .1043 + the rest at .12885

    assert 1_150 == charge_cents(electric, 0)
    assert 1_150 + 4_485 == charge_cents(electric, 500)
    assert 1_150 + 4_485 + 5_215 + 13 == charge_cents(electric, 1_001)
    assert [0, 1, 1, 2] == [round_half_up(each, 1_000) for each in (499, 500, 1_499, 1_500)]


def test_a_payment_is_spread_to_the_cent():
    rng = random.Random(1)
    for _ in range(2_000):
        lines, paid = bill(rng), rng.randrange(1, 90_000)
        shares = spread(lines, paid)

        assert paid == sum(shares.values())
        assert all(0 < cents for cents in shares.values())
        assert all(
            abs(cents * sum(lines.values()) - lines[name] * paid) < sum(lines.values())
            for name, cents in shares.items()
        )
