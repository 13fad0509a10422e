"""mosquitto as this site wants it: certificates on both sides, each device under its own name
alone, nothing lost silently.

The folder (`<data>/broker`, or one of your own) is complete: acl, ca.pem, crl.pem, broker.pem and
.key; tillstream.conf for the conf.d of an installed mosquitto; mosquitto.conf, the same for one
that you start yourself. The ACL is the second wall; the first is the seal, which the gateway checks
whatever a broker lets through.
"""

import getpass
import ipaddress
import os
import pwd
import stat
from collections.abc import Sequence
from pathlib import Path

from gateway.broker import pki
from gateway.broker.process import IN_FLIGHT_MAX, PACKET_BYTES_MAX
from gateway.config import Site
from gateway.errors import ConfigError, GatewayError, PermissionDenied
from gateway.files import write_private, write_public

CONFIG_FILE = "mosquitto.conf"
PART_FILE = "tillstream.conf"
INCLUDED = "conf.d"  # what Debian's mosquitto.conf includes: each file there that ends in .conf
DAEMON = "mosquitto"  # the user that mosquitto becomes where root starts it, as Debian does
_CRL = "crl.pem"
_ELSEWHERE = "elsewhere"  # in <data>/broker: other folders that were written, one a line
_READ = (PART_FILE, "acl", "ca.pem", _CRL, "broker.pem", "broker.key")


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
    if authority.was_never_made:
        authority.create(site.config.site)
    for name in _office(site):
        certificate, key = site.keys / f"{name}.pem", site.keys / f"{name}.tls.key"
        if not _is_good(authority, certificate, key, name):
            pki.write_issued(authority.issue_office(name), certificate, key)
    certificate, key = site.broker_folder / "broker.pem", site.broker_folder / "broker.key"
    if not _is_good(authority, certificate, key, pki.BROKER_NAME) or pki.hosts_of(
        pki.load_certificate(certificate)
    ) != _hosts(site):
        pki.write_issued(authority.issue_broker(_hosts(site)), certificate, key)
    return authority


def write(site: Site, folder: Path, revoked: Sequence[str]) -> list[Path]:
    """All that mosquitto reads, in `folder`; the files, the one to start it with first. `revoked`:
    devices that are shut out, whatever they show.
    """
    authority = prepare(site)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionDenied(
            f"folder {folder}: {error.strerror}; name another with --folder, or make it, as root:"
            f" {install_line(folder)}"
        ) from error
    if folder.resolve() != site.broker_folder.resolve():
        write_public(folder / "broker.pem", (site.broker_folder / "broker.pem").read_bytes())
        _write_key(folder / "broker.key", (site.broker_folder / "broker.key").read_bytes())
        _remember(site, folder.resolve())
    write_public(folder / "ca.pem", authority.certificate_file.read_bytes())
    write_public(folder / _CRL, authority.crl_file.read_bytes())
    write_public(folder / "acl", acl(site.config.site, revoked, site.config.workers).encode())
    files = {PART_FILE: listener(site, folder)}
    if folder.name != INCLUDED:  # there every file is included, and two of them would collide
        files = {CONFIG_FILE: configuration(site, folder), **files}
    for name, text in files.items():
        write_public(folder / name, text.encode())
    return [folder / name for name in (*files, "acl", "ca.pem", _CRL, "broker.pem", "broker.key")]


def refresh(site: Site, revoked: Sequence[str]) -> None:
    """After somebody was shut out or let in again: revocation list and ACL in the site's own
    folder, where there are any.
    """
    if (site.broker_folder / CONFIG_FILE).exists():
        write_public(site.broker_folder / _CRL, pki.Authority(site.ca).crl_file.read_bytes())
        text = acl(site.config.site, revoked, site.config.workers)
        write_public(site.broker_folder / "acl", text.encode())


def configuration(site: Site, folder: Path) -> str:
    """The text of mosquitto.conf (mosquitto 2.0), for a mosquitto of our own: `listener` and what
    Debian's stock file sets by itself.

    No `user root`: mosquitto then would keep every right. Started by root without a user it
    becomes `mosquitto`.
    """
    me = getpass.getuser()
    user = f"user {me}\n" if os.geteuid() and me != "root" else ""
    return f"""{listener(site, folder)}
{user}persistence true
persistence_location {folder.resolve()}/
autosave_interval 0
autosave_on_changes false
log_dest stderr
log_type error
log_type warning
log_type notice
"""


def listener(site: Site, folder: Path) -> str:
    """The text of tillstream.conf: our listener and its limits, and nothing that Debian's stock
    mosquitto.conf sets (mosquitto 2.0 refuses a second pid_file, persistence_location, log_dest
    file). Limits and queues: see gateway/broker/process.py.
    """
    broker, here = site.config.broker, folder.resolve()
    local = _is_loopback(broker.host) and not broker.server_name
    return f"""# Written by till broker config, which overwrites it.
listener {broker.port}{f" {broker.host}" if local else ""}
tls_version tlsv1.2
cafile {here}/ca.pem
certfile {here}/broker.pem
keyfile {here}/broker.key
# A reload (SIGHUP) reads it and the ACL again: wanted after a revocation. No restart is needed.
crlfile {here}/{_CRL}
require_certificate true
allow_anonymous false
# Who you are is what your certificate says, and so is your client id:
# nobody can push another's connection off.
use_identity_as_username true
use_username_as_clientid true
acl_file {here}/acl

# max_packet_size disconnects who sends too much;
# message_size_limit would confirm the message and drop it.
max_packet_size {PACKET_BYTES_MAX}
max_inflight_messages {IN_FLIGHT_MAX}
# 0: no limit. The default of 1000 drops confirmed messages without a word.
max_queued_messages 0
# Or a sealed acknowledgement waits until the device has confirmed the PUBACK before it.
set_tcp_nodelay true
"""


