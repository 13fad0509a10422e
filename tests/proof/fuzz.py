"""./run proof fuzz: coverage-guided inputs for every parser: no exception but the documented,
nothing slow, nothing unbounded.

    --parser NAME   an instrument's profile, or one of fuzz_parsers.py (default: all)     --json   machine-readable
    --inputs N      how many each (default 100000)                                        --seconds S   or until then

For an instrument an input is a run of chunks, each [size][10 ms steps before it][bytes]. With an
odd first byte each chunk is the inside of a frame that is given its right length and checksum:
chance finds none. The first inputs are what drivers heard in histories.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gateway.instruments.profiles import load_profile, profile_names
from proof.fuzz_parsers import corpus, parsers
from protocol.records import encode_record

INPUT_BYTES_MAX = 128
CORPUS_HISTORIES = range(1, 17)
STEP_MS = 10
SLOW_NS = 100_000_000  # instrumented code is several times as slow as what runs: 10 ms of that
SLOW_TRIES = 3
PLAIN_NS = 10_000_000  # what no input of the final corpus may take in code that is not instrumented
HELD_MAX = 4096  # bytes and items that a driver may hold; more is no bound


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof fuzz", description=__doc__.partition("\n")[0]
    )
    names = [*profile_names(), *parsers()]
    parser.add_argument("--parser", choices=names)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    results = [
        fuzz(name, options.inputs, options.seconds)
        for name in ([options.parser] if options.parser else names)
    ]
    for result in results:
        if not options.json:
            print(
                "{parser}: {inputs} inputs in {seconds} s, {failed} failed, slowest {slowest_us}"
                " us".format(**result)
            )
            print(result["said"], end="")
    if options.json:
        print(json.dumps(results, indent=1))
    return int(any(result["failed"] for result in results))


def fuzz(name: str, inputs: int, seconds: int) -> dict[str, Any]:
    """Fuzz one profile's driver in a process of its own, since the fuzzer ends its process."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, data in enumerate(seeds(name)):
            (corpus / f"{number}").write_bytes(data)
        until = [f"-max_total_time={seconds}"] if seconds else []
        command = [
            sys.executable, "-m", "proof.fuzz_one", name, f"-runs={inputs}",
            f"-max_len={INPUT_BYTES_MAX}", "-verbosity=0",
            f"-artifact_prefix={folder}/", "-print_final_stats=1", *until, str(corpus),
        ]  # fmt: skip
        started = time.perf_counter()
        here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=here)
        took = time.perf_counter() - started
        said = done.stdout + done.stderr
        ran = [
            int(line.split()[1])
            for line in said.splitlines()
            if line.startswith("stat::number_of_executed_units:")
        ]
        found = [path.read_bytes().hex() for path in Path(folder).glob("crash-*")]
        slowest_ns = slowest(name, [path.read_bytes() for path in sorted(corpus.iterdir())])
        failed = bool(done.returncode or found or not ran or slowest_ns > PLAIN_NS)
        shown = f"  input {' '.join(found)}\n{said[-3000:]}\n" if failed else ""
        return {
            "parser": name,
            "inputs": sum(ran),
            "seconds": round(took, 1),
            "failed": int(failed),
            "said": shown,
        } | {"slowest_us": slowest_ns // 1000}


def slowest(name: str, inputs: list[bytes]) -> int:
    """Nanoseconds of processor time for the slowest of them in plain code; the best of three, for a
    machine has moods.
    """
    take = target(name)
    worst = 0
    for data in inputs:
        best = 1 << 62
        for _ in range(SLOW_TRIES):
            started = time.process_time_ns()
            take(data)
            best = min(best, time.process_time_ns() - started)
            if best <= worst:
                break
        worst = max(worst, best)
    return worst


def seeds(name: str) -> list[bytes]:
    """What the profile's driver heard in some histories, as inputs."""
    if name in parsers():
        return corpus(name)
    from proof.instruments import cases, histories

    found = []
    for outcome in histories(name, CORPUS_HISTORIES) if name in cases() else []:
        data = bytearray(1)
        before = 0
        for now_ms, chunk in outcome.heard:
            data += bytes((len(chunk[:255]), min((now_ms - before) // STEP_MS, 255))) + chunk[:255]
            before = now_ms
        found.append(bytes(data[:INPUT_BYTES_MAX]))
    return found


def run_one(driver_class: Any, settings: dict[str, Any], wrap: Any, data: bytes) -> None:
    """One input through one driver. Raises AssertionError for an event that is none and a driver
    that grows.
    """
    driver = driver_class("counter", dict(settings), "USD")
    driver.resume("")
    framed = bool(data[:1] and data[0] & 1)
    at, now_ms = 1, 0
    while at + 2 <= len(data):
        size, steps = data[at], data[at + 1]
        chunk = data[at + 2 : at + 2 + size]
        at += 2 + size
        now_ms += steps * STEP_MS
        check(driver.poll(now_ms))
        driver.take_output()
        check(driver.feed(wrap(chunk) if framed else chunk, now_ms))
        check(driver.poll(now_ms))
    assert held(driver) <= HELD_MAX, f"the driver holds {held(driver)} bytes and items"
    driver.faults()
    driver.snapshot()


def check(events: list[dict[str, Any]]) -> None:
    for event in events:
        encode_record({"boot": 1, "uptime_ms": 0, **event})
        if event["kind"] == "tally":
            assert event["total_minor"] == sum(
                denomination * pieces for denomination, pieces in event["rows"]
            ), event


def held(driver: Any) -> int:
    """Bytes and items of everything that the driver's own attributes hold."""
    return sum(
        len(value)
        for value in vars(driver).values()
        if isinstance(value, (bytes, bytearray, str, list, dict, tuple))
    )


# ---- frames round a chunk, written from the specifications ----


def crc16(data: bytes, poly: int, value: int) -> int:
    """MSB first."""
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ poly if value & 0x8000 else value << 1) & 0xFFFF
    return value


def kermit(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
    return value


def wrap_cctalk(address: int, crc: bool) -> Any:
    def wrap(inside: bytes) -> bytes:
        inside = inside[:250]
        if crc:
            value = crc16(bytes((1, len(inside), 0)) + inside, 0x1021, 0)
            return bytes((1, len(inside), value & 0xFF, 0)) + inside + bytes((value >> 8,))
        frame = bytes((1, len(inside), address, 0)) + inside
        return frame + bytes((-sum(frame) & 0xFF,))

    return wrap


def wrap_sc350(inside: bytes) -> bytes:
    return inside + bytes((sum(inside) & 0xFF, 0x06))


def wrap_ebds(inside: bytes) -> bytes:
    inside = bytes(byte & 0x7F for byte in inside[:120])
    middle = bytes((len(inside) + 5,)) + inside
    check = 0
    for byte in middle:
        check ^= byte
    frame = b"\x02" + middle + b"\x03" + bytes((check,))
    return bytes(byte | (byte.bit_count() & 1) << 7 for byte in frame)


def wrap_ssp(inside: bytes) -> bytes:
    inside = inside[:200]
    body = (inside[:1] or b"\x80") + bytes((max(len(inside) - 1, 0),)) + inside[1:]
    value = crc16(body, 0x8005, 0xFFFF)
    return b"\x7f" + (body + bytes((value & 0xFF, value >> 8))).replace(b"\x7f", b"\x7f\x7f")


def wrap_id003(inside: bytes) -> bytes:
    frame = b"\xfc" + bytes((len(inside[:200]) + 4,)) + inside[:200]
    value = kermit(frame)
    return frame + bytes((value & 0xFF, value >> 8))


def wrap_fddf(inside: bytes) -> bytes:
    frame = b"\xfd\xdf\x2c\x0e" + inside[:39].ljust(39, b"\0")
    check = 0
    for byte in frame:
        check ^= byte
        for _ in range(8):
            check = (check << 1 ^ 0x31 if check & 0x80 else check << 1) & 0xFF
    return frame + bytes((check,))


def wrap_uwf(inside: bytes) -> bytes:
    middle = inside[:27].ljust(27, b"0") + b"\x03"
    check = 0
    for byte in middle:
        check ^= byte
    return b"\x02" + middle + bytes((check,))


WRAPS = {
    "cctalk-coin": wrap_cctalk(2, False), "cctalk-bill": wrap_cctalk(40, True), "sc350": wrap_sc350,
    "ebds": wrap_ebds,
    "ssp": wrap_ssp, "id003": wrap_id003, "fddf": wrap_fddf, "uwf": wrap_uwf,
}  # fmt: skip


def target(name: str) -> Any:
    """What takes one input for this parser."""
    if name in parsers():
        return timed(parsers()[name])
    profile = load_profile(name)
    driver_class = importlib.import_module("firmware.drivers.registry").driver_for(profile.driver)
    wrap = WRAPS.get(name, lambda inside: inside + b"\r\n")
    return timed(lambda data: run_one(driver_class, dict(profile.settings), wrap, data))


def timed(take: Any) -> Any:
    """The same, but an input that is slow every time is a failure. Once may be the machine's: it is
    tried again.
    """

    def run(data: bytes) -> None:
        for _ in range(SLOW_TRIES):
            started = time.process_time_ns()
            take(data)
            if time.process_time_ns() - started < SLOW_NS:
                return
        raise AssertionError(f"slow {SLOW_TRIES} times")

    return run
