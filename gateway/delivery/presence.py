"""One gateway a site: who runs it, the lock on its data folder, and its word at the broker.

Two gateways of one site push each other off the broker, and each takes records that the other
never sees. On one data folder the kernel's lock decides (`hold`): the second ends at once. On two
folders or two machines only the broker knows both. So each gateway keeps a retained note on the
`state` topic of the name `gateway` (no device may have it, and the ACL lets nobody else write
there), and `Rivals` reads it:

  connected --own note heard--> said --note of another--> rival: the younger one ends
      |                           |
      +--note of an earlier one---+--> wait: it may live, and would be back within SETTLE_MS

Who has written its own note and finds another one there knows that the other one lives: nobody
else writes it. A note found at the first connection may be a dead gateway's. Until that is clear
nothing is taken and nothing is acknowledged. QoS 0: no broker keeps a stale note in a session.
"""

import fcntl
import json
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.errors import ConfigError, TryAgain

LOCK_FILE = "gateway.lock"
LOCK_WAIT_MS = 500  # a look by till check holds the lock for microseconds; so does an ending one
NOTE_BYTES_MAX = 512
# a gateway that was pushed off comes back after 1 s (link.RECONNECT_S) and pushes us off
SETTLE_MS = 3_000
# how long we wait for our own note: a broker without retained messages or rights never sends it
ECHO_MS = 2_000
# connections in a row that were accepted and closed again within SHORT_LIFE_MS
SHORT_LIVES_MAX = 5
SHORT_LIFE_MS = 10_000


@dataclass(frozen=True)
class Running:
    """A gateway that runs, as it says of itself. `run` is another one at each start."""

    host: str
    pid: int
    since_ms: int
    run: str

    @classmethod
    def here(cls) -> "Running":
        """This process, from now on."""
        return cls(
            socket.gethostname(), os.getpid(), time.time_ns() // 1_000_000, secrets.token_hex(8)
        )

    @classmethod
    def parse(cls, text: bytes) -> "Running | None":
        """What somebody wrote; None for anything that is no such note."""
        try:
            values = json.loads(text[:NOTE_BYTES_MAX])
            return cls(
                str(values["host"]), int(values["pid"]), int(values["since_ms"]), str(values["run"])
            )
        except (ValueError, KeyError, TypeError):
            return None

    def note(self) -> bytes:
        """The same as bytes, one line of JSON."""
        return json.dumps(asdict(self)).encode()

    @property
    def may_live(self) -> bool:
        """False when it ran on this machine and its process is gone."""
        if self.host != socket.gethostname() or self.pid <= 0:
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except (PermissionError, OverflowError):
            pass
        return True

    def __str__(self) -> str:
        try:
            since = f"{datetime.fromtimestamp(self.since_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
        except (ValueError, OverflowError, OSError):
            since = "an unknown time"
        return f"process {self.pid} on host {self.host}, since {since}"


# --- one data folder ------------------------------------------------------------------------------


@contextmanager
def hold(data: Path, running: Running) -> Iterator[None]:
    """The data folder is this gateway's inside the block. A killed gateway leaves no lock.

    Raises TryAgain when another gateway has it, and names that one.
    """
    path = data / LOCK_FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        deadline_ms = _now_ms() + LOCK_WAIT_MS
        while not _locked(path, descriptor, fcntl.LOCK_EX):
            if _now_ms() > deadline_ms:
                raise TryAgain(
                    f"folder {data}: another gateway serves it ({_who(path)}); stop that one first"
                )
            time.sleep(1 / 50)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, running.note() + b"\n", 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder(data: Path) -> str:
    """Which gateway serves this data folder, in words; empty when none does."""
    path = data / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return "" if _locked(path, descriptor, fcntl.LOCK_SH) else _who(path)
    finally:
        os.close(descriptor)


def _locked(path: Path, descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise ConfigError(
            f"{path}: this file system has no locks ({error.strerror}); put the data folder on a"
            " local disk"
        ) from error
    return True


def _who(path: Path) -> str:
    """In words, who says in the file that it holds it. A note of a dead process is an older one's:
    the holder has not written its own yet, or cannot.
    """
    found = Running.parse(path.read_bytes())
    return str(found) if found is not None and found.may_live else "it does not say which"


# --- one broker -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """What was found: a kind of incident, its text, and whether this gateway has to end."""

    kind: str
    text: str
    must_end: bool


class Rivals:
    """What the broker shows of other gateways with our name. No clock inside: `now_ms` is any that
    only runs forward.
    """

    def __init__(self, own: Running | None) -> None:
        self.own = own
        self._said = False  # our own note came back: from then on no other gateway's may be there
        self._earlier: Running | None = None
        self._settled = own is None
        self._connected_ms: int | None = None
        self._short_lives = 0
        self._told: set[str] = set()
        self._troubles: deque[Trouble] = deque()  # filled by the client's thread

    def connected(self, now_ms: int) -> None:
        """The broker has us subscribed."""
        self._connected_ms = now_ms

    def lost(self, now_ms: int) -> None:
        """The broker, or the line, ended a connection in which we were subscribed."""
        lived_ms, self._connected_ms = now_ms - (self._connected_ms or 0), None
        self._short_lives = self._short_lives + 1 if lived_ms < SHORT_LIFE_MS else 0
        if self._short_lives == SHORT_LIVES_MAX:
            self._tell(
                "broker_flaps",
                f"the broker let this gateway in and closed the connection again,"
                f" {SHORT_LIVES_MAX} times in a row; look for a second gateway with this site's"
                " name or certificate on another machine, then at the broker's log",
            )

    def refused(self) -> None:
        """Nothing listens: the broker itself is away, so nobody pushes us off."""
        self._short_lives = 0

    def heard(self, note: Running) -> None:
        """A note on our topic."""
        if self.own is None:
            return
        if note.run == self.own.run:
            self._said = True
        elif not self._said:
            self._earlier = note
        elif (self.own.since_ms, self.own.run) < (note.since_ms, note.run):
            self._settled = True
            self._tell(
                "second_gateway",
                f"a second gateway of this site is at the broker: {note}; stop it, and keep its"
                " ledger: it may have acknowledged records that are in no other",
            )
        else:
            self._tell(
                "second_gateway",
                f"another gateway of this site is at the broker: {note}; it was there first, so"
                " this one ends; stop one of them",
                must_end=True,
            )

    def settled(self, now_ms: int) -> bool:
        """True from the moment on when no earlier gateway can be there: records may be taken."""
        if self._settled or self._connected_ms is None:
            return self._settled
        here_ms = now_ms - self._connected_ms
        if self._earlier is not None and self._earlier.may_live:
            self._settled = here_ms >= SETTLE_MS
        else:
            self._settled = self._said or here_ms >= ECHO_MS
        return self._settled

    def pop_troubles(self) -> list[Trouble]:
        """What was found since the last call."""
        return [self._troubles.popleft() for _ in range(len(self._troubles))]

    def _tell(self, kind: str, text: str, must_end: bool = False) -> None:
        if text not in self._told:
            self._told.add(text)
            self._troubles.append(Trouble(kind, text, must_end))


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
