"""The report of a business day, in four forms that say the same: JSON (integer cents), CSV, HTML
for print, terminal.

`day_report` makes plain data of a Day; the others only lay it out. A status is a symbol and a word,
never a colour alone.
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import zoneinfo
from typing import TYPE_CHECKING, Any

from gateway.config import Config, Policy
from gateway.day import Day, Proof, business_date_of, local_time
from gateway.explain import Variance, unreceipted_openings
from gateway.money import format_cents, format_signed
from gateway.reconcile import Interval, Reconciliation
from gateway.sessions import Finding
from gateway.terminal import printable

if TYPE_CHECKING:
    from rich.console import Console

VERSION = 1
SYMBOLS = {
    "balanced": "\N{CHECK MARK}",
    "over": "\N{BLACK UP-POINTING TRIANGLE}",
    "short": "\N{BLACK DOWN-POINTING TRIANGLE}",
}
SYMBOL_OTHER = "\N{WHITE DIAMOND}"  # proof missing, does not tie
CSV_COLUMNS = (
    "section", "window", "session", "item", "posted_cents", "expected_cents", "counted_cents",
    "over_short_cents", "status",
    "text",
)  # fmt: skip
Json = dict[str, Any]


def day_report(day: Day, config: Config) -> Json:
    """Everything the report says, as plain data: amounts in integer cents, times in Unix
    milliseconds UTC.
    """
    zone = zoneinfo.ZoneInfo(config.zone)
    deposit = day.deposit
    return {
        "report": "till day",
        "version": VERSION,
        "site": config.site,
        "zone": config.zone,
        "currency": config.currency,
        "business_date": day.business_date,
        "balanced": day.is_balanced,
        "sessions": [_session(proof, config, zone) for proof in day.proofs],
        "windows_without_session": day.idle_windows,
        "windows_not_configured": day.unassigned,
        "deposit": {
            "funds": [
                {"fund": fund, "cents": cents} for fund, cents in deposit.funds_cents.items()
            ],
            "tenders": [
                {"tender": tender, "cents": cents}
                for tender, cents in deposit.tenders_cents.items()
                if cents
            ],
            "over_short": [
                {"tender": tender, "cents": cents}
                for tender, cents in deposit.over_short_cents.items()
                if cents != 0
            ],
            "funds_cents": deposit.total_funds_cents,
            "tenders_cents": deposit.total_tenders_cents,
            "over_short_cents": deposit.total_over_short_cents,
            "deposit_cents": deposit.deposit_cents,
            "ties": deposit.ties,
        },
        "quarantined_rows": day.quarantined,
        "gaps": [
            {name: gap[name] for name in ("device", "epoch", "from_seq", "to_seq", "cause")}
            for gap in day.gaps
        ],
        "incidents": [
            {name: row[name] for name in ("at_ms", "kind", "device", "text")}
            for row in day.incidents
        ],
        "ledger": {"n": day.ledger_n, "head": day.ledger_head.hex()},
        "checkpoint": day.checkpoint,
    }


def _session(proof: Proof, config: Config, zone: zoneinfo.ZoneInfo) -> Json:
    proved, session = proof.reconciliation, proof.reconciliation.session
    policy = config.policy
    findings = [*proved.findings, *_against_policy(proved, config, zone)]
    return {
        "window": session.device,
        "session": session.number,
        "cashier": session.cashier,
        "status": proved.status,
        "started_ms": session.started_ms,
        "closed_ms": session.closed_ms,
        "opening_cents": proved.opening_cents,
        "issued_cents": proved.issued_cents,
        "drops_cents": proved.drops_cents,
        "tenders": [
            {
                "tender": line.tender_type,
                "posted_cents": line.posted_cents,
                "expected_cents": line.expected_cents,
                "counted_cents": line.counted_cents,
                "over_short_cents": line.over_short_cents,
                "status": line.status,
                "wants": wanted(line.over_short_cents, policy),
            }
            for line in proved.lines
            if line.posted_cents or line.counted_cents or line.tender_type == "cash"
        ],
        "intervals": [_interval(interval) for interval in proved.intervals],
        "close": _denominations(proved),
        "variances": [_variance(variance) for variance in proof.variances],
        "drawer_openings": len(session.openings),
        "exceptions": [
            {
                "kind": finding.kind,
                "at_ms": finding.at_ms,
                "at": local_time(finding.at_ms, zone),
                "text": finding.text,
            }
            for finding in findings
        ],
        "instruments": dict(sorted(session.instruments.items())),
    }


def _interval(interval: Interval) -> Json:
    return {
        "interval": interval.number,
        "from": interval.from_kind,
        "to": interval.to_kind,
        "from_ms": interval.from_ms,
        "to_ms": interval.to_ms,
        "start_cents": interval.start_cents,
        "tendered_cents": interval.tendered_cents,
        "change_cents": interval.change_cents,
        "drops_cents": interval.drops_cents,
        "expected_cents": interval.expected_cents,
        "counted_cents": interval.counted_cents,
        "over_short_cents": interval.over_short_cents,
    }


def _variance(variance: Variance) -> Json:
    return {
        "tender": variance.tender_type,
        "interval": variance.interval,
        "over_short_cents": variance.over_short_cents,
        "explained": bool(variance.causes),
        "causes": [
            {
                "kind": cause.kind,
                "strength": cause.strength,
                "title": cause.title,
                "receipt_no": cause.receipt_no or None,
                "evidence": list(cause.evidence),
                "check": cause.check,
            }
            for cause in variance.causes
        ],
    }


def _against_policy(
    proved: Reconciliation, config: Config, zone: zoneinfo.ZoneInfo
) -> list[Finding]:
    """What the office's own rules say: openings without a receipt (R11) and receipts dated before
    the cut-off (R15).
    """
    found = []
    end_ms = proved.session.closed_ms or proved.session.started_ms
    lonely = sum(len(unreceipted_openings(proved, interval)) for interval in proved.intervals)
    if lonely > config.policy.no_sale_openings_max:
        text = (
            f"{lonely} drawer openings without a receipt, limit"
            f" {config.policy.no_sale_openings_max}"
        )
        found.append(Finding("no_sale_openings", end_ms, text))
    late = [
        tender
        for tender in proved.tenders
        if business_date_of(tender.posted_ms, zone, config.cut_off) > tender.business_date
    ]
    if late:
        text = (
            f"{len(late)} receipts after the cut-off belong to this day, first {late[0].receipt_no}"
        )
        found.append(Finding("after_cut_off", late[0].posted_ms, text))
    return found


def _denominations(proved: Reconciliation) -> list[Json]:
    close = proved.session.close
    if close is None:
        return []
    return [
        {"instrument": instrument, "denomination_cents": denomination_cents, "pieces": pieces}
        for (instrument, denomination_cents), pieces in sorted(
            close.pieces().items(), key=lambda item: -item[0][1]
        )
    ]


def wanted(over_short_cents: int | None, policy: Policy) -> str:
    """What the office's policy wants for a difference: nothing, reason, supervisor, report or
    incident.
    """
    cents = abs(over_short_cents or 0)
    steps = (
        (policy.incident_cents, "incident"), (policy.report_cents, "report"),
        (policy.supervisor_cents, "supervisor"),
        (policy.reason_cents, "reason"),
    )  # fmt: skip
    return next((name for limit, name in steps if cents >= limit), "")


def marked(status: str) -> str:
    """Symbol and word of a status."""
    return f"{SYMBOLS.get(status, SYMBOL_OTHER)} {status}"


def _shown(cents: int | None) -> str:
    return "not declared" if cents is None else format_cents(cents)


def _difference(cents: int | None) -> str:
    return "\N{EN DASH}" if cents is None else format_signed(cents)


# --- JSON and CSV ---------------------------------------------------------------------------------


def to_json(report: Json) -> str:
    """The report as it is."""
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


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


# --- HTML -----------------------------------------------------------------------------------------


def to_html(report: Json) -> str:
    """A page for the screen and the printer: no script, nothing from elsewhere, every value
    escaped.
    """
    import jinja2  # a twentieth of a second to load, wanted for this alone

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gateway"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    zone = zoneinfo.ZoneInfo(report["zone"])
    environment.filters.update(
        money=_shown,
        difference=_difference,
        marked=marked,
        words=lambda text: text.replace("_", " "),
        clock=lambda at_ms: local_time(at_ms, zone),
    )
    return environment.get_template("day.html").render(
        report=report, date=long_date(report["business_date"])
    )


def long_date(business_date: str) -> str:
    """Friday 20 November 2026"""
    date = datetime.date.fromisoformat(business_date)
    return date.strftime("%A ") + str(date.day) + date.strftime(" %B %Y")


# --- terminal -------------------------------------------------------------------------------------


def print_day(report: Json, console: Console) -> None:
    """The report on a terminal."""
    report = {**printable(report), "checkpoint": report.get("checkpoint")}  # its note has lines
    note = printable(report["checkpoint"]["note"], keep="\n") if report["checkpoint"] else ""
    console.print(
        f"[bold]{report['site']}, {long_date(report['business_date'])}[/bold]",
        highlight=False,
        soft_wrap=True,
    )
    for session in report["sessions"]:
        _print_session(session, console)
    for window in report["windows_without_session"]:
        console.print(f"{window}: no session, nothing posted", highlight=False, soft_wrap=True)
    _print_deposit(report["deposit"], console)
    for line in report["quarantined_rows"]:
        console.print(
            f"not posted: {line['file']}:{line['line']}: {line['reason']}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
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
    for line in ["signed checkpoint:", *note.splitlines()] if note else []:
        if line.isprintable():  # an insider may have written into the table
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _print_session(session: Json, console: Console) -> None:
    from rich.table import Table

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
            _shown(line["expected_cents"]),
            _shown(line["counted_cents"]),
        ]
        wants = f", wants: {line['wants']}" if line["wants"] else ""
        table.add_row(
            line["tender"],
            *amounts,
            _difference(line["over_short_cents"]),
            marked(line["status"]) + wants,
        )
    console.print(table)
    for variance in session["variances"]:
        where = f"interval {variance['interval']}" if variance["interval"] else "session"
        text = f"  {variance['tender']} {_difference(variance['over_short_cents'])} in {where}:"
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
    for finding in session["exceptions"]:
        console.print(
            f"  {finding['at']} {finding['text']}", markup=False, highlight=False, soft_wrap=True
        )


def _print_deposit(deposit: Json, console: Console) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("Deposit by fund", footer="Deposit")
    table.add_column("Amount", justify="right", footer=_shown(deposit["deposit_cents"]))
    for line in deposit["funds"]:
        table.add_row(line["fund"], format_cents(line["cents"]))
    table.add_row("over/short", _difference(deposit["over_short_cents"]))
    console.print()
    console.print(table)
    console.print(tie_line(deposit), highlight=False, soft_wrap=True)


def tie_line(deposit: Json) -> str:
    """How the totals tie, in words."""
    funds, tenders = format_cents(deposit["funds_cents"]), format_cents(deposit["tenders_cents"])
    over_short = _difference(deposit["over_short_cents"])
    word = f"{SYMBOLS['balanced']} ties" if deposit["ties"] else f"{SYMBOL_OTHER} does not tie"
    return (
        f"{word}: funds {funds}, tenders {tenders}, deposit {_shown(deposit['deposit_cents'])}, of"
        f" it over/short {over_short}"
    )
