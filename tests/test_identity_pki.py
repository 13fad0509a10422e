"""Certificates: what they say, who takes them (OpenSSL, mbedTLS on MicroPython), and what is
refused.
"""

import datetime
import socket
import ssl
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import pki
from gateway.broker import HOST
from gateway.errors import ConfigError, DataError, PermissionDenied

MICROPYTHON = Path(sys.executable).with_name("micropython")
BOARD = """
import socket, tls
def read(name):
    with open(name, "rb") as file:
        return file.read()
context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_REQUIRED
context.load_verify_locations(read("ca.der"))
context.load_cert_chain(read("device.der"), read("device_key.der"))
link = socket.socket()
link.connect(socket.getaddrinfo("127.0.0.1", %d)[0][-1])
print(context.wrap_socket(link, server_hostname="%s").read(5))
"""


@pytest.fixture
def authority(tmp_path: Path) -> pki.Authority:
    made = pki.Authority(tmp_path / "ca")
    made.create("city")
    return made


def written(authority: pki.Authority, name: str, issued: pki.Issued) -> tuple[Path, Path]:
    certificate, key = authority.folder / f"{name}.pem", authority.folder / f"{name}.key"
    pki.write_issued(issued, certificate, key)
    return certificate, key


def test_a_certificate_says_who_and_what_for(authority: pki.Authority) -> None:
    device = x509.load_pem_x509_certificate(authority.issue_device("w1").certificate)
    broker = x509.load_pem_x509_certificate(
        authority.issue_broker(["till.city", "10.0.0.5"]).certificate
    )
    ca = authority.certificate()

    def of(certificate: x509.Certificate, kind: type) -> object:
        return certificate.extensions.get_extension_for_class(kind).value

    assert ["CN=w1", "CN=broker", "CN=Tillstream CA city"] == [
        each.subject.rfc4514_string() for each in (device, broker, ca)
    ]
    assert [(False, None), (True, 0)] == [
        (each.ca, each.path_length)
        for each in (of(device, x509.BasicConstraints), of(ca, x509.BasicConstraints))
    ]
    assert ["clientAuth", "serverAuth"] == [
        use._name for each in (device, broker) for use in of(each, x509.ExtendedKeyUsage)
    ]
    assert ["till.city", "10.0.0.5"] == pki.hosts_of(broker)
    assert (True, False) == (
        of(device, x509.KeyUsage).digital_signature,
        of(device, x509.KeyUsage).key_cert_sign,
    )
    assert (True, True) == (of(ca, x509.KeyUsage).key_cert_sign, of(ca, x509.KeyUsage).crl_sign)
    assert [ec.SECP256R1] * 3 == [type(each.public_key().curve) for each in (device, broker, ca)]
    assert 3 == len({each.serial_number for each in (device, broker, ca)})


def test_certificates_last_as_long_as_a_visit_to_their_owner_is_far(
    authority: pki.Authority,
) -> None:
    device = x509.load_pem_x509_certificate(authority.issue_device("w1").certificate)
    office = x509.load_pem_x509_certificate(authority.issue_office("gateway").certificate)
    every = [authority.certificate(), device, office]

    assert [20 * 365, 10 * 365, 2 * 365] == [pki.days_left(each,
      each.not_valid_after_utc - datetime.timedelta(days=days))
                                            for each,
                                            days in zip(every, (7300, 3650, 730),
                                             strict=True)]  # fmt: skip
    assert {2000} == {
        each.not_valid_before_utc.year for each in every
    }  # before the clock of any board without one
    assert authority.crl().next_update_utc == authority.certificate().not_valid_after_utc


def test_private_keys_are_their_owners_alone(authority: pki.Authority) -> None:
    _, key = written(authority, "w1", authority.issue_device("w1"))

    assert [0o700, 0o600, 0o600] == [
        stat.S_IMODE(path.stat().st_mode) for path in (authority.folder, authority.key_file, key)
    ]
    assert "PRIVATE" not in repr(authority.issue_device("w1"))


