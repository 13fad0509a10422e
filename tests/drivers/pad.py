"""Shared by the tests of the cashier's pad: a pad under a finger, and its manual."""

from pathlib import Path

from firmware.drivers.ten_key import KEYS, TenKey

SCAN_MS = 5
MANUAL = (Path(__file__).parents[2] / "docs" / "pad.md").read_text()


class Pad:
    """A pad under a finger; `keys` types them one after the other."""

    def __init__(self) -> None:
        self.pad = TenKey({"currency": "USD"})
        self.now_ms = 0

    def hold(self, labels: list[str], ms: int) -> list[dict]:
        rows = [0] * 5
        for label in labels:
            row, column = divmod(KEYS.index(label), 5)
            rows[row] |= 1 << column
        return self.scan(rows, ms)

    def scan(self, rows: list[int], ms: int) -> list[dict]:
        events: list[dict] = []
        for _ in range(0, ms, SCAN_MS):
            events += self.pad.scan(rows, self.now_ms)
            self.now_ms += SCAN_MS
        return events

    def keys(self, text: str) -> list[dict]:
        events: list[dict] = []
        for label in text.split():
            events += self.hold([label], 60) + self.hold([], 60)
        return events

    def told(self) -> list[tuple[str, str]]:
        """(beep, text) of what the cashier was told since this was asked last."""
        return self.pad.pop_signals()


def tape(events: list[dict]) -> list[tuple]:
    return [
        (event["left"], event["amount_minor"], event["symbol"])
        for event in events
        if event["kind"] == "tape"
    ]
