"""Leases on a real server: fair shares, orderly giving up, a writer that hangs in the middle."""

from collections.abc import Iterator

import psycopg
import pytest

from gateway.delivery.connection import Connection, Hello
from gateway.delivery.shares import LEASE_MS, RENEW_MS, WAIT_MS, Shares, Worker
from gateway.delivery.subscriptions import Subscriptions
from gateway.store.ledger import Ledger
from tests.delivery.bench import Device, Office, create_key
from tests.fleet.bench import wait_until
from tests.store import server as postgres

pytestmark = pytest.mark.skipif(
    postgres.programs() is None, reason="PostgreSQL is not installed: ./run system"
)
NAMES = [f"w{number}" for number in range(1, 51)]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.running() as server:
        yield server


class Site:
    """Workers of one site, whose time runs as the test says; leases end by the server's clock."""

    def __init__(self, server: postgres.Server) -> None:
        from gateway.config import LedgerServer

        self.place = LedgerServer(server.database(), "city")
        self.now_ms = 0
        self.ledgers: list[Ledger] = []

    def worker(self, number: int, of: int) -> Shares:
        ledger = Ledger(self.place)
        ledger.db.hurry(WAIT_MS)
        self.ledgers.append(ledger)
        return Shares(ledger, Worker(number, of), lambda: NAMES)

    def look(self, *workers: Shares, times: int = 1) -> None:
        for _ in range(times):
            self.now_ms += RENEW_MS
            for worker in workers:
                worker.look(self.now_ms)
                worker.give_back(worker.heard, False)

    def end_of(self, worker: Shares) -> None:
        """Its lease ends now, as if it had not renewed for so long."""
        with psycopg.connect(self.place.url, autocommit=True) as db:
            db.execute("SELECT set_config('till.site', 'city', false)")
            db.execute("UPDATE till.worker SET until_ms = 0 WHERE name = %s", (worker.name,))


@pytest.fixture
def site(server: postgres.Server) -> Iterator[Site]:
    made = Site(server)
    yield made
    for ledger in made.ledgers:
        ledger.close()


def shares_of(*workers: Shares) -> list[int]:
    heard = [each for worker in workers for each in worker.heard]
    assert len(heard) == len(set(heard)), "two workers hear one device"
    return [len(worker.heard) for worker in workers]


def test_workers_of_a_run_take_their_share_at_once(site: Site) -> None:
    workers = [site.worker(number, 4) for number in (1, 2, 3, 4)]

    site.look(*workers)

    assert [13, 13, 13, 11] == shares_of(*workers)
    assert [True, False, False, False] == [worker.has_duty for worker in workers]


def test_new_worker_is_made_room_for(site: Site) -> None:
    first, second = site.worker(1, 2), site.worker(2, 2)
    site.look(first, second, times=2 + LEASE_MS // RENEW_MS)
    third = site.worker(3, 3)

    site.look(third, first, second, times=3)

    assert [17, 17, 16] == shares_of(first, second, third)


def test_worker_that_ends_in_order_leaves_its_devices_to_the_others(site: Site) -> None:
    first, second = site.worker(1, 2), site.worker(2, 2)
    site.look(first, second, times=2 + LEASE_MS // RENEW_MS)

    second.leave()
    site.look(first)

    assert [50, 0] == shares_of(first, second)


def test_lapsed_leases_are_taken_by_who_lived_all_the_time_alone(site: Site) -> None:
    first, second = site.worker(1, 2), site.worker(2, 2)
    site.look(first, second)
    for worker in (first, second):  # as if the database had been away
        site.end_of(worker)

    site.look(first)
    soon = shares_of(first)
    site.look(first, times=1 + LEASE_MS // RENEW_MS)

    assert [25] == soon
    assert [50] == shares_of(first)


def test_fence_lets_pass_what_is_ours_and_nothing_else(site: Site) -> None:
    first, second = site.worker(1, 2), site.worker(2, 2)
    site.look(first, second)
    ours, theirs = sorted(first.heard)[0], sorted(second.heard)[0]

    with site.ledgers[0].transaction() as db:
        refused = first.fence(db, [ours, theirs, "w99"])

    assert frozenset({theirs, "w99"}) == refused


def test_message_of_a_device_that_went_to_another_worker_is_not_answered(
    site: Site, tmp_path, caplog: pytest.LogCaptureFixture
) -> None:
    from gateway.delivery.ingest import Ingest

    first, second = site.worker(1, 1), site.worker(2, 1)
    site.look(first)
    office = Office(tmp_path)
    device = Device(create_key(tmp_path / "keys", "w1"))
    device.say(2)
    slow = Ingest(site.ledgers[0], office.keys, office.clock, "city", first.fence)
    fast = Ingest(site.ledgers[1], office.keys, office.clock, "city", second.fence)
    in_hand = [slow.accept(*device.ev(1, 1))]
    site.end_of(first)
    site.look(second, times=2 + LEASE_MS // RENEW_MS)

    said_by_slow = slow.commit(in_hand)
    [answer] = fast.commit([fast.accept(*device.ev(1, 2))])

    assert [] == said_by_slow
    assert "messages_fenced messages=1 devices=1" in caplog.text
    assert 2 == device.open_ack(*answer)["high_water"]
    assert [1, 2] == [record.seq for record in site.ledgers[1].records()]


def test_writer_that_hangs_in_its_transaction_loses_the_lock(site: Site) -> None:
    """SIGSTOP in mid commit: the others do not wait for it longer than a lease lasts."""
    hanging, other = site.worker(1, 2), site.worker(2, 2)
    site.look(hanging, other)

    with pytest.raises(Exception, match="terminat"), site.ledgers[0].transaction() as db:
        db.execute("SELECT 1")
        wait_until(lambda: _can_write(site.ledgers[1]))
        db.execute("SELECT 1")

    assert WAIT_MS < LEASE_MS - RENEW_MS


def _can_write(ledger: Ledger) -> bool:
    from gateway.store.engine import StorageBusy

    try:
        with ledger.transaction():
            return True
    except StorageBusy:
        return False


def test_subscriptions_fit_the_packets_that_a_broker_takes() -> None:
    connection = Connection(Hello("x", ("t",), 30), 0)
    names = frozenset(f"window-number-{number:06}" for number in range(300))
    followed = Subscriptions("a-site-with-a-long-name")
    connection.pop_output(0)

    audible = followed.follow(connection, 1, names)
    sent = connection.pop_output(0)

    assert names == audible
    assert not followed.is_heard(connection, names)
    assert 2 * len(names) == sent.count(b"till/1/")
    assert max(_sizes(sent)) <= 4_096


def _sizes(sent: bytes) -> list[int]:
    sizes, at = [], 0
    while at < len(sent):
        size, shift, body = 0, 0, at + 1
        while True:
            size |= (sent[body] & 0x7F) << shift
            shift += 7
            body += 1
            if sent[body - 1] < 0x80:
                break
        sizes.append(body - at + size)
        at = body + size
    return sizes
