"""The brokers we can start ourselves, behind one seam: a demo, a test or a single-office install
needs no other.

A broker only carries messages. Its PUBACK is not a receipt (ordinary situations lose acknowledged
messages), so nothing here is tuned for durability: devices keep their records until the gateway's
own sealed acknowledgement.
"""

import getpass
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path

from gateway.errors import Unavailable

# never 0.0.0.0 (iotcore's default): a broker that we start has no passwords and no certificates
HOST = "127.0.0.1"
# a sealed message is at most 1 KiB; max_packet_size disconnects, message_size_limit loses silently
PACKET_BYTES_MAX = 4_096
# messages on their way to the gateway; iotcore's 100 and mosquitto's 20 keep group commit small
IN_FLIGHT_MAX = 1_000
START_MS = 10_000
STOP_MS = 5_000
_POLL_MS = 20

# The child ends with us: its standard input is a pipe that closes when this process is gone,
# however it went.
_EMBEDDED = """
import os, sys, threading
sys.path[:] = [folder for folder in sys.path if folder not in ("", ".")]
from iotcore import IotCoreBroker
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
IotCoreBroker(listen=sys.argv[1], port=int(sys.argv[2]), max_payload_size=int(sys.argv[3]),
    max_inflight_count=int(sys.argv[4])).run_forever()
"""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def answers(host: str, port: int, timeout_ms: int = 200) -> bool:
    """True when something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=timeout_ms / 1000):
            return True
    except OSError:
        return False


class Broker(ABC):
    """A broker process on 127.0.0.1 that we own: started, stopped and killed by its own process
    id.
    """

    name = ""

    def __init__(self, port: int = 0) -> None:
        self.host = HOST
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _launch(self) -> subprocess.Popen[bytes]:
        """The started process."""

    @property
    def pid(self) -> int:
        """Its process id; 0 when it does not run."""
        return self._process.pid if self._process is not None and self.is_running else 0

    @property
    def is_running(self) -> bool:
        """True from start until the process ended, for whatever reason."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> "Broker":
        """Start it and wait until it accepts connections.

        Raises Unavailable when the port is taken, the program ends early or START_MS passes.
        """
        if self.is_running:
            return self
        if answers(self.host, self.port):
            raise Unavailable(
                f"broker {self.name}: port {self.port} is in use; stop the other program or choose"
                " another port"
            )
        self._process = self._launch()
        deadline_ms = _monotonic_ms() + START_MS
        while not answers(self.host, self.port):
            try:
                code = self._process.wait(timeout=_POLL_MS / 1000)
            except subprocess.TimeoutExpired:
                if _monotonic_ms() < deadline_ms:
                    continue
                self.kill()
                raise Unavailable(
                    f"broker {self.name}: not ready on port {self.port} within {START_MS} ms"
                ) from None
            raise Unavailable(
                f"broker {self.name}: ended with code {code} at start; run it by hand to see why"
            )
        return self

    def stop(self) -> None:
        """Ask it to end, insist after STOP_MS. Safe to call twice."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=STOP_MS / 1000)
        except subprocess.TimeoutExpired:
            process.kill()
        self._ended(process)

    def kill(self) -> None:
        """SIGKILL, as a power cut would: nothing is flushed."""
        process = self._process
        if process is not None:
            process.kill()
            self._ended(process)

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
        self._process = None

    def __enter__(self) -> "Broker":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class EmbeddedBroker(Broker):
    """iotcore from the Python environment. Keeps sessions in memory only; refuses a keepalive of
    0.
    """

    name = "iotcore"

    def _launch(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-c",
            _EMBEDDED,
            self.host,
            str(self.port),
            str(PACKET_BYTES_MAX),
            str(IN_FLIGHT_MAX),
        ]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


class MosquittoBroker(Broker):
    """mosquitto from PATH with a configuration of our own in `folder`."""

    name = "mosquitto"

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(port)
        self._folder = folder

    @staticmethod
    def is_installed() -> bool:
        """True when mosquitto is on PATH."""
        return shutil.which("mosquitto") is not None

    def config(self) -> str:
        """Its configuration file. autosave stays off: with autosave_on_changes 1,192 messages a
        second fell to 212.
        """
        return "\n".join(
            (
                f"listener {self.port} {self.host}",
                "allow_anonymous true",
                # or the sealed acknowledgement waits for the receipt of the PUBACK before it
                "set_tcp_nodelay true",
                # started by root it would become 'mosquitto', who cannot write here
                f"user {getpass.getuser()}",
                "persistence true",
                f"persistence_location {self._folder.resolve()}/",
                "autosave_interval 0",
                "autosave_on_changes false",
                # 0 = no limit: the default of 1000 loses acknowledged messages silently
                "max_queued_messages 0",
                f"max_inflight_messages {IN_FLIGHT_MAX}",
                f"max_packet_size {PACKET_BYTES_MAX}",
                "log_type error",
                "log_type warning",
                "",
            )
        )

    def _launch(self) -> subprocess.Popen[bytes]:
        program = shutil.which("mosquitto")
        if program is None:
            raise Unavailable(
                "broker mosquitto: not on PATH; install it or use the embedded broker"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "mosquitto.conf"
        config.write_text(self.config(), "utf-8")
        with (self._folder / "mosquitto.log").open("ab") as log:
            return subprocess.Popen(
                [program, "-c", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
