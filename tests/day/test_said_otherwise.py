"""What the cashiering system said otherwise later is on the report of its day, in every form."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from gateway.config import Config
from gateway.reports.day_csv import to_csv
from gateway.reports.day_html import to_html
from gateway.reports.day_report import day_report
from gateway.reports.day_terminal import print_day
from tests.day.bench import ZONE, OfficeDay
from tests.office.rows import DAY, Tape, posting

CONFIG = Config("city-hall", ZONE.key, ("w1",))
NEXT = "2026-11-23"


def office(folder):
    tape = Tape().mark(480, "sign_on", 7).count(481, "opening_float", 20000).opening(600)
    return OfficeDay(folder, tape.count(900, "close", 25000))


def report(office, date=DAY):
    return day_report(office.day(date), CONFIG)


def forms(report):
    out = io.StringIO()
    print_day(report, Console(file=out, width=200))
    return {"terminal": out.getvalue(), "csv": to_csv(report), "html": to_html(report)}


def test_a_status_that_is_known_later_is_told_with_both_files(tmp_path):
    day = office(tmp_path)
    day.post([posting("R1", 600, 5000, status="unknown")], "noon.csv")
    day.post([posting("R1", 600, 5000)], "evening.csv")
    told = report(day)
    (change,) = told["changes"]

    assert {"status": ["unknown", "posted"]} == change["differs"]
    assert [("noon.csv", 2), ("evening.csv", 2)] == [
        (change[name]["file"], change[name]["line"]) for name in ("earlier", "later")
    ]
    assert change["earlier"]["imported_ms"] <= change["later"]["imported_ms"]
    for name, text in forms(told).items():
        line = "receipt R1 was said otherwise: status unknown -&gt; posted; noon.csv:2, then"
        line = line if name == "html" else line.replace("&gt;", ">")
        assert line in text, name


def test_what_came_first_and_stands_is_told_too(tmp_path):
    day = office(tmp_path)
    day.post([posting("R1", 600, 5000, status="void", void_by="ann")], "evening.csv")
    day.post([posting("R1", 600, 5000)], "noon.csv")
    (change,) = report(day)["changes"]

    assert ("earlier", ["void", "posted"]) == (change["stands"], change["differs"]["status"])


def test_a_receipt_that_moved_to_another_day_is_told_on_both(tmp_path):
    day = office(tmp_path)
    day.post([posting("R1", 600, 5000)], "noon.csv")
    day.post([posting("R1", 600, 5000, business_date=NEXT)], "evening.csv")
    here, there = report(day)["changes"], report(day, NEXT)["changes"]

    assert here == there
    assert {"business_date": [DAY, NEXT]} == here[0]["differs"]


def test_a_receipt_of_many_rows_is_told_once(tmp_path):
    day = office(tmp_path)
    rows = [posting("R1", 600, 5000, line=n, allocation_cents=1000) for n in range(1, 6)]
    day.post([replace(row, status="unknown") for row in rows], "noon.csv")
    day.post(rows, "evening.csv")
    (change,) = report(day)["changes"]

    assert 5 == change["rows"]
    assert "receipt R1 (5 rows) was said otherwise" in forms(report(day))["terminal"]


@pytest.mark.parametrize("column", ["account_no", "source_ref", "void_by", "auth_code"])
def test_what_may_be_a_persons_is_named_and_not_shown(column, tmp_path):
    day = office(tmp_path)
    day.post([posting("R1", 600, 5000, **{column: "B7001"})], "noon.csv")
    day.post([posting("R1", 600, 5000, **{column: "B7002"})], "evening.csv")
    told = report(day)

    assert {column: ["", ""]} == told["changes"][0]["differs"]
    assert not any("B700" in text for text in (*forms(told).values(), str(told)))
    assert f"another {column.replace('_', ' ')}" in forms(told)["terminal"]


def test_findings_and_the_deadline_stand_in_every_form(tmp_path):
    day = office(tmp_path)
    day.post([posting("R-1", 600, 5000, cashier_id="9"), posting("R-3", 601, 0)])
    told = report(day)

    assert (["R01"], ["R14"]) == (
        [each["rule"] for each in told["sessions"][0]["findings"]],
        [each["rule"] for each in told["findings"]],
    )
    assert [{"kind": "receipt", "ref": "R-1"}] == told["sessions"][0]["findings"][0]["facts"]
    for text in forms(told).values():
        assert "R14 block: cis: 1 receipt number missing: R-2" in text
        assert "R01 block: 2 receipts by cashier 9" in text or "1 receipt by cashier 9" in text
        assert "the deposit is to be made by 2026-11-21 09:59:59 (24h)" in text
    line = forms(told)["terminal"].splitlines()[1]
    assert not told["final"]
    assert line.startswith("This day is not final: R14 cis: 1 receipt number missing: R-2")
    assert "; w1: R01 1 receipt by cashier 9" in line
