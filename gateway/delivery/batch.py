"""Messages that are made durable together, and what becomes of them when that fails."""

import logging
import time
from collections import deque

from gateway.delivery.ingest import Ingest
from gateway.delivery.mqtt import Message
from gateway.delivery.outcomes import Accepted, Rejected
from gateway.errors import LedgerBroken, TryAgain

log = logging.getLogger("till.service")

RETRY_MS = (250, 15_000)  # pause after a failed commit, doubled in between


class Batch:
    """Messages of one connection. `packet_ids`: of all of them that want a PUBACK, and of notes
    that came between them, in their order.
    """

    def __init__(self, connection: int, messages: list[Message], packet_ids: list[bytes]) -> None:
        self.connection = connection
        self.size = max(len(packet_ids), len(messages))
        self.packet_ids = packet_ids
        self.answers: list[tuple[str, bytes]] = []  # topic, sealed
        self.pause_ms = 0
        self._messages = messages
        self._parts: deque[list[Accepted | Rejected]] | None = None

    def work(self, ingest: Ingest) -> bool:
        """True when all of it is durable, and may be acknowledged. False: try again after
        `pause_ms`; until then nothing of it may be.

        Raises LedgerBroken when trying again is vain.
        """
        if self._parts is None:
            self._parts = deque([_accepted(ingest, self._messages)] if self._messages else [])
            self._messages = []
        while self._parts:
            part = self._parts[0]
            try:
                self.answers += ingest.commit(part)
            except LedgerBroken:
                # said by ingest; the gateway ends here, and starts again only on a whole ledger
                raise
            except TryAgain:  # said once by ingest; the counts are held at the windows
                return self._failed()
            except Exception:  # a message that we did not foresee must not hold up the others
                log.exception("commit_failed messages=%d", len(part))
                if len(part) > 1:
                    self._parts = deque([outcome] for outcome in part)
                    continue
                self._parts[0] = [_set_aside(part[0])]
                return self._failed()
            self._parts.popleft()
            self.pause_ms = 0
        return True

    def _failed(self) -> bool:
        first_ms, longest_ms = RETRY_MS
        self.pause_ms = min(max(self.pause_ms * 2, first_ms), longest_ms)
        return False


def _accepted(ingest: Ingest, messages: list[Message]) -> list[Accepted | Rejected]:
    outcomes: list[Accepted | Rejected] = []
    accept, append = ingest.accept, outcomes.append
    for topic, payload, retained, _ in messages:
        try:
            append(accept(topic, payload, retained))
        except Exception:  # one that we did not foresee must not stop the others; it is kept
            log.exception("accept_failed topic=%r bytes=%d", topic[:80], len(payload))
            reason = "gateway: unforeseen error, see the log"
            append(Rejected(reason, topic, payload, time.time_ns() // 1_000_000))
    return outcomes


def _set_aside(outcome: Accepted | Rejected) -> Rejected:
    """What goes to quarantine in place of a message that cannot be recorded; a rejected one that
    cannot be is only counted.
    """
    if isinstance(outcome, Rejected):
        return Rejected(outcome.reason, "", b"", outcome.received_ms, keep=False)
    reason = "gateway: it could not be recorded, see the log"
    return Rejected(reason, outcome.topic, outcome.sealed, outcome.received_ms, outcome.device)
