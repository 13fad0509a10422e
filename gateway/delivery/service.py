"""The gateway as it runs: one thread, one loop, one transaction for whatever has arrived.

  wait for the broker -> receive what is there -> accept each message -> ONE commit
         ^                                                                  |
         +------- one write: all PUBACKs, the sealed acknowledgements <-----+

No inbox and no linger: a lone message is answered at once, a burst shares a sync. What one
transaction does not hold waits in the buffer and then in the socket, where TCP holds the broker
back: no message that was taken from the socket is dropped. While the storage fails the batch is
kept and nothing is read, but the broker still hears from us.

The sealed acknowledgements go out with QoS 0. They are idempotent and repeated with the next
message or heartbeat, a lost one costs one re-send; with QoS 1 the broker would queue stale ones for
a device that is off, and each would cost a PUBACK.
"""

import json
import logging
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.delivery.batch import Batch
from gateway.delivery.connection import Hello, NotSubscribed, Silent
from gateway.delivery.hearing import Hearing
from gateway.delivery.ingest import Ingest
from gateway.delivery.link import Link, monotonic_ms
from gateway.delivery.mqtt import Message
from gateway.delivery.presence import Rivals, Running
from gateway.delivery.shares import Shares
from gateway.delivery.subscriptions import Subscriptions
from gateway.delivery.wire import NotReached
from gateway.errors import TryAgain, Unavailable
from gateway.facts.records import SeenRecord
from protocol import topics

log = logging.getLogger("till.service")

# One transaction. More would make the first answer late.
BATCH_MESSAGES_MAX = 1_024
BATCH_BYTES_MAX = 262_144
# Taken from the socket and not yet committed: while an earlier gateway may still be there we listen
# for its note, and nothing else is done with what comes. Above it nothing more is read.
WAITING_MESSAGES_MAX = 4_096
KEEPALIVE_S = 30  # iotcore refuses 0; half a minute notices a dead link without chatter
_IDLE_MS = 500  # how often the loop looks whether it should stop
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
    worker: int = 1  # of several that share the site

    @property
    def client_id(self) -> str:
        """One gateway a site: a second one with this name pushes the first off the broker, see
        gateway/delivery/presence.py. The first of several workers has the same name, so that it
        ends the session of a gateway that was alone here.
        """
        number = f"-{self.worker}" if self.worker > 1 else ""
        return f"till-gateway-{self.site}{number}"

    @property
    def presence_topic(self) -> str:
        """Where the gateway keeps its own note."""
        return str(topics.topic(self.site, "gateway", "state"))


