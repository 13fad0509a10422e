"""The EBDS driver on both interpreters: a five in escrow, stacked, repeated; a wrong frame; a restart."""

from firmware.drivers.ebds import Ebds
from firmware.drivers.ebds_frames import frame_of

SETTINGS = {
    "parity": "software",
    "poll_ms": 150,
    "stack_ms": 1500,
    "mode": 27,
    "extended": True,
    "evidence": "specification",
    "denominations": [100, 200, 500, 1000, 2000, 5000, 10000],
}


def show(events):
    for event in events:
        print("  ", [(name, event[name]) for name in sorted(event)])


driver = Ebds("notes", SETTINGS, "USD")
driver.resume("t0-41")
states = [(1, 0x10, 1), (4, 0x10, 0x18), (4, 0x10, 0x18), (8, 0x10, 0), (0x11, 0x10, 0x18), (0x11, 0x10, 0x18), (1, 0x14, 0)]
for now_ms in range(0, 9000, 10):
    show(driver.poll(now_ms))
    out = driver.take_output()
    if out:
        print(now_ms, [hex(byte) for byte in out])
        if states:
            state = states.pop(0)
            show(driver.feed(b"\x00\x02\x99" + frame_of(bytes((0x20 | out[2] & 1,) + state + (0, 84, 1)), True), now_ms))
print(sorted(driver.faults().items()), driver.snapshot()["state"], driver.busy)
