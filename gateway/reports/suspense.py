"""What waits in suspense, on the day's report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gateway.money import format_cents
from gateway.office.suspense import InSuspense

Json = dict[str, Any]


def suspense_json(items: Iterable[InSuspense]) -> list[Json]:
    """As plain data; amounts in integer cents."""
    names = ("source_system", "receipt_no", "window_id", "since", "cents", "days")
    return [{name: getattr(each, name) for name in names} for each in items]


def waiting(item: Json) -> str:
    """One of them in words."""
    days = item["days"]
    age = "since today" if not days else f"for {days} day{'s' * (days != 1)}, since {item['since']}"
    return (
        f"receipt {item['receipt_no']} of {item['source_system']}: {format_cents(item['cents'])}"
        f" in suspense {age}"
    )


def suspense_rows(report: Json) -> Iterator[Json]:
    """As rows of the CSV."""
    for item in report["suspense"]:
        yield {
            "section": "suspense", "window": item["window_id"], "item": item["receipt_no"],
            "posted_cents": item["cents"], "status": item["since"], "text": waiting(item),
        }  # fmt: skip
