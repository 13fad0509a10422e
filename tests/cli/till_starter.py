"""A process that has the libraries of the till command in memory and starts the command in
children: bench.py asks it.

Starting Python and importing libraries and our own modules is most of the half second that a
command takes, and the tests run some hundreds. Nothing of ours runs before the fork but imports; a
child then does what `python -m gateway` does. Commands that start with nothing in memory are tried
too: whatever a test starts by `command()` is a process of its own.
"""

import gc
import json
import os
import runpy
import socket
import sys
import time
from importlib import import_module
from typing import Any

import typer
import typer.main

LIBRARIES = (
    "cryptography.hazmat.primitives.serialization", "cryptography.x509", "csv",
    "importlib.metadata", "importlib.resources", "jinja2", "paho.mqtt.client", "rich.console",
    "sqlite3", "tomllib", "zoneinfo",
)  # fmt: skip
OURS = (
    "gateway.config", "gateway.broker.mosquitto", "gateway.broker.reach", "gateway.day.prove",
    "gateway.devices.commands", "gateway.devices.status", "gateway.diagnostics.checks",
    "gateway.audit.keeper", "gateway.audit.offline", "gateway.fleet.boards",
    "gateway.incoming.posted_file", "gateway.reports.day_csv", "gateway.reports.day_html",
    "gateway.reports.day_report", "gateway.reports.day_terminal", "gateway.store.backup",
)  # fmt: skip
ASK_BYTES_MAX = 100_000


def main(line: socket.socket) -> dict[str, Any] | None:
    """Answers each request with the child's process id, then with its exit code. In a child:
    returns what it was asked.
    """
    from gateway.cli import AREAS

    for name in (*LIBRARIES, *OURS, *(f"gateway.cli.{area}" for area in AREAS)):
        import_module(name)
    use_the_lazy_ones()
    gc.freeze()  # what is loaded now is never looked at again, so a child copies less memory
    while True:
        data, files, _, _ = socket.recv_fds(line, ASK_BYTES_MAX, 2)
        if not data:
            return None
        child = os.fork()
        if not child:
            line.close()
            for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), *files)):
                os.dup2(file, number)
                os.close(file)
            return dict(json.loads(data))
        for file in files:
            os.close(file)
        line.send(str(child).encode())
        line.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def use_the_lazy_ones() -> None:
    """typer imports most of itself when it is first used."""
    app = typer.Typer()
    app.command()(lambda: None)
    typer.main.get_command(app)


def become(asked: dict[str, Any]) -> None:
    """What `python -m gateway ARGUMENTS` would be in that folder with that environment."""
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    sys.path[0] = asked["cwd"]
    sys.argv[1:] = asked["arguments"]
    runpy.run_module("gateway", run_name="__main__", alter_sys=True)


if __name__ == "__main__" and (wanted := main(socket.socket(fileno=int(sys.argv[1])))):
    become(wanted)
