"""Records of devices as the ledger holds them: plain values, no behaviour."""

from dataclasses import dataclass
from typing import Any

UNDECODABLE = (
    "undecodable"  # kind of a record whose seal was right and whose bytes break the wire dictionary
)


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """One record of the ledger. Times are Unix milliseconds UTC; `fields` has the names of
    protocol.records.

    kind 'undecodable' has the fields {"raw": bytes} alone.
    """

    device: str
    epoch: int
    seq: int
    kind: str
    occurred_ms: int
    received_ms: int
    fields: dict[str, Any]
    message_n: int


@dataclass(frozen=True, slots=True)
class DeviceStats:
    """Counts of one device; device '' gathers what came from nobody we know."""

    device: str
    records: int
    duplicates: int
    rejected: int  # refused messages, quarantined or (past the cap) only counted
    gaps: int  # gap rows
    missing: int  # records inside them


@dataclass(frozen=True, slots=True)
class Finding:
    """Something `verify` found wrong. kind: chain, record, stream, gap or witness. message_n is 0
    where no message is concerned.
    """

    kind: str
    message_n: int
    device: str
    text: str
