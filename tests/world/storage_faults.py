"""What can happen to the ledger while the gateway holds it open: statements that fail, and others
who write to it.
"""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from gateway.devices import commands
from gateway.devices.keys import KeyStore
from gateway.errors import GatewayError
from gateway.facts.postings import COLUMNS
from gateway.incoming.posted_file import import_posted
from gateway.store.engine import Db, StorageBusy
from gateway.store.ledger import Ledger
from tests.world import oracle
from tests.world.world import World

STATEMENTS = ("execute", "executemany", "commit", "rollback")  # by what a connection is asked
STATEMENTS_MAX = 40  # about two commits of one message


def statement_fails(world: World, dice: random.Random) -> bool:
    """One of the next statements of the gateway fails, also a COMMIT, or what reads it back; or
    several in a row, the ROLLBACK among them.
    """
    if not world.gateway_up:
        return False
    world.failing = [dice.randrange(1, STATEMENTS_MAX), dice.choice((1, 1, 2, 3))]
    return True


@contextmanager
def statements_fail(db: Db, failing: list[int]) -> Iterator[None]:
    """Inside the block statements fail: after failing[0] of them failing[1] in a row."""

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            failing[0] -= 1
            if -failing[1] < failing[0] <= 0:
                raise sqlite3.OperationalError("disk I/O error")
            return act(*arguments)

        return run

    if not failing:
        yield
        return
    for name in STATEMENTS:
        setattr(db, name, counted(getattr(db, name)))
    try:
        yield
    finally:
        for name in STATEMENTS:
            delattr(db, name)
        if failing[0] <= -failing[1]:
            failing.clear()


def office_writes(world: World, dice: random.Random) -> bool:
    """Between two commits: till device release, till import, an incident, a command; from another
    process, or in the gateway's own on its connection.
    """
    if not is_free(world):
        return False
    # a full disk is told on the command line, with what to do
    with suppress(GatewayError, StorageBusy):
        if dice.random() < 0.3:
            _write(world, dice, world.ledger)
            return True
        with Ledger.open(world.place.address, create=False) as ledger:
            _write(world, dice, ledger)
    return True


def is_free(world: World) -> bool:
    """Whether another process may write: not while the gateway is left with a transaction that it
    could not roll back. Then it would be told, after 5 seconds, to try again.
    """
    return world.gateway_up and not world.ledger.db.in_transaction


def _write(world: World, dice: random.Random, ledger: Ledger) -> None:
    now_ms = world.clock.utc_ms()
    for row in ledger.cursors():
        if row["locked"] and ledger.release(row["device"], row["epoch"], "kim", now_ms):
            world.released[row["device"], row["epoch"]] = oracle.held(world, row["device"])
    act = dice.choice(("import", "incident", "command", "nothing"))
    if act == "import":
        path = world.folder / "posted.csv"
        _write_posted(path, dice.randrange(1000))
        import_posted(ledger.db, path, now_ms)
    elif act == "incident":
        ledger.incident("key_file", "", f"a note of {world.now}", now_ms)
    elif act == "command":
        commands.ask(ledger, "w1", "identify", "kim", now_ms)


def _write_posted(path: Any, number: int) -> None:
    row = (
        f"R{number},1,2026-11-20T09:15:00-06:00,2026-11-20,w1,s1,c1,t1,cash,1500,0,A-1,electric,"
        "501-electric,1500,posted,,,,,csv,1"
    )
    control = "#control,rows=1,tender_cents=1500,change_cents=0,allocation_cents=1500"
    path.write_text(f"{','.join(COLUMNS)}\n{row}\n{control}\n", "utf-8")


def second_gateway(world: World, dice: random.Random) -> bool:
    """Another gateway, of a standby machine, takes a part of what waits and is gone again."""
    if not is_free(world) or not world.broker_up or not world.queue:
        return False
    with Ledger.open(world.place.address, create=False) as ledger:
        ingest = world.gate(ledger, KeyStore(world.folder / "keys"))
        arrived = world.queue[: dice.randrange(1, len(world.queue) + 1)]
        batch = [ingest.accept(*message) for message in arrived]
        oracle.let_in(world, arrived, batch)
        answers = ingest.commit(batch)
        oracle.durable(world, batch, answers)
    del world.queue[: len(arrived)]
    for topic, sealed in answers:
        world.answer(topic, sealed)
    return True


STORAGE_FAULTS = {
    "a statement fails": statement_fails, "the office writes": office_writes,
    "a second gateway": second_gateway,
}  # fmt: skip
