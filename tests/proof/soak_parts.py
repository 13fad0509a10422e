"""The processes of ./run proof soak: the gateway, and windows of real firmware with their
counters.
"""

import logging
import multiprocessing
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.broker.process import HOST
from gateway.clock import Clock
from gateway.delivery.ingest import Ingest
from gateway.delivery.service import Service, ServiceSettings
from gateway.devices.keys import KeyStore, create_key
from gateway.facts.chain import GENESIS
from gateway.fleet.boards import load_board
from gateway.fleet.stage import stage
from gateway.store import entries
from gateway.store.engine import Db, Pending
from gateway.store.ledger import Ledger
from simulators import gpio
from simulators.bench_board import ProcessBoard
from simulators.channels import PinLine, SerialLine
from simulators.flash_image import records_on_flash
from simulators.instruments.machine import count_batch
from simulators.instruments.printers import CsvPrinter
from tests.firmware.acceptor_bench import board_with, site_of
from tests.firmware.bench import HEAP, MICROPYTHON, SITE
from tests.proof.chaos import Weather

UNHEARD_MAX = 6  # reports of one machine whose beep is still to come
QUIET_S = 3  # a board answers a report within a second, a busy machine included
FULL_S = 1 / 5
LATE_COMMIT_S = 2  # of the control
COUNTS = ("ev", "state", "refused")  # messages that the gateway received from the broker


@dataclass(frozen=True)
class Plan:
    """What one soak does."""

    messages: int = 100_000
    windows: int = 8
    seed: int = 1
    seconds_max: int = 1_800
    partitions: int = 0  # so many are wanted too
    partition_ms: int = 30_000  # from the convergence after one to the start of the next
    partition_length_ms: tuple[int, int] = (2_000, 6_000)
    kills_ms: int = 0
    broker: str = ""
    instruments: int = 4  # of each window
    sectors: int = 64  # of each journal
    budget: Mapping[str, int] = field(default_factory=dict)  # other than the board's own
    report_ms: int = 0  # at least so long between two reports of one machine
    is_late: bool = (
        False  # the control: the gateway acknowledges up to LATE_COMMIT_S before it commits
    )
    # every second fault ends its connection; with more faults they would set the pace, and not the
    # machines
    board_weather: Weather = Weather(60_000)
    gateway_weather: Weather = Weather(1_500_000)


# ---- the gateway's process


