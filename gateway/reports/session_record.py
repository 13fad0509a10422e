"""What was counted, declared and decided in one drawer session, for every form of the day's report
and for `till session show`. No figure of what should be there.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.business_day import local_date, local_time
from gateway.facts.decisions import REFUSED, Decision
from gateway.money import format_cents, format_signed
from gateway.office.drawer import CountGroup, DrawerSession

Json = dict[str, Any]


def session_summary(session: DrawerSession) -> Json:
    """One line of a list of sessions."""
    return {
        "window": session.device,
        "session": session.number,
        "cashier": session.cashier,
        "state": session.state,
        "started_ms": session.started_ms,
        "counts": len(session.groups),
        "decisions": len(session.decisions),
    }


def session_record(session: DrawerSession) -> Json:
    """Everything, in the order in which it happened. Amounts in cents, times in Unix milliseconds
    UTC.
    """
    return {
        "counts": [_count(group) for group in session.groups],
        "declared": [
            {
                "tender": each.tender,
                "at_ms": each.at_ms,
                "cents": each.cents,
                "source": "by hand" if each.by else "keyed",
                "by": each.by,
                "reason": each.reason,
            }
            for each in session.declarations
        ],
        "suspended": [
            {"from_ms": each.from_ms, "until_ms": each.until_ms} for each in session.suspended
        ],
        "hand_overs": [
            {
                "at_ms": each.at_ms,
                "from": each.from_cashier,
                "to": each.to_cashier,
                "counted": each.is_counted,
            }
            for each in session.hand_overs
        ],
        "decisions": [_decision(each) for each in session.decisions],
        "before_reopening": [
            {"decision": each.id, "at_ms": each.at_ms, "figures": each.told.get("figures", [])}
            for each in session.reopenings
        ],
    }


def _count(group: CountGroup) -> Json:
    return {
        "kind": group.kind,
        "at_ms": group.started_ms,
        "counted_cents": group.counted_cents,
        "keyed_cents": group.declared_cents,
        "source": group.source,
        "by": group.by,
        "recount": group.is_recount,
        "stands": not group.replaced,
    }


def _decision(decision: Decision) -> Json:
    told = decision.told
    return {
        "decision": decision.id,
        "at_ms": decision.at_ms,
        "who": decision.who,
        "role": decision.role,
        "second": told.get("second", ""),
        "kind": decision.kind,
        "asked": told.get("asked", ""),
        "why": told.get("why", ""),
        "reason": decision.reason,
    }


class Row(NamedTuple):
    """One thing on record: which kind it is, of what, its amount in cents, and all of it in
    words.
    """

    section: str
    item: str
    text: str
    cents: int | None = None
    status: str = ""


def record_lines(record: Json, zone: zoneinfo.ZoneInfo) -> Iterator[str]:
    """The same as lines of text, each kind by itself."""
    for row in record_rows(record, zone):
        yield f"{row.section}: {row.text}"


def record_rows(record: Json, zone: zoneinfo.ZoneInfo) -> Iterator[Row]:
    """The same as rows, each kind by itself. A time of another day than that on which the session
    began has its date. `record`: with started_ms, as reports and `session_summary` have it.
    """
    began = local_date(record["started_ms"], zone)

    def at(at_ms: int) -> str:
        date = local_date(at_ms, zone)
        return local_time(at_ms, zone) if date == began else f"{date} {local_time(at_ms, zone)}"

    for each in record["counts"]:
        name = each["kind"].replace("_", " ") + (" recount" if each["recount"] else "")
        status = "stands" if each["stands"] else "replaced"
        text = f"{at(each['at_ms'])} {name} {_counted(each)}"
        yield Row("count", each["kind"], text, each["counted_cents"], status)
    for each in record["declared"]:
        name, by = each["tender"].replace("_", " "), f" by {each['by']}" if each["by"] else ""
        why = f" ({each['reason']})" if each["reason"] else ""
        text = f"{at(each['at_ms'])} {name} {format_cents(each['cents'])} {each['source']}{by}{why}"
        yield Row("declared", each["tender"], text, each["cents"], each["source"])
    for each in record["suspended"]:
        until = at(each["until_ms"]) if each["until_ms"] else "now"
        yield Row("suspended", "", f"{at(each['from_ms'])} to {until}")
    for each in record["hand_overs"]:
        counted = "both counted" if each["counted"] else "not counted by both"
        text = f"{at(each['at_ms'])} cashier {each['from']} to cashier {each['to']}, {counted}"
        yield Row("hand-over", "", text)
    for each in record["decisions"]:
        yield Row("decision", each["kind"], f"{at(each['at_ms'])} {_decided(each)}")
    for each in record["before_reopening"]:
        for line in each["figures"]:
            cents = line["counted_cents"]
            yield Row("before reopening", line["tender"], _figure(line), cents)


def _counted(count: Json) -> str:
    cents = count["counted_cents"]
    amount = "not counted" if cents is None else format_cents(cents)
    source = f" {count['source']}" if count["source"] else ""
    by = f" by {count['by']}" if count["by"] else ""
    return f"{amount}{source}{by}" + ("" if count["stands"] else ", does not stand")


def _decided(decision: Json) -> str:
    who = decision["who"] + (f" and {decision['second']}" if decision["second"] else "")
    why = f" ({decision['reason']})" if decision["reason"] else ""
    if decision["kind"] == REFUSED:
        return f"{who} asked for {decision['asked']}{why}, refused: {decision['why']}"
    return f"{decision['kind'].replace('_', ' ')}, by {who}{why}"


def _figure(line: Json) -> str:
    def amount(name: str) -> str:
        return "not declared" if line[name] is None else format_cents(line[name])

    over = line["over_short_cents"]
    difference = "no difference known" if over is None else format_signed(over)
    name = line["tender"].replace("_", " ")
    return (
        f"{name} expected {amount('expected_cents')}, counted {amount('counted_cents')},"
        f" {difference}"
    )
