"""An installed wheel finds the device's sources and boards.toml without the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCRIPT = """
import sys
from pathlib import Path
from gateway.fleet.boards import boards_file, load_revisions
from gateway.fleet.stage import stage
for boards in load_revisions().values():
    print(boards[0].name, stage(boards[0], None, Path(sys.argv[1]) / boards[0].name).hash)
print(boards_file())
"""


def test_every_board_stages_from_installed_packages_alone(tmp_path: Path) -> None:
    installed = tmp_path / "site-packages"
    for package in ("protocol", "firmware", "gateway"):
        shutil.copytree(
            ROOT / package, installed / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "boards.toml", installed / "gateway")  # where the wheel puts it

    # -P and PYTHONPATH: the copies win over an editable install, and the current folder is not
    # searched
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT, str(tmp_path / "out")],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)}, capture_output=True,
        text=True, timeout=180, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(installed / "gateway" / "boards.toml")
    assert len(done.stdout.splitlines()) == 6
