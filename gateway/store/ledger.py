"""The ledger: every record a device stated, once, in an order that a hash chain fixes. Appended to,
never edited.

A Ledger is one open file: transactions, what must hold while it is in use, and the questions that
everybody asks. The SQL is in the modules beside this one. A connection belongs to one thread at a
time; whoever reads while the gateway serves opens a Ledger of its own.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.config import LedgerServer
from gateway.errors import LedgerBroken
from gateway.facts.chain import GENESIS
from gateway.facts.records import DeviceStats, Finding, SeenRecord
from gateway.store import entries, incidents, segments, streams, upkeep
from gateway.store.engine import LAST, Db, damages
from gateway.store.ledger_file import was_cut_off
from gateway.store.opening import opened
from gateway.store.verify import verify

TAIL_BYTES = (
    32 << 20  # of the log, whose chain a start looks at: a tenth of a second; till verify: all
)

FILE_CHECKED = "file_checked_ms"
FILE_CHECK_MS = 7 * 86_400_000  # a page that went bad is found within a week, beside the gateway


class Ledger:
    """One open ledger: a file, or a site's part of a server. Raises DataError, PermissionDenied,
    Unavailable or TryAgain (see gateway/store/ledger_file.py and server_ledger.py) when it cannot
    be.
    """

    def __init__(self, place: Path | str | LedgerServer, create: bool = True) -> None:
        self.path = place if isinstance(place, LedgerServer) else Path(place)
        self._was_cut_off = isinstance(self.path, Path) and was_cut_off(self.path)
        self._db = opened(self.path, create)
        self._files = self._identities()

    @classmethod
    def open(cls, path: Path | str | LedgerServer, create: bool = True) -> "Ledger":
        """The ledger at `path`, created when there never was one; create=False (commands that only
        read) refuses.
        """
        return cls(path, create)

    def close(self) -> None:
        """Give the file or the connection back."""
        self._db.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def db(self) -> Db:
        """What the functions of store/ take."""
        return self._db

    @contextmanager
    def transaction(self) -> Iterator[Db]:
        """A write transaction: what it appends becomes one entry, committed at the end of the
        block; any exception rolls all of it back.
        """
        with entries.transaction(self._db) as db:
            yield db

    def incident(self, kind: str, device: str, text: str, at_ms: int) -> None:
        """Note something a person should look into; the same text again is the same incident."""
        with self.transaction() as db:
            incidents.add_incident(db, kind, device, text, at_ms)

    def release(self, device: str, epoch: int, who: str, at_ms: int) -> bool:
        """Unlock a stream after equivocation; False when it was not locked. `who` decided goes on
        record.
        """
        with self.transaction() as db:
            done = streams.unlock_stream(db, device, epoch)
            if done:
                text = f"epoch {epoch}: released at {at_ms} by {who}"
                incidents.add_incident(db, "released", device, text, at_ms)
            return done

    @property
    def cure(self) -> str:
        """What a person does when it cannot be written."""
        return "look at the server" if isinstance(self.path, LedgerServer) else "free the disk"

    # -- what must hold while it is in use

    def check_start(self, now_ms: int) -> None:
        """Raises LedgerBroken, after raising an incident, when the newest entries do not lead to
        their stored heads. After a crash the whole file is looked at too.
        """
        if self._was_cut_off:
            self.check_file(now_ms)
        broken = entries.chain_break(self._db, entries.tail_from(self._db, TAIL_BYTES))
        if broken:
            text = (
                f"the chain does not lead to the head of entry {broken}: this entry or one"
                " before was edited"
            )
            self.incident("chain_broken", "", text, now_ms)
            raise LedgerBroken(
                f"ledger {self.path}: {text}; till verify tells what differs, till restore puts a"
                " backup back"
            )

    def check_file(self, now_ms: int) -> None:
        """Raises LedgerBroken when a page of the file is damaged. Reads all of it."""
        found = damages(self._db, 1)
        if found:
            raise LedgerBroken(
                f"ledger {self.path}: corrupt ({found[0]}); keep the file, put a backup back with"
                " till restore"
            )
        with self.transaction() as db:
            upkeep.note(db, FILE_CHECKED, now_ms)

    def file_check_due(self, now_ms: int) -> bool:
        """Whether the file was looked at longer ago than FILE_CHECK_MS."""
        return not 0 <= now_ms - upkeep.noted(self._db, FILE_CHECKED) < FILE_CHECK_MS

    def check_committed(self, n: int, head: bytes, marks: Sequence[tuple[str, int, int]]) -> None:
        """After COMMIT: the head at entry n and the high-water marks (device, epoch, seq) read
        back are those that the answers will state, in the files we opened. Raises LedgerBroken. A
        mark may be higher: another worker that has taken the device over was faster than we.
        """
        read_back = entries.head_of(self._db, n) or GENESIS
        stored = self.high_waters([(device, epoch) for device, epoch, _ in marks])
        moved = [seq for device, epoch, seq in marks if stored.get((device, epoch), -1) < seq]
        if read_back != head or moved:
            raise LedgerBroken(
                f"ledger {self.path}: what was committed reads back differently; stop, and run till"
                " verify"
            )
        if self._files != self._identities():
            raise LedgerBroken(
                f"ledger {self.path}: the file was moved, replaced or removed while in use; put it"
                " back, start again"
            )

    def _identities(self) -> list[tuple[int, int] | None]:
        """Which files these names are now: the ledger's and its log's. A removed one would take
        commits along into nowhere. A server's place is its own: store/server.py looks whether it
        still is the one that committed.
        """
        found: list[tuple[int, int] | None] = []
        if isinstance(self.path, LedgerServer):
            return found
        for path in (str(self.path), f"{self.path}-wal"):
            try:
                status = os.stat(path)
                found.append((status.st_dev, status.st_ino))
            except FileNotFoundError:
                found.append(None)
        return found

    # -- reading

    def head(self) -> tuple[int, bytes]:
        """(n, head) of the newest entry; (0, 32 zero bytes) of an empty ledger."""
        return entries.newest(self._db)

    def high_water(self, device: str, epoch: int) -> int:
        """Up to which seq this stream is durable; 0 for one nobody has seen."""
        found = streams.open_stream(self._db, device, epoch)
        return found.high_water if found else 0

    def high_waters(self, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """{(device, epoch): up to which seq it is durable} of those that somebody has seen."""
        found = streams.open_streams(self._db, keys)
        return {key: stream.high_water for key, stream in found.items()}

    def records(
        self,
        since_ms: int | None = None,
        until_ms: int | None = None,
        device: str | None = None,
        after_n: int = 0,
    ) -> Iterator[SeenRecord]:
        """Records with since_ms <= occurred_ms < until_ms, of one device or all, from entries
        after `after_n`: see store/segments.py.
        """
        return segments.records(self._db, since_ms, until_ms, device, after_n)

    def verify(self) -> list[Finding]:
        """Everything that does not fit together: chain, bodies, cursors, witnesses. Empty for a
        ledger as it was written.
        """
        return list(verify(self._db))

    def stats(self) -> list[DeviceStats]:
        """Counts of every device, by name; device '' gathers what came from nobody we know."""
        records = streams.record_counts(self._db)
        gaps = streams.missing_counts(self._db)
        counts = streams.counters(self._db)
        known = {str(row["device"]) for row in streams.cursors(self._db)}
        return [
            DeviceStats(
                device,
                records.get(device, 0),
                counts.get((device, "duplicates"), 0),
                counts.get((device, "rejected"), 0),
                *gaps.get(device, (0, 0)),
            )
            for device in sorted(known | {device for device, _ in counts})
        ]

    def counters(self) -> dict[tuple[str, str], int]:
        """See store/streams.py."""
        return streams.counters(self._db)

    def gaps(self, since_ms: int = streams.EVER) -> list[dict[str, Any]]:
        """The gap rows noted from since_ms on, in the order of streams: device, epoch, from_seq,
        to_seq, cause, noted_ms, entry_n.
        """
        return streams.gaps(self._db, since_ms)

    def incidents(
        self,
        since_ms: int = streams.EVER,
        last: int | None = None,
        before_id: int = LAST,
    ) -> list[dict[str, Any]]:
        """The incident rows from since_ms on, oldest first: id, at_ms, kind, device, text. `last`:
        so many of the newest before that id.
        """
        return incidents.incidents(self._db, since_ms, last, before_id)

    def quarantine(self, last: int | None = None, before_id: int = LAST) -> list[dict[str, Any]]:
        """The quarantine rows, oldest first: id, received_ms, source, reason, bytes. `last`: so
        many of the newest before that id.
        """
        return incidents.quarantine(self._db, last, before_id)

    def quarantine_size(self) -> int:
        """How many messages are in quarantine."""
        return incidents.quarantine_size(self._db)

    def cursors(self) -> list[dict[str, Any]]:
        """The cursor rows, in the order the streams began."""
        return streams.cursors(self._db)

    def heartbeats(self) -> list[dict[str, Any]]:
        """The last heartbeat of each device, by name."""
        return streams.heartbeats(self._db)
