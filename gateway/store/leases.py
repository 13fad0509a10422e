"""Tables `worker` and `lease`: which worker hears which device of the site. On a PostgreSQL server
alone: a file has one gateway.

A worker lives while its row's time, by the database's clock (`now_ms()`), has not passed. That one
row is renewed; a lease says nothing of time, and is worth as much as its worker. A lease is taken
from a worker only together with its row, and a worker never comes back under the same name. So a
worker whose row is there holds all leases that it believes to hold.

Leases change hands inside a write transaction only, which is alone in the site: what a batch's own
transaction finds in these tables is true until its commit.
"""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.store.engine import Db, value

NOBODY = ""  # the worker of a lease that was given back
_FREE = "worker NOT IN (SELECT name FROM worker)"


class Standing(NamedTuple):
    """The site as its workers see it. `workers`: how many live. `devices`: how many there are;
    `free`: how many of them nobody has, `lapsed`: whose worker did not renew and may come back.
    `duty_is_free`: nobody who lives has the lease beside them.
    """

    workers: int
    devices: int
    free: int
    lapsed: int
    duty_is_free: bool


def join(db: Db, worker: str, number: int, lease_ms: int) -> None:
    """A new worker lives. An earlier one with its number has ended, or is none of ours: its leases
    are free. In a write transaction.
    """
    db.execute("DELETE FROM worker WHERE number = ?", (number,))
    db.execute(
        "INSERT INTO worker (name, number, until_ms) VALUES (?, ?, now_ms() + ?)",
        (worker, number, lease_ms),
    )


def renew(db: Db, worker: str, lease_ms: int) -> bool | None:
    """Live on for `lease_ms` from now. True when it lived until now, False when its time had
    passed, None when its row is gone.
    """
    query = "SELECT CASE WHEN until_ms > now_ms() THEN 1 ELSE 0 END FROM worker WHERE name = ?"
    was_alive = value(db, query, (worker,))
    changed = db.execute(
        "UPDATE worker SET until_ms = now_ms() + ? WHERE name = ?", (lease_ms, worker)
    )
    return bool(was_alive) if changed.rowcount else None


def is_worker(db: Db, worker: str) -> bool:
    """Whether its row is there: nobody has taken anything from it."""
    return value(db, "SELECT 1 FROM worker WHERE name = ?", (worker,)) is not None


def leave(db: Db, worker: str) -> None:
    """It ends: all that it still holds is free. In a write transaction."""
    db.execute("UPDATE lease SET worker = ? WHERE worker = ?", (NOBODY, worker))
    db.execute("DELETE FROM worker WHERE name = ?", (worker,))


def make(db: Db, devices: Iterable[str]) -> None:
    """A lease, free, for each device that has none. In a write transaction."""
    known = {device for (device,) in db.execute("SELECT device FROM lease").fetchall()}
    new = [(device, NOBODY) for device in dict.fromkeys(devices) if device not in known]
    db.executemany("INSERT INTO lease (device, worker) VALUES (?, ?)", new)


def end_lapsed(db: Db) -> None:
    """Workers that did not renew are none any more: what they held is free. In a write
    transaction.
    """
    db.execute("DELETE FROM worker WHERE until_ms <= now_ms()")


def take(db: Db, worker: str, limit: int, beside: str) -> None:
    """Take up to `limit` free leases of devices, and the one called `beside` if it is free. In a
    write transaction.
    """
    db.execute(
        f"UPDATE lease SET worker = ? WHERE {_FREE} AND (device = ? OR device IN"
        f" (SELECT device FROM lease WHERE {_FREE} AND device <> ? ORDER BY device LIMIT ?))",
        (worker, beside, beside, limit),
    )


def release(db: Db, worker: str, devices: Iterable[str]) -> None:
    """Give leases back that are ours; others stay as they are. In a write transaction."""
    db.executemany(
        "UPDATE lease SET worker = ? WHERE worker = ? AND device = ?",
        [(NOBODY, worker, device) for device in devices],
    )


def held(db: Db, worker: str) -> frozenset[str]:
    """The devices whose leases a worker has."""
    found = db.execute("SELECT device FROM lease WHERE worker = ?", (worker,))
    return frozenset(str(device) for (device,) in found)


def standing(db: Db, beside: str) -> Standing:
    """How things stand, without the lease called `beside`."""
    lives = {
        str(name): bool(alive)
        for name, alive in db.execute(
            "SELECT name, CASE WHEN until_ms > now_ms() THEN 1 ELSE 0 END FROM worker"
        )
    }
    query = "SELECT worker, count(*) FROM lease WHERE device <> ? GROUP BY worker"
    counts = {str(name): int(count) for name, count in db.execute(query, (beside,))}
    on_duty = value(db, "SELECT worker FROM lease WHERE device = ?", (beside,), NOBODY)
    return Standing(
        sum(lives.values()),
        sum(counts.values()),
        sum(count for name, count in counts.items() if name not in lives),
        sum(count for name, count in counts.items() if not lives.get(name, True)),
        not lives.get(str(on_duty), False),
    )
