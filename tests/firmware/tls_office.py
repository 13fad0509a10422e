"""An office whose broker speaks TLS and wants certificates: for tests of the real firmware."""

import json
import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

from gateway.broker.pki import Authority, board_files, write_issued
from gateway.broker.process import HOST, MosquittoBroker
from gateway.clock import Clock
from gateway.delivery.ingest import Ingest
from gateway.delivery.service import Service, ServiceSettings
from gateway.devices.keys import KeyStore, create_key
from gateway.facts.records import SeenRecord
from gateway.store.ledger import Ledger
from tests.firmware.bench import DEVICE, PATIENCE, SITE, staged

SOON = {"budget": {"heartbeat_ms": 300, "resend_ms": 300, "backoff_ms": 50}}


class TlsBroker(MosquittoBroker):
    """mosquitto that wants a certificate of the site's CA."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder)
        write_issued(authority.issue_broker([HOST]), folder / "broker.pem", folder / "broker.key")
        self._ca = authority.certificate_file

    def config(self) -> str:
        folder = self._folder.resolve()
        return super().config() + "\n".join(
            (
                f"cafile {self._ca.resolve()}",
                f"certfile {folder}/broker.pem",
                f"keyfile {folder}/broker.key",
                "require_certificate true",
                "use_identity_as_username true",
                "",
            )
        )


class Office:
    """CA, broker and gateway, all by TLS; without a gateway if `serves` is False."""

    def __init__(self, folder: Path, serves: bool = True) -> None:
        self.authority = Authority(folder / "ca")
        self.authority.create(SITE)
        self.key = create_key(folder / "keys", DEVICE)
        write_issued(
            self.authority.issue_office("gateway"), folder / "gateway.pem", folder / "gateway.key"
        )
        (folder / "broker").mkdir()
        self.broker = TlsBroker(folder / "broker", self.authority).start()
        self.seen: list[SeenRecord] = []
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._serves = serves
        if serves:
            self._thread.start()

    def _serve(self) -> None:
        settings = ServiceSettings(
            SITE, broker_host=HOST, broker_port=self.broker.port,
            ca_file=str(self.authority.certificate_file),
            cert_file=str(self._folder / "gateway.pem"), key_file=str(self._folder / "gateway.key"),
        )  # fmt: skip
        with Ledger.open(self._folder / "ledger.db") as ledger:
            self.service = Service(
                settings,
                Ingest(ledger, KeyStore(self._folder / "keys"), Clock(), SITE),
                self.seen.append,
            )
            self.service.run(self._stop)

    def as_gateway(self, client: mqtt.Client) -> None:
        """Give a client the gateway's certificate."""
        client.tls_set(
            str(self.authority.certificate_file),
            str(self._folder / "gateway.pem"),
            str(self._folder / "gateway.key"),
        )

    def tallies(self) -> list[SeenRecord]:
        return [record for record in list(self.seen) if record.kind == "tally"]

    def close(self) -> None:
        self._stop.set()
        if self._serves:
            self.service.wake()
            self._thread.join(PATIENCE)
        self.broker.stop()

    def staged(self, folder: Path, authority: Authority | None = None, **site: Any) -> Path:
        """The board's tree with the certificate of `authority` (the site's own by default) and more
        of site.json.
        """
        tree = staged(folder, self.broker.port, self.key.secret.hex(), SOON)
        signer = authority or self.authority
        write_issued(signer.issue_device(DEVICE), folder / "device.pem", folder / "device.key")
        for name, content in board_files(
            signer, folder / "device.pem", folder / "device.key"
        ).items():
            (tree / name).write_bytes(content)
        settings = json.loads((tree / "site.json").read_text())
        (tree / "site.json").write_text(json.dumps({**settings, "tls": True, **site}))
        return tree
