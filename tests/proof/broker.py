"""./run proof broker: nine ordinary situations of a real mosquitto: QoS 1 alone, compared with
Tillstream.

    --messages N    of each side (default 500; ten times as many where the queue overflows)
    --situation K   only this one
    --json          machine-readable

In each situation one broker serves two senders and two absent receivers. QoS 1 alone: paho
publishes and counts PUBACKs, a paho subscriber comes back and counts what arrives. Tillstream: a
board (the shipped firmware on real MicroPython, 190 KB of heap) has records on its flash and
publishes them, and the shipped gateway with its ledger comes back. Neither is told what happens. If
the broker's configuration is the fault, the board keeps the records until somebody corrects it, and
the gateway sees that.
"""

import argparse
import json
import queue
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware.journal import Journal
from gateway.broker.process import HOST, MosquittoBroker
from gateway.clock import Clock
from gateway.delivery.ingest import Ingest
from gateway.delivery.service import Service, ServiceSettings
from gateway.devices.keys import KeyStore, create_key
from gateway.store.ledger import Ledger
from simulators.bench_board import ProcessBoard
from simulators.channels import PinLine, SerialLine
from tests.firmware.bench import fill
from tests.proof.delivery import PATIENCE_S, SITE, Flash, judge, staged
from tests.proof.situations import SITUATIONS, Situation

DEVICE = "w1"
MICROPYTHON = str(Path(sys.executable).with_name("micropython"))
HEAP = "heapsize=190K"  # what a board has
TABLES = {"budget": {"heartbeat_ms": 300, "resend_ms": 300, "backoff_ms": 100}}
RECORDS_PER_SECTOR = 12  # fewer than a sector holds
PAYLOAD_BYTES = 300
SILENCE_S = 2  # the plain subscriber has everything that will come
SENT_MESSAGES = 3  # of records that the board has sent to the broker before the situation begins
POLL_S = 1 / 50


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof broker", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--situation", type=int, choices=range(1, len(SITUATIONS) + 1))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if not MosquittoBroker.is_installed():
        print(
            "skipped: mosquitto is not on PATH; install it (Debian: apt install mosquitto) and run"
            " this again"
        )
        return 0
    numbers = [options.situation] if options.situation else range(1, len(SITUATIONS) + 1)
    results: list[dict[str, Any]] = []
    if not options.json:
        print(HEAD)
    for number in numbers:
        results.append(prove(number, options.messages))
        if not options.json:
            print(told(results[-1]), flush=True)
    if options.json:
        print(json.dumps(results, indent=1))
    else:
        print(FOOT)
        print(
            f"QoS 1 alone: acknowledged {_sum(results, 'acked')}, lost"
            f" {_sum(results, 'plain_lost')}; Tillstream: confirmed {_sum(results, 'confirmed')},"
            f" lost {_sum(results, 'lost')}, twice {_sum(results, 'twice')}"
        )
    for result in results:
        if result["failed"]:
            print(
                f"again: ./run proof broker --situation {result['number']} --messages"
                f" {options.messages}"
            )
    return int(any(result["failed"] for result in results))


def _sum(results: list[dict[str, Any]], name: str) -> int:
    return sum(result[name] for result in results)


HEAD = (
    f"{'':<79}  QoS 1 alone     Tillstream\n"
    f"{'situation':<79}{'acked':>6}{'lost':>7}{'confirmed':>12}{'held':>6}{'lost':>6}{'twice':>7}"
)
FOOT = """\
confirmed: counts on the board's flash. held: records (and the boot's) that nobody had acknowledged
when it struck.
* the gateway saw them held by the board's heartbeat; they went through when the configuration was
mended."""


def told(result: dict[str, Any]) -> str:
    """One situation as a line of the table."""
    title = result["title"] + (" *" if result["needs_mending"] else "")
    return (
        f"{result['number']} {title:<77}{result['acked']:>6}{result['plain_lost']:>7}"
        f"{result['confirmed']:>12}{result['held']:>6}{result['lost']:>6}{result['twice']:>7}"
        + "".join(f"\n    FAILED: {line}" for line in result["failed"])
    )


