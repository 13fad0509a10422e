"""The process of the fuzzers: python -m tests.proof.fuzz_one JOBS AT_ONCE.

`./run proof fuzz` starts it.

It imports and instruments the code once, which takes longer than a short fuzz, then starts a child
for each job: the fuzzer ends its process. A job is a line of JSON, [profile, log file, libFuzzer
options]; the child's output and its exit code go to the log.
"""

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

import atheris

with atheris.instrument_imports(include=["firmware.drivers", "protocol", "gateway"]):
    from firmware.drivers import registry  # noqa: F401
    from tests.proof.fuzz import target


def main(jobs: list[str], at_once: int) -> None:
    logs: dict[int, str] = {}
    for job in jobs:
        if len(logs) == at_once:
            finish(logs)
        name, log, options = json.loads(job)
        child = os.fork()
        if not child:
            fuzz(name, log, options)
        logs[child] = log
    while logs:
        finish(logs)


def fuzz(name: str, log: str, options: list[str]) -> NoReturn:
    file = os.open(log, os.O_CREAT | os.O_WRONLY)
    os.dup2(file, 1)
    os.dup2(file, 2)
    with atheris.instrument_imports(include=["firmware.drivers", "protocol", "gateway"]):
        run = target(name)
    atheris.Setup(["fuzz", *options], run)
    atheris.Fuzz()
    os._exit(0)


def finish(logs: dict[int, str]) -> None:
    child, status = os.wait()
    with Path(logs.pop(child)).open("a") as log:
        log.write(f"\nended: {os.waitstatus_to_exitcode(status)}\n")


main(Path(sys.argv[1]).read_text().splitlines(), int(sys.argv[2]))
