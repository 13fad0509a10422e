"""./run system: what tests/debian.txt lists and PATH has not is installed by root, and told to
others.
"""

import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.bench import NOBODY

ROOT = Path(__file__).parents[2]
TOOLS = "sh", "dirname", "sed", "awk", "paste", "id"


@pytest.fixture
def copy() -> Iterator[Path]:
    """What ./run system reads, where every user may read it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(ROOT / "run", folder)
        (folder / "tests").mkdir()
        yield folder


def system(copy: Path, listed: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess:
    """What it says to an ordinary user when that is the list."""
    (copy / "tests" / "debian.txt").write_text(listed)
    return subprocess.run(
        ["./run", "system"], cwd=copy, env={"PATH": path}, capture_output=True, text=True,
        timeout=180, user=NOBODY if os.geteuid() == 0 else None,
    )  # fmt: skip


def test_all_that_is_there_is_named_and_nothing_is_done(copy):
    done = system(copy, "# why\nposix-shell sh\n\n# why, too\nstream-editor sed\n")

    assert done.returncode == 0
    assert done.stdout == "system: all is there: posix-shell stream-editor\n"
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="this machine has no apt-get")
def test_a_user_who_may_not_install_is_told_the_command(copy):
    refused = system(copy, "posix-shell sh\none-package no-such-program\nsecond no-such-either\n")

    assert refused.returncode == 77
    assert refused.stdout == ""
    assert "missing: one-package second. Only root may install" in refused.stderr
    assert "Next: sudo ./run system\n" in refused.stderr
    assert "apt-get install --no-install-recommends one-package second;" in refused.stderr


def test_a_machine_without_apt_get_is_told_what_to_install(copy):
    tools = copy / "bin"
    tools.mkdir()
    for tool in TOOLS:
        (tools / tool).symlink_to(str(shutil.which(tool)))

    refused = system(copy, "one-package no-such-program\n", str(tools))

    assert refused.returncode == 77
    assert "missing: one-package. There is no apt-get here" in refused.stderr


def test_each_package_of_the_list_says_why():
    lines = (ROOT / "tests" / "debian.txt").read_text().split("\n\n", 1)[1].splitlines()
    packages = [number for number, line in enumerate(lines) if line and line[0] != "#"]

    assert ["mosquitto", "postgresql"] == [lines[number].split()[0] for number in packages]
    assert all(lines[number - 1].startswith("# ") for number in packages)


# --- the tests themselves -------------------------------------------------------------------------


def pytest_on(folder: Path, code: str, *options: str) -> subprocess.CompletedProcess:
    """A run of one small test file with our conftest.py."""
    (folder / "test_small.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *options, "--rootdir", folder, folder / "test_small.py"], cwd=ROOT,
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip


SKIPS = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_wants_a_broker(number):
    pytest.skip("mosquitto is not on PATH")

@pytest.mark.skip(reason="no such machine")
def test_wants_a_machine():
    pass
"""


def test_the_last_word_is_what_was_skipped_and_what_brings_it(tmp_path):
    said = pytest_on(tmp_path, SKIPS, "-n", "2").stdout.splitlines()

    assert said[-4:-1] == [
        "   3 mosquitto is not on PATH",
        "   1 no such machine",
        "./run system brings what is missing",
    ]


def test_no_command_is_named_that_would_not_help(tmp_path):
    said = pytest_on(tmp_path, SKIPS, "-k", "machine").stdout

    assert "   1 no such machine" in said
    assert "./run system" not in said


def test_no_word_when_nothing_was_skipped(tmp_path):
    assert "skipped" not in pytest_on(tmp_path, "def test_fine(): pass").stdout


DIES = """
import os, pathlib, subprocess

def test_dies():
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    pathlib.Path(__file__).with_name("pid").write_text(str(left.pid))
    os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="the kernel has no /proc")
@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["one process", "workers"])
def test_what_a_killed_test_process_started_ends(tmp_path, options):
    pytest_on(tmp_path, DIES, "--max-worker-restart=0", *options)
    pid = int((tmp_path / "pid").read_text())

    assert ends(pid)


def ends(pid: int, within_ms: int = 10_000) -> bool:
    """Whether the process is gone or ends in time."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    try:
        return bool(poll.poll(within_ms))
    finally:
        os.close(watched)
