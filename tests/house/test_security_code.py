"""What our code may not do, by its syntax tree, and what it is built from: locked by hash, from
nowhere that is named here.
"""

import ast
import re
import tomllib

import pytest

from tests.house.sources import OURS, ROOT, name_of, sources, tree_of

# --- what is not done -----------------------------------------------------------------------------

RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
# run or expand what they read; foreseen
MODULES = {"pickle", "marshal", "shelve", "dill", "yaml", "xml", "telnetlib", "random"}
CALLS = {
    ("os", "system"), ("os", "popen"), ("tempfile", "mktemp"), ("hashlib", "md5"),
    ("hashlib", "sha1"), ("ssl", "_create_unverified_context"),
}  # fmt: skip
LISTENS = {"listen", "bind", "accept", "start_server", "create_server"}
# path: (what it does all the same, why)
KNOWN = {
    "gateway/facts/packed_code.py": (
        "compile exec",
        "functions written from the wire dictionary and a record's kind and bits; no byte of a"
        " message is in their text",
    ),
    "gateway/incoming/bank_xml.py": (
        "xml",
        "a bank's statement, by expat alone: a document type ends the reading before an entity is"
        " declared, nothing is fetched, depth, elements and texts are bounded"
        " (tests/incoming/test_bank_camt.py)",
    ),
    "firmware/app.py": (
        "__import__",
        "the port's module, by the platform name in the board's own constants",
    ),
    "firmware/drivers/registry.py": (
        "__import__",
        "a driver's module, by its name in the board's own constants",
    ),
}


def dangers(tree: ast.AST, device: bool = False) -> list[tuple[int, str]]:
    """(line, what) of each call or import that turns text into code, goes through a shell, or
    weakens a secret.
    """
    found = []
    has_sockets = any(
        isinstance(node, ast.Name) and node.id in ("socket", "sock", "asyncio")
        for node in ast.walk(tree)
    )
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
            )
            found += [
                (node.lineno, name.split(".")[0]) for name in names if name.split(".")[0] in MODULES
            ]
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in RUNS_TEXT:
                found.append((node.lineno, node.func.id))
            elif isinstance(node.func, ast.Attribute):
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                if (owner, node.func.attr) in CALLS:
                    found.append((node.lineno, f"{owner}.{node.func.attr}"))
                elif device and has_sockets and node.func.attr in LISTENS:
                    found.append((node.lineno, node.func.attr))
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if keyword.arg == "shell" and value is not False:
                    found.append((node.lineno, "shell"))
                elif keyword.arg == "load_extension" or (
                    keyword.arg == "check_hostname" and value is False
                ):
                    found.append((node.lineno, keyword.arg))
        elif isinstance(node, ast.Attribute) and node.attr == "CERT_NONE":
            found.append((node.lineno, "CERT_NONE"))
    return sorted(set(found))


@pytest.mark.parametrize("package", ["protocol", "firmware", "gateway"])
def test_no_text_becomes_code_and_nothing_goes_through_a_shell(package):
    found = [
        f"{name_of(path)}:{line} {what}"
        for path in sources(package)
        for line, what in dangers(tree_of(path), device=package != "gateway")
        if what not in KNOWN.get(name_of(path), ("",))[0].split()
    ]

    assert found == []


def test_simulators_go_through_no_shell_either():
    allowed = {"random", "__import__"}  # a simulator draws its faults from a seed
    found = [
        (name_of(path), what)
        for path in sources("simulators")
        for _, what in dangers(tree_of(path))
    ]

    assert [each for each in found if each[1] not in allowed] == []


def test_no_exception_is_kept_without_need():
    does = {
        name: {what for _, what in dangers(tree_of(ROOT / name), device=True)} for name in KNOWN
    }

    assert [
        name
        for name, (known, _) in KNOWN.items()
        for what in known.split()
        if what not in does[name]
    ] == []


