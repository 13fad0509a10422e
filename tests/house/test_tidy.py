"""The house rules that a machine can check: who imports whom, the device's language, no float near
money, true names.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.sources import OURS, ROOT, name_of, sources, tree_of

MAY_IMPORT = {
    "protocol": {"protocol"},
    "firmware": {"firmware", "protocol"},
    "gateway": {"gateway", "protocol"},
    "simulators": {"simulators", "protocol"},
}
TOP_LEVEL = {
    ".ci", ".git", ".git-blame-ignore-revs", ".gitignore", "ARCHITECTURE.md", "CHANGELOG.md",
    "LICENSE", "README.md", "SECURITY.md", "benchmarks", "boards.toml", "docs", "examples",
    "firmware", "gateway", "protocol", "pyproject.toml", "requirements-stubs.lock",
    "requirements.lock", "run", "simulators", "tests",
}  # fmt: skip

# Measured on MicroPython 1.28: none of these exists there, or it means something else.
NO_MODULE = {
    "__future__", "typing", "enum", "dataclasses", "logging", "datetime", "unittest", "abc",
    "functools", "itertools", "pathlib", "contextlib", "queue", "threading", "decimal",
}  # fmt: skip
NO_METHOD = {"removeprefix", "removesuffix", "zfill", "_replace", "_asdict"}
NO_ATTRIBUTE = {"asyncio": {"timeout", "TaskGroup", "Queue"}, "time": {"monotonic", "perf_counter"}}

FILE_LINES_MAX = {
    "protocol": 300,
    "firmware": 300,
    "gateway": 500,
    "simulators": 500,
    "tests": 500,
    "benchmarks": 500,
    "docs": 500,
}
FUNCTION_LINES_MAX = 60
# "path" or "path: function" -> (lines that it may have, why)
LONGER = {
    "tests/twin/must_uplink.py": (
        590,
        "a line or a function for each statement about the uplink; one script a twin",
    ),
}


# --- who imports whom -----------------------------------------------------------------------------


def imports(tree: ast.AST, inside_function: bool = False) -> Iterator[tuple[str, int, bool]]:
    """(first part of the module's name, line, whether it is inside a function); "." for a relative
    import.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (
                (alias.name.split(".")[0], node.lineno, inside_function) for alias in node.names
            )
        elif isinstance(node, ast.ImportFrom):
            yield (
                ("." if node.level else (node.module or "").split(".")[0]),
                node.lineno,
                inside_function,
            )
        else:
            deeper = inside_function or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            yield from imports(node, deeper)


def wrong_imports(package: str, name: str, tree: ast.AST) -> list[str]:
    wrong = []
    for module, line, inside_function in imports(tree):
        lazily_by_cli = (
            module in ("simulators", "firmware")
            and inside_function
            and re.match(r"gateway/cli(\.py|/)", name)
        )
        if module == "." or (
            module in {*OURS, "tests"} and module not in MAY_IMPORT[package] and not lazily_by_cli
        ):
            wrong.append(f"{name}:{line} imports {module}")
    return wrong


@pytest.mark.parametrize("package", OURS)
def test_package_imports_only_what_it_may(package):
    assert [
        wrong
        for path in sources(package)
        for wrong in wrong_imports(package, name_of(path), tree_of(path))
    ] == []


def test_import_rule_sees_a_planted_import():
    lazy = ast.parse(
        "def demo():\n    from simulators import office\n    from firmware.drivers.registry import"
        " driver_for\n"
    )
    at_top = ast.parse("import simulators\nfrom firmware.app import App\nfrom . import near\n")

    assert wrong_imports("gateway", "gateway/cli/demo.py", lazy) == []
    assert wrong_imports("gateway", "gateway/delivery/service.py", lazy) == [
        "gateway/delivery/service.py:2 imports simulators",
        "gateway/delivery/service.py:3 imports firmware",
    ]  # fmt: skip
    assert wrong_imports("gateway", "gateway/cli.py", at_top) == [
        "gateway/cli.py:1 imports simulators", "gateway/cli.py:2 imports firmware",
        "gateway/cli.py:3 imports .",
    ]  # fmt: skip


# --- the device's language ------------------------------------------------------------------------


def not_micropython(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, what) of each thing that CPython takes and the board does not."""
    with_an_answer = {id(node) for each in ast.walk(tree) for node in _answered_imports(each)}
    found = [
        (node.lineno, what)
        for node in ast.walk(tree)
        if id(node) not in with_an_answer
        for what in _foreign(node)
    ]
    for loop in ast.walk(tree):
        if isinstance(loop, (ast.For, ast.While, ast.AsyncFor)):
            inside = {
                node.lineno
                for node in ast.walk(loop)
                if isinstance(node, (ast.Import, ast.ImportFrom))
            }
            found += [(line, "import inside a loop") for line in inside]
    return sorted(set(found))


def _answered_imports(node: ast.AST) -> list[ast.stmt]:
    """Imports in a `try` whose `except ImportError` gives the board something of its own."""
    if not isinstance(node, ast.Try):
        return []
    caught = [
        handler
        for handler in node.handlers
        if isinstance(handler.type, ast.Name) and handler.type.id == "ImportError"
    ]
    return (
        [each for each in node.body if isinstance(each, (ast.Import, ast.ImportFrom))]
        if caught
        else []
    )


def _foreign(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (
            f"import {alias.name}" for alias in node.names if alias.name.split(".")[0] in NO_MODULE
        )
    elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in NO_MODULE:
        yield f"import {node.module}"
    elif isinstance(node, (ast.Match, ast.TryStar)):
        yield type(node).__name__.lower()
    elif (
        isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        and node.args.posonlyargs
    ):
        yield "positional-only parameters"
    elif isinstance(node, ast.Raise) and node.cause is not None:
        yield "raise ... from"
    elif isinstance(node, ast.Delete):
        yield from (
            "del of a slice"
            for target in node.targets
            if isinstance(getattr(target, "slice", None), ast.Slice)
        )
    elif isinstance(node, ast.Attribute):
        if node.attr in NO_METHOD:
            yield f".{node.attr}"
        if isinstance(node.value, ast.Name) and node.attr in NO_ATTRIBUTE.get(node.value.id, ()):
            yield f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("package", ["protocol", "firmware"])
def test_device_code_is_micropython(package):
    assert [
        f"{name_of(path)}:{line} {what}"
        for path in sources(package)
        for line, what in not_micropython(tree_of(path))
    ] == []


def test_language_rule_sees_planted_code():
    planted = {
        "from __future__ import annotations": "import __future__",
        "import typing": "import typing",
        "import enum": "import enum",
        "from dataclasses import dataclass": "import dataclasses",
        "import logging, datetime": "import datetime",
        "match 1:\n  case _: pass": "match",
        "def f(a, /): pass": "positional-only parameters",
        "raise ValueError from None": "raise ... from",
        "del buf[:4]": "del of a slice",
        "'x'.removeprefix('y')": ".removeprefix",
        "'x'.removesuffix('y')": ".removesuffix",
        "'7'.zfill(3)": ".zfill",
        "asyncio.timeout(1)": "asyncio.timeout",
        "asyncio.TaskGroup()": "asyncio.TaskGroup",
        "asyncio.Queue()": "asyncio.Queue",
        "time.monotonic()": "time.monotonic",
        "for _ in x:\n  import gc": "import inside a loop",
    }

    assert {
        code: what
        for code, what in planted.items()
        if what not in [w for _, w in not_micropython(ast.parse(code))]
    } == {}
    assert not_micropython(ast.parse("if (n := 3) > 2: del x[0]\ntime.ticks_ms()")) == []


# --- money ----------------------------------------------------------------------------------------


def floats(tree: ast.AST) -> list[int]:
    """Lines with a float literal or a call of float()."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Constant) and isinstance(node.value, (float, complex)))
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "float"
        )
    ]


