"""A driver at the bench: bursts from a capture or a port go through it, and what it says comes back
as JSON or as a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from gateway.instruments.capture import Burst
from gateway.money import format_cents
from gateway.terminal import printable

QUICK_MS, QUICK_FOR_MS, SLOW_MS = (
    10,
    1000,
    250,
)  # how often time passes: as on a device, and in a long silence now and then
SILENCE_MS = 5000  # after the last burst: longer than a printed report may pause
FINDINGS = (
    "discrepancy",
    "cleared_unreported",
    "missing_report",
    "swapped",
)  # conditions that a person should look at


class Driver(Protocol):
    """What every driver of firmware/drivers has."""

    asks: bool

    def feed(self, data: bytes, now_ms: int) -> list[dict[str, Any]]: ...
    def poll(self, now_ms: int) -> list[dict[str, Any]]: ...
    def pop_output(self) -> bytes: ...
    def overhear(self, data: bytes, now_ms: int) -> list[dict[str, Any]] | None: ...
    def faults(self) -> dict[str, int]: ...
    def snapshot(self) -> dict[str, Any]: ...


Told = tuple[int, dict[str, Any]]


def overhears(driver: Driver) -> bool:
    """True for the driver of a machine that has to be asked. It then only listens."""
    if driver.asks:
        driver.overhear(b"", 0)
    return driver.asks


def play(driver: Driver, bursts: Iterable[Burst]) -> Iterator[Told]:
    """(milliseconds, event) of everything that the driver says to these bursts and to the silence
    after them.
    """
    now_ms = 0
    for burst in bursts:
        yield from _pass(driver, now_ms, burst.at_ms)
        now_ms = burst.at_ms
        if not burst.is_ours:
            events = driver.feed(burst.data, now_ms)
        else:
            events = driver.overhear(burst.data, now_ms) or []
        yield from ((now_ms, event) for event in events)
        driver.pop_output()
    yield from _pass(driver, now_ms, now_ms + SILENCE_MS)
    if (
        told(driver)["snapshot"].get("state") == "counting"
    ):  # cut off in the middle: the driver says so when it gives up
        at_ms = now_ms + 3_600_000
        yield from ((now_ms, event) for event in driver.poll(at_ms))


def _pass(driver: Driver, now_ms: int, until_ms: int) -> Iterator[Told]:
    """Time goes by without a byte."""
    quick_until_ms = now_ms + QUICK_FOR_MS
    while now_ms < until_ms:
        now_ms = min(until_ms, now_ms + (QUICK_MS if now_ms < quick_until_ms else SLOW_MS))
        yield from ((now_ms, event) for event in driver.poll(now_ms))
        driver.pop_output()


def told(driver: Driver) -> dict[str, Any]:
    """{"faults": ..., "snapshot": ...}, as far as the driver keeps them."""
    return {"faults": driver.faults(), "snapshot": driver.snapshot()}


def as_json_line(at_ms: int, event: dict[str, Any]) -> str:
    """The event with its time as a line of JSON; bytes become hex."""
    return json.dumps(
        {
            "at_ms": at_ms,
            **{
                key: value.hex() if isinstance(value, bytes) else value
                for key, value in event.items()
            },
        }
    )


def as_text(event: dict[str, Any]) -> str:
    """One line for a person."""
    event = printable(event)  # a machine's report may hold anything
    kind = event["kind"]
    if kind == "tally" and not event["rows"]:
        return f"bookmark {event['batch_id']}: no money, for a restart of the controller"
    if kind == "tally":
        rows = ", ".join(
            f"{pieces} x {format_cents(denomination)}" for denomination, pieces in event["rows"]
        )
        return (
            f"tally {event['batch_id']}: {format_cents(event['total_minor'])} {event['currency']}:"
            f" {rows}"
        )
    if kind == "quarantine":
        return f"quarantine: {event['reason']}: {event.get('raw', b'').hex(' ')}"
    if kind == "instrument":
        pieces = f" ({event['pieces']} pieces)" if "pieces" in event else ""
        return f"{event['condition']}: {event.get('detail', '')}{pieces}"
    return str(event)
