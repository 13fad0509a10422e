"""The drawer and the pad: a short shift, typed on the matrix with bounces, a ghost and a stuck
key.
"""

from firmware.drivers.base import cut_text, format_minor, ticks_add, ticks_diff
from firmware.drivers.cash_drawer import CashDrawer
from firmware.drivers.ten_key import KEYS, TenKey

SCAN_MS = 5


def show(events):
    for event in events:
        print("  ", [(name, event[name]) for name in sorted(event)])


def rows_of(labels):
    rows = [0] * 5
    for label in labels:
        number = KEYS.index(label)
        rows[number // 5] |= 1 << (number % 5)
    return rows


class Bench:
    def __init__(self):
        self.pad = TenKey({"currency": "USD"})
        self.now_ms = 0

    def hold(self, labels, ms):
        events = []
        for _ in range(0, ms, SCAN_MS):
            events.extend(self.pad.scan(rows_of(labels), self.now_ms))
            self.now_ms += SCAN_MS
        return events

    def keys(self, text):
        print(text)
        events = []
        for label in text.split():
            for labels, ms in (
                ((label,), 10),
                ((), 5),
                ((label,), 60),
                ((), 5),
                ((label,), 5),
                ((), 60),
            ):
                events.extend(self.hold(labels, ms))
        show(events)


bench = Bench()
bench.keys("MARK 1 1 7 MARK MARK 2 1 5 000 MARK")
bench.keys("1 2 3 4 + + 5 . 5 - 0 7 1 1 # <> * GT")
bench.keys("ADD 1 2 + ADD C MARK 4 C MARK 5 1 9 9 9 9 9 9 9 9 9 9 9 9 9 C")
bench.keys("MARK <> <> <> <> <> 00 0 BS 3 1 5 . 5 MARK MARK 5 1 5 00 MARK MARK MARK")
bench.keys("MARK 1 MARK MARK 3 9 9 9 9 9 9 9 9 9 9 9 9 9 9 MARK MARK 3 1 BS BS 5 MARK")
bench.keys("MARK . MARK MARK + MARK MARK # 1 2 MARK MARK - MARK MARK # MARK MARK GT C")
print("ghost")
show(bench.hold(("7", "8", "4", "5"), 100) + bench.hold(("7", "8"), 100) + bench.hold((), 50))
print("stuck")
show(bench.hold(("GT",), 31000))
for beep, line in bench.pad.pop_signals():
    print("%s|%s|" % (beep, line))

drawer = CashDrawer({"open_level": 1, "debounce_ms": 30, "open_alarm_s": 60})
for now_ms, level in ((0, 0), (1000, 1), (1004, 0), (1008, 1), (1500, 1), (9000, 0), (9100, 0)):
    show(drawer.level(level, now_ms) + drawer.poll(now_ms))
drawer.commanded(10000)
show(drawer.poll(11400) + drawer.poll(11600))
drawer.commanded(20000)
show(drawer.level(1, 20200) + drawer.poll(20300) + drawer.poll(90000) + drawer.poll(95000))
print(
    format_minor(-5),
    format_minor(123456),
    cut_text("abc\x01def", 5),
    ticks_diff(ticks_add(7, 5), 7),
)
