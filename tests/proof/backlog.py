"""./run proof backlog: many messages wait at the broker, then the gateway starts; all of them are
durable in one run.

    --messages N    that wait (default 100000)
    --failing S     seconds for which the ledger takes nothing, in the middle (default 20)
    --brokers B     some of mosquitto, mosquitto-tls, iotcore (default: all)
    --events E      some of nothing, storage, kill (default: all), each with each broker
    --control       instead: a gateway that confirms what comes and forgets what has no room; it
                    must lose
    --json          machine-readable

The brokers run with the configuration that we ship. "nothing" and "storage": the board is off, and
the gateway must have all from the broker on one connection. "storage": when a third is durable the
disk is full. "kill": when a third is durable the broker is killed by SIGKILL and started again.
mosquitto was told to save before, so it sends again what it had; iotcore has nothing. The board is
on, keeps each record until its sealed acknowledgement, and states again what has none.
"""

import argparse
import json
import logging
import os
import shutil
import signal
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gateway.broker import pki
from gateway.broker.process import HOST, Broker, EmbeddedBroker, MosquittoBroker
from gateway.delivery import mqtt
from gateway.delivery.service import Service, ServiceSettings
from tests.delivery.bench import SITE, Device, Office
from tests.devices.bench import ConfiguredBroker, a_site, context_of
from tests.proof.delivery import PATIENCE_S, judge

BROKERS = ("mosquitto", "mosquitto-tls", "iotcore")
EVENTS = ("nothing", "storage", "kill")
DEVICE = "w1"
INBOX = 64  # messages for which the gateway of the control has room
CONTROL_PATIENCE_S = 2
UNCONFIRMED_MAX = 1_000  # messages that the board has on their way to the broker
RESEND_S = 5  # of silence, after which a board states again what has no acknowledgement
AGAIN_S = 1 / 20
KEEPALIVE_S = 3_600  # of the board, which says nothing while it waits


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof backlog", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--failing", type=int, default=20)
    parser.add_argument("--brokers", nargs="+", choices=BROKERS, default=BROKERS)
    parser.add_argument("--events", nargs="+", choices=EVENTS, default=EVENTS)
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if not MosquittoBroker.is_installed() and set(options.brokers) != {"iotcore"}:
        print("mosquitto is not on PATH; sudo ./run system, or --brokers iotcore")
        return 1
    logging.getLogger("till").setLevel(logging.CRITICAL)
    events = ("nothing",) if options.control else options.events
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        stock = Stock(Path(folder) / "stock", options.messages)
        for broker in options.brokers:
            for event in events:
                place = Path(folder) / f"{broker}-{event}"
                result = prove(place, stock, broker, event, options.failing, options.control)
                shutil.rmtree(place)
                failed += bool(result["failed"])
                print(json.dumps(result) if options.json else told(result), flush=True)
    if options.control:
        print(f"control: {failed} of {len(options.brokers)} lost")
        return int(failed < len(options.brokers))
    print(f"failed {failed}")
    return int(failed > 0)


def told(result: dict[str, Any]) -> str:
    """One case as a line."""
    return (
        "{broker}, {event}: waiting {waiting}, durable {durable}, lost {lost}, twice {twice}, came"
        " again {duplicates}, connections {connections}, commits {commits}, {seconds} s".format(
            **result
        )
        + "".join(f"\n  FAILED: {line}" for line in result["failed"])
    )


class Stock:
    """Records of one board, a sealed message each, and the board's key: what all cases share."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(parents=True)
        self.device: Device = Office(folder).device(DEVICE)
        self.device.say(count)
        self.messages = [self.device.ev(seq, seq)[:2] for seq in range(1, count + 1)]
        self._keys = folder / "keys"

    def office(self, folder: Path) -> Office:
        """A gateway's ledger in `folder`, which knows the board."""
        folder.mkdir(parents=True)
        shutil.copytree(self._keys, folder / "keys")
        return Office(folder)


