"""A board made of the real MicroPython: a process, a folder as its flash, a pseudo-terminal as its
serial port.

    mpremote -- /dev/pts/N (port) -- this bridge -- console -- micropython -X heapsize=190K -i
    main.py

Like a real board it runs main.py when it is powered, gives the REPL on Ctrl-C, starts again when
its program ends, and loses everything but the folder when the power is cut. A descriptor file in
the run folder says which pseudo-terminal is its port, as USB does for a real board. The file is
locked while the board is plugged in, so nobody uses an old one.

There are two differences from a real board: a soft reset (Ctrl-D) ends the process, which is then
started again, and the file system is that of the host.
"""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

USB_ID = "1209:0001"  # what boards.toml says of the unix board
HEAP = "190K"  # what a board has free; on a 64-bit host this is stricter than on a board
DESCRIPTOR_SUFFIX = ".board.json"
CONSOLE_BYTES_MAX = 64 * 1024  # how much of what the board printed is kept, the newest part
HELD_BYTES_MAX = 64 * 1024
CHUNK_BYTES = 256
RESTART_MS = 50
RESTART_MS_MAX = 2000  # a main.py that fails at once would otherwise keep a processor busy
HEALTHY_MS = 1000
CTRL_C_REPEAT_MS = 200
CTRL_C_REPEATS_MAX = 15
POLL_MS = 20
STOP_S = 5
_CTRL_C = b"\x03"


