"""The report of a business day as a page that prints."""

from __future__ import annotations

import zoneinfo

from gateway.business_day import local_time
from gateway.reports.arrivals import arrived
from gateway.reports.day_report import Json
from gateway.reports.drawerless import not_configured
from gateway.reports.money_report import money_words
from gateway.reports.rules_part import change_line, deadline_line, finding_line
from gateway.reports.session_record import record_lines
from gateway.reports.suspense import waiting
from gateway.reports.words import deposit_line, difference, final_line, long_date, marked, shown


def to_html(report: Json) -> str:
    """A page for the screen and the printer: no script, nothing from elsewhere, every value
    escaped.
    """
    import jinja2  # a twentieth of a second to load, wanted for this alone

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gateway.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    zone = zoneinfo.ZoneInfo(report["zone"])
    environment.filters.update(
        money=shown,
        difference=difference,
        marked=marked,
        deposit_line=deposit_line,
        final_line=final_line,
        change_line=change_line,
        deadline_line=deadline_line,
        finding_line=finding_line,
        money_words=money_words,
        words=lambda text: text.replace("_", " "),
        not_configured=not_configured,
        waiting=waiting,
        arrived=arrived,
        clock=lambda at_ms: local_time(at_ms, zone),
        record_lines=lambda session: record_lines(session, zone),
    )
    return environment.get_template("day.html").render(
        report=report, date=long_date(report["business_date"])
    )
