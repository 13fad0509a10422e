"""Real brokers, real SQLite, real signals: nothing lost, nothing twice, whatever is killed."""

import json
import logging
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.broker.process import Broker, EmbeddedBroker, MosquittoBroker, answers, free_port
from gateway.delivery.recording import record
from gateway.delivery.service import Service, ServiceSettings, follow_line
from gateway.errors import Unavailable
from gateway.facts.records import SeenRecord
from gateway.store.ledger import Ledger
from tests.delivery.bench import SITE, Office
from tests.delivery.line import PATIENCE_S, Line


class Served:
    """A gateway in a thread."""

    def __init__(self, office: Office, broker: Broker) -> None:
        self.seen: queue.Queue[SeenRecord] = queue.Queue()
        self.service = Service(
            ServiceSettings(SITE, broker.host, broker.port), office.ingest, self.seen.put
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.service.run, args=(self._stop,))
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self.service.wake()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def served(office: Office, broker: Broker) -> Iterator[Served]:
    running = Served(office, broker)
    assert running.service.connected.wait(PATIENCE_S)
    yield running
    running.close()


@pytest.fixture
def line(office: Office, broker: Broker) -> Iterator[Line]:
    made = Line(office.device(), broker)
    yield made
    made.close()


def test_a_record_reaches_the_ledger_and_the_answer_the_device(
    office: Office, served: Served, line: Line
) -> None:
    line.device.say(3)

    ack = line.deliver(1, 3)

    assert 3 == ack["high_water"]
    assert [1, 2, 3] == [served.seen.get(timeout=PATIENCE_S).seq for _ in range(3)]
    served.close()
    assert [1, 2, 3] == office.seqs()
    assert [] == office.ledger.verify()


def test_a_burst_of_a_thousand_arrives_once_each(
    office: Office, served: Served, line: Line
) -> None:
    line.device.say(1000)
    for seq in range(1, 1001):
        line._client.publish(line.device.topic("ev"), line.device.ev(seq, seq)[1], qos=1)

    line.wait_for(1000)

    served.close()
    assert list(range(1, 1001)) == office.seqs()
    assert 0 == office.ledger.stats()[0].duplicates


def test_forged_messages_on_the_line_do_not_hold_up_the_true_ones(
    office: Office, served: Served, line: Line
) -> None:
    line.device.say(2)
    topic, sealed, _ = line.device.ev(1, 1)
    line.send((topic, sealed[:-1] + b"\x00", False))
    line.send(("till/1/city/w9/ev", sealed, False))

    ack = line.deliver(1, 2)

    assert 2 == ack["high_water"]
    served.close()
    assert 2 == len(office.ledger.quarantine())


@pytest.mark.must("BROKER-18")
def test_a_killed_and_restarted_broker_loses_nothing(
    office: Office, broker: Broker, served: Served, line: Line
) -> None:
    line.device.say(30)
    line.deliver(1, 10)

    broker.kill()
    assert not broker.is_running
    broker.start()
    line.wait_online()
    assert served.service.connected.wait(PATIENCE_S)
    line.deliver(11, 20)
    line.deliver(21, 30)

    served.close()
    assert list(range(1, 31)) == office.seqs()
    assert [] == office.ledger.verify()


@pytest.mark.must("BROKER-13")
def test_what_the_broker_holds_for_an_absent_gateway_is_taken_at_its_return(
    office: Office, broker: Broker, line: Line
) -> None:
    first = Served(office, broker)
    assert first.service.connected.wait(PATIENCE_S)
    line.device.say(5)
    line.deliver(1, 1)
    first.close()
    line.send(line.device.ev(2, 5))

    second = Served(office, broker)
    line.wait_for(5)

    second.close()
    assert [1, 2, 3, 4, 5] == office.seqs()


