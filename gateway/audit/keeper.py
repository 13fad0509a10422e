"""When a business day's tree head is due, and the keeper that makes it beside a running gateway."""

import datetime
import logging
import threading
import zoneinfo
from contextlib import suppress
from pathlib import Path

from gateway.audit.tree_head import SignedTreeHead, make
from gateway.business_day import ended_business_date, local_date, local_ms
from gateway.clock import Clock
from gateway.config import LedgerServer
from gateway.errors import GatewayError
from gateway.store.engine import Db, StorageError
from gateway.store.entries import first_received_after, newest_received_ms
from gateway.store.ledger import Ledger
from gateway.store.tree_heads import newest_tree_head

log = logging.getLogger("till.checkpoint")

# assumed: drawers are counted out after the cut-off; a quarter of an hour without a record ends
# that
QUIET_MS = 900_000
LOOK_MS = 5_000  # how often a running gateway looks whether one is due: three small queries


def due(
    db: Db,
    now_ms: int,
    zone: zoneinfo.ZoneInfo,
    cut_off: datetime.time,
    quiet_ms: int = QUIET_MS,
) -> str | None:
    """The business date that wants a tree head now, None when nothing does.

    That is: its cut-off has passed, something was recorded before it that no tree head covers, and
    nothing came for `quiet_ms` (or midnight has passed), so that the counts of the closing are in
    it.
    """
    date = ended_business_date(now_ms, zone, cut_off)
    newest_date, last_n = newest_tree_head(db)
    if newest_date >= date:
        return None
    first_ms = first_received_after(db, last_n)
    if first_ms is None or first_ms >= local_ms(datetime.date.fromisoformat(date), cut_off, zone):
        return None
    if local_date(now_ms, zone) == date and now_ms - newest_received_ms(db) < quiet_ms:
        return None
    return date


class Keeper:
    """Makes each day's tree head beside a running gateway, with a connection of its own."""

    def __init__(
        self,
        path: Path | LedgerServer,
        data: Path,
        site: str,
        zone: zoneinfo.ZoneInfo,
        cut_off: datetime.time,
        clock: Clock,
    ) -> None:
        self._path, self._data, self._site = path, data, site
        self._zone, self._cut_off, self._clock = zone, cut_off, clock
        self._said = ""

    def run(self, stop: threading.Event, ours: threading.Event | None = None) -> None:
        """Until `stop` is set, or as long as it is `ours` to do. A failure is logged once and tried
        again: it never ends the gateway.
        """
        try:
            with Ledger(self._path, create=False) as ledger:
                while not stop.is_set() and (ours is None or ours.is_set()):
                    self.look(ledger)
                    self.look_at_file(ledger)
                    stop.wait(LOOK_MS / 1000)
        except GatewayError as error:
            log.error('checkpoint_failed error="%s"', error)

    def look_at_file(self, ledger: Ledger) -> None:
        """Read the whole file once a week. Damage is said and goes on record; what is acknowledged
        from then on is read back as ever.
        """
        now_ms = self._clock.utc_ms()
        try:
            if ledger.file_check_due(now_ms):
                ledger.check_file(now_ms)
        except (GatewayError, StorageError) as error:
            if str(error) != self._said:
                self._said = str(error)
                log.error('ledger_damaged error="%s"', error)
                with suppress(GatewayError, StorageError):
                    ledger.incident("ledger_damaged", "", str(error), now_ms)

    def look(self, ledger: Ledger) -> SignedTreeHead | None:
        """Make the one that is due, if one is."""
        now_ms = self._clock.utc_ms()
        try:
            date = due(ledger.db, now_ms, self._zone, self._cut_off)
            if date is None:
                return None
            made = make(ledger, self._data, self._site, date, now_ms)
        except (GatewayError, StorageError, OSError) as error:
            if str(error) != self._said:
                self._said = str(error)
                log.error('checkpoint_failed error="%s"', error)
            return None
        self._said = ""
        log.info(
            "checkpoint_made date=%s n=%d root=%s", made.business_date, made.n, made.root.hex()
        )
        return made
