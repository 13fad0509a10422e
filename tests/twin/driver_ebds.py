"""The EBDS driver on both interpreters: a five in escrow, stacked, repeated; a wrong frame;
restarts.
"""

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


def run(batch_id, states, end_ms):
    """Each state answers one question; then the acceptor is silent."""
    driver = Ebds("notes", SETTINGS, "USD")
    driver.resume(batch_id)
    for now_ms in range(0, end_ms, 10):
        show(driver.poll(now_ms))
        out = driver.pop_output()
        if out:
            print(now_ms, [hex(byte) for byte in out])
            if states:
                state = states.pop(0)
                show(
                    driver.feed(
                        b"\x00\x02\x99"
                        + frame_of(bytes((0x20 | out[2] & 1,) + state + (0, 84, 1)), True),
                        now_ms,
                    )
                )
    print(
        sorted(driver.faults().items()),
        driver.snapshot()["state"],
        driver.snapshot()["number"],
        driver.busy,
    )


IDLE, ESCROW, STACKING, STACKED = (1, 0x10, 0), (4, 0x10, 0x18), (8, 0x10, 0), (0x11, 0x10, 0x18)
run("t0-41", [(1, 0x10, 1), ESCROW, ESCROW, STACKING, STACKED, STACKED, (1, 0x14, 0)], 9000)
run("t1-41?500", [STACKED, IDLE], 2000)
run("t1-41?500", [IDLE, IDLE], 2000)
run("", [IDLE, ESCROW, STACKING], 9000)
