"""A coin sorter of the SC350 family and its driver, on one desk."""

import json
from pathlib import Path
from typing import Any

from firmware.drivers.sc350 import Sc350
from protocol.records import encode_record

FRAMES = json.loads((Path(__file__).parents[1] / "transcripts" / "sc350.json").read_text())


REVISIONS = bytes.fromhex(FRAMES["revisions 10.15 and 2.09"])


ACK, NAK = b"\x06", b"\x15"


SETTINGS = {
    "coin_minor": 25, "pieces_per_s_max": 100, "resume_pieces_max": 5000, "read_checksum": False,
    "evidence": "manual",
}  # fmt: skip


STEP_MS = 10


def reply(value: int, size: int = 4) -> bytes:
    data = value.to_bytes(size, "big")
    return data + bytes((sum(data) & 255,)) + ACK


class Desk:
    """The driver, its flash, and answers as the handbook has them; `spoil` changes what crosses the
    cable.
    """

    def __init__(self, batch_id: str = "", **changes: Any) -> None:
        self.settings = {**SETTINGS, **changes}
        self.now_ms = 1000
        self.count = self.memory = self.status = 0
        self.revisions = REVISIONS
        self.is_on = True
        self.spoil: Any = lambda asked, said: [said]
        self.asked: list[tuple[int, bytes]] = []
        self.flash: list[dict[str, Any]] = []
        self.restart(batch_id)

    def restart(self, batch_id: str | None = None) -> None:
        self.driver = Sc350("coins", self.settings, "USD")
        tallies = [event["batch_id"] for event in self.flash if event["kind"] == "tally"]
        self.driver.resume(batch_id if batch_id is not None else tallies[-1])

    def keep(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            encode_record({"boot": 1, "uptime_ms": self.now_ms, **event})
        self.flash += events

    def run(self, ms: int = 2000) -> list[dict[str, Any]]:
        """What was put on flash in this time."""
        before = len(self.flash)
        for _ in range(0, ms, STEP_MS):
            self.now_ms += STEP_MS
            self.keep(self.driver.poll(self.now_ms))
            asked = self.driver.pop_output()
            if asked:
                self.asked.append((self.now_ms, asked))
                for part in self.spoil(asked, self.answer(asked)):
                    self.keep(self.driver.feed(part, self.now_ms))
        return self.flash[before:]

    def answer(self, asked: bytes) -> bytes:
        if not self.is_on:
            return b""
        answers = {
            b"QF": ACK,
            b"PR": self.revisions,
            b"RC": reply(self.count),
            b"RA": reply(self.memory),
        }
        return answers.get(asked[1:3]) or reply(self.status, 1)

    def transfer(self, pieces: int) -> None:
        self.memory += pieces
        self.count = 0
