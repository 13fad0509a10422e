"""Which serial port is which board. A port that nobody recognises is never opened: it may be the
coin sorter.

A port is recognised by the VID:PID that the operating system read from USB, or by a virtual board's
descriptor. Neither opens anything. The chip of a plain serial cable (`usb_bridge` in boards.toml)
proves nothing: there a person names port and board.
"""

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports  # type: ignore[import-untyped]

from gateway.errors import Unavailable, UsageError
from gateway.fleet.boards import Board
from gateway.toml_problems import did_you_mean

DESCRIPTORS = "*.board.json"
DESCRIPTOR_BYTES_MAX = 4096


@dataclass(frozen=True)
class SerialPort:
    """A port as the operating system, or a virtual board's descriptor, describes it."""

    path: str
    usb_id: str  # VID:PID, four capital hex digits each; empty when the port is not on USB
    serial_number: str
    is_virtual: bool = False


def listed_ports(run_folder: Path | None = None) -> list[SerialPort]:
    """Every serial port of this machine, and the virtual boards described in the run folder. Opens
    none.
    """
    found = []
    for port in list_ports.comports():
        usb_id = (
            f"{port.vid:04X}:{port.pid:04X}"
            if port.vid is not None and port.pid is not None
            else ""
        )
        found.append(SerialPort(port.device, usb_id, port.serial_number or ""))
    if run_folder is not None and run_folder.is_dir():
        found += [
            port
            for path in sorted(run_folder.glob(DESCRIPTORS))
            if (port := _described(path)) is not None
        ]
    return found


def _described(path: Path) -> SerialPort | None:
    """The virtual board of a descriptor, None when its board is gone: a live one keeps the file
    locked.
    """
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                content = json.loads(file.read(DESCRIPTOR_BYTES_MAX))
        port, usb_id, serial_number = content["port"], content["usb_id"], content["serial_number"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if not all(isinstance(each, str) for each in (port, usb_id, serial_number)):
        return None
    return SerialPort(port, usb_id, serial_number, is_virtual=True)


def recognise(
    revisions: Mapping[str, list[Board]],
    port: str | None = None,
    board: str | None = None,
    serial_number: str | None = None,
    run_folder: Path | None = None,
) -> tuple[SerialPort, str]:
    """(the port, the name of the board on it). Without `port` the one board that is plugged in.

    Raises UsageError when a port is not recognised or somebody has to say which board it is,
    Unavailable when it is not there.
    """
    if board is not None and board not in revisions:
        raise UsageError(
            f"board {board!r}: not declared{did_you_mean(board, revisions)}; `till boards show`"
            " lists them"
        )
    ports = listed_ports(run_folder)
    if serial_number is not None:
        ports = [each for each in ports if each.serial_number == serial_number]
    if port is None:
        chosen = _only_board(ports, revisions, board)
    else:
        chosen = _named_port(port, ports, revisions)
    names = _names(chosen, revisions, board, with_bridges=port is not None and board is not None)
    if board is not None and not names:
        raise UsageError(
            f"port {chosen.path}: USB id {chosen.usb_id} is not one of board {board}'s; it was not"
            " opened"
        )
    if len(names) != 1:
        candidates = ", ".join(_names(chosen, revisions, None, with_bridges=True))
        raise UsageError(
            f"port {chosen.path}: USB id {chosen.usb_id} does not tell the board; name --board"
            f" ({candidates})"
        )
    return chosen, names[0]


def _only_board(
    ports: Sequence[SerialPort], revisions: Mapping[str, list[Board]], board: str | None
) -> SerialPort:
    """The one port that a declared board answers for by its own USB id."""
    found = [each for each in ports if _names(each, revisions, board, with_bridges=False)]
    if not found:
        raise Unavailable(
            "no board found: plug one in; one behind a plain serial chip wants --port and"
            " --board, since a coin sorter's cable looks the same"
        )
    if len(found) > 1:
        there = ", ".join(f"{each.path} ({each.serial_number})" for each in found)
        raise UsageError(f"several boards found: {there}; name --port")
    return found[0]


def _named_port(
    port: str, ports: Sequence[SerialPort], revisions: Mapping[str, list[Board]]
) -> SerialPort:
    """The port that somebody named, if its USB id is that of a declared board."""
    named = [each for each in ports if os.path.realpath(each.path) == os.path.realpath(port)]
    if not named and not os.path.exists(port):
        there = ", ".join(each.path for each in ports) or "none"
        raise Unavailable(
            f"port {port}: not there; plug the board in, or name one of these: {there}"
        )
    if named and _names(named[0], revisions, None, with_bridges=True):
        return named[0]
    seen = (
        f"its USB id {named[0].usb_id} is not in boards.toml"
        if named and named[0].usb_id
        else "no USB id is known"
    )
    raise UsageError(
        f"port {port}: not recognised, {seen}; it was not opened, since it may be an instrument"
    )


def _names(
    port: SerialPort, revisions: Mapping[str, list[Board]], board: str | None, with_bridges: bool
) -> list[str]:
    """The declared boards that the port's USB id may be; a virtual port is never a real board and
    the other way round.
    """
    return [
        name
        for name, boards in revisions.items()
        if board in (None, name)
        and port.usb_id in boards[0].usb_ids
        and (boards[0].platform == "unix") == port.is_virtual
        and (with_bridges or not boards[0].is_bridge)
    ]
