"""Feeds a driver what it heard in a history, and prints its events, its heap and its speed; on both
interpreters.

play_driver.py FOLDER [GARBAGE_BYTES]: played.py there has DRIVER, SETTINGS, END_MS; heard.txt a
line `<ms> <hex>` a burst.
"""

import binascii
import gc
import sys
import time

if not hasattr(time, "ticks_us"):  # CPython has neither these nor a heap to look at

    def ticks_us():
        return time.perf_counter_ns() // 1000

    def heap():
        return 0

else:
    from time import ticks_us

    def heap():
        gc.collect()
        return gc.mem_alloc()


STEP_MS = 10


def main(folder, garbage):
    sys.path.insert(0, folder)
    import played

    from firmware.drivers.registry import driver_for

    at_start = heap()
    driver_class = driver_for(played.DRIVER)
    after_import = heap()
    driver = driver_class("counter", played.SETTINGS, "USD")
    if hasattr(driver, "resume"):
        driver.resume("")
    spent_us, size = play(driver, folder + "/heard.txt", played.END_MS)
    steady = heap()
    print("faults", sorted(driver.faults().items()))
    print("snapshot", sorted(driver.snapshot().items()))
    for number in range(garbage // 64):
        chunk = bytes(
            [(number * 167 + index * 73 + (number >> 6) * 31) & 0xFF for index in range(64)]
        )
        driver.feed(chunk, played.END_MS + number * STEP_MS)
        driver.poll(played.END_MS + number * STEP_MS)
        driver.pop_output()
    print(
        "#", after_import - at_start, steady - after_import, heap() - after_import, spent_us, size
    )


def play(driver, name, end_ms):
    """(microseconds spent in feed, bytes fed)."""
    spent_us = size = now_ms = 0
    with open(name) as heard:
        line = heard.readline()
        while now_ms < end_ms:
            if line and int(line.split()[0]) <= now_ms:
                data = binascii.unhexlify(line.split()[1])
                started = ticks_us()
                events = driver.feed(data, now_ms)
                spent_us += ticks_us() - started
                size += len(data)
                show(now_ms, events)
                line = heard.readline()
            show(now_ms, driver.poll(now_ms))
            out = driver.pop_output()
            if out:
                print(now_ms, ">", binascii.hexlify(out).decode())
            now_ms += STEP_MS
    return spent_us, size


def show(now_ms, events):
    for event in events:
        print(now_ms, [(name, event[name]) for name in sorted(event)])


main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
