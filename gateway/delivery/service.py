"""The gateway as it runs: one MQTT client, one worker, one transaction for whatever has arrived.

paho's thread only puts messages into a bounded inbox. The worker takes all that is there (up to
256), commits it, and only then sends the PUBACKs and the sealed acknowledgements: no linger, so a
lone message is answered at once and a burst shares a sync.

The sealed acknowledgements go out with QoS 0. They are idempotent and repeated with the next
message or heartbeat, a lost one costs one re-send; with QoS 1 the broker would queue stale ones for
a device that is off, and each would cost a PUBACK.
"""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway.delivery.ingest import Ingest
from gateway.delivery.outcomes import Accepted, Rejected
from gateway.delivery.presence import Rivals, Running
from gateway.errors import LedgerBroken, TryAgain
from gateway.facts.records import SeenRecord
from protocol import topics

log = logging.getLogger("till.service")

BATCH_MESSAGES_MAX = 256  # one transaction; more gains nothing and makes the first answer late
# 4 MiB; QoS 1 is bounded by the broker's window of unacknowledged messages, QoS 0 by this alone
INBOX_MESSAGES_MAX = 4_096
KEEPALIVE_S = 30  # iotcore refuses 0; half a minute notices a dead link without chatter
RECONNECT_S = (1, 30)  # first and longest pause, doubled in between
RETRY_MS = (250, 15_000)  # pause after a failed commit, doubled in between
_IDLE_MS = 500  # how often the worker looks whether it should stop
_UNSETTLED_MS = 20  # the same while it waits for its own note, a few milliseconds after a start


@dataclass(frozen=True)
class ServiceSettings:
    """Where the broker is and how to prove who we are to it."""

    site: str
    broker_host: str = "127.0.0.1"
    broker_port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None  # TLS when given
    cert_file: str | None = None
    key_file: str | None = None

    @property
    def client_id(self) -> str:
        """One gateway a site: a second one with this name pushes the first off the broker, see
        gateway/delivery/presence.py.
        """
        return f"till-gateway-{self.site}"

    @property
    def presence_topic(self) -> str:
        """Where the gateway keeps its own note."""
        return str(topics.topic(self.site, "gateway", "state"))


@dataclass(frozen=True, slots=True)
class _Arrived:
    topic: str
    payload: bytes
    retained: bool
    mid: int
    qos: int
    connection: int  # which connection brought it: a PUBACK belongs to that one alone


class _Inbox:
    """A bounded queue whose reader takes everything at once."""

    def __init__(self) -> None:
        self._items: deque[_Arrived] = deque()
        self._changed = threading.Condition()

    def put(self, item: _Arrived) -> bool:
        """False when it is full."""
        with self._changed:
            if len(self._items) >= INBOX_MESSAGES_MAX:
                return False
            self._items.append(item)
            self._changed.notify()
            return True

    def take(self, timeout_ms: int) -> list[_Arrived]:
        """Up to BATCH_MESSAGES_MAX that are there; waits for the first one."""
        with self._changed:
            if not self._items:
                self._changed.wait(timeout_ms / 1000)
            return [self._items.popleft() for _ in range(min(len(self._items), BATCH_MESSAGES_MAX))]

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


