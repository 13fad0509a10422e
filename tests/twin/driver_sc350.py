"""The SC-350's driver against answers by hand: log on, transfers, a clear, a reset, silence, a
restart, wrapping ticks.
"""

from firmware.drivers.base import ticks_add
from firmware.drivers.sc350 import Sc350

SETTINGS = {
    "coin_minor": 25, "pieces_per_s_max": 100, "resume_pieces_max": 5000, "read_checksum": False,
    "evidence": "manual",
}  # fmt: skip
REVISIONS = b"\x0a\x0f\x02\x09\x24\x06"


def reply(value, size):
    data = value.to_bytes(size, "big")
    return data + bytes((sum(data) & 255, 6))


class Desk:
    def __init__(self):
        self.now_ms = 0
        self.memory = self.count = self.status = 0
        self.is_on = True
        self.driver = Sc350("coins", SETTINGS, "USD")
        self.last = ""

    def run(self, ms, title):
        print(title)
        for _ in range(0, ms, 10):
            self.now_ms = ticks_add(self.now_ms, 10)
            self.show(self.driver.poll(self.now_ms))
            asked = self.driver.pop_output()
            if asked and self.is_on:
                said = {b"QF": b"\x06", b"PR": REVISIONS, b"RS": reply(self.status, 1)}.get(
                    asked[1:3]
                )
                if said is None:
                    said = reply(self.memory if asked[1:3] == b"RA" else self.count, 4)
                self.show(
                    self.driver.feed(said[:2], self.now_ms)
                    + self.driver.feed(said[2:], self.now_ms)
                )
        snapshot = self.driver.snapshot()
        print("  ", [(name, snapshot[name]) for name in sorted(snapshot)])

    def show(self, events):
        for event in events:
            if event["kind"] == "tally":
                self.last = event["batch_id"]
            print("  ", [(name, event[name]) for name in sorted(event)])


desk = Desk()
desk.run(2000, "log on")
desk.count = 40
desk.run(1000, "counted")
desk.memory, desk.count = 40, 0
desk.run(1000, "moved")
desk.count = 12
desk.run(1000, "counted")
desk.count = 0
desk.run(1500, "cleared")
desk.memory = 52
desk.driver = Sc350("coins", SETTINGS, "USD")
desk.driver.resume(desk.last)
desk.run(2500, "moved while we were off")
desk.memory = 7
desk.run(2500, "reset")
desk.status = 4
desk.run(1000, "door")
desk.is_on = False
desk.run(6000, "silence")
desk.is_on = True
desk.memory = 2000000000
desk.run(3000, "back, with a memory that is not its own")
faults = desk.driver.faults()
print([(name, faults[name]) for name in sorted(faults)])
