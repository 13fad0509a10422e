"""The nine situations of `./run proof broker`: what mosquitto is told and what happens to it. None
is a bug of mosquitto.
"""

import getpass
import resource
import shutil
import signal
import subprocess
from pathlib import Path

from gateway.broker.process import HOST, MosquittoBroker
from tests.proof.delivery import quiet_port


class Mosquitto(MosquittoBroker):
    """mosquitto as its package configures it, with these lines added, and a log of everything."""

    def __init__(self, folder: Path, lines: tuple[str, ...] = ()) -> None:
        super().__init__(folder, quiet_port())
        self.folder = folder
        self.lines = lines

    def config(self) -> str:
        base = (
            f"listener {self.port} {HOST}",
            "allow_anonymous true",
            f"user {getpass.getuser()}",
            "log_type all",
        )
        return "\n".join((*base, *self.lines, ""))

    def keep(self) -> tuple[str, ...]:
        """The lines that make it persistent, the interval of its autosave left at 1800 s."""
        return ("persistence true", f"persistence_location {self.folder}/")

    def reload(self) -> None:
        """Read the configuration again, as an administrator asks for it."""
        (self.folder / "mosquitto.conf").write_text(self.config(), "utf-8")
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def said(self, *words: str) -> int:
        """In how many lines of the log all these words are."""
        log = (self.folder / "mosquitto.log").read_text("utf-8", "replace")
        return sum(all(word in line for word in words) for line in log.splitlines())

    def _launch(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "mosquitto.conf").write_text(self.config(), "utf-8")
        command = [str(shutil.which("mosquitto")), "-c", str(self.folder / "mosquitto.conf")]
        with (self.folder / "mosquitto.log").open("ab") as log:
            # restore_signals: a file that must not grow gives an error of write(), like a full
            # disk, and not a signal
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, restore_signals=False
            )


class Situation:
    """`broker`: where both senders are. `behind`: where both receivers are, the same but for a
    bridge.
    """

    title = ""
    times = 1  # messages are so many times as many
    forgets = False  # the receivers have no session at the broker
    needs_mending = False

    def __init__(self, folder: Path) -> None:
        self.broker = self.behind = Mosquitto(folder / "mosquitto")

    def open(self) -> None:
        """Start the broker or brokers."""
        self.broker.start()

    def away(self) -> None:
        """Both receivers are gone, and nothing was published yet."""

    def strike(self) -> None:
        """All was published and acknowledged; the receivers come back after this."""

    def mend(self) -> None:
        """What the administrator does if the configuration was the fault."""

    def close(self) -> None:
        self.broker.kill()
        self.behind.kill()

    def _restart(self) -> None:
        self.broker.stop()
        self.broker.start()


class Restart(Situation):
    title = "default configuration, broker restarted in good order"

    def strike(self) -> None:
        self._restart()


class Killed(Situation):
    title = "persistence true, broker killed"

    def open(self) -> None:
        self.broker.lines = self.broker.keep()
        super().open()

    def strike(self) -> None:
        self.broker.kill()
        self.broker.start()


class Overflow(Situation):
    title = "more messages than max_queued_messages, left at its 1000"
    times = 10


class Denied(Situation):
    title = "an access list without these topics (MQTT 3.1.1 answers success)"
    needs_mending = True

    def open(self) -> None:
        self._list = self.broker.folder / "access"
        self.broker.folder.mkdir()
        self._list.write_text(
            "topic read #\ntopic write till/1/+/+/state\ntopic write till/1/+/+/ack\n", "utf-8"
        )
        self.broker.lines = (f"acl_file {self._list}",)
        super().open()

    def mend(self) -> None:
        self._list.write_text("topic readwrite #\n", "utf-8")
        self.broker.reload()


class TooLong(Situation):
    title = "message_size_limit below what is sent"
    needs_mending = True

    def open(self) -> None:
        self.broker.lines = ("message_size_limit 150",)
        super().open()

    def mend(self) -> None:
        self.broker.lines = ("message_size_limit 0",)
        self.broker.reload()


class NoSession(Situation):
    title = "nobody has a session: clean subscriber, gateway not yet installed"
    forgets = True


class LostFile(Situation):
    title = "persistence true, restarted without its file (a container without a volume)"

    def open(self) -> None:
        self.broker.lines = self.broker.keep()
        super().open()

    def strike(self) -> None:
        self.broker.stop()
        (self.broker.folder / "mosquitto.db").unlink()
        self.broker.start()


class NoRoom(Situation):
    title = "persistence true, no room for its file when it is restarted"

    def open(self) -> None:
        self.broker.lines = self.broker.keep()
        super().open()

    def strike(self) -> None:
        # of mosquitto alone; the next one is free of it
        resource.prlimit(self.broker.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        self._restart()


class Bridge(Situation):
    title = "a bridge with its default QoS (0), far broker away for a while"

    def __init__(self, folder: Path) -> None:
        self.behind = Mosquitto(folder / "far")
        bridge = ("connection office", f"address {HOST}:{self.behind.port}", "restart_timeout 1")
        near = (*bridge, "topic plain/# out", "topic till/# both")
        self.broker = Mosquitto(folder / "near", near)

    def open(self) -> None:
        self.behind.lines = (
            self.behind.keep()
        )  # it keeps its sessions: so only the bridge can lose a message
        self.behind.start()
        self.broker.start()

    def away(self) -> None:
        self.behind.stop()

    def strike(self) -> None:
        self.behind.start()


SITUATIONS: tuple[type[Situation], ...] = (
    Restart,
    Killed,
    Overflow,
    Denied,
    TooLong,
    NoSession,
    LostFile,
    NoRoom,
    Bridge,
)
