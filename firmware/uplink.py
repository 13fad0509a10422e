"""The uplink: sends records from the journal to the gateway, again and again until the gateway's
sealed acknowledgement comes. Sans-IO.

The state machine knows the journal, the key and the time that it is told; it never sees a socket.
`poll` says what to publish next, `message` reads what arrived. A broker's PUBACK changes nothing
here: only the gateway's acknowledgement does, which it sends after its COMMIT.
"""

from firmware.drivers.base import ticks_add, ticks_diff
from protocol import messages, packing, seal
from protocol.compat import ProtocolError, const
from protocol.topics import kid, topic

_RESEND_MS_MAX = const(60000)
_RECORDS_PER_MESSAGE = const(12)
_SAMPLE_KEPT_MS = const(600000)  # a crystal drifts about 0.05 s in this time


class Uplink:
    """What to publish, and what the gateway has answered.

    identity  {"site", "device", "key" (32 bytes), "key_number"}
    limits    {"window_records", "heartbeat_ms", "resend_ms"}
    """

    def __init__(self, journal, identity: dict, limits: dict):
        self._journal = journal
        self._device = identity["device"]
        self.use_key(identity["key"], identity["key_number"])
        self._events_topic = topic(identity["site"], identity["device"], "ev")
        self.state_topic = topic(identity["site"], identity["device"], "state")
        self.ack_topic = topic(identity["site"], identity["device"], "ack")
        self.command_topic = topic(identity["site"], identity["device"], "cmd")
        self._limits = limits
        self.refused = (
            0  # acks and commands that were not ours, not sealed, not of this epoch, or old
        )
        self.conflict = False  # the ledger holds records under our name that are not ours
        self.command = (
            None  # the newest command that waits to be done, as messages.decode_command gives it
        )
        self.status = "alive"
        self.heap_free = 0  # and the lowest it ever was, bytes
        self.heap_low = 0
        self._sent = journal.acked
        # of this boot: uptime in the newest of our messages that the gateway answered
        self._echo_ms = -1
        self._clock = None  # (utc - uptime, round trip, uptime of the sample), all in ms
        self.connected(0)
        self.online = False  # set to False again by whoever sees that the connection is gone

    def use_key(self, key: bytes, number: int) -> None:
        """From now on seal with this key, and believe only what is sealed with it."""
        self._key = key
        self._kid = kid(self._device, number)
        self.key_number = number

    def connected(self, now_ms: int) -> None:
        """The broker accepted our connection: start again with a heartbeat, then with the record
        after the last acknowledged one.
        """
        self.online = True
        # version 1 until this gateway says that it understands more: it may be an older one now
        self._packs = False
        self._sent = self._journal.acked
        self._heartbeat_due = now_ms
        self._resend_ms = self._limits["resend_ms"]
        self._resend_due = now_ms
        self._wanted = (
            0  # want_from that was already answered, so that a burst of acks causes one repeat
        )
        self._want_due = now_ms

    def utc_ms(self, uptime_ms: int) -> int:
        """The estimate of UTC at an uptime of this boot, Unix milliseconds; 0 before the gateway
        told it.
        """
        return self._clock[0] + uptime_ms if self._clock else 0

    def will(self, uptime_ms: int) -> bytes:
        """The sealed state that the broker publishes for us when the connection is lost."""
        return self._sealed_state("lost", uptime_ms)

    def poll(self, now_ms: int, uptime_ms: int):
        """(topic, sealed payload, retain) of the next message to publish, or None when there is
        nothing to send now.
        """
        if not self.online:
            return None
        if ticks_diff(now_ms, self._heartbeat_due) >= 0:
            self._heartbeat_due = ticks_add(now_ms, self._limits["heartbeat_ms"])
            return self.state_topic, self._sealed_state(self.status, uptime_ms), True
        journal = self._journal
        if self._sent > journal.acked and ticks_diff(now_ms, self._resend_due) >= 0:
            self._sent = journal.acked
            self._resend_ms = min(self._resend_ms * 2, _RESEND_MS_MAX)
        last = min(journal.last_seq, journal.acked + self._limits["window_records"])
        if self._sent >= last:
            return None
        if self._sent == journal.acked:
            self._resend_due = ticks_add(now_ms, self._resend_ms)
        return self._next_events(last, uptime_ms)

    def _next_events(self, last: int, uptime_ms: int):
        first = max(self._sent + 1, self._journal.lowest_kept)
        records = []
        size = 0
        seq = first
        while seq <= last and len(records) < _RECORDS_PER_MESSAGE:
            record = self._journal.read(seq)
            if record is None or size + len(record) + 3 > messages.EVENT_BYTES_MAX:
                break
            records.append(record)
            # a byte string of up to 1 KiB has a head of at most three bytes
            size += len(record) + 3
            seq += 1
        if not records:
            return None
        self._sent = seq - 1
        ahead = self._journal.read(first - 1)
        before = messages.fingerprint_of(ahead) if ahead else bytes(messages.FINGERPRINT_BYTES)
        name = self._events_topic
        said = self._journal.epoch, self._journal.boot, uptime_ms, first, records, before
        if self._packs:
            sealed = packing.seal_packed(self._key, self.key_number, name, packing.pack(*said))
        else:
            sealed = seal.seal(self._key, self._kid, name, messages.encode_events(*said))
        return name, sealed, False

    def _sealed_state(self, status: str, uptime_ms: int) -> bytes:
        journal = self._journal
        payload = messages.encode_state(
            {
                "epoch": journal.epoch,
                "boot": journal.boot,
                "uptime_ms": uptime_ms,
                "status": "locked" if self.conflict and status != "lost" else status,
                "last_seq": journal.last_seq,
                "lowest_kept": journal.lowest_kept,
                "acked": journal.acked,
                "ledger_n": journal.ledger_n,
                "ledger_head": journal.ledger_head,
                "heap_free": self.heap_free,
                "heap_low": self.heap_low,
                "command": journal.command,
            }
        )
        return seal.seal(self._key, self._kid, self.state_topic, payload)

    def message(self, name: str, sealed: bytes, now_ms: int, uptime_ms: int) -> bool:
        """Read a message; True when it acknowledges this journal or is a new command. Anything else
        is counted as refused.

        A command is new if it is for this epoch and its counter is above every counter accepted
        before. Whoever acts on it notes the counter first (Journal.note_command).

        An acknowledgement that is higher than all before is true whenever it comes. A lower one
        means that the gateway lost its newest rows. It must answer a message of ours that is newer
        than every one answered so far. The gateway's clock does not decide that, because somebody
        may set it back.
        """
        taken = False
        if name == self.ack_topic or name == self.command_topic:
            try:
                _, payload = seal.open_seal(
                    sealed, name, lambda kid: self._key if kid == self._kid else None
                )
                if name == self.ack_topic:
                    taken = self._ack(messages.decode_ack(payload), now_ms, uptime_ms)
                else:
                    taken = self._command(messages.decode_command(payload))
            except ProtocolError:
                pass
        if not taken:
            self.refused += 1
        return taken

    def _command(self, command: dict) -> bool:
        journal = self._journal
        if command["epoch"] != journal.epoch or command["counter"] <= journal.command:
            return False
        self.command = command
        return True

    def _ack(self, ack: dict, now_ms: int, uptime_ms: int) -> bool:
        journal = self._journal
        high_water = ack["high_water"]
        echo_ms = ack["echo_uptime_ms"] if ack["echo_boot"] == journal.boot else -1
        stale = high_water < journal.acked and (echo_ms < 0 or echo_ms <= self._echo_ms)
        if ack["epoch"] != journal.epoch or stale:
            return False  # another life of this board, or an old message played again
        held = journal.read(high_water)
        self.conflict = high_water > journal.last_seq or bool(
            held and any(ack["fingerprint"]) and ack["fingerprint"] != messages.fingerprint_of(held)
        )
        if self.conflict:
            # what the ledger holds under our name is not ours: a second board has our key and
            # states other records
            return False
        if echo_ms >= 0:
            if echo_ms >= self._echo_ms and not ack["want_from"]:
                self._packs = ack["want_to"] >= packing.VERSION
            self._echo_ms = max(self._echo_ms, echo_ms)
            self._set_clock(ack["utc_ms"], uptime_ms, uptime_ms - echo_ms)
        if (
            high_water > journal.acked or self._resend_ms > self._limits["resend_ms"]
        ):  # the gateway is there (again)
            self._resend_ms = self._limits["resend_ms"]
            self._resend_due = ticks_add(now_ms, self._resend_ms)
        journal.mark_acked(high_water, ack["ledger_n"], ack["ledger_head"])
        self._sent = max(self._sent, journal.acked)
        want_from = ack["want_from"]
        if want_from and (want_from != self._wanted or ticks_diff(now_ms, self._want_due) >= 0):
            self._wanted = want_from
            self._want_due = ticks_add(now_ms, self._limits["resend_ms"])
            self._sent = min(self._sent, max(want_from, journal.lowest_kept) - 1)
        return True

    def _set_clock(self, utc_ms: int, uptime_ms: int, trip_ms: int) -> None:
        """Cristian's estimate: the sample with the shortest round trip is the best, until it is so
        old that the crystal has drifted.
        """
        best = self._clock
        if trip_ms >= 0 and (
            best is None or trip_ms <= best[1] or uptime_ms - best[2] > _SAMPLE_KEPT_MS
        ):
            self._clock = (utc_ms - uptime_ms + trip_ms // 2, trip_ms, uptime_ms)
