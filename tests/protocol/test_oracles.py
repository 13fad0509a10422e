"""Independent implementations agree with ours: cbor2 here; pycose, cwt and zcbor in an environment
of their own.

That environment is made once in .tools/oracles from tests/oracles/requirements.lock (a few
seconds). pycddl, too, takes every golden record by the schema, but for tapes: pycddl 0.6 knows no
range that begins below zero. What is refused is judged by zcbor alone, because pycddl takes byte
strings for integers and does not bound lists of lists.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cbor2
import pytest
from pycddl import Schema

from protocol import cbor

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "tests" / "oracles" / "requirements.lock"
HOME = ROOT / ".tools" / "oracles"
# CDDL describes values, not the bytes or who sent them, and zcbor counts characters where RFC 8610
# counts bytes.
BEYOND_CDDL = {
    "instrument of 25 bytes in 13 characters", "seal over a kibibyte",
    "seal with one payload bit flipped", "seal with one tag bit flipped", "seal of another topic",
    "seal of an unknown kid", "seal with trailing byte",
}  # fmt: skip


def vectors(name: str) -> list[dict]:
    return json.loads((ROOT / "protocol" / "vectors" / f"{name}.json").read_text())


def golden_cbor() -> list[tuple[str, bytes]]:
    rows = vectors("records") + vectors("messages")
    return [(row["name"], bytes.fromhex(row["hex"])) for row in rows] + [
        (row["name"], bytes.fromhex(row["sealed"])) for row in vectors("seals")
    ]


def oracle_python() -> Path:
    """The interpreter of the oracles' environment, which is made when it is missing or its lock has
    changed.
    """
    made = HOME / "made"
    HOME.parent.mkdir(exist_ok=True)
    with HOME.with_name("oracles.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test process may be making it
        if not made.exists() or made.read_text() != LOCK.read_text():
            make_oracles()
    return HOME / "bin" / "python"


def make_oracles() -> None:
    fresh = HOME.with_name(f"oracles.{os.getpid()}")
    uv = [Path(sys.executable).with_name("uv")]
    environment = os.environ | {"UV_SYSTEM_CERTS": "1"}
    subprocess.run(
        [*uv, "venv", "--quiet", "--python", sys.executable, fresh], check=True, env=environment
    )
    sync = [
        "pip",
        "sync",
        "--quiet",
        "--require-hashes",
        "--python",
        fresh / "bin" / "python",
        LOCK,
    ]
    subprocess.run([*uv, *sync], check=True, env=environment)
    (fresh / "made").write_text(LOCK.read_text())
    shutil.rmtree(HOME, ignore_errors=True)
    fresh.rename(HOME)


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict:
    out = tmp_path_factory.mktemp("oracles") / "answers.json"
    asked = subprocess.run(
        [oracle_python(), ROOT / "tests/oracles/ask.py", out],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert asked.returncode == 0, asked.stderr[-3000:]
    return json.loads(out.read_text())


@pytest.mark.must("SEAL-10", "CONF-3")
@pytest.mark.parametrize("oracle", ["pycose", "cwt"])
def test_seals_are_byte_identical(answers, oracle):
    expected = {row["name"]: row["sealed"] for row in vectors("seals")}

    assert expected == answers[oracle]


@pytest.mark.must("PACK-9", "CONF-7")
def test_the_tags_of_packed_messages_are_those_of_a_mac0(answers):
    expected = {row["name"]: row["sealed"][-16:] for row in vectors("packed")}

    assert expected == answers["pycose short"]


@pytest.mark.must("CONF-5")
def test_schema_takes_every_golden_vector(answers):
    golden = {row["name"] for name in ("records", "messages", "seals") for row in vectors(name)}

    assert {name for name in golden if not answers["cddl"][name]} == set()


@pytest.mark.parametrize(
    "row",
    [row for row in vectors("records") if row["record"]["kind"] != "tape"],
    ids=lambda row: row["name"],
)
def test_a_second_schema_judge_takes_every_golden_record(row):
    Schema((ROOT / "protocol" / "till.cddl").read_text()).validate_cbor(bytes.fromhex(row["hex"]))


@pytest.mark.must("CONF-5")
def test_schema_refuses_what_the_decoders_refuse(answers):
    hostile = {row["name"] for row in vectors("hostile") if row["name"] in answers["cddl"]}

    assert len(hostile) > 60
    assert {name for name in hostile if answers["cddl"][name]} == BEYOND_CDDL


@pytest.mark.must("ENC-31")
@pytest.mark.parametrize(
    "name, raw", golden_cbor(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_cbor2_reads_the_same_value_and_writes_the_same_bytes(name, raw):
    value = cbor2.loads(raw)

    assert value == cbor.decode(raw)
    assert raw == cbor2.dumps(value, canonical=True)
