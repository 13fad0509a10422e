"""An office as its people have it: till.toml, a real ledger with what the boards stated, and the
`till` command for everything else.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from gateway.facts.postings import Posting
from tests.cli.bench import clock_at, till
from tests.day.bench import EVENING_MS, OfficeDay, posted_csv
from tests.office.rows import DAY, DAY_MS, MINUTE_MS, Tape

Report = dict[str, Any]


class Site:
    """One office with the windows of the tapes, and with `more` windows that no tape is of.

    `settings` are lines of till.toml, `policy` a policy.toml. Minutes are those of tests/office:
    after midnight of DAY.
    """

    def __init__(
        self, folder: Path, *tapes: Tape, more: str = "", settings: str = "", policy: str = ""
    ) -> None:
        self.folder = folder
        names = ", ".join(f'"{name}"' for name in [*(t.device for t in tapes), *more.split()])
        (folder / "till.toml").write_text(
            'site = "city"\nzone = "America/Chicago"\ndata = "."\n'
            f"windows = [{names}]\n{settings}\n"
        )
        if policy:
            (folder / "policy.toml").write_text(policy)
        OfficeDay(folder, *tapes).office.ledger.close()
        self._clocks = 0

    def till(self, *words: object, at_ms: int = EVENING_MS) -> subprocess.CompletedProcess[str]:
        """A command, as somebody runs it at that time."""
        self._clocks += 1
        clock = clock_at(self.folder / f"clock{self._clocks}", at_ms)
        return till(*words, "--config", self.folder / "till.toml", clock=clock)

    def post(
        self, rows: list[Posting] | str | bytes, name: str = "posted.csv", minute: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`till import` of rows, or of what a file holds."""
        path = self.folder / name
        if isinstance(rows, list):
            rows = posted_csv(rows)
        path.write_bytes(rows if isinstance(rows, bytes) else rows.encode())
        at_ms = EVENING_MS if minute is None else DAY_MS + minute * MINUTE_MS
        return self.till("import", path, at_ms=at_ms)

    def posted(self, *files: tuple[str, list[Posting]]) -> None:
        """Files that are posted whole."""
        for name, rows in files:
            done = self.post(rows, name)
            assert 0 == done.returncode, done.stderr

    def day(self, date: str | None = DAY, minute: int | None = None) -> tuple[int, Report]:
        """(exit code, report) of `till reconcile --json`; date None: the one that it chooses."""
        named = () if date is None else ("--date", date)
        at_ms = EVENING_MS if minute is None else DAY_MS + minute * MINUTE_MS
        done = self.till("reconcile", "--json", *named, at_ms=at_ms)
        return done.returncode, json.loads(done.stdout)

    def report(self, form: str = "", date: str = DAY) -> str:
        """`till report` in one of its forms: "", --csv, --html."""
        return self.till("report", *form.split(), "--date", date).stdout


def line_of(report: Report, tender: str = "cash", session: int = 0) -> dict[str, Any]:
    """The line of a tender in a session of the report."""
    lines = report["sessions"][session]["tenders"]
    return next(dict(line) for line in lines if line["tender"] == tender)


def money(report: Report, tender: str = "cash", session: int = 0) -> tuple[Any, Any, Any]:
    """(posted, expected, over or short) of a tender."""
    line = line_of(report, tender, session)
    return line["posted_cents"], line["expected_cents"], line["over_short_cents"]


def said(report: Report, *words: str) -> list[str]:
    """What somebody should look at, of the day and of all sessions: the texts with these words."""
    looked = [report, *report["sessions"], *report["without_drawer"]]
    found = [
        each for of in looked for name in ("exceptions", "findings") for each in of.get(name, ())
    ]
    return [each["text"] for each in found if all(word in each["text"] for word in words)]


def causes(report: Report) -> list[tuple[str, str, str]]:
    """(tender, kind, strength) of every cause on the report."""
    return [
        (variance["tender"], cause["kind"], cause["strength"])
        for session in report["sessions"]
        for variance in session["variances"]
        for cause in variance["causes"]
    ]


def points(report: Report) -> list[str]:
    """Why the day is not final."""
    return [point["kind"] for point in report["open_points"]]
