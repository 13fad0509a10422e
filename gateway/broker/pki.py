"""The site's own certificate authority: who may speak to the broker, and how a board knows the
right one. P-256 throughout.

<data>/ca/       0700  ca.key 0600, ca.pem, crl.pem (the revoked ones; each revocation writes it
                       again)
<data>/broker/         broker.pem, broker.key, and what else mosquitto reads
                       (gateway/broker/mosquitto.py)
<data>/keys/     0700  gateway.pem, gateway.tls.key, watch.*, check.*, and for each device
                       <device>.pem and <device>.tls.key

RSA is out of the question: 4096 bits take an RP2040 23 s. A board reads DER and no PEM (MicroPython
answers "invalid key").

Validity. A board that has just been switched on knows no date: an esp32 does not check one, an rp2
does, from 2021-01-01 on. So whatever a board verifies begins at NOT_BEFORE, before any unset clock.
The CA lives 20 years, for every board carries it and a new one means a visit to each window; a
device 10, for the same reason, and revocation is what ends one early. Gateway and broker stand in
the office where `till broker config` renews them: 2 years. Lost keys are answered by the revocation
list, not by short lives. That list promises no next update before the CA's end: OpenSSL refuses
every client after a list has ended, and nobody would be there at night to sign a new one.
"""

from __future__ import annotations

import datetime
import ipaddress
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.config import WORKERS_MAX
from gateway.errors import ConfigError, DataError, PermissionDenied
from gateway.files import write_private, write_public
from protocol import topics
from protocol.compat import ProtocolError

NOT_BEFORE = datetime.datetime(
    2000, 1, 1, tzinfo=datetime.UTC
)  # the epoch of MicroPython's boards: an unset clock is not before it
CA_DAYS = 20 * 365
DEVICE_DAYS = 10 * 365
OFFICE_DAYS = 2 * 365  # gateway and broker
RENEW_DAYS = 60  # `till check` asks for new ones from here on, `till broker config` makes them
GATEWAY_NAME = "gateway"  # the broker's ACL knows it by this name
WATCH_NAME = "watch"  # what till flash looks with: it sees records arrive and may say nothing
CHECK_NAME = "check"  # what till check connects with: see gateway/broker/reach.py
BROKER_NAME = "broker"
# The names of the gateway's workers: it may have one or several, see gateway/delivery/shares.py.
WORKER_NAMES = (GATEWAY_NAME, *(f"{GATEWAY_NAME}-{number}" for number in range(2, WORKERS_MAX + 1)))
RESERVED_NAMES = (*WORKER_NAMES, WATCH_NAME, CHECK_NAME, BROKER_NAME)  # no device may have one

