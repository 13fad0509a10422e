"""What the ledger's hash chain covers, and what follows from the bytes of a message. Pure."""

import hashlib
from typing import Any

GENESIS = bytes(32)  # the head before the first message


DEVICE_CLOCK_AHEAD_MS = (
    5_000  # a device's UTC this far ahead of arrival is believed; more is a wrong clock
)


def message_bytes(topic: str, received_ms: int, sealed: bytes) -> bytes:
    """What the ledger vouches for of one message: received_ms, 8 bytes || size of the topic, 2
    bytes || topic || sealed.

    Topic and time of arrival are ours to note and an insider's to edit, so they are in it too.
    Integers are big-endian. The chain hashes these bytes, and they are the leaf of the Merkle tree
    whose root a checkpoint signs. No value of an edited row makes this raise (a time before 1970, a
    topic beyond MQTT's 65,535 bytes): it only gives other bytes.
    """
    name = topic.encode()
    return (
        received_ms.to_bytes(8, "big", signed=True)
        + (len(name) & 0xFFFF).to_bytes(2, "big")
        + name
        + sealed
    )


def next_head(head: bytes, topic: str, received_ms: int, sealed: bytes) -> bytes:
    """The chain: SHA-256(head of the message before || message_bytes)."""
    return hashlib.sha256(head + message_bytes(topic, received_ms, sealed)).digest()


def occurred_ms(
    fields: dict[str, Any] | None, boot: int, sent_uptime_ms: int, received_ms: int
) -> int:
    """When it happened, as well as can be known: the device's UTC, else its uptime against ours,
    else arrival.
    """
    if fields is None:
        return received_ms
    utc_ms = fields.get("utc_ms")
    if utc_ms is not None and utc_ms <= received_ms + DEVICE_CLOCK_AHEAD_MS:
        return int(utc_ms)
    if fields["boot"] == boot and fields["uptime_ms"] <= sent_uptime_ms:
        return int(received_ms - (sent_uptime_ms - fields["uptime_ms"]))
    return received_ms


def gap_parts(high_water: int, acked: int, to_seq: int) -> list[tuple[int, int, str]]:
    """(from_seq, to_seq, cause) of what is missing after `high_water`, when the device believes
    `acked` and has none of it.
    """
    acked_to = min(max(acked, high_water), to_seq)
    parts = [
        (
            high_water + 1,
            acked_to,
            (
                "acknowledged once, missing here: the ledger was restored; the device no longer has"
                " them"
            ),
        ),
        (acked_to + 1, to_seq, "the device no longer has them and no ledger acknowledged them"),
    ]
    return [part for part in parts if part[1] >= part[0]]