class Service:
    """Ingest behind a real broker. `run` returns when `stop` is set; everything else happens in
    between.

    `connected` is set while the broker has us subscribed. `on_record` sees every newly recorded
    record, after COMMIT. `running`: who we are, for a look at other gateways of this site; None:
    nobody looks.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        ingest: Ingest,
        on_record: Callable[[SeenRecord], None] | None = None,
        running: Running | None = None,
    ) -> None:
        self._settings = settings
        self._ingest = ingest
        if on_record is not None:
            ingest.observers.append(on_record)
        self._inbox = _Inbox()
        self._connection = 0
        self._dropped = 0
        self._said_absent = False
        self._rivals = Rivals(running)
        self.connected = threading.Event()
        # set with the first connection in which no other gateway can be there
        self.settled = threading.Event()
        self._client = self._new_client()

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set (see `wake`). A broker that is away is tried again for ever,
        with back-off.

        Raises LedgerBroken when the ledger is damaged: nothing of the batch at hand is
        acknowledged. Raises TryAgain when another gateway of this site was at the broker first.
        """
        self._client.connect_async(
            self._settings.broker_host, self._settings.broker_port, KEEPALIVE_S
        )
        self._client.loop_start()
        try:
            while not stop.is_set():
                self._look_for_rivals()
                if not self.settled.is_set():
                    if self.connected.wait(_IDLE_MS / 1000):
                        stop.wait(_UNSETTLED_MS / 1000)
                    continue
                arrived = self._inbox.take(_IDLE_MS)
                if arrived:
                    self._work(arrived, stop)
            self._take_note_back()
        finally:
            self.connected.clear()
            self._client.disconnect()
            self._client.loop_stop()
            log.info("gateway_stopped site=%s", self._settings.site)

    def wake(self) -> None:
        """Let `run` notice a `stop` that was just set."""
        self._inbox.wake()

    # -- the worker

    def _look_for_rivals(self) -> None:
        if self._rivals.settled(_monotonic_ms()):
            self.settled.set()
        for trouble in self._rivals.pop_troubles():
            log.error('%s error="%s"', trouble.kind, trouble.text)
            self._ingest.note_incident(trouble.kind, trouble.text)
            if trouble.must_end:
                raise TryAgain(trouble.text)

    def _take_note_back(self) -> None:
        """Who ends in order leaves no note that the next one would have to wait for."""
        if self._rivals.own is not None and self.connected.is_set():
            self._client.publish(self._settings.presence_topic, b"", retain=True)

    def _work(self, arrived: list[_Arrived], stop: threading.Event) -> None:
        batch = [self._accept(message) for message in arrived]
        acks = self._commit(batch, stop)
        if (
            acks is None
        ):  # stopped while the storage failed: unacknowledged, so the devices still have all of it
            return
        for message in arrived:
            if message.qos and message.connection == self._connection:
                self._client.ack(message.mid, message.qos)
        for topic, sealed in acks:
            self._client.publish(topic, sealed, qos=0)

    def _accept(self, message: _Arrived) -> Accepted | Rejected:
        try:
            return self._ingest.accept(message.topic, message.payload, message.retained)
        except (
            Exception
        ):  # one message that we did not foresee must not stop the others; it is kept and looked at
            log.exception(
                "accept_failed topic=%r bytes=%d", message.topic[:80], len(message.payload)
            )
            return Rejected(
                "gateway: unforeseen error, see the log",
                message.topic,
                message.payload,
                time.time_ns() // 1_000_000,
            )

    def _commit(
        self, batch: list[Accepted | Rejected], stop: threading.Event
    ) -> list[tuple[str, bytes]] | None:
        pause_ms, longest_ms = RETRY_MS
        while not stop.is_set():
            try:
                return self._ingest.commit(batch)
            except LedgerBroken:
                # said by ingest; the gateway ends here, and starts again only on a ledger that is
                # whole
                raise
            except (
                TryAgain
            ):  # said once by ingest; nothing was acknowledged, the counts are held at the windows
                stop.wait(pause_ms / 1000)
                pause_ms = min(pause_ms * 2, longest_ms)
            except Exception:  # a message that we did not foresee must not hold up the others
                log.exception("commit_failed messages=%d", len(batch))
                if len(batch) > 1:
                    return self._commit_each(batch, stop)
                batch = [_set_aside(batch[0])]
                stop.wait(pause_ms / 1000)
                pause_ms = min(pause_ms * 2, longest_ms)
        return None

    def _commit_each(
        self, batch: list[Accepted | Rejected], stop: threading.Event
    ) -> list[tuple[str, bytes]] | None:
        acks: list[tuple[str, bytes]] = []
        for outcome in batch:
            answer = self._commit([outcome], stop)
            if answer is None:
                return None
            acks += answer
        return acks

    # -- paho's thread

    def _new_client(self) -> mqtt.Client:
        s = self._settings
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=s.client_id,
            clean_session=False,
            protocol=mqtt.MQTTv311,
            manual_ack=True,
        )
        self._secure(client)
        client.reconnect_delay_set(*RECONNECT_S)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _secure(self, client: mqtt.Client) -> None:
        s = self._settings
        if s.username is not None:
            client.username_pw_set(s.username, s.password)
        if s.ca_file is not None:
            client.tls_set(s.ca_file, s.cert_file, s.key_file)

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._note_absent(str(reason))
            return
        self._said_absent = False
        site = topics.check_name(self._settings.site)
        client.subscribe([(f"till/1/{site}/+/ev", 1), (f"till/1/{site}/+/state", 1)])

    def _on_subscribe(
        self, client: mqtt.Client, _data: Any, _mid: int, reasons: Any, _properties: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error(
                'subscribe_refused site=%s next="let this client read ev and state in the ACL"',
                self._settings.site,
            )
            return
        log.info(
            "broker_connected host=%s port=%d",
            self._settings.broker_host,
            self._settings.broker_port,
        )
        self._rivals.connected(_monotonic_ms())
        self.connected.set()
        if self._rivals.own is not None:
            client.publish(self._settings.presence_topic, self._rivals.own.note(), retain=True)

    def _on_connect_fail(self, _client: mqtt.Client, _data: Any) -> None:
        self._rivals.refused()
        self._note_absent("connection refused")

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        self._connection += 1
        if self.connected.is_set():
            self.connected.clear()
            self._rivals.lost(_monotonic_ms())
            log.warning('broker_lost reason="%s" next="reconnecting with back-off"', reason)
        elif reason.is_failure:
            self._note_absent(f"it closed the connection ({reason})")

    def _on_message(self, _client: mqtt.Client, _data: Any, m: mqtt.MQTTMessage) -> None:
        try:
            topic = m.topic
        except UnicodeError:
            topic = ""
        if topic == self._settings.presence_topic and self._rivals.own is not None:
            # a device's message is sealed, and no sealed message is such a note
            note = Running.parse(bytes(m.payload))
            if note is not None or not m.payload:
                if note is not None:
                    self._rivals.heard(note)
                self._client.ack(m.mid, m.qos)
                return
        if self._inbox.put(
            _Arrived(topic, bytes(m.payload), m.retain, m.mid, m.qos, self._connection)
        ):
            return
        # Only a flood gets here. A dropped QoS 1 message stays unacknowledged and its device sends
        # it again anyway.
        self._dropped += 1
        if self._dropped.bit_count() == 1:
            log.error("inbox_full messages=%d dropped=%d", INBOX_MESSAGES_MAX, self._dropped)

    def _note_absent(self, reason: str) -> None:
        if not self._said_absent:  # a state change is said once, not each retry
            self._said_absent = True
            log.error("broker_absent %s", self._absent(reason))

    def _absent(self, reason: str) -> str:
        s = self._settings
        return (
            f"broker {s.broker_host}:{s.broker_port}: {reason}; start it, or set [broker] host and"
            " port"
        )


def _set_aside(outcome: Accepted | Rejected) -> Rejected:
    """What goes to quarantine in place of a message that cannot be recorded; a rejected one that
    cannot be is only counted.
    """
    if isinstance(outcome, Rejected):
        return Rejected(outcome.reason, "", b"", outcome.received_ms, keep=False)
    reason = "gateway: it could not be recorded, see the log"
    return Rejected(reason, outcome.topic, outcome.sealed, outcome.received_ms, outcome.device)


def trouble_line(kind: str, text: str, at_ms: int) -> str:
    """Trouble with the storage as a line of JSON for `--follow`."""
    return json.dumps(
        {"kind": "trouble", "trouble": kind, "text": text, "at_ms": at_ms}, separators=(",", ":")
    )


def follow_line(record: SeenRecord) -> str:
    """One record as a line of JSON for `--follow`: bytes as hex, times in Unix milliseconds."""
    values = {
        "device": record.device,
        "epoch": record.epoch,
        "seq": record.seq,
        "occurred_ms": record.occurred_ms,
        "received_ms": record.received_ms,
        **record.fields,
        "kind": record.kind,
    }
    return json.dumps(values, default=lambda value: value.hex(), separators=(",", ":"))


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
