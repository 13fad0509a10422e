"""The laws of gateway/: which room may import which, where SQL stands, where printing stands, what
must stay pure, and that no decision is taken from prose. Each law is data, and each sees a planted
violation.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.store.entries import COVERED

GATEWAY = Path(__file__).parents[2] / "gateway"

# Files beside the rooms: what everybody may import, and what they may import of each other.
GROUND = {
    "errors": set(),
    "money": set(),
    "terminal": set(),
    "clock": {"errors"},
    "business_day": {"errors"},
    "files": {"errors"},
    "packages": {"errors"},
    "toml_problems": {"errors"},
    "toml_tables": {"toml_problems"},
    "toml_file": {"errors", "toml_problems", "toml_tables"},
    "policy_tables": {"toml_problems", "toml_tables"},
    "chart_file": {"toml_file", "toml_problems", "toml_tables"},
    "policy_file": {"errors", "policy_tables", "toml_file", "toml_tables"},
    "config": {"policy_file", "policy_tables", "toml_file", "toml_problems", "toml_tables"},
}
# From the bottom to the top. A room may import the ground files and the rooms named here, which all
# stand above it in this list: so there is no circle and no import upwards.
ROOMS = {
    "facts": set(),
    "store": {"facts"},
    "instruments": set(),
    "incoming": {"facts", "store"},
    "office": {"facts"},
    "broker": set(),
    "audit": {"facts", "store", "incoming"},
    "devices": {"store", "broker"},
    "explain": {"office"},
    "delivery": {"facts", "store", "devices"},
    "fleet": {"instruments", "devices"},
    "day": {"facts", "store", "incoming", "office", "explain"},
    "diagnostics": {
        "facts", "store", "instruments", "incoming", "office", "broker", "audit", "devices",
        "explain", "delivery", "fleet", "day", "reports",
    },
    "reports": {"facts", "office", "explain", "day"},
    "cli": {
        "facts", "store", "instruments", "incoming", "office", "broker", "audit", "devices",
        "explain", "delivery", "fleet", "day", "diagnostics", "reports",
    },
}  # fmt: skip
IMPORTED_BY_NOBODY = {"cli"}
SQL_ROOM = "store"
PURE_ROOMS = ("office", "explain")
NOT_PURE = {"logging", "time", "os", "pathlib", "random", "secrets", "sqlite3", "socket"}
NOT_PURE_OURS = ("gateway.clock", "gateway.files")
PRINTERS = ("cli/", "reports/day_terminal.py", "reports/whole_table.py")
PRINTING = {"rich", "typer"}
DRIVERS_OF_DATABASES = {"sqlite3", "psycopg", "apsw"}


def parsed(code: str) -> ast.Module:
    return ast.parse(code)


def files() -> list[Path]:
    return sorted(GATEWAY.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(GATEWAY).as_posix()


def violations(law: Callable[[str, ast.Module], Iterator[str]]) -> list[str]:
    return [
        f"{name_of(path)}:{wrong}"
        for path in files()
        for wrong in law(name_of(path), parsed(path.read_text()))
    ]


def modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that is imported; of `from a import b` it is a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


# --- 1: who imports whom --------------------------------------------------------------------------


def room_of(name: str) -> str:
    """ "store" of store/ledger.py, "errors" of errors.py; "" for the package itself."""
    first = name.split("/")[0].removesuffix(".py")
    return "" if first in ("__init__", "__main__") else first


def wrong_imports(name: str, tree: ast.Module) -> Iterator[str]:
    room = room_of(name)
    allowed = GROUND.get(room) if room in GROUND else {room, *GROUND, *ROOMS.get(room, ())}
    for line, module in modules(tree):
        parts = module.split(".")
        if parts[0] == "gateway" and room and parts[1] not in allowed and parts[1] != "cli.main":
            yield f"{line} {room} imports {parts[1]}"


def test_rooms_import_downwards_only():
    assert violations(wrong_imports) == []


def test_the_table_of_rooms_has_no_circle_and_knows_every_room():
    seen: set[str] = set()
    upwards = []
    for room, below in ROOMS.items():
        if room not in ("diagnostics",):  # it looks at everything but the faces
            upwards += [(room, each) for each in below - seen]
        seen.add(room)

    assert upwards == []
    assert set(ROOMS) | set(GROUND) == {room_of(name_of(path)) for path in files()} - {""}
    assert not [room for room, below in ROOMS.items() if below & IMPORTED_BY_NOBODY]
    assert not [room for room, below in ROOMS.items() if room != "cli" and "diagnostics" in below]


def test_the_law_of_imports_sees_a_planted_import():
    planted = parsed(
        "from gateway.day.prove import prove_day\nfrom gateway.errors import DataError\n"
    )
    at_ground = parsed("from gateway.store.ledger import Ledger\n")

    assert list(wrong_imports("store/ledger.py", planted)) == ["1 store imports day"]
    assert list(wrong_imports("reports/day_csv.py", planted)) == []
    assert list(wrong_imports("money.py", at_ground)) == ["1 money imports store"]
    assert list(wrong_imports("day/prove.py", parsed("from gateway import cli"))) == [
        "1 day imports cli"
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_says_what_lives_there(room):
    docstring = ast.get_docstring(parsed((GATEWAY / room / "__init__.py").read_text())) or ""

    assert 2 <= len(docstring.splitlines()) <= 10
    assert "import" in docstring


# --- 2: SQL in store/ alone, columns by name ------------------------------------------------------

_EXECUTE = {"execute", "executemany", "executescript"}
_NO_COLUMNS = re.compile(
    r"select\s+\*|insert\s+(or\s+\w+\s+)?into\s+[\w.]+\s*(values|select)", re.I
)


def sql_outside(name: str, tree: ast.Module) -> Iterator[str]:
    if room_of(name) == SQL_ROOM:
        return
    for line, module in modules(tree):
        if module.split(".")[0] in DRIVERS_OF_DATABASES:
            yield f"{line} imports {module.split('.')[0]}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _EXECUTE:
            yield f"{node.lineno} .{node.attr}"


def nameless_columns(name: str, tree: ast.Module) -> Iterator[str]:
    """`SELECT *`, an INSERT without its columns, and a row that is read by position."""
    if room_of(name) != SQL_ROOM:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if found := _NO_COLUMNS.search(node.value):
                yield f"{node.lineno} {found.group().lower()}"
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, (ast.Constant, ast.Slice)):
            of = ast.unparse(node.value)
            by_place = isinstance(node.slice, ast.Slice) or isinstance(node.slice.value, int)
            if by_place and re.search(r"\brows?$|\bfetchone\(\)$", of):
                yield f"{node.lineno} {of}[...]"


def test_sql_stands_in_store_alone():
    assert violations(sql_outside) == []


def test_columns_have_names():
    assert violations(nameless_columns) == []


def test_the_laws_of_sql_see_planted_statements():
    planted = parsed("import sqlite3\nledger.db.execute('SELECT 1')\ndb.executemany(text, rows)\n")
    by_place = parsed(
        "a = 'SELECT * FROM gap'\nb = 'INSERT INTO gap VALUES (?)'\nc = row[8]\n"
        "d = db.execute(q).fetchone()[0]\ne = 'INSERT OR IGNORE INTO gap SELECT 1'\n"
        "f = 'INSERT INTO gap (device) VALUES (?)'\ng = row['device']\nh = rows[1:]\n"
    )

    assert list(sql_outside("day/prove.py", planted)) == [
        "1 imports sqlite3", "2 .execute", "3 .executemany",
    ]  # fmt: skip
    assert list(sql_outside("store/gaps.py", planted)) == []
    assert [wrong.split()[0] for wrong in nameless_columns("store/gaps.py", by_place)] == [
        "1", "2", "3", "4", "5", "8",
    ]  # fmt: skip


# --- 3: what is appended is in the log ------------------------------------------------------------

TELL_THE_LOG = {"touch", "append", "append_many", "append_found"}
COPIES = "store/move.py"  # whole tables into an empty ledger, which then has to verify
_WRITES = re.compile(
    r"(insert\s+(?:or\s+\w+\s+)?into|replace\s+into|update|delete\s+from)\s+([a-z_]*)", re.I
)


def rows_beside_the_log(name: str, tree: ast.Module) -> Iterator[str]:
    """A row of a table whose rows the log vouches for, written by a function that does not tell
    the log with `touch` or one of its `append`s; and every other change of one.
    """
    if room_of(name) != SQL_ROOM or name == COPIES:
        return
    for function in [tree, *functions(tree)]:
        touched = {
            ast.literal_eval(node.args[1])
            for node in ast.walk(function)
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in TELL_THE_LOG
            if len(node.args) >= 2 and isinstance(node.args[1], ast.Constant)
        }
        for line, text in texts_of(function):
            for verb, table in _WRITES.findall(text):
                is_insert = verb.lower().startswith("insert")
                if is_insert and not table:
                    yield f"{line} its table has no name here"
                elif table in COVERED and not is_insert:
                    yield f"{line} {verb.lower()} {table}"
                elif table in COVERED and (function is tree or table not in touched):
                    yield f"{line} insert into {table} without touch"


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def texts_of(node: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of each string in a function, or in a module outside of its functions; what is
    put into an f-string is left out. Not the docstring.
    """
    docstring = node.body[0].value if ast.get_docstring(node) is not None else None
    waiting = list(node.body)
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) or each is docstring:
            continue
        if isinstance(each, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in each.values]
            yield each.lineno, "".join(parts)
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.lineno, each.value
        else:
            waiting += ast.iter_child_nodes(each)


