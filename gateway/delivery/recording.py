"""One transaction of the ledger: a batch of messages becomes records, cursors and chain links, or
nothing does.

A stream is (device, epoch). Its seq is contiguous: only high_water + 1 onward is taken. Older seq
with the same bytes is a duplicate; with other bytes it is equivocation, and the stream is locked
until a person releases it: two boards with one key would otherwise interleave. What a device no
longer has becomes an exact gap row.
"""

from collections.abc import Sequence
from typing import Any

from gateway.delivery.outcomes import (
    Accepted,
    AcceptedEvents,
    AcceptedState,
    Recorded,
    Rejected,
    Stream,
)
from gateway.facts.chain import gap_parts, next_head, occurred_ms
from gateway.facts.records import UNDECODABLE, SeenRecord
from gateway.store import incidents, streams
from gateway.store import messages as stored
from gateway.store.device_events import last_changed_ms
from gateway.store.engine import Db
from gateway.store.ledger import Ledger
from protocol import messages

QUARANTINE_ROWS = 10_000  # from anybody, with no key: the cap that keeps a flood off the disk
QUARANTINE_ROWS_SEALED = 20_000  # from key holders: a flood by strangers must not push these out
QUARANTINE_BYTES = 4_096  # of one message; the broker refuses longer ones (max_packet_size)
RETIRED_LATE_MS = (
    600_000  # so long after a change of key the broker may still bring what was sealed before
)
_TEXT_CHARS = 200  # of a reason or a source: both can hold a stranger's text


def record(ledger: Ledger, batch: Sequence[Accepted | Rejected], now_ms: int) -> Recorded:
    """Make a batch durable: when this returns, all of it is on disk; when it raises StorageError,
    none of it is.

    Raises LedgerBroken when what was committed cannot be found again: nobody may be told that it is
    safe.
    """
    with ledger.transaction() as db:
        recorded = Recording(db, now_ms).run(batch)
    marks = [(stream.device, stream.epoch, stream.high_water) for stream in recorded.streams]
    ledger.check_committed(recorded.ledger_n, recorded.ledger_head, marks)
    return recorded


