"""./run proof soak: real firmware, a real broker and a real gateway on a bad network, and every
count is in the ledger once.

    --messages N      until so many records are in the ledger (default 100000)
    --windows N       default 8
    --seed S          of machines, weather, partitions and kills
    --minutes M       give up after so long
    --partition-s S   one partition of all about every S seconds, 2 to 6 s long
    --kills-s S       gateway or broker, 0 = never
    --broker NAME     mosquitto (when it is on PATH) or iotcore
    --json            machine-readable

Each window is the staged firmware in MicroPython with a board's heap; its counters print report
after report onto pseudo-terminals as fast as the beeps allow. Boards and gateway reach the broker
through proof/chaos.py. The gateway is a process of its own, ended by SIGKILL only. A message of
--messages is one record that a window stated; MQTT messages are counted separately. The control is
a gateway that acknowledges before it commits: with kills, and a journal of three sectors, it must
lose records.

The judge compares three witnesses: what machines printed and the board confirmed by beep and
display, what the boards' flash images held (read every few seconds by a second reader of the
layout), and the ledger, record by record and byte by byte.
"""

import argparse
import asyncio
import json
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from typing import Any

from firmware.drivers.base import format_minor
from gateway.broker.process import Broker, EmbeddedBroker, MosquittoBroker
from gateway.store.ledger import Ledger
from tests.proof.chaos import CALM, PARTITIONS, ChaosProxy
from tests.proof.soak_parts import COUNTS, Gateway, Plan, Window
from tests.world.log import Log

TICK_S = 1 / 250
WITNESS_MS = 4_000  # between two reads of the flash images: far less than the ring needs to turn
# after the network is whole again: a board's longest pause between two tries to connect is 38 s
SETTLE_S = 60
WARM_ONE_IN = 4  # the heap is looked at first when a quarter of the records is there
# the lowest free heap may sink so much; a leak of one byte for each record would be more
HEAP_DRIFT_BYTES = 4_096


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run proof soak", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--partition-s", type=int, default=30)
    parser.add_argument("--kills-s", type=int, default=0)
    parser.add_argument("--broker", choices=("mosquitto", "iotcore"), default="")
    parser.add_argument("--json", action="store_true")
    o = parser.parse_args(arguments)
    plan = Plan(o.messages, o.windows, o.seed, o.minutes * 60, partition_ms=o.partition_s * 1000)
    plan = replace(plan, kills_ms=o.kills_s * 1000, broker=o.broker)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # its processes end with it
    result = soak(plan, None if o.json else print)
    if not o.json:
        _tell(result)
        sys.stdout.flush()
    control, opposite = soak(CONTROL), soak(replace(CONTROL, is_late=False))
    caught = bool(control["lost"] and control["gaps"]) and is_sound(opposite)
    result["control"] = {
        name: [each[name] for each in (control, opposite)]
        for name in ("records", "kills", "lost", "gaps")
    }
    if o.json:
        print(json.dumps(result, indent=1))
    else:
        text = "records {records}, kills {kills}, lost {lost}, gaps {gaps}".format(
            **result["control"]
        )
        print(f"control, acknowledged [before, after] COMMIT: {text}")
    if not is_sound(result) or not caught:
        kills = f" --kills-s {o.kills_s}" if o.kills_s else ""
        print(
            f"replay: ./run proof soak --messages {o.messages} --windows {o.windows} --seed"
            f" {o.seed} --minutes {o.minutes} --partition-s {o.partition_s} --broker"
            f" {result['broker']}{kills}"
        )
        return 1
    return 0


SOON = {"heartbeat_ms": 300, "resend_ms": 500, "backoff_ms": 100}
# killed when nearly LATE_COMMIT_S of acknowledged records are not committed: more than three
# sectors keep
CONTROL = Plan(
    1_200, windows=1, seconds_max=60, partition_ms=1 << 30, kills_ms=4_000, instruments=1,
    sectors=3, budget=SOON, is_late=True, board_weather=CALM, gateway_weather=CALM,
)  # fmt: skip


