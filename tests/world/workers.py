"""Several workers over one ledger, in virtual time, from one seed: leases that end, workers that
are stopped, killed and started again, a database and a broker that go away.

What is real: Ingest, recording, Shares, Subscriptions, the SQL of leases and of the ledger. A
SQLite file stands for the server: a write transaction is alone in both. `now_ms()` is the
database's clock. The broker and the devices' sending are a few lines here.

The oracle looks for two kinds of wrong. `truth`: a record that is lost, twice or foreign, a chain
that does not verify, an acknowledgement of what no ledger holds. `order`: a batch committed for a
device whose lease is another worker's, a lease taken from a worker that lives, a device handed
over with a message of it in hand. A bug in the leases alone may break the order, never the truth.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from gateway.delivery.connection import Connection
from gateway.delivery.ingest import Ingest
from gateway.delivery.shares import DUTY, Shares, Worker
from gateway.delivery.subscriptions import Subscriptions
from gateway.devices.keys import KeyStore, create_key
from gateway.errors import LedgerBroken, TryAgain
from gateway.store.engine import Db, SqliteDb, StorageBusy, StorageError
from gateway.store.ledger import Ledger
from tests.delivery.bench import SITE, Device, FixedClock

TABLES = """
CREATE TABLE worker (name TEXT PRIMARY KEY, number INTEGER NOT NULL, until_ms INTEGER NOT NULL);
CREATE TABLE lease (device TEXT PRIMARY KEY, worker TEXT NOT NULL);
"""
FAULTS = ("stopped", "killed", "database away", "broker gone", "clock jumps", "answers lost")
PLANTS = {  # {bug: which kind of wrong shows it}
    "no fence, streams remembered": "truth",
    "no fence": "order",
    "lease by the worker's own clock": "order",
    "given back before the batch is finished": "order",
}
STEPS = 500
HEAL_MS = 120_000
AGAIN_MS = 2_000


class SharedLedger(Ledger):
    """A ledger whose server can be away, and who else may be faster between COMMIT and the look
    whether it is there.
    """

    world: "WorkersWorld"
    worker: "Running"

    @contextmanager
    def transaction(self) -> Iterator[Db]:
        if self.world.now < self.world.away_ms:
            raise StorageBusy("the server is away")
        with super().transaction() as db:
            yield db

    def check_committed(self, n: int, head: bytes, marks: Sequence[tuple[str, int, int]]) -> None:
        self.world.committed(self.worker, [device for device, _, _ in marks])
        self.world.let_another_work(self.worker)
        super().check_committed(n, head, marks)


class Line:
    """A worker's connection: what it asked for, and what has come."""

    def __init__(self) -> None:
        self.topics: set[str] = set()
        self.asked: list[tuple[bytes, bool, Sequence[str]]] = []
        self.came: list[tuple[str, bytes]] = []
        self._ids = 0

    def subscribe(self, topics: Sequence[str]) -> bytes:
        return self._ask(True, topics)

    def unsubscribe(self, topics: Sequence[str]) -> bytes:
        return self._ask(False, topics)

    def is_answered(self, packet_id: bytes) -> bool:
        return all(packet_id != asked for asked, _, _ in self.asked)

    def answer(self) -> None:
        for _, is_wanted, topics in self.asked:
            self.topics = self.topics | set(topics) if is_wanted else self.topics - set(topics)
        self.asked.clear()

    def _ask(self, is_wanted: bool, topics: Sequence[str]) -> bytes:
        self._ids += 1
        key = self._ids.to_bytes(2, "big")
        self.asked.append((key, is_wanted, topics))
        return key


