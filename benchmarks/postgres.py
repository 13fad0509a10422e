"""Messages a second into a ledger on PostgreSQL from 1, 2 and 4 processes, as a ratio to paho
receiving and doing nothing.

    ./run bench postgres [--workers 1 2 4] [--messages 20000] [--url postgresql://till@host/db]

Each process has devices of its own and commits their sealed messages through Ingest, in batches, to
one site of one database; all start at once, and the time runs until the last is done. Beside it in
the same run and in turn: one process into a SQLite ledger, and paho at a broker (the messages
wait there). Without --url a server of Debian's package is started for the benchmark, durable as
its default is. What the processes receive with is not in it: ./run bench ingest measures that.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingest import by_board, measured
from benchmarks.kit import receivers
from benchmarks.kit.boards import SITE, WIRES
from benchmarks.kit.brokers import NAMES
from benchmarks.kit.figures import Row, median, note, parser_of, show
from gateway.clock import Clock
from gateway.delivery.ingest import Ingest
from gateway.devices.keys import DeviceKey, KeyStore, create_key
from gateway.store.ledger import Ledger

COLUMNS = {
    "workers": ("processes", "d"),
    "per_message": ("records/message", "d"),
    "nothing": ("paho doing nothing", ",.0f"),
    "sqlite": ("SQLite, one process", ",.0f"),
    "durable": ("PostgreSQL", ",.0f"),
    "ratio": ("ratio", ".2f"),
    "ratio_to_sqlite": ("to SQLite", ".2f"),
}


def main() -> None:
    options = arguments()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = options.url or stack.enter_context(own_server())
        keys = [create_key(folder / "keys", f"w{n}") for n in range(1, options.devices + 1)]
        rows = [
            row
            for many in options.per_message
            for row in compared(options, folder, address, keys, many)
        ]
    title = f"messages/s; {options.messages} messages of {options.devices} boards in batches of"
    show(options, f"{title} {options.batch}, median of {options.rounds} rounds", rows, COLUMNS)


def arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--per-message", nargs="+", type=int, default=[1, 12])
    parser.add_argument("--wire", type=int, choices=WIRES, default=WIRES[-1])
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--broker", choices=NAMES, default=NAMES[0], help="where paho is measured")
    parser.add_argument("--url", help="a database of yours; rows of new sites are left in it")
    return parser.parse_args()


@contextmanager
def own_server() -> Iterator[str]:
    """The address of a fresh database on a server that ends with us."""
    try:
        from tests.store.server import Server, programs
    except ImportError as error:
        raise SystemExit(
            f"no ledger on a server: {error}; pip install 'tillstream[postgres]'"
        ) from None
    if programs() is None:
        raise SystemExit("no PostgreSQL here; sudo ./run system, or name a database with --url")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            yield server.database()
        finally:
            server.end()


def compared(
    options: argparse.Namespace, folder: Path, address: str, keys: list[DeviceKey], many: int
) -> list[Row]:
    """The rows of one size of message."""
    from gateway.config import LedgerServer

    messages = by_board(keys, options.messages, many, options.wire)
    found: dict[Any, list[float]] = {}
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=folder) as own:
            nothing = measured(
                options.broker, "drain", Path(own), folder / "keys", messages, len(messages),
                receivers.paho_nothing,
            )  # fmt: skip
            place = Path(own) / "ledger.db"
            found.setdefault("sqlite", []).append(
                rate_of(place, folder / "keys", messages, 1, options.batch)
            )
        found.setdefault("nothing", []).append(nothing.rate)
        for workers in options.workers:
            site = f"b{time.time_ns()}"[-20:]
            rate = rate_of(
                LedgerServer(address, site), folder / "keys", messages, workers, options.batch
            )
            found.setdefault(workers, []).append(rate)
        note(f"{many} a message: round {number + 1} of {options.rounds}")
    return [row_of(workers, many, found) for workers in options.workers]


def row_of(workers: int, many: int, found: dict[Any, list[float]]) -> Row:
    """The medians for one number of processes."""
    row: Row = {"workers": workers, "per_message": many, "durable": median(found[workers])}
    for key, name in (("ratio", "nothing"), ("ratio_to_sqlite", "sqlite")):
        row[name] = median(found[name])
        row[key] = median(a / b for a, b in zip(found[workers], found[name], strict=True) if b)
    return row


def rate_of(place: Any, keys: Path, messages: list, workers: int, batch: int) -> float:
    """Messages a second of so many processes; the devices are dealt out to them."""
    devices = sorted({device for _, _, device in messages})
    context = multiprocessing.get_context("spawn")
    Ledger(place).close()  # made once, before all open it
    pipes, processes = [], []
    for number in range(workers):
        own = set(devices[number::workers])
        part = [(topic, sealed) for topic, sealed, device in messages if device in own]
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(place, keys, part, batch, there), daemon=True)
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    try:
        for pipe in pipes:
            assert pipe.recv() == "ready", "a process opens the ledger"
        start = time.monotonic()
        for pipe in pipes:
            pipe.send("start")
        end = max(pipe.recv() for pipe in pipes)
    except EOFError:
        raise SystemExit("a process ended; why is above") from None
    finally:
        for process in processes:
            process.join(5)
            process.kill()
    with Ledger(place) as ledger:
        found = ledger.verify()
        assert not found, found[:3]
        assert not sum(stats.rejected for stats in ledger.stats()), "nothing was refused"
    return len(messages) / (end - start)


def _work(place: Any, keys: Path, part: list[tuple[str, bytes]], batch: int, pipe) -> None:
    with Ledger(place) as ledger:
        ingest = Ingest(ledger, KeyStore(keys), Clock(), SITE)
        pipe.send("ready")
        pipe.recv()
        for at in range(0, len(part), batch):
            accepted = [
                ingest.accept(topic, sealed, False) for topic, sealed in part[at : at + batch]
            ]
            ingest.commit(accepted)
        pipe.send(time.monotonic())


if __name__ == "__main__":
    main()
