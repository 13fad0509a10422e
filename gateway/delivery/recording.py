"""One transaction of the ledger: a batch of messages becomes records, cursors and chain links, or
nothing does.

A stream is (device, epoch). Its seq is contiguous: only high_water + 1 onward is taken. Older seq
with the same bytes is a duplicate; with other bytes it is equivocation, and the stream is locked
until a person releases it: two boards with one key would otherwise interleave. What a device no
longer has becomes an exact gap row.
"""

from collections.abc import Sequence
from typing import Any

from gateway.delivery.fence import Fence, ours
from gateway.delivery.known import Known
from gateway.delivery.outcomes import (
    Accepted,
    AcceptedEvents,
    AcceptedState,
    Recorded,
    Rejected,
    Stream,
    Taken,
)
from gateway.delivery.runs import run_of
from gateway.facts.chain import gap_parts
from gateway.facts.events import Events
from gateway.facts.records import UNDECODABLE
from gateway.facts.segments import Segment, segments_of
from gateway.store import entries, incidents, segments, streams
from gateway.store.device_events import last_changed_ms
from gateway.store.engine import Db
from gateway.store.ledger import Ledger
from protocol import messages

QUARANTINE_ROWS = 10_000  # from anybody, with no key: the cap that keeps a flood off the disk
QUARANTINE_ROWS_SEALED = 20_000  # from key holders: a flood by strangers must not push these out
QUARANTINE_BYTES = 4_096  # of one message; the broker refuses longer ones (max_packet_size)
# so long after a change of key the broker may still bring what was sealed before
RETIRED_LATE_MS = 600_000
_TEXT_CHARS = 200  # of a reason or a source: both can hold a stranger's text


def record(
    ledger: Ledger,
    batch: Sequence[Accepted | Rejected],
    now_ms: int,
    known: Known,
    fence: Fence | None = None,
) -> Recorded:
    """Make a batch durable: when this returns, all of it is on disk but what the fence left out;
    when it raises StorageError, none of it is.

    Raises LedgerBroken when what was committed cannot be found again: nobody may be told that it is
    safe.
    """
    try:
        with ledger.transaction() as db:
            batch, left_out = ours(db, batch, fence)
            known.look(db, batch)
            recording = Recording(db, now_ms, known)
            recording.run(batch)
        known.keep(ledger.db)
        recorded = recording.recorded(left_out)
        marks = [(stream.device, stream.epoch, stream.high_water) for stream in recorded.streams]
        ledger.check_committed(recorded.ledger_n, recorded.ledger_head, marks)
    except BaseException:
        known.forget()
        raise
    return recorded


