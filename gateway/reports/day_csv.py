"""The report of a business day as one flat table."""

from __future__ import annotations

import csv
import io

from gateway.reports.day_report import Json

CSV_COLUMNS = (
    "section", "window", "session", "item", "posted_cents", "expected_cents", "counted_cents",
    "over_short_cents", "status",
    "text",
)  # fmt: skip


def to_csv(report: Json) -> str:
    """One flat table; which columns a row fills depends on its section."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in _csv_rows(report):
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return out.getvalue()


def _csv_rows(report: Json) -> list[Json]:
    rows: list[Json] = []
    amounts = ("posted_cents", "expected_cents", "counted_cents", "over_short_cents")
    for session in report["sessions"]:
        who = {"window": session["window"], "session": session["session"]}
        for line in session["tenders"]:
            money = {name: line[name] for name in amounts}
            rows.append(
                {
                    "section": "tender",
                    **who,
                    "item": line["tender"],
                    **money,
                    "status": line["status"],
                    "text": line["wants"],
                }
            )
        for interval in session["intervals"]:
            money = {name: interval[name] for name in amounts[1:]}
            posted = interval["tendered_cents"] - interval["change_cents"]
            item = f"{interval['interval']}: {interval['from']} to {interval['to']}"
            rows.append(
                {"section": "interval", **who, "item": item, "posted_cents": posted, **money}
            )
        for variance in session["variances"]:
            for cause in variance["causes"] or [
                {"kind": "unexplained", "strength": "", "title": "", "evidence": []}
            ]:
                text = "; ".join([cause["title"], *cause["evidence"]])
                row = {
                    "section": "cause",
                    **who,
                    "item": cause["kind"],
                    "over_short_cents": variance["over_short_cents"],
                }
                rows.append({**row, "status": cause["strength"], "text": text})
        for finding in session["exceptions"]:
            rows.append(
                {
                    "section": "exception",
                    **who,
                    "item": finding["kind"],
                    "status": finding["at"],
                    "text": finding["text"],
                }
            )
    deposit = report["deposit"]
    for line in deposit["funds"]:
        rows.append({"section": "fund", "item": line["fund"], "posted_cents": line["cents"]})
    total = {"section": "deposit", "item": "total", "posted_cents": deposit["funds_cents"]}
    status = "ties" if deposit["ties"] else "does not tie"
    rows.append(
        {
            **total,
            "counted_cents": deposit["deposit_cents"],
            "over_short_cents": deposit["over_short_cents"],
            "status": status,
        }
    )
    for line in report["quarantined_rows"]:
        rows.append(
            {
                "section": "quarantined",
                "item": f"{line['file']}:{line['line']}",
                "text": line["reason"],
            }
        )
    for gap in report["gaps"]:
        item = f"epoch {gap['epoch']} records {gap['from_seq']} to {gap['to_seq']}"
        rows.append({"section": "gap", "window": gap["device"], "item": item, "text": gap["cause"]})
    rows.append(
        {
            "section": "ledger",
            "item": report["ledger"]["head"],
            "text": f"n {report['ledger']['n']}",
        }
    )
    if checkpoint := report["checkpoint"]:
        rows.append(
            {"section": "checkpoint", "item": f"n {checkpoint['n']}", "text": checkpoint["note"]}
        )
    return rows


def _cell(value: object) -> object:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay
    numbers.
    """
    if value is None:
        return ""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
