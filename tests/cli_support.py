"""The till command as people run it, also as somebody who may not write everywhere."""

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

ROOT = Path(__file__).parent.parent
NOBODY = 65534
TILL_S = 180  # no command takes so long, on the busiest machine
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
    words = command(*arguments)
    if privileged and _starting.acquire(blocking=False):
        try:
            done = _starter().run(words, str(cwd or ROOT))
        finally:
            _starting.release()
    else:
        done = subprocess.run(
            words,
            cwd=cwd or ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TILL_S,
            preexec_fn=None if privileged else without_privilege,
        )
    assert "Traceback" not in done.stderr
    return done


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

    def run(self, words: list[str], cwd: str) -> subprocess.CompletedProcess[str]:
        """As subprocess.run() with captured output."""
        asked = {"arguments": words[3:], "cwd": cwd, "environment": environment()}
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
