"""The ID-003 driver: what it asks, counts and says, with answers whole and byte by byte."""

from firmware.drivers.id003 import Id003
from firmware.drivers.id003_frames import frame

SETTINGS = {
    "poll_ms": 150,
    "denominations": [],
    "unit_minor": 100,
    "country": 0,
    "evidence": "specification",
}
ASSIGNMENT = b"\x61\x01\x01\x00\x62\x01\x02\x00\x63\x01\x05\x00\x64\x01\x01\x01"
STATUSES = (
    b"\x42", b"\x1b", b"\x11", b"\x11", b"\x13\x64", b"\x14", b"\x15", b"\x15", b"\x16", b"\x11",
    b"\x17\x73", b"\x43", b"\x11", b"\x13\x63", b"\x14", b"\x46", b"\x40", b"\x1b", b"\x11",
    b"\x48", b"\x11", b"\x49\xa2", b"\x13\x68", b"\x18",
)  # fmt: skip


def play(resume, step):
    driver = Id003("notes", SETTINGS, "USD")
    driver.resume(resume)
    waiting = list(STATUSES)
    now_ms = 0
    while waiting and now_ms < 60000:
        now_ms += 10
        events = driver.poll(now_ms)
        out = driver.pop_output()
        if out:
            print(now_ms, bytes(out))
            answer = frame(0x50)
            if out[2] == 0x11:
                status = waiting.pop(0)
                answer = b"\xff" + frame(status[0], status[1:])
            elif out[2] == 0x8A:
                answer = frame(0x8A, ASSIGNMENT)
            elif out[2] >= 0xC0:
                answer = bytes(out)
            elif out[2] == 0x50:
                answer = b""
            for at in range(0, len(answer), step):
                events += driver.feed(answer[at : at + step], now_ms)
        for event in events:
            print("  ", [(name, event[name]) for name in sorted(event)])
    print(sorted(driver.faults().items()), sorted(driver.snapshot().items()))


play("", 64)
play("7-63", 1)
