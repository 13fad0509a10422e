"""What `till serve` is on its machine: how soon it is ready and how much memory it has, of the real
process.

    ./run bench serving [--messages 20000] [--brokers mosquitto mosquitto-tls]

The messages wait at the broker for the session of a gateway that is off, as after an outage. Then
it starts on an empty ledger. `ready` runs from its start to its own line, and the ratio is to
starting Python and doing nothing. Memory is what is resident (VmRSS): when it is ready, when all
messages are in the ledger, and the most that it ever had (VmHWM).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingest import by_board, loads_of
from benchmarks.kit.brokers import Place, place
from benchmarks.kit.figures import Row, median, note, parser_of, show
from benchmarks.kit.line import PATIENCE_S, leave_session, publisher
from benchmarks.kit.receivers import FILTERS, SITE
from gateway import config
from gateway.devices.keys import create_key
from gateway.store.ledger import Ledger

BROKERS = ("mosquitto", "mosquitto-tls")  # those of an office
ROOT = Path(__file__).resolve().parent.parent
COLUMNS = {
    "broker": ("broker", "s"),
    "ready_s": ("ready s", ".2f"),
    "ratio": ("ratio", ".1f"),
    "ready_mib": ("MiB when ready", ".1f"),
    "drained_mib": ("MiB after the drain", ".1f"),
    "peak_mib": ("MiB at most", ".1f"),
}
_LOOK_S = 0.2


class Served(NamedTuple):
    """Of one run. The libraries are what the process had loaded as machine code at its end."""

    ready_s: float
    ready_kib: int
    drained_kib: int
    peak_kib: int
    libraries: frozenset[str]


def main() -> None:
    options = arguments()
    rows = []
    for broker in options.brokers:
        found, python_s = [], []
        for number in range(options.rounds):
            python_s.append(python_alone_s())
            with tempfile.TemporaryDirectory() as folder:
                found.append(drained(broker, Path(folder), options.messages, options.per_message))
            note(f"{broker}: round {number + 1} of {options.rounds}")
        rows.append(row_of(broker, found, python_s))
    title = f"till serve; {options.messages} messages of {options.per_message} records wait"
    show(options, f"{title}; median of {options.rounds} rounds", rows, COLUMNS)


def arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--per-message", type=int, default=1)
    parser.add_argument("--brokers", nargs="+", choices=BROKERS, default=list(BROKERS))
    return parser.parse_args()


def row_of(broker: str, found: list[Served], python_s: list[float]) -> Row:
    """The medians of one broker."""
    return {
        "broker": broker,
        "ready_s": median(each.ready_s for each in found),
        "ratio": median(each.ready_s / alone for each, alone in zip(found, python_s, strict=True)),
        "ready_mib": median(each.ready_kib / 1024 for each in found),
        "drained_mib": median(each.drained_kib / 1024 for each in found),
        "peak_mib": median(each.peak_kib / 1024 for each in found),
    }


def python_alone_s() -> float:
    """How long Python takes to start and to do nothing."""
    begin_s = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.monotonic() - begin_s


def drained(broker: str, folder: Path, messages: int, per_message: int) -> Served:
    """One run: a fresh broker and a fresh site."""
    names = [f"w{number}" for number in range(1, 9)]
    with place(broker, folder, names) as where:
        site = site_of(where, folder, names)
        keys = [create_key(site.keys, name) for name in names]
        address = where.office(f"till-gateway-{SITE}")
        leave_session(address, FILTERS)
        loads = loads_of(where, by_board(keys, messages, per_message, 2))
        with publisher(loads) as (start, process):
            start()
            process.join()
            assert process.exitcode == 0, "the publisher sent everything"
        with serving(site) as (gateway, ready_s):
            ready_kib = memory_kib(gateway.pid, "VmRSS")
            wait_for(site, messages * per_message)
            return Served(
                ready_s, ready_kib, memory_kib(gateway.pid, "VmRSS"),
                memory_kib(gateway.pid, "VmHWM"), libraries(gateway.pid),
            )  # fmt: skip


def site_of(where: Place, folder: Path, names: list[str]) -> config.Site:
    """A site at this broker; with TLS the broker has made one already."""
    path = folder / "site" / "till.toml"
    if not path.exists():
        port = where.office("").port
        (folder / "site" / "data").mkdir(mode=0o700, parents=True)
        text = config.template(SITE, "America/Chicago", len(names), ("127.0.0.1", port))
        path.write_text(text)
    return config.load(path)


@contextmanager
def serving(site: config.Site) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """`till serve` and how long it took to be ready. What it logs goes to a file."""
    words = [sys.executable, "-m", "gateway", "serve", "--config", str(site.path)]
    with (site.path.parent / "serve.log").open("w") as log:
        begin_s = time.monotonic()
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            ready_s = time.monotonic() - begin_s
            assert line.startswith("ready "), (site.path.parent / "serve.log").read_text()
            yield process, ready_s
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE_S)


def wait_for(site: config.Site, records: int) -> None:
    """Until the ledger has them all."""
    begin_s = time.monotonic()
    with Ledger(site.ledger, create=False) as ledger:
        while (got := sum(each.records for each in ledger.stats())) < records:
            assert time.monotonic() - begin_s < PATIENCE_S, f"{got} of {records} records came"
            time.sleep(_LOOK_S)


def memory_kib(pid: int, what: str) -> int:
    """A line of the kernel's own account of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1])
    return 0


def libraries(pid: int) -> frozenset[str]:
    """The names of the files that it has mapped."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return frozenset(line.split("/", 1)[1] for line in lines if "/" in line)


if __name__ == "__main__":
    main()
