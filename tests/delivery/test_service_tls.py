"""A gateway says nothing to a broker that cannot prove that it is the site's own."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.broker import pki
from gateway.broker.process import HOST, MosquittoBroker
from gateway.config import Site
from gateway.delivery.service import Service, ServiceSettings
from tests.delivery.bench import SITE, Office
from tests.devices.bench import ConfiguredBroker, a_site

PATIENCE_S = 20


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    """One whose broker runs, and another one with a CA of its own."""
    if not MosquittoBroker.is_installed():
        pytest.skip("mosquitto is not on PATH")
    folder = tmp_path_factory.mktemp("tls")
    here, other = a_site(folder / "here", 1), a_site(folder / "other", 1)
    with ConfiguredBroker(here):
        yield here, other


def settings(here: Site, files_of: Site) -> ServiceSettings:
    files = pki.client_files(files_of.ca, files_of.keys, pki.GATEWAY_NAME)
    return ServiceSettings(SITE, HOST, here.config.broker.port, **files)


def told(office: Office, wanted: ServiceSettings, caplog: pytest.LogCaptureFixture) -> str:
    """What a gateway with these settings says first, or "connected"."""
    service = Service(wanted, office.ingest)
    stop, said = threading.Event(), threading.Event()
    lost = service._link._on_lost

    def note(*what: object) -> None:
        lost(*what)  # type: ignore[arg-type]
        said.set()

    service._link._on_lost = note
    thread = threading.Thread(target=service.run, args=(stop,))
    thread.start()
    for _ in range(10 * PATIENCE_S):
        if service.connected.wait(0.05) or said.wait(0.05):
            break
    is_in = service.connected.is_set()
    stop.set()
    service.wake()
    thread.join(PATIENCE_S)
    return "connected" if is_in else caplog.messages[0]


def test_the_sites_own_broker_is_spoken_to(
    office: Office, sites: tuple[Site, Site], caplog: pytest.LogCaptureFixture
) -> None:
    here, _ = sites

    assert "connected" == told(office, settings(here, here), caplog)


def test_a_broker_of_another_authority_is_told_nothing(
    office: Office, sites: tuple[Site, Site], caplog: pytest.LogCaptureFixture
) -> None:
    here, other = sites
    line = told(office, settings(here, other), caplog)

    assert line.startswith(f"broker_absent broker {HOST}:{here.config.broker.port}: no TLS")
    assert "unable to get local issuer certificate" in line or "self" in line, line


def test_a_broker_whose_certificate_has_another_name_is_told_nothing(
    office: Office,
    sites: tuple[Site, Site],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, _ = sites
    found = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _host, *rest, **more: found(HOST, *rest, **more)
    )
    line = told(office, replace(settings(here, here), broker_host="elsewhere.test"), caplog)

    assert "no TLS connection: Hostname mismatch" in line, line


def test_a_gateway_without_a_certificate_is_told_of_the_refusal(
    office: Office, sites: tuple[Site, Site], caplog: pytest.LogCaptureFixture
) -> None:
    here, _ = sites
    line = told(office, replace(settings(here, here), cert_file=None, key_file=None), caplog)

    assert line.startswith("broker_absent"), line
    assert "CERTIFICATE_REQUIRED" in line or "HANDSHAKE_FAILURE" in line, line


def test_a_broker_that_speaks_no_tls_is_told_as_such(
    office: Office, sites: tuple[Site, Site], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    here, _ = sites
    with MosquittoBroker(tmp_path / "plain") as plain:
        line = told(office, replace(settings(here, here), broker_port=plain.port), caplog)

    assert "no TLS connection: " in line, line
