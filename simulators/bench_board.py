"""What a window's bench needs of a board: its power switch. `ProcessBoard` is the simple one: a
new process at each power-on.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol


class Board(Protocol):
    """Anything that can be powered and cut. Both calls return at once, and do nothing when there is
    nothing to do.
    """

    def power_on(self) -> None: ...

    def power_cut(self) -> None: ...


class ProcessBoard:
    """A firmware process. A cut is SIGKILL by its own process id, in the middle of whatever it
    does; its files stay.
    """

    def __init__(
        self,
        argv: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        channels: Mapping[str, int],
        console: Path | None = None,
    ) -> None:
        """`env` is added to this process's own. `channels` {"BILLS": fd}: inherited, named
        TILL_FD_BILLS and so on.

        `console`: a file that gets what the process prints; None throws it away.
        """
        self._argv = list(argv)
        self._cwd = cwd
        self._env = dict(env)
        self._channels = dict(channels)
        self._console = console
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        """Of the process; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    @property
    def returncode(self) -> int | None:
        """How the firmware ended by itself; None while it runs or has no power."""
        return self._process.poll() if self._process is not None else None

    def power_on(self) -> None:
        if self._process is not None:
            return
        names = {f"TILL_FD_{name}": str(descriptor) for name, descriptor in self._channels.items()}
        output: IO[bytes] | int = (
            self._console.open("ab") if self._console is not None else subprocess.DEVNULL
        )
        try:
            self._process = subprocess.Popen(
                self._argv,
                cwd=self._cwd,
                env={**os.environ, **self._env, **names},
                pass_fds=tuple(self._channels.values()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        finally:
            if not isinstance(output, int):
                output.close()
        self.starts += 1

    def power_cut(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
