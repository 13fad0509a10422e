"""The ccTalk driver on both interpreters: coins, lost events, a reset, a restart of ours, a note in
escrow, CRC.
"""

from firmware.drivers.base import ticks_add
from firmware.drivers.cctalk import Cctalk
from firmware.drivers.cctalk_codes import code_of
from firmware.drivers.cctalk_frame import encode

NOTHING = bytes(10)


class Window:
    """A device by hand: its counter and its five events, and the line to it."""

    def __init__(self, settings, names, mute=()):
        self.settings = dict(settings, poll_ms=200, echo="auto", evidence="specification")
        self.names = names
        self.mute = mute
        self.now_ms = 0
        self.counter, self.events, self.mask, self.master = 0, NOTHING, b"\0\0", b"\1"
        self.last = ""
        self.restart()

    def restart(self):
        self.driver = Cctalk("box", self.settings, "USD")
        self.driver.resume(self.last)

    def happens(self, *pairs):
        for pair in pairs:
            self.counter = self.counter % 255 + 1
            self.events = bytes(pair) + self.events[:8]

    def reply(self, header, data):
        if header in (229, 159):
            return bytes((self.counter,)) + self.events
        if header == 231:
            self.mask = data
        if header == 228:
            self.master = data
        if header in (184, 157):
            return self.names.get(data[0], b"......" + b"." * (header == 157))
        if header == 154:
            print("   route", data)
        fixed = {
            245: self.settings["category"],
            242: b"\x4e\x61\xbc",
            156: b"\x64\0\2",
            230: self.mask,
            227: self.master,
        }
        return fixed.get(
            header, b"x" if header in (246, 244, 241, 192) else b"\1\4\2" if header == 4 else b""
        )

    def run(self, ms, title):
        print(title)
        for _ in range(0, ms, 10):
            self.now_ms = ticks_add(self.now_ms, 10)
            self.show(self.driver.poll(self.now_ms))
            asked = self.driver.pop_output()
            if asked and asked[3] not in self.mute:
                answer = encode(
                    1, 0, self.reply(asked[3], asked[4:-1]), self.driver_has_crc(), asked[0]
                )
                for part in (asked + b"\xff", answer[:4], answer[4:]):
                    self.show(self.driver.feed(part, self.now_ms))
        snapshot = self.driver.snapshot()
        print("  ", [(name, snapshot[name]) for name in sorted(snapshot)])

    def driver_has_crc(self):
        return self.settings["checksum"] == "crc"

    def show(self, events):
        for event in events:
            if event["kind"] == "tally":
                self.last = event["batch_id"]
            print("  ", [(name, event[name]) for name in sorted(event)])


coins = {"address": 2, "events": 229, "checksum": "sum", "category": b"Coin Acceptor"}
box = Window(coins, {1: b"US001A", 4: b"US025A", 6: b"US100A", 8: b"TK001A"})
box.run(4000, "start")
box.happens((4, 1), (0, 1), (6, 1))
box.run(1000, "a quarter, one refused, a dollar")
box.happens((8, 1), (0, 99), (0, 14))
box.run(1000, "a token, a code of nobody, a blocked sensor")
box.happens(*[(1, 1)] * 7)
box.run(1000, "seven cents between two polls")
box.counter, box.events, box.mask = 0, NOTHING, b"\0\0"
box.run(4000, "reset")
box.happens((4, 2))
box.restart()
box.run(4000, "a quarter while we were off")
box.counter, box.events = 77, b"\4\1" * 5
box.run(1000, "71 events that nobody read")
box.mute = range(256)
box.run(8000, "silence")
box.mute = ()
box.run(5000, "back")
print(sorted(box.driver.faults().items()), box.driver.busy)

notes = {"address": 40, "events": 159, "checksum": "crc", "category": b"Bill Validator"}
box = Window(notes, {1: b"US0001A", 2: b"US0005A", 3: b"EU0005A"}, (192,))
box.run(6000, "notes")
box.happens((2, 1))
box.run(1000, "a five in escrow")
box.happens((2, 0))
box.run(1000, "stacked")
box.driver.allow(False)
box.happens((1, 1))
box.run(1000, "a one in escrow while the journal is full")
box.happens((0, 1), (0, 14))
box.run(1000, "returned; full")
print(sorted(box.driver.faults().items()), box.driver.busy)
print(
    [code_of(code, is_bill) for code in (0, 20, 40, 41, 130, 253, 255) for is_bill in (False, True)]
)
