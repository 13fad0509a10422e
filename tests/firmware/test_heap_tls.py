"""The firmware's heap with TLS: full journal, certificates on both sides, a broker that dies."""

import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest

from gateway.broker.process import MosquittoBroker
from gateway.fleet.boards import load_board
from simulators.window import Window
from tests.firmware.bench import (
    HEAP,
    MICROPYTHON,
    PATIENCE,
    a_busy_window,
    fill,
    heap_bytes,
    until,
)  # fmt: skip
from tests.firmware.listener import Listener
from tests.firmware.tls_office import Office

pytestmark = pytest.mark.skipif(
    not MosquittoBroker.is_installed(), reason="mosquitto is not on PATH: no broker with TLS"
)

# What mbedtls takes for a session and its handshake. The unix port gives it that from the C heap,
# where heap_low does not see it; on an rp2 it comes from the one heap of MicroPython.
HANDSHAKE_MAX = 32_768
TOGETHER_MAX = 163_840  # of the 190 KB that a board has
MEMUSAGE = Path("/usr/lib/x86_64-linux-gnu/libmemusage.so")
HANDSHAKE = """
import gc, json, socket, sys, time
from firmware import mqtt
from firmware.link import tls_context

site = json.load(open("site.json"))
gc.collect()
before = gc.mem_alloc()
if sys.argv[1] == "tls":
    sock = socket.socket()
    sock.connect(socket.getaddrinfo(site["broker_host"], site["broker_port"])[0][-1])
    sock.setblocking(False)
    secure = tls_context().wrap_socket(
        sock, server_hostname=site["broker_host"], do_handshake_on_connect=False)
    packet = mqtt.connect("till-city-w1", 20, "till/1/city/w1/state", b"x")
    while packet:
        packet = packet[secure.write(packet) or 0:]
        time.sleep_ms(1)
    decoder = mqtt.Decoder()
    buf = bytearray(64)
    while not decoder.connected:
        decoder.feed(bytes(buf[:secure.readinto(buf) or 0]))
        time.sleep_ms(1)
    gc.collect()
print(gc.mem_alloc() - before)
"""


@pytest.mark.parametrize("reads", [0, 2], ids=["version 1", "version 2"])
def test_peak_over_tls_with_a_full_journal_and_a_second_handshake(
    tmp_path: Path, reads: int
) -> None:
    """As without TLS, and then the broker is killed: the second handshake finds a heap that has
    been used for a while.
    """
    office = Office(tmp_path, serves=False)
    listener = Listener(office.broker, office.key.secret, reads, office.as_gateway)
    tree = office.staged(tmp_path)
    held = fill(tmp_path / "flash.img", load_board("unix").tables["journal"]["sectors"])

    async def broker_dies(window: Window) -> None:
        office.broker.kill()
        await until(window, lambda: any("link lost" in line for line in window.remarks), "it")
        office.broker.start()
        listener.sent.clear()
        await until(window, lambda: len(listener.sent) >= 64, "64 records sent again")

    try:
        asyncio.run(a_busy_window(tmp_path, tree, listener, broker_dies))
    finally:
        listener.close()
        office.close()
    peak = heap_bytes() - listener.heap_low()
    console = (tmp_path / "console.txt").read_text()
    print(
        f"TLS, version {reads or 1}: peak {peak} bytes of {heap_bytes()} without mbedtls' own,"
        f" {held} records held, {len(listener.sent)} sent again"
    )

    assert "MemoryError" not in console
    assert {0} == {state["acked"] for state in listener.states}
    assert peak + HANDSHAKE_MAX <= TOGETHER_MAX


@pytest.mark.skipif(not MEMUSAGE.exists(), reason="libmemusage.so is missing: libc-devtools")
def test_what_a_session_and_its_handshake_take_of_the_c_heap(tmp_path: Path) -> None:
    """The same process with a TLS connection and without one, counted by glibc's memusage."""
    office = Office(tmp_path, serves=False)
    tree = office.staged(tmp_path)
    (tmp_path / "handshake.py").write_text(HANDSHAKE)
    environment = {"PATH": os.environ["PATH"], "MICROPYPATH": ".:.frozen"}
    peaks, ours = {}, {}
    try:
        for kind in ("none", "tls"):
            done = subprocess.run(
                [MICROPYTHON, "-X", HEAP, tmp_path / "handshake.py", kind], cwd=tree,
                env={**environment, "LD_PRELOAD": str(MEMUSAGE), "MEMUSAGE_NO_TIMER": "1"},
                capture_output=True, text=True, timeout=PATIENCE,
            )  # fmt: skip
            found = re.search(r"heap peak: (\d+)", done.stderr)
            assert found and done.returncode == 0, done.stderr
            peaks[kind], ours[kind] = int(found[1]), int(done.stdout)
    finally:
        office.close()
    taken = peaks["tls"] - peaks["none"]
    print(f"TLS: {taken} bytes at most for mbedtls, {ours['tls']} of MicroPython's heap")

    assert 16_384 < taken <= HANDSHAKE_MAX
