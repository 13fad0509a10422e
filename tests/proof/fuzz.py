"""./run proof fuzz: coverage-guided inputs for every parser: only documented exceptions,
nothing slow, nothing unbounded.

    --parser NAME   an instrument's profile, or one of fuzz_parsers.py (default: all)
    --inputs N      how many each (default 100000)
    --seconds S     or until then
    --json          machine-readable

For an instrument an input is a run of chunks, each [size][10 ms steps before it][bytes]. If the
first byte is odd, each chunk gets a frame with the right length and checksum, which chance would
never find. The first inputs are what drivers heard in histories.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.instruments.profiles import load_profile, profile_names
from protocol.records import encode_record
from tests.proof.fuzz_parsers import corpus, parsers

INPUT_BYTES_MAX = 128
CORPUS_HISTORIES = range(1, 17)
STEP_MS = 10
SLOW_NS = 100_000_000  # of instrumented code, several times slower: 10 ms of the real code
SLOW_TRIES = 3
BUSY_TRIES = 30  # of an input that seems too slow: a busy machine is not slow in all of them
PLAIN_NS = 10_000_000  # no input of the final corpus may need more in code that is not instrumented
HELD_MAX = 4096  # bytes and items that a driver may hold; more means that it has no limit


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof fuzz", description=__doc__.partition("\n\n")[0]
    )
    names = [*profile_names(), *parsers()]
    parser.add_argument("--parser", choices=names)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    chosen = [options.parser] if options.parser else names
    results = []
    for result in fuzz(dict.fromkeys(chosen, options.inputs), options.seconds):
        results.append(result)
        if not options.json:
            print(
                "{parser}: {inputs} inputs in {seconds} s, {failed} failed, slowest {slowest_us}"
                " us".format(**result)
            )
            print(result["said"], end="")
    if options.json:
        print(json.dumps(results, indent=1))
    return int(any(result["failed"] for result in results))


def fuzz(inputs_of: dict[str, int], seconds: int, at_once: int = 1) -> Iterator[dict[str, Any]]:
    """Fuzz each parser with so many inputs in a process of its own, since the fuzzer ends its
    process; what became of each, as soon as it is known when one runs at once.
    """
    names = list(inputs_of)
    for some in [names] if at_once > 1 else [[name] for name in names]:
        with tempfile.TemporaryDirectory() as folder:
            jobs = [Job(name, Path(folder) / name) for name in some]
            told = [job.prepared(inputs_of[job.name], seconds) for job in jobs]
            lines = [json.dumps(each) for each in told]
            (Path(folder) / "jobs").write_text("\n".join(lines))
            command = [sys.executable, "-m", "tests.proof.fuzz_one", f"{folder}/jobs", str(at_once)]
            here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            started = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=here)
            took = time.perf_counter() - started
            for job in jobs:
                yield job.result(took, done.stdout + done.stderr)


class Job:
    """One parser, its corpus, and the log of its fuzzer."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._corpus = folder / "corpus"
        self._log = folder / "log"

    def prepared(self, inputs: int, seconds: int) -> list[Any]:
        """What fuzz_one.py is told, once the first inputs are there."""
        self._corpus.mkdir(parents=True)
        for number, data in enumerate(seeds(self.name)):
            (self._corpus / f"{number}").write_bytes(data)
        until = [f"-max_total_time={seconds}"] if seconds else []
        options = [
            f"-runs={inputs}", f"-max_len={INPUT_BYTES_MAX}", "-verbosity=0",
            f"-artifact_prefix={self._folder}/", "-print_final_stats=1", *until, str(self._corpus),
        ]  # fmt: skip
        return [self.name, str(self._log), options]

    def result(self, took: float, said_by_all: str) -> dict[str, Any]:
        said = self._log.read_text(errors="replace") if self._log.exists() else said_by_all
        ran = [
            int(line.split()[1])
            for line in said.splitlines()
            if line.startswith("stat::number_of_executed_units:")
        ]
        found = [path.read_bytes().hex() for path in self._folder.glob("crash-*")]
        inputs = [path.read_bytes() for path in sorted(self._corpus.iterdir())]
        slowest_ns = 0 if found else slowest(self.name, inputs)
        ended_well = said.endswith("\nended: 0\n")
        failed = bool(not ended_well or found or not ran or slowest_ns > PLAIN_NS)
        return {
            "parser": self.name,
            "inputs": sum(ran),
            "seconds": round(took, 1),
            "failed": int(failed),
            "said": f"  input {' '.join(found)}\n{said[-3000:]}\n" if failed else "",
            "slowest_us": slowest_ns // 1000,
        }


def slowest(name: str, inputs: list[bytes]) -> int:
    """Nanoseconds of processor time for the slowest of them in plain code. The best of some tries
    counts, because a machine is not always equally fast; the limit is where more tries begin.
    """
    take = target(name)
    worst = 0
    for data in inputs:
        best = 1 << 62
        for number in range(BUSY_TRIES):
            started = time.process_time_ns()
            take(data)
            best = min(best, time.process_time_ns() - started)
            if best <= worst or (number + 1 >= SLOW_TRIES and best <= PLAIN_NS):
                break
        worst = max(worst, best)
    return worst


def seeds(name: str) -> list[bytes]:
    """What the profile's driver heard in some histories, as inputs."""
    if name in parsers():
        return corpus(name)
    from tests.proof.instruments import cases, histories

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
    """One input through one driver. Raises AssertionError for a wrong event and for a driver that
    grows.
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
        driver.pop_output()
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
    "ebds": wrap_ebds, "ssp": wrap_ssp, "id003": wrap_id003, "fddf": wrap_fddf, "uwf": wrap_uwf,
}  # fmt: skip


def target(name: str) -> Any:
    """The function that gives one input to this parser."""
    if name in parsers():
        return timed(parsers()[name])
    profile = load_profile(name)
    driver_class = importlib.import_module("firmware.drivers.registry").driver_for(profile.driver)
    wrap = WRAPS.get(name, lambda inside: inside + b"\r\n")
    return timed(lambda data: run_one(driver_class, dict(profile.settings), wrap, data))


def timed(take: Any) -> Any:
    """The same, but an input that is slow every time is a failure. A single slow run may be the
    machine's fault: it is tried again.
    """

    def run(data: bytes) -> None:
        for _ in range(SLOW_TRIES):
            started = time.process_time_ns()
            take(data)
            if time.process_time_ns() - started < SLOW_NS:
                return
        raise AssertionError(f"slow {SLOW_TRIES} times")

    return run
