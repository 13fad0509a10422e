"""The wheel holds what an installed gateway needs besides code, and nothing that only the tests
need.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_wheel_holds_boards_schemas_and_templates(tmp_path):
    uv = Path(sys.executable).with_name("uv")
    build = [uv, "build", "--wheel", "--no-build-isolation", "--quiet", "-o", tmp_path, ROOT]
    subprocess.run(build, check=True, capture_output=True, timeout=180)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = wheel.namelist()

    assert {
        "gateway/boards.toml",
        "gateway/store/schema/0001.sql",
        "gateway/store/schema/0002.sql",
        "gateway/store/schema/0003.sql",
        "gateway/reports/templates/day.html",
        "gateway/maps/square.toml",
    } <= set(names)
    assert [
        name for name in names if name.startswith(("tests/", "protocol/vectors/", "docs/"))
    ] == []
