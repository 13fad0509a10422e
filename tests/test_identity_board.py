"""A virtual board at a broker with TLS: flashed with its certificates, heard, and after a
replacement flashed again.
"""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.broker import MosquittoBroker
from gateway.config import Site
from tests.cli_support import command, environment, till
from tests.flash_support import wait_until
from tests.identity_support import ConfiguredBroker, a_site

pytestmark = pytest.mark.skipif(
    not MosquittoBroker.is_installed(), reason="mosquitto is not on PATH: no broker with TLS"
)


@contextmanager
def running(site: Site, *arguments: str) -> Iterator[list[str]]:
    """A till command that keeps running; what it has said so far."""
    process = subprocess.Popen(
        command(*arguments, "--config", site.path), env=environment(), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said: list[str] = []
    reader = threading.Thread(target=said.extend, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        yield said
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        reader.join(5)


def boots(said: list[str]) -> list[dict]:
    return [json.loads(line) for line in list(said) if '"kind":"boot"' in line]


def test_a_board_is_flashed_with_its_certificates_and_replaced(tmp_path: Path) -> None:
    site = a_site(tmp_path, windows=1)
    config = ("--config", site.path)
    with (
        ConfiguredBroker(site),
        running(site, "serve", "--follow") as gateway,
        running(site, "sim", "board", "w1") as board,
    ):
        wait_until(lambda: any("ready site=" in line for line in gateway))
        wait_until(lambda: any("till flash w1" in line for line in board))
        first = till("flash", "w1", *config)
        wait_until(lambda: len(boots(gateway)) >= 1)
        replaced = till("device", "replace", "w1", "--reason", "the board died", *config)
        second = till("flash", "w1", "--json", *config)
        listed = {
            row["device"]: row
            for row in json.loads(till("device", "list", "--json", *config).stdout)
        }["w1"]

    assert (0, 0, 0) == (first.returncode, replaced.returncode, second.returncode), (
        first.stderr + second.stderr
    )
    assert "ca.der, device.der, device_key.der, site.json written" in first.stdout
    flashed = json.loads(second.stdout)
    assert ([], True, True) == (
        flashed["copied"],
        flashed["site_written"],
        flashed["booted"],
    )  # its program was right already
    assert (["w1"], "approved", [2]) == (
        sorted({boot["device"] for boot in boots(gateway)}),
        listed["state"],
        listed["keys"],
    )
    assert not any("Traceback" in line for line in [*gateway, *board])
