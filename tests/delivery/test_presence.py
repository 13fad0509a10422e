"""Two gateways of one site: the second one ends and names the first, whether they share a data
folder or only the broker.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.broker.process import MosquittoBroker, free_port
from gateway.delivery.presence import (
    ECHO_MS,
    SETTLE_MS,
    SHORT_LIFE_MS,
    SHORT_LIVES_MAX,
    Rivals,
    Running,
    hold,
    holder,
)
from gateway.errors import TryAgain
from tests.cli.bench import ROOT, command, environment, till
from tests.devices.bench import ConfiguredBroker, a_site
from tests.incoming.bench import row, text_of

PATIENCE_S = 20


class Served:
    """`till serve` of one folder; its lines as they come."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            command("serve", "--config", folder / "till.toml"), cwd=ROOT, env=environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.out: list[str] = []
        self.err: list[str] = []
        self._changed = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in (
                (self.process.stdout, self.out),
                (self.process.stderr, self.err),
            )
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines: list[str]) -> None:
        for line in stream:
            with self._changed:
                lines.append(line)
                self._changed.notify_all()

    def wait_for(self, words: str) -> None:
        with self._changed:
            assert self._changed.wait_for(
                lambda: any(words in line for line in self.out + self.err), PATIENCE_S
            ), (self.out, self.err)

    def ended(self) -> int:
        code = self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return code


@contextmanager
def served(folder: Path, ready: bool = True) -> Iterator[Served]:
    made = Served(folder)
    try:
        if ready:
            made.wait_for("ready site=")
        yield made
    finally:
        made.process.terminate()
        made.ended()


def incidents(folder: Path) -> list[tuple[str, str]]:
    done = till("incidents", "--json", "--config", folder / "till.toml")
    return [(each["kind"], each["text"]) for each in json.loads(done.stdout)]


