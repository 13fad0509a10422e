"""What the gateway remembers of its ledger between two batches."""

from collections.abc import Sequence

from gateway.delivery.outcomes import Accepted, AcceptedEvents, Rejected, Stream
from gateway.facts.events import Events
from gateway.store import segments, streams
from gateway.store.engine import Db, changes_elsewhere, changes_here
from protocol.messages import fingerprint_of

BODIES_STREAMS_MAX = 64  # streams whose last read records are remembered: some 20 KB each


class Known:
    """What the gateway remembers of the ledger between two batches: the streams as they stood after
    the last commit, and the records that it read last for each. Forgotten when a transaction fails
    and when anybody else wrote to the ledger: another process, or this one outside of `record`.
    """

    def __init__(self) -> None:
        self.streams: dict[tuple[str, int], Stream] = {}
        self.bodies: dict[int, segments.Bodies] = {}  # by the id of the stream
        self._elsewhere = self._here = -1

    def look(self, db: Db, batch: Sequence[Accepted | Rejected]) -> None:
        """Inside the transaction: forget what anybody else may have changed, and read what the
        batch needs, at once.
        """
        elsewhere = changes_elsewhere(db)
        if (elsewhere, changes_here(db)) == (self._elsewhere, self._here):
            return
        self._elsewhere = elsewhere
        self.forget()
        keys = dict.fromkeys(_stream_of(item) for item in batch if not isinstance(item, Rejected))
        for key, found in streams.open_streams(db, list(keys)).items():
            self.streams[key] = Stream(*found)

    def keep(self, db: Db) -> None:
        """After the commit: what this connection changed up to now is what the streams say."""
        self._here = changes_here(db)

    def forget(self) -> None:
        """Ask the ledger again."""
        self.streams.clear()
        self.bodies.clear()

    def bodies_at(self, db: Db, stream_id: int, seq: int) -> segments.Bodies:
        """Records of a stream from `seq` on, as many as are read at once."""
        found = self.bodies.get(stream_id)
        if found is None or not found.first_seq <= seq <= found.last_seq:
            if len(self.bodies) >= BODIES_STREAMS_MAX:
                self.bodies.clear()
            found = self.bodies[stream_id] = segments.bodies_from(db, stream_id, seq)
        return found

    def holds(self, db: Db, stream_id: int, events: Events) -> bool:
        """Whether all of the message is recorded with these very bytes, after the record that it
        names: nearly always so of what comes again, and fast to see. False may mean anything.
        """
        first, said = events.first_seq, events.before
        bodies = self.bodies_at(db, stream_id, max(first - 1, 1))
        at = first - bodies.first_seq
        if bodies.records[at : at + len(events.records)] != events.records:
            return False
        if at == 0:  # the first record of a stream names none
            return not any(said)
        ahead = bodies.records[at - 1]
        return ahead is not None and said == fingerprint_of(ahead)


def _stream_of(message: Accepted) -> tuple[str, int]:
    if isinstance(message, AcceptedEvents):
        return message.device, message.events.epoch
    return message.device, message.state["epoch"]