def test_a_ca_is_never_made_twice(authority: pki.Authority) -> None:
    with pytest.raises(ConfigError, match="never made twice"):
        authority.create("city")


def test_a_key_that_others_can_read_or_that_is_none_signs_nothing(authority: pki.Authority) -> None:
    authority.key_file.chmod(0o640)
    with pytest.raises(PermissionDenied, match="chmod 600"):
        authority.issue_device("w1")
    authority.key_file.write_text("not a key 1234")
    authority.key_file.chmod(0o600)

    with pytest.raises(DataError) as caught:
        authority.issue_device("w1")

    assert "1234" not in str(caught.value)


def test_a_certificate_is_checked_for_issuer_name_end_and_revocation(
    authority: pki.Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = x509.load_pem_x509_certificate(authority.issue_device("w1").certificate)
    other = pki.Authority(tmp_path / "other")
    other.create("city")
    foreign = x509.load_pem_x509_certificate(other.issue_device("w1").certificate)
    monkeypatch.setattr(pki, "DEVICE_DAYS", -1)
    ended = x509.load_pem_x509_certificate(authority.issue_device("w1").certificate)

    authority.check(good, "w1")
    for certificate, name, reason in (
        (good, "w2", "made out to w1"),
        (foreign, "w1", "not issued by"),
        (ended, "w1", "ended"),
    ):
        with pytest.raises(DataError, match=reason):
            authority.check(certificate, name)
    authority.revoke(good)
    with pytest.raises(DataError, match="revoked"):
        authority.check(good, "w1")


def test_the_revocation_list_grows_and_is_signed(authority: pki.Authority, tmp_path: Path) -> None:
    each = [
        x509.load_pem_x509_certificate(authority.issue_device(name).certificate)
        for name in ("w1", "w2", "w3")
    ]
    for certificate in (each[0], each[1], each[0]):
        authority.revoke(certificate)

    assert [True, True, False] == [authority.is_revoked(certificate) for certificate in each]
    assert 3 == authority.crl().extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    other = pki.Authority(tmp_path / "other")
    other.create("city")
    authority.crl_file.write_bytes(other.crl_file.read_bytes())
    with pytest.raises(DataError, match="not signed by"):
        authority.crl()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("127.0.0.1", "b'hello'"), ("till.city", "b'hello'"), ("till.town", "does not match")],
)
def test_a_board_takes_its_der_files_and_believes_the_right_broker_alone(
    authority: pki.Authority, tmp_path: Path, name: str, expected: str
) -> None:
    """mbedTLS on the board, OpenSSL at its strictest on the other side; names and IP addresses of
    the broker.
    """
    device = written(authority, "w1", authority.issue_device("w1"))
    for file, data in pki.board_files(authority, *device).items():
        (tmp_path / file).write_bytes(data)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(
        *written(authority, "broker", authority.issue_broker([HOST, "till.city"]))
    )
    server.load_verify_locations(authority.certificate_file)
    server.load_verify_locations(authority.crl_file)
    server.verify_flags |= (
        ssl.VerifyFlags.VERIFY_X509_STRICT | ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    )
    server.verify_mode = ssl.CERT_REQUIRED
    seen: list[object] = []
    with socket.create_server((HOST, 0)) as listener:

        def answer() -> None:
            plain, _ = listener.accept()
            try:
                with server.wrap_socket(plain, server_side=True) as link:
                    seen.append(
                        dict(pair for part in link.getpeercert()["subject"] for pair in part)
                    )
                    link.sendall(b"hello")
            except OSError:
                seen.append(None)

        thread = threading.Thread(target=answer)
        thread.start()
        code = BOARD % (listener.getsockname()[1], name)
        done = subprocess.run(
            [MICROPYTHON, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        thread.join(20)

    is_right = name != "till.town"
    assert expected in done.stdout, done.stderr
    assert (0 if is_right else 1, [{"commonName": "w1"} if is_right else None]) == (
        done.returncode,
        seen,
    )
