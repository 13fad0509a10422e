"""Tables `worker` and `lease`: which worker hears which device of the site. On a PostgreSQL server
alone: a file has one gateway.

A worker lives while its row's time, by the database's clock (`now_ms()`), has not passed. That one
row is renewed; a lease says nothing of time, and is worth as much as its worker. Each change of
hands raises the lease's generation. Leases change hands inside a write transaction only, which is
alone in the site: so what a batch's own transaction finds in them is true until its commit.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.store.engine import Db, placeholders, rows, value

NOBODY = ""  # the worker of a lease that was given back
DEVICES_AT_ONCE = 500  # that one statement names
_ALIVE = "SELECT name FROM worker WHERE until_ms > now_ms()"
_FREE = f"worker NOT IN ({_ALIVE})"


class Standing(NamedTuple):
    """The site as its workers see it: how many live, how many devices there are and how many of
    them nobody hears. `lapsed`: of the free ones those whose worker may come back.
    `duty_is_free`: nobody holds the lease beside them.
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
    for (was_alive,) in db.execute(
        "SELECT CASE WHEN until_ms > now_ms() THEN 1 ELSE 0 END FROM worker WHERE name = ?",
        (worker,),
    ).fetchall():
        changed = db.execute(
            "UPDATE worker SET until_ms = now_ms() + ? WHERE name = ?", (lease_ms, worker)
        )
        return bool(was_alive) if changed.rowcount else None
    return None


def leave(db: Db, worker: str) -> None:
    """It ends: all that it still holds is free. In a write transaction."""
    db.execute("UPDATE lease SET worker = ? WHERE worker = ?", (NOBODY, worker))
    db.execute("DELETE FROM worker WHERE name = ?", (worker,))


def make(db: Db, devices: Iterable[str]) -> None:
    """A lease, free, for each device that has none. In a write transaction."""
    known = {device for (device,) in db.execute("SELECT device FROM lease").fetchall()}
    new = [(device, NOBODY, 0) for device in dict.fromkeys(devices) if device not in known]
    db.executemany("INSERT INTO lease (device, worker, generation) VALUES (?, ?, ?)", new)


def take(db: Db, worker: str, limit: int, beside: str, also_lapsed: bool) -> None:
    """Take up to `limit` free leases of devices, not the one called `beside`; `also_lapsed`: those
    too whose worker did not give them back. In a write transaction.
    """
    free = _FREE if also_lapsed else "worker NOT IN (SELECT name FROM worker)"
    db.execute(
        "UPDATE lease SET worker = ?, generation = generation + 1 WHERE device IN"
        f" (SELECT device FROM lease WHERE {free} AND device <> ? ORDER BY device LIMIT ?)",
        (worker, beside, limit),
    )


def take_one(db: Db, worker: str, device: str) -> None:
    """Take this lease if it is free. In a write transaction."""
    db.execute(
        f"UPDATE lease SET worker = ?, generation = generation + 1 WHERE device = ? AND {_FREE}",
        (worker, device),
    )


def release(db: Db, worker: str, devices: Iterable[str]) -> None:
    """Give leases back that are ours; others stay as they are. In a write transaction."""
    db.executemany(
        "UPDATE lease SET worker = ? WHERE worker = ? AND device = ?",
        [(NOBODY, worker, device) for device in devices],
    )


def held(db: Db, worker: str) -> dict[str, int]:
    """{device: generation} of a worker's leases, whether it lives or not."""
    found = db.execute("SELECT device, generation FROM lease WHERE worker = ?", (worker,))
    return {str(device): int(generation) for device, generation in found}


def held_of(db: Db, worker: str, devices: Sequence[str]) -> dict[str, int]:
    """The same, of these devices."""
    found: dict[str, int] = {}
    for start in range(0, len(devices), DEVICES_AT_ONCE):
        part = devices[start : start + DEVICES_AT_ONCE]
        answer = db.execute(
            "SELECT device, generation FROM lease WHERE worker = ? AND device IN"
            f" (VALUES {placeholders(len(part), 1)})",
            (worker, *part),
        )
        found |= {str(device): int(generation) for device, generation in answer}
    return found


def standing(db: Db, beside: str) -> Standing:
    """How things stand, without the lease called `beside`."""
    [row] = rows(
        db,
        "SELECT count(*) AS devices,"
        f" sum(CASE WHEN {_FREE} THEN 1 ELSE 0 END) AS free,"
        f" sum(CASE WHEN {_FREE} AND worker IN (SELECT name FROM worker) THEN 1 ELSE 0 END)"
        " AS lapsed FROM lease WHERE device <> ?",
        (beside,),
    )
    alive = value(db, f"SELECT count(*) FROM ({_ALIVE}) AS alive")
    duty = value(db, f"SELECT count(*) FROM lease WHERE device = ? AND {_FREE}", (beside,))
    free, lapsed = int(row["free"] or 0), int(row["lapsed"] or 0)
    return Standing(int(alive), int(row["devices"]), free, lapsed, bool(duty))
