"""Messages a second from the broker into the durable ledger, as a ratio to paho receiving and doing
nothing.

    ./run bench ingest [--messages 20000] [--brokers mosquitto mosquitto-tls iotcore] [--peers]

drain  the messages wait at the broker for the session of a gateway that is off; it starts, and the
       time runs from its first message to the last one that is durable
live   the gateway is there, and a publisher sends as fast as the broker takes it

All sides get the same sealed messages with QoS 1 in a session of the same kind, in turn within one
run: the ratio means the same on every machine. One record a message is the worst case, twelve is
what a board sends after an outage; the records are those of boards (benchmarks/kit/boards.py).
Beside it: paho with one transaction a message, over a tenth of the messages.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.kit import peers, receivers
from benchmarks.kit.boards import WIRES, Board, Day, office_says
from benchmarks.kit.brokers import NAMES, Place, place
from benchmarks.kit.figures import Row, median, note, parser_of, show
from benchmarks.kit.line import Load, leave_session, publisher, publishes
from benchmarks.kit.receivers import FILTERS, SITE, Result, Task, receiving
from gateway.clock import Clock
from gateway.devices.keys import DeviceKey, create_key

MODES = ("drain", "live")
OPEN_MS = 6 * 3_600_000
COMMIT_PART = 10  # paho with a transaction a message gets one message of so many
COLUMNS = {
    "broker": ("broker", "s"),
    "mode": ("mode", "s"),
    "per_message": ("records/message", "d"),
    "nothing": ("paho doing nothing", ",.0f"),
    "commit": ("paho + commit each", ",.0f"),
    "gateway": ("durable", ",.0f"),
    "ratio": ("ratio", ".2f"),
    "ratio_to_commit": ("to commit each", ".1f"),
    "records": ("records/s", ",.0f"),
    "peak_mib": ("RSS MiB", ".0f"),
    "missing": ("missing", "d"),
}


def main() -> None:
    options = arguments()
    contestants = {
        "nothing": receivers.paho_nothing,
        "commit": receivers.paho_commit,
        "gateway": receivers.gateway,
        **(peers.installed() if options.peers else {}),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        keys = [
            create_key(Path(folder) / "keys", f"w{number}")
            for number in range(1, options.devices + 1)
        ]
        for broker in options.brokers:
            rows += compared(options, broker, Path(folder), keys, contestants)
    columns = dict(COLUMNS)
    for name in contestants:
        if name not in columns:
            columns[name] = (name, ",.0f")
    title = f"messages/s; {options.messages} messages of version {options.wire}, median of"
    show(options, f"{title} {options.rounds} rounds; ratio: durable to paho doing nothing", rows,
         columns)  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--brokers", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--per-message", nargs="+", type=int, default=[1, 12])
    parser.add_argument("--wire", type=int, choices=WIRES, default=WIRES[-1])
    parser.add_argument("--peers", action="store_true", help="other clients that do nothing")
    return parser.parse_args()


def compared(
    options: argparse.Namespace, broker: str, folder: Path, keys: list[DeviceKey], contestants
) -> list[Row]:
    """The rows of one broker: everybody in turn, round by round."""
    said = {
        many: by_board(keys, options.messages, many, options.wire) for many in options.per_message
    }
    cases = [(mode, many) for many in options.per_message for mode in options.modes]
    found: dict[tuple[str, int, str], list[Result]] = {}
    for number in range(options.rounds):
        for mode, many in cases:
            names = list(contestants)
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                count = options.messages
                if name == "commit":
                    count = max(options.devices, count // COMMIT_PART)
                with tempfile.TemporaryDirectory(dir=folder) as own:
                    result = measured(
                        broker, mode, Path(own), folder / "keys", said[many], count,
                        contestants[name],
                    )  # fmt: skip
                found.setdefault((mode, many, name), []).append(result)
        note(f"{broker}: round {number + 1} of {options.rounds}")
    return [row_of(broker, mode, many, contestants, found) for mode, many in cases]


def row_of(broker: str, mode: str, many: int, contestants, found) -> Row:
    """The medians of one case."""
    results = {name: found[mode, many, name] for name in contestants}
    row: Row = {"broker": broker, "mode": mode, "per_message": many}
    for name, list_of in results.items():
        row[name] = median(result.rate for result in list_of)
    ours = results["gateway"]
    for key, name in (("ratio", "nothing"), ("ratio_to_commit", "commit")):
        row[key] = median(
            a.rate / b.rate for a, b in zip(ours, results[name], strict=True) if b.rate
        )
    row["records"] = row["gateway"] * many
    row["peak_mib"] = median(result.peak_kib / 1024 for result in ours)
    row["missing"] = max(result.missing for result in ours)
    return row


def by_board(
    keys: list[DeviceKey], count: int, many: int, wire: int
) -> list[tuple[str, bytes, str]]:
    """(topic, sealed, board) of `count` messages, the boards in turn, times of this morning."""
    boards = [Board(key, wire) for key in keys]
    records = -(-count // len(boards)) * many
    begin_ms = Clock().utc_ms() - OPEN_MS - 600_000
    device_of = {board.topic: board.key.device for board in boards}
    return [
        (message.topic, message.sealed, device_of[message.topic])
        for message in office_says(boards, Day(1, begin_ms, OPEN_MS, records), many)
    ][:count]


def loads_of(where: Place, said: list[tuple[str, bytes, str]]) -> list[Load]:
    """Who publishes what: one connection for all boards, or one for each where the broker knows
    them by their certificates.
    """
    if where.one_line:
        packets = publishes((topic, sealed) for topic, sealed, _ in said)
        return [Load(where.device("all"), packets, len(said))]
    loads = []
    for device in dict.fromkeys(device for _, _, device in said):
        own = [(topic, sealed) for topic, sealed, name in said if name == device]
        loads.append(Load(where.device(device), publishes(own), len(own)))
    return loads


def measured(
    broker: str, mode: str, folder: Path, keys: Path, said, count: int, receiver
) -> Result:
    """One receiver at a fresh broker."""
    devices = sorted({device for _, _, device in said})
    with ExitStack() as stack:
        where = stack.enter_context(place(broker, folder, devices))
        address = where.office(f"till-gateway-{SITE}")
        loads = loads_of(where, said[:count])
        start, process = stack.enter_context(publisher(loads))
        if mode == "drain":
            leave_session(address, FILTERS)
            start()
            process.join()
            assert process.exitcode == 0, "the publisher sent everything"
        result = stack.enter_context(receiving(receiver, Task(address, count, folder, keys)))
        if mode == "live":
            start()
        return result()


if __name__ == "__main__":
    main()
