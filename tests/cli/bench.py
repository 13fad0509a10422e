"""The till command as people run it, also as a user who may not write everywhere."""

import atexit
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from functools import lru_cache
from pathlib import Path

from gateway.clock import CLOCK_FILE_ENV, BenchClock

ROOT = Path(__file__).parents[2]
NOBODY = 65534
TILL_S = 180  # no command takes so long, on the busiest machine
DROP_FROM_BOUNDING_SET = 24  # prctl(2)
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2  # capabilities(7): what lets root ignore permissions


def without_privilege() -> None:
    """In a child before exec: from now on permissions count, also for root. Its own files stay its
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
    words = command(*arguments)
    if privileged and _starting.acquire(blocking=False):
        try:
            done = _starter().run(words, str(cwd or ROOT), environment(clock))
        finally:
            _starting.release()
    else:
        done = subprocess.run(
            words,
            cwd=cwd or ROOT,
            env=environment(clock),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TILL_S,
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


class Starter:
    """till_starter.py in a process of its own, which ends with this one."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(TILL_S)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("till_starter.py"), str(theirs.fileno())],
                env=environment(), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
            )  # fmt: skip
        atexit.register(self.close)

    def close(self) -> None:
        """It ends when nobody can ask it any more."""
        self._line.close()
        self._process.wait()

    def run(
        self, words: list[str], cwd: str, environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """As subprocess.run() with captured output."""
        asked = {"arguments": words[3:], "cwd": cwd, "environment": environment}
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            socket.send_fds(self._line, [json.dumps(asked).encode()], [out.fileno(), err.fileno()])
            child = int(self._line.recv(100))
            try:
                code = int(self._line.recv(100))
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                self._line.recv(100)
                raise subprocess.TimeoutExpired(words, TILL_S) from None
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(words, code, out.read(), err.read())


_starter = lru_cache(Starter)
_starting = threading.Lock()
