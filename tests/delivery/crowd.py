"""Many devices at one broker, and a gateway of several workers that serves them."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt

from gateway.config import LedgerServer
from gateway.devices.keys import create_key
from gateway.store.ledger import Ledger
from tests.cli.bench import command, environment
from tests.delivery.bench import SITE, Device

AT_ONCE = 12  # records in one message
AGAIN_S = 0.5  # a device says again what is not acknowledged


class Crowd:
    """Devices that say again what no sealed acknowledgement names, as real ones do."""

    def __init__(self, keys: Path, names: list[str], port: int, site: str = SITE) -> None:
        self.devices = {name: Device(create_key(keys, name), 7, site) for name in names}
        self.acked = dict.fromkeys(names, 0)
        self.site = site
        self._news = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f"crowd-{site}")
        self._client.max_inflight_messages_set(0)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port, 60)
        self._client.subscribe(f"till/1/{site}/+/ack")
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, count: int = 1) -> None:
        """Every device counts so many more batches."""
        for device in self.devices.values():
            device.say(count)

    def publish(self) -> None:
        """What no acknowledgement has named yet, of every device."""
        for name, device in self.devices.items():
            first, last = self.acked[name] + 1, len(device.said)
            if first <= last:
                topic, sealed, _ = device.ev(first, min(last, first + AT_ONCE - 1))
                self._client.publish(topic, sealed, 1)

    def until(self, done: Callable[[], bool], limit_s: float) -> float:
        """Publish again and again until it is done; how long that took, in seconds."""
        begin = time.monotonic()
        while not done():
            passed = time.monotonic() - begin
            assert passed < limit_s, f"not within {limit_s} s; {self.missing()} without an answer"
            self.publish()
            self._news.clear()
            until = time.monotonic() + AGAIN_S
            while not done() and time.monotonic() < until:
                self._news.wait(0.05)
                self._news.clear()
        return time.monotonic() - begin

    def missing(self) -> list[str]:
        """Devices that have said what nobody has acknowledged."""
        return [
            name for name, device in self.devices.items() if self.acked[name] < len(device.said)
        ]

    def is_heard(self) -> bool:
        """Whether all that was said is acknowledged."""
        return not self.missing()

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        device = self.devices[message.topic.split("/")[3]]
        ack = device.open_ack(message.topic, message.payload)
        name = device.key.device
        self.acked[name] = max(self.acked[name], ack["high_water"])
        self._news.set()


class Serving:
    """`till serve --workers` as a process, and what it has said so far."""

    def __init__(self, config: Path, workers: int) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command("serve", "--config", config, "--workers", workers), env=environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline()
        assert self.ready.startswith("ready "), self.lines

    def pid(self, worker: int) -> int:
        """Of the process that is this worker now."""
        started = f"worker_started worker={worker} pid="
        return int([line for line in self.lines if line.startswith(started)][-1].split("=")[-1])

    def said(self, text: str) -> list[str]:
        """The lines with this text."""
        return [line for line in list(self.lines) if text in line]

    def end(self) -> int:
        """The exit code of an orderly end."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())


def site_with(
    folder: Path, url: str, port: int, devices: int, site: str = SITE
) -> tuple[Path, list[str]]:
    """A till.toml for such a site, and the names of its devices."""
    names = [f"w{number}" for number in range(1, devices + 1)]
    (folder / "data" / "keys").mkdir(parents=True)
    (folder / "data").chmod(0o700)
    config = folder / "till.toml"
    config.write_text(
        f'site = "{site}"\nzone = "America/Chicago"\nwindows = {names}\n'.replace("'", '"')
        + f'[ledger]\nurl = "{url}"\n[broker]\nembedded = false\nport = {port}\n'
    )
    return config, names


def held(place: LedgerServer) -> dict[str, list[int]]:
    """{device: every seq that the ledger holds of it, in order}; asserts that it verifies."""
    with Ledger(place, create=False) as ledger:
        findings = [finding.text for finding in ledger.verify()]
        assert [] == findings, findings
        found: dict[str, list[int]] = {}
        for record in ledger.records():
            found.setdefault(record.device, []).append(record.seq)
        return {device: sorted(seqs) for device, seqs in found.items()}


def said(crowd: Crowd) -> dict[str, list[int]]:
    """What `held` should be."""
    return {name: list(range(1, len(each.said) + 1)) for name, each in crowd.devices.items()}
