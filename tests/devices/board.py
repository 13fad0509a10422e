"""A board that obeys, and the office that asks it."""

from pathlib import Path
from typing import Any

import pytest

from firmware import commands as on_device
from firmware.journal import SECTOR_BYTES, Journal
from firmware.uplink import Uplink
from gateway.devices import commands
from tests.delivery.bench import NOW_MS, SITE, Office

LIMITS = {"window_records": 16, "heartbeat_ms": 5000, "resend_ms": 800}


class Flash:
    """NOR flash that survives its owner."""

    def __init__(self, sectors: int = 4) -> None:
        self.sectors = [bytearray(b"\xff" * SECTOR_BYTES) for _ in range(sectors)]

    def ioctl(self, op: int, arg: int) -> int:
        if op == 6:
            self.sectors[arg][:] = b"\xff" * SECTOR_BYTES
        return len(self.sectors) if op == 4 else 0

    def readblocks(self, n: int, buf: bytearray, offset: int) -> None:
        buf[:] = self.sectors[n][offset : offset + len(buf)]

    def writeblocks(self, n: int, buf: bytes, offset: int) -> None:
        for i, byte in enumerate(buf):
            self.sectors[n][offset + i] &= byte


class Board:
    """The shipped journal, uplink and commands of one device, in a folder of its own."""

    def __init__(
        self, office: Office, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.office = office
        self.flash = Flash()
        self.identity: dict[str, Any] = {
            "site": SITE, "device": name, "key": office.keys.current(name).secret, "key_number": 1
        }  # fmt: skip
        self.staged = dict(self.identity)
        self.done: list[str] = []
        self.now_ms = 0
        monkeypatch.setattr(on_device, "KEY_FILE", str(folder / f"{name}.json"))
        self.start()

    def start(self) -> None:
        """Power on: all that is left is what was on flash and in the file system."""
        self.journal = Journal(self.flash)
        self.identity = dict(self.staged)
        on_device.stored_key(self.identity)
        self.uplink = Uplink(self.journal, self.identity, LIMITS)
        self.uplink.connected(self.now_ms)

    def heartbeat(self) -> list[tuple[str, bytes]]:
        """What the gateway answers to the next heartbeat (and to what else is due)."""
        self.now_ms += LIMITS["heartbeat_ms"]
        arrived = []
        while (message := self.uplink.poll(self.now_ms, self.now_ms)) is not None:
            topic, sealed, _ = message
            arrived.append((topic, sealed, False))
        return self.office.take(*arrived)

    def hear(self, answers: list[tuple[str, bytes]]) -> None:
        for topic, sealed in answers:
            self.uplink.message(topic, sealed, self.now_ms, self.now_ms)

    def obey(self) -> dict[str, Any] | None:
        """Do what waits, as the app does; the record that answers it, on flash."""
        from protocol.records import encode_record

        command, self.uplink.command = self.uplink.command, None
        if command is None:
            return None
        hands = {"identify": self._identify, "rotate": self._rotate}
        event = on_device.obey(command, self.journal, hands)
        if event is not None:
            self.journal.append(
                encode_record({**event, "boot": self.journal.boot, "uptime_ms": self.now_ms})
            )
        return event

    def _identify(self, command: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
        self.done.append("identify")
        return "done", "", ("a line",)

    def _rotate(self, command: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
        on_device.rotated_key(self.identity, int(command["argument"]), command["nonce"])
        self.uplink.use_key(self.identity["key"], self.identity["key_number"])
        self.done.append("rotate")
        return "done", "", ()

    def round(self) -> None:
        self.hear(self.heartbeat())
        self.obey()


@pytest.fixture
def office(tmp_path: Path) -> Office:
    made = Office(tmp_path)
    made.device()
    return made


@pytest.fixture
def board(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    made = Board(office, "w1", tmp_path, monkeypatch)
    made.round()
    return made


def commands_in(answers: list[tuple[str, bytes]]) -> list[bytes]:
    return [sealed for topic, sealed in answers if topic.endswith("/cmd")]


def ask(office: Office, verb: str = "identify") -> int:
    return commands.ask(office.ledger, "w1", verb, "kim", NOW_MS)