def test_the_rule_sees_planted_dangers():
    planted = {
        "eval('1')": "eval", "exec(text)": "exec", "compile(a, b, 'exec')": "compile",
        "__import__(name)": "__import__", "import pickle": "pickle",
        "from xml.etree import ElementTree": "xml", "import yaml": "yaml",
        "os.system('ls')": "os.system", "tempfile.mktemp()": "tempfile.mktemp",
        "hashlib.md5(b'')": "hashlib.md5", "subprocess.run('ls', shell=True)": "shell",
        "subprocess.run('ls', shell=flag)": "shell",
        "context.verify_mode = ssl.CERT_NONE": "CERT_NONE",
        "f(check_hostname=False)": "check_hostname", "import random": "random",
        "sock.listen(1)": "listen", "asyncio.start_server(f, '', 80)": "start_server",
    }  # fmt: skip

    assert [
        code
        for code, what in planted.items()
        if [what] != [w for _, w in dangers(ast.parse(code), True)]
    ] == []
    assert (
        dangers(
            ast.parse(
                "re.compile('x')\nsubprocess.run(['ls'], shell=False)\nsecrets.token_bytes(32)"
            ),
            True,
        )
        == []
    )


# --- what it is built from ------------------------------------------------------------------------

LOCKS = ("requirements.lock", "requirements-stubs.lock", "tests/oracles/requirements.lock")
INDEX = "index" + "-url"  # in two parts: no file names a package index
_ENTRY = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)")


def entries(lock: str) -> list[list[str]]:
    """The lines of each requirement of a lock file, comments left out."""
    found: list[list[str]] = []
    for line in lock.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace():
            found[-1].append(line.strip())
        else:
            found.append([line])
    return found


def loose(entry: list[str]) -> bool:
    """Whether it is anything but one exact version with at least one SHA-256."""
    hashes = [line.rstrip(" \\") for line in entry[1:]]
    return (
        _ENTRY.match(entry[0]) is None
        or not hashes
        or any(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) is None for each in hashes)
    )


@pytest.mark.parametrize("lock", LOCKS)
def test_every_dependency_is_locked_to_a_version_and_its_hashes(lock):
    found = entries((ROOT / lock).read_text())

    assert len(found) > 1
    assert [entry[0] for entry in found if loose(entry)] == []


def test_the_lock_rule_sees_what_is_loose():
    good = "a==1 \\\n    --hash=sha256:" + "0" * 64
    planted = [
        "a>=1", "a==1", "a @ git+ssh://x/y", "./local", f"--{INDEX} x", f"--extra-{INDEX} x",
        "a==1 \\\n    --hash=md5:00",
    ]  # fmt: skip

    assert [loose(entry) for entry in entries(good)] == [False]
    assert [text for text in planted if not all(loose(entry) for entry in entries(text))] == []


def test_setting_up_installs_nothing_without_its_hash():
    """pip and uv verify hashes; only the project itself, from this folder, has none."""
    run = (ROOT / "run").read_text()
    installs = [
        line.strip()
        for line in run.splitlines()
        if re.search(r"(pip|in_venv) (install|sync)", line)
    ]

    assert len(installs) == 4
    assert [line for line in installs if "--require-hashes" not in line] == [
        "in_venv install --quiet --no-deps --no-build-isolation --editable ."
    ]


def test_the_project_cannot_be_uploaded_by_accident():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert "Private :: Do Not Upload" in project["classifiers"]


def test_a_subprocess_is_a_list_of_words_from_us():
    """No command line is put together as one text: no argument can become two."""
    found = []
    for path in sources(*OURS):
        for node in ast.walk(tree_of(path)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "subprocess"
                and node.args
                and isinstance(node.args[0], (ast.Constant, ast.JoinedStr))
            ):
                found.append(f"{name_of(path)}:{node.lineno}")

    assert found == []


# --- SQL ------------------------------------------------------------------------------------------


def test_values_reach_sql_as_parameters():
    """Text that is put into a statement is ours: names of columns, marks, clauses; never an
    attribute of a message or row.
    """
    found = []
    for path in sources("gateway"):
        for node in ast.walk(tree_of(path)):
            if not (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args
            ):
                continue
            if node.func.attr not in ("execute", "executemany", "executescript"):
                continue
            for part in ast.walk(node.args[0]):
                if isinstance(part, ast.FormattedValue) and any(
                    isinstance(each, ast.Attribute) for each in _plain(part.value)
                ):
                    found.append(f"{name_of(path)}:{node.lineno} {ast.unparse(part.value)}")

    assert found == []


def _plain(value: ast.AST) -> list[ast.AST]:
    """The expression without the joining of our own clauses."""
    if (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr == "join"
    ):
        return [each for argument in value.args for each in ast.walk(argument)]
    return list(ast.walk(value))
