"""Shared by the driver tests: transcripts, reports with chosen numbers, and a stream driven through
a fake clock.
"""

from functools import lru_cache
from pathlib import Path

from firmware.drivers.report_stream import ReportStream
from gateway.instruments.profiles import load_profile

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
GAP_MS = 5000  # longer than any grammar's idle_ms


def transcript(name: str) -> bytes:
    """The report in tests/transcripts/<name>.txt as bytes on the wire."""
    text = (TRANSCRIPTS / f"{name}.txt").read_text()
    return text.partition("\n\n")[2].replace("\n", "\r\n").encode()


@lru_cache
def _settings_of(profile: str) -> dict:
    """Compiled once: the tests make thousands of lines."""
    return dict(load_profile(profile).settings)


class Line:
    """One instrument on one line; `send` is a burst followed by a silence long enough to end any
    report.
    """

    def __init__(self, machine: str | dict, **settings: object) -> None:
        """`machine`: a profile's name, or settings; `settings` go over them."""
        profile = _settings_of(machine) if isinstance(machine, str) else machine
        self.settings = {**profile, **settings}
        self.now_ms = 0
        self.restart()

    def restart(self, batch_id: str = "") -> None:
        """Our controller starts again; `batch_id` is what its flash knows of the last tally."""
        self.stream = ReportStream("counter", self.settings, "USD")
        if batch_id:
            self.stream.resume(batch_id)

    def send(self, data: bytes, sizes: list[int] | None = None) -> list[dict]:
        events: list[dict] = []
        sizes = list(sizes or [len(data)])
        while data:
            size = sizes.pop(0) if sizes else len(data)
            events += self.stream.feed(data[:size], self.now_ms)
            data = data[size:]
            self.now_ms += 1
        return events + self.wait()

    def wait(self) -> list[dict]:
        self.now_ms += GAP_MS
        return self.stream.poll(self.now_ms)


def of_kind(events: list[dict], kind: str) -> list[dict]:
    return [event for event in events if event["kind"] == kind]


def mach(
    batch: int = 1,
    rows: tuple = ((".25", "5.00"), ("1.00", "16.00")),
    total: str = "21.00",
    **fields: str,
) -> bytes:
    """A Mach tape without a fee."""
    lines = [
        "BATCH ACCEPT",
        "TIME " + fields.get("time", "09:15 09/21/2026"),
        f"BATCH {batch:03d}",
        "SUB 00",
        "GRAND 00",
    ]
    lines += [" ".join(row) for row in rows]
    lines += [f"TOTAL COIN {total}", "-- -- -- -- --", f"TOTAL {total}"]
    return ("\r\n".join(lines) + "\r\n").encode()


def jetscan(
    report: int, batch: int, sub: int = 0, twenties: int = 5, time: str = "11/20/2026 14:12:00"
) -> bytes:
    """A JetScan report of twenties and three ones."""
    value = f"{20 * twenties}.00"
    return (
        f"AUDIT: {report:05d}-{batch:04d}-{sub:03d}\r\n{time}\r\nDENOM UNIT VALUE\r\n"
        f"$20 {twenties} {value}\r\n$1 3 $3.00\r\nTOTAL {twenties + 3} ${20 * twenties + 3}.00\r\n"
    ).encode()


def tally(events: list) -> dict:
    """The only event, which must be a tally."""
    assert [event["kind"] for event in events] == ["tally"], events
    return events[0]


def quarantine(events: list) -> dict:
    """The only event, which must be a quarantine."""
    assert [event["kind"] for event in events] == ["quarantine"], events
    return events[0]