@pytest.mark.parametrize("package", ["protocol", "firmware", "gateway"])
def test_no_float_where_money_is(package):
    assert [
        f"{name_of(path)}:{line}" for path in sources(package) for line in floats(tree_of(path))
    ] == []


def test_float_rule_sees_planted_floats():
    assert floats(ast.parse("a = 12.5\nb = float('1')\nc = 1e3\nd = 5 / 2\ne = 7")) == [1, 2, 3]


# --- size -----------------------------------------------------------------------------------------


def sizes(path: Path) -> Iterator[tuple[str, int, int]]:
    """(name, lines, limit) of a file and of each of its functions."""
    name = name_of(path)
    yield name, len(path.read_text().splitlines()), FILE_LINES_MAX[name.split("/")[0]]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield (
                f"{name}: {node.name}",
                (node.end_lineno or node.lineno) - node.lineno + 1,
                FUNCTION_LINES_MAX,
            )


@pytest.mark.parametrize("package", FILE_LINES_MAX)
def test_files_and_functions_stay_readable(package):
    long = []
    for path in sources(package):
        for name, lines, limit in sizes(path):
            allowed, _ = LONGER.get(name, (limit, ""))
            if lines > allowed:
                long.append(f"{name}: {lines} lines, limit {allowed}")

    assert long == []


def test_no_exception_is_kept_without_need():
    every = {
        name: (lines, limit)
        for path in sources(*FILE_LINES_MAX)
        for name, lines, limit in sizes(path)
    }

    assert [name for name in LONGER if name not in every or every[name][0] <= every[name][1]] == []


