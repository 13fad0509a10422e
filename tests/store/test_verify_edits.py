"""Every edit of every table of the ledger that holds a fact is found, by verify and by the audit:
a value changed, a row taken out, all rows taken out, a row put in, two rows changed round.

What is no fact is left out here: it is a state of now, which nothing could be compared with.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.audit.offline import audit
from gateway.audit.signed_note import SignerKey
from gateway.store.engine import SqliteDb
from gateway.store.entries import COVERED
from gateway.store.read_only import empty_ledger
from gateway.store.verify import verify
from tests.cli.bench import init, till
from tests.store.bench import insider, without_triggers

KEPT = Path(__file__).parent / "fixtures" / "ledger-schema6.db"
STRANGER = SignerKey.new("till/city").verifier  # nobody kept the key of that ledger's tree heads
# {table: the kind of a finding in it}. Each row follows from the entries, or has its hash in one.
FACTS = {
    **dict.fromkeys(COVERED, "row"),
    "entry": "chain", "segment": "record", "cursor": "stream", "gap": "gap",
}  # fmt: skip
# {table: the columns that are a state of now, or all of it}
STATES = {
    "segment": {"id"},  # the order of the entries: nothing else hangs on it
    # What a device said of itself last. Its ledger_n and ledger_head are compared with the chain.
    "heartbeat": "all",
    "counter": "all",  # how often something was refused or came twice: a figure, and not a fact
    "upkeep": "all",  # when the program last looked after the file
    # When a stream was seen first and last, whether a newer epoch took over, and a lock that a
    # person takes off: incidents, which are covered, say when and why.
    "cursor": {"first_seen_ms", "last_seen_ms", "current", "locked"},
}
CHANGED = {"INTEGER": "{0} + 1000", "TEXT": "{0} || 'x'", "BLOB": "flipped({0})"}
# What shows an edit, where it is another kind than that of its table.
SHOWN_AS = {
    ("entry", "last taken out"): "row",  # the row that it vouched for
    ("entry", "all taken out"): "witness",
    ("cursor", "id of the first"): "record", ("cursor", "id of the last"): "record",
    ("cursor", "two changed round"): "record",
}  # fmt: skip


def columns_of(table: str) -> dict[str, str]:
    """{column: its type}."""
    with closing(empty_ledger()) as db:
        return {name: kind for _, name, kind, *_ in db.execute(f"PRAGMA table_info({table})")}


def edits(table: str) -> Iterator[tuple[str, list[str]]]:
    """(what is done, the statements that do it)."""
    columns, states = columns_of(table), STATES.get(table, ())
    first, last = (
        f"rowid = (SELECT {of}(rowid) FROM {table})" for of in ("min", "max")
    )  # fmt: skip
    for column in columns.keys() - set(states):
        changed = CHANGED[columns[column]].format(column)
        for name, where in (("first", first), ("last", last)):
            statement = f"UPDATE {table} SET {column} = {changed} WHERE {where}"
            yield f"{column} of the {name}", [statement]
    yield "first taken out", [f"DELETE FROM {table} WHERE {first}"]
    yield "last taken out", [f"DELETE FROM {table} WHERE {last}"]
    yield "all taken out", [f"DELETE FROM {table}"]
    yield "two changed round", changed_round(table)
    for where, statement in put_in(table, columns):
        yield f"one put in {where}", [statement]


def changed_round(table: str) -> list[str]:
    """The first and the last row have each other's number."""
    key = {"entry": "n", "gap": "entry_n"}.get(table, "id")
    first, last = (f"(SELECT {of} FROM place)" for of in ("first", "last"))
    return [
        f"CREATE TEMP TABLE place AS SELECT min({key}) AS first, max({key}) AS last FROM {table}",
        f"UPDATE {table} SET {key} = 1000000 WHERE {key} = {first}",
        f"UPDATE {table} SET {key} = {first} WHERE {key} = {last}",
        f"UPDATE {table} SET {key} = {last} WHERE {key} = 1000000",
    ]


# What has to differ from a row that is there: its unique columns.
UNIQUE = {
    "incident": {"text": "'another'"},
    "money_line": {"identity": "'another'"},
    "money_settled": {"refusal_id": "refusal_id + 90"},
    "posted_file": {"sha256": "randomblob(32)"},
    "posting": {"receipt_no": "'R-999'"},
    "posting_settled": {"quarantine_id": "quarantine_id + 90"},
    "checkpoint": {"business_date": "'2020-01-01'"},
    "command": {"counter": "counter + 90"},
    "cursor": {"device": "'w7'"},
    "segment": {"first_seq": "1000", "last_seq": "1000"},
    "gap": {"from_seq": "1000", "to_seq": "1000"},
    "entry": {},
}


