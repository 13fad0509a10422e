"""TLS switched on at a site that was made without it, and keys that are gone: the advice is what
helps.
"""

from pathlib import Path

import pytest

from gateway.broker import pki
from gateway.broker.process import MosquittoBroker, free_port
from gateway.config import Site
from tests.cli.bench import till
from tests.devices.bench import ConfiguredBroker, a_site, serving


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Made without TLS; then tls = true was set by hand."""
    made = a_site(tmp_path, tls=False)
    text = made.path.read_text().replace("port = 1883", f"port = {free_port()}")
    text = text.replace("embedded = true", "embedded = false")
    made.path.write_text(text.replace("tls = false", "tls = true"))
    return made


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",),
        ("serve",),
        ("device", "replace", "w1", "--reason", "a test"),
        ("stage", "w1", "--out", "OUT"),
        ("flash", "w1", "--dry-run"),
    ],
    ids=" ".join,
)
def test_tls_on_an_older_site_asks_for_broker_config(
    site: Site, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    given = [str(tmp_path / "out") if each == "OUT" else each for each in arguments]
    done = till(*given, "--config", site.path)
    said = done.stdout + done.stderr

    assert done.returncode in (1, 78)
    assert "there are no certificates yet; till broker config makes them" in said
    assert "backup" not in said
    assert not site.ca.exists()
    assert (site.keys / "w1.key").stat().st_size


@pytest.mark.skipif(not MosquittoBroker.is_installed(), reason="mosquitto is not on PATH")
def test_broker_config_is_all_that_such_a_site_needs(site: Site, tmp_path: Path) -> None:
    from gateway import config

    done = till("broker", "config", "--config", site.path)
    told: list[str] = []
    with ConfiguredBroker(config.load(site.path)), serving(site, told):
        pass

    assert 0 == done.returncode, done.stderr
    assert "new certificates, flash these again: w1, w2" in done.stdout
    assert told[0].startswith("ready site=")


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("keys/gateway.tls.key", "till broker config makes a new one, with its certificate"),
        ("keys/watch.tls.key", "till broker config makes a new one, with its certificate"),
        ("broker/broker.key", "till broker config makes a new one, with its certificate"),
        ("keys/w1.tls.key", "make a new identity: till device replace w1"),
        ("ca/ca.key", "restore it from the backup"),
    ],
)
def test_a_key_that_is_gone_is_told_with_what_brings_one_back(
    tmp_path: Path, name: str, cure: str
) -> None:
    site = a_site(tmp_path)
    (site.data / name).unlink()
    found = till("check", "--config", site.path).stdout
    ca = (site.ca / "ca.pem").read_bytes()
    words = cure.rpartition("till ")[2].split(" makes")[0].split()
    reason = ("--reason", "lost") if "device" in words else ()
    mended = till(*words, *reason, "--config", site.path) if "till " in cure else None
    again = till("check", "--config", site.path).stdout

    assert f"{site.data / name}: no such key; " in found
    assert cure in found
    if mended is not None:
        assert 0 == mended.returncode, mended.stderr
        assert "✓ certificates: " in again
    assert ca == (site.ca / "ca.pem").read_bytes()


def test_a_lost_ca_key_never_makes_a_second_ca(tmp_path: Path) -> None:
    """Every board trusts the first one alone."""
    site = a_site(tmp_path)
    ca = (site.ca / "ca.pem").read_bytes()
    pki.Authority(site.ca).key_file.unlink()
    (site.keys / "gateway.pem").unlink()
    done = till("broker", "config", "--config", site.path)

    assert (78, True) == (done.returncode, "restore it from the backup" in done.stderr)
    assert ca == (site.ca / "ca.pem").read_bytes()
    assert not (site.ca / "ca.key").exists()
