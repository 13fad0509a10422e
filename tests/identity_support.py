"""A site whose broker speaks TLS: the real mosquitto with the configuration that till writes, and
its clients.
"""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway import broker_config, config
from gateway.broker import HOST, Broker, free_port
from gateway.config import Site
from gateway.enrolment import Enrolment
from gateway.ledger import Ledger
from tests.cli_support import ROOT, command, environment
from tests.ingest_support import NOW_MS, SITE

PATIENCE_S = 60


def a_site(folder: Path, windows: int = 2, tls: bool = True) -> Site:
    """A made site; its windows are enrolled and approved."""
    folder.mkdir(parents=True, exist_ok=True)
    text = config.template(SITE, "America/Chicago", windows, (HOST, free_port()) if tls else None)
    (folder / "till.toml").write_text(text.replace("tls = false", f"tls = {str(tls).lower()}"))
    site = config.load(folder / "till.toml")
    site.data.mkdir(mode=0o700)
    with Ledger(site.ledger) as ledger:
        if tls:
            broker_config.write(site, site.broker_folder, ())
        Enrolment(site, ledger, "test", NOW_MS).enrol_all(site.config.windows, "made by a test")
    return site


class ConfiguredBroker(Broker):
    """mosquitto with a configuration file that somebody else wrote."""

    name = "mosquitto"

    def __init__(self, site: Site, file: Path | None = None) -> None:
        super().__init__(site.config.broker.port)
        self._file = file or site.broker_folder / broker_config.CONFIG_FILE

    def _launch(self) -> subprocess.Popen[bytes]:
        with self._file.with_name("mosquitto.log").open("ab") as log:
            program = str(shutil.which("mosquitto"))
            return subprocess.Popen(
                [program, "-c", str(self._file)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )


def context(site: Site, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=site.ca / "ca.pem")
    if certificate is not None:
        made.load_cert_chain(certificate, key)
    return made


def context_of(site: Site, name: str) -> ssl.SSLContext:
    return context(site, site.keys / f"{name}.pem", site.keys / f"{name}.tls.key")


def connack(
    site: Site,
    secure: ssl.SSLContext | None,
    client_id: str = "x",
    user: str = "",
    password: str = "",
) -> str:
    """What a broker says to an MQTT 3.1.1 CONNECT: "accepted", "code <n>", or "closed" when it says
    nothing.
    """
    fields = [client_id, *([user, password] if user else [])]
    flags = 2 | (0xC0 if user else 0)
    body = (
        b"\0\4MQTT\4"
        + bytes([flags])
        + b"\0\x1e"
        + b"".join(len(f).to_bytes(2, "big") + f.encode() for f in fields)
    )
    try:
        with socket.create_connection((HOST, site.config.broker.port), PATIENCE_S) as plain:
            link = secure.wrap_socket(plain, server_hostname=HOST) if secure else plain
            link.sendall(bytes([0x10, len(body)]) + body)
            answer = link.recv(4)
    except OSError:
        return "closed"
    if len(answer) < 4 or answer[0] != 0x20:
        return "closed"
    return f"code {answer[3]}" if answer[3] else "accepted"


class Client:
    """An MQTT 5 client with a certificate; every call waits for the broker's answer and gives its
    reason in words.
    """

    def __init__(
        self,
        site: Site,
        name: str,
        client_id: str = "",
        user: str = "",
        will: tuple[str, bytes] | None = None,
    ) -> None:
        self.arrived: list[tuple[str, bytes, bool]] = []
        self._changed = threading.Condition()
        self._answers: dict[int, str] = {}
        self.said: list[str] = []  # CONNACK and disconnections
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        self._client.tls_set_context(context_of(site, name))
        if user:
            self._client.username_pw_set(user, "secret")
        if will:
            self._client.will_set(*will, qos=1)
        note, answers = self._note, self._answers
        self._client.on_message = lambda _c, _d, m: note(
            lambda: self.arrived.append((m.topic, bytes(m.payload), m.retain))
        )
        self._client.on_publish = lambda _c, _d, mid, reason, _p: note(
            lambda: answers.update({mid: str(reason)})
        )
        self._client.on_subscribe = lambda _c, _d, mid, reasons, _p: note(
            lambda: answers.update({mid: str(reasons[0])})
        )
        self._client.on_unsubscribe = lambda _c, _d, mid, _r, _p: note(
            lambda: answers.update({mid: "done"})
        )
        self._client.on_connect = lambda _c, _d, _f, reason, _p: note(
            lambda: self.said.append(str(reason))
        )
        self._client.on_disconnect = lambda _c, _d, _f, reason, _p: note(
            lambda: self.said.append(f"disconnected: {reason}")
        )
        self._client.connect(HOST, site.config.broker.port, 30)
        self._client.loop_start()
        self.wait(lambda: bool(self.said))

    @property
    def is_connected(self) -> bool:
        return self.said[-1] == "Success"

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> str:
        return self._answer(self._client.publish(topic, payload, qos=1, retain=retain).mid)

    def subscribe(self, topic: str) -> str:
        return self._answer(int(self._client.subscribe(topic, qos=1)[1] or 0))

    def unsubscribe(self, topic: str) -> str:
        return self._answer(int(self._client.unsubscribe(topic)[1] or 0))

    def wait_for(self, payload: bytes) -> list[tuple[str, bytes, bool]]:
        """What arrived before a message with this payload; all of it is taken out."""
        self.wait(lambda: any(each[1] == payload for each in self.arrived))
        arrived, self.arrived = self.arrived, []
        return [each for each in arrived if each[1] != payload]

    def wait(self, is_so: Any) -> None:
        with self._changed:
            assert self._changed.wait_for(is_so, PATIENCE_S), (self.said, self.arrived)

    def cut(self) -> None:
        """The line goes dead: the broker publishes the will."""
        link = self._client.socket()
        assert link is not None
        link.shutdown(socket.SHUT_RDWR)
        self.wait(lambda: not self.is_connected)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _answer(self, mid: int) -> str:
        self.wait(lambda: mid in self._answers or not self.is_connected)
        return self._answers.get(mid, self.said[-1])

    def _note(self, change: Any) -> None:
        with self._changed:
            change()
            self._changed.notify_all()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def serving(site: Site, told: list[str]) -> Iterator[int]:
    """`till serve` of a site; its process id. What it said is in `told` at the end."""
    process = subprocess.Popen(
        command("serve", "--config", site.path), cwd=ROOT, env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        told.append(process.stdout.readline())
        yield process.pid
    finally:
        process.terminate()
        told += process.communicate(timeout=60)
