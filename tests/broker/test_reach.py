"""What till check says of the broker: a tick only after its CONNACK, and in every other case what
is wrong there.
"""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.broker import pki
from gateway.broker.process import HOST, EmbeddedBroker, MosquittoBroker, free_port
from gateway.config import Site, load
from gateway.diagnostics.checks import checks
from gateway.errors import GatewayError
from tests.devices.bench import Client, ConfiguredBroker, a_site, connack, context_of

needs_mosquitto = pytest.mark.skipif(
    not MosquittoBroker.is_installed(), reason="mosquitto is not on PATH"
)
PATIENCE_S = 12


def said(site: Site) -> str:
    """The line of the broker as till check prints it."""
    test = dict(checks(site, False))["broker"]
    try:
        return f"✓ {test()}"
    except GatewayError as error:
        return f"✗ {error}"


def plain_site(folder: Path, port: int) -> Site:
    site = a_site(folder, tls=False)
    text = site.path.read_text().replace("port = 1883", f"port = {port}")
    site.path.write_text(text.replace("embedded = true", "embedded = false"))
    return load(site.path)


@contextmanager
def listener(port: int, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """Something that listens and is no broker."""
    with socket.create_server((HOST, port)) as server:
        server.settimeout(PATIENCE_S)
        links: list[socket.socket] = []

        def run() -> None:
            while True:
                try:
                    link = server.accept()[0]
                except OSError:
                    return
                links.append(link)
                try:
                    serve(link)
                except OSError:
                    link.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE_S)
        for link in links:
            link.close()


def http(link: socket.socket) -> None:
    link.recv(999)
    link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    link.close()


def silent(_link: socket.socket) -> None:
    pass


def closing(link: socket.socket) -> None:
    link.recv(999)
    link.close()


def code(number: int) -> Callable[[socket.socket], None]:
    def serve(link: socket.socket) -> None:
        link.recv(999)
        link.sendall(bytes([0x20, 2, 0, number]))

    return serve


def dripping(link: socket.socket) -> None:
    """A CONNACK whose last byte never comes."""
    link.recv(999)
    link.sendall(b"\x20\x02\x00")


SILENCE = "gives no whole answer within 3000 ms"
STRANGERS = [
    (http, "something answers that is no MQTT broker (b'HTTP", "what listens there speaks no TLS"),
    (silent, SILENCE, SILENCE),
    (closing, "closed the connection without an answer", "closed the connection at the greeting"),
    (dripping, SILENCE, SILENCE),
    (code(5), "the broker does not let us in: not authorised", SILENCE),
    (code(4), "does not let us in: it wants a user name and password", SILENCE),
]  # fmt: skip


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize(
    ("serve", "plainly", "with_tls"),
    STRANGERS,
    ids=["http", "silent", "closing", "dripping", "not authorised", "password"],
)
def test_what_listens_and_is_no_broker_gets_no_tick(
    tmp_path: Path, serve: Callable[[socket.socket], None], plainly: str, with_tls: str, tls: bool
) -> None:
    site = a_site(tmp_path) if tls else plain_site(tmp_path, free_port())
    begun = time.monotonic()
    with listener(site.config.broker.port, serve):
        line = said(site)

    assert line.startswith("✗ ")
    assert (with_tls if tls else plainly) in line
    assert time.monotonic() - begun < PATIENCE_S


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_nothing_listens(tmp_path: Path, tls: bool) -> None:
    site = a_site(tmp_path) if tls else plain_site(tmp_path, free_port())
    where = f"{HOST}:{site.config.broker.port}"

    assert f"✗ nothing answers at {where}; start the broker or correct [broker]" == said(site)


@needs_mosquitto
def test_a_broker_without_tls_gets_its_tick_and_one_that_speaks_none_where_it_should_does_not(
    tmp_path: Path,
) -> None:
    with MosquittoBroker(tmp_path / "broker") as broker:
        plain = said(plain_site(tmp_path / "plain", broker.port))
        site = a_site(tmp_path / "tls")
        site.path.write_text(
            site.path.read_text().replace(str(site.config.broker.port), str(broker.port))
        )
        without_tls = said(load(site.path))

    assert plain.endswith(" and lets the gateway in") and plain.startswith("✓ ")
    assert without_tls.startswith("✗ ") and "TLS" in without_tls


@needs_mosquitto
def test_the_check_disturbs_neither_the_gateway_nor_who_looks_on(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    with ConfiguredBroker(site), Client(site, "gateway") as gateway, Client(site, "watch") as watch:
        line = said(site)
        connack(site, context_of(site, "w1"))  # the broker has been through its connections

        assert "✓ " == line[:2], line
        assert (["Success"], ["Success"]) == (gateway.said, watch.said)


def with_another_ca(site: Site) -> None:
    """The broker's files are of another CA with our name."""
    other = pki.Authority(site.data / "other")
    other.create(site.config.site)
    pki.write_issued(
        other.issue_broker([HOST]),
        site.broker_folder / "broker.pem",
        site.broker_folder / "broker.key",
    )


def with_an_expired_one(site: Site) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pki, "OFFICE_DAYS", -1)
        pki.write_issued(
            pki.Authority(site.ca).issue_broker([HOST]),
            site.broker_folder / "broker.pem",
            site.broker_folder / "broker.key",
        )


def with_another_name(site: Site) -> None:
    pki.write_issued(
        pki.Authority(site.ca).issue_broker(["10.0.0.1"]),
        site.broker_folder / "broker.pem",
        site.broker_folder / "broker.key",
    )


def that_trusts_another_ca(site: Site) -> None:
    other = pki.Authority(site.data / "other")
    other.create(site.config.site)
    for name in ("ca.pem", "crl.pem"):
        shutil.copy(other.folder / name, site.broker_folder / name)


def that_revoked_the_gateway(site: Site) -> None:
    """The broker's list alone: what our own files say is no help."""
    authority = pki.Authority(site.ca)
    kept = authority.crl_file.read_bytes()
    authority.revoke(pki.load_certificate(site.keys / "gateway.pem"))
    shutil.copy(authority.crl_file, site.broker_folder / "crl.pem")
    authority.crl_file.write_bytes(kept)


@needs_mosquitto
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (with_another_ca, "the broker's certificate is of another CA"),
        (with_an_expired_one, "the broker's certificate is past its end"),
        (with_another_name, "the broker's certificate is for another host name"),
        (that_trusts_another_ca, "the broker refuses "),
        (that_revoked_the_gateway, "gateway.pem"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_certificates_that_do_not_fit_are_told(
    tmp_path: Path, spoil: Callable[[Site], None], words: str
) -> None:
    site = a_site(tmp_path)
    spoil(site)
    with ConfiguredBroker(site):
        line = said(site)

    assert line.startswith("✗ ")
    assert words in line


def test_the_embedded_broker_s_port_taken_by_another_program_gets_no_tick(tmp_path: Path) -> None:
    site = a_site(tmp_path, tls=False)
    port = free_port()
    site.path.write_text(site.path.read_text().replace("port = 1883", f"port = {port}"))
    site = load(site.path)
    free = said(site)
    with EmbeddedBroker(port):
        taken = said(site)

    assert f"✓ embedded; till serve starts it at {HOST}:{port}" == free
    assert taken.startswith(f"✗ another program has {HOST}:{port}")