def prove(number: int, messages: int, silence_s: int = SILENCE_S) -> dict[str, Any]:
    """{number, title, acked, plain_lost, confirmed, held, lost, twice, failed ...} of situation
    `number`, from 1.
    """
    with tempfile.TemporaryDirectory() as folder:
        return _Scene(Path(folder), number, SITUATIONS[number - 1](Path(folder)), silence_s).play(
            messages
        )


class _Scene:
    """Both senders and both receivers at one broker."""

    def __init__(self, folder: Path, number: int, situation: Situation, silence_s: int) -> None:
        self._silence_s = silence_s
        self._folder = folder
        self._number = number
        self._situation = situation
        self._gateway = _Gateway(folder, situation.behind.port)
        self._failed: list[str] = []

    def play(self, messages: int) -> dict[str, Any]:
        situation = self._situation
        count = messages * situation.times
        board = _Board(self._folder, situation.broker.port, count)
        try:
            situation.open()
            plain = _Subscriber(
                situation.behind.port, is_clean=situation.forgets, silence_s=self._silence_s
            )
            plain.come_and_go()
            if not situation.forgets:
                self._gateway.open()
                self._gateway.close()
            situation.away()
            board.process.power_on()
            acked = _publish(situation.broker.port, count)
            self._until(
                lambda: (
                    situation.broker.said(f"PUBLISH from till-{SITE}-{DEVICE}", "/ev'")
                    >= SENT_MESSAGES
                ),
                "sent",
            )
            held = board.held()
            situation.strike()
            self._gateway.open()
            arrived = plain.collect()
            if situation.needs_mending:
                held = self._seen_held(count)
                situation.mend()
            self._until(lambda: self._delivered(count), "everything in the ledger")
            arrived |= plain.collect()  # a late record is not lost
        finally:
            self._gateway.close()
            board.close()
            situation.close()
        sums = {25 * pieces for pieces in range(count)}
        verdict = judge(self._folder / "ledger.db", {DEVICE: sums}, {DEVICE: sums})
        plain_lost = acked - len(arrived)
        if not plain_lost or not held:
            self._failed.append(
                "the situation did not happen: QoS 1 alone lost nothing, or nothing was held"
            )
        self._failed += [
            f"{name} {verdict[name]}"
            for name in ("lost", "twice", "foreign", "unsound")
            if verdict[name]
        ]
        return {
            "number": self._number, "title": situation.title, "acked": acked,
            "plain_lost": plain_lost, "confirmed": count, "held": held, **verdict,
            "needs_mending": situation.needs_mending, "failed": self._failed,
        }  # fmt: skip

    def _until(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            if time.monotonic() > deadline:
                self._failed.append(f"not within {PATIENCE_S} s: {what}")
                return
            time.sleep(POLL_S)

    def _seen_held(self, count: int) -> int:
        """How many records wait at the board, as the gateway sees from its heartbeat. None of them
        is in the ledger.
        """
        self._until(lambda: self._heartbeat()[0] >= count, "a heartbeat that tells of the records")
        last_seq, acked, records = self._heartbeat()
        if records:
            self._failed.append(f"{records} records came through")
        return last_seq - acked

    def _delivered(self, count: int) -> bool:
        last_seq, acked, records = self._heartbeat()
        return last_seq > count and last_seq == acked == records

    def _heartbeat(self) -> tuple[int, int, int]:
        with closing(sqlite3.connect(self._folder / "ledger.db", timeout=PATIENCE_S)) as db:
            query = (
                "SELECT last_seq, acked, (SELECT sum(records) FROM cursor) FROM heartbeat WHERE"
                " device = ?"
            )
            return db.execute(query, (DEVICE,)).fetchone() or (0, 0, 0)


class _Board:
    """The firmware process with records on its flash and nobody at its machines."""

    def __init__(self, folder: Path, port: int, count: int) -> None:
        sectors = count // RECORDS_PER_SECTOR + 8
        self._flash = folder / "flash.img"
        filled = fill(self._flash, sectors, count)
        assert count == filled, f"{filled} of {count} records fit"
        key = create_key(folder / "keys", DEVICE)
        tree = staged(
            folder, DEVICE, port, key.secret.hex(), {**TABLES, "journal": {"sectors": sectors}}
        )
        self._lines = {"BILLS": SerialLine(), "COINS": SerialLine(), "GPIO": PinLine()}
        self.process = ProcessBoard(
            [MICROPYTHON, "-X", HEAP, "main.py"], tree,
            {"TILL_FLASH": str(self._flash), "MICROPYPATH": ".:.frozen"},
            {name: line.theirs for name, line in self._lines.items()}, folder / "console.txt",
        )  # fmt: skip

    def held(self) -> int:
        """Tallies on flash without an acknowledgement, as a start would find them."""
        journal = Journal(Flash(self._flash.read_bytes()))
        return int(journal.last_seq - journal.acked)

    def close(self) -> None:
        self.process.power_cut()
        for line in self._lines.values():
            line.close()


class _Gateway:
    """Service, ingest and ledger in a thread; it can be opened several times."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        ledger = Ledger.open(self._folder / "ledger.db")
        gate = Ingest(ledger, KeyStore(self._folder / "keys"), Clock(), SITE)
        self._service = Service(ServiceSettings(SITE, HOST, self._port), gate)
        self._stop = threading.Event()

        def serve() -> None:
            self._service.run(self._stop)
            ledger.close()

        self._thread = threading.Thread(target=serve)
        self._thread.start()
        assert self._service.connected.wait(PATIENCE_S), "the gateway finds no broker"

    def close(self) -> None:
        if self._thread is not None:
            self._stop.set()
            self._service.wake()
            self._thread.join()
            self._thread = None


class _Subscriber:
    """QoS 1 alone, receiving: it asks for QoS 1 and keeps its session, except in the situation
    where it forgets it.
    """

    def __init__(self, port: int, is_clean: bool, silence_s: int) -> None:
        self._silence_s = silence_s
        self._port = port
        self._is_clean = is_clean

    def come_and_go(self) -> None:
        """Subscribe, and leave like a program that is shut down correctly."""
        self._visit(lambda _heard: None)

    def collect(self) -> set[bytes]:
        """Come back and count what arrives until nothing more does."""
        got = set()

        def take(heard: "queue.Queue[bytes]") -> None:
            while True:
                try:
                    got.add(heard.get(timeout=self._silence_s))
                except queue.Empty:
                    return

        self._visit(take)
        return got

    def _visit(self, act: Callable[["queue.Queue[bytes]"], None]) -> None:
        heard: queue.Queue[bytes] = queue.Queue()
        ready = threading.Event()
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            "plain-reader",
            clean_session=self._is_clean,
            protocol=mqtt.MQTTv311,
        )
        client.on_connect = lambda client, *_: client.subscribe("plain/#", 1)
        client.on_subscribe = lambda *_: ready.set()
        client.on_message = lambda _client, _data, message: heard.put(bytes(message.payload))
        client.connect(HOST, self._port)
        client.loop_start()
        assert ready.wait(PATIENCE_S), "the plain subscriber finds no broker"
        act(heard)
        client.disconnect()
        client.loop_stop()


def _publish(port: int, count: int) -> int:
    """Publish `count` messages with QoS 1; how many the broker acknowledged as a success."""
    acked = threading.Semaphore(0)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "plain-writer", protocol=mqtt.MQTTv311)
    client.max_inflight_messages_set(200)
    client.on_publish = lambda _client, _data, _mid, reason, _properties: (
        reason.is_failure or acked.release()
    )
    client.connect(HOST, port)
    client.loop_start()
    for number in range(count):
        client.publish("plain/sum", b"%d".ljust(PAYLOAD_BYTES) % number, qos=1)
    taken = 0
    while taken < count and acked.acquire(timeout=SILENCE_S):
        taken += 1
    client.disconnect()
    client.loop_stop()
    return taken
