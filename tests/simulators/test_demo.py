"""The demo: a whole day on real firmware, its books judged, its folder, its clock, its live view
and its end.

One day is played once (some 40 seconds); everything that can be asked of its files is asked of
copies.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.facts.chain import content_of, frame, frames_at
from protocol import messages, seal
from protocol.records import decode_record
from simulators.demo import judge, ledger_records, missing_records
from simulators.demo_site import DemoSite
from simulators.office.day import generate
from simulators.office_clock import STEP_MS, OfficeClock
from tests.fleet.bench import wait_until
from tests.store.bench import insider

ROOT = Path(__file__).parents[2]
SEED, WINDOWS = 3, 2
START_MS = 1_795_000_000_000
SPEED = 600


def demo(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "gateway", "demo", *map(str, arguments)]


# --- one day --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder of one day that was played, and how the command ended."""
    folder = tmp_path_factory.mktemp("demo") / "a day"
    command = demo("--once", "--json", "--windows", WINDOWS, "--seed", SEED, "--data", folder)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    return folder, done


@pytest.fixture
def played(day: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> DemoSite:
    """A copy of the day's files, to be spoiled."""
    shutil.copytree(day[0], tmp_path / "copy")
    return DemoSite(tmp_path / "copy", WINDOWS)


def test_a_day_with_faults_loses_and_doubles_nothing_and_its_books_are_true(day) -> None:
    folder, done = day

    assert (0, "") == (done.returncode, done.stderr)
    told = json.loads(done.stdout.splitlines()[-1])
    assert (SEED, 0, 0, 0, []) == (
        told["seed"],
        told["lost"],
        told["duplicates"],
        told["rejected"],
        told["differences"],
    )
    assert told["records"] > 100
    assert told["elapsed_s"] > 0
    truth = generate(SEED, WINDOWS).truth.windows
    assert list(truth) == [row["window"] for row in told["windows"]]
    for row in told["windows"]:
        for tender, true in truth[row["window"]].tenders.items():
            want = {
                "expected": true.expected_cents,
                "counted": true.counted_cents,
                "over_short": true.over_short_cents,
            }
            assert want == row[tender]
    assert [2000] == [
        abs(row["cash"]["over_short"]) for row in told["windows"] if row["cash"]["over_short"]
    ]


def test_the_day_leaves_its_files(day) -> None:
    folder, _ = day

    assert "<caption>By tender</caption>" in (folder / "report.html").read_text()
    assert (folder / "report.csv").read_text().startswith("section,window,")
    assert json.loads((folder / "report.json").read_text())["report"] == "till day"
    assert "#control," in (folder / "posted.csv").read_text().splitlines()[-1]
    assert (folder / "data" / "ledger.db").stat().st_size > 0


def test_the_day_had_a_power_loss_in_it(day) -> None:
    """Every board says its boot; the seeded fault makes one of them say it twice."""
    folder, _ = day
    site = DemoSite(folder, WINDOWS)

    kinds = [decode_record(body)["kind"] for body in ledger_records(site).values()]
    assert kinds.count("boot") == WINDOWS + 1


# --- the judge ------------------------------------------------------------------------------------


def test_the_judge_has_nothing_against_the_files_as_they_are(played: DemoSite) -> None:
    score = judge(played, generate(SEED, WINDOWS))

    assert (True, 0, 0, []) == (score.is_good, score.lost, score.duplicates, score.differences)


def test_the_judge_finds_a_removed_record(played: DemoSite) -> None:
    with insider(played.ledger_file) as db:
        alone = "(SELECT min(id) FROM segment WHERE first_seq = last_seq)"
        assert 1 == db.execute(f"DELETE FROM segment WHERE id = {alone}").rowcount

    score = judge(played, generate(SEED, WINDOWS))

    assert (1, False) == (score.lost, score.is_good)


def test_the_judge_finds_a_record_that_was_changed(played: DemoSite) -> None:
    (device, epoch, seq), body = next(iter(ledger_records(played).items()))
    changed = body[:-1] + bytes((body[-1] ^ 1,))
    with insider(played.ledger_file) as db:
        log = db.execute("SELECT n, content FROM entry ORDER BY n").fetchall()
        n, content = next((n, content) for n, content in log if body in content)
        content = content.replace(body, changed, 1)
        db.execute("UPDATE entry SET content = ? WHERE n = ?", (content, n))

    assert [(device, epoch, seq)] == missing_records(played)


def test_the_judge_finds_a_doubled_tally(played: DemoSite) -> None:
    (device, epoch, _), tally = next(
        (key, body)
        for key, body in ledger_records(played).items()
        if decode_record(body)["kind"] == "tally"
    )
    payload = messages.encode_events(epoch, 1, 1, 100_000, [tally])
    sealed = seal.seal(bytes(32), f"{device}.1".encode(), f"till/1/demo/{device}/ev", payload)
    prefix, forged = "till/1/demo/", frame(START_MS, device, "ev", sealed)
    with insider(played.ledger_file) as db:
        db.execute(
            "INSERT INTO entry SELECT max(n) + 1, ?, zeroblob(32) FROM entry",
            (content_of(prefix, forged, []),),
        )
        db.execute(
            "INSERT INTO segment SELECT NULL, id, 100000, 100000, (SELECT max(n) FROM entry),"
            " ?, ?, 0, 0 FROM cursor WHERE device = ? AND epoch = ?",
            (frames_at(prefix), len(forged), device, epoch),
        )

    score = judge(played, generate(SEED, WINDOWS))

    assert (0, 1, False) == (score.lost, score.duplicates, score.is_good)


def test_the_judge_finds_a_cent_in_the_report(played: DemoSite) -> None:
    report = json.loads((played.folder / "report.json").read_text())
    line = next(each for each in report["sessions"][0]["tenders"] if each["tender"] == "cash")
    line["counted_cents"] += 1
    report["sessions"][1]["intervals"].pop()
    (played.folder / "report.json").write_text(json.dumps(report))

    score = judge(played, generate(SEED, WINDOWS))

    assert {"w1 cash", "w2 over_short_cents of the intervals"} == {
        text.partition(":")[0] for text in score.differences
    }
    assert not score.is_good


# --- its folder -----------------------------------------------------------------------------------


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("the only copy")
    (tmp_path / "empty").touch()

    refused = subprocess.run(
        demo("--once", "--data", tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    a_file = subprocess.run(
        demo("--data", tmp_path / "empty"), cwd=ROOT, capture_output=True, text=True, timeout=180
    )

    assert (69, "") == (refused.returncode, refused.stdout)
    wanted = (
        f"till demo: demo folder {tmp_path}: holds files that no demo made; name another one with"
        " --data\n"
    )
    assert wanted == refused.stderr
    assert (69, "is a file; name a folder" in a_file.stderr) == (a_file.returncode, True)
    assert ["empty", "thesis.txt"] == sorted(path.name for path in tmp_path.iterdir())
    assert "the only copy" == (tmp_path / "thesis.txt").read_text()


# --- its clock ------------------------------------------------------------------------------------


class Time:
    """A real clock that stands still unless it is told."""

    def __init__(self) -> None:
        self.ms = 5_000

    def __call__(self) -> int:
        return self.ms


class Office:
    """An office clock over a fake real one; `jumps` is what the boards were told."""

    def __init__(self, folder: Path, *windows: str) -> None:
        self.time = Time()
        self.jumps: list[int] = []
        self.file = folder / "clock"
        self.landed: list[int] = []  # where each jump ended
        self.clock = OfficeClock(self.file, START_MS, windows, SPEED, self.jump, self.time)

    def jump(self, ms: int) -> None:
        self.jumps.append(ms)
        self.landed.append(self.now())

    def now(self) -> int:
        return self.clock.now_ms() - START_MS

    def go(self, step: Callable[[], None], steps: int = 1) -> None:
        """Let real time pass; `step` is what makes the clock look."""
        for _ in range(steps):
            self.time.ms += STEP_MS
            step()


def test_the_clock_never_passes_a_window_that_holds_it(tmp_path: Path) -> None:
    office = Office(tmp_path, "w1", "w2")

    office.go(lambda: office.clock.hold("w2", START_MS + 3_600_000), 5)
    assert [] == office.landed, "w1 has not said anything yet: only real time goes by"

    office.go(lambda: office.clock.hold("w1", START_MS + 20_000), 10)
    assert 20_000 == max(office.landed)

    office.clock.release("w1")
    office.go(lambda: office.clock.hold("w2", START_MS + 3_600_000), 1_000)
    assert 3_600_000 == max(office.landed)


def test_the_clock_keeps_its_pace(tmp_path: Path) -> None:
    office = Office(tmp_path, "w1")
    for wait_ms in (1, 10, 20, 5_000):
        before = office.now()
        office.time.ms += wait_ms
        office.clock.hold("w1", START_MS + 10**9)

        assert (SPEED - 1) * min(wait_ms, 2 * STEP_MS) + wait_ms == office.now() - before, (
            "no leap after a long pause"
        )


def test_the_clock_tells_boards_and_gateway_the_same(tmp_path: Path) -> None:
    office = Office(tmp_path, "w1")

    office.go(lambda: office.clock.hold("w1", START_MS + 15_000), 7)

    assert sum(office.jumps) == office.now() - 7 * STEP_MS
    assert office.clock.now_ms() == office.time.ms + int.from_bytes(
        office.file.read_bytes(), "little", signed=True
    )


def test_the_clock_wakes_a_window_at_its_time_and_not_before(tmp_path: Path) -> None:
    office = Office(tmp_path, "w1", "w2")
    office.clock.release("w2")

    async def scene() -> list[tuple[bool, int]]:
        waiting = asyncio.create_task(office.clock.wait_until("w1", START_MS + 9_000))
        seen = []
        for _ in range(3):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append((waiting.done(), office.now()))
            office.go(lambda: office.clock.release("w2"))
        await asyncio.wait_for(waiting, 5)
        return seen

    seen = asyncio.run(scene())

    assert [(False, 0), (False, SPEED * STEP_MS)] == seen[:2]
    assert 9_000 <= office.now() <= 9_000 + 2 * STEP_MS


# --- its live view --------------------------------------------------------------------------------


class Terminal:
    """A person's terminal with a command in it, its process group and its foreground."""

    def __init__(self, command: list[str]) -> None:
        self._ours, theirs = pty.openpty()
        # 50 lines of 120 columns
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, b"\x32\x00\x78\x00\0\0\0\0")

        def take_the_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            # As a script starts what it puts in the background: Ctrl-C and kill must work then too.
            signal.signal(signal.SIGINT, signal.SIG_IGN)

        environment = {**os.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
            start_new_session=True, preexec_fn=take_the_terminal,
        )  # fmt: skip
        os.close(theirs)
        self._raw = b""

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def shows(self, text: str) -> bool:
        """Whether it was on the screen at any time."""
        while select.select([self._ours], [], [], 0)[0]:
            try:
                self._raw += os.read(self._ours, 65536)
            except OSError:  # the other side is gone
                break
        return text in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._raw.decode(errors="replace"))

    def ended(self) -> bool:
        self.shows("")
        return self.process.poll() is not None

    def group_is_empty(self) -> bool:
        """No process that the command started is left; all of them are in its process group."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(demo("--windows", 1, "--seed", SEED, "--data", tmp_path / "live"))
    yield opened
    opened.close()


def test_the_live_view_takes_keys_and_ctrl_c_leaves_nothing_behind(
    terminal: Terminal, tmp_path: Path
) -> None:
    wait_until(
        lambda: terminal.shows(
            "keys: p cut a window's power   b kill the broker   j jam a bill counter"
        )
    )
    wait_until(lambda: terminal.shows("window w1"))
    wait_until(lambda: terminal.shows("beep"))
    terminal.press("pbj")  # faster than the view reads them

    for text in (
        "w1 POWER LOST",
        "w1 power is back",
        "BROKER LOST",
        "the broker is back",
        "the next notes will jam",
    ):
        wait_until(lambda text=text: terminal.shows(text))
    began = time.monotonic()
    terminal.press("\x03")
    wait_until(terminal.ended)

    assert 130 == terminal.process.returncode
    assert terminal.shows(f"till demo: stopped; what was played so far is in {tmp_path / 'live'}")
    assert not terminal.shows("Traceback")
    assert terminal.group_is_empty()
    assert time.monotonic() - began < 30


def test_a_demo_that_is_terminated_at_its_start_leaves_nothing_behind(
    terminal: Terminal, tmp_path: Path
) -> None:
    wait_until(lambda: (tmp_path / "live" / "serve.log").exists() or terminal.ended())
    terminal.process.terminate()
    wait_until(terminal.ended)

    assert 130 == terminal.process.returncode
    assert not terminal.shows("Traceback")
    assert terminal.group_is_empty()
