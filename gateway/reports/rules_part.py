"""What the rules of the office found in a day, what was said of its receipts otherwise, and when
its deposit is due, as plain data and as lines.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from typing import Any

from gateway.business_day import local_date, local_time
from gateway.config import Config
from gateway.day.prove import Day
from gateway.facts.postings import Change, Posting, Statement
from gateway.money import format_cents
from gateway.office.day_facts import name_of
from gateway.office.drawer import DrawerSession
from gateway.office.rules import Finding

Json = dict[str, Any]
# Columns of a posting whose values a report may show. Others may hold a person's number or name.
SHOWN = (
    "status", "business_date", "posted_ms", "window_id", "cashier_id", "tender_type",
    "tender_amount_cents", "change_cents", "allocation_cents", "service", "fund", "kind", "void_of",
)  # fmt: skip


def findings_of(day: Day, session: DrawerSession | None, zone: zoneinfo.ZoneInfo) -> list[Json]:
    """The findings of one session; None: of the day, and of a session that is not on the page."""
    names = {name_of(proved.reconciliation.session) for proved in day.proofs}
    return [
        _finding(each, "" if each.at_ms == day.until_ms else local_time(each.at_ms, zone))
        for each in day.findings
        if (each.session not in names if session is None else each.session == name_of(session))
    ]


def _finding(found: Finding, at: str) -> Json:
    return {
        "rule": found.rule,
        "severity": found.severity,
        "kind": found.kind,
        "at_ms": found.at_ms,
        "at": at,  # empty: of the day as a whole
        "text": found.text,
        "facts": [{"kind": fact.kind, "ref": fact.ref} for fact in found.facts],
    }


def deadline_of(day: Day, config: Config, zone: zoneinfo.ZoneInfo) -> Json | None:
    """When the deposit is late, from its first receipt on."""
    if day.deadline is None:
        return None
    last_ms = day.deadline.due_ms - 1
    return {
        "profile": config.policy.R17.profile,
        "due_ms": day.deadline.due_ms,
        "until": f"{local_date(last_ms, zone)} {local_time(last_ms, zone)}",
    }


# --- what was said otherwise ----------------------------------------------------------------------


def changes_of(changes: Iterable[Change], zone: zoneinfo.ZoneInfo) -> list[Json]:
    """Each receipt once for two files that say it in two ways, however many rows it has."""
    found: dict[tuple[Any, ...], Json] = {}
    for change in changes:
        told = _change(change, zone)
        posting = change.earlier.posting
        differs = tuple((name, *told["differs"][name]) for name in told["differs"])
        key = (
            posting.source_system, posting.scope, posting.receipt_no, change.earlier.file,
            change.later.file, change.later_stands, differs,
        )  # fmt: skip
        if key in found:
            found[key]["rows"] += 1
        else:
            found[key] = told
    return list(found.values())


def _change(change: Change, zone: zoneinfo.ZoneInfo) -> Json:
    before, after = change.earlier.posting, change.later.posting
    return {
        "receipt_no": before.receipt_no,
        "source_system": before.source_system,
        "rows": 1,
        "differs": {
            name: [_shown(before, name, zone), _shown(after, name, zone)] for name in change.differs
        },
        "earlier": _statement(change.earlier),
        "later": _statement(change.later),
        "stands": "later" if change.later_stands else "earlier",
    }


def _statement(said: Statement) -> Json:
    return {
        "file": said.file,
        "line": said.file_line,
        "imported_ms": said.imported_ms,
        "business_date": said.posting.business_date,
    }


def _shown(posting: Posting, name: str, zone: zoneinfo.ZoneInfo) -> str:
    """A value in words; empty where it may be a person's."""
    value = getattr(posting, name)
    if name not in SHOWN:
        return ""
    if name == "posted_ms":
        return f"{local_date(value, zone)} {local_time(value, zone)}"
    return format_cents(value) if name.endswith("_cents") else str(value) or "none"


def change_line(change: Json) -> str:
    """One change as a sentence, without the times of its files."""
    parts = [
        f"{_name(name)} {before} -> {after}" if before or after else f"another {_name(name)}"
        for name, (before, after) in change["differs"].items()
    ]
    rows = f" ({change['rows']} rows)" if change["rows"] > 1 else ""
    earlier, later = change["earlier"], change["later"]
    return (
        f"receipt {change['receipt_no']}{rows} was said otherwise: {', '.join(parts)};"
        f" {earlier['file']}:{earlier['line']}, then {later['file']}:{later['line']}; the"
        f" {change['stands']} one stands"
    )


def _name(column: str) -> str:
    return {"posted_ms": "posted at"}.get(column, column.removesuffix("_cents").replace("_", " "))


# --- lines ----------------------------------------------------------------------------------------


def finding_line(finding: Json) -> str:
    """ "10:42:08 R10 flag: receipt V1 ..."; without a time what is of the day as a whole."""
    at = f"{finding['at']} " if finding["at"] else ""
    return f"{at}{finding['rule']} {finding['severity']}: {finding['text']}"


def deadline_line(deposit: Json) -> str:
    """When the deposit has to be made; empty where there is nothing for the bank."""
    due = deposit["deadline"]
    if due is None:
        return ""
    text = f"the deposit is to be made by {due['until']} ({due['profile']})"
    return f"{text}; when it was made is not on record"
