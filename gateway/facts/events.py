"""What an `ev` message says: its records' own bytes and when they happened."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from gateway.facts.chain import occurred_ms
from gateway.facts.records import UNDECODABLE, SeenRecord
from protocol import cbor, messages
from protocol import records as wire
from protocol.compat import ProtocolError

_NOTHING: Mapping[int, str] = {}


class Events(NamedTuple):
    """One `ev` payload. Record i has seq first_seq + i; `unreadable`: why a record's bytes are no
    record, by i. from_ms, until_ms: the earliest and the latest of the records, Unix milliseconds.
    """

    epoch: int
    boot: int
    sent_uptime_ms: int
    first_seq: int
    before: bytes
    records: list[bytes]
    unreadable: Mapping[int, str]
    from_ms: int
    until_ms: int

    @property
    def last_seq(self) -> int:
        """Seq of the last record in the message."""
        return self.first_seq + len(self.records) - 1


def read_events(payload: bytes, received_ms: int) -> Events:
    """What a payload says that arrived at `received_ms`. Raises ProtocolError for one that is no
    `ev`.
    """
    event = messages.decode_events(payload)
    unreadable: dict[int, str] = {}
    times = []
    for index, raw in enumerate(event["records"]):
        try:
            fields = wire.decode_record(raw)
        except ProtocolError as error:
            fields = None
            unreadable[index] = str(error)
        times.append(occurred_ms(fields, event["boot"], event["sent_uptime_ms"], received_ms))
    return Events(
        event["epoch"], event["boot"], event["sent_uptime_ms"], event["first_seq"], event["before"],
        event["records"], unreadable or _NOTHING, min(times), max(times),
    )  # fmt: skip


def bodies_of(payload: bytes) -> tuple[int, list[bytes]]:
    """(first_seq, the records' own bytes) of an `ev` payload. Raises ProtocolError."""
    event = messages.decode_events(payload)
    return event["first_seq"], event["records"]


def payload_of(sealed: bytes) -> bytes:
    """The payload of a sealed message that was judged when it arrived; its seal is not looked at.
    Raises ProtocolError for bytes that are no sealed message.
    """
    parts = cbor.decode(sealed)
    if not isinstance(parts, list) or len(parts) != 4 or not isinstance(parts[2], bytes):
        raise ProtocolError("seal: not an array of four")
    return parts[2]


def device_of(sealed: bytes) -> str:
    """The device that a sealed message names in its kid. Raises ProtocolError."""
    parts = cbor.decode(sealed)
    try:
        kid = parts[1][4]
        return str(kid.rpartition(b".")[0].decode("ascii"))
    except (TypeError, IndexError, KeyError, AttributeError, UnicodeError) as error:
        raise ProtocolError("seal: it names no device") from error


def seen_records(
    device: str, events: Events, seqs: Iterable[int], received_ms: int, entry_n: int
) -> Iterator[SeenRecord]:
    """The records with these seqs of a message that is in entry `entry_n`."""
    for seq in seqs:
        index = seq - events.first_seq
        raw = events.records[index]
        fields: dict[str, Any] = {"raw": raw}
        kind, at_ms = UNDECODABLE, received_ms
        if index not in events.unreadable:
            fields = wire.decode_record(raw)
            kind = fields["kind"]
            at_ms = occurred_ms(fields, events.boot, events.sent_uptime_ms, received_ms)
        yield SeenRecord(device, events.epoch, seq, kind, at_ms, received_ms, fields, entry_n)
