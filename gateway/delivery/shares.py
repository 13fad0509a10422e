"""Which devices this worker hears, where several workers serve one site: its part of the leases
(gateway/store/leases.py), renewed and kept fair. No socket, no thread.

  free --take--> held --more than our share--> leaving --not heard any more, and nothing of it in
    ^              |                              |       our hands--> given back
    |              +--the database says: another's+--> lost
    +---------------------- given back ----------+

Each of k workers that live holds at most devices / k, rounded up. Whoever has more gives some up,
whoever has less takes what is free. A new worker is one more of k, so the others make room for it.

The lease is for efficiency: one worker hears a device, one answers. The truth is the ledger's: a
batch is judged in a transaction that is alone in the site, by streams that were read in it. There
the leases are looked at too (`Fence`): what came for a device that is another worker's by then is
neither recorded nor answered. Its PUBACK goes out all the same, and the broker forgets it. That is
safe for one reason alone: the device keeps every record until a sealed acknowledgement names it,
and says it again, to the worker that holds the lease. For the same reason a worker keeps no session
at the broker: the session of one that does not come back would grow there without an end.

A worker that cannot renew (the database is away, it was stopped, its line is cut) cannot commit
either, so it answers nothing. No clock but the database's decides.
"""

import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import GatewayError
from gateway.store import leases
from gateway.store.engine import Db, StorageError
from gateway.store.ledger import Ledger

log = logging.getLogger("till.worker")

LEASE_MS = 5_000  # a worker that does not renew for so long has lost its leases
RENEW_MS = 1_000
NAMES_MS = 5_000  # how often we look for devices that were let in: a folder of thousands takes ms
# A writer that is silent loses the site's lock after so long, and the others wait no longer for it:
# less than LEASE_MS - RENEW_MS, or one that was stopped in mid transaction would end all leases.
WAIT_MS = 3_000
DUTY = "+duty"  # the lease on what is done once a site; no device may be called so


@dataclass(frozen=True)
class Worker:
    """One process of a run. `number` counts from 1 to `of`."""

    number: int
    of: int


class Fence(Protocol):
    """Looked at inside the transaction of a batch."""

    def __call__(self, db: Db, devices: Sequence[str], /) -> frozenset[str]:
        """Those of the devices whose messages are another worker's business now."""


class Shares:
    """The leases of one worker. `names()`: the devices that there are. Times are of any clock that
    only runs forward, in milliseconds.
    """

    def __init__(self, ledger: Ledger, worker: Worker, names: Callable[[], Iterable[str]]) -> None:
        self._ledger, self.worker, self._names = ledger, worker, names
        self.name = ""  # in the database; another one each time we join
        self._held: frozenset[str] = frozenset()
        self._is_sure = True  # that the database says the same of what we hold
        self._leaving: frozenset[str] = frozenset()
        self._known: frozenset[str] = frozenset()  # devices for which there is a lease
        self._names_ms: int | None = None
        self._next_ms: int | None = None
        self._steady_ms: int | None = None  # since when we live without a break
        self._said = ""

    @property
    def heard(self) -> frozenset[str]:
        """The devices to listen to."""
        return self._held - self._leaving - {DUTY}

    @property
    def has_looked(self) -> bool:
        """Whether the database has told us at least once what is ours."""
        return self._steady_ms is not None

    @property
    def has_duty(self) -> bool:
        """Whether we do what is done once a site."""
        return DUTY in self._held

    def fence(self, db: Db, devices: Sequence[str]) -> frozenset[str]:
        """See Fence."""
        held = self._held if leases.is_worker(db, self.name) else frozenset()
        return frozenset(devices) - held

    def look(self, now_ms: int) -> None:
        """Renew, see what became of the others, take or give up. Does nothing before it is due."""
        if self._next_ms is not None and now_ms < self._next_ms:
            return
        self._next_ms = now_ms + RENEW_MS
        try:
            self._look(now_ms)
        except (StorageError, GatewayError) as error:
            self._is_sure, self._steady_ms = False, None
            if not self._said:  # a state change is said once, not each retry
                log.warning('leases_not_renewed error="%s"', error)
            self._said = str(error)
            return
        if self._said:
            log.warning("leases_renewed_again devices=%d", len(self.heard))
            self._said = ""

    def give_back(self, audible: frozenset[str], is_waiting: bool) -> None:
        """Give back what we are leaving, but of `audible` something may still come, and while
        `is_waiting` there are messages that are not durable yet.
        """
        going = self._leaving - audible
        if not going or is_waiting:
            return
        # first: a commit that fails may have happened, and from then on it is anybody's
        self._held -= going
        self._leaving -= going
        try:
            with self._ledger.transaction() as db:
                leases.release(db, self.name, sorted(going))
        except (StorageError, GatewayError) as error:
            self._is_sure = False
            log.warning('leases_not_given_back error="%s"', error)
            return
        log.info("leases_given_back devices=%d held=%d", len(going), len(self.heard))

    def leave(self) -> None:
        """Give everything back: this worker ends. It hears nothing any more."""
        self._held = self._leaving = frozenset()
        try:
            with self._ledger.transaction() as db:
                leases.leave(db, self.name)
        except (StorageError, GatewayError) as error:  # they end by themselves
            log.warning('leases_not_given_back error="%s"', error)

    # -- one look

    def _look(self, now_ms: int) -> None:
        lived = leases.renew(self._ledger.db, self.name, LEASE_MS)
        if lived is None:
            self._join()
        elif not self._is_sure:
            self._held = leases.held(self._ledger.db, self.name)
            self._leaving &= self._held
        self._is_sure = True
        if not lived or self._steady_ms is None:
            self._steady_ms = now_ms
        self._meet_new_devices(now_ms)
        is_steady = now_ms - self._steady_ms >= LEASE_MS
        self._plan(leases.standing(self._ledger.db, DUTY), is_steady)

    def _join(self) -> None:
        if self._held:
            log.warning("leases_lost devices=%d", len(self._held))
        # first: what we held under the old name is anybody's, whatever becomes of the new one
        self.name = f"{self.worker.number}.{secrets.token_hex(6)}"
        self._held = self._leaving = frozenset()
        with self._ledger.transaction() as db:
            leases.join(db, self.name, self.worker.number, LEASE_MS)

    def _meet_new_devices(self, now_ms: int) -> None:
        if self._names_ms is not None and now_ms < self._names_ms:
            return
        names = frozenset(self._names())
        if not names <= self._known:
            with self._ledger.transaction() as db:
                leases.make(db, [*sorted(names), DUTY])
            self._known |= names
        self._names_ms = now_ms + NAMES_MS

    def _plan(self, now: leases.Standing, is_steady: bool) -> None:
        # Who has just come waits for the others of its run, and who was away lets the others renew
        # first: they were away too if the database was.
        workers = max(now.workers, 1 if is_steady else self.worker.of)
        share = -(-now.devices // workers)
        mine = sorted(self.heard)
        if len(mine) > share:
            self._leaving |= frozenset(mine[share:])
            return
        free = now.free + (now.lapsed if is_steady else 0)
        room = share - len(self._held - {DUTY})
        if (free > 0 and room > 0) or now.duty_is_free:
            self._take(max(room, 0), is_steady)

    def _take(self, room: int, is_steady: bool) -> None:
        with self._ledger.transaction() as db:
            if is_steady:
                leases.end_lapsed(db)
            leases.take(db, self.name, room, DUTY)
            held = leases.held(db, self.name)
        new = held - self._held
        self._held = held
        if new:
            log.info("leases_taken devices=%d held=%d", len(new), len(held))
