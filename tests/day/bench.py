"""A day in a real ledger: tapes of windows go through ingest, postings through `till import`, and
the day is proved as the command does it.
"""

import datetime
import zoneinfo
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from gateway.business_day import day_bounds
from gateway.clock import Clock
from gateway.config import Config
from gateway.day.prove import Day, prove_day
from gateway.facts.postings import AMOUNTS, COLUMNS, PAYMENT, Posting
from gateway.incoming.kinds import kind_of
from gateway.incoming.money_file import import_money
from gateway.incoming.posted_file import ImportResult, import_posted
from gateway.policy_file import shipped_policy
from gateway.policy_tables import Policy, Rounding
from protocol import records
from tests.delivery.bench import Office
from tests.office.rows import DAY, DAY_MS, Tape

ZONE = zoneinfo.ZoneInfo("America/Chicago")
EVENING_MS = DAY_MS + 30 * 3_600_000  # all of the day, and of the night after it, has arrived


def posted_csv(rows: list[Posting]) -> str:
    """A posted.csv with its control line; with the column `kind` where a row has one."""
    columns = [*COLUMNS, *(["kind"] if any(row.kind != PAYMENT for row in rows) else [])]
    lines = [",".join(columns)]
    for row in rows:
        at = datetime.datetime.fromtimestamp(row.posted_ms / 1000, ZONE)
        values = dict(zip(columns, row.values(), strict=False))
        lines.append(",".join(str(v) for v in {**values, "posted_at": at.isoformat()}.values()))
    sums = [sum(getattr(row, name) for row in rows) for name in AMOUNTS]
    names = ("tender_cents", "change_cents", "allocation_cents")
    told = ",".join(f"{name}={cents}" for name, cents in zip(names, sums, strict=True))
    return "\n".join([*lines, f"#control,rows={len(rows)},{told}", ""])


class OfficeDay:
    """One office with the windows of the tapes."""

    def __init__(self, folder: Path, *tapes: Tape) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.office = Office(folder)
        self.office.clock.now_ms = EVENING_MS
        self.windows = [tape.device for tape in tapes]
        for tape in tapes:
            self._count(tape)

    def _count(self, tape: Tape) -> None:
        device = self.office.device(tape.device)
        for number, row in enumerate(tape.rows, 1):
            times = {"boot": 1, "uptime_ms": number, "utc_ms": row.occurred_ms}
            device.said.append(records.encode_record({**row.fields, **times}))
            device.uptime_ms = number
        for first in range(1, len(device.said) + 1, 16):
            last = min(first + 15, len(device.said))
            before = messages_before(device.said, first)
            self.office.take(device.ev(first, last, before=before))

    def post(self, rows: list[Posting] | str, name: str = "posted.csv") -> ImportResult:
        """Import postings, or the text of a file."""
        path = self.folder / name
        path.write_text(rows if isinstance(rows, str) else posted_csv(rows))
        return import_posted(self.office.ledger.db, path, Clock().utc_ms())

    def bring(self, text: str, name: str) -> ImportResult:
        """Import a file of the processor or of the bank, as the command does."""
        path = self.folder / name
        path.write_text(text)
        return import_money(self.office.ledger.db, path, kind_of(path), Clock().utc_ms())

    def day(
        self,
        business_date: str = DAY,
        cash: str = "none",
        policy: Policy | None = None,
        today: str = "",
        apart: Iterable[str] = (),
    ) -> Day:
        """As the command proves it, by the rules that ship or by others; `today`: of its run.
        `apart`: windows without a drawer.
        """
        policy = policy or shipped_policy()
        policy = replace(policy, rounding=Rounding(cash, "4815", "tests"))
        config = Config(
            "city-hall", ZONE.key, tuple(self.windows), policy=policy, without_drawer=tuple(apart)
        )
        now_ms = day_bounds(today, ZONE)[0] if today else None
        return prove_day(self.office.ledger, config, business_date, now_ms)


def messages_before(said: list[bytes], first: int) -> bytes:
    """The fingerprint of the record before the first one of a message."""
    from protocol import messages

    return messages.fingerprint_of(said[first - 2]) if first > 1 else bytes(8)
