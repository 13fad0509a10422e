"""The ledger: every record a device stated, once, in an order that a hash chain fixes. Appended to,
never edited.

`record` is the only way in for what devices say: one transaction for a batch of messages. An answer
to a device is sent only after it returned. Everybody else reads: `records`, `verify`, `stats` and
the small tables beside them. A connection belongs to one thread at a time; whoever reads while the
gateway serves opens a Ledger of its own.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.delivery.outcomes import Accepted, Recorded, Rejected
from gateway.delivery.recording import Recording
from gateway.errors import LedgerBroken
from gateway.facts.chain import GENESIS
from gateway.facts.records import UNDECODABLE, DeviceStats, Finding, SeenRecord
from gateway.store.ledger_file import open_ledger
from gateway.store.verify import chain_break, verify
from protocol import records as wire

TAIL_MESSAGES = (
    100_000  # whose chain a start looks at: a third of a second; till verify looks at all of it
)


class Ledger:
    """One open ledger file. Raises DataError, PermissionDenied or TryAgain (see
    gateway/store/ledger_file.py) when it cannot be.
    """

    def __init__(self, path: Path | str, create: bool = True) -> None:
        self.path = Path(path)
        self._db = open_ledger(self.path, create)
        self._files = self._identities()

    @classmethod
    def open(cls, path: Path | str, create: bool = True) -> "Ledger":
        """The ledger at `path`, created when there never was one; create=False (commands that only
        read) refuses.
        """
        return cls(path, create)

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def db(self) -> sqlite3.Connection:
        """The connection, for the office's own tables (0002.sql and on)."""
        return self._db

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: committed at the end of the block, rolled back by any exception."""
        if (
            self._db.in_transaction
        ):  # an earlier ROLLBACK failed too: without this nothing would ever begin again
            self._db.execute("ROLLBACK")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite rolls back by itself after some errors
                self._db.execute("ROLLBACK")
            raise

    def record(self, batch: Sequence[Accepted | Rejected], now_ms: int) -> Recorded:
        """Make a batch durable: when this returns, all of it is on disk; when it raises
        sqlite3.Error, none of it is.

        Raises LedgerBroken when what was committed cannot be found again: nobody may be told that
        it is safe.
        """
        with self.transaction() as db:
            recorded = Recording(db, now_ms).run(batch)
        self._check_recorded(recorded)
        return recorded

    def incident(self, kind: str, device: str, text: str, at_ms: int) -> None:
        """Note something a person should look into; the same text again is the same incident."""
        with self.transaction() as db:
            Recording(db, at_ms).incident(kind, device, text)

    def release(self, device: str, epoch: int, who: str, at_ms: int) -> bool:
        """Unlock a stream after equivocation; False when it was not locked. `who` decided goes on
        record.
        """
        with self.transaction() as db:
            done = db.execute(
                "UPDATE cursor SET locked = 0 WHERE device = ? AND epoch = ? AND locked = 1",
                (device, epoch),
            )
            if done.rowcount == 1:
                Recording(db, at_ms).incident(
                    "released", device, f"epoch {epoch}: released at {at_ms} by {who}"
                )
            return done.rowcount == 1

    # -- what must hold while it is in use

    def check_start(self, now_ms: int) -> None:
        """Raises LedgerBroken, after raising an incident, when the newest messages do not lead to
        their stored heads.
        """
        broken = chain_break(self._db, max(1, self.head()[0] - TAIL_MESSAGES + 1))
        if broken:
            text = (
                f"the chain does not lead to the head of message {broken}: this message or one"
                " before was edited"
            )
            self.incident("chain_broken", "", text, now_ms)
            raise LedgerBroken(
                f"ledger {self.path}: {text}; till verify tells what differs, till restore puts a"
                " backup back"
            )

    def _check_recorded(self, recorded: Recorded) -> None:
        """After COMMIT: the marks and the head read back are those that the answers will state, in
        the files we opened.
        """
        row = self._db.execute(
            "SELECT head FROM message WHERE n = ?", (recorded.ledger_n,)
        ).fetchone()
        head = row[0] if row else GENESIS
        marks = {
            self.high_water(stream.device, stream.epoch) - stream.high_water
            for stream in recorded.streams
        }
        if head != recorded.ledger_head or marks - {0}:
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
        commits along into nowhere.
        """
        found: list[tuple[int, int] | None] = []
        for path in (str(self.path), f"{self.path}-wal"):
            try:
                status = os.stat(path)
                found.append((status.st_dev, status.st_ino))
            except FileNotFoundError:
                found.append(None)
        return found

    # -- reading

    def head(self) -> tuple[int, bytes]:
        """(n, head) of the newest message; (0, 32 zero bytes) of an empty ledger."""
        row = self._db.execute("SELECT n, head FROM message ORDER BY n DESC LIMIT 1").fetchone()
        return (int(row[0]), bytes(row[1])) if row else (0, GENESIS)

    def high_water(self, device: str, epoch: int) -> int:
        """Up to which seq this stream is durable; 0 for one nobody has seen."""
        row = self._db.execute(
            "SELECT high_water FROM cursor WHERE device = ? AND epoch = ?", (device, epoch)
        ).fetchone()
        return int(row[0]) if row else 0

    def records(
        self,
        since_ms: int | None = None,
        until_ms: int | None = None,
        device: str | None = None,
        after_n: int = 0,
    ) -> Iterator[SeenRecord]:
        """Records with since_ms <= occurred_ms < until_ms, of one device or all, from messages
        after `after_n`.

        In the order they were recorded, which within one stream is the order of seq.
        """
        where, values = ["message_n > ?"], [after_n]  # type: tuple[list[str], list[Any]]
        for clause, value in (
            ("occurred_ms >= ?", since_ms),
            ("occurred_ms < ?", until_ms),
            ("record.device = ?", device),
        ):
            if value is not None:
                where.append(clause)
                values.append(value)
        rows = self._db.execute(
            "SELECT record.device, epoch, seq, kind, occurred_ms, received_ms, body, message_n"
            f" FROM record JOIN message ON message.n = message_n WHERE {' AND '.join(where)} ORDER"
            " BY message_n, seq",
            values,
        )
        for name, epoch, seq, kind, occurred, received, body, n in rows:
            fields = {"raw": body} if kind == UNDECODABLE else wire.decode_record(body)
            yield SeenRecord(name, epoch, seq, kind, occurred, received, fields, n)

    def verify(self) -> list[Finding]:
        """Everything that does not fit together: chain, bodies, cursors, witnesses. Empty for a
        ledger as it was written.
        """
        return list(verify(self._db))

    def stats(self) -> list[DeviceStats]:
        """Counts of every device, by name; device '' gathers what came from nobody we know."""
        records = dict(
            self._db.execute("SELECT device, count(*) FROM record GROUP BY device").fetchall()
        )
        gaps = {
            row[0]: (row[1], row[2])
            for row in self._db.execute(
                "SELECT device, count(*), sum(to_seq - from_seq + 1) FROM gap GROUP BY device"
            )
        }
        counts = {
            (row[0], row[1]): row[2]
            for row in self._db.execute("SELECT device, name, value FROM counter")
        }
        known = {row[0] for row in self._db.execute("SELECT device FROM cursor")}
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
        """{(device, name): count}; names: duplicates, rejected, ignored, held (stream locked),
        not_kept (quarantine full).
        """
        return {
            (row[0], row[1]): row[2]
            for row in self._db.execute("SELECT device, name, value FROM counter")
        }

    def gaps(self) -> list[dict[str, Any]]:
        """The gap rows, in the order of streams: device, epoch, from_seq, to_seq, cause, noted_ms,
        message_n.
        """
        return self._rows("SELECT * FROM gap ORDER BY device, epoch, from_seq")

    def incidents(self) -> list[dict[str, Any]]:
        """The incident rows, oldest first: id, at_ms, kind, device, text."""
        return self._rows("SELECT * FROM incident ORDER BY id")

    def quarantine(self) -> list[dict[str, Any]]:
        """The quarantine rows, oldest first: id, received_ms, source, reason, bytes."""
        return self._rows("SELECT * FROM quarantine ORDER BY id")

    def cursors(self) -> list[dict[str, Any]]:
        """The cursor rows, in the order the streams began."""
        return self._rows("SELECT * FROM cursor ORDER BY id")

    def heartbeats(self) -> list[dict[str, Any]]:
        """The last heartbeat of each device, by name."""
        return self._rows("SELECT * FROM heartbeat ORDER BY device")

    def _rows(self, query: str) -> list[dict[str, Any]]:
        answer = self._db.execute(query)
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer]