class Running:
    """One worker process."""

    def __init__(self, world: "WorkersWorld", number: int, of: int) -> None:
        self.world, self.number = world, number
        self.line = Line()
        self.lines = 1
        self.batch: list[Any] = []  # accepted, not durable
        self.stopped_ms = self.gone_ms = 0
        self.off_ms = 0  # its own clock against the database's
        self.ledger = SharedLedger(world.path, create=False)
        self.ledger.world, self.ledger.worker = world, self
        db = cast(SqliteDb, self.ledger.db)
        db.execute("PRAGMA synchronous = OFF")
        db.create_function("now_ms", 0, self._database_now)
        self.shares = Shares(self.ledger, Worker(number, of), lambda: world.devices)
        fence = None if world.plant.startswith("no fence") else self.shares.fence
        self.ingest = Ingest(self.ledger, world.keys, world.clock, SITE, fence)
        if world.plant == "no fence, streams remembered":
            vars(self.ingest)["_known"].look = lambda *_: None
        self.subscriptions = Subscriptions(SITE)

    @property
    def name(self) -> str:
        return self.shares.name

    def _database_now(self) -> int:
        if self.world.now < self.world.away_ms:
            raise StorageBusy("the server is away")
        if self.world.plant == "lease by the worker's own clock":
            return self.world.now + self.off_ms
        return self.world.now

    def turn(self) -> None:
        """Once around the loop of gateway/delivery/service.py."""
        world = self.world
        before, alive = world.leases(), world.alive()
        self.shares.look(world.now)
        world.changed_hands(before, alive, self)
        line = self.line if world.now >= self.gone_ms else None
        connection = cast(Connection | None, line)
        audible = self.subscriptions.follow(connection, self.lines, self.shares.heard)
        if world.plant == "given back before the batch is finished":
            audible, in_hand = frozenset(), False
        else:
            in_hand = bool(self.batch)
        before = world.leases()
        self.shares.give_back(audible, in_hand)
        world.given_back(before, self)
        if world.rng.random() < 0.3:  # slow: what came stays in its socket
            return
        if line is not None:
            self.batch += [self.ingest.accept(*each, False) for each in line.came]
            line.came.clear()
        if self.batch and world.rng.random() < 0.8:
            self.commit()

    def commit(self) -> None:
        try:
            answers = self.ingest.commit(self.batch)
        except TryAgain:
            return
        except (StorageError, LedgerBroken) as error:  # the last wall held; the messages are lost
            self.world.truth.append(f"{self.name}: {error}")
            answers = []
        self.batch = []
        for topic, sealed in answers:
            self.world.answered(topic, sealed)

    def close(self) -> None:
        self.ledger.close()


