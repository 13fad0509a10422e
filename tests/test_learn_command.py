"""till instrument learn as a technician runs it."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest
from test_learn_layouts import FIXED, stated

from gateway.instruments.profiles import load_profile
from tests.cli_support import command, environment, till

REPORTS = FIXED["two columns side by side"]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "two.txt"
    lines = [
        f"{5000 * number} < {data.hex(' ')}\n" for number, (data, _, _) in enumerate(REPORTS[:2])
    ]
    path.write_text("".join(lines))
    return path


def test_a_profile_is_learned_loaded_and_reads_a_third_report(
    capture: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sorter-w3.toml"
    done = till("instrument", "learn", capture, "--name", "Sorter", "--out", out, "--yes")
    profile = load_profile(str(out))

    assert (0, True) == (done.returncode, f"wrote {out}" in done.stdout), done.stderr
    assert ("Sorter", "capture", "both") == (profile.title, profile.evidence, profile.counts)
    assert "capture two.txt, 20" in profile.source
    assert [REPORTS[2][1:]] == stated(dict(profile.settings), REPORTS[2][0])


def test_nothing_is_written_before_somebody_accepts(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "sorter.toml"
    done = till("instrument", "learn", capture, "--out", out)

    assert (1, False, True) == (done.returncode, out.exists(), "say --yes" in done.stderr)


def test_an_existing_profile_is_kept(capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "sorter.toml"
    out.write_text("mine")
    done = till("instrument", "learn", capture, "--out", out, "--yes")

    assert (2, "mine") == (done.returncode, out.read_text())


def test_the_proposal_as_data(capture: Path) -> None:
    told = json.loads(till("instrument", "learn", capture, "--json").stdout)

    assert [143000, 6007] == [report["total_minor"] for report in told["reports"]]
    assert ["start", "numbers", "row", "row", "total", "ignored"] == [
        line["is"] for line in told["lines"]
    ]
    assert (True, 0) == (told["changed_digits"] > 400, told["unseen_digits"])


@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        (("--set", "colour=red"), 2, "want KEY=VALUE with one of total"),
        (("--counted", "twenty"), 2, "is not such as 20.00x5"),
        (("--counted", "20.00x5", "--counted", "5.00x1"), 65, "no reading"),
        (("--set", "total=SUM"), 65, "no reading"),
    ],
)
def test_a_correction_that_cannot_be_is_told(
    capture: Path, more: tuple[str, ...], code: int, text: str
) -> None:
    done = till("instrument", "learn", capture, *more)

    assert (code, True) == (done.returncode, text in done.stderr), done.stderr


def test_one_report_is_too_little(capture: Path, tmp_path: Path) -> None:
    alone = tmp_path / "one.bin"
    alone.write_bytes(REPORTS[0][0])

    assert 65 == till("instrument", "learn", alone).returncode
    assert 2 == till("instrument", "learn", tmp_path / "none").returncode


def test_a_person_at_a_terminal_corrects_and_accepts(capture: Path, tmp_path: Path) -> None:
    """A correction that makes no sense is told and forgotten; Enter accepts what stands."""
    out = tmp_path / "sorter.toml"
    person, terminal = pty.openpty()
    process = subprocess.Popen(
        command("instrument", "learn", capture, "--out", out),
        env=environment(),
        stdin=terminal,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(terminal)
    os.write(person, b"99 total\n5 ignore\n\n")
    told, _ = process.communicate(timeout=180)
    os.close(person)

    assert (0, True, True) == (
        process.returncode,
        "want a line's number" in told,
        "not so: " in told,
    ), told
    assert load_profile(str(out)).title == "Counter learned from a capture"