def soak(plan: Plan, say: Any = None) -> dict[str, Any]:
    """Run one soak and judge it: all figures by name; `is_sound` says whether they hold."""
    with tempfile.TemporaryDirectory(prefix="till-soak-") as folder:
        return asyncio.run(_Soak(plan, Path(folder), say or (lambda _line: None)).run())


def is_sound(result: Mapping[str, Any]) -> bool:
    """Enough records, none lost, twice, foreign or changed, no gap, a ledger that verifies, and a
    heap that stays.
    """
    wrong = (
        "lost",
        "twice",
        "foreign",
        "unprinted",
        "stated_lost",
        "stated_changed",
        "gaps",
        "findings",
        "incidents",
        "ended",
    )
    return (
        not any(result[name] for name in wrong)
        and result["settled"]
        and result["enough"]
        and result["heap_flat"]
    )


# ---- the soak


class _Soak:
    """All processes of one run, and the hands that break them."""

    def __init__(self, plan: Plan, folder: Path, say: Any) -> None:
        self._plan = plan
        self._folder = folder
        self._say = say
        self._rng = random.Random(f"soak {plan.seed}")
        self._prints = True
        self._converged_ms: list[int] = []
        self._partitions = self._healed = self._kills = 0
        self._heap: list[
            dict[str, int]
        ] = []  # lowest free heap by window, at the begin and at the end

    async def run(self) -> dict[str, Any]:
        plan, folder = self._plan, self._folder
        Ledger.open(folder / "ledger.db").close()
        self._db = sqlite3.connect(
            f"file:{folder / 'ledger.db'}?mode=ro", uri=True, isolation_level=None
        )
        wanted = plan.broker or ("mosquitto" if MosquittoBroker.is_installed() else "iotcore")
        self.broker: Broker = (
            MosquittoBroker(folder / "mosquitto") if wanted == "mosquitto" else EmbeddedBroker()
        )
        self.broker.start()
        self.near = ChaosProxy(self.broker.port, f"{plan.seed} boards", plan.board_weather)
        self.far = ChaosProxy(self.broker.port, f"{plan.seed} gateway", plan.gateway_weather)
        ports = [await proxy.start() for proxy in (self.near, self.far)]
        self.windows = [
            Window(folder, plan, f"w{number + 1}", ports[0]) for number in range(plan.windows)
        ]
        self.gateway = Gateway(folder, ports[1], plan.is_late)
        began = time.monotonic()
        turning = asyncio.create_task(self._turn())
        try:
            for window in self.windows:
                window.board.power_on()
            acts = [self._part, self._witness] + [self._kill] * bool(plan.kills_ms)
            hands = [asyncio.create_task(act()) for act in acts]
            enough = await self._until_enough(began)
            for hand in hands:
                hand.cancel()
            await asyncio.gather(*hands, return_exceptions=True)
            seconds = time.monotonic() - began
            settled = await self._settle()
        finally:
            turning.cancel()
            await asyncio.gather(turning, return_exceptions=True)
            ended = [window.name for window in self.windows if window.board.returncode is not None]
            for window in self.windows:
                window.close()
            self.gateway.kill()
            await self.near.close()
            await self.far.close()
            self.broker.stop()
        return {
            **self._figures(seconds),
            "enough": enough,
            "settled": settled,
            "ended": ended,
            **self._judge(),
        }

    async def _turn(self) -> None:
        while True:
            for window in self.windows:
                window.step(self._prints)
            await asyncio.sleep(TICK_S)

    async def _until_enough(self, began: float) -> bool:
        told = began
        while True:
            await asyncio.sleep(1 / 5)
            now = time.monotonic()
            records = sum(self._high_water().values())
            if (
                not self._heap
                and records * WARM_ONE_IN >= self._plan.messages
                and len(low := self._heap_low()) == len(self.windows)
            ):
                self._heap.append(low)
            if now - told > 30:
                told = now
                sys.stdout.flush()
                rate = records / (now - began)
                self._say(
                    f"{int(now - began)} s: {records} records, {int(rate)}/s, {self._partitions}"
                    " partitions"
                )
            if records >= self._plan.messages and self._healed >= self._plan.partitions:
                return True
            if now - began > self._plan.seconds_max:
                return False

    async def _settle(self) -> bool:
        """The machines stop, the network heals: then everything on flash must reach the ledger."""
        self._prints = False
        for proxy in (self.near, self.far):
            proxy.weather = CALM
            proxy.heal()
            proxy.reset_all()  # faults that were drawn before end with their connections
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            await asyncio.sleep(1 / 20)
            if all(window.is_quiet for window in self.windows):
                held = {window.name: window.witness() for window in self.windows}
                high = self._high_water()
                if all(high.get(name, 0) == seq for name, seq in held.items()):
                    self._heap.append(self._heap_low())
                    return True
        return False

    # ---- hands

    async def _part(self) -> None:
        low, high = self._plan.partition_length_ms
        while True:
            await asyncio.sleep(self._plan.partition_ms / 1000)
            kind = self._rng.choice(PARTITIONS)
            self._partitions += 1
            for proxy in (self.near, self.far):
                proxy.partition(kind)
            await asyncio.sleep(self._rng.randint(low, high) / 1000)
            held = {window.name: window.witness() for window in self.windows}
            for proxy in (self.near, self.far):
                proxy.heal()
            await self._converge(held)
            self._healed += 1

    async def _converge(self, held: dict[str, int]) -> None:
        """Note for each window how long it takes until the records that it held at the end of the
        partition are committed.
        """
        healed = time.monotonic()
        while held:
            await asyncio.sleep(1 / 50)
            high = self._high_water()
            for name in [name for name, seq in held.items() if high.get(name, 0) >= seq]:
                self._converged_ms.append(int((time.monotonic() - healed) * 1000))
                del held[name]

    async def _witness(self) -> None:
        while True:
            for window in self.windows:
                window.witness()
                await asyncio.sleep(WITNESS_MS / 1000 / len(self.windows))

    async def _kill(self) -> None:
        while True:
            await asyncio.sleep(self._plan.kills_ms / 1000)
            self._kills += 1
            if self._plan.is_late or self._rng.randrange(2):
                self.gateway.kill()
                self.gateway.start()
            else:
                self.broker.kill()
                await asyncio.to_thread(self.broker.start)

    # ---- what the ledger says

    def _high_water(self) -> dict[str, int]:
        return dict(
            self._db.execute(
                "SELECT device, sum(high_water) FROM cursor GROUP BY device"
            ).fetchall()
        )

    def _heap_low(self) -> dict[str, int]:
        return dict(
            self._db.execute("SELECT device, heap_low FROM heartbeat WHERE heap_low > 0").fetchall()
        )

    def _figures(self, seconds: float) -> dict[str, Any]:
        faults = self.near.counts + self.far.counts
        converged = sorted(self._converged_ms)
        cuts = quantiles(converged, n=100, method="inclusive") if len(converged) > 1 else [0] * 99
        drift = (
            [begin - self._heap[-1].get(name, 0) for name, begin in self._heap[0].items()]
            if len(self._heap) > 1
            else []
        )
        return {
            "broker": self.broker.name, "windows": self._plan.windows, "seed": self._plan.seed,
            "seconds": round(seconds, 1),
            "mqtt": dict(zip(COUNTS, self.gateway.counts, strict=True)),
            "partitions": self._partitions, "kills": self._kills,
            "faults": dict(sorted(faults.items())),
            "reconnects": faults["connections"] - self._plan.windows - 1,
            "converged_ms": {
                "count": len(converged), "p50": int(cuts[49]), "p99": int(cuts[98]),
                "max": max(converged, default=0)
            },
            "heap_low_begin": min(self._heap[0].values(), default=0) if self._heap else 0,
            "heap_low_end": min(self._heap[-1].values(), default=0) if self._heap else 0,
            "heap_flat": max(drift, default=0) <= HEAP_DRIFT_BYTES,
        }  # fmt: skip

    def _judge(self) -> dict[str, Any]:
        with Ledger.open(self._folder / "ledger.db", create=False) as ledger:
            log = Log()
            log.catch_up(self._db)
            counts: Counter[str] = Counter()
            for window in self.windows:
                counts.update(_judge_window(ledger, log, window))
            ours = {window.name for window in self.windows}
            every = [(record.device, record.kind) for record in ledger.records()]
            counts["foreign"] += sum(name not in ours for name, _ in every)
            counted = ledger.counters()
            findings = ledger.verify()
            return {
                **counts,
                "records": len(every),
                "kinds": dict(sorted(Counter(kind for _, kind in every).items())),
                "duplicates": sum(
                    value for (_, name), value in counted.items() if name == "duplicates"
                ),
                "quarantined": len(ledger.quarantine()),
                "gaps": len(ledger.gaps()),
                "findings": [str(each) for each in findings[:5]],
                "incidents": dict(Counter(row["kind"] for row in ledger.incidents())),
            }