class Recording:
    """The work inside one open transaction of `db`; the caller commits or rolls back."""

    def __init__(self, db: Db, now_ms: int, known: Known) -> None:
        self._db = db
        self._now_ms = now_ms
        self._entry = entries.pending_of(db)
        self._n = self._entry.n + 1  # of the entry that this transaction makes, if it makes one
        self._known = known
        self._streams: dict[tuple[str, int], Stream] = {}
        self._segments: list[tuple[Stream, Segment]] = []
        self._taken: list[Taken] = []
        self._taken_of: dict[int, list[Taken]] = {}  # by the id of the stream
        self._counts: dict[tuple[str, str], int] = {}

    def run(self, batch: Sequence[Accepted | Rejected]) -> None:
        """Take all of it. Order comes from seq, not from the broker: events of a stream are sorted,
        heartbeats come last.
        """
        groups: dict[tuple[str, int], list[AcceptedEvents]] = {}
        states: list[AcceptedState] = []
        for item in batch:
            if isinstance(item, AcceptedEvents):
                key = (item.device, item.events.epoch)
                group = groups.get(key)
                if group is None:
                    group = groups[key] = []
                    self._stream(*key)
                group.append(item)
            elif isinstance(item, Rejected):
                self._reject(item)
            else:
                states.append(item)
                if _is_live(item):
                    # of two lives in one batch the one that came later is newer
                    self._stream(item.device, item.state["epoch"])
        for key, group in groups.items():
            self._group(self._streams[key], group)
        for state in states:
            self._state(state)
        self._flush()

    def recorded(self, left_out: frozenset[str] = frozenset()) -> Recorded:
        """What became of the batch; ask when the transaction is committed."""
        touched, entry = list(self._streams.values()), self._entry
        return Recorded(touched, self._taken, entry.n, entry.head, left_out)

    # -- events

    def _group(self, stream: Stream, group: list[AcceptedEvents]) -> None:
        """The events of one stream, in the order they arrived."""
        stream.kid, stream.last_seen_ms = group[-1].kid, group[-1].received_ms
        stream.echo_boot, stream.echo_uptime_ms = max(map(_echo_of, group))
        group.sort(key=_first_seq_of)
        at = 0
        while at < len(group):
            if not stream.locked and stream.current:
                at = self._in_order(stream, group, at)
            if at < len(group):
                self._events(stream, group[at])
                at += 1

    def _in_order(self, stream: Stream, group: list[AcceptedEvents], start: int) -> int:
        """Take what simply continues the stream; where that ends."""
        of, before = self._segments[-1] if self._segments else (None, None)
        if of is not stream or before is None or before.last_seq != stream.high_water:
            before = None  # the last segment may be of a late record, and no neighbour
        run = run_of(group, start, stream.high_water, stream.fingerprint, before)
        if run.end == start:
            return start
        at = entries.add_frames(self._entry, group[start].topic, run.frames)
        first = stream.high_water + 1
        made = Segment(first, run.last_seq, at, len(run.frames), run.from_ms, run.until_ms)
        self._add_segment(stream, made)
        fresh = range(first, run.last_seq + 1)
        self._note_taken(stream, group[start : run.end], fresh)
        stream.high_water, stream.fingerprint = run.last_seq, run.fingerprint
        return run.end

    def _note_taken(
        self, stream: Stream, messages: Sequence[AcceptedEvents], fresh: Sequence[int]
    ) -> None:
        taken = Taken(messages, fresh, self._n)
        self._taken.append(taken)
        self._taken_of.setdefault(stream.id, []).append(taken)
        stream.records += len(fresh)
        stream.taken += len(fresh)

    def _events(self, stream: Stream, message: AcceptedEvents) -> None:
        """One message that a run did not take."""
        events = message.events
        first, size = events.first_seq, len(events.records)
        if stream.locked:
            self._count(message.device, "held", size)
            return
        if first > stream.high_water + 1:
            stream.want_to = stream.want_to or first - 1
            return
        if first == stream.high_water + 1:  # nothing of it is known
            if (
                any(events.before)
                and any(stream.fingerprint)
                and events.before != stream.fingerprint
            ):
                self._equivocation(stream, message, first - 1)
                return
            self._take(stream, message, range(first, first + size))
            return
        if self._known.holds(self._db, stream.id, events):
            self._count(message.device, "duplicates", size)
            return
        known = self._recorded(stream, events)
        ahead = known.get(first - 1)
        said = events.before
        if ahead is not None and any(said) and messages.fingerprint_of(ahead) != said:
            self._equivocation(stream, message, first - 1)
            return
        fresh: list[int] = []
        for seq, raw in enumerate(events.records, first):
            recorded = known.get(seq)
            if recorded is None:
                fresh.append(seq)
            elif recorded != raw:
                self._equivocation(stream, message, seq)
                return
        self._count(message.device, "duplicates", size - len(fresh))
        if fresh:
            self._take(stream, message, fresh)

    def _recorded(self, stream: Stream, events: Events) -> dict[int, bytes]:
        """{seq: bytes} of what is recorded of the message's seqs, and of the one ahead of them."""
        first, last = events.first_seq - 1, min(stream.high_water, events.last_seq)
        found: dict[int, bytes] = {}
        seq = max(first, 1)
        while seq <= last:
            bodies = self._known.bodies_at(self._db, stream.id, seq)
            if bodies.last_seq < seq:  # nothing from here on but what this batch took
                break
            found.update(bodies.between(seq, last))
            seq = bodies.last_seq + 1
        for taken in self._taken_of.get(stream.id, ()):  # in no table yet
            if taken.fresh[0] <= last and taken.fresh[-1] >= first:
                found.update((at, raw) for at, raw in taken.bodies() if first <= at <= last)
        return found

    def _take(self, stream: Stream, message: AcceptedEvents, fresh: Sequence[int]) -> None:
        events = message.events
        if fresh[0] <= stream.high_water:  # not known and below the mark: it was noted as a gap
            self.incident(
                "late_record",
                stream.device,
                f"epoch {stream.epoch} seq {fresh[0]}: arrived after it was noted as missing",
            )
        if not stream.current:
            self.incident(
                "closed_epoch",
                stream.device,
                f"epoch {stream.epoch}: records after a newer epoch began; is the old board in use?"
                " Count the drawer",
            )
        if events.unreadable:
            self._unreadable(message, fresh)
        at, size = self._append(message, "ev")
        for segment in segments_of(events, fresh, message.received_ms, at, size):
            self._add_segment(stream, segment)
        self._note_taken(stream, [message], fresh)
        if fresh[0] <= stream.high_water:
            self._known.bodies.pop(stream.id, None)
        stream.high_water = max(stream.high_water, fresh[-1])
        if fresh[-1] == stream.high_water:
            stream.fingerprint = messages.fingerprint_of(events.records[-1])

    def _unreadable(self, message: AcceptedEvents, fresh: Sequence[int]) -> None:
        """Records whose bytes break the wire dictionary are kept, and a person is told."""
        events = message.events
        for index, reason in events.unreadable.items():
            seq = events.first_seq + index
            if seq in fresh:
                text = f"epoch {events.epoch} seq {seq}: {reason}"
                raw = events.records[index]
                self.quarantine(message.received_ms, message.topic, text, raw, sealed=True)
                self.incident(
                    UNDECODABLE, message.device, f"{text}; update the gateway or the device"
                )

    def _add_segment(self, stream: Stream, segment: Segment) -> None:
        if self._segments and self._segments[-1][0] is stream:
            joined = self._segments[-1][1].joined(segment)
            if joined is not None:
                self._segments[-1] = (stream, joined)
                return
        self._segments.append((stream, segment))

    def _equivocation(self, stream: Stream, message: AcceptedEvents, seq: int) -> None:
        reason = f"epoch {stream.epoch} seq {seq}: two different records with one identity"
        self.quarantine(message.received_ms, message.topic, reason, message.sealed, sealed=True)
        self.incident(
            "equivocation",
            stream.device,
            f"{reason}; stream locked: find the second board with this key, then release it",
        )
        self._count(stream.device, "rejected", 1)
        stream.locked = True

    # -- heartbeats

    def _state(self, message: AcceptedState) -> None:
        state = message.state
        live = _is_live(message)
        is_news = self._is_news(message.device, state)
        streams.note_heartbeat(self._db, message.device, message.received_ms if live else 0, state)
        if not live:  # a will or the broker's copy tells what was: nothing is concluded from it
            return
        stream = self._stream(message.device, state["epoch"])
        self._answer(stream, message, state["boot"], state["uptime_ms"])
        self._witness(message.device, state["ledger_n"], state["ledger_head"])
        if state["status"] == "locked" and is_news and not stream.locked:
            self._conflict(stream)
        if stream.locked:
            return
        lowest = state["lowest_kept"] or state["last_seq"] + 1
        gone_to = min(lowest - 1, state["last_seq"])
        if gone_to > stream.high_water:
            self._gap(stream, message, gone_to)
        # it believes an ack that this ledger does not hold: restored from a backup
        if state["acked"] > stream.high_water:
            stream.want_to = max(stream.want_to, min(state["acked"], state["last_seq"]))

    def _is_news(self, device: str, state: dict[str, Any]) -> bool:
        """Whether this heartbeat is newer than the last one that is noted: an old one, sent again,
        locks nothing.
        """
        last = streams.last_spoke(self._db, device, state["epoch"])
        return last is None or (state["boot"], state["uptime_ms"]) > last

    def _conflict(self, stream: Stream) -> None:
        """The device itself sees that the ledger holds another board's records under its name."""
        self.incident(
            "equivocation",
            stream.device,
            f"epoch {stream.epoch}: the device does not hold what this ledger holds up to seq"
            f" {stream.high_water}; stream locked: find the second board with this key, then"
            " release it, or replace the device and count the drawer",
        )
        stream.locked = True

    def _gap(self, stream: Stream, message: AcceptedState, to_seq: int) -> None:
        self._append(message, "state")
        for from_seq, until_seq, cause in gap_parts(
            stream.high_water, message.state["acked"], to_seq
        ):
            streams.add_gap(
                self._db, stream.device, stream.epoch, from_seq, until_seq, cause,
                message.received_ms, self._n,
            )  # fmt: skip
            self.incident(
                "gap",
                stream.device,
                f"epoch {stream.epoch} seq {from_seq} to {until_seq}: {cause}; count the drawer",
            )
        stream.high_water, stream.fingerprint = to_seq, bytes(messages.FINGERPRINT_BYTES)

    def _witness(self, device: str, ledger_n: int, ledger_head: bytes) -> None:
        """Every board remembers the chain head it was acked with: it notices a restored or edited
        ledger.
        """
        if ledger_n == 0:
            return
        head = entries.head_of(self._db, ledger_n)
        if head is None:
            self.incident(
                "ledger_behind",
                device,
                f"it saw entry {ledger_n}, this ledger ends before it: restored from an old"
                " backup?",
            )
        elif head != ledger_head:
            self.incident(
                "ledger_differs",
                device,
                f"it saw another head at entry {ledger_n}: this is not the ledger it was acked"
                " from",
            )

    # -- streams and the chain

    def _stream(self, device: str, epoch: int) -> Stream:
        key = (device, epoch)
        stream = self._streams.get(key)
        if stream is not None:
            return stream
        stream = self._known.streams.get(key)
        if stream is None:
            found = streams.open_stream(self._db, device, epoch)
            if found is None:
                self._close_older(device, epoch)
                begun = streams.begin_stream(self._db, device, epoch, self._now_ms)
                found = streams.StreamRow(begun, device, epoch, 0, 0, bytes(8), False, True)
            stream = self._known.streams[key] = Stream(*found)
        stream.begin_batch()
        self._streams[key] = stream
        return stream

    def _close_older(self, device: str, epoch: int) -> None:
        """A new epoch is a wiped or replaced board: what the old one still held is unknown, and a
        person must count.
        """
        for older in streams.close_streams(self._db, device):
            text = (
                f"epoch {older} ended without its tail: epoch {epoch} began on a wiped or replaced"
                " board; count the drawer"
            )
            self.incident("tail_unknown", device, text)
            if (device, older) in self._known.streams:
                self._known.streams[(device, older)].current = False

    def _answer(self, stream: Stream, message: Accepted, boot: int, uptime_ms: int) -> None:
        stream.kid = message.kid
        stream.last_seen_ms = message.received_ms
        if (boot, uptime_ms) >= (stream.echo_boot, stream.echo_uptime_ms):
            stream.echo_boot, stream.echo_uptime_ms = boot, uptime_ms

    def _append(self, message: Accepted, leaf: str) -> tuple[int, int]:
        """Where the message stands in the entry, and its size there."""
        return entries.add_message(
            self._entry, message.topic, message.device, message.received_ms, leaf, message.sealed
        )

    # -- what was refused, and what a person should know

    def _reject(self, rejected: Rejected) -> None:
        self._count(rejected.device, "rejected" if rejected.keep else "ignored", 1)
        if rejected.keep:
            self.quarantine(
                rejected.received_ms,
                rejected.topic,
                rejected.reason,
                rejected.payload,
                sealed=False,
            )
        if rejected.claims_lost:
            self._lost_unproven(rejected.device, rejected.retired_kid)
        elif rejected.retired_kid:
            self._retired(rejected.retired_kid)

    def _lost_unproven(self, device: str, kid: str) -> None:
        """A last will of before a change of key. The key's secret was destroyed with it, so nobody
        can tell the board's own will from a forgery of who once had that key, or never had one.
        Hence a note that says so, once for a key, and nothing else: no status, no gap, no answer.
        """
        text = (
            f"a last will under key {kid}, which is retired, came on {device}'s state topic: not"
            f" proven, its key is destroyed. If {device} does not answer, the window was lost: look"
            " at its power and network"
        )
        self.incident("lost_unproven", device, text)

    def _retired(self, kid: str) -> None:
        """Who still speaks under an old key forges, or is a board that was left behind. What is
        merely late is neither.
        """
        device = kid.rpartition(".")[0]
        changed = last_changed_ms(self._db, device)
        if changed is None or not 0 <= self._now_ms - changed < RETIRED_LATE_MS:
            text = (
                f"messages under key {kid}, which is retired: find who sends them; a board of yours"
                " that does is flashed again"
            )
            self.incident("retired_key", device, text)

    def quarantine(
        self, received_ms: int, source: str, reason: str, raw: bytes, sealed: bool
    ) -> None:
        """Keep refused bytes with the reason, up to the cap; past it only a counter moves."""
        limit = QUARANTINE_ROWS_SEALED if sealed else QUARANTINE_ROWS
        if incidents.quarantine_size(self._db) >= limit:
            self._count("", "not_kept", 1)
            return
        if len(raw) > QUARANTINE_BYTES:
            reason = f"{reason} (first {QUARANTINE_BYTES} of {len(raw)} bytes kept)"
        incidents.add_quarantine(
            self._db,
            received_ms,
            source[:_TEXT_CHARS],
            reason[:_TEXT_CHARS],
            raw[:QUARANTINE_BYTES],
        )

    def incident(self, kind: str, device: str, text: str) -> None:
        """Raise it once: the same text again is the same incident."""
        incidents.add_incident(self._db, kind, device, text, self._now_ms)

    def _count(self, device: str, name: str, by: int) -> None:
        if by:
            self._counts[(device, name)] = self._counts.get((device, name), 0) + by

    def _flush(self) -> None:
        segments.add_segments_with_entry(
            self._db,
            [segments.segment_row(stream.id, self._n, made) for stream, made in self._segments],
        )
        for stream in self._streams.values():
            if stream.want_to <= stream.high_water:
                stream.want_to = 0
        streams.save_streams(
            self._db,
            [
                (stream.high_water, stream.records, stream.fingerprint, stream.locked,
                 stream.last_seen_ms, stream.id)
                for stream in self._streams.values()
            ],
        )  # fmt: skip
        if self._counts:
            counts = [(device, name, by) for (device, name), by in self._counts.items()]
            streams.add_counts(self._db, counts)


def _first_seq_of(message: AcceptedEvents) -> int:
    return message.events.first_seq


def _echo_of(message: AcceptedEvents) -> tuple[int, int]:
    return message.events.boot, message.events.sent_uptime_ms


def _is_live(message: AcceptedState) -> bool:
    """A will or the broker's copy tells what was, not what is."""
    return not message.retained and message.state["status"] != "lost"