class WorkersWorld:
    """`run` plays the history of a seed; `truth` and `order` are what it found."""

    def __init__(self, seed: int, folder: Path, plant: str = "", workers: int = 2) -> None:
        self.rng = random.Random(seed)
        self.plant, self.now = plant, 1_000
        self.path = folder / "ledger.db"
        self.clock = FixedClock()
        self.truth: list[str] = []
        self.order: list[str] = []
        self.struck: dict[str, int] = defaultdict(int)
        self.away_ms = self.deaf_ms = 0
        self._nested = False
        names = [f"w{number}" for number in range(1, self.rng.randrange(2, 8))]
        self.devices = {name: Device(create_key(folder / "keys", name)) for name in names}
        self.acked = dict.fromkeys(names, 0)
        self.sent_ms = dict.fromkeys(names, 0)
        self.keys = KeyStore(folder / "keys")
        with Ledger(self.path) as ledger:
            cast(SqliteDb, ledger.db).executescript(TABLES)
        self.of = workers
        self.workers = [Running(self, number, workers) for number in range(1, workers + 1)]
        self.reader = SharedLedger(self.path, create=False)

    def run(self) -> "WorkersWorld":
        for _ in range(STEPS):
            if self.rng.random() < 0.03:
                self._strike(self.rng.choice(FAULTS))
            if self.rng.random() < 0.3:
                self.rng.choice(list(self.devices.values())).say(self.rng.randrange(1, 4))
            self._step()
        self.away_ms = self.deaf_ms = 0
        for worker in self.workers:
            worker.stopped_ms = worker.gone_ms = worker.off_ms = 0
        until = self.now + HEAL_MS
        while self.now < until and any(
            self.acked[name] < len(device.said) for name, device in self.devices.items()
        ):
            self._step()
        self._judge()
        for each in (*self.workers, self.reader):
            each.close()
        return self

    # -- what happens

    def _step(self) -> None:
        self.now += self.rng.randrange(20, 300)
        self.clock.now_ms += self.rng.randrange(20, 300)
        self._send()
        for worker in self.rng.sample(self.workers, len(self.workers)):
            worker.line.answer()
            if self.now >= worker.stopped_ms:
                worker.turn()

    def _send(self) -> None:
        for name, device in self.devices.items():
            first, last = self.acked[name] + 1, len(device.said)
            if first > last or self.now - self.sent_ms[name] < AGAIN_MS:
                continue
            self.sent_ms[name] = self.now
            topic, sealed, _ = device.ev(first, min(last, first + self.rng.randrange(12)))
            for worker in self.workers:
                if topic in worker.line.topics and self.now >= worker.gone_ms:
                    worker.line.came.append((topic, sealed))

    def _strike(self, fault: str) -> None:
        self.struck[fault] += 1
        worker = self.rng.choice(self.workers)
        long_ms = self.rng.choice((500, 4_000, 12_000))
        if fault == "stopped":
            worker.stopped_ms = self.now + long_ms
        elif fault == "killed":
            worker.close()
            self.workers[worker.number - 1] = fresh = Running(self, worker.number, self.of)
            fresh.stopped_ms = self.now + long_ms  # until it is started again
        elif fault == "database away":
            self.away_ms = self.now + long_ms
        elif fault == "broker gone":
            worker.line, worker.lines = Line(), worker.lines + 1
            worker.gone_ms = self.now + long_ms
        elif fault == "clock jumps":
            worker.off_ms += self.rng.choice((-20_000, 20_000))
        else:
            self.deaf_ms = self.now + long_ms

    def let_another_work(self, worker: Running) -> None:
        """In the middle of a worker's step, when its transaction is over."""
        others = [each for each in self.workers if each is not worker]
        other = self.rng.choice(others)
        if not self._nested and self.now >= other.stopped_ms and self.rng.random() < 0.3:
            self._nested = True
            other.turn()
            self._nested = False

    # -- the oracle

    def leases(self) -> dict[str, str]:
        return dict(self.reader.db.execute("SELECT device, worker FROM lease"))

    def alive(self) -> set[str]:
        """The workers whose time, by the database's clock, has not passed."""
        query = "SELECT name FROM worker WHERE until_ms > ?"
        return {name for (name,) in self.reader.db.execute(query, (self.now,))}

    def committed(self, worker: Running, devices: list[str]) -> None:
        now = self.leases()
        for device in devices:
            if now.get(device) != worker.name:
                self.order.append(f"{worker.name} committed for {device} of {now.get(device)}")

    def changed_hands(self, before: dict[str, str], alive: set[str], worker: Running) -> None:
        earlier = f"{worker.number}."  # in the same place: it has ended
        for device, name in self.leases().items():
            was = before.get(device, "")
            if name == worker.name != was and was in alive and not was.startswith(earlier):
                self.order.append(f"{name} took {device} from {was}, which lives")

    def given_back(self, before: dict[str, str], worker: Running) -> None:
        now = self.leases()
        gone = {each for each in now if before.get(each) == worker.name != now[each]} - {DUTY}
        line = worker.line if self.now >= worker.gone_ms else Line()
        for item in worker.batch:
            if item.device in gone:
                self.order.append(f"{worker.name} gave {item.device} back, its message in hand")
        for device in gone:
            if f"till/1/{SITE}/{device}/ev" in line.topics:
                self.order.append(f"{worker.name} gave {device} back, and still hears it")

    def answered(self, topic: str, sealed: bytes) -> None:
        device = self.devices[topic.split("/")[3]]
        ack = device.open_ack(topic, sealed)
        name, mark = device.key.device, ack["high_water"]
        if mark > self.reader.high_water(name, ack["epoch"]):
            self.truth.append(f"{name}: told that {mark} is durable, and it is not")
        if self.now >= self.deaf_ms:
            self.acked[name] = max(self.acked[name], mark)

    def _judge(self) -> None:
        self.truth += [finding.text for finding in self.reader.verify()]
        for name, device in self.devices.items():
            found = [(record.seq, record.fields["total_minor"]) for record in
                     self.reader.records(device=name)]  # fmt: skip
            wanted = [(seq, seq) for seq in range(1, len(device.said) + 1)]
            if sorted(found) != wanted:
                self.truth.append(f"{name}: {len(found)} records of {len(wanted)}: {found}")
        self.truth += [f"incident {row['kind']}: {row['text']}" for row in self.reader.incidents()
                       if row["kind"] != "storage_failed"]  # fmt: skip