def _judge_window(ledger: Ledger, log: Log, window: Window) -> dict[str, int]:
    """The three witnesses of one window against each other."""
    told: list[str] = []  # tallies of the ledger as the display would say them, in order
    rows = defaultdict(list)
    for record in ledger.records(device=window.name):
        if record.kind == "tally":
            fields = record.fields
            told.append(
                " ".join(
                    (fields["instrument"], fields["batch_id"], format_minor(fields["total_minor"]))
                )
            )
            rows[fields["instrument"]].append(fields["rows"])
    printed = {
        name: [sorted(each.rows, reverse=True) for each in m.printer.truth.printed]
        for name, m in window.machines.items()
    }
    kept = {
        (epoch, seq): body for (name, epoch, seq), body in log.bodies.items() if name == window.name
    }
    in_ledger, heard = Counter(told), Counter(window.beeped)
    return {
        "beeped": len(window.beeped),
        "refused": window.refused,
        "lost": sum((heard - in_ledger).values()),
        "twice": sum(number - 1 for number in in_ledger.values()),
        "foreign": (
            sum((in_ledger - heard).values()) - sum(number - 1 for number in in_ledger.values())
        ),
        "unprinted": int(rows != printed) if not window.refused else int(told != window.beeped),
        "stated": len(window.stated),
        "stated_lost": sum(identity not in kept for identity in window.stated),
        "stated_changed": (
            window.changed + sum(kept.get(each, raw) != raw for each, raw in window.stated.items())
        ),
        "unwitnessed": sum(identity not in window.stated for identity in kept),
    }


