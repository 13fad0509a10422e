"""mosquitto as this site wants it: certificates on both sides, each device under its own name
alone, nothing lost silently.

The folder (`<data>/broker`, or one of your own) is complete: mosquitto.conf, acl, ca.pem, crl.pem,
broker.pem and .key. The ACL is the second wall; the first is the seal, which the gateway checks
whatever a broker lets through.
"""

import getpass
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from gateway.broker import pki
from gateway.broker.process import IN_FLIGHT_MAX, PACKET_BYTES_MAX
from gateway.config import Site
from gateway.devices.keys import write_private, write_public
from gateway.errors import ConfigError, GatewayError, PermissionDenied

CONFIG_FILE = "mosquitto.conf"
_CRL = "crl.pem"


def prepare(site: Site) -> pki.Authority:
    """The CA, made when there is none, with certificates of gateway, watcher and broker that are
    right and not about to end.

    Raises ConfigError when the site's broker speaks no TLS.
    """
    if not site.config.broker.tls:
        raise ConfigError(
            f"{site.path}: [broker] has no TLS; set embedded = false, tls = true and port = 8883"
            " first"
        )
    authority = pki.Authority(site.ca)
    if not authority.exists:
        authority.create(site.config.site)
    for name in (pki.GATEWAY_NAME, pki.WATCH_NAME):
        certificate, key = site.keys / f"{name}.pem", site.keys / f"{name}.tls.key"
        if not _is_good(authority, certificate, name):
            pki.write_issued(authority.issue_office(name), certificate, key)
    certificate = site.broker_folder / "broker.pem"
    if not _is_good(authority, certificate, pki.BROKER_NAME) or pki.hosts_of(
        pki.load_certificate(certificate)
    ) != _hosts(site):
        pki.write_issued(
            authority.issue_broker(_hosts(site)), certificate, site.broker_folder / "broker.key"
        )
    return authority


def write(site: Site, folder: Path, revoked: Sequence[str]) -> list[Path]:
    """All that mosquitto reads, in `folder`; the files. `revoked`: devices that are shut out,
    whatever they show.
    """
    authority = prepare(site)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionDenied(
            f"folder {folder}: {error.strerror}; name another with --folder"
        ) from error
    if folder.resolve() != site.broker_folder.resolve():
        write_public(folder / "broker.pem", (site.broker_folder / "broker.pem").read_bytes())
        write_private(folder / "broker.key", (site.broker_folder / "broker.key").read_bytes())
    write_public(folder / "ca.pem", authority.certificate_file.read_bytes())
    write_public(folder / _CRL, authority.crl_file.read_bytes())
    write_public(folder / "acl", acl(site.config.site, revoked).encode())
    write_public(folder / CONFIG_FILE, configuration(site, folder).encode())
    return [
        folder / name for name in (CONFIG_FILE, "acl", "ca.pem", _CRL, "broker.pem", "broker.key")
    ]


def refresh(site: Site, revoked: Sequence[str]) -> None:
    """After somebody was shut out or let in again: revocation list and ACL in the site's own
    folder, where there are any.
    """
    if (site.broker_folder / CONFIG_FILE).exists():
        write_public(site.broker_folder / _CRL, pki.Authority(site.ca).crl_file.read_bytes())
        write_public(site.broker_folder / "acl", acl(site.config.site, revoked).encode())