class VirtualBoard:
    """One board. `folder` is its flash image and survives; use it in a `with`, or call start() and
    stop().

    channels     {"BILLS": fd, "GPIO": fd ...}: descriptors that its firmware finds as
                 TILL_FD_<name>; they stay the caller's
    environment  added to the process's own, e.g. TILL_FLASH
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        run_folder: Path,
        channels: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        usb_id: str = USB_ID,
        heap: str = HEAP,
        micropython: str | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.serial_number = f"virtual-{name}"
        self.descriptor = run_folder / f"{name}{DESCRIPTOR_SUFFIX}"
        self.port = ""
        self.starts = 0
        # what the board printed on its port, newest CONSOLE_BYTES_MAX bytes
        self.console = bytearray()
        self._usb_id = usb_id
        self._heap = heap
        self._micropython = micropython or str(Path(sys.executable).with_name("micropython"))
        self._channels = dict(channels or {})
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._process_lock = threading.Lock()
        self._powered = False
        self._stopping = False
        self._held = bytearray()
        self._interrupts = 0
        self._interrupt_due = 0
        self._restart_due = 0
        self._restart_ms = RESTART_MS
        self._started_ms = 0
        self._lock_file: IO[str] | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "VirtualBoard":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Plug it in: the port exists from here on, and main.py runs if there is one."""
        if self._thread is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._port_ours, self._port_theirs = pty.openpty()
        self._console_ours, self._console_theirs = pty.openpty()
        tty.setraw(self._port_theirs)
        self._terminal = termios.tcgetattr(self._console_theirs)
        self._terminal[1] &= ~termios.OPOST  # mpremote looks for the prompt's own bytes
        # Ctrl-C stays a signal while a program runs
        self._terminal[3] &= ~(termios.ECHO | termios.ICANON)
        os.set_blocking(self._port_ours, False)
        os.set_blocking(self._console_ours, False)
        self.port = os.ttyname(self._port_theirs)
        self._describe()
        self._stopping = False
        self._thread = threading.Thread(target=self._bridge, name=f"board-{self.name}", daemon=True)
        self.power_on()
        self._thread.start()

    def stop(self) -> None:
        """Unplug it: the process ends, port and descriptor are gone, the folder stays."""
        self._stopping = True
        self.power_cut()
        if self._thread is not None:
            self._thread.join(STOP_S)
            self._thread = None
            for descriptor in (
                self._port_ours,
                self._port_theirs,
                self._console_ours,
                self._console_theirs,
            ):
                os.close(descriptor)
        if self._lock_file is not None:
            self.descriptor.unlink(missing_ok=True)
            self._lock_file.close()
            self._lock_file = None

    @property
    def pid(self) -> int:
        """Of the MicroPython process; 0 while there is none."""
        process = self._process
        return process.pid if process is not None else 0

    @property
    def is_powered(self) -> bool:
        return self._powered

    def power_cut(self) -> None:
        """SIGKILL, in the middle of whatever it does. The folder keeps what was written."""
        with self._process_lock:
            self._powered = False
            self._kill()
            self._held.clear()
            self._interrupts = 0

    def power_on(self) -> None:
        """Start it as a board starts; plug it in first if it is not. Nothing happens if it has
        power already.
        """
        if self._thread is None:
            self.start()
            return
        with self._process_lock:
            if self._powered or self._stopping:
                return
            self._powered = True
            self._restart_ms = RESTART_MS
            self._launch()

    # inside

    def _kill(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _describe(self) -> None:
        self.descriptor.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = self.descriptor.open("w")
        fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        json.dump(
            {"port": self.port, "usb_id": self._usb_id, "serial_number": self.serial_number},
            self._lock_file,
        )
        self._lock_file.flush()

    def _launch(self) -> None:
        command = [self._micropython, "-X", f"heapsize={self._heap}", "-i"]
        if (self.folder / "main.py").exists():
            command.append("main.py")
        termios.tcsetattr(
            self._console_theirs, termios.TCSAFLUSH, self._terminal
        )  # a killed REPL does not clean up
        environment = dict(os.environ, **self._environment)
        environment.update(
            {f"TILL_FD_{name}": str(descriptor) for name, descriptor in self._channels.items()}
        )
        # The shell opens the console as leader of a new session and so makes it the terminal that
        # Ctrl-C acts on.
        self._process = subprocess.Popen(
            [
                "/bin/sh",
                "-c",
                'console=$1; shift; exec "$@" <>"$console" 1>&0 2>&0',
                "sh",
                os.ttyname(self._console_theirs),
            ]
            + command,
            cwd=self.folder,
            env=environment,
            pass_fds=tuple(self._channels.values()),
            start_new_session=True,
        )
        self.starts += 1
        self._started_ms = _now_ms()

    def _bridge(self) -> None:
        """Bytes between port and console, and a new start whenever the program ends, until
        stop().
        """
        while not self._stopping:
            ready, _, _ = select.select(
                [self._port_ours, self._console_ours], [], [], POLL_MS / 1000
            )
            if self._console_ours in ready:
                self._to_port(_read(self._console_ours))
            if self._port_ours in ready:
                self._held += _read(self._port_ours)
                del self._held[:-HELD_BYTES_MAX]
            self._to_console()
            self._restart_if_ended()

    def _to_port(self, data: bytes) -> None:
        self.console += data
        del self.console[:-CONSOLE_BYTES_MAX]
        with contextlib.suppress(
            BlockingIOError
        ):  # nobody listens, and a serial line does not wait
            os.write(self._port_ours, data)

    def _to_console(self) -> None:
        """Pass on what the port sent, while the REPL reads: MicroPython throws away unread input
        when it takes the terminal.

        Only Ctrl-C reaches a running program, and is repeated until the program heard it.
        """
        if self._interrupts and (self._repl_reads() or self._interrupts >= CTRL_C_REPEATS_MAX):
            self._interrupts = 0
        elif self._interrupts and _now_ms() >= self._interrupt_due:
            self._interrupt()
        while self._held and not self._interrupts:
            if self._repl_reads():
                with contextlib.suppress(BlockingIOError):  # full: the rest waits
                    del self._held[: os.write(self._console_ours, self._held[:CHUNK_BYTES])]
                return
            at = self._held.find(_CTRL_C)
            if at < 0:
                return
            del self._held[: at + 1]  # the bytes before it were for a program that does not read
            self._interrupt()

    def _interrupt(self) -> None:
        self._interrupts += 1
        self._interrupt_due = _now_ms() + CTRL_C_REPEAT_MS
        with contextlib.suppress(BlockingIOError):
            os.write(self._console_ours, _CTRL_C)

    def _repl_reads(self) -> bool:
        """MicroPython's REPL has taken the terminal: it reads bytes, Ctrl-C among them."""
        return not termios.tcgetattr(self._console_theirs)[3] & termios.ISIG

    def _restart_if_ended(self) -> None:
        with self._process_lock:
            process = self._process
            if process is None or process.poll() is None:
                if self._powered and process is None and _now_ms() >= self._restart_due:
                    self._launch()
                return
            self._process = None
            healthy = _now_ms() - self._started_ms >= HEALTHY_MS
            self._restart_ms = RESTART_MS if healthy else min(self._restart_ms * 2, RESTART_MS_MAX)
            self._restart_due = _now_ms() + self._restart_ms


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except (BlockingIOError, OSError):
        return b""


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
