"""The device's application, turned by hand."""

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware import app as application
from firmware.drivers import base
from firmware.journal import Journal
from gateway.fleet.boards import load_board
from simulators.instruments.truth import value_cents
from tests.firmware.bench import FileFlash

SECTORS = 4


class Machine:
    """Credits one note, over and over, until it is acknowledged: the driver's world, and the uart
    that leads to it.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.journal: Journal | None = None
        self.on_flash: list[int] = []  # last_seq at each acknowledgement

    def readinto(self, buf: bytearray) -> int:
        return 0

    def write(self, data: bytes) -> None:
        assert self.journal is not None
        self.written.append(data)
        self.on_flash.append(self.journal.last_seq)


class Driver(base.Driver):
    """A driver whose machine credits at every start until flash holds the tally."""

    asks = True
    busy = False
    resumed: list[tuple[str, str]] = []
    allowed: list[Any] = []

    def __init__(self, instrument: str, settings: dict[str, Any], currency: str) -> None:
        self.instrument = instrument
        self._out = b""
        self._owes = True

    def resume(self, batch_id: str, name: str = "") -> None:
        Driver.resumed.append((name or self.instrument, batch_id))
        self._owes = self._owes and batch_id != "n1"

    def allow(self, is_allowed: bool) -> None:
        Driver.allowed.append(is_allowed)

    def feed(self, data: bytes, now_ms: int) -> list[dict[str, Any]]:
        return []

    def poll(self, now_ms: int) -> list[dict[str, Any]]:
        if not self._owes:
            return []
        self._owes = False
        self._out = b"ack"
        return [tally([(500, 1)], batch_id="n1")]

    def pop_output(self) -> bytes:
        out, self._out = self._out, b""
        return out


def tally(rows: list[tuple[int, int]], flags: int = 0, batch_id: str = "b1") -> dict[str, Any]:
    return {
        "kind": "tally", "instrument": "drop", "batch_id": batch_id, "currency": "USD",
        "rows": rows, "total_minor": value_cents(rows), "flags": flags, "evidence": "manual",
    }  # fmt: skip


def app_with(
    path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any] | None = None
) -> tuple[Any, Machine]:
    """The firmware's App with one acceptor `drop`, on a blank journal."""
    monkeypatch.setattr(asyncio, "sleep_ms", lambda ms: asyncio.sleep(0), raising=False)
    monkeypatch.setattr(time, "ticks_ms", lambda: 1, raising=False)
    monkeypatch.setattr(application, "driver_for", lambda name: Driver)
    monkeypatch.setattr(Driver, "resumed", [])
    monkeypatch.setattr(Driver, "allowed", [])
    tables = load_board("unix").tables
    line = {
        "name": "drop",
        "driver": "ebds",
        "profile": "ebds",
        "settings": {"evidence": "manual", **(settings or {})},
    }
    pad = {**tables["pad"], "repeat_ms": 0}
    board = SimpleNamespace(
        BUDGET=tables["budget"],
        INSTRUMENTS=[line],
        DRAWER=tables["drawer"],
        PAD=pad,
        NAME="unix",
        HASH=bytes(8),
    )
    machine = Machine()
    flash = FileFlash(path, SECTORS)
    ports = SimpleNamespace(
        flash=lambda: flash, uart=lambda each: machine, uptime_ms=lambda: 1,
        reset_cause=lambda: "power_on", beep=lambda name: None, show=lambda text: None,
        remark=lambda text: None,
    )  # fmt: skip
    site = {
        "site": "city",
        "device": "w1",
        "broker_host": "",
        "broker_port": 1,
        "key": b"k" * 32,
        "key_number": 1,
    }
    made = application.App(
        board,
        {**site, "currency": "USD"},
        ports,
        SimpleNamespace(STOPS_UART=False, NETWORK_TASK=False),
    )
    machine.journal = made._journal
    return made, machine


def turn(task: Coroutine[Any, Any, None], times: int = 1) -> None:
    """Let a task of the firmware come round."""
    for _ in range(times):
        task.send(None)
