"""Several workers on a real PostgreSQL server and a real mosquitto: nothing lost, nothing twice."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.broker.process import MosquittoBroker
from gateway.config import LedgerServer, Site
from gateway.devices.keys import KeyStore
from gateway.store.ledger import Ledger
from tests.cli.bench import till
from tests.delivery.bench import Device
from tests.delivery.crowd import Crowd, Serving, held, said, site_with
from tests.devices.bench import Client, ConfiguredBroker, a_site
from tests.fleet.bench import wait_until
from tests.store import server as postgres

pytestmark = pytest.mark.skipif(
    postgres.programs() is None or not MosquittoBroker.is_installed(),
    reason="PostgreSQL or mosquitto is not installed: ./run system",
)
DEVICES = 50
HEARD_AGAIN_S = 10.0
SLOW_S = 90.0


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.running() as server:
        yield server


@dataclass
class Office:
    """One site that two workers serve."""

    place: LedgerServer
    crowd: Crowd
    serving: Serving


@contextmanager
def office(folder: Path, url: str, port: int, site: str = "city") -> Iterator[Office]:
    folder.mkdir(exist_ok=True)
    config, names = site_with(folder, url, port, DEVICES, site)
    crowd = Crowd(folder / "data" / "keys", names, port, site)
    serving = Serving(config, 2)
    try:
        crowd.say(3)
        crowd.until(crowd.is_heard, SLOW_S)
        yield Office(LedgerServer(url, site), crowd, serving)
    finally:
        if serving.process.poll() is None:
            serving.process.send_signal(signal.SIGCONT)
            serving.end()
        crowd.close()


@pytest.fixture
def served(server: postgres.Server, tmp_path: Path) -> Iterator[Office]:
    with (
        MosquittoBroker(tmp_path / "broker") as broker,
        office(tmp_path / "city", server.database(), broker.port) as served,
    ):
        yield served


def test_devices_of_a_killed_worker_are_heard_by_the_other(served: Office) -> None:
    crowd, serving = served.crowd, served.serving
    os.kill(serving.process.pid, signal.SIGSTOP)  # it would start another worker within a second

    os.kill(serving.pid(2), signal.SIGKILL)
    crowd.say(2)
    passed_s = crowd.until(crowd.is_heard, SLOW_S)
    os.kill(serving.process.pid, signal.SIGCONT)
    wait_until(lambda: bool(serving.said("worker=2 worker_ready")[1:]))
    crowd.say(1)
    crowd.until(crowd.is_heard, SLOW_S)
    code = serving.end()

    print(f"heard again after {passed_s:.1f} s")
    assert HEARD_AGAIN_S >= passed_s
    assert 0 == code
    assert [] == [line for line in serving.said("worker_ended") if "code=-9" not in line]
    assert said(crowd) == held(served.place)


def test_worker_that_is_killed_is_started_again(served: Office) -> None:
    crowd, serving = served.crowd, served.serving

    os.kill(serving.pid(2), signal.SIGKILL)
    crowd.say(2)
    passed_s = crowd.until(crowd.is_heard, SLOW_S)
    serving.end()

    print(f"heard again after {passed_s:.1f} s")
    assert HEARD_AGAIN_S >= passed_s
    assert said(crowd) == held(served.place)


def test_worker_stopped_beyond_its_lease_has_its_batch_refused(served: Office) -> None:
    crowd, serving = served.crowd, served.serving

    os.kill(serving.pid(2), signal.SIGSTOP)
    crowd.say(2)  # now in its socket
    crowd.until(crowd.is_heard, SLOW_S)
    os.kill(serving.pid(2), signal.SIGCONT)
    crowd.say(2)
    crowd.until(lambda: crowd.is_heard() and bool(serving.said("messages_fenced")), SLOW_S)
    crowd.until(lambda: bool(serving.said("worker=1 leases_given_back")), SLOW_S)
    crowd.say(1)
    crowd.until(crowd.is_heard, SLOW_S)
    serving.end()

    assert serving.said("worker=2 messages_fenced")
    assert serving.said("worker=2 leases_lost")
    assert said(crowd) == held(served.place)


def test_database_away_holds_the_counts_at_the_windows(
    served: Office, server: postgres.Server
) -> None:
    crowd, serving = served.crowd, served.serving

    server.kill()
    try:
        crowd.say(2)
        crowd.until(lambda: bool(serving.said("leases_not_renewed")), SLOW_S)
        begin = dict(crowd.acked)
        with pytest.raises(AssertionError, match="without an answer"):
            crowd.until(crowd.is_heard, 20)
    finally:
        server.start()
    answered_meanwhile = begin != crowd.acked
    crowd.until(crowd.is_heard, SLOW_S)
    serving.end()

    assert not answered_meanwhile
    assert said(crowd) == held(served.place)
    with Ledger(served.place, create=False) as ledger:
        assert "storage_failed" in {row["kind"] for row in ledger.incidents()}


def test_rolling_restart_under_load_loses_nothing(served: Office) -> None:
    crowd, serving = served.crowd, served.serving
    before = [serving.pid(1), serving.pid(2)]

    serving.process.send_signal(signal.SIGHUP)

    def loaded() -> bool:
        if crowd.is_heard():
            crowd.say(1)
        return bool(serving.said("worker_restarted worker=2"))

    crowd.until(loaded, SLOW_S)
    crowd.until(crowd.is_heard, SLOW_S)
    serving.end()

    assert not set(before) & {serving.pid(1), serving.pid(2)}
    assert [] == serving.said("worker_ended")
    assert said(crowd) == held(served.place)


def test_second_run_of_the_site_ends(served: Office, tmp_path: Path) -> None:
    crowd, serving = served.crowd, served.serving
    shutil.copytree(tmp_path / "city", tmp_path / "second")

    second = till("serve", "--config", tmp_path / "second" / "till.toml", "--workers", 2)
    crowd.say(1)
    crowd.until(crowd.is_heard, SLOW_S)
    code = serving.end()

    assert 75 == second.returncode
    assert "it was there first, so this one ends" in second.stderr
    assert 0 == code
    assert said(crowd) == held(served.place)


def test_two_sites_in_one_database_never_meet(server: postgres.Server, tmp_path: Path) -> None:
    url = server.database()
    with (
        MosquittoBroker(tmp_path / "broker") as broker,
        office(tmp_path / "city", url, broker.port) as city,
        office(tmp_path / "county", url, broker.port, "county") as county,
    ):
        county.crowd.say(4)
        county.crowd.until(county.crowd.is_heard, SLOW_S)
        ended = [city.serving.end(), county.serving.end()]

    assert [0, 0] == ended
    assert said(city.crowd) == held(city.place)
    assert said(county.crowd) == held(county.place)


def test_workers_have_certificates_of_their_own(server: postgres.Server, tmp_path: Path) -> None:
    site = a_site(tmp_path / "site", windows=4)
    ledger = f'workers = 2\nledger = {{ url = "{server.database()}" }}\n'
    site.path.write_text(ledger + site.path.read_text())
    refused = till("serve", "--config", site.path, "--workers", 3)
    assert 0 == till("broker", "config", "--config", site.path).returncode
    with ConfiguredBroker(site):
        serving = Serving(site.path, 2)
        try:
            devices = [Device(KeyStore(site.keys).current(name)) for name in site.config.windows]
            answers = [_answer(site, device) for device in devices]
        finally:
            code = serving.end()

    assert 78 == refused.returncode
    assert "3 workers: there are certificates for 2; set workers = 3" in refused.stderr
    assert [1] * 4 == answers
    assert ["worker=1", "worker=2"] == sorted(
        {line.split()[0] for line in serving.said("records_taken")}
    )
    assert 0 == code


def _answer(site: Site, device: Device) -> int:
    """How far it is told that its records are durable, after it has said one."""
    device.say(1)
    topic, sealed, _ = device.ev(1, 1)
    with closing(Client(site, device.key.device)) as client:
        assert "Granted QoS 1" == client.subscribe(device.topic("ack"))
        assert "Success" == client.publish(topic, sealed)
        client.wait(lambda: bool(client.arrived))
        ack_topic, answer, _ = client.arrived[0]
    return int(device.open_ack(ack_topic, answer)["high_water"])


def test_workers_want_a_server_and_an_installed_broker(tmp_path: Path) -> None:
    site = a_site(tmp_path / "file", tls=False)
    on_file = till("serve", "--config", site.path, "--workers", 2)
    url = "postgresql://till@127.0.0.1:1/till"
    site.path.write_text(f'ledger = {{ url = "{url}" }}\n' + site.path.read_text())
    embedded = till("serve", "--config", site.path, "--workers", 2)

    assert [78, 78] == [on_file.returncode, embedded.returncode]
    assert "2 workers: they share a ledger on a PostgreSQL server" in on_file.stderr
    assert "2 workers: the embedded broker is for one gateway" in embedded.stderr
