"""Who receives: each in a process of its own, which tells when its first message came and when all
were done.
"""

import logging
import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.kit.boards import SITE
from benchmarks.kit.line import PATIENCE_S, Address
from gateway.clock import Clock
from gateway.delivery.ingest import Ingest
from gateway.delivery.service import Service, ServiceSettings
from gateway.devices.keys import KeyStore
from gateway.store.ledger import Ledger

FILTERS = (f"till/1/{SITE}/+/ev", f"till/1/{SITE}/+/state")
STALL_S = 30  # without any progress: what is missing will not come
_LOOK_S = 0.5


class Task(NamedTuple):
    """What a receiver is to do: receive `count` messages; `folder` is its own, `keys` those of the
    boards.
    """

    address: Address
    count: int
    folder: Path
    keys: Path


class Result(NamedTuple):
    """`got` messages, from the first to the last; the most memory that the process ever had."""

    got: int
    missing: int
    first_s: float
    last_s: float
    peak_kib: int
    arrived_s: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        """Messages a second; 0 when it never got all of them."""
        return 0.0 if self.missing else self.got / max(self.last_s - self.first_s, 1e-9)


class Progress:
    """How far a receiver is. Times are of the monotonic clock, which all processes share."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._done = threading.Event()
        self.got = 0
        self.first_s = self.last_s = 0.0

    def began(self) -> None:
        """The first message is here."""
        self.first_s = time.monotonic()

    def took(self, count: int) -> None:
        """So many more are done."""
        self.got += count
        if self.got >= self._count and not self._done.is_set():
            self.last_s = time.monotonic()
            self._done.set()

    def one(self, *_: object) -> None:
        """One more is done: the cheapest callback that tells us enough."""
        if not self.got:
            self.began()
        self.took(1)

    def result(self) -> Result:
        """When all are done, or none came for STALL_S."""
        seen, quiet_s = -1, 0.0
        while not self._done.wait(_LOOK_S) and quiet_s < STALL_S:
            quiet_s = quiet_s + _LOOK_S if self.got == seen else 0.0
            seen = self.got
        missing = max(0, self._count - self.got)
        return Result(self.got, missing, self.first_s, self.last_s, peak_kib())


# What a receiver calls when it is subscribed: returns when all is done.
Subscribed = Callable[[], Result]
Receiver = Callable[[Task, Progress, Subscribed], Result]


def peak_kib() -> int:
    """The most resident memory that this process ever had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


@contextmanager
def receiving(receiver: Receiver, task: Task):
    """A process that receives from now on; `result` waits until it is done."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(receiver, task, there), daemon=True)
    process.start()
    there.close()
    try:
        _told(here, process, receiver)
        yield lambda: _told(here, process, receiver)
    finally:
        process.kill()
        process.join()


def _told(pipe, process, receiver: Receiver) -> Any:
    try:
        while not pipe.poll(PATIENCE_S):
            if not process.is_alive():
                break
        return pipe.recv()
    except EOFError:
        raise SystemExit(f"the process of {receiver.__name__} ended; why is above") from None


def _run(receiver: Receiver, task: Task, pipe) -> None:
    logging.disable(logging.INFO)
    progress = Progress(task.count)

    def subscribed() -> Result:
        pipe.send("subscribed")
        return progress.result()

    pipe.send(receiver(task, progress, subscribed))


def paho_nothing(task: Task, progress: Progress, subscribed: Subscribed) -> Result:
    """paho-mqtt with an empty callback: what receiving alone costs in Python."""
    return _paho(task, subscribed, progress.one, manual_ack=False)


def paho_times(task: Task, progress: Progress, subscribed: Subscribed) -> Result:
    """paho-mqtt that only notes when each message came."""
    arrived: list[float] = []

    def take(*_: object) -> None:
        arrived.append(time.monotonic())
        progress.one()

    result = _paho(task, subscribed, take, manual_ack=False)
    return result._replace(arrived_s=tuple(arrived))


def paho_commit(task: Task, progress: Progress, subscribed: Subscribed) -> Result:
    """paho-mqtt, and one durable transaction for each message before its PUBACK."""
    db = sqlite3.connect(task.folder / "messages.db", isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, topic TEXT, payload BLOB)")

    def take(client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        if not progress.got:
            progress.began()
        db.execute(
            "INSERT INTO message (topic, payload) VALUES (?, ?)", (message.topic, message.payload)
        )
        client.ack(message.mid, message.qos)
        progress.took(1)

    result = _paho(task, subscribed, take, manual_ack=True)
    db.close()
    return result


def _paho(task: Task, subscribed: Subscribed, take: Callable, manual_ack: bool) -> Result:
    address, ready = task.address, threading.Event()
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=address.client_id, clean_session=False,
        protocol=mqtt.MQTTv311, manual_ack=manual_ack,
    )  # fmt: skip
    if address.secure is not None:
        client.tls_set(*address.secure)
    client.on_connect = lambda client, *_: client.subscribe([(name, 1) for name in FILTERS])
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = take
    client.connect(address.host, address.port)
    client.loop_start()
    assert ready.wait(PATIENCE_S), "paho subscribes"
    result = subscribed()
    client.disconnect()
    client.loop_stop()
    return result


def gateway(task: Task, progress: Progress, subscribed: Subscribed) -> Result:
    """Our own: every message judged and durable in a ledger, every stream answered."""
    ledger = Ledger.open(task.folder / "ledger.db")
    ingest = Counted(progress, ledger, KeyStore(task.keys), Clock(), SITE)
    service = Service(settings_of(task.address), ingest)
    stop = threading.Event()
    worker = threading.Thread(target=service.run, args=(stop,), daemon=True)
    worker.start()
    assert service.connected.wait(PATIENCE_S), "the gateway subscribes"
    result = subscribed()
    stop.set()
    service.wake()
    worker.join()
    rejected = sum(stats.rejected for stats in ledger.stats())
    entry_n = ledger.head()[0]
    ledger.close()
    assert not rejected, f"{rejected} messages were refused"
    assert entry_n or not result.got, "what was durable is in the ledger"
    return result


class Counted(Ingest):
    """Tells when the first message was given to it, and how many are durable."""

    def __init__(self, progress: Progress, *more: Any) -> None:
        super().__init__(*more)
        self._progress = progress
        self.accept = self._first

    def _first(self, topic: str, payload: bytes, retained: bool):
        # the service asks for `accept` once a batch: the rest of the first one comes here too
        if self.__dict__.pop("accept", None) is not None:
            self._progress.began()
        return super().accept(topic, payload, retained)

    def commit(self, batch):
        acks = super().commit(batch)
        self._progress.took(len(batch))
        return acks


def settings_of(address: Address) -> ServiceSettings:
    """Of a gateway at this address."""
    secure = address.secure._asdict() if address.secure else {}
    return ServiceSettings(SITE, address.host, address.port, **secure)
