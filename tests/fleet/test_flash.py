"""`till flash` with the real mpremote, the real MicroPython on a pseudo-terminal, the real
firmware and a real broker.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import pty
import select
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.broker.process import EmbeddedBroker
from gateway.cli.flashing import flash_command
from gateway.devices.keys import DeviceKey
from gateway.errors import ConfigError, DataError, TryAgain, Unavailable, UsageError
from gateway.fleet import ports, remote
from gateway.fleet.boards import load_board, load_revisions
from gateway.fleet.boot_watch import BootWatch
from gateway.fleet.flash import check_survey, flash, site_of
from gateway.fleet.ports import SerialPort, listed_ports, recognise
from gateway.fleet.remote import Remote, Survey
from gateway.fleet.stage import board_hash, stage
from simulators.channels import PinLine, SerialLine
from simulators.virtual_board import USB_ID, VirtualBoard
from simulators.window import Window
from tests.fleet.bench import wait_until

KEY = DeviceKey("w1", 1, bytes(range(32)))
SITE = site_of("hall", "w1", "127.0.0.1", 1, KEY, "USD")
UNIX = load_board("unix")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[VirtualBoard]:
    """A blank board, plugged in and powered."""
    with VirtualBoard("w1", tmp_path / "flash", tmp_path / "run") as plugged:
        yield plugged


@contextlib.contextmanager
def machines(tmp_path: Path, name: str = "w1") -> Iterator[VirtualBoard]:
    """A board with its two serial lines and its pins connected."""
    bills, coins, pins = SerialLine(), SerialLine(), PinLine()
    channels = {"BILLS": bills.theirs, "COINS": coins.theirs, "GPIO": pins.theirs}
    environment = {"TILL_FLASH": str(tmp_path / "journal.img")}
    try:
        with VirtualBoard(
            name, tmp_path / "flash", tmp_path / "run", channels, environment
        ) as plugged:
            yield plugged
    finally:
        bills.close()
        coins.close()
        pins.close()


def port_of(board: VirtualBoard) -> SerialPort:
    return recognise(load_revisions(), port=board.port, run_folder=board.descriptor.parent)[0]


def on_flash(board: VirtualBoard) -> dict[str, str]:
    return {
        path.relative_to(board.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in board.folder.rglob("*")
        if path.is_file()
    }


# ---- a port that nobody recognises is never opened ----


@pytest.fixture
def stranger() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal that might be the coin sorter: (our end, the path of the other)."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def received(descriptor: int) -> bytes:
    ready, _, _ = select.select([descriptor], [], [], 0)
    return os.read(descriptor, 1000) if ready else b""


def test_a_port_without_descriptor_is_refused_and_gets_no_byte(
    stranger: tuple[int, str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="not recognised.*it was not opened"):
        flash_command(SITE, port=stranger[1], board="unix", run_folder=tmp_path)

    assert received(stranger[0]) == b""


def test_the_descriptor_of_a_board_that_is_gone_is_worth_nothing(
    stranger: tuple[int, str], tmp_path: Path
) -> None:
    stale = f'{{"port": "{stranger[1]}", "usb_id": "{USB_ID}", "serial_number": "virtual-w1"}}'
    (tmp_path / "w1.board.json").write_text(stale)

    with pytest.raises(UsageError, match="not recognised"):
        flash_command(SITE, port=stranger[1], run_folder=tmp_path)

    assert received(stranger[0]) == b""


def test_the_virtual_board_has_the_usb_id_of_boards_toml(board: VirtualBoard) -> None:
    assert UNIX.usb_ids == (USB_ID,)
    assert port_of(board) == SerialPort(board.port, USB_ID, "virtual-w1", is_virtual=True)


def with_usb(monkeypatch: pytest.MonkeyPatch, *ids: str) -> None:
    fakes = [
        type(
            "Info",
            (),
            {
                "device": f"/dev/ttyUSB{n}",
                "vid": int(each[:4], 16),
                "pid": int(each[5:], 16),
                "serial_number": f"s{n}",
            },
        )
        for n, each in enumerate(ids)
    ]
    monkeypatch.setattr(ports.list_ports, "comports", lambda: fakes)


def test_the_chip_of_a_serial_cable_needs_a_person_to_name_port_and_board(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_usb(monkeypatch, "1A86:7523")
    revisions = load_revisions()

    with pytest.raises(Unavailable, match="no board found"):
        recognise(revisions)
    with pytest.raises(Unavailable, match="no board found"):
        recognise(revisions, board="esp32-poe")
    with pytest.raises(UsageError, match="name --board"):
        recognise(revisions, port="/dev/ttyUSB0")
    assert recognise(revisions, port="/dev/ttyUSB0", board="esp32-poe")[1] == "esp32-poe"


def test_two_boards_with_one_usb_id_need_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with_usb(monkeypatch, "2E8A:0005")
    revisions = load_revisions()

    with pytest.raises(UsageError, match="name --board"):
        recognise(revisions)
    with pytest.raises(UsageError, match="not one of board wesp32's"):
        recognise(revisions, port="/dev/ttyUSB0", board="wesp32")
    assert recognise(revisions, board="rpi-pico-w")[1] == "rpi-pico-w"
    assert recognise(revisions, board="rpi-pico-w", serial_number="s0")[0].path == "/dev/ttyUSB0"


def test_a_real_port_is_never_a_virtual_board(monkeypatch: pytest.MonkeyPatch) -> None:
    with_usb(monkeypatch, USB_ID)

    with pytest.raises(UsageError, match="not recognised"):
        recognise(load_revisions(), port="/dev/ttyUSB0", board="unix")


def test_a_port_that_is_not_usb_is_not_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ports.list_ports,
        "comports",
        lambda: [
            type("I", (), {"device": "/dev/ttyS0", "vid": None, "pid": None, "serial_number": None})
        ],
    )

    assert listed_ports() == [SerialPort("/dev/ttyS0", "", "")]
    with pytest.raises(UsageError, match="no USB id is known"):
        recognise(load_revisions(), port="/dev/ttyS0", board="wesp32")


# ---- flashing ----


def test_flash_copies_then_finds_nothing_to_copy_then_repairs_what_changed(
    board: VirtualBoard, tmp_path: Path
) -> None:
    port = port_of(board)
    staged = stage(UNIX, None, tmp_path / "expected", SITE)

    first = flash(port, UNIX, SITE)

    assert on_flash(board) == {**staged.files, "site.json": on_flash(board)["site.json"]}
    assert (set(first.copied), first.site_written) == (set(staged.files), True)
    kilobytes = sum((staged.folder / name).stat().st_size for name in staged.files) // 1000
    print(f"first flash: {len(first.copied)} files, {kilobytes} kB, {first.elapsed_ms} ms")

    second = flash(port, UNIX, SITE)

    assert (second.copied, second.removed, second.site_written) == ((), (), False)
    assert second.unchanged == len(staged.files)
    print(f"second flash, no change: {second.elapsed_ms} ms")

    (board.folder / "firmware" / "journal.mpy").write_bytes(b"rotten")
    (board.folder / "firmware" / "old_driver.mpy").write_bytes(b"of the version before")
    (board.folder / "board.py").write_text("NAME = 'would be imported instead of board.mpy'")
    (board.folder / "notes.txt").write_text("the technician's own")

    third = flash(port, UNIX, {**SITE, "broker_port": 2})

    assert third.copied == ("firmware/journal.mpy",)
    assert third.removed == ("board.py", "firmware/old_driver.mpy")
    assert third.site_written
    assert {name for name in on_flash(board) if name not in staged.files} == {
        "site.json",
        "notes.txt",
    }
    assert all(on_flash(board)[name] == digest for name, digest in staged.files.items())


def test_a_dry_run_writes_nothing(board: VirtualBoard, capsys: pytest.CaptureFixture[str]) -> None:
    flash_command(SITE, run_folder=board.descriptor.parent, dry_run=True, as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert "main.py" in told["copied"]
    assert told["booted"] is None
    assert on_flash(board) == {}


def test_nothing_that_is_said_holds_the_key(
    board: VirtualBoard, capfd: pytest.CaptureFixture[str]
) -> None:
    flash_command(SITE, run_folder=board.descriptor.parent, booted=lambda: True)
    board.stop()
    with pytest.raises((UsageError, Unavailable)):
        flash_command(SITE, port=board.port, run_folder=board.descriptor.parent)

    said = capfd.readouterr()
    assert KEY.secret.hex() not in said.out + said.err


def test_a_flash_killed_half_way_is_repaired_by_the_next(
    board: VirtualBoard, tmp_path: Path
) -> None:
    (board.folder / "main.py").write_text("print('the old version')\n")
    port = port_of(board)
    staged = stage(UNIX, None, tmp_path / "expected")
    half = Remote(port)
    half.prepare(["main.py"], staged.directories)
    names = [name for name in staged.files if name != "main.py"]
    command = [sys.executable, "-m", "mpremote", "connect", port.path, "resume"]
    for number, name in enumerate(names):
        command += [*(("+",) if number else ()), "fs", "cp", str(staged.folder / name), f":{name}"]
    copying = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: (board.folder / names[3]).exists())
    copying.kill()
    copying.wait()
    board.power_cut()

    assert "main.py" not in on_flash(board)
    board.power_on()

    result = flash(port, UNIX, SITE)

    assert 0 < result.unchanged < len(staged.files)
    assert {
        name: digest for name, digest in on_flash(board).items() if name != "site.json"
    } == dict(staged.files)


def test_files_that_read_back_differently_are_told(
    board: VirtualBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Remote.copy

    def spoil(self: Remote, folder: Path, names: Any) -> None:
        real(self, folder, names)
        with contextlib.suppress(OSError):
            (board.folder / "firmware" / "app.mpy").write_bytes(b"a worn-out sector")

    monkeypatch.setattr(Remote, "copy", spoil)

    with pytest.raises(DataError, match=r"firmware/app\.mpy read back differently"):
        flash(port_of(board), UNIX, SITE)

    assert "main.py" not in on_flash(board)  # it waits, it does not run


def test_an_open_drawer_session_stops_the_flash_before_it_begins(board: VirtualBoard) -> None:
    with pytest.raises(TryAgain, match="drawer session 12 is open"):
        flash_command(
            SITE,
            port=board.port,
            run_folder=board.descriptor.parent,
            refuse=lambda: "drawer session 12 is open",
        )

    assert on_flash(board) == {}


def test_the_flashed_board_is_heard_with_its_seal(tmp_path: Path) -> None:
    with machines(tmp_path) as board, EmbeddedBroker() as broker:
        site = {**SITE, "broker_port": broker.port}

        first = flash_command(site, run_folder=board.descriptor.parent)
        again = flash_command(site, run_folder=board.descriptor.parent)  # over the running firmware

        assert (first.booted, again.booted) == (True, True)
        assert (again.copied, again.site_written) == ((), False)
        print(
            f"flash until the first sealed record: {first.elapsed_ms} ms, without change"
            f" {again.elapsed_ms} ms"
        )

        with BootWatch(site, board_hash(UNIX)) as watch:
            board.power_cut()
            board.power_on()
            wait_until(watch.seen)


def test_a_flashed_board_counts_with_the_simulated_machines(tmp_path: Path) -> None:
    window = Window("w1", byte_rate=None)
    environment = {"TILL_FLASH": str(tmp_path / "journal.img")}
    with VirtualBoard(
        "w1", tmp_path / "flash", tmp_path / "run", window.channels, environment
    ) as board:
        flash(port_of(board), UNIX, SITE)
        window.board = board

        async def count() -> str:
            assert await window.start()
            await window.count_coins([(25, 8), (100, 3)])
            beep = await window.wait_beep()
            await window.stop()
            return beep

        beep = asyncio.run(count())

    assert beep == "ok"


def test_a_boot_sealed_with_another_key_is_no_boot() -> None:
    watch = BootWatch({**SITE, "key_hex": "11" * 32}, board_hash(UNIX))

    watch.take("till/1/hall/w1/ev", b"\x84\x43\xa1\x01\x05")

    assert not watch.seen()


# ---- what a board answers ----


def survey_of(**facts: str) -> Survey:
    return Survey({"mpy": "6", **facts}, {})


def test_the_wrong_chip_or_a_file_system_over_the_journal_is_refused() -> None:
    port = SerialPort("/dev/ttyACM0", "2E8A:0005", "")
    pico, wesp32 = load_board("rpi-pico-w"), load_board("wesp32")

    with pytest.raises(ConfigError, match="answers as 'esp32'"):
        check_survey(survey_of(platform="esp32"), pico, port)
    with pytest.raises(ConfigError, match="covers the journal at 278528"):
        check_survey(survey_of(platform="rp2", fs_bytes=str(848 * 1024)), pico, port)
    with pytest.raises(ConfigError, match="no data partition 'journal'"):
        check_survey(survey_of(platform="esp32", partitions="nvs,vfs"), wesp32, port)
    with pytest.raises(ConfigError, match=r"takes \.mpy version 5"):
        check_survey(Survey({"mpy": "5", "platform": "rp2"}), pico, port)
    check_survey(survey_of(platform="rp2", fs_bytes="278528"), pico, port)
    check_survey(survey_of(platform="esp32", partitions="nvs,vfs,journal"), wesp32, port)


def test_a_board_that_is_unplugged_is_unavailable(board: VirtualBoard) -> None:
    port = port_of(board)
    board.stop()

    with pytest.raises(Unavailable, match="mpremote"):
        Remote(port).survey()


def test_a_board_that_comes_back_elsewhere_is_followed_and_its_old_port_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_usb(monkeypatch, "1A86:7523", "2E8A:0005")  # a cable now has the path that the board had
    opened = []
    monkeypatch.setattr(Remote, "_run", lambda self, *arguments: opened.append(self.port.path))
    board = Remote(SerialPort("/dev/ttyUSB0", "2E8A:0005", "s1"))

    board.wait_for_repl()

    assert opened == ["/dev/ttyUSB1"]


def test_a_board_that_does_not_come_back_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with_usb(monkeypatch, "1A86:7523")
    monkeypatch.setattr(remote, "RESTART_MS", -1)

    with pytest.raises(Unavailable, match="did not come back"):
        Remote(SerialPort("/dev/ttyUSB0", "2E8A:0005", "s1")).wait_for_repl()


# ---- the virtual board itself ----


def test_flash_survives_a_power_cut_and_memory_does_not(board: VirtualBoard) -> None:
    Remote(port_of(board)).prepare([], ["kept"])
    before = board.pid

    board.power_cut()
    assert (board.pid, board.is_powered) == (0, False)
    board.power_on()

    assert (board.folder / "kept").is_dir()
    assert board.pid not in (0, before)


def test_main_runs_at_power_up_and_again_after_a_reset(tmp_path: Path) -> None:
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash" / "main.py").write_text("print('r' + 'un')\n")

    with VirtualBoard("w1", tmp_path / "flash", tmp_path / "run") as board:
        wait_until(lambda: board.console.count(b"run") == 1)
        Remote(port_of(board)).restart()
        wait_until(lambda: board.console.count(b"run") == 2)

    assert board.starts == 2


def test_a_program_that_never_reads_is_interrupted(tmp_path: Path) -> None:
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash" / "main.py").write_text("print('busy')\nwhile True:\n    pass\n")

    with VirtualBoard("w1", tmp_path / "flash", tmp_path / "run") as board:
        wait_until(lambda: b"busy" in board.console)
        survey = Remote(port_of(board)).survey()

    assert set(survey.files) == {"main.py"}


def test_a_second_board_of_the_same_name_is_refused(board: VirtualBoard) -> None:
    with pytest.raises(BlockingIOError):
        VirtualBoard("w1", board.folder, board.descriptor.parent).start()


def test_the_survey_script_is_short_enough_for_a_small_board() -> None:
    assert len(remote.SURVEY) < 1500