def put_in(table: str, columns: dict[str, str]) -> list[tuple[str, str]]:
    """(where, statement): copies of the first row, after the last, before the first, and far."""
    key = {"entry": "n", "gap": ""}.get(table, "id")
    places = {"after the last": f"(SELECT max({key}) + 1 FROM {table})", "at 0": "0", "at -7": "-7"}
    places |= {"at the end of all numbers": str((1 << 63) - 1)}
    if not key:
        places = {"somewhere": ""}
    made = []
    for name, place in places.items():
        values = {column: column for column in columns} | UNIQUE.get(table, {})
        if key:
            values[key] = place
        made.append(
            (name, f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())}"
             f" FROM {table} ORDER BY rowid LIMIT 1")
        )  # fmt: skip
    return made


def test_every_table_is_a_fact_or_a_state() -> None:
    with closing(empty_ledger()) as db:
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        tables = {name for (name,) in db.execute(query)}

    assert tables == set(FACTS) | {table for table, which in STATES.items() if which == "all"}
    assert all(set(COVERED[table]) == set(columns_of(table)) for table in COVERED)


def test_the_ledger_has_two_rows_in_each() -> None:
    with closing(sqlite3.connect(KEPT)) as db:
        counts = {
            table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in FACTS
        }

    assert [] == [table for table, count in counts.items() if count < 2]


@contextmanager
def kept_ledger() -> Iterator[SqliteDb]:
    """A copy of the kept ledger, in memory."""
    copy = sqlite3.connect(":memory:", isolation_level=None, factory=SqliteDb)
    with closing(copy), closing(sqlite3.connect(KEPT)) as source:
        source.backup(copy)
        yield copy


def test_nothing_is_found_in_the_ledger_as_it_is() -> None:
    with kept_ledger() as db:
        with without_triggers(db):
            pass

        assert ([], {"other_key"}) == (
            list(verify(db)), {item.kind for item in audit(db, [STRANGER], []).findings}
        )  # fmt: skip


@pytest.mark.parametrize("table", FACTS)
def test_verify_and_audit_find_every_edit(table: str) -> None:
    missed, tried = [], 0
    for what, statements in edits(table):
        with kept_ledger() as db:
            with without_triggers(db):
                changed = [db.execute(statement).rowcount for statement in statements]
            assert changed[-1] > 0, f"{what} changes something"
            told = {item.kind for item in verify(db)}
            audited = {item.kind for item in audit(db, [STRANGER], []).findings}
        tried += 1
        if SHOWN_AS.get((table, what), FACTS[table]) not in told or "ledger" not in audited:
            missed.append((what, told, audited))

    assert [] == missed
    assert tried >= len(columns_of(table)) + 5


@pytest.mark.parametrize("table", FACTS)
def test_a_text_that_is_none_is_a_finding_and_no_traceback(table: str) -> None:
    for column, kind in columns_of(table).items():
        if kind == "TEXT":
            with kept_ledger() as db:
                with without_triggers(db):
                    db.execute(f"UPDATE {table} SET {column} = CAST(x'ff' AS TEXT) WHERE rowid = 1")
                told = {item.kind for item in verify(db)}
                audited = {item.kind for item in audit(db, [STRANGER], []).findings}

            assert "file" in told, column
            assert "damaged" in audited, column


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert 0 == init(folder, "--site", "city", "--windows", 1).returncode
    return folder


@pytest.mark.parametrize("table", COVERED)
def test_the_commands_tell_that_all_rows_of_a_table_are_gone(table: str, site: Path) -> None:
    path = site / "data" / "ledger.db"
    shutil.copy(KEPT, path)
    config = ("--config", site / "till.toml")
    whole = till("verify", *config)
    with insider(path) as db:
        db.execute(f"DELETE FROM {table}")

    verified = till("verify", *config)
    audited = till("audit", "verify", *config)

    assert (0, 1, 1) == (whole.returncode, verified.returncode, audited.returncode)
    assert f"{table} 1 to " in verified.stdout
    assert f"{table} 1 to " in audited.stdout
