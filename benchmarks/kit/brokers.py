"""A broker that a benchmark starts: embedded, mosquitto, or mosquitto with the site's certificates,
each as the gateway configures it.
"""

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from benchmarks.kit.boards import SITE
from benchmarks.kit.line import Address, Secure
from gateway import config
from gateway.broker import mosquitto, pki
from gateway.broker.process import HOST, Broker, EmbeddedBroker, MosquittoBroker, free_port

NAMES = ("mosquitto", "mosquitto-tls", "iotcore")


class Place(ABC):
    """A running broker, and the addresses at which its clients meet."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __enter__(self) -> "Place":
        self._broker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._broker.stop()

    @abstractmethod
    def office(self, client_id: str) -> Address:
        """Of whoever receives for the site."""

    @abstractmethod
    def device(self, name: str) -> Address:
        """Of a board."""

    @property
    def one_line(self) -> bool:
        """Whether one connection may speak for all boards."""
        return True


class _Plain(Place):
    def office(self, client_id: str) -> Address:
        return Address(HOST, self._broker.port, client_id)

    def device(self, name: str) -> Address:
        return Address(HOST, self._broker.port, f"board-{name}")


class _Tls(Place):
    """Everybody has a certificate, and the client id comes from it."""

    def __init__(self, folder: Path, devices: Sequence[str]) -> None:
        folder.mkdir()
        text = config.template(SITE, "America/Chicago", len(devices), (HOST, free_port()))
        (folder / "till.toml").write_text(text.replace("tls = false", "tls = true"))
        self._site = config.load(folder / "till.toml")
        self._site.data.mkdir(mode=0o700)
        mosquitto.write(self._site, self._site.broker_folder, ())
        authority = pki.Authority(self._site.ca)
        for name in devices:
            files = [self._site.keys / f"{name}{end}" for end in (".pem", ".tls.key")]
            pki.write_issued(authority.issue_device(name), *files)
        super().__init__(_Configured(self._site))

    @property
    def one_line(self) -> bool:
        return False

    def office(self, client_id: str) -> Address:
        return self._address(pki.GATEWAY_NAME)

    def device(self, name: str) -> Address:
        return self._address(name)

    def _address(self, name: str) -> Address:
        files = Secure(**pki.client_files(self._site.ca, self._site.keys, name))
        return Address(HOST, self._site.config.broker.port, name, files)


class _Configured(Broker):
    """mosquitto with the files that `till broker config` writes."""

    name = "mosquitto"

    def __init__(self, site: config.Site) -> None:
        super().__init__(site.config.broker.port)
        self._file = site.broker_folder / mosquitto.CONFIG_FILE

    def _launch(self) -> subprocess.Popen[bytes]:
        if os.geteuid() == 0:  # mosquitto would become a user who cannot enter our folder
            self._file.write_text(f"user root\n{self._file.read_text()}")
        with self._file.with_name("mosquitto.log").open("ab") as log:
            return subprocess.Popen(
                [str(shutil.which("mosquitto")), "-c", str(self._file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip


def place(name: str, folder: Path, devices: Sequence[str]) -> Place:
    """A broker of NAMES for these boards, with its files in `folder`."""
    if name == "iotcore":
        return _Plain(EmbeddedBroker())
    if not MosquittoBroker.is_installed():
        raise SystemExit("mosquitto is not on PATH; sudo ./run system, or --brokers iotcore")
    if name == "mosquitto":
        return _Plain(MosquittoBroker(folder / "mosquitto"))
    return _Tls(folder / "site", devices)
