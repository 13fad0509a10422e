"""till init guesses neither the site nor its time zone, and leaves nothing when it refuses."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.clock import machine_zone
from tests.cli.bench import ROOT, command, environment, till

PLACE = ("--site", "city", "--zone", "America/Chicago")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--site", "city"),
        ("--zone", "America/Chicago"),
        ("--site", "City Hall", "--zone", "America/Chicago"),
        ("--site", "a\nb", "--zone", "America/Chicago"),
        ("--site", "a" * 25, "--zone", "America/Chicago"),
        ("--site", "city", "--zone", "Mars"),
        (*PLACE, "--broker", "somewhere"),
        (*PLACE, "--broker", "host:70000"),
        (*PLACE, "--broker", "\u00fc:8883"),
    ],
    ids=" ".join,
)
def test_what_is_refused_leaves_no_folder_and_names_no_file(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = till("init", tmp_path / "new" / "site", *arguments)

    assert 2 == done.returncode
    assert "till.toml" not in done.stderr
    assert [] == list(tmp_path.iterdir())


def test_the_message_names_this_machine_s_zone_as_a_suggestion(tmp_path: Path) -> None:
    done = subprocess.run(
        command("init", tmp_path / "new", "--site", "city"), cwd=ROOT, capture_output=True,
        env={**environment(), "TZ": "America/Denver"}, stdin=subprocess.DEVNULL, text=True,
        check=False,
    )  # fmt: skip

    assert (2, "") == (done.returncode, done.stdout)
    assert "missing: --zone ZONE" in done.stderr
    assert "this machine has America/Denver" in done.stderr


def on_a_terminal(folder: Path, keys: bytes, *arguments: str) -> tuple[int, bytes]:
    """`till init` on a terminal where these keys are typed; its exit code and what it showed."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        line = command("init", folder, *arguments)
        os.execve(sys.executable, line, {**environment(), "TZ": "America/Denver"})
    os.write(terminal, keys)
    shown = b""
    while True:
        try:
            more = os.read(terminal, 999)
        except OSError:  # the child closed it
            break
        if not more:
            break
        shown += more
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown


def test_on_a_terminal_it_asks_and_shows_the_zone_to_be_confirmed(tmp_path: Path) -> None:
    code, shown = on_a_terminal(tmp_path / "new", b"annex\n\n", "--windows", "1")

    assert 0 == code, shown
    assert b"Name of the site" in shown and b"[America/Denver]" in shown
    text = (tmp_path / "new" / "till.toml").read_text()
    assert 'site = "annex"\nzone = "America/Denver"' in text


def test_on_a_terminal_nothing_is_asked_that_was_given(tmp_path: Path) -> None:
    code, shown = on_a_terminal(tmp_path / "new", b"", *PLACE, "--windows", "1")

    assert 0 == code, shown
    assert b"Name of the site" not in shown and b"Time zone" not in shown


def test_the_zone_of_a_machine_that_names_none_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")

    assert "" == machine_zone()
