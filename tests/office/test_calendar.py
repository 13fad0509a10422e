"""Business days of the office: weekends, holidays, single days, the cut-off, and the two days a
year that have 23 and 25 hours.
"""

import datetime
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Config
from gateway.errors import UsageError
from gateway.office.calendar import Calendar, calendar_of
from gateway.policy_file import shipped_policy

CHICAGO = ZoneInfo("America/Chicago")
SHIPPED = shipped_policy().calendar
OFFICE = Calendar(SHIPPED, CHICAGO, datetime.time(16))

# Federal holidays as the U.S. Office of Personnel Management lists them (opm.gov, "Federal
# Holidays"): the days on which they are kept.
OPM = {
    2026: "0101 0119 0216 0525 0619 0703 0907 1012 1111 1126 1225",
    2027: "0101 0118 0215 0531 0618 0705 0906 1011 1111 1125 1224 1231",
    2028: "0117 0221 0529 0619 0704 0904 1009 1110 1123 1225",
}


def day(text):
    return datetime.date.fromisoformat(text)


def at(text, fold=0, zone=CHICAGO):
    """Unix milliseconds of a time on the office's clock."""
    local = datetime.datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)
    return int(local.timestamp()) * 1000


def office(**changes):
    return replace(OFFICE, table=replace(SHIPPED, **changes))


@pytest.mark.parametrize(
    ("posted", "belongs_to"),
    [
        ("2026-11-19 15:59:59", "2026-11-19"),  # Thursday
        ("2026-11-19 16:00:00", "2026-11-20"),
        ("2026-11-20 15:59:59", "2026-11-20"),  # Friday
        ("2026-11-20 16:30:00", "2026-11-23"),  # belongs to Monday
        ("2026-11-21 10:00:00", "2026-11-23"),  # Saturday
        ("2026-11-22 23:59:59", "2026-11-23"),
        ("2026-11-25 16:30:00", "2026-11-27"),  # the eve of Thanksgiving
        ("2026-11-26 09:00:00", "2026-11-27"),  # on it
        ("2026-07-02 16:00:00", "2026-07-06"),  # the Fourth is a Saturday, kept on Friday
        ("2026-12-31 16:00:00", "2027-01-04"),  # the end of month and year, New Year, a weekend
        ("2027-12-30 16:00:00", "2028-01-03"),  # New Year 2028 is kept on 31 December 2027
        ("2028-02-29 16:00:00", "2028-03-01"),  # a leap day
        ("2027-02-26 16:00:00", "2027-03-01"),
        ("2026-03-06 16:00:00", "2026-03-09"),  # over the night that has an hour less
        ("2026-10-30 16:00:00", "2026-11-02"),  # and over the one that has an hour more
    ],
)
def test_a_receipt_after_the_cut_off_belongs_to_the_next_business_day(posted, belongs_to):
    assert belongs_to == OFFICE.business_date_of(at(posted))


def test_an_office_that_works_on_sundays_keeps_its_cut_off_on_the_days_of_the_clock_change():
    sundays = office(weekend=("sat",))

    assert ["2026-03-08", "2026-03-09", "2026-11-01", "2026-11-01", "2026-11-01", "2026-11-02"] == [
        sundays.business_date_of(moment)
        for moment in (
            at("2026-03-08 15:59"), at("2026-03-08 16:00"), at("2026-11-01 01:30"),
            at("2026-11-01 01:30", fold=1), at("2026-11-01 15:59"), at("2026-11-01 16:00"),
        )
    ]  # fmt: skip


@pytest.mark.parametrize("year", OPM)
def test_the_holidays_that_ship_are_the_federal_ones(year):
    first = datetime.date(year, 1, 1)
    dates = [first + datetime.timedelta(days=n) for n in range(366)]
    kept = [
        date.strftime("%m%d")
        for date in dates
        if date.year == year and OFFICE.why_closed(date) not in ("", "weekend")
    ]

    assert OPM[year].split() == kept


def test_the_office_says_which_days_count():
    closed = office(closed=(day("2026-11-27"),), open=(day("2026-11-28"), day("2026-11-26")))

    assert ["", "4th thu nov", "closed", "weekend", "", ""] == [
        OFFICE.why_closed(day("2026-11-25")),
        OFFICE.why_closed(day("2026-11-26")),
        closed.why_closed(day("2026-11-27")),
        OFFICE.why_closed(day("2026-11-28")),
        closed.why_closed(day("2026-11-28")),
        closed.why_closed(day("2026-11-26")),
    ]
    assert "2026-11-28" == closed.business_date_of(at("2026-11-27 10:00"))


