"""What follows from the entries of a ledger, entry by entry: segments, streams and gaps. Pure.

The ledger's tables beside the log are compared with it (store/verify.py), and an older ledger's are
made by it (store/migration.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.facts.chain import Entry, Message, gap_parts
from gateway.facts.events import Events, events_in, names_another, payload_of
from gateway.facts.segments import Segment, segments_of
from protocol import messages, topics
from protocol.compat import ProtocolError

_NO_FINGERPRINT = bytes(messages.FINGERPRINT_BYTES)


class Gap(NamedTuple):
    """Records that no longer exist anywhere, as a heartbeat said."""

    from_seq: int
    to_seq: int
    cause: str
    noted_ms: int
    entry_n: int


@dataclass(slots=True)
class Followed:
    """How far one stream (device, epoch) is, by what the entries say."""

    high_water: int = 0
    records: int = 0
    fingerprint: bytes = _NO_FINGERPRINT
    gaps: list[Gap] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)  # seqs in gaps that did not come later


class Unfit(Exception):
    """A message that cannot stand in a ledger: `kind` and `device` as a Finding has them."""

    def __init__(self, kind: str, device: str, text: str) -> None:
        super().__init__(text)
        self.kind, self.device = kind, device


StreamKey = tuple[str, int]  # device, epoch


class Replay:
    """Takes the entries in order."""

    def __init__(self) -> None:
        self.streams: dict[StreamKey, Followed] = {}

    def take(self, n: int, entry: Entry) -> Iterator[tuple[StreamKey, Segment] | Unfit]:
        """The segments of entry n, in the order of the log, and what cannot be."""
        last: tuple[StreamKey, Segment] | None = None
        for message in entry.messages:
            try:
                made = list(self._message(n, message))
            except Unfit as unfit:
                yield unfit
                continue
            for key, segment in made:
                joined = last[1].joined(segment) if last is not None and last[0] == key else None
                if joined is not None:
                    last = (key, joined)
                    continue
                if last is not None:
                    yield last
                last = (key, segment)
        if last is not None:
            yield last

    def _message(self, n: int, message: Message) -> Iterator[tuple[StreamKey, Segment]]:
        device = message.device
        try:
            topics.parse_topic(message.topic)
            if names_another(message.sealed, device):
                raise Unfit("message", device, f"stands under the topic {message.topic}")
            if message.leaf == "state":
                state = messages.decode_state(payload_of(message.sealed, message.topic))
                self._state(n, device, state, message.received_ms)
                return
            events = events_in(message.sealed, message.topic, message.received_ms)
        except ProtocolError as error:
            text = f"its sealed bytes cannot be read ({error})"
            raise Unfit("message", device, text) from error
        fresh = self._fresh(device, events)
        key = (device, events.epoch)
        for segment in segments_of(events, fresh, message.received_ms, message.at, message.size):
            yield key, segment

    def _fresh(self, device: str, events: Events) -> list[int]:
        stream = self.streams.setdefault((device, events.epoch), Followed())
        first, last, high_water = events.first_seq, events.last_seq, stream.high_water
        if first == high_water + 1:
            fresh = list(range(first, last + 1))
        else:
            fresh = [
                seq for seq in range(first, last + 1) if seq > high_water or seq in stream.missing
            ]
            stream.missing.difference_update(fresh)
        if first > high_water + 1 or not fresh:
            text = f"epoch {events.epoch}: seq {first} to {last} cannot follow seq {high_water}"
            raise Unfit("stream", device, text)
        stream.high_water = max(high_water, last)
        stream.records += len(fresh)
        if fresh[-1] == stream.high_water:
            stream.fingerprint = messages.fingerprint_of(events.records[-1])
        return fresh

    def _state(self, n: int, device: str, state: dict[str, int], received_ms: int) -> None:
        stream = self.streams.setdefault((device, state["epoch"]), Followed())
        lowest = state["lowest_kept"] or state["last_seq"] + 1
        to_seq = min(lowest - 1, state["last_seq"])
        parts = gap_parts(stream.high_water, state["acked"], to_seq)
        if not parts:
            raise Unfit("gap", device, f"epoch {state['epoch']}: a heartbeat that notes no gap")
        for from_seq, until_seq, cause in parts:
            stream.gaps.append(Gap(from_seq, until_seq, cause, received_ms, n))
            stream.missing.update(range(from_seq, until_seq + 1))
        stream.high_water, stream.fingerprint = to_seq, _NO_FINGERPRINT
