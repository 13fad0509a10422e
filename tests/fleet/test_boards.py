"""boards.toml: what it declares, and that every mistake in it is told with its place, all at
once.
"""

import json
import re
from pathlib import Path

import pytest

from firmware.drivers import registry
from gateway.cli.boards_table import show_boards
from gateway.errors import ConfigError, UsageError
from gateway.fleet.boards import boards_file, load_board, load_boards, load_revisions
from gateway.fleet.check import KICK_MS_MAX, expand
from gateway.instruments.profiles import DRIVERS, profile_names, profiles_folder
from gateway.packages import package_folder

GOOD = """\
[board.base]
abstract = true
title = "base"
platform = "esp32"
tried = false
source = "none: a test"
pins = "2, 4-5, 12-15, 18, 23, 32-36, 39"
input_only = "34-36, 39"
[board.base.instrument.bills]
profile = "jetscan"
uart = 1
tx = 33
rx = 39
baud = 9600
parity = "none"
[board.base.drawer]
pin = 13
open_level = 1
debounce_ms = 30
open_alarm_s = 120
[board.base.pad]
rows = [0, 1, 2, 3, 4]
cols = [0, 1, 2, 3, 4]
[board.base.pad.expander]
chip = "mcp23017"
i2c = 0
sda = 15
scl = 4
address = 0x20
[board.base.network]
kind = "lan"
mdc = 16
mdio = 17
phy_type = "PHY_RTL8201"
phy_addr = 0
ref_clk = 0
ref_clk_mode = "in"
[board.base.journal]
sectors = 64
partition = "journal"
[board.base.budget]
heap_bytes_max = 1
mpy_bytes_max = 1
pending_records = 1
window_records = 1
heartbeat_ms = 1
resend_ms = 1
backoff_ms = 1
[board.one]
inherit = "base"
"""


def errors_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "boards.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_boards(path)
    assert caught.value.exit_code == 78
    return str(caught.value)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_declares_the_five_boards_and_says_which_one_ran() -> None:
    boards = load_boards()

    assert sorted(boards) == ["esp32-poe", "rpi-pico-w", "unix", "w5500-evb-pico", "wesp32"]
    assert [name for name, board in boards.items() if board.tried] == ["unix"]
    assert all(board.tables["source"] for board in boards.values())


def test_revision_changes_the_phy_and_nothing_else() -> None:
    old, new = load_board("wesp32", "6"), load_board("wesp32")

    assert (old.revision, new.revision) == ("6", "7")
    assert old.label == "wesp32 rev 6"
    assert old.tables["network"]["phy_type"] == "PHY_LAN8720"
    assert new.tables["network"]["phy_type"] == "PHY_RTL8201"
    assert old.tables["instrument"] == new.tables["instrument"]


def test_a_typing_error_names_the_nearest_key_and_its_place(tmp_path: Path) -> None:
    text = GOOD.replace("debounce_ms = 30", "debounce_msec = 30")

    report = errors_of(tmp_path, text)

    assert f"boards.toml:{line_of(text, 'debounce_msec')}:1: unknown key 'debounce_msec'" in report
    assert "did you mean 'debounce_ms'?" in report
    assert "    debounce_msec = 30\n    ^" in report


def test_every_error_is_told_at_once(tmp_path: Path) -> None:
    text = (
        GOOD
        + '[board.one.instrument.bills]\ntx = 13\nprofile = "jetscam"\n[board.one.beeper]\npin ='
        " 34\n"
    )

    report = errors_of(tmp_path, text)

    assert (
        f"boards.toml:{line_of(text, 'pin = 13')}:1: one: pin 13 of drawer.pin is also"
        " instrument.bills.tx" in report
    )
    assert "instrument bills: no instrument 'jetscam'; did you mean 'jetscan'?" in report
    assert (
        f"boards.toml:{line_of(text, 'pin = 34')}:1: one: pin 34 of beeper.pin is an output, the"
        " pin can only be" in report
    )
    assert len(re.findall(r"^boards\.toml:", report, re.M)) == 3


