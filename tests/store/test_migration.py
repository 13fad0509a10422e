"""A ledger of schema 3 becomes one log: nothing that it said is lost, whoever kept a head or a tree
head finds it again, and a migration that is cut off has not happened. One of schema 4 keeps every
posting with its hash.
"""

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.audit.offline import audit
from gateway.audit.signed_note import TreeHead, split_note
from gateway.audit.tree_head import Scan, stored
from gateway.errors import DataError, TryAgain
from gateway.store import ledger_file
from gateway.store.entries import chained, head_of
from gateway.store.ledger import Ledger
from gateway.store.postings import hashed_postings
from gateway.store.schema_version import migrations
from tests.delivery.bench import Office
from tests.store.bench import bodies

KEPT = Path(__file__).parent / "fixtures" / "ledger-schema3.db"
OF_SCHEMA_4 = KEPT.with_name("ledger-schema4.db")
OF_SCHEMA_5 = KEPT.with_name("ledger-schema5.db")
RECORDS = 89
NEWEST = len(migrations())
STEPS = 100  # of SQLite's machine, between two looks at whether to cut


def rows_of(path: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def dump(path: Path) -> list[str]:
    """Everything in a ledger's file, and which schema it says it is of."""
    with closing(sqlite3.connect(path)) as db:
        return [str(db.execute("PRAGMA user_version").fetchone()[0]), *db.iterdump()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    shutil.copy(KEPT, tmp_path / "ledger.db")
    return tmp_path / "ledger.db"


# --- nothing is lost ------------------------------------------------------------------------------


def test_every_record_is_there_with_its_bytes_its_time_and_its_message(path: Path) -> None:
    columns = "device, epoch, seq, message_n, kind, occurred_ms, boot, uptime_ms"
    before = rows_of(KEPT, f"SELECT {columns} FROM record ORDER BY message_n, seq")
    raw = rows_of(KEPT, "SELECT device, epoch, seq, body FROM record")

    with Ledger.open(path) as ledger:
        after = [
            (
                each.device, each.epoch, each.seq, each.entry_n, each.kind, each.occurred_ms,
                each.fields.get("boot"), each.fields.get("uptime_ms"),
            )
            for each in ledger.records()
        ]  # fmt: skip
        kept = [
            (device, 7, seq, body)
            for device in ("w1", "w2")
            for seq, body in bodies(ledger.db, device).items()
        ]
        marks = [(row["device"], row["records"], row["high_water"]) for row in ledger.cursors()]

    assert before == after
    assert sorted(raw) == sorted(kept)
    assert marks == rows_of(
        KEPT,
        "SELECT device, (SELECT count(*) FROM record WHERE record.device = cursor.device),"
        " high_water FROM cursor ORDER BY id",
    )


def test_the_heads_that_boards_and_paper_witnessed_still_fit(path: Path) -> None:
    heads = rows_of(KEPT, "SELECT n, head FROM message ORDER BY n")
    witnessed = rows_of(KEPT, "SELECT ledger_n, ledger_head FROM heartbeat WHERE ledger_n > 0")
    [(size, root, note)] = rows_of(KEPT, "SELECT n, root, note FROM checkpoint")
    assert witnessed != []

    with Ledger.open(path) as ledger:
        assert [] == ledger.verify()
        assert heads == [(n, head_of(ledger.db, n)) for n, _ in heads]
        assert witnessed == [(n, head_of(ledger.db, n)) for n, _ in witnessed]
        assert root == Scan().walk(chained(ledger.db), {size}).roots[size]
        [listed] = stored(ledger.db)
        audited = audit(ledger.db, [], [])
        last_n, _ = ledger.head()

    printed = TreeHead.parse(split_note(note)[0])
    assert (size, root) == (printed.size, printed.root)
    assert (size, root, note) == (listed.n, listed.root, listed.note)
    assert {"other_key"} == {item.kind for item in audited.findings}, "nobody kept its key"
    assert heads[-1][0] + 1 == last_n, "one entry more vouches for the rows of the other tables"


def test_it_takes_what_comes_next_and_knows_what_it_has(path: Path) -> None:
    [(high_water,)] = rows_of(KEPT, "SELECT high_water FROM cursor WHERE device = 'w1'")
    office = Office(path.parent)
    device = office.device("w1")
    device.said = [b""] * high_water
    for seq, body in bodies(office.ledger.db, "w1").items():
        device.said[seq - 1] = body
    device.say(2)

    office.take(device.ev(high_water - 1, high_water + 2))

    assert high_water + 2 == office.ledger.high_water("w1", 7)
    assert high_water + 2 == len(office.seqs("w1"))
    assert 2 == office.ledger.counters()[("w1", "duplicates")]
    assert [] == office.ledger.verify()


# --- cut off --------------------------------------------------------------------------------------


def cut(monkeypatch: pytest.MonkeyPatch, looks: int, then: Callable[[], int]) -> list[int]:
    """After so many looks of a migration `then` is done; the list grows by one a look."""
    connect, seen = ledger_file._connect, []

    def look() -> int:
        seen.append(0)
        return then() if len(seen) > looks else 0

    def watched(path: Path) -> sqlite3.Connection:
        db = connect(path)
        db.set_progress_handler(look, STEPS)
        return db

    monkeypatch.setattr(ledger_file, "_connect", watched)
    return seen


@pytest.fixture(params=[KEPT, OF_SCHEMA_4, OF_SCHEMA_5], ids=["schema 3", "schema 4", "schema 5"])
def kept(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def looks(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many looks a whole migration has."""
    shutil.copy(kept, tmp_path / "whole.db")
    with monkeypatch.context() as patch:
        seen = cut(patch, 1 << 62, lambda: 0)
        Ledger.open(tmp_path / "whole.db").close()
    assert len(seen) > 40
    return len(seen)


def assert_whole_and_new(path: Path) -> None:
    with Ledger.open(path) as ledger:
        assert [] == ledger.verify()
        assert RECORDS == len(list(ledger.records()))


def assert_a_step_or_nothing(found: list[str], before: list[str]) -> None:
    """As it was, or of a later version: each step is a transaction."""
    assert before == found or int(before[0]) < int(found[0]) <= NEWEST


def test_one_that_is_stopped_anywhere_leaves_the_ledger_as_a_step_left_it(
    kept: Path, tmp_path: Path, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, versions = dump(kept), set()
    path = tmp_path / "ledger.db"
    for at in range(0, looks, max(looks // 40, 1)):
        shutil.copy(kept, path)
        with monkeypatch.context() as patch:
            cut(patch, at, lambda: 1)
            with pytest.raises(TryAgain):
                Ledger.open(path)

        found = dump(path)
        versions.add(found[0])
        assert_a_step_or_nothing(found, before)
    assert before[0] in versions
    assert_whole_and_new(path)


def test_one_that_is_killed_anywhere_has_not_happened_or_is_done(
    kept: Path, tmp_path: Path, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, versions = dump(kept), set()
    for at in [*range(0, looks, max(looks // 25, 1)), looks - 2, looks - 1]:
        path = tmp_path / f"ledger{at}.db"
        shutil.copy(kept, path)
        child = os.fork()
        if not child:
            cut(monkeypatch, at, lambda: os.kill(os.getpid(), signal.SIGKILL) or 0)
            Ledger.open(path)
            os._exit(1)
        assert signal.SIGKILL == os.WTERMSIG(os.waitpid(child, 0)[1])

        found = dump(path)
        versions.add(found[0])
        assert_a_step_or_nothing(found, before)
        assert_whole_and_new(path)
    assert before[0] in versions


def test_every_posting_of_schema_4_stays_with_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    shutil.copy(OF_SCHEMA_4, path)
    columns = "id, file_id, file_line, receipt_no, line_no, status, content"
    before = rows_of(OF_SCHEMA_4, f"SELECT {columns} FROM posting ORDER BY id")
    assert before != []

    with Ledger.open(path) as ledger:
        assert [] == ledger.verify()
        told = list(hashed_postings(ledger.db))

    assert before == rows_of(path, f"SELECT {columns} FROM posting ORDER BY id")
    assert [content for _, content, _, _ in told] == [posting.content() for posting, *_ in told]
    assert {("payment", "")} == {(posting.kind, posting.scope) for posting, *_ in told}


# --- what contradicts itself ----------------------------------------------------------------------


CONTRADICTIONS = [
    "UPDATE record SET body = CAST(body || x'00' AS BLOB) WHERE seq = 2",
    "UPDATE record SET kind = 'mark' WHERE kind = 'tally'",
    "UPDATE record SET occurred_ms = occurred_ms + 1 WHERE seq = 2",
    "UPDATE record SET boot = 2 WHERE seq = 2",
    "UPDATE record SET uptime_ms = uptime_ms + 1 WHERE seq = 2",
    "UPDATE record SET device = 'w3' WHERE seq = 2",
    "UPDATE record SET message_n = 3 WHERE seq = 2",
    "UPDATE record SET seq = 900 WHERE seq = 2",
    "DELETE FROM record WHERE seq = 2",
    "DELETE FROM record",
    (
        "INSERT INTO record SELECT device, epoch, 900, message_n, kind, occurred_ms, boot,"
        " uptime_ms, body FROM record WHERE seq = 2"
    ),
    (
        "INSERT INTO record SELECT 'w7', epoch, seq, 999, kind, occurred_ms, boot, uptime_ms, body"
        " FROM record WHERE device = 'w1'"
    ),
    "UPDATE cursor SET high_water = high_water + 1",
    "UPDATE cursor SET device = 'w7' WHERE device = 'w1'",
    "DELETE FROM cursor",
    "UPDATE message SET sealed = x'00' WHERE n = 2",
    "UPDATE message SET topic = 'nowhere' WHERE n = 2",
    "UPDATE message SET device = 'w7' WHERE n = 2",
    "UPDATE message SET received_ms = received_ms - 1 WHERE n = 11",
    "DELETE FROM message WHERE n = 2",
]


@pytest.mark.parametrize("statement", CONTRADICTIONS)
def test_one_that_contradicts_itself_is_refused_and_left_as_it_is(
    path: Path, statement: str
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        triggers = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            db.execute(f"DROP TRIGGER {name}")
        assert db.execute(statement).rowcount > 0
    before = dump(path)

    for _ in range(2):
        with pytest.raises(DataError, match=r"not migrated.*till restore"):
            Ledger.open(path)

    assert before == dump(path)


def test_a_record_that_nobody_could_read_then_is_no_contradiction(path: Path) -> None:
    """The dictionary grew since: its bytes are what counts."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DROP TRIGGER record_no_update")
        db.execute(
            "UPDATE record SET kind = 'undecodable', occurred_ms = 5, boot = NULL, uptime_ms = NULL"
            " WHERE seq = 2"
        )

    assert_whole_and_new(path)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE message SET head = zeroblob(32) WHERE n = 2", "chain"),
        ("UPDATE gap SET to_seq = to_seq - 1", "gap"),
        ("UPDATE heartbeat SET ledger_head = zeroblob(32)", "witness"),
    ],
)
def test_an_edit_that_verify_found_before_is_found_afterwards(
    path: Path, statement: str, kind: str
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for name in ("message_no_update", "gap_no_update"):
            db.execute(f"DROP TRIGGER {name}")
        assert db.execute(statement).rowcount > 0

    with Ledger.open(path) as ledger:
        assert kind in {item.kind for item in ledger.verify()}
