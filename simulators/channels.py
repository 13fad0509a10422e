"""The wires between a bench and a board: a pseudo-terminal per serial line, a socket pair for the
pins.
"""

import os
import pty
import socket
import termios
import tty

DRAIN_READS_MAX = 256  # of 4 KiB: more than any of these buffers holds


class SerialLine:
    """A pseudo-terminal, raw in both directions. `ours` is the machine's end, `theirs` is inherited
    by the board.
    """

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        # the two sides share one setting: no echo, no line editing, OPOST off
        tty.setraw(self.theirs)
        os.set_blocking(self.ours, False)
        # MicroPython has no fcntl and would wait for a full buffer
        os.set_blocking(self.theirs, False)

    def write(self, data: bytes) -> int:
        """How many bytes the line took, 0 when it is full."""
        try:
            return os.write(self.ours, data)
        except BlockingIOError:
            return 0

    def read(self) -> bytes:
        """What the board sent to the machine."""
        try:
            return os.read(self.ours, 4096)
        except (BlockingIOError, OSError):
            return b""

    def lose(self) -> None:
        """Drop the bytes that are on their way to the board, as a power cut does."""
        termios.tcflush(self.theirs, termios.TCIFLUSH)
        _drain(self.theirs)

    def close(self) -> None:
        os.close(self.ours)
        os.close(self.theirs)


class PinLine:
    """The line channel of simulators.gpio, on a socket pair."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self.ours = self._ours.fileno()
        self.theirs = self._theirs.fileno()

    def write(self, data: bytes) -> bool:
        """False when the board has not read for so long that the buffer is full: the pin changed
        and nobody noticed.
        """
        try:
            return self._ours.send(data) == len(data)
        except (BlockingIOError, BrokenPipeError):
            return False

    def read(self) -> bytes:
        """What the board said."""
        try:
            return self._ours.recv(4096)
        except (BlockingIOError, ConnectionError):
            return b""

    def lose(self) -> None:
        """Drop the lines that the board has not read."""
        _drain(self.theirs)

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


def _drain(descriptor: int) -> None:
    for _ in range(DRAIN_READS_MAX):
        try:
            if not os.read(descriptor, 4096):
                return
        except OSError:
            return
