"""R17: when a deposit is late, by the profile of the place, and its countdown."""

import pytest

from gateway.business_day import local_date, local_time
from gateway.office import rule_facts as facts
from gateway.office.rule_finding import Under
from gateway.office.rules_deposit import countdown, due_ms
from gateway.policy_file import read_policy
from tests.office.sound_day import UNDER, ZONE, at

PROFILES = UNDER.policy.deadline


def deposit(first_receipt, cents=100_001):
    return facts.Deposit("d", at(first_receipt[11:], first_receipt[:10]), cents, None)


@pytest.mark.parametrize(
    ("profile", "first_receipt", "cents", "last_moment"),
    [
        # RCW 43.09.240: once every twenty-four consecutive hours, weekends too
        ("24h", "2026-11-20 09:10", 100_001, "2026-11-21 09:09:59"),
        ("24h", "2026-11-01 00:30", 100_001, "2026-11-01 23:29:59"),  # a day of 25 hours
        ("24h-weekly", "2026-11-20 09:10", 50_001, "2026-11-21 09:09:59"),
        ("24h-weekly", "2026-11-20 09:10", 50_000, "2026-11-27 23:59:59"),
        ("24h-weekly", "2026-11-19 09:10", 50_000, "2026-11-25 23:59:59"),  # closed on the 26th
        # IC 5-13-6-1(d): not later than the next business day following the receipt
        ("next-business-day", "2026-11-19 09:10", 100_001, "2026-11-20 23:59:59"),
        ("next-business-day", "2026-11-20 16:30", 100_001, "2026-11-23 23:59:59"),
        ("next-business-day", "2026-11-25 09:00", 100_001, "2026-11-27 23:59:59"),
        ("next-business-day", "2026-12-31 09:00", 100_001, "2027-01-04 23:59:59"),
        # ORC 9.38: up to $1,000 by adopted policy three business days
        ("ohio", "2026-11-20 09:10", 100_001, "2026-11-23 23:59:59"),
        ("ohio", "2026-11-20 09:10", 100_000, "2026-11-25 23:59:59"),
        # Kansas City 2-1615: 3 p.m.; up to $500 once a week, never beyond the month
        ("weekly-small", "2026-11-20 09:10", 50_001, "2026-11-23 14:59:59"),
        ("weekly-small", "2026-11-16 09:10", 50_000, "2026-11-23 14:59:59"),
        ("weekly-small", "2026-11-27 09:10", 50_000, "2026-11-30 23:59:59"),
        ("weekly-small", "2026-11-30 15:30", 50_000, "2026-11-30 23:59:59"),
        ("weekly-small", "2026-10-31 09:10", 50_000, "2026-11-06 14:59:59"),
    ],
)
def test_the_last_moment_of_each_profile(profile, first_receipt, cents, last_moment):
    due = due_ms(deposit(first_receipt, cents), PROFILES[profile], UNDER.calendar) - 1

    assert last_moment == f"{local_date(due, ZONE)} {local_time(due, ZONE)}"


@pytest.mark.parametrize(
    ("now", "percent", "state"),
    [
        ("2026-11-20 09:10", 0, "in_time"),
        ("2026-11-21 03:09", 74, "in_time"),
        ("2026-11-21 03:10", 75, "alert"),
        ("2026-11-21 09:09", 99, "alert"),
        ("2026-11-21 09:10", 100, "late"),
        ("2026-11-22 09:10", 200, "late"),
    ],
)
def test_the_countdown_alerts_at_three_quarters_of_the_time(now, percent, state):
    found = countdown(deposit("2026-11-20 09:10"), at(now[11:], now[:10]), UNDER)

    assert (percent, state) == (found.percent_used, found.state)


def test_a_deposit_that_was_made_in_time_raises_no_alert_and_stays_so():
    made = deposit("2026-11-20 09:10")._replace(deposited_ms=at("09:00", "2026-11-21"))

    assert "in_time" == countdown(made, at("09:00", "2026-12-21"), UNDER).state


def test_a_site_has_a_profile_of_its_own(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(
        '[R17]\nprofile = "ours"\n[deadline.ours]\nbusiness_days = 2\nuntil = "17:00"\n'
        'source = "Ordinance 3"\n'
    )
    under = Under(read_policy(path), UNDER.calendar)
    due = countdown(deposit("2026-11-20 09:10"), at("10:00"), under).due_ms

    assert at("17:00", "2026-11-24") == due
