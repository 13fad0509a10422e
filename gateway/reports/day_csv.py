"""The report of a business day as one flat table."""

from __future__ import annotations

import csv
import io
import zoneinfo
from collections.abc import Iterator

from gateway.reports.arrivals import arrival_rows
from gateway.reports.day_report import Json
from gateway.reports.drawerless import drawerless_rows
from gateway.reports.money_report import money_rows
from gateway.reports.rules_part import change_line, deadline_line, finding_line
from gateway.reports.session_record import record_rows
from gateway.reports.suspense import suspense_rows

CSV_COLUMNS = (
    "section", "window", "session", "item", "posted_cents", "expected_cents", "counted_cents",
    "over_short_cents", "status",
    "text",
)  # fmt: skip


_AMOUNTS = ("posted_cents", "expected_cents", "counted_cents", "over_short_cents")
_UNEXPLAINED: Json = {"kind": "unexplained", "strength": "", "title": "", "evidence": []}


def to_csv(report: Json) -> str:
    """One flat table; which columns a row fills depends on its section."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in _csv_rows(report):
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return out.getvalue()


def _csv_rows(report: Json) -> list[Json]:
    zone = zoneinfo.ZoneInfo(report["zone"])
    rows: list[Json] = [
        {"section": "open point", "window": point["window"], "item": point["kind"],
         "text": point["text"]}
        for point in report["open_points"]
    ]  # fmt: skip
    rows += [_finding_row(each) for each in report["findings"]]
    rows += [row for session in report["sessions"] for row in _session_rows(session, zone)]
    rows += _deposit_rows(report["deposit"])
    rows += money_rows(report["money"])
    rows += [*drawerless_rows(report), *suspense_rows(report), *arrival_rows(report)]
    for line in report["quarantined_rows"]:
        item = f"{line['file']}:{line['line']}"
        rows.append({"section": "quarantined", "item": item, "text": line["reason"]})
    for change in report["changes"]:
        item = f"{change['later']['file']}:{change['later']['line']}"
        told = {"item": item, "status": f"{change['stands']} stands", "text": change_line(change)}
        rows.append({"section": "change", **told})
    for gap in report["gaps"]:
        item = f"epoch {gap['epoch']} records {gap['from_seq']} to {gap['to_seq']}"
        rows.append({"section": "gap", "window": gap["device"], "item": item, "text": gap["cause"]})
    ledger = report["ledger"]
    rows.append({"section": "ledger", "item": ledger["head"], "text": f"n {ledger['n']}"})
    if checkpoint := report["checkpoint"]:
        item = f"n {checkpoint['n']}"
        rows.append({"section": "checkpoint", "item": item, "text": checkpoint["note"]})
    return rows


def _session_rows(session: Json, zone: zoneinfo.ZoneInfo) -> Iterator[Json]:
    """Tenders, intervals, causes and exceptions of one session."""
    who = {"window": session["window"], "session": session["session"]}
    for line in session["tenders"]:
        money = {name: line[name] for name in _AMOUNTS}
        told = {"item": line["tender"], "status": line["status"], "text": line["wants"]}
        yield {"section": "tender", **who, **told, **money}
    for interval in session["intervals"]:
        money = {name: interval[name] for name in _AMOUNTS[1:]}
        money["posted_cents"] = interval["tendered_cents"] - interval["change_cents"]
        item = f"{interval['interval']}: {interval['from']} to {interval['to']}"
        yield {"section": "interval", **who, "item": item, **money}
    for variance in session["variances"]:
        cents = variance["over_short_cents"]
        for cause in variance["causes"] or [_UNEXPLAINED]:
            text = "; ".join([cause["title"], *cause["evidence"]])
            told = {"item": cause["kind"], "status": cause["strength"], "text": text}
            yield {"section": "cause", **who, **told, "over_short_cents": cents}
    for row in record_rows(session, zone):
        told = {"section": row.section, "item": row.item, "status": row.status}
        yield {**who, **told, "counted_cents": row.cents, "text": row.text}
    for remark in session["exceptions"]:
        told = {"item": remark["kind"], "status": remark["at"], "text": remark["text"]}
        yield {"section": "exception", **who, **told}
    for finding in session["findings"]:
        yield {**_finding_row(finding), **who}


def _finding_row(finding: Json) -> Json:
    return {
        "section": "finding",
        "item": f"{finding['rule']} {finding['kind']}",
        "status": finding["severity"],
        "text": finding_line(finding),
    }


def _deposit_rows(deposit: Json) -> Iterator[Json]:
    for line in deposit["funds"]:
        yield {"section": "fund", "item": line["fund"], "posted_cents": line["cents"]}
    yield {
        "section": "deposit",
        "item": "total",
        "posted_cents": deposit["funds_cents"],
        "counted_cents": deposit["deposit_cents"],
        "over_short_cents": deposit["over_short_cents"],
        "status": "funds agree" if deposit["funds_agree"] else "funds do not agree",
    }
    apart = ("held_over", "held_in", "after_close", "rounding", "loans")
    for name in (f"{each}_cents" for each in apart):
        item = name.removesuffix("_cents").replace("_", " ")
        yield {"section": "deposit", "item": item, "posted_cents": deposit[name]}
    if line := deadline_line(deposit):
        yield {"section": "deposit", "item": "deadline", "text": line}
    for line in deposit["returned"]:
        yield {"section": "returned", "item": line["fund"], "posted_cents": line["cents"]}


def _cell(value: object) -> object:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay
    numbers.
    """
    if value is None:
        return ""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