def prove(
    folder: Path,
    stock: Stock,
    broker: str,
    event: str,
    failing_s: float,
    is_control: bool = False,
) -> dict[str, Any]:
    """{broker, event, waiting, at_event, durable, lost, twice, duplicates, connections, commits,
    seconds, failed}. `at_event`: how many were durable when it happened; `duplicates`: records
    that came again and added nothing.
    """
    office = stock.office(folder)
    with _street(folder, broker) as street:
        storage = Storage(office, len(stock.messages), INBOX if is_control else None)
        board = Board(stock, street)
        with _served(office, street):
            pass  # it has been there once: the broker keeps what comes for it
        board.start()
        if not _goes_on(board.confirmed, lambda: board.told, PATIENCE_S):
            raise RuntimeError(f"{broker} confirmed {board.told} of {len(stock.messages)} messages")
        if event == "storage":
            storage.at_middle = lambda: storage.fail_for(failing_s)
        if event == "kill":
            street.save()
            storage.at_middle = street.broker.kill
        else:
            board.stop()
        began = time.monotonic()
        with _served(office, street) as service:
            if event == "kill" and storage.in_the_middle.wait(PATIENCE_S):
                street.broker.start()
            patience_s = CONTROL_PATIENCE_S if is_control else PATIENCE_S
            _goes_on(storage.done, lambda: storage.durable, patience_s)
            seconds = time.monotonic() - began
            is_acked = event != "kill" or board.done.wait(PATIENCE_S)
            connections = service._link.number
        board.stop()
    result = {
        "broker": broker, "event": event, "waiting": board.told, "at_event": storage.at_event,
        "durable": storage.durable, "connections": connections, "commits": storage.commits,
        "seconds": round(seconds, 1),
    }  # fmt: skip
    totals = {DEVICE: set(range(1, len(stock.messages) + 1))}
    result |= judge(folder / "ledger.db", totals, totals)
    return {**result, "failed": list(_faults(result, is_acked, office.incident_kinds()))}


def _goes_on(done: threading.Event, count: Callable[[], int], patience_s: float) -> bool:
    """Wait until it is done; False when `count` stood still for `patience_s`."""
    before = -1
    while not done.wait(patience_s):
        if before == count():
            return False
        before = count()
    return True


def _faults(result: dict[str, Any], is_acked: bool, incidents: list[str]) -> Iterator[str]:
    yield from (f"{name} {result[name]}" for name in ("lost", "twice", "foreign") if result[name])
    wanted = ["storage_failed"] if result["event"] == "storage" else []
    if wanted != incidents or result["unsound"] != len(wanted):
        yield f"{result['unsound']} findings in the ledger, of them incidents {incidents}"
    if result["event"] != "nothing" and not 0 < result["at_event"] < result["waiting"]:
        yield f"the situation did not happen: durable before it {result['at_event']}"
    if not is_acked:
        yield "the board has no acknowledgement of its last record"
    if result["event"] != "kill" and (result["connections"], result["duplicates"]) != (1, 0):
        yield "it was not one run: the gateway connected again, or messages came again"


class Storage:
    """The commit of a gateway: counted, and in the middle something happens. `inbox`: of the
    control, which forgets the messages of a batch above it.
    """

    def __init__(self, office: Office, count: int, inbox: int | None = None) -> None:
        self.at_middle: Any = lambda: None
        self.in_the_middle = threading.Event()
        self.durable = self.at_event = self.commits = 0
        self.done = threading.Event()
        self._count, self._inbox, self._office = count, inbox, office
        self._full_until_s = 0.0
        self._commit = office.ingest.commit
        office.ingest.commit = self._watched  # type: ignore[method-assign]

    def fail_for(self, seconds: float) -> None:
        """The disk is full from now on: the file may not grow. In the gateway's thread."""
        self._full_until_s = time.monotonic() + seconds
        self._office.ledger.db.execute("PRAGMA max_page_count = 1")

    def _watched(self, batch: Any) -> Any:
        if self._full_until_s and time.monotonic() >= self._full_until_s:
            self._full_until_s = 0
            self._office.ledger.db.execute("PRAGMA max_page_count = 1000000")
        answers = self._commit(batch[: self._inbox])
        self.commits += 1
        self.durable = self._office.ledger.high_water(DEVICE, 7)
        if self.durable >= self._count // 3 and not self.in_the_middle.is_set():
            self.at_event = self.durable
            self.at_middle()
            self.in_the_middle.set()
        if self.durable == self._count:
            self.done.set()
        return answers


