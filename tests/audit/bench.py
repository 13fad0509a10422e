"""A ledger with two printed tree heads, and what an insider does to it."""

import datetime
import zoneinfo
from pathlib import Path

from gateway.audit.offline import Audit, audit
from gateway.audit.posted_files import Exports
from gateway.audit.signed_note import VerifierKey
from gateway.audit.tree_head import make
from gateway.incoming.posted_file import import_posted
from gateway.store.ledger import Ledger
from tests.delivery.bench import SITE, Office
from tests.store.bench import rechain, vouch_again, without_triggers

ZONE = zoneinfo.ZoneInfo("America/Chicago")
DAY = "2026-11-20"
NEXT_DAY = "2026-11-21"
SIZES = {10: 10, 15: 16}  # {messages: entries} under the two tree heads
ENTRIES = 23
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
    remembers the entry of message 18. Tree heads and the posted file have entries of their own:
    the second tree head covers 16 entries, and there are 23.
    """
    office = Office(folder)
    device = office.device()
    device.say(20)
    for number in range(1, 21):
        office.clock.now_ms = at(10, number)
        office.take(device.ev(number, number))
        if number in SIZES:
            made = make(office.ledger, folder, SITE, DAY if number == 10 else NEXT_DAY, at(17))
            assert SIZES[number] == made.n
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
        self.notes = [(folder / f"note{number}.txt").read_text() for number in SIZES]
        self.key = VerifierKey.parse((folder / "checkpoint.vkey").read_text())

    def tamper(self, *statements: str) -> None:
        """With the triggers gone for the moment, as an insider would."""
        with without_triggers(self.ledger.db):
            for statement in statements:
                self.ledger.db.execute(statement)

    def rebuild(self, *statements: str) -> None:
        """An edit, then every head computed anew; what the boards say is made to fit, too."""
        self.tamper(*statements)
        with without_triggers(self.ledger.db):
            rechain(self.ledger.db)
        self._witness_again()

    def vouch_again(self, table: str) -> None:
        """The entries name the rows of a table as they are now; chain and boards fit again."""
        with without_triggers(self.ledger.db):
            vouch_again(self.ledger.db, table)
        self._witness_again()

    def _witness_again(self) -> None:
        self.tamper(
            "UPDATE heartbeat SET ledger_head = ifnull((SELECT head FROM entry WHERE n ="
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
        return audit(self.ledger.db, keys or [self.key], printed, Exports(posted or ()))


def swap(first: int, second: int) -> list[str]:
    return [
        f"UPDATE entry SET n = 999 WHERE n = {first}",
        f"UPDATE entry SET n = {first} WHERE n = {second}",
        f"UPDATE entry SET n = {second} WHERE n = 999",
        f"UPDATE segment SET n = {first} + {second} - n WHERE n IN ({first}, {second})",
    ]


EDITS = {
    "time": ["UPDATE entry SET content = later(content, 1) WHERE n = 3"],
    "time before 1970": ["UPDATE entry SET content = later(content, -1 << 41) WHERE n = 3"],
    "topic": ["UPDATE entry SET content = said_by(content, 'till/1/town/') WHERE n = 3"],
    "old form": ["UPDATE entry SET content = as_first_form(content) WHERE n = 3"],
    "bytes": ["UPDATE entry SET content = spoiled(content) WHERE n = 3"],
    "no entry": ["UPDATE entry SET content = x'01' WHERE n = 3"],
    "empty": ["UPDATE entry SET content = zeroblob(0) WHERE n = 3"],
    "deleted": [
        "DELETE FROM segment WHERE n = 3", "DELETE FROM entry WHERE n = 3",
        "UPDATE entry SET n = n - 1 WHERE n > 3", "UPDATE segment SET n = n - 1 WHERE n > 3",
    ],
    "inserted": [
        "UPDATE entry SET n = n + 1000 WHERE n > 3", "UPDATE entry SET n = n - 999 WHERE n > 1000",
        "UPDATE segment SET n = n + 1 WHERE n > 3",
        "INSERT INTO entry SELECT 4, content, head FROM entry WHERE n = 3",
    ],
    "swapped": swap(3, 4),
}  # fmt: skip
