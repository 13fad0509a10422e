"""Listens at the broker for the first sealed boot record of one device: the proof that a flashed
board runs and is heard.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway.errors import Unavailable
from protocol import messages, records, topics
from protocol.compat import ProtocolError
from protocol.unpacking import open_message

CONNECT_S = 10


@dataclass(frozen=True)
class Watcher:
    """A place at a broker that speaks TLS, as the office knows it: host, port and the files of a
    client certificate.
    """

    host: str
    port: int
    ca_file: str
    cert_file: str
    key_file: str


class BootWatch:
    """Use it in a `with`, entered before the board is started; then `seen()` until it is True.

    It has seen a boot when a message of the device carries the right seal and, in it, the boot
    record of the very start that sent the message, with the hash of the board's constants. Records
    of earlier starts, sent again, do not count.
    """

    def __init__(
        self, site: Mapping[str, Any], board_hash: bytes, watcher: Watcher | None = None
    ) -> None:
        self._topic = topics.topic(site["site"], site["device"], "ev")
        self._kid = topics.kid(site["device"], site["key_number"])
        self._key = bytes.fromhex(site["key_hex"])
        self._board_hash = board_hash
        self._address = (str(site["broker_host"]), int(site["broker_port"]))
        self._seen = threading.Event()
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        if watcher is not None:
            self._address = (watcher.host, watcher.port)
            self._client.tls_set(watcher.ca_file, watcher.cert_file, watcher.key_file)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _client, _data, message: self.take(
            message.topic, bytes(message.payload)
        )

    def __enter__(self) -> "BootWatch":
        try:
            self._client.connect(*self._address)
        except OSError as error:
            raise Unavailable(
                f"broker {self._address[0]}:{self._address[1]}: {error}; start it, or check the"
                " site"
            ) from error
        self._client.loop_start()
        if not self._subscribed.wait(CONNECT_S):
            self._client.loop_stop()
            raise Unavailable(
                f"broker {self._address[0]}:{self._address[1]}: no subscription in {CONNECT_S} s"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def seen(self) -> bool:
        return self._seen.is_set()

    def take(self, topic: str, payload: bytes) -> None:
        """One message from the broker; anything that is not sealed by this device is nothing."""
        try:
            _, opened = open_message(
                payload, topic, lambda kid: self._key if kid == self._kid else None
            )
            events = messages.decode_events(opened)
            for raw in events["records"]:
                record = records.decode_record(raw)
                is_boot = record["kind"] == "boot" and record["boot"] == events["boot"]
                if is_boot and record.get("board_hash") == self._board_hash:
                    self._seen.set()
        except ProtocolError:
            return