class Service:
    """Ingest behind a real broker. `run` returns when `stop` is set; everything else happens in
    between.

    `connected` is set while the broker has us subscribed. `on_record` sees every newly recorded
    record, after COMMIT. `running`: who we are, for a look at other gateways of this site; None:
    nobody looks. `shares`: the devices that this worker hears; None: it hears all.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        ingest: Ingest,
        on_record: Callable[[SeenRecord], None] | None = None,
        running: Running | None = None,
        shares: Shares | None = None,
    ) -> None:
        """Raises OSError for a certificate or key that cannot be read or used."""
        self._settings = settings
        self._ingest = ingest
        if on_record is not None:
            ingest.observers.append(on_record)
        self._said_absent = False
        self._rivals = Rivals(running)
        self._hearing = Hearing()
        self._shares = shares
        self._subscriptions = Subscriptions(settings.site)
        self._waiting: deque[Batch] = deque()
        self._retry_ms = 0  # no commit before; see Batch.pause_ms
        self._waker: socket.socket | None = None
        self.connected = threading.Event()
        # set with the first connection in which no other gateway can be there
        self.settled = threading.Event()
        # set once, when the broker has confirmed all that this worker hears
        self.hears = threading.Event()
        self.has_duty = threading.Event()  # what is done once a site is ours to do
        if shares is None:
            self.has_duty.set()
        self._link = self._new_link()

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set (see `wake`). A broker that is away is tried again for ever,
        with back-off.

        Raises LedgerBroken when the ledger is damaged: nothing of the batch at hand is
        acknowledged. Raises TryAgain when another gateway of this site was at the broker first.
        """
        self._waker, woken = socket.socketpair()
        self._waker.setblocking(False)
        woken.setblocking(False)
        try:
            while not stop.is_set():
                self._look_for_rivals()
                self._share()
                self._listen()
                self._link.serve(woken, self._pause_ms(), self._room > 0)
                self._take_and_work()
            self._leave()
        finally:
            self.connected.clear()
            self._link.end()
            self._waker.close()
            woken.close()
            log.info("gateway_stopped site=%s", self._settings.site)

    def wake(self) -> None:
        """Let `run` notice a `stop` that was just set."""
        if self._waker is not None:
            with suppress(OSError):  # full: it is awake; closed: it has ended
                self._waker.send(b"!")

    # -- the loop

    @property
    def _room(self) -> int:
        """How many messages may be taken from the broker."""
        if self._link.is_in and monotonic_ms() < self._retry_ms:
            return 0
        return WAITING_MESSAGES_MAX - sum(batch.size for batch in self._waiting)

    def _pause_ms(self) -> int:
        """How long the loop may wait for the broker."""
        if not self.settled.is_set():
            return _UNSETTLED_MS if self.connected.is_set() else _IDLE_MS
        if not self._waiting:
            return _IDLE_MS
        return min(max(self._retry_ms - monotonic_ms(), 0), _IDLE_MS)

    def _take_and_work(self) -> None:
        """All that came, a batch after the other, as long as the storage takes them."""
        while True:
            room = min(self._room, BATCH_MESSAGES_MAX)
            messages = self._link.take(room, BATCH_BYTES_MAX) if room > 0 else []
            if messages:
                self._waiting.append(self._batch(messages))
            if self._waiting and self.settled.is_set() and monotonic_ms() >= self._retry_ms:
                self._work(self._waiting[0])
            elif not messages:
                return

    def _batch(self, messages: list[Message]) -> Batch:
        """The messages without notes of gateways, which only want a PUBACK in their turn."""
        ids = [message[3] for message in messages if message[3]]
        if ids:
            self._hearing.messages(monotonic_ms())
        ours = self._settings.presence_topic
        rest = [each for each in messages if each[0] != ours or not self._is_note(each)]
        return Batch(self._link.number, rest, ids)

    def _is_note(self, message: Message) -> bool:
        _, payload, _, packet_id = message
        if self._hearing.take(payload, bool(packet_id), monotonic_ms()):
            return True
        if self._rivals.own is None:
            return False
        # a device's message is sealed, and no sealed message is such a note
        note = Running.parse(payload)
        if note is not None:
            self._rivals.heard(note)
        return note is not None or not payload

    def _work(self, batch: Batch) -> None:
        if not batch.work(self._ingest):
            self._retry_ms = monotonic_ms() + batch.pause_ms
            return
        self._waiting.popleft()
        connection = self._link.connection
        if connection is None:  # the broker sends again what has no PUBACK, and devices ask again
            return
        if batch.connection == self._link.number:
            connection.answer(batch.packet_ids)
        for topic, sealed in batch.answers:
            connection.publish(topic, sealed)
        self._link.flush()

    # -- the other workers of this run

    def _share(self) -> None:
        """Hear what our leases say. A device that we give up is unsubscribed, what has come of it
        is made durable, and then its lease goes back.
        """
        shares = self._shares
        if shares is None or not self.settled.is_set():
            return
        shares.look(monotonic_ms())
        if shares.has_duty:
            self.has_duty.set()
        else:
            self.has_duty.clear()
        connection = self._link.connection if self._link.is_in else None
        audible = self._subscriptions.follow(connection, self._link.number, shares.heard)
        self._link.flush()
        if shares.has_looked and self._subscriptions.is_heard(connection, shares.heard):
            self.hears.set()
        shares.give_back(audible, bool(self._waiting))

    # -- other gateways, and ourselves

    def _look_for_rivals(self) -> None:
        if self._rivals.settled(monotonic_ms()):
            self.settled.set()
        for trouble in self._rivals.pop_troubles():
            log.error('%s error="%s"', trouble.kind, trouble.text)
            self._ingest.note_incident(trouble.kind, trouble.text)
            if trouble.must_end:
                raise TryAgain(trouble.text)

    def _leave(self) -> None:
        """Who ends in order leaves no note that the next one would have to wait for. Of several
        workers nobody knows to be the last one, and whoever finds their note on this machine sees
        that they are gone.
        """
        if self._shares is not None:
            self._shares.leave()
        elif self._rivals.own is not None and self._link.connection is not None:
            self._link.connection.publish(self._settings.presence_topic, b"", retain=True)

    def _listen(self) -> None:
        """Say something to ourselves by way of the broker, and end a connection that is deaf."""
        connection, now_ms = self._link.connection, monotonic_ms()
        if connection is None or not self._link.is_in:
            return
        if self._room <= 0 or not self.settled.is_set():  # it is us who do not listen
            self._hearing.messages(now_ms)
        beat = self._hearing.pop_beat(now_ms)
        if beat is not None:
            connection.publish_confirmed(self._settings.presence_topic, beat)
            self._link.flush()
        elif self._hearing.is_deaf(now_ms):
            text = (
                f"connected to the broker, and for {self._hearing.patience_ms // 1000} s neither a"
                " message nor the gateway's own beat came back; it connects anew; look at the"
                f" broker's log, and whether it lets the gateway write"
                f" {self._settings.presence_topic}"
            )
            if not self._hearing.was_told:
                log.error('gateway_deaf error="%s"', text)
                self._ingest.note_incident("gateway_deaf", text)
            self._hearing.told()
            self._link.give_up(Silent("connected but not heard"))

    # -- the broker

    def _new_link(self) -> Link:
        s = self._settings
        secure = None
        if s.ca_file is not None:
            # the certificate has to be of this CA, and for the broker's host name
            secure = ssl.create_default_context(cafile=s.ca_file)
            if s.cert_file is not None:
                secure.load_cert_chain(s.cert_file, s.key_file)
        site = topics.check_name(s.site)
        wanted: tuple[str, ...] = (f"till/1/{site}/+/ev", f"till/1/{site}/+/state")
        is_worker = self._shares is not None
        if is_worker:  # devices follow by name
            wanted = (s.presence_topic,)
        hello = Hello(s.client_id, wanted, KEEPALIVE_S, s.username, s.password, is_worker)
        address = (s.broker_host, s.broker_port)
        return Link(address, secure, hello, self._on_in, self._on_lost)

    def _on_in(self) -> None:
        s, now_ms = self._settings, monotonic_ms()
        self._said_absent = False
        log.info("broker_connected host=%s port=%d", s.broker_host, s.broker_port)
        self._rivals.connected(now_ms)
        self._hearing.connected(now_ms)
        self.connected.set()
        if self._rivals.own is not None and self._link.connection is not None:
            self._link.connection.publish(s.presence_topic, self._rivals.own.note(), retain=True)

    def _on_lost(self, error: Unavailable, was_in: bool) -> None:
        self._hearing.lost()
        self.connected.clear()
        if was_in:
            self._rivals.lost(monotonic_ms())
            log.warning('broker_lost reason="%s" next="reconnecting with back-off"', error)
            return
        if isinstance(error, NotReached):
            self._rivals.refused()
        if self._said_absent:  # a state change is said once, not each retry
            return
        self._said_absent = True
        s = self._settings
        if isinstance(error, NotSubscribed):
            log.error(
                'subscribe_refused site=%s error="%s"'
                ' next="let this client read ev and state in the ACL"',
                s.site, error,
            )  # fmt: skip
            return
        log.error(
            "broker_absent broker %s:%d: %s; start it, or set [broker] host and port",
            s.broker_host, s.broker_port, error,
        )  # fmt: skip


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