@pytest.mark.parametrize(
    ("change", "by", "message"),
    [
        ("pin = 13", "pin = 6", "pin 6 of drawer.pin is not one of the board's free pins"),
        ("pin = 13", "pin = 36", "needs a pull-up, an input-only pin has none"),
        ("sda = 15", "sda = 16", "pin 16 of pad.expander.sda is also network.mdc"),
        (
            "baud = 9600",
            'driver = "cctalk2"',
            "unknown key 'driver' in board.base.instrument.bills",
        ),
        (
            "baud = 9600",
            'settings = { anwser = "06" }',
            "jetscan has no setting 'anwser'; did you mean 'answer'?",
        ),
        ('parity = "none"', "parity = true", "not one of none, even, odd"),
        ('inherit = "base"', 'inherit = "bass"', "no board 'bass'; did you mean 'base'?"),
        ('inherit = "base"', 'inherit = "one"', "inherit goes round in a circle"),
        ("cols = [0, 1, 2, 3, 4]", "cols = [0, 1, 2, 3]", "the pad has five rows and five columns"),
        ('phy_type = "PHY_RTL8201"\n', "", "network lacks phy_type"),
        ("sectors = 64", "sectors = 1", "a journal has 3 to 1024 sectors"),
        ("backoff_ms = 1", "backoff_ms = 0", "backoff_ms = 0 leaves nothing to work with"),
        ("uart = 1", 'uart = "bills"', "a channel's name on unix, a number on a board"),
    ],
)
def test_a_board_that_cannot_be_is_refused(
    tmp_path: Path, change: str, by: str, message: str
) -> None:
    assert change in GOOD

    report = errors_of(tmp_path, GOOD.replace(change, by))

    assert message in report
    assert re.match(r"boards\.toml:\d+:\d+: ", report)


def test_a_file_without_errors_has_none(tmp_path: Path) -> None:
    (tmp_path / "boards.toml").write_text(GOOD)

    assert list(load_boards(tmp_path / "boards.toml")) == ["one"]


def test_a_uart_of_the_rp2040_wants_its_own_pins(tmp_path: Path) -> None:
    text = (
        boards_file()
        .read_text()
        .replace(
            "[board.rp2-window.instrument.coins]\nuart = 1\ntx = 4",
            "[board.rp2-window.instrument.coins]\nuart = 1\ntx = 2",
        )
    )

    report = errors_of(tmp_path, text)

    assert "w5500-evb-pico: pin 2 cannot be tx of UART 1" in report


def test_unknown_board_and_revision_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="did you mean 'wesp32'"):
        load_board("wesp23")
    with pytest.raises(UsageError, match="no revision '5'; declared: 6, 7"):
        load_board("wesp32", "5")


def test_drivers_and_limits_agree_with_the_firmware() -> None:
    firmware = package_folder("firmware")

    assert {"mach", "jetscan"} <= set(profile_names())
    assert all((firmware / "drivers" / f"{driver}.py").is_file() for driver in DRIVERS)
    assert [f" {driver}." in f" {registry.DRIVERS}" for driver in DRIVERS] == [True] * len(DRIVERS)
    assert f"_KICK_MS_MAX = const({KICK_MS_MAX})" in (firmware / "ports" / "mcu.py").read_text()


def test_show_as_json_holds_every_revision(capsys: pytest.CaptureFixture[str]) -> None:
    show_boards("wesp32", as_json=True)

    shown = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["revision"], each["tried"]) for each in shown] == [
        ("wesp32", "7", False),
        ("wesp32", "6", False),
    ]


def test_show_lists_what_nobody_ran(capsys: pytest.CaptureFixture[str]) -> None:
    show_boards()

    assert "nobody" in capsys.readouterr().out


def test_pin_ranges() -> None:
    assert {0, 1, 2, 22} == expand("0-2, 22")


def test_no_two_revisions_have_the_same_label() -> None:
    labels = [board.label for boards in load_revisions().values() for board in boards]

    assert len(labels) == len(set(labels))


def test_a_board_may_name_a_profile_that_the_site_wrote(tmp_path: Path) -> None:
    profile = (profiles_folder() / "jetscan.toml").read_text()
    (tmp_path / "ours.toml").write_text(
        profile.replace('evidence = "guess"', 'evidence = "capture"', 1)
    )
    (tmp_path / "boards.toml").write_text(
        GOOD.replace('profile = "jetscan"', 'profile = "ours.toml"')
    )

    board = load_boards(tmp_path / "boards.toml")["one"]

    assert (board.profiles["bills"].name, board.profiles["bills"].evidence) == ("ours", "capture")


def test_the_readme_names_the_boards_that_were_tried() -> None:
    readme = " ".join((boards_file().parent / "README.md").read_text().split())
    said = re.search(r"in `boards\.toml` only the board `([\w-]+)`.* has `tried = true`", readme)

    assert said
    assert [said[1]] == [name for name, board in load_boards().items() if board.tried]