def test_a_day_after_a_holiday_can_be_one():
    friday = office(holidays=("4th thu nov", "4th thu nov +1"))

    assert "2026-11-30" == friday.business_date_of(at("2026-11-25 16:00"))


@pytest.mark.parametrize(
    ("observed", "free"),
    [("nearest", "2027-06-18"), ("monday", "2027-06-21"), ("none", None)],
)
def test_a_holiday_on_a_saturday_is_kept_as_the_office_says(observed, free):
    juneteenth = office(observed=observed, holidays=("jun 19",))
    week = [day("2027-06-14") + datetime.timedelta(days=n) for n in range(12)]
    kept = [
        date.isoformat() for date in week
        if date.weekday() < 5 and not juneteenth.is_business_day(date)
    ]  # fmt: skip

    assert ([free] if free else []) == kept


def test_next_business_day_and_days_between():
    friday, monday, tuesday = day("2026-11-20"), day("2026-11-23"), day("2026-11-24")

    assert (monday, tuesday) == (
        OFFICE.next_business_day(friday), OFFICE.next_business_day(friday, 2),
    )  # fmt: skip
    assert monday == OFFICE.next_business_day(day("2026-11-21"))
    assert [0, 1, 2, 4, -1] == [
        OFFICE.business_days_between(friday, date)
        for date in (friday, monday, tuesday, day("2026-11-27"), day("2026-11-19"))
    ]
    assert day("2026-12-31") == OFFICE.last_of_month(friday.replace(month=12))
    assert day("2026-01-30") == OFFICE.last_of_month(day("2026-01-01"))


def test_an_office_that_is_never_open_is_told():
    everything = tuple(day("2026-11-20") + datetime.timedelta(days=n) for n in range(2_001))

    with pytest.raises(UsageError, match="closed in policy.toml"):
        office(closed=everything).business_date_of(at("2026-11-20 10:00"))


def test_a_moment_at_the_end_of_all_calendars_has_a_date_too():
    assert "9999-12-30" == OFFICE.business_date_of(at("9999-12-30 10:00"))


def test_the_calendar_of_a_site_has_its_zone_and_cut_off():
    site = Config("north", "Europe/Berlin", ("w1",), cut_off=datetime.time(15, 30))
    berlin = ZoneInfo("Europe/Berlin")

    assert ["2026-11-19", "2026-11-20"] == [
        calendar_of(site).business_date_of(at(text, zone=berlin))
        for text in ("2026-11-19 15:29", "2026-11-19 15:30")
    ]


@given(
    st.integers(0, 4_000_000_000_000),
    st.times().map(lambda time: time.replace(second=0, microsecond=0)),
)
def test_the_span_of_a_business_date_holds_what_belongs_to_it_and_nothing_else(ms, cut_off):
    calendar = Calendar(SHIPPED, CHICAGO, cut_off)
    date = calendar.business_date_of(ms)
    first, until = calendar.span_of(date)

    assert first <= ms < until
    assert (date, date) == (calendar.business_date_of(first), calendar.business_date_of(until - 1))
    assert calendar.business_date_of(first - 1) < date < calendar.business_date_of(until)


def test_a_day_without_business_has_no_span():
    assert (0, 0) == OFFICE.span_of("2026-11-21")
    assert (at("2026-11-20 16:00"), at("2026-11-23 16:00")) == OFFICE.span_of("2026-11-23")


@given(st.integers(0, 4_000_000_000_000), st.integers(0, 10**9))
def test_a_later_moment_never_belongs_to_an_earlier_day_and_every_date_is_a_business_day(ms, more):
    earlier, later = OFFICE.business_date_of(ms), OFFICE.business_date_of(ms + more)

    assert earlier <= later
    assert OFFICE.is_business_day(day(earlier))


@given(st.dates(day("1990-01-01"), day("2090-01-01")), st.integers(0, 60))
def test_counting_days_and_going_them_agree(date, days):
    assert days == OFFICE.business_days_between(date, OFFICE.next_business_day(date, days))
