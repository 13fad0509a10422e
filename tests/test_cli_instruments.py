"""The technician's tools as people run them: what is on a wire is shown, kept, and decoded again to
the same events.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_driver_frame_stream import count_of

from gateway.errors import DataError
from gateway.instruments.capture import Burst, header, read_bursts
from gateway.instruments.profiles import profile_names
from simulators.channels import SerialLine
from tests.cli_support import command, environment, till
from tests.driver_support import transcript

WIRE = {"baud": 9600, "bits": 8, "parity": "none", "stop": 1}
MACH = transcript("mach9_batch_fee")
LINES_MAX = 400


class Bench:
    """A command that keeps running. `wait_for` reads its lines until one holds the text."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def wait_for(self, text: str) -> str:
        assert self.process.stdout is not None
        for _ in range(LINES_MAX):
            line = self.process.stdout.readline()
            self.lines.append(line)
            if text in line:
                return line
            assert line, "".join(self.lines)
        raise AssertionError(f"no {text!r} in {LINES_MAX} lines")

    def end(self) -> str:
        """Ctrl-C; all that it printed."""
        self.process.send_signal(signal.SIGINT)
        return "".join(self.lines) + self.process.communicate(timeout=60)[0]


@contextmanager
def running(*arguments: object) -> Iterator[Bench]:
    process = subprocess.Popen(
        command(*arguments),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(40, process.kill)
    watchdog.start()
    try:
        yield Bench(process)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()


def events_of(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_instrument_is_listed_with_its_evidence() -> None:
    rows = json.loads(till("instruments", "--json").stdout)

    assert profile_names() == [row["name"] for row in rows]
    assert all(row["unknown"] and row["source"] and row["wire"]["baud"] for row in rows)
    assert "uwf: UWF note counter, display stream (template)" in till("instruments").stdout


def test_a_printed_report_is_decoded_from_raw_bytes_and_from_hex(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(MACH)
    (tmp_path / "hex").write_text("# a tape\n" + MACH.hex(" ") + "\n")
    raw = till("decode", "--instrument", "mach", tmp_path / "raw")
    (event,) = events_of(raw.stdout)

    assert (0, "tally", 1600, [[100, 16]]) == (
        raw.returncode,
        event["kind"],
        event["total_minor"],
        event["rows"],
    )
    assert raw.stdout == till("decode", "--instrument", "mach", tmp_path / "hex").stdout


def test_frames_that_do_not_add_up_are_named(tmp_path: Path) -> None:
    frames = count_of()
    (tmp_path / "good").write_bytes(b"".join(frames))
    (tmp_path / "bad").write_bytes(b"".join(frames[:3] + frames[4:]))
    good = till("decode", "--instrument", "fddf", tmp_path / "good", "--verbose")
    bad = till("decode", "--instrument", "fddf", tmp_path / "bad")

    assert (0, ["tally"]) == (good.returncode, [event["kind"] for event in events_of(good.stdout)])
    assert {"faults": {}, "snapshot": {"state": "idle", "pieces": 0, "batches": 1}} == json.loads(
        good.stderr
    )
    assert (65, ["quarantine"]) == (
        bad.returncode,
        [event["kind"] for event in events_of(bad.stdout)],
    )
    assert (
        "1 not counted: at 22 ms machine shows 4 pieces, heard 3; recount: fd df 2c 0e"
        in bad.stderr
    )


def test_a_count_that_the_file_cuts_off_is_not_silent(tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(b"".join(count_of()[:4]))

    assert 65 == till("decode", "--instrument", "fddf", tmp_path / "cut").returncode


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("decode", "--instrument", "mech"), 2, "did you mean 'mach'?"),
        (("decode", "--instrument", "mach", "no-such-file"), 2, "no-such-file: no such file"),
        (
            ("decode", "--instrument", "mach", "--form", "morse"),
            2,
            "want one of auto, capture, hex, raw",
        ),
        (("decode", "--instrument", "mach", "--currency", "dollars"), 2, "three capital letters"),
        (("decode", "--instrument", "none.toml"), 78, "not readable"),
        (("monitor", "no-such-port", "--instrument", "mach"), 69, "no-such-port: does not open"),
        (("sim", "mach"), 2, "say --pty"),
        (("sim", "mach", "--pty", "--faults", "jam"), 2, "'jam' is no knob=permille"),
        (("sim", "mach", "--pty", "--faults", "burst=3"), 2, "no fault 'burst'; it has"),
        (("sim", "mach", "--pty", "--setup", "asleep"), 2, "no setup 'asleep'"),
    ],
)
def test_a_wrong_command_line_is_told_with_its_next_step(
    arguments: tuple, code: int, why: str
) -> None:
    done = till(*arguments)

    assert (code, True) == (done.returncode, why in done.stderr), done.stderr


def test_a_capture_is_read_back_as_it_was_written() -> None:
    bursts = [Burst(0, b"\x1bQF\x97", True), Burst(31, b"\x06"), Burst(31, b"")]
    text = "\n".join([header("sc350", WIRE, "2026-11-23T10:15:00Z"), *map(str, bursts)])

    assert "# till capture: sc350, 9600 8N1, 2026-11-23T10:15:00Z" == text.splitlines()[0]
    assert "0 > 1b 51 46 97" == text.splitlines()[1]
    assert bursts == read_bursts(text.encode(), WIRE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("31 < 06\n12 < 06\n", "line 2: 12 ms comes after 31 ms"),
        ("31 < 06\nnoise\n", "line 2: 'noise' is no burst"),
    ],
)
def test_a_broken_capture_is_refused_by_line(text: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        read_bursts(text.encode(), WIRE)


def test_bytes_without_times_arrive_as_fast_as_the_wire_allows() -> None:
    bursts = read_bursts(bytes(960), WIRE)

    assert (1000, 960) == (bursts[-1].at_ms, sum(len(burst.data) for burst in bursts))


def test_what_a_monitor_keeps_is_decoded_to_the_same_events(tmp_path: Path) -> None:
    """The simulated sorter counts by itself; monitor listens at the other end, the file it keeps is
    decoded.
    """
    with (
        running("sim", "mach", "--pty", "--auto", "--seed", 3) as machine,
        running(
            "monitor",
            machine.wait_for("/dev/").strip(),
            "-i",
            "mach",
            "--record",
            tmp_path / "kept",
            "--json",
        ) as screen,
    ):
        live = [json.loads(screen.wait_for('"tally"'))]
        printed = screen.end().splitlines()
        machine.end()
    decoded = till("decode", "-i", "mach", tmp_path / "kept")
    found = events_of(decoded.stdout)

    assert (0, 0, 0) == (machine.process.returncode, screen.process.returncode, decoded.returncode)
    assert [event["rows"] for event in live] == [event["rows"] for event in found][:1]
    assert {key: live[0][key] for key in ("batch_id", "total_minor", "digest")} == {
        key: found[0][key] for key in ("batch_id", "total_minor", "digest")
    }
    assert {"faults", "snapshot"} == set(json.loads(printed[-1]))
    assert (tmp_path / "kept").read_text().startswith("# till capture: mach, 9600 8N1, ")


def test_both_directions_of_a_machine_that_is_asked_are_kept_and_decoded(tmp_path: Path) -> None:
    """The monitor is the coin acceptor's host; decoded again, the driver overhears what it
    asked.
    """
    with running("sim", "cctalk-coin", "--pty") as machine:
        port = machine.wait_for("/dev/").strip()
        with running(
            "monitor", port, "-i", "cctalk-coin", "--accept", "--record", tmp_path / "kept"
        ) as screen:
            screen.wait_for("> 02 02 01 e7 ff")  # nothing is inhibited any more
            screen.wait_for("> 02 00 01 e5 18")
            assert machine.process.stdin is not None
            machine.process.stdin.write("insert 1.00\n")
            machine.process.stdin.flush()
            live = screen.wait_for("  tally")
            screen.end()
    kept = (tmp_path / "kept").read_text()
    baseline, event = events_of(till("decode", "-i", "cctalk-coin", tmp_path / "kept").stdout)
    heard = b"".join(
        bytes.fromhex(line.split(" ", 2)[2]) for line in kept.splitlines() if " < " in line
    )
    (tmp_path / "heard").write_bytes(heard)
    alone = till("decode", "-i", "cctalk-coin", tmp_path / "heard")

    assert (0, True) == (screen.process.returncode, live.endswith("1.00 USD: 1 x 1.00\n"))
    assert ("tally", []) == (
        baseline["kind"],
        baseline["rows"],
    )  # where its counter stood when first seen
    assert ("tally", [[100, 1]]) == (event["kind"], event["rows"])
    assert ("", True) == (
        alone.stdout,
        "without the host's bytes little can be said" in alone.stderr,
    )


def test_a_monitor_shows_bursts_and_events_as_lines() -> None:
    line = SerialLine()
    try:
        with running("monitor", os.ttyname(line.theirs), "-i", "mach", "--listen") as screen:
            screen.wait_for("end with Ctrl-C")
            line.write(MACH)
            said = screen.wait_for("  tally")
            printed = screen.end()
    finally:
        line.close()

    assert "  tally 1-0-0: 16.00 USD: 16 x 1.00\n" == said
    assert (0, True) == (screen.process.returncode, " < 42 41 54 43 48" in printed)


def test_a_simulated_machine_is_read_by_any_program() -> None:
    """A raw reader at the path that is printed; `quit` ends the machine."""
    with running("sim", "mach", "--pty", "--auto", "--seed", 3) as machine:
        port = os.open(machine.wait_for("/dev/").strip(), os.O_RDONLY | os.O_NOCTTY)
        heard = b""
        while b"TOTAL COIN" not in heard:
            os.set_blocking(port, True)
            heard += os.read(port, 256)
        os.close(port)
        printed, _ = machine.process.communicate("help\nquit\n", timeout=60)

    assert (0, True) == (machine.process.returncode, heard.startswith(b"BATCH ACCEPT"))
    assert printed


def test_the_simulated_machines_are_listed() -> None:
    listed = till("sim", "--help").stdout

    assert [] == [
        name for name in ("office", "board", "mach", "cctalk-coin", "uwf") if name not in listed
    ]
