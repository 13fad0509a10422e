"""mpremote, as a command: one serial port, and never another one than the caller recognised."""

import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import DataError, Unavailable
from gateway.fleet.ports import SerialPort, listed_ports

CALL_S = 180  # a whole tree over a slow port
RESTART_MS = 20_000  # a board with USB of its own vanishes and comes back
RETRY_MS = 200

# Runs on the board. Prints facts as `# name value`, then `<sha256> <path>` of each file that may be
# ours.
SURVEY = """\
import os, sys, hashlib, binascii
OURS = ("board.mpy", "board.py", "main.py", "site.json", "ca.der", "device.der", "device_key.der")
def walk(folder):
    for entry in os.ilistdir(folder or "."):
        path = folder + "/" + entry[0] if folder else entry[0]
        if entry[1] & 0x4000:
            if folder or entry[0] in ("firmware", "protocol"):
                walk(path)
        elif folder or entry[0] in OURS:
            digest = hashlib.sha256()
            with open(path, "rb") as file:
                while True:
                    size = file.readinto(buf)
                    if not size:
                        break
                    digest.update(memoryview(buf)[:size])
            print(binascii.hexlify(digest.digest()).decode(), path)
buf = bytearray(512)
print("# platform", sys.platform)
print("# mpy", sys.implementation._mpy & 255)
if sys.platform == "rp2":
    stat = os.statvfs("/")
    print("# fs_bytes", stat[1] * stat[2])
if sys.platform == "esp32":
    from esp32 import Partition
    names = [each.info()[4] for each in Partition.find(Partition.TYPE_DATA)]
    print("# partitions", ",".join(names))
walk("")
print("# done 1")
"""

# Runs on the board: REMOVE and MAKE are lists of paths.
PREPARE = """\
import os
for path in REMOVE:
    os.remove(path)
for path in MAKE:
    try:
        os.mkdir(path)
    except OSError as error:
        if error.errno != 17:
            raise
if hasattr(os, "sync"):
    os.sync()
"""


@dataclass
class Survey:
    """What is on a board: facts about it, and {path: SHA-256 hex} of the files that may be ours."""

    facts: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


class Remote:
    """The board on one port."""

    def __init__(self, port: SerialPort) -> None:
        self.port = port

    def survey(self) -> Survey:
        """Platform, .mpy version and hashes; stops the program that runs on the board."""
        found = Survey()
        for line in self._run("exec", SURVEY).splitlines():
            first, _, rest = line.strip().partition(" ")
            if first == "#":
                name, _, value = rest.partition(" ")
                found.facts[name] = value
            elif rest:
                found.files[rest] = first
        if "done" not in found.facts:
            raise Unavailable(
                f"port {self.port.path}: the board stopped in the middle of its answer; flash again"
            )
        return found

    def prepare(self, remove: Iterable[str], make: Iterable[str]) -> None:
        """Remove files and make folders; a folder that exists is fine."""
        self._run("exec", f"REMOVE = {list(remove)!r}\nMAKE = {list(make)!r}\n{PREPARE}")

    def copy(self, folder: Path, names: Iterable[str]) -> None:
        """Copy files, each to the same path on the board."""
        command: list[str] = []
        for name in names:
            command += [
                *(("+",) if command else ()),
                "fs",
                "cp",
                "-f",
                str(folder / name),
                f":{name}",
            ]
        if command:
            self._run(*command)

    def restart(self) -> None:
        """Start the board as power does."""
        if self.port.is_virtual:
            self._run(
                "exec", "--no-follow", "raise SystemExit"
            )  # its supervisor starts the process again
        else:
            self._run("reset")

    def wait_for_repl(self) -> None:
        """Until the board answers after a restart. Raises Unavailable when it does not in
        RESTART_MS.
        """
        deadline = time.monotonic_ns() // 1_000_000 + RESTART_MS
        while True:
            try:
                self._find_again()
                self._run("exec", "pass")
                return
            except Unavailable:
                if time.monotonic_ns() // 1_000_000 > deadline:
                    raise
                time.sleep(RETRY_MS / 1000)

    def _find_again(self) -> None:
        """A board with USB of its own may come back under another path, and another device under
        its old one.
        """
        if self.port.is_virtual:
            return
        for port in listed_ports():
            is_same = (port.usb_id, port.serial_number) == (
                self.port.usb_id,
                self.port.serial_number,
            )
            if is_same and (port.serial_number or port.path == self.port.path):
                self.port = port
                return
        raise Unavailable(
            f"port {self.port.path}: the board did not come back after its restart; check the cable"
            " and flash again"
        )

    def _run(self, *arguments: str) -> str:
        command = [
            sys.executable,
            "-m",
            "mpremote",
            "connect",
            self.port.path,
            "resume",
            *arguments,
        ]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=CALL_S,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(
                f"port {self.port.path}: no end after {CALL_S} s; unplug the board and flash again"
            ) from error
        if done.returncode:
            lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            reason = lines[-1].strip() if lines else f"exit code {done.returncode}"
            if "ENOSPC" in done.stderr:
                raise DataError(
                    f"port {self.port.path}: the board's file system is full; erase it and flash"
                    " again"
                )
            raise Unavailable(
                f"port {self.port.path}: mpremote: {reason}; check the cable and flash again"
            )
        return done.stdout
