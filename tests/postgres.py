"""A PostgreSQL server of our own on 127.0.0.1, from Debian's package: for tests and benchmarks."""

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from gateway.broker.process import answers, free_port
from gateway.config import LedgerServer

USER = "postgres"  # who the server is when we are root: it refuses that
_FOLDERS = ("/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin",
            "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/14/bin")  # fmt: skip


def program(name: str) -> str | None:
    """Its path; None when it is not installed."""
    return shutil.which(name, path=os.pathsep.join((*_FOLDERS, os.environ.get("PATH", ""))))


def is_installed() -> bool:
    """Whether a server can be started here."""
    return program("initdb") is not None and program("postgres") is not None


class Postgres:
    """One server in a folder; its superuser is `postgres`, the ledger's role is `till`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def make(self) -> None:
        """A fresh cluster."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, USER)
        self._run("initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", "postgres",
                  "--no-sync", "-E", "UTF8", "--locale=C")  # fmt: skip

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        line = [
            *self._as_user(), str(program("postgres")), "-D", str(self.folder / "data"),
            "-p", str(self.port), "-k", str(self.folder), "-c", "listen_addresses=127.0.0.1",
        ]  # fmt: skip
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(line, stdout=log, stderr=log, cwd="/")
        for _ in range(1_000):
            if answers("127.0.0.1", self.port) and self._lets_in():
                return
            try:
                self._process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            break
        raise AssertionError((self.folder / "server.log").read_text()[-2_000:])

    def stop(self) -> None:
        """End it at once; what was committed is there when it starts again."""
        if self._process is not None:
            pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def database(self) -> str:
        """The address of a new, empty database."""
        self._databases += 1
        name = f"till{self._databases}"
        with self.superuser() as db:
            db.execute("SELECT count(*) FROM pg_roles")
            if not db.execute("SELECT 1 FROM pg_roles WHERE rolname = 'till'").fetchone():
                db.execute("CREATE ROLE till LOGIN")
            db.execute(f"CREATE DATABASE {name} OWNER till".encode())
        return f"postgresql://till@127.0.0.1:{self.port}/{name}"

    def site(self, site: str = "city") -> LedgerServer:
        """A site of a database of its own."""
        return LedgerServer(self.database(), site)

    @contextmanager
    def superuser(
        self, database: str = "postgres"
    ) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
        """A connection that may do everything."""
        address = f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
        with psycopg.connect(address, autocommit=True) as db:
            yield db

    def _lets_in(self) -> bool:
        try:
            with self.superuser():
                return True
        except psycopg.OperationalError:
            return False

    def _run(self, name: str, *arguments: str) -> None:
        line = [*self._as_user(), str(program(name)), *arguments]
        subprocess.run(line, check=True, capture_output=True, cwd="/")

    def _as_user(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        pwd.getpwnam(USER)
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"]


@contextmanager
def served() -> Iterator[Postgres]:
    """A running server, gone afterwards. Its folder is short: a socket's path has a limit."""
    folder = Path(tempfile.mkdtemp(prefix=f"till-pg-{getpass.getuser()}-"))
    server = Postgres(folder)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
