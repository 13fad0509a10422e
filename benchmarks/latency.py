"""From the board's PUBLISH to the sealed acknowledgement at the board, beside what nobody can beat.

    ./run bench latency [--rates 5 20 100 500 2000] [--broker mosquitto]

A board in a process of its own publishes on a schedule, one record a message, and notes when the
acknowledgement of each message came; afterwards it opens every seal. Beside it in the same run and
in turn: the same messages from PUBLISH to the callback of a paho that does nothing, and two fsync
on the disk of the ledger. Their sum is the floor: one way through a broker, and a durable commit.
Percentiles are over the messages of all rounds.
"""

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.kit import receivers
from benchmarks.kit.boards import SITE
from benchmarks.kit.brokers import NAMES, place
from benchmarks.kit.clocked import Trip, said_by, speaking
from benchmarks.kit.figures import Row, note, parser_of, percentile, show
from benchmarks.kit.receivers import Task, receiving
from gateway.devices.keys import DeviceKey, create_key

SECONDS = 2.0
MESSAGES_MIN = 50  # of one round, however slow
FSYNCS = 50
COLUMNS = {
    "rate": ("messages/s", "d"),
    "messages": ("messages", ",d"),
    "p50": ("ack p50 ms", ".2f"),
    "p99": ("p99", ".2f"),
    "max": ("max", ".2f"),
    "nothing_p50": ("paho p50 ms", ".2f"),
    "nothing_p99": ("p99", ".2f"),
    "nothing_max": ("max", ".2f"),
    "fsync_p50": ("2 fsync p50 ms", ".2f"),
    "fsync_p99": ("p99", ".2f"),
    "ratio": ("ratio", ".2f"),
    "ratio_p99": ("ratio p99", ".2f"),
    "missing": ("missing", "d"),
}


def main() -> None:
    options = arguments()
    found: dict[int, dict[str, list[float]]] = {rate: {} for rate in options.rates}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keys = [
            create_key(folder / "keys", f"w{number}") for number in range(1, options.devices + 1)
        ]
        for number in range(options.rounds):
            for rate in options.rates:
                one_round(options, rate, number, folder, keys, found[rate])
            note(f"round {number + 1} of {options.rounds}")
    title = f"{options.broker}, {options.devices} boards; ratio: ack to paho's callback + 2 fsync"
    show(options, title, [row_of(rate, found[rate]) for rate in options.rates], COLUMNS)


def arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--rates", nargs="+", type=int, default=[5, 20, 100, 500, 2000])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one round at one rate")
    parser.add_argument("--least", type=int, default=MESSAGES_MIN, help="messages of one round")
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--broker", choices=NAMES, default="mosquitto")
    return parser.parse_args()


def one_round(
    options: argparse.Namespace, rate: int, number: int, folder: Path, keys: list[DeviceKey], found
) -> None:
    """Both receivers at one rate, in turn, and the disk."""
    count = max(options.least, int(rate * options.seconds))
    sides = [("ack", receivers.gateway), ("nothing", receivers.paho_times)]
    for name, receiver in sides if number % 2 else sides[::-1]:
        with tempfile.TemporaryDirectory(dir=folder) as own:
            trip = travelled(
                options.broker, Path(own), folder / "keys", keys, rate, count, receiver
            )
        found.setdefault(name, []).extend(trip.ms)
        found.setdefault(f"{name}_missing", []).append(trip.missing)
    found.setdefault("fsync", []).extend(two_fsyncs_ms(folder / "disk"))


def travelled(
    broker: str, folder: Path, keys: Path, boards: list[DeviceKey], rate: int, count: int, receiver
) -> Trip:
    """How long each message took."""
    with ExitStack() as stack:
        where = stack.enter_context(place(broker, folder, [key.device for key in boards]))
        task = Task(where.office(f"till-gateway-{SITE}"), count, folder, keys)
        result = stack.enter_context(receiving(receiver, task))
        says = said_by(boards, count)
        addresses = {
            key.device: where.device("all" if where.one_line else key.device) for key in boards
        }
        answers = receiver is receivers.gateway
        speak = stack.enter_context(speaking(addresses, says, rate, boards if answers else []))
        published_s, acked_s = speak()
        arrived_s = acked_s if answers else result().arrived_s
        return Trip.of(published_s, arrived_s)


def two_fsyncs_ms(file: Path) -> list[float]:
    """What two durable writes of a page cost on this disk, FSYNCS times."""
    found = []
    with file.open("wb") as disk:
        for _ in range(FSYNCS):
            start = time.perf_counter()
            for _ in range(2):
                disk.write(bytes(4096))
                disk.flush()
                os.fsync(disk.fileno())
            found.append((time.perf_counter() - start) * 1000)
    return found


def row_of(rate: int, found: dict[str, list[float]]) -> Row:
    """The percentiles at one rate."""
    row: Row = {"rate": rate, "messages": len(found["ack"])}
    for prefix, name in (("", "ack"), ("nothing_", "nothing"), ("fsync_", "fsync")):
        row[f"{prefix}p50"] = percentile(found[name], 50)
        row[f"{prefix}p99"] = percentile(found[name], 99)
        row[f"{prefix}max"] = max(found[name], default=0.0)
    for key, part in (("ratio", "p50"), ("ratio_p99", "p99")):
        floor = row[f"nothing_{part}"] + row[f"fsync_{part}"]
        row[key] = row[part] / floor if floor else None
    row["missing"] = int(max(found["ack_missing"]))
    return row


if __name__ == "__main__":
    main()
