"""Records of devices as the ledger holds them: plain values, no behaviour."""

from dataclasses import dataclass
from typing import Any, NamedTuple

UNDECODABLE = (
    "undecodable"  # kind of a record whose seal was right and whose bytes break the wire dictionary
)


class SeenRecord(NamedTuple):
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
    entry_n: int


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
    """Something `verify` found wrong: `kind` is for whoever decides, `text` for whoever reads.
    entry_n is 0 where no entry is concerned.

    file     SQLite's own check finds a page damaged, or a value that a column never has
    chain    an entry is missing or cannot be read, or the chain does not lead to its head
    message  the sealed bytes of a message cannot be read, or stand under another device
    record   the index of records is not what the entries say
    row      rows of another table are not those that an entry vouches for, or none does
    stream   records and gaps do not lead from 1 to the high-water mark
    gap      a gap row is not what its heartbeat says
    witness  a board was acknowledged with another ledger than this one, as after a restore
    """

    kind: str
    entry_n: int
    device: str
    text: str
