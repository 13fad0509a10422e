"""The day's report: four forms of the same figures, safe to open and to print."""

import csv
import io
import json
import re
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from gateway.business_day import day_bounds
from gateway.day.prove import Day, ProvedSession
from gateway.office.deposit import deposit_of
from gateway.office.policy import wanted
from gateway.office.reconcile import reconcile
from gateway.office.sessions import drawer_sessions
from gateway.office.tenders import tenders_of
from gateway.reports.day_csv import to_csv
from gateway.reports.day_html import to_html
from gateway.reports.day_report import day_report, to_json
from gateway.reports.day_terminal import print_day
from tests.office.rows import DAY, DAY_MS, MINUTE_MS, Tape, posting
from tests.reports.bench import CONFIG, judged


def test_json_holds_integer_cents_only(report):
    again = json.loads(to_json(report), parse_float=lambda text: pytest.fail(f"a float: {text}"))

    assert again == report
    assert again["sessions"][0]["tenders"][0]["over_short_cents"] == 1899
    assert again["ledger"] == {"n": 41, "head": "00" * 32}


def test_csv_is_no_formula(report):
    rows = list(csv.DictReader(io.StringIO(to_csv(report))))

    assert {
        "tender",
        "interval",
        "cause",
        "count",
        "exception",
        "finding",
        "open point",
        "fund",
        "deposit",
        "quarantined",
        "gap",
        "ledger",
    } == {row["section"] for row in rows}
    assert "'=HYPERLINK(1)" in [row["item"] for row in rows]


def test_html_is_escaped_and_brings_no_script_style_attribute_or_foreign_resource(report):
    page = to_html(report)

    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"\s(style|on[a-z]+)=", page)
    assert not re.search(r"(src|href)=", page)
    assert page.count("<table") == page.count("<caption>")
    assert "▲ over" in page


def test_terminal_says_the_same(report):
    out = io.StringIO()
    print_day(report, Console(file=out, width=100))
    text = out.getvalue()

    for words in (
        "▲ over",
        "+18.99",
        "taken and not posted",
        "outside a count",
        "records 4 to 6",
        "fund: empty",
    ):
        assert words in text


def test_policy_steps():
    assert [wanted(cents, CONFIG.policy) for cents in (None, 0, 1, -500, 2500, -10000)] == [
        "", "", "reason", "supervisor", "report", "incident",
    ]  # fmt: skip


def test_days_follow_the_office_clock():
    zone = ZoneInfo("America/Chicago")

    assert day_bounds(DAY, zone) == (DAY_MS, DAY_MS + 24 * 60 * MINUTE_MS)
    assert [
        (b - a) // (60 * MINUTE_MS)
        for a, b in (day_bounds("2026-03-08", zone), day_bounds("2026-11-01", zone))
    ] == [
        23,
        25,
    ]


def test_the_offices_own_rules_are_on_the_report():
    tape = Tape().count(1, "opening_float", 20000)
    for minute in (20, 30, 40, 50):
        tape.opening(minute)
    (session,) = drawer_sessions(tape.count(1000, "close", 25000).rows)
    proved = reconcile(session, tenders_of([posting("R1", 961, 5000)]), DAY)
    day = Day(
        DAY, 0, 1, [ProvedSession(proved, [])], deposit_of([proved]), [], [], [], [], 0, bytes(32)
    )
    report = day_report(judged(day), CONFIG)

    assert ["no_sale_openings"] == [item["kind"] for item in report["sessions"][0]["findings"]]
    assert ["after_cut_off"] == [item["kind"] for item in report["findings"]]
