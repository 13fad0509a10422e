"""The configuration that till writes, in Debian's mosquitto and in one of our own: the real
program, its stock file, its own user.
"""

import grp
import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.broker import mosquitto as broker_config
from gateway.broker.process import Broker, MosquittoBroker
from gateway.config import Site
from tests.cli.bench import till
from tests.delivery.bench import SITE
from tests.devices.bench import Client, a_site, connack, context_of

pytestmark = pytest.mark.skipif(
    not MosquittoBroker.is_installed(), reason="mosquitto is not on PATH"
)
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not any(each.pw_name == "mosquitto" for each in pwd.getpwall()),
    reason="only root can start mosquitto as its own user",
)

# /etc/mosquitto/mosquitto.conf of Debian's package 2.0.11, its folders moved
STOCK = """\
# Place your local configuration in /etc/mosquitto/conf.d/
#
# A full description of the configuration file is at
# /usr/share/doc/mosquitto/examples/mosquitto.conf.example

pid_file {etc}/run/mosquitto.pid

persistence true
persistence_location {etc}/lib/

log_dest file {etc}/log/mosquitto.log

include_dir {etc}/conf.d
"""


class Installed(Broker):
    """mosquitto as a service manager starts it, with a configuration file that stays as it is."""

    name = "mosquitto"

    def __init__(self, file: Path, port: int) -> None:
        super().__init__(port)
        self.file = file

    def _launch(self) -> "subprocess.Popen[bytes]":
        with self.file.with_name("said").open("ab") as log:
            return subprocess.Popen(
                [str(shutil.which("mosquitto")), "-c", str(self.file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip


@pytest.fixture
def etc() -> Iterator[Path]:
    """/etc/mosquitto and what belongs to it, in a folder that mosquitto's user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="till-etc-"))
    folder.chmod(0o755)
    (folder / "conf.d").mkdir()
    for name in ("run", "lib", "log"):
        (folder / name).mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder / name, "mosquitto", "mosquitto")
    (folder / "mosquitto.conf").write_text(STOCK.format(etc=folder))
    yield folder
    shutil.rmtree(folder)


def works(site: Site) -> list[str]:
    """TLS, certificates and the ACL of a running broker."""
    own, other = (f"till/1/{SITE}/{device}/ev" for device in ("w2", "w1"))
    with Client(site, "gateway") as gateway, Client(site, "w2") as w2:
        granted = gateway.subscribe(f"till/1/{SITE}/+/ev")
        return [
            connack(site, None), connack(site, context_of(site, "w1")), granted,
            w2.publish(own, b"x"), w2.publish(other, b"x"),
        ]  # fmt: skip


WORKS = ["closed", "accepted", "Granted QoS 1", "Success", "Not authorized"]


def config_of(site: Site) -> tuple[object, ...]:
    return ("--config", site.path)


def step(text: str, words: str) -> list[str]:
    """The command that a line of the output names after `words`."""
    line = next(line for line in text.splitlines() if words in line)
    return shlex.split(line.partition(words)[2])


@needs_root
def test_the_steps_that_the_command_names_make_debians_mosquitto_serve_the_site(
    etc: Path, tmp_path: Path
) -> None:
    site = a_site(tmp_path)
    place = etc / "tillstream"
    first = till("broker", "config", *config_of(site))
    install = step(first.stdout.replace("/etc/mosquitto/tillstream", str(place)), "as root: ")
    subprocess.run(install, check=True)
    second = till("broker", "config", "--folder", place, *config_of(site))
    link = step(second.stdout.replace("/etc/mosquitto/", f"{etc}/"), "as root: ")
    subprocess.run(link, check=True)
    with Installed(etc / "mosquitto.conf", site.config.broker.port) as broker:
        owner = Path(f"/proc/{broker.pid}").stat().st_uid
        found = works(site)

    assert pwd.getpwnam("mosquitto").pw_uid == owner
    assert WORKS == found
    assert 0o640 == (place / "broker.key").stat().st_mode & 0o777
    assert grp.getgrnam("mosquitto").gr_gid == (place / "broker.key").stat().st_gid


@needs_root
def test_check_finds_a_folder_that_mosquitto_cannot_use_or_that_is_out_of_date(
    etc: Path, tmp_path: Path
) -> None:
    site = a_site(tmp_path)
    place = etc / "tillstream"
    place.mkdir(mode=0o700)
    told = till("broker", "config", "--folder", place, *config_of(site)).stdout
    shut = till("check", *config_of(site)).stdout
    subprocess.run(step(told, "as root: "), check=True)
    closed_key = till("check", *config_of(site)).stdout
    till("broker", "config", "--folder", place, *config_of(site))
    fine = till("check", *config_of(site)).stdout
    till("device", "revoke", "w2", "--reason", "stolen", *config_of(site))
    site.path.write_text(site.path.read_text().replace('"w1", "w2"', '"w1"'))
    late = till("check", *config_of(site)).stdout

    again = f"till broker config --folder {place}"
    install = f"install -d -o {pwd.getpwuid(0).pw_name} -g mosquitto -m 2750 {place}"
    assert f"user mosquitto cannot use {place}; as root: {install}" in told
    assert f"{place}: user mosquitto cannot use it; as root: {install}, then {again}" in shut
    assert f"{place}/broker.key: user mosquitto cannot use it; as root: " in closed_key
    assert "✓ certificates: " in fine
    assert f"{place}/crl.pem: not the newest revocation list; {again} writes it" in late


def test_a_folder_inside_conf_d_is_read_beside_the_stock_file(etc: Path, tmp_path: Path) -> None:
    """Written right into conf.d: mosquitto includes every file there that ends in .conf."""
    site = a_site(tmp_path)
    told = till("broker", "config", "--folder", etc / "conf.d", *config_of(site)).stdout
    conf = etc / "mosquitto.conf"
    me = pwd.getpwuid(os.geteuid()).pw_name  # a test's folder is not for mosquitto's user
    conf.write_text(f"user {me}\n{conf.read_text()}")
    with Installed(conf, site.config.broker.port):
        found = works(site)

    assert ["tillstream.conf"] == [path.name for path in (etc / "conf.d").glob("*.conf")]
    assert "mosquitto -c" not in told
    assert WORKS == found


def test_the_complete_file_works_alone(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    conf = site.broker_folder / "mosquitto.conf"
    if os.geteuid() == 0:
        conf.write_text(f"user root\n{conf.read_text()}")
    with Installed(conf, site.config.broker.port):
        found = works(site)

    assert WORKS == found
    assert (site.broker_folder / "mosquitto.db").exists()


def test_no_file_says_user_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = a_site(tmp_path)
    written = [path.read_text() for path in site.broker_folder.glob("*.conf")]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for name in ("root", "till"):
        monkeypatch.setattr("getpass.getuser", lambda name=name: name)
        written.append(broker_config.configuration(site, site.broker_folder))

    assert [] == [text for text in written if "\nuser root" in text]
    assert "\nuser till\n" in written[-1]


def test_a_folder_that_cannot_be_made_is_told_with_the_line_for_root(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc").chmod(0o500)
    place = tmp_path / "etc" / "tillstream"
    done = till("broker", "config", "--folder", place, *config_of(site), privileged=False)

    assert 77 == done.returncode
    assert f"as root: {broker_config.install_line(place)}" in done.stderr