def install_line(folder: Path) -> str:
    """What root gives once, so that we write `folder` and mosquitto's user reads it."""
    return f"install -d -o {getpass.getuser()} -g {DAEMON} -m 2750 {folder.resolve()}"


def unreadable(folder: Path) -> str:
    """The first path of mosquitto's files in `folder` that mosquitto's own user cannot use; empty
    when it can use all, there is no such user here, or it is ours.
    """
    try:
        daemon = pwd.getpwnam(DAEMON)
    except KeyError:
        return ""
    if daemon.pw_uid == os.geteuid():
        return ""
    groups = os.getgrouplist(DAEMON, daemon.pw_gid)
    here = folder.resolve()
    wanted = [(each, stat.S_IXOTH) for each in (*reversed(here.parents), here)]
    wanted += [(here / name, stat.S_IROTH) for name in _READ if (here / name).exists()]
    for path, right in wanted:
        status = path.stat()
        shift = 6 if status.st_uid == daemon.pw_uid else 3 if status.st_gid in groups else 0
        if not status.st_mode & (right << shift):
            return str(path)
    return ""


def _office(site: Site) -> tuple[str, ...]:
    """Whose certificates the office itself needs."""
    return (*pki.WORKER_NAMES[: site.config.workers], pki.WATCH_NAME, pki.CHECK_NAME)


def acl(site: str, revoked: Sequence[str], workers: int = 1) -> str:
    """The text of the ACL: the gateway's workers by name, each device by the name in its
    certificate (%u).
    """
    prefix = f"till/1/{site}"
    shut = "".join(f"user {device}\ntopic deny {prefix}/{device}/#\n\n" for device in revoked)
    ours = ""
    for name in pki.WORKER_NAMES[:workers]:
        leaves = [("read", "+/ev"), ("read", "+/state"), ("write", "+/ack"), ("write", "+/cmd")]
        if name != pki.GATEWAY_NAME:  # all of them keep one note together
            leaves.append(("write", f"{pki.GATEWAY_NAME}/state"))
        lines = "".join(f"topic {right} {prefix}/{leaf}\n" for right, leaf in leaves)
        ours += f"user {name}\n{lines}\n"
    return f"""# Written by till broker config, which overwrites it.
{shut}{ours}user {pki.WATCH_NAME}
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
    if authority.was_never_made:
        return [pki.NEVER_MADE.format(site.ca)]
    found = []
    for folder in (site.ca, site.keys):
        if folder.is_dir() and folder.stat().st_mode & 0o077:
            found.append(f"folder {folder}: open to others; chmod 700 it")
    names = [
        (site.keys / f"{name}.pem", site.keys / f"{name}.tls.key", name)
        for name in (*_office(site), *site.config.windows)
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
    for folder in _elsewhere(site):
        found += _problems_elsewhere(authority, folder)
    return found


def _problems_elsewhere(authority: pki.Authority, folder: Path) -> list[str]:
    """Of a folder that --folder named: it is written by hand again after each change."""
    again = f"till broker config --folder {folder}"
    crl = folder / _CRL
    try:
        if crl.read_bytes() != authority.crl_file.read_bytes():
            return [f"{crl}: not the newest revocation list; {again} writes it"]
        closed = unreadable(folder)
    except FileNotFoundError:
        return [f"{crl}: not there; {again} writes it"]
    except PermissionError:
        return [f"{crl}: not readable; run as the owner of {folder}"]
    if closed:
        return [
            f"{closed}: user {DAEMON} cannot use it; as root: {install_line(folder)}, then {again}"
        ]
    return []


def _problems_of(authority: pki.Authority, path: Path, key: Path, name: str) -> list[str]:
    certificate = pki.load_certificate(path)
    authority.check(certificate, name)
    if pki.load_key(key).public_key() != certificate.public_key():
        return [f"{key}: not the key of {path}; make new ones"]
    left = pki.days_left(certificate)
    how = "till broker config" if name in pki.RESERVED_NAMES else f"till device replace {name}"
    return [f"{path}: ends in {left} days; {how}"] if left < pki.RENEW_DAYS else []


def _is_good(authority: pki.Authority, path: Path, key: Path, name: str) -> bool:
    if not path.exists() or not key.exists():
        return False
    try:
        certificate = pki.load_certificate(path)
        authority.check(certificate, name)
    except GatewayError:
        return False
    return pki.days_left(certificate) >= pki.RENEW_DAYS


def _write_key(path: Path, data: bytes) -> None:
    """The broker's key outside of our own folder: its owner's alone, and the group's that the
    folder hands down (`install_line`).
    """
    status = path.parent.stat()
    write_private(path, data)
    if status.st_mode & stat.S_ISGID and not status.st_mode & stat.S_IRWXO:
        os.chown(path, -1, status.st_gid)
        path.chmod(0o640)


def _elsewhere(site: Site) -> list[Path]:
    """Folders that --folder named and that are still there."""
    try:
        lines = (site.broker_folder / _ELSEWHERE).read_text("utf-8").splitlines()
    except OSError:
        return []
    return [Path(line) for line in lines if line and Path(line).is_dir()]


def _remember(site: Site, folder: Path) -> None:
    known = _elsewhere(site)
    if folder not in known:
        text = "".join(f"{each}\n" for each in (*known, folder))
        write_public(site.broker_folder / _ELSEWHERE, text.encode())


def _hosts(site: Site) -> list[str]:
    broker = site.config.broker
    return list(dict.fromkeys([broker.host, broker.name]))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
