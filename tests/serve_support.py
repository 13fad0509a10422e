"""`till serve` as a process of its own, with what the kernel says of it and its children."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.broker import HOST, free_port
from tests.cli_support import ROOT, command, environment

LISTEN, ESTABLISHED = "0A", "01"  # of /proc/net/tcp


def children_of(pid: int) -> list[int]:
    """The process and everything that it started, as far as it still runs."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        try:
            listed = [
                path.read_text().split() for path in Path(f"/proc/{each}/task").glob("*/children")
            ]
        except OSError:
            continue
        found.append(each)
        waiting += [int(child) for children in listed for child in children]
    return found


def sockets_of(pids: list[int]) -> list[tuple[str, str, str]]:
    """(state, local, remote) of every internet socket of some processes; addresses as host:port, a
    listener's remote is ''.
    """
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(link.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                remote = "" if fields[3] == LISTEN else _address(fields[2])
                found.append(
                    (fields[3] if table.startswith("tcp") else table, _address(fields[1]), remote)
                )
    return sorted(found)


def _address(text: str) -> str:
    host, _, port = text.partition(":")
    if len(host) != 8:
        return f"[{host}]:{int(port, 16)}"
    return ".".join(str(part) for part in reversed(bytes.fromhex(host))) + f":{int(port, 16)}"


@dataclass
class Gateway:
    """A running gateway; its output is there once it ended."""

    process: "subprocess.Popen[str]"
    port: int
    stdout: str = ""
    stderr: str = ""

    @property
    def pids(self) -> list[int]:
        return children_of(self.process.pid)

    def command_lines(self) -> list[bytes]:
        return [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self.pids]

    def environments(self) -> list[bytes]:
        return [Path(f"/proc/{pid}/environ").read_bytes() for pid in self.pids]


@contextmanager
def serving(folder: Path, umask: int = 0o022) -> Iterator[Gateway]:
    """The site in `folder` (till init made it), served with its embedded broker on a free port
    until the block ends.
    """
    port = free_port()
    path = folder / "till.toml"
    path.write_text(path.read_text().replace("port = 1883", f"port = {port}"))
    arguments = [str(each) for each in command("serve", "--config", path)]
    process = subprocess.Popen(
        arguments, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True, umask=umask,
    )  # fmt: skip
    gateway = Gateway(process, port)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"ready site=city-hall broker={HOST}:{port}")
        yield gateway
    finally:
        process.terminate()
        gateway.stdout, gateway.stderr = process.communicate(timeout=60)
