"""The firmware's heap on real MicroPython, from the staged tree: its peak when all is full, and
that it does not grow.
"""

import asyncio
import contextlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from gateway.broker.process import EmbeddedBroker
from gateway.fleet.boards import Board, load_board
from gateway.instruments.profiles import load_profile
from protocol import messages, seal
from protocol.topics import topic
from simulators.instruments.machine import MachineError
from simulators.instruments.registry import simulator_for
from tests.firmware.acceptor_bench import AcceptorBench, Clock, board_with
from tests.firmware.bench import (
    DEVICE,
    HEAP,
    MICROPYTHON,
    SITE,
    Office,
    a_busy_window,
    fill,
    heap_bytes,
    staged,
)  # fmt: skip
from tests.firmware.listener import Listener

PEAK_BYTES_MAX = load_board("unix").tables["budget"]["heap_bytes_max"]
TWO_REPORTS_MAX = 122_880  # of a window as most are: a bill counter and a coin sorter that print
KEY = b"k" * 32
INSERT_MS = 300


@pytest.mark.parametrize("reads", [0, 2], ids=["version 1", "version 2"])
def test_peak_with_a_full_journal_and_nothing_acknowledged(tmp_path: Path, reads: int) -> None:
    """The broker takes everything and nobody acknowledges: the window is full, records are sent
    again, new ones are refused.
    """
    with EmbeddedBroker() as broker:
        listener = Listener(broker, KEY, reads)
        tree = staged(
            tmp_path, broker.port, KEY.hex(), {"budget": {"heartbeat_ms": 250, "resend_ms": 1000}}
        )
        held = fill(tmp_path / "flash.img", load_board("unix").tables["journal"]["sectors"])
        asyncio.run(a_busy_window(tmp_path, tree, listener))
        listener.close()
    peak = heap_bytes() - listener.heap_low()
    print(
        f"version {reads or 1}: peak {peak} bytes of {TWO_REPORTS_MAX}, {held} records held,"
        f" {len(listener.sent)} sent"
    )

    assert {"journal_full"} <= {state["status"] for state in listener.states}
    assert {0} == {state["acked"] for state in listener.states}
    assert 64 == len(listener.sent)
    assert ({1, 2} if reads else {1}) >= listener.versions >= {reads or 1}
    assert peak <= TWO_REPORTS_MAX


def two_on_a_line(folder: Path) -> Board:
    """A coin acceptor, and a bill validator on the same ccTalk line."""
    board = board_with(folder, {"coins": "cctalk-coin"})
    coins = board.profiles["coins"]
    notes = {"name": "drop", **load_profile("cctalk-bill").settings}
    return replace(
        board, profiles={"coins": replace(coins, settings={**coins.settings, "also": [notes]})}
    )


COMBINATIONS = [
    pytest.param({"coins": "mach", "drop": "ebds"}, id="report_stream and ebds"),
    pytest.param({"drop": "ebds", "coins": "cctalk-coin"}, id="ebds and cctalk"),
    pytest.param({"coins": "cctalk-coin"}, id="two devices on a ccTalk line"),
]


@pytest.mark.parametrize("profiles", COMBINATIONS)
def test_peak_of_boards_with_acceptors(tmp_path: Path, profiles: dict[str, str]) -> None:
    """Some seconds of notes and coins. What is alive decides: the collector runs every 2 KB."""
    states: list[dict] = []
    office = Office(tmp_path).open()

    def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        states.append(
            messages.decode_state(
                seal.open_seal(message.payload, message.topic, lambda kid: office.key.secret)[1]
            )
        )

    listener = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    listener.on_message = on_message
    listener.connect(office.broker.host, office.broker.port)
    listener.subscribe([(topic(SITE, DEVICE, "state"), 1)])
    listener.loop_start()
    board = board_with(tmp_path, profiles) if len(profiles) > 1 else two_on_a_line(tmp_path)
    machines = {name: simulator_for(profile)() for name, profile in profiles.items()}
    bench = AcceptorBench(tmp_path / "board", office, DEVICE, board, machines)
    clock = Clock([bench])
    counts = [machine for name, machine in machines.items() if profiles[name] != "mach"]

    acted = [0]

    def counted() -> bool:
        for machine in counts if clock.now_ms - acted[0] > INSERT_MS else ():
            acted[0] = clock.now_ms
            with contextlib.suppress(MachineError):
                machine.do("insert 1.00", clock.now_ms)
        return (
            len(states) >= 8 and len([each for each in office.kinds("tally") if each["rows"]]) >= 3
        )

    try:
        bench.power_on()
        clock.until(counted, "three counts and eight heartbeats")
    finally:
        clock.close()
        listener.loop_stop()
        office.close()
    peak = heap_bytes() - min(
        state["heap_low"] for state in states if state["status"] != "lost" and state["heap_low"]
    )
    print(f"{', '.join(profiles.values())}: peak {peak} bytes of {PEAK_BYTES_MAX}")

    assert peak <= PEAK_BYTES_MAX


