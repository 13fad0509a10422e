"""The till command as people run it, also as somebody who may not write everywhere."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

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


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def till(
    *arguments: object, cwd: Path | None = None, privileged: bool = True
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*arguments),
        cwd=cwd or ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=None if privileged else without_privilege,
    )
    assert "Traceback" not in done.stderr
    return done


def init(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`till init` with a site and a zone, where the test names none."""
    given = {"--site": "city-hall", "--zone": "America/Chicago"}
    options = [
        part for name, value in given.items() if name not in arguments for part in (name, value)
    ]
    return till("init", folder, *options, *arguments)