@pytest.fixture(params=["embedded", "mosquitto", "mosquitto with TLS"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The folder of a site whose broker can be used."""
    folder = tmp_path / "first"
    if request.param == "mosquitto with TLS":
        made = a_site(folder)
        if not MosquittoBroker.is_installed():
            pytest.skip("mosquitto is not on PATH")
        with ConfiguredBroker(made):
            yield folder
        return
    port = free_port()
    a_site(folder, tls=False)
    text = (folder / "till.toml").read_text().replace("port = 1883", f"port = {port}")
    if request.param == "embedded":
        (folder / "till.toml").write_text(text)
        yield folder
        return
    if not MosquittoBroker.is_installed():
        pytest.skip("mosquitto is not on PATH")
    (folder / "till.toml").write_text(text.replace("embedded = true", "embedded = false"))
    with MosquittoBroker(tmp_path / "mosquitto", port):
        yield folder


def test_a_second_gateway_on_one_folder_ends_and_names_the_first(site: Path) -> None:
    with served(site) as first:
        second = Served(site)
        code = second.ended()
        still_one = first.process.poll() is None and "broker_lost" not in "".join(first.err)

    assert (75, [], True) == (code, second.out, still_one)
    assert 1 == len(second.err), second.err
    assert f"till: folder {site / 'data'}: another gateway serves it " in second.err[0]
    assert f"(process {first.process.pid} on host {socket.gethostname()}, since " in second.err[0]
    assert second.err[0].endswith("stop that one first\n")


def test_the_other_commands_work_beside_a_running_gateway(site: Path, tmp_path: Path) -> None:
    config = ("--config", site / "till.toml")
    (site / "posted.csv").write_text(text_of([row("R1")]))
    with served(site):
        codes = {
            name: till(name, *arguments, *config).returncode
            for name, arguments in {
                "import": (site / "posted.csv",),
                "reconcile": (),
                "backup": (tmp_path / "copy.db",),
                "verify": (),
                "check": (),
            }.items()
        }

    assert {"import": 0, "reconcile": 1, "backup": 0, "verify": 0, "check": 0} == codes


def test_a_killed_gateway_leaves_no_lock(site: Path) -> None:
    killed = Served(site)
    killed.wait_for("ready site=")
    killed.process.kill()
    killed.ended()

    assert "" == holder(site / "data")
    with served(site) as again:
        assert str(again.process.pid) in holder(site / "data")
    assert "" == holder(site / "data")


def a_copy(site: Path, folder: Path) -> Path:
    """The same site in another folder, as somebody sets up a second computer."""
    shutil.copytree(site, folder)
    path = folder / "till.toml"
    path.write_text(path.read_text().replace("embedded = true", "embedded = false"))
    return folder


@pytest.mark.parametrize("site", ["mosquitto", "mosquitto with TLS"], indirect=True)
def test_a_second_gateway_at_the_broker_ends_and_names_the_first(
    site: Path, tmp_path: Path
) -> None:
    other = a_copy(site, tmp_path / "second")
    with served(site) as first, served(other, ready=False) as second:
        code = second.ended()
        first.wait_for("second_gateway error=")

    assert (75, []) == (code, second.out), second.err
    assert f"process {first.process.pid} on host {socket.gethostname()}" in second.err[-1]
    assert "it was there first, so this one ends; stop one of them" in second.err[-1]
    for folder, pid in ((site, second.process.pid), (other, first.process.pid)):
        found = [text for kind, text in incidents(folder) if kind == "second_gateway"]
        assert 1 == len(found), incidents(folder)
        assert f"process {pid} on host " in found[0]


def test_where_the_broker_hands_no_note_out_again_both_are_told_of_the_loop(
    tmp_path: Path,
) -> None:
    """iotcore sends a retained message to a new subscription alone. Only a gateway with another
    folder on the same machine could meet the first one there.
    """
    site = tmp_path / "first"
    a_site(site, tls=False)
    path = site / "till.toml"
    path.write_text(path.read_text().replace("port = 1883", f"port = {free_port()}"))
    other = a_copy(site, tmp_path / "second")
    with served(site) as first, served(other, ready=False) as second:
        for each in (first, second):
            each.wait_for("broker_flaps error=")

    for folder in (site, other):
        assert ["broker_flaps"] == [kind for kind, _ in incidents(folder)]


def test_a_gateway_after_a_power_cut_is_ready_although_its_note_is_still_there(
    site: Path,
) -> None:
    with served(site) as first:
        os.kill(first.process.pid, signal.SIGKILL)
        first.ended()
    with served(site) as second:
        second.wait_for("ready site=")

    assert [] == [kind for kind, _ in incidents(site) if kind == "second_gateway"]


# --- the lock -------------------------------------------------------------------------------------


def test_a_lock_whose_holder_wrote_nothing_is_told_honestly(tmp_path: Path) -> None:
    with hold(tmp_path, Running.here()):
        (tmp_path / "gateway.lock").write_bytes(b"")
        with pytest.raises(TryAgain, match="it does not say which"), hold(tmp_path, Running.here()):
            pass
        dead = Running(socket.gethostname(), 2**22 + 1, 0, "x")
        (tmp_path / "gateway.lock").write_bytes(dead.note())
        assert "it does not say which" == holder(tmp_path)


def test_the_lock_file_is_its_owners_alone_and_no_link(tmp_path: Path) -> None:
    with hold(tmp_path, Running.here()):
        assert 0o600 == (tmp_path / "gateway.lock").stat().st_mode & 0o777
    (tmp_path / "gateway.lock").unlink()
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "gateway.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError), hold(tmp_path, Running.here()):
        pass

    assert "mine" == (tmp_path / "elsewhere").read_text()


# --- what the broker shows, without a broker ------------------------------------------------------

OLD = Running("far", 7, 1_000, "a")
NEW = Running("near", 8, 2_000, "b")


def test_an_earlier_note_delays_and_does_not_end() -> None:
    rivals = Rivals(NEW)
    rivals.connected(0)
    rivals.heard(OLD)
    rivals.heard(NEW)

    assert not rivals.settled(SETTLE_MS - 1)
    assert rivals.settled(SETTLE_MS)
    assert [] == rivals.pop_troubles()


def test_without_an_earlier_note_the_own_one_is_enough() -> None:
    rivals = Rivals(NEW)
    rivals.connected(0)

    assert not rivals.settled(5)
    rivals.heard(NEW)
    assert rivals.settled(5)


def test_a_broker_that_keeps_no_notes_delays_and_does_not_end() -> None:
    rivals = Rivals(NEW)
    rivals.connected(0)

    assert (False, True) == (rivals.settled(ECHO_MS - 1), rivals.settled(ECHO_MS))


def test_exactly_one_of_two_ends() -> None:
    ends = []
    for own, other in ((OLD, NEW), (NEW, OLD)):
        rivals = Rivals(own)
        rivals.connected(0)
        rivals.heard(own)
        rivals.lost(10)
        rivals.connected(1_000)
        rivals.heard(other)
        ends.append([trouble.must_end for trouble in rivals.pop_troubles()])

    assert [[False], [True]] == ends


def test_a_connection_that_is_closed_again_and_again_is_told_once() -> None:
    rivals = Rivals(NEW)
    for number in range(3 * SHORT_LIVES_MAX):
        rivals.connected(number)
        rivals.lost(number)

    assert [("broker_flaps", False)] == [
        (trouble.kind, trouble.must_end) for trouble in rivals.pop_troubles()
    ]


def test_a_broker_that_is_away_or_a_long_connection_is_no_flap() -> None:
    rivals = Rivals(NEW)
    for number in range(3 * SHORT_LIVES_MAX):
        rivals.connected(0)
        rivals.lost(SHORT_LIFE_MS if number % 3 else 0)
        if number % 2:
            rivals.refused()

    assert [] == rivals.pop_troubles()


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"\x85\x01", b'{"host": 1}', b"{" * 9_999])
def test_what_is_no_note_is_nothing(text: bytes) -> None:
    assert Running.parse(text) is None
    assert OLD == Running.parse(OLD.note())
