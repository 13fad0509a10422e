"""Tables `money_file`, `money_line`, `money_refusal` and `money_settled`: what the card processor
and the bank say of the office's money, each line once, and what of it was refused.

A line keeps its values as a JSON array, in the order of its fields (facts/settlements.py): it is
asked for by kind and day, never by what stands in it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.facts.settlements import (
    Delivered,
    MoneyFile,
    MoneyLine,
    MoneyRefusal,
    value_of,
)
from gateway.store.engine import Db, rows, value
from gateway.store.entries import append, append_many

REFUSALS_MAX = 1_000  # of one day; more is no list that anybody reads
_AT_ONCE = 400  # identities that are asked for in one query
_FILE_COLUMNS = (
    "sha256, name, bytes, imported_ms, kind, form, state, reason, rows, added, known, refused,"
    " first_date, last_date"
)


# --- writing --------------------------------------------------------------------------------------


def add_money_file(db: Db, file: MoneyFile) -> int:
    """Note a file that was read; its id."""
    file_id = append(
        db,
        "money_file",
        f"INSERT INTO money_file (id, {_FILE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " ?, ?, ?)",
        file.values(),
    )
    assert file_id is not None, "nothing of a file is unique but its id"
    return file_id


def add_money_lines(db: Db, file_id: int, kind: str, lines: Iterable[MoneyLine]) -> None:
    """Keep the lines of a file that are new."""
    append_many(
        db,
        "money_line",
        "INSERT INTO money_line (id, file_id, file_line, kind, date, identity, said) VALUES (?, ?,"
        " ?, ?, ?, ?, ?)",
        [(file_id, each.file_line, kind, each.date, each.identity, each.said) for each in lines],
    )


def add_money_refusals(db: Db, file_id: int, refusals: Iterable[MoneyRefusal]) -> None:
    """Keep what of a file was refused."""
    append_many(
        db,
        "money_refusal",
        "INSERT INTO money_refusal (id, file_id, file_line, reason, about, date) VALUES (?, ?, ?,"
        " ?, ?, ?)",
        [(file_id, each.file_line, each.reason, each.about, each.date) for each in refusals],
    )


def settle_refusals(db: Db, file_id: int, refusal_ids: Iterable[int]) -> None:
    """Note that a file says soundly what earlier ones were refused for."""
    append_many(
        db,
        "money_settled",
        "INSERT INTO money_settled (id, refusal_id, file_id) VALUES (?, ?, ?)",
        [(refusal_id, file_id) for refusal_id in refusal_ids],
    )


# --- what is known --------------------------------------------------------------------------------


def known_money_file(db: Db, sha256: bytes) -> dict[str, Any] | None:
    """id, state, reason, rows, added, known and refused of the last reading of these bytes."""
    found = rows(
        db,
        "SELECT id, state, reason, rows, added, known, refused FROM money_file WHERE sha256 = ?"
        " ORDER BY id DESC LIMIT 1",
        (sha256,),
    )
    return found[0] if found else None


def known_lines(db: Db, kind: str, identities: Sequence[str]) -> dict[str, tuple[str, str, int]]:
    """{identity: (what was said, file, line)} of those that were imported before."""
    found = {}
    for first in range(0, len(identities), _AT_ONCE):
        some = identities[first : first + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        query = (
            "SELECT identity, said, name, file_line FROM money_line JOIN money_file ON"
            f" money_file.id = file_id WHERE money_line.kind = ? AND identity IN ({marks})"
        )
        for identity, said, name, file_line in db.execute(query, (kind, *some)):
            found[identity] = (said, name, file_line)
    return found


_UNSETTLED = "NOT EXISTS (SELECT 1 FROM money_settled WHERE refusal_id = money_refusal.id)"


def open_refusals(db: Db, kind: str) -> list[tuple[int, str, str, str]]:
    """(id, about, date, file) of what of a kind was refused and is not settled."""
    return list(
        db.execute(
            "SELECT money_refusal.id, about, date, name FROM money_refusal JOIN money_file ON"
            f" money_file.id = file_id WHERE kind = ? AND {_UNSETTLED} ORDER BY money_refusal.id",
            (kind,),
        )
    )


# --- reading --------------------------------------------------------------------------------------


def money_lines(db: Db, kind: str, first_date: str, last_date: str) -> list[Delivered]:
    """The lines of a kind of some days, in the order of import."""
    found = db.execute(
        "SELECT money_line.id, name, form, file_line, date, said FROM money_line JOIN money_file ON"
        " money_file.id = file_id WHERE money_line.kind = ? AND date >= ? AND date <= ?"
        " ORDER BY money_line.id",
        (kind, first_date, last_date),
    )
    return [
        Delivered(line_id, file, form, file_line, date, value_of(kind, json.loads(said)))
        for line_id, file, form, file_line, date, said in found
    ]


def reported_until(db: Db, kind: str) -> str | None:
    """The newest day that an imported file of a kind reports; "" when it names none, None when
    nothing of that kind was ever imported.
    """
    found = value(
        db, "SELECT max(last_date) FROM money_file WHERE kind = ? AND state = 'imported'", (kind,)
    )
    return None if found is None else str(found)


def refused_on(db: Db, date: str, since_ms: int, until_ms: int) -> list[dict[str, Any]]:
    """kind, file, line and reason of what was refused for a day and is not settled; where no date
    can be read, the time of the import tells the day. Oldest first.
    """
    return rows(
        db,
        "SELECT kind, name AS file, file_line AS line, money_refusal.reason AS reason FROM"
        " money_refusal JOIN money_file ON money_file.id = file_id WHERE (date = ? OR (date = ''"
        f" AND imported_ms >= ? AND imported_ms < ?)) AND {_UNSETTLED} ORDER BY money_refusal.id"
        " LIMIT ?",
        (date, since_ms, until_ms, REFUSALS_MAX),
    )
