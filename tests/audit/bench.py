"""A ledger with two printed tree heads, and what an insider does to it."""

import datetime
import zoneinfo
from pathlib import Path

from gateway.audit.offline import Audit, audit
from gateway.audit.signed_note import VerifierKey
from gateway.audit.tree_head import Scan, make
from gateway.incoming.posted_file import import_posted
from gateway.store.ledger import Ledger
from gateway.store.messages import chained
from tests.delivery.bench import SITE, Office

ZONE = zoneinfo.ZoneInfo("America/Chicago")
DAY = "2026-11-20"
NEXT_DAY = "2026-11-21"
POSTED = (
    "receipt_no,line_no,posted_at,business_date,window_id,session_id,cashier_id,tender_id,tender_type,tender_amount_cents,"
    "change_cents,account_no,service,fund,allocation_cents,status,void_of,void_by,auth_code,batch_id,source_system,source_ref\n"
    "R1,1,2026-11-20T10:00:00-06:00,2026-11-20,w1,1,7,T1,cash,5000,0,A1,water,water,5000,posted,,,,,cis,\n"
    "R2,1,2026-11-20T10:05:00-06:00,2026-11-20,w1,1,7,T2,cash,700,0,A2,water,water,700,posted,,,,,cis,\n"
    "#control,rows=2,tender_cents=5700,change_cents=0,allocation_cents=5700\n"
)


def at(hour: int, minute: int = 0, day: int = 20) -> int:
    return int(datetime.datetime(2026, 11, day, hour, minute, tzinfo=ZONE).timestamp()) * 1000


def build(folder: Path) -> None:
    """A ledger of twenty messages: ten, a tree head, five, a tree head, five; a board that
    remembers message 18.
    """
    office = Office(folder)
    device = office.device()
    device.say(20)
    for number in range(1, 21):
        office.clock.now_ms = at(10, number)
        office.take(device.ev(number, number))
        if number in (10, 15):
            made = make(office.ledger, folder, SITE, DAY if number == 10 else NEXT_DAY, at(17))
            (folder / f"note{number}.txt").write_text(made.note)
        if number == 18:
            n, head = office.ledger.head()
            office.take(device.state(acked=18, ledger_n=n, ledger_head=head))
    (folder / "posted.csv").write_text(POSTED)
    import_posted(office.ledger.db, folder / "posted.csv", at(17))
    office.ledger.close()


class Site:
    """That ledger in a folder, and the hands of an insider."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger.open(folder / "ledger.db")
        self.notes = [(folder / f"note{number}.txt").read_text() for number in (10, 15)]
        self.key = VerifierKey.parse((folder / "checkpoint.vkey").read_text())

    def tamper(self, *statements: str) -> None:
        """With the triggers gone for the moment, as an insider would."""
        db = self.ledger.db
        triggers = db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        db.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            db.execute(statement)
        for _, sql in triggers:
            db.execute(sql)

    def rebuild(self, *statements: str) -> None:
        """An edit, then every head computed anew; what the boards and the list of tree heads say
        is made to fit, too.
        """
        self.tamper(*statements)
        heads, scan = {}, Scan()
        for row in list(chained(self.ledger.db)):
            heads[row[0]] = scan.walk([row], (10, 15)).head
        self.tamper(
            *(
                f"UPDATE message SET head = x'{head.hex()}' WHERE n = {n}"
                for n, head in heads.items()
            )
        )
        self.tamper(
            "UPDATE heartbeat SET ledger_head = ifnull((SELECT head FROM message WHERE n ="
            " ledger_n), ledger_head)"
        )

    def kinds(
        self, *notes: str, keys: list[VerifierKey] | None = None, posted: list[Path] | None = None
    ) -> list[str]:
        return sorted(
            {item.kind for item in self.audited(*notes, keys=keys, posted=posted).findings}
        )

    def audited(
        self, *notes: str, keys: list[VerifierKey] | None = None, posted: list[Path] | None = None
    ) -> Audit:
        printed = [(f"note {number}", [note]) for number, note in enumerate(notes, 1)]
        return audit(self.ledger.db, keys or [self.key], printed, posted)


def swap(first: int, second: int) -> list[str]:
    return [
        f"UPDATE message SET n = 999 WHERE n = {first}",
        f"UPDATE message SET n = {first} WHERE n = {second}",
        f"UPDATE message SET n = {second} WHERE n = 999",
        (
            f"UPDATE record SET entry_n = {first} + {second} - entry_n WHERE entry_n IN"
            f" ({first}, {second})"
        ),
    ]


EDITS = {
    "time": ["UPDATE message SET received_ms = received_ms + 1 WHERE n = 3"],
    "time before 1970": ["UPDATE message SET received_ms = -1 WHERE n = 3"],
    "topic": ["UPDATE message SET topic = 'till/1/city/w2/ev' WHERE n = 3"],
    "long topic": ["UPDATE message SET topic = printf('%.70000c', 'x') WHERE n = 3"],
    "bytes": [
        "UPDATE message SET sealed = CAST(substr(sealed, 1, 70) || x'00' || substr(sealed, 72)"
        " AS BLOB) WHERE n = 3",
    ],
    "deleted": [
        "DELETE FROM record WHERE entry_n = 3", "DELETE FROM message WHERE n = 3",
        "UPDATE message SET n = n - 1 WHERE n > 3",
        "UPDATE record SET entry_n = entry_n - 1 WHERE entry_n > 3",
    ],
    "inserted": [
        "UPDATE message SET n = n + 1000 WHERE n > 3",
        "UPDATE message SET n = n - 999 WHERE n > 1000",
        "UPDATE record SET entry_n = entry_n + 1 WHERE entry_n > 3",
        "INSERT INTO message SELECT 4, device, topic, received_ms, sealed, head FROM message WHERE"
        " n = 3",
    ],
    "swapped": swap(3, 4),
}  # fmt: skip
