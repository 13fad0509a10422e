"""UTC in Unix milliseconds: the machine's clock, or the same plus an offset that a test bench
moves.
"""

import mmap
import os
import time
import zoneinfo
from pathlib import Path

from gateway.errors import ConfigError

CLOCK_FILE_ENV = "TILL_CLOCK_FILE"
_OFFSET_BYTES = 8  # one signed 64-bit little-endian number of milliseconds
_NS_PER_MS = 1_000_000


class Clock:
    """The machine's own clock."""

    def utc_ms(self) -> int:
        """Unix milliseconds UTC, now."""
        return time.time_ns() // _NS_PER_MS


class BenchClock(Clock):
    """The machine's clock plus an offset in a small file that several processes map.

    The demo plays a day in minutes: it moves the offset ahead and every process on the bench sees
    it at once.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), _OFFSET_BYTES)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"bench clock {path}: {error}; unset {CLOCK_FILE_ENV} or let the bench create the"
                " file"
            ) from error

    @classmethod
    def create(cls, path: Path) -> "BenchClock":
        """A new file with offset 0, mapped."""
        path.write_bytes(bytes(_OFFSET_BYTES))
        return cls(path)

    @property
    def offset_ms(self) -> int:
        """How far this clock is ahead of the machine's."""
        return int.from_bytes(self._map[:_OFFSET_BYTES], "little", signed=True)

    def advance(self, ms: int) -> None:
        """Move the clock ahead by `ms` for everybody who maps the file."""
        self._map[:_OFFSET_BYTES] = (self.offset_ms + ms).to_bytes(
            _OFFSET_BYTES, "little", signed=True
        )

    def utc_ms(self) -> int:
        """Unix milliseconds UTC, now, on the bench."""
        return super().utc_ms() + self.offset_ms


def clock_from_env() -> Clock:
    """The bench's clock when TILL_CLOCK_FILE names its file, else the machine's."""
    path = os.environ.get(CLOCK_FILE_ENV)
    return BenchClock(Path(path)) if path else Clock()


def machine_zone() -> str:
    """The IANA name of this machine's time zone, as a suggestion; empty when it is not known."""
    try:
        name = os.environ.get("TZ", "").removeprefix(":") or str(
            Path("/etc/localtime").resolve()
        ).rpartition("/zoneinfo/")[2].removeprefix("posix/")
        return zoneinfo.ZoneInfo(name).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return ""
