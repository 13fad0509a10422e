"""./run bench: every benchmark runs and prints its ratio. What the ratios are is for people; here
they are short.
"""

import re
import subprocess
from pathlib import Path

import pytest

from gateway.broker.process import MosquittoBroker
from tests.store import server as postgres

ROOT = Path(__file__).parents[2]
SHORT = {
    "books": ["--sessions", "2", "--windows", "2", "--postings", "10"],
    "ingest": [
        "--messages", "48", "--devices", "2", "--per-message", "12", "--rounds", "1",
        "--brokers", "iotcore", "--modes", "drain",
    ],
    "latency": ["--broker", "iotcore", "--rates", "50", "--seconds", "0.2", "--rounds", "1"],
    "mqtt_client": [],
    "postgres": [
        "--broker", "iotcore", "--messages", "32", "--devices", "2", "--workers", "2",
        "--rounds", "1", "--per-message", "1",
    ],
    "reader": ["--rounds", "1"],
    "scale": ["--records", "120", "--windows", "2", "--per-message", "12", "--rounds", "1"],
    "serving": ["--messages", "96", "--rounds", "1", "--brokers", "mosquitto"],
}  # fmt: skip


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["./run", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=600
    )


def test_every_benchmark_is_tried_here() -> None:
    assert sorted(SHORT) == sorted(path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", SHORT)
def test_a_benchmark_prints_ratios(name: str) -> None:
    if name == "postgres" and postgres.programs() is None:
        pytest.skip("PostgreSQL is not installed: no ledger on a server")
    if name == "serving" and not MosquittoBroker.is_installed():
        pytest.skip("mosquitto is not on PATH")
    done = bench(name, *SHORT[name])

    assert 0 == done.returncode, done.stderr
    assert "ratio" in done.stdout
    assert re.search(r"\b\d+\.\d\d\b", done.stdout)


def test_an_unknown_benchmark_names_the_known_ones() -> None:
    done = bench("speed")

    assert (1, "") == (done.returncode, done.stdout)
    known = "books ingest latency mqtt_client postgres reader scale serving"
    assert f"no benchmark 'speed'; there are: {known}" in done.stderr