def configuration(site: Site, folder: Path) -> str:
    """The text of mosquitto.conf (mosquitto 2.0). Limits and queues: see gateway/broker/process.py."""
    broker, here = site.config.broker, folder.resolve()
    return f"""# Written by till broker config, which overwrites it.
listener {broker.port}{f" {broker.host}" if _is_loopback(broker.host) and not broker.server_name else ""}
user {getpass.getuser()}
tls_version tlsv1.2
cafile {here}/ca.pem
certfile {here}/broker.pem
keyfile {here}/broker.key
# A reload (SIGHUP) reads it and the ACL again: wanted after a revocation. No restart is needed.
crlfile {here}/{_CRL}
require_certificate true
allow_anonymous false
# Who you are is what your certificate says, and so is your client id: nobody can push another's connection off.
use_identity_as_username true
use_username_as_clientid true
acl_file {here}/acl

# max_packet_size disconnects who sends too much; message_size_limit would confirm the message and drop it.
max_packet_size {PACKET_BYTES_MAX}
max_inflight_messages {IN_FLIGHT_MAX}
# 0: no limit. The default of 1000 drops confirmed messages without a word.
max_queued_messages 0
persistence true
persistence_location {here}/
autosave_interval 0
autosave_on_changes false
log_dest stderr
log_type error
log_type warning
log_type notice
"""


def acl(site: str, revoked: Sequence[str]) -> str:
    """The text of the ACL: the gateway by name, each device by the name in its certificate (%u)."""
    prefix = f"till/1/{site}"
    shut = "".join(f"user {device}\ntopic deny {prefix}/{device}/#\n\n" for device in revoked)
    return f"""# Written by till broker config, which overwrites it.
{shut}user {pki.GATEWAY_NAME}
topic read {prefix}/+/ev
topic read {prefix}/+/state
topic write {prefix}/+/ack
topic write {prefix}/+/cmd

user {pki.WATCH_NAME}
topic read {prefix}/+/ev

pattern write {prefix}/%u/ev
pattern write {prefix}/%u/state
pattern read {prefix}/%u/ack
pattern read {prefix}/%u/cmd
"""


def problems(site: Site) -> list[str]:
    """What is wrong with certificates, their keys and what mosquitto reads; empty when nothing is.
    Changes nothing.
    """
    authority = pki.Authority(site.ca)
    found = []
    for folder in (site.ca, site.keys):
        if folder.is_dir() and folder.stat().st_mode & 0o077:
            found.append(f"folder {folder}: open to others; chmod 700 it")
    names = [
        (site.keys / f"{name}.pem", site.keys / f"{name}.tls.key", name)
        for name in (pki.GATEWAY_NAME, pki.WATCH_NAME)
    ]
    names += [
        (site.keys / f"{name}.pem", site.keys / f"{name}.tls.key", name)
        for name in site.config.windows
    ]
    names.append(
        (site.broker_folder / "broker.pem", site.broker_folder / "broker.key", pki.BROKER_NAME)
    )
    try:
        pki.load_key(authority.key_file)
        authority.crl()
    except GatewayError as error:
        return [*found, str(error)]
    for certificate, key, name in names:
        try:
            found += _problems_of(authority, certificate, key, name)
        except GatewayError as error:
            found.append(str(error))
    if not (site.broker_folder / "acl").exists():
        found.append(
            f"{site.broker_folder / 'acl'}: no ACL for mosquitto; till broker config writes it"
        )
    crl = site.broker_folder / _CRL
    if not crl.exists() or crl.read_bytes() != authority.crl_file.read_bytes():
        found.append(f"{crl}: not the newest revocation list; till broker config writes it")
    return found


def _problems_of(authority: pki.Authority, path: Path, key: Path, name: str) -> list[str]:
    certificate = pki.load_certificate(path)
    authority.check(certificate, name)
    if pki.load_key(key).public_key() != certificate.public_key():
        return [f"{key}: not the key of {path}; make new ones"]
    left = pki.days_left(certificate)
    how = "till broker config" if name in pki.RESERVED_NAMES else f"till device replace {name}"
    return [f"{path}: ends in {left} days; {how}"] if left < pki.RENEW_DAYS else []


def _is_good(authority: pki.Authority, path: Path, name: str) -> bool:
    if not path.exists():
        return False
    try:
        certificate = pki.load_certificate(path)
        authority.check(certificate, name)
    except GatewayError:
        return False
    return pki.days_left(certificate) >= pki.RENEW_DAYS


def _hosts(site: Site) -> list[str]:
    broker = site.config.broker
    return list(dict.fromkeys([broker.host, broker.name]))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
