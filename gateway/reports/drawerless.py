"""Windows without a drawer on the day's report: what was posted there, by tender and by fund, apart
from drawers and deposit.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.business_day import local_time
from gateway.money import format_cents
from gateway.office.drawerless import DrawerlessWindow

Json = dict[str, Any]


def drawerless_json(window: DrawerlessWindow, zone: zoneinfo.ZoneInfo) -> Json:
    """One of them as plain data; amounts in integer cents."""
    return {
        "window": window.window,
        "receipts": len({each.receipt for each in window.tenders}),
        "total_cents": window.total_cents,
        "tenders": _pairs("tender", window.tenders_cents),
        "funds": _pairs("fund", window.funds_cents),
        "returned": _pairs("fund", window.returned_cents),
        "exceptions": [
            {
                "kind": remark.kind,
                "at_ms": remark.at_ms,
                "at": local_time(remark.at_ms, zone),
                "text": remark.text,
            }
            for remark in window.remarks
        ],
    }


def _pairs(name: str, cents: Mapping[str, int]) -> list[Json]:
    return [{name: key, "cents": value} for key, value in cents.items()]


def not_configured(window: str) -> str:
    """What to do about a window that the configuration does not know."""
    return (
        f"window {window} has postings and is not in till.toml: name it under windows, or under"
        " without_drawer if no money is handled there"
    )


def drawerless_lines(report: Json) -> Iterator[str]:
    """As the terminal shows it."""
    for window in report["without_drawer"]:
        count = window["receipts"]
        yield (
            f"{window['window']}, without a drawer, apart from the deposit:"
            f" {format_cents(window['total_cents'])} in {count} receipt{'s' * (count != 1)}"
        )
        for name, of in (("tenders", "tender"), ("funds", "fund"), ("returned", "fund")):
            told = ", ".join(f"{each[of]} {format_cents(each['cents'])}" for each in window[name])
            if told:
                yield f"  {name}: {told}"
        for remark in window["exceptions"]:
            yield f"  {remark['at']} {remark['text']}"


def drawerless_rows(report: Json) -> Iterator[Json]:
    """As rows of the CSV: one for each tender, fund, returned fund and remark."""
    for name in report["windows_not_configured"]:
        yield {"section": "not configured", "window": name, "text": not_configured(name)}
    for window in report["without_drawer"]:
        who = {"window": window["window"]}
        for name, of in (("tenders", "tender"), ("funds", "fund"), ("returned", "fund")):
            section = f"without drawer {'returned' if name == 'returned' else of}"
            for each in window[name]:
                yield {
                    "section": section, **who, "item": each[of], "posted_cents": each["cents"]
                }  # fmt: skip
        for remark in window["exceptions"]:
            told = {"item": remark["kind"], "status": remark["at"], "text": remark["text"]}
            yield {"section": "without drawer exception", **who, **told}
