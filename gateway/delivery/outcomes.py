"""What passes between ingest, the ledger and those who read it: plain values, no behaviour."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.facts.events import Events, seen_records
from gateway.facts.records import SeenRecord


class AcceptedEvents(NamedTuple):
    """An `ev` message whose seal was right."""

    topic: str
    device: str
    kid: bytes
    sealed: bytes
    received_ms: int
    events: Events


@dataclass(frozen=True, slots=True)
class AcceptedState:
    """A heartbeat whose seal was right; `state` as protocol.messages.decode_state gives it."""

    topic: str
    device: str
    kid: bytes
    sealed: bytes
    received_ms: int
    state: dict[str, Any]
    retained: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that is not taken. `device` is '' unless the seal was right, or its kid is one that
    this very device had once; keep = False: only counted.
    """

    reason: str
    topic: str
    payload: bytes
    received_ms: int
    device: str = ""
    keep: bool = True
    # it names a key of this site that is used no more: forged, or a board that was left behind
    retired_kid: str = ""
    # and says that its device vanished: a last will from before a change of key, or a forgery
    claims_lost: bool = False


Accepted = AcceptedEvents | AcceptedState


@dataclass(slots=True)
class Stream:
    """How far one (device, epoch) is durable, and what the answer to this batch must say about
    it.
    """

    id: int
    device: str
    epoch: int
    high_water: int
    records: int  # of it that the ledger has
    fingerprint: bytes  # of the record at high_water: protocol.messages.fingerprint_of
    locked: bool
    current: bool
    kid: bytes = b""  # of the newest live message of this batch; empty: nothing to answer
    echo_boot: int = 0
    echo_uptime_ms: int = 0
    last_seen_ms: int = 0
    want_to: int = 0  # 0: nothing is missing; else high_water + 1 .. want_to is asked for again
    taken: int = 0

    def begin_batch(self) -> None:
        """Forget what the answer to the batch before said."""
        self.kid, self.echo_boot, self.echo_uptime_ms = b"", 0, 0
        self.want_to = self.taken = 0


class Taken(NamedTuple):
    """Records of messages of one stream that are new: those with the seqs `fresh`, in entry n."""

    messages: Sequence[AcceptedEvents]
    fresh: Sequence[int]
    entry_n: int

    def bodies(self) -> Iterator[tuple[int, bytes]]:
        """(seq, the record's own bytes) of each."""
        for message, seqs in self._parts():
            for seq in seqs:
                yield seq, message.events.records[seq - message.events.first_seq]

    def records(self) -> Iterator[SeenRecord]:
        """They one by one."""
        for message, seqs in self._parts():
            yield from seen_records(
                message.device, message.events, seqs, message.received_ms, self.entry_n
            )

    def _parts(self) -> Iterator[tuple[AcceptedEvents, list[int]]]:
        for message in self.messages:
            events = message.events
            seqs = range(events.first_seq, events.last_seq + 1)
            yield message, [seq for seq in seqs if seq in self.fresh]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one transaction made durable: the streams it touched, the new records, and the chain
    after them. `fenced`: devices whose messages were left out, because another worker hears them
    now (gateway/delivery/shares.py).
    """

    streams: list[Stream]
    taken: list[Taken]
    ledger_n: int
    ledger_head: bytes
    fenced: frozenset[str] = frozenset()