def _tell(r: Mapping[str, Any]) -> None:
    faults, mqtt, converged = r["faults"], r["mqtt"], r["converged_ms"]
    partitions = ", ".join(
        f"{name[10:]} {number}" for name, number in faults.items() if name.startswith("partition_")
    )
    others = ", ".join(
        f"{name} {number}"
        for name, number in faults.items()
        if not name.startswith("partition_") and name != "bytes"
    )
    print(
        f"{r['windows']} windows, {r['broker']}, seed {r['seed']}: {r['records']} records in"
        f" {r['seconds']} s"
    )
    print(f"{r['beeped']} counts beeped ok, {r['refused']} not taken; in the ledger {r['kinds']}")
    print(
        f"MQTT: {mqtt['ev']} messages of records, {mqtt['state']} heartbeats, {mqtt['refused']}"
        f" refused, {faults['bytes']} B"
    )
    print(
        f"records sent again: {r['duplicates']}; reconnects {r['reconnects']}; kills {r['kills']}"
    )
    print(f"{r['partitions']} partitions (of two lines each: {partitions}); faults: {others}")
    print(
        f"converged after a partition: p50 {converged['p50']} ms, p99 {converged['p99']} ms, max"
        f" {converged['max']} ms"
    )
    print(
        f"lowest free heap {r['heap_low_begin']} bytes at the begin, {r['heap_low_end']} at the end"
    )
    print(f"records seen on flash: {r['stated']}, in the ledger only: {r['unwitnessed']}")
    names = ("lost", "twice", "foreign", "unprinted", "stated_lost", "stated_changed", "gaps")
    print(", ".join(f"{name} {r[name]}" for name in names))
    if not is_sound(r):
        print(
            {
                name: r[name]
                for name in ("enough", "settled", "ended", "findings", "incidents", "heap_flat")
            }
        )
