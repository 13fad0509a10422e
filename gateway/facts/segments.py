"""Where the records of a stream stand in the log: runs of seqs beside runs of bytes. Pure.

A segment is a run of records of one stream in one entry: contiguous seqs, whose messages stand one
after the other. It is an index: everything in it follows from the entries, and `verify` derives it
again.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.facts.chain import occurred_ms
from gateway.facts.events import Events
from protocol import records as wire
from protocol.compat import ProtocolError

# Who looks for a day reads the segments that began up to so long before it: longer would read too
# much, shorter would make more segments of a board that was off the network.
SPAN_MS = 6 * 3_600_000


class Segment(NamedTuple):
    """Records first_seq to last_seq, in the frames at content[at : at + size] of their entry; from
    the earliest to the latest of them, Unix milliseconds.
    """

    first_seq: int
    last_seq: int
    at: int
    size: int
    from_ms: int
    until_ms: int

    def joined(self, after: "Segment") -> "Segment | None":
        """Both as one; None when they are not neighbours or would be too long."""
        from_ms, until_ms = min(self.from_ms, after.from_ms), max(self.until_ms, after.until_ms)
        if (
            after.first_seq != self.last_seq + 1
            or after.at != self.at + self.size
            or until_ms - from_ms > SPAN_MS
        ):
            return None
        size = self.size + after.size
        return Segment(self.first_seq, after.last_seq, self.at, size, from_ms, until_ms)


def segments_of(
    events: Events, fresh: Sequence[int], received_ms: int, at: int, size: int
) -> Iterator[Segment]:
    """The segments of one message, of whose records those with the seqs `fresh`, ascending, are
    new. Its frame is content[at : at + size].
    """
    if events.until_ms - events.from_ms <= SPAN_MS:
        times = None
    else:  # its records are far apart: a board that was off the network, or a clock that jumped
        times = occurrences(events, received_ms)
    first = last = fresh[0]
    for seq in [*fresh[1:], 0]:
        if seq == last + 1 and times is None:
            last = seq
            continue
        from_ms, until_ms = events.from_ms, events.until_ms
        if times is not None:
            from_ms = until_ms = times[first - events.first_seq]
        yield Segment(first, last, at, size, from_ms, until_ms)
        first = last = seq


def occurrences(events: Events, received_ms: int) -> list[int]:
    """When each record of a message happened, Unix milliseconds."""
    return [
        occurred_ms(
            None if index in events.unreadable else _fields(raw),
            events.boot,
            events.sent_uptime_ms,
            received_ms,
        )
        for index, raw in enumerate(events.records)
    ]


def _fields(raw: bytes) -> dict[str, object] | None:
    try:
        return dict(wire.decode_record(raw))
    except ProtocolError:
        return None
