"""A technician's bench from the command line: a virtual board, flashed with the real mpremote,
driven by typed lines.
"""

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.broker import EmbeddedBroker
from simulators.bench import BenchError, act, rows_of
from simulators.window import Window

TILL = [sys.executable, "-m", "gateway"]
ROOT = Path(__file__).parent.parent


def till(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TILL, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=180,
    )


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*TILL, *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


def until(process: subprocess.Popen[str], text: str, seconds: int = 30) -> str:
    """The first line with `text` in it; the process is killed when none comes in time."""
    guard = threading.Timer(seconds, process.kill)
    guard.start()
    try:
        for line in process.stdout:
            if text in line:
                return line
    finally:
        guard.cancel()
    raise AssertionError(f"no line with {text!r}")


def test_a_flashed_board_counts_into_the_ledger_from_typed_lines(tmp_path):
    with EmbeddedBroker() as broker:
        till(tmp_path, "init", ".", "--windows", "1", "--broker", f"127.0.0.1:{broker.port}")
        serving = start(tmp_path, "serve", "--follow")
        bench = start(tmp_path, "sim", "board", "w1")
        try:
            until(serving, "ready")
            until(bench, "flash it with")
            flashed = till(tmp_path, "flash", "w1", "--json")
            bench.stdin.write("bills 20.00x5 1.00x3\n")
            heard = until(bench, "heard")
            tally = json.loads(until(serving, '"tally"'))
            bench.stdin.write("quit\n")
            code = bench.wait(60)
        finally:
            for process in (bench, serving):
                process.kill()
                process.communicate()

    assert (flashed.returncode, flashed.stderr.count("Traceback")) == (0, 0)
    assert "ok" in heard
    assert tally["device"] == "w1"
    assert code == 0


@pytest.mark.parametrize(
    "word", ["foo", "20.00", "20.0x5", "x5", "20.00x", "-1.00x2", "1,000.00x1"]
)
def test_a_word_that_is_no_money_is_named(word):
    with pytest.raises(BenchError, match="20.00x5"):
        rows_of(word)


def test_money_words_are_read_in_cents():
    assert [rows_of("20.00x5"), rows_of("0.25x8"), rows_of("100x1")] == [
        (2000, 5),
        (25, 8),
        (10000, 1),
    ]


def test_an_unknown_fault_names_those_there_are():
    window = Window("w1")

    with pytest.raises(BenchError, match="truncate"):
        asyncio.run(act(window, "break bills fire"))
