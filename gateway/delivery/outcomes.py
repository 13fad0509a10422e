"""What passes between ingest, the ledger and those who read it: plain values, no behaviour."""

from dataclasses import dataclass
from typing import Any

from gateway.facts.records import SeenRecord


@dataclass(frozen=True, slots=True)
class Body:
    """One record as it came: its own bytes, and its fields or why there are none."""

    raw: bytes
    fields: dict[str, Any] | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AcceptedEvents:
    """An `ev` message whose seal was right. Record i has seq first_seq + i."""

    topic: str
    device: str
    kid: bytes
    sealed: bytes
    received_ms: int
    epoch: int
    boot: int
    sent_uptime_ms: int
    first_seq: int
    bodies: tuple[Body, ...]
    before: bytes = bytes(
        8
    )  # mark of the record at first_seq - 1 as the device holds it; zeros: it holds none

    @property
    def last_seq(self) -> int:
        """Seq of the last record in the message."""
        return self.first_seq + len(self.bodies) - 1


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

    device: str
    epoch: int
    high_water: int
    locked: bool
    current: bool
    kid: bytes = b""  # of the newest live message of this batch; empty: nothing to answer
    echo_boot: int = 0
    echo_uptime_ms: int = 0
    last_seen_ms: int = 0
    want_to: int = 0  # 0: nothing is missing; else high_water + 1 .. want_to is asked for again
    taken: int = 0
    fingerprint: bytes = bytes(8)  # of the record at high_water: protocol.messages.fingerprint_of


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one transaction made durable: the streams it touched, the new records, and the chain
    after them.
    """

    streams: list[Stream]
    records: list[SeenRecord]
    ledger_n: int
    ledger_head: bytes
