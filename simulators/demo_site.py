"""The demo's office: one folder with the gateway's data, a staged board for each window, and the
processes that serve them.

The folder holds till.toml, data/ (ledger, keys), boards/<window>/ (what is on the board's flash),
<window>.flash (its journal), posted.csv, earlier.csv (of the days before), report.html, report.csv,
report.json, and what the processes printed.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from iotcore import Broker

from simulators.office.day import OfficeDay

HOST = "127.0.0.1"
SITE = "city-hall"
ZONE = "America/Chicago"
READY_S = 20
STOP_S = 10
MICROPYTHON = Path(sys.executable).with_name("micropython")
MARKER = "till-demo"  # only a folder with this file is ever cleared: the demo made it


class DemoError(Exception):
    """The demo cannot go on. The text names the thing and the next step."""


class DemoSite:
    """Paths and processes of one demo."""

    def __init__(self, folder: Path, windows: int) -> None:
        self.folder = folder.resolve()
        self.windows = [f"w{number}" for number in range(1, windows + 1)]
        self.config = self.folder / "till.toml"
        self.data = self.folder / "data"
        self.boards = self.folder / "boards"
        self.clock_file = self.folder / "clock"
        self.posted_file = self.folder / "posted.csv"
        self.earlier_file = self.folder / "earlier.csv"
        self.ledger_file = self.data / "ledger.db"
        self._port = free_port()
        self._broker = Broker(port=self._port, listen=HOST)  # its default is 0.0.0.0
        self._serving: subprocess.Popen[bytes] | None = None

    def flash_image(self, window: str) -> Path:
        """The journal's flash of one board; it survives every power cut."""
        return self.folder / f"{window}.flash"

    def prepare(self) -> None:
        """A fresh folder with configuration, keys and staged boards, and a broker."""
        if not MICROPYTHON.exists():
            raise DemoError(
                f"{MICROPYTHON}: not there; install the package's dependencies, in a checkout with"
                " ./run setup"
            )
        if self.folder.exists() and not self.folder.is_dir():
            raise DemoError(f"demo folder {self.folder}: is a file; name a folder with --data")
        if (
            self.folder.exists()
            and any(self.folder.iterdir())
            and not (self.folder / MARKER).exists()
        ):
            raise DemoError(
                f"demo folder {self.folder}: holds files that no demo made; name another one with"
                " --data"
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / MARKER).touch()
        broker = f"{HOST}:{self._port}"
        self._till(
            "init",
            str(self.folder),
            "--site",
            SITE,
            "--zone",
            ZONE,
            "--windows",
            str(len(self.windows)),
            "--broker",
            broker,
        )
        for window in self.windows:
            self._till("stage", window, "--out", str(self.boards / window), *self._with_config())
        self.start_broker()

    def serve(self) -> None:
        """Start the gateway, and return when it says that it is ready. The file of the office's
        clock must exist by now.
        """
        log = (self.folder / "serve.log").open("wb")
        with log:
            self._serving = subprocess.Popen(
                [*TILL, "serve", *self._with_config()],
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + READY_S
        while b"ready" not in (self.folder / "serve.log").read_bytes():
            if self._serving.poll() is not None or time.monotonic() > deadline:
                raise DemoError(f"the gateway does not start; see {self.folder / 'serve.log'}")
            time.sleep(1 / 50)

    def kill_broker(self) -> None:
        """The broker dies and forgets everything: this one keeps nothing on disk."""
        self._broker.stop()

    def start_broker(self) -> None:
        """Start it, always on the same port."""
        try:
            self._broker.start()
        except (OSError, RuntimeError) as error:
            raise DemoError(
                f"broker on port {self._port}: {error}; start the demo again"
            ) from error

    def close_the_day(self, day: OfficeDay, quiet: bool) -> None:
        """Import what the cashiering system posted, and report."""
        day.posted_csv(self.posted_file)
        date = ("--date", day.business_date.isoformat())
        if day.earlier:
            self.earlier_file.write_text(day.earlier_text())
            self._till("import", str(self.earlier_file), *self._with_config(), ok=(0, 1))
        self._till("import", str(self.posted_file), *self._with_config(), ok=(0, 1))
        for form in ("html", "csv", "json"):
            self._till(
                "report",
                *date,
                f"--{form}",
                "--out",
                str(self.folder / f"report.{form}"),
                *self._with_config(),
            )
        if not quiet:
            subprocess.run(
                [*TILL, "report", *date, *self._with_config()], env=self._environment(), check=False
            )

    def stop(self) -> None:
        """End what was started, each by its own process id."""
        if self._serving is not None:
            self._serving.terminate()
            try:
                self._serving.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._serving.kill()
                self._serving.wait()
        self._broker.stop()

    def _till(self, *arguments: str, ok: tuple[int, ...] = (0,)) -> None:
        done = subprocess.run(
            [*TILL, *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in ok:
            raise DemoError(
                f"till {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
            )

    def _with_config(self) -> tuple[str, str]:
        return "--config", str(self.config)

    def _environment(self) -> dict[str, str]:
        return (
            {**os.environ, "TILL_CLOCK_FILE": str(self.clock_file)}
            if self.clock_file.exists()
            else dict(os.environ)
        )


TILL = [sys.executable, "-m", "gateway"]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
