"""What arrived after a day was signed, on its report."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.business_day import local_date, local_time

Json = dict[str, Any]


def arrivals_json(files: Iterable[Mapping[str, Any]], zone: zoneinfo.ZoneInfo) -> list[Json]:
    """As plain data, with the office's time of each import."""
    return [
        {**each, "imported": f"{local_date(at_ms, zone)} {local_time(at_ms, zone)}"}
        for each in files
        for at_ms in [each["imported_ms"]]
    ]


def arrived(file: Json) -> str:
    """One of them in words."""
    rows = f"{file['rows']} row{'s' * (file['rows'] != 1)}"
    named = ", ".join(file["receipts"])
    if file["rows"] > len(file["receipts"]):
        named += ", ..."
    return (
        f"arrived after the day was signed: {file['file']}, {rows} imported {file['imported']}:"
        f" {named}"
    )


def arrival_rows(report: Json) -> Iterator[Json]:
    """As rows of the CSV."""
    for file in report["arrived_later"]:
        yield {
            "section": "arrived later", "item": file["file"], "status": file["imported"],
            "text": arrived(file),
        }  # fmt: skip
