"""The SSP driver: what it asks, counts and says, with answers whole and byte by byte."""

from firmware.drivers.ssp import Ssp
from firmware.drivers.ssp_frames import Reader, frame

SETTINGS = {
    "address": 0,
    "poll_ms": 200,
    "protocol": 6,
    "unit_minor": 0,
    "evidence": "specification",
}
SETUP = (
    b"\xf0\x000333USD\x00\x00\x01\x03\x01\x05\x0a\x02\x02\x02\x00\x00\x64\x06USDUSDEUR"
    b"\x01\x00\x00\x00\x05\x00\x00\x00\x0a\x00\x00\x00"
)
POLLS = (
    b"\xf1\xe8", b"\xee\x02", b"\xef\x00", b"\xef\x01", b"\xcc", b"\xcc\xee\x01", b"\xeb", b"\xed",
    b"\xec", b"\xe9", b"\xe9", b"", b"\xe7", b"\xe4", b"\xee\x03", b"\x77\xee\x01", b"",
    b"\xef\x02", b"\xf1\xe2\x02", b"\xe6\x01", b"",
)  # fmt: skip


def play(resume, step):
    driver = Ssp("notes", SETTINGS, "USD")
    driver.resume(resume)
    reader = Reader()
    waiting = list(POLLS)
    now_ms = 0
    while waiting and now_ms < 60000:
        now_ms += 10
        events = driver.poll(now_ms)
        for byte in driver.pop_output():
            if not reader.push(byte):
                continue
            print(now_ms, reader.seq, reader.data)
            data = b"\xf0"
            if reader.data == b"\x56":
                data += waiting.pop(0)
            elif reader.data == b"\x05":
                data = SETUP
            elif reader.data == b"\x0c":
                data += b"\x00\x00\x00\x7f"
            answer = b"\xff" + frame(reader.seq, data)
            for at in range(0, len(answer), step):
                events += driver.feed(answer[at : at + step], now_ms)
        for event in events:
            print("  ", [(name, event[name]) for name in sorted(event)])
    print(sorted(driver.faults().items()), sorted(driver.snapshot().items()))


play("", 64)
play("127-4-2", 1)