def test_what_is_appended_is_in_the_log():
    assert violations(rows_beside_the_log) == []


def test_the_law_of_the_log_knows_every_table_that_is_appended_to():
    written = {
        table
        for path in files()
        if room_of(name_of(path)) == SQL_ROOM and name_of(path) != COPIES
        for function in functions(parsed(path.read_text()))
        for _, text in texts_of(function)
        for verb, table in _WRITES.findall(text)
        if verb.lower().startswith("insert")
    }

    assert set(COVERED) <= written
    # the log itself, what follows from it, and what is a state of now
    assert written - set(COVERED) == {
        "entry", "segment", "cursor", "gap", "heartbeat", "counter", "staged",
        "upkeep", "worker", "lease",
    }  # fmt: skip


def test_the_law_of_the_log_sees_planted_rows():
    planted = parsed(
        "A = 'INSERT INTO incident (id) VALUES (1)'\n"
        "def b(db):\n    db.execute('INSERT OR IGNORE INTO posting (id) SELECT 1')\n"
        "def c(db):\n    touch(db, 'incident')\n    db.execute(f'INSERT INTO {table} (id)')\n"
        "    db.execute(f'insert into quarantine ({columns}) values (1)')\n"
        "def d(db):\n    touch(db, 'posting')\n    db.execute('DELETE FROM posting')\n"
        "    db.execute('UPDATE command SET id = 1')\n"
        "    db.execute('REPLACE INTO incident (id)')\n"
        "def e(db):\n    entries.touch(db, 'incident')\n"
        "    db.execute('INSERT INTO incident (id)')\n"
        "    db.execute('UPDATE cursor SET locked = 0')\n"
    )

    assert list(rows_beside_the_log("store/planted.py", planted)) == [
        "1 insert into incident without touch", "3 insert into posting without touch",
        "6 its table has no name here", "7 insert into quarantine without touch",
        "10 delete from posting", "11 update command", "12 replace into incident",
    ]  # fmt: skip
    assert list(rows_beside_the_log("day/planted.py", planted)) == []