NEVER_MADE = (
    "{}: tls = true in till.toml, and there are no certificates yet; till broker config makes them"
)


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key, both PEM; the key is left out of repr so that it cannot
    reach a log.
    """

    certificate: bytes
    key: bytes = field(repr=False)


class Authority:
    """The CA in a folder. Its key is read when something is signed, and not kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def certificate_file(self) -> Path:
        """What everybody has to know of the CA."""
        return self.folder / "ca.pem"

    @property
    def crl_file(self) -> Path:
        """The revocation list."""
        return self.folder / "crl.pem"

    @property
    def key_file(self) -> Path:
        """Whoever has it is everybody."""
        return self.folder / "ca.key"

    @property
    def was_never_made(self) -> bool:
        """True for a site that has spoken no TLS yet. A CA of which a part is left was lost."""
        return not any(
            path.exists() for path in (self.key_file, self.certificate_file, self.crl_file)
        )

    def create(self, site: str) -> None:
        """A new CA with an empty revocation list. Raises ConfigError when there is one, for its
        boards trust no other.
        """
        if not self.was_never_made:
            raise ConfigError(
                f"CA {self.folder}: exists; it is never made twice, for every board carries its"
                " certificate"
            )
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Tillstream CA {site}")
        usage = _usage(sign_certificates=True)
        certificate = (
            _builder(name, name, key.public_key(), key.public_key(), CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        write_private(self.key_file, _key_pem(key), new=True)
        write_public(self.certificate_file, certificate.public_bytes(Encoding.PEM))
        self._write_crl([], 1)

    def issue_device(self, device: str) -> Issued:
        """A client certificate whose CN is the device's name: the broker's ACL lets it speak under
        that name alone.
        """
        try:
            topics.check_name(device)
        except ProtocolError as error:
            raise ConfigError(f"device: {error}") from error
        if device in RESERVED_NAMES:
            raise ConfigError(
                f"device {device!r}: a name of the office's own; choose another for the window"
            )
        return self._issue(device, ExtendedKeyUsageOID.CLIENT_AUTH, DEVICE_DAYS)

    def issue_office(self, name: str) -> Issued:
        """The client certificate of the gateway (GATEWAY_NAME) or of whoever only looks on
        (WATCH_NAME, CHECK_NAME).
        """
        return self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH, OFFICE_DAYS)

    def issue_broker(self, hosts: Sequence[str]) -> Issued:
        """The broker's server certificate for these host names and IP addresses."""
        return self._issue(BROKER_NAME, ExtendedKeyUsageOID.SERVER_AUTH, OFFICE_DAYS, hosts)

    def check(self, certificate: x509.Certificate, name: str) -> None:
        """Raises DataError unless it is this CA's, for this name, not past its end and not
        revoked.
        """
        try:
            certificate.verify_directly_issued_by(self.certificate())
        except (ValueError, TypeError, InvalidSignature) as error:
            raise DataError(
                f"certificate of {name}: not issued by {self.certificate_file}; make a new one"
            ) from error
        common = [
            str(each.value)
            for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        ]
        if common != [name]:
            raise DataError(
                f"certificate of {name}: made out to {', '.join(common) or 'nobody'}; make a"
                " new one"
            )
        if days_left(certificate) < 0:
            raise DataError(
                f"certificate of {name}: ended on {certificate.not_valid_after_utc:%Y-%m-%d}; make"
                " a new one"
            )
        if self.is_revoked(certificate):
            raise DataError(f"certificate of {name}: revoked; make a new one")

    def revoke(self, certificate: x509.Certificate) -> None:
        """Put a certificate on the revocation list, which is written again. Once is enough; a
        second time changes nothing.
        """
        crl = self.crl()
        if crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            return
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(certificate.serial_number)
            .revocation_date(_now())
            .build()
        )
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        self._write_crl([*crl, entry], number + 1)

    def is_revoked(self, certificate: x509.Certificate) -> bool:
        """True when it is on the revocation list."""
        return (
            self.crl().get_revoked_certificate_by_serial_number(certificate.serial_number)
            is not None
        )

    def certificate(self) -> x509.Certificate:
        """The CA's own certificate. Raises ConfigError without a CA, DataError when the file is
        none.
        """
        self._demand()
        return load_certificate(self.certificate_file)

    def crl(self) -> x509.CertificateRevocationList:
        """The revocation list as it was last written. Raises DataError when it is not there or not
        one of this CA's.
        """
        try:
            crl = x509.load_pem_x509_crl(self.crl_file.read_bytes())
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self.crl_file}: no revocation list ({type(error).__name__}); restore it from the"
                " backup"
            ) from error
        public = self.certificate().public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey) or not crl.is_signature_valid(public):
            raise DataError(
                f"{self.crl_file}: not signed by {self.certificate_file}; restore both from the"
                " backup"
            )
        return crl

    def _write_crl(self, revoked: Sequence[x509.RevokedCertificate], number: int) -> None:
        key, certificate = self._key(), self.certificate()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(certificate.subject)
            .last_update(_now())
            .next_update(certificate.not_valid_after_utc)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
            )
        )
        for each in revoked:
            builder = builder.add_revoked_certificate(each)
        write_public(self.crl_file, builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def _issue(
        self, name: str, use: x509.ObjectIdentifier, days: int, hosts: Sequence[str] = ()
    ) -> Issued:
        ca, ca_key = self.certificate(), self._key()
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_name(name), ca.subject, key.public_key(), ca_key.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            )
        certificate = builder.sign(ca_key, hashes.SHA256())
        return Issued(certificate.public_bytes(Encoding.PEM), _key_pem(key))

    def _key(self) -> ec.EllipticCurvePrivateKey:
        self._demand()
        return load_key(self.key_file)

    def _demand(self) -> None:
        if self.was_never_made:
            raise ConfigError(NEVER_MADE.format(self.folder))


