"""The usual case, fast: messages of one stream that follow one another, and all of it is new. Pure.

What does not fit ends the run, and `recording.py` looks at it message by message.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from gateway.delivery.outcomes import AcceptedEvents
from gateway.facts.chain import pack_frame_head
from gateway.facts.segments import SPAN_MS, Segment
from protocol.messages import FINGERPRINT_BYTES

_NO_FINGERPRINT = bytes(FINGERPRINT_BYTES)


class Run(NamedTuple):
    """messages[start : end] as they stand in an entry: `frames`; last_seq and fingerprint of its
    last record; from the earliest to the latest record, Unix milliseconds.
    """

    end: int
    frames: bytes
    last_seq: int
    fingerprint: bytes
    from_ms: int
    until_ms: int


def run_of(
    messages: Sequence[AcceptedEvents],
    start: int,
    high_water: int,
    fingerprint: bytes,
    before: Segment | None,
) -> Run:
    """The longest run from messages[start] on that continues a stream which is at `high_water` with
    this fingerprint; end == start when that message does not. `before`: the segment of this very
    transaction that it goes on with; both as one have to be short enough.
    """
    parts: list[bytes] = []
    device = messages[start].device.encode()
    end, from_ms, until_ms = start, 1 << 62, -(1 << 62)
    if before is not None:
        from_ms, until_ms = before.from_ms, before.until_ms
    for at in range(start, len(messages)):  # no slice: where all came again, each begins a run
        _, _, _, sealed, received_ms, events = messages[at]
        _, _, _, first_seq, named, records, unreadable, earliest, latest = events
        if earliest > from_ms:
            earliest = from_ms
        if latest < until_ms:
            latest = until_ms
        if first_seq != high_water + 1 or unreadable or latest - earliest > SPAN_MS:
            break
        if named != fingerprint and named != _NO_FINGERPRINT and fingerprint != _NO_FINGERPRINT:
            break
        parts += (pack_frame_head(received_ms, 0, len(device), len(sealed)), device, sealed)
        high_water += len(records)
        fingerprint = sha256(records[-1]).digest()[:FINGERPRINT_BYTES]
        from_ms, until_ms, end = earliest, latest, end + 1
    return Run(end, b"".join(parts), high_water, fingerprint, from_ms, until_ms)
