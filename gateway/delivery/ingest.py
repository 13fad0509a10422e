"""From bytes of the broker to durable records and sealed answers. Sans-IO but for the ledger: no
socket, no thread.

`accept` judges one message (size, topic, seal, whose key, decode) and changes nothing. `commit`
makes a batch durable in one transaction and only then hands out the acknowledgements: what a device
may forget is on disk. One answer a stream and commit.
"""

import contextlib
import logging
from collections.abc import Callable, Sequence

from gateway.clock import Clock
from gateway.delivery.fence import Fence, without
from gateway.delivery.known import Known
from gateway.delivery.outcomes import (
    Accepted,
    AcceptedEvents,
    AcceptedState,
    Recorded,
    Rejected,
    Stream,
)
from gateway.delivery.recording import record
from gateway.delivery.seals import Retired, Seals
from gateway.devices.commands import after_heartbeat
from gateway.devices.keys import KeyStore
from gateway.errors import GatewayError, LedgerBroken, TryAgain
from gateway.facts.events import read_events, read_packed
from gateway.facts.records import SeenRecord
from gateway.store.engine import ConstraintBroken, StorageError, is_damaged, is_other_schema
from gateway.store.ledger import Ledger
from gateway.store.schema_version import schema_text
from protocol import cbor, messages, seal, topics
from protocol.compat import ProtocolError
from protocol.packing import VERSION
from protocol.unpacking import is_packed

log = logging.getLogger("till.ingest")