def load_certificate(path: Path) -> x509.Certificate:
    """A PEM certificate. Raises ConfigError when there is no file, DataError when it holds none."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no such certificate; till broker config makes those that are missing"
        ) from error
    except PermissionError as error:
        raise PermissionDenied(f"{path}: {error.strerror}; run as its owner") from error
    except ValueError as error:
        raise DataError(f"{path}: not a certificate; restore it from the backup") from error


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A PEM P-256 private key. Raises PermissionDenied when others can read it, DataError when it
    is none.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise PermissionDenied(f"{path}: readable by others; chmod 600 it")
        key = load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such key; {_cure(path)}") from error
    except PermissionError as error:
        raise PermissionDenied(f"{path}: {error.strerror}; run as its owner") from error
    except (ValueError, TypeError):
        raise DataError(f"{path}: not a private key; restore it from the backup") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise DataError(f"{path}: not a key on P-256; restore it from the backup")
    return key


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate's DER bytes as 64 hex digits: what two people compare."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """The host names and IP addresses that a server certificate is for, in its order."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def board_files(authority: Authority, certificate: Path, key: Path) -> dict[str, bytes]:
    """{name: DER bytes} of what a board needs for TLS. device_key.der is its private key (SEC1, 121
    bytes): never log it.
    """
    key_der = load_key(key).private_bytes(
        Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    return {
        "ca.der": authority.certificate().public_bytes(Encoding.DER),
        "device.der": load_certificate(certificate).public_bytes(Encoding.DER),
        "device_key.der": key_der,
    }


def client_files(ca: Path, keys: Path, name: str) -> dict[str, str]:
    """ca_file, cert_file and key_file of a client of the office. Raises ConfigError or
    PermissionDenied when one is not fit.
    """
    certificate, key = keys / f"{name}.pem", keys / f"{name}.tls.key"
    authority = Authority(ca)
    authority.certificate()  # first: without a CA that is what has to be told
    authority.check(load_certificate(certificate), name)
    load_key(key)
    return {
        "ca_file": str(Authority(ca).certificate_file),
        "cert_file": str(certificate),
        "key_file": str(key),
    }


def days_left(certificate: x509.Certificate, now: datetime.datetime | None = None) -> int:
    """Whole days until it ends; negative when it has."""
    return (certificate.not_valid_after_utc - (now or _now())).days


def write_issued(issued: Issued, certificate: Path, key: Path) -> None:
    """Both files, the key first: a certificate without its key helps nobody."""
    certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(key, issued.key)
    write_public(certificate, issued.certificate)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer_public: ec.EllipticCurvePublicKey,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(_now() + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False
        )
    )


def _cure(key: Path) -> str:
    """What helps when this key file is gone."""
    name = key.name.removesuffix(".tls.key").removesuffix(".key")
    if name == "ca":  # every board trusts it alone: a new one would lock them all out
        return "restore it from the backup"
    if name in RESERVED_NAMES:
        return "till broker config makes a new one, with its certificate"
    return f"restore it from the backup, or make a new identity: till device replace {name}"


def _usage(sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False,
        key_agreement=False, key_cert_sign=sign_certificates, crl_sign=sign_certificates,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def is_host(host: str) -> bool:
    """True for what can stand in a certificate as a host name or IP address."""
    try:
        _host(host)
    except ConfigError:
        return False
    return True


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise ConfigError(
            f"host {host!r}: not a host name or IP address; correct [broker] in till.toml"
        ) from error


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)
