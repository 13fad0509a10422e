"""The type check of device code sees what the boards do not have, and nothing else."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLANTED = {
    "import enum": "reportMissingImports",
    "import logging": "reportMissingImports",
    "import dataclasses": "reportMissingImports",
    "import time\n\ntime.monotonic()": "reportAttributeAccessIssue",
    "def cut(buf: bytearray, n: int):\n    del buf[:n]": "reportArgumentType",
}
FINE = """
import hashlib
import machine
import time

from protocol import cbor
from protocol.compat import const

SIZE_MAX = const(8)


def late(deadline_ms: int, buf: bytearray) -> bool:
    buf[:1] = b""
    machine.Pin(3, machine.Pin.OUT).value(1)
    cbor.encode(hashlib.sha256(buf).digest())
    return time.ticks_diff(time.ticks_ms(), deadline_ms) > SIZE_MAX
"""


@pytest.mark.parametrize("board", ["rp2", "esp32"])
def test_type_check_sees_planted_errors_and_no_other(board, tmp_path):
    subprocess.run([ROOT / "run", "stubs", board], check=True, timeout=600)
    for number, code in enumerate(PLANTED):
        (tmp_path / f"planted_{number}.py").write_text(code + "\n")
    (tmp_path / "fine.py").write_text(FINE)
    text = (ROOT / "tests" / "typecheck" / f"{board}.json").read_text()
    config = json.loads(re.sub(r"^ *//.*$", "", text, flags=re.MULTILINE))
    config |= {"include": ["."], "exclude": [], "extraPaths": [str(ROOT)]}
    for name in ("stubPath", "typeshedPath"):
        config[name] = str(ROOT / ".tools" / f"stubs-{board}")
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps(config | {"venvPath": str(ROOT / ".tools")})
    )

    checker = Path(sys.executable).with_name("basedpyright")
    checked = subprocess.run(
        [checker, "--project", tmp_path, "--outputjson"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    seen = {
        (Path(each["file"]).stem, each["rule"])
        for each in json.loads(checked.stdout)["generalDiagnostics"]
    }

    assert seen == {(f"planted_{number}", rule) for number, rule in enumerate(PLANTED.values())}