class Ingest:
    """The gate in front of the ledger of one site."""

    def __init__(
        self,
        ledger: Ledger,
        keys: KeyStore,
        clock: Clock,
        site: str,
        fence: Fence | None = None,
    ) -> None:
        self._ledger = ledger
        self._keys = keys
        self._clock = clock
        self._site = site
        self._fence = fence
        self._seals = Seals(keys, site)
        self._known = Known()
        self._failing_since_ms = 0
        self.troubles: list[
            Callable[[str, str, int], None]
        ] = []  # (kind, text, at_ms) of trouble with the storage, each once
        self.observers: list[Callable[[SeenRecord], None]] = []

    def accept(self, topic: str, payload: bytes, retained: bool) -> Accepted | Rejected:
        """What a message of the broker is. Changes nothing: pass the outcome to `commit`, the
        rejected ones too.
        """
        now_ms = self._clock.utc_ms()
        device = named = leaf = ""
        try:
            named, leaf = self._seals.addressed(topic)
            if (
                retained and leaf == "ev"
            ):  # an event is stated once; a copy that the broker kept is nobody's statement
                return Rejected("ev: retained", topic, payload, now_ms, keep=False)
            device, leaf, kid, content = self._seals.open(topic, payload)
            if leaf == "ev":
                read = read_packed if is_packed(payload) else read_events
                events = read(content, now_ms)
                return AcceptedEvents(topic, device, kid, payload, now_ms, events)
            return AcceptedState(
                topic, device, kid, payload, now_ms, messages.decode_state(content), retained
            )
        except Retired as error:
            lost = leaf == "state" and _claims_lost(payload)
            kid_told = error.kid if lost or not retained else ""
            return Rejected(
                str(error), topic, payload, now_ms, named, retired_kid=kid_told, claims_lost=lost
            )
        except ProtocolError as error:
            return Rejected(str(error), topic, payload, now_ms, device)

    def commit(self, batch: Sequence[Accepted | Rejected]) -> list[tuple[str, bytes]]:
        """Make the batch durable; (topic, sealed) of an acknowledgement for every stream that
        spoke, then of commands due.

        Raises TryAgain when the storage failed: nothing is durable, nothing may be acknowledged,
        the same batch may come again. Raises LedgerBroken when the ledger is damaged or contradicts
        itself: trying again would not help, a person must look.
        """
        now_ms = self._clock.utc_ms()
        try:
            recorded = record(self._ledger, batch, now_ms, self._known, self._fence)
        except (
            ConstraintBroken
        ):  # not the disk's fault: trying the same again would hold up every device for ever
            raise
        except LedgerBroken as error:
            self._broken(str(error), now_ms)
            raise
        except StorageError as error:
            text = self._lasting(error)
            if text:
                self._broken(text, now_ms)
                raise LedgerBroken(text) from error
            if not self._failing_since_ms:
                self._failing_since_ms = now_ms
                log.error(
                    'storage_failed messages=%d error="%s" next="%s"',
                    len(batch),
                    error,
                    self._ledger.cure,
                )
                self._tell(
                    "storage_failed",
                    f"{error}; {self._ledger.cure}, counts are held at the windows",
                    now_ms,
                )
            raise TryAgain(
                f"ledger {self._ledger.path}: {error}; {self._ledger.cure}, counts are held at"
                " the windows"
            ) from error
        self._seals.refresh()
        self._note_recovery(now_ms)
        batch = self._ours(batch, recorded)
        for outcome in batch:
            if isinstance(outcome, Rejected):
                log.warning(
                    'message_refused topic=%r reason="%s"', outcome.topic[:80], outcome.reason[:200]
                )
        if self.observers:
            for taken in recorded.taken:
                for seen in taken.records():
                    self._observe(seen)
        acks = [
            ack for stream in recorded.streams if (ack := self._ack(stream, recorded)) is not None
        ]
        return acks + self._commands(batch, now_ms)

    def _ours(
        self, batch: Sequence[Accepted | Rejected], recorded: Recorded
    ) -> Sequence[Accepted | Rejected]:
        """The batch without what the fence left out."""
        if not recorded.fenced:
            return batch
        ours = without(batch, recorded.fenced)
        left_out = len(batch) - len(ours)
        log.warning("messages_fenced messages=%d devices=%d", left_out, len(recorded.fenced))
        return ours

    def _ack(self, stream: Stream, recorded: Recorded) -> tuple[str, bytes] | None:
        key = self._keys.key_of(stream.kid) if stream.kid else None
        if key is None:  # nobody to answer, or the key was withdrawn meanwhile
            return None
        if stream.taken:
            log.info(
                "records_taken device=%s epoch=%d high_water=%d new=%d n=%d",
                stream.device, stream.epoch, stream.high_water, stream.taken, recorded.ledger_n,
            )  # fmt: skip
        topic = topics.topic(self._site, stream.device, "ack")
        payload = messages.encode_ack(
            {
                "epoch": stream.epoch,
                "high_water": stream.high_water,
                "want_from": stream.high_water + 1 if stream.want_to else 0,
                "want_to": stream.want_to or VERSION,  # nothing is missing: what we read
                "ledger_n": recorded.ledger_n,
                "ledger_head": recorded.ledger_head,
                "utc_ms": self._clock.utc_ms(),
                "echo_boot": stream.echo_boot,
                "echo_uptime_ms": stream.echo_uptime_ms,
                "fingerprint": stream.fingerprint,
            }
        )
        return topic, seal.seal(key, stream.kid, topic, payload)

    def _commands(
        self, batch: Sequence[Accepted | Rejected], now_ms: int
    ) -> list[tuple[str, bytes]]:
        """What devices that are there are asked to do. A storage that fails here costs the command
        one heartbeat, no more.
        """
        due = []
        for outcome in batch:
            if (
                isinstance(outcome, AcceptedState)
                and not outcome.retained
                and outcome.state["status"] != "lost"
            ):
                try:
                    command = after_heartbeat(
                        self._ledger,
                        self._keys,
                        self._site,
                        outcome.device,
                        outcome.kid,
                        outcome.state,
                        now_ms,
                    )
                except (StorageError, GatewayError) as error:
                    log.error('command_not_sent device=%s error="%s"', outcome.device, error)
                    continue
                if command is not None:
                    due.append(command)
        return due

    def _observe(self, record: SeenRecord) -> None:
        for observer in self.observers:
            try:
                observer(record)
            except Exception:  # a view that breaks must not stop the money
                log.exception("observer_failed device=%s seq=%d", record.device, record.seq)

    def _lasting(self, error: StorageError) -> str:
        """Why trying again is vain: a damaged file, or one that another program changed while it
        was in use. Empty for trouble of the disk, which passes.
        """
        path = self._ledger.path
        if is_damaged(error):
            return (
                f"ledger {path}: damaged ({error}); keep the file, put a backup back with till"
                " restore"
            )
        return schema_text(self._ledger.db, path, error) if is_other_schema(error) else ""

    def _broken(self, text: str, now_ms: int) -> None:
        """Said in the log, to whoever follows, and as an incident, as far as the file still takes
        one.
        """
        log.error(
            'ledger_broken error="%s" next="nothing is acknowledged; the counts are held at the'
            ' windows"',
            text,
        )
        self._tell("ledger_broken", text, now_ms)
        with contextlib.suppress(StorageError):
            self._ledger.incident("ledger_broken", "", text, now_ms)

    def note_incident(self, kind: str, text: str) -> None:
        """What the gateway found about itself: to whoever follows, and as an incident, as far as
        the file takes one.
        """
        now_ms = self._clock.utc_ms()
        self._tell(kind, text, now_ms)
        try:
            self._ledger.incident(kind, "", text, now_ms)
        except (StorageError, GatewayError) as error:
            log.error('incident_not_written error="%s"', error)

    def _tell(self, kind: str, text: str, now_ms: int) -> None:
        for trouble in self.troubles:
            try:
                trouble(kind, text, now_ms)
            except Exception:  # a view that breaks must not stop the money
                log.exception("observer_failed kind=%s", kind)

    def _note_recovery(self, now_ms: int) -> None:
        if not self._failing_since_ms:
            return
        since_ms, self._failing_since_ms = self._failing_since_ms, 0
        log.warning("storage_back after_ms=%d", now_ms - since_ms)
        self._tell(
            "storage_back",
            f"after {now_ms - since_ms} ms; the devices state again what they held",
            now_ms,
        )
        try:
            text = (
                f"the ledger could not be written from {since_ms} to {now_ms} (Unix ms); the"
                " devices kept their counts"
            )
            self._ledger.incident("storage_failed", "", text, now_ms)
        except StorageError as error:
            self._failing_since_ms = since_ms  # said with the next batch that works
            log.error('incident_not_written error="%s"', error)


def _claims_lost(sealed: bytes) -> bool:
    """Whether a message whose seal nobody can check any more says that its device vanished. Anybody
    may have written it: good for a note to a person, and for nothing else.
    """
    try:
        return bool(messages.decode_state(cbor.decode(sealed)[2])["status"] == "lost")
    except (ProtocolError, TypeError, IndexError, KeyError):
        return False
