"""./run proof kill: SIGKILL of gateway, broker and firmware at random moments under load; what was
heard is in the ledger once.

    --kills N     how many, over all victims (default 1000)
    --offices N   at once (default 2)
    --server      the ledger of each office is on a PostgreSQL server, which is killed too
    --seed S      draws victims and pauses
    --control     instead: a gateway that answers before COMMIT and a board that beeps before its
                  flash, which must both lose
    --json        machine-readable

An office is a broker (iotcore; mosquitto in every second one when it is on PATH), a gateway process
with its ledger file, and two windows whose boards run the shipped firmware on real MicroPython with
190 KB of heap. The windows count without a pause. The killer waits for a report or a beep, then up
to 30 ms more, kills one process by its id and starts it again at once. At the end nothing more is
killed, until the heartbeats say that everything is acknowledged.

The seed draws victims and pauses. What each process is doing at that moment depends on the machine.

The boards of the hasty gateway have the smallest possible ring. A board keeps acknowledged records
until it needs their space, and its heartbeat makes a gateway that has lost them ask again. So with
a larger ring the records of a short haste would come again, and the bug would not show.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware.journal import Journal
from gateway.broker.process import Broker, EmbeddedBroker, MosquittoBroker
from gateway.config import LedgerServer
from gateway.devices.keys import create_key
from gateway.errors import GatewayError
from gateway.store.engine import StorageError
from gateway.store.ledger import Ledger
from protocol.records import decode_record
from tests.proof import kill_gateway
from tests.proof.delivery import PATIENCE_S, Flash, judge, oddities, quiet_port, staged
from tests.proof.kill_gateway import SITE
from tests.proof.kill_window import Till
from tests.store import server as postgres

WINDOWS = 2
VICTIMS = {"gateway": 3, "broker": 2, "board": 5}  # and how often each is drawn
SERVER = {"server": 2}
AIM_MS = 30  # a report is on flash, published, committed and acknowledged within about this time
HASTE_ONE_IN = 4  # kills that do not wait until the victim has recovered from the last one
SECTORS, SECTORS_CONTROL = 8, 3  # few, so that the ring goes round many times
CONTROL_RECORDS = 150  # acknowledged and not committed: more than a ring of three sectors keeps
AIM_CONTROL_MS = 3  # well inside the time after its beep in which the planted bug of a board shows
# how long the erase of a NOR sector takes (W25Q datasheet, typical): so long the count of a board
# that beeps first is in danger
ERASE_MS = 45
HASTY_GATEWAY, HASTY_BOARD = (
    "a gateway that answers before COMMIT",
    "a board that beeps before its flash",
)
CONTROLS = {HASTY_GATEWAY: 2, HASTY_BOARD: 60}  # and how many kills show it
_TAKEN = "                self._pending.append(event)"
_HEARD = "                signals.append((beep_of(event), text_of(event)))"
_WRITE = "        for event in pending:\n"
PLANTED = {
    "firmware/controller.py": {
        "else:\n" + _HEARD: "else:\n                pass",
        _TAKEN: _TAKEN + "\n" + _HEARD,
        _WRITE: (
            f"        import time\n        if pending:\n            time.sleep_ms({ERASE_MS})\n"
            + _WRITE
        ),
    }
}
# quick, as kills are
TABLES = {"budget": {"heartbeat_ms": 250, "resend_ms": 200, "backoff_ms": 40}}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof kill", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--offices", type=int, default=2)
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # if somebody ends this, no broker and no board keeps running
    if options.control:
        results = [control(name, options.seed) for name in CONTROLS]
    else:
        results = [prove(options.kills, options.seed, options.offices, options.server)]
    if options.json:
        print(json.dumps(results if options.control else results[0], indent=1))
    else:
        print("\n".join(told(result) for result in results))
    if options.control:
        return int(not all(result["lost"] for result in results))
    if results[0]["failed"]:
        print(
            f"again: ./run proof kill --kills {options.kills} --seed {options.seed} --offices"
            f" {options.offices}{' --server' * options.server}"
        )
    return int(bool(results[0]["failed"]))


def told(result: dict[str, Any]) -> str:
    """The result in words."""
    victims = ", ".join(f"{name} {count}" for name, count in sorted(result["victims"].items()))
    return "\n".join(
        (
            (f"control, {result['control']}: " if result["control"] else "")
            + f"{result['kills']} kills ({victims}), {result['ms_per_kill']} ms each, seed"
            f" {result['seed']}",
            "{heard} batches heard, {records} records in the ledgers: lost {lost}, twice {twice},"
            " foreign {foreign}".format(**result),
            "kills of a board in the middle of work: {behind} with records not acknowledged, {mute}"
            " between flash and beep; {unheard} batches recorded once without their beep,"
            " {duplicates} records came again and added nothing".format(**result),
            f"unsound {result['unsound']}" + "".join(f"\n  {line}" for line in result["troubles"]),
        )
    )


def prove(kills: int, seed: int, offices: int = 2, on_server: bool = False) -> dict[str, Any]:
    """{seed, kills, victims, heard, records, lost, twice, foreign, unheard, duplicates, behind,
    mute, unsound, ...}.
    """
    return asyncio.run(_prove(kills, seed, offices, "", on_server))


def control(name: str, seed: int, kills: int = 0) -> dict[str, Any]:
    """The same with one office that has this bug of CONTROLS."""
    return asyncio.run(_prove(kills or CONTROLS[name], seed, 1, name, False))


async def _prove(kills: int, seed: int, count: int, bug: str, on_server: bool) -> dict[str, Any]:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        offices = []
        for number in range(min(count, kills)):
            (place := Path(folder) / str(number)).mkdir()
            server = stack.enter_context(postgres.running()) if on_server else None
            rng = random.Random(f"{seed} {number}")
            offices.append(_Office(place, rng, number, bug, server))
        try:
            await asyncio.gather(*(each.open() for each in offices))
            shares = [
                kills // len(offices) + (number < kills % len(offices))
                for number in range(len(offices))
            ]
            killing = time.perf_counter()
            await asyncio.gather(
                *(each.suffer(share) for each, share in zip(offices, shares, strict=True))
            )
            killed_ms = round(1000 * (time.perf_counter() - killing))
            await asyncio.gather(*(each.drain() for each in offices))
        finally:
            await asyncio.gather(*(each.close() for each in offices))
        total: Counter[str] = Counter()
        for each in offices:
            total.update(each.counts)
            total.update(each.verdict())
        victims = sum((each.victims for each in offices), Counter[str]())
        troubles = [line for each in offices for line in each.troubles]
    result: dict[str, Any] = {
        "seed": seed,
        "control": bug,
        "kills": sum(victims.values()),
        "victims": dict(victims),
    }
    for name in (
        "heard", "records", "lost", "twice", "foreign", "unheard", "duplicates", "behind", "mute",
        "unsound",
    ):  # fmt: skip
        result[name] = total[name]
    failed = (
        sum(result[name] for name in ("lost", "twice", "foreign"))
        + len(troubles)
        + (result["kills"] != kills)
    )
    seconds = round(time.perf_counter() - started, 1)
    return {
        **result,
        "troubles": troubles,
        "failed": failed,
        "ms_per_kill": killed_ms // max(kills, 1),
        "seconds": seconds,
    }


@dataclass
class _Gateway:
    """The warm process and the one that it forked."""

    process: asyncio.subprocess.Process
    up: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def listen(self) -> None:
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode().strip():
            if line == "up":
                self.up.set()
            else:
                self.answers.put_nowait(line)

    async def tell(self, word: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(word.encode() + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            return await self.answers.get()

    async def kill(self) -> bool:
        """True when SIGKILL ended it."""
        answer = await self.tell("kill")
        self.up.clear()
        return answer == "killed"


class _Office:
    """Broker, gateway and windows, and what was done to them."""

    def __init__(
        self, folder: Path, rng: random.Random, number: int, bug: str,
        server: postgres.Server | None,
    ) -> None:  # fmt: skip
        self.counts: Counter[str] = Counter()
        self.victims: Counter[str] = Counter()
        self.troubles: list[str] = []
        self._folder = folder
        self._rng = rng
        self._victim = {HASTY_GATEWAY: "gateway", HASTY_BOARD: "board"}.get(bug)
        self._bug = bug
        self._server = server
        self._url = [server.database()] if server else []
        self._place = LedgerServer(self._url[0], SITE) if self._url else folder / "ledger.db"
        self._waiting: list[tuple[Till | None, asyncio.Future[None]]] = []
        port = quiet_port()
        use_mosquitto = number % 2 == 1 and MosquittoBroker.is_installed()
        self._broker: Broker = (
            MosquittoBroker(folder / "mosquitto", port) if use_mosquitto else EmbeddedBroker(port)
        )
        self._tills = [
            self._till(f"w{number}", port) for number in range(1, 2 if bug else WINDOWS + 1)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._work: list[asyncio.Task[None]] = []
        self._gateway: _Gateway | None = None

    def _till(self, name: str, port: int) -> Till:
        (place := self._folder / name).mkdir()
        key = create_key(self._folder / "keys", name)
        tables = {
            **TABLES,
            "journal": {"sectors": SECTORS_CONTROL if self._bug == HASTY_GATEWAY else SECTORS},
        }
        tree = staged(
            place,
            name,
            port,
            key.secret.hex(),
            tables,
            PLANTED if self._bug == HASTY_BOARD else None,
        )
        return Till(name, place, tree, self._ticked, None if name == "w1" else 20_000)

    async def open(self) -> None:
        """Everything runs and every window counts."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", kill_gateway.__file__, str(self._folder), str(self._broker.port),
            *self._url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._gateway = _Gateway(process)
        self._tasks.append(asyncio.create_task(self._gateway.listen()))
        await asyncio.to_thread(self._broker.start)
        await self._gateway.tell("start hasty" if self._bug == HASTY_GATEWAY else "start")
        for till in self._tills:
            assert await till.window.start(PATIENCE_S), f"{till.name} does not start"
            self._work.append(asyncio.create_task(till.work()))

    async def suffer(self, kills: int) -> None:
        """So many kills; each victim is started again at once."""
        victims = VICTIMS | SERVER if self._server else VICTIMS
        for _ in range(kills):
            victim = self._victim or self._rng.choices(list(victims), list(victims.values()))[0]
            till = self._rng.choice(self._tills)
            is_hasty, pause_ms = (
                not self._rng.randrange(HASTE_ONE_IN),
                self._rng.uniform(0, AIM_CONTROL_MS if self._bug else AIM_MS),
            )
            try:
                if self._bug == HASTY_GATEWAY:
                    await self._much()
                elif not is_hasty:
                    await self._recovered(till)
                await self._moment(till if victim == "board" else None, pause_ms)
                self.victims[
                    self._broker.name if victim == "broker" else victim
                ] += await self._strike(victim, till)
            except (TimeoutError, GatewayError, AssertionError) as error:
                self.troubles.append(
                    f"{victim} of office {self._folder.name}: {type(error).__name__} {error}"
                )
                return

    async def _strike(self, victim: str, till: Till) -> bool:
        if victim == "board":
            till.cut()
            self._look(till)
            till.window.supply()
            return True
        if victim == "gateway":
            assert self._gateway is not None
            killed = await self._gateway.kill()
            await self._gateway.tell("start hasty" if self._bug == HASTY_GATEWAY else "start")
            return killed
        if self._server is not None and victim == "server":
            await asyncio.to_thread(self._server.kill)
            await asyncio.to_thread(self._server.start)
            return True
        killed = bool(self._broker.pid)
        await asyncio.to_thread(self._broker.kill)
        if self._gateway is not None:
            self._gateway.up.clear()
        await asyncio.to_thread(self._broker.start)
        return killed

    def _look(self, till: Till) -> None:
        """What the kill interrupted: records without an acknowledgement, and a count on flash whose
        beep never came.
        """
        journal = Journal(Flash(till.flash.read_bytes()))
        raw = journal.read(journal.last_seq)
        newest = decode_record(raw) if raw else {}
        self.counts["behind"] += journal.last_seq > journal.acked
        self.counts["mute"] += (
            newest.get("kind") == "tally" and newest["total_minor"] not in till.heard
        )

    async def _recovered(self, till: Till) -> None:
        assert self._gateway is not None
        async with asyncio.timeout(PATIENCE_S):
            await self._gateway.up.wait()
            await till.booted.wait()

    async def _much(self) -> None:
        """Wait until so many more counts were heard at one window and the gateway is there."""
        await self._recovered(self._tills[0])
        before = len(self._tills[0].heard)
        async with asyncio.timeout(PATIENCE_S):
            while len(self._tills[0].heard) < before + CONTROL_RECORDS:
                await self._moment(self._tills[0], 0)

    async def _moment(self, till: Till | None, pause_ms: float) -> None:
        """Wait until a report was sent to the board (or any board) or it has beeped, and a little
        longer."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((till, future))
        with suppress(TimeoutError):
            await asyncio.wait_for(future, 1)
        await asyncio.sleep(pause_ms / 1000)

    def _ticked(self, till: Till, is_beep: bool) -> None:
        if self._bug == HASTY_BOARD and not is_beep:
            return
        waiting, self._waiting = self._waiting, []
        for wanted, future in waiting:
            if wanted not in (None, till):
                self._waiting.append((wanted, future))
            elif not future.done():
                future.set_result(None)

    async def drain(self) -> None:
        """No more counts, no more kills: until ledger and boards agree. The control's last gateway
        is an honest one.
        """
        for till in self._tills:
            till.is_closing = True
        if self._bug == HASTY_GATEWAY and self._gateway is not None:
            await self._gateway.kill()
            await self._gateway.tell("start")
        await asyncio.wait(self._work)
        stopped_ms = time.time_ns() // 1_000_000
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not self._is_drained(stopped_ms):
                    await asyncio.sleep(1 / 20)
        except TimeoutError:
            self.troubles.append(
                f"office {self._folder.name} did not drain; boards:"
                f" {[till.name for till in self._tills]}"
            )

    def _is_drained(self, since_ms: int) -> bool:
        try:
            with Ledger.open(self._place, create=False) as ledger:
                rows = ledger.db.execute(
                    "SELECT count(*) FROM heartbeat JOIN cursor USING (device, epoch)"
                    " WHERE seen_ms > ? AND last_seq = high_water AND acked = last_seq",
                    (since_ms,),
                ).fetchone()
        except (GatewayError, StorageError):  # the control holds its transaction
            return False
        return bool(rows[0] == len(self._tills))

    async def close(self) -> None:
        """Every process that was started here is gone."""
        for till in self._tills:
            till.is_closing = True
            await till.window.stop()
        if self._gateway is not None and self._gateway.process.returncode is None:
            self._gateway.process.stdin.close()  # type: ignore[union-attr]
            await self._gateway.process.wait()
        await asyncio.to_thread(self._broker.kill)
        for task in (*self._tasks, *self._work):
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, *self._work, return_exceptions=True):
            if isinstance(ended, Exception):
                self.troubles.append(f"office {self._folder.name}: {type(ended).__name__} {ended}")

    def verdict(self) -> dict[str, int]:
        heard = {till.name: till.heard for till in self._tills}
        counted = {till.name: till.counted for till in self._tills}
        told = {"broker_flaps"} | ({"storage_failed"} if self._server else set())
        found = judge(self._place, heard, counted, told)
        if found["unsound"]:
            with Ledger.open(self._place, create=False) as ledger:
                self.troubles += oddities(ledger, counted, told)
        return {**found, "heard": sum(len(each) for each in heard.values())}