def test_a_gateway_that_starts_before_its_broker_says_so_once_and_finds_it(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    broker = EmbeddedBroker()
    said = threading.Event()

    def note(record: logging.LogRecord) -> bool:
        if "broker_absent" in record.getMessage():
            said.set()
        return True

    caplog.handler.addFilter(note)
    running = Served(office, broker)
    try:
        assert said.wait(PATIENCE_S)
        with broker:
            assert running.service.connected.wait(PATIENCE_S)
    finally:
        running.close()
    assert 1 == sum("broker_absent" in line and "start it" in line for line in caplog.messages)


GATEWAY = """
import os, signal, sys, threading
from pathlib import Path
from gateway.clock import Clock
from gateway.delivery.ingest import Ingest
from gateway.devices.keys import KeyStore
from gateway.store.ledger import Ledger
from gateway.delivery.service import Service, ServiceSettings
folder, port, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
def between_commit_and_ack(record):
    if record.seq == last:
        os.kill(os.getpid(), signal.SIGKILL)
ingest = Ingest(Ledger.open(folder / "ledger.db"), KeyStore(folder / "keys"), Clock(), "city")
settings = ServiceSettings("city", "127.0.0.1", port)
Service(settings, ingest, between_commit_and_ack).run(threading.Event())
"""


def test_a_gateway_killed_between_commit_and_answer_makes_no_duplicate(
    office: Office, broker: Broker, line: Line
) -> None:
    office.ledger.close()
    line.device.say(9)
    arguments = [sys.executable, "-c", GATEWAY, str(office.folder), str(broker.port)]
    for last in (3, 6):
        victim = subprocess.Popen([*arguments, str(last)], cwd=Path(__file__).parents[2])
        try:
            while victim.poll() is None:
                line.send(line.device.ev(1, last))
                try:
                    victim.wait(1)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            victim.kill()
        assert -signal.SIGKILL == victim.wait(PATIENCE_S)
    assert line.acks.empty() or line.wait_for(0)["high_water"] <= 3

    again = Office(office.folder)
    running = Served(again, broker)
    line.deliver(1, 9)

    running.close()
    assert list(range(1, 10)) == again.seqs()
    assert [] == again.ledger.verify()
    assert again.ledger.stats()[0].duplicates >= 6


@pytest.mark.must("ACK-20", "ACK-22")
def test_full_disk_holds_the_answer_back_until_there_is_room(
    office: Office, served: Served, line: Line
) -> None:
    line.device.say(600)
    line.deliver(1, 10)
    office.ledger.db.execute("VACUUM")  # no page is free inside the file either
    [pages] = office.ledger.db.execute("PRAGMA page_count").fetchone()
    office.ledger.db.execute(f"PRAGMA max_page_count = {pages}")
    failed = threading.Event()
    commit = office.ingest.commit

    def watched(batch):
        try:
            return commit(batch)
        except Exception:
            failed.set()
            raise

    office.ingest.commit = watched
    for first in range(11, 591, 10):
        line.send(line.device.ev(first, first + 9))
    assert failed.wait(PATIENCE_S)
    believed = [line.acks.get()["high_water"] for _ in range(line.acks.qsize())]
    with Ledger.open(office.folder / "ledger.db") as reader:
        durable = reader.high_water("w1", 7)
    office.ledger.db.execute("PRAGMA max_page_count = 1000000")

    line.wait_for(590)

    served.close()
    assert durable < 590
    assert all(high_water <= durable for high_water in believed)
    assert list(range(1, 591)) == office.seqs()
    assert ["storage_failed"] == office.incident_kinds()


@pytest.mark.must("QUAR-13")
def test_a_message_that_cannot_be_recorded_is_set_aside_and_holds_up_nobody(
    office: Office, served: Served, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = office.device("w2")
    other.say(1)
    line.device.say(2)

    def stumbling(ledger, batch, *more):
        if any(getattr(item, "device", "") == "w2" and hasattr(item, "events") for item in batch):
            raise sqlite3.IntegrityError("a rule that we broke")
        return record(ledger, batch, *more)

    monkeypatch.setattr("gateway.delivery.ingest.record", stumbling)
    line.send(other.ev(1, 1))

    line.deliver(1, 2)

    served.close()
    assert ([1, 2], []) == (office.seqs("w1"), office.seqs("w2"))
    assert ["gateway: it could not be recorded, see the log"] == [
        row["reason"] for row in office.ledger.quarantine()
    ]


@pytest.mark.must("BROKER-17")
def test_brokers_listen_on_this_machine_only_and_end_when_told(broker: Broker) -> None:
    pid = broker.pid

    assert pid and broker.is_running and answers("127.0.0.1", broker.port)
    broker.stop()
    broker.stop()
    assert (0, False, False) == (broker.pid, broker.is_running, answers("127.0.0.1", broker.port))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_taken_port_is_said_with_the_next_step(broker: Broker) -> None:
    with pytest.raises(Unavailable, match="in use"):
        EmbeddedBroker(broker.port).start()


@pytest.mark.must("BROKER-15", "BROKER-16")
def test_mosquitto_is_told_never_to_drop_silently(tmp_path: Path) -> None:
    lines = MosquittoBroker(tmp_path, free_port()).config().splitlines()

    for line in (
        "max_queued_messages 0",
        "max_packet_size 4096",
        "persistence true",
        "autosave_on_changes false",
    ):
        assert line in lines
    assert [entry for entry in lines if entry.startswith("listener")][0].endswith(" 127.0.0.1")


def test_a_followed_record_is_one_line_of_json(office: Office) -> None:
    device = office.device()
    device.say(1)
    office.take(device.ev(1, 1))
    [record] = office.ledger.records()

    line = follow_line(record)

    assert "\n" not in line
    assert ("w1", 1, "tally", [[1, 1]]) == tuple(
        json.loads(line)[name] for name in ("device", "seq", "kind", "rows")
    )