# --- 4: pure rooms --------------------------------------------------------------------------------


def impurities(name: str, tree: ast.Module) -> Iterator[str]:
    if room_of(name) not in PURE_ROOMS:
        return
    for line, module in modules(tree):
        if module.split(".")[0] in NOT_PURE or module.startswith(
            ("gateway.clock", "gateway.files")
        ):
            yield f"{line} imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("now", "today", "utcnow"):
            yield f"{node.lineno} .{node.attr}"
        elif isinstance(node, ast.Name) and node.id in ("open", "input"):
            yield f"{node.lineno} {node.id}"


def test_the_rules_of_the_office_are_pure():
    assert violations(impurities) == []


def test_the_law_of_pure_rooms_sees_planted_effects():
    planted = parsed(
        "import logging\nfrom gateway.clock import Clock\ndatetime.datetime.now()\nopen('x')\n"
    )

    assert len(list(impurities("office/deposit.py", planted))) == 4
    assert list(impurities("delivery/ingest.py", planted)) == []


# --- 5: who prints --------------------------------------------------------------------------------


def printing(name: str, tree: ast.Module) -> Iterator[str]:
    if name.startswith(PRINTERS):
        return
    for line, module in modules(tree):
        if module.split(".")[0] in PRINTING:
            yield f"{line} imports {module.split('.')[0]}"
    for node in ast.walk(tree):
        is_print = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if is_print and node.func.id == "print":
            yield f"{node.lineno} print"


def test_only_commands_and_the_terminal_report_print():
    assert violations(printing) == []


def test_the_law_of_printing_sees_a_planted_print():
    planted = parsed("from rich.table import Table\nprint('x')\n")

    assert list(printing("store/ledger.py", planted)) == ["1 imports rich", "2 print"]
    assert list(printing("cli/office.py", planted)) == []


# --- 6: no decision from prose --------------------------------------------------------------------


def prose_decisions(name: str, tree: ast.Module) -> Iterator[str]:
    """`"some words" in finding.text`: the words of a message are for people and may change."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], (ast.In, ast.NotIn)):
            continue
        words = node.left.value if isinstance(node.left, ast.Constant) else None
        where = ast.unparse(node.comparators[0])
        is_prose = re.search(r"(\btext|\bmessage|\breason|\bsaid)$|^str\(", where)
        if isinstance(words, str) and re.search(r"[A-Za-z]{3}", words) and is_prose:
            yield f"{node.lineno} {words!r} in {where}"


def test_no_decision_is_taken_from_prose():
    assert violations(prose_decisions) == []


def test_the_oracle_takes_no_decision_from_prose():
    oracle = GATEWAY.parent / "tests" / "world" / "oracle.py"

    assert list(prose_decisions("oracle.py", parsed(oracle.read_text()))) == []


def test_the_law_of_prose_sees_a_planted_decision():
    planted = parsed(
        "if 'was acked with' in found.text: pass\nif 'read' not in str(error): pass\n"
        "if '.' in text: pass\nif 'w1' in devices: pass\n"
    )

    assert len(list(prose_decisions("audit/offline.py", planted))) == 2