@pytest.mark.parametrize("package", OURS)
def test_every_package_says_what_lives_there(package):
    silent = []
    for path in sources(package):
        if path.name == "__init__.py":
            docstring = ast.get_docstring(tree_of(path)) or ""
            if not 1 <= len(docstring.splitlines()) <= 12:
                silent.append(name_of(path))

    assert silent == []


# --- pages that stay true -------------------------------------------------------------------------

PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
)


def names_of_walk(text: str) -> list[tuple[str, str]]:
    """(path, dotted name) of each `path.py: Name.method()` on a page."""
    return re.findall(r"`([\w./-]+\.py): ([\w.]+)\(\)`", text)


def defines(tree: ast.AST, dotted: str) -> bool:
    """Whether a file defines Class.method, a function, a class, or a name that it assigns."""
    first, _, rest = dotted.partition(".")
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.If, ast.Try, ast.ExceptHandler)) and defines(node, dotted):
            return True
        if (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            and node.name == first
        ):
            return not rest or defines(node, rest)
    return False


def test_names_on_the_architecture_page_exist():
    named = names_of_walk((ROOT / "ARCHITECTURE.md").read_text())
    gone = [
        f"{path}: {name}()"
        for path, name in named
        if not (ROOT / path).is_file() or not defines(tree_of(ROOT / path), name)
    ]

    assert len(named) >= 10, "the walk of one batch names its functions"
    assert gone == []


def test_walk_rule_sees_a_planted_name():
    tree = ast.parse(
        "class Journal:\n    def append(self): pass\ntry:\n    pass\nexcept ImportError:\n    def"
        " const(v): pass\n"
    )

    assert names_of_walk("`firmware/journal.py: Journal.append()`") == [
        ("firmware/journal.py", "Journal.append")
    ]
    assert {
        "Journal.append": True,
        "const": True,
        "Journal": True,
        "Journal.gone": False,
        "append": False,
    } == {
        name: defines(tree, name)
        for name in ("Journal.append", "const", "Journal", "Journal.gone", "append")
    }


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_on_the_page_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    gone = [
        target
        for target in targets
        if not re.match(r"\w+:", target) and not (page.parent / target).exists()
    ]

    assert gone == []


def commands_on(text: str) -> set[tuple[str, str]]:
    """(command, its first word) of each ./run on a page."""
    return set(re.findall(r"\./run ([a-z]+)(?: ([a-z][a-z_-]*))?", text))


def test_commands_on_the_pages_exist():
    known = set(re.findall(r"^\t([a-z]+)(?: \||\))", (ROOT / "run").read_text(), re.MULTILINE))
    benchmarks = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    till = subprocess.run(
        [Path(sys.executable).with_name("till"), "--help"],
        capture_output=True,
        text=True,
        timeout=180,
    ).stdout
    wrong = []
    for page in PAGES:
        for command, word in sorted(commands_on(page.read_text())):
            if command not in known:
                wrong.append(f"{name_of(page)}: ./run {command}")
            elif command == "till" and word and not re.search(rf"\b{word}\b", till):
                wrong.append(f"{name_of(page)}: ./run till {word}")
            elif command == "bench" and word and word not in benchmarks:
                wrong.append(f"{name_of(page)}: ./run bench {word}")

    assert wrong == []


def test_top_level_holds_what_is_expected():
    ignored = {line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}

    assert {path.name for path in ROOT.iterdir()} - TOP_LEVEL - ignored == set()


# Paths of one person's machine and addresses of package indexes: the project stands alone. One
# letter is in brackets, so that this line does not find itself.
FOREIGN = re.compile(
    r"(?<![\w.])/(hom[e]|roo[t]|wor[k]|User[s])/|https?://(file[s]|pyp[i]|registr[y]|de[b]|inde[x])\.|--(extra-)?inde[x]-url"
)


def test_no_file_names_a_machine_or_a_package_index():
    found = []
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT).parts
        if not path.is_file() or inside[0] not in TOP_LEVEL - {".git"} or "__pycache__" in inside:
            continue
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{name_of(path)}:{number} {line.strip()[:80]}"
            for number, line in enumerate(lines, 1)
            if FOREIGN.search(line)
        ]

    assert found == []


def test_every_dependency_is_in_its_lock():
    """A name added to pyproject.toml without ./run lock would be missing on the next clean
    machine.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    wanted = {
        "requirements.lock": (
            project["project"]["dependencies"] + groups["dev"] + project["build-system"]["requires"]
        ),
        "requirements-stubs.lock": groups["stubs"],
        "tests/oracles/requirements.lock": groups["oracles"],
    }
    missing = {}
    for lock, specifiers in wanted.items():
        locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / lock).read_text(), re.MULTILINE))
        missing[lock] = {
            re.match(r"[a-z0-9-]+", specifier).group() for specifier in specifiers
        } - locked

    assert missing == dict.fromkeys(wanted, set())
