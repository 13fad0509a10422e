"""Staging: every declared board, the same bytes each time, inside its budget, and nothing on it
that it does not need.
"""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firmware.drivers.registry import driver_for
from gateway.errors import ConfigError, DataError
from gateway.fleet import stage as staging
from gateway.fleet.boards import Board, boards_file, load_board, load_revisions
from gateway.fleet.stage import board_hash, render, render_site, sources, stage

SITE = {
    "site": "hall", "device": "w1", "broker_host": "127.0.0.1", "broker_port": 1883,
    "key_hex": "00" * 32, "key_number": 1, "currency": "USD",
}  # fmt: skip
EVERY_BOARD = [board for boards in load_revisions().values() for board in boards]


def constants(board: Board) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(render(board), "board.py", "exec"), names)
    return names


@pytest.mark.parametrize("board", EVERY_BOARD, ids=lambda board: board.label)
def test_every_board_stages_within_its_budget(board: Board, tmp_path: Path) -> None:
    staged = stage(board, None, tmp_path / "tree")

    print(
        f"{board.label}: {staged.mpy_bytes} bytes of .mpy in {len(staged.files)} files, tree"
        f" {staged.hash[:16]}"
    )
    ports = sorted(name for name in staged.files if name.startswith("firmware/ports/"))
    expected = {"unix": ["unix"], "esp32": ["esp32", "mcu"], "rp2": ["mcu", "rp2"]}
    assert ports == [f"firmware/ports/{name}.mpy" for name in expected[board.platform]]
    assert {"main.py", "board.mpy", "firmware/app.mpy", "protocol/records.mpy"} <= set(staged.files)
    assert staged.mpy_bytes <= board.tables["budget"]["mpy_bytes_max"]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    first = stage("unix", None, tmp_path / "first")
    second = stage("unix", None, tmp_path / "second", SITE)

    assert second.files == first.files
    assert second.hash == first.hash
    assert (tmp_path / "second" / "site.json").stat().st_mode & 0o077 == 0


def test_rendered_constants_are_what_firmware_reads() -> None:
    names = constants(load_board("unix"))

    assert names["NAME"] == "unix"
    assert names["INSTRUMENTS"][0]["uart"] == "bills"
    assert names["INSTRUMENTS"][0]["profile"] == "jetscan"
    assert names["DRAWER"]["open_level"] == 1
    assert (len(names["PAD"]["rows"]), len(names["PAD"]["cols"])) == (5, 5)
    assert names["JOURNAL"] == {"sectors": 192}
    assert names["HASH"] == board_hash(load_board("unix"))
    assert len(names["HASH"]) == 8


def test_every_board_renders_what_its_port_asks_for() -> None:
    folder = Path(staging.package_folder("firmware")) / "ports"
    for board in EVERY_BOARD:
        names = constants(board)
        for module in (board.platform, *(("mcu",) if board.platform != "unix" else ())):
            for key in subscripts((folder / f"{module}.py").read_text(), "DRAWER", "drawer"):
                assert key in names["DRAWER"] or key == "kick_pin", (
                    f"{board.label} {module}: DRAWER[{key!r}]"
                )
            for key in subscripts((folder / f"{module}.py").read_text(), "JOURNAL", "journal"):
                assert key in names["JOURNAL"], f"{board.label} {module}: JOURNAL[{key!r}]"


def subscripts(source: str, attribute: str, variable: str) -> set[str]:
    """Keys that a module reads as board.ATTRIBUTE["key"] or variable["key"]."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ):
            named = getattr(node.value, "attr", getattr(node.value, "id", ""))
            if named in (attribute, variable):
                found.add(node.slice.value)
    return found


def test_revisions_have_hashes_of_their_own() -> None:
    assert board_hash(load_board("wesp32", "6")) != board_hash(load_board("wesp32", "7"))


def test_a_reference_designator_is_for_people_and_not_on_the_board() -> None:
    assert "refdes" not in render(load_board("wesp32"))


def test_code_over_the_budget_is_refused(tmp_path: Path) -> None:
    board = load_board("unix")
    tables = {**board.tables, "budget": {**board.tables["budget"], "mpy_bytes_max": 1000}}
    small = replace(board, tables=tables)

    with pytest.raises(DataError, match="budget mpy_bytes_max = 1000"):
        stage(small, None, tmp_path / "tree")


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.mpy").write_bytes(b"old")

    with pytest.raises(ConfigError, match="is not empty"):
        stage("unix", None, tmp_path)


def test_an_unknown_site_key_is_told_without_its_value() -> None:
    with pytest.raises(ConfigError) as caught:
        render_site({**SITE, "key_hxe": "secret"})

    assert "key_hxe" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_main_is_source_and_not_compiled_twice() -> None:
    names = [name for _, name in sources(load_board("unix"))]

    assert "firmware/main.py" not in names
    assert names == sorted(names)


def test_a_traceback_on_the_board_names_the_module(tmp_path: Path) -> None:
    staged = stage("unix", None, tmp_path / "tree")

    assert b"protocol.topics" in (staged.folder / "protocol" / "topics.mpy").read_bytes()


def test_the_real_micropython_loads_the_staged_constants(tmp_path: Path) -> None:
    staged = stage("unix", None, tmp_path / "tree")

    done = subprocess.run(
        [str(Path(sys.executable).with_name("micropython")), "-c",
         "import board; print(board.NAME, board.PLATFORM)"],
        cwd=staged.folder, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert done.stdout == "unix unix\n"


def test_a_board_carries_the_drivers_of_its_own_instruments_and_no_other(tmp_path: Path) -> None:
    drivers = {
        name
        for name in stage("unix", None, tmp_path / "tree").files
        if name.startswith("firmware/drivers/")
    }

    assert {"firmware/drivers/report_stream.mpy", "firmware/drivers/ten_key.mpy"} <= drivers
    assert not {name for name in drivers if "cctalk" in name or "frame" in name}


def test_each_report_machine_knows_how_the_others_reports_begin() -> None:
    bills, coins = constants(load_board("unix"))["INSTRUMENTS"]

    assert bills["settings"]["strangers"] == (("mach", b"BATCH ACCEPT"),)
    assert coins["settings"]["strangers"] == (("jetscan", b"AUDIT:"),)
    assert bills["settings"]["evidence"] == "guess"


def test_a_board_may_declare_more_devices_on_one_line(tmp_path: Path) -> None:
    text = (
        boards_file().read_text()
        + '\n[board.drop]\ninherit = "unix"\n[board.drop.instrument.coins]\nprofile ='
        ' "cctalk-coin"\n[board.drop.instrument.coins.settings]\nalso = [{name = "notes", address'
        ' = 40, events = 159, checksum = "crc"}]\n'
    )
    (tmp_path / "boards.toml").write_text(text)

    _, coins = constants(load_board("drop", None, tmp_path / "boards.toml"))["INSTRUMENTS"]
    line = driver_for("cctalk")("coins", coins["settings"], "USD")
    line.resume("", "notes")

    assert ({"name": "notes", "address": 40, "events": 159, "checksum": "crc"},) == coins[
        "settings"
    ]["also"]


def test_a_board_gets_neither_the_gateways_half_nor_words_that_it_never_shows(
    tmp_path: Path,
) -> None:
    staged = stage("unix", None, tmp_path / "tree")

    assert "protocol/packing.mpy" in staged.files
    assert "protocol/unpacking.mpy" not in staged.files
    assert b"unknown kid" not in (tmp_path / "tree/protocol/seal.mpy").read_bytes()
    assert b"journal: " in (tmp_path / "tree/firmware/journal.mpy").read_bytes()