class Recording:
    """The work inside one open transaction of `db`; the caller commits or rolls back."""

    def __init__(self, db: Db, now_ms: int) -> None:
        self._db = db
        self._now_ms = now_ms
        self._n, self._head = stored.newest(db)
        self._streams: dict[tuple[str, int], Stream] = {}
        self._records: list[SeenRecord] = []
        self._counts: dict[tuple[str, str], int] = {}

    def run(self, batch: Sequence[Accepted | Rejected]) -> Recorded:
        """Take all of it. Order comes from seq, not from the broker: events of a stream are sorted,
        heartbeats come last.
        """
        events: list[tuple[int, int, AcceptedEvents]] = []
        states: list[AcceptedState] = []
        ranks: dict[tuple[str, int], int] = {}
        for item in batch:
            if isinstance(item, Rejected):
                self._reject(item)
            elif isinstance(item, AcceptedState):
                states.append(item)
                if _is_live(item):
                    self._stream(
                        item.device, item.state["epoch"]
                    )  # of two lives in one batch the one that came later is newer
            else:
                rank = ranks.setdefault((item.device, item.epoch), len(ranks))
                events.append((rank, item.first_seq, item))
                self._answer(
                    self._stream(item.device, item.epoch), item, item.boot, item.sent_uptime_ms
                )
        for _, _, message in sorted(events, key=lambda entry: entry[:2]):
            self._events(message)
        for state in states:
            self._state(state)
        self._flush()
        return Recorded(list(self._streams.values()), self._records, self._n, self._head)

    # -- events

    def _events(self, message: AcceptedEvents) -> None:
        stream = self._stream(message.device, message.epoch)
        if stream.locked:
            self._count(message.device, "held", len(message.bodies))
            return
        first = message.first_seq
        if first > stream.high_water + 1:
            stream.want_to = stream.want_to or first - 1
            return
        known = self._known(message, min(stream.high_water, message.last_seq))
        ahead = known.get(first - 1)
        if (
            ahead is not None
            and any(message.before)
            and messages.fingerprint_of(ahead) != message.before
        ):
            self._equivocation(stream, message, first - 1)
            return
        fresh: list[int] = []
        for seq, body in enumerate(message.bodies, first):
            before = known.get(seq)
            if before is None:
                fresh.append(seq)
            elif before != body.raw:
                self._equivocation(stream, message, seq)
                return
        self._count(message.device, "duplicates", len(message.bodies) - len(fresh))
        if fresh:
            self._take(stream, message, fresh)

    def _known(self, message: AcceptedEvents, to_seq: int) -> dict[int, bytes]:
        """What is recorded of the message's seqs, and of the one ahead of them."""
        first = message.first_seq - 1
        return stored.bodies_between(self._db, message.device, message.epoch, first, to_seq)

    def _take(self, stream: Stream, message: AcceptedEvents, fresh: list[int]) -> None:
        n = self._append(message)
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
        rows: list[stored.RecordRow] = []
        for seq in fresh:
            body = message.bodies[seq - message.first_seq]
            kind, boot, uptime_ms = UNDECODABLE, None, None
            if body.fields is None:
                self.quarantine(
                    message.received_ms,
                    message.topic,
                    f"epoch {message.epoch} seq {seq}: {body.reason}",
                    body.raw,
                    sealed=True,
                )
                self.incident(
                    UNDECODABLE,
                    message.device,
                    f"epoch {message.epoch} seq {seq}: {body.reason}; update the gateway or the"
                    " device",
                )
            else:
                kind, boot, uptime_ms = (
                    body.fields["kind"],
                    body.fields["boot"],
                    body.fields["uptime_ms"],
                )
            at_ms = occurred_ms(
                body.fields, message.boot, message.sent_uptime_ms, message.received_ms
            )
            rows.append(
                (message.device, message.epoch, seq, n, kind, at_ms, boot, uptime_ms, body.raw)
            )
            fields = {"raw": body.raw} if body.fields is None else body.fields
            self._records.append(
                SeenRecord(
                    message.device, message.epoch, seq, kind, at_ms, message.received_ms, fields, n
                )
            )
        stored.add_records(self._db, rows)
        stream.high_water = max(stream.high_water, message.last_seq)
        stream.taken += len(fresh)

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
        if (
            not live
        ):  # a will or the broker's copy tells what was, not what is: nothing is concluded from it
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
        if (
            state["acked"] > stream.high_water
        ):  # it believes an ack that this ledger does not hold: restored from a backup
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
        n = self._append(message)
        for from_seq, until_seq, cause in gap_parts(
            stream.high_water, message.state["acked"], to_seq
        ):
            streams.add_gap(
                self._db, stream.device, stream.epoch, from_seq, until_seq, cause,
                message.received_ms, n,
            )  # fmt: skip
            self.incident(
                "gap",
                stream.device,
                f"epoch {stream.epoch} seq {from_seq} to {until_seq}: {cause}; count the drawer",
            )
        stream.high_water = to_seq

    def _witness(self, device: str, ledger_n: int, ledger_head: bytes) -> None:
        """Every board remembers the chain head it was acked with: it notices a restored or edited
        ledger.
        """
        if ledger_n == 0:
            return
        head = stored.head_of(self._db, ledger_n)
        if head is None:
            self.incident(
                "ledger_behind",
                device,
                f"it saw message {ledger_n}, this ledger ends before it: restored from an old"
                " backup?",
            )
        elif head != ledger_head:
            self.incident(
                "ledger_differs",
                device,
                f"it saw another head at message {ledger_n}: this is not the ledger it was acked"
                " from",
            )

    # -- streams and the chain

    def _stream(self, device: str, epoch: int) -> Stream:
        stream = self._streams.get((device, epoch))
        if stream is None:
            found = streams.open_stream(self._db, device, epoch)
            if found is None:
                self._close_older(device, epoch)
                streams.begin_stream(self._db, device, epoch, self._now_ms)
                found = (0, False, True)
            stream = self._streams[(device, epoch)] = Stream(device, epoch, *found)
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
            if (device, older) in self._streams:
                self._streams[(device, older)].current = False

    def _answer(self, stream: Stream, message: Accepted, boot: int, uptime_ms: int) -> None:
        stream.kid = message.kid
        stream.last_seen_ms = message.received_ms
        if (boot, uptime_ms) >= (stream.echo_boot, stream.echo_uptime_ms):
            stream.echo_boot, stream.echo_uptime_ms = boot, uptime_ms

    def _append(self, message: Accepted) -> int:
        self._n += 1
        self._head = next_head(self._head, message.topic, message.received_ms, message.sealed)
        stored.add_message(
            self._db,
            self._n,
            message.device,
            message.topic,
            message.received_ms,
            message.sealed,
            self._head,
        )
        return self._n

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
        for stream in self._streams.values():
            if stream.want_to <= stream.high_water:
                stream.want_to = 0
            body = stored.body_at(self._db, stream.device, stream.epoch, stream.high_water)
            if body:
                stream.fingerprint = messages.fingerprint_of(body)
            streams.save_stream(
                self._db,
                stream.device,
                stream.epoch,
                stream.high_water,
                stream.locked,
                stream.last_seen_ms,
            )
        counts = [(device, name, by) for (device, name), by in self._counts.items()]
        streams.add_counts(self._db, counts)


def _is_live(message: AcceptedState) -> bool:
    """A will or the broker's copy tells what was, not what is."""
    return not message.retained and message.state["status"] != "lost"