GROWTH = """
import gc
import board
from firmware.controller import Controller
from firmware.drivers.report_stream import ReportStream
from firmware.journal import Journal
from firmware.uplink import Uplink
from protocol import cbor, seal
from protocol.topics import kid

SECTOR_BYTES = 4096  # of firmware.journal; a staged tree keeps no names of numbers

class Ram:
    def __init__(self, sectors):
        self.sectors = [bytearray(b"\\xff" * SECTOR_BYTES) for _ in range(sectors)]
    def ioctl(self, op, arg):
        if op == 6:
            self.sectors[arg][:] = b"\\xff" * SECTOR_BYTES
        return len(self.sectors) if op == 4 else 0
    def readblocks(self, n, buf, offset):
        buf[:] = memoryview(self.sectors[n])[offset : offset + len(buf)]
    def writeblocks(self, n, buf, offset):
        self.sectors[n][offset : offset + len(buf)] = bytes(
            [a & b for a, b in zip(memoryview(self.sectors[n])[offset : offset + len(buf)], buf)])

KEY = b"k" * 32
journal = Journal(Ram(4), lambda: 9)
mach = [each["settings"] for each in board.INSTRUMENTS if each["profile"] == "mach"][0]
stream = ReportStream("coins", mach, "USD")
controller = Controller(journal, 16)
uplink = Uplink(journal, {"site": "city", "device": "w1", "key": KEY, "key_number": 1},
    {"window_records": 64, "heartbeat_ms": 1 << 29, "resend_ms": 4000})
uplink.connected(0)
uplink.poll(0, 0)
taken = 0
for batch in range(1, 4001):
    now = batch * 2000 & 0x1FFFFFFF
    report = (b"BATCH ACCEPT\\r\\nTIME 09:15 09/21/2002\\r\\nBATCH %03d\\r\\n"
        b"SUB 00\\r\\nGRAND 00\\r\\n0.25 16.00\\r\\nTOTAL COIN 16.00\\r\\nTOTAL 16.00\\r\\n"
        b"PROCESS FEE .80\\r\\nCUST. TOTAL 15.20\\r\\n" % ((batch - 1) % 999 + 1))
    controller.take(stream.feed(report, now), now, 0)
    for beep, _ in controller.commit():
        taken += beep == "ok"
    message = uplink.poll(now, now)
    while message:
        # a device has no encoder of its own
        ack = cbor.encode([9, journal.last_seq, 0, 0, batch, bytes(32), batch, 1, now, bytes(8)])
        sealed = seal.seal(KEY, kid("w1", 1), uplink.ack_topic, ack)
        assert uplink.message(uplink.ack_topic, sealed, now, now)
        message = uplink.poll(now, now)
    journal.tidy()
    if batch in (1000, 4000):
        gc.collect()
        print(gc.mem_alloc(), taken, journal.acked)
"""


def test_thousands_of_batches_leave_nothing_behind(tmp_path: Path) -> None:
    tree = staged(tmp_path, 1, KEY.hex())
    (tmp_path / "growth.py").write_text(GROWTH)
    command = [MICROPYTHON, "-X", HEAP, tmp_path / "growth.py"]
    environment = {"PATH": os.environ["PATH"], "MICROPYPATH": ".:.frozen"}
    done = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    printed = [[int(word) for word in line.split()] for line in done.stdout.splitlines()]
    (early, early_taken, _), (late, late_taken, late_acked) = printed
    print(f"{early} bytes after 1,000 batches, {late} after 4,000")

    assert (1000, 4000) == (early_taken, late_taken)
    assert late_acked >= 4000
    assert abs(late - early) <= 512
