"""`till serve` stays small. It runs for months on the office's machine, and a library that one
import too many brings along is there for all of them.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.serving import drained
from gateway.broker.process import MosquittoBroker
from gateway.cli import running

# 31.8 MiB were measured (CPython 3.11, Debian 12), 32.0 with TLS; another Python has other sizes.
DRAINED_KIB_MAX = 37 * 1024
MESSAGES = 3_000
# What other commands need, and what only TLS, a signature or a server needs.
NOT_WHILE_SERVING = {
    "asyncio", "concurrent", "cryptography", "email", "http", "jinja2", "multiprocessing", "paho",
    "psycopg", "pydantic", "rich", "typer", "typing_extensions", "xml",
}  # fmt: skip
NOT_MAPPED = ("pydantic_core", "cryptography/")


@pytest.mark.parametrize("broker", ["mosquitto", "mosquitto-tls"])
def test_a_gateway_that_has_caught_up_after_an_outage_is_small(broker: str, tmp_path: Path) -> None:
    if not MosquittoBroker.is_installed():
        pytest.skip("mosquitto is not on PATH")
    served = drained(broker, tmp_path, MESSAGES, 1)

    assert served.drained_kib <= DRAINED_KIB_MAX
    assert [] == [name for name in served.libraries for each in NOT_MAPPED if each in name]


def test_what_serves_imports_no_library_that_it_does_not_need() -> None:
    code = (
        f"import importlib, sys\nfor name in {imported_by_running()}: importlib.import_module(name)"
        "\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip

    assert "sqlite3" in done.stdout.split()
    assert set() == NOT_WHILE_SERVING & set(done.stdout.split())


def imported_by_running() -> list[str]:
    """The modules that `till serve` imports, also inside of its functions; without the one that
    another process imports, see running._client_files.
    """
    tree = ast.parse(Path(running.__file__).read_text())
    found = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return sorted(
        {str(name) for name in found if str(name).startswith("gateway.")} - {"gateway.broker"}
    )
