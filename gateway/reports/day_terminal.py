"""The report of a business day in a terminal."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING

from gateway.money import format_cents
from gateway.reports.arrivals import arrived
from gateway.reports.day_report import Json
from gateway.reports.drawerless import drawerless_lines, not_configured
from gateway.reports.money_report import money_words
from gateway.reports.rules_part import change_line, deadline_line, finding_line
from gateway.reports.session_record import record_lines
from gateway.reports.suspense import waiting
from gateway.reports.whole_table import print_whole
from gateway.reports.words import deposit_line, difference, final_line, long_date, marked, shown
from gateway.terminal import printable

if TYPE_CHECKING:
    from rich.console import Console


def print_day(report: Json, console: Console) -> None:
    """The report on a terminal."""
    report = {**printable(report), "checkpoint": report.get("checkpoint")}  # its note has lines
    note = printable(report["checkpoint"]["note"], keep="\n") if report["checkpoint"] else ""
    zone = zoneinfo.ZoneInfo(report["zone"])
    console.print(
        f"[bold]{report['site']}, {long_date(report['business_date'])}[/bold]",
        highlight=False,
        soft_wrap=True,
    )
    console.print(final_line(report), markup=False, highlight=False, soft_wrap=True)
    for finding in report["findings"]:
        _say(finding_line(finding), console)
    for session in report["sessions"]:
        _print_session(session, zone, console)
    for window in report["windows_without_session"]:
        console.print(
            f"{window}: no session, nothing posted", markup=False, highlight=False, soft_wrap=True
        )
    for window in report["windows_not_configured"]:
        console.print(not_configured(window), markup=False, highlight=False, soft_wrap=True)
    _print_deposit(report["deposit"], console)
    for heading, lines in money_words(report["money"]):
        for line in lines:
            text = f"{heading.lower()}: {line}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    rest = [*map(waiting, report["suspense"]), *map(arrived, report["arrived_later"])]
    for text in (*drawerless_lines(report), *rest):
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    for line in report["quarantined_rows"]:
        console.print(
            f"not posted: {line['file']}:{line['line']}: {line['reason']}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    for change in report["changes"]:
        _say(change_line(change), console)
    for gap in report["gaps"]:
        text = (
            f"gap: {gap['device']} epoch {gap['epoch']}, records {gap['from_seq']} to"
            f" {gap['to_seq']}: {gap['cause']}"
        )
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"ledger n {report['ledger']['n']}, head {report['ledger']['head']}",
        highlight=False,
        soft_wrap=True,
    )
    for line in ["signed tree head:", *note.splitlines()] if note else []:
        if line.isprintable():  # an insider may have written into the table
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _print_session(session: Json, zone: zoneinfo.ZoneInfo, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    cashier = "nobody signed on" if session["cashier"] is None else f"cashier {session['cashier']}"
    title = (
        f"Window {session['window']}, session {session['session']}, {cashier}:"
        f" {marked(session['status'])}"
    )
    console.print()
    console.print(title, style="bold", markup=False, highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for name in ("Tender", "Posted", "Expected", "Counted", "Over/short", "Status"):
        table.add_column(
            name, justify="left" if name in ("Tender", "Status") else "right", no_wrap=True
        )
    for line in session["tenders"]:
        amounts = [
            format_cents(line["posted_cents"]),
            shown(line["expected_cents"]),
            shown(line["counted_cents"]),
        ]
        wants = f", wants: {line['wants']}" if line["wants"] else ""
        if line["declared_cents"] is not None:
            wants += f", declared {format_cents(line['declared_cents'])}"
        table.add_row(
            Text(line["tender"]),
            *amounts,
            difference(line["over_short_cents"]),
            marked(line["status"]) + wants,
        )
    print_whole(table, console)
    for variance in session["variances"]:
        where = f"interval {variance['interval']}" if variance["interval"] else "session"
        text = f"  {variance['tender']} {difference(variance['over_short_cents'])} in {where}:"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        for cause in variance["causes"]:
            console.print(
                f"    {cause['strength']}: {cause['title']}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            for evidence in cause["evidence"]:
                console.print(f"      {evidence}", markup=False, highlight=False, soft_wrap=True)
            console.print(
                f"      check: {cause['check']}", markup=False, highlight=False, soft_wrap=True
            )
        if not variance["causes"]:
            console.print("    unexplained", highlight=False, soft_wrap=True)
    for line in record_lines(session, zone):
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    for remark in session["exceptions"]:
        console.print(
            f"  {remark['at']} {remark['text']}", markup=False, highlight=False, soft_wrap=True
        )
    for finding in session["findings"]:
        _say(f"  {finding_line(finding)}", console)


def _say(text: str, console: Console) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _print_deposit(deposit: Json, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("Deposit by fund", footer="Deposit")
    table.add_column(
        "Amount", justify="right", footer=shown(deposit["deposit_cents"]), no_wrap=True
    )
    for line in deposit["funds"]:
        table.add_row(Text(line["fund"]), format_cents(line["cents"]))
    table.add_row("over/short", difference(deposit["over_short_cents"]))
    console.print()
    print_whole(table, console)
    console.print(deposit_line(deposit), highlight=False, soft_wrap=True)
    if line := deadline_line(deposit):
        _say(line, console)