def _serve(folder: str, port: int, is_late: bool, counts: Any) -> None:
    """The real gateway; ends with the process that started it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (parent.join(), os._exit(0)), daemon=True).start()
    logging.basicConfig(filename=Path(folder) / "gateway.log")
    with (_LateLedger if is_late else Ledger)(Path(folder) / "ledger.db") as ledger:
        ingest = Ingest(ledger, KeyStore(Path(folder) / "keys"), Clock(), SITE)
        accept = ingest.accept

        def counted(topic: str, payload: bytes, retained: bool) -> Any:
            outcome = accept(topic, payload, retained)
            name = {"AcceptedEvents": "ev", "AcceptedState": "state"}.get(
                type(outcome).__name__, "refused"
            )
            counts[COUNTS.index(name)] += 1
            return outcome

        ingest.accept = counted  # type: ignore[method-assign]
        Service(ServiceSettings(SITE, HOST, port), ingest).run(threading.Event())


class _LateLedger(Ledger):
    """The planted bug: `record` returns, and the acknowledgement goes out, before the COMMIT."""

    began = 0

    @contextmanager
    def transaction(self) -> Iterator[Db]:
        if not self._db.in_transaction:
            self._db.begin(entries.NEWEST)
            self.began = time.monotonic_ns()
        newest = self._db.execute(entries.NEWEST).fetchone()
        self._db.pending = Pending(*(newest or (0, GENESIS)))
        yield self._db
        entries.close_entry(self._db)
        self._db.pending = None
        if time.monotonic_ns() - self.began > LATE_COMMIT_S * 1_000_000_000:
            self._db.commit()


class Gateway:
    """Its process, killed and started again."""

    def __init__(self, folder: Path, port: int, is_late: bool) -> None:
        self._context = multiprocessing.get_context("spawn")
        self.counts = self._context.Array("Q", len(COUNTS), lock=False)
        self._arguments = (str(folder), port, is_late, self.counts)
        self.start()

    def start(self) -> None:
        self._process = self._context.Process(target=_serve, args=self._arguments, daemon=True)
        self._process.start()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


# ---- a window


@dataclass
class _Machine:
    """One counter and its wire."""

    name: str
    rng: random.Random
    wire: SerialLine = field(default_factory=SerialLine)
    printer: CsvPrinter = field(default_factory=CsvPrinter)
    now_ms: int = 0
    ready_at: float = 0
    unsent: bytes = b""
    heard: int = 0  # reports that were answered: on flash, or refused

    @property
    def unheard(self) -> int:
        """Reports that wait for their beep."""
        return len(self.printer.truth.printed) - self.heard

    def print_on(self, may_print: bool, report_ms: int) -> None:
        """Send what the line takes, and print the next report when few enough wait for their
        beep.
        """
        if (
            not self.unsent
            and may_print
            and self.unheard < UNHEARD_MAX
            and time.monotonic() >= self.ready_at
        ):
            self.ready_at = time.monotonic() + report_ms / 1000
            rows = [(self.rng.choice(self.printer.denominations), self.rng.randint(1, 9))]
            self.now_ms = count_batch(self.printer, rows, self.now_ms + 1_000)
            self.unsent = self.printer.pop_output()
        if self.unsent:
            self.unsent = self.unsent[self.wire.write(self.unsent) :]


class Window:
    """The firmware in its process, and what its cashier hears."""

    def __init__(self, folder: Path, plan: Plan, name: str, port: int) -> None:
        place = folder / name
        place.mkdir()
        names = [f"c{number}" for number in range(plan.instruments)]
        board = board_with(place, dict.fromkeys(names, "csv"))
        tables = {
            **board.tables,
            "budget": {**load_board("unix").tables["budget"], **plan.budget},
            "journal": {"sectors": plan.sectors},
        }
        key = create_key(folder / "keys", name)
        tree = stage(
            replace(board, tables=tables),
            None,
            place / "tree",
            site_of(name, port, key.secret.hex()),
        ).folder
        self.name = name
        self.flash = place / "flash.img"
        self.console = place / "console.txt"
        self.machines = {
            each: _Machine(each, random.Random(f"{plan.seed} {name} {each}")) for each in names
        }
        self.beeped: list[
            str
        ] = []  # "instrument batch amount" of every count after its beep "ok", in order
        self.refused = 0  # beeps "full" or "error"
        self.stated: dict[
            tuple[int, int], bytes
        ] = {}  # (epoch, seq): record, all that was ever seen on flash
        self.changed = 0  # records that flash held with two contents
        self._pins = PinLine()
        self._reader = gpio.LineReader()
        self._report_ms = plan.report_ms
        self._was_ok = False
        self._full_at = 0.0
        self._heard_at = time.monotonic()
        channels = {each.upper(): machine.wire.theirs for each, machine in self.machines.items()}
        environment = {"TILL_FLASH": str(self.flash), "MICROPYPATH": ".:.frozen"}
        argv = [MICROPYTHON, "-X", HEAP, "main.py"]
        self.board = ProcessBoard(
            argv, tree, environment, {**channels, "GPIO": self._pins.theirs}, self.console
        )

    def step(self, may_print: bool) -> None:
        """Listen to the board, then let the machines print; after a beep "full" nobody counts for a
        moment.
        """
        may_print = may_print and time.monotonic() - self._full_at > FULL_S
        while data := self._pins.read():
            for event in self._reader.feed(data):
                self._hear(event)
        for machine in self.machines.values():
            machine.wire.read()
            machine.print_on(may_print, self._report_ms)

    def _hear(self, event: gpio.FromBoard) -> None:
        if event.kind == "beep":
            self._heard_at = time.monotonic()
            self._was_ok = event.text == "ok"
            if event.text in (
                "full",
                "error",
            ):  # error: a report that paused too long on a busy machine; it is kept whole
                self.refused += 1
                self._full_at = time.monotonic()
                max(
                    self.machines.values(), key=lambda each: each.unheard
                ).heard += 1  # the beep does not say for which count it is
        elif event.kind == "print" and self._was_ok:
            self._was_ok = False
            self.beeped.append(event.text)
            self.machines[event.text.partition(" ")[0]].heard += 1

    def witness(self) -> int:
        """Read the flash image; the highest seq that it holds."""
        if not self.flash.exists():
            return 0
        found = records_on_flash(self.flash)
        self.changed += sum(
            self.stated.setdefault(identity, raw) != raw for identity, raw in found.items()
        )
        return max((seq for _, seq in found), default=0)

    @property
    def is_quiet(self) -> bool:
        """Every report that was begun is sent, and the board has said nothing more for a while. To
        count answers would not do: a report that a busy machine tears apart gets two of them, and
        none says for which machine it is.
        """
        is_sent = not any(each.unsent for each in self.machines.values())
        return is_sent and time.monotonic() - self._heard_at > QUIET_S

    def close(self) -> None:
        self.board.power_cut()
        for machine in self.machines.values():
            machine.wire.close()
        self._pins.close()
