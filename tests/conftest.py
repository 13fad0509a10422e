"""What every test run has: Hypothesis without a database, several workers, an end for what was
left running, and a last word on what was skipped.

Hypothesis prints the seed of a failure and keeps no database, so that a run depends on nothing but
the code.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

WORKERS_MAX = 8
SYSTEM_PACKAGES = Path(__file__).parent / "debian.txt"

settings.register_profile(
    "till",
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("till")

# A suite that a script starts in its background inherits "ignore SIGINT", and so would every
# command that a test ends with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores: tests wait for boards, brokers and clocks."""
    return min(len(os.sched_getaffinity(0)) + 1, WORKERS_MAX)


def pytest_collection_modifyitems(items):
    """`-k SEAL-3` finds the tests that prove a statement of docs/protocol.md by its id."""
    for item in items:
        for mark in item.iter_markers("must"):
            item.extra_keyword_matches.update(mark.args)


# --- nothing outlives its tests -------------------------------------------------------------------

RUN_NAME = "TILL_TEST_PROCESS"
# Ends, each by its own id, the processes that a killed test process left: they inherited its name
# in their environment. It waits for the end of a pipe, which comes however the process ends.
_WATCH = """
import os, signal, sys
sys.stdin.buffer.read()
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            if sys.argv[1].encode() in file.read().split(b"\\0"):
                os.kill(int(pid), signal.SIGKILL)
    except OSError:
        pass
"""


def pytest_sessionstart(session):
    controls_workers = session.config.getoption("dist", "no") != "no"
    if controls_workers or session.config.option.collectonly or not os.path.isdir("/proc/self"):
        return
    name = f"{os.getpid()}-{os.urandom(8).hex()}"
    subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WATCH, f"{RUN_NAME}={name}"], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    os.environ[RUN_NAME] = name


# --- the last word --------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter):
    """What was skipped, counted by reason, and the command that brings what was missing."""
    shown = yield
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        if isinstance(report.longrepr, tuple)
        else str(report.longrepr)
        for report in terminalreporter.stats.get("skipped", [])
    )
    if reasons:
        terminalreporter.section("skipped")
        for reason, count in reasons.most_common():
            terminalreporter.write_line(f"{count:4} {reason}")
        lines = SYSTEM_PACKAGES.read_text().splitlines()
        programs = [line.split()[1] for line in lines if line.strip() and line[0] != "#"]
        if any(program in reason for program in programs for reason in reasons):
            terminalreporter.write_line("./run system brings what is missing", bold=True)
    return shown
