"""The demo: an office day from a seed, on real firmware in real MicroPython, with faults. At the
end its books are compared with the truth.

Everything of the product runs as its user runs it, in processes of its own: the broker, `till
serve`, one MicroPython for each window. This module plays the day (simulated machines and
cashiers), breaks things, imports posted.csv, and compares the books with the truth, which only the
generator knows. It does not know how the gateway works: it uses commands and reads the ledger as a
file.
"""

import asyncio
import contextlib
import json
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from protocol.records import FLAG_REPRINT, decode_record
from simulators.demo_faults import Faults
from simulators.demo_site import MICROPYTHON, DemoError, DemoSite
from simulators.demo_view import Silent, View
from simulators.flash_image import records_on_flash
from simulators.instruments.ten_key import Pad
from simulators.ledger_reader import records_of
from simulators.office.day import OfficeDay, generate
from simulators.office_clock import OfficeClock
from simulators.player import Player, PlayError
from simulators.window import Window

SPEED = 2400  # at most so many office seconds a second: 10 ms on the way make a stamp 24 s late
LIVE_SPEED = 600  # when somebody watches
DRAIN_S = 30
UNAVAILABLE = 69
INTERRUPTED = 130  # what a shell returns for a program that Ctrl-C ended
HEAP = "190K"  # what a 32-bit board has free


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    seed: int
    once: bool
    as_json: bool


