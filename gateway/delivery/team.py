"""The workers of one run as processes: started, started again when one ends, ended in order.

  starting --says it is ready--> ready --ends--> waiting (back-off) --> starting
                                   |
                                   +--asked to end--> ending --> starting (rolling restart), or gone

A worker hears on its standard input that this process is gone, however it went: it closes then. Who
ends with one of LASTING is started no more and the whole run ends: a person must look.
"""

import logging
import os
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from select import POLLIN, poll

from gateway.errors import ConfigError, GatewayError, LedgerBroken, PermissionDenied, TryAgain

log = logging.getLogger("till.team")

LASTING = tuple(each.exit_code for each in (LedgerBroken, ConfigError, PermissionDenied, TryAgain))
RESTART_MS = (1_000, 30_000)  # pause before a worker is started again, doubled in between
WELL_MS = 60_000  # a worker that was ready for so long begins with the first pause again
STOP_MS = 10_000  # for all workers to finish what they have in hand
_LOOK_MS = 500
READY = b"ready\n"  # what a worker writes to the descriptor that it was given


class WorkersEnded(GatewayError):
    """A worker ended for a reason that does not pass; it has said which."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Member:
    """One worker's place: the process that is in it, or when the next one will be."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_ready = False
        self.is_ending = False  # we asked it to
        self.ready_ms = 0
        self.next_ms = 0
        self.pause_ms = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.told: int | None = None  # what it says that it is ready on

    def start(self, command: Sequence[str]) -> int:
        """The id of a new process, in a session of its own: what a terminal sends to all reaches
        only us.
        """
        told, tell = os.pipe()
        try:
            self.process = subprocess.Popen(
                [*command, "--ready-to", str(tell)],
                stdin=subprocess.PIPE,
                pass_fds=(tell,),
                start_new_session=True,
            )
        finally:
            os.close(tell)
        self.told, self.is_ready, self.is_ending = told, False, False
        return self.process.pid

    def ask_to_end(self) -> None:
        if self.process is not None:
            self.is_ending = True
            self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int | None:
        """Its exit code once the process has ended, once."""
        if self.process is None or self.process.poll() is None:
            return None
        code = self.process.returncode
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.told is not None:
            os.close(self.told)
        self.process = self.told = None
        self.is_ready = False
        return code


class Team:
    """`count` workers; `command(number)` starts one. `on_ready()` is called when all are for the
    first time.
    """

    def __init__(
        self, count: int, command: Callable[[int], Sequence[str]], on_ready: Callable[[], None]
    ) -> None:
        self.members = [Member(number) for number in range(1, count + 1)]
        self._command, self._on_ready = command, on_ready
        self._was_ready = False
        self._stopping = False
        self._rolling: deque[Member] = deque()
        self._rolled: Member | None = None
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)

    def stop(self) -> None:
        """Let `run` end; for a signal's handler."""
        self._stopping = True
        self._wake()

    def roll(self) -> None:
        """End and start the workers one by one; for a signal's handler."""
        if self._rolled is None and not self._rolling:
            self._rolling.extend(self.members)
        self._wake()

    def run(self) -> None:
        """Until `stop`. Raises WorkersEnded when a worker ended for a reason that lasts."""
        try:
            while not self._stopping:
                self._start_those_due()
                self._roll_on()
                self._wait(_LOOK_MS)
                self._look()
        finally:
            self._end_all()
            self._waker.close()
            self._woken.close()

    def _wake(self) -> None:
        with suppress(OSError):
            self._waker.send(b"!")

    def _start_those_due(self) -> None:
        for member in self.members:
            if member.process is None and _now_ms() >= member.next_ms:
                pid = member.start(self._command(member.number))
                log.info("worker_started worker=%d pid=%d", member.number, pid)

    def _wait(self, timeout_ms: int) -> None:
        ready = poll()
        ready.register(self._woken, POLLIN)
        for member in self.members:
            if member.told is not None:
                ready.register(member.told, POLLIN)
        found = dict(ready.poll(timeout_ms))
        if found.pop(self._woken.fileno(), 0):
            with suppress(BlockingIOError):
                self._woken.recv(64)
        for member in self.members:
            if member.told is not None and member.told in found:
                self._hear(member, member.told)

    def _hear(self, member: Member, told: int) -> None:
        if os.read(told, 64):
            member.is_ready, member.ready_ms = True, _now_ms()
            return
        os.close(told)  # it ends
        member.told = None
        if member.process is not None:
            with suppress(subprocess.TimeoutExpired):
                member.process.wait(_LOOK_MS / 1000)

    def _look(self) -> None:
        for member in self.members:
            code = member.ended()
            if code is not None and not self._stopping:
                self._restart(member, code)
        if not self._was_ready and all(member.is_ready for member in self.members):
            self._was_ready = True
            self._on_ready()

    def _restart(self, member: Member, code: int) -> None:
        if member.is_ending and code == 0:
            member.next_ms = member.pause_ms = 0
            return
        if code in LASTING:
            raise WorkersEnded(
                f"worker {member.number}: ended with code {code}; its own last line says why", code
            )
        first_ms, longest_ms = RESTART_MS
        if member.ready_ms and _now_ms() - member.ready_ms >= WELL_MS:
            member.pause_ms = 0
        member.pause_ms = min(max(member.pause_ms * 2, first_ms), longest_ms)
        member.next_ms = _now_ms() + member.pause_ms
        log.error(
            "worker_ended worker=%d code=%d again_ms=%d", member.number, code, member.pause_ms
        )

    def _roll_on(self) -> None:
        """The next one is asked to end when the one before is ready again."""
        if self._rolled is not None and (not self._rolled.is_ready or self._rolled.is_ending):
            return
        if self._rolled is not None:
            log.info("worker_restarted worker=%d", self._rolled.number)
            self._rolled = None
        if self._rolling and all(member.is_ready for member in self.members):
            self._rolled = self._rolling.popleft()
            self._rolled.ask_to_end()

    def _end_all(self) -> None:
        for member in self.members:
            member.ask_to_end()
        deadline_ms = _now_ms() + STOP_MS
        for member in self.members:
            if member.process is None:
                continue
            try:
                member.process.wait(max(deadline_ms - _now_ms(), 0) / 1000)
            except subprocess.TimeoutExpired:
                log.error("worker_killed worker=%d stop_ms=%d", member.number, STOP_MS)
                member.process.kill()
                member.process.wait()
            code = member.ended()
            if code:
                log.error("worker_ended worker=%d code=%d", member.number, code)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
