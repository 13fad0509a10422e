"""Statements of docs/protocol.md about encodings and devices, each held by the shipped code on both
interpreters.

The statements themselves are functions in tests/twin/must_*.py; each prints what came of it, here
it is read.
"""

import subprocess
import sys
from functools import cache

import pytest

from tests.protocol.interpreters import HEAP, LIB, MICROPYTHON, ROOT
from tests.protocol.must import proves_each

ENCODING = proves_each(
    "ENC-1", "ENC-2", "ENC-3", "ENC-4", "ENC-5", "ENC-6", "ENC-7", "ENC-8", "ENC-9", "ENC-10",
    "ENC-11", "ENC-12", "ENC-13", "ENC-14", "ENC-15", "ENC-16", "ENC-17", "ENC-18", "ENC-19",
    "ENC-20", "ENC-21", "ENC-22", "ENC-23", "ENC-24", "ENC-25", "ENC-26", "ENC-27", "ENC-28",
    "ENC-29", "ENC-30", "ENC-31", "ENC-32", "SEAL-1", "SEAL-2", "SEAL-3", "SEAL-4", "SEAL-5",
    "SEAL-6", "SEAL-8", "SEAL-9", "SEAL-10", "SEAL-11", "SEAL-12", "SEAL-13", "SEAL-14", "SEAL-16",
    "SEAL-17", "SEAL-23", "TOPIC-1", "TOPIC-2", "TOPIC-3", "TOPIC-4", "VER-1", "VER-2",
)  # fmt: skip
RECORDS = proves_each(
    "REC-1", "REC-2", "REC-3", "REC-4", "REC-5", "REC-6", "REC-7", "REC-8", "REC-9", "REC-10",
    "REC-11", "REC-12", "REC-13", "REC-14", "REC-15", "REC-16", "REC-17", "REC-18", "REC-19",
    "EV-1", "EV-2", "EV-3", "EV-4", "EV-5", "EV-6", "EV-7", "EV-8", "STATE-1", "STATE-2", "STATE-3",
    "STATE-4", "STATE-5", "ACK-1", "ACK-2", "ACK-3", "ACK-4", "ACK-11", "EV-13", "CMD-1", "CMD-2",
    "CMD-3", "CMD-4", "CMD-5",
)  # fmt: skip
JOURNAL = proves_each(
    "IDENT-2", "IDENT-3", "IDENT-4", "IDENT-5", "IDENT-6", "IDENT-7", "SEQ-1", "SEQ-2", "SEQ-3",
    "SEQ-4", "SEQ-8", "SEQ-9", "SEQ-10", "SEQ-11", "SEQ-12", "SEQ-14", "SEQ-15", "SEQ-16", "SEQ-17",
    "CHAIN-22", "CMD-8", "CMD-9",
)  # fmt: skip
UPLINK = proves_each(
    "TOPIC-5", "TOPIC-6", "TOPIC-7", "TOPIC-10", "SEAL-20", "SEAL-21", "SEAL-22", "EV-9", "EV-10",
    "EV-11", "EV-12", "EV-14", "STATE-6", "STATE-7", "STATE-8", "STATE-9", "STATE-10", "WIN-1",
    "WIN-2", "WIN-3", "WIN-4", "WIN-5", "WIN-6", "WIN-7", "WIN-8", "WIN-9", "WIN-10", "WIN-12",
    "WIN-13", "WANT-4", "WANT-5", "WANT-6", "ACK-28", "ACK-29", "ACK-30", "ACK-31", "ACK-32",
    "ACK-33", "ACK-34", "ACK-35", "ACK-36", "ACK-37", "ACK-38", "EQUIV-14", "EQUIV-15", "EQUIV-16",
    "HB-1", "HB-2", "HB-3", "HB-5", "HB-6", "CLOCK-1", "CLOCK-2", "CLOCK-3", "CLOCK-4", "CLOCK-5",
)  # fmt: skip
MQTT = proves_each(
    "BROKER-1", "HB-4", "HB-7", "TOPIC-8", "BROKER-3", "BROKER-4", "BROKER-5", "BROKER-6",
    "BROKER-7", "LIM-1",
)  # fmt: skip
COMMANDS = proves_each(
    "CMD-6", "CMD-7", "CMD-10", "CMD-11", "CMD-12", "CMD-13", "CMD-14", "CMD-16", "CMD-17",
    "SEAL-20", "SEAL-21", "ROT-1",
)  # fmt: skip
PACKING = proves_each(
    "PACK-1", "PACK-2", "PACK-4", "PACK-5", "PACK-6", "PACK-7", "PACK-8", "PACK-9", "PACK-10",
    "PACK-11", "PACK-12", "PACK-13", "PACK-14", "PACK-15", "PACK-16", "PACK-17", "PACK-18",
    "PACK-19",
)  # fmt: skip
INTERPRETERS = {
    "CPython": ([sys.executable], "PYTHONPATH", f"{ROOT}:{LIB}"),
    "MicroPython": ([str(MICROPYTHON), "-X", HEAP], "MICROPYPATH", f"{ROOT}:{LIB}:.frozen"),
}


@cache
def outcomes(script: str, interpreter: str) -> dict[str, list[str]]:
    """{id: what a script printed for it}; more than one where a statement has several proofs."""
    command, variable, path = INTERPRETERS[interpreter]
    argv = [*command, f"tests/twin/must_{script}.py"]
    environment = {variable: path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        statement, _, outcome = line.partition(" ")
        found.setdefault(statement, []).append(outcome)
    return found


def assert_holds(script: str, statement: str) -> None:
    for interpreter in INTERPRETERS:
        found = outcomes(script, interpreter).get(statement, ["is not in the script"])

        assert {"holds"} == set(found), f"{interpreter}: {statement} {found}"


@pytest.mark.parametrize("statement", ENCODING)
def test_encoding_and_seal(statement: str) -> None:
    assert_holds("encoding", statement)


@pytest.mark.parametrize("statement", RECORDS)
def test_records_and_messages(statement: str) -> None:
    assert_holds("records", statement)


@pytest.mark.parametrize("statement", JOURNAL)
def test_journal(statement: str) -> None:
    assert_holds("journal", statement)


@pytest.mark.parametrize("statement", UPLINK)
def test_uplink(statement: str) -> None:
    assert_holds("uplink", statement)


@pytest.mark.parametrize("statement", PACKING)
def test_packed_events(statement: str) -> None:
    assert_holds("packing", statement)


@pytest.mark.parametrize("statement", MQTT)
def test_mqtt_packets(statement: str) -> None:
    assert_holds("mqtt", statement)


@pytest.mark.parametrize("statement", COMMANDS)
def test_commands(statement: str) -> None:
    assert_holds("commands", statement)


@pytest.mark.must("ENC-33")
def test_no_statement_is_proven_and_not_read() -> None:
    """What a script prints is read above, id by id, from both interpreters, and both print the
    same.
    """
    for script, listed in (
        ("encoding", ENCODING),
        ("records", RECORDS),
        ("journal", JOURNAL),
        ("uplink", UPLINK),
        ("packing", PACKING),
        ("mqtt", MQTT),
        ("commands", COMMANDS),
    ):
        ids = {each.values[0] for each in listed}

        assert ids == set(outcomes(script, "CPython"))
        assert outcomes(script, "CPython") == outcomes(script, "MicroPython")