@dataclass
class Score:
    """The books compared with the truth. Amounts in cents."""

    windows: list[dict[str, Any]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    records: int = 0
    lost: int = 0
    duplicates: int = 0
    rejected: int = 0
    elapsed_s: int = 0

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing twice, and every book equal to the truth."""
        return not (self.differences or self.lost or self.duplicates)


def main(once: bool, as_json: bool, seed: int, windows: int, data: Path) -> int:
    """Play the day; 0 when the books equal the truth, 1 when they do not, 69 when the demo cannot
    run, 130 after Ctrl-C.
    """
    began = time.monotonic()
    options = Options(seed, once, as_json)
    site = DemoSite(data, windows)
    view = Silent(not as_json) if once or as_json or not sys.stdout.isatty() else View(windows)
    day = generate(seed, windows)
    # A script's background job inherits "ignore SIGINT"; then nothing below would end the demo.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # end as by Ctrl-C, so that no process of ours keeps running
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        site.prepare()
        asyncio.run(Demo(options, site, day, view).run())
        site.close_the_day(day, quiet=as_json)
    except (DemoError, PlayError) as error:
        print(f"till demo: {error}", file=sys.stderr)
        return UNAVAILABLE
    except KeyboardInterrupt:
        print(f"till demo: stopped; what was played so far is in {site.folder}", file=sys.stderr)
        return INTERRUPTED
    finally:
        site.stop()
    score = judge(site, day)
    score.elapsed_s = round(time.monotonic() - began)
    tell(options, site, day, score)
    return 0 if score.is_good else 1


class Demo:
    """The day as it is played."""

    def __init__(
        self, options: Options, site: DemoSite, day: OfficeDay, view: View | Silent
    ) -> None:
        self._options = options
        self._site = site
        self._view = view
        self._day = day
        self.windows = [self._window(name) for name in day.windows]
        start_ms = min(action["at_ms"] for action in day.plan) - 60_000
        speed = SPEED if isinstance(view, Silent) else LIVE_SPEED
        self._clock = OfficeClock(site.clock_file, start_ms, day.windows, speed, self._jump)
        self.players = [
            Player(window, day.actions_of(window.name), self._clock, view.say)
            for window in self.windows
        ]
        for window, player in zip(self.windows, self.players, strict=True):
            window.on_line = self._listener(window.name, player)
        self.faults = Faults(
            random.Random(options.seed), site, self.windows, self.players, view.say
        )

    def _window(self, name: str) -> Window:
        board = self._site.boards / name
        return Window(
            name,
            [str(MICROPYTHON), "-X", f"heapsize={HEAP}", "main.py"],
            board,
            {"TILL_FLASH": str(self._site.flash_image(name))},
            pad=Pad(bounce_ms=3),
            console=self._site.folder / f"{name}.console",
        )

    def _listener(self, name: str, player: Player) -> Callable[[str], None]:
        def hear(text: str) -> None:
            player.heard(text)
            self._view.heard(name, text)

        return hear

    def _jump(self, ms: int) -> None:
        for window in self.windows:
            window.jump(ms)
        self._view.clock(self._clock.now_ms())

    async def run(self) -> None:
        """Start the windows, play, wait until the ledger has everything that is on flash. In any
        case no board keeps running.
        """
        self._site.serve()
        with self._view.open(self.faults):
            try:
                await together(self._start(window) for window in self.windows)
                self.faults.plan()
                await together(player.play() for player in self.players)
                await self.faults.settle()
                self._view.say("", "the day is over; waiting until the ledger has what is on flash")
                await self._drain()
            finally:
                await self.faults.stop()
                await asyncio.gather(*[window.stop() for window in self.windows])

    async def _start(self, window: Window) -> None:
        if not await window.start():
            raise PlayError(
                f"{window.name}: the firmware does not start; see"
                f" {self._site.folder / window.name}.console"
            )

    async def _drain(self) -> None:
        """Return when every record on flash is in the ledger, or when nothing has come for
        DRAIN_S.
        """
        missing, quiet_since = -1, time.monotonic()
        while time.monotonic() - quiet_since < DRAIN_S:
            now_missing = len(missing_records(self._site))
            if not now_missing:
                return
            if now_missing != missing:
                missing, quiet_since = now_missing, time.monotonic()
            await asyncio.sleep(1 / 10)


async def together(works: Iterable[Coroutine[None, None, None]]) -> None:
    """Do them at the same time; the first that fails ends the others and is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def missing_records(site: DemoSite) -> list[tuple[str, int, int]]:
    """(device, epoch, seq) of records that are on a board's flash, but not with the same bytes in
    the ledger.
    """
    ledger = ledger_records(site)
    return [
        (name, epoch, seq)
        for name in site.windows
        for (epoch, seq), body in records_on_flash(site.flash_image(name)).items()
        if ledger.get((name, epoch, seq)) != body
    ]


def ledger_records(site: DemoSite) -> dict[tuple[str, int, int], bytes]:
    """{(device, epoch, seq): record bytes} as the ledger's file has them."""
    return records_of(site.ledger_file)


def judge(site: DemoSite, day: OfficeDay) -> Score:
    """Compare report.json and the ledger with the truth of the day."""
    score = Score()
    report = json.loads((site.folder / "report.json").read_text())
    found = {session["window"]: session for session in report["sessions"]}
    for name, truth in day.truth.windows.items():
        tenders = {line["tender"]: line for line in found.get(name, {"tenders": []})["tenders"]}
        row: dict[str, Any] = {"window": name}
        for tender, true in truth.tenders.items():
            line = tenders.get(tender, {})
            book = {
                key: line.get(f"{key}_cents", 0) for key in ("expected", "counted", "over_short")
            }
            want = {
                "expected": true.expected_cents,
                "counted": true.counted_cents,
                "over_short": true.over_short_cents,
            }
            row[tender] = book
            if book != want:
                score.differences.append(f"{name} {tender}: books {book}, truth {want}")
        score.windows.append(row)
        spans = [
            span["over_short_cents"] for span in found.get(name, {"intervals": []})["intervals"]
        ]
        true_spans = [span.over_short_cents for span in truth.intervals]
        if spans != true_spans:
            score.differences.append(
                f"{name} over_short_cents of the intervals: books {spans}, truth {true_spans}"
            )
    ledger = ledger_records(site)
    score.records = len(ledger)
    score.lost = len(missing_records(site))
    score.duplicates = counted_twice(ledger)
    score.rejected = rejected(site)
    return score


def counted_twice(ledger: dict[tuple[str, int, int], bytes]) -> int:
    """How many tallies in the ledger repeat a batch of the same machine and are not marked as
    reprints.
    """
    seen: set[tuple[str, str, str, bytes]] = set()
    twice = 0
    for (device, _, _), body in ledger.items():
        record = decode_record(body)
        if record["kind"] != "tally" or record.get("flags", 0) & FLAG_REPRINT:
            continue
        batch = (device, record["instrument"], record["batch_id"], record.get("digest", b""))
        twice += batch in seen
        seen.add(batch)
    return twice


def rejected(site: DemoSite) -> int:
    """How many messages the gateway refused and kept in quarantine."""
    with contextlib.closing(sqlite3.connect(f"file:{site.ledger_file}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM quarantine").fetchone()[0])


def tell(options: Options, site: DemoSite, day: OfficeDay, score: Score) -> None:
    """The text at the end: what was hidden in the day, how the books compare, and where everything
    is.
    """
    if options.as_json:
        print(json.dumps({"seed": options.seed, **asdict(score)}))
        return
    for error in day.truth.errors:
        what = error.kind.replace("_", " ")
        print(
            f"\nHidden in this day: {what} at {error.window}, {error.amount_cents / 100:+.2f} in"
            f" {error.tender}."
        )
    print(
        "The books "
        + ("DIFFER from the truth:" if score.differences else "equal the truth to the cent.")
    )
    for difference in score.differences:
        print(f"  {difference}")
    print(
        f"{score.records} records in the ledger; lost {score.lost}, counted twice"
        f" {score.duplicates}, refused {score.rejected}."
    )
    print(
        f"Seed {options.seed}, {score.elapsed_s} s. Files: {site.folder} (report.html, report.csv,"
        " posted.csv, data/ledger.db)"
    )
