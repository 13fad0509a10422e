"""Messages a second from publisher through broker into the durable ledger, as a ratio to paho
receiving and doing nothing.

    ./run bench ingest [--messages 6000] [--rounds 3] [--broker iotcore|mosquitto]

Both sides get the same sealed messages with QoS 1 from the same raw publisher in a process of its
own, in turn within one run: the ratio means the same on every machine. One record a message is the
worst case, twelve is what a board sends in a burst.
"""

import argparse
import logging
import multiprocessing
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gateway.broker.process import Broker, EmbeddedBroker, MosquittoBroker
from gateway.clock import Clock
from gateway.delivery.ingest import Ingest
from gateway.delivery.service import Service, ServiceSettings
from gateway.devices.keys import DeviceKey, KeyStore, create_key
from gateway.store.ledger import Ledger
from protocol import messages, records, seal, topics

SITE = "bench"
DEVICES = 8
PATIENCE_S = 300


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--broker", choices=("iotcore", "mosquitto"), default="iotcore")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    print(
        f"broker {options.broker}, {options.messages} messages, {DEVICES} devices, median of"
        f" {options.rounds} rounds"
    )
    print(
        "records/message   paho doing nothing   durable in the ledger   ratio   records/s durable"
    )
    for per_message in (1, 12):
        nothing, durable = [], []
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as folder:
                keys = [
                    create_key(Path(folder) / "keys", f"w{number}")
                    for number in range(1, DEVICES + 1)
                ]
                packets = publish_packets(keys, options.messages, per_message)
                nothing.append(
                    measured(
                        options.broker, Path(folder), packets, options.messages, receive_nothing
                    )
                )
                durable.append(
                    measured(
                        options.broker, Path(folder), packets, options.messages, receive_durably
                    )
                )
        base, ours = statistics.median(nothing), statistics.median(durable)
        print(
            f"{per_message:15d}   {base:16.0f}/s   {ours:19.0f}/s   {ours / base:5.2f}  "
            f" {ours * per_message:15.0f}/s"
        )


def publish_packets(keys: list[DeviceKey], count: int, per_message: int) -> bytes:
    """MQTT PUBLISH packets of sealed messages, the devices in turn, every stream contiguous."""
    out = bytearray()
    for number in range(count):
        key = keys[number % DEVICES]
        first = number // DEVICES * per_message + 1
        bodies = [
            records.encode_record(
                {"kind": "tally", "boot": 1, "uptime_ms": seq, "instrument": "coins",
                 "batch_id": str(seq), "currency": "USD",
                 "rows": [(25, 40), (10, 12)], "total_minor": 1120, "evidence": "manual"}
            )
            for seq in range(first, first + per_message)
        ]  # fmt: skip
        topic = topics.topic(SITE, key.device, "ev")
        payload = messages.encode_events(7, 1, 1_000_000, first, bodies)
        sealed = seal.seal(key.secret, key.kid, topic, payload)
        rest = (
            len(topic).to_bytes(2, "big")
            + topic.encode()
            + (number % 65535 + 1).to_bytes(2, "big")
            + sealed
        )
        length = (
            bytes((len(rest),))
            if len(rest) < 128
            else bytes((len(rest) & 127 | 128, len(rest) >> 7))
        )
        out += b"\x32" + length + rest
    return bytes(out)


def publish(port: int, packets: bytes, count: int) -> None:
    """Send everything as fast as the broker takes it, and read its PUBACKs."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03pub")
        assert line.recv(4)[:2] == b"\x20\x02"
        sender = threading.Thread(target=line.sendall, args=(packets,))
        sender.start()
        left = count * 4
        while left > 0:
            data = line.recv(65536)
            if not data:
                raise SystemExit("the broker closed the publisher's connection")
            left -= len(data)
        sender.join()


def measured(broker_name: str, folder: Path, packets: bytes, count: int, receive) -> float:
    """Messages a second of one run with a fresh broker."""
    broker: Broker = (
        EmbeddedBroker()
        if broker_name == "iotcore"
        else MosquittoBroker(folder / f"mosquitto-{receive.__name__}")
    )
    with broker:
        publisher = multiprocessing.get_context("spawn").Process(
            target=publish, args=(broker.port, packets, count)
        )
        seconds = receive(broker, folder, count, publisher)
        publisher.join()
    return count / seconds


def receive_nothing(broker: Broker, _folder: Path, count: int, publisher) -> float:
    ready, first, done = threading.Event(), [], threading.Event()
    got = 0

    def on_message(_client, _data, _message) -> None:
        nonlocal got
        if not got:
            first.append(time.monotonic())
        got += 1
        if got == count:
            done.set()

    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id="nothing",
        clean_session=False,
        protocol=mqtt.MQTTv311,
    )
    client.on_connect = lambda c, *_: c.subscribe(f"till/1/{SITE}/+/ev", 1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = on_message
    client.connect(broker.host, broker.port)
    client.loop_start()
    ready.wait(PATIENCE_S)
    publisher.start()
    assert done.wait(PATIENCE_S), f"{got} of {count} arrived"
    seconds = time.monotonic() - first[0]
    client.disconnect()
    client.loop_stop()
    return seconds


def receive_durably(broker: Broker, folder: Path, count: int, publisher) -> float:
    ledger = Ledger.open(folder / "ledger.db")
    done, first, batches = threading.Event(), [], []

    class Timed(Ingest):
        def accept(self, topic, payload, retained):
            if not first:
                first.append(time.monotonic())
            return super().accept(topic, payload, retained)

        def commit(self, batch):
            acks = super().commit(batch)
            batches.append(len(batch))
            if ledger.head()[0] >= count:
                done.set()
            return acks

    service = Service(
        ServiceSettings(SITE, broker.host, broker.port),
        Timed(ledger, KeyStore(folder / "keys"), Clock(), SITE),
    )
    stop = threading.Event()
    worker = threading.Thread(target=service.run, args=(stop,))
    worker.start()
    assert service.connected.wait(PATIENCE_S)
    publisher.start()
    assert done.wait(PATIENCE_S), f"{ledger.head()[0]} of {count} are durable"
    seconds = time.monotonic() - first[0]
    stop.set()
    service.wake()
    worker.join()
    ledger.close()
    return seconds


if __name__ == "__main__":
    main()
