"""The till command as people run it, also as somebody who may not write everywhere."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

from gateway.clock import CLOCK_FILE_ENV, BenchClock

ROOT = Path(__file__).parent.parent
NOBODY = 65534
DROP_FROM_BOUNDING_SET = 24  # prctl(2)
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2  # capabilities(7): what lets root ignore permissions


def without_privilege() -> None:
    """In a child before exec: permissions count from now on, for root too. Its own files stay its
    own.
    """
    if os.geteuid() != 0:
        return
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None or prctl(DROP_FROM_BOUNDING_SET, CAP_DAC_OVERRIDE, 0, 0, 0):
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    else:
        prctl(DROP_FROM_BOUNDING_SET, CAP_DAC_READ_SEARCH, 0, 0, 0)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "gateway", *map(str, arguments)]


def environment(clock: Path | None = None) -> dict[str, str]:
    set_clock = {CLOCK_FILE_ENV: str(clock)} if clock else {}
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **set_clock}


def clock_at(path: Path, utc_ms: int) -> Path:
    """A clock file for `till(..., clock=...)`: the command believes that it is `utc_ms`."""
    clock = BenchClock.create(path)
    clock.advance(utc_ms - clock.utc_ms())
    return path


def till(
    *arguments: object,
    cwd: Path | None = None,
    privileged: bool = True,
    clock: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*arguments),
        cwd=cwd or ROOT,
        env=environment(clock),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=None if privileged else without_privilege,
    )
    assert "Traceback" not in done.stderr
    return done
