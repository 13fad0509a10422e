"""Which day `till reconcile` and `till report` show when nobody names one: never one that is still
to come.
"""

import datetime
import json
from zoneinfo import ZoneInfo

import pytest

from gateway.business_day import local_ms
from gateway.day.prove import default_business_date
from gateway.incoming.posted_file import import_posted
from protocol import records
from tests.cli.bench import clock_at, init, till
from tests.delivery.bench import Office, a_tally
from tests.incoming.bench import row, text_of

ZONE = ZoneInfo("America/Chicago")
THURSDAY, FRIDAY, SATURDAY, SUNDAY = "2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22"


def at(date, hour, minute=0):
    """Unix milliseconds UTC of that time on the office's clock."""
    return local_ms(datetime.date.fromisoformat(date), datetime.time(hour, minute), ZONE)


class Site(Office):
    """An office whose default day is asked for."""

    def __init__(self, folder):
        super().__init__(folder)
        self.w1 = self.device()
        self._files = 0

    def _say(self, moment_ms, fields):
        self.clock.now_ms = moment_ms
        self.w1.said.append(records.encode_record(fields))
        self.take(self.w1.ev(len(self.w1.said), len(self.w1.said)))

    def counted(self, date, hour):
        number = len(self.w1.said) + 1
        self._say(at(date, hour), a_tally(number, uptime_ms=self.w1.uptime_ms))

    def bookmarked(self, date, hour):
        """A board starts and notes where its machine's counter stands: nobody counted."""
        number = len(self.w1.said) + 1
        nothing = {"rows": [], "total_minor": 0, "uptime_ms": self.w1.uptime_ms}
        self._say(at(date, hour), a_tally(number, **nothing))

    def posted(self, business_date, on, hour):
        self._files += 1
        moment = datetime.datetime.fromtimestamp(at(on, hour) // 1000, ZONE).isoformat()
        path = self.folder / f"{self._files}.csv"
        cells = row(f"R{self._files}", business_date=business_date, posted_at=moment)
        path.write_text(text_of([cells]))
        assert import_posted(self.ledger.db, path, at(on, hour)).added == 1

    def default(self, date, hour):
        return default_business_date(self.ledger, ZONE, at(date, hour))


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_one_receipt_past_the_cut_off_does_not_show_tomorrow(site):
    site.counted(THURSDAY, 10)
    site.posted(THURSDAY, THURSDAY, 10)
    site.posted(FRIDAY, THURSDAY, 17)

    assert THURSDAY == site.default(THURSDAY, 18)


def test_today_once_anything_was_counted_or_posted_for_it(site):
    site.counted(THURSDAY, 10)
    assert THURSDAY == site.default(FRIDAY, 8)

    site.posted(FRIDAY, THURSDAY, 17)
    assert FRIDAY == site.default(FRIDAY, 8)

    site.counted(SATURDAY, 9)
    assert SATURDAY == site.default(SATURDAY, 10)


def test_a_day_off_shows_the_last_day_of_work_and_not_the_date_of_its_late_receipts(site):
    site.counted(FRIDAY, 10)
    site.posted(FRIDAY, FRIDAY, 10)
    site.posted(SATURDAY, FRIDAY, 17)
    site.bookmarked(SUNDAY, 3)

    assert FRIDAY == site.default(SUNDAY, 12)


def test_a_day_with_payments_and_no_count_is_a_day_of_work(site):
    """Its boards were dead: the report has to say that nothing was counted."""
    site.counted(THURSDAY, 10)
    site.posted(FRIDAY, FRIDAY, 10)

    assert FRIDAY == site.default(SUNDAY, 12)


def test_an_office_that_never_worked_shows_today(site):
    assert FRIDAY == site.default(FRIDAY, 12)

    site.posted(SUNDAY, FRIDAY, 12)
    assert FRIDAY == site.default(FRIDAY, 13)


def test_the_calendar_is_the_offices_and_not_utc(site):
    site.counted(FRIDAY, 20)  # already Saturday in UTC

    assert FRIDAY == site.default(FRIDAY, 21)


@pytest.mark.parametrize("command", ["reconcile", "report"])
def test_the_commands_say_which_day_it_is(tmp_path, command):
    folder = tmp_path / "site"
    init(folder, "--windows", 1)
    config = ("--config", folder / "till.toml")
    late = row("R2", business_date=FRIDAY, posted_at=f"{THURSDAY}T17:00:00-06:00")
    today = row("R1", business_date=THURSDAY, posted_at=f"{THURSDAY}T10:00:00-06:00")
    (folder / "posted.csv").write_text(text_of([today, late]))
    zone = 'zone = "America/Chicago"'
    assert zone in (folder / "till.toml").read_text()
    assert till("import", folder / "posted.csv", *config).returncode == 0
    evening = clock_at(tmp_path / "evening", at(THURSDAY, 18))
    weekend = clock_at(tmp_path / "weekend", at(SUNDAY, 12))

    shown = till(command, *config, clock=evening)
    assert "Thursday 19 November 2026" in shown.stdout.splitlines()[0]
    assert "" == shown.stderr
    later = till(command, "--json", *config, clock=weekend)
    assert THURSDAY == json.loads(later.stdout)["business_date"]
    assert f"nothing was counted or posted today, {SUNDAY}: this is {THURSDAY}" in later.stderr
    named = till(command, "--json", "--date", FRIDAY, *config, clock=weekend)
    assert (FRIDAY, "") == (json.loads(named.stdout)["business_date"], named.stderr)
