"""The unix port: pseudo-terminals for UARTs, a line channel for pins, a file for flash.

The parent opens everything, makes the descriptors non-blocking (MicroPython has no fcntl) and names
them in the environment: TILL_FD_<INSTRUMENT> for a serial line, TILL_FD_GPIO for the pins,
TILL_FLASH for the journal's image file.

In, one line each: `D level` the drawer's pin, `M r0 r1 r2 r3 r4` the pad's column bits (hex) row by
row, `W ms` the bench's clock jumps ahead. Out: `B beep`, `K ms` kick, `P text` display, `R text` a
remark for the bench.
"""

import os
import time

from firmware.drivers.base import ticks_diff
from firmware.sectors import SECTOR_BYTES
from protocol.compat import const

STOPS_UART = False
NETWORK_TASK = False
_LINE_BYTES_MAX = const(80)
_READ_BYTES = const(256)
_SCANS_MAX = const(32)  # as many keys as anyone presses while the loop is held up


class Channel:
    """An inherited descriptor that works like a UART: readinto and write without waiting."""

    def __init__(self, descriptor):
        self._file = open(descriptor, "r+b", buffering=0)

    def readinto(self, buf) -> int:
        """How many bytes came; 0 for none, and 0 when the other end is gone."""
        try:
            return self._file.readinto(buf) or 0
        except OSError:
            return 0

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError:
            pass  # a bench that does not read is not our fault; instruments repeat their question


class FileFlash:
    """A NOR flash in a file: programming only clears bits, as the real part does."""

    def __init__(self, path: str, sectors: int):
        self.sectors = sectors
        try:
            self._file = open(path, "r+b")
        except OSError:
            with open(path, "wb") as image:
                for _ in range(sectors):
                    image.write(b"\xff" * SECTOR_BYTES)
            self._file = open(path, "r+b")

    def ioctl(self, kind: int, arg: int) -> int:
        if kind == 4:
            return self.sectors
        if kind == 5:
            return SECTOR_BYTES
        if kind == 6:
            self._file.seek(arg * SECTOR_BYTES)
            self._file.write(b"\xff" * SECTOR_BYTES)
            self._file.flush()
        return 0

    def readblocks(self, sector: int, buf, offset: int) -> None:
        self._file.seek(sector * SECTOR_BYTES + offset)
        self._file.readinto(buf)

    def writeblocks(self, sector: int, buf, offset: int) -> None:
        at = sector * SECTOR_BYTES + offset
        now = bytearray(len(buf))
        self._file.seek(at)
        self._file.readinto(now)
        for i in range(len(buf)):
            now[i] &= buf[i]
        self._file.seek(at)
        self._file.write(now)
        self._file.flush()


class Ports:
    """The unix port's hardware, as the bench plays it."""

    def __init__(self, board):
        self._board = board
        self._gpio = Channel(int(os.getenv("TILL_FD_GPIO")))
        self._line = b""
        self._buf = bytearray(_READ_BYTES)
        self._level = 1 - board.DRAWER["open_level"]
        self._rows = [0] * len(board.PAD["rows"])  # the contacts as they are
        self._seen = []  # for each scan to come: the contacts that were closed at any time of it
        self._uptime_ms = 0
        self._ticks = time.ticks_ms()

    def uart(self, instrument: dict) -> Channel:
        descriptor = os.getenv("TILL_FD_" + instrument["uart"].upper())
        if descriptor is None:
            self.remark(
                "%s: nothing plays it on the wire %r of this bench"
                % (instrument["name"], instrument["uart"])
            )
            return Channel("/dev/null")
        return Channel(int(descriptor))

    def flash(self) -> FileFlash:
        return FileFlash(os.getenv("TILL_FLASH"), self._board.JOURNAL["sectors"])

    def service(self) -> None:
        """Take the lines that the bench has sent; call it once a scan."""
        while True:
            size = self._gpio.readinto(self._buf)
            if not size:
                return
            lines = (self._line + bytes(self._buf[:size])).split(b"\n")
            self._line = lines.pop()[-_LINE_BYTES_MAX:]
            for line in lines:
                self._take(line)

    def _take(self, line: bytes) -> None:
        words = line.decode().split()
        if not words:
            return
        if words[0] == "D":
            self._level = int(words[1])
        elif words[0] == "M":
            self._rows = [int(word, 16) for word in words[1:]]
            self._latch(self._rows)
        elif words[0] == "W":
            self._uptime_ms += int(words[1])

    def _latch(self, rows: list) -> None:
        """What was read at once belongs to one scan. The exception is a key that closes after
        another one: it stays after that one.
        """
        last = self._seen[-1] if self._seen else None
        if last is None or (any(last) and any(now & ~then for now, then in zip(rows, last))):
            if len(self._seen) < _SCANS_MAX:
                self._seen.append(list(rows))
            return
        for row, bits in enumerate(rows):
            last[row] |= bits

    def pad_rows(self) -> list:
        return self._seen.pop(0) if self._seen else self._rows

    def drawer_level(self) -> int:
        return self._level

    def kick(self, ms: int) -> None:
        self._say("K %d" % ms)

    def beep(self, name: str) -> None:
        self._say("B " + name)

    def show(self, text: str) -> None:
        self._say("P " + text)

    def remark(self, text: str) -> None:
        self._say("R " + text)

    def _say(self, line: str) -> None:
        self._gpio.write(line.encode() + b"\n")

    def uptime_ms(self) -> int:
        now = time.ticks_ms()
        self._uptime_ms += ticks_diff(now, self._ticks)
        self._ticks = now
        return self._uptime_ms

    def reset_cause(self) -> str:
        return "power_on"

    def restart(self) -> None:
        raise SystemExit  # whoever supplies the power starts the process again

    async def connect_network(self) -> None:
        """The machine's own network is always there."""

    def feed_watchdog(self) -> None:
        """There is no watchdog on the unix port: whoever starts the process watches it."""
