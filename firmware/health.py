"""How the device is: progress of its tasks, heap, and a short log that a technician can read. Pure but for gc."""

import gc

from protocol.compat import const

_LOG_LINES_MAX = const(24)
_LINE_CHARS_MAX = const(96)
HEAP_THRESHOLD_BYTES = const(2048)  # collect after this much was allocated: the heap in use stays near what is alive


class Health:
    """Progress counters that the watchdog believes, the heap's low-water mark, and the log."""

    def __init__(self, tasks):
        self._progress = dict.fromkeys(tasks, 0)
        self._seen = dict.fromkeys(tasks, -1)
        self.restarts = dict.fromkeys(tasks, 0)
        self.log = []
        self.heap_low = 0
        gc.threshold(HEAP_THRESHOLD_BYTES)

    def progress(self, name: str) -> None:
        """A task says that it came round once more."""
        self._progress[name] += 1

    def all_moved(self) -> bool:
        """Every task came round since the last call that was True; only then is the watchdog fed."""
        for name, count in self._progress.items():
            if count == self._seen[name]:
                return False
        self._seen = dict(self._progress)
        return True

    def heap(self) -> tuple:
        """(bytes free now, lowest ever seen), without collecting first: garbage counts as used."""
        free = gc.mem_free()
        if not self.heap_low or free < self.heap_low:
            self.heap_low = free
        return free, self.heap_low

    def note(self, line: str) -> str:
        """Keep a line in the ring of the log; the line as kept."""
        line = line[:_LINE_CHARS_MAX]
        self.log.append(line)
        if len(self.log) > _LOG_LINES_MAX:
            self.log.pop(0)
        return line
