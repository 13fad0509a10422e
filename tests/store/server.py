"""A PostgreSQL server of the tests' own: Debian's, on a free port of 127.0.0.1, in a folder that
goes with it.

It runs as an ordinary user: PostgreSQL refuses root. One server a test process; each test has a
database of its own.
"""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from gateway.broker.process import free_port

SUPERUSER = "postgres"
ROLE = "till"
STARTED_WITHIN_S = 60
_numbers = itertools.count(1)


def programs() -> Path | None:
    """The folder with PostgreSQL's programs; None where Debian's package is not installed."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: path.parts[-3].zfill(3)
    )
    if folders:
        return folders[-1].parent
    found = shutil.which("initdb")
    return Path(found).parent if found else None


class Server:
    """One server. `kill` is SIGKILL to all of it, as when the machine's power fails."""

    def __init__(self, folder: Path) -> None:
        bin_folder = programs()
        assert bin_folder is not None
        self.bin = bin_folder
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._user: dict[str, object] = {}
        if os.getuid() == 0:
            user = _ordinary_user()
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.run(
            "initdb", "-D", folder / "data", "-A", "trust", "-U", SUPERUSER, "-E", "UTF8",
            "--locale=C", "--no-sync", "--data-checksums",
        )  # fmt: skip
        self.start()
        with self.superuser() as db:
            db.execute(f"CREATE ROLE {ROLE} LOGIN")

    def run(self, name: str, *arguments: object, **more: str) -> subprocess.CompletedProcess[bytes]:
        """One of PostgreSQL's programs, to its end."""
        return subprocess.run(
            [self.bin / name, *map(str, arguments)], check=True, capture_output=True,
            cwd=self.folder, env={**os.environ, **more}, **self._user,
        )  # type: ignore[call-overload]  # fmt: skip

    def start(self, *settings: str) -> None:
        options = [item for setting in settings for item in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.folder / "data", "-p", str(self.port),
                 "-h", "127.0.0.1", "-k", self.folder, "-c", "max_connections=40", *options],
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **self._user,
            )  # type: ignore[call-overload]  # fmt: skip
        deadline = time.monotonic() + STARTED_WITHIN_S
        while True:
            try:
                psycopg.connect(self.url(SUPERUSER, "postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                said = (self.folder / "log").read_text()[-2000:]
                assert self.process.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(1 / 20)  # nothing of ours tells when another program listens

    def stop(self) -> None:
        """In order: the connections end, everything is on disk."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait(STARTED_WITHIN_S)

    def kill(self) -> None:
        """Every process of it at once, in the middle of what it does."""
        assert self.process is not None
        group = os.getpgid(self.process.pid)
        os.killpg(group, signal.SIGKILL)
        for pid in _children(self.process.pid):  # each backend is a session of its own
            os.kill(pid, signal.SIGKILL)
        self.process.wait(STARTED_WITHIN_S)

    def end(self) -> None:
        """Gone, however it is now."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def url(self, role: str, database: str) -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def superuser(self, database: str = "postgres") -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.url(SUPERUSER, database), autocommit=True) as db:
            yield db

    def database(self) -> str:
        """The address of a fresh database that the gateway's role owns."""
        name = f"till{next(_numbers)}"
        with self.superuser() as db:
            db.execute(f"CREATE DATABASE {name} OWNER {ROLE}")
        return self.url(ROLE, name)


@contextmanager
def running() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="till-pg-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o700)
        server = Server(Path(folder))
        try:
            yield server
        finally:
            server.end()


def _ordinary_user() -> pwd.struct_passwd:
    """Debian's own for it, or the one that owns nothing."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("no user postgres and no user nobody")


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
