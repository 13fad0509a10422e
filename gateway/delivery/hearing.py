"""Whether a connected gateway is heard and hears: it says something to itself by way of the broker.

A connection can be alive, answer each PINGREQ and bring no message any more: a broker whose window
of unacknowledged messages is full of ones that nobody will acknowledge, or that forgot a
subscription. So the gateway publishes a small beat to its own `state` topic, which it is subscribed
to and the ACL lets it write, every BEAT_MS. QoS 1, because a full window stops QoS 1 alone. Not
retained: the broker keeps nothing of it but the last one on its way.

One beat is on its way at a time. When it does not come back and no other message of QoS 1 comes
either, for three intervals, the gateway is deaf. Messages count, since a beat waits behind all that
the broker has queued. Each time in a row the patience is doubled: on a broker that lets the gateway
not write its own topic, a new connection does not help.
"""

import json
import secrets

BEAT_MS = 10_000
INTERVALS = 3
PATIENCE_DOUBLED_MAX = 6  # 30 s become 32 minutes


class Hearing:
    """Beats of one run of the gateway. No clock inside: `now_ms` is any that only runs forward."""

    def __init__(self, beat_ms: int = BEAT_MS) -> None:
        self._beat_ms = beat_ms
        self._token = secrets.token_hex(8)
        self._number = 0
        self._next_ms: int | None = None  # None: not connected
        self._since_ms: int | None = None  # nothing heard since; None: no beat is on its way
        self._doubled = 0

    @property
    def patience_ms(self) -> int:
        """After so long without anything heard it is deaf."""
        return self._beat_ms * INTERVALS << self._doubled

    @property
    def was_told(self) -> bool:
        """It was found deaf, and has not heard itself since."""
        return self._doubled > 0

    def connected(self, now_ms: int) -> None:
        """The broker has us subscribed."""
        self._next_ms, self._since_ms = now_ms, None

    def lost(self) -> None:
        """The connection ended."""
        self._next_ms = self._since_ms = None

    def pop_beat(self, now_ms: int) -> bytes | None:
        """The beat that is due now."""
        if self._next_ms is None or now_ms < self._next_ms or self._since_ms is not None:
            return None
        self._next_ms, self._since_ms = now_ms + self._beat_ms, now_ms
        self._number += 1
        return json.dumps({"beat": self._token, "number": self._number}).encode()

    def take(self, payload: bytes, is_confirmed: bool, now_ms: int) -> bool:
        """True when it is a beat of any gateway. One of our own with QoS 1 means that we hear."""
        if not payload.startswith(b'{"beat": '):
            return False
        try:
            token = json.loads(payload)["beat"]
        except (ValueError, RecursionError):
            return False
        if token == self._token and is_confirmed and self._next_ms is not None:
            self._since_ms = None
            self._doubled = 0
            self._next_ms = max(self._next_ms, now_ms)
        return True

    def messages(self, now_ms: int) -> None:
        """Messages of QoS 1 came, or we did not read at all until now."""
        if self._since_ms is not None:
            self._since_ms = now_ms

    def is_deaf(self, now_ms: int) -> bool:
        """True when it is time for a new connection."""
        return self._since_ms is not None and now_ms - self._since_ms >= self.patience_ms

    def told(self) -> None:
        """It was found deaf, and said so."""
        self._doubled = min(self._doubled + 1, PATIENCE_DOUBLED_MAX)
