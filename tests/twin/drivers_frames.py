"""Frames of a counter and of a display: whole counts, a lost frame, noise, a frame cut short, every
kind of check and field.
"""

from firmware.drivers.frame_bytes import FrameReader, check_of, field_of
from firmware.drivers.frame_stream import FrameStream

ITEMS = {
    "evidence": "guess", "mode": "items", "start": b"\xfd\xdf", "end": (b"\x03", -2), "size": 9,
    "size_min": 9, "size_max": 9, "length": (), "check": ("xor", 8, 0, 8, "little", 0, 0, False),
    "unit": 100, "denominations": (500, 2000), "counts": True,
    "fields": (("status", "little", 2, 1, 0), ("total", "big", 3, 2, 0),
               ("denomination", "bcd", 5, 1, 0), ("error", "little", 6, 1, 0)),
    "status": {0: "start", 1: "item", 2: "end", 3: "pause", 4: "idle"}, "gap_ms": 200,
    "batch_ms": 9000, "silent_ms": 0, "stable_ms": 500, "pieces_per_s": 25,
}  # fmt: skip
DISPLAY = dict(
    ITEMS, mode="snapshot", fields=(("pieces", "big", 3, 2, 500),), silent_ms=2000, end=(b"", 0)
)  # fmt: skip


def frame(status, pieces, note=0, error=0):
    body = bytes(
        (0xFD, 0xDF, status, pieces >> 8, pieces & 255, note // 10 * 16 + note % 10, error, 3)
    )
    return body + bytes((check_of(body, ITEMS["check"]),))


def play(driver, frames, now_ms=0):
    for each in frames:
        for event in driver.feed(each, now_ms) + driver.poll(now_ms + 50):
            print("  ", [(name, event[name]) for name in sorted(event)])
        now_ms += 100
    state = driver.snapshot()
    print(
        "  ",
        [(name, state[name]) for name in sorted(state)],
        driver.busy,
        sorted(driver.faults().items()),
    )


count = [frame(0, 0), frame(1, 1, 20), frame(1, 2, 5), frame(1, 3, 20), frame(2, 3)]
stream = FrameStream("notes", ITEMS, "USD")
stream.resume("n6")
print(
    "a count, the same with a frame lost, with noise, with a frame cut short, an error, a stacker"
    " that is full"
)
play(stream, count)
play(stream, count[:2] + count[3:], 1000)
play(stream, [bytes(range(40, 90))] + count, 3000)
play(stream, [count[1][:5]] + [b""] * 5 + count, 5000)
play(stream, [frame(4, 0, 0, 7), frame(4, 0), frame(3, 0), frame(4, 0)], 8000)
play(stream, count[:3], 10000)
play(stream, [b""], 30000)

print("a display that rises, stands still, falls; one that jumps; one that goes dark")
shown = [frame(0, n) for n in (0, 1, 3, 4)] + [frame(0, 4)] * 8 + [frame(0, 0)] * 3
play(FrameStream("shown", DISPLAY, "USD"), shown)
play(FrameStream("shown", DISPLAY, "USD"), [frame(0, 0), frame(0, 90), frame(0, 0), frame(0, 0)])
display = FrameStream("shown", DISPLAY, "USD")
play(display, shown[:8])
play(display, [b"", frame(0, 0)], 9000)

print("checks and fields")
data = b"123456789"
for check in (
    ("sum", 0, 0, False),
    ("crc8", 0x31, 0, False),
    ("crc16", 0x1021, 0, False),
    ("crc16", 0x8408, 0, True),
):
    print(check[0], check_of(data, (check[0], 0, 0, 0, "little") + check[1:]))
for kind in ("little", "big", "ascii", "bcd", "text"):
    print(
        kind,
        [
            field_of(each, kind, 0, 3)
            for each in (b"\x12\x34\x56", b" 42", b"USD", b"\x0a\x00\x00", b"12")
        ],
    )
FREE = dict(ITEMS, size=0, size_min=5, size_max=12, length=(2, 1, "little", 3), end=(b"", 0))
FREE["check"] = ("sum", -1, 0, -1, "little", 0, 0, False)
reader = FrameReader(FREE)
found = [
    reader.push(byte)
    for byte in b"\xfd\xdf\xff\xfd\xdf\x03ab\x3e" + b"\xfd\xdf\x03ab" + bytes((0xA2,))
]
print([each for each in found if each], reader.noise, reader.bad, reader.size)