class Board(threading.Thread):
    """What a board does with its records: it states them, keeps each until its sealed
    acknowledgement, and on a new connection, or after silence, states again what has none.
    """

    def __init__(self, stock: Stock, street: "Street") -> None:
        super().__init__()
        self.told = 0  # the highest seq that the broker has confirmed
        self.confirmed = threading.Event()  # all of them
        self.done = threading.Event()  # all are acknowledged
        self._acked = 0
        self._link = socket.socket()
        self._stock, self._street = stock, street
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(AGAIN_S) and not self.done.is_set():
            try:
                with self._street.connect() as self._link:
                    self._state(self._link)
            except OSError:  # the broker is away, or silent
                continue

    def stop(self) -> None:
        """Switched off; safe to call twice."""
        self._over.set()
        with suppress(OSError):  # it has none, or it is closed
            self._link.shutdown(socket.SHUT_RDWR)
        self.join(PATIENCE_S)

    def _state(self, link: socket.socket) -> None:
        """All from the first record without an acknowledgement, then listen."""
        decoder = mqtt.Decoder()
        link.sendall(mqtt.connect(DEVICE, KEEPALIVE_S, None, None, is_clean=True))
        self._listen(link, decoder, mqtt.CONNACK, 1)
        link.sendall(mqtt.subscribe(1, [self._stock.device.topic("ack")]))
        self._listen(link, decoder, mqtt.SUBACK, 1)
        count = len(self._stock.messages)
        first = self._acked
        while first < count:
            some = self._stock.messages[first : first + UNCONFIRMED_MAX]
            link.sendall(b"".join(mqtt.publish(*each, at + 1) for at, each in enumerate(some)))
            self._listen(link, decoder, mqtt.PUBACK, len(some))
            first += len(some)
            self.told = max(self.told, first)
        self.confirmed.set()
        while not self._over.is_set() and not self.done.is_set():
            self._listen(link, decoder, 0, 0)

    def _listen(self, link: socket.socket, decoder: mqtt.Decoder, wanted: int, left: int) -> None:
        """Until `left` packets of this kind came; with none, whatever comes next."""
        is_once = not left
        while left > 0 or is_once:
            data = link.recv(65_536)
            if not data:
                raise ConnectionResetError("the broker closed the connection")
            decoder.feed(data)
            is_once = False
            messages, controls = decoder.take(1_000_000, 1_000_000)
            left -= sum(kind == wanted for kind, _ in controls)
            for topic, sealed, _, _ in messages:
                ack = self._stock.device.open_ack(topic, sealed)
                self._acked = max(self._acked, ack["high_water"])
            if self._acked == len(self._stock.messages):
                self.done.set()


class Street:
    """A broker, a board's way to it, and what a gateway needs to know of it."""

    def __init__(self, broker: Broker, secure: ssl.SSLContext | None = None, **files: str) -> None:
        self.broker = broker
        self.settings = ServiceSettings(SITE, HOST, broker.port, **files)
        self._secure = secure
        self._saved: Path | None = None

    def keeps_in(self, folder: Path) -> "Street":
        """The broker saves there what it holds, when it is told to."""
        self._saved = folder / "mosquitto.db"
        return self

    def connect(self) -> socket.socket:
        """Raises OSError."""
        link = socket.create_connection((HOST, self.broker.port), RESEND_S)
        return self._secure.wrap_socket(link, server_hostname=HOST) if self._secure else link

    def save(self) -> None:
        """What the broker holds is on its disk when this returns, where it has one."""
        if self._saved is None:
            return
        os.kill(self.broker.pid, signal.SIGUSR1)
        deadline = time.monotonic() + PATIENCE_S
        while not self._saved.exists():  # mosquitto renames it when it is whole
            if time.monotonic() > deadline:
                raise TimeoutError(f"mosquitto did not save within {PATIENCE_S} s")
            time.sleep(AGAIN_S)


@contextmanager
def _street(folder: Path, name: str) -> Iterator[Street]:
    if name == "mosquitto-tls":
        site = a_site(folder / "site", 1)
        files = pki.client_files(site.ca, site.keys, pki.GATEWAY_NAME)
        street = Street(ConfiguredBroker(site), context_of(site, DEVICE), **files)
        street.keeps_in(site.broker_folder)
    elif name == "mosquitto":
        street = Street(MosquittoBroker(folder / "mosquitto")).keeps_in(folder / "mosquitto")
    else:
        street = Street(EmbeddedBroker())
    with street.broker:
        yield street


@contextmanager
def _served(office: Office, street: Street) -> Iterator[Service]:
    service = Service(street.settings, office.ingest)
    stop = threading.Event()
    thread = threading.Thread(target=service.run, args=(stop,))
    thread.start()
    try:
        if not service.connected.wait(PATIENCE_S):
            raise RuntimeError(f"the gateway finds no broker within {PATIENCE_S} s")
        yield service
    finally:
        stop.set()
        service.wake()
        thread.join(PATIENCE_S)
        if thread.is_alive():
            raise RuntimeError(f"the gateway did not end within {PATIENCE_S} s")
